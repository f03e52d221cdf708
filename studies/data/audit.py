"""The leakage audit: what a test score may owe to pictures or people that were seen in training."""

import numpy as np
import torch

from studies.data.dataset import ImageDataset, ImageSplit
from studies.data.duplicates import SIDE, exact_groups, near_copies, thumbnails
from studies.data.findings import Audit, Copy

__all__ = ["IDENTITIES", "Audit", "Copy", "audit"]

IDENTITIES = ("subject", "speaker", "actor", "person", "identity", "source", "video", "clip")
"""Groups whose values must not stand on both sides of a split: who or what was recorded, not how."""


def audit(dataset: ImageDataset, *, near: bool = True) -> Audit:
    """Look for everything that makes a test score better than it deserves.

    An id that stands in two parts and a class without a sample need no audit: `ImageDataset` refuses them.

    Parameters
    ----------
    dataset : ImageDataset
        As it will be trained on: a fraction of the training part has fewer copies of the test part.
    near : bool, default True
        Also look for copies that were slightly changed or mirrored (images of at least 12 × 12 pixels only;
        seconds for FER-2013). The rule and its misses: `studies.data.duplicates`.

    Examples
    --------
    >>> images = torch.randint(0, 256, (90, 1, 16, 16), dtype=torch.uint8)
    >>> images[70] = images[3]
    >>> def part(start, stop):
    ...     ids = [str(i) for i in range(start, stop)]
    ...     return ImageSplit(images[start:stop], torch.arange(start, stop) % 2, ids)
    >>> found = audit(
    ...     ImageDataset("noise", ("even", "odd"), part(0, 50), part(50, 60), part(60, 90), "held out")
    ... )
    >>> found.count("test", "exact"), found.copies[0].sample, found.copies[0].of_sample
    (1, '70', '3')
    >>> print(found.lines()[2])
    test: 30 samples; with a copy in train or validation: 1 exact, 0 near, 0 mirrored
    """
    parts = dataset.parts()
    splits = list(parts.values())
    number = exact_groups(np.concatenate([split.images.numpy() for split in splits]))
    where = np.repeat(np.arange(len(splits)), [len(split) for split in splits])
    labels = np.concatenate([split.labels.numpy() for split in splits])
    ids = [sample for split in splits for sample in split.ids]
    part_names = list(parts)

    reason = _near_reason(dataset, near)
    small = torch.cat([thumbnails(split.images) for split in splits]) if not reason else None
    copies: list[Copy] = []
    clean = np.ones(len(dataset.test), dtype=bool)
    distinct = clean.copy()
    for part in (1, 2):
        own, others = np.flatnonzero(where == part), np.flatnonzero(where < part)
        original, kinds, correlation = _exact(number, own, others)
        if small is not None:
            for kind in ("near", "mirrored"):
                rest = np.flatnonzero(original < 0)
                pictures = small[torch.from_numpy(own[rest])]
                pictures = pictures.flip(2) if kind == "mirrored" else pictures
                found = near_copies(pictures, small[torch.from_numpy(others)])
                copied = rest[found.is_copy]
                original[copied] = others[found.reference[found.is_copy]]
                kinds[copied] = kind
                correlation[copied] = found.correlation[found.is_copy]
        copies += [
            Copy(
                part=part_names[part],
                sample=ids[own[i]],
                of_part=part_names[where[original[i]]],
                of_sample=ids[original[i]],
                kind=kinds[i],
                correlation=float(correlation[i]),
                same_label=bool(labels[own[i]] == labels[original[i]]),
            )
            for i in np.flatnonzero(original >= 0)
        ]
        if part == 2:
            clean, distinct = original < 0, kinds != "exact"

    return Audit(
        dataset=dataset.name,
        split_by=dataset.split_by,
        test_name=dataset.test_name,
        samples={name: len(split) for name, split in parts.items()},
        copies=tuple(copies),
        near_reason=reason,
        repeated={
            name: int(np.count_nonzero(where == i) - len(np.unique(number[where == i])))
            for i, name in enumerate(parts)
        },
        conflicting=_conflicting(number, labels, ids),
        blank={name: _blank(split) for name, split in parts.items()},
        identities=_identities(dataset),
        shared=_shared(dataset),
        skipped=dataset.skipped,
        clean_test=clean,
        distinct_test=distinct,
    )


def _near_reason(dataset: ImageDataset, near: bool) -> str:
    height, width = dataset.train.image_size
    if not near:
        return "not asked for"
    if dataset.kind != "images":
        return "of two readings of one sentence, a spectrogram does not tell whether one is a copy"
    if dataset.name == "faces":
        return "drawn faces resemble one another more than photographs do, and each is drawn anew"
    if min(height, width) < SIDE:
        return f"images of {height}×{width} pixels are too small, {SIDE}×{SIDE} is the least"
    return ""


def _exact(
    number: np.ndarray, own: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Index of the first pixel-identical sample among the others (-1: none), kind and correlation."""
    values, first = np.unique(number[others], return_index=True)
    at = np.searchsorted(values, number[own])
    hit = at < len(values)
    hit[hit] = values[at[hit]] == number[own][hit]
    original = np.full(len(own), -1, dtype=np.int64)
    original[hit] = others[first[at[hit]]]
    return original, np.where(hit, "exact", "").astype(object), np.where(hit, 1.0, 0.0)


def _conflicting(number: np.ndarray, labels: np.ndarray, ids: list[str]) -> tuple[tuple[str, ...], ...]:
    order = np.lexsort((labels, number))
    same = number[order][1:] == number[order][:-1]
    mixed = np.unique(number[order][1:][same & (labels[order][1:] != labels[order][:-1])])
    return tuple(tuple(ids[i] for i in np.flatnonzero(number == group)) for group in mixed)


def _blank(split: ImageSplit) -> tuple[str, ...]:
    flat = split.images.flatten(1)
    return tuple(split.ids[i] for i in torch.nonzero(flat.amax(1) == flat.amin(1))[:, 0].tolist())


def _identities(dataset: ImageDataset) -> tuple[str, ...]:
    known = set.intersection(*(set(split.groups) for split in dataset.parts().values()))
    return tuple(name for name in dataset.train.groups if name in known & {*IDENTITIES, dataset.split_by})


def _shared(dataset: ImageDataset) -> dict[str, tuple[str, ...]]:
    parts = dataset.parts()
    found = {}
    for name in _identities(dataset):
        for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
            both = np.intersect1d(parts[one].groups[name], parts[other].groups[name])
            if both.size:
                found[f"{name}: {one} and {other}"] = tuple(str(value) for value in both)
    return found
