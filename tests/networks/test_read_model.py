import subprocess
import sys

import pytest

import grn.networks.io as io
from grn.networks import circuits
from grn.networks.io import FormatError, read_model, write_model
from grn.networks.logic.boolean import BooleanNetwork
from grn.networks.network import GeneNetwork
from grn.networks.reactions import ReactionSystem

SWITCH = BooleanNetwork({"A": "not B", "B": "not A"})


@pytest.mark.parametrize("suffix", [".bnet", ".txt", ".tsv", ".BNET"])
def test_boolean_networks_come_back(tmp_path, suffix):
    write_model(SWITCH, tmp_path / f"a{suffix}")
    assert read_model(tmp_path / f"a{suffix}") == SWITCH


@pytest.mark.parametrize("suffix", [".topo", ".graphml", ".csv", ".tsv", ".sif", ".txt", ".GraphML"])
def test_gene_networks_come_back(tmp_path, suffix):
    network = circuits.repressilator()
    write_model(network, tmp_path / f"a{suffix}")
    again = read_model(tmp_path / f"a{suffix}")
    assert isinstance(again, GeneNetwork)
    assert set(again.edges) == set(network.edges)
    if suffix.lower() == ".graphml":
        assert again.genes == network.genes


@pytest.mark.parametrize("suffix", [".xml", ".sbml"])
def test_sbml_comes_back_as_reactions(tmp_path, suffix):
    pytest.importorskip("libsbml", reason="SBML needs python-libsbml, the extra 'sbml'")
    write_model(circuits.toggle(), tmp_path / f"a{suffix}")
    again = read_model(tmp_path / f"a{suffix}")
    assert isinstance(again, ReactionSystem)
    assert set(again.species) == {"lacI", "tetR"}
    write_model(again, tmp_path / f"b{suffix}")


def test_a_table_is_rules_by_its_header_alone(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\n Gene\t rule \nA\tA\n")
    assert isinstance(read_model(path), BooleanNetwork)
    path.write_text("Gene\tTarget\tType\nA\tA\t+\n")
    assert isinstance(read_model(path), GeneNetwork)


@pytest.mark.parametrize("name", ["model.docx", "model", ".bnet", "model.xml.gz"])
def test_an_unknown_suffix_lists_the_known_ones(tmp_path, name):
    with pytest.raises(ValueError, match=r"is no known format: use one of \.xml, .*\.txt$"):
        read_model(tmp_path / name)
    with pytest.raises(ValueError, match="is no known format"):
        write_model(SWITCH, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_what_a_format_is_not_for_is_refused(tmp_path):
    with pytest.raises(
        TypeError, match=r"a BooleanNetwork cannot be written as \.graphml: use \.bnet, \.tsv or"
    ):
        write_model(SWITCH, tmp_path / "a.graphml")
    with pytest.raises(
        TypeError, match=r"a GeneNetwork cannot be written as \.bnet: .* network\.boolean\(\)"
    ):
        write_model(circuits.toggle(), tmp_path / "a.bnet")
    with pytest.raises(TypeError, match=r"a ReactionSystem cannot be written as \.topo: use \.xml or \.sbml"):
        write_model(circuits.toggle().system, tmp_path / "a.topo")
    with pytest.raises(
        TypeError, match="must be one of GeneNetwork, BooleanNetwork, ReactionSystem, got dict"
    ):
        write_model({}, tmp_path / "a.topo")


def test_missing_and_malformed_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_model(tmp_path / "none.txt")
    (tmp_path / "a.topo").write_text("what")
    with pytest.raises(FormatError, match=r"a\.topo:1: expected the header"):
        read_model(tmp_path / "a.topo")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(IsADirectoryError):
        read_model(tmp_path / "folder.csv")


def test_everything_that_is_promised_is_there():
    for name in io.__all__:
        assert callable(getattr(io, name)), name
    assert set(io.__all__) <= set(dir(io))
    with pytest.raises(AttributeError, match=r"module 'grn.networks.io' has no attribute 'read_docx'"):
        io.read_docx  # noqa: B018 - the access is what raises


PROGRAM = """
import sys
import grn.networks
before = set(sys.modules)
import grn.networks.io
assert {name for name in set(sys.modules) - before if name.startswith("grn")} <= {"grn.networks.io"}
grn.networks.io.read_bnet, grn.networks.io.read_topo
assert not {"libsbml", "numba"} & set(sys.modules)
"""


def test_the_import_is_light():
    done = subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
