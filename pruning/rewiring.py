"""Restoring silent connections: Eq. 3, P = exp(−Δ/σ), normalised.

Drawing without replacement from P is adding Gumbel noise to −Δ/σ and taking the largest: exact, in log
space (no underflow at small σ) and free of the 2**24 limit of ``torch.multinomial``.
"""

import math

import torch
from torch import Generator, Tensor


def gumbel(shape: torch.Size, generator: Generator) -> Tensor:
    """Standard Gumbel noise on the generator's device, float64 so that extremes are resolved."""
    uniform = torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)
    return uniform.clamp_(min=torch.finfo(torch.float64).tiny).log_().neg_().log_().neg_()


def restoration_score(deficit: Tensor, sigma: float, generator: Generator) -> Tensor:
    """Random keys whose largest values are a draw without replacement from P = exp(−Δ/σ) / Σ exp(−Δ/σ).

    Parameters
    ----------
    deficit : Tensor
        Δ, how far a connection's importance falls short, shape (gates,). Only differences matter.
    sigma : float
        Breadth of the choice, in units of importance. As σ → 0 the choice becomes the smallest deficits; at
        σ = 0 it is exactly that.
    generator : torch.Generator
        Source of the noise, on the device of ``deficit``.

    Returns
    -------
    Tensor
        Keys, float64, shape (gates,).

    Raises
    ------
    ValueError
        If σ is negative or not finite.

    Examples
    --------
    >>> deficit = torch.tensor([3.0, 1.0, 2.0])
    >>> restoration_score(deficit, 0.0, torch.Generator().manual_seed(0)).argmax().item()
    1
    """
    if not (math.isfinite(sigma) and sigma >= 0.0):
        raise ValueError(f"sigma must be a finite breadth of at least 0, in units of importance, got {sigma}")
    if sigma == 0.0:
        return -deficit.double()
    # Keys stay in units of Δ (σ·Gumbel − Δ): dividing by a tiny σ would overflow.
    return gumbel(deficit.shape, generator).mul_(sigma).sub_(deficit)


def decayed_sigma(initial: float, gating_progress: float) -> float:
    """σ after the fraction ``gating_progress`` of the gating period: linear to zero ("homeostasis").

    Examples
    --------
    >>> decayed_sigma(0.4, 0.75)
    0.1
    """
    return initial * (1.0 - min(1.0, max(0.0, gating_progress)))


def literal_sigma(training_progress: float) -> float:
    """σ of the source paper's program, max(0.5, 2·(1 − epoch/epochs)).

    Examples
    --------
    >>> literal_sigma(0.25), literal_sigma(0.9)
    (1.5, 0.5)
    """
    return max(0.5, 2.0 * (1.0 - training_progress))
