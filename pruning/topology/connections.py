"""The closest zoom on a network's graph: the single connections around one unit."""

from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from pruning.topology.layers import LayerTopology
from pruning.topology.links import UnitLinks, unit_links
from pruning.topology.snapshot import TopologySnapshot
from pruning.topology.wiring import Wiring, chain_wiring


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
