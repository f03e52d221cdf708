"""What least squares know of their parameters: covariance, and directions that the data do not determine.

Everything here is linear: it holds where the model is nearly linear within the intervals, and exactly only as
the data become many (asymptotically). `grn.networks.fitting.fit.profile` follows the curve instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

CANCELLATION = (
    1e-5  # changes that cancel to this part of themselves have cancelled: the solver's error remains
)
FACTOR = 2.0  # standard error of a logarithm from which a parameter is unknown: 95 % within a factor of 50
SHARE = 0.1  # a parameter with less of a direction than this is not named


@dataclass(frozen=True, slots=True)
class Direction:
    """A change of parameters together that the data hardly notice.

    Parameters
    ----------
    weights : mapping of str to float
        Relative change of each parameter involved (change over its scale, where it is fitted linearly); the
        squares of all sum to at most 1.
    standard_error : float
        Along it.

    Examples
    --------
    >>> str(Direction({"k": 0.71, "d": -0.71}, 1e6))
    'k up with d down'
    """

    weights: Mapping[str, float]
    standard_error: float

    def __str__(self) -> str:
        first = next(iter(self.weights.values()))
        ways = [(name, "up" if weight * first > 0 else "down") for name, weight in self.weights.items()]
        return " with ".join(f"{name} {way}" for name, way in ways) if len(ways) > 1 else ways[0][0]


def uncertainty(
    jacobian: Array, names: Sequence[str], logarithmic: Sequence[bool], variance: float
) -> tuple[Array, tuple[Direction, ...]]:
    """Covariance of the coordinates of a least-squares fit, without the directions that are undetermined.

    A direction v is undetermined where the effects of its parameters cancel (``|J·v|`` below 1e-5 of its
    terms), or where the standard error along it, ``σ/|J·v|``, exceeds 2 in logarithms.

    Parameters
    ----------
    jacobian : ndarray
        (residuals, P): of residuals over their noise, by the coordinates.
    names : sequence of str
        P parameters.
    logarithmic : sequence of bool
        Whether a coordinate is a logarithm.
    variance : float
        Of the residuals.

    Returns
    -------
    ndarray
        (P, P): NaN where a parameter takes part in an undetermined direction, its variance infinite.
    tuple of Direction
        The undetermined ones, the worst first.

    Examples
    --------
    >>> sum_alone = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 2.0]])
    >>> covariance, lost = uncertainty(sum_alone, ["a", "b", "c"], [True] * 3, 1.0)
    >>> covariance[2, 2], [str(direction) for direction in lost]
    (np.float64(0.25), ['a up with b down'])
    """
    _, strength, basis = np.linalg.svd(jacobian, full_matrices=True)
    strength = np.pad(strength, (0, len(names) - len(strength)))
    terms = np.sqrt(basis**2 @ (jacobian**2).sum(0))
    errors = np.full(len(names), np.inf)
    np.divide(np.sqrt(variance), strength, out=errors, where=strength > 0)
    with np.errstate(invalid="ignore"):  # no logarithm takes part: ∞·0
        of_logarithms = errors * np.linalg.norm(basis * np.asarray(logarithmic), axis=1)
    lost = (strength <= CANCELLATION * terms) | (of_logarithms > FACTOR)
    kept = basis[~lost] * errors[~lost, None]
    covariance = kept.T @ kept
    found = []
    for k in np.flatnonzero(lost)[::-1]:
        chosen = np.flatnonzero(np.abs(basis[k]) > SHARE)
        chosen = chosen[np.argsort(-np.abs(basis[k, chosen]), kind="stable")]
        sign = np.sign(basis[k, chosen[0]])
        weights = {names[p]: float(sign * basis[k, p]) for p in chosen.tolist()}
        found.append(Direction(weights, float(errors[k])))
        covariance[chosen] = covariance[:, chosen] = np.nan
    for direction in found:
        for name in direction.weights:
            p = list(names).index(name)
            covariance[p, p] = np.inf
    return covariance, tuple(found)
