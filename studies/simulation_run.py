"""What the simulate study computes: trajectories, steady states or attractors, a bifurcation diagram."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from grn.networks.equations import RateEquations
from grn.networks.network import GeneNetwork
from grn.networks.perturb import Clamp, Knockout
from grn.networks.reactions import ReactionSystem
from grn.networks.simulate import STOCHASTIC, Simulation, simulate
from grn.networks.states.continuation import continue_states
from grn.networks.states.newton import held
from grn.networks.states.starts import random_starts
from grn.networks.states.steady import SteadyStates, steady_states
from studies.simulation_ends import attractors, ends_of, one_each
from studies.simulation_model import check_name, choose_pair, choose_parameter

if TYPE_CHECKING:
    from torch import Tensor

    from grn.networks.states.continuation import Diagram
    from studies.simulation_ends import Ends
    from studies.simulation_model import Loaded
    from studies.simulation_options import Request

PERIODS = 10  # of a limit cycle, shown when the time is not given
POINTS, POINTS_A_PERIOD, MOST_POINTS = 401, 100, 4001
SETTLED = 0.01  # of a species' range over time: nearer to its end it counts as settled
LOWEST_DECADE = -3  # of random starts that are spread evenly over decades
DOUBLINGS = 12  # of the time in which a trajectory may settle
CONTINUATION_STARTS = 8  # at each of three values; more is slow and finds the same in small networks
MOST_SHOWN = 8  # trajectories shown when none is asked for: one to each attractor
MOST_TRIED = 64  # random starts among which those are sought
MOST_SPECIES = 60  # of a bifurcation diagram that nobody asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRow:
    """A line of steady_states.csv. Values are means over an oscillation, lows and highs its extremes."""

    verdict: str
    period: float | None
    values: tuple[float, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    reached: int  # from how many starts; of a Boolean attractor the states of its basin


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Everything that the files and the page are made of."""

    loaded: Loaded
    simulation: Simulation
    rows: tuple[StateRow, ...]
    until: str  # how long it was simulated, and why
    reference: Simulation | None = None  # without the perturbations
    states: SteadyStates | None = None
    ends: Ends = ()  # of rate equations: the state in which each trajectory ends
    own: bool = True  # whether the first trajectory begins where the model does
    pair: tuple[str, str] | None = None
    diagram: Diagram | None = None
    current: float | None = None  # the diagram's parameter in the model
    notes: Mapping[str, str] = field(default_factory=dict)  # why a part of the page is missing, or how chosen


Say = Callable[[str], None]


def compute(request: Request, loaded: Loaded, say: Say) -> Results:
    """Compute everything, writing nothing.

    Parameters
    ----------
    request : Request
        The study's options as values.
    loaded : Loaded
        The model.
    say : callable
        Is told what is being done.

    Raises
    ------
    ValueError
        If the model cannot do what is asked for.
    FloatingPointError
        If a solver gives up.
    """
    try:
        if request.method.startswith("boolean-"):
            from studies.simulation_boolean import compute_boolean

            return compute_boolean(request, loaded, say)
        return _Kinetic(request, loaded, say).results()
    except RuntimeError as error:
        raise FloatingPointError(str(error)) from error


class _Kinetic:
    """A model with rate equations, perturbed."""

    def __init__(self, request: Request, loaded: Loaded, say: Say) -> None:
        self.request, self.loaded, self.say = request, loaded, say
        self.model = loaded.kinetic
        for name in request.start:
            check_name("start", name, self.model.species, "species")
        self.clamped = {p.species: p.level for p in request.perturbations if isinstance(p, Clamp)}
        settings = {n: v for p in request.perturbations for n, v in p.settings.items()}
        both = sorted(settings.keys() & request.parameters.keys())
        if both:
            raise ValueError(f"parameter {both[0]!r} is set by a perturbation too: leave one out")
        self.parameters: dict[str, float] = {**request.parameters, **settings}
        system = self.model.system if isinstance(self.model, GeneNetwork) else self.model
        self.held: ReactionSystem = replace(
            system, initial={**system.initial, **request.start, **self.clamped}
        )
        gone = {p.gene for p in request.perturbations if isinstance(p, Knockout)}
        self.fixed = (*self.clamped, *gone, *(f"{g}_mrna" for g in gone if f"{g}_mrna" in self.model.species))

    def results(self) -> Results:
        request = self.request
        pair = self._pair()
        followed = self._followed()
        self.say("looking for steady states")
        states = steady_states(
            self.held,
            parameters=self.parameters,
            starts=request.starts,
            seed=request.seed,
            clamped=self.clamped,
        )
        random = request.method not in STOCHASTIC
        own = not random or request.ensemble == 1
        start = self._to_each_attractor(states) if random and own else self._starts(states)
        times, until = self._times(states, start)
        self.say(f"simulating, {request.method}")
        simulation = self._simulate(times, request.method, start, request.ensemble)
        reference = None
        if request.perturbations and own:
            reference = self._simulate(
                times, request.method, request.start, request.ensemble, perturbed=False
            )
        notes: dict[str, str] = {}
        if pair is None:
            notes["phase"] = "A phase plane needs two species that can move; this model has fewer."
        diagram = current = None
        if followed is None:
            notes["bifurcation"] = "No bifurcation diagram was asked for (--bifurcation none)."
        elif isinstance(followed, str):
            notes["bifurcation"] = followed
        else:
            name, low, high, how = followed
            self.say(f"following the steady states through {name}")
            current = {**self.model.parameters, **self.parameters}[name]
            try:
                diagram = continue_states(
                    self.held, name, low, high,
                    parameters={k: v for k, v in self.parameters.items() if k != name},
                    starts=CONTINUATION_STARTS, seed=request.seed, clamped=tuple(self.clamped),
                )  # fmt: skip
                notes["bifurcation"] = how
            except ValueError as error:
                if request.continuation is not None and request.continuation[0] != "auto":
                    raise
                notes["bifurcation"] = f"There is no bifurcation diagram: {error}."
        return Results(
            loaded=self.loaded,
            simulation=simulation,
            reference=reference,
            rows=tuple(rows_of(states)),
            until=until,
            states=states,
            ends=ends_of(simulation, states) if random else (),
            own=own,
            pair=pair,
            diagram=diagram,
            current=current,
            notes=notes,
        )

    def _pair(self) -> tuple[str, str] | None:
        x, y = self.request.x, self.request.y
        for option, name in (("x", x), ("y", y)):
            if name is None:
                continue
            check_name(option, name, self.model.species, "species")
            if name in self.fixed:
                raise ValueError(
                    f"{option}: {name!r} is held by a perturbation; choose a species that can move"
                )
        if x is not None and x == y:
            raise ValueError(f"x and y must be two species, got {x!r} twice")
        return choose_pair(self.model, self.fixed, x, y)

    def _followed(self) -> tuple[str, float, float, str] | str | None:
        """(parameter, low, high, how it was chosen), or a sentence why there is none; None if not wanted."""
        wanted = self.request.continuation
        if wanted is None:
            return None
        values = {**self.model.parameters, **self.parameters}
        name, span = wanted
        how = ""
        if name == "auto":
            if not isinstance(self.model, GeneNetwork):
                return "A list of reactions has no promoter to vary: --bifurcation PARAMETER draws a diagram."
            if len(self.model.species) > MOST_SPECIES:
                return (
                    f"No bifurcation diagram is drawn of more than {MOST_SPECIES} species unless "
                    "--bifurcation names a parameter."
                )
            chosen = choose_parameter(self.model, values, self.fixed)
            if chosen is None:
                return "No parameter of the model has a positive value to follow."
            name = chosen
            how = (
                f"{name} was chosen, the transcription of the most connected gene; "
                "--bifurcation PARAMETER=LOW:HIGH chooses another. "
            )
        check_name("bifurcation", name, tuple(values), "parameter")
        if span is None:
            if values[name] <= 0:
                raise ValueError(f"bifurcation: {name} is {values[name]:g}, give a range: {name}=LOW:HIGH")
            span = (0.1 * values[name], 10 * values[name])
            how += "The range is from a tenth to ten times its value. "
        return name, *span, how.strip()

    def _simulate(
        self,
        times: Tensor,
        method: str,
        start: Mapping[str, float | Tensor],
        ensemble: int = 1,
        *,
        perturbed: bool = True,
    ) -> Simulation:
        request = self.request
        stochastic = method in STOCHASTIC
        return simulate(
            self.model,
            times,
            method=method,
            start=start,
            parameters=request.parameters,
            perturbations=request.perturbations if perturbed else (),
            ensemble=ensemble if stochastic else 1,
            seed=request.seed,
            system_size=request.system_size if stochastic else 1.0,
        )

    def _starts(self, states: SteadyStates) -> dict[str, float | Tensor]:
        """Starts of the batch: of a deterministic ensemble at random up to the highest level of any state."""
        request = self.request
        start: dict[str, float | Tensor] = dict(request.start)
        if request.method in STOCHASTIC or request.ensemble == 1:
            return start
        levels = [np.array(list(self.held.initial.values())), *(s.maximum.numpy() for s in states)]
        highest = np.max(levels, axis=0)
        share = np.random.default_rng(request.seed).uniform(size=(request.ensemble, len(highest)))
        share[1::2] = 10 ** (
            LOWEST_DECADE * (1 - share[1::2])
        )  # every other start: low levels as likely as high
        for k, name in enumerate(self.model.species):
            if name not in start and name not in self.fixed:
                start[name] = torch.from_numpy(share[:, k] * highest[k])
        return start

    def _to_each_attractor(self, states: SteadyStates) -> dict[str, float | Tensor]:
        """The model's own start and, where that tells little, a random one for each other attractor.

        It does where there is a single attractor and it leads there, or --start says where to begin.
        """
        own: dict[str, float | Tensor] = dict(self.request.start)
        wanted = attractors(states)
        if own or not wanted:
            return own
        until = self._guess(states)
        try:
            reached = ends_of(self._simulate(torch.tensor([0.0, until]), self._fastest(), own), states)[0]
            if len(wanted) == 1 and (reached is None or reached in wanted):
                return own
            equations = RateEquations(self.held, parameters=self.parameters, clamped=tuple(self.clamped))
            fixed = None if equations.free is None else equations.free == 0
            count = min(self.request.starts, MOST_TRIED)
            points = random_starts(
                equations, equations.initial(), held(self.held, fixed), count, self.request.seed, None
            )
            tried = {name: points[k] for k, name in enumerate(self.model.species) if name not in self.fixed}
            path = self._simulate(torch.tensor([0.0, until]), self._fastest(), tried)
        except RuntimeError:  # a start from which the solver gives up is none to show
            return own
        others = [place for place in wanted if place != reached][:MOST_SHOWN]
        chosen = [0, *one_each(ends_of(path, states), others)]  # the first point is the model's own
        return {name: levels[chosen] for name, levels in tried.items()} if len(chosen) > 1 else own

    def _times(self, states: SteadyStates, start: Mapping[str, float | Tensor]) -> tuple[Tensor, str]:
        period = max((state.period for state in states if state.period is not None), default=None)
        if self.request.until is not None:
            until, words = self.request.until, "as asked for"
        else:
            self.say("finding out how long it takes to settle")
            until, words = self._settling(states, start, period)
        points = POINTS if period is None else round(POINTS_A_PERIOD * until / period) + 1
        return torch.linspace(0, until, min(max(POINTS, points), MOST_POINTS), dtype=torch.float64), words

    def _fastest(self) -> str:
        """Compiled code where it can run the model: a hundred times faster than torch for one trajectory."""
        system = self.model.system if isinstance(self.model, GeneNetwork) else self.model
        return "ode" if system.delays or system.derivatives.custom else "compiled"

    def _guess(self, states: SteadyStates) -> float:
        """Time in which the model settles, by the eigenvalues of its stable states, or some periods."""
        period = max((state.period for state in states if state.period is not None), default=None)
        rates = [-float(s.eigenvalues.real.max()) for s in states.of("stable") if len(s.eigenvalues)]
        guess = max(
            [8 / rate for rate in rates if rate > 0] + ([PERIODS * period] if period else []), default=100.0
        )
        return _rounded(guess)

    def _settling(
        self, states: SteadyStates, start: Mapping[str, float | Tensor], period: float | None
    ) -> tuple[float, str]:
        """How long to show the model: until it settles, or some periods of its cycle."""
        until = self._guess(states)
        for _ in range(DOUBLINGS):
            path = self._simulate(torch.linspace(0, until, POINTS), self._fastest(), start)
            last = settling_time(path)
            if last is not None:
                return _rounded(1.5 * last) if last > 0 else until, "until the rate equations have settled"
            if period is not None:
                return until, f"{PERIODS} periods of the limit cycle"
            until = _rounded(2 * until)
        return until, "the limit of the search: the rate equations had not settled by then"


def settling_time(path: Simulation) -> float | None:
    """Return the time after which nothing is further from its end than 1 % of its range; None if not seen.

    Examples
    --------
    >>> import torch
    >>> times = torch.linspace(0, 20, 201, dtype=torch.float64)
    >>> fall = Simulation(times, ("A",), torch.exp(-times)[None, :, None], "ode")
    >>> f"{settling_time(fall):.1f}"
    '4.7'
    """
    values = path.values.detach().numpy()
    end = values[:, -1:]
    span = np.ptp(values, axis=1, keepdims=True)
    floor = 1e-9 * np.abs(values).max(initial=0.0)
    moving = np.flatnonzero((np.abs(values - end) > SETTLED * span + floor).any(axis=(0, 2)))
    if not len(moving):
        return 0.0
    last = int(moving[-1]) + 1
    return float(path.times[last]) if last <= 0.7 * len(path.times) else None


def rows_of(states: SteadyStates) -> list[StateRow]:
    """Return the states as lines of the file."""
    return [
        StateRow(
            verdict=state.verdict,
            period=state.period,
            values=tuple(state.values.tolist()),
            lows=tuple(state.minimum.tolist()),
            highs=tuple(state.maximum.tolist()),
            reached=state.reached_from,
        )
        for state in states
    ]


def _rounded(value: float) -> float:
    """Two digits, upwards: the end of an axis."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(value / unit - 1e-9) * unit:.12g}")


def described(results: Results) -> list[dict[str, Any]]:
    """Return the states as JSON values."""
    names = results.simulation.species
    return [
        {"verdict": row.verdict, "period": row.period, "values": dict(zip(names, row.values, strict=True))}
        for row in results.rows
    ]
