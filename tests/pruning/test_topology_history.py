"""A history on disk gives back what was put in, or says which record is damaged."""

import copy
import json
import os
import threading
import tracemalloc
import zlib
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pruning import ExpressionGating, LayerTopology, TopologySnapshot
from pruning.topology import ExpressionSummary, TopologyHistory, choose_sample, summarise_expression
from pruning.topology import history_file as files
from pruning.topology import history_format as form
from pruning.topology.history_header import MAGIC, PREFIX, VERSION, HistoryHeader, decode_header

POLICIES = ["magnitude", "random", "smoothed", "heuristic", "literal", "set", "rigl", "expression", "schmitt"]
WITH_EXPRESSION = {"smoothed", "expression", "schmitt"}


def same(one, other):
    """Whether two records agree in every field, and arrays in type, shape and bit."""
    if one is None or other is None:
        return one is other
    for attribute in fields(one):
        left, right = getattr(one, attribute.name), getattr(other, attribute.name)
        if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
            if left is None or right is None or (left.dtype, left.shape) != (right.dtype, right.shape):
                return False
            if left.tobytes() != right.tobytes():
                return False
        elif left != right:
            return False
    return True


def layer(name, outputs, inputs, live=0):
    total = outputs * inputs
    return LayerTopology(
        name=name,
        outputs=outputs,
        inputs=inputs,
        groups=1,
        layout=(1, outputs, inputs, 1),
        live=live,
        total=total,
    )


def snapshot(step, masks, layers, **changes):
    """A snapshot with one mask a layer; None for one that holds no masks."""
    flat = None if masks is None else np.concatenate([mask.ravel() for mask in masks])
    counts = [0] * len(layers) if masks is None else [int(mask.sum()) for mask in masks]
    fates = min(64, sum(layer.total for layer in layers))
    values = {
        "step": step,
        "epoch": step // 7,
        "sparsity": 0.1 * step,
        "target_sparsity": 0.1 + 0.2,
        "live": sum(counts),
        "born": step,
        "died": 2 * step,
        "lifetime": None if step % 2 else 3.5,
        "threshold": 0.0 if step % 3 else None,
        "layers": tuple(replace(one, live=count) for one, count in zip(layers, counts, strict=True)),
        "sample_live": np.arange(fates) % 2 == step % 2,
        "sample_expression": None,
        "packed_masks": None if flat is None else np.packbits(flat),
    }
    return TopologySnapshot(**{**values, **changes})


LAYERS = (layer("first", 8, 16), layer("second", 16, 24))


def masks_at(step, layers=LAYERS):
    """Of these 512 gates two in a hundred flip from one step to the next."""
    total = sum(one.total for one in layers)
    flat = (np.random.default_rng(0).random(total) < 0.4) ^ (np.arange(total) % 97 == step % 97)
    parts = np.split(flat, np.cumsum([one.total for one in layers])[:-1])
    return [part.reshape(one.outputs, one.inputs) for part, one in zip(parts, layers, strict=True)]


def expression_at(step, sample=24):
    random = np.random.default_rng(step)
    return ExpressionSummary(
        histogram=random.integers(0, 4, (2, 32)),
        live=random.random(sample) < 0.5,
        protein=random.random(sample).astype(np.float16),
        mrna=random.random(sample).astype(np.float16),
        importance=random.random(sample).astype(np.float32),
    )


def write(path, count, sample=24):
    """A history of the first ``count`` steps."""
    with TopologyHistory.create(path, LAYERS, run={"seed": 3}, sample=sample) as history:
        for step in range(1, count + 1):
            history.append(snapshot(step, masks_at(step), LAYERS), expression_at(step, sample))
    return path


def read_all(path):
    with TopologyHistory.open(path) as history:
        return list(history.records())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "topology.grnt"


# ---------------------------------------------------------------------- what goes in comes out


@pytest.mark.parametrize("granularity", ["weight", "connection", "unit"])
@pytest.mark.parametrize("policy", POLICIES)
def test_a_run_comes_back_as_it_was(start, path, policy, granularity):
    run = start(policy, granularity=granularity, sparsity=0.5)
    controller = run.controller
    shown = []
    with TopologyHistory.create(path, controller.layers, sample=40) as history:
        controller.observers += [
            history.record,
            lambda update: shown.append(
                [None if v is None else v.clone() for v in (update.live, update.protein, update.mrna)]
            ),
        ]
        run.step(60)
    with TopologyHistory.open(path) as history:
        assert len(history) == len(controller.history) > 10
        assert all(same(*pair) for pair in zip(history, controller.history, strict=True))
        assert history.steps.tolist() == [one.step for one in controller.history]
        assert [one.name for one in history.layers] == [one.name for one in controller.gates.layers]
        for (_, summary), (live, protein, mrna) in zip(history.records(), shown, strict=True):
            assert (summary is None) == (policy not in WITH_EXPRESSION)
            if summary is None:
                continue
            levels = protein.numpy()
            assert np.array_equal(summary.live, live.numpy()[history.sample])
            assert np.array_equal(summary.protein, levels[history.sample].astype(np.float16))
            assert np.array_equal(summary.mrna, mrna.numpy()[history.sample].astype(np.float16))
            assert summary.importance.shape == history.sample.shape
            for counts, own in zip(summary.histogram, controller.gates.layers, strict=True):
                expected, _ = np.histogram(levels[own.slice].astype(np.float64), 32, (0.0, 1.0))
                assert counts.tolist() == expected.tolist()


def test_importance_is_what_the_policy_decided_on(start, path):
    """Of the expression policy K is the importance at the budget's edge: as many are induced above 1."""
    run = start(ExpressionGating(backend="torch"))
    with TopologyHistory.create(path, run.controller.layers) as history:
        run.controller.observers.append(history.record)
        run.step(60)
        for record, summary in history.records(masks=False):
            assert len(history.sample) == run.controller.total_connections == 300
            # target_sparsity is measured over all gates, and the budget keeps so many
            assert (summary.induction(record.threshold) >= 1.0).sum() == record.live


def test_masks_lie_on_disk_alone(start, path):
    kept, bare = start("expression"), start("expression", keep_masks=False)
    with TopologyHistory.create(path, bare.controller.layers) as history:
        bare.controller.observers.append(history.record)
        kept.step(60), bare.step(60)
        assert all(one.packed_masks is None for one in bare.controller.history)
        assert all(same(*pair) for pair in zip(history, kept.controller.history, strict=True))
    assert torch.equal(kept.controller.mask, bare.controller.mask)  # to be observed changes nothing


def test_observers_see_updates_alone_and_their_time_is_counted_apart(start):
    run = start("expression", keep_masks=False)
    seen = []

    def slow(update):
        assert torch.equal(update.live, run.controller.mask)
        seen.append(update.snapshot.step)
        threading.Event().wait(0.05)

    run.controller.observers.append(slow)
    run.step(60)
    assert seen == [one.step for one in run.controller.history]
    assert run.controller.observer_seconds >= 0.05 * len(seen)
    assert run.controller.seconds < run.controller.observer_seconds


def test_random_access_and_slices(path):
    write(path, 40)
    expected = [snapshot(step, masks_at(step), LAYERS) for step in range(1, 41)]
    with TopologyHistory.open(path) as history:
        for number in (39, 0, 17, 16, 15, 31, 32, 33, 1, -1, -40):
            assert same(history[number], expected[number]), number
        assert [one.step for one in history[5:20:7]] == [6, 13, 20]
        assert same(history.read(20)[1], expression_at(21))
        bare, summary = history.read(20, masks=False)
        assert bare.packed_masks is None
        assert same(summary, expression_at(21))
        assert same(replace(bare, packed_masks=expected[20].packed_masks), expected[20])
        for outside in (40, -41):
            with pytest.raises(IndexError):
                history[outside]
        first = history[3]
        first.packed_masks[:] = 255  # the reader's own copy
        assert same(history[3], expected[3])
        assert history.run == {"seed": 3}
        assert "40 records" in repr(history)


def test_an_empty_history(path):
    with TopologyHistory.create(path, LAYERS) as history:
        assert (len(history), list(history), history.steps.tolist()) == (0, [], [])
        with TopologyHistory.open(path) as reader:
            assert reader.refresh() == 0
            with pytest.raises(IndexError):
                reader[0]
    with TopologyHistory.resume(path, 0, updates=0) as history:
        history.append(snapshot(1, masks_at(1), LAYERS))
    assert len(read_all(path)) == 1


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_masks(tmp_path_factory, data):
    """Whatever flips, also without masks in between, each record has its own."""
    sizes = data.draw(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 40)), min_size=1, max_size=3))
    layers = tuple(layer(str(number), *size) for number, size in enumerate(sizes))
    total = sum(one.total for one in layers)
    change = st.none() | st.just("all anew") | st.lists(st.integers(0, total - 1), max_size=4)
    changes = data.draw(st.lists(change, min_size=1, max_size=40))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    flat = random.random(total) < 0.5
    expected = []
    for step, flips in enumerate(changes):
        if flips == "all anew":
            flat = random.random(total) < 0.5
        elif flips is not None:
            flat = flat.copy()
            flat[flips] ^= True
        masks = np.split(flat, np.cumsum([one.total for one in layers])[:-1])
        expected.append(snapshot(step, None if flips is None else masks, layers))
    path = tmp_path_factory.mktemp("any") / "topology.grnt"
    with TopologyHistory.create(path, layers) as history:
        for one in expected:
            history.append(one)
        assert all(same(*pair) for pair in zip(history, expected, strict=True))
    order = data.draw(st.lists(st.integers(0, len(expected) - 1), max_size=20))
    with TopologyHistory.open(path) as history:
        assert all(same(history[number], expected[number]) for number in order)
        assert [history.has_masks(k) for k in range(len(history))] == [one is not None for one in changes]


def test_every_sixteenth_holds_whole_masks_and_others_what_has_changed(path):
    kinds = [one.kind for one in frames(write(path, 40))]
    assert [number for number, kind in enumerate(kinds) if kind == form.WHOLE] == [0, 16, 32]
    assert set(kinds) == {form.WHOLE, form.DIFFERENCE}


# ---------------------------------------------------------------------- size


def test_a_million_connections_take_little(path):
    layers = (layer("wide", 1000, 1000),)
    random = np.random.default_rng(0)
    mask = random.random(1_000_000) < 0.1
    with TopologyHistory.create(path, layers) as history:
        begun = history.nbytes
        for step in range(17):  # both masks that are whole and those that are a difference
            history.append(snapshot(step, [mask], layers))
            flipped = random.choice(1_000_000, 10_000, replace=False)  # a churn of 1 %
            mask = mask.copy()
            mask[flipped] ^= True
        # Shannon: a whole one takes 0.47 bits a gate, a difference 0.08; deflate reaches 0.6 and 0.13 or so.
        assert history.nbytes - begun < 1_000_000 * (2 * 0.7 + 15 * 0.16) / 8
        masks = 0
        for one in history:
            masks += one.live
        assert masks == sum(one.live for one, _ in history.records(masks=False))


def test_random_masks_take_a_bit_a_gate(path):
    """The worst case: 100 of them stay below 13 MB."""
    layers = (layer("wide", 1000, 1000),)
    random = np.random.default_rng(0)
    with TopologyHistory.create(path, layers) as history:
        begun = history.nbytes
        for step in range(5):
            history.append(snapshot(step, [random.random(1_000_000) < 0.5], layers))
        assert history.nbytes - begun < 5 * 125_500


# ---------------------------------------------------------------------- a writer that was stopped


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
        assert path.read_bytes() == whole[: third - form.FRAME.size]
    for step, updates in ((5, None), (4, None), (4, 5)):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="damaged in record 4"):
            TopologyHistory.resume(path, step, updates=updates)
        assert path.read_bytes() == damaged
    with TopologyHistory.resume(path, 4, updates=4) as history:
        assert len(history) == 4


def test_a_full_disk_leaves_the_records_before(path, monkeypatch):
    whole = write(path, 3).read_bytes()
    with TopologyHistory.resume(path, 2) as history:
        before = path.read_bytes()

        def full(descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(files.os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            history.append(snapshot(3, masks_at(3), LAYERS), expression_at(3))
        assert path.read_bytes() == before
        monkeypatch.undo()
        history.append(snapshot(3, masks_at(3), LAYERS), expression_at(3))
    assert path.read_bytes() == whole


# ---------------------------------------------------------------------- a reader beside a writer


def test_a_reader_sees_a_record_once_it_is_complete(path):
    whole = write(path, 3).read_bytes()
    ends = [one.end for one in frames(path)]
    begun = path.stat().st_size - (ends[-1] - (frames(path)[0].offset - form.FRAME.size))
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


# ---------------------------------------------------------------------- damage and hostility


def frames(path):
    opened = files.HistoryFile(path)
    opened.close()
    return opened.frames


def test_any_flipped_byte_is_an_error_that_names_file_and_record(path):
    whole = write(path, 3, sample=8).read_bytes()
    found = frames(path)
    begin = found[0].offset - form.FRAME.size
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        with pytest.raises(ValueError, match=r"topology\.grnt") as caught:
            read_all(path)
        message = str(caught.value)
        if place < begin:
            assert f"{path} cannot be read: it" in message
        else:
            number = sum(one.end <= place for one in found)
            assert message.startswith(f"{path} is damaged in record {number}: ")


def test_records_around_a_damaged_one_are_read(path):
    whole = bytearray(write(path, 40).read_bytes())
    whole[frames(path)[20].offset] ^= 8
    path.write_bytes(whole)
    with TopologyHistory.open(path) as history:
        assert same(history[19], snapshot(20, masks_at(20), LAYERS))
        assert same(history[32], snapshot(33, masks_at(33), LAYERS))
        assert history.read(25, masks=False)[0].step == 26
        for number in (20, 25):  # the masks of 25 are told from 20 on
            with pytest.raises(ValueError, match="damaged in record 20"):
                history[number]


def test_records_that_are_lost_repeated_or_exchanged_are_found(path):
    whole = write(path, 5).read_bytes()
    parts = [whole[one.offset - form.FRAME.size : one.end] for one in frames(path)]
    head = whole[: -sum(map(len, parts))]
    for order in ([0, 2, 3], [0, 1, 1, 2], [1, 0, 2], [4]):
        path.write_bytes(head + b"".join(parts[number] for number in order))
        with pytest.raises(ValueError, match="it does not follow from the one before"):
            read_all(path)
    # A record of another run in its place has the right number and step.
    with TopologyHistory.create(path, LAYERS, run={"seed": 3}) as other:
        for step in range(1, 6):
            other.append(snapshot(step, masks_at(step + 50), LAYERS))
    foreign = path.read_bytes()
    begin = frames(path)[2].offset - form.FRAME.size
    path.write_bytes(head + parts[0] + parts[1] + foreign[begin:])
    with pytest.raises(ValueError, match="damaged in record 2: the checksum does not fit"):
        read_all(path)


def put(path, header, payload, **changes):
    """A history of one record with right checksums, whatever the payload says."""
    file = files.HistoryFile.create(path, header)
    file.append(payload, **{"kind": form.WHOLE, "step": 1, **changes})
    file.close()


def numbers_of(header, one):
    return form.encode_numbers(header, one, None)


def test_a_small_file_that_declares_much_takes_no_memory(path):
    layers = (layer("huge", 4000, 4000),)
    header = HistoryHeader(layers=layers)
    one = snapshot(1, None, layers)
    numbers = numbers_of(header, one)
    bomb = zlib.compress(bytes(2**27), 9)
    scalars = form._SCALARS
    values = list(scalars.unpack_from(numbers))
    values[-1] = len(bomb)
    hostile = {
        "masks": numbers + bomb,
        "numbers": scalars.pack(*values) + bomb,
        "more than there is": scalars.pack(*values[:-1], 2**32 - 1),
        "flags": scalars.pack(*values[:-2], 64, 0),
        "nothing": b"",
        "no deflate": numbers + b"zero",
    }
    for what, payload in hostile.items():
        if len(payload) <= form.longest_payload(header):
            put(path, header, payload)
        tracemalloc.start()
        with pytest.raises(ValueError, match=r"topology\.grnt is damaged in record 0"):
            read_all(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * 2**20, what  # the mask of such a layer takes 2 MiB
    small = HistoryHeader(layers=LAYERS)
    put(path, small, bytes(form.longest_payload(small) + 1))
    with pytest.raises(ValueError, match="damaged in record 0: it does not follow"):
        TopologyHistory.open(path)


def test_masks_that_contradict_the_counts_are_damage(path):
    header = HistoryHeader(layers=LAYERS)
    one = snapshot(1, masks_at(1), LAYERS)
    mask = np.packbits(np.concatenate([mask.ravel() for mask in masks_at(2)]))
    assert int(np.unpackbits(mask).sum()) != one.live
    put(path, header, numbers_of(header, one) + zlib.compress(mask.tobytes()))
    with pytest.raises(ValueError, match=r"damaged in record 0: its masks have .* live gates and its counts"):
        read_all(path)


def raw_header(content, version=VERSION, length=None, stored=None):
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    packed = zlib.compress(text) if stored is None else stored
    prefix = PREFIX.pack(MAGIC, version, len(text) if length is None else length, len(packed), 0)[:-4]
    return prefix + zlib.crc32(packed, zlib.crc32(prefix)).to_bytes(4, "little") + packed


GOOD = {
    "layers": [
        {"name": "a", "outputs": 2, "inputs": 3, "groups": 1, "layout": [1, 2, 3, 1], "live": 6, "total": 6}
    ],
    "run": {},
    "sample": [0, 5],
    "bins": 32,
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
        {**GOOD, "sample": [5, 0]},
        {**GOOD, "sample": [0, 6]},
        {**GOOD, "sample": [-1, 2]},
        {**GOOD, "sample": [[0]]},
        {**GOOD, "sample": ["x"]},
        {**GOOD, "sample": [10**30]},
        {**GOOD, "bins": 10**9},
        {key: value for key, value in GOOD.items() if key != "run"},
        with_layer(total=10**15),
        with_layer(total=7),
        with_layer(inputs=4),
        with_layer(outputs=-2, layout=[1, -2, -3, 1]),
        with_layer(layout=[1, 2, 3]),
        with_layer(layout=None),
        with_layer(live=7),
        with_layer(live=None),
        with_layer(groups=True),
        with_layer(name=3),
        with_layer(more=1),
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


def test_other_files_and_versions_are_refused(path):
    for content in (b"", b"{}", os.urandom(100), raw_header(GOOD)[:10], b"\x89PNG\r\n\x1a\n" + bytes(50)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="cannot be read: it is no topology history"):
            TopologyHistory.open(path)
    path.write_bytes(raw_header(GOOD, version=2))
    with pytest.raises(ValueError, match="it has format version 2, and this program reads version 1"):
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


# ---------------------------------------------------------------------- what is refused at the door


@pytest.mark.parametrize(
    ("one", "expression", "message"),
    [
        (snapshot(3, masks_at(3), LAYERS), None, "step must be later than 3"),
        (
            snapshot(9, [np.ones((7, 5), bool), masks_at(1)[1]], (layer("first", 7, 5), LAYERS[1])),
            None,
            "network",
        ),
        (snapshot(9, masks_at(3), LAYERS, live=1), None, "live gates and its counts say 1"),
        (
            snapshot(9, masks_at(3), LAYERS, packed_masks=np.zeros(3, np.uint8)),
            None,
            "masks must be 64 bytes",
        ),
        (snapshot(9, masks_at(3), LAYERS, sample_live=np.ones(3, bool)), None, "sample_live must be bool"),
        (
            snapshot(9, masks_at(3), LAYERS, sample_expression=np.ones(64)),
            None,
            "sample_expression must be float32 of shape .64,., got float64",
        ),
        (
            snapshot(9, masks_at(3), LAYERS),
            replace(expression_at(3), histogram=np.full((2, 32), 13)),
            "count each of its gates at most once",
        ),
        (
            snapshot(9, masks_at(3), LAYERS),
            replace(expression_at(3), protein=np.ones(24)),
            "protein must be float16",
        ),
        (snapshot(9, masks_at(3), LAYERS), replace(expression_at(3), mrna=np.ones(3, np.float16)), "mrna"),
    ],
)
def test_a_wrong_record_is_refused_and_nothing_written(path, one, expression, message):
    before = write(path, 3).read_bytes()
    with TopologyHistory.resume(path, 3) as history:
        with pytest.raises(ValueError, match=message):
            history.append(one, expression)
        assert path.read_bytes() == before
        history.append(snapshot(4, masks_at(4), LAYERS), expression_at(4))
    assert path.read_bytes() == write(path, 4).read_bytes()


def test_a_reader_does_not_write_and_facts_are_json(path):
    write(path, 1)
    with TopologyHistory.open(path) as history, pytest.raises(ValueError, match="opened to be read"):
        history.append(snapshot(2, masks_at(2), LAYERS))
    for facts in ({"x": float("nan")}, {"x": {1, 2}}):
        with pytest.raises(ValueError, match="finite JSON values"):
            TopologyHistory.create(path, LAYERS, run=facts)
    with pytest.raises(ValueError, match="sample must be from 0 to 65,536 gates, got -1"):
        TopologyHistory.create(path, LAYERS, sample=-1)
    assert len(read_all(path)) == 1


# ---------------------------------------------------------------------- expression in few numbers


@settings(max_examples=100, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=12),
    count=st.integers(0, 500),
)
def test_the_sample_is_spread_over_the_layers(sizes, count):
    layers = [layer(str(number), 1, size) for number, size in enumerate(sizes)]
    chosen = choose_sample(layers, count)
    assert len(chosen) == min(count, sum(sizes))
    assert (np.diff(chosen) > 0).all()
    edges = np.concatenate([[0], np.cumsum(sizes)])
    shares, _ = np.histogram(chosen, edges)
    assert len(chosen) == shares.sum()
    for share, size in zip(shares, sizes, strict=True):
        assert share >= min(size, count // (2 * len(sizes)))
    assert np.array_equal(chosen, choose_sample(layers, count))


def test_the_sample_knows_its_layers(path):
    layers = (layer("a", 1000, 10), layer("b", 2, 3), layer("c", 100, 100))
    with TopologyHistory.create(path, layers, sample=100) as history:
        counts = np.bincount(history.sample_layer, minlength=3)
        assert counts[1] == 6
        assert counts.sum() == 100
        starts = np.array([0, 10_000, 10_006])
        within = history.sample - starts[history.sample_layer]
        assert (within >= 0).all()
        assert (within < np.array([10_000, 6, 10_000])[history.sample_layer]).all()


def test_bistable_expression_has_two_humps():
    torch.manual_seed(0)
    layers = (layer("bistable", 100, 100), layer("graded", 50, 100))
    low, high = torch.randn(7000) * 0.02 + 0.15, torch.randn(3000) * 0.02 + 0.85
    protein = torch.cat([low, high, torch.rand(5000)])
    zero = torch.zeros(15_000, dtype=torch.bool)
    summary = summarise_expression(layers, torch.arange(0), live=zero, protein=protein)
    bistable, graded = summary.histogram
    assert bistable[:11].sum() == 7000
    assert bistable[11:21].sum() == 0
    assert bistable[21:].sum() == 3000
    assert graded.sum() == 5000
    assert graded.min() > 0


def test_what_lies_outside_is_in_no_bin():
    layers = (layer("one", 1, 9),)
    nan, infinity = float("nan"), float("inf")
    protein = torch.tensor([0.0, 1.0, 1.0 + 1e-6, -1e-6, 1.001, -0.001, nan, infinity, 0.5])
    summary = summarise_expression(
        layers, torch.arange(0), live=torch.ones(9, dtype=torch.bool), protein=protein
    )
    counts = summary.histogram[0]
    assert (counts[0], counts[16], counts[31], counts.sum()) == (2, 1, 2, 5)
    half = summarise_expression(
        layers, torch.arange(0), live=torch.ones(9, dtype=torch.bool), protein=protein.bfloat16()
    )
    assert half.histogram.sum() >= 5


def test_a_header_survives_the_sampled_places(path):
    write(path, 0, sample=10)
    content = path.read_bytes()
    header = decode_header(content[: PREFIX.size], content[PREFIX.size :])
    assert np.array_equal(header.sample, choose_sample(LAYERS, 10))
    assert header.layers == LAYERS
