"""The torchdiffeq boundary: any of its solvers on expression dynamics, with the error judged gene by gene."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import torch

from grn.dynamics import ExpressionDynamics, check_values
from grn.kinetics import _real
from grn.state import ExpressionState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

TOLERANCES = {torch.float64: (1e-8, 1e-10)}  # relative, absolute
TOLERANCES_OTHERWISE = (1e-5, 1e-7)


@dataclass(frozen=True, kw_only=True, slots=True)
class Solver:
    """How `integrate` solves: a torchdiffeq method and its tolerances.

    Parameters
    ----------
    method : str
        Any of torchdiffeq's methods (`methods`): adaptive (dopri5, dopri8, bosh3, fehlberg2, adaptive_heun),
        fixed-step (euler, midpoint, heun2, heun3, rk4, explicit_adams), implicit fixed-step
        (implicit_adams), ``scipy_solver``.
    relative_tolerance, absolute_tolerance : float, optional
        Of the error of a step in the chosen norm; by default 1e-8 and 1e-10 in float64, else 1e-5, 1e-7.
    step_size : float, optional
        Hours; needed by fixed-step methods and used by them alone.
    first_step : float, optional
        Hours; adaptive methods choose their own by default.
    max_steps : int, optional
        Limit on the steps of an adaptive method between two output times.
    norm : {"gene", "rms"}
        Norm of the error of adaptive methods. "gene": the worst gene's RMS over its mRNA and protein, so each
        gene meets the tolerance. "rms": torchdiffeq's usual single RMS over everything, in which one fast
        gene among a million vanishes.
    adjoint : bool
        Gradients by the adjoint equation (memory independent of the number of steps, gradients as accurate
        as the tolerances) in place of backpropagation through the steps.
    scipy_method : str
        Method of ``scipy.integrate.solve_ivp`` behind ``scipy_solver``.

    Raises
    ------
    ValueError
        If the method or norm is unknown, a number is out of range, or ``step_size`` is missing or not used.

    Examples
    --------
    >>> Solver(method="rk4", step_size=0.1).method
    'rk4'
    >>> Solver(method="rk4")
    Traceback (most recent call last):
    ...
    ValueError: step_size must be given in h for the fixed-step method 'rk4', e.g. ...
    """

    method: str = "dopri5"
    relative_tolerance: float | None = None
    absolute_tolerance: float | None = None
    step_size: float | None = None  # h
    first_step: float | None = None  # h
    max_steps: int | None = None
    norm: Literal["gene", "rms"] = "gene"
    adjoint: bool = False
    scipy_method: str = "LSODA"

    def __post_init__(self) -> None:
        if self.method not in methods():
            raise ValueError(f"method must be one of {', '.join(methods())}, got {self.method!r}")
        if self.norm not in ("gene", "rms"):
            raise ValueError(f"norm must be 'gene' or 'rms', got {self.norm!r}")
        for name, unit in (
            ("relative_tolerance", ""),
            ("absolute_tolerance", ""),
            ("step_size", " in h"),
            ("first_step", " in h"),
        ):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(_real(name, value)) and value > 0):
                raise ValueError(f"{name} must be a positive finite number{unit}, got {value}")
        if self.max_steps is not None and self.max_steps < 1:
            raise ValueError(f"max_steps must be a positive integer, got {self.max_steps}")
        kind = method_kind(self.method)
        if kind == "fixed" and self.step_size is None:
            raise ValueError(
                f"step_size must be given in h for the fixed-step method {self.method!r}, "
                f"e.g. Solver(method={self.method!r}, step_size=0.05)"
            )
        if kind != "fixed" and self.step_size is not None:
            raise ValueError(
                f"step_size must be left out for {self.method!r}, which chooses its own steps, "
                f"got {self.step_size}"
            )
        if kind != "adaptive" and (self.first_step is not None or self.max_steps is not None):
            raise ValueError(
                f"first_step and max_steps must be left out but for adaptive methods, got {self.method!r}"
            )

    def tolerances(self, dtype: torch.dtype) -> tuple[float, float]:
        """(relative, absolute) tolerance for a state of ``dtype``."""
        relative, absolute = TOLERANCES.get(dtype, TOLERANCES_OTHERWISE)
        return (
            relative if self.relative_tolerance is None else self.relative_tolerance,
            absolute if self.absolute_tolerance is None else self.absolute_tolerance,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """Solution at the asked times.

    Parameters
    ----------
    times : Tensor
        (T,), hours.
    mrna, protein : Tensor
        (T, *shape of the state).
    log_threshold : Tensor or None
        (T,), where there is homeostasis.
    evaluations : int
        Evaluations of the right-hand side in the forward solve.

    Examples
    --------
    >>> import torch
    >>> from grn import ExpressionDynamics, ExpressionState, Kinetics, integrate
    >>> path = integrate(ExpressionDynamics(Kinetics(), torch.ones(2)), ExpressionState.initial(2), 1.0)
    >>> len(path), path[-1].protein.shape
    (2, torch.Size([2]))
    """

    times: Tensor
    mrna: Tensor
    protein: Tensor
    log_threshold: Tensor | None
    evaluations: int

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, index: int) -> ExpressionState:
        theta = None if self.log_threshold is None else self.log_threshold[index]
        return ExpressionState(self.mrna[index], self.protein[index], theta)

    @property
    def final(self) -> ExpressionState:
        """State at the last time."""
        return self[-1]


def integrate(
    dynamics: ExpressionDynamics,
    state: ExpressionState,
    times: float | Tensor,
    solver: Solver | None = None,
) -> Trajectory:
    """Solve the dynamics from ``state`` and return it at ``times``.

    Differentiable with respect to the state, the induction and tensor rates.

    Parameters
    ----------
    dynamics : ExpressionDynamics
        Eq. 1, or the user's f and g.
    state : ExpressionState
        At ``times[0]``; left unchanged.
    times : float or Tensor
        A duration in hours (the result holds 0 and it), or a 1-d tensor of at least two strictly increasing
        times, the first that of ``state``.
    solver : Solver, optional
        dopri5 with the per-gene norm by default.

    Returns
    -------
    Trajectory
        At every time, the first included.

    Raises
    ------
    ValueError
        If the times do not increase, the state is empty, not finite, or does not fit the dynamics, or
        gradients are asked of ``scipy_solver`` without the adjoint.
    RuntimeError
        If the solver could not reach the tolerance.

    Examples
    --------
    >>> import torch
    >>> from grn import ExpressionDynamics, ExpressionState, Kinetics
    >>> dynamics = ExpressionDynamics(Kinetics(), torch.tensor([0.5, 2.0]), autoactivation=1.0)
    >>> integrate(dynamics, ExpressionState.initial(2), 24.0).final.protein
    tensor([0.0332, 0.9655])
    """
    solver = Solver() if solver is None else solver
    if state.genes == 0:
        raise ValueError("state must hold at least one gene, got an empty one")
    dynamics.check_state(state)
    check_values(state, dynamics.induction)
    moments = check_times(times, state.mrna.device)
    solution, evaluations = solve_equations(
        dynamics,
        state.tensors(),
        moments,
        solver,
        norm=gene_norm if solver.norm == "gene" else rms_norm,
        gradients=dynamics.gradient_tensors(),
    )
    m, p = solution[0], solution[1]
    theta = solution[2] if len(solution) == 3 else None
    return Trajectory(moments, m, p, theta, evaluations)


def solve_equations(
    slope: Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]],
    start: tuple[Tensor, ...],
    times: Tensor,
    solver: Solver,
    *,
    norm: Callable[[Sequence[Tensor]], Tensor],
    gradients: tuple[Tensor, ...] = (),
    land: bool = True,
) -> tuple[tuple[Tensor, ...], int]:
    """Solve any ordinary differential equations: the one place that calls torchdiffeq.

    Parameters
    ----------
    slope : callable
        ``f(t, y)``, of a tuple of tensors as ``start`` is one.
    start : tuple of Tensor
        State at ``times[0]``.
    times : Tensor
        (T,), float64, strictly increasing.
    solver : Solver
        Method and tolerances.
    norm : callable
        Of the scaled error of a step of an adaptive method.
    gradients : tuple of Tensor
        What ``slope`` depends on and wants gradients.
    land : bool
        Whether adaptive steps end on every time asked; else the solution there is interpolated.

    Returns
    -------
    tuple of Tensor
        (T, *shape) each.
    int
        Evaluations of ``slope`` in the forward solve.

    Raises
    ------
    ValueError
        If gradients are asked of ``scipy_solver`` without the adjoint.
    RuntimeError
        If the solver could not reach the tolerance.

    Examples
    --------
    >>> import torch
    >>> y = (torch.ones(1, dtype=torch.float64),)
    >>> times = torch.tensor([0.0, 1.0], dtype=torch.float64)
    >>> (path,), _ = solve_equations(lambda t, y: (-y[0],), y, times, Solver(), norm=rms_norm)
    >>> path[-1]
    tensor([0.3679], dtype=torch.float64)
    """
    import torchdiffeq

    wanting = [t for t in (*gradients, *start) if t.requires_grad]
    if solver.method == "scipy_solver" and wanting and torch.is_grad_enabled() and not solver.adjoint:
        raise ValueError(
            "method 'scipy_solver' gives no gradient: use another method or adjoint=True, or detach the "
            "tensors that require one"
        )
    evaluations = 0

    def counted(time: Tensor, y: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        nonlocal evaluations
        evaluations += 1
        return slope(time, y)

    dtype = start[0].dtype
    relative, absolute = solver.tolerances(dtype)
    settings: dict[str, Any] = {
        "rtol": relative,
        "atol": absolute,
        "method": solver.method,
        "options": _options(solver, norm, times if land else None),
    }
    solve = torchdiffeq.odeint
    if solver.adjoint:
        solve = torchdiffeq.odeint_adjoint
        settings["adjoint_params"] = gradients
    try:
        with warnings.catch_warnings():
            if (
                solver.method == "scipy_solver"
            ):  # torchdiffeq passes each scipy method a min_step; most have none
                warnings.filterwarnings("ignore", message="The following arguments have no effect")
            solution = solve(counted, start, times, **settings)
    except AssertionError as error:  # torchdiffeq's report of a step that failed
        raise RuntimeError(
            f"{solver.method} failed ({error}) at relative tolerance {relative:g} and absolute tolerance "
            f"{absolute:g} in {dtype}: loosen the tolerances, use float64, raise max_steps, or check the "
            "rates"
        ) from error
    if len(solution[0]) != len(times):
        raise RuntimeError(
            f"{solver.method} ({solver.scipy_method}) stopped before the last time: loosen the tolerances or "
            "use another method"
        )
    return tuple(solution), evaluations


@cache
def methods() -> tuple[str, ...]:
    """Names of torchdiffeq's methods, from its own table.

    Examples
    --------
    >>> "dopri5" in methods() and "rk4" in methods()
    True
    """
    return tuple(_table())


@cache
def method_kind(method: str) -> Literal["adaptive", "fixed", "scipy"]:
    """Whether a method chooses its steps, takes fixed ones, or is scipy's.

    Examples
    --------
    >>> method_kind("dopri5"), method_kind("implicit_adams")
    ('adaptive', 'fixed')
    """
    from torchdiffeq._impl.solvers import FixedGridODESolver

    if method == "scipy_solver":
        return "scipy"
    return "fixed" if issubclass(_table()[method], FixedGridODESolver) else "adaptive"


def _table() -> dict[str, type]:
    import importlib

    # The package exports a function of the module's name; the table is in the module.
    table: dict[str, type] = importlib.import_module("torchdiffeq._impl.odeint").SOLVERS
    return table


def check_times(times: float | Tensor, device: torch.device) -> Tensor:
    """Return times as a float64 tensor on ``device``, from a duration or a strictly increasing 1-d tensor."""
    if isinstance(times, torch.Tensor) and times.ndim:
        if times.ndim != 1 or len(times) < 2:
            raise ValueError(
                "times must be a duration in h or a 1-d tensor of at least two times, got shape "
                f"{tuple(times.shape)}"
            )
        moments = times.detach().to(device, torch.float64)
        if not bool(torch.isfinite(moments).all()):
            raise ValueError("times must be finite, in h, got an infinite or NaN time")
        rising = moments[1:] > moments[:-1]
        if not bool(rising.all()):
            k = int((~rising).nonzero()[0])
            raise ValueError(
                f"times must be strictly increasing, in h, got {moments[k].item():g} followed by "
                f"{moments[k + 1].item():g}"
            )
        return moments
    duration = float(times) if isinstance(times, torch.Tensor) else _real("times", times)
    if not (math.isfinite(duration) and duration > 0):
        raise ValueError(f"times must be a positive finite duration in h, got {duration:g}")
    return torch.tensor([0.0, duration], dtype=torch.float64, device=device)


def gene_norm(parts: Sequence[Tensor]) -> Tensor:
    """Return the worst gene's RMS over its mRNA and protein; a log_threshold counts as one more gene.

    Examples
    --------
    >>> import torch
    >>> gene_norm((torch.tensor([3.0, 0.0]), torch.tensor([4.0, 1.0])))  # sqrt((9 + 16)/2)
    tensor(3.5355)
    """
    m, p, *rest = parts
    worst = torch.sqrt(0.5 * (m.abs().square() + p.abs().square()).max())
    for value in rest:
        worst = torch.maximum(worst, value.abs().max())
    return worst


def rms_norm(parts: Sequence[Tensor]) -> Tensor:
    """One RMS over every value of the state.

    Examples
    --------
    >>> import torch
    >>> rms_norm((torch.tensor([3.0, 0.0]), torch.tensor([4.0, 1.0])))
    tensor(2.5495)
    """
    return torch.cat([part.reshape(-1) for part in parts]).abs().square().mean().sqrt()


def _options(
    solver: Solver, norm: Callable[[Sequence[Tensor]], Tensor], landing: Tensor | None
) -> dict[str, Any]:
    kind = method_kind(solver.method)
    options: dict[str, Any] = {}
    if kind == "fixed":
        # Output times fall between steps: the default straight line would be of second order.
        options = {"step_size": solver.step_size, "interp": "cubic"}
        if solver.method.endswith("_adams"):
            # torchdiffeq climbs to order 12, whose stability region is so small that 0.01 h diverges at 1/h.
            options["max_order"] = 4
        return options
    if kind == "scipy":
        return {"solver": solver.scipy_method}
    options["norm"] = norm
    if landing is not None:
        # torchdiffeq's interpolant is of fourth order and spoils dopri8's long steps.
        options["step_t"] = landing
    if solver.first_step is not None:
        options["first_step"] = solver.first_step
    if solver.max_steps is not None:
        options["max_num_steps"] = solver.max_steps
    return options
