"""Figures of what is inside the network: density of each layer, expression of single connections."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from studies.report.aggregation import DENSE, Record, percent, run_name
from studies.report.style import head_panels, policy_style, style_figure


def layer_density_figure(runs: Sequence[Record]) -> go.Figure:
    """Draw the density of every layer after every update, a panel a run: which layers pay for the sparsity.

    Parameters
    ----------
    runs
        Records of runs with updates. Colour is logarithmic in density; an empty layer is left blank.

    Raises
    ------
    ValueError
        If a run has no updates.
    """
    for run in runs:
        if not run.get("updates"):
            raise ValueError(
                f"layer densities need a run with mask updates, got {run_name(run)}, which has none"
            )
    titles = [f"{policy_style(run['policy']).label}, seed {run['seed']}" for run in runs]
    figure = make_subplots(
        rows=len(runs), cols=1, subplot_titles=titles, shared_xaxes=True, vertical_spacing=0.3 / len(runs)
    )
    floor, layers = 1.0, 1
    for row, run in enumerate(runs, start=1):
        names = list(run["updates"][-1]["layer_density"])
        table = np.array(
            [[update["layer_density"][name] for update in run["updates"]] for name in names], dtype=float
        )
        shown = np.where(table > 0.0, table, np.nan)
        floor = min(floor, float(np.nanmin(shown))) if np.isfinite(shown).any() else floor
        layers = max(layers, len(names))
        figure.add_heatmap(
            x=[update["step"] for update in run["updates"]],
            y=[html.escape(name) for name in names],
            z=np.log10(shown),
            customdata=100 * table,
            coloraxis="coloraxis",
            hovertemplate="%{y}, step %{x}: %{customdata:.2f} % live<extra>"
            + html.escape(run_name(run))
            + "</extra>",
            row=row,
            col=1,
        )
    ticks = [t for t in (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001) if t >= floor * 0.999]
    level = (
        f" at {percent(runs[0]['target_sparsity'])} sparsity"
        if len({r["target_sparsity"] for r in runs}) == 1
        else ""
    )
    style_figure(figure, f"Which layers pay: density of each layer over training{level}",
                 height=140 + len(runs) * (60 + 34 * layers))  # fmt: skip
    figure.update_layout(
        coloraxis={
            "colorscale": "Cividis",
            "cmin": float(np.log10(floor)),
            "cmax": 0.0,
            "colorbar": {
                "title": {"text": "live (%)", "side": "right", "font": {"size": 12}},
                "tickvals": [float(np.log10(tick)) for tick in ticks],
                "ticktext": [f"{100 * tick:g}" for tick in ticks],
                "thickness": 12,
            },
        }
    )
    head_panels(figure)
    figure.update_xaxes(showgrid=False)
    figure.update_xaxes(title_text="training step", row=len(runs), col=1)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def has_expression(record: Record) -> bool:
    """Whether a run recorded the expression of its sampled connections."""
    updates = record.get("updates") or []
    return any(update.get("sample_expression") is not None for update in updates)


def expression_figure(runs: Sequence[Record]) -> go.Figure:
    """Draw the expression of the sampled connections over training, coloured by their final state.

    Raises
    ------
    ValueError
        If a run recorded no expression: only policies that filter importance have one.
    """
    for run in runs:
        if not has_expression(run):
            raise ValueError(
                f"{run_name(run)} recorded no expression: choose a run of expression or smoothed gating"
            )
    titles = [f"{policy_style(run['policy']).label}, seed {run['seed']}" for run in runs]
    figure = make_subplots(
        rows=len(runs), cols=1, subplot_titles=titles, shared_xaxes=True, vertical_spacing=0.18 / len(runs)
    )
    for row, run in enumerate(runs, start=1):
        updates = [update for update in run["updates"] if update.get("sample_expression") is not None]
        steps = [update["step"] for update in updates]
        levels = np.array(
            [update["sample_expression"] for update in updates], dtype=float
        )  # (updates, sampled)
        live = np.array(updates[-1]["sample_live"], dtype=bool)
        highest = max(1.0, float(np.nanmax(levels)))  # a linear filter has no upper limit
        figure.update_yaxes(range=[-0.03 * highest, 1.03 * highest], row=row, col=1)
        for state, members, color in (
            ("silent at the end", np.flatnonzero(~live), policy_style(DENSE).tint(0.5)),
            ("live at the end", np.flatnonzero(live), policy_style("expression").tint(0.85)),
        ):
            figure.add_scatter(
                x=_joined([steps] * len(members)),
                y=_joined([levels[:, member].round(4).tolist() for member in members]),
                text=_joined([[f"connection {member}"] * len(steps) for member in members]),
                mode="lines",
                name=state,
                legendgroup=state,
                showlegend=row == 1,
                line={"color": color, "width": 1.2},
                connectgaps=False,
                hovertemplate="%{text}, step %{x}<br>expression %{y:.3f}<extra>"
                + html.escape(run_name(run))
                + "</extra>",
                row=row,
                col=1,
            )
    count = len(runs[0]["updates"][-1]["sample_live"])
    level = percent(runs[0]["target_sparsity"])
    title = f"Expression of {count} sampled connections, {level} sparse"
    style_figure(figure, title, height=140 + 260 * len(runs))
    figure.update_xaxes(title_text="training step", row=len(runs), col=1)
    head_panels(figure)
    figure.update_yaxes(title_text="expression p")
    return figure


def _joined(pieces: Sequence[Sequence[object]]) -> list[object]:
    """Many polylines as one, separated by None: one trace draws them all."""
    line: list[object] = []
    for piece in pieces:
        line.extend([*piece, None])
    return line[:-1]
