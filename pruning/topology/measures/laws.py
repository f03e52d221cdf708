"""Laws of counts from a minimum on: power, exponential, lognormal."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_ndtr, zeta

SMALLEST = 1e-290  # zeta functions below are summed by hand, as they are about to underflow


def log_zeta(exponent: float, minimum: int) -> float:
    """Logarithm of the Hurwitz zeta function, also where the function itself underflows."""
    value = float(zeta(exponent, minimum))
    if value > SMALLEST:
        return float(np.log(value))
    return float(np.log(_steep(exponent, minimum).sum()) - exponent * np.log(minimum))


def _steep(exponent: float, minimum: int) -> NDArray[np.float64]:
    """Terms (x / minimum)^-exponent from x = minimum on, where so steep that those left out are nothing."""
    steps = np.arange(minimum, 11 * minimum + 100)
    return np.asarray(np.exp(-exponent * np.log(steps / minimum)))


def at_least(values: NDArray[np.int64], exponent: float, minimum: int) -> NDArray[np.float64]:
    """Probability of at least each value, under the power law from the minimum on."""
    whole = float(zeta(exponent, minimum))
    if whole > SMALLEST:
        return np.asarray(zeta(exponent, values.astype(float)) / whole)
    sums = np.cumsum(_steep(exponent, minimum)[::-1])[::-1]
    place = values - minimum
    left = np.where(place < len(sums), sums[np.minimum(place, len(sums) - 1)], 0.0)
    return np.asarray(left / sums[0])


def log_exponential(tail: NDArray[np.int64], minimum: int) -> NDArray[np.float64]:
    """Log-likelihoods of the discrete exponential, whose maximum has a closed form."""
    excess = tail - minimum
    rate = np.log1p(1 / excess.mean())
    return np.asarray(np.log(-np.expm1(-rate)) - rate * excess)


def log_lognormal(tail: NDArray[np.int64], minimum: int) -> NDArray[np.float64]:
    """Log-likelihoods of the lognormal rounded to whole numbers, given at least the minimum."""
    values, times = np.unique(tail, return_counts=True)
    lower, upper, floor = np.log(values - 0.5), np.log(values + 0.5), np.log(minimum - 0.5)

    def logs(parameters: NDArray[Any]) -> NDArray[np.float64]:
        mean, width = parameters[0], np.exp(parameters[1])
        a, b = (lower - mean) / width, (upper - mean) / width
        a, b = np.where(a > 0, -b, a), np.where(a > 0, -a, b)  # by symmetry into the precise tail
        far = log_ndtr(b) + np.log(-np.expm1(np.minimum(log_ndtr(a) - log_ndtr(b), -1e-300)))
        return np.asarray(far - log_ndtr((mean - floor) / width))

    def cost(parameters: NDArray[Any]) -> float:
        return -float((times * logs(parameters)).sum())

    found = _minimum_of(cost, np.log(tail))
    return np.repeat(logs(found), times)


def _minimum_of(cost: Callable[[NDArray[Any]], float], logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Best of two descents: from the moments, and from far left, where a lognormal is nearly straight."""
    width = max(float(logs.std()), 1e-3)
    starts = [(float(logs.mean()), np.log(width)), (float(logs.mean()) - 5 * width, np.log(3 * width))]
    bounds = [(float(logs.min()) - 60.0, float(logs.max()) + 5.0), (-7.0, 3.0)]
    found = [minimize(cost, start, method="Nelder-Mead", bounds=bounds) for start in starts]
    return np.asarray(min(found, key=lambda each: each.fun).x)
