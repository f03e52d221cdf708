"""Weights of the exponential step: exact sums, positivity, and the integrals that define them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.linalg import expm

from grn.kernels.exponential import phi, phi_difference, step_weights

rates = st.floats(1e-9, 1e9)


def kernel(u, zm, zp):
    """Share of protein from promoter activity a time u (in steps) before the end of a step."""
    gap = (zp - zm) * u
    ratio = -math.expm1(-gap) / gap if gap else 1.0
    return zm * zp * u * math.exp(-zm * u) * ratio


@given(rates, rates)
def test_weights_are_never_negative_and_sum_to_one(mrna_decay, protein_decay):
    # So every stage is a mean of m, p and h whatever the step: bounds hold by construction.
    w = step_weights(mrna_decay, protein_decay, 1.0)
    for part in (w.quarter, w.half, w.full):
        assert min(part) >= 0
        assert part.mrna_kept + part.mrna_made == pytest.approx(1, abs=1e-14)
        assert part.protein_kept + part.translated + part.protein_made == pytest.approx(1, abs=2e-14)
    assert min(*w.mrna, *w.protein) >= 0
    assert sum(w.mrna) == pytest.approx(w.full.mrna_made, rel=1e-13, abs=1e-300)
    assert sum(w.protein) == pytest.approx(w.full.protein_made, rel=1e-13, abs=1e-300)


@pytest.mark.parametrize(("zm", "zp"), [(0.3, 0.1), (0.5, 0.5), (0.01, 1.5), (1.2, 1.2000001), (2.0, 1e-4)])
def test_weights_are_the_integrals_of_the_parabola_against_the_kernel(zm, zp):
    w = step_weights(zm, zp, 1.0)
    parabola = (
        lambda s: (1 - s) * (1 - 2 * s),
        lambda s: 4 * s * (1 - s),
        lambda s: s * (2 * s - 1),
    )
    for k, basis in enumerate(parabola):
        mrna = quad(lambda s: zm * math.exp(-zm * (1 - s)) * basis(s), 0, 1, epsabs=1e-13)[0]  # noqa: B023
        protein = quad(lambda s: kernel(1 - s, zm, zp) * basis(s), 0, 1, epsabs=1e-13)[0]  # noqa: B023
        assert w.mrna[k] == pytest.approx(mrna, abs=1e-12)
        assert w.protein[k] == pytest.approx(protein, abs=1e-12)


@pytest.mark.parametrize(("zm", "zp"), [(3.0, 0.5), (30.0, 30.0), (0.2, 50.0)])
def test_large_steps_still_integrate_a_straight_line_exactly(zm, zp):
    w = step_weights(zm, zp, 1.0)
    for weights, share in (
        (w.mrna, lambda u: zm * math.exp(-zm * u)),
        (w.protein, lambda u: kernel(u, zm, zp)),
    ):
        expected = quad(lambda s: share(1 - s) * s, 0, 1, epsabs=1e-13)[0]  # noqa: B023
        assert weights[1] / 2 + weights[2] == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize(("gamma_m", "gamma_p"), [(1.0, 0.2), (0.7, 0.7), (5.0, 80.0)])
def test_propagator_is_the_matrix_exponential(gamma_m, gamma_p):
    exact = expm([[-gamma_m, 0, gamma_m], [gamma_p, -gamma_p, 0], [0, 0, 0]])
    full = step_weights(gamma_m, gamma_p, 1.0).full
    expected = [exact[0][0], exact[0][2], exact[1][1], exact[1][0], exact[1][2]]
    assert list(full) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("z", [-1e-12, -0.1, -0.999999, -1.0, -1.000001, -20.0, -1e8])
def test_divided_differences_meet_their_limits(z):
    a = torch.tensor(z, dtype=torch.float64)
    # φ_k' follows from z·φ_{k+1} = φ_k − 1/k!: φ_{k+1}'·z = φ_k' − φ_{k+1}, here checked as a residual.
    value, slope = phi(a), phi_difference(a, a)
    for k in range(3):
        assert (z * slope[k + 1]).item() == pytest.approx(
            (slope[k] - value[k + 1]).item(), rel=1e-10, abs=1e-15
        )
    near = phi_difference(a, a * (1 + 1e-9))
    for k in range(4):
        assert near[k].item() == pytest.approx(slope[k].item(), rel=1e-7, abs=1e-300)


def test_tensor_rates_give_the_scalar_weights_and_gradients():
    gamma_m = torch.tensor([1.0, 0.3, 4.0, 1.0], dtype=torch.float64, requires_grad=True)
    gamma_p = torch.tensor([1.0, 0.3000001, 0.01, 9.0], dtype=torch.float64, requires_grad=True)
    tensors = step_weights(gamma_m, gamma_p, 0.5)
    for k in range(4):
        scalar = step_weights(gamma_m[k].item(), gamma_p[k].item(), 0.5)
        assert [v[k].item() for v in tensors.full] == pytest.approx(list(scalar.full), rel=1e-14)
        assert [v[k].item() for v in tensors.protein] == pytest.approx(
            list(scalar.protein), rel=1e-13, abs=1e-18
        )

    def all_weights(gamma_m, gamma_p):
        w = step_weights(gamma_m, gamma_p, 0.5)
        return torch.stack([*w.half, *w.full, *w.mrna, *w.protein])

    assert torch.autograd.gradcheck(all_weights, (gamma_m, gamma_p), atol=1e-7)
