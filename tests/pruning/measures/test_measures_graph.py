"""Measures of one graph of units against networkx, brute force and closed forms."""

import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measured_graphs import directed_of, links_of, random_links, relabelled, undirected_of

from pruning.topology import LayerTopology
from pruning.topology.measures import (
    assortativity,
    assortativity_by_block,
    chance_degrees,
    communities,
    connectedness,
    count_paths,
    degree_distributions,
    degrees,
    densities,
    distances,
    hub_overlap,
    hubs,
    modularity,
    scalars,
    singular_values,
    small_world,
    spectral_norm,
    square_clustering,
)
from pruning.topology.measures import clustering as clustering_module
from pruning.topology.measures.degree import gini
from pruning.topology.measures.partition import _merged

CHAINS = [random_links((7, 9, 8, 4), 0.3, seed) for seed in range(6)]
SKIPPING = [random_links((6, 7, 5, 4), 0.3, seed, skips=[(0, 2), (1, 3)]) for seed in range(6)]


# Density and degrees


def test_densities_by_hand():
    links = links_of((4, 2, 3), [(0, 4), (1, 4), (2, 5), (4, 6), (5, 7)], gates=[9, 1, 2, 3, 4])
    first, second = densities(links)
    assert (first.source, first.target, first.links, first.pairs, first.gates) == ("c0", "c1", 3, 8, 12)
    assert first.link_density == 3 / 8
    assert first.gate_density is None
    assert (second.links, second.pairs, second.gates) == (2, 6, 7)
    layer = LayerTopology(name="c1", outputs=2, inputs=4, groups=2, layout=(2, 1, 2, 9), live=12, total=36)
    first, second = densities(links, [layer])
    assert first.pairs == 4  # those across the two groups do not exist
    assert first.gate_density == pytest.approx(1 / 3)
    assert second.gate_density is None


@pytest.mark.parametrize("links", CHAINS + SKIPPING)
def test_degrees_are_networkx_degrees(links):
    graph = directed_of(links)
    assert degrees(links, "in").tolist() == [degree for _, degree in graph.in_degree()]
    assert degrees(links, "out").tolist() == [degree for _, degree in graph.out_degree()]
    assert degrees(links).tolist() == [degree for _, degree in graph.degree()]


def test_degree_distribution_of_a_column_by_hand():
    links = links_of((3, 2), [(0, 3), (1, 3), (2, 3), (2, 4)])
    found = {(each.column, each.direction): each for each in degree_distributions(links)}
    assert set(found) == {("c0", "out"), ("c1", "in")}
    arriving = found["c1", "in"]
    assert arriving.counts.tolist() == [0, 1, 0, 1]
    assert (arriving.mean, arriving.std, arriving.smallest, arriving.largest) == (2.0, 1.0, 1, 3)
    assert arriving.gini == pytest.approx(0.25)


def test_gini_limits():
    assert gini(np.array([2, 2, 2])) == pytest.approx(0)
    assert gini(np.array([0] * 99 + [5])) == pytest.approx(0.99)
    assert math.isnan(gini(np.zeros(3, dtype=int)))


def test_chance_degrees_are_those_of_links_strewn_at_random():
    rows, cols, count = 6, 5, 11
    generator = np.random.default_rng(0)
    drawn = []
    for _ in range(4000):
        pairs = generator.choice(rows * cols, count, replace=False)
        drawn.append(np.bincount(pairs // cols, minlength=rows))
    links = links_of((rows, cols), [(k // cols, rows + k % cols) for k in range(count)])
    mean, std = chance_degrees(links, "out")
    assert mean[:rows] == pytest.approx(np.mean(drawn), abs=1e-9)
    assert std[:rows] == pytest.approx(np.std(drawn), rel=0.02)
    assert (mean[rows:] == 0).all()


def test_chance_degrees_of_a_grouped_column_are_strewn_within_the_groups():
    groups, rows, cols, count = 3, 6, 9, 7
    pairs = [(a, rows + b) for a in range(rows) for b in range(cols) if a // 2 == b // 3]
    generator = np.random.default_rng(0)
    drawn = []
    for _ in range(4000):
        chosen = [pairs[place] for place in generator.choice(len(pairs), count, replace=False)]
        drawn.append(np.bincount([b for _, b in chosen], minlength=rows + cols))
    mean, std = chance_degrees(links_of((rows, cols), pairs[:count]), "in", groups={"c1": groups})
    assert mean[rows:] == pytest.approx(np.mean(drawn, 0)[rows:].mean())
    assert std[rows:] == pytest.approx(np.std(drawn, 0)[rows:].mean(), rel=0.02)
    # All that can be linked is: no choice, no deviation, no hubs.
    full = links_of((rows, cols), pairs)
    assert chance_degrees(full, groups={"c1": groups})[1].tolist() == [0.0] * (rows + cols)
    assert not hubs(full, groups={"c1": groups}).any()
    assert chance_degrees(full)[1].min() > 0
    found = degree_distributions(full, groups={"c1": groups})
    assert [each.chance_std for each in found] == [0.0, 0.0]


def test_a_column_without_units_has_no_hubs():
    links = links_of((2, 0, 2), [(0, 2), (1, 3)])
    for rule in ("chance", "decile"):
        chosen = hubs(links, rule=rule)
        assert not chosen.any()
        assert hub_overlap(chosen, chosen, links).shared == 0


def test_the_null_of_a_small_world_keeps_links_in_their_groups():
    pairs = [(a, 4 + b) for a in range(4) for b in range(6) if a // 2 == b // 3]
    links = links_of((4, 6), pairs)
    grouped = small_world(links, samples=5, groups={"c1": 2}).clustering
    assert grouped.note == "all random graphs have its value"
    assert small_world(links, samples=5).clustering.null_mean != grouped.null_mean


def test_a_wrong_direction_is_refused():
    with pytest.raises(ValueError, match="direction must be one of in, out, all, got 'up'"):
        degrees(CHAINS[0], "up")


# Paths


@pytest.mark.parametrize("links", CHAINS + SKIPPING)
def test_paths_are_those_that_a_walk_finds(links):
    graph = directed_of(links)
    last = links.columns[-1]
    lengths = [
        len(path) - 1
        for start in range(links.columns[0].units)
        for stop in range(last.first, last.first + last.units)
        for path in nx.all_simple_paths(graph, start, stop)
    ]
    found = count_paths(links)
    assert np.exp(found.log_total) == pytest.approx(len(lengths), rel=1e-12)
    assert found.effective_depth == pytest.approx(np.mean(lengths), rel=1e-12)
    assert (found.shortest, found.longest) == (min(lengths), max(lengths))
    used = {edge for edge in graph.edges if _on_path(graph, edge, links)}
    assert found.dead == len(links) - len(used)
    reached = set(range(links.columns[0].units)).union(
        *(nx.descendants(graph, unit) for unit in range(links.columns[0].units))
    )
    for column in links.columns:
        units = set(range(column.first, column.first + column.units))
        assert found.unreachable[column.name] == len(units - reached)


def _on_path(graph, edge, links):
    first = links.columns[0].units
    last = links.columns[-1].first
    before = nx.ancestors(graph, edge[0]) | {edge[0]}
    after = nx.descendants(graph, edge[1]) | {edge[1]}
    return any(unit < first for unit in before) and any(unit >= last for unit in after)


def test_paths_of_complete_columns_do_not_overflow():
    links = random_links([10] * 400, 1.0, 0)
    found = count_paths(links)
    assert found.log10_total == pytest.approx(400, rel=1e-12)  # 10^400, beyond float64
    assert found.effective_depth == pytest.approx(399, rel=1e-9)
    assert found.dead == 0


def test_a_silent_layer_cuts_all_paths():
    found = count_paths(links_of((2, 3, 2), [(0, 2), (1, 3)]))
    assert found.log_total == -math.inf
    assert math.isnan(found.effective_depth)
    assert found.shortest is None
    assert found.unreachable == {"c0": 0, "c1": 1, "c2": 2}
    assert found.useless == {"c0": 2, "c1": 3, "c2": 0}
    assert found.dead == 2


def test_inputs_and_outputs_by_name_and_by_default():
    names = ["input", "a", "second", "b", "head"]
    links = links_of((1, 1, 1, 1, 1), [(0, 1), (1, 3), (2, 3), (3, 4)], names=names, inputs=(0, 2))
    assert np.exp(count_paths(links).log_total) == pytest.approx(2)
    assert np.exp(count_paths(links, inputs=["input"]).log_total) == pytest.approx(1)
    both = count_paths(links, inputs=["input"], outputs=["a", "head"])
    assert np.exp(both.log_total) == pytest.approx(2)
    assert both.effective_depth == pytest.approx((1 + 3) / 2)
    with pytest.raises(ValueError, match="outputs must name columns of the graph, got 'tail'"):
        count_paths(links, outputs=["tail"])


# Clustering and distances


@pytest.mark.parametrize("links", CHAINS)
def test_clustering_of_a_chain_is_that_of_robins_and_alexander(links):
    expected = nx.bipartite.robins_alexander_clustering(undirected_of(links))
    assert square_clustering(links) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("links", CHAINS + SKIPPING)
def test_clustering_is_what_brute_force_counts(links):
    graph = undirected_of(links)
    threes = squares = 0
    for b, c in graph.edges:
        for a in set(graph[b]) - {c}:
            for d in set(graph[c]) - {b, a}:
                threes += 1
                squares += graph.has_edge(a, d)
    assert square_clustering(links) == pytest.approx(squares / threes, rel=1e-12)


@pytest.mark.parametrize("links", [CHAINS[0], SKIPPING[0]])
def test_both_ways_to_count_squares_agree(links, monkeypatch):
    dense = square_clustering(links)
    monkeypatch.setattr(clustering_module, "DENSE", 1)
    monkeypatch.setattr(clustering_module, "STRIP", 5)
    assert square_clustering(links) == pytest.approx(dense, rel=1e-12)


def test_clustering_limits():
    assert square_clustering(random_links((5, 6), 1.0, 0)) == pytest.approx(1)
    assert square_clustering(links_of((1, 1, 1, 1), [(0, 1), (1, 2), (2, 3)])) == 0
    assert math.isnan(square_clustering(links_of((2, 2), [(0, 2), (1, 3)])))


@pytest.mark.parametrize("links", [*CHAINS, *SKIPPING, random_links((40, 50, 30), 0.02, 0)])
def test_distances_are_networkx_distances(links):
    graph = undirected_of(links)
    found = distances(links)
    assert found.efficiency == pytest.approx(nx.global_efficiency(graph), rel=1e-12)
    apart = [
        distance
        for start, reached in nx.all_pairs_shortest_path_length(graph)
        for stop, distance in reached.items()
        if start != stop
    ]
    assert found.mean == pytest.approx(np.mean(apart), rel=1e-12)
    assert found.connected == pytest.approx(len(apart) / (links.nodes * (links.nodes - 1)))


def test_distances_from_more_sources_than_one_batch_and_from_a_sample():
    links = random_links((500, 400, 300), 0.01, 0)
    found = distances(links)
    assert found.sources == 1200  # two batches
    # networkx adds 1.4 million terms one by one, each with its rounding
    assert found.efficiency == pytest.approx(nx.global_efficiency(undirected_of(links)), rel=1e-9)
    sampled = distances(links, sources=200)
    assert sampled.sources == 200
    assert sampled.efficiency == pytest.approx(found.efficiency, rel=0.05)
    with pytest.raises(ValueError, match="sources must be a positive number"):
        distances(links, sources=0)


def test_a_ring_of_near_neighbours_is_a_small_world_and_a_random_graph_is_not():
    size = 60
    ring = [(unit, size + (unit + shift) % size) for unit in range(size) for shift in range(4)]
    generator = np.random.default_rng(0)
    ring = [
        (unit, size + int(generator.integers(size))) if generator.random() < 0.05 else (unit, other)
        for unit, other in ring
    ]
    found = small_world(links_of((size, size), set(ring)), samples=10, sources=None)
    assert found.clustering.z > 10
    assert found.sigma > 1.5
    chance = small_world(random_links((size, size), 4 / size, 0), samples=10, sources=None)
    assert chance.sigma == pytest.approx(1, abs=0.25)


# Spectra


@pytest.mark.parametrize("sizes", [(7, 9, 8), (90, 120, 80)])
def test_singular_values_are_those_of_the_dense_matrices(sizes):
    links = random_links(sizes, 0.2, 0)
    dense = (links.adjacency().toarray() > 0).astype(float)
    assert spectral_norm(links) == pytest.approx(np.linalg.norm(dense, 2), rel=1e-8)
    first = dense[: sizes[0], sizes[0] : sizes[0] + sizes[1]]
    assert singular_values(links)["c0 -> c1"] == pytest.approx(np.linalg.norm(first, 2), rel=1e-8)


def test_singular_value_of_complete_columns_is_the_root_of_the_product():
    assert singular_values(random_links((9, 16), 1.0, 0)) == {"c0 -> c1": pytest.approx(12)}


@pytest.mark.parametrize("links", [*CHAINS, *SKIPPING, random_links((60, 70, 50), 0.1, 0)])
def test_gap_is_that_of_the_normalised_laplacian_of_the_largest_part(links):
    graph = undirected_of(links)
    parts = [part for part in nx.connected_components(graph) if len(part) > 1]
    found = connectedness(links)
    assert found.components == len(parts)
    assert found.isolated == sum(degree == 0 for _, degree in graph.degree())
    giant = max(parts, key=len)
    assert found.giant == len(giant)
    values = np.sort(nx.normalized_laplacian_spectrum(graph.subgraph(giant)).real)
    assert found.gap == pytest.approx(values[1], rel=1e-5)


def test_gap_of_complete_columns_is_one():
    assert connectedness(random_links((50, 60), 1.0, 0)).gap == pytest.approx(1)  # Chung, example 1.2


def test_no_links_have_no_gap():
    found = connectedness(links_of((2, 2), []))
    assert (found.components, found.isolated, found.giant) == (0, 4, 1)
    assert math.isnan(found.gap)
    assert spectral_norm(links_of((2, 2), [])) == 0


# Mixing


@pytest.mark.parametrize("links", CHAINS + SKIPPING)
@pytest.mark.parametrize("source", ["in", "out"])
@pytest.mark.parametrize("target", ["in", "out"])
def test_assortativity_is_networkx_assortativity(links, source, target):
    expected = nx.degree_pearson_correlation_coefficient(directed_of(links), x=source, y=target)
    assert assortativity(links, source, target) == pytest.approx(expected, rel=1e-9)


def test_assortativity_within_a_block_and_where_it_is_undefined():
    links = links_of((3, 3), [(0, 3), (0, 4), (0, 5), (1, 3), (2, 3)])  # nested: many link to few
    assert assortativity_by_block(links) == {"c0 -> c1": pytest.approx(assortativity(links))}
    assert assortativity(links) < 0
    assert math.isnan(assortativity(random_links((4, 4), 1.0, 0)))


# Communities


@pytest.mark.parametrize("links", CHAINS + SKIPPING)
def test_modularity_is_networkx_modularity(links):
    labels = np.random.default_rng(0).integers(3, size=links.nodes)
    groups = [set(np.flatnonzero(labels == label).tolist()) for label in range(3)]
    expected = nx.community.modularity(undirected_of(links), groups)
    assert modularity(links, labels) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("method", ["ascent", "louvain"])
def test_planted_groups_are_found(method):
    generator = np.random.default_rng(1)
    group = np.arange(90) % 3
    pairs = [
        (one, two)
        for base in (0, 30)
        for one in range(base, base + 30)
        for two in range(base + 30, base + 60)
        if generator.random() < (0.6 if group[one] == group[two] else 0.02)
    ]
    links = links_of((30, 30, 30), pairs)
    found = communities(links, method=method, seed=0)
    assert found.count == 3
    assert len({(label, planted) for label, planted in zip(found.labels, group, strict=True)}) == 3
    assert found.modularity == pytest.approx(modularity(links, group))
    assert 0.9 * found.modularity < communities(links, method="greedy").modularity <= found.modularity


@pytest.mark.parametrize("seed", range(4))
def test_ascent_is_about_as_good_as_louvain_on_random_graphs(seed):
    links = random_links((40, 50, 40), 0.1, seed)
    ascent, louvain = (communities(links, method=method).modularity for method in ("ascent", "louvain"))
    assert ascent > 0.95 * louvain


@pytest.mark.parametrize("seed", range(5))
def test_merging_stops_where_no_two_groups_gain(seed):
    links = random_links((20, 25, 20), 0.1, seed)
    before = np.random.default_rng(seed).integers(20, size=links.nodes)
    after = _merged(links, degrees(links).astype(float), before)
    reached = modularity(links, after)
    assert reached > modularity(links, before)
    groups = int(after.max()) + 1
    assert len({(one, two) for one, two in zip(before, after, strict=True)}) == len(
        set(before)
    )  # merged, never split
    for one in range(groups):
        for two in range(one):
            assert modularity(links, np.where(after == one, two, after)) <= reached + 1e-12


def test_communities_repeat_with_the_seed_and_refuse_what_they_cannot(monkeypatch):
    links = CHAINS[0]
    assert (communities(links, seed=4).labels == communities(links, seed=4).labels).all()
    assert communities(links_of((2, 2), [])).modularity == 0
    with pytest.raises(ValueError, match="method must be"):
        communities(links, method="guess")
    with pytest.raises(ValueError, match="starts must be a positive"):
        communities(links, starts=0)
    monkeypatch.setattr("pruning.topology.measures.partition.MOST_FOR_NETWORKX", 5)
    with pytest.raises(ValueError, match=r"takes at most 5 links.*use 'ascent'"):
        communities(links, method="louvain")
    with pytest.raises(ValueError, match="one number from 0 for each of"):
        modularity(links, np.zeros(3, dtype=int))


# Invariants


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(2, 8), min_size=2, max_size=4), st.floats(0.1, 0.9), st.integers(0, 2**32))
def test_the_order_of_units_within_a_column_changes_nothing(sizes, density, seed):
    links = random_links(sizes, density, seed, skips=[(0, len(sizes) - 1)] if len(sizes) > 2 else ())
    before = scalars(links, sources=None)
    after = scalars(relabelled(links, seed), sources=None)
    for name, value in before.items():
        if name != "modularity":  # a search, whose path depends on the order
            assert after[name] == pytest.approx(value, rel=1e-7, abs=1e-9, nan_ok=True), name


def test_no_columns_are_refused():
    with pytest.raises(ValueError, match="at least one unit"):
        count_paths(links_of((), []))
