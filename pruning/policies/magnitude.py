"""Gradual magnitude pruning."""

from dataclasses import dataclass

from pruning.policies.base import GatingContext, GatingDecision, PolicyState


@dataclass(frozen=True, kw_only=True, slots=True)
class MagnitudeGating:
    """Silence the smallest |w|; silent connections stay silent.

    The strong and simple baseline: at equal schedules it is within noise of most methods below 90 %
    sparsity.

    References
    ----------
    Zhu and Gupta, *To prune, or not to prune*, arXiv:1710.01878.
    """

    @property
    def needs_gradient(self) -> bool:
        """Whether gradients must be observed: no."""
        return False

    def decide(self, context: GatingContext, state: PolicyState) -> GatingDecision:
        """Keep the largest magnitudes that the budget allows."""
        score = context.only_live(context.keep_protected(context.magnitude))
        return GatingDecision(mask=context.budget.select(score, prefer=context.live))
