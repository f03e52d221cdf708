"""Newton's method for steady states of a batch, within what the reactions conserve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from grn.networks.equations import RateEquations
    from grn.networks.reactions import ReactionSystem

ROUNDING = 1e-11  # of the gross flux of a species: what rounding may leave of its slope at a steady state
FLOOR = 1e-6  # of the largest concentration of a state: below it, errors count as absolute


def reachable(system: ReactionSystem, clamped: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Orthonormal basis of the directions in which the reactions can move the concentrations.

    Its complement holds what is conserved: totals of moieties, and every clamped species.

    Parameters
    ----------
    system : ReactionSystem
        The reactions.
    clamped : ndarray of bool, optional
        (species,): concentrations that are held.

    Returns
    -------
    ndarray
        (species, directions).

    Examples
    --------
    >>> from grn.networks.formula import species
    >>> from grn.networks.reactions import Reaction, ReactionSystem
    >>> flip = Reaction(name="flip", changes={"A": -1, "B": 1}, rate=species("A"))
    >>> reachable(ReactionSystem(initial={"A": 1, "B": 0}, reactions=(flip,), parameters={})).shape
    (2, 1)
    """
    moves = system.stoichiometry.T / system.volume_of[:, None]
    if clamped is not None:
        moves = np.where(clamped[:, None], 0.0, moves)
    if not moves.size:
        return np.zeros((len(system.species), 0))
    left, singular, _ = np.linalg.svd(moves, full_matrices=False)
    basis: NDArray[np.float64] = left[:, singular > singular.max(initial=0.0) * len(left) * 1e-13]
    return basis


def held(system: ReactionSystem, clamped: Tensor | None = None, like: Tensor | None = None) -> Tensor:
    """Projector on the directions that no reaction changes, one for each member of the batch.

    Parameters
    ----------
    system : ReactionSystem
        The reactions.
    clamped : Tensor, optional
        (species, 1 or B), boolean.
    like : Tensor, optional
        Gives device and dtype; float64 on the CPU by default.

    Returns
    -------
    Tensor
        (1 or B, species, species).

    Examples
    --------
    >>> from grn.networks import circuits
    >>> held(circuits.toggle().system)
    tensor([[[0., 0.],
             [0., 0.]]], dtype=torch.float64)
    """
    columns = np.zeros((len(system.species), 1), bool) if clamped is None else clamped.cpu().numpy()
    unique, which = np.unique(columns, axis=1, return_inverse=True)
    found = []
    for k in range(unique.shape[1]):
        basis = reachable(system, unique[:, k])
        # exact zeros where nothing is conserved: rounding would otherwise tie the species together
        full = basis.shape[1] == len(basis)
        found.append(np.zeros((len(basis),) * 2) if full else np.eye(len(basis)) - basis @ basis.T)
    stacked = torch.from_numpy(np.stack(found)[which.reshape(-1)])
    return stacked if like is None else stacked.to(like)


def correction(jacobian: Tensor, slope: Tensor, held: Tensor, drift: Tensor | None = None) -> Tensor:
    """Newton's step, (species, B), that also takes back a ``drift`` from what is conserved.

    Where the Jacobian is singular beyond what is conserved, the shortest step that does most.
    """
    strength = jacobian.abs().sum(2).amax(1).clamp_min(1e-300)[:, None, None] * held
    matrix = jacobian - strength
    right = -slope.T[:, :, None]
    if drift is not None:
        right = right + strength @ drift.T[:, :, None]
    step, info = torch.linalg.solve_ex(matrix, right)
    bad = (info != 0) | ~torch.isfinite(step).all(2).all(1)
    if bool(bad.any()):
        sound = torch.isfinite(matrix).all(2).all(1) & torch.isfinite(right).all(2).all(1)
        rescued = bad & sound
        if bool(rescued.any()):
            step[rescued] = torch.linalg.pinv(matrix[rescued], rtol=1e-12) @ right[rescued]
        step[bad & ~sound] = torch.nan
    corrected: Tensor = step[:, :, 0].T
    return corrected


def largest_real_part(jacobian: Tensor, held: Tensor) -> Tensor:
    """(B,): largest real part of the eigenvalues, those of the conserved directions left out."""
    strength = jacobian.abs().sum(2).amax(1).clamp_min(1e-300)[:, None, None]
    matrix = jacobian / strength - 2 * held  # of entries near 1: large ones would overflow within LAPACK
    sound = torch.isfinite(matrix).all(2).all(1) & torch.isfinite(strength[:, 0, 0])
    matrix = torch.where(sound[:, None, None], matrix, 0)
    found: Tensor = torch.linalg.eigvals(matrix).real.amax(1) * strength[:, 0, 0]
    return torch.where(sound, found, torch.nan)


def gross_flux(equations: RateEquations, y: Tensor) -> tuple[Tensor, Tensor]:
    """What all reactions together make, and what they take away, of each species.

    Parameters
    ----------
    equations : RateEquations
        Without delays and without explicit time.
    y : Tensor
        (species, B): concentrations.

    Returns
    -------
    made, lost : Tensor
        (species, B) each, concentration per time, not negative: their difference is the slope.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> from grn.networks.equations import RateEquations
    >>> made, lost = gross_flux(RateEquations(circuits.toggle().system), torch.tensor([[1.0], [7.0]]))
    >>> lost.T
    tensor([[1., 7.]], dtype=torch.float64)
    """
    system = equations.system
    rates = system.rates(y, system.rates.prepare(equations.values.detach()), 0.0)
    rates = rates.expand(-1, y.shape[1])
    change = torch.from_numpy(system.stoichiometry.T / system.volume_of[:, None]).to(rates)
    gain, loss, forth, back = (x.clamp_min(0) for x in (change, -change, rates, -rates))
    made, lost = gain @ forth + loss @ back, loss @ forth + gain @ back
    if equations.free is not None:
        made, lost = made * equations.free, lost * equations.free
    return made, lost


def balanced(
    equations: RateEquations, y: Tensor, slope: Tensor, jacobian: Tensor, distance: Tensor
) -> Tensor:
    """(B,): whether the slopes are no larger than a distance from a steady state explains.

    A small correction is not enough: where the Jacobian is singular, the shortest step leaves out the part of
    the slope that no step can cancel.

    Parameters
    ----------
    equations : RateEquations
        Of one parameter set or a batch.
    y, slope, jacobian : Tensor
        (species, B), (species, B) and (B, species, species): where, and what the equations give there.
    distance : Tensor
        (species, B): how far the steady state may be, in concentration.

    Returns
    -------
    Tensor
        Boolean; False where anything is not finite.
    """
    allowed = (jacobian.abs() @ distance.T[:, :, None])[:, :, 0].T
    finite = torch.isfinite(slope) & torch.isfinite(allowed) & torch.isfinite(y)
    fits = finite & (slope.abs() <= allowed)
    doubtful = (finite.all(0) & ~fits.all(0)).any()
    if bool(doubtful):  # rounding, where large fluxes cancel
        made, lost = gross_flux(equations, y)
        fits = fits | (finite & (slope.abs() <= allowed + ROUNDING * torch.minimum(made, lost)))
    enough: Tensor = fits.all(0)
    return enough


@dataclass(frozen=True, slots=True, eq=False)
class Solutions:
    """Ends of Newton's method.

    Parameters
    ----------
    values : Tensor
        (species, B): concentrations, 0 in place of rounding below zero.
    converged : Tensor
        (B,), boolean: the last correction is small, and so are the slopes (`balanced`).
    residual : Tensor
        (B,): largest last correction, relative to the concentrations.
    """

    values: Tensor
    converged: Tensor
    residual: Tensor


def refine(
    equations: RateEquations,
    y: Tensor,
    *,
    held: Tensor,
    tolerance: float = 1e-9,
    iterations: int = 60,
    halvings: int = 10,
) -> Solutions:
    """Newton's method with a line search, on concentrations that stay non-negative.

    A step that does not lower the slopes, each relative to the diagonal of the Jacobian at the start, is
    halved up to ``halvings`` times; concentrations below zero are set to zero. What is conserved stays what
    it is in ``y``.

    Parameters
    ----------
    equations : RateEquations
        Of one parameter set or a batch.
    y : Tensor
        (species, B): starts.
    held : Tensor
        From `held`.
    tolerance : float
        Largest correction, relative to each concentration (or to 1e-6 of the state's largest), that counts
        as converged.
    iterations, halvings : int
        At most.

    Returns
    -------
    Solutions
        Whether or not they converged.

    Examples
    --------
    >>> import torch
    >>> from grn.networks import circuits
    >>> from grn.networks.equations import RateEquations
    >>> system = circuits.toggle().system
    >>> start = torch.tensor([[1.0], [7.0]], dtype=torch.float64)
    >>> refine(RateEquations(system), start, held=held(system)).values.T
    tensor([[1.3165, 6.7342]], dtype=torch.float64)
    """
    batch = y.shape[1]
    here = y.clone()
    residual = torch.full((batch,), torch.inf, dtype=y.dtype, device=y.device)
    done = torch.zeros(batch, dtype=torch.bool, device=y.device)
    extra = torch.zeros_like(done)
    for _ in range(iterations):
        slope, jacobian = equations.slope_and_jacobian(here)
        step = correction(jacobian, slope, held, here - y)
        step = step if equations.free is None else step * equations.free
        residual = torch.where(extra, residual, _relative(step, here))
        finished = done & (residual <= tolerance)
        extra = extra | finished
        if bool((extra | ~torch.isfinite(residual)).all()):
            break
        done = done | (residual <= tolerance)  # one more step follows: convergence is quadratic
        weight = 1 / jacobian.diagonal(dim1=1, dim2=2).abs().T.clamp_min(1e-12 * jacobian.abs().amax())
        before = _size(slope * weight, here)
        fraction = torch.ones_like(residual)
        best = here
        waiting = ~extra & torch.isfinite(residual)
        for halving in range(halvings + 1):
            trial = (here + fraction * step).clamp_min(0)
            after = _size(equations(0.0, trial) * weight, here)
            accepted = waiting & ((after <= before * (1 - 1e-4 * fraction)) | done)
            if halving == halvings:
                accepted = waiting & torch.isfinite(after)  # a rise may lead out of a dead end
            best = torch.where(accepted, trial, best)
            waiting = waiting & ~accepted
            if not bool(waiting.any()):
                break
            fraction = torch.where(waiting, fraction / 2, fraction)
        here = best
    slope, jacobian = equations.slope_and_jacobian(here)
    residual = _relative(correction(jacobian, slope, held, here - y), here)
    distance = 10 * tolerance * (here.abs() + FLOOR * here.abs().amax(0))
    steady = balanced(equations, here, slope, jacobian, distance)
    return Solutions(here, (residual <= tolerance) & steady, residual)


def _relative(step: Tensor, y: Tensor) -> Tensor:
    """Largest step relative to the concentrations; infinite where it is not a number."""
    ratio = step.abs() / (y.abs() + FLOOR * y.abs().amax(0)).clamp_min(1e-300)
    ratio = torch.where(step == 0, 0, ratio)
    return torch.where(torch.isfinite(ratio), ratio, torch.inf).amax(0)


def _size(slope: Tensor, y: Tensor) -> Tensor:
    scaled = slope / (y.abs() + FLOOR * y.abs().amax(0)).clamp_min(1e-300)
    size = scaled.square().sum(0).sqrt()
    return torch.where(torch.isfinite(size), size, torch.inf)
