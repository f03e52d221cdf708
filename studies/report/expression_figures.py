"""Expression of many connections over training as one map: a row a connection, a column an update."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from studies.report.graph_frames import even_choice
from studies.report.style import NEUTRAL, new_figure

Order = Literal["silencing", "expression"]

# Cividis from its bright end, so that in grey print, too, what is live and expressed is dark and what is
# silenced and not expressed is white.
LIVE = ("#ffea46", "#cab969", "#958f78", "#666970", "#31446b", "#00204d")
SILENCED = ("#d193b7", "#fbf9fa")  # fully expressed, not expressed
FULL = 100  # levels of expression told apart, each way
LABEL_ROOM = 15  # pixels that the name of a layer needs


def expression_heatmap(
    steps: Sequence[int] | NDArray[Any],
    expression: NDArray[Any],
    live: NDArray[Any],
    layer: Sequence[int] | NDArray[Any],
    *,
    layer_names: Sequence[str] | None = None,
    order: Order = "silencing",
    axis: str = "training step",
    maximum_rows: int = 2000,
    maximum_columns: int = 200,
    height: int = 620,
    title: str = "Expression of single connections over training",
) -> go.Figure:
    """Map the expression of sampled connections over training, live and silenced in different colours.

    Live ones go from yellow to dark blue, silenced ones from white to pink. Rows stand together by layer, the
    first at the top. Values are kept to a hundredth, one byte each: 2,000 rows by 200 columns take half a
    megabyte.

    Parameters
    ----------
    steps : sequence of int, shape (updates,)
        Step or epoch of each update, rising.
    expression : ndarray, shape (updates, sample)
        Protein level of each connection, non-negative; NaN where unknown. Levels above 1, as a linear filter
        has them, are shown as shares of the highest.
    live : ndarray of bool, shape (updates, sample)
        Whether the connection was live after the update.
    layer : sequence of int, shape (sample,)
        Number of the layer of each connection, from 0.
    layer_names : sequence of str, optional
        Names of the layers.
    order : {"silencing", "expression"}
        Of the rows of a layer: the longest live at the top, of equals the most expressed at the end; or by
        expression at the end alone.
    axis : str
        What ``steps`` count.
    maximum_rows, maximum_columns : int
        Beyond them an even choice is drawn, which the title says.
    height : int
        CSS pixels.
    title : str
        Above the figure.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    ValueError
        If shapes do not fit, steps do not rise, a level is negative or infinite, or a limit is below 1.

    Examples
    --------
    >>> levels = np.array([[0.5, 0.5, 0.4], [0.9, 0.2, 0.6]])
    >>> figure = expression_heatmap([100, 200], levels, levels > 0.3, [0, 0, 1], layer_names=["conv", "fc"])
    >>> figure.data[0].z.tolist()  # percent of full expression, below 0 where silenced
    [[50, 90], [50, -20], [40, 60]]
    """
    updates, p, on, layers = _checked(steps, expression, live, layer, layer_names)
    if order not in ("silencing", "expression"):
        raise ValueError(f"order must be 'silencing' or 'expression', got {order!r}")
    for name, limit in (("maximum_rows", maximum_rows), ("maximum_columns", maximum_columns)):
        if limit < 1:
            raise ValueError(f"{name} must be at least 1, got {limit}")
    rows = row_order(p, on, layers, order)
    whole = len(rows)
    rows = rows[even_choice(whole, maximum_rows)]
    columns = even_choice(len(updates), maximum_columns)
    parts = []
    if len(rows) < whole:
        parts.append(f"{len(rows):,} of {whole:,} connections")
    if len(columns) < len(updates):
        parts.append(f"{len(columns)} of {len(updates):,} updates")
    note = f": {', '.join(parts)} shown" if parts else ""
    numbers = layers[rows]
    names = [
        html.escape(str(layer_names[k]) if layer_names is not None else f"layer {k}")
        for k in range(int(layers.max()) + 1)
    ]
    highest = max(1.0, float(np.nanmax(p, initial=0.0)))
    figure = new_figure(html.escape(title) + note, height=height)
    unit = "full expression" if highest == 1.0 else f"the highest level, {highest:.3g}"
    figure.add_heatmap(
        z=_coded(p[np.ix_(columns, rows)].T / highest, on[np.ix_(columns, rows)].T),
        x=updates[columns],
        y=[f"{names[k]}, connection {row} of the sample" for k, row in zip(numbers, rows, strict=True)],
        zmin=-FULL, zmax=FULL, colorscale=_colours(), name="expression",
        colorbar=_colour_bar(highest),
        hovertemplate=f"<b>%{{y}}</b><br>after {html.escape(axis)} %{{x:,}}: %{{z:(.0f}} % of {unit}"
        "<br>(in brackets where it is silenced)<extra></extra>",
        hoverongaps=False,
    )  # fmt: skip
    _name_layers(figure, numbers, names, (height - 120) / len(rows))
    figure.update_xaxes(title_text=html.escape(axis), showgrid=False)
    return figure


def row_order(
    expression: NDArray[Any], live: NDArray[Any], layer: NDArray[Any], order: Order = "silencing"
) -> NDArray[np.int64]:
    """Order in which connections are drawn, top first; arrays as for `expression_heatmap`.

    Examples
    --------
    >>> live = np.array([[True, True, True], [False, True, True]])
    >>> row_order(np.array([[1, 1, 1], [0.1, 0.6, 0.9]]), live, np.array([0, 0, 0])).tolist()
    [2, 1, 0]
    """
    final = np.nan_to_num(expression[-1], nan=-1.0)
    if order == "expression":
        return np.lexsort((-final, layer))
    times = np.arange(1, len(live) + 1)[:, None]
    last = np.where(live, times, 0).max(0)  # update after which it was last live; 0: never
    return np.lexsort((-final, -live.sum(0), -last, layer))


def _checked(
    steps: Sequence[int] | NDArray[Any],
    expression: NDArray[Any],
    live: NDArray[Any],
    layer: Sequence[int] | NDArray[Any],
    layer_names: Sequence[str] | None,
) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    updates, p, on, layers = np.asarray(steps), np.asarray(expression, float), np.asarray(live), layer
    layers = np.asarray(layers)
    if p.ndim != 2 or 0 in p.shape:
        raise ValueError(f"expression must have shape (updates, sample), neither 0, got {p.shape}")
    if on.shape != p.shape or on.dtype != bool:
        raise ValueError(
            f"live must be boolean, of the shape of expression {p.shape}, got {on.dtype} {on.shape}"
        )
    if updates.shape != (len(p),) or bool((np.diff(updates) <= 0).any()):
        raise ValueError(
            f"steps must rise and be one for each of the {len(p)} updates, got {updates.tolist()!s:.60}"
        )
    if layers.shape != (p.shape[1],) or not np.issubdtype(layers.dtype, np.integer) or layers.min() < 0:
        raise ValueError(
            f"layer must hold the number of a layer, from 0, for each of the {p.shape[1]} connections, got "
            f"{layers.dtype} {layers.shape}"
        )
    if layer_names is not None and len(layer_names) <= layers.max():
        raise ValueError(
            f"layer_names must name layers 0 to {layers.max()}, got {len(layer_names)}: "
            f"{', '.join(map(str, layer_names))}"
        )
    if bool((p < 0).any()) or bool(np.isinf(p).any()):
        bad = p[(p < 0) | np.isinf(p)][0]
        raise ValueError(f"expression must be a finite level of at least 0, or NaN where unknown, got {bad}")
    return updates, p, on, layers.astype(np.int64)


def _coded(level: NDArray[np.float64], live: NDArray[np.bool_]) -> NDArray[Any]:
    """Percent in one byte, negative where silenced; as floats with NaN where a level is unknown."""
    percent = np.round(FULL * level)
    signed = np.where(live, percent, -np.maximum(percent, 1.0))
    return signed.astype(np.float32) if np.isnan(level).any() else signed.astype(np.int8)


def _colours() -> list[tuple[float, str]]:
    half = [(0.5 * k / (len(SILENCED) - 1), colour) for k, colour in enumerate(SILENCED)]
    half[-1] = (0.4999, SILENCED[-1])
    return [*half, *((0.4999 + 0.5001 * k / (len(LIVE) - 1), colour) for k, colour in enumerate(LIVE))]


def _colour_bar(highest: float) -> dict[str, Any]:
    levels = [0.0, 0.5, 1.0] if highest == 1.0 else [0.0, highest / 2, highest]
    live = [FULL * k / 2 for k in range(3)]
    silenced = [-value for value in live]
    labels = [f"{level:.3g}" for level in levels]
    return {
        "title": {"text": "expression", "side": "top", "font": {"size": 12}},
        "thickness": 14,
        "tickvals": [*live[1:], 6, -6, *silenced[1:]],
        "ticktext": [f"live {labels[1]}", f"live {labels[2]}", "live 0", "silenced 0",
                     f"silenced {labels[1]}", f"silenced {labels[2]}"],
    }  # fmt: skip


def _name_layers(figure: go.Figure, layers: NDArray[Any], names: Sequence[str], pixels: float) -> None:
    """Name every layer at the middle of its rows where there is room, and draw lines between layers."""
    starts = np.flatnonzero(np.diff(layers, prepend=layers[0] - 1))
    stops = np.append(starts[1:], len(layers))
    places, texts, lowest = [], [], -np.inf
    for start, stop in zip(starts, stops, strict=True):
        middle = (start + stop - 1) / 2
        if (middle - lowest) * pixels >= LABEL_ROOM:
            places.append(int(middle))
            texts.append(names[layers[start]])
            lowest = middle
        if start:
            figure.add_hline(y=start - 0.5, line={"color": NEUTRAL, "width": 1})
    rows = figure.data[0].y
    figure.update_yaxes(
        type="category", autorange="reversed", showgrid=False, ticks="",
        tickvals=[rows[place] for place in places], ticktext=texts,
    )  # fmt: skip
