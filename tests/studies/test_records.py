"""Records survive crashes, and nothing that is written is lost."""

import json
from dataclasses import asdict, replace

import pytest
import torch

from studies.provenance import commit, data_digest, state_digest, versions
from studies.records import (
    MEASURED_FIELDS,
    RunRecord,
    TornRecordWarning,
    append_record,
    comparable,
    read_records,
)


def record(seed=0, **changes):
    return replace(
        RunRecord(
            study="compare",
            policy="expression",
            model="GeneInspiredNet",
            dataset="digits",
            test_name="held out",
            seed=seed,
            target_sparsity=0.9,
            sparsity=0.9,
            test_accuracy=0.1 + 0.2,
            macro_f1=0.3,
            per_class_recall=[0.5, None],
            confusion=[[1, 1], [0, 0]],
            classes=["a", "b"],
            validation_accuracy=0.5,
            parameters=100,
            live_parameters=10,
            multiply_adds=90,
            live_multiply_adds=9,
            churn=0.01,
            train_seconds=1.5,
            controller_seconds=0.1,
            curve=[],
            updates=[],
            config={"epochs": 1},
            versions={"torch": "2"},
            hardware={"threads": 1},
            commit=None,
            state_digest="0" * 64,
        ),
        **changes,
    )


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "records.jsonl"
    for seed in range(3):
        append_record(path, record(seed))
    return path


def test_reading_gives_what_was_written(path):
    assert read_records(path) == [record(seed) for seed in range(3)]


def test_no_file_is_no_records(tmp_path):
    assert read_records(tmp_path / "records.jsonl") == []


def test_one_line_a_record(path):
    assert [json.loads(line)["seed"] for line in path.read_text().splitlines()] == [0, 1, 2]


def cut_points(path):
    content = path.read_bytes()
    start = content[:-1].rfind(b"\n") + 1
    return content, [start + 1, start + 2, (start + len(content)) // 2, len(content) - 2]


def test_a_torn_last_line_is_left_out_and_said(path):
    content, cuts = cut_points(path)
    for cut in cuts:
        path.write_bytes(content[:cut])
        with pytest.warns(TornRecordWarning, match="line 3 was cut off"):
            assert read_records(path) == [record(0), record(1)]


def test_a_torn_line_is_replaced_by_the_next_record(path):
    content, cuts = cut_points(path)
    for cut in cuts:
        path.write_bytes(content[:cut])
        append_record(path, record(7))
        assert read_records(path) == [record(0), record(1), record(7)]


def test_a_whole_line_without_its_end_counts(path):
    path.write_bytes(path.read_bytes()[:-1])
    assert len(read_records(path)) == 3
    append_record(path, record(3))
    assert read_records(path) == [record(seed) for seed in range(4)]


def test_a_broken_line_before_the_last_is_an_error(path):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:20] + b"\n" + lines[2])
    with pytest.raises(ValueError, match="line 2 is not JSON"):
        read_records(path)


def test_lines_that_are_no_records_are_errors(path):
    whole = path.read_bytes()
    for line, message in (
        (b"[1, 2]\n", "line 4 must be a JSON object, got list"),
        (b'{"seed": 1}\n', "line 4 is no run record, it lacks .*policy"),
        (json.dumps({**asdict(record()), "extra": 1}).encode() + b"\n", "fields that no record has: extra"),
    ):
        path.write_bytes(whole + line)
        with pytest.raises(ValueError, match=message):
            read_records(path)


def test_not_a_number_is_never_written(path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        append_record(path, record(test_accuracy=float("nan")))
    assert path.read_bytes() == before


def test_comparable_drops_only_what_a_clock_measured():
    first, second = record(train_seconds=1.0, controller_seconds=0.1), record()
    assert comparable(first) == comparable(second)
    assert set(asdict(first)) - set(comparable(first)) == set(MEASURED_FIELDS)
    for name in ("state_digest", "commit"):
        assert comparable(first) != comparable(replace(first, **{name: "other"}))


def test_key_tells_runs_apart():
    keys = {
        record().key,
        record(seed=1).key,
        record(policy="dense").key,
        record(target_sparsity=0.95).key,
        record(model="CompactFERNet").key,
        record(dataset="faces").key,
    }
    assert len(keys) == 6
    assert all("/" not in key and " " not in key for key in keys)


def test_state_digest_sees_every_bit():
    weights = {"a": torch.tensor([1.0, -0.0]), "b": torch.tensor(3)}
    digest = state_digest(weights, {})
    assert digest == state_digest({name: tensor.clone() for name, tensor in weights.items()}, {})
    assert digest != state_digest({**weights, "a": torch.tensor([1.0, 0.0])}, {})
    assert digest != state_digest({"b": weights["b"], "a": weights["a"]}, {})
    assert digest != state_digest(weights, {"a": torch.tensor([True, True])})


def test_data_digest_sees_labels_and_pixels(digits):
    digest = data_digest(digits)
    assert digest == data_digest(digits)
    other = replace(digits, train=replace(digits.train, labels=digits.train.labels.roll(1)))
    assert data_digest(other) != digest


def test_versions_name_what_computes():
    assert versions()["torch"] == torch.__version__
    assert {"python", "numpy", "numba", "torchdiffeq"} <= set(versions())


def test_commit_is_a_hash_or_nothing():
    found = commit()
    assert found is None or len(found.removesuffix("-dirty")) == 40
