"""Limit cycles: found by following a trajectory, made accurate by shooting, judged by Floquet multipliers."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.integrate import LSODA

from grn.networks.states.newton import held, largest_real_part, reachable, refine
from grn.networks.states.shooting import integrate_to, shoot, slope_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from grn.networks.equations import RateEquations

    Array = NDArray[np.float64]

POINTS = 201  # of a cycle, both ends included
FINE = 4000  # intervals in which mean and extremes are sought
MOST_RETURNS = 12  # crossings of the section in one period
RECURRENCE = 0.02  # of the amplitude: how near a return must come to be worth shooting from
NO_AMPLITUDE = 1e-5  # relative swing below which a trajectory counts as at rest
UNBOUNDED = 1e100  # concentration from which a trajectory counts as growing without bound
BLOWN_UP = 1e6  # growth, of the largest concentration, after which a failure of the integrator is due to it
GROWS = "the trajectory grows without bound"
STABILITY_MARGIN = 1e-6  # of a multiplier's distance from 1


@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """A limit cycle.

    Parameters
    ----------
    species : tuple of str
        Names, in the order of the values.
    period : float
        In the time unit of the model.
    times : Tensor
        (T,): one period, from 0; both ends included.
    values : Tensor
        (T, species): concentrations.
    minimum, maximum, mean : Tensor
        (species,): over the period; the mean is over time.
    multipliers : Tensor
        (species - conserved - 1,): Floquet multipliers by falling modulus, complex; the one that is 1 because
        it belongs to a shift along the cycle is left out.
    stable : bool
        Whether all multipliers lie inside the unit circle by more than 1e-6.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> from grn.networks.equations import RateEquations
    >>> equations = RateEquations(circuits.goodwin().system)
    >>> cycle = find_cycle(equations, equations.initial()[:, 0])
    >>> f"{cycle.period:.5f}", cycle.stable
    ('3.71610', True)
    """

    species: tuple[str, ...]
    period: float
    times: Tensor
    values: Tensor
    minimum: Tensor
    maximum: Tensor
    mean: Tensor
    multipliers: Tensor
    stable: bool

    def distance(self, y: Tensor) -> float:
        """Distance of a state from the orbit, the swing of each species taken as 1; (species,) as ``y``."""
        swing = (self.maximum - self.minimum).clamp_min(1e-9 * float(self.maximum.max()))
        orbit, point = self.values / swing, y / swing
        along = orbit[1:] - orbit[:-1]
        place = ((point - orbit[:-1]) * along).sum(1) / along.square().sum(1).clamp_min(1e-300)
        nearest = orbit[:-1] + place.clamp(0, 1)[:, None] * along
        return float((point - nearest).abs().amax(1).min())


@dataclass(frozen=True, slots=True)
class CycleSearch:
    """What came of looking for a limit cycle.

    Parameters
    ----------
    cycle : Cycle or None
        The limit cycle that the trajectory reaches.
    reason : str
        Why there is none.
    final : Tensor
        (species,): where the trajectory was when that was clear.
    """

    cycle: Cycle | None
    reason: str
    final: Tensor


def find_cycle(equations: RateEquations, y: Tensor, *, max_steps: int = 20_000) -> Cycle | None:
    """Limit cycle that the trajectory from ``y`` reaches, if it reaches one; see `search_cycle`.

    Parameters
    ----------
    equations : RateEquations
        Of one parameter set.
    y : Tensor
        (species,): concentrations at time 0.
    max_steps : int
        Steps of the integrator before giving up.

    Returns
    -------
    Cycle or None
        With the period accurate to about 1e-8 of it.

    Raises
    ------
    ValueError
        As `search_cycle`.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> from grn.networks.equations import RateEquations
    >>> equations = RateEquations(circuits.toggle().system)
    >>> find_cycle(equations, equations.initial()[:, 0]) is None
    True
    """
    return search_cycle(equations, y, max_steps=max_steps).cycle


def search_cycle(equations: RateEquations, y: Tensor, *, max_steps: int = 20_000) -> CycleSearch:
    """Look for the limit cycle that the trajectory from ``y`` reaches, and say why where there is none.

    The trajectory is followed by LSODA, which copes with stiffness. Its crossings of a plane, through the
    mean and across the species that swings most, are compared; where one comes back to another, within 2 % of
    the swing, shooting takes over: Newton's method for a state and a period with ``y(period) = y(0)``, in
    shortest steps, the sensitivities by central differences in one joint integration. A spiral, however
    slowly it decays, ends at its steady state there and is told by that. An orbit that is not stable, or that
    the trajectory neither is on nor comes nearer to, is not accepted, and the trajectory is followed further.

    Parameters
    ----------
    equations : RateEquations
        Of one parameter set.
    y : Tensor
        (species,): concentrations at time 0.
    max_steps : int
        Steps of the integrator before giving up.

    Returns
    -------
    CycleSearch
        The cycle, or the reason.

    Raises
    ------
    ValueError
        If ``y`` does not fit, is negative or not finite, the equations are of a batch, use delayed values or
        the time.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> from grn.networks.equations import RateEquations
    >>> equations = RateEquations(circuits.toggle().system)
    >>> search_cycle(equations, equations.initial()[:, 0]).reason
    'the trajectory comes to rest at a steady state'
    """
    _check(equations, y)
    if max_steps < 1:
        raise ValueError(f"max_steps must be a positive integer, got {max_steps}")
    path = _Path(equations, y)
    window = min(500, max_steps)
    while True:
        steps = len(path.times) - 1
        failure = path.advance(min(window, max_steps - steps))
        found: Cycle | str | None = failure
        if failure != GROWS:  # an integrator may fail long after the trajectory came to rest
            found = _judge(equations, path) or failure
        if found is None and path.ended:
            found = GROWS if path.grown() else "the trajectory still moves when the integrator's time ends"
        if found is None and len(path.times) - 1 >= max_steps:
            found = (
                f"the trajectory neither rests nor repeats itself within {max_steps} steps: quasi-periodic, "
                "chaotic, or very slow to settle (raise max_steps)"
            )
        if found is not None:
            final = torch.from_numpy(np.maximum(path.states[-1], 0.0)).to(equations.device)
            return (
                CycleSearch(None, found, final) if isinstance(found, str) else CycleSearch(found, "", final)
            )
        window = len(path.times)  # twice as far each time: what is past is forgotten as transient


def _check(equations: RateEquations, y: Tensor) -> None:
    program = equations.system.derivatives
    if program.delayed:
        name, delay = program.delayed[0]
        raise ValueError(
            f"cycles of a model with delays cannot be found ({name!r} acts {delay:g} late): use ErlangDelay, "
            "a chain of species, in place of a constant delay"
        )
    if program.depends_on_time:
        raise ValueError("cycles need rate laws that do not depend on time: make the forcing a species")
    if equations.batch != 1:
        raise ValueError(
            f"cycles are found for one parameter set at a time, got a batch of {equations.batch}"
        )
    if y.shape != (len(equations.species),):
        raise ValueError(f"y must have shape ({len(equations.species)},), got {tuple(y.shape)}")
    if not bool(torch.isfinite(y).all()) or bool((y < 0).any()):
        raise ValueError(f"y must hold non-negative finite concentrations, got {y.tolist()}")


class _Path:
    """A trajectory, step by step."""

    def __init__(self, equations: RateEquations, y: Tensor) -> None:
        start = y.detach().cpu().to(torch.float64).numpy()
        self.slope = slope_of(equations, 1)
        scale = max(float(np.abs(start).max()), 1e-12)
        self.scale = scale
        self.solver = LSODA(self.slope, 0.0, start, t_bound=1e300, rtol=1e-8, atol=1e-11 * scale)
        self.size = np.maximum(np.abs(start), 1e-9 * scale)
        self.times = [0.0]
        self.states = [start]

    def advance(self, steps: int) -> str | None:
        """Take steps; return what is wrong if the integrator fails."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="lsoda")  # its failures are reported below
            for _ in range(steps):
                if self.ended:
                    break
                message = self.solver.step()
                if self.solver.status == "failed" or not np.isfinite(self.solver.y).all():
                    if self.grown():
                        return GROWS
                    return f"the integrator failed at time {self.times[-1]:g} ({message})"
                self.times.append(float(self.solver.t))
                self.states.append(self.solver.y.copy())
                self.size = np.maximum(self.size, np.abs(self.states[-1]))
                if np.abs(self.states[-1]).max() > UNBOUNDED:
                    return GROWS
                if len(self.times) > 100 and self.times[-1] == self.times[-100]:  # it cannot get ahead
                    stuck = f"the integrator is stuck at time {self.times[-1]:g}"
                    return GROWS if self.grown() else stuck
        return None

    @property
    def ended(self) -> bool:
        """Whether the integrator can go no further."""
        return self.solver.status != "running" or self.times[-1] > 1e250

    def grown(self) -> bool:
        """Whether the trajectory has come far above where it began, and is at its highest."""
        largest = np.abs(self.states[-1]).max()
        begin = max(float(np.abs(self.states[0]).max()), self.scale)
        return bool(largest > BLOWN_UP * begin and largest >= 0.99 * self.size.max())

    def recent(self) -> tuple[Array, Array]:
        """Times and states of the second half."""
        half = len(self.times) // 2
        return np.array(self.times[half:]), np.array(self.states[half:])


def _judge(equations: RateEquations, path: _Path) -> Cycle | str | None:
    """Cycle that the recent trajectory is on, or why there will be none; None where that is not yet clear."""
    times, states = path.recent()
    span = times[-1] - times[0]
    if not span > 0:
        return None
    swing = states.max(0) - states.min(0)
    relative = swing / np.maximum(states.max(0), 1e-9 * path.size)
    mean = (0.5 * (states[1:] + states[:-1]) * np.diff(times)[:, None]).sum(0) / span
    if relative.max() < NO_AMPLITUDE or _at_rest(equations, states[-1], NO_AMPLITUDE):
        return "the trajectory comes to rest at a steady state"
    widest = int(np.argmax(relative))
    crossing_times, crossings = _crossings(path.slope, times, states, widest, mean[widest])
    back = _recurrence(crossings, swing)
    if back is None:
        return None
    orbit = shoot(equations, crossings[-1], crossing_times[-1] - crossing_times[-1 - back], swing)
    if orbit is None:
        return None
    start, period, monodromy = orbit
    return _accept(equations, start, period, monodromy, crossings[::-back][::-1], swing)


def _at_rest(equations: RateEquations, state: Array, within: float) -> bool:
    """Whether a stable steady state lies within a relative distance."""
    y = torch.from_numpy(state)[:, None].to(equations.device)
    projector = held(equations.system, None if equations.free is None else equations.free == 0, y)
    found = refine(equations, y, held=projector)
    apart = (found.values - y).abs() / (y.abs() + 1e-3 * y.abs().amax()).clamp_min(1e-300)
    if not (bool(found.converged) and float(apart.max()) < within):
        return False
    return bool(largest_real_part(equations.slope_and_jacobian(found.values)[1], projector) < 0)


def _crossings(
    slope: Callable[[float, Array], Array], times: Array, states: Array, species: int, level: float
) -> tuple[Array, Array]:
    """Times and states where one species rises through a level, on the cubic through values and slopes."""
    x = states[:, species] - level
    at = np.nonzero((x[:-1] < 0) & (x[1:] >= 0))[0][-4 * MOST_RETURNS :]
    found_times, found = [], []
    for k in at:
        h = times[k + 1] - times[k]
        rise, fall = slope(times[k], states[k]), slope(times[k + 1], states[k + 1])
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = 0.5 * (low + high)
            if _cubic(middle, h, states[k], states[k + 1], rise, fall)[species] < level:
                low = middle
            else:
                high = middle
        found_times.append(times[k] + high * h)
        found.append(_cubic(high, h, states[k], states[k + 1], rise, fall))
    return np.array(found_times), np.array(found)


def _cubic(s: float, h: float, left: Array, right: Array, rise: Array, fall: Array) -> Array:
    return (
        (1 + 2 * s) * (1 - s) ** 2 * left
        + s * (1 - s) ** 2 * h * rise
        + s * s * (3 - 2 * s) * right
        + s * s * (s - 1) * h * fall
    )


def _recurrence(crossings: Array, swing: Array) -> int | None:
    """Return how many crossings ago the trajectory was where it is."""
    if len(crossings) < 3:
        return None
    weights = 1 / np.maximum(swing, 1e-9 * swing.max())
    for back in range(1, min(MOST_RETURNS, len(crossings) - 2) + 1):
        # two returns in a row: chance brings one
        last = np.abs((crossings[-1] - crossings[-1 - back]) * weights).max()
        before = np.abs((crossings[-2] - crossings[-2 - back]) * weights).max()
        if max(last, before) < RECURRENCE:
            return back
    return None


def _accept(
    equations: RateEquations,
    start: Array,
    period: float,
    monodromy: Array,
    crossings: Array,
    swing: Array,
) -> Cycle | str | None:
    """Make the cycle of a converged orbit, unless it is a steady state or not what the trajectory nears."""
    slope = slope_of(equations, 1)
    moving = np.abs(slope(0.0, start)) * period / np.maximum(swing, 1e-9 * swing.max())
    if moving.max() < 1e-3:
        if _at_rest(equations, start, 1e-2):
            return "the trajectory spirals into a steady state"
        return None
    outputs, _ = integrate_to(slope, start, period, swing, len(start))
    fine = np.linspace(0.0, period, FINE + 1)
    edges = np.array([output.t for output in outputs])
    which = np.minimum(np.searchsorted(edges, fine), len(outputs) - 1)
    values = np.empty((FINE + 1, len(start)))
    for k in np.unique(which):
        values[which == k] = outputs[k](fine[which == k]).T
    swung = values.max(0) - values.min(0)
    if (swung / np.maximum(values.max(0), 1e-300)).max() < NO_AMPLITUDE:
        return None
    multipliers = np.linalg.eigvals(monodromy)
    order = np.argsort(np.abs(multipliers - 1))
    conserved = len(start) - _directions(equations)
    rest_of = multipliers[order[1 + conserved :]]
    rest_of = rest_of[np.argsort(-np.abs(rest_of))]
    stable = bool((np.abs(rest_of) < 1 - STABILITY_MARGIN).all())
    weights = np.maximum(swung, 1e-9 * swung.max())
    away = [np.abs((values - point) / weights).max(1).min() for point in (crossings[0], crossings[-1])]
    # An orbit that repels is not where a trajectory goes; a far one that comes no nearer may be passed by.
    if not stable or (away[1] > 0.1 and not away[1] < away[0]):
        return None
    low, high = _extremes(values)
    every = FINE // (POINTS - 1)

    def tensor(array: Array) -> Tensor:
        return torch.from_numpy(array).to(equations.device)

    return Cycle(
        equations.species,
        float(period),
        tensor(fine[::every]),
        tensor(values[::every].copy()),
        tensor(np.maximum(low, 0.0)),
        tensor(high),
        tensor(values[:-1].mean(0)),
        torch.from_numpy(rest_of.astype(np.complex128)).to(equations.device),
        stable,
    )


def _directions(equations: RateEquations) -> int:
    clamped = None if equations.free is None else (equations.free[:, 0] == 0).cpu().numpy()
    return int(reachable(equations.system, clamped).shape[1])


def _extremes(values: Array) -> tuple[Array, Array]:
    """Lowest and highest, of the parabolas through the extreme points and their neighbours."""
    ring = values[:-1]
    found = []
    for sign in (-1.0, 1.0):
        x = sign * ring
        at = x.argmax(0)
        columns = np.arange(x.shape[1])
        before, here, after = (x[(at + k) % len(x), columns] for k in (-1, 0, 1))
        bend = before - 2 * here + after
        peak = here - np.where(bend < 0, (after - before) ** 2 / (8 * np.where(bend < 0, bend, -1.0)), 0.0)
        found.append(sign * peak)
    return found[0], found[1]
