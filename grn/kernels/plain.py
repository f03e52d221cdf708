"""The step in plain torch: any device and dtype, per-gene rates, gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from grn.kernels.exponential import map_weights, middle_weights, step_weights
from grn.regulation import Cooperation, Homeostasis, promoter_input

if TYPE_CHECKING:
    from torch import Tensor

    from grn.kernels.exponential import Propagator, StepWeights
    from grn.kinetics import Kinetics


def march_separable(
    m: Tensor,
    p: Tensor,
    induction: Tensor,
    *,
    hours: float,
    kinetics: Kinetics,
    autoactivation: float,
    steps: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Carry genes that do not act on each other; return m, p and the estimated error of either."""
    step = hours / steps
    weights = _cast(step_weights(*kinetics.rates, step), m)
    middle = middle_weights(kinetics.protein_decay * step)
    return march_weighted(m, p, induction, weights, middle, kinetics, autoactivation, steps)


def march_weighted(
    m: Tensor,
    p: Tensor,
    induction: Tensor,
    weights: StepWeights,
    middle: tuple[float | Tensor, float | Tensor, float | Tensor, float | Tensor],
    kinetics: Kinetics,
    autoactivation: float,
    steps: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """`march_separable` with weights made beforehand: operations on tensors, which a compiler can fuse."""
    half, full = weights.half, weights.full
    b, n = kinetics.basal, kinetics.hill_coefficient
    error = torch.zeros_like(m, requires_grad=False)
    if autoactivation == 0.0:  # the promoter's activity stays as it is: one propagator a step is exact
        h = kinetics.promoter_activity(induction)
        for _ in range(steps):
            m, p = m + full.mrna_made * (h - m), p + (full.translated * (m - p) + full.protein_made * (h - p))
        return m, p, error
    gain, chord = n * autoactivation / (1.0 - b), autoactivation / (1.0 + autoactivation)
    at_p, at_m, at_next_p, at_next_m = middle
    m_error, p_error = error, error

    def activity(protein: Tensor) -> Tensor:
        return kinetics.promoter_activity(promoter_input(induction, protein, autoactivation=autoactivation))

    for _ in range(steps):
        h1 = activity(p)
        stage = _protein(half, m, p, h1)
        h2 = activity(stage)
        h3 = activity(_protein(full, m, p, h2))
        next_m, next_p = _finish(weights, m, p, h1, h2, h3)
        with torch.no_grad():
            between = at_p * p + at_m * m + at_next_p * next_p + at_next_m * next_m
            slope = gain * (h2 - b) * (1.0 - h2) * (1.0 - chord * stage).clamp(min=1.0 - chord)
            missed, fed = slope * (between - stage).abs(), slope * p_error
            p_error, m_error = (
                (_protein(full, m_error, p_error, fed) + weights.protein[1] * missed).clamp(max=1.0),
                full.mrna_kept * m_error + full.mrna_made * fed + weights.mrna[1] * missed,
            )
        m, p = next_m, next_p
    return m, p, torch.maximum(m_error, p_error)


def march_coupled(
    tensors: tuple[Tensor, ...],
    induction: Tensor,
    *,
    hours: float,
    kinetics: Kinetics,
    autoactivation: float,
    cooperation: Cooperation | None,
    homeostasis: Homeostasis | None,
    steps: int,
) -> tuple[Tensor, ...]:
    """Carry genes that cooperate or share a threshold through ``steps`` equal steps."""
    step = hours / steps
    weights = _cast(step_weights(*kinetics.rates, step), induction)
    quarter, half, full = weights.quarter, weights.half, weights.full
    m, p = tensors[0], tensors[1]
    theta = tensors[2] if homeostasis is not None else None

    def activity(protein: Tensor, log_threshold: Tensor | None) -> Tensor:
        x = promoter_input(
            induction,
            protein,
            autoactivation=autoactivation,
            cooperation=cooperation,
            log_threshold=log_threshold,
        )
        return kinetics.promoter_activity(x)

    for _ in range(steps):
        h1 = activity(p, theta)
        p2 = _protein(half, m, p, h1)
        theta2 = theta3 = theta
        if homeostasis is not None and theta is not None:
            rho1, rho2 = homeostasis.expressed_fraction(p), homeostasis.expressed_fraction(p2)
            rho_quarter = homeostasis.expressed_fraction(_protein(quarter, m, p, h1))
            drift = homeostasis.rate * step
            theta2 = theta + drift * ((rho1 + 4 * rho_quarter + rho2) / 12 - homeostasis.target / 2)
        h2 = activity(p2, theta2)
        p3 = _protein(full, m, p, h2)
        if homeostasis is not None and theta is not None:
            rho3 = homeostasis.expressed_fraction(p3)
            theta3 = theta + drift * ((rho1 + 4 * rho2 + rho3) / 6 - homeostasis.target)
        m, p = _finish(weights, m, p, h1, h2, activity(p3, theta3))
        theta = theta3
    return (m, p) if theta is None else (m, p, theta)


def _protein(flow: Propagator, m: Tensor, p: Tensor, h: Tensor) -> Tensor:
    return flow.protein_kept * p + flow.translated * m + flow.protein_made * h


def _finish(
    weights: StepWeights, m: Tensor, p: Tensor, h1: Tensor, h2: Tensor, h3: Tensor
) -> tuple[Tensor, Tensor]:
    """End of a step: the parabola through three activities, integrated exactly.

    As increments: a share kept of almost 1 would be rounded anew at each of many small steps.
    """
    full = weights.full
    m1, m2, m3 = weights.mrna
    p1, p2, p3 = weights.protein
    return (
        m + (m1 * h1 + m2 * h2 + m3 * h3 - full.mrna_made * m),
        p + (full.translated * (m - p) + (p1 * h1 + p2 * h2 + p3 * h3 - full.protein_made * p)),
    )


def _cast(weights: StepWeights, like: Tensor) -> StepWeights:
    """Tensor weights in the dtype and on the device of ``like``; floats are left as they are."""

    def cast(value: float | Tensor) -> float | Tensor:
        return value.to(like.device, like.dtype) if isinstance(value, torch.Tensor) else value

    return map_weights(cast, weights)
