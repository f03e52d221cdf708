"""What a classifier gets right: accuracy, macro scores, scores by class and group, calibration, confusion."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from studies.calibration import expected_calibration_error
from studies.data import ImageSplit, as_input

MOST_AT_ONCE, VALUES_AT_ONCE = 512, 2**20  # samples, and values of all their channels
MOST_GROUP_VALUES = 20  # groups with more values, such as subjects, are not scored by value


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
    macro_precision : float
        Mean precision over the classes that occur among the labels or the predictions; 0 for a class that was
        never predicted.
    macro_recall : float
        Mean recall over the classes that occur among the labels: balanced accuracy, or unweighted average
        recall (UAR).
    per_class_precision : list of float or None
        Share of each class's predictions that were right; None where a class was never predicted.
    cross_entropy : float or None
        Mean of -log of the label's probability, nats. None from a confusion matrix alone, and where an output
        is not finite.
    expected_calibration_error : float or None
        Of the predicted class's probability, in 15 equal bins; see
        :func:`studies.calibration.expected_calibration_error`. None
        like `cross_entropy`.
    group_accuracy : dict of str to dict of str to float
        Accuracy for each value of each group of the split that has at most 20 values.
    """

    accuracy: float
    macro_f1: float
    per_class_recall: list[float | None]
    confusion: list[list[int]]
    macro_precision: float
    macro_recall: float
    per_class_precision: list[float | None]
    cross_entropy: float | None = None
    expected_calibration_error: float | None = None
    group_accuracy: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochResult:
    """One point of a learning curve: what was true at the end of an epoch (counted from 1)."""

    epoch: int
    train_loss: float  # mean of the recipe's loss over the epoch's steps, nats
    validation_accuracy: float  # fraction
    sparsity: float  # silenced share of the gated connections; 0 without a controller
    validation_loss: float | None = None  # mean cross-entropy, nats
    validation_macro_f1: float | None = None
    learning_rate: float | None = None  # of the epoch's last step


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
    precision = [float(hit / n) if n > 0 else None for hit, n in zip(hits, predicted, strict=True)]
    recall = [float(hit / n) if n > 0 else None for hit, n in zip(hits, actual, strict=True)]
    return Evaluation(
        accuracy=float(hits.sum() / counts.sum()),
        macro_f1=float(f1.mean()),
        per_class_recall=recall,
        confusion=[[int(count) for count in row] for row in confusion.tolist()],
        macro_precision=float((hits[occurs] / predicted[occurs].clamp_min(1)).mean()),
        macro_recall=float((hits / actual)[actual > 0].mean()),
        per_class_precision=precision,
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Predictions:
    """What a network says about each of N samples, on the CPU.

    Attributes
    ----------
    predicted : Tensor
        int64 class of the largest logit, shape (N,).
    confidence : Tensor
        float64 probability of that class, shape (N,).
    log_likelihood : Tensor
        float64 log of the probability of the label, nats, shape (N,).
    """

    predicted: Tensor
    confidence: Tensor
    log_likelihood: Tensor


def images_at_once(split: ImageSplit) -> int:
    """Return how many samples of a split go through a network together where no gradient is kept.

    512 small ones; fewer where they are large, or a wide network would need gigabytes for its maps.

    Examples
    --------
    >>> def blank(side, channels):
    ...     images = torch.zeros(1, channels, side, side, dtype=torch.uint8)
    ...     return ImageSplit(images, torch.zeros(1, dtype=torch.int64), ["0"])
    >>> images_at_once(blank(24, 1)), images_at_once(blank(48, 1)), images_at_once(blank(128, 3))
    (512, 455, 21)
    """
    return min(MOST_AT_ONCE, max(1, VALUES_AT_ONCE // split.images[0].numel()))


@torch.no_grad()
def predict(model: nn.Module, split: ImageSplit, *, batch_size: int | None = None) -> Predictions:
    """Run a network over a split, in evaluation mode; the network's own mode is restored.

    Parameters
    ----------
    model : nn.Module
        Maps images (B, C, H, W) in [0, 1], or spectrograms, to logits (B, classes).
    split : ImageSplit
        Images and labels on the model's device.
    batch_size : int, optional
        Images a forward pass; changes memory, not the predictions. None: `images_at_once`.
    """
    batch_size = images_at_once(split) if batch_size is None else batch_size
    was_training = model.training
    model.eval()
    predicted, confidence, likelihood = [], [], []
    for start in range(0, len(split.labels), batch_size):
        logits = model(as_input(split.images[start : start + batch_size]))
        log_probability = logits.float().log_softmax(dim=1)
        own = split.labels[start : start + batch_size, None]
        predicted.append(logits.argmax(dim=1))
        confidence.append(log_probability.gather(1, predicted[-1][:, None])[:, 0].exp().clamp_max(1))
        likelihood.append(log_probability.gather(1, own)[:, 0])
    model.train(was_training)
    return Predictions(
        predicted=torch.cat(predicted).cpu(),
        confidence=torch.cat(confidence).cpu().double(),
        log_likelihood=torch.cat(likelihood).cpu().double(),
    )


def score_predictions(
    predictions: Predictions, split: ImageSplit, *, classes: int, keep: np.ndarray | None = None
) -> Evaluation:
    """Score what a network said about a split; one pass of the network serves several `keep`.

    Parameters
    ----------
    predictions : Predictions
        From :func:`predict` on this split.
    split : ImageSplit
        Labels and groups.
    classes : int
        Number of classes.
    keep : ndarray, optional
        bool, one a sample: score these alone, such as the test samples without a copy in training,
        ``audit(dataset).clean_test``.

    Raises
    ------
    ValueError
        If `keep` has another shape or type, or keeps no sample.
    """
    if keep is None:
        keep = np.ones(len(split.labels), dtype=bool)
    if keep.shape != (len(split.labels),) or keep.dtype != np.bool_:
        raise ValueError(
            f"keep must hold one bool for each of the {len(split.labels)} samples, got {keep.dtype} of shape "
            f"{keep.shape}"
        )
    if not keep.any():
        raise ValueError(
            f"keep must leave at least one of the {len(split.labels)} samples to score, got none"
        )
    kept = torch.from_numpy(keep)
    labels, predicted = split.labels.cpu()[kept], predictions.predicted[kept]
    cells = torch.bincount(labels * classes + predicted, minlength=classes * classes)
    confidence, likelihood = predictions.confidence[kept], predictions.log_likelihood[kept]
    finite = bool(confidence.isfinite().all() & likelihood.isfinite().all())
    correct = (predicted == labels).numpy()
    error = expected_calibration_error(confidence.numpy(), correct) if finite else None
    return replace(
        score(cells.view(classes, classes)),
        cross_entropy=-float(likelihood.mean()) if finite else None,
        expected_calibration_error=error,
        group_accuracy=accuracy_by_group(
            correct, {name: values[keep] for name, values in split.groups.items()}
        ),
    )


def accuracy_by_group(correct: np.ndarray, groups: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Give the share of right answers for each value of each group that has at most 20 values.

    Groups of floating-point numbers, such as an angle or an intensity, are no groups of samples and left out.

    Examples
    --------
    >>> accuracy_by_group(np.array([True, False, True]), {"gender": np.array(["f", "f", "m"])})
    {'gender': {'f': 0.5, 'm': 1.0}}
    """
    found = {}
    for name, group in groups.items():
        if np.issubdtype(group.dtype, np.floating):
            continue
        values, member = np.unique(group, return_inverse=True)
        if len(values) <= MOST_GROUP_VALUES:
            share = np.bincount(member, correct) / np.bincount(member)
            found[name] = {str(value): float(part) for value, part in zip(values, share, strict=True)}
    return found


def evaluate(
    model: nn.Module,
    split: ImageSplit,
    *,
    classes: int,
    batch_size: int | None = None,
    keep: np.ndarray | None = None,
) -> Evaluation:
    """Score a network on a split, in evaluation mode; the network's own mode is restored.

    Parameters
    ----------
    model : nn.Module
        Maps images (B, C, H, W) in [0, 1], or spectrograms, to logits (B, classes).
    split : ImageSplit
        Images and labels on the model's device.
    classes : int
        Number of classes.
    batch_size : int, optional
        Images a forward pass; changes memory, not the scores. None: `images_at_once`.
    keep : ndarray, optional
        bool, one a sample: score these alone; :func:`score_predictions` scores several such choices from one
        pass.
    """
    return score_predictions(predict(model, split, batch_size=batch_size), split, classes=classes, keep=keep)
