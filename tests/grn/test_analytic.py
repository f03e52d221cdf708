"""Closed forms against scipy, against the published table, and against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from grn import ExpressionDynamics, ExpressionState, Kinetics, Solver, integrate
from grn.analytic import (
    affine_response,
    autoregulation_cusp,
    autoregulation_fixed_points,
    autoregulation_hysteresis,
    autoregulation_saddle_node,
    fixed_points,
    hysteresis_thresholds,
)

TABLE = [  # n, a, off, saddle, on, switches on above, off below: "Hysteresis of ṗ-relaxation", b = 0.05
    (2, 3, 0.0612, 0.3044, 2.684, 0.0359, -0.637),
    (3, 3, 0.0504, 0.6141, 2.936, 0.1767, -0.865),
    (4, 2, 0.0500, 0.9521, 1.910, 0.334, -0.238),
    (4, 3, 0.0500, 0.7389, 3.014, 0.282, -1.057),
]


def digits(value, shown):
    """Whether value rounds to the digits shown: half a unit of the last one, plus rounding of the decimal."""
    places = len(str(shown).split(".")[1]) if shown not in (0.05,) else 4
    return abs(value - shown) <= 0.5 * 10**-places + 1e-12


@pytest.mark.parametrize(("gamma_m", "gamma_p"), [(1.0, 0.2), (0.5, 0.5), (2.0, 2.0 + 1e-9), (0.1, 30.0)])
def test_affine_response_is_the_solution(gamma_m, gamma_p):
    kinetics = Kinetics(mrna_decay=gamma_m, protein_decay=gamma_p)
    start = torch.tensor([[0.9, 0.0], [0.1, 1.0]], dtype=torch.float64)
    state = ExpressionState(*start)
    h = np.array([0.3, 0.8])
    times = torch.tensor([0.0, 0.1, 1.0, 7.0], dtype=torch.float64)
    found = affine_response(state, torch.tensor(h), times, kinetics)

    def slope(_, y):
        return np.concatenate([gamma_m * (h - y[:2]), gamma_p * (y[:2] - y[2:])])

    initial = start.flatten().numpy()
    exact = solve_ivp(slope, (0, 7), initial, "DOP853", times.numpy(), rtol=1e-13, atol=1e-14).y.T
    assert torch.cat([found.mrna, found.protein], 1).numpy() == pytest.approx(exact, abs=1e-11)


@given(st.floats(1e-3, 1e3), st.floats(-14, 0), st.floats(0, 20))
def test_affine_response_is_smooth_through_equal_rates(gamma, log_gap, time):
    # Near γm = γp protein changes by no more than the relative gap of the rates times a bounded sensitivity.
    state = ExpressionState.initial(1, dtype=torch.float64)
    drive = torch.ones(1, dtype=torch.float64)
    gap = 10.0**log_gap
    one, two = (
        affine_response(state, drive, time / gamma, Kinetics(mrna_decay=gamma, protein_decay=gamma * (1 + e)))
        for e in (0.0, gap)
    )
    assert abs(one.protein - two.protein).item() <= 0.6 * gap + 1e-14


def test_affine_response_refuses_negative_times():
    with pytest.raises(ValueError, match="times must be non-negative, in h, got -1"):
        affine_response(ExpressionState.initial(1), torch.ones(1), -1.0, Kinetics())


@pytest.mark.parametrize("row", TABLE)
def test_published_hysteresis_table_by_closed_form(row):
    n, a, *states, on, off = row
    levels = [point.level for point in autoregulation_fixed_points(n, a, basal=0.05)]
    stability = [point.stable for point in autoregulation_fixed_points(n, a, basal=0.05)]
    assert stability == [True, False, True]
    assert all(digits(level, shown) for level, shown in zip(levels, states, strict=True)), levels
    window = autoregulation_hysteresis(n, a, basal=0.05)
    assert digits(window.switch_on, on), window
    assert digits(window.switch_off, off), window


@pytest.mark.parametrize("row", TABLE)
def test_published_hysteresis_table_by_simulation(row):
    """The user's own f and g through `integrate`: it switches just past a threshold, not just before."""
    n, a = row[:2]
    on, off = autoregulation_hysteresis(n, a, basal=0.05)
    # Four genes side by side; passing a saddle-node at distance d takes about π/√(d·curvature) < 200 h.
    margin = 2e-3
    drive = torch.tensor([on - margin, on + margin, off - margin, off + margin], dtype=torch.float64)
    kinetics = Kinetics(mrna_decay=1.0, protein_decay=1.0)

    def f(m, p, level):
        x = p.clamp(min=0) ** n
        return 0.05 + a * x / (1 + x) + level

    def settle(state, level):
        own = ExpressionDynamics(kinetics, transcription=lambda m, p: f(m, p, level), translation=lambda m: m)
        return integrate(own, state, 400.0, Solver(relative_tolerance=1e-7, absolute_tolerance=1e-9)).final

    # Rest first inside the window, low for the two that may go up, high for the two that may go down.
    start = torch.tensor([0.0, 0.0, 5.0, 5.0], dtype=torch.float64)
    state = settle(ExpressionState(start, start), torch.full_like(drive, 0.5 * (on + off)))
    final = settle(state, drive).protein
    saddle = [p.level for p in autoregulation_fixed_points(n, a, basal=0.05, drive=0.5 * (on + off))][1]
    assert (final > saddle).tolist() == [False, True, False, True]


def test_saddle_nodes_of_positive_autoregulation():
    for n, a in ((2, 2.0), (3, 1.88988), (4, 1.75477)):
        assert autoregulation_saddle_node(n) == pytest.approx(a, abs=5e-6)
        exact = autoregulation_saddle_node(n)
        assert len(autoregulation_fixed_points(n, exact * 0.999)) == 1
        assert len(autoregulation_fixed_points(n, exact * 1.001)) == 3


@given(st.floats(0, 50), st.floats(0, 2), st.floats(-3, 3))
@settings(deadline=None)
def test_one_copy_is_never_bistable(a, basal, drive):
    assert autoregulation_hysteresis(1, a, basal) is None
    stable = [p for p in autoregulation_fixed_points(1, a, basal, drive) if p.stable and p.level >= 0]
    assert len(stable) <= 1
    assert hysteresis_thresholds(Kinetics(hill_coefficient=1), a) is None


def test_the_cusp_is_where_a_window_opens():
    for n in (1.5, 2, 4, 9):
        a = autoregulation_cusp(n)
        assert autoregulation_hysteresis(n, a * 0.9999) is None
        window = autoregulation_hysteresis(n, a * 1.0001)
        assert window.switch_off < window.switch_on
    with pytest.raises(ValueError, match="n must exceed 1"):
        autoregulation_cusp(1)


@given(st.floats(1.2, 12), st.floats(0, 0.3), st.floats(0, 10), st.floats(-3, 3).map(lambda e: 10.0**e))
@settings(deadline=None, max_examples=200)
def test_fixed_points_rest_and_are_all_found(n, basal, a, induction):
    kinetics = Kinetics(hill_coefficient=n, basal=basal)

    def excess(p):
        x = induction * (1 + a * p) / (1 + a / 2)
        return basal + (1 - basal) / (1 + x**-n) - p

    found = fixed_points(kinetics, induction, a)
    assert all(abs(excess(point.level)) < 1e-9 for point in found)
    window = hysteresis_thresholds(kinetics, a)
    if window is None:
        assert len(found) == 1
    elif min(abs(math.log(induction / edge)) for edge in window) > 1e-6:
        assert len(found) == (3 if window.switch_off < induction < window.switch_on else 1)
    assert [point.stable for point in found] == ([True, False, True] if len(found) == 3 else [True])
    # A grid sees no sign change that is not a root (it may miss two roots closer than a cell).
    grid = np.linspace(1e-9, 1, 4001)
    signs = np.sign(excess(grid))
    signs = signs[signs != 0]  # a root on the grid itself is one change of sign, not two
    assert np.count_nonzero(signs[1:] != signs[:-1]) <= len(found)


def test_extreme_inductions():
    assert fixed_points(Kinetics(basal=0.1), 0.0, 2.0) == [(0.1, True)]
    assert fixed_points(Kinetics(), math.inf, 2.0) == [(1.0, True)]
    assert fixed_points(Kinetics(basal=0.1), 1e-30, 2.0)[0].level == pytest.approx(0.1)
    with pytest.raises(ValueError, match="induction must be a non-negative number, got -1"):
        fixed_points(Kinetics(), -1.0)
