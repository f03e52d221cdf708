"""Closed forms: the affine limit of Eq. 1, fixed points, and the thresholds of hysteresis."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch

from grn.kinetics import Kinetics, _real, hill
from grn.regulation import check_strength
from grn.state import ExpressionState

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class Hysteresis(NamedTuple):
    """Window of an input in which two stable states exist.

    Attributes
    ----------
    switch_on : float
        A gene that is off turns on above this input.
    switch_off : float
        A gene that is on turns off below it.
    """

    switch_on: float
    switch_off: float


class FixedPoint(NamedTuple):
    """A level at which a gene rests.

    Attributes
    ----------
    level : float
        Expression, in the model's units.
    stable : bool
        Whether a small disturbance dies out.
    """

    level: float
    stable: bool


def affine_response(
    state: ExpressionState, drive: Tensor, times: float | Tensor, kinetics: Kinetics
) -> ExpressionState:
    """Response of a two-stage filter to a held promoter activity: the limit a = c = 0 of Eq. 1.

    ``m(t) = h + (m0 − h)·e^{−γm t}`` and ``p(t) = h + (p0 − h)·e^{−γp t} + (m0 − h)·γp·D(t)``,
    ``D = (e^{−γm t} − e^{−γp t})/(γp − γm)``, taken in the form that stays exact through γm = γp, where
    D = t·e^{−γ t}.

    Parameters
    ----------
    state : ExpressionState
        At time 0.
    drive : Tensor
        h, the promoter activity ``kinetics.promoter_activity(induction)``; broadcast with the state.
    times : float or Tensor
        Hours, non-negative; a tensor of shape (T,) gives results of shape (T, *shape of the state).
    kinetics : Kinetics
        Rates.

    Examples
    --------
    >>> import torch
    >>> both = Kinetics(mrna_decay=1.0, protein_decay=1.0)
    >>> affine_response(ExpressionState.initial(1), torch.ones(1), 1.0, both).protein  # 1 − 2/e
    tensor([0.2642])
    """
    m0, p0, h = state.mrna, state.protein, drive
    t = torch.as_tensor(times, dtype=m0.dtype, device=m0.device)
    if bool((t < 0).any()):
        raise ValueError(f"times must be non-negative, in h, got {float(t.min()):g}")
    t = t.reshape(t.shape + (1,) * (m0.ndim if t.ndim else 0))
    gamma_m, gamma_p = (torch.as_tensor(rate, dtype=m0.dtype, device=m0.device) for rate in kinetics.rates)
    slow, gap = torch.minimum(gamma_m, gamma_p) * t, (gamma_m - gamma_p).abs() * t
    flat = gap < 1e-3
    safe = torch.where(flat, 1.0, gap)
    series = 1 - gap / 2 * (1 - gap / 3 * (1 - gap / 4 * (1 - gap / 5)))
    ratio = torch.where(flat, series, -torch.expm1(-safe) / safe)
    m = h + (m0 - h) * torch.exp(-gamma_m * t)
    p = h + (p0 - h) * torch.exp(-gamma_p * t) + (m0 - h) * (gamma_p * t * torch.exp(-slow) * ratio)
    return ExpressionState(m, p)


def fixed_points(kinetics: Kinetics, induction: float, autoactivation: float = 0.0) -> list[FixedPoint]:
    """Resting protein levels of a gene of Eq. 1 that activates itself, ascending (cooperation none).

    Roots of ``p = b + (1−b)·hill(s·(1 + a·p)/(1 + a/2), n)``. Each p in (b, 1) rests at exactly one induction
    s(p); s(p) rises from 0 to ∞ but between the two saddle-nodes of `hysteresis_thresholds`, where it
    falls and the state is unstable.

    Parameters
    ----------
    kinetics : Kinetics
        n and b; the rates move no fixed point.
    induction : float
        S/K, non-negative.
    autoactivation : float
        a.

    Returns
    -------
    list of FixedPoint
        One, or three in the hysteresis window (low, saddle, high).

    Examples
    --------
    >>> [round(point.level, 3) for point in fixed_points(Kinetics(), 1.0, 3.0)]
    [0.072, 0.451, 0.736]
    """
    check_strength("autoactivation", autoactivation)
    s = _check_input("induction", induction)
    b, n, a = float(kinetics.basal), float(kinetics.hill_coefficient), float(autoactivation)
    if s == 0 or math.isinf(s):
        return [FixedPoint(b if s == 0 else 1.0, True)]
    target = math.log(s)
    # The feedback factor lies between its values at p = b and p = 1, which brackets the promoter's logit.
    least = n * (target + math.log((1 + a * b) / (1 + a / 2))) - 1e-6
    most = n * (target + math.log((1 + a) / (1 + a / 2))) + 1e-6
    folds = [_logit(y) for y in _fold_activities(kinetics, autoactivation)]
    edges = [least, *(u for u in folds if least < u < most), most]
    found = []
    for low, high in pairwise(edges):
        below, above = (_log_induction(u, kinetics, a) - target for u in (low, high))
        if below * above < 0:
            u = _brent(lambda u: _log_induction(u, kinetics, a) - target, low, high)
            found.append(FixedPoint(b + (1 - b) * _expit(u), below < 0))
    return found


def hysteresis_thresholds(kinetics: Kinetics, autoactivation: float) -> Hysteresis | None:
    """Inductions between which a gene of Eq. 1 has two stable states; None where it never has.

    With y the promoter's Hill activity and A = a(1−b), the saddle-nodes are the roots of
    ``nA·y² − (n−1)A·y + (1 + a·b) = 0``; the smaller is the switch-on point.

    Examples
    --------
    >>> window = hysteresis_thresholds(Kinetics(hill_coefficient=4), 3.0)
    >>> round(window.switch_off, 4), round(window.switch_on, 4)
    (0.9797, 1.0795)
    >>> hysteresis_thresholds(Kinetics(hill_coefficient=4), 0.5) is None
    True
    """
    check_strength("autoactivation", autoactivation)
    folds = _fold_activities(kinetics, autoactivation)
    if not folds:
        return None
    on, off = (math.exp(_log_induction(_logit(y), kinetics, autoactivation)) for y in folds)
    return Hysteresis(switch_on=on, switch_off=off)


def autoregulation_fixed_points(
    n: float, strength: float, basal: float = 0.0, drive: float = 0.0
) -> list[FixedPoint]:
    """Resting levels of ``ẋ = b + a·xⁿ/(1 + xⁿ) + drive − x``, x ≥ 0, ascending.

    Parameters
    ----------
    n : float
        Hill coefficient.
    strength : float
        a.
    basal : float
        b.
    drive : float
        External synthesis; may be negative.

    Examples
    --------
    >>> [round(point.level, 4) for point in autoregulation_fixed_points(4, 3.0, basal=0.05)]
    [0.05, 0.7389, 3.0141]
    """
    n, a = _check_autoregulation(n, strength)
    push = _real("basal", basal) + _real("drive", drive)

    def speed(x: float) -> float:
        return push + a * _hill(x, n) - x

    top = max(push, 0.0) + a + 1.0
    edges = [0.0, *(x for x in _fold_levels(n, a) if x < top), top]
    found = []
    if push < 0:  # below 0 the Hill function is 0 and the level falls to the drive itself
        found.append(FixedPoint(push, True))
    elif push == 0:
        found.append(FixedPoint(0.0, n > 1 or (n == 1 and a <= 1)))
    for branch, (low, high) in enumerate(pairwise(edges)):
        if branch == 0 and push == 0:
            continue  # the speed starts at 0 and is monotone: no other root here
        before, after = speed(low), speed(high)
        if before * after < 0:
            found.append(FixedPoint(_brent(speed, low, high), before > 0))
    return found


def autoregulation_hysteresis(n: float, strength: float, basal: float = 0.0) -> Hysteresis | None:
    """Drives between which ``ẋ = b + a·xⁿ/(1 + xⁿ) + drive − x`` has two stable states, or None.

    Saddle-nodes are where the slope of a·hill is 1. n ≤ 1 is never bistable; for n > 1 the feedback must
    exceed `autoregulation_cusp`.

    Examples
    --------
    >>> window = autoregulation_hysteresis(4, 3.0, basal=0.05)
    >>> round(window.switch_on, 3), round(window.switch_off, 3)
    (0.282, -1.057)
    """
    n, a = _check_autoregulation(n, strength)
    folds = _fold_levels(n, a)
    if len(folds) < 2:
        return None
    on, off = (x - _real("basal", basal) - a * _hill(x, n) for x in folds)
    return Hysteresis(switch_on=on, switch_off=off)


def autoregulation_saddle_node(n: float) -> float:
    """Smallest a at which ``ẋ = a·xⁿ/(1 + xⁿ) − x`` has a second stable state: ``(n−1)^{1/n}·n/(n−1)``.

    Raises
    ------
    ValueError
        If n ≤ 1: never bistable.

    Examples
    --------
    >>> [round(autoregulation_saddle_node(n), 5) for n in (2, 3, 4)]
    [2.0, 1.88988, 1.75477]
    """
    if not _real("n", n) > 1:
        raise ValueError(f"n must exceed 1 for a second stable state to exist, got {n}")
    return float((n - 1) ** (1 / n) * n / (n - 1))


def autoregulation_cusp(n: float) -> float:
    """Feedback a above which some drive has two stable states: 1 over the Hill function's largest slope.

    Raises
    ------
    ValueError
        If n ≤ 1: never bistable.

    Examples
    --------
    >>> round(autoregulation_cusp(2), 4)  # 8/(3·sqrt(3))
    1.5396
    """
    if not _real("n", n) > 1:
        raise ValueError(f"n must exceed 1 for a second stable state to exist, got {n}")
    return 1.0 / math.exp(_log_slope((n - 1) / (2 * n), n))


def _fold_activities(kinetics: Kinetics, autoactivation: float) -> tuple[float, ...]:
    """Hill activities of the two saddle-nodes of Eq. 1, ascending, or none."""
    n, b, a = float(kinetics.hill_coefficient), float(kinetics.basal), float(autoactivation)
    A = a * (1 - b)
    square = ((n - 1) * A) ** 2 - 4 * n * A * (1 + a * b)
    if n <= 1 or square <= 0:
        return ()
    larger = ((n - 1) * A + math.sqrt(square)) / (2 * n * A)
    return (1 + a * b) / (n * A * larger), larger  # the product of the roots, free of cancellation


def _log_induction(logit: float, kinetics: Kinetics, a: float) -> float:
    """Log of the induction at which a gene rests whose promoter has the Hill activity expit(``logit``)."""
    b = float(kinetics.basal)
    p = b + (1 - b) * _expit(logit)
    return logit / float(kinetics.hill_coefficient) + math.log((1 + a / 2) / (1 + a * p))


def _fold_levels(n: float, a: float) -> tuple[float, ...]:
    """Levels where the slope of a·hill is 1, ascending: two, one (n ≤ 1) or none."""
    if a == 0:
        return ()
    peak = max(0.0, (n - 1) / (2 * n))

    def excess(y: float) -> float:
        return math.log(a) + _log_slope(y, n)

    if n > 1 and excess(peak) <= 0:
        return ()
    edge = 1e-300
    found = [_brent(excess, edge, peak)] if n > 1 and excess(edge) < 0 else []
    if excess(max(peak, edge)) > 0:
        found.append(_brent(excess, max(peak, edge), 1 - 1e-15))
    return tuple((y / (1 - y)) ** (1 / n) for y in found)


def _log_slope(y: float, n: float) -> float:
    """Log of the Hill function's slope where its value is y: ``n·y^{1−1/n}·(1−y)^{1+1/n}``."""
    return math.log(n) + (1 - 1 / n) * math.log(y) + (1 + 1 / n) * math.log1p(-y)


def _hill(x: float, n: float) -> float:
    return float(hill(torch.tensor(x, dtype=torch.float64), n))


def _logit(y: float) -> float:
    return math.log(y) - math.log1p(-y)


def _expit(u: float) -> float:
    return 1 / (1 + math.exp(-u)) if u >= 0 else math.exp(u) / (1 + math.exp(u))


def _brent(function: Callable[[float], float], low: float, high: float) -> float:
    from scipy.optimize import brentq  # not at import: scipy.optimize takes as long as everything else here

    return float(brentq(function, low, high, xtol=1e-300, rtol=8.9e-16, maxiter=1000))


def _check_input(name: str, value: float) -> float:
    number = _real(name, value)
    if not number >= 0:
        raise ValueError(f"{name} must be a non-negative number, got {value}")
    return number


def _check_autoregulation(n: float, strength: float) -> tuple[float, float]:
    if not (math.isfinite(_real("n", n)) and n > 0):
        raise ValueError(f"n must be a positive finite Hill coefficient, got {n}")
    check_strength("autoregulation", strength)
    return float(n), float(strength)
