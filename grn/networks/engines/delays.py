"""Rate equations with constant delays, by the fourth-order Runge–Kutta method with interpolated history."""

from __future__ import annotations

import math
from collections import deque
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
    moments = times.tolist()
    history = _History(y, start, step, max(lags))

    def past(time: float) -> Tensor:
        return torch.stack([history.at(time - lag, row) for lag, row in zip(lags, rows, strict=True)])

    state, found = y, [y]
    slope = equations(start, state, past(start))
    history.slopes.append(slope)
    for k in range(math.ceil((moments[-1] - start) / step - 1e-9)):
        middle, end = start + (k + 0.5) * step, start + (k + 1) * step
        at_middle, at_end = past(middle), past(end)
        k2 = equations(middle, state + step / 2 * slope, at_middle)
        k3 = equations(middle, state + step / 2 * k2, at_middle)
        k4 = equations(end, state + step * k3, at_end)
        state = state + step / 6 * (slope + 2 * (k2 + k3) + k4)
        slope = equations(end, state, at_end)
        history.append(state, slope)
        while len(found) < len(moments) and moments[len(found)] <= end + 1e-9 * step:
            found.append(history.at(moments[len(found)], None))
    return torch.stack(found)


class _History:
    """Values and slopes at the ends of the steps, as far back as the longest delay reaches."""

    def __init__(self, y: Tensor, start: float, step: float, longest: float) -> None:
        self.start = start
        self.step = step
        self.before = y
        self.most = math.ceil(longest / step) + 3
        self.dropped = 0
        self.values = deque([y])
        self.slopes: deque[Tensor] = deque()

    def append(self, value: Tensor, slope: Tensor) -> None:
        """Add the end of a step."""
        self.values.append(value)
        self.slopes.append(slope)
        if len(self.values) > self.most:
            self.values.popleft()
            self.slopes.popleft()
            self.dropped += 1

    def at(self, time: float, row: int | None) -> Tensor:
        """One species, (B,), or all, (species, B)."""
        position = (time - self.start) / self.step
        if position <= 1e-9:
            return self.before if row is None else self.before[row]
        k = min(int(position + 1e-9), self.dropped + len(self.values) - 2)
        s = position - k
        k -= self.dropped
        if abs(s) <= 1e-9 or abs(s - 1) <= 1e-9:  # the end of a step
            value = self.values[k + round(s)]
            return value if row is None else value[row]
        ends = (self.values[k], self.values[k + 1], self.slopes[k], self.slopes[k + 1])
        left, right, rise, fall = ends if row is None else (end[row] for end in ends)
        h = self.step
        return (
            (1 + 2 * s) * (1 - s) ** 2 * left
            + s * s * (3 - 2 * s) * right
            + (s * (1 - s) ** 2 * h * rise + s * s * (s - 1) * h * fall)
        )
