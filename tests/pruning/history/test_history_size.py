"""A history takes about what the entropy of its masks asks for."""

import numpy as np
from made_histories import layer, snapshot

from pruning.topology import TopologyHistory


def test_a_million_connections_take_little(path):
    layers = (layer("wide", 1000, 1000),)
    random = np.random.default_rng(0)
    mask = random.random(1_000_000) < 0.1
    with TopologyHistory.create(path, layers) as history:
        begun = history.nbytes
        for step in range(17):  # both masks that are whole and those that are a difference
            history.append(snapshot(step, [mask], layers))
            flipped = random.choice(1_000_000, 10_000, replace=False)  # a churn of 1 %
            mask = mask.copy()
            mask[flipped] ^= True
        # Shannon: a whole one takes 0.47 bits a gate, a difference 0.08; deflate reaches 0.6 and 0.13 or so.
        assert history.nbytes - begun < 1_000_000 * (2 * 0.7 + 15 * 0.16) / 8
        masks = 0
        for one in history:
            masks += one.live
        assert masks == sum(one.live for one, _ in history.records(masks=False))


def test_random_masks_take_a_bit_a_gate(path):
    """The worst case: 100 of them stay below 13 MB."""
    layers = (layer("wide", 1000, 1000),)
    random = np.random.default_rng(0)
    with TopologyHistory.create(path, layers) as history:
        begun = history.nbytes
        for step in range(5):
            history.append(snapshot(step, [random.random(1_000_000) < 0.5], layers))
        assert history.nbytes - begun < 5 * 125_500
