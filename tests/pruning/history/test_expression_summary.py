"""Expression in few numbers."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_histories import LAYERS, layer, write

from pruning.topology import TopologyHistory, choose_sample, summarise_expression
from pruning.topology.history_header import PREFIX, decode_header


@settings(max_examples=100, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=12),
    count=st.integers(0, 500),
)
def test_the_sample_is_spread_over_the_layers(sizes, count):
    layers = [layer(str(number), 1, size) for number, size in enumerate(sizes)]
    chosen = choose_sample(layers, count)
    assert len(chosen) == min(count, sum(sizes))
    assert (np.diff(chosen) > 0).all()
    edges = np.concatenate([[0], np.cumsum(sizes)])
    shares, _ = np.histogram(chosen, edges)
    assert len(chosen) == shares.sum()
    for share, size in zip(shares, sizes, strict=True):
        assert share >= min(size, count // (2 * len(sizes)))
    assert np.array_equal(chosen, choose_sample(layers, count))


def test_the_sample_knows_its_layers(path):
    layers = (layer("a", 1000, 10), layer("b", 2, 3), layer("c", 100, 100))
    with TopologyHistory.create(path, layers, sample=100) as history:
        counts = np.bincount(history.sample_layer, minlength=3)
        assert counts[1] == 6
        assert counts.sum() == 100
        starts = np.array([0, 10_000, 10_006])
        within = history.sample - starts[history.sample_layer]
        assert (within >= 0).all()
        assert (within < np.array([10_000, 6, 10_000])[history.sample_layer]).all()


def test_bistable_expression_has_two_humps():
    torch.manual_seed(0)
    layers = (layer("bistable", 100, 100), layer("graded", 50, 100))
    low, high = torch.randn(7000) * 0.02 + 0.15, torch.randn(3000) * 0.02 + 0.85
    protein = torch.cat([low, high, torch.rand(5000)])
    zero = torch.zeros(15_000, dtype=torch.bool)
    summary = summarise_expression(layers, torch.arange(0), live=zero, protein=protein)
    bistable, graded = summary.histogram
    assert bistable[:11].sum() == 7000
    assert bistable[11:21].sum() == 0
    assert bistable[21:].sum() == 3000
    assert graded.sum() == 5000
    assert graded.min() > 0


def test_what_lies_outside_is_in_no_bin():
    layers = (layer("one", 1, 9),)
    nan, infinity = float("nan"), float("inf")
    protein = torch.tensor([0.0, 1.0, 1.0 + 1e-6, -1e-6, 1.001, -0.001, nan, infinity, 0.5])
    summary = summarise_expression(
        layers, torch.arange(0), live=torch.ones(9, dtype=torch.bool), protein=protein
    )
    counts = summary.histogram[0]
    assert (counts[0], counts[16], counts[31], counts.sum()) == (2, 1, 2, 5)
    half = summarise_expression(
        layers, torch.arange(0), live=torch.ones(9, dtype=torch.bool), protein=protein.bfloat16()
    )
    assert half.histogram.sum() >= 5


def test_a_header_survives_the_sampled_places(path):
    write(path, 0, sample=10)
    content = path.read_bytes()
    header = decode_header(content[: PREFIX.size], content[PREFIX.size :])
    assert np.array_equal(header.sample, choose_sample(LAYERS, 10))
    assert header.layers == LAYERS
