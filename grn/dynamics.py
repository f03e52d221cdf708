"""The right-hand side of Eq. 1, or of a gene with the user's own synthesis rates, and what fits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from grn.kinetics import Kinetics
from grn.regulation import Autoactivation, Cooperation, Homeostasis, Induction, promoter_input, strength_of
from grn.state import ExpressionState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor


class ExpressionDynamics:
    """Right-hand side of Eq. 1, or of a two-stage gene with the user's own synthesis rates.

    Eq. 1 is ``dm/dt = γm·[b + (1−b)·hill(x, n)] − γm·m`` and ``dp/dt = γp·m − γp·p`` with x of
    `promoter_input`. With ``transcription`` f and ``translation`` g it is instead
    ``dm/dt = f(m, p) − γm·m`` and ``dp/dt = g(m) − γp·p``, in whatever units f and g have.

    Parameters
    ----------
    kinetics : Kinetics
        Rates; of f and g only the two decay rates are used.
    induction : Tensor or Induction
        S/K, non-negative, one value a gene, in the shape of the state.
    autoactivation : float or Autoactivation
        a.
    cooperation : Cooperation, optional
        c and the layout of the layers.
    homeostasis : Homeostasis, optional
        Needs a state with a ``log_threshold``.
    transcription : callable, optional
        ``f(mrna, protein)``, synthesis of mRNA per hour; a tensor of the state's shape.
    translation : callable, optional
        ``g(mrna)``, synthesis of protein per hour.
    parameters : iterable of Tensor
        Tensors that f and g use and that need a gradient by the adjoint method. Those of an ``nn.Module``
        are found by themselves.

    Raises
    ------
    ValueError
        If the two forms are mixed, or induction is negative or NaN or of a wrong shape.

    Examples
    --------
    >>> import torch
    >>> dynamics = ExpressionDynamics(Kinetics(basal=0.0), torch.ones(2))
    >>> dynamics.derivative(ExpressionState.initial(2)).mrna  # half activation, nothing there yet
    tensor([0.5000, 0.5000])
    >>> own = ExpressionDynamics(
    ...     Kinetics(), transcription=lambda m, p: 1 / (1 + p), translation=lambda m: 3 * m
    ... )
    >>> own.derivative(ExpressionState.initial(2)).mrna
    tensor([1., 1.])
    """

    def __init__(
        self,
        kinetics: Kinetics,
        induction: Tensor | Induction | None = None,
        *,
        autoactivation: float | Autoactivation = 0.0,
        cooperation: Cooperation | None = None,
        homeostasis: Homeostasis | None = None,
        transcription: Callable[[Tensor, Tensor], Tensor] | None = None,
        translation: Callable[[Tensor], Tensor] | None = None,
        parameters: Iterable[Tensor] = (),
    ) -> None:
        if not isinstance(kinetics, Kinetics):
            raise TypeError(f"kinetics must be a Kinetics, got {type(kinetics).__name__}")
        own = (transcription is not None, translation is not None)
        if any(own) and not all(own):
            raise ValueError("transcription and translation must be given together, got only one of them")
        if any(own) and (induction is not None or cooperation is not None or homeostasis is not None):
            raise ValueError(
                "transcription and translation replace Eq. 1: give them without induction, cooperation and "
                "homeostasis, or leave them out"
            )
        if not any(own) and induction is None:
            raise ValueError("induction must be given, or transcription and translation in its place")
        self.kinetics = kinetics
        self.induction = induction.ratio if isinstance(induction, Induction) else induction
        self.autoactivation = strength_of(autoactivation)
        self.cooperation = cooperation
        self.homeostasis = homeostasis
        self.transcription = transcription
        self.translation = translation
        self._extra = tuple(parameters)
        if self.induction is not None:
            check_induction(self.induction)

    def __repr__(self) -> str:
        form = "own f and g" if self.transcription is not None else "Eq. 1"
        return f"ExpressionDynamics({form}, {self.kinetics})"

    def check_state(self, state: ExpressionState) -> None:
        """Raise ValueError unless ``state`` fits: shapes, dtype, device, and a threshold where it is used."""
        if self.induction is not None:
            check_fit(state, self.kinetics, self.induction, self.cooperation, self.homeostasis)
        else:
            check_fit(state, self.kinetics, None, None, None)

    def derivative(self, state: ExpressionState) -> ExpressionState:
        """Time derivative of every part of the state, per hour."""
        return ExpressionState(*self(None, state.tensors()))

    def __call__(self, time: Tensor | None, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """(dm/dt, dp/dt[, d log K/dt]) at (m, p[, log K]); the equations do not depend on time."""
        m, p = state[0], state[1]
        gamma_m, gamma_p = self.kinetics.rates
        if self.transcription is not None and self.translation is not None:
            return self.transcription(m, p) - gamma_m * m, self.translation(m) - gamma_p * p
        assert self.induction is not None
        theta = state[2] if self.homeostasis is not None else None
        x = promoter_input(
            self.induction,
            p,
            autoactivation=self.autoactivation,
            cooperation=self.cooperation,
            log_threshold=theta,
        )
        dm = gamma_m * (self.kinetics.promoter_activity(x) - m)
        dp = gamma_p * (m - p)
        if self.homeostasis is None:
            return dm, dp
        control = self.homeostasis
        return dm, dp, control.rate * (control.expressed_fraction(p) - control.target)

    def gradient_tensors(self) -> tuple[Tensor, ...]:
        """Tensors of the dynamics that require a gradient: rates, induction, and those of f and g."""
        own = [
            tensor
            for function in (self.transcription, self.translation)
            if isinstance(function, torch.nn.Module)
            for tensor in function.parameters()
        ]
        candidates = (*self.kinetics.rates, self.induction, *self._extra, *own)
        found = {id(t): t for t in candidates if isinstance(t, torch.Tensor) and t.requires_grad}
        return tuple(found.values())


def check_induction(induction: Tensor) -> None:
    """Raise unless every induction S/K is a non-negative number; infinity is allowed."""
    if not isinstance(induction, torch.Tensor) or not induction.is_floating_point():
        kind = induction.dtype if isinstance(induction, torch.Tensor) else type(induction).__name__
        raise TypeError(f"induction must be a floating-point tensor of S/K, got {kind}")
    good = induction >= 0
    if not bool(good.all()):
        bad = induction.detach()[~good].flatten()
        raise ValueError(
            f"induction must be non-negative numbers S/K, got {bad[0].item()} "
            f"({bad.numel()} of {induction.numel()} genes are negative or NaN)"
        )


def check_fit(
    state: ExpressionState,
    kinetics: Kinetics,
    induction: Tensor | None,
    cooperation: Cooperation | None,
    homeostasis: Homeostasis | None,
) -> None:
    """Raise ValueError unless shapes, dtypes and devices agree and a threshold is there where it is used."""
    like = state.mrna
    for name, tensor in (
        ("induction", induction),
        ("mrna_decay", kinetics.mrna_decay),
        ("protein_decay", kinetics.protein_decay),
    ):
        if not isinstance(tensor, torch.Tensor):
            continue
        if tensor.shape != like.shape and (tensor.ndim or name == "induction"):
            raise ValueError(
                f"{name} must have the shape of the state {tuple(like.shape)}, got {tuple(tensor.shape)}"
            )
        same_place = tensor.device == like.device or (tensor.ndim == 0 and tensor.device.type == "cpu")
        narrow = like.dtype in (torch.bfloat16, torch.float16) and tensor.dtype == torch.float32
        if not same_place or not (tensor.dtype == like.dtype or narrow):
            raise ValueError(
                f"{name} must have the dtype and device of the state ({like.dtype} on {like.device}), "
                f"got {tensor.dtype} on {tensor.device}; convert with .to()"
            )
    if cooperation is not None:
        cooperation.check_genes(like.numel())
    if (homeostasis is None) != (state.log_threshold is None):
        raise ValueError(
            "log_threshold must be in the state exactly when there is homeostasis, got "
            + ("homeostasis without it" if state.log_threshold is None else "it without homeostasis")
            + "; set it with ExpressionState(mrna, protein, log_threshold)"
        )


def check_values(state: ExpressionState, induction: Tensor | None) -> None:
    """Raise ValueError if the state is not finite or an induction is negative or NaN; one wait for a GPU."""
    if state.genes == 0:
        return
    named = list(zip(("mrna", "protein", "log_threshold"), state.tensors(), strict=False))
    good = []
    for _, tensor in named:
        low, high = torch.aminmax(tensor.detach())
        good.append(torch.isfinite(low) & torch.isfinite(high))
    if induction is not None:
        good.append(induction.detach().min() >= 0)
    if bool(torch.stack(good).all()):
        return
    for name, tensor in named:
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            raise ValueError(f"{name} must be finite, got {bad} of {tensor.numel()} values infinite or NaN")
    assert induction is not None
    check_induction(induction)
