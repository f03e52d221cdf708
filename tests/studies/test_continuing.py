"""A study that grows, whose runs fail, or that goes on under other source."""

import json
import warnings
from pathlib import Path

import pytest

from pruning import MagnitudeGating
from studies.__main__ import main
from studies.compare import Compare, run
from studies.provenance import OtherCommitWarning
from studies.records import comparable, read_records
from studies.train import Train
from studies.train import run as run_train


def lines(out: Path) -> list[bytes]:
    return (out / "records.jsonl").read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("added", "stored", "runs"),
    [
        ({"seeds": 2}, {"seeds": [0, 1]}, 4),
        ({"policies": "random,magnitude,dense"}, {"policies": ["random", "magnitude", "dense"]}, 3),
        ({"sparsities": "0.5,0.9"}, {"sparsities": [0.5, 0.9]}, 3),
        (
            {"seeds": 2, "policies": "dense,magnitude,random", "sparsities": "0.9,0.5"},
            {"seeds": [0, 1], "policies": ["dense", "magnitude", "random"], "sparsities": [0.9, 0.5]},
            10,
        ),
    ],
)
def test_a_finished_study_grows(tiny, added, stored, runs):
    options = {**tiny, "epochs": 1, "policies": "dense,magnitude", "seeds": 1}
    out = options["out"]
    run(Compare(**options))
    before, config = lines(out), json.loads((out / "config.json").read_text())

    records = run(Compare(**{**options, **added}, resume=True))
    assert len(records) == runs
    assert lines(out)[: len(before)] == before
    assert len(lines(out)) == runs
    assert json.loads((out / "config.json").read_text()) == {**config, **stored}
    assert "not complete" not in (out / "report.html").read_text()
    with pytest.raises(ValueError, match=f"{next(iter(stored))} was .* and is now"):
        run(Compare(**options, resume=True))  # what it was is less than what it is now


def test_runs_added_later_are_those_of_one_study(tiny, tmp_path):
    options = {**tiny, "epochs": 1, "policies": "dense", "seeds": 1}
    run(Compare(**options))
    grown = run(Compare(**{**options, "seeds": 2, "policies": "dense,expression"}, resume=True))
    whole = run(Compare(**{**options, "seeds": 2, "policies": "dense,expression", "out": tmp_path / "whole"}))
    assert [record.state_digest for record in grown] == [record.state_digest for record in whole]
    assert comparable(grown[-1]) == comparable(whole[-1])


def test_seeds_may_be_added_below(tiny):
    options = {**tiny, "epochs": 1, "policies": "dense", "seeds": 1, "first_seed": 1}
    run(Compare(**options))
    grown = run(Compare(**{**options, "seeds": 3, "first_seed": 0}, resume=True))
    assert [record.seed for record in grown] == [0, 1, 2]
    assert json.loads((options["out"] / "config.json").read_text())["seeds"] == [0, 1, 2]
    assert "--seeds 3" in (options["out"] / "report.html").read_text()


def test_the_order_of_what_may_grow_means_nothing(tiny):
    options = {**tiny, "epochs": 1, "policies": "dense,magnitude", "seeds": 1}
    run(Compare(**options))
    before = (options["out"] / "config.json").read_bytes()
    run(Compare(**{**options, "policies": "magnitude,dense"}, resume=True))
    assert (options["out"] / "config.json").read_bytes() == before


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"seeds": 1}, r"seeds was \[0, 1\] and is now \[0\]"),
        ({"seeds": 2, "first_seed": 1}, r"seeds was \[0, 1\] and is now \[1, 2\]"),
        ({"policies": "dense,random"}, "policies was .*'magnitude'.* and is now .*'random'"),
        ({"seeds": 3, "epochs": 2}, "epochs was 1 and is now 2"),
    ],
)
def test_what_is_no_growth_is_refused(tiny, changed, field):
    options = {**tiny, "epochs": 1, "policies": "dense,magnitude", "seeds": 2}
    run(Compare(**options))
    before = {path: path.read_bytes() for path in options["out"].rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=field) as caught:
        run(Compare(**{**options, **changed}, resume=True))
    assert "policies, sparsities, seeds may have more values than before" in str(caught.value)
    assert ("seeds was" in str(caught.value)) == ("seeds was" in field)  # what may grow is not blamed
    assert {path: path.read_bytes() for path in options["out"].rglob("*") if path.is_file()} == before


def test_a_refused_growth_leaves_the_configuration(tiny):
    """The controllers refuse a sparsity that would empty a layer; the study stays what it was."""
    options = {**tiny, "epochs": 1, "policies": "static", "seeds": 1, "sparsities": "0.5"}
    run(Compare(**options))
    before = (options["out"] / "config.json").read_bytes()
    with pytest.raises(ValueError, match="sparsity"):
        run(Compare(**{**options, "sparsities": "0.5,0.99999"}, resume=True))
    assert (options["out"] / "config.json").read_bytes() == before


@pytest.fixture
def failing(monkeypatch):
    """Magnitude pruning fails in the second half of training."""
    decide = MagnitudeGating.decide

    def failing_decide(self, context, state):
        if context.live.float().mean() < 0.12:
            raise FloatingPointError("the weights are not finite")
        return decide(self, context, state)

    with monkeypatch.context() as patch:
        patch.setattr(MagnitudeGating, "decide", failing_decide)
        yield patch


def test_a_run_that_fails_does_not_stop_the_others(tiny, failing, capsys, tmp_path):
    options = {**tiny, "policies": "dense,magnitude,random", "seeds": 2}
    out = options["out"]
    with pytest.raises(FloatingPointError) as caught:
        run(Compare(**options))
    assert str(caught.value).startswith(
        "2 of 6 runs failed: magnitude 0.9, seed 0: the weights are not finite; "
        "magnitude 0.9, seed 1: the weights are not finite. "
    )
    assert "--resume" in str(caught.value)
    assert "[2/6] magnitude 0.9, seed 0: failed: the weights are not finite" in capsys.readouterr().out
    first = lines(out)
    assert [record.policy for record in read_records(out / "records.jsonl")] == ["dense", "random"] * 2
    assert "not complete" in (out / "report.html").read_text()
    assert not list(out.glob("runs/*magnitude*"))  # a checkpoint may hold the cause

    with pytest.raises(FloatingPointError, match="2 of 6 runs failed"):
        run(Compare(**options, resume=True))
    assert lines(out) == first

    failing.undo()
    records = run(Compare(**options, resume=True))
    assert lines(out)[:4] == first
    assert "not complete" not in (out / "report.html").read_text()
    whole = run(Compare(**{**options, "out": tmp_path / "whole"}))
    assert [comparable(record) for record in records] == [comparable(record) for record in whole]


def test_a_study_of_failures_has_no_report(tiny, failing):
    config = Compare(**tiny, policies="magnitude", seeds=1)
    with pytest.raises(FloatingPointError, match=r"1 of 1 runs failed: magnitude 0\.9, seed 0"):
        run(config)
    assert {path.name for path in config.out.iterdir()} == {"config.json"}


def test_train_that_fails(tiny, failing):
    config = Train(**tiny, policy="magnitude")
    with pytest.raises(FloatingPointError, match=r"1 of 1 runs failed: magnitude 0\.9, seed 0"):
        run_train(config)
    assert not (config.out / "weights.safetensors").exists()


def test_failed_runs_are_one_line_and_status_1(tiny, failing, capsys):
    options = ["--data", "digits", "--fraction", "0.3", "--epochs", "2", "--hidden", "16", "--threads", "1"]
    options += ["--policies", "dense,magnitude", "--seeds", "1", "--out", str(tiny["out"])]
    assert main(["compare", *options]) == 1
    errors = capsys.readouterr().err
    assert errors.startswith("error: 1 of 2 runs failed: magnitude 0.9, seed 0: the weights are not finite")
    assert errors.count("\n") == 1


def test_runs_of_another_commit_are_named(tiny, monkeypatch):
    options = {**tiny, "epochs": 1, "policies": "dense,magnitude", "seeds": 1}
    monkeypatch.setattr("studies.workbench.commit", lambda: "1f0c9e2b77aa-dirty")
    run(Compare(**options))
    monkeypatch.setattr("studies.workbench.commit", lambda: "a55d3c8e01bb")
    with pytest.warns(OtherCommitWarning) as caught:
        run(Compare(**{**options, "seeds": 2}, resume=True))
    assert [str(warning.message) for warning in caught] == [
        "finished runs come from another commit than the running source, a55d3c8: 2 from 1f0c9e2-dirty"
    ]
    monkeypatch.setattr("studies.workbench.commit", lambda: None)
    with pytest.warns(OtherCommitWarning, match="unknown: 2 from 1f0c9e2-dirty, 2 from a55d3c8"):
        run(Compare(**{**options, "seeds": 2}, resume=True))


def test_runs_of_the_same_commit_are_not(tiny):
    options = {**tiny, "epochs": 1, "policies": "dense", "seeds": 1}
    run(Compare(**options))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(Compare(**options, resume=True))
