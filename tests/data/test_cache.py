"""The cache: the same arrays as without it, whole or absent, anew whenever a source changes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from studies.data.cache import cached_arrays


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("GRN_PRUNING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.bin"
    path.write_bytes(b"first")
    return path


ARRAYS = {
    "images": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    "labels": np.array([1, -2, 3]),
    "names": np.array(["ärger", "b"]),
    "empty": np.zeros((0, 7), np.float32),
    "scalar": np.array(2.5),
    "strided": np.arange(10.0)[::3],
    "flags": np.array([True, False]),
}


class Maker:
    def __init__(self, arrays=ARRAYS):
        self.calls = 0
        self.arrays = arrays

    def __call__(self):
        self.calls += 1
        return self.arrays


def same(one, two):
    return one.keys() == two.keys() and all(
        one[k].dtype == two[k].dtype and one[k].shape == two[k].shape and np.array_equal(one[k], two[k])
        for k in one
    )


def entries(place):
    return sorted(p.name for p in place.iterdir()) if place.exists() else []


def test_the_second_call_gives_the_same_arrays_without_making_them(place, source):
    make = Maker()
    assert same(cached_arrays("x", [source], make), ARRAYS)
    assert same(cached_arrays("x", [source], make), ARRAYS)
    assert make.calls == 1
    assert len(entries(place)) == 1


def test_writing_into_the_arrays_changes_no_file(place, source):
    make = Maker()
    first = cached_arrays("x", [source], make)
    tensor = torch.from_numpy(first["images"])  # a read-only array would warn, and a warning is an error here
    tensor.fill_(99)
    assert same(cached_arrays("x", [source], make), ARRAYS)
    assert make.calls == 1


def test_size_time_settings_name_and_order_of_sources_are_part_of_the_key(place, source, tmp_path):
    make = Maker()
    other = tmp_path / "other.bin"
    other.write_bytes(b"other")

    def call(name="x", sources=(source, other), **settings):
        before = make.calls
        cached_arrays(name, list(sources), make, settings=settings)
        return make.calls - before

    assert call() == 1
    assert call() == 0
    assert call(side=48) == 1
    assert call(side=64) == 1
    assert call(side=48) == 0
    assert call(name="y") == 1
    assert call(sources=(other, source)) == 1
    os.utime(source, ns=(1, 1))
    assert call() == 1
    assert call() == 0
    source.write_bytes(b"longer than it was")
    os.utime(source, ns=(1, 1))
    assert call() == 1


def test_an_older_state_of_the_same_sources_is_removed_and_others_stay(place, source):
    cached_arrays("x", [source], Maker(), settings={"a": 1})
    cached_arrays("x", [source], Maker(), settings={"a": 2})
    before = entries(place)
    os.utime(source, ns=(5, 5))
    cached_arrays("x", [source], Maker(), settings={"a": 1})
    after = entries(place)
    assert len(before) == len(after) == 2
    assert len(set(before) & set(after)) == 1


def test_a_link_to_the_folder_is_the_same_source(place, source, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    make = Maker()
    cached_arrays("x", [source], make)
    cached_arrays("x", [tmp_path / "link" / source.name], make)
    assert make.calls == 1


def test_disabled_or_without_sources_nothing_is_written(place, source):
    make = Maker()
    for _ in range(2):
        cached_arrays("x", [source], make, enabled=False)
        cached_arrays("x", [], make)
    assert make.calls == 4
    assert not place.exists()


def test_a_damaged_entry_is_made_anew(place, source):
    make = Maker()
    cached_arrays("x", [source], make)
    (path,) = place.iterdir()
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    header = whole.index(b"}", whole.index(b'"bytes"'))
    damaged = [whole[:cut] for cut in (0, 5, 30, header, len(whole) - 1)] + [whole + b"x"]
    damaged += [
        whole[:at] + bytes([whole[at] ^ (1 << int(rng.integers(8)))]) + whole[at + 1 :]
        for at in rng.integers(0, header, 25).tolist()
    ]
    for content in damaged:
        path.write_bytes(content)
        calls = make.calls
        assert same(cached_arrays("x", [source], make), ARRAYS)
        assert make.calls == calls + 1
        assert path.read_bytes() == whole


def test_a_pickle_in_the_place_of_an_entry_is_not_loaded(place, source, tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    make = Maker()
    cached_arrays("x", [source], make)
    (path,) = place.iterdir()
    with path.open("wb") as file:
        np.save(file, np.array([Evil()], dtype=object), allow_pickle=True)
    assert same(cached_arrays("x", [source], make), ARRAYS)
    path.write_bytes(pickle.dumps(Evil()))
    assert same(cached_arrays("x", [source], make), ARRAYS)
    assert make.calls == 3
    assert not (tmp_path / "ran").exists()


def test_a_place_that_cannot_be_used_changes_nothing_and_says_nothing(tmp_path, source, monkeypatch, capfd):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    make = Maker()
    monkeypatch.setenv("GRN_PRUNING_CACHE", str(blocked / "cache"))
    assert same(cached_arrays("x", [source], make), ARRAYS)
    monkeypatch.delenv("GRN_PRUNING_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert same(cached_arrays("x", [source], make), ARRAYS)
    assert make.calls == 2
    assert capfd.readouterr() == ("", "")


def test_a_full_disk_leaves_no_part_behind(place, source, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert same(cached_arrays("x", [source], Maker()), ARRAYS)
    assert entries(place) == []


def test_the_place_follows_the_environment(tmp_path, source, monkeypatch):
    monkeypatch.delenv("GRN_PRUNING_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    cached_arrays("x", [source], Maker())
    assert len(entries(tmp_path / "xdg" / "grn-pruning")) == 1
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    cached_arrays("x", [source], Maker())
    assert len(entries(tmp_path / "home" / ".cache" / "grn-pruning")) == 1
    monkeypatch.setenv("GRN_PRUNING_CACHE", "relative")
    with pytest.raises(ValueError, match="GRN_PRUNING_CACHE must be an absolute path, got 'relative'"):
        cached_arrays("x", [source], Maker())


def test_a_source_that_changes_while_it_is_read_is_not_kept(place, source):
    def make():
        source.write_bytes(b"changed meanwhile")
        return ARRAYS

    cached_arrays("x", [source], make)
    assert entries(place) == []


def test_a_missing_source_is_the_readers_error(place, tmp_path):
    def make():
        raise ValueError("the reader's own words")

    with pytest.raises(ValueError, match="the reader's own words"):
        cached_arrays("x", [tmp_path / "none"], make)
    assert entries(place) == []


@pytest.mark.parametrize("bad", [np.array([{}], dtype=object), [1, 2], np.zeros(2, dtype="i4,i4")])
def test_other_kinds_of_arrays_are_refused(place, source, bad):
    with pytest.raises(TypeError, match="'bad' must be an array of numbers or texts"):
        cached_arrays("x", [source], lambda: {"bad": bad})


def test_bad_names_and_settings_are_refused(place, source):
    with pytest.raises(ValueError, match="name must be 1-40 small letters"):
        cached_arrays("../x", [source], Maker())
    with pytest.raises(TypeError, match="settings must be plain JSON values"):
        cached_arrays("x", [source], Maker(), settings={"a": object()})


PROCESS = """
import sys, time
from pathlib import Path
import numpy as np
from studies.data.cache import cached_arrays
arrays = {"a": np.arange(1_000_000)}
def make():
    time.sleep(0.05)
    return arrays
print("ready", flush=True)
sys.stdin.readline()
for i in range(int(sys.argv[2])):
    found = cached_arrays("x", [Path(sys.argv[1])], make, settings={"i": i})
    assert np.array_equal(found["a"], arrays["a"])
"""


def start(source, count):
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROCESS, str(source), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=root,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def go(process):
    process.stdin.write("\n")
    process.stdin.flush()


def test_two_processes_at_once_do_no_harm(place, source):
    both = [start(source, 3), start(source, 3)]
    for process in both:
        go(process)
    for process in both:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert len(entries(place)) == 3


def test_a_kill_leaves_none_or_a_whole_entry_and_its_part_is_swept_later(place, source):
    process = start(source, 20)
    go(process)
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if any(name.endswith(".part") for name in entries(place)):
            break
        time.sleep(0.001)
    process.kill()
    process.communicate()
    whole = [name for name in entries(place) if name.endswith(".arrays")]
    make = Maker({"a": np.arange(1_000_000)})
    for i in range(len(whole)):
        cached_arrays("x", [source], make, settings={"i": i})
    assert make.calls == 0
    for path in place.glob(".*.part"):
        os.utime(path, (1, 1))
    cached_arrays("x", [source], make, settings={"i": 1000})
    assert not list(place.glob(".*.part"))
    assert make.calls == 1


def test_many_sources_cost_little(place, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    files = [folder / f"{i}.png" for i in range(2_000)]
    for file in files:
        file.touch()
    make = Maker()
    cached_arrays("x", files, make)
    start = time.process_time()
    cached_arrays("x", files, make)
    # 0.02 s of processor time as measured, 1 s for 100,000 files; 25 times that is still no reading of files
    assert time.process_time() - start < 0.5
    assert make.calls == 1
