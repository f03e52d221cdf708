"""Singular values and the spectral gap of the graph of units."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh, svds

from pruning.topology.links import UnitLinks
from pruning.topology.measures.blocks import blocks, check_nodes, undirected

DENSE = 64  # up to so many units a dense solver is quicker and takes every case


@dataclass(frozen=True, kw_only=True, slots=True)
class Connectedness:
    """How hard the graph is to cut in two, ignoring direction.

    Attributes
    ----------
    components : int
        Connected parts with at least one link.
    isolated : int
        Units without links.
    giant : int
        Units of the largest part.
    gap : float
        Second smallest eigenvalue of the normalised Laplacian of the largest part, from 0 (falls apart) to
        n / (n - 1) (all linked with all); NaN where there is no link. By Cheeger's inequality the sparsest
        cut of the part has conductance between gap / 2 and the square root of 2 gap.
    """

    components: int
    isolated: int
    giant: int
    gap: float


def largest_singular_value(matrix: csr_array) -> float:
    """Largest singular value of a matrix that is not negative; 0 of an empty one."""
    if not matrix.nnz:
        return 0.0
    if min(matrix.shape) <= DENSE:
        small = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
        return float(np.sqrt(np.linalg.eigvalsh(small.toarray())[-1]))
    start = np.ones(min(matrix.shape))  # never orthogonal to the leading vector, which is not negative
    return float(svds(matrix, k=1, v0=start, return_singular_vectors=False)[0])


def singular_values(links: UnitLinks) -> dict[str, float]:
    """Largest singular value of the 0-1 matrix between each two linked columns, by ``"source -> target"``.

    It is at least the mean degree sqrt(mean in · mean out) and at most sqrt(largest in · largest out): the
    more it exceeds the former, the more the links crowd on few units.
    """
    return {block.name: largest_singular_value(block.matrix()) for block in blocks(links)}


def spectral_norm(links: UnitLinks) -> float:
    """Largest singular value of the whole 0-1 adjacency (from row to column)."""
    check_nodes(links)
    ones = np.ones(len(links))
    shape = (links.nodes, links.nodes)
    return largest_singular_value(csr_array((ones, (links.source, links.target)), shape=shape))


def connectedness(links: UnitLinks) -> Connectedness:
    """Connected parts, and the spectral gap of the largest.

    References
    ----------
    Chung, Spectral Graph Theory, AMS (1997), chapters 1 and 2.
    """
    check_nodes(links)
    graph = undirected(links)
    count, label = connected_components(graph, directed=False)
    sizes = np.bincount(label, minlength=count)
    largest = int(sizes.max())
    isolated = int((sizes == 1).sum())
    gap = math.nan
    if largest > 1:
        inside = np.flatnonzero(label == int(sizes.argmax()))
        gap = _gap(graph[inside][:, inside])
    return Connectedness(components=count - isolated, isolated=isolated, giant=largest, gap=gap)


def _gap(graph: csr_array) -> float:
    """1 less the second largest eigenvalue of D^-1/2 A D^-1/2, of a connected graph."""
    root = np.sqrt(graph.sum(1))
    scale = diags_array(1 / root)
    normalised = scale @ graph @ scale
    if len(root) <= DENSE:
        return float(1 - np.linalg.eigvalsh(normalised.toarray())[-2])
    values: NDArray[np.float64] = eigsh(
        normalised,
        k=2,
        which="LA",
        v0=np.random.default_rng(0).standard_normal(len(root)),
        return_eigenvectors=False,
        tol=1e-10,
        ncv=min(len(root), 40),
    )
    return float(1 - values.min())
