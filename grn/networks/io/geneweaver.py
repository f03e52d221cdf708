"""GeneNetWeaver's convention for gene networks in SBML, in which the DREAM challenges are published [1]_.

A gene is a species. What makes and removes it are two reactions without formulas, ``G_synthesis`` and
``G_degradation``: the numbers of the model are parameters of theirs, the regulators are modifiers in the
order in which the modules take them, activators before deactivators.

References
----------
.. [1] T. Schaffter, D. Marbach, D. Floreano, "GeneNetWeaver: in silico benchmark generation and performance
   profiling of network inference methods", Bioinformatics 27, 2263 (2011).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from grn.networks.io.mathml import Place
from grn.networks.io.text import FormatError
from grn.networks.network import Gene, GeneNetwork
from grn.networks.promoters import Constitutive, Module, Modules, Regulator

if TYPE_CHECKING:
    from pathlib import Path

    from grn.networks.promoters import Regulation

_NUMBERED = re.compile(r"(bindsAsComplex|numActivators|numDeactivators|a|k|n)_(\d{1,6})")
_PLAIN = ("max", "deltaProtein", "maxTranslation")
_SIGNED_MODULES = re.compile(r"~?\([\d*~]+\)( \+ ~?\([\d*~]+\))*")


def is_geneweaver(document: Any) -> bool:
    """Whether an SBML document follows GeneNetWeaver's convention.

    Parameters
    ----------
    document : libsbml.SBMLDocument
        As `libsbml` reads it.

    Returns
    -------
    bool
        True if a reaction ``…_synthesis`` has a kinetic law without formula but with a parameter ``max``.

    Examples
    --------
    >>> from grn.networks.io.mathml import require_libsbml
    >>> is_geneweaver(require_libsbml().SBMLDocument(2, 1))
    False
    """
    model = document.getModel()
    if model is None:
        return False
    for reaction in model.getListOfReactions():
        law = reaction.getKineticLaw()
        if reaction.getId().endswith("_synthesis") and law is not None and not law.isSetMath():
            return any(parameter.getId() == "max" for parameter in _parameters(law))
    return False


def network_of_geneweaver(document: Any, path: Path) -> GeneNetwork:
    """Read a model of GeneNetWeaver.

    Initial amounts and concentrations, where given, are those of the proteins; all else starts at 0.

    Parameters
    ----------
    document : libsbml.SBMLDocument
        For which `is_geneweaver` holds.
    path : Path
        Its file, for messages.

    Returns
    -------
    GeneNetwork
        A gene a species, with `Modules` where it has regulators.

    Raises
    ------
    FormatError
        If a gene lacks a reaction or a parameter, or its numbers contradict one another.
    """
    model = document.getModel()
    reactions = {reaction.getId(): reaction for reaction in model.getListOfReactions()}
    species = [s for s in model.getListOfSpecies() if not s.getBoundaryCondition()]
    known = {s.getId() for s in species}
    genes = []
    for gene in species:
        name = gene.getId()
        place = Place(path, max(1, gene.getLine()), f"gene {name!r}")
        for what in ("synthesis", "degradation"):
            if f"{name}_{what}" not in reactions:
                raise place.error(f"expected a reaction '{name}_{what}', found none")
        made = reactions.pop(f"{name}_synthesis")
        lost = reactions.pop(f"{name}_degradation")
        decay = _values(lost, path)
        values = _values(made, path)
        at = Place(path, max(1, made.getLine()), f"reaction {made.getId()!r}")
        for modifier in made.getListOfModifiers():
            if modifier.getSpecies() not in known:
                raise at.error(f"its modifier {modifier.getSpecies()!r} is no gene of the model")
        if set(decay) != {"delta"}:
            raise Place(path, max(1, lost.getLine()), f"reaction {lost.getId()!r}").error(
                f"expected the one parameter delta, found {', '.join(decay) or 'none'}"
            )
        initial = gene.getInitialAmount() if gene.isSetInitialAmount() else gene.getInitialConcentration()
        given = gene.isSetInitialAmount() or gene.isSetInitialConcentration()
        try:
            regulation = _regulation(made, values, at)
            activity = values["a_0"] if isinstance(regulation, Constitutive) else 1.0
            genes.append(
                Gene(
                    name=name,
                    regulation=regulation,
                    transcription=values["max"] * activity,
                    mrna_decay=decay["delta"],
                    translation=values["maxTranslation"],
                    protein_decay=values["deltaProtein"],
                    initial_protein=initial if given else 0.0,
                )
            )
        except FormatError:
            raise
        except ValueError as error:
            raise at.error(str(error)) from None
    if reactions:
        extra = next(iter(reactions.values()))
        raise FormatError(
            path, max(1, extra.getLine()), f"reaction {extra.getId()!r} makes or removes no gene of the model"
        )
    if not genes:
        raise FormatError(path, 1, "expected at least one gene, found none")
    try:
        return GeneNetwork(
            genes=tuple(genes), name=model.getName() or model.getId(), source=f"GeneNetWeaver, {path.name}"
        )
    except ValueError as error:
        raise FormatError(path, 1, str(error)) from None


def _parameters(law: Any) -> tuple[Any, ...]:
    local = law.getListOfLocalParameters() if law.getLevel() > 2 else law.getListOfParameters()
    return tuple(local)


def _values(reaction: Any, path: Path) -> dict[str, float]:
    place = Place(path, max(1, reaction.getLine()), f"reaction {reaction.getId()!r}")
    law = reaction.getKineticLaw()
    if law is None:
        raise place.error("expected a kinetic law with parameters, found none")
    values: dict[str, float] = {}
    for parameter in _parameters(law):
        name, value = parameter.getId(), parameter.getValue()
        if not parameter.isSetValue() or not math.isfinite(value):
            raise place.error(f"parameter {name!r} has no finite value")
        if name in values:
            raise place.error(f"parameter {name!r} is given twice")
        values[name] = value
    return values


def _regulation(reaction: Any, values: dict[str, float], place: Place) -> Regulation:
    """Modules of one gene, once its numbers agree with one another."""
    sources = [modifier.getSpecies() for modifier in reaction.getListOfModifiers()]
    series = _series(values, place)
    sizes = (series["numActivators"], series["numDeactivators"])
    modules = len(series["bindsAsComplex"])
    _expect(place, "numActivators", modules, len(sizes[0]), "one a module")
    _expect(place, "numDeactivators", modules, len(sizes[1]), "one a module")
    _expect(place, "a", 1 << min(modules, 60), len(series["a"]), f"one for each state of {modules} modules")
    for name in ("k", "n"):
        _expect(place, name, len(sources), len(series[name]), "one a modifier")
    for name in ("numActivators", "numDeactivators"):
        for m, value in enumerate(series[name], start=1):
            if value < 0 or value != int(value):
                raise place.error(f"'{name}_{m}' must be a non-negative whole number, got {value}")
    for m, value in enumerate(series["bindsAsComplex"], start=1):
        if value not in (0, 1):
            raise place.error(f"'bindsAsComplex_{m}' must be 0 or 1, got {value}")
    activators, deactivators = ([int(value) for value in part] for part in sizes)
    if sum(activators) + sum(deactivators) != len(sources):
        raise place.error(
            f"numActivators and numDeactivators add up to {sum(activators) + sum(deactivators)} regulators, "
            f"but there are {len(sources)} modifiers"
        )
    _check_name(reaction.getName(), activators, deactivators, series["a"], place)
    if not modules:
        return Constitutive()
    taken = iter(zip(sources, series["k"], series["n"], strict=True))

    def regulators(count: int, *, activates: bool) -> tuple[Regulator, ...]:
        return tuple(
            Regulator(source=source, activates=activates, threshold=threshold, coefficient=coefficient)
            for source, threshold, coefficient in (next(taken) for _ in range(count))
        )

    return Modules(
        modules=tuple(
            Module(
                activators=regulators(bound, activates=True),
                deactivators=regulators(unbound, activates=False),
                complex=together == 1,
            )
            for bound, unbound, together in zip(
                activators, deactivators, series["bindsAsComplex"], strict=True
            )
        ),
        activations=tuple(series["a"]),
    )


def _series(values: dict[str, float], place: Place) -> dict[str, list[float]]:
    """Numbered parameters in order: a from 0, all others from 1, without gaps."""
    for name in _PLAIN:
        if name not in values:
            raise place.error(f"expected a parameter {name!r}, found none")
    numbered: dict[str, dict[int, float]] = {
        name: {} for name in ("bindsAsComplex", "numActivators", "numDeactivators", "a", "k", "n")
    }
    for name, value in values.items():
        match = _NUMBERED.fullmatch(name)
        if match:
            numbered[match[1]][int(match[2])] = value
        elif name not in _PLAIN:
            raise place.error(f"parameter {name!r} is unknown to GeneNetWeaver's convention")
    series = {}
    for name, found in numbered.items():
        first = 0 if name == "a" else 1
        for k in range(first, first + len(found)):
            if k not in found:
                raise place.error(f"expected a parameter '{name}_{k}', found none")
        series[name] = [found[k] for k in range(first, first + len(found))]
    return series


def _expect(place: Place, name: str, wanted: int, found: int, why: str) -> None:
    if wanted != found:
        first = 0 if name == "a" else 1
        missing = f"; '{name}_{first + found}' is missing" if found < wanted else ""
        raise place.error(f"expected {wanted} parameters '{name}_…', {why}, found {found}{missing}")


def _check_name(
    name: str, activators: list[int], deactivators: list[int], activations: list[float], place: Place
) -> None:
    """Compare the modules with their notation in the name, such as ``~(1) + (2*3~4)``, where it is there."""
    _, _, notation = name.partition(": ")
    if not _SIGNED_MODULES.fullmatch(notation):
        return
    parts = notation.split(" + ")
    shown = [(len(re.findall(r"(?<!~)\b\d+", part)), len(re.findall(r"~\d+", part))) for part in parts]
    if shown != list(zip(activators, deactivators, strict=True)):
        raise place.error(f"its name shows the modules {notation!r}, which its parameters contradict")
    for m, part in enumerate(parts):
        change = activations[1 << m] - activations[0]
        if (change > 0) if part.startswith("~") else (change < 0):
            sign = "an inhibitory" if part.startswith("~") else "an activating"
            raise place.error(
                f"its name shows {sign} module {part!r}, but 'a_{1 << m}' - 'a_0' is {change:.6g}"
            )
