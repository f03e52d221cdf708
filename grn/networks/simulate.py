"""One call for every kind of simulation: rate equations, Langevin, exact and leaping stochastic, Boolean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from grn.kinetics import _real
from grn.networks.engines.deterministic import solve
from grn.networks.equations import RateEquations, parameter_rows
from grn.networks.network import GeneNetwork
from grn.networks.perturb import Clamp, Knockdown, Overexpression, Perturbation, phases
from grn.networks.reactions import ReactionSystem

if TYPE_CHECKING:
    from torch import Tensor

    from grn.integrate import Solver
    from grn.networks.logic.boolean import BooleanNetwork
    from grn.networks.perturb import Phase

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
    max_events: int = 10_000_000,
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
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if isinstance(ensemble, bool) or not isinstance(ensemble, int) or ensemble < 1:
        raise ValueError(f"ensemble must be a positive integer, got {ensemble!r}")
    plan = [tuple(condition) for condition in ([perturbations] if conditions is None else conditions)]
    if conditions is not None and perturbations:
        raise ValueError("give perturbations (for all) or conditions (one a member), not both")
    if not plan:
        raise ValueError("conditions must hold at least one sequence of perturbations, () for none")
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
    run = _Run(system, base, method, solver, ensemble, seed, system_size, step, max_events)
    values = run.through(stretches, y, moments)
    return Simulation(moments, system.species, values.permute(2, 0, 1), method)


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """How the stretches between perturbations are computed."""

    system: ReactionSystem
    base: RateEquations
    method: str
    solver: Solver | None
    ensemble: int
    seed: int
    system_size: float
    step: float | None
    max_events: int

    def through(self, stretches: Sequence[Phase], y: Tensor, moments: Tensor) -> Tensor:
        """(T, species, B): from one perturbation to the next."""
        y = y.repeat_interleave(self.ensemble, 1)
        if len(stretches) > 1 and self.system.delays:
            raise ValueError("a model with delays can be perturbed from the start only: leave `at` out")
        ends = [*(stretch.begin for stretch in stretches[1:]), math.inf]
        found: list[Tensor] = []
        for index, (stretch, end) in enumerate(zip(stretches, ends, strict=True)):
            if stretch.begin > float(moments[-1]):
                break
            assigned = self._batch(stretch.assigned)
            y = torch.where(assigned, self._batch(stretch.levels).to(y.dtype), y)
            inside = moments[(moments >= stretch.begin) & (moments < end)]
            wanted = sorted({stretch.begin, *inside.tolist(), *([end] if end <= float(moments[-1]) else [])})
            if len(wanted) == 1:
                path = y[None]
            else:
                path = self._stretch(index, stretch, y, torch.tensor(wanted, dtype=torch.float64))
            keep = [wanted.index(t) for t in inside.tolist()]
            found.append(path[keep])
            y = path[-1]
        return torch.cat(found)

    def _batch(self, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Tensor:
        return torch.from_numpy(np.repeat(array, self.ensemble, -1)).to(self.base.device)

    def _stretch(self, index: int, stretch: Phase, y: Tensor, moments: Tensor) -> Tensor:
        changed = {name: torch.from_numpy(value) for name, value in stretch.parameters.items()}
        if self.method == "ode":
            equations = RateEquations(
                self.system,
                parameters={**self.base.overrides, **changed},
                clamped=torch.from_numpy(stretch.held),
                device=self.base.device,
            )
            return solve(equations, y, moments, self.solver)
        rows = parameter_rows(
            self.system, {**self.base.overrides, **changed}, device=torch.device("cpu"), dtype=torch.float64
        )
        if rows.shape[1] > 1:
            rows = rows.repeat_interleave(self.ensemble, 1)
        arguments: dict[str, Any] = {
            "parameters": rows.detach().numpy(),
            "held": np.repeat(stretch.held, self.ensemble, 1),
        }
        begin = y.detach().cpu().numpy().T
        if self.method == "compiled":
            from grn.networks.engines.compiled import compiled_paths  # numba takes a second to import

            tolerances: dict[str, Any] = {}
            if self.solver is not None:
                relative, absolute = self.solver.tolerances(torch.float64)
                tolerances = {"relative_tolerance": relative, "absolute_tolerance": absolute}
            paths = compiled_paths(self.system, begin, moments.numpy(), **arguments, **tolerances)[0]
        else:
            from grn.networks.engines.stochastic import stochastic_paths

            paths = stochastic_paths(
                self.system,
                begin,
                moments.numpy(),
                method=self.method,
                system_size=self.system_size,
                seed=self.seed,
                segment=index,
                step=self.step,
                max_events=self.max_events,
                **arguments,
            )
        return torch.from_numpy(paths).permute(1, 2, 0)


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
    moments = torch.as_tensor(times, dtype=torch.float64).detach().cpu()
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
    if steps != int(steps) or steps < 1:
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
