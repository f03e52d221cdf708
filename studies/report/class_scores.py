"""What a confusion matrix says: precision, recall and F1 of each class, and how sure an accuracy is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_Z = 1.959963984540054  # 97.5 % point of the standard normal distribution


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassScore:
    """How one class is recognised. Fractions; None where there is nothing to divide by."""

    count: int  # images of the class
    predicted: int  # images taken for the class
    hits: int
    precision: float | None  # hits / predicted
    recall: float | None  # hits / count
    f1: float | None  # 2 hits / (count + predicted)
    rival: int | None  # the class its images are most often mistaken for


def class_scores(confusion: Sequence[Sequence[int]]) -> list[ClassScore]:
    """Return the scores of each class from counts; row = true class, column = predicted class.

    Raises
    ------
    ValueError
        If the matrix is not square.

    Examples
    --------
    >>> first, second = class_scores([[8, 2], [1, 9]])
    >>> first.recall, round(first.precision, 4), round(first.f1, 4), first.rival
    (0.8, 0.8889, 0.8421, 1)
    """
    counts = np.asarray(confusion, dtype=np.int64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"confusion must be a square matrix of counts, got shape {counts.shape}")
    scores = []
    for label in range(len(counts)):
        hits, count, predicted = (
            int(counts[label, label]),
            int(counts[label].sum()),
            int(counts[:, label].sum()),
        )
        mistaken = counts[label].copy()
        mistaken[label] = 0
        scores.append(
            ClassScore(
                count=count,
                predicted=predicted,
                hits=hits,
                precision=hits / predicted if predicted else None,
                recall=hits / count if count else None,
                f1=2 * hits / (count + predicted) if count + predicted else None,
                rival=int(mistaken.argmax()) if mistaken.any() else None,
            )
        )
    return scores


def macro_scores(confusion: Sequence[Sequence[int]]) -> tuple[float, float]:
    """Macro precision and recall: means over the classes that occur among labels or predictions.

    A class never predicted has precision 0, a class without images is left out of the recall.

    Examples
    --------
    >>> macro_scores([[8, 2], [0, 0]])
    (0.5, 0.8)
    """
    occurring = [score for score in class_scores(confusion) if score.count + score.predicted]
    precision = [score.precision or 0.0 for score in occurring]
    recall = [score.recall for score in occurring if score.recall is not None]
    return float(np.mean(precision)), float(np.mean(recall))


def commonest_share(confusion: Sequence[Sequence[int]]) -> float:
    """Share of the most frequent class: the accuracy of always naming it.

    Examples
    --------
    >>> commonest_share([[3, 3], [1, 1]])
    0.75
    """
    rows = np.asarray(confusion, dtype=np.int64).sum(axis=1)
    return float(rows.max() / rows.sum())


def wilson_interval(accuracy: float, count: int) -> tuple[float, float]:
    """95 % interval of a share of ``count`` independent images: how it would vary with other test images.

    E. B. Wilson, *Probable inference, the law of succession, and statistical inference*, 1927.

    Raises
    ------
    ValueError
        If count is below 1.

    Examples
    --------
    >>> low, high = wilson_interval(0.5, 100)
    >>> round(low, 4), round(high, 4)
    (0.4038, 0.5962)
    """
    if count < 1:
        raise ValueError(f"count must be at least 1 image, got {count}")
    squared = _Z**2
    centre = (accuracy + squared / (2 * count)) / (1 + squared / count)
    reach = _Z * math.sqrt(accuracy * (1 - accuracy) / count + squared / (4 * count**2))
    reach /= 1 + squared / count
    return centre - reach, centre + reach
