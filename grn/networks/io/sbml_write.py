"""Reaction systems as SBML Level 3 Version 1: the text itself, for exact numbers and no dependency."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from grn.networks.formula import Op, nodes
from grn.networks.io.mathml import OWN_FUNCTIONS
from grn.networks.io.mathml_write import definition_as_mathml, rate_as_mathml
from grn.networks.io.sbml_model import NAMES_NAMESPACE
from grn.networks.io.text import write_text
from grn.networks.network import GeneNetwork
from grn.networks.reactions import ReactionSystem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from grn.networks.reactions import Reaction

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def write_sbml(model: ReactionSystem | GeneNetwork, path: str | Path) -> None:
    """Write a model as SBML Level 3 Version 1, core only; `read_sbml` gives the same rates back.

    A name that is no SBML identifier gets one that is, and is kept as the ``name``. Operations that SBML
    lacks, such as `hill`, become function definitions. Each volume is a compartment.

    Parameters
    ----------
    model : ReactionSystem or GeneNetwork
        Without delays and callables. A network is written as its reactions.
    path : str or Path
        The target; replaced whole or not at all.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If a rate law uses a delay or a function of the user's, is too deep or too long for a file, or a
        name holds a character that XML cannot.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from grn.networks.network import Gene
    >>> path = Path(tempfile.mkdtemp()) / "gene.xml"
    >>> write_sbml(GeneNetwork(genes=(Gene(name="A"),)), path)
    >>> '<species id="A_mrna"' in path.read_text()
    True
    """
    if not isinstance(model, ReactionSystem | GeneNetwork):
        raise TypeError(f"expected a ReactionSystem or a GeneNetwork to write, got {type(model).__name__}")
    write_text(path, _text(model if isinstance(model, ReactionSystem) else model.system))


class _Identifiers:
    """Valid identifiers, each given once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def __call__(self, name: str) -> str:
        wanted = re.sub(r"[^A-Za-z0-9_]", "_", name) or "_"
        if not _IDENTIFIER.fullmatch(wanted):
            wanted = f"_{wanted}"
        free, number = wanted, 1
        while free in self._taken:
            number += 1
            free = f"{wanted}_{number}"
        self._taken.add(free)
        return free


def _attributes(identifier: str, name: str) -> str:
    """Id, and the name where it differs."""
    if any(ord(c) < 32 or 0xD800 <= ord(c) <= 0xDFFF or ord(c) in (0xFFFE, 0xFFFF) for c in name):
        raise ValueError(f"{name!r} holds a character that XML cannot: rename it before writing SBML")
    return f'id="{identifier}"' + (f" name={quoteattr(name)}" if name != identifier else "")


def _text(system: ReactionSystem) -> str:
    unique = _Identifiers()
    # Names that are identifiers already keep them, whatever others turn into.
    symbols = sorted((*system.species, *system.parameters), key=lambda name: not _IDENTIFIER.fullmatch(name))
    ids = {name: unique(name) for name in symbols}
    used = {node.op for node in nodes([reaction.rate for reaction in system.reactions])}
    functions = {op: unique(name) for op, (name, _) in OWN_FUNCTIONS.items() if op in used}
    volumes: dict[float, str] = dict.fromkeys(system.volume_of.tolist(), "")
    for number, volume in enumerate(volumes, start=1):
        volumes[volume] = unique("compartment" if len(volumes) == 1 else f"compartment_{number}")

    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append('<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1">')
    known_unit = system.time_unit in _SECONDS
    units = ' timeUnits="time_unit"' if known_unit else ""
    title = system.name or "model"
    lines.append(f"<model {_attributes(_Identifiers()(title), title)}{units}>")
    lines.append(f'<annotation><names xmlns="{NAMES_NAMESPACE}"/></annotation>')

    def part(name: str, items: list[str]) -> None:
        if items:
            lines.extend((f"<listOf{name}>", *items, f"</listOf{name}>"))

    part(
        "FunctionDefinitions", [definition_as_mathml(op, identifier) for op, identifier in functions.items()]
    )
    if known_unit:
        lines.append(
            '<listOfUnitDefinitions><unitDefinition id="time_unit"><listOfUnits><unit kind="second" '
            f'exponent="1" scale="0" multiplier="{_SECONDS[system.time_unit]}"/></listOfUnits>'
            "</unitDefinition></listOfUnitDefinitions>"
        )
    part(
        "Compartments",
        [
            f'<compartment id="{identifier}" spatialDimensions="3" size="{volume!r}" constant="true"/>'
            for volume, identifier in volumes.items()
        ],
    )
    part(
        "Species",
        [
            f'<species {_attributes(ids[name], name)} compartment="{volumes[volume]}" '
            f'initialConcentration="{float(system.initial[name])!r}" hasOnlySubstanceUnits="false" '
            'boundaryCondition="false" constant="false"/>'
            for name, volume in zip(system.species, system.volume_of.tolist(), strict=True)
        ],
    )
    part(
        "Parameters",
        [
            f'<parameter {_attributes(ids[name], name)} value="{float(value)!r}" constant="true"/>'
            for name, value in system.parameters.items()
        ],
    )
    part("Reactions", [_reaction(reaction, system, unique, ids, functions) for reaction in system.reactions])
    lines.extend(("</model>", "</sbml>", ""))
    return "\n".join(lines)


def _reaction(
    reaction: Reaction,
    system: ReactionSystem,
    unique: _Identifiers,
    ids: Mapping[str, str],
    functions: Mapping[Op, str],
) -> str:
    changes = {name: change for name, change in reaction.changes.items() if change}
    sides = [
        ("Reactants", {name: -change for name, change in changes.items() if change < 0}),
        ("Products", {name: change for name, change in changes.items() if change > 0}),
    ]
    if not changes:  # SBML wants a reactant or a product; one of each cancels
        sides = [("Reactants", {system.species[0]: 1.0}), ("Products", {system.species[0]: 1.0})]
    labels = _attributes(unique(reaction.name), reaction.name)
    parts = [f'<reaction {labels} reversible="false" fast="false">']
    for side, counts in sides:
        if counts:
            references = "".join(
                f'<speciesReference species="{ids[name]}" stoichiometry="{float(count)!r}" constant="true"/>'
                for name, count in counts.items()
            )
            parts.append(f"<listOf{side}>{references}</listOf{side}>")
    present = {name for _, counts in sides for name in counts}
    leaves = dict.fromkeys(node.name for node in nodes([reaction.rate]) if node.op is Op.SPECIES)
    modifiers = "".join(
        f'<modifierSpeciesReference species="{ids[name]}"/>' for name in leaves if name not in present
    )
    if modifiers:
        parts.append(f"<listOfModifiers>{modifiers}</listOfModifiers>")
    law = rate_as_mathml(reaction, ids, functions)
    parts.append(f"<kineticLaw>{law}</kineticLaw></reaction>")
    return "\n".join(parts)
