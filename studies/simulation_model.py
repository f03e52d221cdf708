"""The model that the simulate study is asked for, and what to show of it when that is not said."""

from __future__ import annotations

import difflib
import fnmatch
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from grn.networks.circuits import CIRCUITS
from grn.networks.io import read_boolode_initial, read_model
from grn.networks.logic.boolean import BooleanNetwork
from grn.networks.network import GeneNetwork
from grn.networks.perturb import Clamp, Knockdown, Knockout, Overexpression
from grn.plot.labels import is_mrna, shown_species

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grn.networks.perturb import Perturbation
    from grn.networks.reactions import ReactionSystem

MOST_GENES_LISTED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A model and where it is from."""

    model: GeneNetwork | ReactionSystem | BooleanNetwork
    name: str
    notes: tuple[str, ...] = ()  # what was assumed in reading it

    @property
    def genes(self) -> tuple[str, ...]:
        """Names of genes; of a list of reactions, none."""
        if isinstance(self.model, BooleanNetwork):
            return self.model.genes
        return self.model.names if isinstance(self.model, GeneNetwork) else ()

    @property
    def kinetic(self) -> GeneNetwork | ReactionSystem:
        """The model with rate equations."""
        assert not isinstance(self.model, BooleanNetwork)
        return self.model


def load(source: str, *, boolean: bool) -> Loaded:
    """Return a built-in circuit or the model of a file.

    Rules without kinetics get BoolODE's, unless they are to be simulated as rules.

    Raises
    ------
    ValueError
        If there is no such circuit or file, or the file cannot be read as a model.
    """
    if source in CIRCUITS:
        circuit = CIRCUITS[source]()
        return Loaded(model=circuit, name=circuit.name)
    path = Path(source)
    if path.is_dir():
        raise ValueError(f"{source} is a directory: name the file of a model in it")
    if not path.is_file():
        near = difflib.get_close_matches(source, CIRCUITS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"no circuit or file is called {source!r}: the circuits are {', '.join(CIRCUITS)}{hint}"
        )
    try:
        model = read_model(path)
    except ImportError as error:
        raise ValueError(str(error)) from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error})") from None
    if not isinstance(model, BooleanNetwork):
        return Loaded(model=model, name=str(getattr(model, "name", "") or path.stem))
    levels: dict[str, float] = {}
    notes = []
    beside = path.with_name(f"{path.stem}_ics.txt")
    if beside.is_file():
        levels = read_boolode_initial(beside)
        notes.append(f"It starts from the levels of {beside.name}, found beside it.")
    if boolean and not levels:
        return Loaded(model=model, name=path.stem)
    notes.insert(0, "The file holds rules: every gene has BoolODE's kinetics.")
    network = GeneNetwork.from_boolean(model, initial=levels, name=path.stem, source=path.name)
    return Loaded(model=network, name=path.stem, notes=tuple(notes[1:] if boolean else notes))


def check_targets(loaded: Loaded, perturbations: Sequence[Perturbation]) -> None:
    """Refuse perturbations of what is not in the model.

    Raises
    ------
    ValueError
        Names the option and the nearest known name.
    """
    options = {Knockout: "knockout", Knockdown: "knockdown", Overexpression: "overexpress", Clamp: "clamp"}
    species = loaded.genes if isinstance(loaded.model, BooleanNetwork) else loaded.kinetic.species
    for perturbation in perturbations:
        option = options[type(perturbation)]
        if isinstance(perturbation, Clamp):
            check_name(option, perturbation.species, species, "species")
        elif not loaded.genes:
            raise ValueError(
                f"{option} needs genes, and {loaded.name} is a list of reactions: use --clamp "
                f"{perturbation.gene}=0, or change a rate with --parameter"
            )
        else:
            check_name(option, perturbation.gene, loaded.genes, "gene")


def check_name(option: str, name: str, known: Sequence[str], kind: str) -> None:
    """Refuse a name that is not known.

    Examples
    --------
    >>> check_name("knockout", "lacl", ["lacI", "tetR"], "gene")
    Traceback (most recent call last):
    ...
    ValueError: knockout: no gene is called 'lacl', did you mean 'lacI'?
    """
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1)
    more = ", ..." if len(known) > MOST_GENES_LISTED else ""
    hint = (
        f"did you mean {near[0]!r}?"
        if near
        else f"the known ones are {', '.join(known[:MOST_GENES_LISTED])}{more}"
    )
    raise ValueError(f"{option}: no {kind} is called {name!r}, {hint}")


def expand_patterns(given: Mapping[str, float], known: Sequence[str]) -> dict[str, float]:
    """Return values by name, where ``*`` and ``?`` in a name stand for any text and any letter.

    A name in full wins over a pattern, a later pattern over an earlier one.

    Raises
    ------
    ValueError
        If nothing is called so.

    Examples
    --------
    >>> expand_patterns({"*.basal": 0.1, "A.basal": 0.2}, ["A.basal", "B.basal", "A.transcription"])
    {'A.basal': 0.2, 'B.basal': 0.1}
    """
    found: dict[str, float] = {}
    for pattern, value in given.items():
        if pattern in known or not set("*?") & set(pattern):
            continue
        matched = [name for name in known if fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))]
        if not matched:
            shown = ", ".join(known[:MOST_GENES_LISTED]) + (", ..." if len(known) > MOST_GENES_LISTED else "")
            raise ValueError(f"parameter: none matches {pattern!r}; the known ones are {shown}")
        found |= dict.fromkeys(matched, value)
    for name, value in given.items():
        if name in known or not set("*?") & set(name):
            check_name("parameter", name, known, "parameter")
            found[name] = value
    return found


def choose_pair(
    model: GeneNetwork | ReactionSystem, fixed: Sequence[str], x: str | None, y: str | None
) -> tuple[str, str] | None:
    """Species of the phase plane: those asked for, else two that regulate each other and most others.

    Parameters
    ----------
    model : GeneNetwork or ReactionSystem
        The model.
    fixed : sequence of str
        Species that cannot move.
    x, y : str or None
        What is asked for.

    Returns
    -------
    (x, y) or None
        None if fewer than two species move.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> choose_pair(circuits.p53(), [], None, None)
    ('p53', 'MDM2')
    """
    free = [n for n in shown_species(model.species) if n not in fixed]
    proteins = [name for name in free if not is_mrna(name, model.species)]
    wanted = [name for name in (x, y) if name is not None]
    candidates = [*wanted, *(name for name in proteins if name not in wanted)]
    candidates += [name for name in free if name not in candidates]
    if len(candidates) < 2:
        return None
    edges = {(a, b) for a, b, _ in model.edges if a != b} if isinstance(model, GeneNetwork) else set()
    degree = Counter(name for edge in edges for name in edge)

    def worth(pair: tuple[str, str]) -> tuple[int, int]:
        return ((pair in edges) + (pair[::-1] in edges), degree[pair[0]] + degree[pair[1]])

    pairs = [
        (a, b)
        for k, a in enumerate(candidates)
        for b in candidates[k + 1 :]
        if (a if x is None else x) in (a, b) and (b if y is None else y) in (a, b)
    ]
    best = max(pairs, key=worth)
    return best[::-1] if best[0] == y or best[1] == x else best


def choose_parameter(model: GeneNetwork, values: Mapping[str, float], fixed: Sequence[str]) -> str | None:
    """Parameter to follow when none is named: the transcription of the most connected gene that can change.

    None where none has a positive value.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> circuit = circuits.goodwin()
    >>> choose_parameter(circuit, dict(circuit.parameters), [])
    'enzyme.transcription'
    """
    degree = Counter(name for a, b, _ in model.edges for name in (a, b))
    genes = [gene for gene in model.genes if gene.name not in fixed and gene.mrna not in fixed]
    names = [f"{g.name}.transcription" for g in sorted(genes, key=lambda gene: -degree[gene.name])]
    return next((name for name in names if values.get(name, 0.0) > 0), None)
