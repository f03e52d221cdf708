"""Graphs of units that the tests of measures share."""

from dataclasses import replace

import networkx as nx
import numpy as np

from pruning.topology import Column, UnitLinks


def columns_of(sizes, names=None, inputs=()):
    first = np.concatenate([[0], np.cumsum(sizes)])
    return tuple(
        Column(
            name=names[place] if names else f"c{place}",
            units=size,
            first=int(first[place]),
            is_input=place in inputs,
        )
        for place, size in enumerate(sizes)
    )


def links_of(sizes, pairs, gates=None, names=None, inputs=()):
    """Links between node numbers, sorted as they must be."""
    pairs = np.asarray(sorted(pairs, key=lambda pair: (pair[1], pair[0])), dtype=np.int64).reshape(-1, 2)
    return UnitLinks(
        columns=columns_of(sizes, names, inputs),
        source=pairs[:, 0],
        target=pairs[:, 1],
        gates=np.ones(len(pairs), dtype=np.int64) if gates is None else np.asarray(gates, dtype=np.int64),
    )


def random_links(sizes, density, seed, skips=()):
    """A chain with links at random, and between the columns named in ``skips``."""
    generator = np.random.default_rng(seed)
    first = np.concatenate([[0], np.cumsum(sizes)])
    pairs = []
    for one, two in [*((place, place + 1) for place in range(len(sizes) - 1)), *skips]:
        row, col = np.nonzero(generator.random((sizes[one], sizes[two])) < density)
        pairs.append(np.stack([row + first[one], col + first[two]], 1))
    return links_of(sizes, [tuple(pair) for pair in np.concatenate(pairs).tolist()])


def relabelled(links, seed):
    """The same graph with the units of each column in another order."""
    generator = np.random.default_rng(seed)
    names = np.concatenate(
        [column.first + generator.permutation(column.units) for column in links.columns]
    ).astype(np.int64)
    source, target = names[links.source], names[links.target]
    order = np.lexsort((source, target))
    return replace(links, source=source[order], target=target[order], gates=links.gates[order])


def undirected_of(links):
    graph = nx.Graph()
    graph.add_nodes_from(range(links.nodes))
    graph.add_edges_from(zip(links.source.tolist(), links.target.tolist(), strict=True))
    return graph


def directed_of(links):
    graph = nx.DiGraph()
    graph.add_nodes_from(range(links.nodes))
    graph.add_edges_from(zip(links.source.tolist(), links.target.tolist(), strict=True))
    return graph
