"""The four figures of the tuning page before they hold numbers: traces, axes and words, built once.

`studies.tune.answer` gives the numbers, trace by trace in the order of these.
"""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from grn.plot.style import BLUE, GREEN, NEUTRAL, ORANGE, PINK, SERIES, figure_template, tint

GENES = {"low": "low", "median": "median", "edge": "at the edge", "high": "high"}
"""Typical connections, by the words of their importance."""
NULLCLINE_DASHES = ("dot", "dash", "solid", "dashdot")
HEIGHT = 285
LEVEL_AXIS = {"range": [-0.03, 1.05], "tickvals": [0, 0.25, 0.5, 0.75, 1]}
NONE: list[float] = []


def figures() -> dict[str, go.Figure]:
    """Return the figures by name: trajectories, phase, levels, histogram."""
    return {
        "trajectories": _trajectories(),
        "phase": _phase(),
        "levels": _levels(),
        "histogram": _histogram(),
    }


def templates() -> dict[str, Any]:
    """Return the plotly templates for light and dark pages, as JSON values."""
    return {name: figure_template(dark=name == "dark").to_plotly_json() for name in ("light", "dark")}


def _figure(x: str, y: str) -> go.Figure:
    """Empty figure with axes that stay: margins that fit their labels would cost a second pass."""
    figure = go.Figure()
    figure.update_layout(
        template=figure_template(), height=HEIGHT, margin={"l": 54, "r": 12, "t": 42, "b": 44}, dragmode=False
    )
    figure.update_layout(legend={"font": {"size": 11.5}, "y": 1.01, "itemwidth": 30, "tracegroupgap": 2})
    still = {"automargin": False, "autorange": False, "fixedrange": True, "title_standoff": 6}
    figure.update_xaxes(title_text=x, range=[0, 1], **still)
    figure.update_yaxes(title_text=y, range=[0, 1], **still)
    return figure


def _line(figure: go.Figure, name: str, color: str, told: str, *, dash: str = "solid", width: float = 2.2,
          legend: bool = True, **more: Any) -> None:  # fmt: skip
    figure.add_scatter(
        x=NONE, y=NONE, mode="lines", name=name, showlegend=legend, hovertemplate=f"{told}<extra></extra>",
        line={"color": color, "dash": dash, "width": width, "simplify": False}, **more,
    )  # fmt: skip


def _trajectories() -> go.Figure:
    figure = _figure("time (h)", "level (1: fully on)")
    for color, words in zip(SERIES, GENES.values(), strict=False):
        told = f"{words}: %{{y:.3f}} after %{{x:.3g}} h"
        _line(figure, words, color, f"protein p, {told}", legendgroup=words)
        _line(figure, words, color, f"protein p from fully on, {told}", dash="dash", width=1.6, legend=False,
              legendgroup=words)  # fmt: skip
        _line(figure, words, color, f"mRNA m, {told}", dash="dot", width=1.4, legend=False, legendgroup=words)
    _line(figure, "update", NEUTRAL, "the mask is updated after %{x:.3g} h", width=1, legend=False)
    figure.update_yaxes(**LEVEL_AXIS)
    return figure


def _phase() -> go.Figure:
    figure = _figure("mRNA m (1: fully on)", "expression, protein p")
    figure.add_scatter(
        x=[0, 1.05], y=[0, 1.05], mode="lines", name="protein rests",
        line={"color": ORANGE, "width": 2.2, "dash": "dash"},
        hovertemplate="protein does not change where p = m<extra></extra>",
    )  # fmt: skip
    for dash, words in zip(NULLCLINE_DASHES, GENES.values(), strict=True):
        told = f"mRNA does not change at m %{{x:.3f}}, p %{{y:.3f}}<br>of a connection {words}"
        _line(figure, "mRNA rests" if dash == "solid" else words, BLUE, told, dash=dash,
              width=2.2 if dash == "solid" else 1.6, legend=dash == "solid")  # fmt: skip
    # One path for all connections of a kind: 400 markers would take the browser 100 ms a move. The page turns
    # each connection into a cross or a dot, a polygon around it.
    told = "S/K %{customdata[0]:.3g}<br>m %{customdata[1]:.3f}, p %{customdata[2]:.3f}"
    for words, opacity, color in (("silenced", 0.8, NEUTRAL), ("live", 0.6, GREEN)):
        figure.add_scatter(
            x=NONE, y=NONE, mode="none", name=words, fill="toself", fillcolor=tint(color, opacity),
            hoveron="points", hovertemplate=f"<b>{words}</b>, {told}<extra></extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=NONE, y=NONE, mode="markers", name="resting point", text=[],
        marker={"size": 10, "color": PINK, "symbol": [], "line": {"width": 2, "color": PINK}},
        hovertemplate="%{text}<br>m = p = %{y:.4f}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(**LEVEL_AXIS)
    figure.update_yaxes(**LEVEL_AXIS)
    return figure


def _levels() -> go.Figure:
    figure = _figure("induction S/K", "expression p (1: fully on)")
    told = "%{y:.3f} at %{x:.4g}"
    _line(figure, "stable, off", BLUE, told, width=2.8)
    _line(figure, "unstable", NEUTRAL, f"unstable: {told}", dash="dash", width=1.8)
    _line(figure, "stable, on", ORANGE, told, width=2.8)
    figure.add_scatter(
        x=NONE, y=NONE, mode="markers", name="now", cliponaxis=False,
        marker={"size": 11, "color": PINK, "symbol": [], "line": {"width": 2, "color": PINK}},
        hovertemplate="now: p = %{y:.4f} at %{x:.4g}<extra></extra>",
    )  # fmt: skip
    _line(figure, "present value", PINK, "present value %{x:.4g}", dash="dot", width=1.4, legend=False)
    figure.update_yaxes(**LEVEL_AXIS)
    return figure


def _histogram() -> go.Figure:
    figure = _figure("expression p (1: fully on)", "connections in a bin")
    steps = {"shape": "hv", "simplify": False}
    for name, color, opacity in (("after the windows", BLUE, 0.3), ("kept by the gate", GREEN, 0.45)):
        figure.add_scatter(
            x=NONE, y=NONE, mode="lines", name=name, fill="tozeroy", fillcolor=tint(color, opacity),
            line={"color": color, "width": 1.2, **steps},
            hovertemplate="%{y:,.0f} connections " + name + "<br>from p = %{x:.2f}<extra></extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=NONE, y=NONE, mode="lines", name="at rest", line={"color": ORANGE, "width": 2, **steps},
        hovertemplate="%{y:,.0f} connections at rest<br>from p = %{x:.2f}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[0.5, 0.5], y=[1e-3, 1e9], mode="lines", name="half expression", showlegend=False, hoverinfo="skip",
        line={"color": NEUTRAL, "width": 1.4, "dash": "dash"},
    )  # fmt: skip
    figure.update_xaxes(range=[-0.01, 1.01], tickvals=LEVEL_AXIS["tickvals"])
    figure.update_yaxes(type="log", tickformat="~s", dtick=1)
    return figure
