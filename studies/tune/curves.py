"""Courses, nullclines and resting levels of single connections under the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from grn import ExpressionState, Kinetics, advance
from grn.plot.promoter import Promoter
from studies.tune.expression import LIFETIMES, WINDOWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from studies.tune.settings import Settings

    Array = NDArray[np.float64]

PARTS = 12  # points of a course in each eighth of its time
LEVELS = 121  # points of a nullcline
POINTS = 150  # of a diagram of resting levels, at least; its steps are no longer than such a share of it
ROUNDS, SPLIT = 3, 8  # times that long steps are split, and into how many
SWEEP = 41  # values of a rate or window for which expression after the windows is computed


def promoter_of(settings: Settings, neighbourhood: float) -> Promoter:
    """Promoter of a connection whose neighbours are held at a mean expression."""
    return Promoter(
        kinetics=settings.kinetics,
        autoactivation=settings.autoactivation,
        cooperation=settings.cooperation,
        neighbourhood=neighbourhood,
    )


def courses(
    settings: Settings, inductions: Sequence[float], hours: float, neighbourhood: float
) -> tuple[Array, Array, Array]:
    """MRNA and protein of connections over time, from unexpressed and from fully expressed.

    Parameters
    ----------
    settings : Settings
        Rates and promoter.
    inductions : sequence of float
        S/K of each connection, held.
    hours : float
        Length of the course.
    neighbourhood : float
        r, at which neighbours are held.

    Returns
    -------
    times : ndarray, shape (T,)
        Hours.
    mrna, protein : ndarray, shape (2, connections, T)
        First from unexpressed, then from fully expressed.
    """
    promoter = promoter_of(settings, neighbourhood)
    genes = len(inductions)
    induction = torch.tensor(inductions, dtype=torch.float64).repeat(2) * promoter.gain
    level = torch.tensor([0.0, 1.0], dtype=torch.float64).repeat_interleave(genes)
    state = ExpressionState(level, level.clone())
    starts = [state]
    for _ in range(WINDOWS - 1):
        state = _step(state, induction, hours / WINDOWS, settings, promoter)
        starts.append(state)
    # All windows are then filled at once: a call costs much more than the genes in it.
    state = ExpressionState(
        torch.cat([each.mrna for each in starts]), torch.cat([each.protein for each in starts])
    )
    everywhere = induction.repeat(WINDOWS)
    points = [state]
    for _ in range(PARTS):
        state = _step(state, everywhere, hours / WINDOWS / PARTS, settings, promoter)
        points.append(state)
    times = np.linspace(0.0, hours, WINDOWS * PARTS + 1)
    return times, _in_order([p.mrna for p in points], genes), _in_order([p.protein for p in points], genes)


def _in_order(points: Sequence[torch.Tensor], genes: int) -> Array:
    """(2, genes, time) of states that hold every window side by side, the first point of each once."""
    stacked = torch.stack(list(points)).view(PARTS + 1, WINDOWS, 2, genes).numpy()
    inner = stacked[:PARTS].transpose(2, 3, 1, 0).reshape(2, genes, WINDOWS * PARTS)
    return np.concatenate([inner, stacked[PARTS, -1][:, :, None]], axis=2)


def _step(
    state: ExpressionState, induction: torch.Tensor, hours: float, settings: Settings, promoter: Promoter
) -> ExpressionState:
    return advance(
        state, induction, hours, kinetics=settings.kinetics, autoactivation=promoter.memory, tolerance=1e-5
    )


def nullclines(settings: Settings, inductions: Sequence[float], neighbourhood: float) -> tuple[Array, Array]:
    """Protein levels, and the mRNA level at which mRNA rests there, one row for each induction."""
    promoter = promoter_of(settings, neighbourhood)
    protein = np.linspace(0.0, 1.1, LEVELS)
    return protein, np.stack([promoter.activity(s, protein) for s in inductions])


def resting_levels(
    settings: Settings,
    parameter: str,
    induction: float,
    neighbourhood: float,
    *,
    low: float,
    high: float,
    logarithmic: bool,
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Resting levels of a connection against one parameter of its promoter, in closed form.

    At a level p the Hill activity ``h = (p − b)/(1 − b)`` needs the input ``x = (h/(1 − h))^{1/n}``, and
    ``x·(1 + (a+c)/2) = s·(1 + a·p + c·r)`` is then solved for the parameter. A level is stable where the
    promoter's answer to it, ``h·(1 − h)·(1 − b)·n·a/(1 + a·p + c·r)``, is less than 1.

    Parameters
    ----------
    settings : Settings
        n, b, a, c and K.
    parameter : {"induction", "threshold", "autoactivation", "cooperation", "hill_coefficient", "basal"}
        What the levels are drawn against. With ``"threshold"`` the importance is held, and so S·K⁻¹ moves.
    induction : float
        S/K of the connection under the settings.
    neighbourhood : float
        r, at which neighbours are held.
    low, high, logarithmic
        The axis of the parameter: levels are taken closer to one another where the curve runs far along it.

    Returns
    -------
    value, level, stable : ndarray, shape (P,)
        Values of the parameter (NaN where none gives the level), resting levels, ascending, and whether
        they are stable.

    Examples
    --------
    >>> from studies.tune.settings import Settings
    >>> value, level, stable = resting_levels(
    ...     Settings(autoactivation=3.0), "induction", 1.0, 0.5, low=0.1, high=10.0, logarithmic=True)
    >>> [round(float(end), 4) for end in (value[~stable].min(), value[~stable].max())]  # the thresholds
    [0.9797, 1.0795]
    """
    least = 0.0 if parameter == "basal" else float(settings.basal)
    ease = 1 / (1 + np.exp(-np.linspace(-18.0, 18.0, POINTS)))  # dense at the ends
    even = np.linspace(0.0, 1.0, POINTS)[1:-1]
    p = least + (1 - least) * np.sort(np.concatenate([ease, even]))
    for _ in range(ROUNDS):
        value, _ = _parameter_at(p, settings, parameter, induction, neighbourhood)
        place = np.clip(
            (value - low) / (high - low) if not logarithmic else _log_place(value, low, high), -1, 2
        )
        with np.errstate(invalid="ignore"):
            wide = np.abs(np.diff(place)) > 1 / POINTS
            seen = (np.minimum(place[1:], place[:-1]) < 1) & (np.maximum(place[1:], place[:-1]) > 0)
        left, right = p[:-1][wide & seen], p[1:][wide & seen]
        if not len(left):
            break
        between = left[:, None] + (right - left)[:, None] * np.linspace(0, 1, SPLIT + 1)[1:-1]
        p = np.unique(np.concatenate([p, between.ravel()]))
    value, stable = _parameter_at(p, settings, parameter, induction, neighbourhood)
    return np.where(np.isfinite(value), value, np.nan), p, stable


def _log_place(value: Array, low: float, high: float) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        place: Array = np.log(value / low) / np.log(high / low)
    return place


def _parameter_at(
    p: Array, settings: Settings, parameter: str, induction: float, neighbourhood: float
) -> tuple[Array, NDArray[np.bool_]]:
    """Value of the parameter at which a connection rests at each level, and whether it is stable there."""
    n: Any = settings.hill_coefficient
    b: Any = settings.basal
    a: Any = settings.autoactivation
    c: Any = settings.cooperation
    r, s = neighbourhood, induction
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x = ((p - b) / (1 - p)) ** (1 / n) if parameter != "basal" else np.nan
        feedback, share = 1 + a * p + c * r, 1 + (a + c) / 2
        if parameter == "induction":
            value = x * share / feedback
        elif parameter == "threshold":
            value = settings.threshold * s * feedback / (x * share)
        elif parameter == "autoactivation":
            value = a = (s * (1 + c * r) - x * (1 + c / 2)) / (x / 2 - s * p)
        elif parameter == "cooperation":
            value = c = (s * (1 + a * p) - x * (1 + a / 2)) / (x / 2 - s * r)
        elif parameter == "hill_coefficient":
            value = n = np.log((p - b) / (1 - p)) / np.log(s * feedback / share)
        elif parameter == "basal":
            value = b = p - (1 - p) * (s * feedback / share) ** n  # of p = b + (1 − b)·xⁿ/(1 + xⁿ)
        else:
            raise ValueError(f"no resting level depends on {parameter!r}")
        h = (p - b) / (1 - b)
        stable = h * (1 - h) * (1 - b) * n * a / (1 + a * p + c * r) < 1
    return value, stable


def after_windows(
    settings: Settings, parameter: str, values: Array, induction: float, neighbourhood: float
) -> Array:
    """Expression of a connection eight windows after its induction was set, against a rate or the window.

    Returns
    -------
    ndarray, shape (2, values)
        From unexpressed and from fully expressed.
    """
    promoter = promoter_of(settings, neighbourhood)
    signal = torch.full((2,), induction * promoter.gain, dtype=torch.float64)
    level = torch.tensor([0.0, 1.0], dtype=torch.float64)
    found = np.empty((2, len(values)))
    for k, value in enumerate(values):
        rates = {"mrna_decay": settings.mrna_decay, "protein_decay": settings.protein_decay}
        hours = settings.window
        if parameter == "window":
            hours = float(value)
        else:
            rates[parameter] = float(value)
        kinetics = Kinetics(hill_coefficient=settings.hill_coefficient, basal=settings.basal, **rates)
        hours = min(WINDOWS * hours, LIFETIMES / min(rates.values()))
        found[:, k] = advance(
            ExpressionState(level, level.clone()),
            signal,
            hours,
            kinetics=kinetics,
            autoactivation=promoter.memory,
            tolerance=1e-4,
        ).protein.numpy()
    return found
