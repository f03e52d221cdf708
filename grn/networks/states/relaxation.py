"""Time courses of many trajectories until they rest: a stiffly accurate Rosenbrock method, own steps each.

Steps grow without limit as a trajectory comes to rest, so the time a model needs does not have to be known,
and fast decay beside slow costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from grn.networks.equations import RateEquations
from grn.networks.states.newton import balanced, correction, largest_real_part

if TYPE_CHECKING:
    from torch import Tensor

CHECK_EVERY = 4  # steps between two looks at whether a trajectory rests
NEAR_STATE = 1e-4  # relative distance from a stable state at which linear decay is certain
AT_SADDLE = 1e-10  # relative distance from an unstable state that rounding alone explains
SMALL = 1e-3  # of a species' highest concentration: below it, differences count as absolute

# RODAS, order 4 with an embedded solution of order 3: E. Hairer and G. Wanner, "Solving Ordinary Differential
# Equations II", 2nd ed., Springer (1996), section VI.4, in the transformed variables of their program.
GAMMA = 0.25
STAGES = (
    (),
    (1.544000000000000,),
    (0.9466785280815826, 0.2557011698983284),
    (3.314825187068521, 2.896124015972201, 0.9986419139977817),
    (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950),
    (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950, 1.0),
)
COUPLING = (
    (),
    (-5.668800000000000,),
    (-2.430093356833875, -0.2063599157091915),
    (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
    (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
    (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
)


@dataclass(frozen=True, slots=True, eq=False)
class Relaxation:
    """Where trajectories came to.

    Parameters
    ----------
    values : Tensor
        (species, B): last concentrations.
    times : Tensor
        (B,): when.
    rests : Tensor
        (B,), boolean: whether the trajectory is, within 1e-4, at a steady state that holds it.
    highest : Tensor
        (species, B): highest concentrations on the way.
    """

    values: Tensor
    times: Tensor
    rests: Tensor
    highest: Tensor


def relax(
    equations: RateEquations,
    y: Tensor,
    *,
    held: Tensor,
    max_steps: int = 800,
    tolerance: float = 1e-5,
) -> Relaxation:
    """Follow trajectories until they rest at a steady state or the steps are used up.

    A trajectory rests when Newton's correction is below 1e-4 of every concentration (1e-7 of a species'
    highest one, if that is more) and all eigenvalues of the Jacobian there have negative real parts. Close to
    an unstable state steps are kept short enough to leave it again; a trajectory rests there only where
    nothing but rounding could take it away, as that of a symmetric start does.

    Parameters
    ----------
    equations : RateEquations
        Without delays and without explicit time.
    y : Tensor
        (species, B): starts.
    held : Tensor
        (1 or B, species, species): projector on what no reaction changes, from
        `grn.networks.states.newton.held`.
    max_steps : int
        A cycle takes about 60.
    tolerance : float
        Relative error of a step; a thousandth of it, times a species' highest concentration, absolute.

    Returns
    -------
    Relaxation
        In the order of the starts. Trajectories that leave the finite numbers do not rest.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> from grn.networks.states.newton import held
    >>> system = circuits.toggle().system
    >>> equations = RateEquations(system)
    >>> course = relax(equations, equations.initial(), held=held(system))
    >>> bool(course.rests), round(float(course.values[0]), 2)
    (True, 155.76)
    """
    batch = y.shape[1]
    values, times = y.clone(), y.new_zeros(batch)
    rests = torch.zeros(batch, dtype=torch.bool, device=y.device)
    size = torch.maximum(y.abs(), y.abs().amax(0) * 1e-9)
    highest = size.clone()
    index = torch.arange(batch, device=y.device)  # of the trajectories still followed
    step = 0.01 / equations.slope_and_jacobian(y)[1].abs().sum(2).amax(1).clamp_min(1e-12)
    longest = torch.full_like(step, torch.inf)
    here, active, projector = y.clone(), equations, held
    for count in range(max_steps):
        slope, jacobian = active.slope_and_jacobian(here)
        if count % CHECK_EVERY == 0:
            resting, longest = _rest(active, here, slope, jacobian, projector, size)
            lost = ~torch.isfinite(slope).all(0) | (here.abs().amax(0) > 1e100)
            values[:, index], highest[:, index] = here, size
            rests[index] = resting & ~lost
            keep = ~(resting | lost)
            if not bool(keep.any()):
                index, here, size = index[:0], here[:, :0], size[:, :0]
                break
            if not bool(keep.all()):
                index, here, size, step = index[keep], here[:, keep], size[:, keep], step[keep]
                longest, slope, jacobian = longest[keep], slope[:, keep], jacobian[keep]
                active = members(active, keep)
                projector = projector[keep] if len(projector) > 1 else projector
        step = torch.minimum(step, longest)
        new, error = _advance(active, here, slope, jacobian, step)
        allowed = tolerance * (torch.maximum(here.abs(), new.abs()) + SMALL * size).clamp_min(1e-300)
        ratio = (error.abs() / allowed).square().mean(0).sqrt()
        ratio = torch.maximum(
            ratio, (-new / (100 * allowed)).amax(0)
        )  # noticeably below zero is an error too
        good = torch.isfinite(new).all(0) & (ratio <= 1)
        times[index] += torch.where(good, step, 0)
        here = torch.where(good, new.clamp_min(0), here)
        size = torch.maximum(size, here)
        factor = torch.where(torch.isfinite(ratio), 0.9 * ratio.clamp_min(1e-6) ** -0.25, 0.2)
        step = (step * factor.clamp(0.2, 5.0)).clamp_max(1e100)
    values[:, index], highest[:, index] = here, size
    return Relaxation(values, times, rests, highest)


def _rest(
    equations: RateEquations, y: Tensor, slope: Tensor, jacobian: Tensor, held: Tensor, size: Tensor
) -> tuple[Tensor, Tensor]:
    """Whether each trajectory rests, and the longest step that does not glue it to an unstable state."""
    away = correction(jacobian, slope, held).abs() / (y.abs() + SMALL * size).clamp_min(1e-300)
    distance = torch.where(torch.isfinite(away), away, torch.inf).amax(0)
    near = distance < 100 * NEAR_STATE
    growth = torch.full_like(distance, -torch.inf)
    if bool(near.any()):
        projector = held[near] if len(held) > 1 else held
        growth[near] = largest_real_part(jacobian[near], projector)
    resting = near & torch.where(growth < 0, distance < NEAR_STATE, distance < AT_SADDLE)
    if bool(resting.any()):
        scale = 2 * torch.where(growth < 0, NEAR_STATE, AT_SADDLE) * (y.abs() + SMALL * size)
        resting = resting & balanced(equations, y, slope, jacobian, scale)
    return resting, torch.where(near & (growth > 0), 1 / growth, torch.inf)


def _advance(
    equations: RateEquations, y: Tensor, slope: Tensor, jacobian: Tensor, step: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the end of a step, and the estimate of its error."""
    identity = torch.eye(len(y), dtype=y.dtype, device=y.device)
    matrix = identity / (GAMMA * step)[:, None, None] - jacobian
    factors, pivots, _ = torch.linalg.lu_factor_ex(matrix)
    stages: list[Tensor] = []
    at = y
    for weights, couplings in zip(STAGES, COUPLING, strict=True):
        if stages:
            known = torch.stack(stages)
            at = y + torch.einsum("k,ksb->sb", y.new_tensor(weights), known)
            right = equations(0.0, at) + torch.einsum("k,ksb->sb", y.new_tensor(couplings), known) / step
        else:
            right = slope
        stage = torch.linalg.lu_solve(factors, pivots, right.T[:, :, None])[:, :, 0].T
        stages.append(stage if equations.free is None else stage * equations.free)
    return at + stages[-1], stages[-1]


def members(equations: RateEquations, chosen: Tensor) -> RateEquations:
    """Equations of some members of the batch.

    Parameters
    ----------
    equations : RateEquations
        Of a batch, or of one parameter set for all (returned as they are).
    chosen : Tensor
        Indices, or (B,) booleans.

    Returns
    -------
    RateEquations
        Of those.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> system = circuits.toggle().system
    >>> of_two = RateEquations(system, parameters={"lacI.transcription": torch.tensor([1.0, 2.0])})
    >>> members(of_two, torch.tensor([1])).overrides
    {'lacI.transcription': tensor([2.])}
    """
    free = equations.free
    if equations.batch == 1 and (free is None or free.shape[1] == 1):
        return equations
    overrides = {
        name: value[chosen] if isinstance(value, torch.Tensor) and value.numel() > 1 else value
        for name, value in equations.overrides.items()
    }
    clamped: Tensor | tuple[str, ...] = ()
    if free is not None:
        clamped = (free[:, chosen] if free.shape[1] > 1 else free) == 0
    return RateEquations(
        equations.system,
        parameters=overrides,
        clamped=clamped,
        device=equations.device,
        dtype=equations.dtype,
    )
