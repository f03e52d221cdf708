"""Numbers of the figures against closed forms and long integration."""

import numpy as np
import pytest
import torch

from grn import Cooperation, advance
from grn.analytic import affine_response, fixed_points, hysteresis_thresholds
from grn.state import ExpressionState
from studies.tune.connections import Connections
from studies.tune.curves import after_windows, courses, nullclines, resting_levels
from studies.tune.expression import (
    EDGES,
    HALF,
    counted,
    horizon,
    look_ahead,
    relaxed,
    rest_counts,
)
from studies.tune.settings import Settings

LAYER = Connections.made(20_000, seed=3)


AXIS = {"low": 0.1, "high": 10.0, "logarithmic": True}


def induction(settings):
    return LAYER.importance / LAYER.threshold(settings.density, settings.threshold)


def test_the_layer_is_its_seed_s_and_has_heavy_tails():
    again = Connections.made(20_000, seed=3)
    assert torch.equal(again.importance, LAYER.importance)
    assert not torch.equal(Connections.made(20_000, seed=4).importance, LAYER.importance)
    assert LAYER.block.size == LAYER.genes == 20_000
    weights = LAYER.importance.double()
    assert float((weights**4).mean() / (weights**2).mean() ** 2) > 5.0  # 3 of a normal law
    assert np.all(np.diff(LAYER.ascending) >= 0)


@pytest.mark.parametrize("density", [0.001, 0.1, 0.37, 1.0])
def test_as_many_live_and_as_many_above_the_edge_as_the_budget_holds(density):
    count = round(density * 20_000)
    assert LAYER.kept(density) == count
    assert int(LAYER.live_at_start(density).sum()) == count == int(LAYER.live_ascending(density).sum())
    assert int((LAYER.importance >= LAYER.threshold(density, 1.0)).sum()) == count
    assert look_ahead(LAYER, Settings(density=density)).kept.sum() == count


def test_without_feedback_connections_follow_the_closed_form():
    settings = Settings(autoactivation=0.0, mrna_decay=2.0, protein_decay=0.7)
    look = look_ahead(LAYER, settings)
    drive = settings.kinetics.promoter_activity(induction(settings))
    exact = affine_response(LAYER.start(settings.density), drive, 8 * settings.window, settings.kinetics)
    assert (look.state.protein - exact.protein).abs().max() < 2e-6  # float32
    assert (look.state.mrna - exact.mrna).abs().max() < 2e-6
    assert look.counts.sum() == look.kept_counts.sum() * 10 == 20_000


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"autoactivation": 0.0, "basal": 0.1},
        {"autoactivation": 3.0},
        {"autoactivation": 5.0, "hill_coefficient": 2.0, "basal": 0.0},
        {"autoactivation": 6.0, "hill_coefficient": 8.0, "threshold": 1.3, "density": 0.4},
        {"hill_coefficient": 0.7},
    ],
)
def test_rest_in_closed_form_is_where_a_long_run_ends(changed):
    settings = Settings(**changed)
    counts, above = rest_counts(LAYER, settings)
    assert counts.sum() == LAYER.genes
    # Rates move no resting level, and equal ones bring all there soonest. Steps are fixed, as connections on
    # the edge of two states settle for no number of them.
    fast = Settings(**{**changed, "mrna_decay": 1.0, "protein_decay": 1.0}).kinetics
    start = LAYER.start(settings.density).to(dtype=torch.float64)
    s = induction(settings).double()
    end = advance(start, s, 600.0, kinetics=fast, autoactivation=settings.autoactivation, steps=3000)
    found, found_above = counted(end.protein)
    # A connection next to a saddle-node is still on its way then, or within rounding of an edge.
    assert np.abs(counts - found).sum() <= 2 * 0.001 * LAYER.genes
    assert abs(above - found_above) <= 0.001 * LAYER.genes


def test_rest_in_closed_form_agrees_with_fixed_points_connection_by_connection():
    few = Connections.made(300, seed=1)
    settings = Settings(autoactivation=4.0, density=0.3)
    s = few.importance.double() / few.threshold(0.3, 1.0)
    live = few.live_at_start(0.3)
    rests = [
        (max if on else min)(p.level for p in fixed_points(settings.kinetics, float(x), 4.0) if p.stable)
        for x, on in zip(s, live, strict=True)
    ]
    counts, above = rest_counts(few, settings)
    np.testing.assert_array_equal(counts, np.histogram(rests, bins=EDGES)[0])
    assert above == sum(level > HALF for level in rests)


def test_rest_of_cooperating_connections_moves_no_more():
    settings = Settings(cooperation=2.0)
    protein, rough = relaxed(LAYER, settings)
    assert not rough
    coupling = Cooperation(strength=2.0, blocks=(LAYER.block,))
    later = advance(
        ExpressionState(protein, protein.clone()),
        induction(settings),
        20.0,
        kinetics=settings.kinetics,
        autoactivation=1.0,
        cooperation=coupling,
    )
    assert (later.protein - protein).abs().mean() < 1e-4
    quick, rough = relaxed(LAYER, settings, dragging=True)
    assert rough
    assert (quick - protein).abs().mean() < 0.02
    with pytest.raises(ValueError, match="closed form needs cooperation 0"):
        rest_counts(LAYER, settings)


def test_a_busy_machine_gets_a_part_of_the_connections_and_says_so(monkeypatch):
    monkeypatch.setattr("studies.tune.expression.QUICK", 0.0)
    look = look_ahead(LAYER, Settings(), dragging=True)
    assert look.one_in == 16
    assert look.counts.sum() == LAYER.genes
    whole = look_ahead(LAYER, Settings())
    assert whole.one_in == 1
    apart = np.abs(np.cumsum(look.counts - whole.counts)).max() / LAYER.genes
    assert apart < 1.63 / np.sqrt(LAYER.genes / 16)  # Kolmogorov's limit at 1 %


def test_the_horizon_ends_where_all_is_at_rest():
    assert horizon(Settings(window=0.5)) == 4.0
    assert horizon(Settings(window=48.0, mrna_decay=2.0, protein_decay=4.0)) == 30.0


def test_courses_follow_the_closed_form_and_one_long_step():
    settings = Settings(autoactivation=0.0, mrna_decay=1.5, protein_decay=0.4)
    times, mrna, protein = courses(settings, [0.5, 2.0], 6.0, 0.3)
    assert times[0] == 0.0
    assert times[-1] == 6.0
    for start in (0, 1):
        level = torch.full((2,), float(start), dtype=torch.float64)
        drive = settings.kinetics.promoter_activity(torch.tensor([0.5, 2.0], dtype=torch.float64))
        exact = affine_response(
            ExpressionState(level, level), drive, torch.from_numpy(times), settings.kinetics
        )
        np.testing.assert_allclose(mrna[start].T, exact.mrna, atol=1e-12)
        np.testing.assert_allclose(protein[start].T, exact.protein, atol=1e-12)
    memory = Settings(autoactivation=3.0)
    _, _, protein = courses(memory, [1.2], 4.0, 0.3)
    still = torch.zeros(1, dtype=torch.float64)
    end = advance(
        ExpressionState(still, still), still + 1.2, 4.0, kinetics=memory.kinetics, autoactivation=3.0
    )
    assert abs(protein[0, 0, -1] - float(end.protein)) < 1e-4  # two tolerances of 1e-5, added over 96 steps


@pytest.mark.parametrize(
    "parameter", ["induction", "threshold", "autoactivation", "hill_coefficient", "basal"]
)
def test_resting_levels_are_fixed_points(parameter):
    settings = Settings(autoactivation=3.0, threshold=0.9)
    s = 1 / 0.9
    value, level, stable = resting_levels(settings, parameter, s, 0.5, **AXIS)
    checked = 0
    for v, p, steady in list(zip(value, level, stable, strict=True))[::17]:
        inside = {
            "induction": 0 < v < 50,
            "threshold": 0 < v < 50,
            "autoactivation": 0 <= v < 20,
            "hill_coefficient": 0.3 < v < 30,
            "basal": 0 <= v < 0.9,
        }[parameter]
        if not inside:
            continue
        kinetics = (
            Settings(**{parameter: v}).kinetics
            if parameter in ("hill_coefficient", "basal")
            else settings.kinetics
        )
        gain = {"induction": v, "threshold": s * 0.9 / v}.get(parameter, s)
        a = v if parameter == "autoactivation" else 3.0
        nearest = min(fixed_points(kinetics, gain, a), key=lambda point: abs(point.level - p))
        assert abs(nearest.level - p) < 1e-6
        if abs(nearest.level - p) < 1e-9 and len(fixed_points(kinetics, gain, a)) == 3:
            assert nearest.stable == steady
        checked += 1
    assert checked >= 5


def test_levels_against_cooperation_balance_eq_1():
    settings = Settings(autoactivation=2.0)
    value, level, _ = resting_levels(settings, "cooperation", 0.8, 0.3, low=0.0, high=10.0, logarithmic=False)
    inside = (value > 0) & (value < 10)
    assert inside.sum() > 100
    c, p = value[inside], level[inside]
    x = 0.8 * (1 + 2 * p + c * 0.3) / (1 + (2 + c) / 2)
    np.testing.assert_allclose(0.02 + 0.98 * x**4 / (1 + x**4), p, rtol=1e-6)


def test_the_unstable_branch_lies_within_the_thresholds_of_hysteresis():
    settings = Settings(autoactivation=3.0)
    value, _, stable = resting_levels(settings, "induction", 1.0, 0.5, **AXIS)
    window = hysteresis_thresholds(settings.kinetics, 3.0)
    assert window.switch_off * 0.999 < value[~stable].min() < value[~stable].max() < window.switch_on * 1.001
    assert not (~resting_levels(Settings(), "induction", 1.0, 0.5, **AXIS)[2]).any()  # a = 1 is not bistable


def test_expression_after_windows_against_rates_follows_the_closed_form():
    settings = Settings(autoactivation=0.0)
    rates = np.array([0.05, 0.5, 3.0])
    found = after_windows(settings, "protein_decay", rates, 1.5, 0.5)
    for k, rate in enumerate(rates):
        kinetics = settings.kinetics.with_rates(mrna_decay=1.0, protein_decay=float(rate))
        start = torch.tensor([0.0, 1.0], dtype=torch.float64)
        drive = kinetics.promoter_activity(torch.full((2,), 1.5, dtype=torch.float64))
        exact = affine_response(ExpressionState(start, start), drive, 8 * settings.window, kinetics)
        np.testing.assert_allclose(found[:, k], exact.protein, atol=1e-12)


def test_a_connection_rests_where_its_nullclines_cross():
    settings = Settings(autoactivation=3.0)
    protein, mrna = nullclines(settings, [1.0], 0.5)
    crossings = np.flatnonzero(np.diff(np.sign(mrna[0] - protein)))
    rests = [point.level for point in fixed_points(settings.kinetics, 1.0, 3.0)]
    assert len(crossings) == len(rests) == 3
    for at, level in zip(crossings, rests, strict=True):
        assert protein[at] <= level <= protein[at + 1]
