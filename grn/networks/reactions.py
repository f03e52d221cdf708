"""Reaction systems: species, reactions and rate laws, from which every kind of simulation is derived.

The rate equations, the chemical Langevin equation and the exact stochastic simulation are three readings of
one list of reactions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from grn.networks.formula import Formula, Op, nodes, total
from grn.networks.program import Program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """One reaction: what an event changes, and how often events happen.

    Parameters
    ----------
    name : str
        For messages and files.
    changes : mapping of str to float
        Net change of each species by one event, in molecules.
    rate : Formula
        Events per time, per unit of system size.

    Examples
    --------
    >>> from grn.networks.formula import parameter, species
    >>> str(Reaction(name="decay of A", changes={"A": -1}, rate=parameter("k") * species("A")).rate)
    'k*A'
    """

    name: str
    changes: Mapping[str, float]
    rate: Formula


@dataclass(frozen=True, kw_only=True, eq=False)
class ReactionSystem:
    """Species, reactions and parameters.

    Parameters
    ----------
    initial : mapping of str to float
        Every species, in order, with its concentration at time 0.
    reactions : tuple of Reaction
        What happens to them.
    parameters : mapping of str to float
        Every parameter of the rate laws with its value.
    volumes : mapping of str to float
        Volume of the compartment of a species, 1 where not given.
    followers : mapping of str to str
        Species that start at another one's concentration wherever that is changed: stages of a delay.
    positive, non_negative : frozenset of str
        Parameters that must be so for the rate laws to mean what they say.
    name, time_unit, source : str
        For reports.

    Raises
    ------
    ValueError
        If there is no species, a value is not finite or negative, a reaction changes or a rate law uses
        something unknown.

    Examples
    --------
    >>> from grn.networks.formula import parameter, species
    >>> decay = Reaction(name="decay", changes={"A": -1}, rate=parameter("k") * species("A"))
    >>> system = ReactionSystem(initial={"A": 10.0}, reactions=(decay,), parameters={"k": 0.5})
    >>> system.species, system.stoichiometry.tolist()
    (('A',), [[-1.0]])
    """

    initial: Mapping[str, float]
    reactions: tuple[Reaction, ...]
    parameters: Mapping[str, float]
    volumes: Mapping[str, float] = field(default_factory=dict)
    followers: Mapping[str, str] = field(default_factory=dict)
    positive: frozenset[str] = frozenset()
    non_negative: frozenset[str] = frozenset()
    name: str = ""
    time_unit: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if not self.initial:
            raise ValueError("a reaction system must have at least one species, got none")
        both = set(self.initial) & set(self.parameters)
        if both:
            raise ValueError(f"{sorted(both)[0]!r} names both a species and a parameter: rename one")
        for name, value in self.initial.items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(
                    f"the initial concentration of {name!r} must be a non-negative finite number, got {value}"
                )
        for name, value in self.parameters.items():
            if not math.isfinite(value):
                raise ValueError(f"parameter {name!r} must be a finite number, got {value}")
        for name, volume in self.volumes.items():
            if not (math.isfinite(volume) and volume > 0):
                raise ValueError(
                    f"the volume that holds {name!r} must be a positive finite number, got {volume}"
                )
        for reaction in self.reactions:
            for name in reaction.changes:
                if name not in self.initial:
                    raise ValueError(f"reaction {reaction.name!r} changes {name!r}, which is no species")
            for node in nodes([reaction.rate]):
                known = {Op.SPECIES: self.initial, Op.PARAMETER: self.parameters}.get(node.op)
                if known is not None and node.name not in known:
                    raise ValueError(
                        f"the rate of reaction {reaction.name!r} uses {node.name!r}, which is neither a "
                        "species nor a parameter"
                    )

    @cached_property
    def species(self) -> tuple[str, ...]:
        """Names of the species, in order."""
        return tuple(self.initial)

    @cached_property
    def stoichiometry(self) -> NDArray[np.float64]:
        """(reactions, species): net change of each species by one event, in molecules."""
        column = {name: k for k, name in enumerate(self.species)}
        matrix = np.zeros((len(self.reactions), len(self.species)))
        for row, reaction in enumerate(self.reactions):
            for name, change in reaction.changes.items():
                matrix[row, column[name]] = change
        return matrix

    @cached_property
    def volume_of(self) -> NDArray[np.float64]:
        """(species,): volume that holds each species."""
        return np.array([self.volumes.get(name, 1.0) for name in self.species])

    @cached_property
    def rates(self) -> Program:
        """Rates of all reactions, as a program."""
        return Program(
            [reaction.rate for reaction in self.reactions],
            species=self.species,
            parameters=tuple(self.parameters),
        )

    @cached_property
    def derivatives(self) -> Program:
        """Right-hand sides of the rate equations, one a species, as a program."""
        terms: dict[str, list[Formula]] = {name: [] for name in self.species}
        for reaction in self.reactions:
            for name, change in reaction.changes.items():
                terms[name].append(reaction.rate * (change / self.volumes.get(name, 1.0)))
        return Program(
            [total(of_species) for of_species in terms.values()],
            species=self.species,
            parameters=tuple(self.parameters),
        )

    @property
    def delays(self) -> tuple[tuple[str, float], ...]:
        """Species and lag of every constant delay that the rate laws use."""
        return self.rates.delayed
