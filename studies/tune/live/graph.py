"""The graph of a live run: its units, each at its place for good, and the links that live now."""

from __future__ import annotations

import plotly.graph_objects as go

from grn.plot.style import figure_template
from pruning.topology import TopologySnapshot, unit_links
from studies.report.graph_animation import GRID, graph_animation

HEIGHT = 480
MOST_UNITS, MOST_LINKS = 64, 1200


def graph_figure(before: TopologySnapshot | None, now: TopologySnapshot, *, dark: bool = False) -> go.Figure:
    """Draw the live links of a run.

    Parameters
    ----------
    before : TopologySnapshot or None
        Some updates earlier: what has come and gone since is marked.
    now : TopologySnapshot
        After the last update.
    dark : bool
        For a dark page.
    """
    snapshots = [now] if before is None or before.step >= now.step else [before, now]
    figure = graph_animation(
        [unit_links(snapshot) for snapshot in snapshots],
        maximum_units=MOST_UNITS,
        maximum_links=MOST_LINKS,
        title="",
    )
    shown = figure.layout
    # The last trace tells of the frame: the words below the figure do.
    still = go.Figure(data=figure.data[:-1], layout={"xaxis": shown.xaxis, "yaxis": shown.yaxis})
    lately = f"in the last {now.step - snapshots[0].step:,} steps"
    for trace in still.data:
        for name in ("name", "hovertemplate"):
            if trace[name]:
                trace[name] = trace[name].replace("since the frame before", lately)
    still.update_layout(
        template=figure_template(dark=dark), height=HEIGHT, margin={"l": 12, "r": 12, "t": 50, "b": 8},
        legend={"y": -0.02, "yanchor": "top", "font": {"size": 11.5}}, uirevision="live graph",
    )  # fmt: skip
    still.update_xaxes(range=[-0.09 * GRID, 1.09 * GRID])  # room for the names at both ends
    still.update_yaxes(range=[-0.02 * GRID, 1.02 * GRID])
    return still
