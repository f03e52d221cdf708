"""The links and units of one frame as traces, and what does not change from frame to frame."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grn.plot.style import BLUE, NEUTRAL, ORANGE, tint
from pruning.topology import UnitLinks
from studies.report.graph_frames import FrameLinks, Nodes

BANDS = ((0.25, 0.8), (0.5, 1.0), (0.9, 1.4))  # opacity and width of a link, by thirds of its strength
FADE_FROM = 700  # links: more of them would merge into a surface, and are drawn fainter


def edge_traces(frame: FrameLinks, places: NDArray[Any]) -> list[dict[str, Any]]:
    """Lines of the links that stay, by bands of strength, of those born and of those that died."""
    traces = [_segments(pairs, places) for pairs in (*frame.kept, frame.born, frame.died)]
    fade = min(1.0, max(0.3, (FADE_FROM / max(frame.live, 1)) ** 0.5))
    for trace, (opacity, width) in zip(traces, BANDS, strict=False):
        color = tint(NEUTRAL, round(max(0.15, fade * opacity), 3))
        trace["line"] = {"color": color, "width": round(width * fade**0.5, 2)}
    return traces


def _segments(pairs: Nodes, places: NDArray[Any]) -> dict[str, Any]:
    """Ends of links with None between, as plain whole numbers."""
    line = np.full((max(pairs.shape[1], 1), 3, 2), None, dtype=object)  # without any a gap alone: the legend
    line[: pairs.shape[1], 0], line[: pairs.shape[1], 1] = (
        places[pairs[0]],
        places[pairs[1]],
    )  # stays as it is
    return {"x": line[..., 0].ravel().tolist(), "y": line[..., 1].ravel().tolist()}


def unit_trace(frame: FrameLinks, units: Sequence[Nodes], places: NDArray[Any]) -> dict[str, Any]:
    """Places of the units, as large as they have links, and what the pointer tells of them."""
    drawn = np.concatenate(units)
    told = frame.told[drawn]
    degree = told[:, 0] + told[:, 1]
    size = 5 + 8 * np.sqrt(degree / max(int(degree.max(initial=0)), 1))
    return {
        "x": places[drawn, 0].tolist(),
        "y": places[drawn, 1].tolist(),
        "customdata": told.tolist(),
        "marker": {
            "size": size.round(1).tolist(),
            "opacity": 1,
            "symbol": ["circle" if links else "circle-open" for links in degree],
        },
    }


def trace_looks(
    links: UnitLinks, units: Sequence[Nodes], *, known: bool, sampled: bool
) -> list[dict[str, Any]]:
    """What does not change from frame to frame: names, colours, texts."""
    thirds = ["0 to ⅓", "⅓ to ⅔", "⅔ to 1"]
    looks: list[dict[str, Any]] = [
        {
            "mode": "lines",
            "name": f"stays, expression {third}" if known else f"stays, gates {third} of the layer's most",
            "hoverinfo": "skip",
        }
        for third in thirds
    ]
    looks += [
        {"mode": "lines", "name": "born since the frame before", "hoverinfo": "skip",
         "line": {"color": tint(BLUE, 0.95), "width": 2.6}},
        {"mode": "lines", "name": "died since the frame before", "hoverinfo": "skip",
         "line": {"color": tint(ORANGE, 0.85), "width": 1.2, "dash": "dot"}},
    ]  # fmt: skip
    among = ", of those between the units stored" if sampled else ""
    mean = "<br>their mean expression: %{customdata[4]} %" if known else ""
    looks.append(
        {
            "mode": "markers", "name": "units", "showlegend": False, "cliponaxis": False,
            "text": [
                f"{html.escape(column.name)}, unit {node - column.first}"
                for column, own in zip(links.columns, units, strict=True)
                for node in own
            ],
            "hovertemplate": "<b>%{text}</b><br>%{customdata[0]} live links in, %{customdata[1]} out"
            + among + mean
            + "<br>since the frame before: %{customdata[2]} born, %{customdata[3]} died<extra></extra>",
        }
    )  # fmt: skip
    return looks
