"""`python -m studies` as a person calls it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from studies.__main__ import STUDIES, main
from studies.records import read_records

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--data", "digits", "--fraction", "0.3", "--epochs", "1", "--hidden", "16", "--threads", "1"]


def call(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "studies", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_listing_names_every_study(capsys):
    assert main([]) == 0
    listing = capsys.readouterr().out
    for study in STUDIES:
        assert f"  {study} " in listing


def test_listing_imports_nothing_heavy():
    """It is instant because neither torch nor tyro is imported for it."""
    code = "import sys; from studies.__main__ import main; main([]); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "tyro", "rich", "numpy"} & set(done.stderr.split())


def test_openmp_is_told_not_to_spin():
    """OpenMP reads the variable when torch is loaded, so it must be set before; nothing above loads torch."""
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    code = "import os, studies.__main__; print(os.environ['GOMP_SPINCOUNT'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"


@pytest.mark.parametrize(
    ("study", "options", "runs"),
    [
        ("compare", ["--policies", "dense,expression", "--seeds", "1"], 2),
        ("train", ["--policy", "expression"], 1),
    ],
)
def test_every_study_runs(tmp_path, study, options, runs):
    out = tmp_path / "out"
    done = call(study, *SMALL, *options, "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert f"report: {out / 'report.html'}" in done.stdout
    assert (out / "report.html").stat().st_size > 1000
    records = read_records(out / "records.jsonl")
    assert len(records) == runs
    assert all(record.study == study for record in records)
    assert f"[{runs}/{runs}] expression 0.9, seed 0: test " in done.stdout


@pytest.mark.parametrize("study", ["compare", "train"])
def test_help_explains_every_option(study, capsys):
    with pytest.raises(SystemExit) as ended:
        main([study, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for option in ("--data", "--out", "--device", "--resume", "--epochs", "--learning-rate"):
        assert option in text
    assert text.count("(default:") >= 20


def test_a_user_error_is_one_line_without_traceback(tmp_path):
    done = call("train", *SMALL, "--sparsity", "1.5", "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stderr == "error: sparsity must be in [0, 1), the share of connections silenced, got 1.5\n"
    assert not (tmp_path / "out").exists()


def test_errors_name_options_as_they_are_typed(tmp_path):
    for name in ("happy", "sad"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        (tmp_path / "tree" / name / "0.png").touch()
    done = call("train", "--data", str(tmp_path / "tree"), "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "ask for --split source" in done.stderr
    assert "--split random" in done.stderr
    assert "split='" not in done.stderr


def test_only_options_of_the_study_are_named_as_such(monkeypatch, capsys):
    """A layer's description in an error stays as it is, and so does an argument that the study lacks."""

    def fail(arguments):
        raise ValueError("Conv2d(1, 8, kernel_size=3) has width=0; channels=1 or seeds=2, as bias=False")

    for study, told in (
        ("train", "Conv2d(1, 8, kernel_size=3) has --width 0; --channels 1 or seeds=2, as bias=False"),
        ("compare", "Conv2d(1, 8, kernel_size=3) has --width 0; --channels 1 or --seeds 2, as bias=False"),
    ):
        monkeypatch.setattr(f"studies.{study}.main", fail)
        assert main([study]) == 2
        assert capsys.readouterr().err == f"error: {told}\n"


def test_diverged_training_is_one_line(tmp_path, capsys):
    options = ["--optimizer", "sgd", "--learning-rate", "1e30", "--policy", "dense"]
    assert main(["train", *SMALL, *options, "--out", str(tmp_path / "out")]) == 1
    errors = capsys.readouterr().err
    assert errors.startswith("error: 1 of 1 runs failed: dense, seed 0: the training loss became")
    assert errors.count("\n") == 1
