"""Which epoch of a run to keep, and when to stop."""

import math
from collections.abc import Sequence

from pruning import PruningController
from studies.evaluation import EpochResult


def first_settled_epoch(controller: PruningController | None, steps_per_epoch: int) -> int:
    """Return the first epoch, counted from 1, at whose end masks stay as they are.

    Only from there on are epochs compared: an earlier one may be better because it is denser.
    """
    if controller is None:
        return 1
    return max(1, math.ceil(controller.last_update / steps_per_epoch))


def best_epoch(curve: Sequence[EpochResult], settled: int) -> int | None:
    """Return the epoch of the highest validation accuracy from ``settled`` on, the first of equals.

    Examples
    --------
    >>> accuracies = (0.9, 0.5, 0.6, 0.6)
    >>> curve = [
    ...     EpochResult(epoch=epoch, train_loss=1.0, validation_accuracy=accuracy, sparsity=0.0)
    ...     for epoch, accuracy in enumerate(accuracies, start=1)
    ... ]
    >>> best_epoch(curve, settled=1), best_epoch(curve, settled=2), best_epoch(curve, settled=5)
    (1, 3, None)
    """
    candidates = [point for point in curve if point.epoch >= settled]
    if not candidates:
        return None
    return max(candidates, key=lambda point: (point.validation_accuracy, -point.epoch)).epoch


def is_over(curve: Sequence[EpochResult], settled: int, patience: int | None) -> bool:
    """Whether validation accuracy has not risen for ``patience`` epochs; never without patience."""
    best = best_epoch(curve, settled) if patience is not None else None
    return best is not None and patience is not None and curve[-1].epoch - best >= patience
