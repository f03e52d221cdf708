"""The threshold τ of the source paper, §3.3."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from pruning.selection import kth_largest


def initial_threshold(scores: Tensor) -> Tensor:
    """τ at the start: mean + ½ standard deviation of the initial scores, a 0-d tensor.

    It silences 64-77 % of typical scores at once, which is why the budget of the moment caps it.

    Examples
    --------
    >>> import torch
    >>> initial_threshold(torch.tensor([1.0, 3.0])).item()
    2.5
    """
    return scores.mean() + 0.5 * scores.std(correction=0)


def median_threshold(scores: Tensor, live: Tensor) -> Tensor:
    """τ later on: the median score of the live connections, a 0-d tensor.

    The higher of the two middle scores of an even number, so that "score < τ" silences exactly half of
    distinct scores.

    Examples
    --------
    >>> import torch
    >>> live = torch.tensor([False, True, True, True, True])
    >>> median_threshold(torch.tensor([9.0, 1.0, 2.0, 3.0, 4.0]), live).item()
    3.0
    """
    count = int(live.count_nonzero())
    return kth_largest(scores.masked_fill(~live, -math.inf), count - count // 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class AccuracyPlateau:
    """Tells when accuracy has been stable, which freezes τ.

    Parameters
    ----------
    patience : int
        Epochs that must agree, at least 2.
    tolerance : float
        Largest spread (maximum − minimum) that counts as stable, as a fraction.

    Examples
    --------
    >>> plateau = AccuracyPlateau(patience=3, tolerance=0.01)
    >>> plateau.reached([0.50, 0.700, 0.705, 0.702]), plateau.reached([0.5, 0.7])
    (True, False)
    """

    patience: int = 5  # epochs
    tolerance: float = 0.002  # accuracy, fraction

    def __post_init__(self) -> None:
        if self.patience < 2:
            raise ValueError(f"patience must be at least 2 epochs, got {self.patience}")
        if not self.tolerance >= 0.0:
            raise ValueError(f"tolerance must be a fraction of at least 0, got {self.tolerance}")

    def reached(self, accuracies: Sequence[float]) -> bool:
        """Whether the last ``patience`` accuracies lie within ``tolerance``."""
        recent = accuracies[-self.patience :]
        return len(recent) == self.patience and max(recent) - min(recent) <= self.tolerance
