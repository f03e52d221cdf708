"""Rate equations solved by torchdiffeq: a batch on one device, every trajectory within the tolerance."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from grn.integrate import Solver, method_kind, solve_equations
from grn.networks.engines.delays import solve_delayed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from grn.networks.equations import RateEquations

    Slope = Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]]

MOST_STEPS = 100_000  # of an adaptive method between two output times, where the solver sets no limit
MOST_FIXED_STEPS = 10_000_000
LOOK_AFTER = 12_000  # evaluations: then, and again after as many, see how far they came
MOST_EVALUATIONS = 1e8  # foreseen: at some 10,000 a second already hours
MOST_LANDINGS = 32  # output times up to here are ends of steps; more would dictate the steps


def solve(equations: RateEquations, y: Tensor, times: Tensor, solver: Solver | None = None) -> Tensor:
    """Solve the rate equations from ``y``.

    Differentiable by the parameters and by ``y``. Equations with constant delays go to `solve_delayed`.

    Parameters
    ----------
    equations : RateEquations
        The right-hand side.
    y : Tensor
        (species, B): concentrations at ``times[0]``.
    times : Tensor
        (T,): strictly increasing.
    solver : Solver, optional
        dopri5 with the library's tolerances by default; its error norm is the worst trajectory's RMS over its
        species, so no trajectory hides behind the rest of the batch.

    Returns
    -------
    Tensor
        (T, species, B).

    Raises
    ------
    RuntimeError
        If the solver could not reach the tolerance, or took more than ``max_steps`` (100,000 by default).

    Examples
    --------
    >>> import torch
    >>> from grn.networks.equations import RateEquations
    >>> from grn.networks.formula import parameter, species
    >>> from grn.networks.reactions import Reaction, ReactionSystem
    >>> decay = Reaction(name="decay", changes={"A": -1}, rate=parameter("k") * species("A"))
    >>> equations = RateEquations(ReactionSystem(initial={"A": 1}, reactions=(decay,), parameters={"k": 1}))
    >>> solve(equations, equations.initial(), torch.tensor([0.0, 1.0]))[-1]
    tensor([[0.3679]], dtype=torch.float64)
    """
    solver = Solver() if solver is None else solver
    moments = times.to(y.device, torch.float64)
    if equations.system.derivatives.delayed:
        return solve_delayed(equations, y, moments, solver)
    adaptive = method_kind(solver.method) == "adaptive"
    span = float(moments[-1] - moments[0])
    if solver.step_size is not None and span / solver.step_size > MOST_FIXED_STEPS:
        raise ValueError(
            f"the span of {span:g} would take {span / solver.step_size:.3g} steps of step_size = "
            f"{solver.step_size:g}, and the limit is {MOST_FIXED_STEPS:,}: use a larger step_size"
        )
    slope = _slope_of(equations)
    if adaptive and solver.max_steps is None:
        solver = replace(solver, max_steps=MOST_STEPS)
        slope = _watched(slope, float(moments[0]), span)
    (path,), _ = solve_equations(
        slope,
        (y,),
        moments,
        solver,
        norm=trajectory_norm,
        gradients=(equations.values,),
        land=adaptive and (solver.method == "dopri8" or len(moments) <= MOST_LANDINGS),
    )
    return path


def _slope_of(equations: RateEquations) -> Slope:
    return lambda time, state: (equations(time, state[0]),)


def _watched(slope: Slope, begin: float, span: float) -> Slope:
    """Return the same slope, which ends a run that comes on so slowly that it would not end."""
    evaluations, reached = 0, 0.0

    def watched(time: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        nonlocal evaluations, reached
        evaluations += 1
        if evaluations % LOOK_AFTER == 0:
            reached = max(reached, (float(time) - begin) / span)  # the adjoint goes back in time
            if evaluations > reached * MOST_EVALUATIONS:
                raise RuntimeError(
                    f"{evaluations:,} evaluations came only to time {begin + reached * span:.6g} of "
                    f"{begin + span:g}: where the system is stiff, use "
                    "Solver(method='scipy_solver'), else a shorter time; max_steps of the solver lifts this"
                )
        return slope(time, state)

    return watched


def trajectory_norm(parts: Sequence[Tensor]) -> Tensor:
    """Return the worst trajectory's RMS over its species, of (species, B).

    Examples
    --------
    >>> import torch
    >>> trajectory_norm((torch.tensor([[3.0, 0.0], [4.0, 1.0]]),))  # sqrt((9 + 16)/2)
    tensor(3.5355)
    """
    return torch.stack([part.abs().square().mean(0).max() for part in parts]).max().sqrt()
