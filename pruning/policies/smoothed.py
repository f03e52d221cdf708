"""The open-loop filter: Eq. 1 with every feedback and the Hill nonlinearity taken away."""

import math
from dataclasses import dataclass, field

from grn import ExpressionState, Kinetics
from grn.analytic import affine_response
from pruning.policies.base import GatingContext, GatingDecision, PolicyState, check_window_and_margin
from pruning.selection import kth_largest


@dataclass(frozen=True, kw_only=True, slots=True)
class SmoothedImportanceGating:
    """Keep the connections whose importance, smoothed over time, is highest.

    Without feedback and with its input held, Eq. 1 is a two-stage exponential filter. This policy is
    that filter, applied to importance itself, with the budget and margin of
    :class:`~pruning.ExpressionGating`. An ODE that does not beat it earns nothing by its
    dynamics: no comparison without this baseline means anything.

    Parameters
    ----------
    kinetics : grn.Kinetics
        Its two decay rates are the filter's; Hill coefficient and basal rate are unused.
    window : float
        Simulated hours an update.
    margin : float
        Head start of live connections, as a fraction of the filtered importance at the budget's edge.
    """

    kinetics: Kinetics = field(default_factory=lambda: Kinetics(mrna_decay=1.0, protein_decay=0.5))
    window: float = 0.5  # h of simulated time an update
    margin: float = 0.05  # of the importance at the budget's edge

    def __post_init__(self) -> None:
        check_window_and_margin(self.window, self.margin)

    @property
    def needs_gradient(self) -> bool:
        """Whether gradients must be observed: yes, for the saliency term of Eq. 2."""
        return True

    def decide(self, context: GatingContext, state: PolicyState) -> GatingDecision:
        """Filter importance for one window and keep what the budget allows."""
        importance = context.importance
        before = ExpressionState(mrna=state.get("mrna", importance), protein=state.get("protein", importance))
        after = affine_response(before, importance, self.window, self.kinetics)
        protein = after.protein
        edge = kth_largest(protein, context.budget.live)
        score = (self.margin * edge * context.live).add_(protein).masked_fill_(context.protected, math.inf)
        return GatingDecision(
            mask=context.budget.select(score, prefer=context.live),
            state={"mrna": after.mrna, "protein": protein},
            threshold=edge,
            expression=protein,
            mrna=after.mrna,
        )
