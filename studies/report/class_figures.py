"""What happens to the classes: recall by policy, confusion, and recall with precision of one run.

Class names come from records and are escaped, so that they appear as written.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grn.plot.style import BLUE, ORANGE
from studies.report.aggregation import (
    DENSE,
    Record,
    class_recall,
    confusion_counts,
    confusion_shares,
    percent,
)
from studies.report.class_scores import ClassScore, class_scores
from studies.report.style import NEUTRAL, new_figure, policy_style, style_figure


def recall_figure(records: Sequence[Record], target_sparsity: float) -> go.Figure | None:
    """Draw the recall of every class at one sparsity, a marker a policy; None where no run recorded it."""
    classes = _classes(records)
    figure = new_figure(
        f"Recall of each class at {percent(target_sparsity)} sparsity", height=140 + 44 * len(classes)
    )
    policies = list(dict.fromkeys(r["policy"] for r in records))
    for index, policy in enumerate(policies):
        recall = class_recall(records, policy, 0.0 if policy == DENSE else target_sparsity)
        if recall is None:
            continue
        style = policy_style(policy)
        shift = (index - (len(policies) - 1) / 2) * min(0.11, 0.7 / len(policies))
        figure.add_scatter(
            x=100 * recall,
            y=[place + shift for place in range(len(recall))],
            mode="markers",
            name=style.label,
            marker={"color": style.color, "symbol": style.symbol, "size": 9},
            text=[
                f"{style.label}, {name}: recall {value:.1%}"
                for name, value in zip(classes, recall, strict=True)
            ],
            hovertemplate="%{text}<extra></extra>",
        )
    if not figure.data:
        return None
    figure.update_xaxes(title_text="recall (% of the class's test samples, mean over seeds)")
    figure.update_yaxes(
        tickvals=list(range(len(classes))),
        ticktext=classes,
        range=[len(classes) - 0.5, -0.5],
        zeroline=False,
        showgrid=False,
    )
    for boundary in range(1, len(classes)):
        figure.add_hline(y=boundary - 0.5, line={"color": NEUTRAL, "width": 0.5, "dash": "dot"})
    return figure


def confusion_figure(records: Sequence[Record], policy: str, target_sparsity: float) -> go.Figure | None:
    """Draw a policy's confusion matrix beside dense, rows the true class in percent; None if not recorded.

    Hover texts give the counts, summed over seeds.
    """
    classes = _classes(records)
    wanted = [(DENSE, 0.0), (policy, target_sparsity)] if policy != DENSE else [(DENSE, 0.0)]
    found = [
        (name, counts, shares)
        for name, at in wanted
        if (counts := confusion_counts(records, name, at)) is not None
        and (shares := confusion_shares(records, name, at)) is not None
    ]
    if not found:
        return None
    labels = [policy_style(name).label for name, _, _ in found]
    figure = make_subplots(
        rows=1,
        cols=len(found),
        subplot_titles=labels if len(found) > 1 else None,
        shared_yaxes=True,
        horizontal_spacing=0.04,
    )
    for column, (name, counts, shares) in enumerate(found, start=1):
        figure.add_heatmap(
            z=100 * shares,
            x=classes,
            y=classes,
            customdata=np.stack(
                [counts, np.broadcast_to(counts.sum(1, keepdims=True), counts.shape)], axis=-1
            ),
            name=policy_style(name).label,
            coloraxis="coloraxis",
            texttemplate="%{z:.0f}",
            textfont={"size": 11 if len(found) > 1 else 13},
            xgap=1,
            ygap=1,
            hovertemplate="true %{y}, predicted %{x}: %{z:.1f} %, %{customdata[0]:,.0f} of "
            "%{customdata[1]:,.0f} samples<extra>" + policy_style(name).label + "</extra>",
            row=1,
            col=column,
        )
    where = f", {percent(target_sparsity)} sparse" if target_sparsity else ""
    style_figure(
        figure,
        f"What is taken for what: {' against '.join(reversed(labels))}{where}",
        height=220 + 36 * len(classes),
    )
    figure.update_layout(
        coloraxis={
            "colorscale": "Cividis",
            "cmin": 0,
            "cmax": 100 * max(float(np.nanmax(shares)) for _, _, shares in found),
            "colorbar": {
                "title": {"text": "% of true class", "side": "right", "font": {"size": 12}},
                "thickness": 12,
            },
        }
    )
    figure.update_layout(
        margin_t=92 if len(found) > 1 else 66
    )  # the headings of the panels stay clear of the tool bar
    figure.update_annotations(font_size=13)
    # Of digits too every class is named, not every second number.
    figure.update_xaxes(title_text="predicted", type="category", showgrid=False, tickangle=-40)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    figure.update_yaxes(title_text="true class", row=1, col=1)
    return figure


def class_figure(record: Record) -> go.Figure:
    """Draw recall and precision of every class, joined by a line, the best recognised class at the top.

    A class without test samples has no recall, one never predicted no precision: such marks are left out.
    """
    ranked = sorted(
        zip(
            [html.escape(str(name)) for name in record["classes"]],
            class_scores(record["confusion"]),
            strict=True,
        ),
        key=lambda pair: -1.0 if pair[1].recall is None else pair[1].recall,
        reverse=True,
    )
    places = [place for place, (_, score) in enumerate(ranked) if None not in (score.recall, score.precision)]
    figure = new_figure("Recall and precision of each class", height=140 + 36 * len(ranked))
    figure.add_scatter(
        x=[end for place in places for end in (*_ends(ranked[place][1]), None)],
        y=[at for place in places for at in (place, place, None)],
        mode="lines",
        line={"color": NEUTRAL, "width": 1.5},
        showlegend=False,
        hoverinfo="skip",
    )
    for field, symbol, color in (("recall", "circle", BLUE), ("precision", "diamond-open", ORANGE)):
        held = [
            (place, name, score, value)
            for place, (name, score) in enumerate(ranked)
            if (value := getattr(score, field)) is not None
        ]
        figure.add_scatter(
            x=[100 * value for _, _, _, value in held],
            y=[place for place, _, _, _ in held],
            mode="markers",
            name=field,
            marker={"color": color, "symbol": symbol, "size": 10, "line": {"color": color, "width": 2}},
            text=[f"{name}: {field} {100 * value:.1f} %, {_counts(field, s)}" for _, name, s, value in held],
            hovertemplate="%{text}<extra></extra>",
        )
    figure.update_xaxes(title_text="% of samples", range=[-2, 102])
    figure.update_yaxes(
        tickvals=list(range(len(ranked))),
        ticktext=[name for name, _ in ranked],
        range=[len(ranked) - 0.5, -0.5],
        zeroline=False,
    )
    return figure


def _ends(score: ClassScore) -> tuple[float, float]:
    return 100 * (score.recall or 0.0), 100 * (score.precision or 0.0)


def _counts(field: str, score: ClassScore) -> str:
    if field == "recall":
        return f"{score.hits} of {score.count} samples recognised"
    return f"{score.hits} of {score.predicted} samples so named are right"


def _classes(records: Sequence[Record]) -> list[str]:
    """Escaped class names; numbers where the records carry none."""
    for record in records:
        if record.get("classes"):
            return [html.escape(str(name)) for name in record["classes"]]
    counts = [len(r["per_class_recall"]) for r in records if r.get("per_class_recall")]
    return [str(place) for place in np.arange(max(counts, default=0))]
