"""The bifurcation diagram: steady states of one species against a parameter."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from grn.networks.states.continuation import Diagram
from grn.plot.labels import concentration_unit, expect, is_wide, log_axis, number, with_unit
from grn.plot.style import BLUE, GREEN, NEUTRAL, ORANGE, PINK, new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from grn.networks.states.bifurcations import BranchPoint, HopfPoint, SaddleNode
    from grn.networks.states.continuation import Branch
    from grn.networks.states.steady import SteadyStates

    Array = NDArray[np.float64]
    Point = SaddleNode | HopfPoint | BranchPoint

WIDE = 20.0  # ratio of the ends of a range from which its axis is logarithmic
BOX = "rgba(255,255,255,0.85)"  # behind letters, whatever runs below them
MOST_LABELS = 8  # special points labelled on the figure; the pointer tells of all


def bifurcation(
    diagram: Diagram,
    species: str,
    *,
    current: float | None = None,
    states: SteadyStates | None = None,
    model: object = None,
    title: str = "",
) -> go.Figure:
    """Draw the steady states of one species against the parameter of a diagram.

    Stable stretches are solid, unstable ones dashed; saddle-nodes, Hopf points and branch points are marked
    and labelled.

    Parameters
    ----------
    diagram : Diagram
        From `grn.networks.states.continuation.continue_states`.
    species : str
        Whose concentration to draw.
    current : float, optional
        Value of the parameter in the model, drawn as a line.
    states : SteadyStates, optional
        States at that value: an oscillation is drawn as a bar from its lowest to its highest level.
    model : GeneNetwork or ReactionSystem, optional
        Gives the unit of concentration.
    title : str
        Above the figure.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    ValueError
        If the species is unknown.
    TypeError
        If ``diagram`` is none.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> from grn.networks.states.continuation import continue_states
    >>> diagram = continue_states(circuits.positive_autoregulation(), "x.weight.x", 1.0, 4.0)
    >>> [trace.name for trace in bifurcation(diagram, "x").data]
    ['stable', 'unstable', 'saddle-node']
    """
    expect(diagram, Diagram, "diagram", "what grn.networks.states.continue_states returns")
    if species not in diagram.species:
        raise ValueError(f"no species {species!r} in the diagram: those are {', '.join(diagram.species)}")
    column = diagram.species.index(species)
    parameter = html.escape(diagram.parameter)
    figure = new_figure(html.escape(title) or f"Steady states of {html.escape(species)}", height=480)
    for stable, color, dash in ((True, BLUE, "solid"), (False, ORANGE, "dash")):
        points = _stretches(diagram.branches, column, stable=stable)
        if len(points):
            word = "stable" if stable else "unstable"
            figure.add_scatter(
                x=points[:, 0], y=points[:, 1], mode="lines", name=word,
                line={"color": color, "width": 2.5 if stable else 1.8, "dash": dash, "simplify": False},
                hovertemplate=f"{word}: {html.escape(species)} %{{y:.5g}} at {parameter} %{{x:.5g}}"
                "<extra></extra>",
            )  # fmt: skip
    labels: list[tuple[float, float, str]] = []
    kinds = (
        ("saddle-node", "square", PINK, diagram.saddle_nodes),
        ("Hopf point", "diamond", GREEN, diagram.hopf_points),
        ("branch point", "triangle-up", "#8e5bb5", diagram.branch_points),
    )
    for word, symbol, color, special in kinds:
        if special:
            figure.add_trace(_marks(word, symbol, color, special, column))
            labels += [
                (p.parameter, float(p.values[column]), f"{word} {number(p.parameter)}") for p in special
            ]
    log = diagram.low > 0 and diagram.high / diagram.low >= WIDE
    levels = np.concatenate([branch.values[:, column].numpy() for branch in diagram.branches] or [np.ones(1)])
    log_level = is_wide(levels)
    if len(labels) <= MOST_LABELS:
        _label(figure, labels, diagram, column, log=log, log_level=log_level)
    if states is not None and current is not None:
        _cycles(figure, states, species, current)
    if current is not None and diagram.low <= current <= diagram.high:
        figure.add_vline(
            x=current, line={"color": NEUTRAL, "width": 1, "dash": "dot"},
            annotation={
                "text": f"model: {number(current)}", "font": {"size": 11, "color": NEUTRAL},
                "yref": "paper", "y": 1.0, "yanchor": "top", "xanchor": "left", "bgcolor": BOX,
                **({"x": float(np.log10(current))} if log else {}),
            },
        )  # fmt: skip
    span = [diagram.low, diagram.high]
    figure.update_xaxes(title_text=parameter, **(log_axis(*span) if log else {"range": span}))
    figure.update_yaxes(
        title_text=with_unit(html.escape(species), concentration_unit(model)),
        **(_level_axis(figure) if log_level else {"rangemode": "tozero"}),
    )
    figure.update_layout(showlegend=True)
    return figure


def _stretches(branches: Sequence[Branch], column: int, *, stable: bool) -> Array:
    """(P, 2): pieces of branches of one stability, NaN between; a piece begins where the one before ends."""
    gap = np.full((1, 2), np.nan)
    parts = []
    for branch in branches:
        points = np.stack([branch.parameter.numpy(), branch.values[:, column].numpy()], axis=1)
        wanted = branch.stable.numpy() == stable
        edges = np.flatnonzero(np.diff(wanted.astype(int))) + 1
        for run in np.split(np.arange(len(points)), edges):
            if len(run) and wanted[run[0]]:
                first = max(int(run[0]) - 1, 0) if not stable else int(run[0])
                last = min(int(run[-1]) + 2, len(points)) if not stable else int(run[-1]) + 1
                parts += [points[first:last], gap]
    return np.concatenate(parts[:-1]) if parts else np.empty((0, 2))


def _marks(word: str, symbol: str, color: str, special: Sequence[Point], column: int) -> go.Scatter:
    text = []
    for point in special:
        period = getattr(point, "period", None)
        text.append(
            f"{word} at {point.parameter:.8g}, level {float(point.values[column]):.6g}"
            + (f"<br>period at onset {period:.6g}" if period is not None else "")
        )
    return go.Scatter(
        x=[point.parameter for point in special], y=[float(point.values[column]) for point in special],
        mode="markers", name=word, marker={"symbol": symbol, "size": 11, "color": color}, cliponaxis=False,
        text=text, hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


def _level_axis(figure: go.Figure) -> dict[str, object]:
    """Logarithmic axis that holds everything drawn, oscillations included."""
    drawn = np.concatenate([np.asarray(trace.y, float) for trace in figure.data])
    drawn = drawn[drawn > 0]
    return log_axis(float(drawn.min()) / 1.5, float(drawn.max()) * 1.5)


def _label(
    figure: go.Figure,
    labels: Sequence[tuple[float, float, str]],
    diagram: Diagram,
    column: int,
    *,
    log: bool,
    log_level: bool,
) -> None:
    """Write what each point is beside it, in turn nearer and farther so that neighbours do not collide."""
    for place, (x, y, text) in enumerate(sorted(labels)):
        low, high, at = np.log([diagram.low, diagram.high, x]) if log else (diagram.low, diagram.high, x)
        part = (at - low) / (high - low)
        room = 0.13  # of the width, which a label needs
        side = -1 if part > 1 - room else 1 if part < room else _away(diagram, column, x, y)
        figure.add_annotation(
            x=np.log10(x) if log else x, y=np.log10(y) if log_level else y, text=text, showarrow=True,
            arrowhead=0, arrowwidth=1, arrowcolor=NEUTRAL, ax=26 * side, ay=-24 if place % 2 == 0 else -46,
            xanchor="left" if side > 0 else "right", standoff=6, font={"size": 11, "color": "#22272e"},
            bgcolor=BOX, borderpad=2,
        )  # fmt: skip


def _away(diagram: Diagram, column: int, x: float, y: float) -> int:
    """Side of a point on which its branch does not run: a fold has both halves on the other."""
    near, side = np.inf, 1
    for branch in diagram.branches:
        across = (branch.parameter.numpy() - x) / (diagram.high - diagram.low)
        levels = branch.values[:, column].numpy()
        distance = np.hypot(across, (levels - y) / max(float(levels.max()), 1e-300))
        place = int(distance.argmin())
        if distance[place] < near:
            near = distance[place]
            side = -1 if across[max(place - 2, 0) : place + 3].min() > -1e-3 * near - 1e-9 else 1
    return side


def _cycles(figure: go.Figure, states: SteadyStates, species: str, current: float) -> None:
    for state in states:
        if state.period is None:
            continue
        column = state.species.index(species)
        figure.add_scatter(
            x=[current, current], y=[float(state.minimum[column]), float(state.maximum[column])],
            mode="lines+markers", name="oscillation, lowest to highest",
            line={"color": GREEN, "width": 2},
            marker={"symbol": "line-ew-open", "size": 12, "line": {"width": 2}},
            hovertemplate=f"limit cycle of period {state.period:.6g}: reaches %{{y:.5g}}<extra></extra>",
        )  # fmt: skip
