"""Two zooms on a network's graph: whole layers, and the connections around one unit."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np
import plotly.graph_objects as go

from grn.plot.style import BLUE, GREEN, ORANGE, new_figure, tint
from studies.report.aggregation import percent

MOST_UNITS = 40  # drawn on one side of a unit
MOST_LABELLED = 12  # layers between which densities are written, not only under the pointer
STOREY = 58  # pixels a layer
BEND = 0.16  # how far an edge that passes a layer swings out, of the layers it spans


def layer_graph_figure(graph: nx.DiGraph) -> go.Figure:
    """Draw whole layers, the input at the top, and the density of the links between them.

    Parameters
    ----------
    graph : networkx.DiGraph
        From :func:`pruning.topology.layer_graph`.
    """
    names = list(graph.nodes)
    place = {name: number for number, name in enumerate(names)}
    reach = BEND * max((place[b] - place[a] for a, b in graph.edges), default=1)
    densest = max((data["density"] for _, _, data in graph.edges(data=True)), default=1.0)
    figure = new_figure("Layers, and the density of the links between them", height=110 + STOREY * len(names))
    middles: dict[str, list[Any]] = {"x": [], "y": [], "customdata": [], "text": []}
    side = 1
    for a, b, data in graph.edges(data=True):
        span = place[b] - place[a]
        bend = 0.0 if span == 1 else side * BEND * span
        side = -side if span > 1 else side
        t = np.linspace(0, 1, 2 if span == 1 else 21)
        figure.add_scatter(
            x=(4 * bend * t * (1 - t)).round(3).tolist(), y=(place[a] + span * t).round(3).tolist(),
            mode="lines", hoverinfo="skip", showlegend=False,
            line={"color": tint(BLUE, 0.8), "width": round(1.5 + 14 * data["density"] / densest, 2)},
        )  # fmt: skip
        middles["x"].append(bend)
        middles["y"].append(place[a] + span / 2)
        middles["text"].append(f"   {percent(data['density'], 1)}" if len(names) <= MOST_LABELLED else "")
        middles["customdata"].append(
            f"<b>{html.escape(a)} → {html.escape(b)}</b><br>{data['links']:,} links, "
            f"{percent(data['density'], 2)} of all pairs<br>{data['gates']:,} live gates"
        )
    figure.add_scatter(
        **middles, mode="markers+text", textposition="middle right", showlegend=False,
        hovertemplate="%{customdata}<extra></extra>",
        marker={"size": 9, "color": BLUE, "symbol": "diamond", "line": {"width": 1, "color": "white"}},
    )  # fmt: skip
    nodes = [graph.nodes[name] for name in names]
    whole = [data["live_units"] == data["units"] for data in nodes]
    figure.add_scatter(
        x=[0.0] * len(names), y=list(place.values()), mode="markers", showlegend=False,
        marker={
            "size": [round(12 + 6 * np.log10(max(data["units"], 1)), 1) for data in nodes],
            "color": [GREEN if live else ORANGE for live in whole],
            "symbol": ["circle" if live else "square" for live in whole],
            "line": {"width": 1.5, "color": "white"}, "opacity": 1,
        },
        text=[
            f"<b>{html.escape(name)}</b><br>{data['live_units']:,} of {data['units']:,} units have a link"
            f"<br>{data['in_links']:,} links in, {data['out_links']:,} out"
            for name, data in zip(names, nodes, strict=True)
        ],
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(place.values()), ticktext=[_tick(name, graph.nodes[name]) for name in names],
        showgrid=False, showline=False, ticks="", range=[len(names) - 0.5, -0.5],
    )  # fmt: skip
    wide = 1.15 * max(reach, 0.6)
    figure.update_xaxes(visible=False, range=[-wide, 1.25 * wide])  # room for the words of the last band
    figure.update_layout(margin={"b": 16})
    return figure


def neighbourhood_figure(graph: nx.MultiDiGraph, *, title: str = "") -> go.Figure:
    """Draw one unit, the units that feed it to the left and those that it feeds to the right.

    Parameters
    ----------
    graph : networkx.MultiDiGraph
        From :func:`pruning.topology.neighbourhood`, one hop each way.
    title : str
        Above the figure.

    Raises
    ------
    ValueError
        If the graph has no centre.
    """
    centre = next((node for node, data in graph.nodes(data=True) if data.get("hops") == 0), None)
    if centre is None:
        raise ValueError("a neighbourhood must have a unit with 0 hops, the one that it is around")
    places: dict[Any, list[int]] = {}
    for a, b, data in graph.edges(data=True):
        if centre in (a, b):
            places.setdefault((a, b), []).append(int(data["place"]))
    sides = {
        -1: _ranked([a for a, b in places if b == centre], places, lambda unit: (unit, centre)),
        1: _ranked([b for a, b in places if a == centre], places, lambda unit: (centre, unit)),
    }
    most = max((len(own) for own in places.values()), default=1)
    figure = new_figure(title or "The connections around one unit", height=560)
    for side, units in sides.items():
        shown = units[:MOST_UNITS]
        heights = 1 - (np.arange(len(shown)) + 0.5) / max(len(shown), 1)
        for unit, height in zip(shown, heights.tolist(), strict=True):
            gates = places[(unit, centre) if side < 0 else (centre, unit)]
            figure.add_scatter(
                x=[side, 0], y=[round(height, 4), 0.5], mode="lines", hoverinfo="skip", showlegend=False,
                line={"color": tint(BLUE if side < 0 else ORANGE, 0.65),
                      "width": round(0.8 + 3.2 * len(gates) / most, 2)},
            )  # fmt: skip
        figure.add_scatter(
            x=[side] * len(shown), y=heights.round(4).tolist(), mode="markers+text", showlegend=False,
            text=_labels(graph, shown),
            textposition="middle left" if side < 0 else "middle right", textfont={"size": 10},
            marker={"size": 8, "color": BLUE if side < 0 else ORANGE,
                    "symbol": "circle" if side < 0 else "diamond"},
            customdata=[
                _gates_told(graph, unit, places[(unit, centre) if side < 0 else (centre, unit)])
                for unit in shown
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )  # fmt: skip
        word = "in" if side < 0 else "out"
        hidden = f"<br>{len(shown)} of them drawn" if len(shown) < len(units) else ""
        figure.add_annotation(
            x=side, y=1.02, yanchor="bottom", showarrow=False, text=f"{len(units):,} links {word}{hidden}",
        )  # fmt: skip
    data = graph.nodes[centre]
    figure.add_scatter(
        x=[0], y=[0.5], mode="markers+text", showlegend=False,
        text=[f"<b>{html.escape(str(data['layer']))}<br>unit {data['unit']}</b>"], textposition="top center",
        marker={"size": 20, "color": GREEN, "line": {"width": 2, "color": "white"}},
        hovertemplate="the unit<extra></extra>",
    )  # fmt: skip
    wide = 1.5 if any(len({unit[0] for unit in units}) > 1 for units in sides.values()) else 1.25
    figure.update_xaxes(visible=False, range=[-wide, wide])
    figure.update_yaxes(visible=False, range=[-0.03, 1.12])
    figure.update_layout(margin={"l": 24, "r": 24, "b": 24})
    return figure


def _labels(graph: nx.MultiDiGraph, units: Sequence[Any]) -> list[str]:
    """Number of each unit, with its layer where they are of several."""
    if len({unit[0] for unit in units}) < 2:
        return [str(graph.nodes[unit]["unit"]) for unit in units]
    return [html.escape(f"{graph.nodes[unit]['layer']}:{graph.nodes[unit]['unit']}") for unit in units]


def _ranked(units: Sequence[Any], places: dict[Any, list[int]], edge: Any) -> list[Any]:
    return sorted(units, key=lambda unit: (-len(places[edge(unit)]), unit))


def _gates_told(graph: nx.MultiDiGraph, unit: Any, places: list[int]) -> str:
    data = graph.nodes[unit]
    text = f"<b>{html.escape(str(data['layer']))}, unit {data['unit']}</b><br>{len(places)} live gate"
    text += "s" * (len(places) != 1)
    return f"{text}, at {', '.join(map(str, sorted(places)[:25]))} of the kernel" if max(places) else text


def _tick(name: str, data: dict[str, Any]) -> str:
    live = "" if data["live_units"] == data["units"] else f"{data['live_units']:,} of "
    return f"{html.escape(name)}<br>{live}{data['units']:,} unit{'s' * (data['units'] != 1)}"
