import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grn.networks import circuits
from grn.networks.logic.rules import parse_rule
from grn.networks.network import Gene, GeneNetwork
from grn.networks.promoters import Constitutive, HillSum, Regulator, Rule
from grn.networks.signed import GRAPH_ATTRIBUTES, rule_of_signs, sign_of, signed_edges


def graph_of(*edges, nodes=()):
    graph = nx.DiGraph()
    graph.add_nodes_from(nodes)
    for source, target, sign in edges:
        graph.add_edge(source, target, sign=sign)
    return graph


@pytest.mark.parametrize(
    ("value", "sign"),
    [(1, 1), (-0.2, -1), (np.int64(-1), -1), (np.float32(3), 1), ("+", 1), ("-", -1), ("activation", 1),
     ("Inhibition", -1), (" -| ", -1), ("->", 1), ("-1", -1)],
)  # fmt: skip
def test_signs_as_they_are_written(value, sign):
    assert sign_of(value) == sign


@pytest.mark.parametrize("value", [0, 0.0, float("nan"), True, "", "0", "both", None, [1]])
def test_what_is_no_sign(value):
    with pytest.raises(ValueError, match="a sign must be a number above or below 0 or one of"):
        sign_of(value)


@given(st.integers(0, 4), st.integers(0, 4))
def test_a_rule_of_signs_is_any_activator_and_no_repressor(up, down):
    activators, repressors = [f"A{k}" for k in range(up)], [f"R{k}" for k in range(down)]
    if not up + down:
        with pytest.raises(ValueError, match=r"at least one regulator, got none: use Constitutive"):
            rule_of_signs(activators, repressors)
        return
    rule = rule_of_signs(activators, repressors)
    assert rule == parse_rule(str(rule))  # built from steps as the parser builds it
    for state in itertools.product([False, True], repeat=up + down):
        on = dict(zip([*activators, *repressors], state, strict=True))
        raised = any(on[name] for name in activators) or not activators
        assert rule.evaluate(on) == (raised and not any(on[name] for name in repressors))
    assert rule.signs() == {**dict.fromkeys(activators, 1), **dict.fromkeys(repressors, -1)}


def test_a_graph_becomes_rules_with_the_kinetics_of_boolean_networks():
    graph = graph_of(("A", "C", "+"), ("B", "C", 1), ("C", "C", "-"), nodes=["A"])
    network = GeneNetwork.from_networkx(graph)
    assert network.names == ("A", "C", "B")
    assert str(network["C"].regulation.parsed) == "(A or B) and not C"
    assert network["A"].regulation == Constitutive()
    assert (network["C"].transcription, network["C"].mrna_decay) == (20.0, 10.0)
    assert network.parameters["C.threshold.A"] == 10.0
    slow = GeneNetwork.from_networkx(graph, mrna_decay=None, protein_decay=0.5, coefficient=3.0, basal=0.1)
    assert slow["B"].mrna is None
    assert slow.parameters["C.threshold.A"] == 20.0  # half of 20/0.5
    assert slow.parameters["C.coefficient.B"] == 3.0
    assert slow.parameters["C.basal"] == 0.1


def test_a_weight_is_a_sign_where_there_is_no_sign():
    graph = nx.DiGraph()
    graph.add_edge("A", "B", weight=-0.7)
    graph.add_edge("B", "A", weight=-0.7, sign="+")
    assert GeneNetwork.from_networkx(graph).edges == (("B", "A", 1), ("A", "B", -1))


def test_names_that_no_rule_could_be_written_with():
    names = ["HLA DRA", "and", "7", "β-catenin (active)", "x|y"]
    edges = [(a, b, 1 if k % 2 else -1) for k, (a, b) in enumerate(itertools.pairwise(names))]
    network = GeneNetwork.from_networkx(graph_of(*edges))
    assert set(network.edges) == set(edges)
    assert network.parameters["and.threshold.HLA DRA"] == 10.0
    assert network.system.derivatives is not None  # it lowers


def both(network):
    return GeneNetwork.from_networkx(network.to_networkx())


@pytest.mark.parametrize("make", circuits.CIRCUITS.values(), ids=circuits.CIRCUITS)
def test_to_networkx_and_back_is_the_identity(make):
    network = make()
    again = both(network)
    assert again.genes == network.genes
    for name in GRAPH_ATTRIBUTES:
        assert getattr(again, name) == getattr(network, name)
    assert again.parameters == network.parameters


def test_an_edge_without_a_definite_sign_survives_with_its_gene():
    xor = GeneNetwork(genes=(Gene(name="A"), Gene(name="B", regulation=Rule("A and not B or B and not A"))))
    assert xor.to_networkx().edges["A", "B"]["sign"] == 0
    assert both(xor).genes == xor.genes
    with pytest.raises(ValueError, match="'A' -> 'B' has both or none; write GraphML"):
        signed_edges(xor, "a list", isolated=True)


def test_an_edge_without_a_sign_is_named():
    with pytest.raises(ValueError, match="the edge 'A' -> 'B' has no sign: give it an attribute sign="):
        GeneNetwork.from_networkx(nx.DiGraph([("A", "B")]))
    for sign in (0, "maybe", None):
        with pytest.raises(ValueError, match=r"the edge 'A' -> 'B'.* sign"):
            GeneNetwork.from_networkx(graph_of(("A", "B", sign)))


def test_graphs_that_are_no_networks_are_refused():
    with pytest.raises(ValueError, match="at least one gene, got a graph without nodes"):
        GeneNetwork.from_networkx(nx.DiGraph())
    with pytest.raises(TypeError, match=r"must be a networkx.DiGraph with edges .* got Graph"):
        GeneNetwork.from_networkx(nx.Graph([("A", "B")]))
    with pytest.raises(TypeError, match=r"got 1: use networkx.relabel_nodes\(graph, str\) first"):
        GeneNetwork.from_networkx(graph_of((1, 2, 1)))
    with pytest.raises(TypeError, match=r"'decay' is no kinetic parameter .* those are transcription, mrna"):
        GeneNetwork.from_networkx(graph_of(("A", "B", 1)), decay=1.0)
    parallel = nx.MultiDiGraph()
    parallel.add_edge("A", "B", sign=1)
    parallel.add_edge("A", "B", sign=-1)
    with pytest.raises(ValueError, match="the edge 'A' -> 'B' is given twice"):
        GeneNetwork.from_networkx(parallel)
    with pytest.raises(TypeError, match="attribute 'time_unit' of the graph must be a str, got 1"):
        GeneNetwork.from_networkx(nx.DiGraph(graph_of(("A", "B", 1)), time_unit=1))


def test_an_edited_graph_that_contradicts_a_gene_is_refused():
    promoter = HillSum(regulators=(Regulator(source="A"), Regulator(source="B", activates=False)))
    network = GeneNetwork(genes=(Gene(name="A"), Gene(name="B"), Gene(name="C", regulation=promoter)))

    def edited(change):
        graph = network.to_networkx()
        change(graph)
        return GeneNetwork.from_networkx(graph)

    with pytest.raises(ValueError, match="'C' is regulated by 'A', but the graph has no such edge"):
        edited(lambda graph: graph.remove_edge("A", "C"))
    with pytest.raises(ValueError, match="the edge 'C' -> 'A' is none of the gene that the node carries"):
        edited(lambda graph: graph.add_edge("C", "A", sign=1))
    with pytest.raises(ValueError, match="'A' -> 'C' has sign -1, in the gene that the node carries it is 1"):
        edited(lambda graph: graph.edges["A", "C"].update(sign="-"))
    with pytest.raises(ValueError, match="node 'D' carries the gene 'A': they must have one name"):
        GeneNetwork.from_networkx(nx.relabel_nodes(network.to_networkx(), {"A": "D"}))
    with pytest.raises(TypeError, match="attribute 'gene' of node 'A' must be a Gene, got str"):
        edited(lambda graph: graph.nodes["A"].update(gene="A"))
    remade = edited(lambda graph: graph.nodes["C"].pop("gene"))
    assert str(remade["C"].regulation.parsed) == "A and not B"


def test_a_gene_may_stand_beside_nodes_without_one():
    graph = circuits.toggle().to_networkx()
    graph.add_edge("lacI", "reporter", sign=-1)
    network = GeneNetwork.from_networkx(graph, mrna_decay=None)
    assert network["lacI"] == circuits.toggle()["lacI"]
    assert str(network["reporter"].regulation.parsed) == "not lacI"
