"""The regulatory graph over training: units and their live links, births and deaths marked, with a slider."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from grn.plot.playback import add_playback
from grn.plot.style import layer_colours, new_figure
from pruning.topology import UnitLinks
from studies.report.aggregation import percent
from studies.report.graph_frames import (
    FrameLinks,
    Nodes,
    check_series,
    choose_units,
    even_choice,
    frame_links,
    frame_names,
)
from studies.report.graph_traces import BANDS, edge_traces, trace_looks, unit_trace

HEIGHT = 760  # pixels
GRID = 1000  # coordinates are whole numbers up to it: few characters in a page
MANY_COLUMNS = 8  # above, their names are set aslant
UNIT = "#56636f"


def graph_animation(
    links: Sequence[UnitLinks],
    *,
    positions: ArrayLike | None = None,
    maximum_units: int = 40,
    maximum_frames: int = 12,
    maximum_links: int = 3000,
    shown: Sequence[Nodes] | None = None,
    sampled: bool = False,
    title: str = "The network as it is pruned",
) -> go.Figure:
    """Draw the graph of units at several updates with a slider and a play button.

    Units keep their places. A link that has come since the frame before is blue, one that has gone is dotted
    orange for one frame; those that stay are grey, darker with expression (where a policy has none, with live
    gates, as a share of the most that a link to the same column has). The pointer over a unit tells its
    links.

    Parameters
    ----------
    links : sequence of UnitLinks
        Of one network, by rising step.
    positions : array, shape (nodes, 2), optional
        Place of every unit by its node number, x to the right and y up, in any unit of length; by default a
        column a layer.
    maximum_units : int
        Units drawn of a column: those with most links in the last frame.
    maximum_frames : int
        Frames, an even choice of ``links``.
    maximum_links : int
        Links drawn in any one frame. Where there are more, those live at the end are drawn and an even share
        of the others, the same ones in each frame.
    shown : sequence of ndarray of int, optional
        Node numbers to choose from, for each column; all units by default.
    sampled : bool
        Whether ``links`` holds those between some units alone, so that what the pointer counts is of those.
    title : str
        Above the figure.

    Returns
    -------
    plotly.graph_objects.Figure
        The last frame is shown first.

    Raises
    ------
    ValueError
        If there are no links to draw from, columns differ between snapshots, steps do not rise, positions do
        not fit, or a limit is below 1.

    Examples
    --------
    >>> from pruning.topology import Column
    >>> columns = (Column(name="input", units=2, first=0), Column(name="fc", units=1, first=2))
    >>> def at(step, *sources):
    ...     source = np.array(sources)
    ...     return UnitLinks(columns=columns, source=source, target=np.full(len(source), 2),
    ...                      gates=np.ones(len(source), int), step=step)
    >>> figure = graph_animation([at(0, 0, 1), at(50, 1)])
    >>> [frame.name for frame in figure.frames], figure.data[-1].text[0].split("<br>")
    (['0', '50'], ['step 50: 0.0 % of all connections silenced', 'of the links drawn 1 live, 0 born, 1 died'])
    """
    limits = {"units": maximum_units, "frames": maximum_frames, "links": maximum_links}
    for name, limit in limits.items():
        if limit < 1:
            raise ValueError(f"maximum_{name} must be at least 1, got {limit}")
    check_series(links)
    chosen = [links[place] for place in even_choice(len(links), maximum_frames)]
    units = choose_units(chosen[-1], maximum_units, shown)
    places = _places(chosen[-1], units, positions)
    frames, share = frame_links(chosen, units, maximum_links, len(BANDS))
    figure = _canvas(chosen[-1], units, title, share, layered=positions is None)
    known = all(frame.expression is not None for frame in chosen)
    pictures = [[*edge_traces(frame, places), unit_trace(frame, units, places)] for frame in frames]
    states = [_state(snapshot, frame) for snapshot, frame in zip(chosen, frames, strict=True)]
    for trace, look in zip(
        pictures[-1], trace_looks(chosen[-1], units, known=known, sampled=sampled), strict=True
    ):
        figure.add_trace(go.Scatter({**look, **trace}))
    if positions is None:
        figure.data[-1].marker.color = UNIT
    else:
        figure.data[-1].marker.color = np.repeat(np.arange(len(units)), [len(own) for own in units])
        figure.data[-1].marker.coloraxis = "coloraxis"
    figure.add_scatter(
        x=[GRID / 2], y=[-0.07 * GRID], mode="text", name="state", text=[states[-1]], hoverinfo="skip",
        showlegend=False,
    )  # fmt: skip
    prefix, names = frame_names(chosen)
    figure.frames = [
        go.Frame(name=name, data=[*map(go.Scatter, picture), go.Scatter(text=[state])])
        for name, picture, state in zip(names, pictures, states, strict=True)
    ]
    add_playback(figure, prefix=prefix, milliseconds=700)
    return figure


def _places(links: UnitLinks, units: Sequence[Nodes], positions: ArrayLike | None) -> NDArray[Any]:
    """Whole coordinates of every node, shape (nodes, 2); of those not drawn without meaning."""
    places = np.zeros((links.nodes, 2), dtype=object)
    if positions is None:
        across = max(len(units) - 1, 1)
        for place, own in enumerate(units):
            up = GRID - GRID * (np.arange(len(own)) + 0.5) / max(len(own), 1)
            places[own, 0] = round(GRID * place / across)
            places[own, 1] = up.round().astype(int)
        return places
    given = np.asarray(positions, float)
    if given.shape != (links.nodes, 2):
        raise ValueError(f"positions must have shape ({links.nodes}, 2), a place a unit, got {given.shape}")
    drawn = np.concatenate(units)
    if not np.isfinite(given[drawn]).all():
        raise ValueError(f"positions must be finite, got {given[drawn][~np.isfinite(given[drawn])][0]}")
    low, high = given[drawn].min(0), given[drawn].max(0)
    span = np.where(high > low, high - low, 1.0)
    places[drawn] = (GRID * (given[drawn] - low) / span).round().astype(int)
    return places


def _state(links: UnitLinks, frame: FrameLinks) -> str:
    """Two lines of text below the graph that change with the slider."""
    epoch = f"epoch {links.epoch}, " if links.epoch else ""
    return (
        f"{epoch}step {links.step:,}: {percent(links.sparsity, 1)} of all connections silenced<br>"
        f"of the links drawn {frame.live:,} live, {frame.born.shape[1]:,} born, {frame.died.shape[1]:,} died"
    )


def _canvas(
    links: UnitLinks, units: Sequence[Nodes], title: str, share: float, *, layered: bool
) -> go.Figure:
    drawn, whole = sum(map(len, units)), links.nodes
    notes = [f"{drawn:,} of {whole:,} units"] if drawn < whole else []
    notes += [f"{percent(share, 0)} of links that do not last"] if share < 1.0 else []
    figure = new_figure(html.escape(title) + (f": {', '.join(notes)} drawn" if notes else ""), height=HEIGHT)
    many = len(units) > MANY_COLUMNS
    labels = []
    for column, own in zip(links.columns, units, strict=True):
        name, some = html.escape(column.name), f"{len(own)} of " if len(own) < column.units else ""
        labels.append(name if many else f"{name}<br>{some}{column.units} unit{'s' * (column.units != 1)}")
    across = GRID / max(len(units) - 1, 1)
    if layered:
        figure.update_xaxes(
            tickvals=[round(across * place) for place in range(len(units))], ticktext=labels, side="top",
            tickangle=-35 if many else 0, showgrid=False, showline=False, ticks="",
        )  # fmt: skip
        figure.update_layout(margin={"t": 150 if many else 136})
    else:
        figure.update_xaxes(visible=False)
        figure.update_layout(coloraxis=layer_colours([column.name for column in links.columns]))
        figure.update_layout(margin={"t": 110})
    figure.update_xaxes(range=[-0.04 * GRID, 1.04 * GRID])
    figure.update_yaxes(visible=False, range=[-0.12 * GRID, 1.02 * GRID])
    figure.update_layout(
        showlegend=True, legend={"y": 1 - 44 / HEIGHT, "yref": "container", "yanchor": "top"},
        margin={"l": 24, "r": 24, "b": 8},
    )  # fmt: skip
    return figure
