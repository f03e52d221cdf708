"""The four limits of Eq. 1 that tie it to the heuristic it generalises."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grn import ExpressionDynamics, ExpressionState, Kinetics, Solver, advance, integrate
from grn.analytic import affine_response, fixed_points, hysteresis_thresholds


def test_affine_limit(random_genes):
    """1. a = c = 0, S held: a closed-form two-stage filter, by both roads."""
    state, q = random_genes(1000)
    kinetics = Kinetics(mrna_decay=1.0, protein_decay=0.5)
    exact = affine_response(state, kinetics.promoter_activity(q), 4.0, kinetics)
    assert (advance(state, q, 4.0, kinetics=kinetics).protein - exact.protein).abs().max() < 1e-12
    solver = Solver(relative_tolerance=1e-10, absolute_tolerance=1e-12)
    solved = integrate(ExpressionDynamics(kinetics, q), state, 4.0, solver).final
    assert (solved.protein - exact.protein).abs().max() < 1e-6


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31 - 1))
def test_heuristic_limit(backend, dtype, seed):
    """2. n → ∞ and rates → ∞: a gene is expressed exactly when its induction exceeds 1, one by one."""
    generator = torch.Generator().manual_seed(seed)
    wide = 2 * torch.rand(500, generator=generator, dtype=torch.float64)
    close = 1 + 1e-3 * (2 * torch.rand(500, generator=generator, dtype=torch.float64) - 1)
    q = torch.cat([wide, close, torch.tensor([0.0, 1e9, torch.inf], dtype=torch.float64)]).to(dtype)
    # The tightest pair beside 1 that the dtype can tell apart.
    below, above = torch.tensor([0.0, 2.0], dtype=dtype)
    q = torch.cat([q, torch.nextafter(torch.ones(2, dtype=dtype), torch.stack([below, above]))])
    q = q[q != 1]
    start = torch.rand(2, len(q), generator=generator, dtype=dtype)
    kinetics = Kinetics(mrna_decay=1e6, protein_decay=1e6, hill_coefficient=1e9, basal=0.0)
    found = advance(ExpressionState(*start), q, 1.0, kinetics=kinetics, backend=backend)
    assert torch.equal(found.protein > 0.5, q > 1)


def test_frozen_limit(random_genes, cooperation):
    """3. γm, γp → 0: nothing moves."""
    state, q = random_genes()
    kinetics = Kinetics(mrna_decay=1e-15, protein_decay=1e-15)
    for backend in ("torch", "numba"):
        found = advance(
            state, q, 10.0, kinetics=kinetics, autoactivation=3.0, cooperation=cooperation, backend=backend
        )
        assert (found.protein - state.protein).abs().max() < 1e-13
        assert (found.mrna - state.mrna).abs().max() < 1e-13


@pytest.mark.parametrize(
    ("n", "a", "basal"), [(4.0, 3.0, 0.02), (8.0, 1.0, 0.0), (3.0, 8.0, 0.05), (2.5, 10.0, 0.0)]
)
@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_hysteresis_window(n, a, basal, backend):
    """4. A strong enough memory: two stable states between the predicted inductions, and only there."""
    kinetics = Kinetics(mrna_decay=1.0, protein_decay=1.0, hill_coefficient=n, basal=basal)
    window = hysteresis_thresholds(kinetics, a)
    assert window.switch_off < window.switch_on
    margin = 3e-3
    edges = [window.switch_on, window.switch_on, window.switch_off, window.switch_off]
    sides = [1 - margin, 1 + margin, 1 - margin, 1 + margin]
    q = torch.tensor(edges, dtype=torch.float64) * torch.tensor(sides, dtype=torch.float64)
    levels = torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    final = advance(
        ExpressionState(levels, levels),
        q,
        500.0,
        kinetics=kinetics,
        autoactivation=a,
        steps=2000,
        backend=backend,
    ).protein
    predicted = []
    for induction, was_on in zip(q.tolist(), (False, False, True, True), strict=True):
        points = fixed_points(kinetics, induction, a)
        predicted.append(points[-1 if was_on else 0].level)
    # Off stays off below switch-on and goes up above it; on goes down below switch-off and stays above it.
    assert final.tolist() == pytest.approx(predicted, abs=1e-6)
    saddle = fixed_points(kinetics, (window.switch_on * window.switch_off) ** 0.5, a)[1].level
    assert (final > saddle).tolist() == [False, True, False, True]
