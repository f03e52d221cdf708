"""A damaged or hostile file is an error that names the record, and takes no memory."""

import tracemalloc
import zlib

import numpy as np
import pytest
from made_histories import LAYERS, frames, layer, masks_at, read_all, same, snapshot, write

from pruning.topology import TopologyHistory
from pruning.topology import history_file as files
from pruning.topology import history_numbers as form
from pruning.topology.history_frame import FRAME, WHOLE
from pruning.topology.history_header import new_header


def test_any_flipped_byte_is_an_error_that_names_file_and_record(path):
    whole = write(path, 3, sample=8).read_bytes()
    found = frames(path)
    begin = found[0].offset - FRAME.size
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
    parts = [whole[one.offset - FRAME.size : one.end] for one in frames(path)]
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
    begin = frames(path)[2].offset - FRAME.size
    path.write_bytes(head + parts[0] + parts[1] + foreign[begin:])
    with pytest.raises(ValueError, match="damaged in record 2: the checksum does not fit"):
        read_all(path)


def put(path, header, payload, **changes):
    """A history of one record with right checksums, whatever the payload says."""
    file = files.HistoryFile.create(path, header)
    file.append(payload, **{"kind": WHOLE, "step": 1, **changes})
    file.close()


def numbers_of(header, one):
    return form.encode_numbers(header, one, None)


def test_a_small_file_that_declares_much_takes_no_memory(path):
    layers = (layer("huge", 4000, 4000),)
    header = new_header(layers)
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
    small = new_header(LAYERS)
    put(path, small, bytes(form.longest_payload(small) + 1))
    with pytest.raises(ValueError, match="damaged in record 0: it does not follow"):
        TopologyHistory.open(path)


def test_masks_that_contradict_the_counts_are_damage(path):
    header = new_header(LAYERS)
    one = snapshot(1, masks_at(1), LAYERS)
    mask = np.packbits(np.concatenate([mask.ravel() for mask in masks_at(2)]))
    assert int(np.unpackbits(mask).sum()) != one.live
    put(path, header, numbers_of(header, one) + zlib.compress(mask.tobytes()))
    with pytest.raises(ValueError, match=r"damaged in record 0: its masks have .* live gates and its counts"):
        read_all(path)
