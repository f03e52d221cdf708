import networkx as nx
import pytest
from study_records import make_graph

from studies.report.topology_figure import topology_animation, topology_figure
from studies.topology_store import StoredSnapshot, read_topology, sample_units, write_topology

RUN = {"policy": "expression", "target_sparsity": 0.9, "seed": 0}


def bands(traces):
    return [trace for trace in traces if trace.name.startswith("connections")]


def segments(trace):
    return [(trace.x[i : i + 2], trace.y[i : i + 2]) for i in range(0, len(trace.x), 3)]


def lines(trace):
    """Segments of a trace of an animation: three entries each, the last None."""
    return sum(x is not None for x in trace.x) // 2


def test_every_edge_is_a_segment_between_its_units():
    graph = make_graph(units=(6, 5, 3), density=0.5)
    figure = topology_figure(graph)
    drawn = [segment for trace in bands(figure.data) for segment in segments(trace)]
    assert len(drawn) == graph.number_of_edges()
    units = next(trace for trace in figure.data if trace.name == "units")
    places = dict(zip(sorted(graph.nodes), zip(units.x, units.y, strict=True), strict=True))
    expected = {(places[a], places[b]) for a, b in graph.edges}
    assert {((x[0], y[0]), (x[1], y[1])) for x, y in drawn} == expected
    assert len(figure.data) == 6  # five bands and the units, not one trace an edge
    assert list(figure.layout.xaxis.ticktext) == [
        "input<br>6 units",
        "layers.0<br>5 units",
        "layers.1<br>3 units",
    ]


def test_stronger_edges_are_more_opaque():
    graph = nx.DiGraph()
    graph.add_edge((0, 0), (1, 0), weight=9)
    graph.add_edge((0, 1), (1, 0), weight=1)
    counts = [len(segments(trace)) for trace in bands(topology_figure(graph).data)]
    assert counts == [1, 0, 0, 0, 1]  # 1 of 9 gates, 9 of 9
    graph.edges[(0, 0), (1, 0)]["expression"] = 0.5  # where known, expression decides
    assert [len(segments(t)) for t in bands(topology_figure(graph).data)] == [1, 0, 1, 0, 0]


def test_large_layers_show_the_busiest_units_and_say_so():
    graph = make_graph(units=(576, 10), density=0.05)
    shown = sample_units(graph, 64)
    assert (len(shown[0]), len(shown[1])) == (64, 10)
    left_out = set(graph.nodes) - set(shown[0]) - set(shown[1])
    assert min(graph.degree(node) for node in shown[0]) >= max(graph.degree(node) for node in left_out)
    figure = topology_figure(graph)
    assert "74 of 586 units shown" in figure.layout.title.text
    assert figure.layout.xaxis.ticktext[0] == "input<br>64 of 576 units"


def test_unit_without_connections_is_hollow():
    graph = make_graph(units=(3, 2), density=1.0)
    graph.remove_edges_from([edge for edge in graph.edges if edge[0] == (0, 1)])
    units = next(trace for trace in topology_figure(graph).data if trace.name == "units")
    assert list(units.marker.symbol) == ["circle", "circle-open", "circle", "circle", "circle"]


def test_animation_has_a_frame_a_snapshot_with_the_same_units():
    snapshots = [
        StoredSnapshot(step=10 * i, sparsity=1 - d, graph=make_graph(d, (30, 8)))
        for i, d in enumerate([0.9, 0.5, 0.1])
    ]
    figure = topology_animation(snapshots, maximum_units=10)
    assert [frame.name for frame in figure.frames] == ["0", "10", "20"]
    assert [step.label for step in figure.layout.sliders[0].steps] == ["0", "10", "20"]
    drawn = [sum(lines(trace) for trace in frame.data[:4]) for frame in figure.frames]
    kept = {node for units in sample_units(snapshots[-1].graph, 10).values() for node in units}
    assert drawn == [len(s.graph.subgraph(kept).edges) for s in snapshots]
    assert figure.frames[0].data[5].y == figure.frames[2].data[5].y  # units stay where they are
    assert figure.frames[2].data[-1].text[0].startswith("step 20: 90.0 % of all connections silenced")
    many = [StoredSnapshot(step=k, sparsity=0.1, graph=snapshots[0].graph) for k in range(50)]
    assert [frame.name for frame in topology_animation(many, maximum_frames=5).frames] == [
        "0", "12", "24", "37", "49",
    ]  # fmt: skip


def test_stored_topology_comes_back_with_the_sizes_of_whole_layers(tmp_path):
    graphs = [make_graph(d, (100, 20)) for d in (0.4, 0.1)]
    snapshots = [StoredSnapshot(step=i, sparsity=0.5, graph=g) for i, g in enumerate(graphs)]
    write_topology(tmp_path, snapshots, run={**RUN, "model": "left out"}, maximum_units=12)
    run, stored = read_topology(tmp_path)
    assert run == RUN
    assert [s.step for s in stored] == [0, 1]
    kept = {node for units in sample_units(graphs[-1], 12).values() for node in units}
    for graph, snapshot in zip(graphs, stored, strict=True):
        assert set(snapshot.graph.edges) == set(graph.subgraph(kept).edges)
    edge = next(iter(stored[1].graph.edges))
    assert stored[1].graph.edges[edge]["expression"] == pytest.approx(
        graphs[1].edges[edge]["expression"], abs=5e-4
    )
    assert "24 of 120 units shown" in topology_figure(stored[1].graph).layout.title.text
    assert [path.name for path in tmp_path.iterdir()] == ["topology.json"]
    (tmp_path / "topology.json").write_text('{"run": {}}')
    with pytest.raises(ValueError, match="must be a topology file"):
        read_topology(tmp_path)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: topology_figure(nx.DiGraph()), "at least one unit, got an empty graph"),
        (lambda: topology_figure(nx.DiGraph([("a", "b")])), "pairs .layer index, unit., got 'a'"),
        (lambda: topology_figure(make_graph(), maximum_units=0), "at least 1 unit a layer, got 0"),
        (lambda: topology_animation([]), "at least one snapshot"),
    ],
)
def test_bad_graphs_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
