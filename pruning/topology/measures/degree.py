"""Density by layer, and the degrees of units."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pruning.topology.layers import LayerTopology
from pruning.topology.links import UnitLinks
from pruning.topology.measures.blocks import blocks

Direction = Literal["in", "out", "all"]
"""Links that arrive, links that leave, or both."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockDensity:
    """How full the matrix from one column to another is.

    Attributes
    ----------
    source, target : str
        Names of the columns.
    links, pairs : int
        Linked pairs of units, and all pairs (those across the groups of a grouped convolution left out where
        the layers are given).
    gates : int
        Live gates of the links.
    gate_density : float or None
        Live fraction of the target layer's gates, over all its sources; None without the layers.
    """

    source: str
    target: str
    links: int
    pairs: int
    gates: int
    gate_density: float | None

    @property
    def link_density(self) -> float:
        """Fraction of pairs that are linked."""
        return self.links / self.pairs


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DegreeSummary:
    """Degrees of one column in one direction.

    Attributes
    ----------
    column : str
        Its name.
    direction : str
        ``"in"``, ``"out"`` or ``"all"``.
    counts : ndarray of int64
        Units of degree 0, 1, 2, …
    mean, std, gini : float
        Over the column's units; the Gini coefficient is 0 where all are equal and NaN where all are 0.
    chance_std : float
        Standard deviation were the links strewn at random, see :func:`chance_degrees`.
    smallest, largest : int
        Degrees.
    """

    column: str
    direction: Direction
    counts: NDArray[np.int64] = field(repr=False)
    mean: float
    std: float
    gini: float
    chance_std: float
    smallest: int
    largest: int


def densities(links: UnitLinks, layers: Sequence[LayerTopology] | None = None) -> tuple[BlockDensity, ...]:
    """Density of links and of gates between each two columns that are linked.

    Parameters
    ----------
    links : UnitLinks
        The graph.
    layers : sequence of LayerTopology, optional
        Of the same snapshot; adds the density of gates and makes allowance for groups.
    """
    known = {layer.name: layer for layer in layers or ()}
    found = []
    for block in blocks(links):
        layer = known.get(block.target.name)
        pairs = block.source.units * block.target.units // (layer.groups if layer else 1)
        found.append(
            BlockDensity(
                source=block.source.name,
                target=block.target.name,
                links=len(block),
                pairs=pairs,
                gates=int(block.gates.sum()),
                gate_density=layer.density if layer else None,
            )
        )
    return tuple(found)


def degrees(links: UnitLinks, direction: Direction = "all") -> NDArray[np.int64]:
    """Links of every unit, shape (nodes,).

    Raises
    ------
    ValueError
        If the direction is not ``"in"``, ``"out"`` or ``"all"``.
    """
    ends = {"in": (links.target,), "out": (links.source,), "all": (links.source, links.target)}
    if direction not in ends:
        raise ValueError(f"direction must be one of {', '.join(ends)}, got {direction!r}")
    return np.bincount(np.concatenate(ends[direction]), minlength=links.nodes).astype(np.int64)


def degree_distributions(
    links: UnitLinks, *, groups: Mapping[str, int] | None = None
) -> tuple[DegreeSummary, ...]:
    """Degrees of every column, in and out; a column without links in a direction is left out there.

    ``groups`` as for :func:`chance_degrees`.
    """
    found = []
    directions: tuple[Direction, ...] = ("in", "out")
    for direction in directions:
        everyone = degrees(links, direction)
        chance = chance_degrees(links, direction, groups=groups)[1]
        for column in links.columns:
            own = everyone[column.first : column.first + column.units]
            if own.any():
                found.append(
                    DegreeSummary(
                        column=column.name,
                        direction=direction,
                        counts=np.bincount(own).astype(np.int64),
                        mean=float(own.mean()),
                        std=float(own.std()),
                        gini=gini(own),
                        chance_std=float(chance[column.first]),
                        smallest=int(own.min()),
                        largest=int(own.max()),
                    )
                )
    return tuple(found)


def chance_degrees(
    links: UnitLinks, direction: Direction = "all", *, groups: Mapping[str, int] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each unit's degree, were the links of its columns strewn at random.

    Between columns of R and C units K links fall on the R·C pairs without replacement, so a degree is
    hypergeometric: K draws of C among R·C for a unit of the first. (A null that keeps degrees has nothing to
    say about degrees; this is the one that does.) Into a column of G groups there are G times fewer pairs,
    for a unit and in all.

    Parameters
    ----------
    links : UnitLinks
        The graph.
    direction : {"in", "out", "all"}
        Links that count.
    groups : mapping of str to int, optional
        Groups of the grouped convolutions by the name of their column, without which their links are strewn
        over pairs that cannot be linked.

    Returns
    -------
    mean, std : ndarray
        Each of shape (nodes,).
    """
    degrees(links, direction)  # refuses a wrong direction
    mean, variance = np.zeros(links.nodes), np.zeros(links.nodes)
    for block in blocks(links):
        rows, cols, drawn = block.source.units, block.target.units, len(block)
        pairs = max(rows * cols / (groups or {}).get(block.target.name, 1), drawn)
        for column, size, wanted in ((block.source, cols, "out"), (block.target, rows, "in")):
            if direction in (wanted, "all"):
                share = size / (rows * cols)
                spread = drawn * share * (1 - share) * (pairs - drawn) / max(pairs - 1, 1)
                mean[column.first : column.first + column.units] += drawn * share
                variance[column.first : column.first + column.units] += spread
    return mean, np.sqrt(variance)


def gini(values: NDArray[np.int64]) -> float:
    """Gini coefficient of inequality of numbers that are not negative; NaN where their sum is 0.

    >>> gini(np.array([1, 1, 1])), round(gini(np.array([0, 0, 3])), 3)
    (0.0, 0.667)
    """
    total = float(values.sum())
    if not total:
        return math.nan
    count = len(values)
    ranks = 2 * np.arange(1, count + 1) - count - 1
    return float((ranks * np.sort(values)).sum() / (count * total))
