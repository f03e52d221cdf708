"""The hysteresis loop of a gene: steady expression against induction, and where genes stand on it."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from grn.analytic import Hysteresis, fixed_points, hysteresis_thresholds
from grn.plot.hysteresis_genes import BOX, check_genes, mark_genes
from grn.plot.labels import log_axis, number
from grn.plot.promoter import Promoter
from grn.plot.style import BLUE, NEUTRAL, ORANGE, PINK, new_figure, tint

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from grn.kinetics import Kinetics

    Array = NDArray[np.float64]

POINTS = 240  # of a branch
NARROW = 34  # letters of a line of the note, which a phone shows beside the axis
ROUND = (1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)  # of a decade, labelled on a short axis


def hysteresis_loop(
    kinetics: Kinetics,
    autoactivation: float,
    *,
    cooperation: float = 0.0,
    induction: ArrayLike | None = None,
    protein: ArrayLike | None = None,
    live: ArrayLike | None = None,
    neighbourhood: float | None = None,
    maximum_points: int = 2000,
    title: str = "",
) -> go.Figure:
    """Draw the resting expression of a gene of Eq. 1 against its induction S/K.

    Stable branches are solid, the unstable one dashed; arrows show where a gene that is off turns on and one
    that is on turns off. Without bistability there is one branch, and the figure says so and which
    autoactivation would give a loop.

    Parameters
    ----------
    kinetics : Kinetics
        n and b; rates move no resting level.
    autoactivation : float
        a, dimensionless.
    cooperation : float
        c, dimensionless: neighbours' mean expression r raises the input by c·r.
    induction : array, shape (genes,), optional
        S/K of genes to mark; those outside the frame stand at its edge.
    protein : array, shape (genes,), optional
        Their expression; without it they are marked along the lower edge.
    live : array of bool, shape (genes,), optional
        Which of them are live connections; all are without it.
    neighbourhood : float, optional
        r, held; by default the mean of ``protein``, or one half.
    maximum_points : int
        Genes drawn, an even choice of those given.
    title : str
        Above the figure.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    ValueError
        If a strength is negative, shapes differ, an induction is negative or not finite, or ``protein`` or
        ``live`` comes without ``induction``.

    Examples
    --------
    >>> from grn.kinetics import Kinetics
    >>> [trace.name for trace in hysteresis_loop(Kinetics(), 3.0).data]
    ['stable, off', 'unstable', 'stable, on', 'threshold']
    >>> figure = hysteresis_loop(Kinetics(), 1.0)
    >>> [trace.name for trace in figure.data], "no hysteresis" in figure.layout.title.text
    (['stable'], True)
    """
    genes = check_genes(induction, protein, live)
    if neighbourhood is None:
        neighbourhood = 0.5 if genes is None or genes[1] is None else float(genes[1].clip(0, 1).mean())
    promoter = Promoter(
        kinetics=kinetics, autoactivation=autoactivation, cooperation=cooperation, neighbourhood=neighbourhood
    )
    window = hysteresis_thresholds(kinetics, promoter.memory)
    if window is not None:
        window = Hysteresis(*(edge / promoter.gain for edge in window))
    low, high = _frame(window, None if genes is None else genes[0])
    heading = "Hysteresis of expression" if window else "Expression against induction: no hysteresis"
    figure = new_figure(title or heading, height=520)
    if window is None:
        _single(figure, promoter, low, high)
    else:
        _loop(figure, promoter, window, low, high)
    if genes is not None:
        mark_genes(figure, *genes, window, (low, high), maximum_points)
    c = f", c = {number(cooperation)} at r = {number(neighbourhood)}" if cooperation else ""
    figure.update_xaxes(
        title_text="induction S/K, importance over threshold<br>"
        f"(n = {number(kinetics.hill_coefficient)}, a = {number(autoactivation)}{c})",
        **_axis(low, high),
    )
    figure.update_yaxes(title_text="expression p (1: fully on)", range=[-0.1, 1.05])
    figure.update_layout(showlegend=True, margin_t=82)
    return figure


def _frame(window: Hysteresis | None, induction: Array | None) -> tuple[float, float]:
    """Range of induction: the window with room around it, wider where most genes stand beyond."""
    low, high = (0.3, 3.0) if window is None else (window.switch_off / 1.8, window.switch_on * 1.8)
    positive = np.empty(0) if induction is None else induction[induction > 0]
    if len(positive):
        ends = np.quantile(positive, [0.02, 0.98])
        low, high = min(low, float(ends[0]) / 1.1), max(high, float(ends[1]) * 1.1)
    return max(low, high / 1e4), high


def _axis(low: float, high: float) -> dict[str, object]:
    """Logarithmic axis; within a decade with more round values than 1, 2 and 5."""
    axis = log_axis(low, high)
    if high / low < 12:
        round_values = [digit * 10.0**k for k in range(-5, 5) for digit in ROUND]
        shown = [value for value in round_values if low <= value <= high]
        axis |= {"tickvals": shown, "ticktext": [number(value) for value in shown]}
    return axis


def _branch(promoter: Promoter, low: float, high: float, name: str, color: str, dash: str) -> go.Scatter:
    """Resting levels from one to another, as the induction at which each rests."""
    ease = 0.5 - 0.5 * np.cos(np.linspace(0, math.pi, POINTS))  # dense at the ends, where the curve is steep
    levels = low + (high - low) * ease
    return go.Scatter(
        x=promoter.induction_at_rest(levels).astype(np.float32), y=levels.astype(np.float32), mode="lines",
        name=name,
        line={"color": color, "width": 1.8 if dash == "dash" else 3, "dash": dash, "simplify": False},
        hovertemplate=f"{name}: a gene rests at expression %{{y:.3f}}<br>under induction S/K %{{x:.4g}}"
        "<extra></extra>",
    )  # fmt: skip


def _ends(promoter: Promoter) -> tuple[float, float]:
    """Lowest and highest resting level, short of the limits at which the induction is 0 or infinite."""
    b = float(promoter.kinetics.basal)
    return b + (1 - b) * 1e-9, 1 - (1 - b) * 1e-9


def _single(figure: go.Figure, promoter: Promoter, low: float, high: float) -> None:
    ends = _ends(promoter)
    figure.add_trace(_branch(promoter, *ends, "stable", BLUE, "solid"))
    least = promoter.least_bistable
    why = (
        f"two would need autoactivation a above {number(least)}"
        if math.isfinite(least)
        else "none has two, whatever the autoactivation: n is too small for the leak b"
    )
    said = f"One resting level at every induction, so no memory beyond the decay times: {why}."
    figure.add_annotation(
        text="<br>".join(textwrap.wrap(said, NARROW)),
        xref="paper", yref="paper", x=0.02, y=0.97, xanchor="left", yanchor="top", align="left",
        font={"size": 13}, bgcolor=BOX, borderpad=4,
    )  # fmt: skip


def _folds(promoter: Promoter, window: Hysteresis) -> tuple[float, float]:
    """Levels at which the lower branch ends and the upper one begins."""
    A = promoter.memory * (1 - promoter.kinetics.basal)
    n, b = promoter.kinetics.hill_coefficient, promoter.kinetics.basal
    roots = np.sort(np.roots([n * A, -(n - 1) * A, 1 + promoter.memory * b]).real)
    return b + (1 - b) * float(roots[0]), b + (1 - b) * float(roots[1])


def _share(at: float, low: float, high: float) -> float:
    """How far an induction lies along the axis, which is logarithmic, from 0 to 1."""
    return math.log(at / low) / math.log(high / low)


def _loop(figure: go.Figure, promoter: Promoter, window: Hysteresis, low: float, high: float) -> None:
    least, most = _ends(promoter)
    lower, upper = _folds(promoter, window)
    figure.add_traces(
        [
            _branch(promoter, least, lower, "stable, off", BLUE, "solid"),
            _branch(promoter, lower, upper, "unstable", NEUTRAL, "dash"),
            _branch(promoter, upper, most, "stable, on", ORANGE, "solid"),
        ]
    )
    figure.add_vrect(
        x0=window.switch_off, x1=window.switch_on, fillcolor=tint(NEUTRAL, 0.1), line_width=0, layer="below"
    )
    # A label stands on the outer side of its threshold, unless that is too near the edge.
    on_side, off_side = (
        ("right" if _share(window.switch_on, low, high) > 0.6 else "left"),
        ("left" if _share(window.switch_off, low, high) < 0.4 else "right"),
    )
    jumps = (
        (window.switch_on, lower, "turns on above", BLUE, on_side, 1),
        (window.switch_off, upper, "turns off below", ORANGE, off_side, -1),
    )
    figure.add_scatter(
        x=[jump[0] for jump in jumps], y=[jump[1] for jump in jumps], mode="markers", name="threshold",
        marker={"symbol": "square", "size": 10, "color": PINK, "line": {"color": "white", "width": 1}},
        text=[f"a gene {jump[2]} S/K = {jump[0]:.5g}" for jump in jumps],
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
    for at, level, word, color, side, sign in jumps:
        rest = [point.level for point in fixed_points(promoter.kinetics, at * promoter.gain, promoter.memory)]
        landing = max(rest) if sign > 0 else min(rest)
        figure.add_annotation(
            x=math.log10(at), y=landing - 0.02 * sign, ax=math.log10(at), ay=level + 0.03 * sign,
            axref="x", ayref="y", showarrow=True, arrowhead=2, arrowsize=1.2, arrowwidth=2.2,
            arrowcolor=color, text="",
        )  # fmt: skip
        beside = window.switch_on if side == "left" else window.switch_off  # clear of both arrows
        figure.add_annotation(
            x=math.log10(beside), y=level, xanchor=side, xshift=10 if side == "left" else -10,
            text=f"{word} {number(at)}", font={"size": 12}, bgcolor=BOX, borderpad=1,
        )  # fmt: skip
