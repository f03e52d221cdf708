"""How figures look: one colour and marker for each policy, and the plotly templates, light and dark.

The colours are those of Okabe and Ito, chosen to be told apart with any colour vision, darkened where they
were too faint on white; every policy also has its own marker, so that no figure depends on colour alone.
Okabe, Ito, *Color Universal Design*, 2008.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import plotly.graph_objects as go

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
NEUTRAL = "#808080"  # readable on both grounds: zero lines, dense bands, targets


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyStyle:
    """Colour, marker and label of a policy, the same in every figure and table."""

    label: str
    color: str  # "#rrggbb"
    symbol: str  # plotly marker symbol
    dash: str = "solid"

    def tint(self, opacity: float) -> str:
        """Return the colour with an opacity in [0, 1], for bands and faint dots."""
        red, green, blue = (int(self.color[i : i + 2], 16) for i in (1, 3, 5))
        return f"rgba({red},{green},{blue},{opacity:g})"


_STYLES = {
    "dense": PolicyStyle(label="Dense", color=NEUTRAL, symbol="circle-open", dash="dot"),
    "small-dense": PolicyStyle(label="Small dense", color="#6f7f95", symbol="hexagon", dash="dash"),
    "magnitude": PolicyStyle(label="Magnitude", color="#009e73", symbol="diamond"),
    "smoothed": PolicyStyle(label="Smoothed importance", color="#1f7fc4", symbol="square"),
    "heuristic": PolicyStyle(label="Heuristic", color="#c2649b", symbol="triangle-up"),
    "heuristic-literal": PolicyStyle(
        label="Heuristic as printed", color="#8e5bb5", symbol="triangle-up-open"
    ),
    "expression": PolicyStyle(label="Expression (ODE)", color="#d55e00", symbol="circle"),
    "expression-schmitt": PolicyStyle(label="Expression, Schmitt gate", color="#a8431f", symbol="circle-x"),
    "static": PolicyStyle(label="Static random", color="#7a7a3a", symbol="x-thin-open"),
    "random": PolicyStyle(label="Random", color="#a6761d", symbol="x"),
    "set": PolicyStyle(label="SET", color="#3ca6d9", symbol="triangle-down"),
    "rigl": PolicyStyle(label="RigL", color="#cf9200", symbol="star"),
}
_RESERVE = ("#7a8f00", "#b0413e", "#5e6bd1", "#4d8f8b", "#a34fa6", "#946b4a")
_RESERVE_SYMBOLS = ("pentagon", "cross", "star-diamond", "hourglass", "bowtie", "hexagram")


def policy_style(policy: str) -> PolicyStyle:
    """Style of a policy; a policy this module does not know gets one by its name, always the same.

    Examples
    --------
    >>> policy_style("expression").label
    'Expression (ODE)'
    >>> policy_style("mine").color == policy_style("mine").color
    True
    """
    if policy in _STYLES:
        return _STYLES[policy]
    place = zlib.crc32(policy.encode()) % len(_RESERVE)
    return PolicyStyle(label=policy, color=_RESERVE[place], symbol=_RESERVE_SYMBOLS[place])


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
