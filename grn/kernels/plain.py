"""The step in plain torch: any device and dtype, per-gene rates, gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from grn.kernels.exponential import map_weights
from grn.regulation import Cooperation, Homeostasis, promoter_input

if TYPE_CHECKING:
    from torch import Tensor

    from grn.kernels.exponential import Propagator, StepWeights
    from grn.kinetics import Kinetics


def advance_torch(
    tensors: tuple[Tensor, ...],
    induction: Tensor,
    *,
    weights: StepWeights,
    steps: int,
    step: float,
    kinetics: Kinetics,
    autoactivation: float,
    cooperation: Cooperation | None,
    homeostasis: Homeostasis | None,
) -> tuple[Tensor, ...]:
    """Carry (m, p[, log K]) through ``steps`` steps of ``step`` hours; inputs are left alone."""
    m, p = tensors[0], tensors[1]
    theta = tensors[2] if homeostasis is not None else None
    quarter, half, full = weights.quarter, weights.half, weights.full
    constant = autoactivation == 0.0 and homeostasis is None and cooperation is None

    def activity(protein: Tensor, log_threshold: Tensor | None) -> Tensor:
        x = promoter_input(
            induction,
            protein,
            autoactivation=autoactivation,
            cooperation=cooperation,
            log_threshold=log_threshold,
        )
        return kinetics.promoter_activity(x)

    held = activity(p, None) if constant else None
    for _ in range(steps):
        if held is not None:
            m, p = full.mrna_kept * m + full.mrna_made * held, _protein(full, m, p, held)
            continue
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
        h3 = activity(p3, theta3)
        w1, w2, w3 = weights.protein
        p = full.protein_kept * p + full.translated * m + (w1 * h1 + w2 * h2 + w3 * h3)
        w1, w2, w3 = weights.mrna
        m = full.mrna_kept * m + (w1 * h1 + w2 * h2 + w3 * h3)
        theta = theta3
    return (m, p) if theta is None else (m, p, theta)


def cast_weights(weights: StepWeights, like: Tensor) -> StepWeights:
    """Tensor weights in the dtype and on the device of ``like``; floats are left as they are."""

    def cast(value: float | Tensor) -> float | Tensor:
        return value.to(like.device, like.dtype) if isinstance(value, torch.Tensor) else value

    return map_weights(cast, weights)


def _protein(flow: Propagator, m: Tensor, p: Tensor, h: Tensor) -> Tensor:
    return flow.protein_kept * p + flow.translated * m + flow.protein_made * h
