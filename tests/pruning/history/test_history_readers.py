"""Readers beside a writer, in other processes and in other threads."""

import threading

import numpy as np
import pytest
from made_histories import LAYERS, expression_at, frames, masks_at, same, snapshot, write

from pruning.checkpoint import write_atomically
from pruning.topology import TopologyHistory
from pruning.topology.history_frame import FRAME


def test_a_reader_sees_a_record_once_it_is_complete(path):
    whole = write(path, 3).read_bytes()
    ends = [one.end for one in frames(path)]
    begun = path.stat().st_size - (ends[-1] - (frames(path)[0].offset - FRAME.size))
    path.write_bytes(whole[:begun])
    with TopologyHistory.open(path) as reader, open(path, "ab") as writer:
        for length in range(begun, len(whole)):
            writer.write(whole[length : length + 1])
            writer.flush()
            assert reader.refresh() == sum(end <= length + 1 for end in ends)
        assert [one.step for one in reader] == [1, 2, 3]


def test_reading_while_a_thread_writes(path):
    def grow():
        with TopologyHistory.resume(path, 0) as history:
            for step in range(1, 81):
                history.append(snapshot(step, masks_at(step), LAYERS), expression_at(step))

    write(path, 0)
    writer = threading.Thread(target=grow)
    with TopologyHistory.open(path) as reader:
        writer.start()
        seen = 0
        while seen < 80:
            alive = writer.is_alive()
            now = reader.refresh()
            assert now >= seen
            for number in range(seen, now):
                assert same(reader[number], snapshot(number + 1, masks_at(number + 1), LAYERS))
            assert alive or now == 80
            seen = now
        writer.join()


def test_several_threads_read_one_history(path):
    write(path, 40)
    wrong = []
    with TopologyHistory.open(path) as history:

        def look(seed):
            order = np.random.default_rng(seed).permutation(40).tolist()
            expected = [snapshot(step, masks_at(step), LAYERS) for step in range(1, 41)]
            wrong.extend(number for number in order if not same(history[number], expected[number]))

        threads = [threading.Thread(target=look, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_reader_follows_a_run_that_is_resumed_or_begun_anew(path):
    write(path, 20)
    with TopologyHistory.open(path) as reader:
        assert reader[19].step == 20
        with TopologyHistory.resume(path, 10):
            assert reader.refresh() == 10
        assert reader[9].step == 10
        with TopologyHistory.resume(path, 5) as writer:  # other updates, up to more than there were
            for step in range(6, 15):
                writer.append(snapshot(step, masks_at(100 + step), LAYERS))
        assert reader.refresh() == 14
        assert same(reader[9], snapshot(10, masks_at(110), LAYERS))
        write(path, 2)
        assert reader.refresh() == 2
        assert same(reader[1], snapshot(2, masks_at(2), LAYERS))


def test_threads_read_whole_records_while_another_looks_anew(path):
    """Two files of the same steps take each other's place; their masks must not be mixed."""
    histories = []
    for shift in (0, 100):
        with TopologyHistory.create(path, LAYERS, run={"shift": shift}) as writer:
            for step in range(1, 21):
                writer.append(snapshot(step, masks_at(step + shift), LAYERS))
        histories.append(path.read_bytes())
    expected = [
        [snapshot(step, masks_at(step + shift), LAYERS) for step in range(1, 21)] for shift in (0, 100)
    ]
    wrong, done = [], threading.Event()
    with TopologyHistory.open(path) as history:

        def look(seed):
            random = np.random.default_rng(seed)
            while not done.is_set():
                number = int(random.integers(20))
                try:
                    one = history[number]
                except Exception as error:
                    wrong.append(error)
                    return
                if not any(same(one, series[number]) for series in expected):
                    wrong.append(number)

        threads = [threading.Thread(target=look, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        for turn in range(60):
            write_atomically(path, histories[turn % 2])
            assert history.refresh() == 20
        done.set()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_deleted_file_is_told_and_what_was_known_stays(path):
    write(path, 3)
    with TopologyHistory.open(path) as history:
        path.unlink()
        with pytest.raises(FileNotFoundError):
            history.refresh()
        assert same(history[2], snapshot(3, masks_at(3), LAYERS))
        path.write_bytes(b"something else")
        with pytest.raises(ValueError, match="it is no topology history"):
            history.refresh()
        assert same(history[2], snapshot(3, masks_at(3), LAYERS))
