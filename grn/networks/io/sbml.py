"""Models in the Systems Biology Markup Language (SBML), Levels 2 and 3 [1]_.

Read are species, compartments of constant size, parameters, function definitions, initial assignments,
assignment and rate rules, and reactions with kinetic laws. Refused by name are events, algebraic rules,
delays, fast reactions, compartments and stoichiometries that change, and packages that a file requires.
Units and constraints are ignored: numbers are taken as they stand.

References
----------
.. [1] M. Hucka et al., "The Systems Biology Markup Language (SBML): Language Specification for Level 3
   Version 2 Core", Journal of Integrative Bioinformatics 15, 20170081 (2018).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grn.networks.io.geneweaver import is_geneweaver, network_of_geneweaver
from grn.networks.io.mathml import require_libsbml
from grn.networks.io.sbml_model import system_of_document
from grn.networks.io.sbml_write import write_sbml
from grn.networks.io.text import FormatError
from grn.networks.io.xml import read_xml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from grn.networks.network import GeneNetwork
    from grn.networks.reactions import ReactionSystem

__all__ = ["read_sbml", "write_sbml"]


def read_sbml(path: str | Path) -> ReactionSystem | GeneNetwork:
    """Read a model.

    A name in a formula of the file means a concentration, or an amount for a species that
    ``hasOnlySubstanceUnits`` (whose volume is then 1). Boundary and constant species become parameters
    unless a rule drives them. A parameter of one reaction is called ``reaction.parameter``. What an
    assignment rule defines is inlined, and so are sizes of compartments and functions. A rate rule becomes
    a reaction that changes its variable by 1.

    Parameters
    ----------
    path : str or Path
        An SBML file of Level 2 or 3, up to 64 MiB, without a document type declaration.

    Returns
    -------
    ReactionSystem or GeneNetwork
        A network of genes where the file follows GeneNetWeaver's convention, as those of the DREAM
        challenges do; else reactions.

    Raises
    ------
    FormatError
        Naming file and line: not valid SBML, something that is not supported, or a value that is missing.
    OSError
        If the file cannot be read.
    ImportError
        If python-libsbml is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from grn.networks.formula import parameter, species
    >>> from grn.networks.reactions import Reaction, ReactionSystem
    >>> decay = Reaction(name="decay", changes={"A": -1}, rate=parameter("k") * species("A"))
    >>> path = Path(tempfile.mkdtemp()) / "decay.xml"
    >>> write_sbml(ReactionSystem(initial={"A": 10.0}, reactions=(decay,), parameters={"k": 0.5}), path)
    >>> system = read_sbml(path)
    >>> dict(system.initial), str(system.reactions[0].rate)
    ({'A': 10.0}, 'k*A')
    """
    libsbml = require_libsbml()
    path = Path(path)
    text = read_xml(path, format="SBML", check_root=partial(_check_root, path))
    document = libsbml.readSBMLFromString(text)
    _raise_first_error(path, document)
    model = document.getModel()
    if model is None:
        raise FormatError(path, 1, "expected a model in the SBML document, found none")
    if document.getLevel() < 2:
        raise FormatError(path, 1, "SBML Level 1 is not supported; convert the file to Level 2 or 3")
    if is_geneweaver(document):
        return network_of_geneweaver(document, path)
    _refuse_unsupported(path, model)
    for category in (
        libsbml.LIBSBML_CAT_UNITS_CONSISTENCY,
        libsbml.LIBSBML_CAT_SBO_CONSISTENCY,
        libsbml.LIBSBML_CAT_MODELING_PRACTICE,
    ):
        document.setConsistencyChecks(category, False)
    document.checkConsistency()
    _raise_first_error(path, document)
    return system_of_document(document, path)


def _check_root(path: Path, line: int, name: str, attributes: Mapping[str, str]) -> None:
    namespace, _, element = name.rpartition(" ")
    if element != "sbml" or not namespace.startswith("http://www.sbml.org/sbml/level"):
        raise FormatError(path, line, f"expected an SBML document, found the XML element <{element}>")
    for attribute, value in attributes.items():
        package, _, label = attribute.rpartition(" ")
        if label == "required" and package and value in ("true", "1"):
            raise FormatError(
                path, line, f"the model needs the SBML package {package}, which is not supported"
            )


def _raise_first_error(path: Path, document: Any) -> None:
    """Raise the first complaint of libsbml that is more than a warning."""
    libsbml = require_libsbml()
    for k in range(document.getNumErrors()):
        error = document.getError(k)
        if error.getSeverity() >= libsbml.LIBSBML_SEV_ERROR:
            # The text of the rule comes first, what breaks it in the last line.
            detail = error.getMessage().strip().rsplit("\n", 1)[-1].strip()
            raise FormatError(path, max(1, error.getLine()), f"{error.getShortMessage()}: {detail[:300]}")


def _refuse_unsupported(path: Path, model: Any) -> None:
    def refuse(element: Any, what: str, name: str) -> None:
        label = f"{what} {name!r}" if name else what
        raise FormatError(path, max(1, element.getLine()), f"{label}: not supported")

    for event in model.getListOfEvents():
        refuse(event, "event", event.getIdAttribute() or event.getName())
    rules = {}
    for rule in model.getListOfRules():
        if rule.isAlgebraic():
            refuse(rule, "algebraic rule", rule.getIdAttribute() or rule.getMetaId())
        rules[rule.getVariable()] = rule
    for compartment in model.getListOfCompartments():
        if compartment.getId() in rules:
            refuse(rules[compartment.getId()], "changing size of compartment", compartment.getId())
    for reaction in model.getListOfReactions():
        if reaction.isSetFast() and reaction.getFast():
            refuse(reaction, "fast reaction", reaction.getId())
        if not reaction.isSetKineticLaw() or not reaction.getKineticLaw().isSetMath():
            raise FormatError(
                path, max(1, reaction.getLine()), f"reaction {reaction.getId()!r} has no kinetic law"
            )
        for species in (*reaction.getListOfReactants(), *reaction.getListOfProducts()):
            if species.getIdAttribute() in rules and species.isSetIdAttribute():
                refuse(
                    rules[species.getIdAttribute()],
                    f"varying stoichiometry of {species.getSpecies()!r} in reaction",
                    reaction.getId(),
                )
