"""BoolODE's files: the real models, round trips and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grn.networks.io.bnet import read_bnet, write_bnet
from grn.networks.io.boolode import (
    read_boolode,
    read_boolode_initial,
    write_boolode,
    write_boolode_initial,
)
from grn.networks.io.text import FormatError
from grn.networks.logic.boolean import BooleanNetwork

MODELS = Path(__file__).resolve().parents[3] / "shared" / "data" / "grn" / "boolode"


def model(name):
    path = MODELS / name
    if not path.is_file():
        pytest.skip(f"BoolODE's models are not here: no {name} in the data folder beside the repository")
    return path


@pytest.mark.parametrize(("name", "genes"), [("mCAD", 5), ("VSC", 8), ("HSC", 11), ("GSD", 19)])
def test_real_models_are_read_and_survive_both_formats(tmp_path, name, genes):
    network = read_boolode(model(f"{name}.txt"))
    assert len(network.genes) == genes
    write_boolode(network, tmp_path / "again.txt")
    assert read_boolode(tmp_path / "again.txt") == network
    write_bnet(network, tmp_path / "again.bnet")
    assert read_bnet(tmp_path / "again.bnet") == network


def test_real_models_have_the_signs_of_their_publications():
    hsc = read_boolode(model("HSC.txt"))
    assert hsc.rules["Gata2"].signs() == {"Gata2": 1, "Pu1": -1, "Gata1": -1, "Fog1": -1}
    gsd = read_boolode(model("GSD.txt"))
    # SRY occurs alone and inside conjunctions that it makes needless.
    assert gsd.rules["SOX9"].signs() == {
        "SOX9": 1, "FGF9": 1, "SRY": 1, "PGD2": 1, "WNT4": -1, "CTNNB1": -1, "FOXL2": -1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("mCAD", {"Fgf8": 2.0}),
        ("HSC", {"Cebpa": 1.0, "Pu1": 1.0, "Gata2": 1.0}),
        ("GSD", {"UGR": 2.0}),
    ],
)
def test_real_initial_levels(name, levels):
    assert read_boolode_initial(model(f"{name}_ics.txt")) == levels


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("A\tA\n", 1, "expected the header 'Gene<tab>Rule', found \\['A', 'A'\\]"),
        ("Gene\tRule\n", 1, "expected a row below the header, found none"),
        ("Gene\tRule\nA A\n", 2, "expected Gene and Rule with one tab between, found 'A A'"),
        ("Gene\tRule\nA\tA\tA\n", 2, "with one tab between"),
        ("Gene\tRule\nA\tA and and A\n", 2, "rule of 'A': position 7: expected a gene"),
        ("Gene\tRule\nA\t\n", 2, "rule of 'A': position 1: .* found an empty rule"),
        ("Gene\tRule\nA\tA\n\nA\tA\n", 4, "a second rule for 'A'; the first is in line 2"),
        ("Gene\tRule\nA\tB\n", 2, "'B' has no line of its own"),
        ("Gene\tRule\nA\t__import__('os')\n", 2, "position 11: expected 'and', 'or' or the end, found '\\('"),
        ("", 1, "the file is empty"),
    ],
)
def test_malformed_rules_name_file_and_line(tmp_path, text, line, message):
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        read_boolode(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("['A']\t[1,2]", "expected a value for each gene, found 1 and 2"),
        ("['A'\t[1]", "expected a list such as .* found \"\\['A'\""),
        ("[A]\t[1]", "expected a list such as"),
        ("['A']\t1", "expected a list such as .* found '1'"),
        ("['A']\t[[1]]", "expected a list such as"),
        ("['A']\t" + "[" * 50_000, "expected a list such as"),
        ("['A']\t[" + "-" * 50_000 + "1]", "expected a list such as"),
        ("['A']\t[" + "1+" * 50_000 + "1]", "expected a list such as"),
        ("['A']\t[__import__('os').getpid()]", "expected a list such as"),
        ("['A']\t[9**9]", "expected a list such as"),
        ("[1]\t[1]", "expected a gene's name in quotes, found 1"),
        ("['']\t[1]", "expected a gene's name in quotes, found ''"),
        ("['A']\t['1']", "'A': expected a finite level of at least 0, found '1'"),
        ("['A']\t[True]", "found True"),
        ("['A']\t[-1]", "found -1"),
        ("['A']\t[1e999]", "found inf"),
        ("['A']\t[2j]", "found 2j"),
        ("['A','A']\t[1,1]", "'A' is given twice"),
        ("[]\t[]", "expected at least one gene and its level, found none"),
        ("['A']", "expected Genes and Values with one tab between"),
    ],
)
def test_malformed_initial_levels_name_file_and_line(tmp_path, row, message):
    path = tmp_path / "bad_ics.txt"
    path.write_text(f"Genes\tValues\n{row}\n")
    with pytest.raises(FormatError, match=message) as caught:
        read_boolode_initial(path)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert len(caught.value.message) < 300


@given(st.dictionaries(st.sampled_from(["A", "Gata1", "HLA-B"]), st.floats(0, 1e300), min_size=1))
def test_initial_levels_round_trip_exactly(tmp_path_factory, levels):
    path = tmp_path_factory.mktemp("ics") / "model_ics.txt"
    write_boolode_initial(levels, path)
    assert read_boolode_initial(path) == levels


def test_initial_levels_that_cannot_be_written_are_refused(tmp_path):
    path = tmp_path / "ics.txt"
    with pytest.raises(ValueError, match="at least one level to write, got none"):
        write_boolode_initial({}, path)
    with pytest.raises(ValueError, match="'A': a level must be a finite number of at least 0, got nan"):
        write_boolode_initial({"A": float("nan")}, path)
    with pytest.raises(ValueError, match="a gene's name must be"):
        write_boolode_initial({"A'": 1.0}, path)
    write_boolode_initial({"A": np.float64(0.5)}, path)
    assert read_boolode_initial(path) == {"A": 0.5}


def test_rules_that_boolode_could_not_read_are_not_written(tmp_path):
    path = tmp_path / "rules.txt"
    for name in ("HLA-B", "5HT", "lambda"):
        with pytest.raises(
            ValueError, match=f"Python, where '{name}' is no name; rename the gene or write_bnet"
        ):
            write_boolode(BooleanNetwork({name: name}), path)
    long = BooleanNetwork({"A": "|".join(["A"] * 4_000)})
    with pytest.raises(
        ValueError, match="has 19996 characters with its operators as words, the limit is 8000"
    ):
        write_boolode(long, path)
    assert not path.exists()
