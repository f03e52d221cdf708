"""Distances in the graph of units, and whether it is a small world.

Clustering is that of squares (see :mod:`pruning.topology.measures.clustering`). Distances ignore the
direction of links: along it all paths of a chain have one length.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from pruning.topology.links import UnitLinks
from pruning.topology.measures.blocks import check_nodes, undirected
from pruning.topology.measures.clustering import square_clustering
from pruning.topology.measures.comparison import NullComparison, compare_with_null

AT_ONCE = 1024  # sources searched together: 16 words of 64 bits a unit


@dataclass(frozen=True, kw_only=True, slots=True)
class Distances:
    """Shortest paths between units, ignoring direction.

    Attributes
    ----------
    mean : float
        Links of a shortest path over all ordered pairs of units that are connected; NaN where none is.
    efficiency : float
        Mean of 1 / distance over all ordered pairs, 0 for those that are not connected.
    connected : float
        Fraction of ordered pairs that are.
    sources : int
        Units from which distances were taken: all of them, or a sample.
    """

    mean: float
    efficiency: float
    connected: float
    sources: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SmallWorld:
    """Clustering and mean distance against random graphs with the same degrees.

    Attributes
    ----------
    clustering, distance, efficiency : NullComparison
        See :func:`square_clustering` and :func:`distances`.
    sigma : float
        (clustering / its null mean) / (distance / its null mean); above 1 in a small world. NaN where the
        null has no squares or no paths.
    """

    clustering: NullComparison
    distance: NullComparison
    efficiency: NullComparison
    sigma: float


def distances(links: UnitLinks, *, sources: int | None = None, seed: int = 0) -> Distances:
    """Mean shortest path and global efficiency, by breadth-first searches 64 at a time.

    Parameters
    ----------
    links : UnitLinks
        The graph; units without links count too.
    sources : int, optional
        Units to start from, drawn without replacement; by default all, which is exact. A sample estimates
        the same means.
    seed : int
        For the sample.

    Raises
    ------
    ValueError
        If `sources` is not positive.

    References
    ----------
    Latora and Marchiori, Efficient behavior of small-world networks, Physical Review Letters 87:198701
    (2001). Then et al., The more the merrier: efficient multi-source graph traversal, PVLDB 8:449 (2014).
    """
    check_nodes(links)
    if sources is not None and sources < 1:
        raise ValueError(f"sources must be a positive number of units, got {sources}")
    if links.nodes == 1:
        return Distances(mean=math.nan, efficiency=math.nan, connected=math.nan, sources=1)
    graph = undirected(links)
    if sources is None or sources >= links.nodes:
        chosen = np.arange(links.nodes)
    else:
        chosen = np.random.default_rng(seed).choice(links.nodes, sources, replace=False)
    reached = np.zeros(links.nodes)  # pairs at distance 1, 2, …
    for start in range(0, len(chosen), AT_ONCE):
        found = _pairs_by_distance(graph, chosen[start : start + AT_ONCE])
        reached[: len(found)] += found
    steps = np.arange(1, len(reached) + 1)
    pairs = len(chosen) * (links.nodes - 1)
    connected = float(reached.sum())
    return Distances(
        mean=float((reached * steps).sum()) / connected if connected else math.nan,
        efficiency=float((reached / steps).sum()) / pairs,
        connected=connected / pairs,
        sources=len(chosen),
    )


def small_world(
    links: UnitLinks,
    *,
    samples: int = 20,
    seed: int = 0,
    sources: int | None = 256,
    trades: int | None = None,
    groups: Mapping[str, int] | None = None,
) -> SmallWorld:
    """Clustering, distances and their ratio to random graphs with the same degrees.

    Parameters
    ----------
    links : UnitLinks
        The graph.
    samples, seed, trades, groups
        As for :func:`against_null`.
    sources : int, optional
        As for :func:`distances`; the same units in every graph.

    References
    ----------
    Humphries and Gurney, Network 'small-world-ness', PLoS ONE 3:e0002051 (2008), with random graphs that
    keep the degrees.
    """

    def measures(graph: UnitLinks) -> dict[str, float]:
        apart = distances(graph, sources=sources, seed=seed)
        return {
            "clustering": square_clustering(graph),
            "distance": apart.mean,
            "efficiency": apart.efficiency,
        }

    found = compare_with_null(measures, links, samples=samples, seed=seed, trades=trades, groups=groups)
    return SmallWorld(**found, sigma=sigma(found["clustering"], found["distance"]))


def sigma(clustering: NullComparison, distance: NullComparison) -> float:
    """Small-world coefficient from both comparisons; NaN where it is undefined."""
    if not clustering.null_mean > 0 or not distance.null_mean > 0:
        return math.nan
    return (clustering.value / clustering.null_mean) / (distance.value / distance.null_mean)


def _pairs_by_distance(graph: csr_array, sources: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many units lie 1, 2, … links from the sources, summed over the sources.

    Every unit has one bit a source: whether the search from it has come by. A step of all searches is an OR
    over neighbours.
    """
    nodes = graph.shape[0]
    words = -(-len(sources) // 64)
    bit = np.arange(len(sources))
    seen = np.zeros((nodes, words), dtype=np.uint64)
    seen[sources, bit // 64] = np.uint64(1) << (bit % 64).astype(np.uint64)
    linked = np.flatnonzero(np.diff(graph.indptr))
    starts = graph.indptr[linked]
    edge = seen
    found = []
    while len(linked):
        come = np.zeros_like(seen)
        come[linked] = np.bitwise_or.reduceat(edge[graph.indices], starts, axis=0)
        edge = come & ~seen
        new = float(np.bitwise_count(edge).sum(dtype=np.int64))
        if not new:
            break
        found.append(new)
        seen = seen | edge
    return np.asarray(found)
