"""From the parts of an SBML model to a reaction system: what every name in its formulas stands for."""

from __future__ import annotations

import math
from collections import ChainMap
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

import torch

from grn.networks.formula import Formula, Op, constant, nodes, parameter, species
from grn.networks.io.mathml import Place, Translator, names_in, require_libsbml
from grn.networks.io.text import FormatError
from grn.networks.program import Program
from grn.networks.reactions import Reaction, ReactionSystem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

NAMES_NAMESPACE = "https://grn-pruning.invalid/names"
"""Marks a model in which a ``name`` is the name proper, and its id was made from it."""

_SECONDS = {1.0: "s", 60.0: "min", 3600.0: "h", 86400.0: "d"}


def system_of_document(document: Any, path: Path) -> ReactionSystem:
    """Turn the model of a document, without unsupported parts, into a reaction system.

    Parameters
    ----------
    document : libsbml.SBMLDocument
        With a model, past the consistency checks of `libsbml`.
    path : Path
        Its file, for messages.

    Returns
    -------
    ReactionSystem
        Species with concentrations and the volumes that hold them, or amounts with volume 1.

    Raises
    ------
    FormatError
        If a value is missing, a definition depends on itself, or a formula cannot be translated.

    Examples
    --------
    >>> from pathlib import Path
    >>> from grn.networks.io.mathml import require_libsbml
    >>> document = require_libsbml().SBMLDocument(3, 1)
    >>> _ = document.createModel()
    >>> system_of_document(document, Path("empty.xml"))
    Traceback (most recent call last):
    ...
    grn.networks.io.text.FormatError: empty.xml:1: a reaction system must have at least one species, got none
    """
    return _Conversion(document.getModel(), path).system()


@dataclass(frozen=True, slots=True)
class _Definition:
    """What a name stands for: a formula that is made once all names that it needs are known."""

    make: Callable[[dict[str, Formula]], Formula]
    needs: frozenset[str] = frozenset()


def _plainly(formula: Formula) -> _Definition:
    return _Definition(lambda known: formula)


class _Conversion:
    """One model, under conversion."""

    def __init__(self, model: Any, path: Path) -> None:
        self.model = model
        self.path = path
        self.translator = Translator(
            {f.getId(): f.getMath() for f in model.getListOfFunctionDefinitions() if f.isSetMath()}
        )
        rules = [rule for rule in model.getListOfRules() if rule.isSetMath()]
        self.assigned = {rule.getVariable(): rule for rule in rules if rule.isAssignment()}
        self.driven = {rule.getVariable(): rule for rule in rules if rule.isRate()}
        self.first = {a.getSymbol(): a for a in model.getListOfInitialAssignments() if a.isSetMath()}
        self.compartments = {c.getId(): c for c in model.getListOfCompartments()}
        self.species = {s.getId(): s for s in model.getListOfSpecies()}
        self.parameters = {p.getId(): p for p in model.getListOfParameters()}
        self.reactions = {r.getId(): r for r in model.getListOfReactions()}
        annotation = model.getAnnotationString() if model.isSetAnnotation() else ""
        names = [e.getName() or e.getId() for e in (*self.species.values(), *self.parameters.values())]
        self.named = NAMES_NAMESPACE in annotation and len(set(names)) == len(names)

    def system(self) -> ReactionSystem:
        values = self._initial_values()
        definitions = self._definitions(values)
        known = self._resolved(definitions, definitions)
        state = [s for s in self.species.values() if self._varies(s)]
        driven = [p for p in self.parameters.values() if p.getId() in self.driven]
        fixed = [p for p in self.parameters.values() if p.getId() not in self.driven]
        fixed += [s for s in self.species.values() if not self._varies(s)]
        used = {need for definition in definitions.values() for need in definition.needs}
        parameters = {}
        for element in fixed:
            name = element.getId()
            if name in self.assigned or (name not in values and name not in used and self._is_species(name)):
                continue
            parameters[self._label(element)] = self._value(values, element)
        for reaction in self.reactions.values():
            for own in _locals(reaction):
                label = self._local_label(reaction, own)
                if label in parameters:
                    raise self._place(own, f"parameter {label!r}").error("it is given twice")
                parameters[label] = self._value({}, own)
        volumes = {s.getId(): values[s.getCompartment()] for s in state if not self._is_amount(s)}
        try:
            return ReactionSystem(
                initial={self._label(e): self._value(values, e) for e in (*state, *driven)},
                reactions=(*self._reactions(known, values), *self._rate_rules(known, volumes)),
                parameters=parameters,
                volumes={
                    self._label(s): volumes[s.getId()] for s in state if volumes.get(s.getId(), 1.0) != 1.0
                },
                name=self.model.getName() or self.model.getId(),
                time_unit=_time_unit(self.model),
                source=f"SBML, {self.path.name}",
            )
        except FormatError:
            raise
        except ValueError as error:
            raise FormatError(self.path, max(1, self.model.getLine()), str(error)) from None

    def _place(self, element: Any, what: str) -> Place:
        return Place(self.path, max(1, element.getLine()), what)

    def _label(self, element: Any) -> str:
        """Name of a species, parameter or reaction in the system."""
        return str((self.named and element.getName()) or element.getId())

    def _local_label(self, reaction: Any, local: Any) -> str:
        return f"{self._label(reaction)}.{self._label(local)}"

    def _is_species(self, name: str) -> bool:
        return name in self.species

    def _varies(self, element: Any) -> bool:
        """Whether a species is part of the state."""
        if element.getId() in self.driven:
            return True
        fixed = element.getConstant() or element.getBoundaryCondition()
        return not fixed and element.getId() not in self.assigned

    def _is_amount(self, element: Any) -> bool:
        """Whether the name of a species stands for its amount."""
        home = self.compartments.get(element.getCompartment())
        return bool(element.getHasOnlySubstanceUnits()) or (home is not None and _is_point(home))

    def _value(self, values: Mapping[str, float], element: Any) -> float:
        name = element.getId()
        place = self._place(element, f"{'species' if self._is_species(name) else 'parameter'} {name!r}")
        value = values.get(name, math.nan)
        if name not in values and not self._is_species(name) and element.isSetValue():
            value = element.getValue()
        if math.isnan(value) and name not in values:
            raise place.error("it has no value: give it one, or an assignment that defines it")
        if not math.isfinite(value):
            raise place.error(f"its value must be a finite number, got {value}")
        return float(value)

    def _law(self, element: Any, what: str, local: dict[str, Formula] | None = None) -> _Definition:
        """Definition by the math of an element."""
        tree, place, own = element.getMath(), self._place(element, what), local or {}
        return _Definition(
            lambda known: self.translator.formula(tree, ChainMap(own, known), place),
            frozenset(names_in(tree)) - own.keys(),
        )

    def _definitions(self, values: Mapping[str, float]) -> dict[str, _Definition]:
        """Every name, at any time: leaves of formulas, or what a rule or a kinetic law says."""
        fixed = (*self.compartments, *self._stoichiometries())
        found = {name: _plainly(constant(values[name])) for name in fixed}
        for element in self.species.values():
            leaf = species if self._varies(element) else parameter
            found[element.getId()] = _plainly(leaf(self._label(element)))
        for element in self.parameters.values():
            leaf = species if element.getId() in self.driven else parameter
            found[element.getId()] = _plainly(leaf(self._label(element)))
        for name, rule in self.assigned.items():
            found[name] = self._law(rule, f"assignment rule of {name!r}")
        for reaction in self.reactions.values():
            local = {p.getId(): parameter(self._local_label(reaction, p)) for p in _locals(reaction)}
            found[reaction.getId()] = self._kinetic_law(reaction, local)
        return found

    def _initial_definitions(self) -> dict[str, _Definition]:
        """Every name that has a value, at time 0."""
        found = {}
        for element in self.compartments.values():
            if element.isSetSize() and not math.isnan(element.getSize()):
                found[element.getId()] = _plainly(constant(element.getSize()))
            elif _is_point(element):
                found[element.getId()] = _plainly(constant(1.0))
            elif element.getId() not in self.first:
                raise self._place(element, f"compartment {element.getId()!r}").error(
                    "it has no size: give it one, or an assignment that defines it"
                )
        for element in self.species.values():
            start = self._start(element)
            if start is not None:
                found[element.getId()] = start
        for element in self.parameters.values():
            if element.isSetValue() and not math.isnan(element.getValue()):
                found[element.getId()] = _plainly(constant(element.getValue()))
        for reaction in self.reactions.values():
            local = {p.getId(): constant(self._value({}, p)) for p in _locals(reaction)}
            found[reaction.getId()] = self._kinetic_law(reaction, local)
        found |= self._stoichiometries()
        for name, rule in self.assigned.items():
            found[name] = self._law(rule, f"assignment rule of {name!r}")
        for name, assignment in self.first.items():
            found[name] = self._law(assignment, f"initial assignment of {name!r}")
        return found

    def _start(self, element: Any) -> _Definition | None:
        """Value of a species at time 0, as an amount or a concentration, whichever its name stands for."""
        home = element.getCompartment()
        as_amount = self._is_amount(element)
        if element.isSetInitialAmount():
            value, convert = element.getInitialAmount(), not as_amount
        elif element.isSetInitialConcentration():
            value, convert = element.getInitialConcentration(), as_amount
        else:
            return None
        if math.isnan(value):
            return None
        if not convert:
            return _plainly(constant(value))
        if as_amount:
            return _Definition(lambda known: value * known[home], frozenset({home}))
        return _Definition(lambda known: value / known[home], frozenset({home}))

    def _kinetic_law(self, reaction: Any, local: dict[str, Formula]) -> _Definition:
        return self._law(reaction.getKineticLaw(), f"kinetic law of reaction {reaction.getId()!r}", local)

    def _stoichiometries(self) -> dict[str, _Definition]:
        """Ids of species references, which stand for their stoichiometry."""
        found = {}
        for reaction in self.reactions.values():
            for reference in (*reaction.getListOfReactants(), *reaction.getListOfProducts()):
                name = reference.getIdAttribute()
                if not name:
                    continue
                if name in self.first:
                    found[name] = self._law(self.first[name], f"initial assignment of {name!r}")
                elif reference.isSetStoichiometry() and not reference.isSetStoichiometryMath():
                    found[name] = _plainly(constant(reference.getStoichiometry()))
        return found

    def _resolved(self, definitions: Mapping[str, _Definition], wanted: Iterable[str]) -> dict[str, Formula]:
        """What is wanted, as formulas of leaves: definitions are inlined, those first that others need."""
        needs: dict[str, frozenset[str]] = {}
        open_names = list(wanted)
        while open_names:
            name = open_names.pop()
            if name not in needs:
                needs[name] = definitions[name].needs if name in definitions else frozenset()
                open_names.extend(needs[name])
        order = TopologicalSorter(needs)
        known: dict[str, Formula] = {}
        try:
            for name in order.static_order():
                if name in definitions:
                    known[name] = definitions[name].make(known)
                else:
                    self._check_defined(name)
        except CycleError as error:
            cycle = " → ".join(reversed(error.args[1]))
            element = self.assigned.get(error.args[1][0], self.model)
            raise self._place(element, "assignment").error(f"definitions form a cycle: {cycle}") from None
        return known

    def _check_defined(self, name: str) -> None:
        """Tell what has no value from what is not there at all, which the translator reports."""
        element = self.species.get(name) or self.parameters.get(name)
        if element is not None:
            self._value({}, element)

    def _initial_values(self) -> dict[str, float]:
        definitions = self._initial_definitions()
        wanted = [name for name in definitions if name not in self.reactions]
        known = self._resolved(definitions, wanted)
        values = dict(zip(wanted, _numbers([known[name] for name in wanted]), strict=True))
        for name, size in self.compartments.items():
            if not (math.isfinite(values[name]) and values[name] > 0):
                raise self._place(size, f"compartment {name!r}").error(
                    f"its size must be a positive finite number, got {values[name]}"
                )
        return values

    def _reactions(self, known: dict[str, Formula], values: Mapping[str, float]) -> Iterable[Reaction]:
        for reaction in self.reactions.values():
            changes: dict[str, float] = {}
            for references, sign in (
                (reaction.getListOfReactants(), -1.0),
                (reaction.getListOfProducts(), 1.0),
            ):
                for reference in references:
                    element = self.species[reference.getSpecies()]
                    if element.getConstant() or element.getBoundaryCondition():
                        continue
                    place = self._place(reference, f"reaction {reaction.getId()!r}")
                    if element.getId() in self.assigned or element.getId() in self.driven:
                        raise place.error(f"it changes {element.getId()!r}, which a rule determines")
                    count = self._count(reference, known, values, place) * self._factor(element, values)
                    name = self._label(element)
                    changes[name] = changes.get(name, 0.0) + sign * count
            yield Reaction(
                name=self._label(reaction),
                changes={name: change for name, change in changes.items() if change},
                rate=known[reaction.getId()],
            )

    def _count(
        self, reference: Any, known: dict[str, Formula], values: Mapping[str, float], place: Place
    ) -> float:
        """Stoichiometry of one reactant or product: a number, or math that comes to a constant."""
        label = f"stoichiometry of {reference.getSpecies()!r}"
        if reference.isSetStoichiometryMath():
            law = self._law(reference.getStoichiometryMath(), label)
            if any(node.op in (Op.SPECIES, Op.TIME) for node in nodes([law.make(known)])):
                raise place.error(f"the {label} varies, which is not supported")
            value = _numbers([law.make({name: constant(number) for name, number in values.items()})])[0]
        elif reference.getIdAttribute() in values and reference.isSetIdAttribute():
            value = values[reference.getIdAttribute()]
        elif reference.isSetStoichiometry() or reference.getLevel() < 3:
            value = reference.getStoichiometry()
        else:
            raise place.error(f"the {label} has no value")
        if not math.isfinite(value):
            raise place.error(f"the {label} must be a finite number, got {value}")
        return float(value)

    def _factor(self, element: Any, values: Mapping[str, float]) -> float:
        """Substance of a species for each unit of extent of a reaction."""
        for owner in (element, self.model):
            if owner.isSetConversionFactor():
                return self._value(values, self.parameters[owner.getConversionFactor()])
        return 1.0

    def _rate_rules(self, known: dict[str, Formula], volumes: Mapping[str, float]) -> Iterable[Reaction]:
        for name, rule in self.driven.items():
            rate = self._law(rule, f"rate rule of {name!r}").make(known)
            element = self.species.get(name) or self.parameters.get(name)
            label = self._label(element)
            yield Reaction(
                name=f"rate rule of {label}", changes={label: 1.0}, rate=rate * volumes.get(name, 1.0)
            )


def _is_point(compartment: Any) -> bool:
    return bool(compartment.isSetSpatialDimensions() and compartment.getSpatialDimensions() == 0)


def _locals(reaction: Any) -> tuple[Any, ...]:
    law = reaction.getKineticLaw()
    return tuple(law.getListOfLocalParameters() if law.getLevel() > 2 else law.getListOfParameters())


def _numbers(formulas: Sequence[Formula]) -> list[float]:
    """Values of formulas without parameters and species, at time 0."""
    if not formulas:
        return []
    program = Program(formulas, species=(), parameters=())
    fixed = program.prepare(torch.zeros(0, 1, dtype=torch.float64))
    values: list[float] = program(torch.zeros(0, 1, dtype=torch.float64), fixed)[:, 0].tolist()
    return values


def _time_unit(model: Any) -> str:
    """Return the unit of time where it is a plain one, for reports alone."""
    name = model.getTimeUnits() if model.getLevel() > 2 else "time"
    if name == "second":
        return "s"
    definition = model.getUnitDefinition(name) if name else None
    if definition is None or definition.getNumUnits() != 1:
        return ""
    unit = definition.getUnit(0)
    if unit.getKind() != require_libsbml().UNIT_KIND_SECOND or unit.getExponent() != 1:
        return ""
    return _SECONDS.get(unit.getMultiplier() * 10.0 ** unit.getScale(), "")
