from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grn.networks import circuits
from grn.networks.io.edges import read_edges, write_edges
from grn.networks.io.text import FormatError
from grn.networks.network import Gene, GeneNetwork
from grn.networks.promoters import Constitutive, Rule

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
EXPECTED = {("A", "B", 1), ("B", "C", -1)}


def published(*parts):
    path = SHARED.joinpath(*parts)
    if not path.is_file():
        pytest.skip(
            f"the published network is not here: no {path.name} in the data folder beside the repository"
        )
    return path


def test_beelines_reference_network():
    path = published("tasks", "beeline_gsd", "GroundTruthNetwork.csv")
    with pytest.raises(
        FormatError, match="'SOX9' -> 'AMH' is given twice; the first is in line 2; merge_repeats=True reads"
    ):
        read_edges(path)
    network = read_edges(path, merge_repeats=True)
    assert len(network) == 19
    assert len(network.edges) == 79  # 86 rows: five edges come twice, SRY -> SOX9 thrice
    assert sum(sign for _, _, sign in network.edges) == 52 - 27


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_dreams_gold_standards(k):
    path = published("grn", "dream4", f"gold_edges_size10_{k}.tsv")
    with pytest.raises(FormatError, match=r"found '0'; .* read the file with unsigned=True"):
        read_edges(path)
    network = read_edges(path, unsigned=True)
    edges = [line.split() for line in path.read_text().splitlines()]
    assert {(s, t) for s, t, _ in network.edges} == {(s, t) for s, t, there in edges if there == "1"}
    assert len(network) == 10
    assert {sign for _, _, sign in network.edges} == {1}


@pytest.mark.parametrize(
    "text",
    [
        "A\tB\t+\nB\tC\t-\n",
        "A,B,1\nB,C,-1\n",
        "A B ->\nB C -|\n",
        "A   B activation\n\n  B C\tinhibition\n".replace("\t", " "),
        "A B Activates\r\nB C REPRESSES\r\n",
        "Gene1,Gene2,Type\nA,B,+\nB,C,-\n",
        "source\ttarget\tsign\nA\tB\t+1\nB\tC\t-1\n",
        '"Gene1","Gene2","Type"\n"A","B","+"\n"B","C","-"\n',
        "# from somewhere\nA B + # a comment\n  # another\nB C -\n",
        "A activates B\nB inhibits C\n",
        "A\t->\tB\nB\t-|\tC\n",
        "A + B\nB - C\nC\n",
        "\ufeffA,B,+\nB,C,-",
    ],
)
def test_one_network_in_many_dialects(tmp_path, text):
    path = tmp_path / "edges.txt"
    path.write_text(text, encoding="utf-8", newline="")
    network = read_edges(path)
    assert set(network.edges) == EXPECTED
    assert network.names == ("A", "B", "C")
    assert network.name == "edges"


def test_sif_lines_have_many_targets_and_lone_genes(tmp_path):
    path = tmp_path / "a.sif"
    path.write_text("A activates B C\nD\nC represses A\n")
    network = read_edges(path)
    assert network.names == ("A", "B", "C", "D")
    assert set(network.edges) == {("A", "B", 1), ("A", "C", 1), ("C", "A", -1)}
    assert network["D"].regulation == Constitutive()


def test_a_gene_called_like_a_sign_in_sif(tmp_path):
    path = tmp_path / "a.sif"
    path.write_text("A activates 1\n")
    assert read_edges(path).edges == (("A", "1", 1),)


def test_names_with_blanks_in_tables(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("HLA DRA\tand\t-\n")
    assert read_edges(path).edges == (("HLA DRA", "and", -1),)


def test_genes_called_like_signs_and_headings(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("type\t1\t+\n1\tsign\t-\n")  # the sign stands third wherever it can
    assert set(read_edges(path).edges) == {("type", "1", 1), ("1", "sign", -1)}


def test_unsigned_lists_of_two_columns(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("source\ttarget\nA\tB\nB\tC\n")
    with pytest.raises(FormatError, match="found 2 fields; unsigned=True reads two names as an edge"):
        read_edges(path)
    assert set(read_edges(path, unsigned=True).edges) == {("A", "B", 1), ("B", "C", 1)}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "the file is empty"),
        ("# nothing\n", 1, "expected an edge a line, found none"),
        ("Gene1,Gene2,Type\n", 1, "expected an edge below the header, found none"),
        ("A\n", 1, "expected a source, a target and a sign, found 1 fields"),
        ("A B +\nA B + +\n", 2, "expected a source, a target and a sign, found 4 fields"),
        ("A B +\n\nA C up\n", 3, r"expected a sign \(\+, -, .*\), found 'up'"),
        ("A B 0.73\n", 1, "expected a sign .* found '0.73'"),
        ("A B 2\n", 1, "found '2'; if 1 and 2 mean activation and inhibition, it is RACIPE's"),
        ("Regulator Gene Weird\nA B +\n", 1, "expected a sign .* found 'Weird'"),
        ("A,,+\n", 1, "expected a gene's name, found an empty field"),
        ("A B +\nB A -\nA B +\n", 3, "'A' -> 'B' is given twice; the first is in line 1; merge_repeats=True"),
        ("A B +\nA B -\n", 2, "'A' -> 'B' is given with two signs; the first is in line 1$"),
        ("A activates B B\n", 1, "'A' -> 'B' is given twice; the first is in line 1"),
        ("A activates\n", 1, "expected a source, a sign and targets"),
        ("A activates B\nA likes C\n", 2, "expected a sign .* found 'likes'"),
        ('A,"B,+\n', 1, "expected fields with whole quotes"),
        ("A B +\nA_mrna A -\n", 1, "'A_mrna' names two things in one network"),
        ("A B\0 +\n", 1, "found a NUL byte"),
    ],
)
def test_malformed_lists_name_file_and_line(tmp_path, text, line, message):
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        read_edges(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert len(caught.value.message) < 300


def test_repeats_are_merged_unless_they_contradict(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("A B +\nA B +\n")
    assert read_edges(path, merge_repeats=True).edges == (("A", "B", 1),)
    path.write_text("A B +\nA B -\n")
    with pytest.raises(FormatError, match="given with two signs; the first is in line 1"):
        read_edges(path, merge_repeats=True)


def test_an_unsigned_list_has_no_signs_and_at_least_one_edge(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("A B 1\nB A -1\n")
    with pytest.raises(
        FormatError, match=r"expected 1 \(an edge\) or 0 \(none\) of an unsigned list, found '-1'"
    ):
        read_edges(path, unsigned=True)
    path.write_text("A B 0\n")
    with pytest.raises(FormatError, match="expected at least one edge, found none"):
        read_edges(path, unsigned=True)


names = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=6)
graphs = st.dictionaries(st.tuples(names, names), st.sampled_from([-1, 1]), min_size=1, max_size=8)


@given(graphs, st.sampled_from([".csv", ".tsv", ".sif", ".txt"]))
def test_what_is_written_is_read_again(tmp_path_factory, edges, suffix):
    graph = nx.DiGraph()
    for (source, target), sign in edges.items():
        graph.add_edge(source, target, sign=sign)
    try:
        network = GeneNetwork.from_networkx(graph)
    except ValueError:  # blank names and the like
        return
    path = tmp_path_factory.mktemp("edges") / f"a{suffix}"
    try:
        write_edges(network, path)
    except ValueError as error:
        assert "cannot hold the gene's name" in str(error)  # noqa: PT017 - any other error is a failure
        return
    assert set(read_edges(path).edges) == set(network.edges)


def test_lone_genes_survive_in_sif_alone(tmp_path):
    network = GeneNetwork(genes=(*circuits.toggle().genes, Gene(name="alone")))
    write_edges(network, tmp_path / "a.sif")
    again = read_edges(tmp_path / "a.sif")
    assert set(again.names) == set(network.names)
    with pytest.raises(ValueError, match="cannot hold the gene 'alone', which has no edge"):
        write_edges(network, tmp_path / "a.tsv")


def test_what_a_list_cannot_hold_is_refused(tmp_path):
    for name in ("A\tB", "# A", "A\nB", " A"):
        network = GeneNetwork(genes=(*circuits.toggle().genes, Gene(name=name)))
        with pytest.raises(ValueError, match="cannot hold the gene's name"):
            write_edges(network, tmp_path / "a.sif")
    xor = GeneNetwork(genes=(Gene(name="A", regulation=Rule("A and not B or B and not A")), Gene(name="B")))
    with pytest.raises(ValueError, match="needs a sign on every edge"):
        write_edges(xor, tmp_path / "a.tsv")
    assert list(tmp_path.iterdir()) == []
