"""Graphs of layers, of units, and of the connections around a unit, counted anew one by one."""

import networkx as nx
import numpy as np
import pytest

from pruning.topology import (
    Column,
    Feed,
    LayerTopology,
    TopologySnapshot,
    UnitLinks,
    layer_graph,
    neighbourhood,
    unit_graph,
    unit_links,
)
from studies.topology_store import column_totals, sample_units


def snapshot_of(shapes, masks):
    """Build a snapshot of layers given as (name, outputs, inputs, groups, layout)."""
    layers = tuple(
        LayerTopology(
            name=name,
            outputs=outputs,
            inputs=inputs,
            groups=groups,
            layout=layout,
            live=int(mask.sum()),
            total=mask.size,
        )
        for (name, outputs, inputs, groups, layout), mask in zip(shapes, masks, strict=True)
    )
    flat = np.concatenate([mask.ravel() for mask in masks])
    return TopologySnapshot(
        step=30,
        epoch=2,
        sparsity=float(1 - flat.mean()),
        target_sparsity=0.5,
        live=int(flat.sum()),
        born=0,
        died=0,
        lifetime=None,
        threshold=None,
        layers=layers,
        sample_live=flat[:4],
        sample_expression=None,
        packed_masks=np.packbits(flat),
    )


@pytest.fixture
def network():
    """Two convolutions, the second in two groups, a skip around it, and a linear layer on maps of 2 x 2."""
    random = np.random.default_rng(0)
    shapes = [
        ("a", 6, 3, 1, (1, 6, 3, 9)),
        ("b", 6, 6, 2, (2, 3, 3, 9)),
        ("c", 4, 24, 1, (1, 4, 24, 1)),
    ]
    masks = [random.random(shape[4]) < 0.15 for shape in shapes]
    snapshot = snapshot_of(shapes, masks)
    maps = np.arange(24) // 4
    wiring = {
        "a": (Feed(source="input", units=np.arange(3)),),
        "b": (Feed(source="a", units=np.arange(6)),),
        "c": (Feed(source="a", units=maps), Feed(source="b", units=maps)),
    }
    return snapshot, wiring, random.random(snapshot.total).astype(np.float32)


def brute_force(snapshot, wiring, expression):
    """Every live gate with its source, target, number, place and level, one by one."""
    columns = {"input": 0, "a": 1, "b": 2, "c": 3}
    start, found = 0, []
    for layer in snapshot.layers:
        mask = snapshot.mask(layer.name)
        for number, (group, output, inner, place) in enumerate(np.ndindex(mask.shape)):
            if not mask[group, output, inner, place]:
                continue
            target = (columns[layer.name], group * mask.shape[1] + output)
            read = group * mask.shape[2] + inner
            for feed in wiring[layer.name]:
                source = (columns[feed.source], int(feed.units[read]))
                found.append((source, target, start + number, place, float(expression[start + number])))
        start += layer.total
    return found


def test_a_graph_of_layers_sums_the_graph_of_units(network):
    snapshot, wiring, expression = network
    graph = layer_graph(unit_links(snapshot, wiring, expression))
    gates = brute_force(snapshot, wiring, expression)
    names = ["input", "a", "b", "c"]
    assert list(graph) == names
    assert graph.graph == {"step": 30, "epoch": 2, "sparsity": snapshot.sparsity}
    for source, target, data in graph.edges(data=True):
        own = [gate for gate in gates if (names[gate[0][0]], names[gate[1][0]]) == (source, target)]
        assert data["gates"] == len(own)
        assert data["links"] == len({gate[:2] for gate in own})
        sizes = graph.nodes[source]["units"], graph.nodes[target]["units"]
        assert data["density"] == pytest.approx(data["links"] / (sizes[0] * sizes[1]))
        assert data["expression"] == pytest.approx(np.mean([gate[4] for gate in own]), rel=1e-5)
    assert set(graph.edges) == {("input", "a"), ("a", "b"), ("a", "c"), ("b", "c")}
    for name, data in graph.nodes(data=True):
        place = names.index(name)
        pairs = {gate[:2] for gate in gates}
        assert data["in_links"] == sum(target[0] == place for _, target in pairs)
        assert data["out_links"] == sum(source[0] == place for source, _ in pairs)
        ends = {end for pair in pairs for end in pair if end[0] == place}
        assert data["live_units"] == len(ends) <= data["units"]


def test_layers_without_expression_and_without_links():
    empty = np.empty(0, dtype=np.int64)
    columns = (Column(name="input", units=2, first=0), Column(name="a", units=3, first=2))
    graph = layer_graph(UnitLinks(columns=columns, source=empty, target=empty, gates=empty))
    assert dict(graph.nodes["a"]) == {
        "column": 1,
        "units": 3,
        "live_units": 0,
        "in_links": 0,
        "out_links": 0,
    }
    assert graph.number_of_edges() == 0


@pytest.mark.parametrize("most", [1, 2, 4, 100])
def test_the_sample_is_the_one_that_reports_draw(network, most):
    snapshot, wiring, expression = network
    links = unit_links(snapshot, wiring, expression)
    whole = links.to_digraph()
    shown = [node for units in sample_units(whole, most).values() for node in units]
    graph = unit_graph(links, most)
    oracle = whole.subgraph(shown)
    assert sorted(graph) == sorted(shown)
    assert nx.utils.graphs_equal(nx.DiGraph(graph.edges(data=True)), nx.DiGraph(oracle.edges(data=True)))
    assert graph.graph["hidden_units"] == len(whole) - len(shown)
    assert graph.graph["hidden_links"] == whole.number_of_edges() - oracle.number_of_edges()
    assert column_totals(graph) == column_totals(whole)


def test_all_units_are_the_graph_of_the_links(network):
    snapshot, wiring, expression = network
    links = unit_links(snapshot, wiring, expression)
    graph = unit_graph(links, None)
    assert nx.utils.edges_equal(graph.edges(data=True), links.to_digraph().edges(data=True), directed=True)
    assert (graph.graph["hidden_units"], graph.graph["hidden_links"]) == (0, 0)
    with pytest.raises(ValueError, match="at least 1 unit a column, or None, got 0"):
        unit_graph(links, 0)


@pytest.mark.parametrize(("upstream", "downstream"), [(0, 0), (1, 1), (2, 0), (0, 3), (3, 3)])
def test_a_neighbourhood_holds_every_gate_of_its_links(network, upstream, downstream):
    snapshot, wiring, expression = network
    gates = brute_force(snapshot, wiring, expression)
    whole = unit_links(snapshot, wiring).to_digraph()
    for unit in range(6):
        centre = (1, unit)
        graph = neighbourhood(
            snapshot,
            "a",
            unit,
            wiring=wiring,
            expression=expression,
            upstream=upstream,
            downstream=downstream,
        )
        up = nx.single_source_shortest_path_length(whole.reverse(), centre, upstream)
        down = nx.single_source_shortest_path_length(whole, centre, downstream)
        assert set(graph) == set(up) | set(down)
        # A link is crossed going up from a unit met in fewer hops than allowed; likewise down. The skip makes
        # a unit's distances several; walks, not shortest paths, decide.
        expected = set()
        for walks, graph_of, flip in ((upstream, whole.reverse(), True), (downstream, whole, False)):
            frontier = {centre}
            for _ in range(walks):
                crossed = {(node, other) for node in frontier for other in graph_of.successors(node)}
                expected |= {(b, a) if flip else (a, b) for a, b in crossed}
                frontier = {other for _, other in crossed}
        wanted = {gate for gate in gates if gate[:2] in expected}
        found = {
            (source, target, key, data["place"], data["expression"])
            for source, target, key, data in graph.edges(keys=True, data=True)
        }
        assert found == wanted
        assert graph.nodes[centre]["hops"] == 0
        assert graph.graph["hidden_connections"] == 0


def test_the_most_expressed_connections_are_shown_first(network):
    snapshot, wiring, expression = network
    whole = neighbourhood(snapshot, "a", 0, wiring=wiring, expression=expression)
    part = neighbourhood(snapshot, "a", 0, wiring=wiring, expression=expression, maximum_connections=4)
    levels = sorted((level for *_, level in whole.edges(data="expression")), reverse=True)
    assert sorted((level for *_, level in part.edges(data="expression")), reverse=True) == levels[:4]
    assert part.graph["hidden_connections"] == len(levels) - 4 > 0
    assert set(part) == set(whole)


def test_a_units_gate_shows_on_each_pair_that_it_silences():
    shapes = [("a", 4, 6, 2, (1, 4, 1, 1))]
    snapshot = snapshot_of(shapes, [np.array([True, False, False, True]).reshape(1, 4, 1, 1)])
    graph = neighbourhood(snapshot, "a", 3)
    assert sorted(graph.edges(keys=True)) == [((0, unit), (1, 3), 3) for unit in (3, 4, 5)]
    assert len(neighbourhood(snapshot, "a", 1)) == 1


def test_bad_neighbourhoods_are_refused(network):
    snapshot, wiring, expression = network
    with pytest.raises(ValueError, match=r"one of 'input', 'a', 'b', 'c', got 'd'"):
        neighbourhood(snapshot, "d", 0, wiring=wiring)
    with pytest.raises(ValueError, match="unit must be from 0 to 5 in column 'a', got 6"):
        neighbourhood(snapshot, "a", 6, wiring=wiring)
    with pytest.raises(ValueError, match="upstream must be an integer of at least 0, got -1"):
        neighbourhood(snapshot, "a", 0, wiring=wiring, upstream=-1)
    with pytest.raises(ValueError, match=r"a level for each of 420 gates, got \(5,\)"):
        neighbourhood(snapshot, "a", 0, wiring=wiring, expression=expression[:5])
