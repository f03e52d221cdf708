"""Where searches for steady states begin: random states within bounds that the model itself gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.stats import qmc

from grn.networks.states.newton import gross_flux
from grn.networks.states.relaxation import relax

if TYPE_CHECKING:
    from torch import Tensor

    from grn.networks.equations import RateEquations
    from grn.networks.reactions import ReactionSystem

Bounds = tuple[float, float] | Mapping[str, tuple[float, float]]

LOWEST = 1e-4  # of its upper bound: lowest random start of a species, zero apart
ABOVE = 10.0  # times the highest level seen: how high some starts lie where the model gives no bound
DECADES = 6  # above the scale of the initial state: how high exploration begins
EXPLORATION = 200  # steps of the time courses that find the bounds


def given_starts(starts: Tensor, system: ReactionSystem, initial: Tensor, free: Tensor | None) -> Tensor:
    """Return the user's starts as (species, B), clamped species at their level."""
    if starts.is_complex() or starts.dtype == torch.bool:
        raise ValueError(f"starts must hold real concentrations, got a tensor of {starts.dtype}")
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
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed must be a non-negative integer, got {seed!r}")
    low, high, above = _bounds(equations, initial, projector, seed, bounds)
    uniform = _sobol(len(initial), starts, seed).to(initial)
    # in blocks: every second or fourth point of a Sobol sequence would leave out parts of the box
    block = torch.arange(starts) * 4 // starts
    linear = low + uniform * (high - low)
    points = torch.where(block < 2, linear, _logarithmic(uniform, low, high))
    points = torch.where(block == 3, _logarithmic(uniform, low, above), points)
    points = _with_totals(points, initial, projector, equations.free)
    return torch.cat([initial, points], 1)


def _logarithmic(uniform: Tensor, low: Tensor, high: Tensor) -> Tensor:
    bottom = torch.maximum(low, LOWEST * high).clamp_min(1e-300)
    ratio = torch.where(high > 0, high / bottom, 1.0)
    return torch.where(high > 0, bottom * ratio**uniform, 0.0)


def _sobol(dimensions: int, count: int, seed: int) -> Tensor:
    sampler = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    return torch.from_numpy(sampler.random_base2(math.ceil(math.log2(count)))[:count].T.copy())


def _bounds(
    equations: RateEquations, initial: Tensor, projector: Tensor, seed: int, bounds: Bounds | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Lowest start, highest where trajectories end, highest at all: (species, 1) each."""
    names = equations.species
    if isinstance(bounds, Mapping):
        for name in bounds:
            if name not in names:
                raise ValueError(f"bounds name {name!r}: the species are {', '.join(names)}")
        pairs = [bounds.get(name) for name in names]
    else:
        pairs = [bounds] * len(names)
    for name, pair in zip(names, pairs, strict=True):
        if pair is not None and not _is_range(pair):
            raise ValueError(f"bounds of {name!r} must be 0 <= low < high < inf, got {pair}")
    low = torch.zeros_like(initial)
    high, above = initial.clone(), initial.clone()
    if any(pair is None for pair in pairs):
        scale = float(initial.max()) or 1.0
        points = scale * 10 ** ((DECADES + 3) * _sobol(len(names), 32, seed + 1).to(initial) - 3)
        points = _with_totals(points, initial, projector, equations.free)
        course = relax(equations, points, held=projector, max_steps=EXPLORATION)
        # what has not come to rest may still be far above where it is going
        ends = torch.where(course.rests | (course.values < points), course.values, 0.0)
        ends = torch.where(torch.isfinite(ends), ends, 0.0)
        high = 1.5 * torch.cat([ends, initial], 1).amax(1, keepdim=True)
        # courses that rise pass, on their way, levels that they may not keep
        rising = (course.highest > 1.001 * points) & torch.isfinite(course.highest)
        peaks = torch.where(rising, course.highest, 0.0).amax(1, keepdim=True).clamp_max(scale * 10**DECADES)
        bound = _most_sustained(equations, initial, scale * 10**DECADES, seed)
        above = torch.maximum(high, 1.5 * torch.maximum(peaks, bound))
        above = torch.where(bound > 0, above, torch.maximum(above, ABOVE * high))
    for k, pair in enumerate(pairs):
        if pair is not None:
            low[k], high[k] = pair
            above[k] = pair[1]
    return low, high, above


def _is_range(pair: object) -> bool:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        return False
    if not all(isinstance(end, int | float) and not isinstance(end, bool) for end in pair):
        return False
    return bool(0 <= pair[0] < pair[1] < math.inf)


def _most_sustained(equations: RateEquations, initial: Tensor, top: float, seed: int) -> Tensor:
    """Highest level of each species that its production could sustain, (species, 1); 0 where none is known.

    Production is at most what random states within a box give, all lower; loss is taken per concentration at
    the top of the box. The box shrinks to what that sustains until it stays.
    """
    box = torch.full_like(initial, top)
    uniform = _sobol(len(initial), 128, seed + 2).to(initial)
    # half of the species off, the others high, by turns: promoters are strongest at such corners
    corners = torch.where(uniform < 0.5, 0.0, uniform)
    for _ in range(20):
        levels = torch.cat([box * corners, box * 10 ** (-8 * uniform)], 1)
        made = gross_flux(equations, levels)[0].amax(1, keepdim=True)
        size = len(initial)
        filled = levels.repeat_interleave(size, 1)  # each species in turn at the top of its box
        which = torch.eye(size, dtype=torch.bool, device=box.device).repeat(1, levels.shape[1])
        lost = gross_flux(equations, torch.where(which, box, filled))[1]
        lost = torch.where(which, lost, torch.inf).amin(1, keepdim=True)
        sustained = made / (lost / box.clamp_min(1e-300))
        smaller = torch.where(torch.isfinite(sustained), torch.minimum(box, sustained), box)
        if bool((smaller > 0.99 * box).all()):
            break
        box = smaller
    return torch.where(box < 0.1 * top, box, 0.0)


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
