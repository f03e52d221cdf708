"""Whether units with many links link to units with many links."""

import math

import numpy as np
from numpy.typing import NDArray

from pruning.topology.links import UnitLinks
from pruning.topology.measures.blocks import blocks
from pruning.topology.measures.degree import Direction, degrees


def assortativity(links: UnitLinks, source: Direction = "out", target: Direction = "in") -> float:
    """Correlation of the degrees of both ends, over all links.

    Parameters
    ----------
    links : UnitLinks
        The graph.
    source, target : {"in", "out", "all"}
        Which degree of the unit that a link leaves, and of the one at which it arrives.

    Returns
    -------
    float
        Pearson's r; NaN where the degrees of either end are all equal.

    Notes
    -----
    Columns differ in their mean degree, which alone makes r far from 0: compare it with the null, which keeps
    it, or look within pairs of columns (:func:`assortativity_by_block`).

    References
    ----------
    Foster et al., Edge direction and the structure of networks, PNAS 107:10815 (2010).
    """
    return _correlation(degrees(links, source)[links.source], degrees(links, target)[links.target])


def assortativity_by_block(
    links: UnitLinks, source: Direction = "out", target: Direction = "in"
) -> dict[str, float]:
    """The same within each two linked columns, by ``"source -> target"``."""
    leaving, arriving = degrees(links, source), degrees(links, target)
    return {
        block.name: _correlation(
            leaving[block.source.first + block.rows], arriving[block.target.first + block.cols]
        )
        for block in blocks(links)
    }


def _correlation(x: NDArray[np.int64], y: NDArray[np.int64]) -> float:
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])
