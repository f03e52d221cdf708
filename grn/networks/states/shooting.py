"""Periodic orbits by shooting: a state and a period with ``y(period) = y(0)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.integrate import LSODA

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from grn.networks.equations import RateEquations

    Array = NDArray[np.float64]


def slope_of(equations: RateEquations, batch: int) -> Callable[[float, Array], Array]:
    """Right-hand side of ``batch`` trajectories one after another in a vector."""
    species = len(equations.species)

    def slope(time: float, stacked: Array) -> Array:
        y = torch.from_numpy(stacked.reshape(batch, species).T.copy()).to(equations.device)
        with torch.no_grad():
            return equations(time, y).T.reshape(-1).cpu().numpy()

    return slope


def flow(equations: RateEquations, start: Array, period: float, swing: Array) -> tuple[Array, Array, Array]:
    """State after a time, its derivative by the start, and the slope there."""
    species = len(start)
    nudge = 1e-5 * np.maximum(swing, 1e-6 * swing.max())
    nudge = np.minimum(nudge, np.where(start > 0, 0.5 * start, nudge))
    up, down = start + np.diag(nudge), start - np.diag(np.where(start >= nudge, nudge, 0))
    slope = slope_of(equations, 2 * species + 1)
    stacked = np.concatenate([start[None], up, down]).reshape(-1)
    ends = integrate_to(slope, stacked, period, swing, species)[1].reshape(-1, species)
    taken = (up - down).diagonal()
    derivative = ((ends[1 : species + 1] - ends[species + 1 :]) / taken[:, None]).T
    return ends[0], derivative, slope_of(equations, 1)(0.0, ends[0])


def integrate_to(
    slope: Callable[[float, Array], Array], start: Array, end: float, swing: Array, species: int
) -> tuple[list[LSODA], Array]:
    """Dense outputs of all steps (of a single trajectory), and the state at the end."""
    single = len(start) == species
    repeats = len(start) // species
    absolute = np.tile(1e-12 * np.maximum(swing, 1e-6 * swing.max()), repeats)
    band = {} if single else {"lband": species - 1, "uband": species - 1}  # trajectories do not mix
    solver = LSODA(slope, 0.0, start, end, rtol=1e-10, atol=absolute, **band)
    outputs = []
    while solver.status == "running":
        solver.step()
        if single:
            outputs.append(solver.dense_output())
    if solver.status == "failed":
        raise ArithmeticError("LSODA failed on one period")
    return outputs, solver.y


def shoot(
    equations: RateEquations, start: Array, period: float, swing: Array
) -> tuple[Array, float, Array] | None:
    """Newton's method for a periodic orbit near a guess; None where it leads astray."""
    weights = np.maximum(swing, 1e-9 * swing.max())
    y, guess, first = start.copy(), period, period
    last = np.inf
    for _ in range(12):
        try:
            end, monodromy, slope = flow(equations, y, guess, swing)
        except ArithmeticError:
            return None
        miss = (end - y) / weights
        matrix = np.column_stack(
            [(monodromy - np.eye(len(y))) * weights / weights[:, None], slope * first / weights]
        )
        if not (np.isfinite(matrix).all() and np.isfinite(miss).all()):
            return None
        step = np.linalg.lstsq(matrix, -miss, rcond=1e-11)[0]
        size = float(np.abs(step).max())
        if size < 1e-9 or (size < 1e-7 and size > 0.1 * last):
            return y, guess, monodromy
        if size > 3:
            return None
        last = size
        y = np.maximum(y + step[:-1] * weights, 0.0)
        guess += step[-1] * first
        if not 0.3 * first < guess < 3 * first:
            return None
    return None
