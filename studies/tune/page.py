"""Layout of the tuning page: what Dash renders; the controls are filled in by ``assets``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from dash import dcc, html

from studies.tune.controls import CONTROLS, presets
from studies.tune.figures import HEIGHT, figures, templates
from studies.tune.request import PARAMETERS
from studies.tune.routes import FIGURES, USE
from studies.tune.settings import Settings

HEADINGS = {
    "trajectories": "Typical connections over time",
    "phase": "Phase plane of mRNA and protein",
    "levels": "Bifurcation diagram",
    "histogram": "Expression of all connections",
}
READING = {
    "trajectories": "Solid: protein of a connection that starts unexpressed; dashed: of one that starts "
    "fully expressed; dotted: mRNA. Short strokes at the foot: updates of the mask.",
    "phase": "Points are connections after the windows. Where the orange line crosses a blue one, a "
    "connection rests; blue lines are for the connections of the first figure.",
    "levels": "",
    "histogram": "Importance is held: |w| of a made-up layer with the heavy tails and the strong and weak "
    "units of a trained one. A random mask of the target density starts fully expressed, the rest "
    "unexpressed.",
}
DESCRIPTIONS = {
    "trajectories": "mRNA and protein of four connections against time, from unexpressed and fully expressed",
    "phase": "Nullclines of Eq. 1 and a sample of connections in the plane of mRNA and protein",
    "levels": "Resting expression of the connection at the budget's edge against a parameter",
    "histogram": "Number of connections at each level of expression, after the windows and at rest",
}
CONFIG: Any = {
    "displaylogo": False,
    "displayModeBar": False,
    "responsive": True,
    "doubleClick": False,
    "scrollZoom": False,
}

INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{%title%}</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'
 viewBox='0 0 16 16'%3E%3Cpath d='M1 14C7 14 7 2 15 2' fill='none' stroke='%23d55e00'
 stroke-width='2.5'/%3E%3C/svg%3E">
{%css%}
</head>
<body>
{%app_entry%}
<noscript>This page needs JavaScript.</noscript>
<script type="application/json" id="tune-page">PAGE</script>
<footer>{%config%}{%scripts%}{%renderer%}</footer>
</body>
</html>"""


def index() -> str:
    """Return the document around the layout, with what its scripts need to know."""
    known = {
        "controls": [asdict(control) for control in CONTROLS],
        "defaults": asdict(Settings()),
        "presets": presets(),
        "parameters": PARAMETERS,
        "templates": templates(),
        "figures": list(HEADINGS),
        "routes": {"figures": f"/{FIGURES}", "use": f"/{USE}"},
    }
    text = json.dumps(known, separators=(",", ":")).replace("<", "\\u003c").replace("{%", "{\\u0025")
    return INDEX.replace("PAGE", text)


def layout(genes: int, live: Any) -> html.Div:
    """Return the page.

    Parameters
    ----------
    genes : int
        Connections that the histogram counts.
    live : Component
        The panel of live training, below the figures.
    """
    drawn = figures()
    return html.Div(
        [
            html.A("Skip to the figures", href="#figures", className="skip"),
            html.Header(
                [
                    html.H1("Tune decay rates"),
                    html.P(
                        "Every connection of a network is a gene: its importance induces a promoter, mRNA "
                        "and protein follow, and the protein level decides whether the connection lives. "
                        f"The figures follow the sliders, for {genes:,} connections.",
                        className="quiet",
                    ),
                ]
            ),
            html.Main(
                [
                    html.Div(
                        [
                            html.Details(
                                [html.Summary("Settings"), html.Div(id="controls")],
                                open=True,
                                id="settings-panel",
                            ),
                            html.Section(
                                [_figure(name, drawn[name]) for name in HEADINGS],
                                id="figures",
                                **_aria(label="Figures", busy="true"),
                            ),
                        ],
                        className="bench",
                    ),
                    html.Section(id="use", **_aria(label="Use these rates")),
                    live,
                ]
            ),
            dcc.Store(id="settings", data=None),  # of the fields; none while one is wrong
        ],
        id="page",
    )


def _aria(**values: str) -> dict[str, Any]:
    """Attributes ``aria-…`` of an element: no keyword of Python can be called so."""
    return {f"aria-{name}": value for name, value in values.items()}


def _figure(name: str, figure: Any) -> html.Figure:
    words = [html.P(id=f"{name}-words", className="told")] if name in ("trajectories", "levels") else []
    if name == "histogram":
        words = [html.P(id="density-words", className="told", **_aria(live="polite"))]
    return html.Figure(
        [
            html.Div(
                [html.H2(HEADINGS[name], id=f"{name}-title"), html.Div(id=f"{name}-options")],
                className="heading",
            ),
            html.Div(
                dcc.Graph(id=name, figure=figure, config=CONFIG, style={"height": f"{HEIGHT}px"}),
                role="img",
                **_aria(label=DESCRIPTIONS[name]),
            ),
            html.Figcaption([*words, *([html.P(READING[name])] if READING[name] else [])]),
        ],
        **_aria(labelledby=f"{name}-title"),
    )
