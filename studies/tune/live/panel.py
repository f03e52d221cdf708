"""Live training on the tuning page: its place below the figures, for two runs, A and B."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from studies.tune.live.curves import HEIGHT as CURVES_HEIGHT
from studies.tune.live.curves import curves_figure
from studies.tune.live.graph import HEIGHT as GRAPH_HEIGHT
from studies.tune.live.options import DATA, MOST_EPOCHS, SPEEDS
from studies.tune.live.watch import UNSEEN_MINUTES
from studies.tune.live.words import SLOTS

POLL, GRAPH_POLL = 1000, 2500  # ms
ACTIONS = {
    "start": "Start",
    "pause": "Pause",
    "resume": "Go on",
    "apply": "Apply the sliders",
    "fork": "Fork",
    "stop": "Stop and save",
    "close": "Put away",
}
"""What can be done with a run, by the first part of a button's id, ``live-start-a``."""
READING = (
    "Dotted: density asked for. Triangles: rates were changed; the pointer tells how. Masks are updated "
    "every ten steps."
)
CONFIG: Any = {"displaylogo": False, "displayModeBar": False, "responsive": True, "scrollZoom": False}


def panel() -> html.Section:
    """Return the panel; :func:`studies.tune.live.callbacks.register` gives it life."""
    return html.Section(
        [
            html.H2("Live training", id="live-title"),
            html.P(
                "A small network trains in the background under the rates of the sliders. Change them in "
                "mid-training, or fork a run and compare the two. The page's address holds the runs: who has "
                "it sees and steers them. "
                f"A run that nobody looks at for {UNSEEN_MINUTES} minutes is paused.",
                className="quiet",
            ),
            _new_run(),
            html.Div([_card(slot) for slot in SLOTS], className="live-cards"),
            html.Div(
                [
                    html.Div(
                        [
                            html.Figure(
                                [
                                    html.H3("Runs over their steps"),
                                    dcc.Graph(
                                        id="live-curves",
                                        figure=curves_figure({}),
                                        config=CONFIG,
                                        style={"height": f"{CURVES_HEIGHT}px"},
                                    ),
                                    html.Figcaption(html.P(READING)),
                                ]
                            ),
                            html.Figure(
                                [
                                    html.Div(
                                        [
                                            html.H3("Its graph now"),
                                            dcc.RadioItems(
                                                {slot: f"run {name}" for slot, name in SLOTS.items()},
                                                "a",
                                                id="live-graph-run",
                                                inline=True,
                                            ),
                                        ],
                                        className="heading",
                                    ),
                                    dcc.Graph(
                                        id="live-graph", config=CONFIG, style={"height": f"{GRAPH_HEIGHT}px"}
                                    ),
                                    html.Figcaption(html.P(id="live-graph-words")),
                                ]
                            ),
                        ],
                        className="live-figures",
                    ),
                    html.Div(id="live-table", className="live-table"),
                ],
                id="live-results",
                hidden=True,
            ),
            dcc.Store(id="live-runs", data={}),  # id of the run in each slot, as in the address
            dcc.Store(id="live-seen", data=None),  # what the figures show, so that they are left alone
            dcc.Store(id="live-graph-seen", data=None),
            dcc.Store(id="live-acted", data=0),
            dcc.Store(id="live-dark", data=False),
            dcc.Interval(id="live-tick", interval=POLL, disabled=True),
            dcc.Interval(id="live-graph-tick", interval=GRAPH_POLL, disabled=True),
        ],
        id="live",
        **_aria(labelledby="live-title"),
    )


def _aria(**words: str) -> dict[str, Any]:
    return {f"aria-{name}": text for name, text in words.items()}


def _new_run() -> html.Div:
    def choice(name: str, label: str, options: dict[str, str], value: str) -> html.Div:
        return html.Div(
            [html.Span(label, className="live-label"), dcc.RadioItems(options, value, id=name, inline=True)],
            className="live-choice",
        )

    return html.Div(
        [
            choice("live-data", "Data", {name: f"{name} ({told})" for name, told in DATA.items()}, "digits"),
            choice(
                "live-speed", "Speed", {name: f"{name} ({rate:g} steps/s)" for name, rate in SPEEDS.items()},
                "medium",
            ),
            html.Div(
                [
                    html.Label("Epochs", htmlFor="live-epochs", className="live-label"),
                    dcc.Input(
                        id="live-epochs", type="text", value="", placeholder="until stopped",
                        inputMode="numeric", autoComplete="off", debounce=False,
                    ),
                    html.Span(f"empty: until stopped; at most {MOST_EPOCHS:,}", className="quiet"),
                ],
                className="live-choice",
            ),
        ],
        className="live-new",
        role="group",
        **_aria(label="Options of a new run"),
    )  # fmt: skip


def _card(slot: str) -> html.Div:
    other = next(name for key, name in SLOTS.items() if key != slot)

    def button(action: str) -> Any:
        words = {"start": f"Start run {SLOTS[slot]}", "fork": f"Fork into {other}"}
        return html.Button(
            words.get(action, ACTIONS[action]),
            id=f"live-{action}-{slot}",
            type="button",
            disabled=action != "start",
            className="main" if action == "start" else "",
        )

    return html.Div(
        [
            html.H3([html.Span(SLOTS[slot], className=f"live-badge live-{slot}"), f"Run {SLOTS[slot]}"]),
            html.P("not begun", id=f"live-state-{slot}", role="status"),
            html.Div([button(action) for action in ACTIONS], className="row"),
            dcc.Checklist({"on": "follow the sliders as they move"}, [], id=f"live-auto-{slot}", inline=True),
            html.P(id=f"live-error-{slot}", className="error", role="alert"),
        ],
        className="live-card",
        role="group",
        **_aria(label=f"Run {SLOTS[slot]}"),
    )
