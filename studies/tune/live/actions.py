"""What a button of the panel does to the runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from studies.tune.controls import CONTROLS
from studies.tune.live.options import LiveOptions
from studies.tune.live.run import LiveRun
from studies.tune.live.runs import LiveRuns
from studies.tune.live.words import SLOTS
from studies.tune.settings import Settings

OTHER = {"a": "b", "b": "a"}


def read_settings(values: Any) -> Settings:
    """Read what the page's sliders say, within what the page takes.

    Raises
    ------
    ValueError
        If there are none, as while a field is marked; if one is missing or refused.
    """
    if not isinstance(values, Mapping):
        raise ValueError("the sliders have no settings to train under: correct the marked fields")
    try:
        settings = Settings(**values)
    except TypeError as error:
        raise ValueError(f"the sliders' settings are not complete: {error}") from None
    for control in CONTROLS:
        if refusal := control.refusal(getattr(settings, control.name)):
            raise ValueError(refusal)
    return settings


def read_options(data: Any, speed: Any, epochs: Any) -> LiveOptions:
    """Read the options of a new run, the epochs as they were typed.

    Raises
    ------
    ValueError
        Names the option, what it must be, and what it is.

    Examples
    --------
    >>> read_options("digits", "fast", " 20 ").epochs
    20
    """
    text = "" if epochs is None else str(epochs).strip()
    count: Any = None
    if text:
        count = int(text) if text.isascii() and text.isdigit() else text
    return LiveOptions(data=data, speed=speed, epochs=count)


def act(
    runs: LiveRuns,
    action: str,
    slot: str,
    held: Mapping[str, str],
    settings: Callable[[], Settings],
    options: Callable[[], LiveOptions],
) -> dict[str, str]:
    """Do one thing with the run in a slot, and return the names of the runs in the slots then.

    Raises
    ------
    ValueError
        If it cannot be done; says why.
    """
    now = dict(held)
    if action == "start":
        now[slot] = runs.start(settings(), options(), replacing=now.get(slot)).id
        return now
    if slot not in now:
        raise ValueError(f"run {SLOTS[slot]} is not begun: start it first")
    if action == "close":
        runs.leave(now.pop(slot))
        return now
    run = runs.get(now[slot])
    if action == "fork":
        now[OTHER[slot]] = runs.fork(run.id, replacing=now.get(OTHER[slot])).id
    elif action == "resume":
        runs.resume(run.id)
    elif action == "apply":
        run.steer(settings())
    elif action == "pause":
        run.pause()
    elif action == "stop":
        run.stop()
    else:
        raise ValueError(f"unknown action {action!r}")
    return now


def follow(run: LiveRun, settings: Settings) -> None:
    """Steer a run that follows the sliders, where it trains and they say something else."""
    if run.is_live and run.asked != settings:
        run.steer(settings)
