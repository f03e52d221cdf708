"""Graph files, read back by networkx and by hand."""

import json
import xml.etree.ElementTree as ElementTree

import networkx as nx
import numpy as np
import pytest

from pruning.topology import Layout, layered_layout, write_graph, write_graph_history

GEXF = "{http://www.gexf.net/1.2draft}"


@pytest.fixture
def graph():
    """Units of two layers, with a value that is missing, numpy numbers and an edge without a level."""
    graph = nx.DiGraph(step=30, sparsity=0.25, column_units={0: 2, 1: 5})
    graph.add_node((0, 0), layer="input", unit=0)
    graph.add_node((0, 1), layer="input", unit=1, hub=None)
    graph.add_node((1, 4), layer="a & <b>", unit=np.int64(4))
    graph.add_edge((0, 0), (1, 4), weight=np.int64(3), expression=np.float32(0.5))
    graph.add_edge((0, 1), (1, 4), weight=1)
    return graph


NODES = {
    "0:0": {"layer": "input", "unit": 0},
    "0:1": {"layer": "input", "unit": 1},
    "1:4": {"layer": "a & <b>", "unit": 4},
}
EDGES = {("0:0", "1:4"): {"weight": 3, "expression": 0.5}, ("0:1", "1:4"): {"weight": 1}}


def attributes(data, wanted):
    found = {key: data[key] for key in wanted}
    assert [type(value) for value in found.values()] == [type(value) for value in wanted.values()]
    return found


def agrees(found, directed=True):
    assert found.is_directed() == directed
    assert set(found) == set(NODES)
    assert set(found.edges()) == set(EDGES)
    for name, wanted in NODES.items():
        assert attributes(found.nodes[name], wanted) == wanted
        assert "hub" not in found.nodes[name]
    for edge, wanted in EDGES.items():
        assert attributes(found.edges[edge], wanted) == wanted
        assert ("expression" in found.edges[edge]) == ("expression" in wanted)


def test_graphml_comes_back(graph, tmp_path):
    path = write_graph(graph, tmp_path / "new" / "net.graphml", layout=layered_layout(graph))
    found = nx.read_graphml(path)
    agrees(found)
    assert found.graph["step"] == 30
    assert found.graph["sparsity"] == 0.25
    assert json.loads(found.graph["column_units"]) == {"0": 2, "1": 5}
    places = {name: (data["x"], data["y"]) for name, data in found.nodes(data=True)}
    assert (places["0:0"][0], places["1:4"][0]) == (0.0, 1000.0)
    assert sorted(places[name][1] for name in ("0:0", "0:1")) == [0.0, 1000.0]
    assert [file.name for file in path.parent.iterdir()] == ["net.graphml"]


def test_gexf_comes_back_with_positions(graph, tmp_path):
    layout = layered_layout(graph)
    found = nx.read_gexf(write_graph(graph, tmp_path / "net.gexf", layout=layout))
    for _, _, data in found.edges(data=True):
        data["weight"] = int(data["weight"])  # the format's own attribute, always a float
    agrees(found)
    position = found.nodes["1:4"]["viz"]["position"]
    assert (position["x"], position["y"]) == (1000.0, 500.0)
    assert "viz" not in nx.read_gexf(write_graph(graph, tmp_path / "bare.gexf")).nodes["1:4"]


@pytest.mark.parametrize("suffix", [".cyjs", ".json", ".JSON"])
def test_cytoscape_json_comes_back(graph, tmp_path, suffix):
    path = write_graph(graph, tmp_path / f"net{suffix}", layout=layered_layout(graph))
    document = json.loads(path.read_text())
    agrees(nx.cytoscape_graph(document))
    assert document["data"]["step"] == 30
    nodes = {element["data"]["id"]: element for element in document["elements"]["nodes"]}
    assert nodes["1:4"]["position"] == {"x": 1000.0, "y": -500.0}
    for element in document["elements"]["edges"]:  # what cytoscape.js asks of an edge
        assert {element["data"]["source"], element["data"]["target"]} <= set(nodes)
    numbers = [element["data"]["id"] for element in document["elements"]["edges"]]
    assert len(set(numbers)) == 2
    assert not set(numbers) & set(nodes)


def test_single_connections_stay_apart(tmp_path):
    graph = nx.MultiDiGraph(column="a", unit=0)
    graph.add_edge((0, 0), (1, 0), key=7, gate=7, expression=0.25)
    graph.add_edge((0, 0), (1, 0), key=8, gate=8, expression=0.5)
    wanted = {7: 0.25, 8: 0.5}
    read = {
        "net.graphml": nx.read_graphml,
        "net.gexf": nx.read_gexf,
        "net.cyjs": lambda path: nx.cytoscape_graph(json.loads(path.read_text())),
    }
    for name, reader in read.items():
        found = reader(write_graph(graph, tmp_path / name))
        assert found.is_multigraph()
        assert {data["gate"]: data["expression"] for *_, data in found.edges(data=True)} == wanted


def test_columns_keep_their_names(tmp_path):
    graph = nx.DiGraph([("input", "blocks.0.branch")])
    assert list(nx.read_graphml(write_graph(graph, tmp_path / "layers.graphml")).edges) == [
        ("input", "blocks.0.branch")
    ]


def test_a_layout_by_forces_keeps_its_shape(tmp_path):
    graph = nx.DiGraph([((0, 0), (1, 0)), ((0, 0), (1, 1))])
    xy = np.array([[0.0, 0.0], [2.0, 0.5], [4.0, 1.0]])
    layout = Layout(nodes=((0, 0), (1, 0), (1, 1)), xy=xy, method="spectral")
    found = nx.read_graphml(write_graph(graph, tmp_path / "net.graphml", layout=layout))
    assert [(data["x"], data["y"]) for _, data in found.nodes(data=True)] == [(0, 0), (500, 125), (1000, 250)]


def test_a_history_tells_when_each_edge_lived(tmp_path):
    def at(step, *edges):
        graph = nx.DiGraph(step=step)
        graph.add_nodes_from(((0, unit), {"layer": "a"}) for unit in range(2))
        graph.add_edges_from(((0, a), (1, b), {"weight": step}) for a, b in edges)
        return graph

    graphs = [at(10, (0, 0), (1, 0)), at(20, (1, 0)), at(30, (0, 0), (1, 0)), at(50, (0, 0), (0, 1))]
    layout = layered_layout(nx.compose_all(graphs))
    path = write_graph_history(graphs, tmp_path / "run.gexf", layout=layout)
    found = nx.read_gexf(path)
    assert found.edges["0:0", "1:0"]["spells"] == [(10.0, 20.0), (30.0, 70.0)]
    assert found.edges["0:1", "1:0"]["spells"] == [(10.0, 50.0)]
    assert found.edges["0:0", "1:1"]["spells"] == [(50.0, 70.0)]
    assert found.edges["0:0", "1:0"]["weight"] == 50
    assert set(found) == {"0:0", "0:1", "1:0", "1:1"}
    assert found.nodes["0:1"]["viz"]["position"]["x"] == 0.0
    element = ElementTree.parse(path).getroot().find(f"{GEXF}graph")
    assert (element.get("mode"), element.get("timeformat")) == ("dynamic", "double")
    # At any moment the living edges are those of the graph of that epoch.
    for graph, moment in zip(graphs, (12, 22, 40, 60), strict=True):
        living = {
            (source, target)
            for source, target, spells in found.edges(data="spells")
            if any(start <= moment < stop for start, stop in spells)
        }
        assert living == {(f"{a[0]}:{a[1]}", f"{b[0]}:{b[1]}") for a, b in graph.edges}


def test_bad_files_are_refused_and_nothing_is_written(graph, tmp_path):
    with pytest.raises(
        ValueError, match=r"must end in one of \.graphml, \.gexf, \.cyjs, \.json, got 'net.dot'"
    ):
        write_graph(graph, tmp_path / "net.dot")
    with pytest.raises(ValueError, match=r"no place for node \(1, 4\); extend it"):
        write_graph(graph, tmp_path / "net.gexf", layout=layered_layout(nx.DiGraph([((0, 0), (0, 1))])))
    graph.edges[(0, 1), (1, 4)]["expression"] = float("nan")
    with pytest.raises(ValueError, match="finite numbers, edge 0:1 to 1:4 has expression = nan"):
        write_graph(graph, tmp_path / "net.json")
    with pytest.raises(ValueError, match="same identifier as text"):
        write_graph(nx.DiGraph([((0, 0), "0:0")]), tmp_path / "net.json")
    for graphs, options, message in (
        ([], {}, "at least one graph"),
        (
            [nx.DiGraph(step=2), nx.DiGraph(step=2)],
            {},
            r"times must rise, one for each of 2 graphs, got \[2, 2\]",
        ),
        ([nx.DiGraph()], {"times": [1, 2]}, "one for each of 1 graphs"),
        ([nx.MultiDiGraph()], {}, "parallel edges"),
    ):
        with pytest.raises(ValueError, match=message):
            write_graph_history(graphs, tmp_path / "run.gexf", layout=None, **options)
    with pytest.raises(ValueError, match=r"ending in \.gexf, got 'run.json'"):
        write_graph_history([graph], tmp_path / "run.json", layout=None)
    assert list(tmp_path.iterdir()) == []
