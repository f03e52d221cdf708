"""One call that carries every gene through an interval of Eq. 1."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch

from grn.dynamics import check_fit, check_values
from grn.kernels.exponential import step_weights
from grn.kernels.plain import advance_torch, cast_weights
from grn.kernels.steps import MOST_STEPS, suggested_steps
from grn.kinetics import Kinetics, _real
from grn.regulation import Autoactivation, Cooperation, Homeostasis, Induction, strength_of
from grn.state import ExpressionState

if TYPE_CHECKING:
    from torch import Tensor

BACKENDS = ("auto", "torch", "numba")


def advance(
    state: ExpressionState,
    induction: Tensor | Induction,
    duration: float,
    *,
    kinetics: Kinetics,
    autoactivation: float | Autoactivation = 0.0,
    cooperation: Cooperation | None = None,
    homeostasis: Homeostasis | None = None,
    steps: int | None = None,
    backend: Literal["auto", "torch", "numba"] = "auto",
) -> ExpressionState:
    """Carry all genes through ``duration`` hours of Eq. 1, the induction held.

    A fourth-order exponential integrator with three promoter evaluations a step (`grn.kernels.exponential`).
    Without feedback one step is exact. mRNA and protein that start in [0, 1] stay there at any step.

    Parameters
    ----------
    state : ExpressionState
        Start; left unchanged.
    induction : Tensor or Induction
        S/K, one value a gene, of the state's shape, dtype and device; non-negative, ∞ allowed.
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
    steps : int, optional
        Equal steps to take. By default as many as hold the error near 1e-5 (`suggested_steps`).
    backend : {"auto", "torch", "numba"}
        "numba" is the fused CPU kernel for float32 and float64 without gradients and with scalar rates;
        "torch" takes any device, dtype and gradient; "auto" uses numba where it can.

    Returns
    -------
    ExpressionState
        A new state, on the same device and in the same dtype.

    Raises
    ------
    ValueError
        If the duration or a strength is negative, the state is not finite, an induction is negative or NaN,
        shapes, dtypes or devices differ, numba is asked for what it cannot do, or the interval needs more
        than 100,000 steps.

    Examples
    --------
    >>> import torch
    >>> induction = torch.tensor([0.5, 2.0])
    >>> state = advance(ExpressionState.initial(2), induction, 24.0, kinetics=Kinetics(), autoactivation=1.0)
    >>> state.protein
    tensor([0.0332, 0.9655])
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")
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
    if state.genes == 0:
        return state.clone()
    check_values(state, level)
    if hours == 0:
        return state.clone()
    c = 0.0 if cooperation is None else float(cooperation.strength)
    if steps is None:
        steps = suggested_steps(kinetics, hours, autoactivation=a, cooperation=c, homeostasis=homeostasis)
        if steps > MOST_STEPS:
            raise ValueError(
                f"duration {hours:g} h at decay rates up to "
                f"{max(float(torch.as_tensor(rate).detach().max()) for rate in kinetics.rates):g} 1/h "
                f"with feedback needs {steps:,} steps, more than {MOST_STEPS:,}: shorten the duration, lower "
                "the rates, or pass steps= and accept a larger error (concentrations stay in [0, 1])"
            )
    obstacle = numba_obstacle(state, level, kinetics)
    if backend == "numba" and obstacle is not None:
        raise ValueError(f"backend 'numba' {obstacle}; use backend='torch' or 'auto'")
    step = hours / steps
    weights = step_weights(*kinetics.rates, step)
    if backend == "torch" or obstacle is not None:
        carry, weights = advance_torch, cast_weights(weights, state.mrna)
    else:
        from grn.kernels.fused import advance_numba as carry  # numba takes a second to import
    return ExpressionState(
        *carry(
            state.tensors(),
            level,
            weights=weights,
            steps=steps,
            step=step,
            kinetics=kinetics,
            autoactivation=a,
            cooperation=cooperation,
            homeostasis=homeostasis,
        )
    )


def numba_obstacle(state: ExpressionState, induction: Tensor, kinetics: Kinetics) -> str | None:
    """Say what keeps the numba kernel from this call, or None."""
    if state.mrna.device.type != "cpu":
        return f"runs on the CPU, got tensors on {state.mrna.device}"
    if state.mrna.dtype not in (torch.float32, torch.float64):
        return f"takes float32 and float64, got {state.mrna.dtype}"
    if any(isinstance(rate, torch.Tensor) for rate in kinetics.rates):
        return "takes scalar rates, got tensor rates"
    if torch.is_grad_enabled() and any(t.requires_grad for t in (*state.tensors(), induction)):
        return "gives no gradients, got a tensor that requires one"
    return None
