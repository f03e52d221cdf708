"""Emotions as facial action units, after the Facial Action Coding System."""

from types import MappingProxyType

import numpy as np

ACTION_UNITS = MappingProxyType(
    {
        1: "inner brow raiser",
        2: "outer brow raiser",
        4: "brow lowerer",
        5: "upper lid raiser",
        6: "cheek raiser",
        7: "lid tightener",
        9: "nose wrinkler",
        10: "upper lip raiser",
        12: "lip corner puller",
        15: "lip corner depressor",
        16: "lower lip depressor",
        17: "chin raiser",
        20: "lip stretcher",
        23: "lip tightener",
        25: "lips part",
        26: "jaw drop",
        43: "eyes closed",
    }
)
"""Number and name of every unit the renderer knows."""

UPPER_FACE = frozenset({1, 2, 4, 5, 6, 7, 43})
"""Units of brows, lids and cheeks; the others move nose and mouth."""

PROTOTYPES = MappingProxyType(
    {
        "angry": (
            {4: 1.0, 5: 0.5, 7: 0.6, 17: 0.5, 23: 1.0},
            {4: 1.0, 5: 0.5, 7: 0.4, 10: 0.7, 16: 0.9, 23: 0.3, 25: 0.9, 26: 0.25},
        ),
        "disgust": (
            {4: 0.4, 7: 0.5, 9: 1.0, 10: 0.7, 15: 0.5, 17: 0.6},
            {4: 0.35, 6: 0.3, 7: 0.5, 9: 1.0, 10: 1.0, 16: 0.4, 25: 0.6},
        ),
        "fear": (
            {1: 1.0, 2: 0.6, 4: 0.5, 5: 1.0, 20: 1.0, 25: 0.7},
            {1: 1.0, 2: 0.5, 4: 0.6, 5: 0.9, 16: 0.4, 20: 0.9, 25: 0.9, 26: 0.5},
        ),
        "happy": (
            {6: 0.8, 12: 0.9},
            {6: 1.0, 12: 1.0, 25: 0.8, 26: 0.2},
        ),
        "sad": (
            {1: 1.0, 4: 0.4, 15: 1.0, 17: 0.5, 43: 0.3},
            {1: 0.9, 4: 0.6, 6: 0.3, 7: 0.2, 15: 0.9, 17: 0.9, 43: 0.2},
        ),
        "surprise": (
            {1: 1.0, 2: 1.0, 5: 0.7, 25: 1.0, 26: 0.7},
            {1: 1.0, 2: 1.0, 5: 0.9, 25: 1.0, 26: 1.0},
        ),
        "neutral": ({}, {}),
    }
)
"""Two variants an emotion: the units it recruits, each with its intensity at full expression, in [0, 1].

The unit sets follow the prototypes of Ekman, Friesen and Hager (2002), *Facial Action Coding System:
investigator's guide*; the intensities, and the choice of a closed- and an open-mouthed variant, are ours.
"""


def express(
    emotions: list[str], variants: np.ndarray, intensity: np.ndarray, variation: np.ndarray, rest: np.ndarray
) -> dict[int, np.ndarray]:
    """Intensities of all action units for a batch of expressions.

    Parameters
    ----------
    emotions : list of str
        N names out of `PROTOTYPES`.
    variants : ndarray
        Index of the prototype's variant, shape (N,).
    intensity : ndarray
        Strength of the upper and of the lower face, 0 (neutral) to about 1, shape (N, 2).
    variation : ndarray
        Factor on every unit, about 1, shape (N, units) in the order of `ACTION_UNITS`.
    rest : ndarray
        What the face shows at rest, added to every unit, shape (N, units).

    Returns
    -------
    dict of int to ndarray
        One array (N,) a unit, in [0, 1.25]: harder than that no face moves.

    Examples
    --------
    >>> units = len(ACTION_UNITS)
    >>> one, none = np.ones((1, units)), np.zeros((1, units))
    >>> au = express(["happy"], np.array([1]), np.array([[0.5, 1.0]]), one, none)
    >>> au[6].item(), au[12].item(), au[4].item()
    (0.5, 1.0, 0.0)
    """
    recruited = [PROTOTYPES[name][variant] for name, variant in zip(emotions, variants, strict=True)]
    result = {}
    for column, unit in enumerate(ACTION_UNITS):
        prototype = np.array([units.get(unit, 0.0) for units in recruited])
        strength = intensity[:, 0 if unit in UPPER_FACE else 1]
        moved = prototype * strength * variation[:, column] + rest[:, column]
        result[unit] = np.clip(moved, 0.0, 1.25)
    return result
