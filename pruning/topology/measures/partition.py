"""Groups of units that link among themselves more than their degrees explain."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from pruning.topology.links import UnitLinks
from pruning.topology.measures.blocks import check_nodes, undirected

MOST_FOR_NETWORKX = 30_000  # links; Louvain takes some ten microseconds a link, greedy far more
WORTH = 1e-4  # modularity for which an ascent goes on
MOST_GROUPS = 32  # groups with which an ascent starts


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Communities:
    """A division of the units into groups.

    Attributes
    ----------
    labels : ndarray of int64
        Group of each unit, from 0, the largest first, shape (nodes,).
    modularity : float
        Of the division, see :func:`modularity`.
    count : int
        Groups with more than one unit.
    """

    labels: NDArray[np.int64] = field(repr=False)
    modularity: float
    count: int


def modularity(links: UnitLinks, labels: NDArray[np.int64]) -> float:
    """Fraction of links within groups less that expected from degrees alone, ignoring direction.

    Q = Σ_c [links within c / links − (degrees in c / 2 links)²]; 0 without links.

    Raises
    ------
    ValueError
        If there is not one label, from 0, for every unit.

    References
    ----------
    Newman, Modularity and community structure in networks, PNAS 103:8577 (2006).
    """
    labels = np.asarray(labels)
    if labels.shape != (links.nodes,) or labels.min(initial=0) < 0:
        raise ValueError(
            f"labels must be one number from 0 for each of {links.nodes} units, got shape {labels.shape}"
        )
    if not len(links):
        return 0.0
    degree = np.bincount(np.concatenate([links.source, links.target]), minlength=links.nodes)
    share = np.bincount(labels, weights=degree) / (2 * len(links))
    return float((labels[links.source] == labels[links.target]).mean() - (share**2).sum())


def communities(
    links: UnitLinks,
    *,
    method: Literal["ascent", "louvain", "greedy"] = "ascent",
    seed: int = 0,
    starts: int = 3,
) -> Communities:
    """Look for a division of high modularity.

    Every method is a heuristic: the modularity found is a lower bound of the best. Compare with random
    graphs by the same method, as any random graph has divisions of positive modularity.

    Parameters
    ----------
    links : UnitLinks
        The graph.
    method : {"ascent", "louvain", "greedy"}
        ``"ascent"``: from random groups, the units of one column after another move to their best group until
        nothing improves, then groups are merged while that helps; any size, at most 32 groups.
        ``"louvain"``, ``"greedy"``: networkx's, up to 30,000 links.
    seed : int
        For the ascent and Louvain.
    starts : int
        Random starts of the ascent, of which the best counts.

    Raises
    ------
    ValueError
        If the method is unknown, the graph too large for it, or `starts` not positive.

    References
    ----------
    Blondel et al., Fast unfolding of communities in large networks, J. Stat. Mech. P10008 (2008). Barber,
    Modularity and community detection in bipartite networks, Physical Review E 76:066102 (2007), for moving
    one side of a bipartite graph at a time.
    """
    check_nodes(links)
    if method == "ascent":
        if starts < 1:
            raise ValueError(f"starts must be a positive number of random starts, got {starts}")
        seeds = np.random.SeedSequence(seed).spawn(starts)
        found = [_ascent(links, np.random.default_rng(each)) for each in seeds]
        return _ordered(links, max(found, key=lambda labels: modularity(links, labels)))
    if method not in ("louvain", "greedy"):
        raise ValueError(f"method must be 'ascent', 'louvain' or 'greedy', got {method!r}")
    if len(links) > MOST_FOR_NETWORKX:
        raise ValueError(
            f"method {method!r} takes at most {MOST_FOR_NETWORKX:,} links, got {len(links):,}; use 'ascent'"
        )
    graph = nx.Graph()
    graph.add_nodes_from(range(links.nodes))
    graph.add_edges_from(zip(links.source.tolist(), links.target.tolist(), strict=True))
    if not len(links):
        return _ordered(links, np.arange(links.nodes))
    groups: Sequence[set[int]] = (
        nx.community.louvain_communities(graph, seed=seed)
        if method == "louvain"
        else nx.community.greedy_modularity_communities(graph)
    )
    labels = np.empty(links.nodes, dtype=np.int64)
    for label, group in enumerate(groups):
        labels[list(group)] = label
    return _ordered(links, labels)


def _ordered(links: UnitLinks, labels: NDArray[np.int64]) -> Communities:
    sizes = np.bincount(labels)
    place = np.empty(len(sizes), dtype=np.int64)
    place[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return Communities(
        labels=place[labels], modularity=modularity(links, labels), count=int((sizes > 1).sum())
    )


def _ascent(links: UnitLinks, generator: np.random.Generator) -> NDArray[np.int64]:
    """Labels at which no column, and no merger, improves on the best that was seen."""
    graph = undirected(links)
    degree = graph.sum(1)
    if not len(links):
        return np.arange(links.nodes)
    parts = [slice(column.first, column.first + column.units) for column in links.columns if column.units]
    rows = [graph[part] for part in parts]
    labels = generator.integers(min(MOST_GROUPS, links.nodes), size=links.nodes)
    best, most = labels, -1.0
    while True:
        labels = _climb(links, rows, parts, degree, labels, generator)
        labels = _merged(links, degree, labels)
        reached = modularity(links, labels)
        worth = reached > most + WORTH
        if reached > most:
            best, most = labels, reached
        if not worth:
            return best


def _climb(
    links: UnitLinks,
    rows: list[csr_array],
    parts: list[slice],
    degree: NDArray[np.float64],
    labels: NDArray[np.int64],
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Move columns in random order until a few rounds bring nothing; the best labels on the way.

    The units of a column share no link, so all can move at once but for the size of the groups, which they
    change together: a round may lose a little, hence the patience.
    """
    groups = int(labels.max()) + 1
    member = np.zeros((links.nodes, groups))
    member[np.arange(links.nodes), labels] = 1.0
    best, most, patience = labels.copy(), modularity(links, labels), 3
    labels = labels.copy()
    while patience:
        for place in generator.permutation(len(parts)):
            part = parts[place]
            own = degree[part, None]
            others = degree @ member - own * member[part]
            gain = rows[place] @ member - own * others / (2 * len(links))
            gain[np.arange(len(gain)), labels[part]] += 1e-9  # no move without a gain
            labels[part] = gain.argmax(1)
            member[part] = np.eye(groups)[labels[part]]
        reached = modularity(links, labels)
        patience = 3 if reached > most + WORTH else patience - 1
        if reached > most:
            best, most = labels.copy(), reached
    return best


def _merged(links: UnitLinks, degree: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Merge the two groups that gain the most while any gain, and number those left from 0."""
    labels = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    groups = int(labels.max()) + 1
    code = labels[links.source] * groups + labels[links.target]
    between = np.bincount(code, minlength=groups**2).reshape(groups, groups) / (2 * len(links))
    share = np.bincount(labels, weights=degree, minlength=groups) / (2 * len(links))
    gain = between + between.T - np.outer(share, share)  # half of what a merger adds
    np.fill_diagonal(gain, -np.inf)
    target = np.arange(groups)
    while gain.size and gain.max() > 1e-12:
        kept, gone = np.unravel_index(int(gain.argmax()), gain.shape)
        gain[kept] += gain[gone]
        gain[:, kept] += gain[:, gone]
        gain[kept, kept] = gain[gone, :] = gain[:, gone] = -np.inf
        target[target == gone] = kept
    return np.unique(target[labels], return_inverse=True)[1].astype(np.int64)
