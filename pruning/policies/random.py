"""Random pruning."""

from dataclasses import dataclass

import torch

from pruning.policies.base import GatingContext, GatingDecision, PolicyState


@dataclass(frozen=True, kw_only=True, slots=True)
class RandomGating:
    """Silence connections in a random order drawn once.

    The floor of every comparison. With a :class:`~pruning.ConstantSchedule` it is static sparse training.
    """

    @property
    def needs_gradient(self) -> bool:
        """Whether gradients must be observed: no."""
        return False

    def decide(self, context: GatingContext, state: PolicyState) -> GatingDecision:
        """Keep the highest random priorities that the budget allows."""
        priority = state.get("priority")
        if priority is None:
            priority = torch.rand(
                context.gates.total, generator=context.generator, device=context.generator.device
            )
        score = context.only_live(context.keep_protected(priority))
        return GatingDecision(
            mask=context.budget.select(score, prefer=context.live), state={"priority": priority}
        )
