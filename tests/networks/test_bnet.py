"""The bnet format and the guarded text reader below every format."""

from __future__ import annotations

import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grn.networks.io import text as text_module
from grn.networks.io.bnet import read_bnet, write_bnet
from grn.networks.io.text import FormatError, read_lines, write_text
from grn.networks.logic.boolean import BooleanNetwork

SWITCH = BooleanNetwork({"A": "not B", "B": "not A or In", "In": "In"})


@pytest.mark.parametrize(
    "text",
    [
        "targets, factors\nA, !B\nB, !A | In\nIn, In\n",
        "A, !B\nB, !A | In\nIn, In",
        "# made by hand\n\nTargets,\tFactors\nA,!B # left\n  B , ! ( A ) | In\nIn, In\n#end",
        "\ufefftargets, factors\r\nA, !B\r\nB, !A | In\r\nIn, In\r\n",
        "A, !B\rB, !A | In\rIn, In\r",
    ],
)
def test_spellings_of_one_network(tmp_path, text):
    path = tmp_path / "switch.bnet"
    path.write_bytes(text.encode())
    assert read_bnet(path) == SWITCH


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("A, A\nA, !A\n", 2, "a second rule for 'A'; the first is in line 1"),
        ("A, A\nB A\n", 2, "expected 'gene, rule', found no comma in 'B A'"),
        ("A, A\n\nB, A & & A\n", 3, "rule of 'B': position 5: expected a gene"),
        ("A, (A\n", 1, "rule of 'A': position 3: expected 'and', 'or' or '\\)'"),
        ("A, A\nB,\n", 2, "rule of 'B': position 1: .* found an empty rule"),
        (", A\n", 1, "expected a gene's name .* found ''"),
        ("and, 1\n", 1, "expected a gene's name .* found 'and'"),
        ("A, A, 0.5\n", 1, "rule of 'A': position 2: .* found ','"),
        ("A, B\n", 1, "'B' has no line of its own; if it is an input, add the line 'B, B'"),
        ("Gata1, Gata\n", 1, "'Gata' has no line of its own; did you mean 'Gata1'?"),
        ("# only\n# comments\n", 1, "expected a line 'gene, rule', found none"),
        ("targets, factors\n", 1, "expected a line 'gene, rule', found none"),
        ("", 1, "the file is empty"),
        (" \n\t\n", 1, "the file is empty"),
        ("A, " + "A|" * 5_000 + "A\n", 1, "rule of 'A' has 10001 characters, the limit is 8000"),
        ("A, " + "(" * 5_000 + "A" + ")" * 5_000, 1, "has 10001 characters, the limit is 8000"),
    ],
)
def test_malformed_files_name_file_and_line(tmp_path, text, line, message):
    path = tmp_path / "bad.bnet"
    path.write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        read_bnet(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert caught.value.line == line
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


literals = st.sampled_from(["A", "!B", "C-1", "!x.y", "1", "0"])
texts = st.lists(st.lists(literals, min_size=1, max_size=3).map(" & ".join), min_size=1, max_size=3).map(
    " | ".join
)


@given(st.fixed_dictionaries(dict.fromkeys(("A", "B", "C-1", "x.y"), texts)))
def test_round_trip(tmp_path_factory, rules):
    network = BooleanNetwork(rules)
    path = tmp_path_factory.mktemp("bnet") / "network.bnet"
    write_bnet(network, path)
    assert read_bnet(path) == network


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"A, A\nB\xe9, A\n", 2, "expected UTF-8 text, found byte 0xe9; save the file as UTF-8"),
        ("A, A\n".encode("utf-16"), 1, "expected UTF-8 text, found byte 0xff"),
        (b"A, A\n\nB\x00, A\n", 3, "expected text, found a NUL byte"),
    ],
)
def test_files_that_are_no_text_are_refused(tmp_path, content, line, message):
    path = tmp_path / "bad.bnet"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message) as caught:
        read_bnet(path)
    assert caught.value.line == line


def test_missing_files_directories_and_pipes_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.bnet"):
        read_bnet(tmp_path / "none.bnet")
    with pytest.raises(IsADirectoryError, match="is a directory; give the path of a file in it"):
        read_bnet(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError, match="pipe:1: expected a regular file"):
        read_bnet(tmp_path / "pipe")


def test_files_over_the_limit_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text_module, "MAX_FILE_BYTES", 10)
    path = tmp_path / "large.bnet"
    path.write_text("A, A | A | A\n")
    with pytest.raises(FormatError, match="larger than 10 bytes, the limit"):
        read_bnet(path)


def test_lines_keep_their_numbers(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("\n\na \n\n b\u2028c\n")  # U+2028 ends a line for str.splitlines, not for a text editor
    assert read_lines(path) == [(3, "a "), (5, " b\u2028c")]


def test_writing_replaces_the_file_whole_and_leaves_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    write_text(path, "new\n")
    assert path.read_bytes() == b"new\n"
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask

    def fail(source, target):
        raise OSError("disk gone")

    monkeypatch.setattr(text_module.os, "replace", fail)
    with pytest.raises(OSError, match="disk gone"):
        write_text(path, "half")
    assert path.read_bytes() == b"new\n"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_to_no_directory_is_refused(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"there is no directory .*missing; make it before writing a\.txt"
    ):
        write_text(tmp_path / "missing" / "a.txt", "")
    with pytest.raises(IsADirectoryError, match="is a directory"):
        write_text(tmp_path, "")
