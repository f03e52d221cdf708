"""What analyses of steady states need of a model: reactions whose rates depend on present concentrations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from grn.networks.formula import Formula, Op, replace_leaves, species
from grn.networks.reactions import Reaction, ReactionSystem

if TYPE_CHECKING:
    from grn.networks.network import GeneNetwork


def as_system(model: ReactionSystem | GeneNetwork) -> ReactionSystem:
    """Return the reactions of a model.

    Raises
    ------
    TypeError
        If it is no model.
    ValueError
        If its rates depend on time.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> as_system(circuits.toggle()).species
    ('lacI', 'tetR')
    """
    system = model if isinstance(model, ReactionSystem) else getattr(model, "system", None)
    if not isinstance(system, ReactionSystem):
        raise TypeError(f"the model must be a ReactionSystem or a GeneNetwork, got {type(model).__name__}")
    if system.derivatives.depends_on_time:
        raise ValueError(
            "a model whose rates depend on time has no steady states: make its input a parameter"
        )
    return system


def without_delays(system: ReactionSystem) -> ReactionSystem:
    """Return the model with present concentrations in place of delayed ones: it has the same steady states.

    Examples
    --------
    >>> from grn.networks.formula import species
    >>> late = Reaction(name="late decay", changes={"A": -1}, rate=species("A", delay=1.0))
    >>> system = ReactionSystem(initial={"A": 1.0}, reactions=(late,), parameters={})
    >>> str(without_delays(system).reactions[0].rate)
    'A'
    """
    if not system.delays:
        return system

    def present(leaf: Formula) -> Formula | None:
        return species(leaf.name) if leaf.op is Op.SPECIES and leaf.delay else None

    return replace(
        system,
        reactions=tuple(
            Reaction(
                name=reaction.name, changes=reaction.changes, rate=replace_leaves(reaction.rate, present)
            )
            for reaction in system.reactions
        ),
    )
