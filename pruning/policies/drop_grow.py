"""Drop by magnitude, grow at random (SET) or by gradient (RigL)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pruning.policies.base import GatingContext, GatingDecision, PolicyState


def _check_fraction(drop_fraction: float) -> None:
    if not 0.0 < drop_fraction < 1.0:
        raise ValueError(
            f"drop_fraction must lie in (0, 1), the share of live connections replaced, got {drop_fraction}"
        )


def _drop_and_grow(context: GatingContext, drop_fraction: float, growth: Tensor) -> GatingDecision:
    dropped = drop_fraction * 0.5 * (1.0 + math.cos(math.pi * context.gating_progress))
    by_magnitude = context.only_live(context.keep_protected(context.magnitude))
    kept = context.budget.scaled(1.0 - dropped).select(by_magnitude, prefer=context.live)
    kept &= context.live
    mask = context.budget.select(growth.masked_fill(kept, math.inf), prefer=context.live)
    return GatingDecision(mask=mask)


@dataclass(frozen=True, kw_only=True, slots=True)
class SetGating:
    """Sparse evolutionary training: drop the smallest |w|, grow as many at random.

    Parameters
    ----------
    drop_fraction : float
        Share of the live connections replaced at the first update; it falls to zero as a half cosine.

    References
    ----------
    Mocanu et al., *Scalable training of artificial neural networks with adaptive sparse connectivity*, Nature
    Communications 9, 2018.
    """

    drop_fraction: float = 0.3  # of the live connections

    def __post_init__(self) -> None:
        _check_fraction(self.drop_fraction)

    @property
    def needs_gradient(self) -> bool:
        """Whether gradients must be observed: no."""
        return False

    def decide(self, context: GatingContext, state: PolicyState) -> GatingDecision:
        """Drop by magnitude, grow at random."""
        growth = torch.rand(context.gates.total, generator=context.generator, device=context.generator.device)
        return _drop_and_grow(context, self.drop_fraction, growth)


@dataclass(frozen=True, kw_only=True, slots=True)
class RigLGating:
    """Drop the smallest |w|, grow the largest |g| among silent connections.

    Parameters
    ----------
    drop_fraction : float
        Share of the live connections replaced at the first update; it falls to zero as a half cosine.

    References
    ----------
    Evci et al., *Rigging the Lottery: Making All Tickets Winners*, ICML 2020, arXiv:1911.11134.
    """

    drop_fraction: float = 0.3  # of the live connections

    def __post_init__(self) -> None:
        _check_fraction(self.drop_fraction)

    @property
    def needs_gradient(self) -> bool:
        """Whether gradients must be observed: yes, |g| of silent connections."""
        return True

    def decide(self, context: GatingContext, state: PolicyState) -> GatingDecision:
        """Drop by magnitude, grow by gradient."""
        return _drop_and_grow(context, self.drop_fraction, context.gradient)
