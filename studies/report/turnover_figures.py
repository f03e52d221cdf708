"""Births and deaths of connections, how long they live, and how far hubs stay hubs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grn.plot.style import BLUE, GREEN, NEUTRAL, ORANGE, head_panels, new_figure, style_figure, tint
from pruning.topology.measures import Overlap, Spells, Survival, kaplan_meier

COHORTS = {"initial": ("live at the first update", ORANGE), "born": ("born later", BLUE)}


def births_figure(updates: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Draw connections born and silenced by each update, and its churn.

    Parameters
    ----------
    updates : sequence of mapping
        ``step``, ``born``, ``died`` and ``churn`` of each.

    Raises
    ------
    ValueError
        If there is none.
    """
    if not updates:
        raise ValueError("births and deaths need at least one update, got none")
    steps = [update["step"] for update in updates]
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.62, 0.38], vertical_spacing=0.14,
        subplot_titles=["Connections born and silenced", "Churn: share of all masks flipped"],
    )  # fmt: skip
    for name, sign, color in (("born", 1, BLUE), ("died", -1, ORANGE)):
        figure.add_bar(
            x=steps, y=[sign * update[name] for update in updates], name=name, marker={"color": color},
            customdata=[update[name] for update in updates], row=1, col=1,
            hovertemplate=f"step %{{x:,}}: %{{customdata:,}} {name}<extra></extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=steps, y=[round(100 * update["churn"], 4) for update in updates], mode="lines+markers",
        name="churn", showlegend=False, line={"color": NEUTRAL, "width": 2}, marker={"size": 4},
        hovertemplate="step %{x:,}: %{y:.3f} % of masks flipped<extra></extra>", row=2, col=1,
    )  # fmt: skip
    style_figure(figure, "Births and deaths of connections", height=520)
    head_panels(figure)
    figure.update_layout(barmode="relative", bargap=0.15)
    figure.update_yaxes(title_text="connections", row=1, col=1)
    figure.update_yaxes(title_text="%", rangemode="tozero", row=2, col=1)
    figure.update_xaxes(title_text="training step", row=2, col=1)
    return figure


def survival_curves(spells: Spells) -> dict[str, tuple[Survival, Survival, float]]:
    """Lifetimes of each cohort that has members.

    Returns
    -------
    dict of str to (Survival, Survival, float)
        The Kaplan-Meier curve, the same were deaths blind to age, and the longest time in optimizer steps
        for which a member was seen, beyond which neither says anything.
    """
    found = {}
    cohorts: tuple[Any, ...] = tuple(COHORTS)
    for cohort in cohorts:
        durations = spells.durations(cohort)
        if len(durations[0]):
            found[cohort] = (
                kaplan_meier(*durations),
                kaplan_meier(*spells.memoryless(cohort)),
                float(durations[0].max()),
            )
    return found


def lifetime_figure(curves: Mapping[str, tuple[Survival, Survival, float]]) -> go.Figure:
    """Draw the share of connections that outlive each age, with its interval and the null without memory.

    Each curve ends at the longest time for which one of its connections was seen.

    Parameters
    ----------
    curves : mapping
        From `survival_curves`.

    Raises
    ------
    ValueError
        If there is no curve.
    """
    if not curves:
        raise ValueError("a lifetime figure needs a cohort with members, got none")
    figure = new_figure("How long connections live", height=440)
    for cohort, (curve, blind, watched) in curves.items():
        name, color = COHORTS[cohort]
        low, high = curve.interval()
        x, lower, upper = (_steps(curve.times, part, watched) for part in (curve.survival, low, high))
        figure.add_scatter(
            x=[*lower[0], *upper[0][::-1]], y=[*lower[1], *upper[1][::-1]], fill="toself", mode="lines",
            fillcolor=tint(color, 0.2), line={"width": 0}, hoverinfo="skip", showlegend=False,
        )  # fmt: skip
        censored = f", {curve.censored:,.0f} still live when last seen" if curve.censored else ""
        figure.add_scatter(
            x=x[0], y=x[1], mode="lines", name=f"{name}{censored}", line={"color": color, "width": 2.2},
            hovertemplate=f"{name}: %{{y:.1f}} % live longer than %{{x:,.0f}} steps<extra></extra>",
        )  # fmt: skip
        null = _steps(blind.times, blind.survival, watched)
        figure.add_scatter(
            x=null[0], y=null[1], mode="lines", name=f"{name}, were deaths blind to age",
            line={"color": color, "width": 1.4, "dash": "dot"},
            hovertemplate="blind to age: %{y:.1f} % live longer than %{x:,.0f} steps<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title_text="steps since birth, or since the first update", rangemode="tozero")
    figure.update_yaxes(title_text="still live (%)", range=[0, 102])
    figure.update_layout(showlegend=True, margin_t=130)
    return figure


def hub_figure(steps: Sequence[int], overlaps: Sequence[Overlap]) -> go.Figure:
    """Draw the share of hubs kept from each graph measured to the next, beside that of hubs drawn at random.

    Parameters
    ----------
    steps : sequence of int
        Of the graphs measured, one more than overlaps.
    overlaps : sequence of Overlap
        From :func:`pruning.topology.measures.hub_persistence`.

    Raises
    ------
    ValueError
        If there is no overlap, or not one fewer than steps.
    """
    if not overlaps or len(steps) != len(overlaps) + 1:
        raise ValueError(
            f"hubs need one overlap fewer than steps, and one at least, got {len(overlaps)} and {len(steps)}"
        )
    figure = new_figure("Hubs kept from one graph measured to the next", height=380)
    for name, values, look in (
        ("kept", [one.jaccard for one in overlaps], {"color": GREEN, "width": 2.2}),
        (
            "kept by chance",
            [one.chance_jaccard for one in overlaps],
            {"color": NEUTRAL, "width": 1.6, "dash": "dash"},
        ),
    ):
        figure.add_scatter(
            x=list(steps[1:]), y=[round(100 * v, 3) if math.isfinite(v) else None for v in values],
            mode="lines+markers", name=name, line=look,
            customdata=[
                [one.before, one.after, one.shared, f"{one.chance_shared:.2g}", f"{one.p:.2g}"]
                for one in overlaps
            ],
            hovertemplate="step %{x:,}: %{y:.1f} %<br>%{customdata[0]} hubs before, %{customdata[1]} now, "
            "%{customdata[2]} the same<br>(%{customdata[3]} by chance, p = %{customdata[4]})<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title_text="training step")
    figure.update_yaxes(title_text="of the hubs of either (%)", range=[-3, 103])
    figure.update_layout(showlegend=True)
    return figure


def _steps(times: Any, values: Any, end: float) -> tuple[list[float], list[float]]:
    """Corners of a step function that begins at 1 and lasts to the end, in percent."""
    seen = int(np.searchsorted(times, end, side="right"))
    x = np.concatenate([[0.0], np.repeat(times[:seen], 2), [end]])
    y = np.repeat(np.concatenate([[1.0], values[:seen]]), 2)
    return x.tolist(), np.round(100 * y, 3).tolist()
