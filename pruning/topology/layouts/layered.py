"""Columns side by side, units ordered so that few edges cross."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pruning.topology.layouts.crossings import count_crossings
from pruning.topology.layouts.layout import Drawable, GraphArrays, Layout, graph_arrays


def layered_layout(graph: Drawable, *, sweeps: int = 6) -> Layout:
    """Draw columns at x = 0, 1, … and their units at heights in (0, 1), evenly spread.

    Each sweep goes through the columns forwards and back and sorts the units of each by the mean height of
    their neighbours on the side it comes from (Sugiyama, Tagawa and Toda, 1981); a unit without any keeps
    its height, and ties are reversed in every other sweep. An edge that skips columns counts with its other
    end's height. The order with the fewest crossings between pairs of columns is kept, the units' own order
    among those tried, so that the result is never worse than that. No randomness.

    Parameters
    ----------
    graph : networkx.DiGraph or UnitLinks
        Nodes are pairs (column, unit).
    sweeps : int
        At most so many, fewer when nothing changes any more. 0 keeps the units' own order.

    Raises
    ------
    ValueError
        If nodes are no pairs, or ``sweeps`` is negative.

    Examples
    --------
    >>> import networkx as nx
    >>> graph = nx.DiGraph([((0, 0), (1, 1)), ((0, 1), (1, 0))])
    >>> layered_layout(graph).positions()[1, 0]
    (1.0, 0.75)
    """
    if not isinstance(sweeps, int) or sweeps < 0:
        raise ValueError(f"sweeps must be an integer of at least 0, got {sweeps!r}")
    arrays = graph_arrays(graph)
    sizes = np.bincount(arrays.column) if len(arrays.column) else np.zeros(0, dtype=np.int64)
    members = [np.flatnonzero(arrays.column == column) for column in range(len(sizes))]
    rank = np.zeros(len(arrays.nodes), dtype=np.int64)
    for units in members:
        rank[units] = np.arange(len(units))
    best, fewest = rank.copy(), crossings(arrays, rank)
    sides = (_grouped(arrays.target, arrays.source, arrays), _grouped(arrays.source, arrays.target, arrays))
    still = 0
    for sweep in range(sweeps):
        before = rank.copy()
        for side, columns in zip(sides, (members, members[::-1]), strict=True):
            for units in columns:
                if len(units):
                    _sort(units, side, rank, sizes, arrays.column, reverse=sweep % 2 == 1)
        count = crossings(arrays, rank)
        if count < fewest:
            best, fewest = rank.copy(), count
        still = still + 1 if np.array_equal(before, rank) else 0
        if still == 2:
            break
    heights = (best + 0.5) / sizes[arrays.column] if len(best) else np.zeros(0)
    xy = np.stack([arrays.column.astype(np.float64), heights], axis=1)
    return Layout(nodes=arrays.nodes, xy=xy, method="layered")


def crossings(arrays: GraphArrays, rank: NDArray[np.int64]) -> int:
    """Crossings between every pair of columns, over all pairs."""
    if not len(arrays.source):
        return 0
    width = int(arrays.column.max()) + 1
    pair = arrays.column[arrays.source] * width + arrays.column[arrays.target]
    order = np.argsort(pair, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(pair[order])) + 1)
    return sum(count_crossings(rank[arrays.source[part]], rank[arrays.target[part]]) for part in parts)


_Side = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _grouped(ends: NDArray[np.int64], others: NDArray[np.int64], arrays: GraphArrays) -> _Side:
    """Edges sorted by one end's node, and where each node's edges start."""
    order = np.argsort(ends, kind="stable")
    starts = np.searchsorted(ends[order], np.arange(len(arrays.nodes) + 1))
    return ends[order], others[order], starts


def _sort(
    units: NDArray[np.int64],
    side: _Side,
    rank: NDArray[np.int64],
    sizes: NDArray[np.int64],
    column: NDArray[np.int64],
    reverse: bool,
) -> None:
    """Sort one column's units, consecutive node numbers, by their neighbours' mean height, in place.

    Ties keep their order or reverse it, which lets the sweeps leave an order that is stuck.
    """
    ends, others, starts = side
    edges = slice(starts[units[0]], starts[units[-1] + 1])
    near = others[edges]
    heights = (rank[near] + 0.5) / sizes[column[near]]
    count = np.bincount(ends[edges] - units[0], minlength=len(units))
    total = np.bincount(ends[edges] - units[0], heights, minlength=len(units))
    own = (rank[units] + 0.5) / len(units)
    wanted = np.where(count > 0, total / np.maximum(count, 1), own)
    ties = -rank[units] if reverse else rank[units]
    rank[units[np.lexsort((ties, wanted.round(12)))]] = np.arange(len(units))
