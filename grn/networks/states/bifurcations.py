"""Special points of a curve of steady states, located between two of its points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import brentq

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from grn.networks.states.curve import Curve, Stretch

    Array = NDArray[np.float64]

SAME = 1e-5  # scaled distance of two findings that are one point


@dataclass(frozen=True, slots=True, eq=False)
class SaddleNode:
    """A fold: two steady states meet and vanish.

    Parameters
    ----------
    parameter : float
        Where.
    values : Tensor
        (species,): concentrations.

    Examples
    --------
    >>> import torch
    >>> SaddleNode(2.0, torch.ones(1)).parameter
    2.0
    """

    parameter: float
    values: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class BranchPoint:
    """Two branches cross, as at a pitchfork or where they exchange their stability.

    Parameters
    ----------
    parameter : float
        Where.
    values : Tensor
        (species,): concentrations.

    Examples
    --------
    >>> import torch
    >>> BranchPoint(2.0, torch.ones(2)).parameter
    2.0
    """

    parameter: float
    values: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class HopfPoint:
    """A pair of complex eigenvalues crosses the imaginary axis: an oscillation is born.

    Parameters
    ----------
    parameter : float
        Where.
    values : Tensor
        (species,): concentrations.
    frequency : float
        Imaginary part of the pair, radians per time.

    Examples
    --------
    >>> import math, torch
    >>> HopfPoint(1.0, torch.ones(2), 2 * math.pi).period
    1.0
    """

    parameter: float
    values: Tensor
    frequency: float

    @property
    def period(self) -> float:
        """Of the oscillation where it is born."""
        return 2 * math.pi / self.frequency


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A special point with its coordinates on the curve.

    Parameters
    ----------
    kind : {"fold", "hopf", "crossing"}
        What.
    point, tangent : ndarray
        Coordinates, and the curve's direction there.
    frequency : float
        Of a Hopf point.
    """

    kind: str
    point: Array
    tangent: Array
    frequency: float = 0.0


def events(curve: Curve, stretch: Stretch) -> list[Found]:
    """Find the special points of a stretch.

    A branch point is where the determinant of the bordered Jacobian changes its sign, a fold where the
    tangent's part along the parameter does and the determinant does not, a Hopf point where two complex
    eigenvalues more or less have positive real parts. Each is located on the curve between the two points by
    Brent's method.

    Parameters
    ----------
    curve : Curve
        The equations.
    stretch : Stretch
        Points along the curve.

    Returns
    -------
    list of Found
        In order.
    """
    found: list[Found | None] = []
    rising = stretch.tangents[:, -1]
    for k in range(len(stretch.points) - 1):
        crossing = stretch.determinants[k] * stretch.determinants[k + 1] < 0
        if crossing:
            found.append(_locate(curve, stretch, k, "crossing", _determinant))
        elif rising[k] * rising[k + 1] < 0:
            found.append(_locate(curve, stretch, k, "fold", lambda _, tangent: float(tangent[-1])))
        before, after = _unstable_pairs(stretch.eigenvalues[k]), _unstable_pairs(stretch.eigenvalues[k + 1])
        if before != after:
            found.append(_locate(curve, stretch, k, "hopf", _pair_growth))
    return [event for event in found if event is not None]


def _locate(
    curve: Curve, stretch: Stretch, k: int, kind: str, test: Callable[[Array, Array], float]
) -> Found | None:
    """Root of a test function between two points."""
    start, along = stretch.points[k], stretch.tangents[k]
    length = float(along @ (stretch.points[k + 1] - start))
    known: dict[float, tuple[Array, Array, Array]] = {}

    def at(part: float) -> tuple[Array, Array, Array]:
        if part not in known:
            guess = None
            if len(known) > 1:  # the line through the two nearest points known: far better than the tangent
                p, q = sorted(known, key=lambda other: abs(other - part))[:2]
                guess = known[p][0] + (part - p) / (q - p) * (known[q][0] - known[p][0])
            solved = curve.between(start, along, part * length, guess)
            if solved is None:
                raise ArithmeticError
            tangent = np.linalg.svd(solved[1])[2][-1]
            known[part] = (*solved, tangent if tangent @ along > 0 else -tangent)
        return known[part]

    def value(part: float) -> float:
        _, derivative, tangent = at(part)
        return test(derivative, tangent)

    try:
        if value(0.0) * value(1.0) > 0:
            return None
        part = brentq(value, 0.0, 1.0, xtol=1e-12, rtol=1e-12)
        point, derivative, tangent = at(part)
    except ArithmeticError:
        return None
    frequency = 0.0
    if kind == "hopf":
        pair = _pair(derivative)
        radius = float(np.abs(np.linalg.eigvals(derivative[:, :-1])).max())
        if pair is None or abs(pair.real) > 1e-6 * radius:  # the test function jumped between two pairs
            return None
        frequency = float(pair.imag)
    if kind == "crossing":
        singular = np.linalg.svd(derivative, compute_uv=False)
        if singular[-1] > 1e-4 * singular[0]:
            return None
        # two directions lie flat here: the branch's own is that between its neighbours
        tangent = (1 - part) * along + part * stretch.tangents[k + 1]
        tangent /= np.linalg.norm(tangent)
    return Found(kind, point, tangent, frequency)


def _determinant(derivative: Array, tangent: Array) -> float:
    bordered = np.vstack([derivative, tangent])
    sign, logarithm = np.linalg.slogdet(bordered)
    # the root without the size: products over many species overflow
    return (
        float(sign * np.exp(np.clip(logarithm / len(bordered), -300, 300)) ** len(tangent)) if sign else 0.0
    )


def _pair(derivative: Array) -> complex | None:
    """Complex eigenvalue nearest to the imaginary axis."""
    eigenvalues = np.linalg.eigvals(derivative[:, :-1])
    upper = eigenvalues[eigenvalues.imag > 1e-9 * np.abs(eigenvalues).max()]
    return complex(upper[np.argmin(np.abs(upper.real))]) if len(upper) else None


def _pair_growth(derivative: Array, _: Array) -> float:
    pair = _pair(derivative)
    if pair is None:
        raise ArithmeticError
    return pair.real


def _unstable_pairs(eigenvalues: NDArray[np.complex128]) -> int:
    radius = np.abs(eigenvalues).max(initial=0.0)
    return int(((eigenvalues.imag > 1e-9 * radius) & (eigenvalues.real > 0)).sum())


def different(points: list[Found]) -> list[Found]:
    """Drop what was found twice, on two stretches; order by the parameter.

    Examples
    --------
    >>> import numpy as np
    >>> fold = Found("fold", np.zeros(2), np.ones(2))
    >>> len(different([fold, fold]))
    1
    """
    kept: list[Found] = []
    for point in points:
        if not any(
            point.kind == other.kind and np.abs(point.point - other.point).max() < SAME for other in kept
        ):
            kept.append(point)
    return sorted(kept, key=lambda found: float(found.point[-1]))


def saddle_node(curve: Curve, found: Found) -> SaddleNode:
    """Return a fold in the model's units."""
    return SaddleNode(*_in_units(curve, found))


def branch_point(curve: Curve, found: Found) -> BranchPoint:
    """Return a branch point in the model's units."""
    return BranchPoint(*_in_units(curve, found))


def hopf_point(curve: Curve, found: Found) -> HopfPoint:
    """Return a Hopf point in the model's units."""
    return HopfPoint(*_in_units(curve, found), found.frequency)


def _in_units(curve: Curve, found: Found) -> tuple[float, Tensor]:
    return float(curve.parameter_of(found.point)), torch.from_numpy(curve.values_of(found.point))
