"""A curve of steady states in the space of concentrations and one parameter, and steps along it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from grn.networks.equations import RateEquations
from grn.networks.states.newton import reachable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from grn.networks.reactions import ReactionSystem

    Array = NDArray[np.float64]

SHORTEST = 1e-7  # step
SOLVED = 1e-11  # correction, in scaled units
STRAIGHT = 0.97  # cosine of the angle between tangents that a step may turn
NEGATIVE = -1e-7  # scaled concentration below which a branch has left the model
NULL = 1e-6  # relative size of a singular value that counts as zero at a branch point


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Points along a curve, with what is known at each.

    Parameters
    ----------
    points, tangents : ndarray
        (P, directions + 1): scaled coordinates, the parameter last; unit vectors along the curve.
    eigenvalues : ndarray
        (P, directions), complex, by falling real part.
    determinants : ndarray
        (P,): of the Jacobian bordered by the tangent; its sign changes at branch points.
    closed : bool
        Whether the curve came back to its beginning.
    """

    points: Array
    tangents: Array
    eigenvalues: NDArray[np.complex128]
    determinants: Array
    closed: bool = False

    def reversed_then(self, other: Stretch) -> Stretch:
        """Return it backwards, then one that begins at the same point."""
        return Stretch(
            np.concatenate([self.points[:0:-1], other.points]),
            np.concatenate([-self.tangents[:0:-1], other.tangents]),
            np.concatenate([self.eigenvalues[:0:-1], other.eigenvalues]),
            np.concatenate([-self.determinants[:0:-1], other.determinants]),
        )


class Curve:
    """The equations of a curve of steady states.

    Coordinates are the concentrations within the directions that reactions can move in, each in units of
    its scale, and the parameter, from 0 to 1 over the range.

    Parameters
    ----------
    system : ReactionSystem
        The model.
    parameter : str
        What varies.
    low, high : float
        The range.
    scale : ndarray
        (species,): typical concentrations.
    parameters : mapping of str to float, optional
        Values of the others, other than the model's.
    clamped : sequence of str
        Species that are held.
    resolution : float
        Longest step.
    """

    def __init__(
        self,
        system: ReactionSystem,
        parameter: str,
        low: float,
        high: float,
        scale: Array,
        *,
        parameters: Mapping[str, float] | None = None,
        clamped: Sequence[str] = (),
        resolution: float = 0.02,
    ) -> None:
        self.system = system
        self.species = system.species
        self.low, self.span = low, high - low
        self.longest = resolution
        equations = RateEquations(system, parameters=parameters, clamped=clamped)
        self.base = equations.values
        self.row = list(system.parameters).index(parameter)
        self.free = equations.free
        mask = np.array([name in set(clamped) for name in system.species])
        directions = reachable(system, mask)
        # A basis of the scaled directions: concentrations of different size then weigh the same.
        self.basis = np.linalg.qr(directions / scale[:, None])[0] if directions.size else directions
        if directions.shape[1] == len(scale):
            self.basis = np.eye(len(scale))
        self.scale = scale
        self.origin = equations.initial()[:, 0].numpy()

    @property
    def directions(self) -> int:
        """Number of coordinates beside the parameter."""
        return int(self.basis.shape[1])

    def point(self, y: Array, value: float) -> Array:
        """Coordinates of a state at a value of the parameter."""
        return np.append(self.basis.T @ ((y - self.origin) / self.scale), (value - self.low) / self.span)

    def values_of(self, points: Array) -> Array:
        """Concentrations, (..., species), of points; rounding below zero becomes zero."""
        y = self.origin + self.scale * (points[..., :-1] @ self.basis.T)
        return np.where((y < 0) & (y > NEGATIVE * self.scale), 0.0, y)

    def parameter_of(self, points: Array) -> Array:
        """Values of the parameter, (...,), of points."""
        value: Array = self.low + self.span * points[..., -1]
        return value

    def evaluate(self, points: Array) -> tuple[Array, Array]:
        """Slopes, (P, directions), and their derivatives, (P, directions, directions + 1)."""
        y = torch.from_numpy(self.origin + self.scale * (points[:, :-1] @ self.basis.T)).T
        value = torch.from_numpy(self.parameter_of(points))
        count, batch = y.shape
        # one pass over a batch repeated by species, as in `RateEquations.slope_and_jacobian`
        wide = y.repeat(1, count).requires_grad_()
        of = value.repeat(count).requires_grad_()
        rows = self.base.expand(-1, count * batch).index_copy(0, torch.tensor([self.row]), of[None])
        program = self.system.derivatives
        slope = program(wide, program.prepare(rows))
        if self.free is not None:
            slope = slope * self.free
        chosen = torch.eye(count, dtype=y.dtype).repeat_interleave(batch, 1)
        by_state, by_parameter = torch.autograd.grad(slope, (wide, of), chosen, materialize_grads=True)
        inward = self.basis.T / self.scale  # (directions, species)
        jacobian = by_state.reshape(count, count, batch).permute(2, 1, 0).numpy()
        jacobian = inward @ jacobian @ (self.scale[:, None] * self.basis)
        drift = by_parameter.reshape(count, batch).numpy().T @ inward.T * self.span
        slopes: Array = slope[:, :batch].detach().numpy().T @ inward.T
        return slopes, np.concatenate([jacobian, drift[:, :, None]], 2)

    def solve(
        self, guess: Array, plane: Array, offset: float, iterations: int = 10, singular: float = 1e-10
    ) -> tuple[Array, int] | None:
        """Newton's method for the point of the curve on a plane ``plane·x = offset``; with its iterations."""
        x = guess.copy()
        last = np.inf
        for k in range(iterations):
            slope, derivative = self.evaluate(x[None])
            matrix = np.vstack([derivative[0], plane])
            right = np.append(-slope[0], offset - plane @ x)
            if not (np.isfinite(matrix).all() and np.isfinite(right).all()):
                return None
            # shortest steps where the matrix is singular, at branch points
            step = np.linalg.lstsq(matrix, right, rcond=singular)[0]
            x = x + step
            size = float(np.abs(step).max())
            if size < SOLVED or (size < 1e-8 and size > 0.1 * last):
                return x, k + 1
            if size > 10:
                return None
            last = size
        return None

    def at_parameter(self, guess: Array, value: float) -> Array | None:
        """Point of the curve at a scaled value of the parameter, near a guess."""
        plane = np.zeros_like(guess)
        plane[-1] = 1.0
        solved = self.solve(guess, plane, value)
        return None if solved is None else solved[0]

    def tangent(self, point: Array) -> Array:
        """Unit vector along the curve."""
        return self._null(self.evaluate(point[None])[1][0])

    @staticmethod
    def _null(derivative: Array) -> Array:
        vector: Array = np.linalg.svd(derivative)[2][-1]
        return vector

    def follow(self, start: Array, tangent: Array, max_points: int) -> Stretch:
        """Steps along the curve until the range ends, a concentration turns negative, or the curve closes."""
        points, tangents = [start], [tangent]
        step = 0.2 * self.longest
        closed = False
        while len(points) < max_points:
            here, along = points[-1], tangents[-1]
            solved = self.solve(here + step * along, along, float(along @ here) + step)
            good = solved is not None
            if solved is not None:
                new, iterations = solved
                ahead = self.tangent(new)
                ahead = ahead if ahead @ along > 0 else -ahead
                good = bool(ahead @ along > STRAIGHT) and bool(np.abs(new - here).max() < 2 * step)
            if not good:
                step /= 2
                if step < SHORTEST:
                    break
                continue
            if not 0 <= new[-1] <= 1:
                edge = self._edge(here, new)
                if edge is not None and np.abs(edge - here).max() > 1e-12:
                    ahead = self.tangent(edge)
                    points.append(edge)
                    tangents.append(ahead if ahead @ along > 0 else -ahead)
                break
            if ((self.origin / self.scale + self.basis @ new[:-1]) < NEGATIVE).any():
                break
            points.append(new)
            tangents.append(ahead)
            if len(points) > 8 and _passes(here, new, start) and ahead @ tangent > 0.9:
                points[-1], tangents[-1] = start, tangent
                closed = True
                break
            if iterations <= 3:
                step = min(1.5 * step, self.longest)
            elif iterations > 5:
                step /= 2
        return self.stretch(np.array(points), np.array(tangents), closed)

    def stretch(self, points: Array, tangents: Array, closed: bool = False) -> Stretch:
        """Stretch with eigenvalues and determinants at its points."""
        derivative = self.evaluate(points)[1]
        eigenvalues = np.linalg.eigvals(derivative[:, :, :-1]).astype(np.complex128)
        order = np.argsort(-eigenvalues.real, axis=1)
        bordered = np.concatenate([derivative, tangents[:, None, :]], 1)
        return Stretch(
            points,
            tangents,
            np.take_along_axis(eigenvalues, order, 1),
            np.linalg.slogdet(bordered)[0],
            closed,
        )

    def _edge(self, inside: Array, outside: Array) -> Array | None:
        """Point of the curve at the end of the range that a step passed."""
        end = 0.0 if outside[-1] < 0 else 1.0
        if inside[-1] == end:
            return None
        part = (end - inside[-1]) / (outside[-1] - inside[-1])
        return self.at_parameter(inside + part * (outside - inside), end)

    def between(
        self, a: Array, tangent: Array, length: float, guess: Array | None = None
    ) -> tuple[Array, Array] | None:
        """Point of the curve a length along the tangent at ``a``, and the derivatives there."""
        near = a + length * tangent if guess is None else guess
        # A branch point makes the matrix singular across the curve: there the guess is not corrected.
        solved = self.solve(near, tangent, float(tangent @ a) + length, singular=1e-7)
        return None if solved is None else (solved[0], self.evaluate(solved[0][None])[1][0])

    def crossing_direction(self, point: Array, tangent: Array) -> Array | None:
        """At a branch point, the direction in its null space that is square to one branch."""
        _, singular, right = np.linalg.svd(self.evaluate(point[None])[1][0])
        if singular[-1] > 1e-3 * singular[0]:
            return None
        plane = right[len(singular) - 1 :]  # the two flat directions
        direction = plane[0] * (plane[1] @ tangent) - plane[1] * (plane[0] @ tangent)
        length = float(np.linalg.norm(direction))
        return direction / length if length > 1e-6 else None

    def enter(self, point: Array, direction: Array, distance: float) -> Array | None:
        """Point of the other branch, a distance along a direction from a branch point; None without one."""
        solved = self.solve(point + distance * direction, direction, float(direction @ point) + distance, 20)
        if solved is None or np.abs(solved[0] - point).max() > 20 * distance:
            return None
        inside = 0 <= solved[0][-1] <= 1
        positive = ((self.origin / self.scale + self.basis @ solved[0][:-1]) >= NEGATIVE).all()
        return solved[0] if inside and positive else None


def _passes(a: Array, b: Array, point: Array) -> bool:
    """Whether a point lies on the segment between two others, within a hundredth of its length."""
    along = b - a
    length = float(np.linalg.norm(along))
    part = float((point - a) @ along) / max(length**2, 1e-300)
    return 0 < part <= 1 and float(np.linalg.norm(a + part * along - point)) < 0.05 * length
