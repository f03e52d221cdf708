"""How figures look: the plotly templates, light and dark, and colours for series.

The colours are those of Okabe and Ito, chosen to be told apart with any colour vision, darkened where they
were too faint on white; no figure depends on colour alone.
Okabe, Ito, *Color Universal Design*, 2008.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import plotly.graph_objects as go

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
NEUTRAL = "#808080"  # readable on both grounds: zero lines, dense bands, targets
BLUE, ORANGE, GREEN, PINK = "#1f7fc4", "#d55e00", "#009e73", "#c2649b"
SERIES = (BLUE, ORANGE, GREEN, PINK, "#a87a00", "#8e5bb5", "#3ca6d9", "#7a7a3a")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "4px,2px", "10px,3px,2px,3px")


def tint(color: str, opacity: float) -> str:
    """Return a colour ``#rrggbb`` with an opacity in [0, 1], for bands and faint marks.

    Examples
    --------
    >>> tint("#ff8000", 0.25)
    'rgba(255,128,0,0.25)'
    """
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def layer_colours(names: Sequence[str]) -> dict[str, object]:
    """Colour axis for marks coloured by the number of their layer: the first dark, the last bright.

    Cividis, ended before it is too bright for a white page. At most twelve layers are named on its bar.

    Examples
    --------
    >>> layer_colours(["conv", "fc"])["colorbar"]["ticktext"]
    ['conv', 'fc']
    """
    last = len(names) - 1
    shown = sorted({round(k * last / 11) for k in range(12)})
    return {
        "colorscale": [(0.0, "#00204d"), (0.35, "#4f5f86"), (0.7, "#a39a76"), (1.0, "#dcb53c")],
        "cmin": 0,
        "cmax": max(last, 1),
        "colorbar": {
            "title": {"text": "layer", "side": "top", "font": {"size": 12}},
            "thickness": 12,
            "tickvals": shown,
            "ticktext": [html.escape(names[k]) for k in shown],
        },
    }


def figure_template(*, dark: bool = False) -> go.layout.Template:
    """Build the plotly template of the project: transparent ground, quiet grid, one font.

    Examples
    --------
    >>> figure_template().layout.font.color != figure_template(dark=True).layout.font.color
    True
    """
    ink, grid, axis = ("#dfe3e8", "#333a44", "#596270") if dark else ("#22272e", "#e6e9ed", "#aab2bd")
    ground = "#14171c" if dark else "#ffffff"
    line = {"gridcolor": grid, "linecolor": axis, "zeroline": False, "ticks": "outside", "tickcolor": axis}
    common = {**line, "showline": True, "automargin": True, "title": {"standoff": 10, "font": {"size": 13}}}
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 13, "color": ink},
            "title": {
                "font": {"size": 16},
                "x": 0.0,
                "xref": "paper",
                "xanchor": "left",
                "y": 1.0,
                "yref": "container",
                "yanchor": "top",
                "pad": {"t": 16},
            },
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "margin": {"l": 64, "r": 18, "t": 56, "b": 52},
            "xaxis": common,
            "yaxis": common,
            "hovermode": "closest",
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": axis, "activecolor": ink},
            "hoverlabel": {
                "font": {"family": FONT, "size": 12, "color": ink},
                "align": "left",
                "bgcolor": ground,
            },
            "legend": {"orientation": "h", "x": 0.0, "xanchor": "left", "y": 1.0, "yanchor": "bottom"},
            "colorscale": {"sequential": "Cividis"},
            "annotationdefaults": {"font": {"size": 12, "color": ink}, "showarrow": False},
            "updatemenudefaults": {"font": {"color": ink}, "bgcolor": ground, "bordercolor": axis},
            "sliderdefaults": {
                "font": {"color": ink},
                "bgcolor": axis,
                "bordercolor": axis,
                "activebgcolor": NEUTRAL,
            },
        }
    )


def new_figure(title: str, *, height: int = 420) -> go.Figure:
    """Empty figure in the project's template with a title above it and height in pixels."""
    figure = go.Figure()
    style_figure(figure, title, height=height)
    return figure


def style_figure(figure: go.Figure, title: str, *, height: int) -> None:
    """Give a figure the project's template, a title and a height in pixels."""
    figure.update_layout(template=figure_template(), title_text=title, height=height)


def head_panels(figure: go.Figure) -> None:
    """Set the headings of subplots flush left and small, and the legend above the first of them."""
    figure.for_each_annotation(
        lambda heading: heading.update(
            x=0.0, xanchor="left", yshift=3, text=f"<b>{heading.text}</b>", font={"size": 13}
        )
    )
    plotted = float(figure.layout.height) - 134  # what the margins leave
    figure.update_layout(legend_y=1 + 24 / plotted, margin_t=82)
