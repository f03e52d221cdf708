"""Figures of training itself: density, churn, validation accuracy and loss as they went."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from studies.report.aggregation import DENSE, Record, percent, run_name, sparsities
from studies.report.style import NEUTRAL, epoch_ticks, head_panels, policy_style, style_figure

PANELS = 3  # sparsities shown in one figure: the lowest, the highest and the one between


def density_figure(records: Sequence[Record]) -> go.Figure | None:
    """Draw density after every update, each policy the target dashed; None where no run had updates."""
    figure = _panels(
        records,
        "Density over training",
        lambda r: ([u["step"] for u in r["updates"]], [_rounded(1 - u["sparsity"]) for u in r["updates"]]),
        hover="step %{x}: %{y:.2f} % live",
        vertical="live connections (%)",
        horizontal="training step",
        dense=False,
    )
    if figure is None:
        return None
    for row, level in enumerate(_shown(records), start=1):
        runs = [
            r for r in records if r["policy"] != DENSE and r["target_sparsity"] == level and r.get("updates")
        ]
        planned = [r for r in runs if all(u.get("target_sparsity") is not None for u in r["updates"])]
        if planned:
            updates = max((r["updates"] for r in planned), key=len)
            figure.add_scatter(
                x=[u["step"] for u in updates],
                y=[_rounded(1 - u["target_sparsity"]) for u in updates],
                mode="lines",
                name="target",
                legendgroup="target",
                showlegend=row == 1,
                line={"color": NEUTRAL, "dash": "dash", "width": 2},
                hovertemplate="target at step %{x}: %{y:.2f} % live<extra></extra>",
                row=row,
                col=1,
            )
    return figure


def churn_figure(records: Sequence[Record]) -> go.Figure | None:
    """Draw the share of masks flipped by every update; None where no run had updates."""
    return _panels(
        records,
        "Churn over training: how many masks every update flips",
        lambda r: ([u["step"] for u in r["updates"]], [_rounded(u["churn"]) for u in r["updates"]]),
        hover="step %{x}: %{y:.3f} % of masks flipped",
        vertical="masks flipped (%)",
        horizontal="training step",
        dense=False,
    )


def validation_figure(records: Sequence[Record]) -> go.Figure | None:
    """Draw validation accuracy after every epoch, dense in each panel; None where not recorded."""
    return _panels(
        records,
        "Validation accuracy over training",
        lambda r: (
            [p["epoch"] for p in r["curve"]],
            [_rounded(p["validation_accuracy"]) for p in r["curve"]],
        ),
        hover="epoch %{x}: %{y:.2f} %",
        vertical="validation accuracy (%)",
        horizontal="epoch",
        dense=True,
        source="curve",
    )


def validation_loss_figure(records: Sequence[Record]) -> go.Figure | None:
    """Draw the validation loss after every epoch, dense in each panel; None where no run recorded it."""
    held = [r for r in records if any(p.get("validation_loss") is not None for p in r.get("curve") or [])]
    return _panels(
        held,
        "Validation loss over training",
        lambda r: ([p["epoch"] for p in r["curve"]], [p.get("validation_loss") for p in r["curve"]]),
        hover="epoch %{x}: %{y:.3f} nats",
        vertical="validation loss (nats)",
        horizontal="epoch",
        dense=True,
        source="curve",
    )


def _panels(
    records: Sequence[Record],
    title: str,
    points: Callable[[Record], tuple[list[float], list[float | None]]],
    *,
    hover: str,
    vertical: str,
    horizontal: str,
    dense: bool,
    source: str = "updates",
) -> go.Figure | None:
    """One panel a sparsity, one faint line a run, one strong line a policy: the mean over its seeds."""
    levels = _shown(records)
    usable = [r for r in records if r.get(source) and (dense or r["policy"] != DENSE)]
    if not usable:
        return None
    levels = levels or [0.0]
    figure = make_subplots(
        rows=len(levels),
        cols=1,
        shared_xaxes=True,
        subplot_titles=[f"{percent(level)} sparse" if level else "Dense" for level in levels],
        vertical_spacing=0.2 / max(len(levels), 1),
    )
    named: set[str] = set()
    for row, level in enumerate(levels, start=1):
        runs = [r for r in usable if r["target_sparsity"] == level or r["policy"] == DENSE]
        for policy in dict.fromkeys(r["policy"] for r in runs):
            own = [(r, *points(r)) for r in runs if r["policy"] == policy]
            _draw_runs(figure, policy, own, row, hover, first=policy not in named)
            named.add(policy)
    every = sparsities(records)
    if len(every) > len(levels):
        title += f" ({len(levels)} of {len(every)} sparsities)"
    style_figure(figure, title, height=140 + 230 * len(levels))
    head_panels(figure)
    if horizontal == "epoch":
        figure.update_xaxes(**epoch_ticks(max(record["curve"][-1]["epoch"] for record in usable)))
    figure.update_xaxes(title_text=horizontal, row=len(levels), col=1)
    figure.update_yaxes(title_text=vertical)
    return figure


def _draw_runs(
    figure: go.Figure,
    policy: str,
    runs: Sequence[tuple[Record, list[float], list[float | None]]],
    row: int,
    hover: str,
    *,
    first: bool,
) -> None:
    style = policy_style(policy)
    several = len(runs) > 1
    shared = several and all(x == runs[0][1] for _, x, _ in runs)
    for record, x, y in runs:
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines",
            name=style.label,
            legendgroup=policy,
            showlegend=first and not shared and record is runs[0][0],
            line={
                "color": style.tint(0.3 if shared else 0.9),
                "width": 1 if shared else 2,
                "dash": style.dash,
            },
            hovertemplate=f"{hover}<extra>{html.escape(run_name(record))}</extra>",
            row=row,
            col=1,
        )
    if shared:
        table = np.array([y for _, _, y in runs], dtype=float)
        figure.add_scatter(
            x=runs[0][1],
            y=table.mean(axis=0)
            .round(3)
            .tolist(),  # an epoch one seed lacks stays a gap: a mean of fewer runs would jump
            mode="lines",
            name=style.label,
            legendgroup=policy,
            showlegend=first,
            line={"color": style.color, "width": 2.2, "dash": style.dash},
            hovertemplate=f"{hover}<extra>{style.label}, mean of {len(runs)}</extra>",
            row=row,
            col=1,
        )


def _shown(records: Sequence[Record]) -> list[float]:
    levels = sparsities(records)
    if len(levels) <= PANELS:
        return levels
    return [levels[0], levels[len(levels) // 2], levels[-1]]


def _rounded(fraction: float | None) -> float | None:
    """Turn a fraction into percent, to the thousandth: more digits would only make the page larger."""
    return None if fraction is None else round(100 * fraction, 3)
