"""Expression of a recorded run as blocks of a page: heat map, histogram, phase plane, hysteresis loop."""

from __future__ import annotations

import html

import numpy as np
import plotly.graph_objects as go

from grn.plot import cloud_plane, hysteresis_loop
from grn.plot.style import NEUTRAL, ORANGE, new_figure
from pruning.topology.expression_summary import BINS
from studies.report.expression_figures import expression_heatmap
from studies.report.page import Plot
from studies.report.topology_words import humps_text
from studies.topology_expression import ExpressionCourse
from studies.topology_store import spread_evenly

FRAMES = 8  # of the phase plane
POINTS = 600  # genes drawn on the plane and on the loop
SHORT = 12  # letters of a layer's name beside the plane
ROWS, UPDATES = 1500, 120  # of the heat map


def heatmap_plot(course: ExpressionCourse) -> Plot:
    """Map of the expression of sampled connections."""
    figure = expression_heatmap(
        course.steps,
        course.protein,
        course.live,
        course.layer,
        layer_names=course.layer_names,
        maximum_rows=ROWS,
        maximum_columns=UPDATES,
        title="Expression of single connections",
    )
    return Plot(
        name="expression-map",
        figure=figure,
        caption="A row is a connection, a column an update; layers stand one below the other, in each the "
        "longest live at the top. Yellow to dark blue: live, darker with expression. White to pink: "
        "silenced, pink where protein is still there or has come back. A row that turns from blue to white "
        "lost its connection there.",
        description=f"Heat map of the expression of {course.protein.shape[1]:,} sampled connections over "
        f"{len(course.steps)} updates.",
    )


def histogram_plot(course: ExpressionCourse) -> Plot | None:
    """Histogram of the expression of all connections over time, humps marked; None where it is unbounded."""
    humps = course.humps()
    if humps is None:
        return None
    whole = course.histogram.sum(1).T
    figure = new_figure("How expression is spread over all connections", height=440)
    middles = (np.arange(BINS) + 0.5) / BINS
    ticks = [k for k in range(8) if 10**k <= whole.max()]
    figure.add_heatmap(
        x=course.steps, y=middles.round(4), z=np.log10(np.where(whole > 0, whole, np.nan)).astype(np.float32),
        customdata=whole, colorscale="Cividis", hoverongaps=False,
        colorbar={
            "title": {"text": "connections", "side": "right", "font": {"size": 12}}, "thickness": 12,
            "tickvals": ticks, "ticktext": [f"{10**k:,}" for k in ticks],
        },
        hovertemplate="step %{x:,}: %{customdata:,} connections<br>with expression around %{y:.2f}"
        "<extra></extra>",
    )  # fmt: skip
    found = [
        (step, mode, one.bimodal)
        for step, one in zip(course.steps.tolist(), humps, strict=True)
        for mode in one.modes
    ]
    for name, wanted, color, symbol in (
        ("one of two humps", True, ORANGE, "circle"),
        ("hump, two not told apart", False, NEUTRAL, "circle-open"),
    ):
        own = [(step, mode) for step, mode, two in found if two == wanted]
        if own:
            figure.add_scatter(
                x=[step for step, _ in own], y=[mode for _, mode in own], mode="markers", name=name,
                marker={"size": 6, "color": color, "symbol": symbol, "line": {"width": 1, "color": "white"}},
                hovertemplate="step %{x:,}: hump at %{y:.2f}<extra></extra>",
            )  # fmt: skip
    figure.update_xaxes(title_text="training step", showgrid=False)
    figure.update_yaxes(title_text="expression p", range=[0, 1], showgrid=False)
    figure.update_layout(showlegend=True)
    words = humps_text(humps, course.steps.tolist())
    return Plot(
        name="expression-histogram",
        figure=figure,
        caption=f"{html.escape(words)} Each column is a histogram of all {course.gates:,} connections, "
        "brighter with more of them, on a logarithmic scale. Two bands that part are two states of the "
        "promoter: what lies between them is passed through.",
        description=f"Histogram of expression over training. {words}",
    )


def plane_plot(course: ExpressionCourse) -> Plot | None:
    """Phase plane of mRNA and protein with the sampled connections over time; None without Eq. 1."""
    if course.gene is None or course.mrna is None:
        return None
    frames = np.array(spread_evenly(range(len(course.steps)), FRAMES))
    genes = _spread(course.protein.shape[1])
    figure = cloud_plane(
        course.gene.kinetics,
        course.mrna[np.ix_(frames, genes)],
        course.protein[np.ix_(frames, genes)],
        live=course.live[np.ix_(frames, genes)],
        layer=course.layer[genes],
        layer_names=[_short(name) for name in course.layer_names],
        induction=None if course.induction is None else course.induction[np.ix_(frames, genes)],
        autoactivation=course.gene.autoactivation,
        cooperation=course.gene.cooperation,
        frames=[str(step) for step in course.steps[frames]],
        title="Connections on the phase plane of mRNA and protein",
    )
    return Plot(
        name="phase-plane",
        figure=figure,
        caption="A point is a connection: circles are live, crosses silenced. Points move to the right "
        "where their mRNA curve lies to the right of them, and up below the diagonal, on which protein "
        "rests. Where a curve meets the diagonal a connection with that induction would rest. Move the "
        "slider, or play.",
        description="Phase plane of mRNA and protein with nullclines and sampled connections over training.",
    )


def loop_plot(course: ExpressionCourse) -> Plot | None:
    """Hysteresis loop with the sampled connections of the last update; None without Eq. 1."""
    if course.gene is None:
        return None
    marks = {}
    if course.induction is not None and np.isfinite(course.induction[-1]).all():
        genes = _spread(course.protein.shape[1])
        marks = {
            "induction": course.induction[-1][genes],
            "protein": course.protein[-1][genes],
            "live": course.live[-1][genes],
        }
    figure: go.Figure = hysteresis_loop(
        course.gene.kinetics, course.gene.autoactivation, cooperation=course.gene.cooperation, **marks
    )
    return Plot(
        name="hysteresis",
        figure=figure,
        caption=f"The line is where a connection held at an induction S/K would come to rest; the points are "
        f"sampled connections after step {course.steps[-1]:,}. Points off the line are still on their way, "
        "as importance changes faster than protein does. Within a loop, where there is one, memory decides: "
        "a connection stays in the state it came from.",
        description="Resting expression against induction, with sampled connections.",
    )


def _short(name: str) -> str:
    """End of a layer's name: on a narrow page a long one beside the colours leaves the slider no room."""
    return name if len(name) <= SHORT else f"…{name[1 - SHORT :]}"


def _spread(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array(spread_evenly(range(count), POINTS))
