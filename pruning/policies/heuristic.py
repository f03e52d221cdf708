"""The source paper's algorithm: threshold pruning and probabilistic rewiring, without an ODE."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pruning.importance import mean_over
from pruning.policies.base import GatingContext, GatingDecision, PolicyState
from pruning.rewiring import decayed_sigma, restoration_score
from pruning.threshold import AccuracyPlateau, initial_threshold, median_threshold


@dataclass(frozen=True, kw_only=True, slots=True)
class HeuristicGating:
    """Steps 3-6 of the source paper: score by Eq. 2, prune S < τ, rewire by Eq. 3, update τ and σ.

    Two guards make the rule usable. Pruning stops at the target sparsity of the moment, less the room for
    rewiring, and at each layer's floor (τ alone silences 64-77 % at its first step and halves
    the rest at each later one). The connections that rewiring restores fill the budget exactly.

    τ starts at mean + ½ standard deviation of the scores; while more connections pass it than the budget
    allows, it becomes the median of the remaining; it freezes once validation accuracy is stable, be it at
    chance. A frozen τ may leave the network denser than its target, and the measured sparsity says so.

    Parameters
    ----------
    rewire_fraction : float
        Share of the live connections pruned beyond the budget and restored by Eq. 3 at the first update; it
        decays with σ.
    sigma : float
        Breadth σ of Eq. 3 at the start, in units of the mean magnitude of a live connection; decays
        linearly to 0.
    plateau : AccuracyPlateau
        When τ freezes.

    Raises
    ------
    ValueError
        If ``rewire_fraction`` lies outside [0, 1) or ``sigma`` is negative.
    """

    rewire_fraction: float = 0.1  # of the live connections
    sigma: float = 0.5  # importance
    plateau: AccuracyPlateau = field(default_factory=AccuracyPlateau)

    def __post_init__(self) -> None:
        if not 0.0 <= self.rewire_fraction < 1.0:
            raise ValueError(
                "rewire_fraction must lie in [0, 1), a share of the live connections, "
                f"got {self.rewire_fraction}"
            )
        if not (math.isfinite(self.sigma) and self.sigma >= 0.0):
            raise ValueError(f"sigma must be a finite breadth of at least 0, got {self.sigma}")

    @property
    def needs_gradient(self) -> bool:
        """Whether gradients must be observed: yes, for the saliency term of Eq. 2."""
        return True

    def decide(self, context: GatingContext, state: PolicyState) -> GatingDecision:
        """Prune below τ within the cap, then restore by Eq. 3."""
        importance = context.importance
        threshold, frozen = self._threshold(context, importance, state)
        remaining = decayed_sigma(1.0, context.gating_progress)
        passing = context.live & ((importance >= threshold) | context.protected)
        capped = context.budget.scaled(1.0 - self.rewire_fraction * remaining).select(
            context.only_live(context.keep_protected(importance)), prefer=context.live
        )
        kept = passing | (capped & context.live)
        # In units of the mean weight, so that one σ suits every network.
        deficit = (threshold - importance).div_(mean_over(context.magnitude, context.live))
        keys = restoration_score(deficit, self.sigma * remaining, context.generator)
        restored = context.budget.select(keys.masked_fill_(kept, math.inf), prefer=context.live)
        return GatingDecision(
            mask=kept | restored, state={"threshold": threshold, "frozen": frozen}, threshold=threshold
        )

    def _threshold(
        self, context: GatingContext, importance: Tensor, state: PolicyState
    ) -> tuple[Tensor, Tensor]:
        """τ of this update, halving what passes until the budget is met, and whether it is frozen."""
        if not state:
            return initial_threshold(importance), torch.zeros((), dtype=torch.bool, device=importance.device)
        threshold = state["threshold"]
        frozen = state["frozen"] | self.plateau.reached(context.accuracies)
        passing = context.live & (importance >= threshold)
        while not bool(frozen) and int(passing.count_nonzero()) > context.budget.live:
            threshold = median_threshold(importance, passing)
            halved = passing & (importance >= threshold)
            if torch.equal(halved, passing):  # equal scores: no median parts them
                break
            passing = halved
        return threshold, frozen
