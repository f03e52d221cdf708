"""Gating by gene expression: the ODE of Eq. 1 decides which connections are live."""

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from grn import ConnectionBlock, Cooperation, ExpressionState, Kinetics, advance
from pruning.gates import Gates
from pruning.policies.base import GatingContext, GatingDecision, PolicyState, check_window_and_margin
from pruning.selection import kth_largest

Gate = Literal["budget", "schmitt"]
Storage = Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpressionGating:
    """Every connection is a gene; it is live while its protein is abundant.

    Importance S induces the promoter at S/K, where K is ``threshold`` times the importance at the edge of the
    budget. Eq. 1 carries mRNA and protein through ``window`` simulated hours an update, then the gate reads
    the protein.

    Parameters
    ----------
    kinetics : grn.Kinetics
        Decay rates, Hill coefficient and basal transcription.
    threshold : float
        K of Eq. 1, in units of the importance of the least important connection that the budget holds. Above
        1 even that one is not half induced.
    autoactivation : float
        a of Eq. 1: a protein that promotes its own gene, which gives a connection memory.
    cooperation : float
        c of Eq. 1: connections of the same output or input unit promote one another.
    window : float
        Simulated hours an update.
    gate : {"budget", "schmitt"}
        ``"budget"``: exactly as many of the most expressed connections as the schedule allows. ``"schmitt"``:
        on above ``on_level``, off below ``off_level``; K starts at the budget's edge and homeostasis moves it
        until as many connections pass as the target wants. The target sparsity of the moment is a cap.
    margin : float
        Budget gate: head start of live connections, in expression.
    on_level, off_level : float
        Schmitt gate: protein levels, in units of the fully-on level.
    homeostasis : float
        Schmitt gate: κ of d(log K)/dt = κ·(density − target), 1/h.
    storage : {"float32", "bfloat16"}
        How mRNA and protein are kept between updates. bfloat16 halves their memory; changes of less than
        0.4 % a window are lost to rounding, which slow genes in short windows would feel.
    backend : {"auto", "numba", "torch"}
        Passed to :func:`grn.advance`.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> ExpressionGating(autoactivation=1.0).gate
    'budget'
    """

    kinetics: Kinetics = field(default_factory=lambda: Kinetics(mrna_decay=1.0, protein_decay=0.5))
    threshold: float = 1.0  # K, in importances at the budget's edge
    autoactivation: float = 1.0  # a, dimensionless
    cooperation: float = 0.0  # c, dimensionless
    window: float = 0.5  # h of simulated time an update
    gate: Gate = "budget"
    margin: float = 0.02  # expression
    on_level: float = 0.55  # expression
    off_level: float = 0.45  # expression
    homeostasis: float = 1.0  # kappa, 1/h
    storage: Storage = "float32"
    backend: Literal["auto", "numba", "torch"] = "auto"

    def __post_init__(self) -> None:
        check_window_and_margin(self.window, self.margin)
        for name, value in (
            ("autoactivation", self.autoactivation),
            ("cooperation", self.cooperation),
            ("homeostasis", self.homeostasis),
        ):
            if not (math.isfinite(value) and value >= 0.0):
                raise ValueError(f"{name} must be a finite strength of at least 0, got {value}")
        if not (math.isfinite(self.threshold) and self.threshold > 0.0):
            raise ValueError(
                "threshold must be a positive finite multiple of the importance at the budget's edge, "
                f"got {self.threshold}"
            )
        if self.gate not in get_args(Gate):
            raise ValueError(f"gate must be one of {', '.join(get_args(Gate))}, got {self.gate!r}")
        if self.storage not in get_args(Storage):
            raise ValueError(f"storage must be one of {', '.join(get_args(Storage))}, got {self.storage!r}")
        if not 0.0 < self.off_level <= self.on_level < 1.0:
            raise ValueError(
                "levels must satisfy 0 < off_level <= on_level < 1, in units of the fully-on protein level, "
                f"got off_level={self.off_level} and on_level={self.on_level}"
            )

    @property
    def needs_gradient(self) -> bool:
        """Whether gradients must be observed: yes, for the saliency term of Eq. 2."""
        return True

    def decide(self, context: GatingContext, state: PolicyState) -> GatingDecision:
        """Carry every connection through one window of Eq. 1 and read the gate."""
        importance = context.importance
        offset = state.get("log_threshold_offset", importance.new_zeros(()))
        threshold = kth_largest(importance, context.budget.live) * (self.threshold * offset.exp())
        if "mrna" in state:
            before = ExpressionState(mrna=state["mrna"].float(), protein=state["protein"].float())
        else:  # at the first update every live connection is fully expressed and every silent one is not
            expressed = context.live.to(importance.dtype)
            before = ExpressionState(mrna=expressed, protein=expressed)
        after = advance(
            before,
            induction_of(importance, threshold),
            self.window,
            kinetics=self.kinetics,
            autoactivation=self.autoactivation,
            cooperation=cooperation_of(context.gates, self.cooperation),
            backend=self.backend,
        )
        if self.gate == "budget":
            score = after.protein + self.margin
            score = torch.where(context.live, score, after.protein, out=score)
            score.masked_fill_(context.protected, math.inf)
            mask = context.budget.select(score, prefer=context.live)
        else:
            level = torch.where(context.live, self.off_level, self.on_level)
            mask = (after.protein > level) | context.protected
            error = mask.float().mean() - (1.0 - context.target_sparsity)
            offset = offset + self.homeostasis * self.window * error
            # The cap spans the delay of the control loop: what is silenced for a threshold that rose too far
            # would not return once saliency has faded.
            score = context.only_live(after.protein).masked_fill(mask, math.inf)
            mask = mask | (context.budget.select(score, prefer=context.live) & context.live)
        stored = after.to(dtype=getattr(torch, self.storage))  # ranked before it is rounded
        return GatingDecision(
            mask=mask,
            state={"mrna": stored.mrna, "protein": stored.protein, "log_threshold_offset": offset},
            threshold=threshold,
            expression=after.protein,
            mrna=stored.mrna,
        )


def induction_of(importance: Tensor, threshold: Tensor) -> Tensor:
    """S/K, with 0/0 read as no induction: a connection without importance is never induced."""
    return (importance / threshold).nan_to_num_(nan=0.0, posinf=math.inf, neginf=0.0).clamp_(min=0.0)


def cooperation_of(gates: Gates, strength: float) -> Cooperation | None:
    """Row and column coupling within each layer, or None at zero strength."""
    if strength == 0.0:
        return None
    blocks = []
    for layer in gates.layers:
        groups, outputs, inputs, kernel = layer.layout
        blocks.append(ConnectionBlock(groups=groups, outputs=outputs, inputs=inputs, kernel=kernel))
    return Cooperation(strength=strength, blocks=tuple(blocks))
