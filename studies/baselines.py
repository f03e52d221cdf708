"""What needs no network: the majority class, the nearest neighbour and a linear model, on the same data.

A network's score means something beside these. All three see what the network sees of an image, averaged down
to at most 24 × 24 pixels; of a spectrogram, the mean and standard deviation over time of each mel band.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from studies.data import ImageDataset, ImageSplit, as_input
from studies.data.audit import audit
from studies.data.splits import stratified_subset
from studies.evaluation import Evaluation, score
from studies.randomness import derive_seed

MOST_SIDE = 24  # pixels; larger images are averaged down
MOST_SAMPLES = 30_000  # training samples; of more, a stratified part is drawn by the seed
PENALTIES = (
    1.0,
    0.1,
    0.01,
    0.001,
)  # of the linear model, strongest first: half the squared weights, a sample
_DISTANCES_AT_ONCE = 2**24  # 64 MB


@dataclass(frozen=True, kw_only=True, slots=True)
class BaselineScore:
    """Scores of one baseline on the test part. Fractions, not percent.

    Attributes
    ----------
    name : str
        ``"majority class"``, ``"nearest neighbour"`` or ``"linear model"``.
    description : str
        What it sees, and what was chosen on the validation part.
    accuracy, macro_f1 : float
        Over the whole test part.
    accuracy_without_copies, macro_f1_without_copies : float or None
        Over the test samples without a copy in training; None if all have one.
    """

    name: str
    description: str
    accuracy: float
    macro_f1: float
    accuracy_without_copies: float | None
    macro_f1_without_copies: float | None


def baselines(
    dataset: ImageDataset, *, seed: int, clean_test: np.ndarray | None = None
) -> list[BaselineScore]:
    """Fit three baselines on the training part and score them on the test part.

    The majority class of training; the label of the nearest training sample (Euclidean distance between
    pixels in [0, 1], or standardised features of spectrograms); multinomial logistic regression on
    standardised features, its L2 penalty chosen by the accuracy on the validation part.

    Parameters
    ----------
    dataset : ImageDataset
        Any; about a minute of one core for all of FER-2013, 20 s for 30 % of it.
    seed : int
        Draws the training samples where there are more than 30,000; nothing else is random.
    clean_test : ndarray, optional
        bool, one a test sample: it has no copy in training. None: ``audit(dataset).clean_test``.

    Raises
    ------
    ValueError
        If `clean_test` has another shape or type.

    Examples
    --------
    >>> from studies.data import load_dataset
    >>> scores = baselines(load_dataset("digits", fraction=0.3), seed=0)
    >>> [score.name for score in scores]
    ['majority class', 'nearest neighbour', 'linear model']
    >>> scores[2].accuracy > scores[0].accuracy + 0.5
    True
    """
    count, classes = len(dataset.test), len(dataset.classes)
    clean = audit(dataset).clean_test if clean_test is None else clean_test
    if clean.shape != (count,) or clean.dtype != np.bool_:
        raise ValueError(
            f"clean_test must hold one bool for each of the {count} test samples, got {clean.dtype} of shape "
            f"{clean.shape}"
        )
    training = _limited(dataset.train, seed)
    train, validation, test = (features(part) for part in (training, dataset.validation, dataset.test))
    labels = training.labels.numpy()
    mean, deviation = train.mean(0), train.std(0, correction=0).clamp_min(1e-6)
    scaled = [(part - mean) / deviation for part in (train, validation, test)]
    compared = scaled if dataset.kind == "spectrograms" else [train, validation, test]

    commonest = int(np.bincount(labels, minlength=classes).argmax())
    predict, penalty = fit_linear(scaled[0], labels, scaled[1], dataset.validation.labels.numpy())
    seen = f"{_described(dataset)}; {len(training):,} of {len(dataset.train):,} training samples"
    rows = (
        ("majority class", f"always {dataset.classes[commonest]!r}", np.full(count, commonest)),
        ("nearest neighbour", seen, labels[nearest(compared[2], compared[0])]),
        ("linear model", f"{seen}; penalty {penalty:g}", predict(scaled[2])),
    )
    truth = dataset.test.labels.numpy()
    scores = []
    for name, description, predicted in rows:
        whole = _scored(truth, predicted, classes)
        without = _scored(truth[clean], predicted[clean], classes) if clean.any() else None
        scores.append(
            BaselineScore(
                name=name,
                description=description,
                accuracy=whole.accuracy,
                macro_f1=whole.macro_f1,
                accuracy_without_copies=None if without is None else without.accuracy,
                macro_f1_without_copies=None if without is None else without.macro_f1,
            )
        )
    return scores


def features(split: ImageSplit) -> Tensor:
    """Turn samples into what the baselines see: float32, shape (N, features).

    Images: levels in [0, 1], averaged over areas down to at most 24 × 24, all channels. Spectrograms: mean
    and standard deviation over time of each mel band.

    Examples
    --------
    >>> images = torch.zeros(2, 1, 48, 48, dtype=torch.uint8)
    >>> features(ImageSplit(images, torch.tensor([0, 1]), ["a", "b"])).shape
    torch.Size([2, 576])
    """
    if split.images.dtype != torch.uint8:
        sound = split.images.flatten(1, 2)
        return torch.cat([sound.mean(2), sound.std(2, correction=0)], dim=1)
    height, width = (min(side, MOST_SIDE) for side in split.image_size)
    small = torch.empty(len(split), split.channels * height * width)
    for start in range(0, len(split), 4096):
        levels = as_input(split.images[start : start + 4096])
        small[start : start + 4096] = interpolate(levels, size=(height, width), mode="area").flatten(1)
    return small


def nearest(samples: Tensor, references: Tensor) -> np.ndarray:
    """Index of the reference at the least Euclidean distance from each sample, the first of equals.

    Parameters
    ----------
    samples, references : Tensor
        float32, shapes (N, F) and (M, F).

    Examples
    --------
    >>> nearest(torch.tensor([[0.0], [4.0]]), torch.tensor([[3.0], [1.0]])).tolist()
    [1, 0]
    """
    centre = references.mean(0)  # distances are differences of squares: small numbers lose less
    samples, references = samples - centre, references - centre
    squares = references.square().sum(1)
    rows = max(1, _DISTANCES_AT_ONCE // len(references))
    found = [(squares - 2 * block @ references.T).argmin(1) for block in torch.split(samples, rows)]
    return torch.cat(found).numpy()


def fit_linear(
    train: Tensor, labels: np.ndarray, validation: Tensor, validation_labels: np.ndarray
) -> tuple[Callable[[Tensor], np.ndarray], float]:
    """Fit multinomial logistic regression, and choose its L2 penalty on the validation part.

    Minimises mean cross-entropy + penalty/2 · ‖weights‖² by L-BFGS, each penalty starting from the weights of
    the stronger one before it, 200 iterations at most. Penalties fall tenfold from 1 to 0.001, until one is
    worse on the validation part than the one before; the stronger of two equals is kept.

    Parameters
    ----------
    train, validation : Tensor
        Standardised features, shapes (N, F) and (M, F).
    labels, validation_labels : ndarray
        Class indices, shapes (N,) and (M,).

    Returns
    -------
    predict : callable
        Maps features (K, F) to class indices (K,).
    penalty : float
        The chosen one.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    best, chosen, weights, bias = -1.0, PENALTIES[0], np.empty(0), np.empty(0)
    model = LogisticRegression(max_iter=200, warm_start=True)
    inputs, held = train.numpy(), validation.numpy()
    for penalty in PENALTIES:
        model.C = 1 / (penalty * len(inputs))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 200 iterations are part of the definition
            model.fit(inputs, labels)
        accuracy = float((model.predict(held) == validation_labels).mean())
        if accuracy < best:
            break
        if accuracy > best:
            best, chosen = accuracy, penalty
            weights, bias = model.coef_.copy(), model.intercept_.copy()

    def predict(samples: Tensor) -> np.ndarray:
        logits = samples.numpy() @ weights.T + bias
        if logits.shape[1] == 1:  # two classes have one logit
            logits = np.concatenate([-logits, logits], axis=1)
        found: np.ndarray = model.classes_[logits.argmax(1)]
        return found

    return predict, chosen


def _limited(split: ImageSplit, seed: int) -> ImageSplit:
    """At most `MOST_SAMPLES`, the same share of every class, drawn by the seed."""
    if len(split) <= MOST_SAMPLES:
        return split
    order = np.random.default_rng(derive_seed(seed, "baselines")).permutation(len(split))
    return split.subset(stratified_subset(split.labels.numpy(), order, MOST_SAMPLES / len(split)))


def _described(dataset: ImageDataset) -> str:
    if dataset.kind == "spectrograms":
        return "mean and deviation over time of each mel band"
    height, width = (min(side, MOST_SIDE) for side in dataset.train.image_size)
    return f"pixels at {height}×{width}"


def _scored(truth: np.ndarray, predicted: np.ndarray, classes: int) -> Evaluation:
    cells = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return score(torch.from_numpy(cells.reshape(classes, classes)))
