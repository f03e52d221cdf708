"""Residuals of a model against time series, and their exact Jacobian, as functions of fitted coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from grn.networks.perturb import phases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from grn.integrate import Solver
    from grn.networks.fitting.timeseries import TimeSeries
    from grn.networks.fitting.variational import Method, VariationalEquations
    from grn.networks.network import GeneNetwork
    from grn.networks.perturb import Phase

    Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Coordinate:
    """What the optimizer moves: the logarithm of a parameter, or the parameter over its scale.

    Parameters
    ----------
    name : str
        Of the parameter.
    direction : int
        Its place among the directions of the variational equations.
    series : int or None
        The only series in which it counts, None for all.
    guess, low, high : float
        Of the parameter.
    logarithmic : bool
        Which of the two.
    scale : float
        Of a linear one.
    species : str
        Whose initial concentration it is; empty for a parameter.

    Examples
    --------
    >>> rate = Coordinate("k", 0, None, 1.0, 0.1, 10.0, True, 1.0)
    >>> rate.backward(rate.forward(1.0)), rate.slope(5.0)
    (1.0, 5.0)
    """

    name: str
    direction: int
    series: int | None
    guess: float
    low: float
    high: float
    logarithmic: bool
    scale: float
    species: str = ""

    def forward(self, value: float) -> float:
        """Coordinate of a value."""
        if self.logarithmic:
            return math.log(value) if value < math.inf else math.inf
        return value / self.scale

    def backward(self, x: float) -> float:
        """Value at a coordinate."""
        return math.exp(x) if self.logarithmic else x * self.scale

    def slope(self, value: float) -> float:
        """Derivative of the value by the coordinate."""
        return value if self.logarithmic else self.scale


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Series that begin at the same time, simulated as one batch."""

    members: tuple[int, ...]
    times: Array
    start: Array  # (N, B)
    stretches: tuple[Phase, ...]


class Residuals:
    """``(y(t; θ) − data)/σ`` of all values of all series, in one vector.

    Parameters
    ----------
    equations : VariationalEquations
        The model, and the directions in which it is differentiated.
    network : GeneNetwork, optional
        Where it comes from.
    series : sequence of TimeSeries
        The data.
    coordinates : sequence of Coordinate
        P free parameters.
    fixed : mapping of str to float
        Parameters of the model that differ from its own values.
    method, solver
        As in `grn.networks.fitting.sensitivity.sensitivities`.

    Examples
    --------
    >>> from grn.integrate import Solver
    >>> from grn.networks.network import Gene, GeneNetwork
    >>> from grn.networks.fitting.timeseries import TimeSeries
    >>> from grn.networks.fitting.variational import VariationalEquations
    >>> gene = GeneNetwork(genes=(Gene(name="A", mrna_decay=None),))
    >>> equations = VariationalEquations(gene.system, {"k": ("A.transcription",)})
    >>> rate = Coordinate("k", 0, None, 1.0, 0.1, 10.0, True, 1.0)
    >>> series = TimeSeries([0.0, 1.0], {"A": [0.0, 1.0]}, noise=0.1)
    >>> residuals = Residuals(equations, gene, [series], [rate], {}, "compiled", Solver())
    >>> residuals.values(np.array([0.0])).round(3)  # y(1) = 1 − 1/e
    array([ 0.   , -3.679])
    """

    def __init__(
        self,
        equations: VariationalEquations,
        network: GeneNetwork | None,
        series: Sequence[TimeSeries],
        coordinates: Sequence[Coordinate],
        fixed: Mapping[str, float],
        method: Method,
        solver: Solver,
    ) -> None:
        self.equations = equations
        self.series = tuple(series)
        self.coordinates = tuple(coordinates)
        self.fixed = dict(fixed)
        self.method = method
        self.solver = solver
        self.evaluations = 0
        self.count = sum(one.count for one in series)
        self._place = {name: k for k, name in enumerate(equations.system.species)}
        self._groups = self._grouped(network)
        self._last: tuple[Array, Array, Array, list[Array]] | None = None

    def _grouped(self, network: GeneNetwork | None) -> list[_Group]:
        system = self.equations.system
        found = []
        for begin in sorted({one.begin for one in self.series}):
            members = tuple(k for k, one in enumerate(self.series) if one.begin == begin)
            times = np.unique(np.concatenate([[begin], *(self.series[k].times for k in members)]))
            starts = [{**system.initial, **self.series[k].start} for k in members]
            plan = [self.series[k].perturbations for k in members]
            found.append(
                _Group(
                    members,
                    times,
                    np.array([list(start.values()) for start in starts], np.float64).T,
                    phases(system, plan, start=begin, network=network),
                )
            )
        return found

    def levels(self, x: Array) -> Array:
        """(P,): values of the parameters."""
        return np.array([c.backward(float(at)) for c, at in zip(self.coordinates, x, strict=True)])

    def values(self, x: Array) -> Array:
        """(values,): infinite where the model cannot be simulated, for the optimizer a bad step."""
        try:
            return self.at(x)[0]
        except RuntimeError:
            return np.full(self.count, np.inf)

    def jacobian(self, x: Array) -> Array:
        """(values, P)."""
        return self.at(x)[1]

    def predicted(self, x: Array) -> tuple[dict[str, Array], ...]:
        """Model at the data's times, by series and species."""
        self.at(x)
        assert self._last is not None
        return tuple(
            {name: path[:, self._place[name]] for name in one.values}
            for one, path in zip(self.series, self._last[3], strict=True)
        )

    def at(self, x: Array) -> tuple[Array, Array]:
        """Residuals and their Jacobian; solved once a point.

        Raises
        ------
        RuntimeError
            If the model cannot be simulated there.
        """
        if self._last is None or not np.array_equal(self._last[0], x):
            self._last = None
            paths, slopes = self._solved(self.levels(x))
            rows, gradients = [], []
            for one, path, slope in zip(self.series, paths, slopes, strict=True):
                for name, measured in one.values.items():
                    there = np.isfinite(measured)
                    noise = one.noise[name][there] if one.noise is not None else 1.0
                    rows.append((path[there, self._place[name]] - measured[there]) / noise)
                    gradients.append((slope[there, self._place[name]].T / noise).T)
            self._last = (np.array(x), np.concatenate(rows), np.concatenate(gradients), paths)
        return self._last[1], self._last[2]

    def _solved(self, levels: Array) -> tuple[list[Array], list[Array]]:
        """Concentrations (T, N) and their derivatives by the coordinates (T, N, P), of each series."""
        self.evaluations += 1
        moves = list(self.equations.moves.items())
        overrides: dict[str, float | torch.Tensor] = dict(self.fixed)
        scale = np.ones(len(moves))
        for coordinate, level in zip(self.coordinates, levels, strict=True):
            overrides.update(dict.fromkeys(moves[coordinate.direction][1], float(level)))
            scale[coordinate.direction] = abs(level) or coordinate.scale
        paths: list[Array] = [np.empty(0)] * len(self.series)
        slopes = list(paths)
        for group in self._groups:
            start = group.start.copy()
            turned = np.zeros((len(start), len(moves), len(group.members)))
            for coordinate, level in zip(self.coordinates, levels, strict=True):
                if coordinate.species:
                    row = self._place[coordinate.species]
                    for column, k in enumerate(group.members):
                        if coordinate.series in (None, k):
                            start[row, column] = level
                            turned[row, coordinate.direction, column] = 1.0
            path, slope = self.equations.solve(
                start,
                turned,
                group.times,
                overrides=overrides,
                scale=scale,
                stretches=group.stretches,
                method=self.method,
                solver=self.solver,
            )
            for column, k in enumerate(group.members):
                at = np.searchsorted(group.times, self.series[k].times)
                paths[k] = path[at, :, column]
                slopes[k] = np.stack(
                    [
                        slope[at, :, c.direction, column] * (c.slope(level) if c.series in (None, k) else 0.0)
                        for c, level in zip(self.coordinates, levels, strict=True)
                    ],
                    axis=-1,
                )
        return paths, slopes
