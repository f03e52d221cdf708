r"""Models from files and into files, whatever the format: `read_model`, `write_model`, and one pair a format.

=========================== ============================================ =================================
suffix                      format                                       model
=========================== ============================================ =================================
``.xml``, ``.sbml``         SBML (needs python-libsbml)                  ReactionSystem; GeneNetwork where
                                                                         GeneNetWeaver wrote it
``.bnet``                   BoolNet and PyBoolNet rules                  BooleanNetwork
``.txt``, ``.tsv``          BoolODE rules, with the header ``Gene Rule`` BooleanNetwork
``.topo``                   RACIPE topology                              GeneNetwork
``.graphml``                GraphML                                      GeneNetwork
``.csv .tsv .txt .sif``     signed edge list                             GeneNetwork
=========================== ============================================ =================================

Every malformed file raises `FormatError`, whose message begins with ``path:line:``; every file is written
whole or not at all.

>>> import tempfile
>>> from pathlib import Path
>>> path = Path(tempfile.mkdtemp()) / "switch.tsv"
>>> _ = path.write_text("Gene\tRule\nA\tnot B\nB\tnot A\n")
>>> read_model(path)
BooleanNetwork({'A': 'not B', 'B': 'not A'})
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from grn.networks.io.bnet import read_bnet, write_bnet
    from grn.networks.io.boolode import (
        read_boolode,
        read_boolode_initial,
        write_boolode,
        write_boolode_initial,
    )
    from grn.networks.io.edges import read_edges, write_edges
    from grn.networks.io.graphml import read_graphml, write_graphml
    from grn.networks.io.racipe import (
        read_racipe_initial,
        read_racipe_parameters,
        read_topo,
        sample_racipe,
        write_topo,
    )
    from grn.networks.io.sbml import read_sbml, write_sbml
    from grn.networks.io.text import FormatError
    from grn.networks.logic.boolean import BooleanNetwork
    from grn.networks.network import GeneNetwork
    from grn.networks.reactions import ReactionSystem

__all__ = [
    "FormatError",
    "read_bnet",
    "read_boolode",
    "read_boolode_initial",
    "read_edges",
    "read_graphml",
    "read_model",
    "read_racipe_initial",
    "read_racipe_parameters",
    "read_sbml",
    "read_topo",
    "sample_racipe",
    "write_bnet",
    "write_boolode",
    "write_boolode_initial",
    "write_edges",
    "write_graphml",
    "write_model",
    "write_sbml",
    "write_topo",
]

_MODULES = {
    "FormatError": "text",
    "read_bnet": "bnet",
    "read_boolode": "boolode",
    "read_boolode_initial": "boolode",
    "read_edges": "edges",
    "read_graphml": "graphml",
    "read_racipe_initial": "racipe",
    "read_racipe_parameters": "racipe",
    "read_sbml": "sbml",
    "read_topo": "racipe",
    "sample_racipe": "racipe",
    "write_bnet": "bnet",
    "write_boolode": "boolode",
    "write_boolode_initial": "boolode",
    "write_edges": "edges",
    "write_graphml": "graphml",
    "write_sbml": "sbml",
    "write_topo": "racipe",
}
_READERS = {
    ".xml": "read_sbml",
    ".sbml": "read_sbml",
    ".bnet": "read_bnet",
    ".topo": "read_topo",
    ".graphml": "read_graphml",
    ".csv": "read_edges",
    ".sif": "read_edges",
    ".tsv": "read_edges",
    ".txt": "read_edges",
}
_WRITERS = {  # by the suffix and the class of the model
    ".xml": {"ReactionSystem": "write_sbml", "GeneNetwork": "write_sbml"},
    ".sbml": {"ReactionSystem": "write_sbml", "GeneNetwork": "write_sbml"},
    ".bnet": {"BooleanNetwork": "write_bnet"},
    ".topo": {"GeneNetwork": "write_topo"},
    ".graphml": {"GeneNetwork": "write_graphml"},
    ".csv": {"GeneNetwork": "write_edges"},
    ".sif": {"GeneNetwork": "write_edges"},
    ".tsv": {"GeneNetwork": "write_edges", "BooleanNetwork": "write_boolode"},
    ".txt": {"GeneNetwork": "write_edges", "BooleanNetwork": "write_boolode"},
}


def read_model(path: str | Path) -> GeneNetwork | ReactionSystem | BooleanNetwork:
    """Read a model in the format that the suffix of the file names.

    Parameters
    ----------
    path : str or Path
        With a suffix of this module's table, in any case.

    Returns
    -------
    GeneNetwork, ReactionSystem or BooleanNetwork
        `GeneNetwork.from_boolean` gives a Boolean network kinetics.

    Raises
    ------
    ValueError
        If the suffix is unknown.
    FormatError
        If the file is not what its suffix says.
    OSError
        If the file cannot be read.
    ImportError
        If it is SBML and python-libsbml is not installed.

    Examples
    --------
    >>> read_model("model.docx")
    Traceback (most recent call last):
    ...
    ValueError: the suffix '.docx' of model.docx is no known format: use one of .xml, .sbml, .bnet, ...
    """
    path = Path(path)
    reader = _READERS[_known_suffix(path)]
    if reader == "read_edges" and _holds_rules(path):
        reader = "read_boolode"
    read: Callable[[Path], GeneNetwork | ReactionSystem | BooleanNetwork] = _function(reader)
    return read(path)


def write_model(model: GeneNetwork | ReactionSystem | BooleanNetwork, path: str | Path) -> None:
    """Write a model in the format that the suffix of the file names.

    GraphML keeps a `GeneNetwork` whole. SBML keeps its equations; ``.topo`` and edge lists keep its signed
    edges alone.

    Parameters
    ----------
    model : GeneNetwork, ReactionSystem or BooleanNetwork
        What to write.
    path : str or Path
        The target; replaced whole or not at all.

    Raises
    ------
    ValueError
        If the suffix is unknown, or the format cannot hold the model.
    TypeError
        If the format is not one for models of this class.

    Examples
    --------
    >>> import tempfile
    >>> from grn.networks import circuits
    >>> write_model(circuits.toggle(), Path(tempfile.mkdtemp()) / "toggle.bnet")
    Traceback (most recent call last):
    ...
    TypeError: a GeneNetwork cannot be written as .bnet: use .xml, .sbml, .topo, .graphml, ... or .txt; its
    rules alone, where it has them, are network.boolean()
    """
    path = Path(path)
    suffix = _known_suffix(path)
    kind = next((base.__name__ for base in type(model).__mro__ if base.__name__ in _MODELS), "")
    if kind not in _WRITERS[suffix]:
        fitting = [known for known, writers in _WRITERS.items() if kind in writers]
        if not fitting:
            raise TypeError(f"a model must be one of {', '.join(_MODELS)}, got {type(model).__name__}")
        hint = _MODELS[kind] if suffix == ".bnet" else ""
        raise TypeError(
            f"a {kind} cannot be written as {suffix}: use {', '.join(fitting[:-1])} or {fitting[-1]}{hint}"
        )
    write: Callable[[Any, Path], None] = _function(_WRITERS[suffix][kind])
    write(model, path)


_MODELS = {
    "GeneNetwork": "; its rules alone, where it has them, are network.boolean()",
    "BooleanNetwork": "",
    "ReactionSystem": "",
}


def _known_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        what = f"the suffix {path.suffix!r} of {path}" if suffix else f"{path} without a suffix"
        raise ValueError(f"{what} is no known format: use one of {', '.join(_READERS)}")
    return suffix


def _holds_rules(path: Path) -> bool:
    """Whether a table has BoolODE's header."""
    from grn.networks.io.text import read_lines

    first = read_lines(path)[0][1]
    return [field.strip().lower() for field in first.split("\t")] == ["gene", "rule"]


def _function(name: str) -> Any:
    return getattr(import_module(f"grn.networks.io.{_MODULES[name]}"), name)


def __getattr__(name: str) -> Any:
    # Readers are imported when they are asked for: a format's libraries are no concern of the others.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _function(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
