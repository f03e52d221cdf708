"""The network as a graph: units in a column a layer, connections between them, still or over training.

A `TopologySnapshot`'s digraph is drawn: nodes ``(layer index, unit)`` with the attribute ``layer``, edges
with ``weight`` (live gates between two units) and, where the policy has one, ``expression``. Layers too
large to read show the units with most connections, and the title says how many.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np
import plotly.graph_objects as go

from studies.report.graph_animation import graph_animation
from studies.report.graph_links import links_of_digraph
from studies.report.style import NEUTRAL, new_figure, policy_style
from studies.topology_store import Node, Snapshot, column_totals, sample_units, spread_evenly

BANDS = 5  # steps of edge opacity; one trace each


def topology_figure(
    graph: nx.DiGraph, *, maximum_units: int = 64, title: str = "The network as it is wired"
) -> go.Figure:
    """Draw one unit-level graph, a column a layer.

    Parameters
    ----------
    graph
        Nodes ``(layer index, unit)``; node attribute ``layer``; edge attributes ``weight`` and, optionally,
        ``expression``. Edges are drawn more opaque with expression where known, else with the number of live
        gates.
    maximum_units
        Units shown a column; those of highest degree are chosen.

    Raises
    ------
    ValueError
        If the graph has no nodes, a node is not a pair of integers, or ``maximum_units`` is below 1.

    Examples
    --------
    >>> graph = nx.DiGraph()
    >>> graph.add_node((0, 0), layer="input"); graph.add_node((1, 0), layer="fc")
    >>> graph.add_edge((0, 0), (1, 0), weight=1)
    >>> [trace.name for trace in topology_figure(graph).data][-1]
    'units'
    """
    shown = sample_units(graph, maximum_units)
    positions = _positions(shown)
    figure = _canvas(graph, shown, title)
    for trace in _traces(graph, shown, positions):
        figure.add_trace(trace)
    return figure


def topology_animation(
    snapshots: Sequence[Snapshot],
    *,
    maximum_units: int = 64,
    maximum_frames: int = 24,
    title: str = "The network as it is pruned",
) -> go.Figure:
    """Draw the graph at several updates with a slider, from snapshots that give digraphs.

    See `studies.report.graph_animation.graph_animation`, which draws it from links as arrays.

    Raises
    ------
    ValueError
        If there are no snapshots, steps do not rise, or a limit is below 1.
    """
    if maximum_units < 1:
        raise ValueError(f"maximum_units must be at least 1 unit a layer, got {maximum_units}")
    if maximum_frames < 1:
        raise ValueError(f"maximum_frames must be at least 1, got {maximum_frames}")
    chosen = spread_evenly(snapshots, maximum_frames)
    graphs = [snapshot.to_digraph() for snapshot in chosen]
    links = [
        links_of_digraph(graph, step=snapshot.step, sparsity=snapshot.sparsity)
        for graph, snapshot in zip(graphs, chosen, strict=True)
    ]
    shown = None
    if links:
        sampled = sample_units(graphs[-1], maximum_units)
        first = {place: column.first for place, column in enumerate(links[-1].columns)}
        shown = [
            np.array([first[place] + unit for _, unit in sampled.get(number, [])], dtype=np.int64)
            for place, number in enumerate(column_totals(graphs[-1]))
        ]
    return graph_animation(
        links,
        maximum_units=maximum_units,
        maximum_frames=maximum_frames,
        shown=shown,
        sampled=bool(links) and "column_units" in graphs[-1].graph,
        title=title,
    )


def _positions(shown: Mapping[int, Sequence[Node]]) -> dict[Node, tuple[float, float]]:
    return {
        node: (float(place), round(1.0 - (rank + 0.5) / len(units), 4))
        for place, units in enumerate(shown.values())
        for rank, node in enumerate(units)
    }


def _canvas(graph: nx.DiGraph, shown: Mapping[int, Sequence[Node]], title: str) -> go.Figure:
    totals = column_totals(graph)
    drawn = {column: len(units) for column, units in shown.items()}
    if any(drawn[column] < totals[column] for column in drawn):
        title += f": {sum(drawn.values())} of {sum(totals.values())} units shown, those with most connections"
    figure = new_figure(title, height=560)
    labels = []
    for column, units in shown.items():
        name = html.escape(str(graph.nodes[units[0]].get("layer", column)))
        size = (
            f"{totals[column]}" if drawn[column] == totals[column] else f"{drawn[column]} of {totals[column]}"
        )
        labels.append(f"{name}<br>{size} units")
    figure.update_xaxes(
        tickvals=list(range(len(shown))), ticktext=labels, side="top",
        showgrid=False, showline=False, ticks="", range=[-0.25, len(shown) - 0.75],
    )  # fmt: skip
    figure.update_yaxes(visible=False, range=[-0.02, 1.02])
    figure.update_layout(showlegend=False, margin={"t": 100, "l": 24, "r": 24, "b": 24})
    return figure


def _traces(
    graph: nx.DiGraph, shown: Mapping[int, Sequence[Node]], positions: Mapping[Node, tuple[float, float]]
) -> list[go.Scatter]:
    """Draw edges in bands of opacity, one trace a band with None between segments, then the units."""
    edges = [(a, b, data) for a, b, data in graph.edges(data=True) if a in positions and b in positions]
    strengths = _strengths([data for _, _, data in edges])
    bands: list[list[tuple[Node, Node]]] = [[] for _ in range(BANDS)]
    for (a, b, _), strength in zip(edges, strengths, strict=True):
        bands[min(int(strength * BANDS), BANDS - 1)].append((a, b))
    style = policy_style("expression")
    fade = min(1.0, max(0.12, (600 / max(len(edges), 1)) ** 0.5))  # many lines would merge into a surface
    traces = [
        go.Scatter(
            x=[x for a, b in band for x in (positions[a][0], positions[b][0], None)],
            y=[y for a, b in band for y in (positions[a][1], positions[b][1], None)],
            mode="lines",
            name=f"connections, strength {place / BANDS:.1f} to {(place + 1) / BANDS:.1f}",
            line={
                "color": style.tint(round(fade * (0.12 + 0.7 * (place + 0.5) / BANDS), 3)),
                "width": 0.6 + 0.25 * fade * place,
            },
            hoverinfo="skip",
        )
        for place, band in enumerate(bands)
    ]
    nodes = [node for units in shown.values() for node in units]
    incoming = Counter(b for _, b, _ in edges)
    outgoing = Counter(a for a, _, _ in edges)
    silent = [incoming[node] + outgoing[node] == 0 for node in nodes]
    traces.append(
        go.Scatter(
            x=[positions[node][0] for node in nodes],
            y=[positions[node][1] for node in nodes],
            mode="markers",
            name="units",
            marker={
                "size": 7,
                "color": [NEUTRAL if alone else style.color for alone in silent],
                "symbol": ["circle-open" if alone else "circle" for alone in silent],
            },
            text=[
                f"layer {node[0]}, unit {node[1]}<br>"
                f"{incoming[node]} connections in, {outgoing[node]} out, of those drawn"
                for node in nodes
            ],
            hovertemplate="%{text}<extra></extra>",
        )
    )
    return traces


def _strengths(edges: Iterable[Mapping[str, Any]]) -> list[float]:
    """Rate every edge in [0, 1]: expression where known, else live gates as a share of the most."""
    listed = list(edges)
    most = max((float(data.get("weight", 1)) for data in listed), default=1.0)
    return [
        float(np.clip(data["expression"], 0.0, 1.0))
        if data.get("expression") is not None
        else float(data.get("weight", 1)) / most
        for data in listed
    ]
