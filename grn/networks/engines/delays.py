"""Rate equations with constant delays, by the fourth-order Runge–Kutta method with interpolated history."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from grn.integrate import Solver

if TYPE_CHECKING:
    from torch import Tensor

    from grn.networks.equations import RateEquations

MOST_HALVINGS = 12
MOST_STEPS = 200_000


def solve_delayed(equations: RateEquations, y: Tensor, times: Tensor, solver: Solver | None = None) -> Tensor:
    """Solve delay differential equations; before ``times[0]`` every concentration was what it is then.

    The step divides the shortest delay, so that the kinks that a delay passes on fall between steps where the
    delays are multiples of one another. It is halved until two solutions agree within the tolerance.

    Parameters
    ----------
    equations : RateEquations
        The right-hand side, with ``system.derivatives.delayed`` values.
    y : Tensor
        (species, B): concentrations at ``times[0]`` and before.
    times : Tensor
        (T,): strictly increasing.
    solver : Solver, optional
        Its tolerances judge the halving; a ``step_size`` (with method rk4) fixes the step instead.

    Returns
    -------
    Tensor
        (T, species, B).

    Raises
    ------
    ValueError
        If a step size is longer than the shortest delay, or the time takes more than 200,000 steps.
    RuntimeError
        If 12 halvings do not reach the tolerance.

    Examples
    --------
    >>> import torch
    >>> from grn.networks.equations import RateEquations
    >>> from grn.networks.formula import species
    >>> from grn.networks.reactions import Reaction, ReactionSystem
    >>> late = Reaction(name="late decay", changes={"A": -1}, rate=species("A", delay=1.0))
    >>> equations = RateEquations(ReactionSystem(initial={"A": 1.0}, reactions=(late,), parameters={}))
    >>> solve_delayed(equations, equations.initial(), torch.tensor([0.0, 2.0]))[-1]
    tensor([[-0.5000]], dtype=torch.float64)
    """
    solver = Solver() if solver is None else solver
    shortest = min(delay for _, delay in equations.system.derivatives.delayed)
    if solver.step_size is not None:
        if solver.step_size > shortest:
            raise ValueError(
                f"step_size must be at most the shortest delay, {shortest:g}, got {solver.step_size:g}"
            )
        return _march(equations, y, times, shortest / math.ceil(shortest / solver.step_size - 1e-9))
    relative, absolute = solver.tolerances(y.dtype)
    span = float(times[-1] - times[0])
    if 4 * span / shortest > MOST_STEPS:
        raise ValueError(
            f"a delay of {shortest:g} over a time of {span:g} needs {4 * span / shortest:.3g} steps at "
            f"least, more than {MOST_STEPS:,}: leave so short a delay out, or simulate a shorter time"
        )
    with torch.no_grad():
        step = shortest / max(4, math.ceil(50 * shortest / span))
        coarse = _march(equations, y, times, step)
        for _ in range(MOST_HALVINGS):
            step /= 2
            fine = _march(equations, y, times, step)
            # the finer solution of a fourth-order method is 15 times nearer than the two are to each other
            scaled = (fine - coarse).abs() / 15 / (absolute + relative * fine.abs())
            if bool(torch.isfinite(fine).all()) and float(scaled.max()) <= 1:
                break
            coarse = fine
        else:
            raise RuntimeError(
                f"the delay equations did not reach relative tolerance {relative:g} with steps of {step:g}: "
                "loosen the tolerances or check the rates"
            )
    wants_gradient = torch.is_grad_enabled() and (y.requires_grad or equations.values.requires_grad)
    return _march(equations, y, times, step) if wants_gradient else fine


def _march(equations: RateEquations, y: Tensor, times: Tensor, step: float) -> Tensor:
    """Take equal steps; between them the solution is the cubic through values and slopes."""
    delayed = equations.system.derivatives.delayed
    rows = [equations.species.index(name) for name, _ in delayed]
    lags = [delay for _, delay in delayed]
    start = float(times[0])
    history = _History(y, start, step)

    def slope(time: float, state: Tensor, current: Tensor | None = None) -> Tensor:
        past = [history.at(time - lag, row) for lag, row in zip(lags, rows, strict=True)]
        return equations(time, state, torch.stack(past))

    steps = math.ceil((float(times[-1]) - start) / step - 1e-9)
    state = y
    history.slopes.append(slope(start, state))
    for k in range(steps):
        now = start + k * step
        k1 = history.slopes[-1]
        k2 = slope(now + step / 2, state + step / 2 * k1)
        k3 = slope(now + step / 2, state + step / 2 * k2)
        k4 = slope(now + step, state + step * k3)
        state = state + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        history.values.append(state)
        history.slopes.append(slope(now + step, state))
    return torch.stack([history.all_at(float(time)) for time in times])


class _History:
    """Values and slopes at the ends of all steps so far."""

    def __init__(self, y: Tensor, start: float, step: float) -> None:
        self.start = start
        self.step = step
        self.values = [y]
        self.slopes: list[Tensor] = []

    def at(self, time: float, row: int) -> Tensor:
        """One species, (B,)."""
        return self._between(time, row)

    def all_at(self, time: float) -> Tensor:
        """All species, (species, B)."""
        return self._between(time, None)

    def _between(self, time: float, row: int | None) -> Tensor:
        position = (time - self.start) / self.step
        if position <= 1e-9:
            return self.values[0] if row is None else self.values[0][row]
        k = min(int(position + 1e-9), len(self.values) - 2)
        s = position - k
        ends = (self.values[k], self.values[k + 1], self.slopes[k], self.slopes[k + 1])
        left, right, rise, fall = ends if row is None else (end[row] for end in ends)
        h = self.step
        return (
            (1 + 2 * s) * (1 - s) ** 2 * left
            + s * (1 - s) ** 2 * h * rise
            + s * s * (3 - 2 * s) * right
            + s * s * (s - 1) * h * fall
        )
