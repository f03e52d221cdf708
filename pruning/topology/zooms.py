"""Two zooms on a network's graph: whole layers, and units."""

from typing import Any

import networkx as nx
import numpy as np

from pruning.topology.links import UnitLinks


def layer_graph(links: UnitLinks) -> nx.DiGraph:
    """Graph of whole columns: layers and inputs of the network.

    Returns
    -------
    networkx.DiGraph
        Nodes are column names, with attributes ``column`` (its number), ``units``, ``live_units`` (with a
        link at least), ``in_links`` and ``out_links``. Edges have ``links``, ``gates`` (live ones, once for
        each link they belong to), ``density`` (linked fraction of all pairs of units) and, where the links
        know it, ``expression`` (mean over those gates).
    """
    graph = nx.DiGraph(step=links.step, epoch=links.epoch, sparsity=links.sparsity)
    column = links.column_of()
    width = len(links.columns)
    live = np.zeros(links.nodes, dtype=bool)
    live[links.source] = live[links.target] = True
    counted = {
        "live_units": np.bincount(column[live], minlength=width),
        "in_links": np.bincount(column[links.target], minlength=width),
        "out_links": np.bincount(column[links.source], minlength=width),
    }
    for place, own in enumerate(links.columns):
        numbers = {name: int(values[place]) for name, values in counted.items()}
        graph.add_node(own.name, column=place, units=own.units, **numbers)
    pairs, index = np.unique(column[links.source] * width + column[links.target], return_inverse=True)
    number = np.bincount(index, minlength=len(pairs))
    gates = np.bincount(index, links.gates, minlength=len(pairs))
    if links.expression is not None:
        summed = np.bincount(index, links.expression.astype(np.float64) * links.gates, minlength=len(pairs))
    for place, pair in enumerate(pairs.tolist()):
        source, target = links.columns[pair // width], links.columns[pair % width]
        attributes: dict[str, Any] = {
            "links": int(number[place]),
            "gates": int(gates[place]),
            "density": float(number[place]) / (source.units * target.units),
        }
        if links.expression is not None:
            attributes["expression"] = float(summed[place] / gates[place])
        graph.add_edge(source.name, target.name, **attributes)
    return graph


def unit_graph(links: UnitLinks, maximum_units: int | None = 64) -> nx.DiGraph:
    """Graph of units, of a sample of them where there are many.

    Of every column the units of highest degree (links in and out) are shown, ties by number, and the links
    between them.

    Parameters
    ----------
    links : UnitLinks
        Of a snapshot.
    maximum_units : int or None
        Units shown of a column; None shows all.

    Returns
    -------
    networkx.DiGraph
        As :meth:`UnitLinks.to_digraph`, with graph attributes ``column_units`` (units of every column),
        ``hidden_units`` and ``hidden_links`` (how many are not shown).

    Raises
    ------
    ValueError
        If ``maximum_units`` is not positive.
    """
    if maximum_units is not None and (not isinstance(maximum_units, int) or maximum_units < 1):
        raise ValueError(f"maximum_units must be at least 1 unit a column, or None, got {maximum_units!r}")
    shown = np.ones(links.nodes, dtype=bool)
    if maximum_units is not None:
        column = links.column_of()
        degree = np.bincount(links.source, minlength=links.nodes)
        degree += np.bincount(links.target, minlength=links.nodes)
        first = np.array([own.first for own in links.columns], dtype=np.int64)
        rank = np.empty(links.nodes, dtype=np.int64)
        order = np.lexsort((np.arange(links.nodes), -degree, column))
        rank[order] = np.arange(links.nodes) - first[column[order]]
        shown = rank < maximum_units
    kept = shown[links.source] & shown[links.target]
    part = UnitLinks(
        columns=links.columns,
        source=links.source[kept],
        target=links.target[kept],
        gates=links.gates[kept],
        expression=None if links.expression is None else links.expression[kept],
        step=links.step,
        epoch=links.epoch,
        sparsity=links.sparsity,
    )
    graph = part.to_digraph()
    names = list(graph.nodes)  # to_digraph names the nodes in their order
    graph.remove_nodes_from([names[node] for node in np.flatnonzero(~shown).tolist()])
    graph.graph["column_units"] = {place: own.units for place, own in enumerate(links.columns)}
    graph.graph["hidden_units"] = int((~shown).sum())
    graph.graph["hidden_links"] = int((~kept).sum())
    return graph
