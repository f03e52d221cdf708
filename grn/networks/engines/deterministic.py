"""Rate equations solved by torchdiffeq: a batch on one device, every trajectory within the tolerance."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from grn.integrate import Solver, method_kind, solve_equations
from grn.networks.engines.delays import solve_delayed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from grn.networks.equations import RateEquations

MOST_STEPS = 100_000  # between two output times, where the solver sets no limit: minutes of work
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
    if adaptive and solver.max_steps is None:
        solver = replace(solver, max_steps=MOST_STEPS)
    (path,), _ = solve_equations(
        lambda time, state: (equations(time, state[0]),),
        (y,),
        moments,
        solver,
        norm=trajectory_norm,
        gradients=(equations.values,),
        land=adaptive and (solver.method == "dopri8" or len(moments) <= MOST_LANDINGS),
    )
    return path


def trajectory_norm(parts: Sequence[Tensor]) -> Tensor:
    """Return the worst trajectory's RMS over its species, of (species, B).

    Examples
    --------
    >>> import torch
    >>> trajectory_norm((torch.tensor([[3.0, 0.0], [4.0, 1.0]]),))  # sqrt((9 + 16)/2)
    tensor(3.5355)
    """
    return torch.stack([part.abs().square().mean(0).max() for part in parts]).max().sqrt()
