"""Bad input is refused in one message, before any file is written."""

import errno
import json
import os
from pathlib import Path

import pytest

from studies.__main__ import main
from studies.compare import Compare
from studies.compare import run as run_compare
from studies.train import Train
from studies.train import run as run_train

BAD_OPTIONS = [
    ({"policies": "dense,expresion"}, "unknown policy 'expresion': the known ones are dense, small-dense"),
    ({"policies": ""}, "policies must be some of"),
    ({"policies": "dense,,magnitude"}, "policies must be some of"),
    ({"policies": "dense,dense"}, "policies names dense twice"),
    ({"sparsities": "1.0"}, r"sparsity must be in \[0, 1\), the share of connections silenced, got 1.0"),
    ({"sparsities": "0.5,-0.1"}, r"sparsity must be in \[0, 1\).* got -0.1"),
    ({"sparsities": "nan"}, r"sparsity must be in \[0, 1\).* got nan"),
    ({"sparsities": "half"}, "sparsities must be numbers"),
    ({"sparsities": "0.9,0.90"}, "sparsities names 0.9 twice"),
    ({"seeds": 0}, "seeds must be at least 1, got 0"),
    ({"first_seed": -1}, "first_seed must be at least 0, got -1"),
    ({"model": "resnet"}, "model must be one of auto, gene, cnn, .*, got 'resnet'"),
    ({"granularity": "filter"}, "granularity must be one of weight, connection, unit, got 'filter'"),
    ({"allocation": "even"}, "allocation must be one of auto, global, uniform, erk, got 'even'"),
    ({"augmentation": "yes"}, "augmentation must be one of auto, gene, amacnn, .*, got 'yes'"),
    ({"optimizer": "lion"}, "optimizer must be one of adam, adamw, sgd, got 'lion'"),
    ({"learning_rate": 0.0}, "learning_rate must be a positive finite number, got 0.0"),
    ({"weight_decay": -1.0}, "weight_decay must be"),
    ({"epochs": 0}, "epochs must be an integer of at least 1, got 0"),
    ({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0"),
    ({"batch_size": 5000}, "batch_size must be at most the number of training images"),
    ({"fraction": 0.0}, r"fraction must be in \(0, 1\]"),
    ({"fraction": 1.5}, r"fraction must be in \(0, 1\]"),
    ({"image_size": 2}, "image_size must be at least 4, got 2"),
    ({"image_size": 4, "model": "cnn"}, "image_size must be an integer of at least 8, got 4"),
    ({"width": 0}, "width must be at least 1"),
    ({"hidden": "128,x"}, "hidden must be positive integers such as 128,64"),
    ({"hidden": "128,0"}, "hidden must be positive integers such as 128,64"),
    ({"update_every": 0}, "update_every must be at least 1, got 0"),
    ({"update_every": 100_000}, "update_every must be at most total_steps"),
    ({"prune_begin": 0.9, "prune_end": 0.5}, "prune_begin and prune_end must be fractions of training"),
    ({"threads": 0}, "threads must be at least 1, got 0"),
    ({"checkpoint_seconds": -1.0}, "checkpoint_seconds must be"),
    ({"device": "tpu"}, "unknown device 'tpu': expected auto, cpu, cuda or cuda:N"),
    ({"device": "meta"}, "unknown device 'meta'"),
    ({"device": "cuda:99"}, "device 'cuda:99' is not there"),
    ({"data": "no/such/file.csv"}, "no/such/file.csv"),
    ({"data": "no-such-set"}, "no data set, file or folder is called 'no-such-set'"),
    ({"test_split": "private"}, "test_split"),
    ({"test_split": "secret"}, "test_split must be one of public, private, got 'secret'"),
]


@pytest.mark.parametrize(("bad", "message"), BAD_OPTIONS)
def test_compare_refuses_before_any_file(tiny, bad, message):
    config = Compare(**{**tiny, "seeds": 1, **bad})
    with pytest.raises(ValueError, match=message):
        run_compare(config)
    assert not config.out.exists()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"policy": "unknown"}, "unknown policy 'unknown'"),
        ({"sparsity": 1.0}, r"sparsity must be in \[0, 1\)"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"epochs": 0}, "epochs must be"),
    ],
)
def test_train_refuses_before_any_file(tiny, bad, message):
    config = Train(**{**tiny, **bad})
    with pytest.raises(ValueError, match=message):
        run_train(config)
    assert not config.out.exists()


def test_out_that_is_a_file_is_refused(tiny):
    tiny["out"].write_text("mine")
    with pytest.raises(ValueError, match="is a file"):
        run_compare(Compare(**tiny))
    assert tiny["out"].read_text() == "mine"


@pytest.mark.parametrize("out", ["/proc/x/y", "{file}/below", "{loop}"])
def test_out_that_cannot_be_made_is_refused_at_once(tmp_path, monkeypatch, capsys, out):
    file, loop = tmp_path / "file", tmp_path / "loop"
    file.write_text("mine")
    loop.symlink_to(tmp_path / "nowhere" / "else")
    monkeypatch.setattr("studies.data_options.load_dataset", None)
    out = out.format(file=file, loop=loop)
    assert main(["compare", "--data", "digits", "--out", out]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith(f"error: --out must be a directory that can be written to, {out} cannot be (")
    assert errors.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == [file, loop]


def test_a_full_disk_is_one_line(tiny, monkeypatch, capsys):
    def full(path, record):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr("studies.runs.append_record", full)
    options = ["--data", "digits", "--fraction", "0.3", "--epochs", "1", "--hidden", "16", "--threads", "1"]
    assert main(["train", *options, "--policy", "dense", "--out", str(tiny["out"])]) == 1
    errors = capsys.readouterr().err
    assert errors.startswith("error: [Errno 28] No space left on device")
    assert errors.count("\n") == 1


def contents(directory: Path):
    return {path: path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


@pytest.fixture
def finished(tiny):
    """A finished study of two runs."""
    config = {**tiny, "policies": "dense,magnitude", "seeds": 1}
    records = run_compare(Compare(**config))
    return config, records


def test_a_finished_study_is_not_overwritten(finished):
    config, _ = finished
    before = contents(config["out"])
    with pytest.raises(
        ValueError, match=r"already holds a study with 2 finished runs: add --resume .* --out"
    ):
        run_compare(Compare(**config))
    assert contents(config["out"]) == before


def test_resuming_a_finished_study_runs_nothing(finished, monkeypatch):
    config, records = finished
    before = (config["out"] / "records.jsonl").read_bytes()
    monkeypatch.setattr("studies.runs.train", None)
    assert run_compare(Compare(**config, resume=True)) == records
    assert (config["out"] / "records.jsonl").read_bytes() == before


def test_resuming_under_another_configuration_names_the_fields(finished):
    config, _ = finished
    before = contents(config["out"])
    changed = {**config, "epochs": 3, "learning_rate": 0.01, "sparsities": "0.5"}
    with pytest.raises(ValueError, match="another configuration") as caught:
        run_compare(Compare(**changed, resume=True))
    for part in (
        "epochs was 2 and is now 3",
        "learning_rate was 0.002 and is now 0.01",
        "sparsities was [0.9] and is now [0.5]",
    ):
        assert part in str(caught.value)
    assert "batch_size" not in str(caught.value)
    assert contents(config["out"]) == before


def test_resuming_with_other_data_is_refused(finished, monkeypatch):
    config, _ = finished
    path = config["out"] / "config.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "data_digest": "0" * 64}))
    with pytest.raises(ValueError, match="data_digest was"):
        run_compare(Compare(**config, resume=True))


def test_records_without_a_configuration_are_not_continued(finished):
    config, _ = finished
    (config["out"] / "config.json").unlink()
    with pytest.raises(ValueError, match=r"records without config\.json"):
        run_compare(Compare(**config, resume=True))


def test_a_damaged_record_is_refused_and_kept(finished):
    config, _ = finished
    path = config["out"] / "records.jsonl"
    path.write_text("nonsense\n" + path.read_text())
    before = contents(config["out"])
    with pytest.raises(ValueError, match="line 1 is not JSON"):
        run_compare(Compare(**config, resume=True))
    assert contents(config["out"]) == before


def test_resuming_where_nothing_is_begins(tiny):
    assert len(run_compare(Compare(**tiny, policies="dense", seeds=1, resume=True))) == 1


def test_command_line_refuses_in_one_line(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["compare", "--data", "digits", "--policies", "wrong", "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: unknown policy 'wrong'")
    assert captured.err.count("\n") == 1
    assert not out.exists()


def test_command_line_refuses_an_unknown_study(capsys):
    assert main(["compere"]) == 2
    assert "unknown study 'compere': the known ones are compare, train" in capsys.readouterr().err
