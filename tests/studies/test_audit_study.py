"""The audit as a study: what it prints, writes and refuses."""

import json
from dataclasses import replace

import pytest

from studies import audit as study
from studies.audit import AuditOptions, main, run
from studies.data import load_dataset


@pytest.fixture
def leaky(monkeypatch):
    """Digits of which three test images stand in training."""
    digits = load_dataset("digits", fraction=0.3, image_size=16)
    images = digits.test.images.clone()
    images[:3] = digits.train.images[:3]
    dataset = replace(digits, test=replace(digits.test, images=images))
    monkeypatch.setattr(AuditOptions, "load_data", lambda self: dataset)
    return dataset


def test_findings_are_printed_and_written(leaky, tmp_path, capsys):
    record = run(AuditOptions(data="digits", out=tmp_path / "new" / "audit", baselines=True))
    printed = capsys.readouterr().out
    written = json.loads((tmp_path / "new" / "audit" / "audit.json").read_text())
    assert written == record
    assert written["copies"]["test"]["exact"] == 3
    assert [pair["sample"] for pair in written["pairs"] if pair["kind"] == "exact"] == list(
        leaky.test.ids[:3]
    )
    for line in written["lines"]:
        assert line in printed
    assert [score["name"] for score in written["baselines"]] == [
        "majority class",
        "nearest neighbour",
        "linear model",
    ]
    for score in written["baselines"]:
        assert f"{score['name']}: test accuracy {score['accuracy']:.1%}" in printed
    assert written["options"]["data"] == "digits"
    assert [file.name for file in (tmp_path / "new" / "audit").iterdir()] == ["audit.json"]


def test_the_command_line_takes_a_data_set(tmp_path, capsys):
    main(["--data", "digits", "--no-near", "--out", str(tmp_path)])
    assert "with a copy in train or validation: 0 exact" in capsys.readouterr().out
    assert "baselines" not in json.loads((tmp_path / "audit.json").read_text())


def test_baselines_are_told_in_words(capsys):
    score = study.BaselineScore(
        name="linear model",
        description="pixels at 8×8",
        accuracy=0.5,
        macro_f1=0.25,
        accuracy_without_copies=0.4,
        macro_f1_without_copies=0.2,
    )
    assert study.baseline_lines([score]) == [
        "linear model: test accuracy 50.0%, 40.0% without copies, macro F1 0.250 (pixels at 8×8)"
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"fraction": 0.0}, "fraction must be in"),
        ({"data": "no/such/place"}, "no/such/place"),
    ],
)
def test_options_are_refused_before_anything_is_written(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        run(AuditOptions(out=tmp_path / "out", **options))
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ValueError, match="out must be a directory"):
        run(AuditOptions(data="digits", out=tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "mine"
