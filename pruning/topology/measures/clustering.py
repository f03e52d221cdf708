"""Clustering for a graph without triangles.

Links lead from layer to layer, so a chain of layers has no triangle and the usual clustering coefficient is 0
whatever the wiring. What plays its part in layered graphs is the square: two units that share one neighbour
share another.
"""

import math

import numpy as np

from pruning.topology.links import UnitLinks
from pruning.topology.measures.blocks import blocks, check_nodes, undirected

DENSE = 4096  # units of the largest column for which matrices of columns are multiplied as they are
STRIP = 1024  # rows of the product that are held at once where they are sparse


def square_clustering(links: UnitLinks) -> float:
    """Fraction of paths of three links that are closed to a square: 4 squares / paths of three links.

    Direction is ignored. In a chain this is the bipartite clustering coefficient of Robins and Alexander,
    as layers of even and of odd number are the two sides; where links skip layers, paths that end where they
    began (triangles) are not counted.

    Returns
    -------
    float
        From 0 to 1, NaN where no path has three links.

    References
    ----------
    Robins and Alexander, Small worlds among interlocking directors, Computational & Mathematical
    Organization Theory 10:69 (2004).
    """
    check_nodes(links)
    degree = np.bincount(np.concatenate([links.source, links.target]), minlength=links.nodes).astype(float)
    dense = max(column.units for column in links.columns) <= DENSE
    walks, triangles = _by_columns(links) if dense else _by_strips(links)
    pairs = float((degree * (degree - 1)).sum())
    squares = (walks - degree.sum() - 2 * pairs) / 8
    threes = float(((degree[links.source] - 1) * (degree[links.target] - 1)).sum()) - 3 * triangles
    return 4 * squares / threes if threes > 0 else math.nan


def _by_columns(links: UnitLinks) -> tuple[float, float]:
    """Closed walks of four links, tr A^4, and triangles, from dense matrices between columns."""
    between = {}
    for block in blocks(links):
        matrix = np.zeros((block.source.units, block.target.units), dtype=np.float32)
        matrix[block.rows, block.cols] = 1
        between[block.source.name, block.target.name] = matrix
        between[block.target.name, block.source.name] = matrix.T
    names = [column.name for column in links.columns]
    walks = triangles = 0.0
    for place, one in enumerate(names):
        for two in names[place:]:
            middles = [name for name in names if (one, name) in between and (name, two) in between]
            if not middles:
                continue
            common = sum(between[one, name] @ between[name, two] for name in middles)
            times = 1 if one == two else 2  # both orders
            walks += times * float(np.square(common, dtype=np.float64).sum())
            if (one, two) in between:
                triangles += times * float((common * between[one, two]).sum(dtype=np.float64)) / 6
    return walks, triangles


def _by_strips(links: UnitLinks) -> tuple[float, float]:
    """The same from sparse products, a strip of rows at a time, as A^2 is nearly full."""
    graph = undirected(links)
    walks = triangles = 0.0
    for start in range(0, links.nodes, STRIP):
        strip = graph[start : start + STRIP]
        common = strip @ graph
        walks += float((common.data**2).sum())
        triangles += float(common.multiply(strip).sum()) / 6
    return walks, triangles
