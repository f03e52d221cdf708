"""Pictures that stand twice in a data set: pixel by pixel, or slightly changed.

A *near copy* is the same picture after JPEG, noise, another brightness or contrast, or a shift, turn or
zoom by a few percent. Pictures are compared as thumbnails of 12 × 12 means, by correlation, which no change
of brightness or contrast alters. Two faces seen from the front are alike as well, so a high correlation alone
proves nothing: a copy is also much nearer than everything else. The rule: the best match of a picture is its
copy if the correlation c is at least 0.85 and 1 − c is at most 0.3 times that of the 20th best match (the
ratio test of Lowe, 2004), or if c is at least 0.99.

Of the 3,589 PublicTest images of FER-2013, 280 have a pixel-identical copy in the other parts, 377 more a
changed one, of which 326 carry the same label, and 5 a mirrored one (``docs/results/audit/audit.json``). The
limits were set by looking at pairs on either side; two different faces may still pass them.

Known misses: shifts, turns and zooms by more than a few percent; copies with a large part covered; and
pictures with 20 or more changed copies, if the changes are large. Pictures below 12 × 12 pixels say too
little and are not compared; nor are spectrograms, since two readings of one sentence by two people pass the
rule.

References
----------
Lowe, D. G. (2004), *Distinctive image features from scale-invariant keypoints*, IJCV 60, 91-110.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from studies.data.splits import content_keys

SIDE = 12  # of a thumbnail, pixels
SURE_CORRELATION = 0.99  # a copy, whatever else is near
LEAST_CORRELATION = 0.85  # below, no copy
OTHER_RANK = 20  # the best match is measured against the match of this rank
MOST_RATIO = 0.3  # of 1 - c of the best match to 1 - c of the other

_CORRELATIONS_AT_ONCE = 2**24  # 64 MB
_ROUND_OFF = 1e-6  # of a correlation in float32


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """The most similar reference of each of N pictures.

    Attributes
    ----------
    is_copy : ndarray
        bool, shape (N,): whether that reference shows the same picture.
    reference : ndarray
        int64, shape (N,): its index.
    correlation : ndarray
        float32, shape (N,): correlation of the thumbnails, in [-1, 1]; 0 for a picture of one level.
    """

    is_copy: np.ndarray
    reference: np.ndarray
    correlation: np.ndarray


def exact_groups(images: np.ndarray) -> np.ndarray:
    """Number the pictures so that pixel-identical ones, and only these, have one number.

    By 64-bit digests: a million different pictures share one with a probability of 3e-8.

    Parameters
    ----------
    images : ndarray
        Any dtype, shape (N, ...).

    Returns
    -------
    ndarray
        int64, shape (N,): numbers from 0, without gaps.

    Examples
    --------
    >>> exact_groups(np.array([[7, 7], [1, 2], [7, 7]], dtype=np.uint8)).tolist()
    [1, 0, 1]
    >>> exact_groups(np.zeros((0, 4), dtype=np.uint8)).tolist()
    []
    """
    if not len(images):
        return np.empty(0, dtype=np.int64)
    return np.unique(content_keys(images, purpose="copies"), return_inverse=True)[1].astype(np.int64)


def thumbnails(images: Tensor) -> Tensor:
    """Reduce pictures to means over areas, of zero mean and unit length: products are correlations.

    Parameters
    ----------
    images : Tensor
        uint8 or float32, shape (N, C, H, W); colours are averaged.

    Returns
    -------
    Tensor
        float32, shape (N, 12, 12); zeros for a picture of one level.

    Raises
    ------
    ValueError
        If a side is below 12 pixels.

    Examples
    --------
    >>> thumbnails(torch.arange(576).view(1, 1, 24, 24).float()).square().sum().item()
    1.0...
    """
    if min(images.shape[2:]) < SIDE:
        raise ValueError(
            f"pictures to compare must have at least {SIDE}×{SIDE} pixels, got {images.shape[2:]}"
        )
    small = torch.empty(len(images), SIDE, SIDE)
    for start in range(0, len(images), 4096):
        grey = images[start : start + 4096].float().mean(1, keepdim=True)
        small[start : start + 4096] = interpolate(grey, size=(SIDE, SIDE), mode="area")[:, 0]
    small -= small.mean((1, 2), keepdim=True)
    length = small.flatten(1).norm(dim=1)[:, None, None]
    blank = length < 1e-3  # levels: round-off of the mean
    return torch.where(blank, 0.0, small / length.clamp_min(1e-3))


def near_copies(pictures: Tensor, references: Tensor) -> Matches:
    """Find for each picture the most similar reference, and decide whether it is a copy; see the module.

    Parameters
    ----------
    pictures, references : Tensor
        From `thumbnails`, shapes (N, 12, 12) and (M, 12, 12). Flip `pictures` along the last axis to look for
        mirrored copies.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> images = torch.rand(50, 1, 24, 24, generator=generator)
    >>> found = near_copies(thumbnails(images[7:9] * 0.8 + 0.1), thumbnails(images[:8]))
    >>> found.is_copy.tolist(), found.reference.tolist()[0]
    ([True, False], 7)
    """
    count, among = len(pictures), len(references)
    is_copy, best = torch.zeros(count, dtype=torch.bool), torch.zeros(count)
    nearest = torch.zeros(count, dtype=torch.int64)
    if among == 0:
        return Matches(is_copy.numpy(), nearest.numpy(), best.numpy())
    flat, rank = references.flatten(1).T, min(OTHER_RANK, among)
    rows = max(1, _CORRELATIONS_AT_ONCE // among)
    for start in range(0, count, rows):
        block = slice(start, start + rows)
        correlation = pictures[block].flatten(1) @ flat
        top, nearest[block] = correlation.max(dim=1)
        best[block] = top
        likely = torch.nonzero(top >= LEAST_CORRELATION)[:, 0]
        other = correlation[likely].topk(rank, dim=1).values[:, -1]
        distinct = (1 - top[likely]).clamp_min(0) <= MOST_RATIO * (1 - other) - _ROUND_OFF
        is_copy[start + likely] = distinct | (top[likely] >= SURE_CORRELATION)
    return Matches(is_copy.numpy(), nearest.numpy(), best.clamp_(-1, 1).numpy())
