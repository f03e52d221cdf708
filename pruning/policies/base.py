"""What a gating policy sees and what it answers."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from torch import Generator, Tensor

from pruning.allocation import Budget
from pruning.gates import Gates
from pruning.importance import Importance

PolicyState = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class GatingContext:
    """Everything known about the gates at an update. All vectors are flat, shape (gates,).

    Attributes
    ----------
    gates : Gates
        Layers and their slices.
    live : Tensor
        Current mask, boolean.
    protected : Tensor
        Live connections too young to be silenced, boolean.
    magnitude : Tensor
        |w|, zero where silent.
    gradient : Tensor
        |g|, the mean gradient since the last observation; zeros for a policy that needs none.
    taylor : Tensor
        |g·w|; zeros for a policy that needs no gradient.
    age : Tensor
        Fraction of training since the connection came alive, zero where silent.
    budget : Budget
        Live gates allowed now.
    target_sparsity : float
        Of the schedule, now.
    training_progress, gating_progress : float
        Fractions of training and of the gating period that have passed.
    importance_weights : Importance
        α and β of Eq. 2.
    accuracies : tuple of float
        Validation accuracy of every epoch that has ended.
    generator : torch.Generator
        Seeded by run seed and update, so that a resumed run draws the same numbers.
    """

    gates: Gates
    live: Tensor
    protected: Tensor
    magnitude: Tensor
    gradient: Tensor
    taylor: Tensor
    age: Tensor
    budget: Budget
    target_sparsity: float
    training_progress: float
    gating_progress: float
    importance_weights: Importance
    accuracies: tuple[float, ...]
    generator: Generator

    @property
    def saliency(self) -> Tensor:
        """I of Eq. 2: |g·w| where live, |g| where silent."""
        return torch.where(self.live, self.taylor, self.gradient)

    @cached_property
    def importance(self) -> Tensor:
        """S of Eq. 2."""
        return self.importance_weights.score(
            self.magnitude, self.saliency, self.age, self.live, self.gating_progress
        )

    def keep_protected(self, score: Tensor) -> Tensor:
        """Scores with protected connections above all others."""
        return score.masked_fill(self.protected, math.inf)

    def only_live(self, score: Tensor) -> Tensor:
        """Scores with silent connections below all others."""
        return score.masked_fill(~self.live, -math.inf)


@dataclass(frozen=True, kw_only=True, slots=True)
class GatingDecision:
    """A policy's answer.

    Attributes
    ----------
    mask : Tensor
        New mask, boolean, shape (gates,).
    state : dict of str to Tensor
        The policy's own state after the update.
    threshold : Tensor or None
        Importance at which a connection is half expressed or silenced, 0-d, where the policy has one.
    expression : Tensor or None
        Expression level (protein) of every connection, shape (gates,), where the policy has one.
    mrna : Tensor or None
        mRNA level of every connection, shape (gates,), where the policy has one; shown to observers.
    """

    mask: Tensor
    state: PolicyState = field(default_factory=dict)
    threshold: Tensor | None = None
    expression: Tensor | None = None
    mrna: Tensor | None = None


@runtime_checkable
class GatingPolicy(Protocol):
    """Decides which connections are live.

    A policy is a frozen description; what it remembers between updates is a dictionary of tensors that the
    controller keeps, saves and resumes. A rule of your own needs these two members and no registration.
    """

    @property
    def needs_gradient(self) -> bool:
        """Whether gradients must be observed before an update."""

    def decide(self, context: GatingContext, state: PolicyState) -> GatingDecision:
        """Choose the mask of the next interval.

        Parameters
        ----------
        context : GatingContext
            What is known now.
        state : dict of str to Tensor
            What the policy returned last time, empty at the first update. Not to be modified.
        """


def check_window_and_margin(window: float, margin: float) -> None:
    """Refuse a window that is not a positive time or a negative margin."""
    if not (math.isfinite(window) and window > 0.0):
        raise ValueError(f"window must be a positive finite time in simulated hours, got {window}")
    if not (math.isfinite(margin) and margin >= 0.0):
        raise ValueError(f"margin must be a finite head start of at least 0, got {margin}")
