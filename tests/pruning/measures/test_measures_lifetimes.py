"""Births, deaths and lifetimes of gates: hand-worked and published curves, and a walk gate by gate."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pruning import ConstantSchedule, PruningController, SetGating
from pruning.topology.measures import kaplan_meier, spells, spells_of


def packed(rows):
    return [np.packbits(np.asarray(row, dtype=bool)) for row in rows]


def test_remission_of_freireich_as_published():
    # Remission in weeks under 6-mercaptopurine (Freireich et al. 1963), the curve as in Kalbfleisch and
    # Prentice, The Statistical Analysis of Failure Time Data, and in R's survival package.
    times = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    ended = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    curve = kaplan_meier(times, ended)
    assert curve.times.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert curve.died.tolist() == [3, 1, 1, 1, 1, 1, 1]
    assert curve.survival == pytest.approx([0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=5e-4)
    assert curve.std == pytest.approx([0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346], abs=5e-5)
    assert curve.median == 23
    assert curve.censored == 12
    low, high = curve.interval()
    assert (low[0], high[0]) == (pytest.approx(0.620, abs=5e-4), pytest.approx(0.952, abs=5e-4))


def test_without_censoring_the_curve_is_the_fraction_that_lives_longer():
    times = np.random.default_rng(0).integers(1, 9, size=50)
    curve = kaplan_meier(times, np.ones(50))
    assert curve.survival == pytest.approx([(times > time).mean() for time in curve.times])
    assert curve.at([0, 4.5, 100]) == pytest.approx([1, (times > 4.5).mean(), 0])
    share = curve.survival
    assert curve.std == pytest.approx(np.sqrt(share * (1 - share) / 50))  # binomial
    low, high = curve.interval()
    assert (low <= share).all()
    assert (share <= high).all()


def test_weights_are_repeats_and_an_unreached_median_is_infinite():
    one = kaplan_meier([1, 2, 3], [True, True, False], [3, 1, 5])
    many = kaplan_meier([1] * 3 + [2] + [3] * 5, [True] * 4 + [False] * 5)
    assert one.survival.tolist() == many.survival.tolist()
    assert one.std.tolist() == many.std.tolist()
    assert one.median == math.inf


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], []), "one entry for each of at least one case"),
        (([1, 2], [True]), "one entry for each"),
        (([1, -2], [True, True]), "finite and at least 0"),
        (([1, math.nan], [True, True]), "finite and at least 0"),
        (([1, 2], [True, True], [1, 0]), "weights positive"),
    ],
)
def test_bad_lifetimes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        kaplan_meier(*arguments)


def test_a_level_must_be_a_fraction():
    with pytest.raises(ValueError, match="level must lie between 0 and 1, got 95"):
        kaplan_meier([1], [True]).interval(95)


def test_spells_of_five_gates_by_hand():
    masks = packed([[1, 1, 0, 0, 1], [1, 0, 1, 0, 1], [1, 0, 1, 1, 0], [1, 1, 0, 1, 0]])
    found = spells(masks, [0, 10, 30, 40], 5)
    assert found.live.tolist() == [3, 3, 3, 3]
    assert found.births.tolist() == [1, 1, 1]
    assert found.deaths.tolist() == [1, 1, 1]
    assert found.churn == pytest.approx([0.4, 0.4, 0.4])
    length, seen, count = found.durations("born")
    cases = sorted(zip(length.tolist(), seen.tolist(), count.tolist(), strict=True))
    assert cases == [(0, False, 1), (10, False, 1), (30, True, 1)]  # gate 1 again, gate 3, gate 2
    length, seen, count = found.durations("initial")
    cases = sorted(zip(length.tolist(), seen.tolist(), count.tolist(), strict=True))
    assert cases == [(10, True, 1), (30, True, 1), (40, False, 1)]  # gates 1, 4 and 0
    part = spells(masks, [0, 10, 30, 40], 5, slice(1, 3))
    assert (part.gates, part.live.tolist()) == (2, [1, 1, 1, 1])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 7), st.floats(0.05, 0.95), st.integers(0, 2**32))
def test_spells_are_those_of_a_walk_gate_by_gate(gates, count, density, seed):
    generator = np.random.default_rng(seed)
    rows = generator.random((count, gates)) < density
    steps = np.cumsum(generator.integers(1, 5, size=count))
    start = int(generator.integers(gates))
    found = spells(iter(packed(rows)), steps, gates, slice(start, gates))
    expected = []
    for gate in range(start, gates):
        since = None
        for place in range(count):
            if rows[place, gate] and since is None:
                since = place
            elif not rows[place, gate] and since is not None:
                expected.append((int(steps[place] - steps[since]), True))
                since = None
        if since is not None:
            expected.append((int(steps[-1] - steps[since]), False))
    length, seen, times = found.durations("all")
    listed = zip(np.repeat(length, times).tolist(), np.repeat(seen, times).tolist(), strict=True)
    assert sorted(listed) == sorted(expected)
    flips = (rows[1:, start:] != rows[:-1, start:]).mean(1)
    assert found.churn == pytest.approx(flips)


def test_deaths_without_regard_to_age_follow_the_memoryless_curve():
    generator = np.random.default_rng(0)
    alive = np.ones(40_000, dtype=bool)
    rows = []
    for _ in range(25):
        rows.append(alive)
        alive = alive & (generator.random(len(alive)) > 0.2) | ~alive & (generator.random(len(alive)) < 0.3)
    found = spells(packed(rows), range(25), 40_000)
    seen = kaplan_meier(*found.durations("born"))
    null = kaplan_meier(*found.memoryless("born"))
    assert seen.survival[:15] == pytest.approx(null.at(seen.times[:15]), abs=0.01)
    assert null.survival[:15] == pytest.approx(0.8 ** np.arange(1, 16), abs=0.01)
    total = sum(weights.sum() for weights in (found.durations("born")[2],))
    assert found.memoryless("born")[2].sum() == pytest.approx(total)


def test_gates_that_flap_while_others_stay_fall_faster_than_the_memoryless_curve():
    rows = np.ones((12, 1000), dtype=bool)
    flapping = np.arange(100)
    rows[1::2, flapping[:50]] = False
    rows[::2, flapping[50:]] = False
    found = spells(packed(rows), range(12), 1000)
    assert kaplan_meier(*found.durations("born")).at(1) == pytest.approx(0)
    assert kaplan_meier(*found.memoryless("born")).at(1) > 0.9


@pytest.mark.parametrize(
    ("masks", "steps", "gates", "message"),
    [
        ([], [], None, "steps must rise"),
        ([[1, 0]] * 2, [3, 3], None, "steps must rise"),
        ([[1, 0]], [3, 4], None, "there must be 2 masks, one a step, got 1"),
        ([[1, 0]] * 3, [3, 4], None, "number 3 has uint8"),
        ([[1] * 9], [3], None, r"of 1 bytes for 2 gates; number 1 has uint8 of shape \(2,\)"),
        ([[1, 0]], [3], slice(2, 2), "gates must be a part of the 2 gates"),
    ],
)
def test_bad_masks_are_refused(masks, steps, gates, message):
    with pytest.raises(ValueError, match=message):
        spells(packed(masks), steps, 2, gates)


def test_an_unknown_cohort_is_refused():
    with pytest.raises(ValueError, match="cohort must be 'born', 'initial' or 'all', got 'old'"):
        spells(packed([[1, 0]]), [0], 2).durations("old")


def test_spells_of_a_run_agree_with_its_snapshots():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    controller = PruningController(
        model,
        optimizer,
        policy=SetGating(),
        schedule=ConstantSchedule(final_sparsity=0.5),
        total_steps=12,
        update_every=1,
    )
    for _ in range(12):
        optimizer.zero_grad()
        model(torch.randn(16, 10)).square().mean().backward()
        optimizer.step()
    history = list(controller.history)
    found = spells_of(history)
    assert found.live.tolist() == [snapshot.live for snapshot in history]
    assert found.births.tolist() == [snapshot.born for snapshot in history[1:]]
    assert found.deaths.tolist() == [snapshot.died for snapshot in history[1:]]
    assert found.churn == pytest.approx([snapshot.churn for snapshot in history[1:]])
    assert found.deaths.sum() > 0
    layers = [spells_of(history, layer.name) for layer in history[0].layers]
    assert (sum(layer.ended for layer in layers) == found.ended).all()
    with pytest.raises(ValueError, match="layer must be one of 0, 2, got 'x'"):
        spells_of(history, "x")
    with pytest.raises(ValueError, match="got none"):
        spells_of([])
