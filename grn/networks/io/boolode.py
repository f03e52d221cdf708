"""BoolODE's files: rules as a table ``Gene<tab>Rule``, initial levels as ``Genes<tab>Values`` [1]_.

References
----------
.. [1] A. Pratapa et al., "Benchmarking algorithms for gene regulatory network inference from single-cell
   transcriptomic data", Nature Methods 17, 147 (2020).
"""

from __future__ import annotations

import ast
import keyword
import math
import re
from typing import TYPE_CHECKING, Any

from grn.networks.io.bnet import network_of_rows
from grn.networks.io.text import FormatError, read_lines, write_text
from grn.networks.logic.syntax import MAX_RULE_LENGTH

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from grn.networks.logic.boolean import BooleanNetwork

_FLAT_LIST = re.compile(r"""\[[\w\s.,:+'"-]*\]""")


def read_boolode(path: str | Path) -> BooleanNetwork:
    r"""Read the rules of a BoolODE model.

    Parameters
    ----------
    path : str or Path
        A header ``Gene<tab>Rule``, then a gene and its rule a line.

    Raises
    ------
    FormatError
        Naming file and line: no header, a line without exactly one tab, a malformed rule, a second rule for
        a gene, or a variable without a line of its own.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "switch.txt"
    >>> _ = path.write_text("Gene\tRule\nA\tnot (B)\nB\tnot (A)\n")
    >>> read_boolode(path)
    BooleanNetwork({'A': 'not B', 'B': 'not A'})
    """
    rows = _table(path, ("Gene", "Rule"))
    return network_of_rows(path, rows, declaration="{0}\t{0}")


def read_boolode_initial(path: str | Path) -> dict[str, float]:
    r"""Read the initial levels of a BoolODE model, the file ``*_ics.txt``.

    Parameters
    ----------
    path : str or Path
        A header ``Genes<tab>Values``, then lines such as ``['Cebpa','Pu1']<tab>[1,1]``.

    Returns
    -------
    dict of str to float
        Level of each gene named, in the file's order.

    Raises
    ------
    FormatError
        Naming file and line: no header, no two lists of equal length or empty ones, a name that is no
        text, a level that is no finite non-negative number, or a gene named twice.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "switch_ics.txt"
    >>> write_boolode_initial({"A": 1, "B": 0.5}, path)
    >>> print(path.read_text())
    Genes  Values
    ['A','B']  [1.0,0.5]
    <BLANKLINE>
    >>> read_boolode_initial(path)
    {'A': 1.0, 'B': 0.5}
    """
    levels: dict[str, float] = {}
    for number, names_text, values_text in _table(path, ("Genes", "Values")):
        names, values = _flat_list(path, number, names_text), _flat_list(path, number, values_text)
        if len(names) != len(values):
            raise FormatError(
                path, number, f"expected a value for each gene, found {len(names)} and {len(values)}"
            )
        if not names:
            raise FormatError(path, number, "expected at least one gene and its level, found none")
        for name, value in zip(names, values, strict=True):
            if not isinstance(name, str) or not name:
                raise FormatError(path, number, f"expected a gene's name in quotes, found {name!r}")
            if not _is_level(value):
                raise FormatError(
                    path, number, f"{name!r}: expected a finite level of at least 0, found {value!r}"
                )
            if name in levels:
                raise FormatError(path, number, f"{name!r} is given twice")
            levels[name] = float(value)
    return levels


def write_boolode(network: BooleanNetwork, path: str | Path) -> None:
    """Write the rules for BoolODE; `read_boolode` reads an equal network back.

    Parameters
    ----------
    network : BooleanNetwork
        Its genes must be named as Python names are: BoolODE evaluates the rules as Python.
    path : str or Path
        The target; replaced whole or not at all.

    Raises
    ------
    ValueError
        If a gene's name is no Python name, or a rule is too long once its operators are words.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from grn.networks.logic.boolean import BooleanNetwork
    >>> path = Path(tempfile.mkdtemp()) / "switch.txt"
    >>> write_boolode(BooleanNetwork({"A": "A & !B", "B": "!A"}), path)
    >>> print(path.read_text())
    Gene  Rule
    A  A and not B
    B  not A
    <BLANKLINE>
    """
    lines = ["Gene\tRule\n"]
    for gene, rule in network.rules.items():
        if not gene.isidentifier() or keyword.iskeyword(gene):
            raise ValueError(
                f"BoolODE evaluates rules as Python, where {gene!r} is no name; rename the gene or write_bnet"
            )
        text = rule.text("boolode")
        if len(text) > MAX_RULE_LENGTH:
            raise ValueError(
                f"rule of {gene!r} has {len(text)} characters with its operators as words, the limit is "
                f"{MAX_RULE_LENGTH}; split it into several genes or write_bnet"
            )
        lines.append(f"{gene}\t{text}\n")
    write_text(path, "".join(lines))


def write_boolode_initial(levels: Mapping[str, float], path: str | Path) -> None:
    r"""Write initial levels for BoolODE; `read_boolode_initial` reads them back exactly.

    Parameters
    ----------
    levels : mapping of str to float
        Finite non-negative level of each gene.
    path : str or Path
        The target; replaced whole or not at all.

    Raises
    ------
    ValueError
        If there is no level, or one is negative or not finite, or a name cannot stand in quotes.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> write_boolode_initial({"A": -1.0}, Path(tempfile.mkdtemp()) / "a_ics.txt")
    Traceback (most recent call last):
    ...
    ValueError: 'A': a level must be a finite number of at least 0, got -1.0
    """
    if not levels:
        raise ValueError("there must be at least one level to write, got none")
    for name, level in levels.items():
        if not re.fullmatch(r"[\w.:-]+", name):
            raise ValueError(f"a gene's name must be letters, digits and _ . - :, got {name!r}")
        if not _is_level(level):
            raise ValueError(f"{name!r}: a level must be a finite number of at least 0, got {level!r}")
    names = ",".join(f"'{name}'" for name in levels)
    values = ",".join(repr(float(level)) for level in levels.values())
    write_text(path, f"Genes\tValues\n[{names}]\t[{values}]\n")


def _table(path: str | Path, header: tuple[str, str]) -> list[tuple[int, str, str]]:
    """(line number, first field, second field) of the rows below the header."""
    rows: list[tuple[int, str, str]] = []
    for number, line in read_lines(path):
        fields = [part.strip() for part in line.split("\t")]
        if len(fields) != 2:
            raise FormatError(
                path,
                number,
                f"expected {header[0]} and {header[1]} with one tab between, found {line[:60]!r}",
            )
        rows.append((number, fields[0], fields[1]))
    number, *names = rows[0]
    if [name.lower() for name in names] != [name.lower() for name in header]:
        raise FormatError(path, number, f"expected the header {'<tab>'.join(header)!r}, found {names}")
    if len(rows) == 1:
        raise FormatError(path, number, "expected a row below the header, found none")
    return rows[1:]


def _flat_list(path: str | Path, number: int, text: str) -> list[Any]:
    # Only a list without a list in it reaches the parser, whose depth is limited.
    try:
        value = ast.literal_eval(text) if _FLAT_LIST.fullmatch(text) else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, list):
        raise FormatError(path, number, f"expected a list such as ['A','B'] or [1,0], found {text[:60]!r}")
    return value


def _is_level(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and value >= 0  # type: ignore[operator,arg-type]
