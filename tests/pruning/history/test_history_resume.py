"""A writer that was stopped goes on, and the file is as if it never had."""

import copy
import os

import pytest
from made_histories import LAYERS, expression_at, frames, layer, masks_at, read_all, snapshot, write

from pruning.topology import TopologyHistory
from pruning.topology.history_frame import FRAME


def test_a_tail_torn_at_any_byte_is_not_seen(path):
    whole = write(path, 3).read_bytes()
    begun = write(path, 2).stat().st_size
    for length in range(begun, len(whole)):
        path.write_bytes(whole[:length])
        with TopologyHistory.open(path) as history:
            assert history.steps.tolist() == [1, 2]
        if length % 8 and length < len(whole) - 2:
            continue
        with TopologyHistory.resume(path, 2, updates=2) as history:
            assert path.stat().st_size == begun
            history.append(snapshot(3, masks_at(3), LAYERS), expression_at(3))
        assert path.read_bytes() == whole


def test_zeros_that_a_crash_of_the_machine_leaves_are_a_torn_tail(path):
    whole = write(path, 4).read_bytes()
    for zeros in (1, 32, 5000):
        path.write_bytes(whole + bytes(zeros))
        assert len(read_all(path)) == 4


@pytest.mark.parametrize("policy", ["expression", "set", "schmitt"])
def test_killed_and_resumed_is_the_same_file(start, path, policy):
    def recorded(run):
        run.controller.observers.append(history.record)

    whole = start(policy, keep_masks=False)
    with TopologyHistory.create(path, whole.controller.layers) as history:
        recorded(whole)
        whole.step(60)
    expected = path.read_bytes()

    first = start(policy, keep_masks=False)
    with TopologyHistory.create(path, first.controller.layers) as history:
        recorded(first)
        first.step(29)
        saved = [
            copy.deepcopy(part.state_dict()) for part in (first.model, first.optimizer, first.controller)
        ]
        updates = len(history)
        first.step(13)  # updates after the checkpoint, which the resumed run takes again
        assert len(history) > updates
    written = path.stat().st_size
    path.write_bytes(expected[: written + 100])  # and a torn record
    assert len(read_all(path)) > updates

    second = start(policy, keep_masks=False)
    for part, state in zip((second.model, second.optimizer, second.controller), saved, strict=True):
        part.load_state_dict(state)
    with TopologyHistory.resume(path, second.controller.steps, updates=updates) as history:
        recorded(second)
        second.step(31)
    assert path.read_bytes() == expected


@pytest.mark.parametrize("step", [0, 1, 15, 16, 17, 20, 99])
def test_resuming_cuts_after_the_step(path, step):
    whole = write(path, 20).read_bytes()
    with TopologyHistory.resume(path, step) as history:
        assert len(history) == min(step, 20)
        for later in range(step + 1, 21):
            history.append(snapshot(later, masks_at(later), LAYERS), expression_at(later))
    assert path.read_bytes() == whole


def test_a_history_that_lacks_updates_is_not_resumed(path):
    whole = write(path, 6).read_bytes()
    with pytest.raises(ValueError, match=r"holds 4 records up to step 4 and the checkpoint counts 5"):
        TopologyHistory.resume(path, 4, updates=5)
    assert path.read_bytes() == whole
    with pytest.raises(FileNotFoundError):
        TopologyHistory.resume(path.with_name("none"), 4)
    damaged = bytearray(whole)
    damaged[frames(path)[1].offset + 3] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="damaged in record 1"):
        TopologyHistory.resume(path, 4)
    assert path.read_bytes() == damaged


def test_damage_behind_the_cut_is_cut(path):
    """It is known to lie there by the steps of the records, or by how many the checkpoint counts."""
    whole = write(path, 6).read_bytes()
    third = frames(path)[3].offset
    for place in (third, frames(path)[4].offset - 2):  # in record 3, and in the frame of record 4
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with TopologyHistory.resume(path, 3) as history:
            assert len(history) == 3
        assert path.read_bytes() == whole[: third - FRAME.size]
    for step, updates in ((5, None), (4, None), (4, 5)):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="damaged in record 4"):
            TopologyHistory.resume(path, step, updates=updates)
        assert path.read_bytes() == damaged
    with TopologyHistory.resume(path, 4, updates=4) as history:
        assert len(history) == 4


class FullDisk:
    """A file that takes some bytes at a time, fewer than it is given, until there is no room."""

    def __init__(self, file, room, at_once):
        self.file, self.room, self.at_once = file, room, at_once

    def write(self, content):
        if not self.room:
            raise OSError(28, "No space left on device")
        written = self.file.write(content[: min(self.room, self.at_once)])
        self.room -= written
        return written

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize(("room", "at_once"), [(0, 1), (10, 10), (99, 7)])
def test_a_full_disk_leaves_the_records_before(path, room, at_once):
    whole = write(path, 3).read_bytes()
    with TopologyHistory.resume(path, 2) as history:
        before = path.read_bytes()
        opened = history._file._file
        file, opened._file = opened._file, FullDisk(opened._file, room, at_once)
        assert len(before) + room < len(whole)
        with pytest.raises(OSError, match="No space left"):
            history.append(snapshot(3, masks_at(3), LAYERS), expression_at(3))
        assert path.read_bytes() == before
        opened._file = FullDisk(file, len(whole), at_once)  # short writes alone lose nothing
        history.append(snapshot(3, masks_at(3), LAYERS), expression_at(3))
        opened._file = file
    assert path.read_bytes() == whole


def test_what_cannot_be_flushed_is_cut_off(path, monkeypatch):
    whole = write(path, 3).read_bytes()
    with TopologyHistory.resume(path, 2) as history:
        before = path.read_bytes()

        def full(descriptor):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space left"):
                history.append(snapshot(3, masks_at(3), LAYERS), expression_at(3))
        assert path.read_bytes() == before
        history.append(snapshot(3, masks_at(3), LAYERS), expression_at(3))
    assert path.read_bytes() == whole


def test_the_history_of_another_network_or_run_is_not_resumed(path):
    whole = write(path, 3).read_bytes()
    other = (LAYERS[0], layer("second", 16, 25))
    with pytest.raises(ValueError, match=r"topology\.grnt is the history of another network"):
        TopologyHistory.resume(path, 2, layers=other)
    for facts, told in (
        ({"seed": 4}, "its seed is 3, this one's is 4"),
        ({"model": "b"}, "its model is None"),
    ):
        with pytest.raises(ValueError, match=f"is the history of another run: {told}"):
            TopologyHistory.resume(path, 2, run=facts)
    assert path.read_bytes() == whole
    with TopologyHistory.resume(path, 2, layers=LAYERS, run={"seed": 3}) as history:
        assert len(history) == 2
