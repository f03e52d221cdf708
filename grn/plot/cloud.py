"""The phase plane (m, p) of Eq. 1 with the cloud of genes that move on it, still or over time."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from grn.analytic import fixed_points, hysteresis_thresholds
from grn.plot.cloud_state import Cloud
from grn.plot.labels import number
from grn.plot.playback import add_playback
from grn.plot.promoter import Promoter
from grn.plot.style import BLUE, GREEN, NEUTRAL, ORANGE, PINK, layer_colours, new_figure, tint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from grn.kinetics import Kinetics

    Array = NDArray[np.float64]

QUANTILES = {"low S/K": 0.1, "median S/K": 0.5, "high S/K": 0.9}  # inductions drawn
DASHES = ("dot", "solid", "dashdot")
LEVELS = 121  # points of a nullcline


def cloud_plane(
    kinetics: Kinetics,
    mrna: ArrayLike,
    protein: ArrayLike,
    *,
    live: ArrayLike | None = None,
    layer: ArrayLike | None = None,
    layer_names: Sequence[str] | None = None,
    induction: ArrayLike | None = None,
    autoactivation: float = 0.0,
    cooperation: float = 0.0,
    frames: Sequence[str] | None = None,
    prefix: str = "after step ",
    maximum_points: int = 2000,
    title: str = "",
) -> go.Figure:
    """Draw connections on the plane of mRNA and protein, over the nullclines of Eq. 1.

    Protein rests on the diagonal p = m, whatever the rates. mRNA rests on a curve that depends on the
    induction: it is drawn for the 10th, 50th and 90th percentile of the genes' inductions, or, without those,
    at the thresholds of hysteresis (at S/K = 1 where there are none). Where the two cross, a gene rests.

    Parameters
    ----------
    kinetics : Kinetics
        n and b.
    mrna, protein : array, shape (genes,) or (frames, genes)
        State of every gene; with frames, the same genes in each.
    live : array of bool, of the same shape, optional
        Which are live connections: filled circles; silenced ones are crosses. All are live without it.
    layer : array of int, shape (genes,), optional
        Number of each gene's layer, from 0: colours the points.
    layer_names : sequence of str, optional
        Names of the layers.
    induction : array, of the shape of ``mrna``, optional
        S/K.
    autoactivation, cooperation : float
        a and c of Eq. 1. Neighbours are held at the mean expression of all genes of the frame.
    frames : sequence of str, optional
        Names of the frames, shown above the slider; numbers from 0 by default.
    prefix : str
        Before the name of the frame.
    maximum_points : int
        Genes drawn, an even choice, the same ones in every frame.
    title : str
        Above the figure.

    Returns
    -------
    plotly.graph_objects.Figure
        With a slider and a play button where there are several frames; the last is shown first.

    Raises
    ------
    ValueError
        If shapes differ, a level or induction is negative or not finite, or a frame's name is doubled.

    Examples
    --------
    >>> from grn.kinetics import Kinetics
    >>> levels = np.linspace(0, 1, 5)
    >>> figure = cloud_plane(Kinetics(), levels, levels**2, live=levels > 0.3, induction=4 * levels)
    >>> [trace.name for trace in figure.data][-3:]
    ['silenced', 'live', 'resting point']
    """
    cloud = Cloud.checked(mrna, protein, live, layer, layer_names, induction, frames)
    if maximum_points < 1:
        raise ValueError(f"maximum_points must be at least 1, got {maximum_points}")
    genes = cloud.mrna.shape[1]
    chosen = np.unique(np.linspace(0, genes - 1, min(maximum_points, genes)).round().astype(int))
    pictures = []
    for frame in range(len(cloud.mrna)):
        r = float(cloud.protein[frame].clip(0, 1).mean())
        promoter = Promoter(
            kinetics=kinetics, autoactivation=autoactivation, cooperation=cooperation, neighbourhood=r
        )
        drawn = _inductions(promoter, None if cloud.induction is None else cloud.induction[frame])
        pictures.append(
            [
                *(_nullcline(promoter, s, word, DASHES[k]) for k, (word, s) in enumerate(drawn.items())),
                *_points(cloud, frame, chosen),
                _resting(promoter, drawn),
            ]
        )
    some = f": {len(chosen):,} of {genes:,} drawn" if len(chosen) < genes else ""
    heading = html.escape(title) or "Connections on the phase plane of mRNA and protein"
    figure = new_figure(f"{heading}{some}", height=600)
    high = 1.04 * max(1.0, float(cloud.mrna.max()), float(cloud.protein.max()))
    figure.add_scatter(
        x=[0, high], y=[0, high], mode="lines", name="protein rests: p = m",
        line={"color": ORANGE, "width": 2.5, "dash": "dash"},
        hovertemplate="protein does not change where p = m<extra></extra>",
    )  # fmt: skip
    figure.add_traces(pictures[-1])
    if cloud.layers is not None:  # a legend cannot show a colour that stands for a number
        for trace in pictures[-1][-3:-1]:
            figure.add_scatter(
                x=[None], y=[None], mode="markers", name=trace.name, legendgroup=trace.name,
                marker={"symbol": trace.marker.symbol, "size": 7, "color": NEUTRAL},
            )  # fmt: skip
    figure.update_xaxes(title_text="mRNA m (1: fully on)", range=[-0.03 * high, high])
    figure.update_yaxes(title_text="expression, protein p (1: fully on)", range=[-0.03 * high, high])
    figure.update_layout(showlegend=True, margin_t=118)
    if cloud.layers is not None:
        figure.update_layout(coloraxis=layer_colours(cloud.layer_names))
    if len(pictures) > 1:
        places = list(range(1, len(pictures[0]) + 1))
        figure.frames = [
            go.Frame(name=name, data=picture, traces=places)
            for name, picture in zip(cloud.frames, pictures, strict=True)
        ]
        figure.update_layout(height=600 + 90, margin_b=56)
        add_playback(figure, prefix=html.escape(prefix))
    return figure


def _inductions(promoter: Promoter, induction: Array | None) -> dict[str, float]:
    """Inductions S/K whose nullclines are drawn, by what they are."""
    if induction is not None:
        values = np.quantile(induction, list(QUANTILES.values()))
        return {word: float(s) for word, s in zip(QUANTILES, values, strict=True)}
    window = hysteresis_thresholds(promoter.kinetics, promoter.memory)
    if window is None:
        return {"S/K = 1": 1.0}
    return {
        "turning off": window.switch_off / promoter.gain,
        "between": float(np.sqrt(window.switch_off * window.switch_on)) / promoter.gain,
        "turning on": window.switch_on / promoter.gain,
    }


def _nullcline(promoter: Promoter, induction: float, word: str, dash: str) -> go.Scatter:
    p = np.linspace(0, 1.1, LEVELS)
    m = promoter.activity(induction, p)
    told = f"quantile {QUANTILES[word]:g} of all" if word in QUANTILES else word
    return go.Scatter(
        x=m.astype(np.float32), y=p.astype(np.float32), mode="lines", name=f"mRNA rests, {word}",
        line={"color": BLUE, "width": 2.5 if dash == "solid" else 2, "dash": dash},
        text=[f"S/K = {number(induction)}, {told}"] * LEVELS,
        hovertemplate="mRNA does not change at m %{x:.3f}, p %{y:.3f}<br>under %{text}<extra></extra>",
    )  # fmt: skip


def _points(cloud: Cloud, frame: int, chosen: NDArray[Any]) -> list[go.Scatter]:
    """Silenced genes as crosses, live ones as circles, both there in every frame."""
    traces = []
    for state, word, symbol, color in (
        (False, "silenced", "x-thin-open", tint(NEUTRAL, 0.8)),
        (True, "live", "circle", tint(GREEN, 0.6)),
    ):
        own = chosen[cloud.live[frame, chosen] == state]
        marker: dict[str, Any] = {
            "symbol": symbol, "size": 6, "color": color, "line": {"width": 0 if state else 1}
        }  # fmt: skip
        if cloud.layers is not None:
            marker["color"] = cloud.layers[own].astype(np.float32)
            marker |= {"coloraxis": "coloraxis", "opacity": 0.75}
        numbers = [own] if cloud.induction is None else [own, cloud.induction[frame, own]]
        known = "" if cloud.induction is None else ", S/K %{customdata[1]:.3g}"
        names = (
            None if cloud.layers is None else [html.escape(cloud.layer_names[k]) for k in cloud.layers[own]]
        )
        traces.append(
            go.Scatter(
                x=cloud.mrna[frame, own].astype(np.float32),
                y=cloud.protein[frame, own].astype(np.float32),
                mode="markers", name=word, marker=marker, text=names, legendgroup=word,
                showlegend=names is None, customdata=np.stack(numbers, 1).astype(np.float32),
                hovertemplate=f"<b>{word}</b>, connection %{{customdata[0]:d}}"
                + ("" if names is None else " of %{text}")
                + f"{known}<br>m %{{x:.3f}}, p %{{y:.3f}}<extra></extra>",
            )
        )  # fmt: skip
    return traces


def _resting(promoter: Promoter, inductions: dict[str, float]) -> go.Scatter:
    found = [
        (point.level, point.stable, s)
        for s in inductions.values()
        for point in fixed_points(promoter.kinetics, s * promoter.gain, promoter.memory)
    ]
    words = ["stable" if stable else "unstable" for _, stable, _ in found]
    return go.Scatter(
        x=[level for level, _, _ in found], y=[level for level, _, _ in found], mode="markers",
        name="resting point",
        marker={
            "symbol": ["circle" if stable else "circle-open" for _, stable, _ in found],
            "size": 11, "color": PINK,
            "line": {"width": 2, "color": ["white" if stable else PINK for _, stable, _ in found]},
        },
        text=[f"{word} at S/K = {number(s)}" for word, (_, _, s) in zip(words, found, strict=True)],
        hovertemplate="resting point, %{text}<br>m = p = %{y:.4f}<extra></extra>",
    )  # fmt: skip
