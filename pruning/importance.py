"""Importance of a connection: Eq. 2, S = |w| + α·I + β·age."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Importance:
    """Weights of the terms of Eq. 2.

    S is in the unit of the weights: saliency and age are scaled to the mean magnitude of a live
    connection before
    they are weighted, so that α and β compare like with like and a threshold on S keeps its meaning
    from one update to the next. The means are taken over the whole network: scaling each layer by
    itself makes layers collapse. Saliency I is |g·w| for a live connection, the first-order loss of
    silencing it, and |g| for a silent one, the first-order gain of restoring it; each kind is scaled
    by its own mean.

    Parameters
    ----------
    saliency : float
        α at the start of training. It falls to zero as a half cosine over the gating period, so
        that in the end magnitude alone decides and silent connections stay silent.
    age : float
        β, the weight of the time since a connection came alive. A term equal for all connections
        would not change their ranking, so age is counted for each.
    gradient_steps : int
        Optimizer steps before an update over which gradients are averaged.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, or ``gradient_steps`` is below 1.

    Examples
    --------
    >>> Importance(saliency=0.5).saliency_at(0.5)
    0.25
    """

    saliency: float = 0.5  # alpha, relative to the magnitude term
    age: float = 0.0  # beta, relative to the magnitude term
    gradient_steps: int = 4  # optimizer steps

    def __post_init__(self) -> None:
        for name, value in (("saliency", self.saliency), ("age", self.age)):
            if not (math.isfinite(value) and value >= 0.0):
                raise ValueError(f"{name} must be a finite weight of at least 0, got {value}")
        if self.gradient_steps < 1:
            raise ValueError(f"gradient_steps must be at least 1 optimizer step, got {self.gradient_steps}")

    def saliency_at(self, gating_progress: float) -> float:
        """α when the fraction ``gating_progress`` of the gating period has passed."""
        return self.saliency * 0.5 * (1.0 + math.cos(math.pi * min(1.0, max(0.0, gating_progress))))

    def score(
        self, magnitude: Tensor, saliency: Tensor, age: Tensor, live: Tensor, gating_progress: float
    ) -> Tensor:
        """Importance S of every connection (Eq. 2).

        Parameters
        ----------
        magnitude : Tensor
            |w|, zero where silent, shape (gates,).
        saliency : Tensor
            |g·w| where live, |g| where silent, shape (gates,).
        age : Tensor
            Fraction of training since the connection came alive, zero where silent, shape (gates,).
        live : Tensor
            Current mask, boolean, shape (gates,).
        gating_progress : float
            Fraction of the gating period that has passed, in [0, 1].

        Returns
        -------
        Tensor
            S, shape (gates,), in the unit of the weights.

        Examples
        --------
        >>> live = torch.tensor([True, True, False])
        >>> zero = torch.zeros(3)
        >>> Importance(saliency=1.0).score(
        ...     torch.tensor([1.0, 3.0, 0.0]), torch.tensor([0.2, 0.2, 5.0]), zero, live, 0.0
        ... ).tolist()
        [3.0, 5.0, 2.0]
        """
        unit = mean_over(magnitude, live)
        score = magnitude
        alpha = self.saliency_at(gating_progress)
        if alpha > 0.0:
            scale = torch.where(live, mean_over(saliency, live), mean_over(saliency, ~live))
            score = torch.div(saliency, scale, out=scale).mul_(alpha * unit).add_(score)
        if self.age > 0.0:
            score = (age / mean_over(age, live)).mul_(self.age * unit).add_(score)
        return score


def mean_over(values: Tensor, where: Tensor) -> Tensor:
    """Mean of the chosen values, 1 where that is zero or nothing is chosen: a divisor that is always safe."""
    mean = torch.where(where, values, 0.0).sum() / where.count_nonzero().clamp(min=1)
    return torch.where(mean > 0.0, mean, torch.ones_like(mean))
