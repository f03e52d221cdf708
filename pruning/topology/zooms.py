"""Three zooms on a network's graph: layers, units, and the connections around one unit."""

from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from pruning.topology.layers import LayerTopology
from pruning.topology.links import UnitLinks, unit_links
from pruning.topology.snapshot import TopologySnapshot
from pruning.topology.wiring import Wiring, chain_wiring


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


def neighbourhood(
    snapshot: TopologySnapshot,
    column: str,
    unit: int,
    *,
    wiring: Wiring | None = None,
    expression: NDArray[Any] | None = None,
    upstream: int = 1,
    downstream: int = 1,
    maximum_connections: int = 500,
) -> nx.MultiDiGraph:
    """Graph of the single connections around a unit: every live gate on the paths into it and out of it.

    Parameters
    ----------
    snapshot : TopologySnapshot
        With its masks.
    column : str
        The unit's layer, or an input of the network.
    unit : int
        Its number.
    wiring : mapping of str to tuple of Feed, optional
        As for :func:`pruning.topology.unit_links`.
    expression : ndarray, optional
        Of every gate, flat.
    upstream, downstream : int
        Links to go against their direction and along it.
    maximum_connections : int
        Of more, the most expressed are shown, or the first where no expression is given.

    Returns
    -------
    networkx.MultiDiGraph
        Nodes ``(column number, unit)`` with ``layer``, ``unit`` and ``hops`` (negative upstream, 0 the unit
        itself). An edge is a gate: its key and attribute ``gate`` are its number in the flat vector,
        ``place`` its place in the pair's kernel, ``expression`` its own. A unit's gate shows on each of the
        pairs that it silences. Graph attributes ``column``, ``unit`` and ``hidden_connections``.

    Raises
    ------
    ValueError
        If there is no such unit, a number of hops is negative, or the expression has another length.
    """
    for name, value, least in (
        ("upstream", upstream, 0),
        ("downstream", downstream, 0),
        ("maximum_connections", maximum_connections, 1),
    ):
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    if expression is not None and np.shape(expression) != (snapshot.total,):
        raise ValueError(
            f"expression must hold a level for each of {snapshot.total} gates, got {np.shape(expression)}"
        )
    wiring = chain_wiring(snapshot.layers) if wiring is None else wiring
    links = unit_links(snapshot, wiring)
    centre = _node_of(links, column, unit)
    hops = {centre: 0}
    wanted = np.zeros(len(links), dtype=bool)
    for near, far, count, sign in (
        (links.target, links.source, upstream, -1),
        (links.source, links.target, downstream, 1),
    ):
        frontier = np.array([centre])
        for hop in range(1, count + 1):
            crossed = np.isin(near, frontier)
            wanted |= crossed
            frontier = np.unique(far[crossed])
            for node in frontier.tolist():
                hops.setdefault(node, sign * hop)
    keys = links.target[wanted] * links.nodes + links.source[wanted]
    gates = _gates_of(snapshot, wiring, links, keys)
    hidden = max(0, gates.shape[1] - maximum_connections)
    if hidden:
        level = -gates[2].astype(float) if expression is None else np.asarray(expression)[gates[2]]
        gates = gates[:, np.sort(np.argsort(-level, kind="stable")[:maximum_connections])]
    return _connections(links, gates, hops, expression, column=column, unit=unit, hidden_connections=hidden)


def _node_of(links: UnitLinks, column: str, unit: int) -> int:
    own = next((own for own in links.columns if own.name == column), None)
    if own is None:
        known = ", ".join(repr(other.name) for other in links.columns)
        raise ValueError(f"column must name a layer or an input, one of {known}, got {column!r}")
    if not isinstance(unit, int) or not 0 <= unit < own.units:
        raise ValueError(f"unit must be from 0 to {own.units - 1} in column {column!r}, got {unit!r}")
    return own.first + unit


def _gates_of(
    snapshot: TopologySnapshot, wiring: Wiring, links: UnitLinks, keys: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Source node, target node, number and place of every live gate of the links with the given keys."""
    first = {own.name: own.first for own in links.columns}
    parts = [np.empty((4, 0), dtype=np.int64)]
    start = 0
    for layer in snapshot.layers:
        low, high = first[layer.name] * links.nodes, (first[layer.name] + layer.outputs) * links.nodes
        own = keys[(keys >= low) & (keys < high)]
        if len(own):
            row, read, place, gate = _live_gates(layer, snapshot.mask(layer.name), own // links.nodes, first)
            for feed in wiring[layer.name]:
                carried = feed.units[read]
                source = first[feed.source] + carried
                target = first[layer.name] + row
                chosen = (carried >= 0) & np.isin(target * links.nodes + source, own)
                parts.append(np.stack([source[chosen], target[chosen], start + gate[chosen], place[chosen]]))
        start += layer.total
    return np.unique(np.concatenate(parts, axis=1), axis=1)  # an input may be fed twice by one unit


def _live_gates(
    layer: LayerTopology, mask: NDArray[np.bool_], targets: NDArray[np.int64], first: dict[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Output, input, place in the kernel and number within the layer of the live gates of some units."""
    rows = np.unique(targets) - first[layer.name]
    flat = mask.reshape(layer.outputs, layer.layout[2], layer.layout[3])[rows]
    which, inner, place = flat.nonzero()
    row = rows[which]
    gate = (row * layer.layout[2] + inner) * layer.layout[3] + place
    inputs, outputs = layer.inputs // layer.groups, layer.outputs // layer.groups
    if layer.layout[2] != inputs:  # a unit's gate silences all pairs of its group
        row, place, gate = (np.repeat(values, inputs) for values in (row, place, gate))
        inner = np.tile(np.arange(inputs), len(which))
    return row, row // outputs * inputs + inner, place, gate


def _connections(
    links: UnitLinks,
    gates: NDArray[np.int64],
    hops: dict[int, int],
    expression: NDArray[Any] | None,
    **attributes: Any,
) -> nx.MultiDiGraph:
    graph = nx.MultiDiGraph(step=links.step, epoch=links.epoch, sparsity=links.sparsity, **attributes)
    column = links.column_of()
    names = {}
    for node, hop in sorted(hops.items()):
        own = links.columns[column[node]]
        names[node] = (int(column[node]), node - own.first)
        graph.add_node(names[node], layer=own.name, unit=node - own.first, hops=hop)
    levels = None if expression is None else np.asarray(expression)[gates[2]].tolist()
    for index, (source, target, gate, place) in enumerate(gates.T.tolist()):  # few, for a picture
        level = {} if levels is None else {"expression": levels[index]}
        graph.add_edge(names[source], names[target], key=gate, gate=gate, place=place, **level)
    return graph
