"""The bifurcation diagram: resting levels of the connection at the budget's edge against one parameter.

Resting levels do not depend on decay rates or on the window. Against those, expression after eight windows
is drawn instead, from unexpressed and from fully expressed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from grn.analytic import fixed_points, hysteresis_thresholds
from grn.plot.labels import log_axis, number
from studies.tune.controls import CONTROLS
from studies.tune.curves import SWEEP, after_windows, promoter_of, resting_levels
from studies.tune.request import PARAMETERS
from studies.tune.wire import packed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from studies.tune.settings import Settings

    Array = NDArray[np.float64]

INDUCTIONS = (0.1, 10.0)  # range of the axis
KINETIC = ("mrna_decay", "protein_decay", "window")  # what no resting level depends on


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagram:
    """Numbers of the figure, and the sentence below it."""

    figure: dict[str, Any]
    words: str


def diagram(settings: Settings, parameter: str, neighbourhood: float) -> Diagram:
    """Return the diagram of a parameter of `PARAMETERS`, with neighbours held at a mean expression."""
    induction = 1.0 / settings.threshold  # of the least important connection that the budget holds
    low, high, logarithmic = _range(parameter)
    now = induction if parameter == "induction" else float(getattr(settings, parameter))
    if parameter in KINETIC:
        values = np.geomspace(low, high, SWEEP)
        off, on = after_windows(settings, parameter, values, induction, neighbourhood)
        marked = after_windows(settings, parameter, np.array([now]), induction, neighbourhood)[:, 0]
        branches = [(values, off), (values[:0], off[:0]), (values, on)]
        names = ("from unexpressed", "", "from fully on")
        points, stable = [float(level) for level in marked], [True, True]
        words = _kinetic_words(settings, parameter)
    else:
        value, level, steady = resting_levels(
            settings, parameter, induction, neighbourhood, low=low, high=high, logarithmic=logarithmic
        )
        branches = _branches(value, level, steady, low, high, logarithmic=logarithmic)
        promoter = promoter_of(settings, neighbourhood)
        rests = fixed_points(settings.kinetics, induction * promoter.gain, promoter.memory)
        points, stable = [rest.level for rest in rests], [rest.stable for rest in rests]
        two = len(branches[2][0]) > 0
        names = ("stable, off" if two else "stable", "unstable" if two else "", "stable, on" if two else "")
        words = _resting_words(settings, parameter, neighbourhood, len(points))
    data: list[dict[str, Any]] = [
        {"x": packed(x), "y": packed(y), "name": name, "showlegend": bool(name)}
        for (x, y), name in zip(branches, names, strict=True)
    ]
    symbols = ["circle" if each else "circle-open" for each in stable]
    data.append({"x": packed([now] * len(points)), "y": packed(points), "marker.symbol": symbols})
    data.append({"x": packed([now, now]), "y": packed([-0.03, 1.05])})
    layout: dict[str, Any] = {"xaxis.title.text": _title(parameter)}
    layout |= {f"xaxis.{key}": value for key, value in _axis(low, high, logarithmic=logarithmic).items()}
    return Diagram(figure={"data": data, "layout": layout}, words=words)


def _range(parameter: str) -> tuple[float, float, bool]:
    if parameter == "induction":
        return *INDUCTIONS, True
    control = next(control for control in CONTROLS if control.name == parameter)
    return control.low, control.high, control.logarithmic


def _title(parameter: str) -> str:
    unit = next((control.unit for control in CONTROLS if control.name == parameter), "")
    return PARAMETERS[parameter] + (f" ({unit})" if unit not in ("", "×") else "")


def _axis(low: float, high: float, *, logarithmic: bool) -> dict[str, Any]:
    if logarithmic:
        return log_axis(low, high)
    return {"type": "linear", "range": [low, high], "tickvals": None, "ticktext": None}


def _branches(
    value: Array, level: Array, stable: NDArray[np.bool_], low: float, high: float, *, logarithmic: bool
) -> list[tuple[Array, Array]]:
    """Lower stable branch, unstable one and upper stable one, broken where the curve leaves the axis.

    A branch reaches to the first point of the next, so that no gap is left at a saddle-node.
    """
    within = np.isfinite(value) & (value > 0 if logarithmic else value >= low)
    shown = within & (value >= low / 1.5 if logarithmic else True) & (value <= high * 1.5)
    unstable = np.flatnonzero(shown & ~stable)
    if not len(unstable):
        return [_broken(value, level, shown), (value[:0], level[:0]), (value[:0], level[:0])]
    first, last = int(unstable[0]), int(unstable[-1])
    place = np.arange(len(value))
    return [
        _broken(value, level, shown & (place <= first)),
        _broken(value, level, shown & ~stable),
        _broken(value, level, shown & (place >= last)),
    ]


def _broken(value: Array, level: Array, shown: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Points shown, with a gap wherever others lie between."""
    place = np.flatnonzero(shown)
    x, y = value[place], level[place]
    gaps = np.flatnonzero(np.diff(place) > 1) + 1
    return np.insert(x, gaps, np.nan), np.insert(y, gaps, np.nan)


def _kinetic_words(settings: Settings, parameter: str) -> str:
    slower = min(settings.mrna_decay, settings.protein_decay)
    response = math.log(2) * (1 / settings.mrna_decay + 1 / settings.protein_decay)
    what = "the window" if parameter == "window" else "decay rates"
    return (
        f"No resting level depends on {what}, so this is expression eight windows after induction was set, "
        f"for the connection at the edge of the budget. Half-lives add up to {number(response)} h; the "
        f"slower molecule forgets in {number(math.log(2) / slower)} h. "
        f"A window is {number(settings.window)} h."
    )


def _resting_words(settings: Settings, parameter: str, neighbourhood: float, found: int) -> str:
    promoter = promoter_of(settings, neighbourhood)
    window = hysteresis_thresholds(settings.kinetics, promoter.memory)
    least = promoter.least_bistable
    if window is not None:
        off, on = (each / promoter.gain for each in (window.switch_off, window.switch_on))
        memory = (
            f"A connection that is off turns on above S/K = {number(on)}, one that is on turns off below "
            f"{number(off)}."
        )
    elif math.isfinite(least):
        memory = (
            f"One stable level at every induction: two would need autoactivation a above {number(least)}."
        )
    else:
        memory = "One stable level at every induction: n is too small for the leak b, whatever a is."
    at = f"S/K = {number(1 / settings.threshold)}"
    held = f" Neighbours are held at r = {number(neighbourhood)}." if settings.cooperation else ""
    rests = "one level" if found == 1 else "two stable levels, and one unstable between them"
    return (
        f"{memory} The connection at the budget's edge ({at}) has {rests}.{held} "
        "Decay rates move no resting level."
    )
