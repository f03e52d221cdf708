import json

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grn.networks import circuits
from grn.networks.io.graphml import read_graphml, write_graphml
from grn.networks.io.text import FormatError
from grn.networks.network import Gene, GeneNetwork
from grn.networks.promoters import Custom, ErlangDelay, Rule
from grn.networks.signed import GRAPH_ATTRIBUTES

LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]><graphml>&i;</graphml>"
)


def graphml(body, attributes='edgedefault="directed"', keys=""):
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
        f"{keys}<graph {attributes}>\n{body}\n</graph></graphml>\n"
    )


def key(name, of="edge", kind="string"):
    return f'<key id="{name}" for="{of}" attr.name="{name}" attr.type="{kind}"/>'


@pytest.mark.parametrize("make", circuits.CIRCUITS.values(), ids=circuits.CIRCUITS)
def test_circuits_come_back_whole(tmp_path, make):
    network = make()
    write_graphml(network, tmp_path / "a.graphml")
    again = read_graphml(tmp_path / "a.graphml")
    assert again.genes == network.genes
    assert {name: getattr(again, name) for name in GRAPH_ATTRIBUTES} == {
        name: getattr(network, name) for name in GRAPH_ATTRIBUTES
    }
    assert again.parameters == network.parameters


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@given(st.lists(texts.filter(str.strip), min_size=1, max_size=4, unique=True), texts, texts)
def test_any_names_come_back(tmp_path_factory, names, title, source):
    genes = tuple(Gene(name=name, mrna_decay=None, initial_protein=0.1 * k) for k, name in enumerate(names))
    network = GeneNetwork(genes=genes, name=title, source=source, time_unit="h")
    path = tmp_path_factory.mktemp("graphml") / "a.graphml"
    try:
        write_graphml(network, path)
    except ValueError as error:
        assert "XML does not allow" in str(error)  # noqa: PT017 - any other error is a failure
        return
    again = read_graphml(path)
    assert again.genes == network.genes
    assert (again.name, again.source, again.time_unit) == (title, source, "h")


def test_other_tools_see_signs_and_labels(tmp_path):
    write_graphml(circuits.p53(), tmp_path / "a.graphml")
    graph = nx.read_graphml(tmp_path / "a.graphml")
    assert sorted(graph.edges(data="sign")) == [("MDM2", "p53", -1), ("p53", "MDM2", 1)]
    assert dict(graph.nodes(data="label")) == {"p53": "p53", "MDM2": "MDM2"}
    assert json.loads(graph.nodes["p53"]["record"])["removals"][0]["enzyme"] == "MDM2"


def test_delays_and_rules_come_back(tmp_path):
    rule = Rule("A and not B", threshold={"A": 1.0, "B": 2.0}, delay={"A": 0.5, "B": ErlangDelay(mean=2.0)})
    network = GeneNetwork(genes=(Gene(name="A", regulation=rule), Gene(name="B")))
    write_graphml(network, tmp_path / "a.graphml")
    assert read_graphml(tmp_path / "a.graphml").genes == network.genes


def test_a_graph_of_another_tool_is_read_by_its_signs(tmp_path):
    """As Cytoscape writes it: numbers for ids, names in an attribute, SIF's interactions on edges."""
    path = tmp_path / "a.graphml"
    path.write_text(
        graphml(
            '<node id="61"><data key="name">Gata1</data></node>'
            '<node id="62"><data key="name">Pu1</data></node>'
            '<edge source="61" target="62"><data key="interaction">inhibits</data></edge>'
            '<edge source="62" target="61"><data key="interaction">-|</data></edge>',
            keys=key("name", "node") + key("interaction"),
        )
    )
    network = read_graphml(path)
    assert network.edges == (("Pu1", "Gata1", -1), ("Gata1", "Pu1", -1))
    assert str(network["Gata1"].regulation.parsed) == "not Pu1"


@pytest.mark.parametrize(("kind", "value"), [("double", "-1.0"), ("int", "-3"), ("string", "inhibition")])
def test_signs_and_weights_of_any_type(tmp_path, kind, value):
    path = tmp_path / "a.graphml"
    for name in ("sign", "weight"):
        path.write_text(
            graphml(
                '<node id="A"/><node id="B"/>'
                f'<edge source="A" target="B"><data key="{name}">{value}</data></edge>',
                keys=key(name, kind=kind),
            )
        )
        assert read_graphml(path).edges == (("A", "B", -1),)


def test_an_attribute_without_a_type_is_text(tmp_path):
    path = tmp_path / "a.graphml"
    path.write_text(
        graphml(
            '<node id="A"/><edge source="A" target="A"><data key="sign">-</data></edge>',
            keys='<key id="sign" for="edge" attr.name="sign"/>',
        )
    )
    assert read_graphml(path).edges == (("A", "A", -1),)


def test_names_that_do_not_tell_nodes_apart_give_way_to_ids(tmp_path):
    path = tmp_path / "a.graphml"
    path.write_text(
        graphml(
            '<node id="A"><data key="label">gene</data></node>'
            '<node id="B"><data key="label">gene</data></node>',
            keys=key("label", "node"),
        )
    )
    assert read_graphml(path).names == ("A", "B")


EDGE = '<node id="A"/><node id="B"/><edge source="A" target="B"/>'
RECORD = '<node id="A"><data key="record">{}</data></node>'


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "the file is empty"),
        ("A,B,+\n", 1, "expected well-formed XML, found: syntax error"),
        ("<sbml/>", 1, "expected GraphML, found the XML element <sbml>"),
        ('<graphml xmlns="http://graphml.graphdrawing.org/xmlns"/>', 1, "expected a graph in GraphML"),
        (graphml(EDGE)[:-20], 4, "expected well-formed XML, found: "),
        (graphml(EDGE)[:120], 3, "expected well-formed XML, found: "),
        (LAUGHS, 1, "a document type declaration .* is not allowed in GraphML; remove it"),
        ("<!DOCTYPE graphml><graphml/>", 1, "a document type declaration"),
        ("<graphml>" + "<a>" * 500_000, 1, "XML elements are nested more than 400 deep"),
        (
            graphml(EDGE, 'edgedefault="undirected"'),
            1,
            "expected a directed graph .* found an undirected one",
        ),
        (graphml(""), 1, "got a graph without nodes"),
        (graphml(EDGE), 1, "the edge 'A' -> 'B' has no sign"),
        (
            graphml(EDGE[:-2] + '><data key="sign">?</data></edge>', keys=key("sign")),
            1,
            "the edge 'A' -> 'B': a sign must be .* got '[?]'",
        ),
        (graphml('<node id="A"/><hyperedge/>'), 1, "expected a graph in GraphML"),
        (graphml('<node id="A"><data key="x">1</data></node>'), 1, "expected a graph in GraphML"),
        (
            graphml('<node id="A"><data key="x">a</data></node>', keys=key("x", "node", "double")),
            1,
            "expected a graph in GraphML",
        ),
        (graphml(RECORD.format("{"), keys=key("record", "node")), 1, "node 'A': expected its record in JSON"),
        (graphml(RECORD.format("[" * 100_000), keys=key("record", "node")), 1, "expected its record in JSON"),
        (
            graphml(RECORD.format("[]"), keys=key("record", "node")),
            1,
            "the record of node 'A': gene: expected",
        ),
        (
            graphml(RECORD.format('{"name": "A", "transcription": NaN}'), keys=key("record", "node")),
            1,
            "the record of node 'A': gene 'A': .* got nan",
        ),
        (
            graphml(RECORD.format('{"name": "A"}') * 2, keys=key("record", "node")).replace(
                'id="A"', 'id="Q"', 1
            ),
            1,
            "two nodes are called 'A': rename one",
        ),
    ],
)
def test_malformed_files_give_one_error(tmp_path, text, line, message):
    path = tmp_path / "bad.graphml"
    path.write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        read_graphml(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert len(caught.value.message) < 400


def test_a_file_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("grn.networks.io.text.MAX_FILE_BYTES", 100)
    path = tmp_path / "a.graphml"
    path.write_text(graphml(EDGE))
    with pytest.raises(FormatError, match="the file is larger than 100 bytes"):
        read_graphml(path)


def test_parallel_edges_are_named(tmp_path):
    path = tmp_path / "a.graphml"
    edge = '<edge source="A" target="B"><data key="sign">+</data></edge>'
    path.write_text(graphml(f'<node id="A"/><node id="B"/>{edge}{edge}', keys=key("sign")))
    with pytest.raises(FormatError, match="the edge 'A' -> 'B' is given twice"):
        read_graphml(path)


def test_an_edited_file_that_contradicts_a_record_is_refused(tmp_path):
    path = tmp_path / "a.graphml"
    write_graphml(circuits.toggle(), path)
    text = path.read_text()
    path.write_text(text.replace(">-1</data>", ">1</data>", 1))
    with pytest.raises(FormatError, match="has sign 1, in the gene that the node carries it is -1"):
        read_graphml(path)


def test_what_a_file_cannot_hold_is_refused_and_nothing_written(tmp_path):
    custom = Gene(name="A", regulation=Custom(function=abs, sources=("A",)))
    with pytest.raises(
        TypeError, match="promoter Custom of gene 'A' is a function, which a file cannot hold"
    ):
        write_graphml(GeneNetwork(genes=(custom,)), tmp_path / "a.graphml")
    with pytest.raises(ValueError, match=r"XML does not allow the character '\\x01'"):
        write_graphml(GeneNetwork(genes=(Gene(name="A\x01"),)), tmp_path / "a.graphml")
    assert list(tmp_path.iterdir()) == []
