"""Fixed splits that keep on one side what belongs together: a subject's images, the copies of a source."""

import hashlib

import numpy as np

from studies.data.dataset import ImageSplit, check_labels
from studies.data.splits import check_held_out

TEST_FRACTION = 0.2
"""Part of the groups that is held out as test where a format has no official one."""

_PASSES = 10  # each brings the classes nearer; the second or third is usually the last


def choose_groups(labels: np.ndarray, groups: np.ndarray, fraction: float, *, purpose: str) -> np.ndarray:
    """Choose whole groups that hold about `fraction` of every class.

    The groups are gone through in the order of a hash of their names, so neither a seed nor the order of the
    files moves one; a group is taken if that brings the chosen share of the classes, each weighted alike,
    nearer to `fraction`; further passes take groups in and out as long as that still helps. At least one
    group is chosen, and groups that bring a class still missing are added, as long as every class keeps a
    sample on the other side.

    Parameters
    ----------
    labels : ndarray
        Class indices, shape (N,).
    groups : ndarray
        Name of each sample's group, shape (N,).
    fraction : float
        In (0, 1).
    purpose : str
        Salt of the hash, e.g. ``"test"``: different purposes give independent orders.

    Returns
    -------
    ndarray
        Chosen positions, ascending; every position of a group or none.

    Raises
    ------
    ValueError
        If there are fewer than two groups.

    Examples
    --------
    >>> subjects = np.repeat(["ann", "bob", "cem", "dee"], 2)
    >>> chosen = choose_groups(np.array([0, 1] * 4), subjects, 0.25, purpose="test")
    >>> len(chosen), len(set(subjects[chosen]))
    (2, 1)
    """
    names, member = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"at least two groups are needed to hold one out for {purpose}, got {len(names)}")
    _, classes = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(names), int(classes.max()) + 1))
    np.add.at(counts, (member, classes), 1)
    total = counts.sum(0)
    shares = counts / total  # each row: what part of every class a group holds
    order = np.argsort([_digest(str(name), purpose) for name in names], kind="stable")

    chosen = np.zeros(len(names), dtype=bool)
    missing = np.full(counts.shape[1], fraction)  # of every class, what is still to be chosen
    for _ in range(_PASSES):
        before = chosen.copy()
        for group in order:
            moved = missing + shares[group] if chosen[group] else missing - shares[group]
            if _distance(moved) < _distance(missing):
                chosen[group] = not chosen[group]
                missing = moved
        if (chosen == before).all():
            break
    if not chosen.any():
        nearest = order[np.argmin([_distance(missing - shares[group]) for group in order])]
        chosen[nearest] = True
    _bring_missing_classes(chosen, counts, fraction, order)
    return np.flatnonzero(chosen[member])


def _bring_missing_classes(
    chosen: np.ndarray, counts: np.ndarray, fraction: float, order: np.ndarray
) -> None:
    total = counts.sum(0)
    while True:
        held = counts[chosen].sum(0)
        absent = held == 0
        best, best_distance = -1, np.inf
        for group in order:
            after = held + counts[group]
            if chosen[group] or not counts[group][absent].any() or (after == total).any():
                continue
            distance = _distance(fraction - after / total)
            if distance < best_distance:
                best, best_distance = int(group), distance
        if best < 0:
            return
        chosen[best] = True


def _distance(missing: np.ndarray) -> float:
    return float((missing * missing).sum())


def _digest(name: str, purpose: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(name.encode(), digest_size=8, person=purpose.encode()[:16]).digest()
    )


def hold_out_groups(
    split: ImageSplit, fraction: float, *, groups: np.ndarray, classes: tuple[str, ...], purpose: str, by: str
) -> tuple[ImageSplit, ImageSplit]:
    """Cut about `fraction` of every class off `split` in whole groups.

    Parameters
    ----------
    split : ImageSplit
        The samples to divide.
    fraction : float
        In (0, 1).
    groups : ndarray
        Name of each sample's group, shape (N,).
    classes : tuple of str
        Class names, for the error.
    purpose : str
        ``"validation"`` or ``"test"``: salt of the order, and named in the error.
    by : str
        What the groups are, for the error: ``"subject"``, ``"source"``.

    Returns
    -------
    tuple of ImageSplit
        What remains, and what is held out.

    Raises
    ------
    ValueError
        If the fraction is not in (0, 1), there are fewer than two groups, or a class would be missing on one
        side whichever groups are taken.
    """
    check_held_out(fraction, purpose)
    labels = split.labels.numpy()
    check_labels(labels, classes, part=f"the part to hold {purpose} out of")
    held = choose_groups(labels, groups, fraction, purpose=purpose)
    remaining = np.setdiff1d(np.arange(len(split)), held)
    for part, where in (("training", remaining), (purpose, held)):
        counts = np.bincount(labels[where], minlength=len(classes))
        if not counts.all():
            name = classes[int(np.flatnonzero(counts == 0)[0])]
            raise ValueError(
                f"class {name!r} has no image for {part} if the {len(np.unique(groups))} {by}s are kept "
                f"apart and {fraction:g} of them held out for {purpose}; use a complete copy of the data"
            )
    return split.subset(remaining), split.subset(held)
