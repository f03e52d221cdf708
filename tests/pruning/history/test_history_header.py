"""What the head of a history says is checked before it is believed."""

import json
import os
import tracemalloc
import zlib

import pytest
from made_histories import read_all, write

from pruning.topology import TopologyHistory
from pruning.topology.history_header import MAGIC, PREFIX, VERSION


def raw_header(content, version=VERSION, length=None, stored=None):
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    packed = zlib.compress(text) if stored is None else stored
    prefix = PREFIX.pack(MAGIC, version, len(text) if length is None else length, len(packed), 0)[:-4]
    return prefix + zlib.crc32(packed, zlib.crc32(prefix)).to_bytes(4, "little") + packed


GOOD = {
    "layers": [
        {
            "name": "a",
            "outputs": 2,
            "inputs": 3,
            "groups": 1,
            "layout": {"groups": 1, "outputs": 2, "inputs": 3, "gates": 1},
            "live": 6,
            "total": 6,
        }
    ],
    "run": {},
    "expression_sample": [0, 5],
    "expression_bins": 32,
    "snapshot_sample": 6,
}


def with_layer(**changes):
    return {**GOOD, "layers": [{**GOOD["layers"][0], **changes}]}


@pytest.mark.parametrize(
    "content",
    [
        {**GOOD, "layers": []},
        {**GOOD, "layers": [7]},
        {**GOOD, "layers": GOOD["layers"] * 2},
        {**GOOD, "run": [1]},
        {**GOOD, "expression_sample": [5, 0]},
        {**GOOD, "expression_sample": [0, 6]},
        {**GOOD, "expression_sample": [-1, 2]},
        {**GOOD, "expression_sample": [[0]]},
        {**GOOD, "expression_sample": ["x"]},
        {**GOOD, "expression_sample": [10**30]},
        {**GOOD, "snapshot_sample": 7},
        {**GOOD, "snapshot_sample": -1},
        {**GOOD, "snapshot_sample": 2.0},
        {key: value for key, value in GOOD.items() if key != "run"},
        with_layer(total=10**15),
        with_layer(total=7),
        with_layer(inputs=4),
        with_layer(outputs=-2, layout={"groups": 1, "outputs": -2, "inputs": -3, "gates": 1}),
        with_layer(layout={"groups": 1, "outputs": 2, "inputs": 3}),
        with_layer(layout=[1, 2, 3, 1]),
        with_layer(layout=None),
        with_layer(live=7),
        with_layer(live=None),
        with_layer(groups=True),
        with_layer(name=3),
        b"[" * 100_000,
        b"not JSON",
        b"null",
        b"\xff\xfe",
    ],
    ids=str,
)
def test_a_header_that_means_nothing_is_refused(path, content):
    path.write_bytes(raw_header(GOOD))
    assert read_all(path) == []
    path.write_bytes(raw_header(content))
    with pytest.raises(ValueError, match=r"topology\.grnt cannot be read: its header is damaged"):
        TopologyHistory.open(path)


def test_a_header_that_says_more_is_read_and_what_it_lacks_is_named(path):
    path.write_bytes(raw_header({**with_layer(more=1), "more": 2}))
    assert read_all(path) == []
    for name in GOOD:
        path.write_bytes(raw_header({key: value for key, value in GOOD.items() if key != name}))
        with pytest.raises(ValueError, match=f"its header is damaged: it lacks '{name}'"):
            TopologyHistory.open(path)
    path.write_bytes(raw_header({**GOOD, "expression_bins": 64}))
    with pytest.raises(ValueError, match="it counts expression in 64 bins, and this program in 32"):
        TopologyHistory.open(path)


def test_the_header_tells_how_many_gates_a_snapshot_samples(path, monkeypatch):
    """A program that samples more of them still reads what was written."""
    write(path, 2)
    monkeypatch.setattr("pruning.topology.history_header.SAMPLED_GATES", 128)
    monkeypatch.setattr("pruning.topology.snapshot.SAMPLED_GATES", 128)
    assert [len(one.sample_live) for one, _ in read_all(path)] == [64, 64]


def test_other_files_and_versions_are_refused(path):
    for content in (b"", b"{}", os.urandom(100), raw_header(GOOD)[:10], b"\x89PNG\r\n\x1a\n" + bytes(50)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="cannot be read: it is no topology history"):
            TopologyHistory.open(path)
    for version in (1, 3):
        path.write_bytes(raw_header({}, version=version))
        with pytest.raises(ValueError, match=rf"version {version}, .* reads version 2: read it with"):
            TopologyHistory.open(path)
    path.write_bytes(raw_header(GOOD)[:-3])
    with pytest.raises(ValueError, match="its header is damaged: the checksum does not fit"):
        TopologyHistory.open(path)
    path.write_bytes(raw_header(GOOD, length=2**31))
    with pytest.raises(ValueError, match="declares more bytes than a header has"):
        TopologyHistory.open(path)
    bomb = zlib.compress(bytes(2**27), 9)
    path.write_bytes(raw_header(GOOD, length=2**24, stored=bomb))
    tracemalloc.start()
    with pytest.raises(ValueError, match="its header is damaged"):
        TopologyHistory.open(path)
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()
    with pytest.raises(FileNotFoundError):
        TopologyHistory.open(path.with_name("none"))
