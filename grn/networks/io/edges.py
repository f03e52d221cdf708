r"""Signed edge lists: a regulator, a target and a sign a line, in the dialects in which they are published.

======================================= ==========================================================
``A<tab>B<tab>+``, ``A,B,-``, ``A B -1`` tabs, commas or blanks, by the first line
``Gene1,Gene2,Type``                    a header, as in BEELINE's reference networks
``A activates B C``                     Cytoscape's SIF: the sign second, any number of targets, lone genes
``G1<tab>G2<tab>1``                     DREAM's gold standards: 1 and 0, read with ``unsigned=True``
======================================= ==========================================================

Signs are ``+ - 1 -1 -> -| activation inhibition activates inhibits repression represses``. From ``#``, at the
beginning of a line or after a blank, a comment runs to the end of the line.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import networkx as nx

from grn.networks.io.text import FormatError, read_lines, write_text
from grn.networks.network import GeneNetwork
from grn.networks.signed import SIGN_WORDS, signed_edges

_HEADINGS = {"type", "sign", "effect", "interaction", "regulation", "relation", "edge", "edgetype"}
_COMMENT = re.compile(r"(^|\s)#.*")
_EXPECTED = "+, -, 1, -1, ->, -|, activation or inhibition"

Row = tuple[int, list[str]]


def read_edges(path: str | Path, *, unsigned: bool = False, merge_repeats: bool = False) -> GeneNetwork:
    r"""Read a signed edge list.

    Parameters
    ----------
    path : str or Path
        In one of the dialects of this module; the suffix ``.sif`` or the first edge decides which.
    unsigned : bool
        Read 1 as "an edge", 0 as "none", and a line of two names as an edge, all edges as activations:
        DREAM's gold standards say no signs. Without it a 1 is the sign of an activation, a 0 is refused.
    merge_repeats : bool
        Read an edge that is given again with the same sign as one, as BEELINE's reference networks need.

    Returns
    -------
    GeneNetwork
        Genes in the order in which the file names them, with the rule "any activator and no repressor" and
        the kinetics of `GeneNetwork.from_boolean`.

    Raises
    ------
    FormatError
        Naming file and line: no edge, a line of another shape, something that is no sign, or an edge given
        twice (with two signs even if repeats are merged), which names both lines.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "reference.csv"
    >>> _ = path.write_text("Gene1,Gene2,Type\nSOX9,AMH,+\nWNT4,SOX9,-\n")
    >>> read_edges(path).edges
    (('WNT4', 'SOX9', -1), ('SOX9', 'AMH', 1))
    """
    rows = _rows(path)
    if not rows:
        raise FormatError(path, 1, "expected an edge a line, found none")
    signs_second = Path(path).suffix.lower() == ".sif" or _signs_second(rows)
    if not signs_second and _is_header(rows[0][1], unsigned):
        if len(rows) == 1:
            raise FormatError(path, rows[0][0], "expected an edge below the header, found none")
        del rows[0]
    graph = nx.DiGraph(name=Path(path).stem, source=f"signed edge list {Path(path).name}")
    first: dict[tuple[str, str], tuple[int, int]] = {}  # line and sign
    for number, fields in rows:
        source, sign, targets = _edge(path, number, fields, signs_second, unsigned)
        for name in (source, *targets):
            if not name:
                raise FormatError(path, number, "expected a gene's name, found an empty field")
            graph.add_node(name)
        for target in targets:
            line, known = first.get((source, target), (0, sign))
            first.setdefault((source, target), (number, sign))
            if line and not (merge_repeats and sign == known):
                how = "with two signs" if sign != known else "twice"
                hint = "" if sign != known else "; merge_repeats=True reads both as one"
                raise FormatError(
                    path,
                    number,
                    f"the edge {source!r} -> {target!r} is given {how}; the first is in line {line}{hint}",
                )
            if sign:
                graph.add_edge(source, target, sign=sign)
    if not graph.edges:
        raise FormatError(path, rows[0][0], "expected at least one edge, found none")
    try:
        return GeneNetwork.from_networkx(graph)
    except ValueError as error:
        raise FormatError(path, rows[0][0], str(error)) from None


def write_edges(network: GeneNetwork, path: str | Path) -> None:
    """Write the signed edges of a network, without its kinetics; `read_edges` reads equal edges back.

    Parameters
    ----------
    network : GeneNetwork
        Every edge must have a sign, and every gene an edge, but for SIF.
    path : str or Path
        ``.csv`` with commas and the header ``Gene1,Gene2,Type``, ``.sif``, or any other for a table with
        tabs; replaced whole or not at all.

    Raises
    ------
    ValueError
        If the format cannot hold the network.

    Examples
    --------
    >>> import tempfile
    >>> from grn.networks import circuits
    >>> path = Path(tempfile.mkdtemp()) / "toggle.csv"
    >>> write_edges(circuits.toggle(), path)
    >>> print(path.read_text())
    Gene1,Gene2,Type
    tetR,lacI,-
    lacI,tetR,-
    <BLANKLINE>
    """
    path = Path(path)
    suffix = path.suffix.lower()
    edges = signed_edges(network, "an edge list", isolated=suffix == ".sif")
    for name in network.names:
        if name != name.strip() or _COMMENT.search(name) or re.search(r"[\t\r\n]", name):
            raise ValueError(f"an edge list cannot hold the gene's name {name!r}: rename it or write GraphML")
    rows: list[tuple[str, ...]]
    if suffix == ".sif":
        rows = [(source, "activates" if sign > 0 else "inhibits", target) for source, target, sign in edges]
        linked = {name for source, target, _ in edges for name in (source, target)}
        rows += [(name,) for name in network.names if name not in linked]
    else:
        rows = [("Gene1", "Gene2", "Type") if suffix == ".csv" else ("source", "target", "sign")]
        rows += [(source, target, "+" if sign > 0 else "-") for source, target, sign in edges]
    text = io.StringIO()
    csv.writer(text, delimiter="," if suffix == ".csv" else "\t", lineterminator="\n").writerows(rows)
    write_text(path, text.getvalue())


def _rows(path: str | Path) -> list[Row]:
    """Fields of every line that has any, split as the first one is."""
    rows: list[Row] = []
    delimiter: str | None = None
    for number, line in read_lines(path):
        code = _COMMENT.sub("", line)
        if not code.strip():
            continue
        if not rows:
            delimiter = "\t" if "\t" in code else "," if "," in code else " "
        if delimiter == " ":
            fields = code.split()
        else:
            try:
                fields = next(csv.reader([code], delimiter=str(delimiter), strict=True))
            except csv.Error as error:
                raise FormatError(path, number, f"expected fields with whole quotes: {error}") from None
        rows.append((number, [field.strip() for field in fields]))
    return rows


def _signs_second(rows: list[Row]) -> bool:
    """Whether it is SIF by its first edge: the sign stands second, and not third."""
    for _, fields in rows:
        if len(fields) > 1:
            second = fields[1].lower() in SIGN_WORDS
            return second and not (len(fields) == 3 and fields[2].lower() in SIGN_WORDS)
    return False


def _is_header(fields: list[str], unsigned: bool) -> bool:
    lowered = [field.lower() for field in fields]
    if len(fields) == 3:
        return lowered[2] in _HEADINGS
    return unsigned and lowered in (["source", "target"], ["gene1", "gene2"], ["regulator", "target"])


def _edge(
    path: str | Path, number: int, fields: list[str], signs_second: bool, unsigned: bool
) -> tuple[str, int, list[str]]:
    """Source, sign (0: there is no edge) and targets of a line."""
    if signs_second:
        if len(fields) == 1:
            return fields[0], 0, []
        if len(fields) < 3:
            raise FormatError(path, number, f"expected a source, a sign and targets, found {fields}")
        return fields[0], _sign(path, number, fields[1]), fields[2:]
    if unsigned and len(fields) == 2:
        return fields[0], 1, [fields[1]]
    if len(fields) != 3:
        hint = "; unsigned=True reads two names as an edge" if len(fields) == 2 else ""
        raise FormatError(
            path, number, f"expected a source, a target and a sign, found {len(fields)} fields{hint}"
        )
    if unsigned:
        if fields[2] not in ("0", "1"):
            raise FormatError(
                path,
                number,
                f"expected 1 (an edge) or 0 (none) of an unsigned list, found {fields[2][:60]!r}",
            )
        return fields[0], int(fields[2]), [fields[1]]
    return fields[0], _sign(path, number, fields[2]), [fields[1]]


def _sign(path: str | Path, number: int, word: str) -> int:
    if word.lower() not in SIGN_WORDS:
        hint = {
            "0": "; if 1 and 0 mean an edge and none, read the file with unsigned=True",
            "2": "; if 1 and 2 mean activation and inhibition, it is RACIPE's .topo format",
        }.get(word, "")
        raise FormatError(path, number, f"expected a sign ({_EXPECTED}), found {word[:60]!r}{hint}")
    return SIGN_WORDS[word.lower()]
