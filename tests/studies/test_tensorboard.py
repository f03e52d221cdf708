"""Event files hold the curve."""

import json

import pytest

from studies.train import Train, run


def test_the_curve_is_there_for_tensorboard(tiny):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run(Train(**tiny, policy="magnitude", sparsity=0.5, tensorboard=True))
    (folder,) = (tiny["out"] / "tensorboard").iterdir()
    events = accumulators.EventAccumulator(str(folder))
    events.Reload()
    record = json.loads((tiny["out"] / "records.jsonl").read_text())
    for title, name in (
        ("loss/train", "train_loss"),
        ("accuracy/validation", "validation_accuracy"),
        ("sparsity", "sparsity"),
        ("learning rate", "learning_rate"),
    ):
        found = [(event.step, event.value) for event in events.Scalars(title)]
        assert found == [(point["epoch"], pytest.approx(point[name])) for point in record["curve"]]
