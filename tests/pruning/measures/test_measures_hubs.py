"""Hubs by their rules, and their persistence against chance."""

import math

import numpy as np
import pytest
from measured_graphs import links_of, random_links

from pruning.topology.measures import (
    against_null,
    hub_overlap,
    hub_persistence,
    hubs,
    link_overlap,
    randomise,
)


def test_a_planted_hub_is_found_by_either_rule():
    links = random_links((40, 40, 10), 0.1, 0)
    pairs = set(zip(links.source.tolist(), links.target.tolist(), strict=True))
    pairs |= {(3, 40 + unit) for unit in range(30)}
    planted = links_of((40, 40, 10), pairs)
    assert hubs(planted, "out")[3]
    assert hubs(planted, "out", rule="decile")[3]
    assert hubs(planted, "out", deviations=5.0)[:40].sum() == 1


def test_links_strewn_at_random_have_as_few_hubs_as_two_deviations_leave():
    links = random_links((2000, 50), 0.3, 0)
    assert hubs(links, "out")[:2000].mean() == pytest.approx(0.02, abs=0.015)  # 0.023 of a normal


def test_equal_degrees_make_no_hubs():
    links = random_links((10, 12, 5), 1.0, 0)
    assert not hubs(links).any()
    assert not hubs(links, rule="decile").any()


def test_a_decile_is_at_most_a_tenth_of_a_column_rounded_up():
    links = random_links((95, 40, 7), 0.2, 0)
    found = hubs(links, "all", rule="decile")
    assert [int(found[part].sum()) for part in (slice(0, 95), slice(95, 135), slice(135, 142))] <= [10, 4, 1]
    assert found.any()


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="rule must be 'chance' or 'decile', got 'best'"):
        hubs(random_links((3, 3), 0.5, 0), rule="best")


def test_overlap_of_one_column_by_hand():
    links = links_of((5,), [])
    before = np.array([1, 1, 0, 0, 0], dtype=bool)
    after = np.array([1, 0, 1, 0, 0], dtype=bool)
    found = hub_overlap(before, after, links)
    assert (found.before, found.after, found.shared) == (2, 2, 1)
    assert found.jaccard == pytest.approx(1 / 3)
    # Of the 10 pairs of 5, one shares both, six share one, three none.
    assert found.chance_shared == pytest.approx(0.8)
    assert found.chance_jaccard == pytest.approx(0.1 * 1 + 0.6 / 3)
    assert found.p == pytest.approx(0.7)
    assert found.z == pytest.approx(0.2 / math.sqrt(0.6 + 0.4 - 0.64))


def test_overlap_over_columns_is_what_sampling_gives():
    links = links_of((12, 20, 6), [])
    generator = np.random.default_rng(0)
    sizes, counts = (12, 20, 6), ((4, 5), (7, 3), (2, 2))
    drawn = [
        sum(
            len(
                set(generator.choice(size, one, replace=False).tolist())
                & set(generator.choice(size, two, replace=False).tolist())
            )
            for size, (one, two) in zip(sizes, counts, strict=True)
        )
        for _ in range(5000)
    ]
    before = np.concatenate([np.arange(size) < one for size, (one, _) in zip(sizes, counts, strict=True)])
    after = np.concatenate([np.arange(size) < two for size, (_, two) in zip(sizes, counts, strict=True)])
    found = hub_overlap(before, after, links)
    assert found.chance_shared == pytest.approx(np.mean(drawn), abs=0.06)
    assert found.chance_std == pytest.approx(np.std(drawn), abs=0.06)
    assert found.p == pytest.approx(np.mean(np.array(drawn) >= found.shared), abs=0.01)
    # the same hubs are shared more than chance would
    assert hub_overlap(before, before, links).z > 3


def test_no_hubs_and_no_choice_have_no_z():
    links = links_of((4,), [])
    none = hub_overlap(np.zeros(4, dtype=bool), np.zeros(4, dtype=bool), links)
    assert math.isnan(none.jaccard)
    assert none.z is None
    everyone = hub_overlap(np.ones(4, dtype=bool), np.ones(4, dtype=bool), links)
    assert (everyone.jaccard, everyone.z, everyone.p) == (1.0, None, pytest.approx(1.0))
    with pytest.raises(ValueError, match=r"after must have one entry for each of 4 units, got \(3,\)"):
        hub_overlap(np.ones(4, dtype=bool), np.ones(3, dtype=bool), links)


def test_links_that_stay_by_hand_and_against_chance():
    before = links_of((2, 2), [(0, 2), (0, 3), (1, 3)])
    after = links_of((2, 2), [(0, 2), (1, 2), (1, 3)])
    assert link_overlap(before, after) == pytest.approx(2 / 4)
    assert math.isnan(link_overlap(links_of((2, 2), []), links_of((2, 2), [])))
    first = random_links((20, 20), 0.3, 0)
    kept = against_null(lambda graph: link_overlap(first, graph), first, samples=20)
    assert kept.value == 1
    assert kept.z > 10
    forgotten = randomise(first, seed=7)
    other = against_null(lambda graph: link_overlap(first, graph), forgotten, samples=20)
    assert abs(other.z) < 4
    with pytest.raises(ValueError, match=r"same columns, got c0 \(20\), c1 \(20\) and c0 \(2\), c1 \(2\)"):
        link_overlap(first, after)


def test_hubs_of_a_sequence():
    steady = random_links((60, 30), 0.2, 0)
    other = random_links((60, 30), 0.2, 1)
    graphs = [steady, steady, other]
    near = hub_persistence(graphs, "all", rule="decile")
    assert [each.jaccard for each in near[:1]] == [1.0]
    assert near[1].jaccard < 1
    (far,) = hub_persistence(graphs, "all", rule="decile", apart=2)
    assert far == near[1]
    assert hub_persistence([steady]) == ()
    with pytest.raises(ValueError, match="apart must be a positive number"):
        hub_persistence(graphs, apart=0)
