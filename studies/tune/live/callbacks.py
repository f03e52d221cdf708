"""The panel's life: buttons act on runs, and what runs have done is drawn as it comes."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import dash
from dash import ClientsideFunction, Input, Output, State, ctx, no_update

from studies.tune.live.actions import act, follow, read_options, read_settings
from studies.tune.live.curves import curves_figure
from studies.tune.live.folder import LIVE
from studies.tune.live.graph import graph_figure
from studies.tune.live.panel import ACTIONS
from studies.tune.live.progress import Progress
from studies.tune.live.run import LiveRun
from studies.tune.live.runs import LiveRuns
from studies.tune.live.table import comparison_table
from studies.tune.live.words import SLOTS, told_state

BACK = 10  # updates: the graph marks what has come and gone in so many


def register(app: dash.Dash, runs: LiveRuns) -> None:
    """Give the panel of an app its callbacks.

    Parameters
    ----------
    app : dash.Dash
        Whose layout holds :func:`studies.tune.live.panel.panel`.
    runs : LiveRuns
        The runs of this server.
    """
    _register_address(app)
    _register_buttons(app, runs)
    _register_following(app, runs)
    _register_view(app, runs)
    _register_graph(app, runs)


def _register_address(app: dash.Dash) -> None:
    """Keep the address and the runs alike, in the browser: see ``assets/80-live.js``."""
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("live", "write"),
        Output("live-tick", "disabled"),
        Output("live-graph-tick", "disabled"),
        Output("live-results", "hidden"),
        Input("live-runs", "data"),
        prevent_initial_call=True,
    )


def _register_buttons(app: dash.Dash, runs: LiveRuns) -> None:
    inputs = [Input(f"live-{action}-{slot}", "n_clicks") for slot in SLOTS for action in ACTIONS]

    @app.callback(
        Output("live-runs", "data"),
        *(Output(f"live-error-{slot}", "children") for slot in SLOTS),
        Output("live-acted", "data"),
        *inputs,
        State("live-runs", "data"),
        State("settings", "data"),
        State("live-data", "value"),
        State("live-speed", "value"),
        State("live-epochs", "value"),
        State("live-acted", "data"),
        prevent_initial_call=True,
    )
    def on_button(*arguments: Any) -> list[Any]:
        held, values, data, speed, epochs, acted = arguments[-6:]
        _, action, slot = str(ctx.triggered_id).split("-")
        told = dict.fromkeys(SLOTS, "")
        now: Any = no_update
        try:
            now = act(
                runs, action, slot, _names(held),
                lambda: read_settings(values), lambda: read_options(data, speed, epochs),
            )  # fmt: skip
        except (ValueError, OSError) as error:
            told[slot] = str(error)
        return [now, *told.values(), acted + 1]


def _register_following(app: dash.Dash, runs: LiveRuns) -> None:
    @app.callback(
        Output("live-acted", "data", allow_duplicate=True),
        Input("settings", "data"),
        *(Input(f"live-auto-{slot}", "value") for slot in SLOTS),
        State("live-runs", "data"),
        State("live-acted", "data"),
        prevent_initial_call=True,
    )
    def on_settings(values: Any, *arguments: Any) -> Any:
        held, acted = arguments[-2:]
        names = _names(held)
        following = [slot for slot, on in zip(SLOTS, arguments, strict=False) if on and slot in names]
        if not following:
            return no_update
        for slot in following:
            try:
                follow(runs.get(names[slot]), read_settings(values))
            except ValueError:
                continue  # a run that is gone or ends is told of at its place
        return acted + 1


def _register_view(app: dash.Dash, runs: LiveRuns) -> None:
    @app.callback(
        Output("live-seen", "data"),
        Output("live-curves", "figure"),
        Output("live-table", "children"),
        *(Output(f"live-state-{slot}", "children") for slot in SLOTS),
        *(Output(f"live-{action}-{slot}", "disabled") for slot in SLOTS for action in ACTIONS),
        Input("live-tick", "n_intervals"),
        Input("live-runs", "data"),
        Input("live-acted", "data"),
        Input("live-dark", "data"),
        State("live-seen", "data"),
        prevent_initial_call=True,
    )
    def on_tick(_: Any, held: Any, acted: Any, dark: bool, seen: Any) -> list[Any]:
        found = {slot: _find(runs, name) for slot, name in _names(held).items()}
        shown = {slot: run for slot, run in found.items() if isinstance(run, LiveRun)}
        status = {slot: run.status for slot, run in shown.items()}
        progress = {slot: run.progress() for slot, run in shown.items()}
        last = {slot: p.last.step if p.last else -1 for slot, p in progress.items()}
        force = {slot: run.asked or run.settings for slot, run in shown.items()}
        curves = [
            [slot, shown[slot].id, progress[slot].version, last[slot], *astuple(force[slot])]
            for slot in shown
        ]
        marks = [dark, *curves]
        states = [
            [slot, run if isinstance(run, str) else [status[slot].state, status[slot].message]]
            for slot, run in found.items()
        ]
        new = {"curves": marks, "states": states}
        if new == seen:
            raise dash.exceptions.PreventUpdate
        drawn = bool(seen) and seen["curves"] == marks
        words, disabled = [], []
        for slot in SLOTS:
            run = found.get(slot)
            words.append(_words(run, status.get(slot), progress.get(slot)))
            disabled += _disabled(status[slot].state if slot in status else None, held=run is not None)
        return [
            new,
            no_update if drawn else curves_figure(progress, dark=bool(dark)),
            no_update if drawn else comparison_table(progress, force),
            *words,
            *disabled,
        ]


def _register_graph(app: dash.Dash, runs: LiveRuns) -> None:
    @app.callback(
        Output("live-graph", "figure"),
        Output("live-graph-seen", "data"),
        Output("live-graph-words", "children"),
        Input("live-graph-tick", "n_intervals"),
        Input("live-graph-run", "value"),
        Input("live-runs", "data"),
        Input("live-dark", "data"),
        State("live-graph-seen", "data"),
        prevent_initial_call=True,
    )
    def on_graph_tick(_: Any, slot: str, held: Any, dark: bool, seen: Any) -> tuple[Any, Any, Any]:
        names = _names(held)
        run = _find(runs, names[slot]) if slot in names else None
        now = run.snapshot() if isinstance(run, LiveRun) else None
        new = [slot, names.get(slot), dark, -1 if now is None else now.step]
        if new == seen:
            raise dash.exceptions.PreventUpdate
        if now is None or not isinstance(run, LiveRun):
            return no_update, new, f"Run {SLOTS[slot]} has no graph yet."
        words = (
            f"Run {SLOTS[slot]} after step {now.step:,}: {now.live:,} of {now.total:,} connections are live. "
            "Units keep their places; a hollow one has no live link."
        )
        return graph_figure(run.snapshot(BACK), now, dark=bool(dark)), new, words


def _names(held: Any) -> dict[str, str]:
    """Names of runs by slot, of what a browser sent."""
    given = held if isinstance(held, dict) else {}
    return {slot: given[slot] for slot in SLOTS if isinstance(given.get(slot), str) and given[slot]}


def _find(runs: LiveRuns, name: str) -> LiveRun | str:
    """Give the run, or why there is none."""
    try:
        return runs.get(name)
    except ValueError as error:
        return str(error)


def _words(run: LiveRun | str | None, status: Any, progress: Progress | None) -> str:
    if run is None:
        return "not begun"
    if isinstance(run, str):
        return run
    assert progress is not None
    told = told_state(status, progress)
    fork = f", forked at step {run.config.forked_at:,}" if run.config.forked_from else ""
    return f"{run.config.options.data}, {told}{fork}" + (f": {status.message}" if status.message else "")


def _disabled(state: str | None, *, held: bool) -> list[bool]:
    """Which of the buttons cannot be used, in the order of `ACTIONS`; without a run ``state`` is None."""
    live = state in LIVE
    usable = {
        "start": not live,
        "pause": state == "training",
        "resume": state in ("paused", "stopped", "finished", "failed"),
        "apply": state in ("training", "paused"),
        "fork": state is not None and state != "starting",
        "stop": live,
        "close": held,
    }
    return [not usable[action] for action in ACTIONS]
