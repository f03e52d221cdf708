"""One call that carries every gene through an interval of Eq. 1."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import torch

from grn.dynamics import check_fit, check_values
from grn.kernels.carry import Interval, carry_coupled, carry_separable
from grn.kernels.steps import MOST_STEPS, STEP_TOLERANCE, suggested_steps
from grn.kinetics import Kinetics, _real
from grn.regulation import Autoactivation, Cooperation, Homeostasis, Induction, strength_of
from grn.state import ExpressionState

if TYPE_CHECKING:
    from torch import Tensor

Backend = Literal["auto", "torch", "numba", "triton"]


class AdvanceResult(NamedTuple):
    """A state carried through an interval, and how well.

    Attributes
    ----------
    state : ExpressionState
        State at the end.
    error : Tensor
        Estimated error of mRNA and protein, the larger, for each gene; in concentration units.
    steps : Tensor
        Steps that each gene took, int32.
    """

    state: ExpressionState
    error: Tensor
    steps: Tensor


def advance(
    state: ExpressionState,
    induction: Tensor | Induction,
    duration: float,
    *,
    kinetics: Kinetics,
    autoactivation: float | Autoactivation = 0.0,
    cooperation: Cooperation | None = None,
    homeostasis: Homeostasis | None = None,
    tolerance: float = STEP_TOLERANCE,
    steps: int | None = None,
    backend: Backend = "auto",
    out: ExpressionState | None = None,
) -> ExpressionState:
    """Carry all genes through ``duration`` hours of Eq. 1, the induction held.

    A fourth-order exponential integrator with three promoter evaluations a step (`grn.kernels.exponential`).
    Without feedback one step is exact. mRNA and protein that start in [0, 1] stay there at any step. Genes
    whose estimated error exceeds the tolerance take twice as many steps, and so on: each gene by itself, or,
    where genes cooperate or share a threshold, all of a layer or of the state.

    Parameters
    ----------
    state : ExpressionState
        Start; left unchanged. In float32, float64, or, to save memory, bfloat16 or float16; those are
        computed in float32 and rounded once, at the end: a change by less than 0.4 % may be lost in bfloat16.
    induction : Tensor or Induction
        S/K, one value a gene, of the state's shape and device; non-negative, ∞ allowed. Its dtype is the
        state's, or float32 for a state of half the width.
    duration : float
        Hours, non-negative and finite.
    kinetics : Kinetics
        Rates; tensor rates, per gene or with gradients, go through the torch backend.
    autoactivation : float or Autoactivation
        a.
    cooperation : Cooperation, optional
        c and the layout of the layers in the flat gene vector.
    homeostasis : Homeostasis, optional
        Needs a state with a ``log_threshold``.
    tolerance : float
        Largest estimated error of a concentration at the end. The estimate counts errors that feedback
        amplifies. A gene that starts at the boundary between two stable states may end in either: no number
        of steps settles it, and its error (`advance_with_error`) stays above the tolerance.
    steps : int, optional
        Equal steps to take, whatever the error. By default as many as the tolerance needs.
    backend : {"auto", "torch", "numba", "triton"}
        "numba" is the fused CPU kernel, without gradients and with scalar rates; "torch" takes any device,
        dtype and gradient; "auto" uses numba where it can, and torch elsewhere. "triton" is a fused kernel
        for CUDA devices, for genes that do not act on each other: compiled and interpreted in tests, but not
        yet run on a device, so it must be asked for.
    out : ExpressionState, optional
        Where to write the result, of the form of ``state``, or ``state`` itself: large states are carried
        faster into memory that exists already. A value that is refused leaves ``state`` as it was, also
        where it is to be ``out``; a tolerance that proves out of reach does not.

    Returns
    -------
    ExpressionState
        A new state, on the same device and in the same dtype; ``out`` if that was given.

    Raises
    ------
    ValueError
        If the duration or a strength is negative, the state is not finite, an induction is negative or NaN,
        shapes, dtypes or devices differ, numba is asked for what it cannot do, the tolerance is below what
        the dtype resolves, or the interval needs more than 100,000 steps.

    See Also
    --------
    advance_with_error : the same, with the estimated error and the steps of each gene.

    Examples
    --------
    >>> import torch
    >>> induction = torch.tensor([0.5, 2.0])
    >>> state = advance(ExpressionState.initial(2), induction, 24.0, kinetics=Kinetics(), autoactivation=1.0)
    >>> state.protein
    tensor([0.0332, 0.9655])
    """
    return _advance(
        state,
        induction,
        duration,
        wants_error=False,
        kinetics=kinetics,
        autoactivation=autoactivation,
        cooperation=cooperation,
        homeostasis=homeostasis,
        tolerance=tolerance,
        steps=steps,
        backend=backend,
        out=out,
    ).state


def advance_with_error(
    state: ExpressionState,
    induction: Tensor | Induction,
    duration: float,
    *,
    kinetics: Kinetics,
    autoactivation: float | Autoactivation = 0.0,
    cooperation: Cooperation | None = None,
    homeostasis: Homeostasis | None = None,
    tolerance: float = STEP_TOLERANCE,
    steps: int | None = None,
    backend: Backend = "auto",
) -> AdvanceResult:
    """Carry all genes as `advance` does, and return the estimated error and the steps of each.

    Parameters
    ----------
    state, induction, duration, kinetics, autoactivation, cooperation, homeostasis, tolerance, steps, backend
        As of `advance`. With ``steps`` the error is estimated and nothing is done about it.

    Returns
    -------
    AdvanceResult
        ``state``, ``error`` and ``steps``.

    Raises
    ------
    ValueError
        As `advance`.

    Examples
    --------
    >>> import torch
    >>> induction = torch.tensor([0.1, 1.0])  # a silent gene, and one that decides
    >>> start = ExpressionState.initial(2, level=0.5, dtype=torch.float64)
    >>> result = advance_with_error(
    ...     start, induction.double(), 10.0, kinetics=Kinetics(), autoactivation=3.0, tolerance=1e-7)
    >>> result.steps.tolist()
    [53, 106]
    """
    return _advance(
        state,
        induction,
        duration,
        wants_error=True,
        kinetics=kinetics,
        autoactivation=autoactivation,
        cooperation=cooperation,
        homeostasis=homeostasis,
        tolerance=tolerance,
        steps=steps,
        backend=backend,
    )


def _advance(
    state: ExpressionState,
    induction: Tensor | Induction,
    duration: float,
    *,
    kinetics: Kinetics,
    autoactivation: float | Autoactivation,
    cooperation: Cooperation | None,
    homeostasis: Homeostasis | None,
    tolerance: float,
    steps: int | None,
    backend: Backend,
    wants_error: bool,
    out: ExpressionState | None = None,
) -> AdvanceResult:
    if backend not in get_args(Backend):
        raise ValueError(f"backend must be one of {', '.join(get_args(Backend))}, got {backend!r}")
    hours = _real("duration", duration)
    if not (math.isfinite(hours) and hours >= 0):
        raise ValueError(f"duration must be a non-negative finite time in h, got {duration}")
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
        raise ValueError(f"steps must be a positive integer or None, got {steps!r}")
    a = strength_of(autoactivation)
    level = induction.ratio if isinstance(induction, Induction) else induction
    if not isinstance(level, torch.Tensor) or not level.is_floating_point():
        raise TypeError(f"induction must be a floating-point tensor of S/K, got {level!r}")
    check_fit(state, kinetics, level, cooperation, homeostasis)
    stored = state.mrna.dtype
    computed = torch.float64 if stored == torch.float64 else torch.float32
    least = 8 * torch.finfo(computed).eps
    if not least <= _real("tolerance", tolerance) < 1:
        raise ValueError(
            f"tolerance must be an error of concentrations from {least:.2g}, what {computed} resolves, to 1, "
            f"got {tolerance}"
        )
    if cooperation is not None and cooperation.strength == 0:
        cooperation = None
    coupled = cooperation is not None or homeostasis is not None
    chosen = _chosen(backend, state, level, kinetics, coupled)
    if out is not None:
        _check_out(out, state, level)
    if state.genes == 0 or hours == 0:
        check_values(state, level)
        return AdvanceResult(
            _written(state.clone(), out),
            torch.zeros_like(state.mrna, dtype=computed),
            torch.zeros_like(state.mrna, dtype=torch.int32),
        )
    first = steps
    if first is None:
        c = 0.0 if cooperation is None else float(cooperation.strength)
        first = suggested_steps(
            kinetics, hours, autoactivation=a, cooperation=c, homeostasis=homeostasis, tolerance=tolerance
        )
        if first > MOST_STEPS:
            fastest = max(float(torch.as_tensor(rate).detach().max()) for rate in kinetics.rates)
            raise ValueError(
                f"duration {hours:g} h at decay rates up to {fastest:g} 1/h with feedback needs {first:,} "
                f"steps, more than {MOST_STEPS:,}: shorten the duration, lower the rates, or pass steps= and "
                "accept a larger error (concentrations stay in [0, 1])"
            )
        # Most genes need no more than half of what the hardest need; those that do are carried again.
        first = -(-first // 2)
    interval = Interval(
        hours=hours,
        kinetics=kinetics,
        autoactivation=a,
        cooperation=cooperation,
        homeostasis=homeostasis,
        steps=first,
        tolerance=math.inf if steps is not None else float(tolerance),
        backend=chosen,
        wants_error=wants_error,
    )
    if coupled:
        carried = carry_coupled(state, level.to(computed), interval)
    else:
        into = out.tensors() if out is not None and _is_apart(out, state, level) else None
        carried = carry_separable(state, level.to(computed), interval, into)
    final = ExpressionState(*(t.to(stored) for t in carried.tensors))
    return AdvanceResult(_written(final, out), carried.error, carried.steps)


def _chosen(
    backend: Backend, state: ExpressionState, induction: Tensor, kinetics: Kinetics, coupled: bool
) -> Literal["torch", "numba", "triton"]:
    """The backend to use; ValueError where the one that is asked for cannot."""
    if backend == "torch":
        return "torch"
    if backend == "triton":
        from grn.kernels.triton_march import triton_obstacle  # imports triton, if any

        obstacle = triton_obstacle(state, induction, kinetics)
        if obstacle is None and coupled:
            obstacle = "takes genes that do not act on each other, got cooperation or homeostasis"
    else:
        obstacle = numba_obstacle(state, induction, kinetics)
    if obstacle is None:
        return "triton" if backend == "triton" else "numba"
    if backend == "auto":
        return "torch"
    raise ValueError(f"backend {backend!r} {obstacle}; use backend='torch' or 'auto'")


def _check_out(out: ExpressionState, state: ExpressionState, induction: Tensor) -> None:
    """Raise ValueError unless the result can be written into ``out``."""
    pairs = zip(out.tensors(), state.tensors(), strict=False)
    alike = len(out.tensors()) == len(state.tensors()) and all(
        (one.shape, one.dtype, one.device) == (other.shape, other.dtype, other.device) for one, other in pairs
    )
    if not alike:
        raise ValueError(
            f"out must have the shape, dtype and device of the state ({tuple(state.mrna.shape)}, "
            f"{state.mrna.dtype} on {state.mrna.device}), and a log_threshold where it has one, got "
            f"{tuple(out.mrna.shape)}, {out.mrna.dtype} on {out.mrna.device}"
        )
    if out.mrna.data_ptr() == out.protein.data_ptr() and out.mrna.numel():
        raise ValueError("mrna and protein of out must have memory of their own, got one tensor for both")
    if torch.is_grad_enabled() and any(
        t.requires_grad for t in (*state.tensors(), *out.tensors(), induction)
    ):
        raise ValueError(
            "out cannot be written where a gradient is wanted; leave it out, or use torch.no_grad()"
        )


def _is_apart(out: ExpressionState, state: ExpressionState, induction: Tensor) -> bool:
    """Whether ``out`` can be written while all else is read: memory of its own, or ``state`` itself."""
    if not all(t.is_contiguous() for t in out.tensors()):
        return False
    memory = [t.untyped_storage().data_ptr() for t in (*state.tensors(), induction)]
    return all(
        one.untyped_storage().data_ptr() not in memory
        or (one.data_ptr() == other.data_ptr() and other.is_contiguous())
        for one, other in zip(out.tensors(), state.tensors(), strict=True)
    )


def _written(state: ExpressionState, out: ExpressionState | None) -> ExpressionState:
    """The state, or ``out`` with its values."""
    if out is None:
        return state
    for target, source in zip(out.tensors(), state.tensors(), strict=True):
        if target.data_ptr() != source.data_ptr():
            target.copy_(source)
    return out


def numba_obstacle(state: ExpressionState, induction: Tensor, kinetics: Kinetics) -> str | None:
    """Say what keeps the numba kernel from this call, or None."""
    if state.mrna.device.type != "cpu":
        return f"runs on the CPU, got tensors on {state.mrna.device}"
    if state.mrna.dtype not in (torch.float32, torch.float64, torch.bfloat16):
        return f"takes float32, float64 and bfloat16, got {state.mrna.dtype}"
    if any(isinstance(rate, torch.Tensor) for rate in kinetics.rates):
        return "takes scalar rates, got tensor rates"
    if torch.is_grad_enabled() and any(t.requires_grad for t in (*state.tensors(), induction)):
        return "gives no gradients, got a tensor that requires one"
    return None
