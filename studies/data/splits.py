"""Fixed, stratified splits: decided by the pixels, never by a seed or the order of a file."""

import hashlib
from dataclasses import replace

import numpy as np

from studies.data.dataset import ImageDataset, ImageSplit, check_labels


def content_keys(images: np.ndarray, *, purpose: str) -> np.ndarray:
    """Digest each image's pixels, salted by `purpose`: the order in which samples are drawn.

    A key depends on the pixels alone, so a sample is drawn or not whatever the order of the file, the ids and
    the run's seed; pixel-identical copies have one key and so stay together on one side of a split, save for
    at most one group of copies a class, at the cut itself.

    Parameters
    ----------
    images : ndarray
        uint8, shape (N, ...).
    purpose : str
        What is drawn; different purposes give independent orders.

    Returns
    -------
    ndarray
        uint64, shape (N,).

    Examples
    --------
    >>> content_keys(np.zeros((2, 8, 8), np.uint8), purpose="validation").shape
    (2,)
    """
    rows = np.ascontiguousarray(images).reshape(len(images), -1)
    salt = purpose.encode()[:16]
    digests = b"".join(hashlib.blake2b(row.data, digest_size=8, person=salt).digest() for row in rows)
    return np.frombuffer(digests, dtype="<u8")


def stratified_subset(labels: np.ndarray, keys: np.ndarray, fraction: float) -> np.ndarray:
    """Choose the same fraction of every class: the samples with the smallest keys.

    Subsets are nested: what a small fraction chooses, a larger one chooses too.

    Parameters
    ----------
    labels : ndarray
        Class indices, shape (N,).
    keys : ndarray
        Sort keys, shape (N,); ties are broken by position.
    fraction : float
        In (0, 1]; the count a class is rounded, and at least one.

    Returns
    -------
    ndarray
        Chosen positions, ascending.

    Examples
    --------
    >>> stratified_subset(np.array([0, 0, 1, 1]), np.array([3, 1, 2, 4]), 0.5).tolist()
    [1, 2]
    """
    check_fraction("fraction", fraction)
    chosen = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = max(1, round(fraction * len(members)))
        chosen.append(members[np.argsort(keys[members], kind="stable")[:count]])
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, dtype=np.int64)


def hold_out(
    split: ImageSplit,
    fraction: float,
    *,
    classes: tuple[str, ...],
    purpose: str,
    keys: np.ndarray | None = None,
) -> tuple[ImageSplit, ImageSplit]:
    """Cut a fixed, stratified part off `split`, by the content of its images.

    Parameters
    ----------
    split : ImageSplit
        The samples to divide.
    fraction : float
        Held-out fraction of every class, in (0, 1).
    classes : tuple of str
        Class names, for the error.
    purpose : str
        Salt of the draw, e.g. ``"validation"``.
    keys : ndarray, optional
        The images' `content_keys` for this purpose, shape (N,), where they are known already.

    Returns
    -------
    tuple of ImageSplit
        What remains, and what is held out.

    Raises
    ------
    ValueError
        If the fraction is not in (0, 1), a class has too few images to stand in both, or `keys` has another
        length.
    """
    check_held_out(fraction, purpose)
    labels = split.labels.numpy()
    check_labels(labels, classes, part=f"the part to hold {purpose} out of")
    if keys is None:
        keys = sample_keys(split, purpose=purpose)
    elif keys.shape != labels.shape:
        raise ValueError(f"keys must have shape {labels.shape} as labels, got {keys.shape}")
    held = stratified_subset(labels, keys, fraction)
    remaining = np.setdiff1d(np.arange(len(split)), held)
    left = np.bincount(labels[remaining], minlength=len(classes))
    if not left.all():
        name = classes[int(np.flatnonzero(left == 0)[0])]
        raise ValueError(
            f"class {name!r} has too few images to hold {fraction:g} of them out for {purpose} and keep one; "
            "add images or lower the fraction"
        )
    return split.subset(remaining), split.subset(held)


def sample_keys(split: ImageSplit, *, purpose: str) -> np.ndarray:
    """Give `content_keys` of a part: of its files, which are the same at any image size, else of its pixels.

    The group ``"content"`` holds the digests of the files' bytes where a reader knows them.
    """
    if "content" not in split.groups:
        return content_keys(split.images.numpy(), purpose=purpose)
    content = np.ascontiguousarray(split.groups["content"], dtype="<u8")
    return content_keys(content.view(np.uint8).reshape(len(content), 8), purpose=purpose)


def take_fraction(dataset: ImageDataset, fraction: float) -> ImageDataset:
    """Keep a stratified fraction of the training and validation parts; the test part stays whole.

    The validation part is cut before, on the full data, so no sample changes sides with the fraction.

    Raises
    ------
    ValueError
        If `fraction` is not in (0, 1].
    """
    check_fraction("fraction", fraction)
    if fraction == 1:
        return dataset
    smaller = {}
    for part, split in (("train", dataset.train), ("validation", dataset.validation)):
        keys = sample_keys(split, purpose="fraction")
        smaller[part] = split.subset(stratified_subset(split.labels.numpy(), keys, fraction))
    return replace(dataset, train=smaller["train"], validation=smaller["validation"])


def check_fraction(name: str, value: float) -> None:
    """Refuse a fraction outside (0, 1]."""
    if not 0 < value <= 1:
        raise ValueError(f"{name} must be in (0, 1], got {value!r}; 1 keeps everything")


def check_held_out(fraction: float, purpose: str) -> None:
    """Refuse a held-out fraction outside (0, 1)."""
    if not 0 < fraction < 1:
        raise ValueError(f"{purpose}_fraction must be in (0, 1), got {fraction!r}; 0.1 is usual")
