"""RACIPE's files: a signed topology, parameter sets and initial conditions as tables [1]_.

The model is ``dp/dt = production·Π H − degradation·p`` with a shifted Hill factor H a regulator
(`grn.networks.promoters.ShiftedHill`), and protein alone. Columns of a table of parameters name an effect by
source and target: ``InhFld_B_A`` is the fold change by which B inhibits A, below 1; ``ActFld_B_A``, above 1.

=========================================== ========================= =================
column                                      parameter of the network  RACIPE's range
=========================================== ========================= =================
``Prod_A``                                  ``A.transcription``       1 – 100
``Deg_A``                                   ``A.protein_decay``       0.1 – 1
``ActFld_B_A`` or ``InhFld_B_A``            ``A.fold.B``              1 – 100, its inverse
``Thr_B_A``                                 ``A.threshold.B``         half-functional rule
``Hill_B_A``                                ``A.coefficient.B``       1, 2, … 6
=========================================== ========================= =================

References
----------
.. [1] B. Huang et al., "RACIPE: a computational tool for modeling gene regulatory circuits using
   randomization", BMC Systems Biology 12, 74 (2018).
"""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from grn.networks.io.text import FormatError, read_lines, write_text
from grn.networks.logic.boolean import nearest_name
from grn.networks.network import Gene, GeneNetwork
from grn.networks.promoters import Constitutive, Regulator, ShiftedHill

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

PRODUCTION = (1.0, 100.0)
DEGRADATION = (0.1, 1.0)
FOLD = (1.0, 100.0)
COEFFICIENT = (1, 6)
THRESHOLD = (0.02, 1.98)  # in units of the median level of the source
_MEDIAN_OF = 10_000  # samples behind a median level: it is then known to about 1 %
_HEADER = ["source", "target", "type"]
_SIGNS = {"1": 1, "2": -1}


def read_topo(path: str | Path) -> GeneNetwork:
    r"""Read a ``.topo`` file.

    The file has no numbers: every gene gets the middle of RACIPE's ranges, production 50.5, degradation 0.55,
    fold change 50.5 (1/50.5 for inhibition), Hill coefficient 3, and as threshold half the highest level of
    its regulator. `sample_racipe` draws random ones.

    Parameters
    ----------
    path : str or Path
        A header ``Source Target Type``, then an edge a line: type 1 activates, 2 inhibits.

    Returns
    -------
    GeneNetwork
        Genes in the order in which the file names them, without mRNA.

    Raises
    ------
    FormatError
        Naming file and line: no header, no edge, a line of other than three words, another type, or an edge
        given twice.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "toggle.topo"
    >>> _ = path.write_text("Source Target Type\nA B 2\nB A 2\n")
    >>> read_topo(path).edges
    (('B', 'A', -1), ('A', 'B', -1))
    """
    rows = [(number, line.split()) for number, line in read_lines(path)]
    first, header = rows[0]
    if [word.lower() for word in header] != _HEADER:
        raise FormatError(path, first, f"expected the header 'Source Target Type', found {header}")
    if len(rows) == 1:
        raise FormatError(path, first, "expected an edge below the header, found none")
    signs: dict[str, dict[str, int]] = {}
    lines: dict[tuple[str, str], int] = {}
    for number, words in rows[1:]:
        if len(words) != 3:
            raise FormatError(path, number, f"expected a source, a target and a type, found {words[:6]}")
        source, target, kind = words
        if kind not in _SIGNS:
            raise FormatError(
                path, number, f"expected the type 1 (activation) or 2 (inhibition), found {kind[:60]!r}"
            )
        if (source, target) in lines:
            raise FormatError(
                path,
                number,
                f"the edge {source!r} -> {target!r} is given twice; the first is in line "
                f"{lines[source, target]}",
            )
        lines[source, target] = number
        signs.setdefault(source, {})
        signs.setdefault(target, {})[source] = _SIGNS[kind]
    try:
        return _middle(signs, name=getattr(path, "stem", str(path)))
    except ValueError as error:
        raise FormatError(path, first, str(error)) from None


def write_topo(network: GeneNetwork, path: str | Path) -> None:
    """Write the signed edges of a network, without its kinetics; `read_topo` reads equal edges back.

    Parameters
    ----------
    network : GeneNetwork
        Every gene must have an edge, every edge a sign, and no name a blank.
    path : str or Path
        The target; replaced whole or not at all.

    Raises
    ------
    ValueError
        If the format cannot hold the network.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from grn.networks import circuits
    >>> path = Path(tempfile.mkdtemp()) / "toggle.topo"
    >>> write_topo(circuits.toggle(), path)
    >>> print(path.read_text())
    Source Target Type
    tetR lacI 2
    lacI tetR 2
    <BLANKLINE>
    """
    from grn.networks.signed import signed_edges

    lines = ["Source Target Type\n"]
    for source, target, sign in signed_edges(network, "a .topo file", isolated=False):
        for name in (source, target):
            if name.split() != [name]:
                raise ValueError(f"a .topo file separates names by blanks: rename the gene {name!r}")
        lines.append(f"{source} {target} {1 if sign > 0 else 2}\n")
    write_text(path, "".join(lines))


def read_racipe_parameters(path: str | Path, network: GeneNetwork) -> dict[str, Tensor]:
    r"""Read a table of parameter sets.

    Parameters
    ----------
    path : str or Path
        A CSV with the columns of this module's table, in any order, and ``ParamNum``, which is not used.
    network : GeneNetwork
        As `read_topo` returns it.

    Returns
    -------
    dict of str to Tensor
        (sets,) float64 a parameter: what `grn.networks.simulate.simulate` takes as ``parameters``.

    Raises
    ------
    FormatError
        Naming file and line: a column missing, unknown or twice, a field that is no number, a fold change on
        the wrong side of 1, or another value out of range.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "self.topo").write_text("Source Target Type\nA A 2\n")
    >>> _ = (folder / "self.csv").write_text(
    ...     "Prod_A,Deg_A,InhFld_A_A,Thr_A_A,Hill_A_A,ParamNum\n50,0.5,0.1,60,2,1\n70,0.2,0.3,80,4,2\n"
    ... )
    >>> read_racipe_parameters(folder / "self.csv", read_topo(folder / "self.topo"))["A.fold.A"]
    tensor([0.1000, 0.3000], dtype=torch.float64)
    """
    wanted = {column: name for name, column in _columns(network).items()}
    first, header, rows = _table(path)
    for column in header:
        if column not in wanted and column != "ParamNum":
            raise FormatError(
                path, first, f"column {column!r} is no parameter of the network{nearest_name(column, wanted)}"
            )
    for column in wanted:
        if column not in header:
            raise FormatError(path, first, f"expected a column {column!r}, found none")
    values = torch.from_numpy(np.array([row for _, row in rows]))
    found = {wanted[column]: values[:, header.index(column)].clone() for column in wanted}
    for column, name in wanted.items():
        for (number, _), value in zip(rows, found[name].tolist(), strict=True):
            kind = column.partition("_")[0]
            if value <= 0 or (kind == "InhFld" and value > 1) or (kind == "ActFld" and value < 1):
                least = {"InhFld": "above 0 and at most 1", "ActFld": "at least 1"}.get(kind, "positive")
                raise FormatError(path, number, f"{column} must be {least}, got {value:g}")
    return found


def read_racipe_initial(path: str | Path, network: GeneNetwork) -> dict[str, Tensor]:
    r"""Read a table of initial concentrations.

    Parameters
    ----------
    path : str or Path
        A CSV with a column a gene, and ``InitCondNum``, which is not used.
    network : GeneNetwork
        Whose genes they are.

    Returns
    -------
    dict of str to Tensor
        (starts,) float64 a gene: what `grn.networks.simulate.simulate` takes as ``start``.

    Raises
    ------
    FormatError
        Naming file and line: a column missing, unknown or twice, or a field that is no number of at least 0.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from grn.networks import circuits
    >>> path = Path(tempfile.mkdtemp()) / "starts.csv"
    >>> _ = path.write_text("tetR,lacI,InitCondNum\n0.5,20,1\n10,0.25,2\n")
    >>> read_racipe_initial(path, circuits.toggle())["lacI"]
    tensor([20.0000,  0.2500], dtype=torch.float64)
    """
    first, header, rows = _table(path)
    for column in header:
        if column not in network.names and column != "InitCondNum":
            near = nearest_name(column, network.names)
            raise FormatError(path, first, f"column {column!r} is no gene of the network{near}")
    for name in network.names:
        if name not in header:
            raise FormatError(path, first, f"expected a column {name!r}, found none")
    for number, row in rows:
        for column, value in zip(header, row, strict=True):
            if value < 0:
                raise FormatError(path, number, f"{column} must be a level of at least 0, got {value:g}")
    values = torch.from_numpy(np.array([row for _, row in rows]))
    return {name: values[:, header.index(name)].clone() for name in network.names}


def sample_racipe(network: GeneNetwork, sets: int, seed: int) -> dict[str, Tensor]:
    """Draw random parameter sets as RACIPE does.

    All are uniform in the ranges of this module's table; the Hill coefficient is whole, an inhibition's fold
    change is the inverse of a draw. Thresholds follow the half-functional rule: uniform between 0.02 and 1.98
    times the median level of the regulator over random parameters, so that about half of all sets have the
    level above the threshold. That median counts the regulator's own regulators at their unregulated levels.

    Parameters
    ----------
    network : GeneNetwork
        As `read_topo` returns it.
    sets : int
        How many; the first sets do not depend on it.
    seed : int
        Of the draws.

    Returns
    -------
    dict of str to Tensor
        (sets,) float64 a parameter.

    Raises
    ------
    ValueError
        If a gene has mRNA or another promoter than RACIPE's, ``sets`` is not positive or ``seed`` negative.

    References
    ----------
    B. Huang et al., "Interrogating the topological robustness of gene regulatory circuits by randomization",
    PLoS Computational Biology 13, e1005456 (2017).

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "toggle.topo"
    >>> from grn.networks import circuits
    >>> write_topo(circuits.toggle(), path)
    >>> drawn = sample_racipe(read_topo(path), 1000, seed=0)
    >>> sorted(set(drawn["lacI.coefficient.tetR"].tolist()))
    [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    """
    for name, value, least in (("sets", sets, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    columns = _columns(network)
    stream = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))
    draws = stream.random((sets, len(columns)))  # row by row: more sets leave the first as they are
    medians = {gene.name: _median_level(gene) for gene in network}
    unit = {
        f"{gene.name}.threshold.{source}": medians[source]
        for gene in network
        for source in gene.regulation.signs()
    }
    drawn = {}
    for (name, column), u in zip(columns.items(), draws.T, strict=True):
        drawn[name] = torch.from_numpy(_drawn(column.partition("_")[0], u) * unit.get(name, 1.0))
    return drawn


def _middle(signs: dict[str, dict[str, int]], name: str) -> GeneNetwork:
    production, degradation, fold = sum(PRODUCTION) / 2, sum(DEGRADATION) / 2, sum(FOLD) / 2
    genes = []
    for gene, regulators in signs.items():
        promoter = (
            ShiftedHill(
                regulators=tuple(
                    Regulator(
                        source=source,
                        activates=sign > 0,
                        threshold=production / degradation / 2,
                        coefficient=float(sum(COEFFICIENT) // 2),
                    )
                    for source, sign in regulators.items()
                ),
                folds=tuple(fold if sign > 0 else 1 / fold for sign in regulators.values()),
            )
            if regulators
            else Constitutive()
        )
        genes.append(
            Gene(
                name=gene,
                regulation=promoter,
                transcription=production,
                mrna_decay=None,
                protein_decay=degradation,
            )
        )
    return GeneNetwork(genes=tuple(genes), name=name, source="RACIPE topology, middle of RACIPE's ranges")


def _columns(network: GeneNetwork) -> dict[str, str]:
    """RACIPE's column of every parameter, by the parameter's name."""
    found: dict[str, str] = {}
    for gene in network:
        if gene.mrna is not None:
            raise ValueError(
                f"gene {gene.name!r} has mRNA, which RACIPE's models do not: set mrna_decay=None"
            )
        if not isinstance(gene.regulation, ShiftedHill | Constitutive) or gene.removals:
            raise ValueError(
                f"gene {gene.name!r} is no gene of RACIPE's: its promoter must be a ShiftedHill, or "
                f"Constitutive, without removals, got {type(gene.regulation).__name__}"
            )
        found[f"{gene.name}.transcription"] = f"Prod_{gene.name}"
        found[f"{gene.name}.protein_decay"] = f"Deg_{gene.name}"
    for gene in network:
        if isinstance(gene.regulation, ShiftedHill):
            for regulator in gene.regulation.regulators:
                edge = f"{regulator.source}_{gene.name}"
                fold = "ActFld" if regulator.activates else "InhFld"
                found[f"{gene.name}.fold.{regulator.source}"] = f"{fold}_{edge}"
                found[f"{gene.name}.threshold.{regulator.source}"] = f"Thr_{edge}"
                found[f"{gene.name}.coefficient.{regulator.source}"] = f"Hill_{edge}"
    parameter: dict[str, str] = {}
    for name, column in found.items():
        if column in parameter:
            raise ValueError(
                f"column {column!r} would mean both {parameter[column]!r} and {name!r}: rename a gene"
            )
        parameter[column] = name
    return found


def _drawn(kind: str, u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of one column, from draws in [0, 1); thresholds in units of the median level."""
    if kind == "Hill":
        lowest, highest = COEFFICIENT
        return lowest + np.floor(u * (highest - lowest + 1))
    lower, upper = {"Prod": PRODUCTION, "Deg": DEGRADATION, "Thr": THRESHOLD}.get(kind, FOLD)
    values = lower + (upper - lower) * u
    return 1 / values if kind == "InhFld" else values


def _median_level(gene: Gene) -> float:
    """Median steady level of a gene over random parameters, its regulators unregulated."""
    stream = np.random.Generator(np.random.Philox(np.random.SeedSequence(0)))

    def draw(kind: str) -> NDArray[np.float64]:
        return _drawn(kind, stream.random(_MEDIAN_OF))

    level = draw("Prod") / draw("Deg")
    unregulated = float(np.median(level))
    if isinstance(gene.regulation, ShiftedHill):
        for regulator in gene.regulation.regulators:
            fold = draw("ActFld" if regulator.activates else "InhFld")
            x = draw("Prod") / draw("Deg") / (draw("Thr") * unregulated)
            factor = fold + (1 - fold) / (1 + x ** draw("Hill"))
            level = level * (factor / fold if regulator.activates else factor)
    return float(np.median(level))


def _table(path: str | Path) -> tuple[int, list[str], list[tuple[int, list[float]]]]:
    """Line of the header, its columns, and (line, numbers) of every row."""
    (first, top), *body = read_lines(path)
    header = [field.strip() for field in next(csv.reader([top]))]
    for column in header:
        if header.count(column) > 1:
            raise FormatError(path, first, f"column {column!r} is given twice")
    if not body:
        raise FormatError(path, first, "expected a row below the header, found none")
    rows = []
    for number, line in body:
        fields = line.split(",")
        if len(fields) != len(header):
            raise FormatError(
                path, number, f"expected {len(header)} fields, as in the header, found {len(fields)}"
            )
        rows.append((number, [_finite(path, number, *pair) for pair in zip(header, fields, strict=True)]))
    return first, header, rows


def _finite(path: str | Path, number: int, column: str, field: str) -> float:
    try:
        value = float(field)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FormatError(path, number, f"{column} must be a finite number, found {field.strip()[:60]!r}")
    return value
