"""Accuracy, density and churn of the runs A and B over their steps, with a mark where rates changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grn.plot.style import figure_template, tint
from studies.tune.live.progress import Point, Progress
from studies.tune.live.words import COLOURS, DASHES, SLOTS, told_change

MOST_DRAWN = 300  # points of a curve: more than that many pixels show nothing new
HEIGHT = 520


def curves_figure(runs: Mapping[str, Progress], *, dark: bool = False) -> go.Figure:
    """Draw both runs together.

    Parameters
    ----------
    runs : mapping of str to Progress
        By slot, ``"a"`` or ``"b"``.
    dark : bool
        For a dark page.

    Examples
    --------
    >>> [trace.name for trace in curves_figure({"a": Progress()}).data]
    ['A', 'A asked for', 'A density', 'A churn', 'A: rates changed']
    """
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.07, row_heights=[3, 2, 2])
    for slot, progress in runs.items():
        _draw(figure, slot, progress)
    figure.update_layout(
        template=figure_template(dark=dark), height=HEIGHT, margin={"l": 58, "r": 12, "t": 34, "b": 44},
        legend={"y": 1.01, "font": {"size": 11.5}}, uirevision="live", hovermode="closest",
    )  # fmt: skip
    figure.update_xaxes(title_text="optimizer step", row=3, col=1, title_standoff=6)
    figure.update_xaxes(automargin=False, rangemode="tozero")
    for row, title in enumerate(("validation accuracy", "density", "churn an update"), 1):
        figure.update_yaxes(title_text=title, row=row, col=1, automargin=False, title_standoff=4)
    figure.update_yaxes(range=[0, 1.03], row=1, col=1)
    figure.update_yaxes(rangemode="tozero", row=2, col=1)
    figure.update_yaxes(rangemode="tozero", row=3, col=1)
    return figure


def thinned(points: Sequence[Point], most: int = MOST_DRAWN) -> list[Point]:
    """Every second, third … point, and the last one.

    Examples
    --------
    >>> [step for step in thinned(range(10), 4)]
    [0, 4, 8, 9]
    """
    if len(points) <= most:
        return list(points)
    stride = -(-len(points) // (most - 1))
    return [*points[:-1:stride], points[-1]]


def _draw(figure: go.Figure, slot: str, progress: Progress) -> None:
    name, color, dash = SLOTS[slot], COLOURS[slot], DASHES[slot]
    points = thinned(progress.points)
    steps = [point.step for point in points]

    def line(row: int, values: list[float], label: str, told: str, **look: object) -> None:
        figure.add_scatter(
            x=steps, y=[round(value, 4) for value in values], mode="lines", name=label, legendgroup=slot,
            showlegend=row == 1, line={"color": color, "dash": dash, "width": 2.0, **look},
            hovertemplate=f"{name}: {told} at step %{{x:,}}<extra></extra>", row=row, col=1,
        )  # fmt: skip

    line(1, [point.accuracy for point in points], name, "accuracy %{y:.1%}")
    asked = {"color": tint(color, 0.6), "dash": "dot", "width": 1.3}
    line(2, [point.target for point in points], f"{name} asked for", "density %{y:.4f} asked for", **asked)
    line(2, [point.density for point in points], f"{name} density", "density %{y:.4f}")
    line(3, [point.churn for point in points], f"{name} churn", "%{y:.2%} of the masks flipped", width=1.4)
    marks = [mark.step for mark in progress.marks]
    figure.add_scatter(
        x=marks, y=[0.04 if slot == "a" else 0.1] * len(marks), mode="markers", name=f"{name}: rates changed",
        showlegend=False, legendgroup=slot, cliponaxis=False,
        marker={"symbol": "triangle-up", "size": 11, "color": color},
        text=[told_change(mark.before, mark.after) for mark in progress.marks],
        hovertemplate=f"{name}, step %{{x:,}}<br>%{{text}}<extra></extra>", row=1, col=1,
    )  # fmt: skip
    for step in marks:
        figure.add_vline(step, line={"color": tint(color, 0.45), "width": 1, "dash": dash})
