"""Figures that compare policies: accuracy against sparsity, paired differences, cost.

Each function takes records and returns a plotly figure; the numbers come from `studies.report.aggregation`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from studies.report.aggregation import (
    DENSE,
    Cell,
    Interval,
    Record,
    accuracy_cells,
    choose_base,
    cost_table,
    paired_differences,
    percent,
    sparsities,
)
from studies.report.style import NEUTRAL, new_figure, policy_style


def accuracy_figure(records: Sequence[Record]) -> go.Figure:
    """Draw test accuracy against achieved sparsity: a curve a policy, a dot a seed, intervals, a dense band.

    The horizontal axis is logarithmic in density, as accuracy changes most where few connections are left.
    """
    figure = new_figure("Test accuracy against sparsity", height=480)
    cells = accuracy_cells(records)
    levels = sparsities(records)
    sparse = [cell for cell in cells if cell.policy != DENSE]
    places = [_log_density(cell.sparsity) for cell in sparse] or [0.0]
    span = max(max(places) - min(places), 0.3)
    policies = list(dict.fromkeys(cell.policy for cell in sparse))
    for index, policy in enumerate(policies):
        own = [cell for cell in sparse if cell.policy == policy]
        shift = (index - (len(policies) - 1) / 2) * 0.014 * span
        at = [_log_density(cell.sparsity) + shift for cell in own]
        _draw_policy(figure, policy, own, at, beside=0.004 * span, joined=True)
    for cell in cells:
        if cell.policy == DENSE:
            _dense_band(figure, cell, min(places) - 0.1 * span, max(places) + 0.1 * span)
    figure.update_xaxes(
        title_text="achieved sparsity (spaced by the log of density)",
        tickvals=[_log_density(level) for level in levels],
        ticktext=[percent(level) for level in levels],
        range=[min(places) - 0.1 * span, max(places) + 0.1 * span],
    )
    figure.update_yaxes(title_text="test accuracy (%)")
    _frame(figure, cells, zero=False)
    if len(policies) > 4:  # the legend takes two lines on a narrow page
        figure.update_layout(height=510, margin_t=88)
    return figure


def paired_figure(records: Sequence[Record], base: str = "magnitude") -> go.Figure:
    """Draw differences of test accuracy from a base policy at the same seed, with 95 % t intervals.

    Falls back to dense, and says so in the title, where the base was not run.

    Raises
    ------
    ValueError
        If neither the base nor dense was run.
    """
    chosen = choose_base(records, base)
    if chosen is None:
        raise ValueError(
            f"paired differences need runs of {base!r} or 'dense', got neither: add one to --policies"
        )
    title = f"Difference in test accuracy from {policy_style(chosen).label}, same seed and sparsity"
    if chosen != base:
        title = f"Difference in test accuracy from Dense, same seed ({policy_style(base).label} was not run)"
    figure = new_figure(title, height=440)
    cells = paired_differences(records, chosen)
    levels = sparsities(records)
    policies = list(dict.fromkeys(cell.policy for cell in cells))
    for index, policy in enumerate(policies):
        own = [cell for cell in cells if cell.policy == policy]
        shift = (index - (len(policies) - 1) / 2) * min(0.16, 0.72 / max(len(policies), 1))
        at = [levels.index(cell.target_sparsity) + shift for cell in own]
        _draw_policy(figure, policy, own, at, beside=0.03, joined=False)
    figure.add_hline(y=0.0, line={"color": NEUTRAL, "width": 1.5})
    for boundary in range(1, len(levels)):
        figure.add_vline(x=boundary - 0.5, line={"color": NEUTRAL, "width": 0.5, "dash": "dot"})
    figure.update_xaxes(
        title_text="target sparsity",
        tickvals=list(range(len(levels))),
        ticktext=[percent(level) for level in levels],
        range=[-0.5, len(levels) - 0.5],
        showgrid=False,
    )
    figure.update_yaxes(title_text="difference (percentage points)")
    _frame(figure, cells, zero=True)
    return figure


def cost_figure(records: Sequence[Record]) -> go.Figure:
    """Draw training time against dense (seconds where it was not run), the controller's part marked."""
    rows = [row for row in cost_table(records) if row.policy != DENSE or len(records) == 1]
    relative = bool(rows) and all(row.time_ratio is not None for row in rows)
    totals = [
        float(row.time_ratio if relative and row.time_ratio is not None else row.train_seconds)
        for row in rows
    ]
    shares = [row.controller_share for row in rows]
    names = [f"{policy_style(row.policy).label}, {percent(row.target_sparsity)}" for row in rows]
    unit = "× dense" if relative else "s"
    figure = new_figure("Training time, and the controller's part of it", height=150 + 26 * len(rows))
    parts = (
        ("training", [t * (1 - s) for t, s in zip(totals, shares, strict=True)], 0.55),
        ("pruning controller", [t * s for t, s in zip(totals, shares, strict=True)], 1.0),
    )
    for part, lengths, opacity in parts:
        figure.add_bar(
            x=lengths,
            y=names,
            orientation="h",
            name=part,
            marker={
                "color": [policy_style(row.policy).color for row in rows],
                "opacity": opacity,
                "pattern": {"shape": "/" if part == "pruning controller" else "", "solidity": 0.35},
            },
            hovertemplate="%{y}<br>" + part + ": %{x:.3f} " + unit + "<extra></extra>",
        )
    figure.update_layout(barmode="stack", bargap=0.35)
    if relative:
        figure.add_vline(x=1.0, line={"color": NEUTRAL, "dash": "dot"})
    figure.update_xaxes(title_text=f"training time ({'× dense' if relative else 'seconds'}, mean over seeds)")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def _draw_policy(
    figure: go.Figure, policy: str, cells: Sequence[Cell], at: Sequence[float], *, beside: float, joined: bool
) -> None:
    """Draw faint dots for seeds and, a little beside them, the means with their intervals."""
    style = policy_style(policy)
    figure.add_scatter(
        x=[x - beside for x, cell in zip(at, cells, strict=True) for _ in cell.values],
        y=[100 * value for cell in cells for value in cell.values],
        mode="markers",
        name=f"{style.label}, seeds",
        legendgroup=policy,
        showlegend=False,
        marker={"color": style.tint(0.5), "symbol": style.symbol, "size": 6},
        text=[
            f"{style.label}, {percent(cell.target_sparsity)} sparse, seed {seed}<br>"
            f"{_value_text(cell, value)}"
            for cell in cells
            for seed, value in zip(cell.seeds, cell.values, strict=True)
        ],
        hovertemplate="%{text}<extra></extra>",
    )
    reach = [_reach(cell.interval) for cell in cells]
    figure.add_scatter(
        x=list(at),
        y=[100 * cell.interval.mean for cell in cells],
        mode="lines+markers" if joined else "markers",
        name=style.label,
        legendgroup=policy,
        line={"color": style.color, "width": 2, "dash": style.dash},
        marker={"color": style.color, "symbol": style.symbol, "size": 9},
        error_y={
            "type": "data",
            "array": [100 * r if r is not None else None for r in reach],
            "color": style.color,
            "thickness": 1.3,
            "width": 4,
            "visible": any(r is not None for r in reach),
        },
        text=[_mean_text(cell) for cell in cells],
        hovertemplate="%{text}<extra></extra>",
    )


def _dense_band(figure: go.Figure, cell: Cell, left: float, right: float) -> None:
    style = policy_style(DENSE)
    if cell.interval.low is not None and cell.interval.high is not None:
        figure.add_scatter(
            x=[left, right, right, left],
            y=[100 * bound for bound in (cell.interval.low,) * 2 + (cell.interval.high,) * 2],
            mode="lines",
            line={"width": 0},
            fill="toself",
            fillcolor=style.tint(0.14),
            name="Dense, 95 % interval",
            legendgroup=DENSE,
            showlegend=False,
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=[left, right],
        y=[100 * cell.interval.mean] * 2,
        mode="lines",
        line={"color": style.color, "width": 2, "dash": style.dash},
        name=style.label,
        legendgroup=DENSE,
        text=[_mean_text(cell)] * 2,
        hovertemplate="%{text}<extra></extra>",
    )


def _frame(figure: go.Figure, cells: Sequence[Cell], *, zero: bool) -> None:
    """Fit the vertical axis to every seed; intervals widen it up to threefold, then are cut, which is said.

    With two seeds the t interval is some nine spreads long each way: fitting it would flatten every curve.
    Differences keep zero in the frame; accuracies end at 0 and 100 %.
    """
    dots = [100 * value for cell in cells for value in cell.values] + ([0.0] if zero else [])
    ends = [100 * end for cell in cells for end in (cell.interval.low, cell.interval.high) if end is not None]
    low, high = min(dots), max(dots)
    room = max(high - low, 0.5)
    bottom, top = max(min([*ends, low]), low - room), min(max([*ends, high]), high + room)
    if not zero:
        bottom, top = max(bottom, 0.0), min(top, 100.0)
    figure.update_yaxes(range=[bottom - 0.06 * (top - bottom), top + 0.06 * (top - bottom)])
    if any(end < bottom or end > top for end in ends):
        figure.add_annotation(
            text="intervals that leave the frame are given in the table",
            x=1.0, y=0.0, xref="paper", yref="paper", xanchor="right", yanchor="bottom",
            font={"color": NEUTRAL, "size": 11},
        )  # fmt: skip


def _reach(interval: Interval) -> float | None:
    return None if interval.high is None else interval.high - interval.mean


def _value_text(cell: Cell, value: float) -> str:
    if cell.base is None:
        return f"test accuracy {percent(value, 2)}"
    return f"{100 * value:+.2f} points from {policy_style(cell.base).label}"


def _mean_text(cell: Cell) -> str:
    style = policy_style(cell.policy)
    where = style.label if cell.policy == DENSE else f"{style.label}, {percent(cell.sparsity, 1)} sparse"
    text = f"<b>{where}</b><br>mean of {cell.interval.count}: {_value_text(cell, cell.interval.mean)}"
    if cell.interval.low is not None and cell.interval.high is not None:
        signed = "+.2f" if cell.base else ".2f"
        text += f"<br>95 % interval {100 * cell.interval.low:{signed}} to {100 * cell.interval.high:{signed}}"
    return f"{text}<br>seeds {', '.join(map(str, cell.seeds))}"


def _log_density(sparsity: float) -> float:
    """−log10 of the density; a network with nothing left would stand at infinity, so it is drawn at 1e-6."""
    return -math.log10(max(1.0 - sparsity, 1e-6))
