"""Figures of training itself: density, churn and accuracy as they went, layers, and single connections."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from studies.report.aggregation import DENSE, Record, percent, run_name, sparsities
from studies.report.style import NEUTRAL, head_panels, policy_style, style_figure

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


def _joined(pieces: Sequence[Sequence[object]]) -> list[object]:
    """Many polylines as one, separated by None: one trace draws them all."""
    line: list[object] = []
    for piece in pieces:
        line.extend([*piece, None])
    return line[:-1]


def _rounded(fraction: float | None) -> float | None:
    """Turn a fraction into percent, to the thousandth: more digits would only make the page larger."""
    return None if fraction is None else round(100 * fraction, 3)
