"""The flow of a model in the plane of two species, and the nullclines in it to rounding error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from grn.networks.equations import RateEquations
from grn.networks.formula import Op, nodes
from grn.networks.simulate import system_of
from grn.plot.labels import is_mrna

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from grn.networks.reactions import ReactionSystem

    Array = NDArray[np.float64]
    Curve = NDArray[np.float64]  # (P, 2): points one after another

BISECTIONS = 80  # halvings of a cell: below rounding error


class Plane:
    """Slopes of two species with all others either following these two or held.

    A species follows if its own equation is linear in itself and refers only to the two, to others that
    follow and to held ones: it then stands where these set it, as mRNA that is quick. Where feedback passes
    by the two, proteins are held until none is left. Of a model of two species, and of any where none is
    held, the nullclines cross at the steady states exactly.

    Parameters
    ----------
    model : GeneNetwork or ReactionSystem
        The model.
    x, y : str
        The two species.
    parameters : mapping of str to float, optional
        Parameters other than the model's.
    held : mapping of str to float, optional
        Levels of species that are held, the initial ones by default.
    clamped : mapping of str to float, optional
        Species that nothing changes, with their levels.

    Raises
    ------
    ValueError
        If a name is unknown, x is y, or one of them is clamped.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> plane = Plane(circuits.repressilator(), "lacI", "tetR")
    >>> plane.following
    ('tetR_mrna', 'cI_mrna', 'cI', 'lacI_mrna')
    >>> plane.held
    {}
    """

    def __init__(
        self,
        model: object,
        x: str,
        y: str,
        *,
        parameters: Mapping[str, float] | None = None,
        held: Mapping[str, float] | None = None,
        clamped: Mapping[str, float] | None = None,
    ) -> None:
        self.system, _ = system_of(model)
        self.x, self.y = x, y
        fixed = dict(clamped or {})
        for name in (x, y, *(held or {}), *fixed):
            if name not in self.system.initial:
                raise ValueError(f"no species {name!r}: those are {', '.join(self.system.species)}")
        if x == y:
            raise ValueError(f"a phase plane needs two different species, got {x!r} twice")
        for name in (x, y):
            if name in fixed:
                raise ValueError(f"{name!r} is clamped: choose a species that can move for the phase plane")
        self._equations = RateEquations(self.system, parameters=parameters, clamped=tuple(fixed))
        self._place = {name: k for k, name in enumerate(self.system.species)}
        self._levels = {**self.system.initial, **(held or {}), **fixed}
        self._layers: list[list[str]] = []
        self._find_layers(fixed)

    @property
    def following(self) -> tuple[str, ...]:
        """Species that stand where the two set them, in the order in which they are found."""
        return tuple(name for layer in self._layers for name in layer)

    @property
    def held(self) -> dict[str, float]:
        """Species that are held, and where."""
        moving = {self.x, self.y, *self.following}
        return {name: self._levels[name] for name in self.system.species if name not in moving}

    def state(self, x: Array, y: Array) -> torch.Tensor:
        """(species, points): every concentration where the two have these values."""
        levels = torch.tensor([self._levels[name] for name in self.system.species], dtype=torch.float64)
        state = levels[:, None].repeat(1, np.size(x))
        state[self._place[self.x]] = torch.tensor(np.ravel(x), dtype=torch.float64)
        state[self._place[self.y]] = torch.tensor(np.ravel(y), dtype=torch.float64)
        for layer in self._layers:
            self._settle(state, layer)
        return state

    def slopes(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Slopes of the two, of the shape of ``x``: concentration per time."""
        rates = self._slopes(self.state(x, y))
        shape = np.shape(x)
        return tuple(rates[self._place[name]].numpy().reshape(shape) for name in (self.x, self.y))  # type: ignore[return-value]

    def _slopes(self, state: torch.Tensor) -> torch.Tensor:
        lags = [self._place[name] for name, _ in self.system.derivatives.delayed]
        return self._equations(0.0, state, state[lags] if lags else None).detach()

    def _settle(self, state: torch.Tensor, layer: Sequence[str]) -> torch.Tensor:
        """Put the species of a layer at the roots of their equations; return their slopes there."""
        rows = [self._place[name] for name in layer]
        state[rows] = 0.0
        at_zero = self._slopes(state)[rows]
        state[rows] = 1.0
        state[rows] = at_zero / (at_zero - self._slopes(state)[rows])
        return self._slopes(state)[rows]

    def _find_layers(self, fixed: Mapping[str, float]) -> None:
        """Collect species that follow: each layer refers to the two, to held ones and layers before it alone.

        Where feedback leaves none, the protein that most others refer to is held.
        """
        uses = _influences(self.system)
        known = {self.x, self.y, *fixed}
        while waiting := [name for name in self.system.species if name not in known]:
            ready = [name for name in waiting if uses[name] - {name} <= known]
            layer = self._linear(ready) if ready else []
            if layer:
                self._layers.append(layer)
                known.update(layer)
                continue
            users = {name: sum(name in uses[other] for other in waiting if other != name) for name in waiting}
            proteins = [name for name in waiting if not is_mrna(name, self.system.species)]
            known.add(max(proteins or waiting, key=users.__getitem__))

    def _linear(self, names: Sequence[str]) -> list[str]:
        """Those whose equations are linear in themselves, tried at a few states: a line is one everywhere."""
        probe = np.array([0.31, 1.7, 12.3])
        state = self.state(probe, probe[::-1])
        residual = self._settle(state, names).abs()
        level = state[[self._place[name] for name in names]]
        linear = ((residual <= 1e-9 * (level.abs() + 1)) & (level >= 0) & level.isfinite()).all(1).tolist()
        return [name for name, follows in zip(names, linear, strict=True) if follows]


def nullcline(slope: Callable[[Array, Array], Array], x: Array, y: Array) -> list[Curve]:
    """Curves on which a function of two variables is zero.

    Sign changes along the lines of a grid are halved down to rounding error, and joined cell by cell.

    Parameters
    ----------
    slope : callable
        Takes two arrays of one shape and returns the function's values.
    x, y : ndarray
        Grid lines, increasing; the finer, the smaller the features that are found.

    Returns
    -------
    list of ndarray
        (P, 2) each.

    Examples
    --------
    >>> import numpy as np
    >>> lines = np.linspace(-2, 2, 41)
    >>> (circle,) = nullcline(lambda x, y: x**2 + y**2 - 1, lines, lines)
    >>> bool(abs((circle**2).sum(1) - 1).max() < 1e-14)
    True
    """
    values = slope(*np.meshgrid(x, y))
    points: dict[tuple[int, int, int], tuple[float, float]] = {}
    for axis in (1, 0):  # crossings of horizontal, then of vertical grid lines' pieces
        first = values[:, :-1] if axis else values[:-1]
        second = values[:, 1:] if axis else values[1:]
        with np.errstate(invalid="ignore"):
            rows, columns = np.nonzero((first > 0) != (second > 0))
        begin = np.stack([x[columns], y[rows]])
        end = np.stack([x[columns + 1], y[rows]] if axis else [x[columns], y[rows + 1]])
        found, real = _halved(slope, begin, end)
        for k in np.flatnonzero(real):
            points[axis, int(rows[k]), int(columns[k])] = (float(found[0, k]), float(found[1, k]))
    return _joined(points, len(y) - 1, len(x) - 1)


def _halved(
    slope: Callable[[Array, Array], Array], begin: Array, end: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """Zeros between pairs of points, and whether the function passes through zero there or jumps over it."""
    if begin.shape[1] == 0:
        return begin, np.zeros(0, bool)
    left, right = begin.copy(), end.copy()
    at_left, at_right = slope(*left), slope(*right)
    jump = np.maximum(np.abs(at_left), np.abs(at_right))
    positive = at_left > 0
    for _ in range(BISECTIONS):
        middle = (left + right) / 2
        value = slope(*middle)
        same = (value > 0) == positive
        left, right = np.where(same, middle, left), np.where(same, right, middle)
        at_left, at_right = np.where(same, value, at_left), np.where(same, at_right, value)
    nearer = np.abs(at_left) <= np.abs(at_right)
    residual = np.where(nearer, np.abs(at_left), np.abs(at_right))
    return np.where(nearer, left, right), np.isfinite(jump) & (residual <= 1e-6 * jump)


def _joined(
    points: Mapping[tuple[int, int, int], tuple[float, float]], rows: int, columns: int
) -> list[Curve]:
    """Curves through crossings: each cell joins those on its border, so every crossing has two neighbours."""
    links: dict[tuple[int, int, int], list[tuple[int, int, int]]] = {key: [] for key in points}
    for row, column in sorted({c for key in points for c in _cells(key, rows, columns)}):
        around = ((1, row, column), (0, row, column + 1), (1, row + 1, column), (0, row, column))
        here = [key for key in around if key in points]
        for first, second in zip(here[::2], here[1::2], strict=False):
            links[first].append(second)
            links[second].append(first)
    curves: list[Curve] = []
    left = dict.fromkeys(sorted(points, key=lambda key: (len(links[key]), key)))  # ends of open curves first
    while left:
        first = next(iter(left))
        key: tuple[int, int, int] | None = first
        path = []
        while key is not None:
            del left[key]
            path.append(points[key])
            last, key = key, next((other for other in links[key] if other in left), None)
        if len(path) > 2 and first in links[last]:
            path.append(points[first])
        if len(path) > 1:
            curves.append(np.array(path))
    return curves


def _cells(key: tuple[int, int, int], rows: int, columns: int) -> list[tuple[int, int]]:
    axis, row, column = key
    both = [(row, column), (row - 1, column) if axis else (row, column - 1)]
    return [(r, c) for r, c in both if 0 <= r < rows and 0 <= c < columns]


def _influences(system: ReactionSystem) -> dict[str, set[str]]:
    """Species that the slope of each refers to."""
    found: dict[str, set[str]] = {name: set() for name in system.species}
    for reaction in system.reactions:
        used = {node.name for node in nodes([reaction.rate]) if node.op is Op.SPECIES}
        for name, change in reaction.changes.items():
            if change:
                found[name] |= used
    return found
