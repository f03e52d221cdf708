"""Degrees of the units of each layer beside those of links strewn at random."""

from __future__ import annotations

import html
from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots
from scipy.stats import hypergeom

from grn.plot.style import BLUE, ORANGE, head_panels, style_figure, tint
from pruning.topology import UnitLinks
from pruning.topology.measures import DegreeSummary, degree_distributions
from pruning.topology.measures.blocks import blocks

BINS = 30
PANEL = 180  # pixels


def degree_figure(
    links: UnitLinks, *, groups: Mapping[str, int] | None = None, maximum_panels: int = 10
) -> go.Figure:
    """Draw the distribution of links in and out of every layer's units, and the one that chance would give.

    Parameters
    ----------
    links : UnitLinks
        Of one update.
    groups : mapping of str to int, optional
        Groups of grouped convolutions by their column, as for `chance_degrees`.
    maximum_panels : int
        Layers and directions drawn: of more, those whose degrees spread most beyond chance.

    Raises
    ------
    ValueError
        If there are no links.
    """
    every = degree_distributions(links, groups=groups)
    if not every:
        raise ValueError("degrees need a link at least, this graph has none")
    chosen = sorted(sorted(every, key=_excess, reverse=True)[:maximum_panels], key=every.index)
    rows = -(-len(chosen) // 2)
    figure = make_subplots(
        rows=rows, cols=2, horizontal_spacing=0.13, vertical_spacing=60 / (PANEL * max(rows, 1)),
        subplot_titles=[f"{html.escape(one.column)}, {one.direction}" for one in chosen],
    )  # fmt: skip
    for place, one in enumerate(chosen):
        row, col = place // 2 + 1, place % 2 + 1
        width = max(1, -(-(one.largest + 1) // BINS))
        chance = _chance(links, one, groups or {})
        size = -(-max(one.largest + 1, int(np.flatnonzero(chance > 1e-4).max(initial=0)) + 1) // width)
        observed = _binned(one.counts.astype(float), width, size)
        expected = _binned(chance, width, size) * one.counts.sum()
        middle = [width * k + (width - 1) / 2 for k in range(size)]
        told = [
            f"{width * k}" if width == 1 else f"{width * k} to {width * (k + 1) - 1}" for k in range(size)
        ]
        figure.add_bar(
            x=middle, y=observed, width=width * 0.92, name="units", marker={"color": tint(BLUE, 0.75)},
            customdata=told, showlegend=place == 0, legendgroup="units", row=row, col=col,
            hovertemplate="%{y:.0f} units with %{customdata} links<extra></extra>",
        )  # fmt: skip
        figure.add_scatter(
            x=middle, y=np.round(expected, 3), name="expected by chance", mode="lines+markers",
            line={"color": ORANGE, "width": 1.6}, marker={"size": 4}, customdata=told,
            showlegend=place == 0, legendgroup="chance", row=row, col=col,
            hovertemplate="%{y:.1f} units with %{customdata} links<br>if as many were strewn at random"
            "<extra></extra>",
        )  # fmt: skip
    some = f" ({len(chosen)} of {len(every)} drawn)" if len(chosen) < len(every) else ""
    style_figure(figure, f"Links of single units, by layer{some}", height=150 + PANEL * rows)
    places = [heading.x for heading in figure.layout.annotations]
    head_panels(figure)
    for heading, centre in zip(figure.layout.annotations, places, strict=True):
        heading.update(x=centre - 0.87 / 4, font={"size": 12}, align="left")
    figure.update_xaxes(nticks=5)
    figure.update_yaxes(nticks=4, rangemode="tozero")
    figure.update_yaxes(title_text="units", col=1)
    for place in range(max(0, len(chosen) - 2), len(chosen)):
        figure.update_xaxes(title_text="links of a unit", row=place // 2 + 1, col=place % 2 + 1)
    figure.update_layout(bargap=0)
    return figure


def _excess(one: DegreeSummary) -> float:
    return one.std / one.chance_std if one.chance_std > 0 else one.std


def _chance(links: UnitLinks, one: DegreeSummary, groups: Mapping[str, int]) -> NDArray[np.float64]:
    """Probability of each degree of a unit, were the links of its pairs of columns strewn at random."""
    found = np.ones(1)
    for block in blocks(links):
        own, other = (block.source, block.target) if one.direction == "out" else (block.target, block.source)
        if own.name == one.column:
            parts = groups.get(block.target.name, 1)  # a unit is linked within its group alone
            reach = other.units // parts
            law = hypergeom.pmf(np.arange(reach + 1), own.units * reach, len(block), reach)
            found = np.convolve(found, law)
    return np.asarray(found)


def _binned(values: NDArray[np.float64], width: int, size: int) -> NDArray[np.float64]:
    """Sums of ``width`` values in a row, ``size`` of them."""
    filled = np.zeros(width * size)
    filled[: min(len(values), width * size)] = values[: width * size]
    return np.asarray(filled.reshape(size, width).sum(1))
