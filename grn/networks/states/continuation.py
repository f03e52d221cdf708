"""Bifurcation diagrams: branches of steady states followed through a parameter by pseudo-arclength steps.

References
----------
E. L. Allgower and K. Georg, "Introduction to Numerical Continuation Methods", SIAM (2003).
Yu. A. Kuznetsov, "Elements of Applied Bifurcation Theory", 3rd ed., Springer (2004), chapter 10.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from grn.networks.states.autonomous import as_system
from grn.networks.states.bifurcations import (
    BranchPoint,
    Found,
    HopfPoint,
    SaddleNode,
    branch_point,
    different,
    events,
    hopf_point,
    saddle_node,
)
from grn.networks.states.curve import Curve, Stretch
from grn.networks.states.steady import steady_states

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from grn.networks.network import GeneNetwork
    from grn.networks.reactions import ReactionSystem

    Array = NDArray[np.float64]

SAME = 1e-4  # relative distance of two states at one parameter value that are one
SAG = 0.1  # of a step: how far from its chord the branch may be
SWITCH = 1e-3  # of the range: how far from a branch point its other branch is entered
MARGIN = 1e-7  # of the largest eigenvalue's modulus: real parts closer to 0 count as 0


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """A connected curve of steady states.

    Parameters
    ----------
    parameter : Tensor
        (P,): its values along the branch; they turn at folds.
    values : Tensor
        (P, species): concentrations.
    eigenvalues : Tensor
        (P, directions), complex, by falling real part: of the Jacobian within what reactions can change.
    stable : Tensor
        (P,), boolean: whether all real parts are negative.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> diagram = continue_states(circuits.goodwin(), "enzyme.transcription", 1.0, 10.0)
    >>> branch, = diagram.branches
    >>> branch.values.shape[1], bool(branch.stable[0]), bool(branch.stable[-1])
    (3, True, False)
    """

    parameter: Tensor
    values: Tensor
    eigenvalues: Tensor
    stable: Tensor

    def __len__(self) -> int:
        return len(self.parameter)


@dataclass(frozen=True, slots=True, eq=False)
class Diagram:
    """Steady states of a model over a range of one parameter.

    Parameters
    ----------
    parameter : str
        Its name.
    low, high : float
        The range.
    species : tuple of str
        Names, in the order of the values.
    branches : tuple of Branch
        All that were found.
    saddle_nodes, hopf_points, branch_points : tuple
        Where branches turn, oscillations begin, branches cross; by rising parameter.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> diagram = continue_states(circuits.positive_autoregulation(), "x.weight.x", 1.0, 4.0)
    >>> [f"{point.parameter:.6f}" for point in diagram.saddle_nodes]
    ['2.000000']
    """

    parameter: str
    low: float
    high: float
    species: tuple[str, ...]
    branches: tuple[Branch, ...]
    saddle_nodes: tuple[SaddleNode, ...]
    hopf_points: tuple[HopfPoint, ...]
    branch_points: tuple[BranchPoint, ...]

    def at(self, value: float) -> tuple[Tensor, Tensor]:
        """States at one value of the parameter, (K, species), and whether each is stable, (K,).

        Between points of a branch they are interpolated linearly.

        Raises
        ------
        ValueError
            If the value is outside of the range.
        """
        if not self.low <= value <= self.high:
            raise ValueError(
                f"{self.parameter} must be within the diagram's range {self.low:g} to {self.high:g}, got "
                f"{value:g}"
            )
        found, stable = [], []
        for branch in self.branches:
            p = branch.parameter
            for k in range(len(p) - 1):
                a, b = float(p[k]), float(p[k + 1])
                if min(a, b) <= value <= max(a, b) and a != b and (value != a or k == 0):
                    part = (value - a) / (b - a)
                    found.append(branch.values[k] + part * (branch.values[k + 1] - branch.values[k]))
                    stable.append(branch.stable[k if part < 0.5 else k + 1])
        if not found:
            return torch.empty(0, len(self.species), dtype=torch.float64), torch.empty(0, dtype=torch.bool)
        return torch.stack(found), torch.stack(stable)


def continue_states(
    model: ReactionSystem | GeneNetwork,
    parameter: str,
    low: float,
    high: float,
    *,
    parameters: Mapping[str, float] | None = None,
    start_values: Sequence[float] | None = None,
    starts: int = 24,
    seed: int = 0,
    clamped: Sequence[str] = (),
    resolution: float = 0.02,
    max_points: int = 2000,
) -> Diagram:
    """Follow all steady states through a range of one parameter, and find where they change.

    The states found by `steady_states` at a few values of the parameter are followed in both directions,
    until the range ends, a concentration turns negative, or the curve closes. Steps are along the curve, in
    units of the range and of the largest concentrations, so folds are no obstacle; their length follows the
    curvature. At branch points the crossing branch is followed too. Where the reactions conserve something,
    the totals are those of the model's initial state.

    Parameters
    ----------
    model : ReactionSystem or GeneNetwork
        Without constant delays and rates that depend on time.
    parameter : str
        Which one varies.
    low, high : float
        The range.
    parameters : mapping of str to float, optional
        Values of the others, other than the model's.
    start_values : sequence of float, optional
        Where `steady_states` looks; both ends and the middle by default.
    starts, seed : int
        As in `steady_states`.
    clamped : sequence of str
        Species held at their initial concentration.
    resolution : float
        Longest step, as a part of the range or of the largest concentration.
    max_points : int
        Of a branch in one direction.

    Returns
    -------
    Diagram
        Branches with their stability, and special points located to about 1e-8 of the range.

    Raises
    ------
    ValueError
        If a name is unknown, the range is empty or infinite, a start value is outside of it, or the model has
        delays.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> diagram = continue_states(circuits.goodwin(), "enzyme.transcription", 1.0, 10.0)
    >>> [(f"{point.parameter:.5f}", f"{point.period:.5f}") for point in diagram.hopf_points]
    [('5.74349', '3.62760')]
    """
    system = as_system(model)
    _check(system, parameter, low, high, resolution, max_points)
    chosen = (low, 0.5 * (low + high), high) if start_values is None else tuple(start_values)
    for value in chosen:
        if not low <= value <= high:
            raise ValueError(f"start_values must lie within {low:g} to {high:g}, got {value:g}")
    if not chosen:
        raise ValueError("start_values must hold at least one value of the parameter, got none")
    seeds: list[tuple[float, Array]] = []
    for value in chosen:
        found = steady_states(
            model,
            parameters={**(parameters or {}), parameter: value},
            starts=starts,
            seed=seed,
            clamped=clamped,
            detect_cycles=False,
        )
        seeds += [(value, state.values.numpy()) for state in found]
    largest = np.max([y for _, y in seeds], axis=0) if seeds else np.ones(len(system.species))
    scale = np.maximum(largest, 1e-3 * max(float(largest.max()), 1e-12))
    curve = Curve(
        system, parameter, low, high, scale, parameters=parameters, clamped=clamped, resolution=resolution
    )
    drawing = _Drawing(curve, max_points)
    for value, y in seeds:
        drawing.begin(curve.point(y, value))
    return drawing.diagram(parameter, low, high)


def _check(
    system: ReactionSystem, parameter: str, low: float, high: float, resolution: float, max_points: int
) -> None:
    if parameter not in system.parameters:
        near = difflib.get_close_matches(parameter, system.parameters, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"those are {', '.join(system.parameters)}"
        raise ValueError(f"{parameter!r} is no parameter of the model: {hint}")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            f"the range of {parameter!r} must run from a finite low to a higher finite high, got {low:g} to "
            f"{high:g}"
        )
    if not (math.isfinite(resolution) and 0 < resolution <= 0.5):
        raise ValueError(f"resolution must be a part of the range above 0 and up to 0.5, got {resolution}")
    if max_points < 2:
        raise ValueError(f"max_points must be at least 2, got {max_points}")
    if system.delays:
        name, delay = system.delays[0]
        raise ValueError(
            f"stability along a branch cannot be told where delays act ({name!r}, {delay:g} late): "
            "use ErlangDelay, a chain of species, in place of a constant delay"
        )


class _Drawing:
    """The diagram while it grows."""

    def __init__(self, curve: Curve, max_points: int) -> None:
        self.curve = curve
        self.max_points = max_points
        self.stretches: list[Stretch] = []
        self.found: list[Found] = []

    def begin(self, point: Array) -> None:
        """Follow the branch through a point in both directions, unless it is known."""
        if self._known(point):
            return
        tangent = self.curve.tangent(point)
        forward = self.curve.follow(point, tangent, self.max_points)
        if not forward.closed:
            backward = self.curve.follow(point, -tangent, self.max_points)
            forward = backward.reversed_then(forward)
        self._add(forward)

    def _add(self, stretch: Stretch) -> None:
        if len(stretch.points) < 2:
            return
        self.stretches.append(stretch)
        self._note(stretch)

    def _note(self, stretch: Stretch) -> None:
        for found in events(self.curve, stretch):
            known = any(found.kind == k.kind and self._near(found.point, k.point) for k in self.found)
            self.found.append(found)
            if found.kind == "crossing" and not known:
                self._switch(found)

    def _switch(self, crossing: Found) -> None:
        """Follow the branch that crosses another one, where it is not known."""
        direction = self.curve.crossing_direction(crossing.point, crossing.tangent)
        if direction is None:
            return
        for sign in (1.0, -1.0):
            entered = self.curve.enter(crossing.point, sign * direction, SWITCH)
            if entered is None:
                continue
            outwards = self.curve.tangent(entered)
            if outwards @ (entered - crossing.point) < 0:
                outwards = -outwards
            half = self.curve.follow(entered, outwards, self.max_points)
            # Beside the crossing the branches are too close to tell whether this one is known.
            if len(half.points) > 1 and not self._known(half.points[(len(half.points) + 1) // 2]):
                # begun at the crossing itself, so that the picture has no gap
                points = np.concatenate([crossing.point[None], half.points])
                tangents = np.concatenate([half.tangents[:1], half.tangents])
                whole = self.curve.stretch(points, tangents)
                self.stretches.append(whole)
                self._note(half)

    def _known(self, point: Array) -> bool:
        """Whether a branch already passes through a point."""
        for stretch in self.stretches:
            begin, along = stretch.points[:-1], np.diff(stretch.points, axis=0)
            length = np.maximum(np.linalg.norm(along, axis=1), 1e-300)
            part = np.clip(((point - begin) * along).sum(1) / length**2, 0.0, 1.0)
            nearest = begin + part[:, None] * along
            distance = np.linalg.norm(nearest - point, axis=1)
            for k in np.argsort(distance)[:3]:
                if distance[k] > max(SAG * length[k], SAME):
                    continue
                # across the segment, where the branch itself passes: its chord is not exact
                plane = along[k] / length[k]
                solved = self.curve.solve(nearest[k], plane, float(plane @ point))
                if distance[k] < 1e-9 or (solved is not None and self._near(solved[0], point)):
                    return True
        return False

    def _near(self, a: Array, b: Array) -> bool:
        return bool(np.abs(a - b).max() < SAME)

    def diagram(self, parameter: str, low: float, high: float) -> Diagram:
        points = different(self.found)
        return Diagram(
            parameter,
            low,
            high,
            self.curve.species,
            tuple(self._branch(stretch) for stretch in self.stretches),
            tuple(saddle_node(self.curve, found) for found in points if found.kind == "fold"),
            tuple(hopf_point(self.curve, found) for found in points if found.kind == "hopf"),
            tuple(branch_point(self.curve, found) for found in points if found.kind == "crossing"),
        )

    def _branch(self, stretch: Stretch) -> Branch:
        eigenvalues = stretch.eigenvalues
        margin = MARGIN * np.abs(eigenvalues).max(1, initial=0.0)
        stable = eigenvalues.real.max(1, initial=-np.inf) < -margin
        return Branch(
            torch.from_numpy(self.curve.parameter_of(stretch.points)),
            torch.from_numpy(self.curve.values_of(stretch.points)),
            torch.from_numpy(eigenvalues),
            torch.from_numpy(stable),
        )
