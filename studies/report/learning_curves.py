"""The learning curves of one run: loss, scores on validation data, sparsity and learning rate by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grn.plot.style import BLUE, GREEN, ORANGE
from studies.report.aggregation import Record
from studies.report.style import NEUTRAL, epoch_ticks, head_panels, style_figure

_DOTTED_EPOCHS = 40  # with more epochs than these the points run together: lines alone


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    field: str  # of a point of the curve
    name: str
    color: str
    dash: str = "solid"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Panel:
    heading: str
    unit: str  # after a value
    lines: tuple[_Line, ...]
    scale: float = 1.0
    form: str = ".3f"
    legend: bool = True
    zero: bool = False  # whether the axis starts at 0


_PANELS = (
    _Panel(
        heading="Loss (nats)",
        unit=" nats",
        lines=(
            _Line(field="train_loss", name="training loss", color=BLUE),
            _Line(field="validation_loss", name="validation loss", color=ORANGE, dash="dash"),
        ),
    ),
    _Panel(
        heading="Scores on validation data (%)",
        unit=" %",
        scale=100.0,
        form=".2f",
        lines=(
            _Line(field="validation_accuracy", name="validation accuracy", color=ORANGE),
            _Line(field="validation_macro_f1", name="validation macro F1", color=GREEN, dash="dot"),
        ),
    ),
    _Panel(
        heading="Silenced connections (%)",
        unit=" % silenced",
        scale=100.0,
        form=".2f",
        lines=(_Line(field="sparsity", name="sparsity", color=NEUTRAL),),
        legend=False,
        zero=True,
    ),
    _Panel(
        heading="Learning rate",
        unit="",
        form=".3g",
        lines=(_Line(field="learning_rate", name="learning rate", color=NEUTRAL),),
        legend=False,
        zero=True,
    ),
)


def learning_figure(record: Record) -> go.Figure | None:
    """Draw how one run learned, a panel a unit, over epochs; None where its record has no curve.

    What the record does not hold is left out, and sparsity where nothing was pruned. The epoch whose weights
    were kept (``best_epoch``) and that of an early stop (``stopped_epoch``) are marked where the record names
    them.
    """
    curve = record.get("curve") or []
    panels = [panel for panel in _PANELS if any(_shown(curve, line) for line in panel.lines)]
    if not panels:
        return None
    figure = make_subplots(
        rows=len(panels),
        cols=1,
        shared_xaxes=True,
        subplot_titles=[panel.heading for panel in panels],
        vertical_spacing=0.24 / len(panels),
        row_heights=[3 if panel.legend else 2 for panel in panels],
    )
    for row, panel in enumerate(panels, start=1):
        for line in panel.lines:
            if _shown(curve, line):
                _draw(figure, curve, panel, line, row)
        if panel.zero:
            figure.update_yaxes(rangemode="tozero", row=row, col=1)
    height = 150 + sum(210 if panel.legend else 130 for panel in panels)
    style_figure(figure, "How it learned", height=height)
    head_panels(figure)
    figure.update_xaxes(**epoch_ticks(curve[-1]["epoch"]))
    figure.update_xaxes(title_text="epoch", row=len(panels), col=1)
    figure.update_yaxes(exponentformat="power", row=len(panels), col=1)  # of the rate: no 400µ
    _mark_epochs(figure, record, curve)
    return figure


def curve_words(record: Record) -> str:
    """Say in a sentence where the curves end, for those who cannot see them; empty without a curve."""
    curve = record.get("curve") or []
    if not curve:
        return ""
    last = curve[-1]
    words = f"{len(curve)} epochs; training loss {last['train_loss']:.3f} at the end"
    if last.get("validation_loss") is not None:
        words += f", validation loss {last['validation_loss']:.3f}"
    return f"{words}, validation accuracy {100 * last['validation_accuracy']:.2f} %."


def _shown(curve: Sequence[Mapping[str, Any]], line: _Line) -> bool:
    values = [point.get(line.field) for point in curve]
    if line.field == "sparsity":
        return any(values)  # a dense run has a flat line of zeros, which says nothing
    return any(value is not None for value in values)


def _draw(
    figure: go.Figure, curve: Sequence[Mapping[str, Any]], panel: _Panel, line: _Line, row: int
) -> None:
    values = [point.get(line.field) for point in curve]
    figure.add_scatter(
        x=[point["epoch"] for point in curve],
        y=[None if value is None else _short(panel.scale * value) for value in values],
        mode="lines+markers" if len(curve) <= _DOTTED_EPOCHS else "lines",
        name=line.name,
        showlegend=panel.legend,
        line={"color": line.color, "dash": line.dash, "width": 2},
        marker={"color": line.color, "size": 5},
        hovertemplate=f"epoch %{{x}}: %{{y:{panel.form}}}{panel.unit}<extra>{line.name}</extra>",
        row=row,
        col=1,
    )


def _mark_epochs(figure: go.Figure, record: Record, curve: Sequence[Mapping[str, Any]]) -> None:
    """Draw a line through all panels at the epoch whose weights are scored and at that of an early stop.

    Without an early stop and with the last epoch scored there is nothing to tell.
    """
    scored, stopped = record.get("best_epoch"), record.get("stopped_epoch")
    marks: dict[int, list[str]] = {}
    if scored is not None and (stopped is not None or int(scored) != curve[-1]["epoch"]):
        marks.setdefault(int(scored), []).append("weights kept")
    if stopped is not None:
        marks.setdefault(int(stopped), []).append("stopped")
    middle = (curve[0]["epoch"] + curve[-1]["epoch"]) / 2
    for place, (epoch, words) in enumerate(sorted(marks.items())):
        figure.add_shape(
            type="line", x0=epoch, x1=epoch, xref="x", y0=0, y1=1, yref="paper",
            line={"color": NEUTRAL, "width": 1.5, "dash": "dot" if words == ["stopped"] else "dash"},
        )  # fmt: skip
        left = epoch > middle
        figure.add_annotation(
            text=f"{' and '.join(words)}: epoch {epoch}",
            bgcolor="rgba(255, 255, 255, 0.8)",
            x=epoch, xref="x", y=1.0, yref="paper",
            xanchor="right" if left else "left", yanchor="top", yshift=-2 - 16 * place,
            xshift=-4 if left else 4, font={"color": NEUTRAL, "size": 12},
        )  # fmt: skip


def _short(value: float) -> float:
    """Six significant digits: more would only make the page larger."""
    return float(f"{value:.6g}")
