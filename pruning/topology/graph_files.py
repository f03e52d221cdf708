"""Graphs as files for Cytoscape, Gephi and others: GraphML, GEXF and JSON."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import networkx as nx
import numpy as np

from pruning.checkpoint import write_atomically
from pruning.topology.layouts import Layout

Graph: TypeAlias = nx.DiGraph | nx.MultiDiGraph
SUFFIXES = (".graphml", ".gexf", ".cyjs", ".json")


def write_graph(graph: Graph, path: str | Path, *, layout: Layout | None = None) -> Path:
    """Write a graph in the format that the file's suffix names, whole or not at all.

    ``.graphml`` (Cytoscape, Gephi, yEd, igraph), ``.gexf`` (Gephi), ``.cyjs`` or ``.json`` (Cytoscape's own
    JSON, for the desktop program and cytoscape.js). Nodes have string identifiers: ``"2:17"`` is unit 17 of
    column 2, a column keeps its name. Attributes keep their types; a value of None is left out, a list or
    mapping is written as JSON text. Positions become ``x`` and ``y`` in GraphML, ``viz:position`` in GEXF and
    ``position`` in JSON; GEXF and GraphML have y upwards, Cytoscape downwards, so that JSON has -y.

    Parameters
    ----------
    graph : networkx.DiGraph or networkx.MultiDiGraph
        At any zoom.
    path : str or Path
        Target.
    layout : Layout, optional
        Positions for the nodes, which must be pairs (column, unit). They are scaled to some 1,000 units of
        the drawing.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    ValueError
        If the suffix is unknown, the layout lacks a node, two nodes have one identifier, or an attribute has
        a number that is not finite.

    Examples
    --------
    >>> import tempfile
    >>> graph = nx.DiGraph([((0, 0), (1, 0))])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     list(nx.read_graphml(write_graph(graph, folder + "/net.graphml")).edges)
    [('0:0', '1:0')]
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"a graph file must end in one of {', '.join(SUFFIXES)}, got {path.name!r}")
    plain = _plain_graph(graph)
    positions = {} if layout is None else _scaled(graph, layout)
    if suffix == ".graphml":
        for name, (x, y) in positions.items():
            plain.nodes[name].update(x=x, y=y)
        content = _graphml(plain)
    elif suffix == ".gexf":
        content = _gexf(plain, positions)
    else:
        content = json.dumps(_cytoscape(plain, positions), allow_nan=False).encode()
    write_atomically(path, content)
    return path


def write_graph_history(
    graphs: Sequence[Graph], path: str | Path, *, times: Sequence[float] | None = None, layout: Layout | None
) -> Path:
    """Write the graphs of several epochs as one dynamic GEXF file, which Gephi plays along its timeline.

    An edge lives in spells, from the epoch that it is seen in until the next one in which it is missing; the
    last epoch lasts as long as the one before it. Nodes live throughout. Node attributes are those of the
    last graph with the node; edges carry ``weight`` and ``expression`` of the last graph with the edge.

    Parameters
    ----------
    graphs : sequence of networkx.DiGraph
        In the order of time.
    path : str or Path
        Target, ending in ``.gexf``.
    times : sequence of float, optional
        Rising; by default the graphs' attribute ``step``.
    layout : Layout or None
        Positions.

    Raises
    ------
    ValueError
        If there are no graphs, one has parallel edges, or the times do not rise or are not one a graph.
    """
    path = Path(path)
    if path.suffix.lower() != ".gexf":
        raise ValueError(f"a history of graphs must be written to a file ending in .gexf, got {path.name!r}")
    if not graphs:
        raise ValueError("a history needs at least one graph, got none")
    if any(graph.is_multigraph() for graph in graphs):
        raise ValueError("a history needs graphs of layers or units, got one with parallel edges")
    if times is None:
        times = [graph.graph.get("step", place) for place, graph in enumerate(graphs)]
    moments = [float(time) for time in times]
    if len(moments) != len(graphs) or any(b <= a for a, b in pairwise(moments)):
        raise ValueError(f"times must rise, one for each of {len(graphs)} graphs, got {list(times)}")
    after = moments[-1] + (moments[-1] - moments[-2] if len(moments) > 1 else 1.0)
    union = nx.DiGraph(mode="dynamic")
    seen: dict[tuple[Any, Any], list[int]] = {}
    for place, graph in enumerate(graphs):
        union.add_nodes_from(graph.nodes(data=True))
        union.add_edges_from(graph.edges(data=True))
        for edge in graph.edges():
            seen.setdefault(edge, []).append(place)
    plain = _plain_graph(union)
    names = {node: _name(node) for node in union}
    bounds = [*moments, after]
    for (source, target), places in seen.items():
        plain.edges[names[source], names[target]]["spells"] = [
            (bounds[first], bounds[last + 1]) for first, last in _runs(places)
        ]
    write_atomically(path, _gexf(plain, {} if layout is None else _scaled(union, layout)))
    return path


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each run of consecutive numbers."""
    numbers = np.asarray(places)
    breaks = np.flatnonzero(np.diff(numbers) > 1)
    firsts = numbers[np.concatenate([[0], breaks + 1])]
    lasts = numbers[np.concatenate([breaks, [len(numbers) - 1]])]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _name(node: Any) -> str:
    return ":".join(map(str, node)) if isinstance(node, tuple) else str(node)


def _plain_graph(graph: Graph) -> Graph:
    """Copy with string identifiers and attributes of plain types."""
    names = {node: _name(node) for node in graph}
    if len(set(names.values())) != len(names):
        raise ValueError("two nodes of the graph have the same identifier as text; rename one of them")
    plain = graph.__class__(**_plain(graph.graph, "the graph"))
    for node, data in graph.nodes(data=True):
        plain.add_node(names[node], **{"label": names[node], **_plain(data, f"node {names[node]}")})
    parallel = graph.is_multigraph()
    edges = graph.edges(keys=True, data=True) if parallel else graph.edges(data=True)
    for source, target, *key, data in edges:
        own = _plain(data, f"edge {names[source]} to {names[target]}")
        plain.add_edge(names[source], names[target], *map(_name, key), **own)
    return plain


def _plain(data: Mapping[Any, Any], where: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, np.generic):
            value = value.item()
        if value is None:
            continue
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"attributes must be finite numbers, {where} has {key} = {value}")
        if not isinstance(value, bool | int | float | str):
            value = json.dumps(value)
        result[str(key)] = value
    return result


def _scaled(graph: Graph, layout: Layout) -> dict[str, tuple[float, float]]:
    """Positions by identifier, the wider side 1,000 long; a layered layout becomes as high as wide."""
    positions = layout.positions()
    missing = next((node for node in graph if node not in positions), None)
    if missing is not None:
        raise ValueError(
            f"the layout has no place for node {missing!r}; extend it with layout.extended(graph)"
        )
    nodes = list(graph)
    if not nodes:
        return {}
    xy = np.array([positions[node] for node in nodes])
    extent = np.ptp(xy, axis=0)
    if layout.method != "layered":
        extent = np.full(2, extent.max())
    xy = (xy - xy.min(0)) * 1000 / np.where(extent > 0, extent, 1.0)
    return {_name(node): (x, y) for node, (x, y) in zip(nodes, np.round(xy, 3).tolist(), strict=True)}


def _graphml(graph: Graph) -> bytes:
    buffer = io.BytesIO()
    nx.write_graphml_xml(graph, buffer, named_key_ids=True)
    return buffer.getvalue()


def _gexf(graph: Graph, positions: Mapping[str, tuple[float, float]]) -> bytes:
    for name, (x, y) in positions.items():
        graph.nodes[name]["viz"] = {"position": {"x": x, "y": y, "z": 0.0}}
    buffer = io.BytesIO()
    nx.write_gexf(graph, buffer, version="1.2draft")
    return buffer.getvalue()


def _cytoscape(graph: Graph, positions: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    document: dict[str, Any] = nx.cytoscape_data(graph)
    document["data"] = {"name": "regulatory graph", **graph.graph}
    for element in document["elements"]["nodes"]:
        name = element["data"]["id"]
        element["data"].setdefault("name", name)
        if name in positions:
            x, y = positions[name]
            element["position"] = {"x": x, "y": -y}
    for number, element in enumerate(document["elements"]["edges"]):
        element["data"]["id"] = f"e{number}"
    return document
