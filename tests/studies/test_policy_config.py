"""A file of rates: what is written comes back, what is wrong is named, and studies take it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from grn import Kinetics
from pruning import ExpressionGating
from studies.__main__ import main
from studies.compare import Compare, run
from studies.options import TrainingOptions
from studies.policies import POLICIES
from studies.policy_config import (
    PARAMETERS,
    check_agreement,
    read_policy_config,
    with_policy_config,
    write_policy_config,
)
from studies.train import Train

POLICY = ExpressionGating(
    kinetics=Kinetics(mrna_decay=0.1, protein_decay=1 / 3, hill_coefficient=2.5, basal=0.013),
    threshold=1.7, autoactivation=0.4, cooperation=0.2, window=0.75,
)  # fmt: skip


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.json"
    write_policy_config(path, POLICY, density=0.2)
    return path


def test_what_is_written_comes_back_to_the_last_bit(file):
    config = read_policy_config(file)
    assert config.gating() == POLICY
    assert config.density == 0.2
    write_policy_config(file, POLICY)
    assert read_policy_config(file).density is None
    assert '"mrna_decay": 0.1' in file.read_text()  # for a person to read
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(colour=3), "the file has no key 'colour', got 3; its keys are format, version"),
        (lambda d: d["policy"].update(gamma=3), "policy has no key 'gamma', got 3"),
        (lambda d: d["policy"].pop("window"), "policy must have the key 'window', got mrna_decay, "),
        (lambda d: d.pop("policy"), "the file must have the key 'policy'"),
        (lambda d: d.update(policy=[1]), r"policy must be a JSON object, got list \[1\]"),
        (lambda d: d.update(version=2), "version must be 1, got 2"),
        (lambda d: d.update(version=True), "version must be 1, got True"),
        (lambda d: d.update(format="x"), "format must be 'policy config', got 'x'"),
        (lambda d: d.update(density=0), r"density must lie in \(0, 1\], got 0"),
        (lambda d: d.update(density="1"), "density must be a finite number, got '1'"),
        (lambda d: d["policy"].update(threshold="1"), "threshold must be a finite number, got '1'"),
        (lambda d: d["policy"].update(basal=True), "basal must be a finite number, got True"),
        (lambda d: d["policy"].update(window=None), "window must be a finite number, got None"),
        (
            lambda d: d["policy"].update(mrna_decay=float("nan")),
            "mrna_decay must be a finite number, got nan",
        ),
        (lambda d: d["policy"].update(protein_decay=-1), "protein_decay must be .* got -1"),
        (lambda d: d["policy"].update(threshold=0), "threshold must be a positive finite multiple.* got 0"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(file, change, message):
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=f"mine.json: {message}") as caught:
        read_policy_config(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 10_000, b'{"format": 1, "format": 2}'])
def test_a_file_that_is_no_json(file, content):
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"mine\.json must hold a policy config as JSON, and does not"):
        read_policy_config(file)


def test_what_has_no_form_in_the_file_is_not_written(tmp_path):
    several = Kinetics(mrna_decay=torch.tensor([1.0, 2.0]))
    for policy, message in (
        (ExpressionGating(kinetics=several), "mrna_decay must be one number"),
        (ExpressionGating(margin=0.5), "margin must be 0.02, as in the studies, .* got 0.5"),
    ):
        with pytest.raises(ValueError, match=message):
            write_policy_config(tmp_path / "no.json", policy)
    with pytest.raises(ValueError, match=r"density must lie in \(0, 1\], got 2"):
        write_policy_config(tmp_path / "no.json", POLICY, density=2)
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError, match="no policy config at"):
        read_policy_config(tmp_path / "no.json")


def test_the_policies_take_the_values(file):
    options = with_policy_config(Compare(), file)
    options.check()
    assert POLICIES["expression"].build(options) == POLICY
    assert POLICIES["expression-schmitt"].build(options) == replace(POLICY, gate="schmitt")
    smoothed = POLICIES["smoothed"].build(options)
    assert (smoothed.kinetics, smoothed.window) == (POLICY.kinetics, POLICY.window)


@pytest.mark.parametrize("name", PARAMETERS)
def test_an_option_that_contradicts_the_file_is_refused(file, name):
    options = with_policy_config(TrainingOptions(), file)
    with pytest.raises(ValueError, match=rf"{name} is .* in .*mine.json and 3.5 among the options"):
        check_agreement(replace(options, **{name: 3.5}))


@pytest.mark.parametrize("study", [Compare, Train])
def test_a_study_stores_the_values_and_not_the_file(file, study):
    plain = study().described()
    assert {"threshold", "policy_config"}.isdisjoint(plain)  # as before either was an option
    stored = with_policy_config(study(), file).described()
    assert "policy_config" not in stored
    assert {name: stored[name] for name in PARAMETERS} == {
        name: getattr(read_policy_config(file), name) for name in PARAMETERS
    }


def command(tiny, *more, study="compare", policies="expression"):
    given = {**tiny, "epochs": 1}
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    chosen = ["--policies", policies, "--seeds", "1"] if study == "compare" else ["--policy", policies]
    return main([study, *words, *chosen, *more])


def test_the_command_takes_the_file_and_a_study_of_the_same_values_continues(tiny, file, capsys):
    assert command(tiny, "--policy-config", str(file)) == 0
    told = capsys.readouterr().out
    assert "were chosen at density 0.2, which is sparsity 0.8; this study prunes to 0.9" in " ".join(
        told.split()
    )
    stored = json.loads((tiny["out"] / "config.json").read_text())
    assert (stored["threshold"], stored["protein_decay"]) == (1.7, 1 / 3)
    record = json.loads((tiny["out"] / "records.jsonl").read_text())
    assert "threshold=1.7" in record["config"]["resolved"]["policy"]

    other = file.with_name("moved.json")
    file.rename(other)  # the values count, wherever they stand
    before = (tiny["out"] / "records.jsonl").read_bytes()
    assert command(tiny, f"--policy-config={other}", "--resume") == 0
    values = [word for name in PARAMETERS for word in (f"--{name.replace('_', '-')}", repr(stored[name]))]
    assert command(tiny, *values, "--resume") == 0
    assert (tiny["out"] / "records.jsonl").read_bytes() == before
    capsys.readouterr()

    assert command(tiny, "--resume") == 2
    assert "threshold was 1.7 and is now '(absent)'" in capsys.readouterr().err
    write_policy_config(other, replace(POLICY, window=2.0))
    assert command(tiny, "--policy-config", str(other), "--resume") == 2
    assert "window was 0.75 and is now 2.0" in capsys.readouterr().err


def test_a_study_from_before_continues(tiny):
    """Its stored configuration knows neither option."""
    options = {**tiny, "epochs": 1, "policies": "expression", "seeds": 1}
    run(Compare(**options))
    stored = json.loads((tiny["out"] / "config.json").read_text())
    assert {"threshold", "policy_config"}.isdisjoint(stored)
    assert len(run(Compare(**options, resume=True))) == 1


@pytest.mark.parametrize("study", ["compare", "train"])
def test_errors_of_the_command_are_one_line(tiny, file, capsys, study):
    for more, message in (
        (["--policy-config", str(file), "--mrna-decay", "1.0"], "mrna_decay is 0.1 in"),
        (["--policy-config", str(file), "--policy-config", str(file)], "may be given once"),
    ):
        assert command(tiny, *more, study=study) == 2
        told = capsys.readouterr().err
        assert message in told
        assert told.count("\n") == 1
    assert command(tiny, "--policy-config", str(file.with_name("absent.json")), study=study) == 1
    file.write_text("rates")
    assert command(tiny, "--policy-config", str(file), study=study) == 2
    assert "mine.json must hold a policy config as JSON" in capsys.readouterr().err
    assert not Path(tiny["out"]).exists()


def test_train_takes_the_file(tiny, file, capsys):
    assert command(tiny, "--policy-config", str(file), "--sparsity", "0.8", study="train") == 0
    assert "were chosen at" not in capsys.readouterr().out  # it is this density
    record = json.loads((tiny["out"] / "records.jsonl").read_text())
    assert "threshold=1.7" in record["config"]["resolved"]["policy"]
