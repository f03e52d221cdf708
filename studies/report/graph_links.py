"""A stored digraph of units as links in arrays."""

from __future__ import annotations

import networkx as nx
import numpy as np

from pruning.topology import Column, UnitLinks
from studies.topology_store import column_totals


def links_of_digraph(graph: nx.DiGraph, *, step: int = 0, epoch: int = 0, sparsity: float = 0.0) -> UnitLinks:
    """Links of a graph with nodes ``(column, unit)``, the inverse of `UnitLinks.to_digraph`.

    Parameters
    ----------
    graph : networkx.DiGraph
        Node attribute ``layer``; edge attributes ``weight`` (live gates, 1 without it) and, on every edge or
        on none, ``expression``. A sample of the units tells the sizes of whole columns in the graph's
        attribute ``column_units``.
    step, epoch, sparsity
        Of the snapshot.

    Raises
    ------
    ValueError
        If a node is not a pair of whole numbers, or an edge does not lead to a later column.

    Examples
    --------
    >>> graph = nx.DiGraph([((0, 1), (1, 0))])
    >>> links = links_of_digraph(graph)
    >>> links.columns[0].units, links.source.tolist(), links.target.tolist()
    (2, [1], [2])
    """
    names: dict[int, str] = {}
    highest: dict[int, int] = {}
    for node, data in graph.nodes(data=True):
        if not (isinstance(node, tuple) and len(node) == 2):
            raise ValueError(f"nodes must be pairs (layer index, unit), got {node!r}")
        column, unit = node
        names.setdefault(column, str(data.get("layer", column)))
        highest[column] = max(highest.get(column, 0), unit + 1)
    columns, first = [], {}
    total = 0
    for column, units in column_totals(graph).items():
        units = max(units, highest.get(column, 0))
        columns.append(Column(name=names.get(column, str(column)), units=units, first=total))
        first[column] = total
        total += units
    edges = list(graph.edges(data=True))
    for a, b, _ in edges:
        if a[0] >= b[0]:
            raise ValueError(f"every edge must lead to a later column, got {a!r} to {b!r}")
    source = np.array([first[a[0]] + a[1] for a, _, _ in edges], dtype=np.int64)
    target = np.array([first[b[0]] + b[1] for _, b, _ in edges], dtype=np.int64)
    order = np.lexsort((source, target))
    levels = [data.get("expression") for _, _, data in edges]
    known = bool(levels) and None not in levels
    return UnitLinks(
        columns=tuple(columns),
        source=source[order],
        target=target[order],
        gates=np.array([int(data.get("weight", 1)) for _, _, data in edges], dtype=np.int64)[order],
        expression=np.array(levels, dtype=np.float32)[order] if known else None,
        step=step,
        epoch=epoch,
        sparsity=sparsity,
    )
