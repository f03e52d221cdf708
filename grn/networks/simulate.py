"""One call for every kind of simulation: rate equations, Langevin, exact and leaping stochastic, Boolean."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from grn.kinetics import _real
from grn.networks.engines.deterministic import solve
from grn.networks.equations import RateEquations, parameter_rows
from grn.networks.network import GeneNetwork
from grn.networks.perturb import Clamp, Knockdown, Knockout, Overexpression, Perturbation, phases
from grn.networks.reactions import ReactionSystem

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from grn.integrate import Solver
    from grn.networks.logic.boolean import BooleanNetwork
    from grn.networks.perturb import Phase

    Array = NDArray[Any]

METHODS = {
    "ode": "rate equations by torchdiffeq: any device, differentiable, delays and callables",
    "compiled": "rate equations in compiled code: each trajectory takes its own steps; for large batches",
    "langevin": "chemical Langevin equation: one noise a reaction",
    "ssa": "Gillespie's exact stochastic simulation",
    "tau-leaping": "many reactions a step, for large populations",
    "boolean-synchronous": "Boolean rules, all genes at once",
    "boolean-asynchronous": "Boolean rules, one random gene a step",
}
STOCHASTIC = ("langevin", "ssa", "tau-leaping")
APPLIES = {  # option -> methods; an option of another method is refused, not ignored
    "parameters": ("ode", "compiled", *STOCHASTIC),
    "system_size": STOCHASTIC,
    "step": ("langevin", "tau-leaping"),
    "max_events": STOCHASTIC,
    "solver": ("ode", "compiled"),
    "device": ("ode",),
}
MOST_EVENTS = 10_000_000
SYNONYMS = {"gillespie": "ssa", "cle": "langevin", "boolean": "boolean-synchronous"}
DEFAULT_POINTS = 201


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """Concentrations over time, of a batch.

    Parameters
    ----------
    times : Tensor
        (T,): in the time unit of the model; steps of Boolean simulation.
    species : tuple of str
        N names: proteins under their gene's own name, mRNA as ``NAME_mrna``.
    values : Tensor
        (B, T, N): concentrations; 0 and 1 of Boolean simulation.
    method : str
        How it was computed.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> path = simulate(circuits.toggle(), 20.0)
    >>> path["lacI"].shape, path.final.shape
    (torch.Size([1, 201]), torch.Size([1, 2]))
    """

    times: Tensor
    species: tuple[str, ...]
    values: Tensor
    method: str

    def __repr__(self) -> str:
        first, last = float(self.times[0]), float(self.times[-1])
        return (
            f"<Simulation by {self.method}: {len(self)} trajectories, {len(self.species)} species, "
            f"{len(self.times)} times from {first:g} to {last:g}>"
        )

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, name: str) -> Tensor:
        """(B, T): one species."""
        if name not in self.species:
            raise KeyError(f"no species {name!r}: those are {', '.join(self.species)}")
        return self.values[:, :, self.species.index(name)]

    @property
    def final(self) -> Tensor:
        """(B, N): concentrations at the last time."""
        return self.values[:, -1]


def simulate(
    model: GeneNetwork | ReactionSystem | BooleanNetwork,
    times: float | Tensor | Sequence[float],
    *,
    method: str = "ode",
    start: Mapping[str, float | Tensor] | None = None,
    parameters: Mapping[str, float | Tensor] | None = None,
    perturbations: Sequence[Perturbation] = (),
    conditions: Sequence[Sequence[Perturbation]] | None = None,
    ensemble: int = 1,
    seed: int = 0,
    system_size: float = 1.0,
    step: float | None = None,
    max_events: int = MOST_EVENTS,
    solver: Solver | None = None,
    device: torch.device | str = "cpu",
) -> Simulation:
    """Simulate a model.

    The batch is made of parameter sets, starts and conditions (one of each a member, or one for all), each
    ``ensemble`` times. A stochastic trajectory depends on the seed and its place in the batch alone, never on
    how large the batch is.

    Parameters
    ----------
    model : GeneNetwork, ReactionSystem or BooleanNetwork
        What to simulate.
    times : float, Tensor or sequence of float
        A duration (201 times from 0), or the times wanted, the first that of the start. For Boolean methods
        the number of steps.
    method : str
        One of `METHODS`.
    start : mapping of str to float or Tensor, optional
        Concentrations at the start other than the model's: numbers, or (B,) tensors.
    parameters : mapping of str to float or Tensor, optional
        Parameters other than the model's: numbers, or (B,) tensors.
    perturbations : sequence of perturbations
        Done to every member.
    conditions : sequence of sequence of perturbations, optional
        A sequence a member, in place of ``perturbations``.
    ensemble : int
        Trajectories a member, of stochastic methods.
    seed : int
        Of stochastic methods.
    system_size : float
        Molecules per unit of concentration, of stochastic methods.
    step : float, optional
        Of the Langevin equation; the longest leap of tau-leaping.
    max_events : int
        Limit on the reactions of one exact trajectory.
    solver : Solver, optional
        Of ``"ode"``; its tolerances also of ``"compiled"``.
    device : optional
        Of ``"ode"``; the compiled methods run on the CPU.

    Returns
    -------
    Simulation
        (B·ensemble, T, species).

    Raises
    ------
    ValueError
        If a name is unknown, a value is out of range, batch sizes differ, or the method cannot do it.
    RuntimeError
        If a solver does not reach its tolerance or an exact trajectory passes ``max_events``.

    Examples
    --------
    >>> import torch
    >>> from grn.networks import circuits
    >>> from grn.networks.perturb import Knockout
    >>> circuit = circuits.toggle()
    >>> path = simulate(circuit, 50.0, conditions=[(), (Knockout("lacI"),)])
    >>> path["tetR"][:, -1]  # with lacI, and without
    tensor([ 0.0995, 15.6000], dtype=torch.float64)
    >>> noisy = simulate(circuit, 50.0, method="ssa", ensemble=3, system_size=10.0, seed=1)
    >>> noisy.values.shape
    torch.Size([3, 201, 2])
    """
    if method not in METHODS:
        near = difflib.get_close_matches(str(method).lower(), [*METHODS, *SYNONYMS], n=1)
        hint = f": did you mean {SYNONYMS.get(near[0], near[0])!r}?" if near else ""
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}{hint}")
    options = {
        "parameters": parameters is not None,
        "system_size": system_size != 1.0,
        "step": step is not None,
        "max_events": max_events != MOST_EVENTS,
        "solver": solver is not None,
        "device": torch.device(device).type != "cpu",
    }
    for name, given in options.items():
        if given and method not in APPLIES[name]:
            raise ValueError(
                f"{name} does not apply to method {method!r}, only to {', '.join(APPLIES[name])}: "
                "leave it out"
            )
    if isinstance(ensemble, bool) or not isinstance(ensemble, int) or ensemble < 1:
        raise ValueError(f"ensemble must be a positive integer, got {ensemble!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed must be a non-negative integer, got {seed!r}")
    plan = _plan(perturbations, conditions)
    for name, value in (start or {}).items():
        if not isinstance(value, int | float | torch.Tensor):
            raise TypeError(f"start of {name!r} must be a number or a tensor, got {value!r}")
    for one in (perturbation for condition in plan for perturbation in condition):
        if not isinstance(one, Perturbation):
            raise TypeError(
                f"a perturbation must be a Knockout, Knockdown, Overexpression or Clamp, got {one!r}"
            )
    if conditions is not None and perturbations:
        raise ValueError("give perturbations (for all) or conditions (one a member), not both")
    if method.startswith("boolean-"):
        return _boolean(model, times, method, start, plan, ensemble, seed)
    if ensemble > 1 and method not in STOCHASTIC:
        raise ValueError(
            f"ensemble={ensemble} is of stochastic methods ({', '.join(STOCHASTIC)}): {method} "
            "gives the same trajectory every time. Batch over start or parameters instead"
        )
    system, network = system_of(model)
    moments = output_times(times)
    base = RateEquations(system, parameters=parameters, device=device)
    y = base.initial(start, batch=len(plan))
    if len(plan) not in (1, y.shape[1]):
        raise ValueError(f"conditions are {len(plan)}, but start and parameters have a batch of {y.shape[1]}")
    plan = plan * y.shape[1] if len(plan) == 1 else plan
    stretches = phases(system, plan, start=float(moments[0]), network=network)
    for name in stretches[0].parameters:
        if name in base.overrides:
            raise ValueError(f"parameter {name!r} is set by a perturbation and by parameters=: leave one out")
    for condition in plan:
        for perturbation in condition:
            if perturbation.at is not None and perturbation.at > float(moments[-1]):
                raise ValueError(f"{perturbation} happens after the last time, {float(moments[-1]):g}")
    if method in STOCHASTIC:
        drawn = _Drawn(system, base, method, ensemble, seed, system_size, step, max_events)
        return Simulation(moments, system.species, drawn.all(plan, network, y, moments), method)
    solved = _Solved(system, base, method, solver)
    return Simulation(moments, system.species, solved.through(stretches, y, moments), method)


@dataclass(frozen=True, slots=True, eq=False)
class _Solved:
    """Rate equations, from one perturbation of the batch to the next."""

    system: ReactionSystem
    base: RateEquations
    method: str
    solver: Solver | None

    def through(self, stretches: Sequence[Phase], y: Tensor, moments: Tensor) -> Tensor:
        """(B, T, species)."""
        if len(stretches) > 1 and self.system.delays:
            raise ValueError("a model with delays can be perturbed from the start only: leave `at` out")
        found: list[Tensor] = []
        for stretch, wanted, kept in _cut(stretches, moments):
            device = self.base.device
            assigned = torch.from_numpy(stretch.assigned).to(device)
            y = torch.where(assigned, torch.from_numpy(stretch.levels).to(device, y.dtype), y)
            path = y[None] if len(wanted) == 1 else self._solve(stretch, y, wanted)
            found.append(path[kept])
            y = path[-1]
        return torch.cat(found).permute(2, 0, 1)

    def _solve(self, stretch: Phase, y: Tensor, moments: Tensor) -> Tensor:
        changed = {name: torch.from_numpy(value) for name, value in stretch.parameters.items()}
        parameters = {**self.base.overrides, **changed}
        if self.method == "ode":
            held = torch.from_numpy(stretch.held)
            equations = RateEquations(
                self.system, parameters=parameters, clamped=held, device=self.base.device
            )
            return solve(equations, y, moments, self.solver)
        from grn.networks.engines.compiled import compiled_paths  # numba takes a second to import

        tolerances: dict[str, Any] = {}
        if self.solver is not None:
            relative, absolute = self.solver.tolerances(torch.float64)
            tolerances = {"relative_tolerance": relative, "absolute_tolerance": absolute}
        paths = compiled_paths(
            self.system,
            y.detach().cpu().numpy().T,
            moments.numpy(),
            parameters=_rows(self.system, parameters),
            held=stretch.held,
            **tolerances,
        )[0]
        return torch.from_numpy(paths).permute(1, 2, 0)


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """Stochastic trajectories: members with the same moments of perturbation together, apart from the rest.

    So a member's random numbers depend on its own perturbations, not on those of its neighbours.
    """

    system: ReactionSystem
    base: RateEquations
    method: str
    ensemble: int
    seed: int
    system_size: float
    step: float | None
    max_events: int

    def all(
        self,
        plan: Sequence[Sequence[Perturbation]],
        network: GeneNetwork | None,
        y: Tensor,
        moments: Tensor,
    ) -> Tensor:
        """(B·ensemble, T, species)."""
        groups: dict[frozenset[float], list[int]] = {}
        for k, condition in enumerate(plan):
            groups.setdefault(frozenset(p.at for p in condition if p.at is not None), []).append(k)
        values = torch.empty(len(plan) * self.ensemble, len(moments), len(self.system.species))
        values = values.to(torch.float64)
        for members in groups.values():
            stretches = phases(
                self.system, [plan[k] for k in members], start=float(moments[0]), network=network
            )
            places = (np.array(members)[:, None] * self.ensemble + np.arange(self.ensemble)).ravel()
            start = y.detach().cpu().numpy().T[members]
            paths = self._through(stretches, start, moments, members, places)
            values[torch.from_numpy(places)] = torch.from_numpy(paths)
        return values

    def _through(
        self, stretches: Sequence[Phase], start: Array, moments: Tensor, members: list[int], places: Array
    ) -> Array:
        from grn.networks.engines.stochastic import stochastic_paths

        state = np.repeat(start, self.ensemble, 0)
        found = []
        for segment, (stretch, wanted, kept) in enumerate(_cut(stretches, moments)):
            assigned, levels, held = (
                np.repeat(part, self.ensemble, 1) for part in (stretch.assigned, stretch.levels, stretch.held)
            )
            state = np.where(assigned.T, levels.T, state)
            own = {
                name: value if torch.as_tensor(value).numel() == 1 else torch.as_tensor(value)[members]
                for name, value in self.base.overrides.items()
            }
            changed = {name: torch.from_numpy(value) for name, value in stretch.parameters.items()}
            rows = _rows(self.system, {**own, **changed})
            paths, state = stochastic_paths(
                self.system,
                state,
                wanted.numpy(),
                method=self.method,
                parameters=rows if rows.shape[1] == 1 else np.repeat(rows, self.ensemble, 1),
                held=held,
                system_size=self.system_size,
                seed=self.seed,
                first=places.tolist(),
                segment=segment,
                step=self.step,
                max_events=self.max_events,
            )
            found.append(paths[:, kept])
        return np.concatenate(found, 1)


def _plan(
    perturbations: Sequence[Perturbation] | Perturbation,
    conditions: Sequence[Sequence[Perturbation]] | None,
) -> list[tuple[Perturbation, ...]]:
    """Return a tuple of perturbations a member; one for all where there are no conditions."""
    if conditions is None:
        one = not isinstance(perturbations, Sequence)
        return [(perturbations,) if one else tuple(perturbations)]  # type: ignore[list-item,arg-type]
    if not isinstance(conditions, Sequence) or not all(isinstance(c, Sequence) for c in conditions):
        raise TypeError(
            f"conditions must be a sequence of sequences of perturbations, such as [(), (Knockout('A'),)], "
            f"got {conditions!r}"
        )
    if not conditions:
        raise ValueError("conditions must hold at least one sequence of perturbations, () for none")
    return [tuple(condition) for condition in conditions]


def _cut(stretches: Sequence[Phase], moments: Tensor) -> Iterator[tuple[Phase, Tensor, list[int]]]:
    """Each stretch with the times to compute, its end among them, and which of these were asked for."""
    last = float(moments[-1])
    ends = [*(stretch.begin for stretch in stretches[1:]), math.inf]
    for stretch, end in zip(stretches, ends, strict=True):
        inside = moments[(moments >= stretch.begin) & (moments < end)].tolist()
        wanted = sorted({stretch.begin, *inside, *([end] if end <= last else [])})
        yield stretch, torch.tensor(wanted, dtype=torch.float64), [wanted.index(t) for t in inside]


def _rows(system: ReactionSystem, parameters: Mapping[str, float | Tensor]) -> Array:
    rows = parameter_rows(system, parameters, device=torch.device("cpu"), dtype=torch.float64)
    return rows.detach().numpy()


def system_of(model: object) -> tuple[ReactionSystem, GeneNetwork | None]:
    """Return the reactions of a model, and the gene network that it is, if it is one.

    Raises
    ------
    TypeError
        If it is neither a gene network nor a reaction system.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> system_of(circuits.toggle())[0].species
    ('lacI', 'tetR')
    """
    if isinstance(model, GeneNetwork):
        return model.system, model
    if isinstance(model, ReactionSystem):
        return model, None
    raise TypeError(
        f"model must be a GeneNetwork or a ReactionSystem, got {type(model).__name__}; give a Boolean "
        "network kinetics with GeneNetwork.from_boolean, or use a Boolean method"
    )


def output_times(times: float | Tensor | Sequence[float]) -> Tensor:
    """Return a duration as 201 times from 0, or the times themselves, as float64 on the CPU.

    Examples
    --------
    >>> output_times(10.0)[[0, 1, -1]]
    tensor([ 0.0000,  0.0500, 10.0000], dtype=torch.float64)
    """
    if not isinstance(times, torch.Tensor | Sequence | np.ndarray):
        duration = _real("times", times)
        if not (math.isfinite(duration) and duration > 0):
            raise ValueError(f"times must be a positive finite duration, or a sequence of times, got {times}")
        return torch.linspace(0, duration, DEFAULT_POINTS, dtype=torch.float64)
    try:
        moments = torch.as_tensor(times, dtype=torch.float64).detach().cpu()
    except (TypeError, ValueError) as error:
        raise TypeError(f"times must be a duration or a sequence of numbers, got {times!r}") from error
    if moments.ndim == 0:
        return output_times(float(moments))
    if moments.ndim != 1 or len(moments) < 2:
        raise ValueError(f"times must be a duration or at least two times, got shape {tuple(moments.shape)}")
    if not bool(torch.isfinite(moments).all()) or not bool((moments.diff() > 0).all()):
        raise ValueError("times must be finite and strictly increasing")
    return moments


def _boolean(
    model: object,
    times: float | Tensor | Sequence[float],
    method: str,
    start: Mapping[str, float | Tensor] | None,
    plan: Sequence[Sequence[Perturbation]],
    ensemble: int,
    seed: int,
) -> Simulation:
    from grn.networks.logic.boolean import BooleanNetwork

    network = model.boolean() if isinstance(model, GeneNetwork) else model
    if not isinstance(network, BooleanNetwork):
        raise TypeError(
            f"{method} needs a BooleanNetwork or a GeneNetwork of rules, got {type(model).__name__}"
        )
    steps = times if isinstance(times, int) else _real("times", times)
    if not math.isfinite(steps) or steps != int(steps) or steps < 1:
        raise ValueError(f"times of a Boolean simulation must be a positive number of steps, got {times}")
    if len({*plan}) > 1:
        raise ValueError("Boolean simulation takes one condition: call it once for each")
    network = network.with_fixed(_fixed(plan[0]))
    first = dict.fromkeys(network.genes, False)
    if isinstance(model, GeneNetwork):
        first = {name: model[name].initial_protein > 0 for name in network.genes}
    for name, value in (start or {}).items():
        if name not in first:
            raise ValueError(f"start names {name!r}: the genes are {', '.join(network.genes)}")
        if torch.as_tensor(value).numel() != 1 or float(value) not in (0.0, 1.0):
            raise ValueError(f"start of {name!r} must be 0 or 1 in Boolean simulation, got {value}")
        first[name] = bool(value)
    states = np.tile(np.array([list(first.values())]), (ensemble, 1))
    update: Literal["synchronous", "asynchronous"] = (
        "synchronous" if method == "boolean-synchronous" else "asynchronous"
    )
    paths = network.simulate(states, int(steps), update=update, seed=seed)
    moments = torch.arange(int(steps) + 1, dtype=torch.float64)
    return Simulation(moments, network.genes, torch.from_numpy(paths.astype(np.float64)), method)


def _fixed(condition: Sequence[Perturbation]) -> dict[str, bool]:
    fixed = {}
    for perturbation in condition:
        if not isinstance(perturbation, Knockout | Knockdown | Overexpression | Clamp):
            raise TypeError(
                f"a perturbation must be a Knockout, Overexpression or Clamp, got {perturbation!r}"
            )
        if perturbation.at is not None or isinstance(perturbation, Knockdown):
            raise ValueError(
                f"Boolean simulation knows genes on or off from the start only, got {perturbation}"
            )
        name = perturbation.species if isinstance(perturbation, Clamp) else perturbation.gene
        fixed[name] = (
            perturbation.level > 0
            if isinstance(perturbation, Clamp)
            else isinstance(perturbation, Overexpression)
        )
    return fixed
