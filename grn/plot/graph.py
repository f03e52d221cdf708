"""The regulatory graph: genes as circles, an arrow for activation, a bar for repression."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import plotly.graph_objects as go

from grn.networks.logic.boolean import BooleanNetwork
from grn.networks.network import GeneNetwork
from grn.networks.promoters import Rule
from grn.plot.labels import number
from grn.plot.style import BLUE, NEUTRAL, ORANGE, PINK, new_figure, tint

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from grn.networks.network import Gene

    Position = np.ndarray[tuple[int], np.dtype[np.float64]]
    Place = Mapping[str, Position]
    Curve = np.ndarray[tuple[int, int], np.dtype[np.float64]]

HEADS = {1: "arrow", -1: "line-ew-open", 0: "circle-open"}
KINDS = {1: "activation", -1: "repression", 0: "regulation"}
LEGEND = {1: "→ activation", -1: "⊣ repression", 0: "–○ both or unknown"}
COLORS = {1: BLUE, -1: ORANGE, 0: NEUTRAL}
GROUND = "#56636f"  # of a gene: opaque, and white text is legible on it whatever the page
ABSENT = "#9aa3ad"  # of a gene that is knocked out, and of its edges
WORDS = {1: "activates", -1: "represses", 0: "regulates"}
SPRING_FROM = 120  # genes: above, Kamada and Kawai's layout takes seconds
FLATNESS = 0.65  # height to width: names need room beside one another
PIECES = 12  # straight pieces of a curve
LONGEST_PARAMETERS = 8  # lines of a gene's hover text


def regulatory_graph(
    network: GeneNetwork | BooleanNetwork,
    *,
    removed: Collection[str] = (),
    title: str = "",
    seed: int = 0,
) -> go.Figure:
    """Draw who regulates whom.

    Parameters
    ----------
    network : GeneNetwork or BooleanNetwork
        The network.
    removed : collection of str
        Genes that are knocked out: grey and crossed, their edges dashed and grey.
    title : str
        Above the figure; the name of the network by default.
    seed : int
        Of the layout, which is the same for the same network and seed.

    Returns
    -------
    plotly.graph_objects.Figure
        The pointer over a gene shows its promoter with the values of its parameters, over an edge what
        it does.

    Raises
    ------
    ValueError
        If a removed gene is unknown.
    TypeError
        If ``network`` is of another class.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> figure = regulatory_graph(circuits.repressilator())
    >>> [trace.name for trace in figure.data]
    ['⊣ repression', 'repression', 'effects', 'genes']
    """
    if not isinstance(network, GeneNetwork | BooleanNetwork):
        raise TypeError(f"network must be a GeneNetwork or a BooleanNetwork, got {type(network).__name__}")
    names, edges = genes_and_edges(network)
    for name in removed:
        if name not in names:
            raise ValueError(f"no gene {name!r} to remove: those are {', '.join(names)}")
    place = layout(names, [(a, b) for a, b, _ in edges], seed)
    radius = _radius(names)
    figure = new_figure(html.escape(title or str(getattr(network, "name", ""))), height=_height(names))
    pairs = {(a, b) for a, b, _ in edges}
    curves = {edge: _curve(place, edge, (edge[1], edge[0]) in pairs) for edge in edges}
    for sign in (1, -1, 0):
        for gone in (False, True):
            own = [
                curve
                for edge, curve in curves.items()
                if edge[2] == sign and (edge[0] in removed or edge[1] in removed) == gone
            ]
            if own:
                figure.add_traces(_edge_traces(sign, own, radius, dense=len(edges) > 80, gone=gone))
    if edges:
        middles = [curve[len(curve) // 2] for curve in curves.values()]
        figure.add_scatter(
            x=[point[0] for point in middles], y=[point[1] for point in middles], mode="markers",
            name="effects", showlegend=False, marker={"size": 14, "opacity": 0},
            text=[_effect(edge, removed) for edge in edges],
            hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
    if removed:
        figure.add_trace(_crosses([place[name] for name in names if name in removed], radius))
    figure.add_trace(_gene_trace(network, names, place, radius, removed))
    points = np.concatenate([*curves.values(), *([place[name]] for name in names)])
    low, high = points.min(0), points.max(0)
    room = 0.1 * max(float((high - low).max()), 1.0)
    hidden = {"visible": False, "showgrid": False}
    figure.update_xaxes(**hidden, range=[low[0] - room, high[0] + room])
    figure.update_yaxes(**hidden, range=[low[1] - room, high[1] + room], scaleanchor="x", scaleratio=FLATNESS)
    figure.update_layout(margin={"l": 24, "r": 24, "b": 24, "t": 72}, legend={"y": 1.0, "yanchor": "bottom"})
    return figure


def genes_and_edges(
    network: GeneNetwork | BooleanNetwork,
) -> tuple[tuple[str, ...], tuple[tuple[str, str, int], ...]]:
    """Genes, and (regulator, gene, sign) of every pair once: 0 where it both activates and represses.

    Examples
    --------
    >>> genes_and_edges(BooleanNetwork({"A": "not B", "B": "A"}))
    (('A', 'B'), (('B', 'A', -1), ('A', 'B', 1)))
    """
    if isinstance(network, GeneNetwork):
        names, found = network.names, network.edges
    else:
        names = network.genes
        found = tuple((s, gene, e) for gene, rule in network.rules.items() for s, e in rule.signs().items())
    signs: dict[tuple[str, str], int] = {}
    for source, target, sign in found:
        signs[source, target] = sign if signs.get((source, target), sign) == sign else 0
    return names, tuple((*pair, sign) for pair, sign in signs.items())


def layout(names: tuple[str, ...], pairs: list[tuple[str, str]], seed: int) -> dict[str, Position]:
    """Place genes: up to three on a circle, more by the distances of the graph, many by springs.

    Examples
    --------
    >>> sorted(layout(("A", "B"), [("A", "B")], 0))
    ['A', 'B']
    """
    graph = nx.Graph()
    graph.add_nodes_from(names)
    graph.add_edges_from((a, b) for a, b in pairs if a != b)
    around = nx.circular_layout(graph)
    if len(names) <= 3:
        return {name: np.array(point, float) for name, point in around.items()}
    if len(names) <= SPRING_FROM:
        steps = dict(nx.all_pairs_shortest_path_length(graph))
        far = 1 + round(np.mean([n for found in steps.values() for n in found.values()]))  # without a path
        distances = {a: {b: steps[a].get(b, far) for b in names} for a in names}
        found = nx.kamada_kawai_layout(graph, dist=distances, pos=around)
    else:
        spacing = 2.2 / math.sqrt(len(names))
        found = nx.spring_layout(graph, k=spacing, pos=around, seed=seed, iterations=300)
    return _pushed_apart({name: np.array(point, float) for name, point in found.items()})


def _pushed_apart(place: dict[str, Position]) -> dict[str, Position]:
    """Genes that would cover one another moved asunder."""
    points = np.array(list(place.values()))
    points = 2 * (points - points.min(0)) / np.maximum(np.ptp(points, axis=0), 1e-9) - 1
    least = 1.1 / math.sqrt(len(points))
    for _ in range(100):
        apart = points[:, None] - points
        distance = np.hypot(apart[..., 0], apart[..., 1]) + np.eye(len(points)) * 9
        push = np.clip(least - distance, 0, None) / np.maximum(distance, 1e-9) / 2
        if not push.any():
            break
        points += (push[..., None] * apart).sum(1)
    return dict(zip(place, points, strict=True))


def _radius(names: tuple[str, ...]) -> float:
    """Radius of a gene's circle, pixels: names fit in unless genes are many or names long."""
    if len(names) > 40 or max(map(len, names)) > 9:
        return 6.0
    return 26.0 if len(names) <= 15 else 20.0


def _height(names: tuple[str, ...]) -> int:
    return 420 if len(names) <= 4 else 560 if len(names) <= 15 else 720


def _curve(place: Place, edge: tuple[str, str, int], returned: bool) -> Curve:
    """Points of an edge: straight, bent aside where another one runs back, a loop at a gene itself."""
    source, target, _ = edge
    begin, end = place[source], place[target]
    along = np.linspace(0, 1, PIECES + 1)[:, None]
    if source == target:
        return _loop(place, source)
    across = np.array([-(end - begin)[1], (end - begin)[0]])
    bend = 0.16 if returned else 0.04
    middle = (begin + end) / 2 + bend * across
    curve: Curve
    curve = (1 - along) ** 2 * begin + 2 * along * (1 - along) * middle + along**2 * end
    return curve


def _loop(place: Place, name: str) -> Curve:
    """A drop that leaves a gene and comes back, on the side away from the others."""
    points = np.array(list(place.values()))
    extent = max(float(np.ptp(points, axis=0).max()), 1.0)
    away = place[name] - points.mean(0)
    angle = math.atan2(away[1], away[0]) if np.hypot(*away) > 1e-9 else math.pi / 2
    size = extent * (
        0.3 if len(place) <= 4 else 0.2 if len(place) <= 15 else 0.13 if len(place) <= 40 else 0.07
    )
    along = np.linspace(0, 1, 2 * PIECES + 1)
    turn = 0.62 * (2 * along - 1)  # of the direction, radians
    reach = size * np.sin(np.pi * along)
    return place[name] + np.stack([reach * np.cos(angle + turn), reach * np.sin(angle + turn)], axis=1)


def _effect(edge: tuple[str, str, int], removed: Collection[str]) -> str:
    source, target, sign = edge
    gone = [html.escape(name) for name in dict.fromkeys((source, target)) if name in removed]
    told = f"{html.escape(source)} {WORDS[sign]} {html.escape(target)}"
    return told + (f"<br>without effect: {' and '.join(gone)} knocked out" if gone else "")


def _edge_traces(
    sign: int, curves: list[Curve], radius: float, *, dense: bool, gone: bool
) -> list[go.Scatter]:
    """Lines from centre to centre, which the genes cover, and heads at the border of the target.

    A head is a marker turned along the last piece of its line by plotly itself, on the screen: the picture
    may be stretched.
    """
    x: list[float | None] = []
    y: list[float | None] = []
    for curve in curves:
        x += [*curve[:, 0].tolist(), None]
        y += [*curve[:, 1].tolist(), None]
    width = 1.0 if dense else 1.8
    group = {"legendgroup": KINDS[sign], "hoverinfo": "skip"}
    color, ink = (ABSENT, 0.5) if gone else (COLORS[sign], 0.55 if dense else 0.85)
    head = tint(color, ink) if gone else color
    kind = f"{KINDS[sign]}, without effect" if gone else KINDS[sign]
    lines = go.Scatter(
        x=x, y=y, mode="lines", name=f"{LEGEND[sign]}, without effect" if gone else LEGEND[sign],
        line={
            "color": tint(color, ink), "width": width, "backoff": 0, "dash": "dash" if gone else "solid",
        },
        showlegend=not gone, **group,
    )  # fmt: skip
    heads = go.Scatter(
        x=[end for curve in curves for end in (curve[-2, 0], curve[-1, 0], None)],
        y=[end for curve in curves for end in (curve[-2, 1], curve[-1, 1], None)],
        mode="markers", name=kind, showlegend=False, cliponaxis=False, **group,
        marker={
            "symbol": HEADS[sign], "size": [0, 9 if dense else 14, 0] * len(curves), "opacity": 1,
            "color": head, "angleref": "previous", "standoff": radius + (1 if sign == 1 else 3),
            "line": {"width": 0 if sign == 1 else 2 if dense else 3, "color": head},
        },
    )  # fmt: skip
    return [lines, heads]


def _crosses(points: list[Position], radius: float) -> go.Scatter:
    """A cross behind each gene that is knocked out: its arms reach beyond the circle."""
    return go.Scatter(
        x=[point[0] for point in points], y=[point[1] for point in points], mode="markers",
        name="✕ knocked out", hoverinfo="skip", cliponaxis=False,
        marker={"symbol": "x-thin", "size": 2.4 * radius, "line": {"width": 3, "color": PINK}},
    )  # fmt: skip


def _gene_trace(
    network: GeneNetwork | BooleanNetwork,
    names: tuple[str, ...],
    place: Place,
    radius: float,
    removed: Collection[str],
) -> go.Scatter:
    inside = radius > 10
    return go.Scatter(
        x=[place[name][0] for name in names], y=[place[name][1] for name in names], mode="markers+text",
        name="genes", showlegend=False, cliponaxis=False, text=[html.escape(name) for name in names],
        textposition="middle center" if inside else "top center",
        textfont=_lettering(names, radius),
        marker={
            "size": 2 * radius, "color": [ABSENT if name in removed else GROUND for name in names],
            "opacity": 1, "line": {"color": NEUTRAL, "width": 1},
        },
        hovertext=[_told(network, name, name in removed) for name in names],
        hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip


def _lettering(names: tuple[str, ...], radius: float) -> dict[str, object]:
    """Letters that fit into the circle, or small ones above it in the page's own ink."""
    if radius <= 10:
        return {"size": 9 if len(names) > 40 else 12}
    return {"color": "#ffffff", "size": [min(13.0, 2.9 * radius / max(len(name), 1)) for name in names]}


def _told(network: GeneNetwork | BooleanNetwork, name: str, removed: bool) -> str:
    """What the pointer says of a gene."""
    title = f"<b>{html.escape(name)}</b>{' (knocked out)' if removed else ''}"
    if not isinstance(network, GeneNetwork):
        return f"{title}<br>on if {_wrapped(str(network.rules[name]))}"
    return f"{title}<br>{_promoter(network[name])}<br>" + "<br>".join(_parameters(network, name))


def _promoter(gene: Gene) -> str:
    if isinstance(gene.regulation, Rule):
        return f"Rule: {_wrapped(str(gene.regulation.parsed))}"
    signs = ", ".join(
        f"{KINDS[sign]} by {html.escape(source)}" for source, sign in gene.regulation.signs().items()
    )
    return type(gene.regulation).__name__ + (f": {_wrapped(signs)}" if signs else "")


def _parameters(network: GeneNetwork, name: str) -> list[str]:
    always = (f"{name}.expression_scale", f"{name}.forced_expression")
    own = {
        key.removeprefix(f"{name}."): value
        for key, value in network.parameters.items()
        if key.startswith(f"{name}.") and key not in always
    }
    lines = [f"{html.escape(key)} = {number(value)}" for key, value in own.items()]
    more = len(lines) - LONGEST_PARAMETERS
    return lines if more <= 1 else [*lines[:LONGEST_PARAMETERS], f"and {more} more"]


def _wrapped(text: str, width: int = 60) -> str:
    """Lines of a hover text, cut after a few."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) > width:
            lines.append(line)
            line = ""
        line += f"{' ' if line else ''}{word}"
    lines.append(line)
    shown = lines if len(lines) <= 4 else [*lines[:4], "…"]
    return "<br>".join(html.escape(part[: 2 * width]) for part in shown)
