"""Steady states of a model: all that many starts lead to, what the time course reaches, what oscillates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch

from grn.networks.equations import RateEquations
from grn.networks.states.autonomous import as_system, without_delays
from grn.networks.states.cycles import Cycle, search_cycle
from grn.networks.states.newton import FLOOR, held, largest_real_part, reachable, refine
from grn.networks.states.relaxation import SMALL, members, relax
from grn.networks.states.starts import given_starts, random_starts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from grn.networks.network import GeneNetwork
    from grn.networks.reactions import ReactionSystem
    from grn.networks.states.relaxation import Relaxation
    from grn.networks.states.starts import Bounds

Verdict = Literal["stable", "oscillates", "undetermined", "unstable"]

SAME = 1e-5  # relative distance of two solutions that are one state
MARGIN = 1e-7  # of the largest eigenvalue's modulus: real parts closer to 0 decide nothing
POLISHED = 0.05  # relative distance that polishing may move the end of a time course
ON_CYCLE = 0.02  # of the swing: distance from an orbit that counts as on it
MEMORY = 2**24  # entries of the Jacobians held at once
STEPS = 200  # of the time courses between two looks at which of them are on a known cycle
MOST_LOOKS = 10
MOST_BETWEEN = 12  # states between which unstable ones are sought: pairs grow with the square
MOST_SEARCHES = 16  # for cycles: each takes a good part of a second


@dataclass(frozen=True, slots=True, eq=False)
class SteadyState:
    """A steady state, or an oscillation in place of one.

    Parameters
    ----------
    species : tuple of str
        Names, in the order of the values.
    verdict : {"stable", "oscillates", "undetermined", "unstable"}
        "stable": all eigenvalues have negative real parts. "unstable": one has a positive real part; saddles
        and the steady states within oscillations. "undetermined": the largest real part is within 1e-7 of the
        largest modulus of zero, or the model has delays, whose stability these eigenvalues do not tell.
        "oscillates": a stable limit cycle.
    values : Tensor
        (species,): concentrations; of an oscillation their averages over time.
    eigenvalues : Tensor
        Complex, by falling real part: of the Jacobian within the directions that reactions can move in, so
        without the zeros of conserved quantities and clamped species. Empty for an oscillation.
    reached_from : int
        How many of the starts the time course takes here. 0 for states that only Newton's method finds.
    residual : float
        Largest correction that Newton's method would still make, relative to the concentrations.
    cycle : Cycle, optional
        Of an oscillation.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> state = steady_states(circuits.goodwin(), starts=4)[0]
    >>> state.verdict, f"{state.period:.4f}", f"{state['enzyme']:.4f}"
    ('oscillates', '3.7161', '1.2927')
    """

    species: tuple[str, ...]
    verdict: Verdict
    values: Tensor
    eigenvalues: Tensor
    reached_from: int
    residual: float = 0.0
    cycle: Cycle | None = None

    def __getitem__(self, name: str) -> float:
        """Concentration of one species; its average over time in an oscillation."""
        if name not in self.species:
            raise KeyError(f"no species {name!r}: those are {', '.join(self.species)}")
        return float(self.values[self.species.index(name)])

    @property
    def period(self) -> float | None:
        """Period of an oscillation, in the time unit of the model."""
        return None if self.cycle is None else self.cycle.period

    @property
    def minimum(self) -> Tensor:
        """(species,): lowest concentrations; those of the state where it does not oscillate."""
        return self.values if self.cycle is None else self.cycle.minimum

    @property
    def maximum(self) -> Tensor:
        """(species,): highest concentrations; those of the state where it does not oscillate."""
        return self.values if self.cycle is None else self.cycle.maximum


@dataclass(frozen=True, slots=True, eq=False)
class SteadyStates:
    """All states found, a sequence: stable ones first, then oscillations, undetermined and unstable ones.

    Parameters
    ----------
    states : tuple of SteadyState
        Within a verdict, those reached from more starts first.
    starts : int
        Number of starts.
    unresolved : tuple of str
        Why, for each time course whose end is unknown.
    search_cut : bool
        Whether there were more than 12 states to look between. Unstable states are then sought between the
        first 12 alone, and some may be missing: give ``starts`` near those wanted.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> found = steady_states(circuits.toggle(), starts=32)
    >>> [(state.verdict, round(state["lacI"], 4)) for state in found]
    [('stable', 155.7634), ('stable', 0.3324), ('unstable', 1.3165)]
    """

    states: tuple[SteadyState, ...]
    starts: int
    unresolved: tuple[str, ...] = ()
    search_cut: bool = False

    def __len__(self) -> int:
        return len(self.states)

    def __iter__(self) -> Iterator[SteadyState]:
        return iter(self.states)

    def __getitem__(self, index: int) -> SteadyState:
        return self.states[index]

    def of(self, verdict: Verdict) -> tuple[SteadyState, ...]:
        """States of one verdict."""
        return tuple(state for state in self.states if state.verdict == verdict)


class Settled(NamedTuple):
    """Ends of the time courses of a batch.

    Parameters
    ----------
    values : Tensor
        (B, species): steady states; where not converged, the last concentrations.
    converged : Tensor
        (B,), boolean: whether the time course comes to rest.
    stable : Tensor
        (B,), boolean: whether at a stable state; False at a saddle that a symmetric start runs into.
    """

    values: Tensor
    converged: Tensor
    stable: Tensor


def steady_states(
    model: ReactionSystem | GeneNetwork,
    *,
    parameters: Mapping[str, float] | None = None,
    starts: int | Tensor = 64,
    seed: int = 0,
    bounds: Bounds | None = None,
    clamped: Iterable[str] | Mapping[str, float] = (),
    tolerance: float = 1e-9,
    detect_cycles: bool = True,
) -> SteadyStates:
    """Find the steady states of one parameter set, and the oscillations that the time course reaches.

    Starts are the model's initial state and scrambled Sobol points: half of them spaced linearly within the
    bounds, a quarter logarithmically over the four decades below the upper bound, and, without given bounds,
    a quarter over the four decades below a higher one, that of the transients and of what production could
    sustain. Each is moved to the model's own totals where the reactions conserve something. Every start is
    followed in time by an implicit method until it rests (`grn.networks.states.relaxation`), then polished by
    Newton's method; what does not rest is handed to `grn.networks.states.cycles`. Saddles are found by
    Newton's method from all starts, and from points between the first 12 states found (``search_cut`` tells
    whether there were more). A solution of Newton's method counts only where the slopes vanish, as against
    what is made and lost there.

    Parameters
    ----------
    model : ReactionSystem or GeneNetwork
        Its rates must not depend on time. With delays, steady states are those of the model without them
        (the delayed values equal the present ones), all "undetermined", and ``reached_from`` is 0.
    parameters : mapping of str to float, optional
        Values other than the model's.
    starts : int or Tensor
        Number of random starts, beside the initial state; or (B, species) starts to use alone, which
        keep their own totals.
    seed : int
        Of the random starts.
    bounds : (low, high) or mapping of str to (low, high), optional
        Of random starts, one for all species or for some. By default from 0 to 1.5 times the highest level at
        the ends of exploratory time courses, whose starts are spread over nine decades, and for a quarter of
        the starts up to the highest level that is passed on the way, or that production could sustain.
    clamped : iterable or mapping of str to float
        Species that are held, at their initial concentration or the one given.
    tolerance : float
        Largest relative correction of Newton's method at a solution. Solutions within 1e-5 of each other,
        relative to each concentration or to 1e-6 of the largest, are one state.
    detect_cycles : bool
        Whether to look for limit cycles; else what does not rest is only counted as unresolved.

    Returns
    -------
    SteadyStates
        Also those that no start reaches.

    Raises
    ------
    ValueError
        If a name is unknown, bounds, starts or the tolerance make no sense, a parameter is a batch, or a rate
        depends on time.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> for state in steady_states(circuits.symmetric_toggle(), starts=32):
    ...     print(state.verdict, [f"{value:.4f}" for value in sorted(state.values.tolist())])
    stable ['0.2679', '3.7321']
    stable ['0.2679', '3.7321']
    unstable ['1.3788', '1.3788']
    """
    _check_tolerance(tolerance)
    if isinstance(clamped, str):
        raise ValueError(f"clamped must be an iterable of species or a mapping, got the string {clamped!r}")
    given = as_system(model)
    system = without_delays(given)
    names = tuple(clamped)
    equations = RateEquations(system, parameters=parameters, clamped=names)
    if equations.batch != 1:
        raise ValueError(
            f"steady_states takes one parameter set, got a batch of {equations.batch}: use settle for those"
        )
    levels = dict(clamped) if isinstance(clamped, Mapping) else {}
    initial = equations.initial(levels)
    projector = held(system, None if equations.free is None else equations.free == 0)
    if isinstance(starts, torch.Tensor):
        points = given_starts(starts, system, initial, equations.free)
    else:
        points = random_starts(equations, initial, projector, starts, seed, bounds)
    search = _Search(equations, projector, tolerance)
    if given.delays:
        search.add(points)
        return SteadyStates(search.states(undetermined=True), points.shape[1])
    search.follow(points, detect_cycles)
    search.add(points)
    search.add_between()
    return SteadyStates(search.states(), points.shape[1], tuple(search.unresolved), search.cut)


def settle(
    model: ReactionSystem | GeneNetwork,
    *,
    parameters: Mapping[str, float | Tensor] | None = None,
    start: Mapping[str, float | Tensor] | None = None,
    clamped: Iterable[str] | Tensor = (),
    tolerance: float = 1e-9,
    max_steps: int = 2000,
    device: torch.device | str = "cpu",
) -> Settled:
    """Steady states that the time courses of a batch reach, one start each.

    Each is followed until it rests and polished by Newton's method; a polish that moves a concentration by
    more than 5 % (or 5e-5 of its highest on the way) has left for another state and counts as not converged.

    Parameters
    ----------
    model : ReactionSystem or GeneNetwork
        Without constant delays and rates that depend on time.
    parameters : mapping of str to float or Tensor, optional
        Values other than the model's: numbers, or (B,) tensors.
    start : mapping of str to float or Tensor, optional
        Concentrations at time 0 other than the model's: numbers, or (B,) tensors.
    clamped : iterable of str, or Tensor
        Species held at their start; a boolean (species, B) tensor where that differs over the batch.
    tolerance : float
        Largest relative correction of Newton's method at a solution.
    max_steps : int
        Of the time course; what has not come to rest by then is not converged. A cycle takes about 100.
    device : optional
        CPU by default; float64 in any case.

    Returns
    -------
    Settled
        ``(values, converged, stable)``.

    Raises
    ------
    ValueError
        If a name is unknown, batch sizes differ, the tolerance makes no sense, or the model has delays.

    Examples
    --------
    >>> import torch
    >>> from grn.networks import circuits
    >>> strengths = {"x.weight.x": torch.tensor([1.0, 3.0])}
    >>> model = circuits.positive_autoregulation()
    >>> values, converged, stable = settle(model, parameters=strengths, start={"x": 2.0})
    >>> values[:, 0], stable
    (tensor([0.0000, 2.6180], dtype=torch.float64), tensor([True, True]))
    """
    _check_tolerance(tolerance)
    if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 1:
        raise ValueError(f"max_steps must be a positive integer, got {max_steps!r}")
    if isinstance(clamped, str):
        raise ValueError(f"clamped must be an iterable of species or a tensor, got the string {clamped!r}")
    system = as_system(model)
    if system.delays:
        name, delay = system.delays[0]
        raise ValueError(
            f"settle follows time courses and knows no delays ({name!r} acts {delay:g} late): use "
            "steady_states for the states alone, or ErlangDelay in place of a constant delay"
        )
    with torch.no_grad():
        equations = RateEquations(system, parameters=parameters, clamped=clamped, device=device)
        width = 1 if equations.free is None else equations.free.shape[1]
        initial = equations.initial(start, batch=width)
        most = max(1, MEMORY // len(initial) ** 2)
        parts = []
        for first in range(0, initial.shape[1], most):
            chosen = torch.arange(first, min(first + most, initial.shape[1]), device=initial.device)
            parts.append(_settle(members(equations, chosen), initial[:, chosen], tolerance, max_steps))
        return Settled(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _check_tolerance(tolerance: float) -> None:
    number = isinstance(tolerance, int | float) and not isinstance(tolerance, bool)
    if not (number and 0 < tolerance < 1e-3):
        raise ValueError(f"tolerance must be a relative error above 0 and below 1e-3, got {tolerance!r}")


def _settle(equations: RateEquations, initial: Tensor, tolerance: float, max_steps: int) -> Settled:
    projector = held(equations.system, None if equations.free is None else equations.free == 0, initial)
    course = relax(equations, initial, held=projector, max_steps=max_steps)
    polished, stayed = _polish(equations, course, projector, tolerance)
    converged = course.rests & stayed
    values = torch.where(converged, polished, course.values)
    growth = largest_real_part(equations.slope_and_jacobian(values)[1], projector)
    return Settled(values.T, converged, converged & (growth < 0))


def _polish(
    equations: RateEquations, course: Relaxation, projector: Tensor, tolerance: float
) -> tuple[Tensor, Tensor]:
    """Newton's solutions from the ends of time courses, and which of them are near."""
    polished = refine(equations, course.values, held=projector, tolerance=tolerance)
    scale = course.values.abs() + SMALL * course.highest
    near = ((polished.values - course.values).abs() <= POLISHED * scale).all(0)
    return polished.values, polished.converged & near


class _Search:
    """Collects the states of one parameter set."""

    def __init__(self, equations: RateEquations, projector: Tensor, tolerance: float) -> None:
        self.equations = equations
        self.projector = projector
        self.tolerance = tolerance
        self.found: list[Tensor] = []
        self.reached: list[int] = []
        self.cycles: list[Cycle] = []
        self.on_cycle: list[int] = []
        self.unresolved: list[str] = []
        self.cut = False

    def follow(self, points: Tensor, detect_cycles: bool) -> None:
        """Decide by the time course where each start leads."""
        waiting = self._relax(points)
        searches = 0
        for look in range(MOST_LOOKS if detect_cycles else 1):
            # one search at first: what the others need may be a little more time, or the same cycle
            for _ in range(0 if not detect_cycles or look % 3 else 5 if look else 1):
                if not waiting.shape[1] or searches == MOST_SEARCHES:
                    break
                searches += 1
                self._search(waiting[:, 0])
                waiting = self._assign(waiting[:, 1:])
            if waiting.shape[1]:
                waiting = self._assign(self._relax(waiting))
        self.unresolved += [
            "the time course neither comes to rest nor joins a known cycle within the steps it is given"
        ] * waiting.shape[1]

    def _relax(self, points: Tensor) -> Tensor:
        """Follow trajectories; count those that rest and return the ends of the others."""
        course = relax(self.equations, points, held=self.projector, max_steps=STEPS)
        polished, stayed = _polish(self.equations, course, self.projector, self.tolerance)
        resting = course.rests & stayed
        for k in resting.nonzero()[:, 0].tolist():
            self.reached[self._place(polished[:, k])] += 1
        return course.values[:, ~resting]

    def _search(self, y: Tensor) -> None:
        if not bool(torch.isfinite(y).all()):
            self.unresolved.append("the time course leaves the finite numbers")
            return
        result = search_cycle(self.equations, y)
        if result.cycle is not None:
            known = [k for k, cycle in enumerate(self.cycles) if _same_cycle(cycle, result.cycle)]
            if not known:
                self.cycles.append(result.cycle)
                self.on_cycle.append(0)
            self.on_cycle[known[0] if known else -1] += 1
            return
        end = refine(self.equations, result.final[:, None], held=self.projector, tolerance=self.tolerance)
        growth = largest_real_part(self.equations.slope_and_jacobian(end.values)[1], self.projector)
        if "steady state" in result.reason and bool(end.converged) and bool(growth < 0):
            self.reached[self._place(end.values[:, 0])] += 1
        else:
            self.unresolved.append(result.reason)

    def _assign(self, waiting: Tensor) -> Tensor:
        """Count trajectories that are on a known cycle; return the others."""
        left = []
        for k in range(waiting.shape[1]):
            distances = [cycle.distance(waiting[:, k]) for cycle in self.cycles]
            if distances and min(distances) < ON_CYCLE:
                self.on_cycle[int(np.argmin(distances))] += 1
            else:
                left.append(k)
        return waiting[:, left]

    def add(self, points: Tensor) -> None:
        """Newton's method from points, and from the means of cycles."""
        means = [cycle.mean for cycle in self.cycles]
        points = torch.cat([points, torch.stack(means, 1)], 1) if means else points
        ends = refine(self.equations, points, held=self.projector, tolerance=self.tolerance)
        for k in ends.converged.nonzero()[:, 0].tolist():
            self._place(ends.values[:, k])

    def add_between(self) -> None:
        """Newton's method from points between the states found: saddles lie there."""
        many = self.found[:MOST_BETWEEN]
        self.cut = len(self.found) > MOST_BETWEEN
        pairs = [
            (a, b)
            for k, a in enumerate(many)
            for b in many[k + 1 :]
            if float((self.projector[0] @ (a - b)).abs().max()) <= SAME * float(torch.maximum(a, b).max())
        ]
        if pairs:
            points = [a + part * (b - a) for a, b in pairs for part in (0.05, 0.2, 0.5, 0.8, 0.95)]
            self.add(torch.stack(points, 1))

    def _place(self, y: Tensor) -> int:
        """Number of a state, that of the known one where it is one of those."""
        for k, known in enumerate(self.found):
            scale = torch.maximum(y.abs(), known.abs()) + FLOOR * float(
                torch.maximum(y.abs(), known.abs()).max()
            )
            if bool(((y - known).abs() <= SAME * scale.clamp_min(1e-300)).all()):
                return k
        self.found.append(y.clone())
        self.reached.append(0)
        return len(self.found) - 1

    def states(self, *, undetermined: bool = False) -> tuple[SteadyState, ...]:
        """Return them with their verdicts, in order."""
        names = self.equations.species
        made = [
            SteadyState(
                names, "oscillates", cycle.mean, torch.empty(0, dtype=torch.complex128), count, 0.0, cycle
            )
            for cycle, count in zip(self.cycles, self.on_cycle, strict=True)
        ]
        if self.found:
            y = torch.stack(self.found, 1)
            residuals = refine(self.equations, y, held=self.projector, iterations=1).residual.tolist()
            free = self.equations.free
            basis = reachable(self.equations.system, None if free is None else (free[:, 0] == 0).numpy())
            for k, jacobian in enumerate(self.equations.slope_and_jacobian(y)[1].numpy()):
                values = np.linalg.eigvals(basis.T @ jacobian @ basis).astype(np.complex128)
                values = values[np.argsort(-values.real)]
                verdict = "undetermined" if undetermined else _verdict(values)
                eigenvalues = torch.from_numpy(values)
                made.append(
                    SteadyState(names, verdict, self.found[k], eigenvalues, self.reached[k], residuals[k])
                )
        order: tuple[Verdict, ...] = ("stable", "oscillates", "undetermined", "unstable")
        return tuple(sorted(made, key=lambda state: (order.index(state.verdict), -state.reached_from)))


def _verdict(eigenvalues: np.ndarray) -> Verdict:
    if not eigenvalues.size:
        return "undetermined"
    growth, margin = eigenvalues.real.max(), MARGIN * np.abs(eigenvalues).max()
    if abs(growth) <= margin:
        return "undetermined"
    return "stable" if growth < 0 else "unstable"


def _same_cycle(a: Cycle, b: Cycle) -> bool:
    return abs(a.period - b.period) < 1e-5 * a.period and a.distance(b.values[0]) < ON_CYCLE
