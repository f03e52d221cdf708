"""Run A against run B: what they were told, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import mean

from dash import html

from studies.tune.live.progress import Progress
from studies.tune.live.words import LABELS, SLOTS
from studies.tune.settings import NAMES, Settings

RECENT = 10  # points that the mean churn is over

RESULTS: dict[str, Callable[[Progress], str]] = {
    "optimizer steps": lambda run: f"{run.points[-1].step:,}",
    "validation accuracy": lambda run: f"{run.points[-1].accuracy:.1%}",
    "best so far": lambda run: f"{max(point.accuracy for point in run.points):.1%}",
    "training loss": lambda run: f"{run.points[-1].loss:.3g}",
    "density": lambda run: f"{run.points[-1].density:.4f}",
    f"churn, mean of {RECENT} points": lambda run: f"{mean(p.churn for p in run.points[-RECENT:]):.2%}",
}


def comparison_table(runs: Mapping[str, Progress], settings: Mapping[str, Settings]) -> html.Table:
    """Return the table; settings that differ between the runs are marked.

    Parameters
    ----------
    runs : mapping of str to Progress
        By slot, ``"a"`` or ``"b"``.
    settings : mapping of str to Settings
        In force in each.
    """
    head = html.Thead(
        html.Tr([html.Th("", scope="col"), *(html.Th(f"Run {SLOTS[slot]}", scope="col") for slot in runs)])
    )
    rows = []
    for name in NAMES:
        values = [getattr(settings[slot], name) for slot in runs]
        differ = len(set(values)) > 1
        rows.append(_row(LABELS[name], [f"{value:.4g}" for value in values], "differs" if differ else ""))
    for label, told in RESULTS.items():
        rows.append(_row(label, [told(run) if run.points else "–" for run in runs.values()], "result"))
    return html.Table([head, html.Tbody(rows)])


def _row(label: str, values: list[str], kind: str) -> html.Tr:
    return html.Tr([html.Th(label, scope="row"), *(html.Td(value) for value in values)], className=kind)
