"""The graph of units cut into pairs of columns, and as one undirected matrix."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from pruning.topology.links import Column, UnitLinks


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Block:
    """The links that lead from one column to another.

    Attributes
    ----------
    source, target : Column
        Where they leave and where they arrive.
    rows, cols : ndarray of int64
        Unit within the source column and within the target column of each link, shape (links,).
    gates : ndarray of int64
        Live gates of each link.
    """

    source: Column
    target: Column
    rows: NDArray[np.int64] = field(repr=False)
    cols: NDArray[np.int64] = field(repr=False)
    gates: NDArray[np.int64] = field(repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def name(self) -> str:
        """Both names, as in ``"input -> hidden"``."""
        return f"{self.source.name} -> {self.target.name}"

    @property
    def density(self) -> float:
        """Links as a fraction of all pairs of a unit of either column."""
        return len(self) / (self.source.units * self.target.units)

    def matrix(self) -> csr_array:
        """Matrix of 0 and 1 from source unit (row) to target unit (column)."""
        shape = (self.source.units, self.target.units)
        return csr_array((np.ones(len(self)), (self.rows, self.cols)), shape=shape)


def blocks(links: UnitLinks) -> Iterator[Block]:
    """Cut the links into pairs of columns, in the order of the target columns.

    Pairs of columns without a link are left out: the links do not tell whether they could have one.
    """
    code = block_of(links)
    order = np.argsort(code, kind="stable")
    pairs, starts = np.unique(code[order], return_index=True)
    for pair, chosen in zip(pairs.tolist(), np.split(order, starts[1:]), strict=False):
        target, source = (links.columns[place] for place in divmod(pair, len(links.columns)))
        yield Block(
            source=source,
            target=target,
            rows=links.source[chosen] - source.first,
            cols=links.target[chosen] - target.first,
            gates=links.gates[chosen],
        )


def block_of(links: UnitLinks) -> NDArray[np.int64]:
    """Number of each link's pair of columns, shape (links,): target column times columns, plus source."""
    column = links.column_of()
    pair: NDArray[np.int64] = column[links.target] * len(links.columns) + column[links.source]
    return pair


def undirected(links: UnitLinks) -> csr_array:
    """Symmetric matrix of 0 and 1 between units, shape (nodes, nodes), in float64."""
    row = np.concatenate([links.source, links.target])
    col = np.concatenate([links.target, links.source])
    return csr_array((np.ones(len(row)), (row, col)), shape=(links.nodes, links.nodes))


def check_nodes(links: UnitLinks) -> None:
    """Refuse a graph without units.

    Raises
    ------
    ValueError
        If there are none.
    """
    if links.nodes == 0:
        raise ValueError("a measure of a graph needs at least one unit, got links without columns")
