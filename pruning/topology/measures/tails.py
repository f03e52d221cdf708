"""Power-law tails of counts, and whether a sample is long enough to tell."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from pruning.topology.measures.laws import at_least, log_exponential, log_lognormal, log_zeta

ENOUGH = 50  # counts in the tail, below which Clauset et al. find the estimates unreliable
DECADE = 10.0  # largest over smallest count of the tail, below which every law looks straight
MOST_MINIMA = 200  # candidates for the minimum that are tried
SURE = 0.1  # p of the likelihood ratio, as Clauset et al. use it


@dataclass(frozen=True, kw_only=True, slots=True)
class LikelihoodRatio:
    """Power law against another law on the same tail (Vuong's test).

    Attributes
    ----------
    ratio : float
        Log-likelihood of the power law less that of the other: positive speaks for the power law.
    p : float
        Probability of a ratio so far from 0 if both were equally good; above 0.1 the data cannot tell.
    """

    ratio: float
    p: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Tail:
    """Discrete power law fitted to the tail of a sample: P(x) ∝ x^-exponent for x >= minimum.

    Attributes
    ----------
    exponent, error : float
        Maximum-likelihood estimate and its standard error; NaN where the tail has one value only.
    minimum : int
        Where the tail begins.
    count, total : int
        Numbers in the tail, and positive numbers in all.
    distance : float
        Kolmogorov-Smirnov distance of the tail to the fit.
    spread : float
        Largest number over `minimum`.
    exponential, lognormal : LikelihoodRatio or None
        Comparison with the other laws on the same tail; None where the tail has one value only.
    verdict : str
        ``"too short"`` (fewer than 50 numbers or less than a decade: nothing can be said),
        ``"power law"`` (better than the exponential and not worse than the lognormal),
        ``"not a power law"`` (either fits better), or ``"undecided"``.
    """

    exponent: float
    error: float
    minimum: int
    count: int
    total: int
    distance: float
    spread: float
    exponential: LikelihoodRatio | None
    lognormal: LikelihoodRatio | None
    verdict: str


def power_law_tail(values: ArrayLike, minimum: int | None = None) -> Tail:
    """Fit a discrete power law to the tail of a sample of counts and compare it with other laws.

    Parameters
    ----------
    values : array_like of int
        Counts, such as degrees; zeros are left out.
    minimum : int, optional
        Where the tail begins; by default the minimum at which the fit has the least Kolmogorov-Smirnov
        distance, among those that leave at least 10 numbers and two values in the tail.

    Raises
    ------
    ValueError
        If the values are not whole numbers of at least 0, none is positive, or none reaches `minimum`.

    References
    ----------
    Clauset, Shalizi and Newman, Power-law distributions in empirical data, SIAM Review 51:661 (2009).
    Vuong, Likelihood ratio tests for model selection, Econometrica 57:307 (1989).

    Notes
    -----
    Degrees of a layer of 32 units span no decade and are 32 numbers: the verdict is then ``"too short"``
    whatever the numbers look like.
    """
    sample = np.asarray(values)
    if sample.ndim != 1 or not np.all(np.equal(np.mod(sample, 1), 0)) or np.any(sample < 0):
        raise ValueError("a tail is fitted to a flat array of whole numbers of at least 0")
    counts = np.sort(sample[sample > 0]).astype(np.int64)
    if not len(counts):
        raise ValueError("a tail needs a positive number, all are 0")
    if minimum is None:
        minimum = _best_minimum(counts)
    elif minimum < 1 or minimum > counts[-1]:
        raise ValueError(f"minimum must lie from 1 to the largest number {counts[-1]}, got {minimum}")
    tail = counts[counts >= minimum]
    spread = float(tail[-1] / minimum)
    if tail[0] == tail[-1]:
        return Tail(
            exponent=np.nan,
            error=np.nan,
            minimum=int(minimum),
            count=len(tail),
            total=len(counts),
            distance=np.nan,
            spread=spread,
            exponential=None,
            lognormal=None,
            verdict="too short",
        )
    exponent = _exponent(tail, minimum)
    power = -exponent * np.log(tail) - log_zeta(exponent, minimum)
    exponential = _compared(power, log_exponential(tail, minimum))
    lognormal = _compared(power, log_lognormal(tail, minimum))
    return Tail(
        exponent=exponent,
        error=_error(exponent, minimum, len(tail)),
        minimum=int(minimum),
        count=len(tail),
        total=len(counts),
        distance=_distance(tail, exponent, minimum),
        spread=spread,
        exponential=exponential,
        lognormal=lognormal,
        verdict=_verdict(len(tail), spread, exponential, lognormal),
    )


def _verdict(count: int, spread: float, exponential: LikelihoodRatio, lognormal: LikelihoodRatio) -> str:
    if count < ENOUGH or spread < DECADE:
        return "too short"
    if any(other.ratio < 0 and other.p < SURE for other in (exponential, lognormal)):
        return "not a power law"
    return "power law" if exponential.ratio > 0 and exponential.p < SURE else "undecided"


def _best_minimum(counts: NDArray[np.int64]) -> int:
    candidates = np.unique(counts)[:-1]
    left = len(counts) - np.searchsorted(counts, candidates)
    candidates = candidates[left >= 10]
    if not len(candidates):
        return int(counts[0])
    if len(candidates) > MOST_MINIMA:
        candidates = candidates[np.linspace(0, len(candidates) - 1, MOST_MINIMA).round().astype(int)]
    distances = [
        _distance(tail, _exponent(tail, minimum), minimum)
        for minimum in candidates.tolist()
        for tail in (counts[counts >= minimum],)
    ]
    return int(candidates[int(np.argmin(distances))])


def _exponent(tail: NDArray[np.int64], minimum: int) -> float:
    logs = float(np.log(tail).mean())
    # In steps of the minimum the zeta function stays in range for large minima and exponents.
    found = minimize_scalar(
        lambda exponent: exponent * logs + log_zeta(exponent, minimum),
        bounds=(1.0 + 1e-6, 1.0 + 20.0 * max(1.0, 1.0 / max(logs - np.log(minimum - 0.5), 1e-9))),
        method="bounded",
        options={"xatol": 1e-8},
    )
    return float(found.x)


def _error(exponent: float, minimum: int, count: int) -> float:
    """Standard error from the curvature of the log-likelihood (Clauset et al., Eq. 3.6)."""
    step = 1e-3
    sides = (
        [log_zeta(exponent + shift, minimum) for shift in (-step, 0.0, step)] if exponent > 1 + step else []
    )
    if not sides:
        return float("nan")
    curvature = (sides[0] - 2 * sides[1] + sides[2]) / step**2
    return float(1 / np.sqrt(count * curvature)) if curvature > 0 else float("nan")


def _distance(tail: NDArray[np.int64], exponent: float, minimum: int) -> float:
    values, firsts = np.unique(tail, return_index=True)
    below = np.append(firsts[1:], len(tail)) / len(tail)
    at, before = (1 - at_least(values + shift, exponent, minimum) for shift in (1, 0))
    return float(max(np.abs(below - at).max(), np.abs(firsts / len(tail) - before).max()))


def _compared(power: NDArray[np.float64], other: NDArray[np.float64]) -> LikelihoodRatio:
    difference = power - other
    ratio, spread = float(difference.sum()), float(difference.std())
    if spread <= 1e-12:
        return LikelihoodRatio(ratio=ratio, p=1.0)
    return LikelihoodRatio(ratio=ratio, p=float(2 * norm.sf(abs(ratio) / (spread * np.sqrt(len(power))))))
