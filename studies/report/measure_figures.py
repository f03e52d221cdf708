"""Measures of the graph over training as small panels, each with the band of its random graphs."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grn.plot.style import BLUE, NEUTRAL, head_panels, new_figure, style_figure, tint
from pruning.topology.measures import NullComparison

COLUMNS = 2
PANEL = 178  # pixels
FAR = 6  # z beyond which colours no longer change
DIVERGING = ((0.0, "#b34700"), (0.25, "#f0b183"), (0.5, "#f4f4f2"), (0.75, "#8fbfe4"), (1.0, "#0f5c97"))


def measures_figure(
    steps: Sequence[int],
    values: Sequence[Mapping[str, float]],
    nulls: Sequence[Mapping[str, NullComparison]],
    names: Sequence[str],
    *,
    title: str = "Measures of the graph over training",
) -> go.Figure:
    """Draw one panel a measure: the graph's own value, and mean ± 2 standard deviations of the null.

    The null is a band where every update has random graphs, else a bar at each that has: between them it is
    not known.

    Parameters
    ----------
    steps : sequence of int
        Of the updates measured.
    values : sequence of mapping of str to float
        The measures of each; one that is missing or not finite leaves a gap.
    nulls : sequence of mapping of str to NullComparison
        Of each; empty where no random graphs were drawn.
    names : sequence of str
        Measures to draw, in order.
    title : str
        Above the figure.

    Raises
    ------
    ValueError
        If there is no name, or the sequences differ in length.
    """
    if not names or not len(steps) == len(values) == len(nulls):
        raise ValueError(
            f"a measure figure needs names, and values and nulls for each step, got {len(names)} names, "
            f"{len(steps)} steps, {len(values)} values and {len(nulls)} nulls"
        )
    rows = -(-len(names) // COLUMNS)
    figure = make_subplots(
        rows=rows, cols=COLUMNS, shared_xaxes=True, horizontal_spacing=0.13,
        subplot_titles=[f"{name[0].upper()}{name[1:]}" for name in names],
        vertical_spacing=46 / (PANEL * rows),
    )  # fmt: skip
    told: set[str] = set()  # groups of the legend that a panel before shows
    for place, name in enumerate(names):
        row, col = place // COLUMNS + 1, place % COLUMNS + 1
        drawn = [
            (step, own[name])
            for step, own in zip(steps, nulls, strict=True)
            if name in own and math.isfinite(own[name].null_mean)
        ]
        at = [step for step, _ in drawn]
        mean = [round(one.null_mean, 6) for _, one in drawn]
        spread = [2 * one.null_std for _, one in drawn]
        high = [m + s for m, s in zip(mean, spread, strict=True)]
        low = [m - s for m, s in zip(mean, spread, strict=True)]
        between = [step for step in steps if at and at[0] < step < at[-1]]
        bars = {"array": spread, "color": NEUTRAL, "thickness": 2, "width": 5}
        group = "mean" if len(between) + 2 == len(at) else "bar"
        if group == "mean":
            figure.add_scatter(
                x=[*at, *at[::-1]], y=[*high, *low[::-1]], fill="toself", fillcolor=tint(NEUTRAL, 0.28),
                mode="lines", line={"width": 0}, hoverinfo="skip", name="random graphs, mean ± 2 s.d.",
                legendgroup="band", showlegend=group not in told, row=row, col=col,
            )  # fmt: skip
        figure.add_scatter(
            x=at, y=mean, mode="lines+markers" if group == "mean" else "markers",
            name="their mean" if group == "mean" else "random graphs, mean ± 2 s.d.", legendgroup=group,
            error_y=bars if group == "bar" else None,
            showlegend=group not in told and bool(at), line={"color": NEUTRAL, "width": 1.4, "dash": "dash"},
            marker={"size": 5, "color": NEUTRAL, "symbol": "line-ew-open"},
            customdata=[[one.null_std, "–" if one.z is None else f"{one.z:+.1f}"] for _, one in drawn],
            hovertemplate="step %{x:,}: random graphs %{y:.5g} ± %{customdata[0]:.2g}"
            "<br>z of the graph %{customdata[1]}<extra></extra>", row=row, col=col,
        )  # fmt: skip
        told.update([group] if at else [])
        own = [values[k].get(name, math.nan) for k in range(len(steps))]
        figure.add_scatter(
            x=list(steps), y=[round(v, 6) if math.isfinite(v) else None for v in own], mode="lines+markers",
            name="the graph", legendgroup="graph", showlegend=place == 0,
            line={"color": BLUE, "width": 2}, marker={"size": 5, "color": BLUE},
            hovertemplate="step %{x:,}: %{y:.5g}<extra></extra>", row=row, col=col,
        )  # fmt: skip
    style_figure(figure, title, height=150 + PANEL * rows)
    headings = figure.layout.annotations
    places = [heading.x for heading in headings]
    head_panels(figure)
    width = (1 - 0.13) / COLUMNS
    for place, (heading, centre) in enumerate(zip(headings, places, strict=True)):
        heading.update(
            x=centre - width / 2, font={"size": 12}, align="left", text=f"<b>{_wrapped(names[place], 24)}</b>"
        )
    figure.update_xaxes(nticks=4)
    figure.update_yaxes(nticks=4, tickformat="~g")
    last = len(names) - 1
    for place in range(max(0, last - COLUMNS + 1), last + 1):
        figure.update_xaxes(
            title_text="training step", showticklabels=True, row=place // COLUMNS + 1, col=place % COLUMNS + 1
        )
    return figure


def z_figure(
    steps: Sequence[int],
    nulls: Sequence[Mapping[str, NullComparison]],
    names: Sequence[str],
    *,
    title: str = "How far each measure stands from its random graphs",
) -> go.Figure:
    """Map z of every measure at every update that was held against random graphs.

    Parameters
    ----------
    steps, nulls, names
        As for `measures_figure`.
    title : str
        Above the figure.

    Raises
    ------
    ValueError
        If no update has random graphs.
    """
    compared = [(step, own) for step, own in zip(steps, nulls, strict=True) if own]
    if not compared:
        raise ValueError("a map of z needs an update with random graphs, got none")
    z = [
        [own[name].z if name in own and own[name].z is not None else None for _, own in compared]
        for name in names
    ]
    figure = new_figure(title, height=150 + 26 * len(names))
    figure.add_heatmap(
        x=[step for step, _ in compared], y=[_wrapped(name, 18) for name in names], z=z,
        zmin=-FAR, zmax=FAR, colorscale=DIVERGING, xgap=1, ygap=1, hoverongaps=False,
        colorbar={
            "title": {"text": "z", "side": "top", "font": {"size": 12}}, "thickness": 12,
            "tickvals": [-FAR, -3, 0, 3, FAR], "ticktext": [f"≤ −{FAR}", "−3", "0", "+3", f"≥ +{FAR}"],
        },
        hovertemplate="%{y}<br>step %{x:,}: z = %{z:+.1f}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title_text="training step", showgrid=False, nticks=8)
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="", tickfont={"size": 11})
    return figure


def _wrapped(name: str, most: int) -> str:
    """Name of a measure in lines of so many letters at most, for a narrow page."""
    lines = textwrap.wrap(f"{name[0].upper()}{name[1:]}", most)
    return "<br>".join(lines)
