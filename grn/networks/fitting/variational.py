"""The variational equations of a system as one larger system; names for parameters that change together."""

from __future__ import annotations

import fnmatch
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from grn.integrate import Solver
from grn.networks.engines.deterministic import solve
from grn.networks.equations import RateEquations, parameter_rows
from grn.networks.fitting.derivative import tangents
from grn.networks.formula import Op, parameter, species
from grn.networks.reactions import Reaction, ReactionSystem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from grn.networks.formula import Formula
    from grn.networks.perturb import Phase

    Array = NDArray[np.float64]

Method = Literal["ode", "compiled"]


@dataclass(frozen=True, eq=False)
class VariationalEquations:
    """A system beside its derivatives in some directions, as one larger system; built once, solved often.

    Parameters
    ----------
    system : ReactionSystem
        The model.
    moves : mapping of str to sequence of str
        Directions: the parameters that change together; none for an initial concentration.

    Attributes
    ----------
    extended : ReactionSystem
        The state, then the derivatives of all species direction by direction, each times a scale that is a
        parameter of its own.

    Examples
    --------
    >>> from grn.networks.formula import parameter, species
    >>> decay = Reaction(name="decay", changes={"A": -1}, rate=parameter("k") * species("A"))
    >>> system = ReactionSystem(initial={"A": 1.0}, reactions=(decay,), parameters={"k": 2.0})
    >>> str(VariationalEquations(system, {"k": ("k",)}).extended.reactions[1].rate)
    'A*scale of k + k*d A/d k'
    """

    system: ReactionSystem
    moves: Mapping[str, Sequence[str]]
    extended: ReactionSystem = field(init=False)

    def __post_init__(self) -> None:
        rates = [reaction.rate for reaction in self.system.reactions]
        reactions, initial = list(self.system.reactions), dict(self.system.initial)
        volumes = dict(self.system.volumes)
        for direction, members in self.moves.items():
            initial.update({_tangent(name, direction): 0.0 for name in self.system.species})
            volumes.update({_tangent(name, direction): v for name, v in self.system.volumes.items()})
            for reaction, rate in zip(
                self.system.reactions, tangents(rates, _seed(direction, frozenset(members))), strict=True
            ):
                changes = {_tangent(name, direction): change for name, change in reaction.changes.items()}
                reactions.append(
                    Reaction(name=f"d {reaction.name}/d {direction}", changes=changes, rate=rate)
                )
        scales = {f"scale of {direction}": 1.0 for direction in self.moves}
        extended = ReactionSystem(
            initial=initial,
            reactions=tuple(reactions),
            parameters={**self.system.parameters, **scales},
            volumes=volumes,
            name=self.system.name,
        )
        object.__setattr__(self, "extended", extended)

    @property
    def can_be_compiled(self) -> bool:
        """Whether the compiled solver can run it: no delays, no callables."""
        return not (self.extended.derivatives.delayed or self.extended.derivatives.custom)

    def solve(
        self,
        start: Array,
        turned: Array,
        times: Array,
        *,
        overrides: Mapping[str, float | Tensor],
        scale: Array,
        stretches: Sequence[Phase],
        method: Method = "compiled",
        solver: Solver | None = None,
    ) -> tuple[Array, Array]:
        """Solve state and derivatives for a batch.

        Parameters
        ----------
        start : ndarray
            (N, B): concentrations at ``times[0]``.
        turned : ndarray
            (N, P, B): their derivatives.
        times : ndarray
            (T,): strictly increasing.
        overrides : mapping of str to float or Tensor
            Parameters other than the system's.
        scale : ndarray
            (P,): typical size of what each direction changes, to which errors of its derivatives relate.
        stretches : sequence of Phase
            The perturbations.
        method : {"ode", "compiled"}
            As in `sensitivities`.
        solver : Solver, optional
            Method and tolerances.

        Returns
        -------
        ndarray
            (T, N, B): concentrations.
        ndarray
            (T, N, P, B): their derivatives.
        """
        if method not in ("ode", "compiled"):
            raise ValueError(f"method must be 'ode' or 'compiled', got {method!r}")
        free = {name for group in self.moves.values() for name in group}
        for name in stretches[0].parameters:
            if name in free or name in overrides:
                raise ValueError(
                    f"parameter {name!r} is set by a perturbation: it can be neither free nor overridden"
                )
        if len(stretches) > 1 and self.system.derivatives.delayed:
            raise ValueError("a model with delays can be perturbed from the start only: leave `at` out")
        species_count, batch = start.shape
        width = len(self.moves)
        scaled = (turned * scale[:, None]).transpose(1, 0, 2).reshape(width * species_count, batch)
        y = np.concatenate([start, scaled])
        found: list[Array] = []
        ends = [*(stretch.begin for stretch in stretches[1:]), math.inf]
        given = {**overrides, **{f"scale of {name}": s for name, s in zip(self.moves, scale, strict=True)}}
        for stretch, end in zip(stretches, ends, strict=True):
            if stretch.begin > times[-1]:
                break
            again = np.zeros_like(scaled)
            assigned = np.tile(stretch.assigned, (width + 1, 1))
            y = np.where(assigned, np.concatenate([stretch.levels, again]), y)
            inside = times[(times >= stretch.begin) & (times < end)]
            wanted = sorted({stretch.begin, *inside.tolist(), *([end] if end <= times[-1] else [])})
            path = y[None]
            if len(wanted) > 1:
                held = np.tile(stretch.held, (width + 1, 1))
                path = self._path(y, np.array(wanted), {**given, **_tensors(stretch)}, held, method, solver)
            found.append(path[np.searchsorted(wanted, inside)])
            y = path[-1]
        path = np.concatenate(found)
        derivatives = path[:, species_count:].reshape(len(times), width, species_count, batch)
        return path[:, :species_count], derivatives.transpose(0, 2, 1, 3) / scale[:, None]

    def _path(
        self,
        y: Array,
        times: Array,
        parameters: Mapping[str, float | Tensor],
        held: NDArray[np.bool_],
        method: Method,
        solver: Solver | None,
    ) -> Array:
        # The compiled solver takes no negative start, which derivatives have after a perturbation.
        if method == "compiled" and bool((y >= 0).all()):
            from grn.networks.engines.compiled import compiled_paths  # numba takes a second to import

            rows = parameter_rows(
                self.extended, parameters, device=torch.device("cpu"), dtype=torch.float64
            ).numpy()
            relative, absolute = (solver or Solver()).tolerances(torch.float64)
            paths, _, _ = compiled_paths(
                self.extended,
                y.T,
                times,
                parameters=rows,
                held=held,
                relative_tolerance=relative,
                absolute_tolerance=absolute,
            )
            return paths.transpose(1, 2, 0)
        equations = RateEquations(self.extended, parameters=parameters, clamped=torch.from_numpy(held))
        with torch.no_grad():
            return solve(equations, torch.from_numpy(y), torch.from_numpy(times), solver).numpy()


def directions(
    system: ReactionSystem, parameters: Sequence[str], shared: Mapping[str, str | Sequence[str]] | None
) -> dict[str, tuple[str, ...]]:
    """Parameters of the model that each name stands for.

    Raises
    ------
    ValueError
        If a name is unknown, comes twice, or a parameter of the model stands under two names.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> system = circuits.toggle().system
    >>> directions(system, ["decay", "lacI.transcription"], {"decay": "*.protein_decay"})
    {'decay': ('lacI.protein_decay', 'tetR.protein_decay'), 'lacI.transcription': ('lacI.transcription',)}
    """
    if isinstance(parameters, str):
        raise TypeError(
            f"parameters must be a sequence of names, got the text {parameters!r}: write [{parameters!r}]"
        )
    groups = _groups(system, shared)
    found: dict[str, tuple[str, ...]] = {}
    owner: dict[str, str] = {}
    for name in parameters:
        members = groups.get(name, (name,))
        _check_known(system, members)
        if name in found:
            raise ValueError(f"parameter {name!r} is named twice: give it once")
        for member in members:
            if member in owner:
                raise ValueError(f"{member!r} stands under {owner[member]!r} and {name!r}: leave one out")
            owner[member] = name
        found[name] = members
    return found


def expanded(
    system: ReactionSystem,
    values: Mapping[str, float],
    shared: Mapping[str, str | Sequence[str]] | None,
) -> dict[str, float | Tensor]:
    """Return values by the model's own names, those of shared names given to each parameter under them.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> expanded(circuits.toggle().system, {"decay": 2.0}, {"decay": "*.protein_decay"})
    {'lacI.protein_decay': 2.0, 'tetR.protein_decay': 2.0}
    """
    groups = _groups(system, shared)
    found: dict[str, float | Tensor] = {}
    for name, value in values.items():
        members = groups.get(name, (name,))
        _check_known(system, members)
        found.update(dict.fromkeys(members, value))
    return found


def level_of(
    system: ReactionSystem,
    moves: Mapping[str, Sequence[str]],
    values: Mapping[str, float] | None,
    shared: Mapping[str, str | Sequence[str]] | None,
) -> list[float]:
    """Value of each name; parameters under one name must agree.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> decays = ("lacI.protein_decay", "tetR.protein_decay")
    >>> level_of(circuits.toggle().system, {"decay": decays}, None, None)
    [1.0]
    """
    now = {**system.parameters, **expanded(system, values or {}, shared)}
    levels = []
    for name, members in moves.items():
        found = {float(now[member]) for member in members}
        if len(found) > 1:
            raise ValueError(
                f"the parameters that share {name!r} have values from {min(found):g} to {max(found):g}: give "
                f"them one, {name!r}, first"
            )
        levels.append(found.pop())
    return levels


def _groups(
    system: ReactionSystem, shared: Mapping[str, str | Sequence[str]] | None
) -> dict[str, tuple[str, ...]]:
    groups = {}
    for name, members in (shared or {}).items():
        if name in system.parameters:
            raise ValueError(f"shared name {name!r} is already a parameter of the model: choose another")
        if isinstance(members, str):
            groups[name] = tuple(fnmatch.filter(system.parameters, members))
        else:
            groups[name] = tuple(members)
        if not groups[name]:
            raise ValueError(
                f"shared name {name!r} stands for no parameter: {members!r} fits none of "
                f"{', '.join(system.parameters)}"
            )
        _check_known(system, groups[name])
    return groups


def _check_known(system: ReactionSystem, names: Sequence[str]) -> None:
    parameter_rows(system, dict.fromkeys(names, 1.0), device=torch.device("cpu"), dtype=torch.float64)


def _tangent(name: str, direction: str) -> str:
    return f"d {name}/d {direction}"


def _seed(direction: str, members: frozenset[str]) -> Callable[[Formula], Formula | None]:
    def seed(leaf: Formula) -> Formula | None:
        if leaf.op is Op.PARAMETER:
            return parameter(f"scale of {direction}") if leaf.name in members else None
        return species(_tangent(leaf.name, direction), leaf.delay) if leaf.op is Op.SPECIES else None

    return seed


def _tensors(stretch: Phase) -> dict[str, Tensor]:
    return {name: torch.from_numpy(value) for name, value in stretch.parameters.items()}
