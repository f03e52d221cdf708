"""Density through the layers as a flow: bands as wide as what is live between two columns of the network."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from grn.plot.playback import add_playback
from grn.plot.style import BLUE, new_figure, tint
from pruning.topology import LayerTopology, UnitLinks, Wiring
from studies.report.aggregation import percent
from studies.report.graph_frames import check_series, even_choice, frame_names

Measure = Literal["share", "gates"]
Gates = NDArray[np.int64]

LIVE, SILENCED = tint(BLUE, 0.75), "rgba(128,128,128,0.16)"  # bands: dark and pale in grey print, too
NODE = "#c3cbd3"
STOREY = 48  # pixels a column


def flow_figure(
    links: Sequence[UnitLinks],
    possible: Gates,
    *,
    measure: Measure = "share",
    maximum_frames: int = 24,
    title: str = "Density through the layers",
) -> go.Figure:
    """Draw what is live between the columns of a network, and what is silenced, with a slider over training.

    Parameters
    ----------
    links : sequence of UnitLinks
        Of one network, by rising step.
    possible : ndarray of int, shape (columns, columns)
        Gates from column to column when nothing is silenced, see `possible_gates`.
    measure : {"share", "gates"}
        Widths as shares of what each layer could receive, so that small layers are seen beside large ones, or
        as numbers of gates.
    maximum_frames : int
        Snapshots drawn, an even choice.
    title : str
        Above the figure.

    Returns
    -------
    plotly.graph_objects.Figure
        The last snapshot is shown first.

    Raises
    ------
    ValueError
        If there is no snapshot, columns differ between them, steps do not rise, or ``possible`` does not fit:
        fewer gates than live, or none at all.

    Examples
    --------
    >>> from pruning.topology import Column
    >>> columns = (Column(name="input", units=2, first=0), Column(name="fc", units=1, first=2))
    >>> half = UnitLinks(columns=columns, source=np.array([0]), target=np.array([2]), gates=np.array([1]))
    >>> figure = flow_figure([half], np.array([[0, 2], [0, 0]]))
    >>> list(figure.data[0].link.value), list(figure.data[0].link.label)
    ([50.0, 50.0], ['live', 'silenced'])
    """
    if measure not in ("share", "gates"):
        raise ValueError(f"measure must be 'share' or 'gates', got {measure!r}")
    if maximum_frames < 1:
        raise ValueError(f"maximum_frames must be at least 1, got {maximum_frames}")
    whole = _checked(links, possible)
    chosen = [links[place] for place in even_choice(len(links), maximum_frames)]
    height = 130 + STOREY * len(chosen[0].columns)
    titles = [f"{html.escape(title)}: {percent(one.sparsity, 1)} silenced" for one in chosen]
    figure = new_figure(titles[-1], height=height)
    pictures = [_sankey(snapshot, whole, measure) for snapshot in chosen]
    figure.add_trace(pictures[-1])
    unit = "share of the gates that lead to a layer" if measure == "share" else "gates"
    figure.update_layout(
        margin={"t": 106, "l": 24, "r": 24, "b": 24},
        annotations=[
            {
                "text": f"<b style='color:{BLUE}'>■</b> live   <b style='color:#c9cdd2'>■</b> silenced"
                f"<br>width: {unit}",
                "xref": "paper", "yref": "paper", "x": 0, "y": 1, "yshift": 44, "xanchor": "left",
                "align": "left",
            }
        ],
    )  # fmt: skip
    if len(chosen) > 1:
        figure.update_layout(height=height + 110)
        prefix, names = frame_names(chosen)
        figure.frames = [
            go.Frame(name=name, data=[picture], layout={"title": {"text": words}})
            for name, picture, words in zip(names, pictures, titles, strict=True)
        ]
        add_playback(figure, prefix=prefix, milliseconds=700)
    return figure


def possible_gates(layers: Sequence[LayerTopology], wiring: Wiring, links: UnitLinks) -> Gates:
    """Gates from column to column of a network when nothing is silenced.

    Counted as in `pruning.topology.unit_links`: an input that several feeds carry counts for each of them.

    Parameters
    ----------
    layers : sequence of LayerTopology
        The gated layers.
    wiring : mapping of str to tuple of Feed
        What feeds them, as it was given for ``links``.
    links : UnitLinks
        Of any snapshot of the network: names and orders the columns.

    Returns
    -------
    ndarray of int64, shape (columns, columns)
        From row to column.

    Raises
    ------
    ValueError
        If a layer or a source of its feeds is no column of ``links``.

    Examples
    --------
    >>> from pruning.topology import Column, chain_wiring
    >>> fc = LayerTopology(name="fc", outputs=3, inputs=2, groups=1, layout=(1, 3, 2, 1), live=6, total=6)
    >>> columns = (Column(name="input", units=2, first=0), Column(name="fc", units=3, first=2))
    >>> none = np.empty(0, int)
    >>> links = UnitLinks(columns=columns, source=none, target=none, gates=none)
    >>> possible_gates([fc], chain_wiring([fc]), links)
    array([[0, 6],
           [0, 0]])
    """
    number = {column.name: place for place, column in enumerate(links.columns)}
    found = np.zeros((len(number), len(number)), dtype=np.int64)
    for layer in layers:
        for feed in wiring.get(layer.name, ()):
            for name in (layer.name, feed.source):
                if name not in number:
                    raise ValueError(f"no column {name!r} among the links: those are {', '.join(number)}")
            pairs = layer.outputs // layer.groups * layer.layout[3]  # gates that each input leads into
            found[number[feed.source], number[layer.name]] += int((feed.units >= 0).sum()) * pairs
    return found


def live_gates(links: UnitLinks) -> Gates:
    """Live gates from column to column, shape (columns, columns).

    Examples
    --------
    >>> from pruning.topology import Column
    >>> columns = (Column(name="a", units=1, first=0), Column(name="b", units=2, first=1))
    >>> ends = np.array([0, 0]), np.array([1, 2])
    >>> live_gates(UnitLinks(columns=columns, source=ends[0], target=ends[1], gates=np.array([3, 4])))
    array([[0, 7],
           [0, 0]])
    """
    count = len(links.columns)
    column = links.column_of()
    key = column[links.source] * count + column[links.target]
    found = np.zeros(count * count, dtype=np.int64)
    np.add.at(found, key, links.gates)
    return found.reshape(count, count)


def _checked(links: Sequence[UnitLinks], possible: Gates) -> Gates:
    check_series(links)
    whole = np.asarray(possible)
    names = [column.name for column in links[0].columns]
    if whole.shape != (len(names), len(names)) or not np.issubdtype(whole.dtype, np.integer):
        raise ValueError(
            f"possible must hold whole numbers of shape {(len(names), len(names))}, a row and a column for "
            f"each of {', '.join(names)}, got {whole.dtype} of shape {whole.shape}"
        )
    if not whole.any():
        raise ValueError("possible must hold gates between some columns, got none: see possible_gates")
    for snapshot in links:
        live = live_gates(snapshot)
        if (live > whole).any():
            a, b = np.argwhere(live > whole)[0]
            raise ValueError(
                f"possible must be at least what is live, got {whole[a, b]} from {names[a]!r} to "
                f"{names[b]!r}, where {live[a, b]} are live after step {snapshot.step}"
            )
    return whole.astype(np.int64)


def _sankey(links: UnitLinks, whole: Gates, measure: Measure) -> go.Sankey:
    """Two bands side by side between any two columns with gates: live, silenced.

    Together they are as wide in every frame, so that nothing moves but the border between them.
    """
    live = live_gates(links)
    sources, targets = whole.nonzero()
    both = np.stack([live[sources, targets], (whole - live)[sources, targets]], 1)
    value = 100 * both / whole.sum(0)[targets][:, None] if measure == "share" else both
    names = [html.escape(column.name) for column in links.columns]
    told = [
        f"{names[a]} → {names[b]}<br>{on:,} of {on + off:,} gates live ({percent(on / (on + off), 2)})"
        for a, b, (on, off) in zip(sources, targets, both.tolist(), strict=True)
    ]
    return go.Sankey(
        orientation="v",
        node={
            "label": _labels(links, live, whole), "color": NODE, "pad": 18, "thickness": 18,
            "align": "left", "line": {"width": 0}, "customdata": _units_told(links, live, whole),
            "hovertemplate": "%{customdata}<extra></extra>",
        },
        link={
            "source": np.repeat(sources, 2).tolist(), "target": np.repeat(targets, 2).tolist(),
            "value": np.round(value, 4).ravel().tolist(), "label": ["live", "silenced"] * len(sources),
            "color": [LIVE, SILENCED] * len(sources), "customdata": np.repeat(told, 2).tolist(),
            "hovertemplate": "<b>%{label}</b><br>%{customdata}<extra></extra>",
        },
    )  # fmt: skip


def _labels(links: UnitLinks, live: Gates, whole: Gates) -> list[str]:
    """Name of every column, with the density of what leads to it."""
    into, out = live.sum(0), whole.sum(0)
    return [
        html.escape(column.name) + (f" {percent(a / b, 1)}" if b else "")
        for column, a, b in zip(links.columns, into, out, strict=True)
    ]


def _units_told(links: UnitLinks, live: Gates, whole: Gates) -> list[str]:
    reached = np.bincount(links.target, minlength=links.nodes) > 0
    told = []
    for place, column in enumerate(links.columns):
        text = f"<b>{html.escape(column.name)}</b>, {column.units:,} units"
        if whole[:, place].any():
            fed = int(reached[column.first : column.first + column.units].sum())
            text += (
                f"<br>{live[:, place].sum():,} of {whole[:, place].sum():,} gates that lead to it live"
                f"<br>{fed:,} of its units are fed by any"
            )
        told.append(text)
    return told
