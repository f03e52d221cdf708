"""What a controller shows its observers after an update."""

from dataclasses import dataclass

from torch import Tensor

from pruning.topology.snapshot import TopologySnapshot


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GatingUpdate:
    """The gates after an update, on their device; vectors are flat, shape (gates,), and not to be modified.

    An observer that keeps one of the vectors keeps it alive: what is needed later is better copied.

    Attributes
    ----------
    snapshot : TopologySnapshot
        With its masks, whether or not the controller keeps them.
    live : Tensor
        The new mask, boolean.
    protein : Tensor or None
        Expression, where the policy has one.
    mrna : Tensor or None
        mRNA level, where the policy has one.
    importance : Tensor or None
        S of Eq. 2 that the policy decided on, where it has an expression.
    """

    snapshot: TopologySnapshot
    live: Tensor
    protein: Tensor | None = None
    mrna: Tensor | None = None
    importance: Tensor | None = None
