"""What a classifier gets right: accuracy, macro F1, recall by class, confusion, and how they change."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from studies.data import ImageSplit, as_input


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """Scores of one network on one split. Fractions, not percent.

    Attributes
    ----------
    accuracy : float
        Share of samples classified correctly.
    macro_f1 : float
        Mean F1 over the classes that occur among the labels or the predictions; 0 for a class never hit.
    per_class_recall : list of float or None
        Share of each class that was recognised, in the data set's class order; None where a class has no
        samples.
    confusion : list of list of int
        Counts; row = true class, column = predicted class.
    """

    accuracy: float
    macro_f1: float
    per_class_recall: list[float | None]
    confusion: list[list[int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochResult:
    """One point of a learning curve: what was true at the end of an epoch (counted from 1)."""

    epoch: int
    train_loss: float  # mean cross-entropy over the epoch's steps, nats
    validation_accuracy: float  # fraction
    sparsity: float  # silenced share of the gated connections; 0 without a controller


def score(confusion: Tensor) -> Evaluation:
    """Compute the scores from a confusion matrix of counts (rows true, columns predicted).

    Raises
    ------
    ValueError
        If the matrix is not square or counts no sample.

    Examples
    --------
    >>> import torch
    >>> result = score(torch.tensor([[8, 2], [1, 9]]))
    >>> result.accuracy, result.per_class_recall
    (0.85, [0.8, 0.9])
    """
    if confusion.dim() != 2 or confusion.shape[0] != confusion.shape[1] or int(confusion.sum()) == 0:
        raise ValueError(
            f"a confusion matrix must be square and count at least one sample, got shape "
            f"{tuple(confusion.shape)} with {int(confusion.sum())} samples"
        )
    counts = confusion.to(torch.float64)
    hits, actual, predicted = counts.diagonal(), counts.sum(dim=1), counts.sum(dim=0)
    occurs = actual + predicted > 0
    f1 = 2 * hits[occurs] / (actual + predicted)[occurs]
    recall = [float(hit / n) if n > 0 else None for hit, n in zip(hits, actual, strict=True)]
    return Evaluation(
        accuracy=float(hits.sum() / counts.sum()),
        macro_f1=float(f1.mean()),
        per_class_recall=recall,
        confusion=[[int(count) for count in row] for row in confusion.tolist()],
    )


@torch.no_grad()
def evaluate(model: nn.Module, split: ImageSplit, *, classes: int, batch_size: int = 512) -> Evaluation:
    """Score a network on a split, in evaluation mode; the network's own mode is restored.

    Parameters
    ----------
    model : nn.Module
        Maps images (B, C, H, W) in [0, 1] to logits (B, classes).
    split : ImageSplit
        Images (uint8) and labels on the model's device.
    classes : int
        Number of classes.
    batch_size : int
        Images a forward pass; changes memory, not the scores.
    """
    was_training = model.training
    model.eval()
    confusion = torch.zeros(classes * classes, dtype=torch.int64, device=split.labels.device)
    for start in range(0, len(split.labels), batch_size):
        images = as_input(split.images[start : start + batch_size])
        labels = split.labels[start : start + batch_size]
        cells = labels * classes + model(images).argmax(dim=1)
        confusion.index_add_(0, cells, torch.ones_like(cells))
    model.train(was_training)
    return score(confusion.view(classes, classes).cpu())
