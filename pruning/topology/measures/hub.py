"""Units with far more links than others of their column, and whether they stay so."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from pruning.topology.links import UnitLinks
from pruning.topology.measures.degree import Direction, chance_degrees, degrees


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlap:
    """Hubs of two snapshots, against hubs drawn at random within each column.

    Attributes
    ----------
    before, after, shared : int
        Hubs of either snapshot, and of both.
    jaccard : float
        Shared over all that are hubs at least once; NaN where there are none.
    chance_shared, chance_std, chance_jaccard : float
        Mean and standard deviation of `shared`, and mean of `jaccard`, if as many units of each column were
        drawn at random as it has hubs.
    z : float or None
        (shared - chance_shared) / chance_std; None where chance leaves no choice.
    p : float
        Probability of at least so many shared ones by chance, exact.
    """

    before: int
    after: int
    shared: int
    jaccard: float
    chance_shared: float
    chance_std: float
    chance_jaccard: float
    z: float | None
    p: float


def hubs(
    links: UnitLinks,
    direction: Direction = "all",
    *,
    rule: Literal["chance", "decile"] = "chance",
    deviations: float = 2.0,
    groups: Mapping[str, int] | None = None,
) -> NDArray[np.bool_]:
    """Which units are hubs, shape (nodes,).

    Parameters
    ----------
    links : UnitLinks
        The graph.
    direction : {"in", "out", "all"}
        Links that count.
    rule : {"chance", "decile"}
        ``"chance"``: degree above mean + `deviations` standard deviations of links strewn at random between
        the same columns (:func:`chance_degrees`; a null that keeps degrees cannot tell hubs).
        ``"decile"``: degree above that of nine tenths of the column's units, of fewer than ten units above
        that of all others; equal degrees make no hubs.
    deviations : float
        For ``"chance"``.
    groups : mapping of str to int, optional
        For ``"chance"``: groups of the grouped convolutions by the name of their column.

    Raises
    ------
    ValueError
        If direction or rule is unknown.
    """
    own = degrees(links, direction)
    if rule == "chance":
        mean, std = chance_degrees(links, direction, groups=groups)
        return np.asarray(own > mean + deviations * std + 1e-9)
    if rule != "decile":
        raise ValueError(f"rule must be 'chance' or 'decile', got {rule!r}")
    found = np.zeros(links.nodes, dtype=bool)
    for column in (each for each in links.columns if each.units):
        part = own[column.first : column.first + column.units]
        edge = np.sort(part)[max(column.units - math.ceil(column.units / 10) - 1, 0)]
        found[column.first : column.first + column.units] = part > edge
    return found


def hub_overlap(before: NDArray[np.bool_], after: NDArray[np.bool_], links: UnitLinks) -> Overlap:
    """Compare the hubs of two snapshots with those that chance would share.

    Parameters
    ----------
    before, after : ndarray of bool
        From :func:`hubs`, shape (nodes,).
    links : UnitLinks
        Any of the two graphs, for its columns.

    Raises
    ------
    ValueError
        If the arrays do not have one entry a unit.
    """
    for name, array in (("before", before), ("after", after)):
        if array.shape != (links.nodes,):
            raise ValueError(f"{name} must have one entry for each of {links.nodes} units, got {array.shape}")
    chances = np.ones(1)  # of 0, 1, 2, … shared ones; columns are independent, so their laws convolve
    mean = variance = 0.0
    for column in (each for each in links.columns if each.units):
        part = slice(column.first, column.first + column.units)
        units, one, two = column.units, int(before[part].sum()), int(after[part].sum())
        shares = np.arange(min(one, two) + 1)
        chances = np.convolve(chances, hypergeom.pmf(shares, units, one, two))
        mean += one * two / units
        variance += one * two * (units - one) * (units - two) / (units**2 * max(units - 1, 1))
    first, second = int(before.sum()), int(after.sum())
    shared = int((before & after).sum())
    either = first + second - np.arange(len(chances))
    std = math.sqrt(variance)
    return Overlap(
        before=first,
        after=second,
        shared=shared,
        jaccard=shared / (first + second - shared) if first + second else math.nan,
        chance_shared=mean,
        chance_std=std,
        chance_jaccard=(
            float((chances * np.arange(len(chances)) / either).sum()) if first + second else math.nan
        ),
        z=(shared - mean) / std if std > 0 else None,
        p=min(1.0, float(chances[shared:].sum())),
    )
