"""What cannot be a record of a history is refused, and nothing written."""

from dataclasses import replace

import numpy as np
import pytest
from made_histories import LAYERS, expression_at, layer, masks_at, read_all, snapshot, write

from pruning.topology import TopologyHistory


@pytest.mark.parametrize(
    ("one", "expression", "message"),
    [
        (snapshot(3, masks_at(3), LAYERS), None, "step must be later than 3"),
        (
            snapshot(9, [np.ones((7, 5), bool), masks_at(1)[1]], (layer("first", 7, 5), LAYERS[1])),
            None,
            "network",
        ),
        (snapshot(9, masks_at(3), LAYERS, live=1), None, "live gates and its counts say 1"),
        (
            snapshot(9, masks_at(3), LAYERS, packed_masks=np.zeros(3, np.uint8)),
            None,
            "masks must be 64 bytes",
        ),
        (snapshot(9, masks_at(3), LAYERS, sample_live=np.ones(3, bool)), None, "sample_live must be bool"),
        (
            snapshot(9, masks_at(3), LAYERS, sample_expression=np.ones(64)),
            None,
            "sample_expression must be float32 of shape .64,., got float64",
        ),
        (
            snapshot(9, masks_at(3), LAYERS),
            replace(expression_at(3), histogram=np.full((2, 32), 13)),
            "count each of its gates at most once",
        ),
        (
            snapshot(9, masks_at(3), LAYERS),
            replace(expression_at(3), protein=np.ones(24)),
            "protein must be float16",
        ),
        (snapshot(9, masks_at(3), LAYERS), replace(expression_at(3), mrna=np.ones(3, np.float16)), "mrna"),
    ],
)
def test_a_wrong_record_is_refused_and_nothing_written(path, one, expression, message):
    before = write(path, 3).read_bytes()
    with TopologyHistory.resume(path, 3) as history:
        with pytest.raises(ValueError, match=message):
            history.append(one, expression)
        assert path.read_bytes() == before
        history.append(snapshot(4, masks_at(4), LAYERS), expression_at(4))
    assert path.read_bytes() == write(path, 4).read_bytes()


def test_a_reader_does_not_write_and_facts_are_json(path):
    write(path, 1)
    with TopologyHistory.open(path) as history, pytest.raises(ValueError, match="opened to be read"):
        history.append(snapshot(2, masks_at(2), LAYERS))
    for facts in ({"x": float("nan")}, {"x": {1, 2}}):
        with pytest.raises(ValueError, match="finite JSON values"):
            TopologyHistory.create(path, LAYERS, run=facts)
    with pytest.raises(ValueError, match="sample must be from 0 to 65,536 gates, got -1"):
        TopologyHistory.create(path, LAYERS, sample=-1)
    assert len(read_all(path)) == 1
