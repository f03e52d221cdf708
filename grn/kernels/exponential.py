"""Weights of one step of the exponential integrator of Eq. 1.

Eq. 1 is linear but for the promoter: with y = (m, p), ``y' = L·y + (γm·h(p), 0)`` and
L = [[−γm, 0], [γp, −γp]]. The linear part is carried exactly; h, which depends on protein alone, is sampled
at the start, the middle and the end of a step and integrated against the exact kernel:

    p2 = exp(L·dt/2)·y  with h held at h1 = h(p)
    p3 = exp(L·dt)·y    with h held at h2 = h(p2)
    y' = exp(L·dt)·y    with the parabola through h1, h2, h3 = h(p3)

Protein is twice integrated from h, so three samples reach fourth order, as in Nyström's method for y'' = f(y)
(Hairer, Nørsett & Wanner, *Solving Ordinary Differential Equations I*, II.14), which is the limit of small
rates; the weights are those of exponential integrators (Hochbruck & Ostermann, Acta Numerica 2010). L is
lower triangular and h enters m alone, so each weight is a first column: φ_k(−γm·dt) for mRNA and the divided
difference φ_k[−γm·dt, −γp·dt] for protein.

Of the parabola's three weights the first, φ1 − 3·φ2 + 4·φ3, would turn negative for large steps (for mRNA
beyond γm·dt = 2.688; for protein where the slower rate times dt exceeds 2.8 to 5.3). It is held at 0 there,
and the other two still integrate a straight line exactly, without a jump. So all weights are non-negative,
and those of each row sum with the exponentials to 1: every stage is a mean of m, p and h, and m and p stay
in [0, 1] at any step. With homeostasis, log K advances by Simpson's rule on the same stages.

The error of a step is estimated from what its middle stage missed. Once the step is done, the protein at the
middle is known better, from both ends and their slopes (Hermite's cubic); the difference, times the
promoter's slope there, n·hill·(1 − hill)·a/(1 + a·p), and the weights of the stage, is an error of h that
entered mRNA and protein. (Of 1/(1 + a·p) the chord over [0, 1] is taken, which lies above and needs no
division.) It is of third order; for small steps the end stage's error cancels it in the
result, which is of fourth. It is carried along with the gene by the linearised equations, so that what
feedback amplifies is counted and what decays is not.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

_TERMS = 20  # of the series below; the first left out is under 21·2/23! = 2e-21


class Propagator(NamedTuple):
    """Exact flow over a time with the promoter activity h held.

    ``m → mrna_kept·m + mrna_made·h`` and ``p → protein_kept·p + translated·m + protein_made·h``.
    """

    mrna_kept: float | Tensor
    mrna_made: float | Tensor
    protein_kept: float | Tensor
    translated: float | Tensor
    protein_made: float | Tensor


class StepWeights(NamedTuple):
    """Weights of a step: propagators over a quarter, a half and all of it, and the parabola's weights."""

    quarter: Propagator
    half: Propagator
    full: Propagator
    mrna: tuple[float | Tensor, float | Tensor, float | Tensor]
    protein: tuple[float | Tensor, float | Tensor, float | Tensor]


def step_weights(
    mrna_decay: float | Tensor, protein_decay: float | Tensor, duration: float | Tensor
) -> StepWeights:
    """Weights of one step of ``duration`` hours; floats for float rates, else float64 tensors.

    Examples
    --------
    >>> weights = step_weights(1.0, 1.0, 0.5)
    >>> round(sum(weights.mrna) + weights.full.mrna_kept, 15)
    1.0
    """
    if isinstance(mrna_decay, torch.Tensor) or isinstance(protein_decay, torch.Tensor):
        return _weights(torch.as_tensor(mrna_decay), torch.as_tensor(protein_decay), duration)
    return _scalar_weights(float(mrna_decay), float(protein_decay), duration)


def middle_weights(
    protein_loss: float | Tensor,
) -> tuple[float | Tensor, float | Tensor, float | Tensor, float | Tensor]:
    """Weights of p, m, next p and next m in the protein at the middle: Hermite's cubic.

    ``protein_loss`` is γp times the step.

    Examples
    --------
    >>> middle_weights(0.5)
    (0.4375, 0.0625, 0.5625, -0.0625)
    """
    eighth = protein_loss / 8
    return 0.5 - eighth, eighth, 0.5 + eighth, -eighth


@lru_cache(maxsize=64)
def _scalar_weights(mrna_decay: float, protein_decay: float, duration: float) -> StepWeights:
    with torch.no_grad():
        tensors = _weights(
            torch.tensor(mrna_decay, dtype=torch.float64),
            torch.tensor(protein_decay, dtype=torch.float64),
            duration,
        )
    return map_weights(float, tensors)


def map_weights(convert: Callable[[Any], float | Tensor], weights: StepWeights) -> StepWeights:
    """Apply ``convert`` to every weight."""

    def row(values: tuple[float | Tensor, ...]) -> tuple[float | Tensor, float | Tensor, float | Tensor]:
        first, middle, last = (convert(value) for value in values)
        return first, middle, last

    return StepWeights(
        Propagator(*map(convert, weights.quarter)),
        Propagator(*map(convert, weights.half)),
        Propagator(*map(convert, weights.full)),
        row(weights.mrna),
        row(weights.protein),
    )


def _weights(mrna_decay: Tensor, protein_decay: Tensor, duration: float | Tensor) -> StepWeights:
    device = mrna_decay.device if mrna_decay.ndim else protein_decay.device
    zm = mrna_decay.to(device, torch.float64) * duration
    zp = protein_decay.to(device, torch.float64) * duration
    zm, zp = zm + 0 * zp, zp + 0 * zm  # one shape
    phi_m = phi(-zm)
    phi_mp = phi_difference(-zm, -zp)
    return StepWeights(
        _propagator(zm / 4, zp / 4),
        _propagator(zm / 2, zp / 2),
        _propagator(zm, zp),
        _parabola(zm, *phi_m[1:]),
        _parabola(zm * zp, *phi_mp[1:]),
    )


def _propagator(zm: Tensor, zp: Tensor) -> Propagator:
    difference = phi_difference(-zm, -zp)
    return Propagator(
        torch.exp(-zm), -torch.expm1(-zm), torch.exp(-zp), zp * difference[0], zm * zp * difference[1]
    )


def _parabola(scale: Tensor, phi1: Tensor, phi2: Tensor, phi3: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    first = (phi1 - 3 * phi2 + 4 * phi3).clamp(min=0.0)
    middle = 2 * (phi1 - phi2 - first)
    # Positive by construction; the clamp removes rounding where it vanishes with the step.
    last = (2 * phi2 - phi1 + first).clamp(min=0.0)
    return scale * first, scale * middle, scale * last


def phi(z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """φ0…φ3 of a float64 tensor z ≤ 0: φ0 = exp, ``φ_{k+1}(z) = (φ_k(z) − 1/k!)/z``, to a few ulp.

    Examples
    --------
    >>> import torch
    >>> [round(value.item(), 4) for value in phi(torch.zeros(1, dtype=torch.float64))]
    [1.0, 1.0, 0.5, 0.1667]
    """
    small = z > -1.0
    near, far = torch.where(small, z, -0.5), torch.where(small, -1.0, z)
    series = _horner(near)
    phi1 = torch.expm1(far) / far
    phi2 = (phi1 - 1.0) / far
    phi3 = (phi2 - 0.5) / far
    return (
        torch.exp(z),
        torch.where(small, series[0], phi1),
        torch.where(small, series[1], phi2),
        torch.where(small, series[2], phi3),
    )


def _horner(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """φ1, φ2, φ3 by their series, |z| ≤ 1; the downward recurrence is stable there."""
    phi3 = torch.zeros_like(z)
    for k in range(_TERMS + 3, 3, -1):  # sum over j of z^j/(j+3)!
        phi3 = (1.0 + z * phi3) / k
    phi3 = (1.0 + z * phi3) / 6.0
    phi2 = 0.5 + z * phi3
    return 1.0 + z * phi2, phi2, phi3


def phi_difference(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Divided differences ``(φ_k(a) − φ_k(b))/(a − b)``, k = 0…3, for a, b ≤ 0; the derivative where a = b.

    Examples
    --------
    >>> import torch
    >>> one = torch.ones(1, dtype=torch.float64)
    >>> round(phi_difference(-one, -one)[0].item(), 6)  # exp(-1)
    0.367879
    """
    far, near = torch.minimum(a, b), torch.maximum(a, b)
    gap = far - near
    tiny_gap = gap > -1e-3
    safe = torch.where(tiny_gap, -1.0, gap)
    ratio = torch.where(
        tiny_gap, 1 + gap / 2 * (1 + gap / 3 * (1 + gap / 4 * (1 + gap / 5))), torch.expm1(safe) / safe
    )
    d0 = torch.exp(near) * ratio
    small = far > -1.0
    # Leibniz: φ_k[a,b] = a·φ_{k+1}[a,b] + φ_{k+1}(b). Solved for φ_{k+1}[a,b] it is stable for a large a.
    divisor = torch.where(small, -1.0, far)
    phi_near = phi(near)
    d1 = (d0 - phi_near[1]) / divisor
    d2 = (d1 - phi_near[2]) / divisor
    d3 = (d2 - phi_near[3]) / divisor
    series = _difference_series(torch.where(small, far, -0.5), torch.where(small, near, -0.5))
    return (
        d0,
        torch.where(small, series[0], d1),
        torch.where(small, series[1], d2),
        torch.where(small, series[2], d3),
    )


def _difference_series(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """φ1…φ3[a, b] for a, b in [−1, 0]: Σ_j h_j(a, b)/(j+k+1)! with h_j = a^j + a^(j−1)·b + … + b^j."""
    d3 = torch.zeros_like(a)
    symmetric, power = torch.ones_like(a), torch.ones_like(b)
    factorial = 24.0  # (j + 4)!
    for j in range(_TERMS):
        d3 = d3 + symmetric / factorial
        power = power * b
        symmetric = a * symmetric + power
        factorial *= j + 5
    phi_b = _horner(b)
    d2 = a * d3 + phi_b[2]
    return a * d2 + phi_b[1], d2, d3
