"""Rates from measured time series: weighted least squares with the exact derivatives of the solution.

    minimise  χ²(θ) = Σ ((y(t; θ) − data)/σ)²

over the logarithms of positive parameters, by scipy's trust-region reflective method with bounds. The
Jacobian of the residuals comes from the variational equations, solved together with the model
(`grn.networks.fitting.variational`). Standard errors are those of the model made linear at its best fit.

References
----------
Bates, Watts, "Nonlinear regression analysis and its applications", 1988. Raue et al., "Structural
and practical identifiability analysis of partially observed dynamical models by exploiting the profile
likelihood", Bioinformatics 25, 2009.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import norm, t

from grn.integrate import Solver
from grn.networks.fitting.residuals import Coordinate, Residuals
from grn.networks.fitting.timeseries import TimeSeries
from grn.networks.fitting.uncertainty import Direction, uncertainty
from grn.networks.fitting.variational import VariationalEquations, directions, expanded, level_of
from grn.networks.simulate import system_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.optimize import OptimizeResult

    from grn.networks.fitting.variational import Method
    from grn.networks.network import GeneNetwork
    from grn.networks.reactions import ReactionSystem

    Array = NDArray[np.float64]

Bounds = Mapping[str, tuple[float, float]]

SPAN = 100.0  # default bounds of a positive parameter: its guess divided and multiplied by this
TOLERANCES = (1e-7, 1e-9)  # of the solver: well below what noise and optimizer leave


class FitWarning(UserWarning):
    """A fit whose estimates or intervals must not be taken at face value."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What a fit found.

    Intervals and standard errors are asymptotic: of the model made linear at the best fit, on the logarithm
    where a parameter is fitted so. `grn.networks.fitting.profile.profile` follows the curve instead.

    Parameters
    ----------
    names : tuple of str
        P free parameters; ``A(0)`` is an initial concentration, ``A(0) of x`` that of series x alone.
    values : mapping of str to float
        The best fit.
    parameters : mapping of str to float
        The same under the model's own names, for ``simulate(..., parameters=)``.
    standard_errors : mapping of str to float
        Infinite where undetermined.
    intervals : mapping of str to (float, float)
        At the confidence asked; the whole range (0 or −∞ to ∞) where undetermined.
    confidence : float
        Of the intervals.
    covariance : ndarray
        (P, P): of the values; NaN where undetermined, with infinite variances.
    undetermined : tuple of Direction
        Directions in which the data leave the parameters free.
    at_bound : tuple of str
        Parameters that ended on a bound: their intervals do not hold.
    chi_square : float
        Σ of squared residuals, each over its noise (over 1 where that is unknown).
    degrees_of_freedom : int
        Values minus parameters.
    noise : float
        Estimated standard deviation where unknown; the estimated factor of the noise given, if that was
        asked; else 1.
    predicted, residuals : tuple of mapping of str to ndarray
        Of each series, by species: the model at the data's times, and (model − data)/noise, NaN where
        missing.
    logarithmic : tuple of str
        Parameters fitted by their logarithm.
    converged : bool
        Whether the best start met the optimizer's tolerances.
    message : str
        The optimizer's.
    chi_squares : tuple of float
        Where each start ended; infinite where it could not be simulated.
    evaluations : int
        Solutions of the model, over all starts.

    Examples
    --------
    >>> from grn.networks.network import Gene, GeneNetwork
    >>> gene = GeneNetwork(genes=(Gene(name="A", mrna_decay=None),))
    >>> series = TimeSeries([0.5, 1, 2, 4], {"A": [0.8, 1.24, 1.75, 1.95]}, noise=0.05)
    >>> print(fit(gene, series, parameters=["A.transcription", "A.protein_decay"]))
    parameter         estimate   std. error   95 % interval
    A.transcription      2.005       0.1104   1.8 to 2.234
    A.protein_decay      1.005      0.07421   0.8699 to 1.162
    χ² 0.5352 with 2 degrees of freedom; noise as given
    """

    names: tuple[str, ...]
    values: Mapping[str, float]
    parameters: Mapping[str, float]
    standard_errors: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    confidence: float
    covariance: Array
    undetermined: tuple[Direction, ...]
    at_bound: tuple[str, ...]
    chi_square: float
    degrees_of_freedom: int
    noise: float
    predicted: tuple[Mapping[str, Array], ...]
    residuals: tuple[Mapping[str, Array], ...]
    logarithmic: tuple[str, ...]
    converged: bool
    message: str
    chi_squares: tuple[float, ...]
    evaluations: int
    problem: Problem = field(repr=False)

    @property
    def correlation(self) -> Array:
        """(P, P): of the estimates; NaN where undetermined."""
        deviation = np.sqrt(np.diag(self.covariance))
        with np.errstate(invalid="ignore"):
            found: Array = self.covariance / np.outer(deviation, deviation)
        return found

    def __str__(self) -> str:
        """Return a table of the estimates."""
        width = max(len("parameter"), *(len(name) for name in self.names))
        share = f"{self.confidence * 100:g} %"
        lines = [f"{'parameter':{width}} {'estimate':>10} {'std. error':>12}   {share} interval"]
        for name in self.names:
            low, high = self.intervals[name]
            lines.append(
                f"{name:{width}} {self.values[name]:10.4g} {self.standard_errors[name]:12.4g}   "
                f"{low:.4g} to {high:.4g}{' (on its bound)' if name in self.at_bound else ''}"
            )
        noise = f"{'noise' if self.problem.noise_unknown else 'noise times'} {self.noise:.4g} (estimated)"
        lines.append(
            f"χ² {self.chi_square:.4g} with {self.degrees_of_freedom} degrees of freedom; "
            f"{noise if self.problem.noise_estimated else 'noise as given'}"
        )
        lines += [f"not determined by the data: {direction}" for direction in self.undetermined]
        return "\n".join(lines)


def fit(
    model: GeneNetwork | ReactionSystem,
    data: TimeSeries | Sequence[TimeSeries],
    *,
    parameters: Sequence[str] | Bounds = (),
    initial: Sequence[str] | Bounds = (),
    own_initial: Sequence[str] | Bounds = (),
    shared: Mapping[str, str | Sequence[str]] | None = None,
    values: Mapping[str, float] | None = None,
    linear: Sequence[str] = (),
    scale_noise: bool = False,
    confidence: float = 0.95,
    starts: int = 1,
    spread: float = 10.0,
    seed: int = 0,
    max_evaluations: int = 200,
    method: Method | None = None,
    solver: Solver | None = None,
) -> Fit:
    """Fit parameters and initial concentrations to one or several series at once.

    Every series is simulated from its own start under its own perturbations, all of them in one batch.

    Parameters
    ----------
    model : GeneNetwork or ReactionSystem
        Its values are the first guess.
    data : TimeSeries or sequence of TimeSeries
        Measurements of some or all species.
    parameters : sequence of str, or mapping of str to (low, high)
        Free parameters (the model's names, or names of ``shared``), with bounds; by default a hundredth to
        a hundred times the guess, 0 to ∞ for a guess of 0.
    initial : sequence of str, or mapping of str to (low, high)
        Species whose initial concentration is free, the same in every series.
    own_initial : sequence of str, or mapping of str to (low, high)
        Species whose initial concentration is free in each series apart.
    shared : mapping of str to str or sequence of str, optional
        One name for parameters that are equal: their names, or a pattern such as ``"*.mrna_decay"``.
    values : mapping of str to float, optional
        Parameters other than the model's: guesses of the free, fixed values of the rest; ``A(0)`` is the
        guess of an initial concentration.
    linear : sequence of str
        Free parameters not to be fitted by their logarithm, as those are whose lower bound is positive.
    scale_noise : bool
        Take the noise given as relative and estimate its common factor.
    confidence : float
        Of the intervals.
    starts : int
        How many times to start: from the guess, then from random points.
    spread : float
        Random starts lie within this factor of the guess (linear ones between their bounds), and within the
        bounds.
    seed : int
        Of the random starts.
    max_evaluations : int
        Limit of each start.
    method : {"compiled", "ode"}, optional
        As in `sensitivities`; compiled where the model can be.
    solver : Solver, optional
        Method and tolerances of the solution; relative 1e-7 and absolute 1e-9 by default.

    Returns
    -------
    Fit
        Estimates, their uncertainty, and what the data leave open.

    Raises
    ------
    ValueError
        If a name is unknown, bounds exclude the guess, there are fewer values than parameters, or noise is
        given for some series and not for others.
    RuntimeError
        If the model cannot be simulated at any start.

    Warns
    -----
    FitWarning
        If the data leave parameters undetermined, one ends on a bound, or the optimizer does not converge.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> from grn.networks.simulate import simulate
    >>> toggle = circuits.symmetric_toggle()
    >>> path = simulate(toggle, [0.0, 0.5, 1.0, 2.0, 4.0], parameters={"u.transcription": 5})
    >>> series = TimeSeries(path.times, {"u": path["u"][0], "v": path["v"][0]}, noise=0.1)
    >>> found = fit(toggle, series, parameters=["u.transcription"])
    >>> round(found.values["u.transcription"], 4)
    5.0
    """
    problem = _problem(model, data, parameters, initial, own_initial, shared, values, linear, scale_noise)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    if isinstance(starts, bool) or not isinstance(starts, int) or starts < 1:
        raise ValueError(f"starts must be a positive integer, got {starts!r}")
    if not (math.isfinite(spread) and spread > 1):
        raise ValueError(f"spread must be a finite factor above 1, got {spread}")
    residuals = problem.residuals(method, solver)
    points = problem.random_starts(starts, spread, seed)
    best, ends, evaluations = _optimise(residuals, points, problem.box, max_evaluations)
    found = _result(problem, residuals, best, ends, evaluations, confidence)
    for direction in found.undetermined:
        warnings.warn(
            f"the data do not determine {direction}: fix one of them, or measure what tells them apart",
            FitWarning,
            stacklevel=2,
        )
    for name in found.at_bound:
        warnings.warn(
            f"{name!r} ended on its bound, {found.values[name]:.4g}: its interval does not hold",
            FitWarning,
            stacklevel=2,
        )
    if not found.converged:
        warnings.warn(
            f"the fit did not converge in {max_evaluations} evaluations: raise max_evaluations or give a "
            "better guess",
            FitWarning,
            stacklevel=2,
        )
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """A fit to be done: coordinates, data, and the model's equations."""

    equations: VariationalEquations
    network: GeneNetwork | None
    series: tuple[TimeSeries, ...]
    coordinates: tuple[Coordinate, ...]
    fixed: Mapping[str, float]
    noise_unknown: bool
    noise_estimated: bool

    def residuals(self, method: Method | None, solver: Solver | None) -> Residuals:
        """Residuals as a function of the coordinates."""
        if method is None:
            method = "compiled" if self.equations.can_be_compiled else "ode"
        if solver is None:
            relative, absolute = TOLERANCES
            solver = Solver(relative_tolerance=relative, absolute_tolerance=absolute)
        return Residuals(
            self.equations, self.network, self.series, self.coordinates, self.fixed, method, solver
        )

    def random_starts(self, count: int, spread: float, seed: int) -> Array:
        """(count, P): the guess, then random points."""
        rng = np.random.default_rng(seed)
        low, high = self.box
        guess = np.array([c.forward(c.guess) for c in self.coordinates])
        rows = [guess]
        for _ in range(count - 1):
            drawn = rng.uniform(-1.0, 1.0, len(guess))
            for p, coordinate in enumerate(self.coordinates):
                if coordinate.logarithmic:
                    drawn[p] = guess[p] + math.log(spread) * drawn[p]
                elif math.isfinite(low[p]) and math.isfinite(high[p]):
                    drawn[p] = low[p] + (high[p] - low[p]) * (drawn[p] + 1) / 2
                else:
                    drawn[p] += guess[p]
            rows.append(np.clip(drawn, low, high))
        return np.array(rows)

    @property
    def box(self) -> tuple[Array, Array]:
        """Bounds of the coordinates."""
        return (
            np.array([c.forward(c.low) for c in self.coordinates]),
            np.array([c.forward(c.high) for c in self.coordinates]),
        )


def _problem(
    model: GeneNetwork | ReactionSystem,
    data: TimeSeries | Sequence[TimeSeries],
    parameters: Sequence[str] | Bounds,
    initial: Sequence[str] | Bounds,
    own_initial: Sequence[str] | Bounds,
    shared: Mapping[str, str | Sequence[str]] | None,
    values: Mapping[str, float] | None,
    linear: Sequence[str],
    scale_noise: bool,
) -> Problem:
    system, network = system_of(model)
    for what, names in (("parameters", parameters), ("initial", initial), ("own_initial", own_initial)):
        if isinstance(names, str):
            raise TypeError(f"{what} must be a sequence of names, got the text {names!r}: write [{names!r}]")
    series = (data,) if isinstance(data, TimeSeries) else tuple(data)
    _check_series(system, series)
    moves = directions(system, list(parameters), shared)
    given = dict(values or {})
    guesses = {name: given.pop(name) for name in list(given) if name.endswith("(0)")}
    levels = level_of(system, moves, given, shared)
    free_species = [*initial, *own_initial]
    for name in guesses:
        if name.removesuffix("(0)") not in free_species:
            raise ValueError(f"values gives {name!r}, which is not free: name the species in initial=")
    for name in free_species:
        if name not in system.initial:
            raise ValueError(f"initial names {name!r}: the species are {', '.join(system.species)}")
        if free_species.count(name) > 1:
            raise ValueError(f"initial concentration of {name!r} is made free twice: name it once")
    coordinates = [
        _coordinate(name, k, None, level, _bounds(parameters, name), name in linear)
        for k, (name, level) in enumerate(zip(moves, levels, strict=True))
    ]
    for name in free_species:
        bounds = _bounds(initial if name in initial else own_initial, name)
        for index, one in enumerate(series):
            if name in initial and name in one.start:
                raise ValueError(
                    f"{_called(one, index)} gives a start of {name!r}, whose initial concentration is free: "
                    "leave one out, or use own_initial"
                )
            if name in initial and index:
                continue
            guess = guesses.get(f"{name}(0)", one.start.get(name, system.initial[name]))
            label = f"{name}(0)" if name in initial else f"{name}(0) of {_called(one, index)}"
            which = None if name in initial else index
            coordinates.append(
                _coordinate(label, len(moves), which, guess, bounds, label in linear, species=name)
            )
        moves[f"{name}(0)"] = ()
    for name in linear:
        if name not in [c.name for c in coordinates]:
            raise ValueError(f"linear names {name!r}, which is not free: {_listed(coordinates)}")
    for name in shared or {}:
        if name not in moves and name not in given:
            raise ValueError(f"shared name {name!r} is not used: add it to parameters or values")
    if not coordinates:
        raise ValueError("parameters or initial must name what to fit, got neither")
    unknown = series[0].noise is None
    count = sum(one.count for one in series)
    if count < len(coordinates) + (unknown or scale_noise):
        raise ValueError(
            f"{len(coordinates)} parameters{' and the noise' if unknown or scale_noise else ''} need at "
            f"least as many values, got {count}: fix some parameters or give more data"
        )
    fixed = {k: float(v) for k, v in expanded(system, given, shared).items()}
    for members in moves.values():
        for member in members:
            fixed.pop(member, None)
    return Problem(
        VariationalEquations(system, moves),
        network,
        series,
        tuple(coordinates),
        fixed,
        unknown,
        unknown or scale_noise,
    )


def _check_series(system: ReactionSystem, series: tuple[TimeSeries, ...]) -> None:
    if not series:
        raise ValueError("data must hold at least one series, got none")
    for index, one in enumerate(series):
        if not isinstance(one, TimeSeries):
            raise TypeError(
                f"data must be TimeSeries, got {type(one).__name__}: write TimeSeries(times, values)"
            )
        for name in (*one.values, *one.start):
            if name not in system.initial:
                raise ValueError(
                    f"{_called(one, index)} names {name!r}, which is no species of the model: those are "
                    f"{', '.join(system.species)}"
                )
        if (one.noise is None) != (series[0].noise is None):
            raise ValueError("noise must be given for every series or for none, got it for some")
    names = [_called(one, index) for index, one in enumerate(series)]
    if len(set(names)) < len(names):
        raise ValueError(f"series must have different names, got {', '.join(names)}")


def _called(series: TimeSeries, index: int) -> str:
    return series.name or f"series {index + 1}"


def _listed(coordinates: Sequence[Coordinate]) -> str:
    return "free are " + ", ".join(c.name for c in coordinates)


def _bounds(given: Sequence[str] | Bounds, name: str) -> tuple[float, float] | None:
    return given[name] if isinstance(given, Mapping) else None


def _coordinate(
    name: str,
    direction: int,
    series: int | None,
    guess: float,
    bounds: tuple[float, float] | None,
    linear: bool,
    species: str = "",
) -> Coordinate:
    if bounds is None:
        low, high = (
            (guess / SPAN, guess * SPAN) if guess > 0 else (0.0 if guess == 0 else -math.inf, math.inf)
        )
    else:
        low, high = (float(b) for b in bounds)
    if not low < high:
        raise ValueError(f"bounds of {name!r} must be (low, high) with low < high, got ({low:g}, {high:g})")
    if not low <= guess <= high:
        raise ValueError(
            f"bounds of {name!r}, {low:g} to {high:g}, exclude its guess, {guess:g}: widen them or give "
            f"another guess in values={{{name!r}: ...}}"
        )
    if species and low < 0:
        raise ValueError(f"bounds of {name!r} must not be negative, got {low:g}")
    logarithmic = low > 0 and not linear
    width = high - low
    scale = 1.0 if logarithmic else width if math.isfinite(width) else abs(guess) or 1.0
    return Coordinate(name, direction, series, guess, low, high, logarithmic, scale, species)


def _optimise(
    residuals: Residuals, starts: Array, box: tuple[Array, Array], max_evaluations: int
) -> tuple[OptimizeResult, tuple[float, ...], int]:
    best: OptimizeResult | None = None
    ends: list[float] = []
    failure: RuntimeError | None = None
    for start in starts:
        try:
            residuals.at(start)
        except RuntimeError as error:
            failure = error
            ends.append(math.inf)
            continue
        found = least_squares(
            residuals.values,
            start,
            jac=residuals.jacobian,
            bounds=box,
            method="trf",
            ftol=1e-10,
            xtol=1e-9,
            gtol=1e-10,
            max_nfev=max_evaluations,
        )
        ends.append(2 * float(found.cost))
        if best is None or found.cost < best.cost:
            best = found
    if best is None:
        raise RuntimeError(
            f"the model cannot be simulated at any start ({failure}): give a better guess or narrower bounds"
        ) from failure
    return best, tuple(ends), residuals.evaluations


def _result(
    problem: Problem,
    residuals: Residuals,
    best: OptimizeResult,
    ends: tuple[float, ...],
    evaluations: int,
    confidence: float,
) -> Fit:
    names = tuple(c.name for c in problem.coordinates)
    row, jacobian = residuals.at(best.x)
    levels = residuals.levels(best.x)
    chi_square = float(row @ row)
    freedom = residuals.count - len(names)
    variance = chi_square / freedom if problem.noise_estimated else 1.0
    covariance, undetermined = uncertainty(
        jacobian, names, [c.logarithmic for c in problem.coordinates], variance
    )
    low, high = problem.box
    reach = np.minimum(1e-6, (high - low) / 4)
    at_bound = tuple(
        name
        for name, x, a, b, r in zip(names, best.x, low, high, reach, strict=True)
        if x - a < r or b - x < r
    )
    slopes = np.array([c.slope(level) for c, level in zip(problem.coordinates, levels, strict=True)])
    predicted = residuals.predicted(best.x)
    model: dict[str, float] = dict(problem.fixed)
    for coordinate, level in zip(problem.coordinates, levels, strict=True):
        for member in list(problem.equations.moves.values())[coordinate.direction]:
            model[member] = float(level)
    errors = np.sqrt(np.diag(covariance))
    return Fit(
        names=names,
        values=dict(zip(names, levels.tolist(), strict=True)),
        parameters=model,
        standard_errors=dict(zip(names, (errors * slopes).tolist(), strict=True)),
        intervals={
            c.name: interval(c, float(x), float(error) * quantile(problem, freedom, confidence))
            for c, x, error in zip(problem.coordinates, best.x, errors, strict=True)
        },
        confidence=confidence,
        covariance=covariance * np.outer(slopes, slopes),
        undetermined=undetermined,
        at_bound=at_bound,
        chi_square=chi_square,
        degrees_of_freedom=freedom,
        noise=math.sqrt(variance),
        predicted=predicted,
        residuals=tuple(
            {
                name: (of_model[name] - measured) / (1.0 if one.noise is None else one.noise[name])
                for name, measured in one.values.items()
            }
            for one, of_model in zip(problem.series, predicted, strict=True)
        ),
        logarithmic=tuple(c.name for c in problem.coordinates if c.logarithmic),
        converged=best.status > 0,
        message=str(best.message),
        chi_squares=ends,
        evaluations=evaluations,
        problem=problem,
    )


def quantile(problem: Problem, freedom: int, confidence: float) -> float:
    """Half width of an interval in standard errors: Student's t where the noise is estimated, else normal."""
    upper = (1 + confidence) / 2
    return float(t.ppf(upper, freedom) if problem.noise_estimated else norm.ppf(upper))


def interval(coordinate: Coordinate, x: float, width: float) -> tuple[float, float]:
    """Interval of a parameter from that of its coordinate.

    Examples
    --------
    >>> interval(Coordinate("k", 0, None, 1.0, 0.1, 10.0, True, 1.0), 0.0, math.log(2))
    (0.5, 2.0)
    """
    if coordinate.logarithmic:
        return math.exp(x - width), math.exp(min(x + width, 700.0)) if width < math.inf else math.inf
    return (x - width) * coordinate.scale, (x + width) * coordinate.scale
