"""Where searches for steady states begin: random states within bounds that the model itself gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.stats import qmc

from grn.networks.states.relaxation import relax

if TYPE_CHECKING:
    from torch import Tensor

    from grn.networks.equations import RateEquations
    from grn.networks.reactions import ReactionSystem

Bounds = tuple[float, float] | Mapping[str, tuple[float, float]]

LOWEST = 1e-4  # of its upper bound: lowest random start of a species, zero apart
EXPLORATION = 200  # steps of the time courses that find the bounds


def given_starts(starts: Tensor, system: ReactionSystem, initial: Tensor, free: Tensor | None) -> Tensor:
    """Return the user's starts as (species, B), clamped species at their level."""
    if starts.ndim != 2 or starts.shape[1] != len(system.species) or not len(starts):
        raise ValueError(
            f"starts must have shape (starts, {len(system.species)}), a column a species, got "
            f"{tuple(starts.shape)}"
        )
    points = starts.detach().to(initial).T
    if not bool(torch.isfinite(points).all()) or bool((points < 0).any()):
        raise ValueError("starts must be non-negative finite concentrations, got another value")
    return points.clone() if free is None else torch.where(free == 0, initial, points)


def random_starts(
    equations: RateEquations,
    initial: Tensor,
    projector: Tensor,
    starts: int,
    seed: int,
    bounds: Bounds | None,
) -> Tensor:
    """Initial state and random starts, (species, 1 + starts); see `steady_states`."""
    if isinstance(starts, bool) or not isinstance(starts, int) or starts < 1:
        raise ValueError(f"starts must be a positive number or a (starts, species) tensor, got {starts!r}")
    low, high = _bounds(equations, initial, projector, seed, bounds)
    uniform = _sobol(len(initial), starts, seed).to(initial)
    linear = low + uniform * (high - low)
    bottom = torch.maximum(low, LOWEST * high).clamp_min(1e-300)
    ratio = torch.where(high > 0, high / bottom, 1.0)
    logarithmic = torch.where(high > 0, bottom * ratio**uniform, 0.0)
    points = torch.where(torch.arange(starts) % 2 == 0, linear, logarithmic)
    points = _with_totals(points, initial, projector, equations.free)
    return torch.cat([initial, points], 1)


def _sobol(dimensions: int, count: int, seed: int) -> Tensor:
    sampler = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    return torch.from_numpy(sampler.random_base2(math.ceil(math.log2(count)))[:count].T.copy())


def _bounds(
    equations: RateEquations, initial: Tensor, projector: Tensor, seed: int, bounds: Bounds | None
) -> tuple[Tensor, Tensor]:
    """(species, 1) each."""
    names = equations.species
    if isinstance(bounds, Mapping):
        for name in bounds:
            if name not in names:
                raise ValueError(f"bounds name {name!r}: the species are {', '.join(names)}")
        pairs = [bounds.get(name) for name in names]
    else:
        pairs = [bounds] * len(names)
    for name, pair in zip(names, pairs, strict=True):
        if pair is not None and not (0 <= pair[0] < pair[1] < math.inf):
            raise ValueError(f"bounds of {name!r} must be 0 <= low < high < inf, got {pair}")
    low = torch.zeros_like(initial)
    high = initial.clone()
    if any(pair is None for pair in pairs):
        scale = float(initial.max()) or 1.0
        points = scale * 10 ** (9 * _sobol(len(names), 32, seed + 1).to(initial) - 3)
        points = _with_totals(points, initial, projector, equations.free)
        course = relax(equations, points, held=projector, max_steps=EXPLORATION)
        # what has not come to rest may still be far above where it is going
        ends = torch.where(course.rests | (course.values < points), course.values, 0.0)
        ends = torch.where(torch.isfinite(ends), ends, 0.0)
        high = 1.5 * torch.cat([ends, initial], 1).amax(1, keepdim=True)
    for k, pair in enumerate(pairs):
        if pair is not None:
            low[k], high[k] = pair
    return low, high


def _with_totals(points: Tensor, initial: Tensor, projector: Tensor, free: Tensor | None) -> Tensor:
    """Nearest points, by alternating projections, with the initial state's conserved totals."""
    if not bool(projector.any()):
        return points
    for _ in range(200):
        points = (points - projector[0] @ (points - initial)).clamp_min(0)
    if free is not None:
        points = torch.where(free == 0, initial, points)
    off = (projector[0] @ (points - initial)).abs().amax(0)
    return points[:, off <= 1e-6 * initial.abs().amax()]
