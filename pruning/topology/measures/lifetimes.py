"""Survival curves of lifetimes of which some had not ended when the watch did."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Survival:
    """Kaplan-Meier estimate of the fraction that outlives each time.

    Attributes
    ----------
    times : ndarray of float64
        Times at which some died, rising.
    survival : ndarray of float64
        Fraction that lives longer than each.
    std : ndarray of float64
        Its standard error by Greenwood's formula.
    at_risk, died : ndarray of float64
        Watched and alive just before each time, and those that died at it.
    censored : float
        Those whose death was not seen.
    """

    times: NDArray[np.float64] = field(repr=False)
    survival: NDArray[np.float64] = field(repr=False)
    std: NDArray[np.float64] = field(repr=False)
    at_risk: NDArray[np.float64] = field(repr=False)
    died: NDArray[np.float64] = field(repr=False)
    censored: float

    @property
    def median(self) -> float:
        """First time that at most half outlive; infinite where more than half outlive the watch."""
        below = np.flatnonzero(self.survival <= 0.5 + 1e-12)
        return float(self.times[below[0]]) if len(below) else math.inf

    def at(self, times: ArrayLike) -> NDArray[np.float64]:
        """Survival at any times: a step function that is 1 before the first death."""
        place = np.searchsorted(self.times, np.asarray(times, dtype=float), side="right")
        return np.append(1.0, self.survival)[place]

    def interval(self, level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Confidence interval of each survival, on the log(-log) scale, which keeps it within 0 and 1.

        Raises
        ------
        ValueError
            If the level does not lie between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {level}")
        inside = (self.survival > 0) & (self.survival < 1)
        share = np.where(inside, self.survival, 0.5)
        width = norm.ppf(0.5 + level / 2) * self.std / (share * np.abs(np.log(share)))
        low, high = share ** np.exp(width), share ** np.exp(-width)
        return np.where(inside, low, self.survival), np.where(inside, high, self.survival)


def kaplan_meier(durations: ArrayLike, observed: ArrayLike, weights: ArrayLike | None = None) -> Survival:
    """Estimate the survival curve.

    Parameters
    ----------
    durations : array_like
        Lifetimes, or how long those were watched that did not die, shape (cases,).
    observed : array_like of bool
        Whether the death was seen; one censored at a time counts as at risk at that time.
    weights : array_like, optional
        How many cases each entry stands for; by default 1.

    Raises
    ------
    ValueError
        If the shapes differ, there is no case, a duration is negative or not finite, or a weight not
        positive.

    References
    ----------
    Kaplan and Meier, Nonparametric estimation from incomplete observations, JASA 53:457 (1958).

    Examples
    --------
    >>> curve = kaplan_meier([1, 2, 2, 3], [True, True, False, True])
    >>> curve.times.tolist(), curve.survival.tolist()
    ([1.0, 2.0, 3.0], [0.75, 0.5, 0.0])
    """
    length = np.asarray(durations, dtype=float)
    seen = np.asarray(observed, dtype=bool)
    weight = np.ones_like(length) if weights is None else np.asarray(weights, dtype=float)
    if length.ndim != 1 or not len(length) or not length.shape == seen.shape == weight.shape:
        raise ValueError(
            "durations, observed and weights must have one entry for each of at least one case, got shapes "
            f"{length.shape}, {seen.shape} and {weight.shape}"
        )
    if not np.isfinite(length).all() or length.min() < 0 or not weight.min() > 0:
        raise ValueError("durations must be finite and at least 0, and weights positive")
    times, place = np.unique(length, return_inverse=True)
    died = np.bincount(place, weights=weight * seen).astype(np.float64)
    left = np.bincount(place, weights=weight).astype(np.float64)
    at_risk = np.cumsum(left[::-1])[::-1]
    happened = died > 0
    times, died, at_risk = times[happened], died[happened], at_risk[happened]
    survivors = np.maximum(at_risk - died, 0.0)
    survivors[survivors <= 1e-9 * at_risk] = 0.0  # weights need not be whole
    survival = np.cumprod(survivors / at_risk).astype(np.float64)
    terms: NDArray[Any] = np.divide(died, at_risk * survivors, out=np.zeros_like(died), where=survivors > 0)
    return Survival(
        times=times,
        survival=survival,
        std=survival * np.sqrt(np.cumsum(terms)),
        at_risk=at_risk,
        died=died,
        censored=float((weight * ~seen).sum()),
    )
