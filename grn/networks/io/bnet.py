"""The BoolNet and PyBoolNet format: a line ``gene, rule`` for each gene, ``#`` before a comment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grn.networks.io.text import FormatError, read_lines, write_text
from grn.networks.logic.boolean import BooleanNetwork, nearest_name
from grn.networks.logic.rules import parse_rule
from grn.networks.logic.syntax import is_gene_name

if TYPE_CHECKING:
    from pathlib import Path

    from grn.networks.logic.rules import Rule

_HEADERS = {("targets", "factors"), ("targets", "functions")}


def read_bnet(path: str | Path) -> BooleanNetwork:
    r"""Read a ``.bnet`` file.

    Parameters
    ----------
    path : str or Path
        A header ``targets, factors`` may stand first. Inputs are declared by ``X, X``.

    Raises
    ------
    FormatError
        Naming file and line: a line that is no ``gene, rule``, a malformed rule, a second rule for a gene,
        or a variable without a line of its own.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "switch.bnet"
    >>> _ = path.write_text("targets, factors\nA, !B  # a switch\nB, !A\n")
    >>> read_bnet(path)
    BooleanNetwork({'A': 'not B', 'B': 'not A'})
    """
    rows: list[tuple[int, str, str]] = []
    for number, line in read_lines(path):
        code = line.partition("#")[0].strip()
        if not code:
            continue
        gene, comma, text = (part.strip() for part in code.partition(","))
        if not comma:
            raise FormatError(path, number, f"expected 'gene, rule', found no comma in {code[:60]!r}")
        rows.append((number, gene, text))
    if rows and (rows[0][1].lower(), rows[0][2].lower()) in _HEADERS:
        del rows[0]
    if not rows:
        raise FormatError(path, 1, "expected a line 'gene, rule', found none")
    return network_of_rows(path, rows, declaration="{0}, {0}")


def write_bnet(network: BooleanNetwork, path: str | Path) -> None:
    """Write a ``.bnet`` file; `read_bnet` reads an equal network back.

    Parameters
    ----------
    network : BooleanNetwork
        The network.
    path : str or Path
        The target; replaced whole or not at all.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "switch.bnet"
    >>> write_bnet(BooleanNetwork({"A": "A and not B", "B": "not A"}), path)
    >>> print(path.read_text())
    targets, factors
    A, A & !B
    B, !A
    <BLANKLINE>
    """
    lines = [f"{gene}, {rule.text('bnet')}\n" for gene, rule in network.rules.items()]
    write_text(path, "targets, factors\n" + "".join(lines))


def network_of_rows(
    path: str | Path, rows: list[tuple[int, str, str]], *, declaration: str
) -> BooleanNetwork:
    """Network of (line number, gene, rule text) rows, its errors naming the file and the line.

    Parameters
    ----------
    path : str or Path
        The file that the rows are from.
    rows : list of (int, str, str)
        At least one.
    declaration : str
        How the format declares an input, ``{0}`` standing for its name.

    Raises
    ------
    FormatError
        As `read_bnet`.

    Examples
    --------
    >>> network_of_rows("two.bnet", [(1, "A", "B"), (2, "B", "!A")], declaration="{0}, {0}").genes
    ('A', 'B')
    """
    rules: dict[str, Rule] = {}
    lines: dict[str, int] = {}
    for number, gene, text in rows:
        if not is_gene_name(gene):
            raise FormatError(
                path, number, f"expected a gene's name (letters, digits and _ . - :), found {gene[:60]!r}"
            )
        if gene in lines:
            raise FormatError(path, number, f"a second rule for {gene!r}; the first is in line {lines[gene]}")
        lines[gene] = number
        try:
            rules[gene] = parse_rule(text, gene=gene)
        except ValueError as error:
            raise FormatError(path, number, str(error)) from None
    for gene, rule in rules.items():
        for name in rule.variables:
            if name not in rules:
                raise FormatError(
                    path,
                    lines[gene],
                    f"rule of {gene!r}: {name!r} has no line of its own{nearest_name(name, rules)}; "
                    f"if it is an input, add the line {declaration.format(name)!r}",
                )
    return BooleanNetwork(rules)
