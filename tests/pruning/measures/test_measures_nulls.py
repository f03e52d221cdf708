"""Random graphs keep all degrees, are uniform over small cases, and measures stand rightly against them."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measured_graphs import links_of, random_links
from scipy.stats import chisquare

from pruning.topology import Column, UnitLinks
from pruning.topology.measures import against_null, is_frozen, randomise, square_clustering
from pruning.topology.measures.blocks import blocks


def block_degrees(links):
    return {
        block.name: (
            np.bincount(block.rows, minlength=block.source.units).tolist(),
            np.bincount(block.cols, minlength=block.target.units).tolist(),
        )
        for block in blocks(links)
    }


def matrices_with_margins(rows, cols):
    """All matrices of 0 and 1 with these sums, by brute force, as tuples of their entries."""
    shape = len(rows), len(cols)
    found = []
    for bits in product((0, 1), repeat=shape[0] * shape[1]):
        matrix = np.reshape(bits, shape)
        if (matrix.sum(1) == rows).all() and (matrix.sum(0) == cols).all():
            found.append(bits)
    return found


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=4),
    st.floats(0.05, 0.95),
    st.integers(0, 2**32),
)
def test_every_degree_is_kept_and_no_link_is_doubled(sizes, density, seed):
    links = random_links(sizes, density, seed, skips=[(0, len(sizes) - 1)] if len(sizes) > 2 else ())
    drawn = randomise(links, seed=seed)
    assert block_degrees(drawn) == block_degrees(links)
    keys = drawn.target * links.nodes + drawn.source
    assert (np.diff(keys) > 0).all()
    assert drawn.columns == links.columns


def test_gates_stay_in_their_pair_of_columns_and_go_with_their_expression():
    links = random_links((6, 8, 5), 0.4, 0)
    gates = np.arange(1, len(links) + 1)
    links = UnitLinks(
        columns=links.columns,
        source=links.source,
        target=links.target,
        gates=gates,
        expression=gates.astype(np.float32),
    )
    drawn = randomise(links, seed=1)
    for old, new in zip(blocks(links), blocks(drawn), strict=True):
        assert sorted(old.gates) == sorted(new.gates)
    assert (drawn.expression == drawn.gates).all()
    assert (drawn.gates != links.gates).any()


def test_a_seed_gives_one_graph_and_others_give_others():
    links = random_links((30, 40, 20), 0.3, 0)
    same = [randomise(links, seed=5) for _ in range(2)]
    assert (same[0].source == same[1].source).all()
    assert (same[0].target == same[1].target).all()
    other = randomise(links, seed=6)
    assert (other.source != same[0].source).any()
    shared = len(set(zip(links.source, links.target)) & set(zip(other.source, other.target)))  # noqa: B905
    assert shared / len(links) == pytest.approx(0.3, abs=0.06)  # as two independent graphs share


@pytest.mark.parametrize(
    ("rows", "cols"),
    [
        ((1, 1, 1), (1, 1, 1)),
        ((2, 1, 1), (1, 2, 1)),
        ((2, 2, 1), (1, 1, 2, 1)),
        ((2, 2), (1, 1, 1, 1)),
        ((1, 2, 2, 1), (2, 2, 1, 1)),
    ],
)
def test_small_cases_are_uniform_over_all_matrices_with_these_margins(rows, cols):
    everything = matrices_with_margins(rows, cols)
    copies = 500 * len(everything)
    height, width = len(rows), len(cols)
    start = np.reshape(everything[0], (height, width))
    row, col = np.nonzero(start)
    # Every copy is a pair of columns of its own, so one call draws them all, independently.
    base = np.arange(copies)[:, None] * (height + width)
    source, target = (base + row).ravel(), (base + height + col).ravel()
    sizes = [height, width] * copies
    first = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    columns = tuple(Column(name=str(k), units=n, first=first[k]) for k, n in enumerate(sizes))
    links = UnitLinks(columns=columns, source=source, target=target, gates=np.ones(len(source), dtype=int))
    drawn = randomise(links, seed=0, trades=20)
    copy = drawn.source // (height + width)
    place = (drawn.source % (height + width)) * width + drawn.target % (height + width) - height
    bits = np.zeros((copies, height * width), dtype=int)
    bits[copy, place] = 1
    codes = bits @ (1 << np.arange(height * width))
    expected = [int(np.dot(each, 1 << np.arange(height * width))) for each in everything]
    counts = [int((codes == code).sum()) for code in expected]
    assert sum(counts) == copies  # no matrix outside of the set
    assert chisquare(counts).pvalue > 1e-3


def test_links_of_a_grouped_convolution_stay_in_their_group():
    pairs = [(unit, 8 + unit) for unit in range(8)]
    pairs += [(unit, 8 + (unit + 1) % 4) for unit in range(4)]
    pairs += [(4 + unit, 12 + (unit + 1) % 4) for unit in range(4)]
    links = links_of((8, 8), pairs)
    inside = randomise(links, seed=0, groups={"c1": 2})
    assert (inside.source // 4 == (inside.target - 8) // 4).all()
    assert (inside.source != links.source).any()
    free = randomise(links, seed=0)
    assert (free.source // 4 != (free.target - 8) // 4).any()
    with pytest.raises(ValueError, match=r"divide their units, got 'c1': 3"):
        randomise(links, seed=0, groups={"c1": 3})


@pytest.mark.parametrize("trades", [0, -1])
def test_trades_must_be_positive(trades):
    with pytest.raises(ValueError, match="trades must be a positive number"):
        randomise(random_links((2, 2), 0.5, 0), seed=0, trades=trades)


def test_frozen_is_whether_brute_force_finds_one_matrix():
    generator = np.random.default_rng(0)
    seen = set()
    for _ in range(60):
        matrix = generator.random((3, 3)) < generator.choice([0.15, 0.5, 0.85])
        links = links_of((3, 3), [(row, 3 + col) for row, col in zip(*np.nonzero(matrix), strict=True)])
        alone = len(matrices_with_margins(matrix.sum(1), matrix.sum(0))) == 1
        assert is_frozen(links) == alone
        seen.add(alone)
    assert seen == {True, False}


def test_complete_columns_have_no_z():
    links = random_links((4, 5, 3), 1.0, 0)
    found = against_null(square_clustering, links, samples=5)
    assert found.z is None
    assert found.note == "no other graph has these degrees"
    assert (found.null_mean, found.null_std, found.p) == (found.value, 0.0, 1.0)


def test_a_measure_that_degrees_fix_has_no_z_and_an_undefined_one_no_p():
    links = random_links((6, 6), 0.4, 0)
    fixed = against_null(lambda graph: float(len(graph)) / 3, links, samples=5)
    assert fixed.z is None
    assert fixed.p == 1.0
    assert fixed.note == "all random graphs have its value"
    nothing = against_null(lambda graph: math.nan, links, samples=5)
    assert nothing.z is None
    assert nothing.p is None
    assert nothing.note == "undefined for this graph"


def test_z_and_p_of_an_extreme_graph_by_hand():
    half = [(row, 8 + col) for row in range(4) for col in range(4)]
    half += [(4 + row, 12 + col) for row in range(4) for col in range(4)]
    links = links_of((8, 8), half)

    def inside(graph):
        return float((graph.source // 4 == (graph.target - 8) // 4).mean())

    found = against_null(inside, links, samples=99, seed=3)
    assert found.value == 1.0
    assert found.null_mean == pytest.approx(0.5, abs=0.03)
    assert found.z > 4
    assert found.p_greater == pytest.approx(0.01)  # (1 + 0) / (1 + 99)
    assert found.p_less == 1.0
    assert found.p == pytest.approx(0.02)
    assert found == against_null(inside, links, samples=99, seed=3)


def test_p_is_uniform_for_graphs_that_are_random_themselves():
    start = random_links((10, 10), 0.4, 0)
    values = [
        against_null(square_clustering, randomise(start, seed=1000 + k), samples=9, seed=k).p_greater
        for k in range(100)
    ]
    # p_greater takes 0.1, 0.2, … 1.0, each as often but for ties
    assert np.mean(np.array(values) <= 0.1 + 1e-9) < 0.1 + 3 * math.sqrt(0.09 / 100)
    assert np.mean(values) == pytest.approx(0.55, abs=0.08)


def test_two_samples_at_least():
    with pytest.raises(ValueError, match="at least 2 samples"):
        against_null(square_clustering, random_links((3, 3), 0.5, 0), samples=1)


def test_no_links_at_all():
    links = links_of((3, 2), [])
    assert len(randomise(links, seed=0)) == 0
    assert is_frozen(links)
