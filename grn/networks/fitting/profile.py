"""Profile likelihood: an interval that follows the curve of χ², where a linear one would mislead.

For each value of one parameter all others are fitted anew; the interval holds the values at which χ² rises by
no more than ``σ²·q²``, with q the normal quantile (Student's t where the noise is estimated).

References
----------
Raue et al., "Structural and practical identifiability analysis of partially observed dynamical models by
exploiting the profile likelihood", Bioinformatics 25, 2009.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq, least_squares

from grn.networks.fitting.fit import quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from grn.integrate import Solver
    from grn.networks.fitting.fit import Fit
    from grn.networks.fitting.residuals import Residuals
    from grn.networks.fitting.variational import Method

    Array = NDArray[np.float64]

FIRST_STEP = 0.5  # of a coordinate whose linear standard error is unknown or larger
ACCURACY = 1e-4  # of an end, in coordinates


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """χ² along one parameter.

    Parameters
    ----------
    name : str
        The parameter.
    values, chi_squares : ndarray
        (K,): where χ² was computed, in order, and how low the others can bring it.
    interval : (float, float)
        0 or −∞, or ∞, where χ² stays low up to the bound of the fit: the data set no limit there.
    confidence : float
        Of the interval.
    """

    name: str
    values: Array
    chi_squares: Array
    interval: tuple[float, float]
    confidence: float


def profile(
    found: Fit,
    name: str,
    *,
    confidence: float | None = None,
    method: Method | None = None,
    solver: Solver | None = None,
) -> Profile:
    """Follow χ² along one parameter of a fit.

    Parameters
    ----------
    found : Fit
        At its best fit.
    name : str
        One of ``found.names``.
    confidence : float, optional
        That of the fit by default.
    method, solver : optional
        As in `grn.networks.fitting.fit.fit`.

    Returns
    -------
    Profile
        With its interval.

    Raises
    ------
    ValueError
        If the fit has no such parameter, or the confidence is not between 0 and 1.

    Examples
    --------
    >>> from grn.networks.fitting.fit import fit
    >>> from grn.networks.network import Gene, GeneNetwork
    >>> from grn.networks.fitting.timeseries import TimeSeries
    >>> gene = GeneNetwork(genes=(Gene(name="A", mrna_decay=None),))
    >>> series = TimeSeries([0.5, 1, 2, 4], {"A": [0.8, 1.24, 1.75, 1.95]}, noise=0.05)
    >>> found = fit(gene, series, parameters=["A.transcription", "A.protein_decay"])
    >>> [round(end, 3) for end in profile(found, "A.transcription").interval]
    [1.803, 2.236]
    """
    if name not in found.names:
        raise ValueError(f"the fit has no free parameter {name!r}: those are {', '.join(found.names)}")
    level = found.confidence if confidence is None else confidence
    if not 0 < level < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {level}")
    curve = _Curve(found, name, found.problem.residuals(method, solver))
    rise = (found.noise * quantile(found.problem, found.degrees_of_freedom, level)) ** 2
    low, high = (box[curve.place] for box in found.problem.box)
    coordinate = found.problem.coordinates[curve.place]
    error = found.standard_errors[name] / coordinate.slope(found.values[name])
    step = min(math.sqrt(rise) / found.noise * error, FIRST_STEP)
    ends = [curve.end(-step, low, rise), curve.end(step, high, rise)]
    open_ends = (0.0 if coordinate.logarithmic else -math.inf, math.inf)
    interval = tuple(
        nothing if end is None else coordinate.backward(end)
        for end, nothing in zip(ends, open_ends, strict=True)
    )
    order = sorted(curve.seen)
    return Profile(
        name,
        np.array([coordinate.backward(x) for x in order]),
        np.array([curve.seen[x] for x in order]),
        (interval[0], interval[1]),
        level,
    )


class _Curve:
    """Lowest χ² at values of one coordinate, each fit beginning at the nearest one done."""

    def __init__(self, found: Fit, name: str, residuals: Residuals) -> None:
        self.residuals = residuals
        self.place = found.names.index(name)
        self.others = [p for p in range(len(found.names)) if p != self.place]
        values = zip(found.problem.coordinates, found.names, strict=True)
        self.best = np.array([c.forward(found.values[n]) for c, n in values])
        low, high = found.problem.box
        self.box = low[self.others], high[self.others]
        self.seen = {float(self.best[self.place]): found.chi_square}
        self.points = {float(self.best[self.place]): self.best}

    def __call__(self, x: float) -> float:
        if x in self.seen:
            return self.seen[x]
        nearest = self.points[min(self.points, key=lambda done: abs(done - x))]
        point = nearest.copy()
        point[self.place] = x
        if self.others:

            def full(rest: Array) -> Array:
                row = point.copy()
                row[self.others] = rest
                return row

            self.residuals.at(point)  # a failure here is a failure, not a bad step
            fitted = least_squares(
                lambda rest: self.residuals.values(full(rest)),
                np.clip(nearest[self.others], *self.box),
                jac=lambda rest: self.residuals.jacobian(full(rest))[:, self.others],
                bounds=self.box,
                ftol=1e-8,
                xtol=1e-8,
                gtol=1e-8,
            )
            point = full(fitted.x)
        row = self.residuals.at(point)[0]
        self.points[x] = point
        self.seen[x] = float(row @ row)
        return self.seen[x]

    def end(self, step: float, bound: float, rise: float) -> float | None:
        """Where χ² has risen by so much in the direction of the step, None if not before the bound."""
        inside = float(self.best[self.place])
        limit = self.seen[inside] + rise
        while True:
            outside = max(inside + step, bound) if step < 0 else min(inside + step, bound)
            if outside == inside:
                return None
            if self(outside) > limit:
                return float(brentq(lambda x: self(float(x)) - limit, inside, outside, xtol=ACCURACY))
            inside, step = outside, 2 * step
