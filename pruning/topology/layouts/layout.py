"""Positions of units, and the arrays that layouts are computed from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from pruning.topology.links import UnitLinks

Node = tuple[int, int]
Drawable: TypeAlias = nx.DiGraph | UnitLinks
"""A graph with nodes (column, unit), or the links of all units."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Layout:
    """Positions of units, computed once for a run and kept from epoch to epoch.

    Attributes
    ----------
    nodes : tuple of (int, int)
        Pairs (column, unit), as in the graphs.
    xy : ndarray of float64
        Positions, shape (nodes, 2).
    method : str
        How they were found: "layered", "igraph" or "spectral".
    """

    nodes: tuple[Node, ...] = field(repr=False)
    xy: NDArray[np.float64] = field(repr=False)
    method: str

    def __len__(self) -> int:
        return len(self.nodes)

    def positions(self) -> dict[Node, tuple[float, float]]:
        """Position of every node, as networkx and :func:`pruning.topology.write_graph` take it."""
        return dict(zip(self.nodes, map(tuple, self.xy.tolist()), strict=True))

    def displacement(self, other: Layout) -> float:
        """Mean distance between the positions of the nodes that both have, in root-mean-square radii of this.

        Raises
        ------
        ValueError
            If they share no node.
        """
        place = {node: index for index, node in enumerate(other.nodes)}
        own = [index for index, node in enumerate(self.nodes) if node in place]
        if not own:
            raise ValueError("the layouts must share at least one node to be compared, they share none")
        theirs = other.xy[[place[self.nodes[index]] for index in own]]
        moved = float(np.linalg.norm(self.xy[own] - theirs, axis=1).mean())
        return moved / radius(self.xy) if moved else 0.0

    def extended(self, graph: Drawable) -> Layout:
        """Place the nodes of a later graph that this layout lacks; all others stay where they are.

        In a layered layout a new unit goes into the gap of its column nearest to the mean height of the
        neighbours that have a place; in another beside the mean position of these neighbours, or, without
        any, beside the middle.
        """
        arrays = graph_arrays(graph)
        known = {node: index for index, node in enumerate(self.nodes)}
        new = [index for index, node in enumerate(arrays.nodes) if node not in known]
        if not new:
            return self
        xy = np.full((len(arrays.nodes), 2), np.nan)
        for index, node in enumerate(arrays.nodes):
            if node in known:
                xy[index] = self.xy[known[node]]
        middle = self.xy.mean(0) if len(self.xy) else np.zeros(2)
        wanted = _neighbour_means(arrays, xy, middle)
        place = _beside if self.method != "layered" else _into_gaps
        added = place([arrays.nodes[index] for index in new], wanted[new], self)
        return Layout(
            nodes=(*self.nodes, *(arrays.nodes[index] for index in new)),
            xy=np.concatenate([self.xy, added]),
            method=self.method,
        )


@dataclass(frozen=True, slots=True, eq=False)
class GraphArrays:
    """A graph as arrays: nodes with their column, links between places among the nodes."""

    nodes: tuple[Node, ...]
    column: NDArray[np.int64]
    source: NDArray[np.int64]
    target: NDArray[np.int64]


def graph_arrays(graph: Drawable) -> GraphArrays:
    """Arrays of a graph.

    Raises
    ------
    ValueError
        If its nodes are not pairs (column, unit).
    """
    if isinstance(graph, UnitLinks):
        column = graph.column_of()
        first = np.array([own.first for own in graph.columns], dtype=np.int64)
        unit = np.arange(graph.nodes) - first[column] if len(column) else column
        nodes = tuple(zip(column.tolist(), unit.tolist(), strict=True))
        return GraphArrays(nodes, column, graph.source, graph.target)
    nodes = tuple(sorted(graph.nodes)) if all(map(_is_unit, graph.nodes)) else ()
    if len(nodes) != len(graph):
        odd = next(node for node in graph.nodes if not _is_unit(node))
        raise ValueError(f"a layout needs nodes that are pairs (column, unit), got {odd!r}")
    place = {node: index for index, node in enumerate(nodes)}
    ends = np.array([(place[a], place[b]) for a, b in graph.edges()], dtype=np.int64).reshape(-1, 2)
    # Two gates between two units are one line.
    ends = np.unique(ends, axis=0)
    return GraphArrays(
        nodes, np.array([node[0] for node in nodes], dtype=np.int64), ends[:, 0].copy(), ends[:, 1].copy()
    )


def radius(xy: NDArray[np.float64]) -> float:
    """Root-mean-square distance from the middle, at least a tiny number."""
    return max(float(np.sqrt(((xy - xy.mean(0)) ** 2).sum(1).mean())), 1e-12)


def _is_unit(node: object) -> bool:
    return isinstance(node, tuple) and len(node) == 2 and all(isinstance(part, int) for part in node)


def _neighbour_means(
    arrays: GraphArrays, xy: NDArray[np.float64], otherwise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean position of each node's neighbours that have one."""
    ends = np.concatenate([arrays.source, arrays.target])
    others = np.concatenate([arrays.target, arrays.source])
    placed = ~np.isnan(xy[others, 0])
    ends, others = ends[placed], others[placed]
    size = len(arrays.nodes)
    count = np.bincount(ends, minlength=size)[:, None]
    total = np.stack([np.bincount(ends, xy[others, axis], minlength=size) for axis in (0, 1)], axis=1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), otherwise))


def _beside(nodes: list[Node], wanted: NDArray[np.float64], layout: Layout) -> NDArray[np.float64]:
    """Around the wanted positions, no two in one place, whatever their order."""
    spread = 0.02 * (radius(layout.xy) if len(layout) else 1.0)
    angle = np.array([2.399963 * unit + column for column, unit in nodes])  # the golden angle
    return np.asarray(wanted + spread * np.stack([np.cos(angle), np.sin(angle)], axis=1))


def _into_gaps(nodes: list[Node], wanted: NDArray[np.float64], layout: Layout) -> NDArray[np.float64]:
    heights: dict[int, list[float]] = {}
    for (column, _), (_, height) in zip(layout.nodes, layout.xy.tolist(), strict=True):
        heights.setdefault(column, []).append(height)
    placed = []
    for (column, _), height in zip(nodes, wanted[:, 1], strict=True):
        taken = np.array([0.0, *sorted(heights.setdefault(column, [])), 1.0])
        gaps = (taken[1:] + taken[:-1]) / 2
        own = float(gaps[np.argmin(np.abs(gaps - height))])
        heights[column].append(own)
        placed.append((float(column), own))
    return np.array(placed)
