"""CIFAR in its four official layouts; pickles that want more than data do nothing."""

import os
import pickle
import struct

import numpy as np
import pytest
import torch

from studies.data.cifar import LAYOUTS, detects, load_cifar
from studies.data.safe_pickle import PickledArray, read_pickle

EACH = {10: 2, 100: 2}  # images a class in a training file


def python2_batch(pixels, entries):
    """A batch as Python 2 wrote the published ones: protocol 2, byte strings, numpy 1's names."""

    def string(text):
        return b"U" + bytes([len(text)]) + text

    def integers(values):
        return b"](" + b"".join(b"K" + bytes([value]) for value in values) + b"e"

    content = pixels.tobytes()
    shape = struct.pack("<BHBH", ord("M"), pixels.shape[0], ord("M"), pixels.shape[1]) + b"\x86"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01" + shape
        + b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        + b"\x89T" + struct.pack("<I", len(content)) + content + b"tb"
    )  # fmt: skip
    body = b"".join(string(key.encode()) + integers(values) for key, values in entries.items())
    return b"\x80\x02}q\x01(" + body + string(b"data") + array + b"u."


def write(root, layout, protocol=None, seed=0):
    """Write a small set in a layout; give (pixels, labels) of train and test."""
    rng = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    names = [f"class {i}" for i in range(layout.classes)]
    key = "labels" if layout.classes == 10 else "fine_labels"
    parts = {}
    for file in (*layout.train, layout.test):
        labels = rng.permutation(np.repeat(np.arange(layout.classes), EACH[layout.classes]))
        pixels = rng.integers(0, 256, (len(labels), 3072), dtype=np.uint8)
        parts[file] = pixels, labels
        coarse = labels % 20
        if not layout.python:
            columns = [labels] if layout.classes == 10 else [coarse, labels]
            records = np.concatenate([np.stack(columns, 1).astype(np.uint8), pixels], axis=1)
            records.tofile(root / file)
            continue
        entries = {key: labels.tolist()}
        if layout.classes == 100:
            entries["coarse_labels"] = coarse.tolist()
        if protocol is None:
            (root / file).write_bytes(python2_batch(pixels, entries))
        else:
            text = entries | {"data": pixels, "filenames": [f"{i}.png" for i in range(len(labels))]}
            (root / file).write_bytes(pickle.dumps(text, protocol=protocol))
    if layout.python:
        meta = {"label_names" if layout.classes == 10 else "fine_label_names": names}
        (root / layout.names).write_bytes(pickle.dumps(meta, protocol=2 if protocol is None else protocol))
    else:
        (root / layout.names).write_text("\n".join(names) + "\n\n")
    train = [np.concatenate([parts[file][i] for file in layout.train]) for i in (0, 1)]
    return train, parts[layout.test]


def check(dataset, layout, train, test):
    assert dataset.name == f"cifar{layout.classes}"
    assert dataset.classes == tuple(f"class {i}" for i in range(layout.classes))
    assert len(dataset.train) + len(dataset.validation) == len(train[1])
    sources = {"train": train, "test": test}
    for split in dataset.parts().values():
        for image, label, name in zip(split.images, split.labels.tolist(), split.ids, strict=True):
            part, row = name.split("/")
            pixels, labels = sources[part]
            assert label == labels[int(row)]
            assert np.array_equal(image.numpy().reshape(-1), pixels[int(row)])


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.folder)
@pytest.mark.parametrize("inside", [False, True])
def test_every_layout_gives_its_images_labels_and_names(tmp_path, layout, inside):
    root = tmp_path / layout.folder if inside else tmp_path
    train, test = write(root, layout)
    assert detects(tmp_path)
    dataset = load_cifar(tmp_path, validation_fraction=0.5)
    check(dataset, layout, train, test)
    assert dataset.train.images.shape[1:] == (3, 32, 32)
    assert dataset.train.images.dtype == torch.uint8


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_of_python_3_and_protocols_2_to_5(tmp_path, protocol):
    layout = LAYOUTS[2]
    train, test = write(tmp_path, layout, protocol=protocol)
    check(load_cifar(tmp_path), layout, train, test)


def test_the_hand_written_python_2_batch_is_what_pickle_reads(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (300, 3072), dtype=np.uint8)
    content = python2_batch(pixels, {"labels": [1, 2]})
    reference = pickle.loads(content.replace(b"numpy.core", b"numpy._core"), encoding="latin1")
    assert np.array_equal(reference["data"], pixels)
    (tmp_path / "batch").write_bytes(content)
    found = read_pickle(tmp_path / "batch")
    assert found["labels"] == [1, 2]
    assert np.array_equal(found["data"].array(), pixels)


@pytest.mark.parametrize("layout", LAYOUTS[1:3], ids=lambda layout: layout.folder)
def test_the_cache_gives_the_same(tmp_path, monkeypatch, layout):
    monkeypatch.setenv("GRN_PRUNING_CACHE", str(tmp_path / "cache"))
    train, test = write(tmp_path / "data", layout)
    for _ in range(2):
        check(load_cifar(tmp_path / "data", validation_fraction=0.5, cache=True), layout, train, test)
    assert len(list((tmp_path / "cache").iterdir())) == 1


class Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attacks(marker):
    command = f"touch {marker}".encode()
    text = struct.pack("<I", len(command)) + command
    unicode = b"X" + text
    yield "reduce", pickle.dumps({"data": Call(os.system, f"touch {marker}")}, protocol=2)
    yield "stack global", pickle.dumps(Call(os.system, f"touch {marker}"), protocol=4)
    yield "eval", b"\x80\x02cbuiltins\neval\n" + unicode + b"\x85R."
    yield "text protocol", b"cos\nsystem\n(S'" + command + b"'\ntR."
    yield "inst", b"(S'" + command + b"'\nios\nsystem\n."
    yield "obj", b"\x80\x02(cos\nsystem\n" + unicode + b"o."
    yield "newobj", b"\x80\x02cos\nsystem\n" + unicode + b"\x85\x81."
    yield "newobj_ex", b"\x80\x04cos\nsystem\n" + unicode + b"\x85}\x92."
    yield "newobj of a known name", b"\x80\x02cnumpy\nndarray\n" + unicode + b"\x85\x81."
    yield "call of ndarray", b"\x80\x02cnumpy\nndarray\n" + unicode + b"\x85R."
    yield "call of a text", b"\x80\x02" + unicode + unicode + b"\x85R."
    yield "other codec", b"\x80\x02c_codecs\nencode\n" + unicode + b"X\x05\x00\x00\x00rot13\x86R."
    yield "build with state", b"\x80\x02cbuiltins\nobject\n)R}X\x01\x00\x00\x00aK\x01sb."
    yield "build of a dict", b"\x80\x02}}X\x01\x00\x00\x00aK\x01sb."
    yield (
        "reconstruct of another class",
        (b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncos\nsystem\nK\x00\x85U\x01b\x87R."),
    )
    yield "extension", b"\x80\x02\x82\x01."
    yield "persistent", b"\x80\x02" + unicode + b"Q."
    yield "long4", b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"\xff."
    yield "long4 of the whole file", b"\x80\x02\x8b" + struct.pack("<i", 10**6) + b"\xff" * 10**6 + b"."
    yield "text of 4 GB", b"\x80\x02X\xff\xff\xff\xff."
    yield "bytes of 2**63", b"\x80\x04\x8e" + struct.pack("<Q", 2**63) + b"."
    yield "reference to nothing", b"\x80\x02j\xff\xff\xff\xff."
    yield "no stop", b"\x80\x02}" + b"]" * 10
    yield "objects left over", b"\x80\x02]]."
    yield "trailing data", b"\x80\x02]." + b"x"
    yield "too many operations", b"\x80\x02" + b"]0" * 10 + b"(" * 2_100_000
    yield "unhashable key", b"\x80\x02}(]K\x01u."
    yield "items without a mark", b"\x80\x02]e."
    yield "next buffer", b"\x80\x05\x97."
    yield "empty", b""


def test_malicious_pickles_are_refused_and_nothing_runs(tmp_path):
    marker = tmp_path / "ran"
    path = tmp_path / "data_batch_1"
    for name, content in attacks(marker):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="data_batch_1: ") as caught:
            read_pickle(path)
        assert len(str(caught.value)) < 600, name
        assert not marker.exists(), name
    # The attack is real: pickle itself does run it.
    pickle.loads(dict(attacks(marker))["reduce"])
    assert marker.exists()


def test_a_global_is_refused_by_name(tmp_path):
    path = tmp_path / "meta"
    path.write_bytes(pickle.dumps(Call(os.system, "true"), protocol=2))
    with pytest.raises(ValueError, match=r"meta: .*'(posix|nt).system' is not allowed"):
        read_pickle(path)


def test_deep_nesting_and_shared_references_cost_no_more_than_the_file(tmp_path):
    path = tmp_path / "batch"
    path.write_bytes(b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".")
    assert isinstance(read_pickle(path), list)
    # Each list holds the one before ten times: 10**40 leaves, 40 lists.
    bomb = b"\x80\x02]q\x00" + b"".join(
        b"](" + b"h" + bytes([i]) + (b"h" + bytes([i])) * 9 + b"eq" + bytes([i + 1]) for i in range(40)
    )
    path.write_bytes(b"\x80\x02}(U\x04data](" + bomb[2:] + b"eU\x06labelsh\x05u.")
    assert isinstance(read_pickle(path)["data"], list)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ((), "no content"),
        (((2**39, 2**39), "u1", False, b"x"), "content of another size"),
        (((-1, -1), "u1", False, b"x"), "malformed shape"),
        (((1,), "f8", False, b"x"), "must be uint8"),
        (((1,), "u1", True, b"x"), "must be uint8"),
        (((1,), "u1", False, "Ā"), "content is text"),
        (((1,), "u1", False, 3), "content of another size"),
    ],
)
def test_an_array_of_another_kind_is_refused_before_memory_is_taken(state, message):
    from studies.data import safe_pickle

    if state:
        state = (state[0], safe_pickle._Dtype(state[1]), *state[2:])
    with pytest.raises(ValueError, match=message):
        PickledArray(state).array()


@pytest.mark.parametrize("layout", LAYOUTS[:3:2], ids=lambda layout: layout.folder)
def test_malformed_files_are_named(tmp_path, layout):
    write(tmp_path, layout)
    second = tmp_path / layout.train[1]
    whole = second.read_bytes()
    second.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=rf"{layout.train[1]}: .*truncated"):
        load_cifar(tmp_path)
    second.unlink()
    with pytest.raises(ValueError, match=f"has no {layout.train[1]}; unpack the whole archive"):
        load_cifar(tmp_path)
    second.write_bytes(whole)
    names = tmp_path / layout.names
    names.write_bytes(b"one\ntwo\n" if not layout.python else pickle.dumps({"label_names": ["one"]}, 2))
    with pytest.raises(ValueError, match=f"{layout.names}: must name 10 different classes"):
        load_cifar(tmp_path)


def test_a_label_out_of_range_and_an_unequal_batch_are_named(tmp_path):
    layout = LAYOUTS[0]
    write(tmp_path, layout)
    path = tmp_path / "data_batch_2.bin"
    whole = path.read_bytes()
    path.write_bytes(bytes([10]) + whole[1:])
    with pytest.raises(ValueError, match=r"data_batch_2.bin: labels must be in 0-9, got 10"):
        load_cifar(tmp_path)
    path.write_bytes(whole[:3073])
    with pytest.raises(ValueError, match=r"data_batch_2.bin: holds 1 images and data_batch_1.bin 20"):
        load_cifar(tmp_path)


def test_no_layout_and_two_layouts_are_refused(tmp_path):
    assert not detects(tmp_path)
    with pytest.raises(ValueError, match="is in no official layout of CIFAR"):
        load_cifar(tmp_path)
    write(tmp_path, LAYOUTS[0])
    write(tmp_path, LAYOUTS[2])
    with pytest.raises(ValueError, match="holds more than one layout"):
        load_cifar(tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS[:3:2], ids=lambda layout: layout.folder)
def test_fuzzed_files_give_a_named_error_or_a_valid_set(tmp_path, layout):
    write(tmp_path, layout)
    rng = np.random.default_rng(1)
    messages = []
    for trial in range(120):
        name = layout.files[int(rng.integers(len(layout.files)))]
        path = tmp_path / name
        whole = path.read_bytes()
        content = bytearray(whole)
        if trial % 3 == 0:
            del content[int(rng.integers(len(content))) :]
        else:
            # Half of the mutations fall into the structure at the start, not into the pixels.
            reach = len(content) if trial % 3 == 1 else min(len(content), 300)
            for at in rng.integers(0, reach, 4).tolist():
                content[at] = int(rng.integers(256))
        path.write_bytes(content)
        try:
            dataset = load_cifar(tmp_path)
        except ValueError as error:
            named = name in str(error) or "no image of class" in str(error) or "too few images" in str(error)
            messages.append((named, error))
        else:
            assert sum(len(split) for split in dataset.parts().values()) == 120
        path.write_bytes(whole)
    assert len(messages) > 40
    assert [error for named, error in messages if not named] == []
