"""The official CSV: values, splits, and an error that names the line for everything malformed."""

import numpy as np
import pytest
import torch

from studies.data import EMOTIONS, load_dataset
from studies.data.fer2013 import load_csv, read_csv


@pytest.fixture
def good(tmp_path, make_rows, write_csv):
    rows = make_rows()
    return rows, write_csv(tmp_path / "fer2013.csv", rows)


def test_pixels_labels_and_usages_are_those_of_the_file(good):
    rows, path = good
    pixels, labels, usages = read_csv(path)
    assert np.array_equal(pixels, np.stack([row[1] for row in rows]))
    assert labels.tolist() == [row[0] for row in rows]
    assert usages.tolist() == [0] * 28 + [1] * 14


def test_splits_are_official_and_disjoint(good):
    rows, path = good
    dataset = load_dataset(path, validation_fraction=0.25)
    assert dataset.classes == EMOTIONS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert dataset.test_name == "PublicTest"
    assert [len(s) for s in dataset.parts().values()] == [21, 7, 14]
    assert dataset.validation.labels.tolist().count(3) == 1
    ids = [name for split in dataset.parts().values() for name in split.ids]
    assert sorted(ids) == sorted(f"{usage}/{i:08d}" for i, (_, _, usage) in enumerate(rows))
    for split in dataset.parts().values():
        for image, label, name in zip(split.images, split.labels, split.ids, strict=True):
            expected = rows[int(name.split("/")[1])]
            assert torch.equal(image[0], torch.from_numpy(expected[1]))
            assert label == expected[0]


@pytest.mark.parametrize(
    ("header", "order", "newline"),
    [
        ("emotion, pixels, Usage", (0, 1, 2), "\n"),
        ("\ufeffemotion, Usage, pixels", (0, 2, 1), "\r\n"),
        ("Usage,pixels,emotion", (2, 1, 0), "\n"),
    ],
)
def test_header_spaces_column_order_and_line_ends(
    tmp_path, make_rows, write_csv, good, header, order, newline
):
    other = write_csv(tmp_path / "other.csv", make_rows(), header=header, order=order, newline=newline)
    for one, two in zip(read_csv(good[1]), read_csv(other), strict=True):
        assert np.array_equal(one, two)


def test_quoted_fields_odd_spacing_and_leading_zeros_mean_the_same(tmp_path, make_rows, write_csv):
    rows = make_rows()
    odd = [
        (label, '"' + "  ".join(f"{p:04d}" for p in pixels.ravel()) + ' "', use)
        for label, pixels, use in rows
    ]
    plain = write_csv(tmp_path / "plain.csv", rows)
    for one, two in zip(read_csv(plain), read_csv(write_csv(tmp_path / "odd.csv", odd)), strict=True):
        assert np.array_equal(one, two)


def test_the_fast_parser_reads_every_value_across_blocks(tmp_path, write_csv):
    # More rows than one block, and every value 0-255 in every place of a row's start, middle and end.
    values = np.arange(600 * 2304).reshape(600, 48, 48)
    rows = [(i % 7, ((image * 7 + i) % 256).astype(np.uint8), "Training") for i, image in enumerate(values)]
    pixels, _, _ = read_csv(write_csv(tmp_path / "many.csv", rows))
    assert np.array_equal(pixels, np.stack([row[1] for row in rows]))


def with_pixels(rows, at, edit):
    label, pixels, usage = rows[at]
    tokens = [str(p) for p in pixels.ravel()]
    return [*rows[:at], (label, " ".join(edit(tokens)), usage), *rows[at + 1 :]]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t[:-1], r"line 12: pixels must hold 2,304 values \(48×48\), got 2,303"),
        (lambda t: [*t, "7"], "line 12: pixels must hold 2,304 values .* got 2,305"),
        (lambda t: [], "line 12: pixels must hold 2,304 values .* got 0"),
        (lambda t: [*t[:5], "12.5", *t[6:]], "line 12, pixel 5: must be an integer 0-255, got '12.5'"),
        (lambda t: [*t[:5], "x", *t[6:]], "line 12, pixel 5: must be an integer 0-255, got 'x'"),
        (lambda t: [*t[:9], "256", *t[10:]], "line 12, pixel 9: must be in 0-255, got '256'"),
        (lambda t: [*t[:9], "1000", *t[10:]], "line 12, pixel 9: must be in 0-255, got '1000'"),
        (lambda t: [*t[:9], "-1", *t[10:]], "line 12, pixel 9: must be in 0-255, got '-1'"),
    ],
)
def test_a_malformed_pixel_row_is_named(tmp_path, make_rows, write_csv, edit, message):
    path = write_csv(tmp_path / "bad.csv", with_pixels(make_rows(), 10, edit))
    with pytest.raises(ValueError, match=message):
        load_csv(path)


def test_a_value_moved_to_the_next_row_is_not_missed(tmp_path, make_rows, write_csv):
    # The block's total is right; only counting by row finds it.
    rows = with_pixels(make_rows(), 10, lambda t: t[:-1])
    path = write_csv(tmp_path / "bad.csv", with_pixels(rows, 11, lambda t: ["0", *t]))
    with pytest.raises(ValueError, match="line 12: pixels must hold"):
        load_csv(path)


@pytest.mark.parametrize("code", ["7", "-1", "happy", "", "3.0"])
def test_a_label_out_of_range_is_named(tmp_path, make_rows, write_csv, code):
    rows = make_rows()
    rows[4] = (code, *rows[4][1:])
    with pytest.raises(ValueError, match=rf"line 6: emotion must be a code 0-6 .* got '{code}'"):
        load_csv(write_csv(tmp_path / "bad.csv", rows))


def test_an_unknown_usage_is_named(tmp_path, make_rows, write_csv):
    rows = make_rows()
    rows[0] = (*rows[0][:2], "Validation")
    with pytest.raises(ValueError, match="line 2: Usage must be one of Training, PublicTest, PrivateTest"):
        load_csv(write_csv(tmp_path / "bad.csv", rows))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"emotion,pixels\n0,1 2\n", r"no column 'Usage'; its columns are \['emotion', 'pixels'\]"),
        (b"a;b;c\n1;2;3\n", "is not a FER-2013 CSV"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is not a FER-2013 CSV"),
        (b"emotion,pixels,Usage,pixels\n", "column 'pixels' more than once"),
        (b"emotion,pixels,Usage\n", "a header and no row"),
        (b"emotion,pixels,Usage\n0,1 2 3\n", "line 2: expected 3 fields .* got 2"),
        (b"emotion,pixels,Usage\n\n", "line 2: the line is empty"),
        (b'emotion,pixels,Usage\n0,"1 2,Training\n', "line 2: not a CSV row"),
    ],
)
def test_a_file_that_is_no_fer2013_csv_is_refused(tmp_path, content, message):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_dataset(path)


@pytest.mark.parametrize("usage", ["Training", "PublicTest"])
def test_an_empty_class_is_named(tmp_path, make_rows, write_csv, usage):
    rows = [row for row in make_rows() if not (row[0] == 1 and row[2] == usage)]
    with pytest.raises(ValueError, match=f"{usage} has no image of class 'disgust'"):
        load_csv(write_csv(tmp_path / "bad.csv", rows))


def test_the_private_test_is_chosen_where_the_file_has_it(tmp_path, make_rows, write_csv, good):
    both = write_csv(tmp_path / "both.csv", make_rows(private=3))
    dataset = load_dataset(both, test_split="private")
    assert dataset.test_name == "PrivateTest"
    assert len(dataset.test) == 21
    assert len(load_dataset(both).test) == 14
    with pytest.raises(
        ValueError, match=r"no PrivateTest sample, it has Training \(28\), PublicTest \(14\); .*'public'"
    ):
        load_dataset(good[1], test_split="private")
    only_test = write_csv(tmp_path / "test.csv", make_rows(training=0))
    with pytest.raises(ValueError, match="no Training sample"):
        load_dataset(only_test)


@pytest.mark.slow
def test_the_real_file_has_the_official_counts(tmp_path, real_fer2013):
    pixels, labels, usage = real_fer2013
    path = tmp_path / "fer2013.csv"
    with path.open("w") as file:
        file.write("emotion,pixels,Usage\n")
        for image, label, part in zip(pixels, labels, usage, strict=True):
            file.write(f"{label},{' '.join(map(str, image.ravel()))},{part}\n")
    read_pixels, read_labels, read_usages = read_csv(path)
    assert np.array_equal(read_pixels, pixels)
    assert np.array_equal(read_labels, labels)
    assert np.bincount(read_usages).tolist() == [28_709, 3_589]
    dataset = load_dataset(path)
    assert len(dataset.train) + len(dataset.validation) == 28_709
    assert len(dataset.test) == 3_589


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text.decode().encode("utf-16"), "line 1: UTF-16"),
        (lambda text: b"\xe9" + text, "line 1: is not a FER-2013 CSV"),
        (lambda text: text.replace(b"\n", b"\r"), "line 1: is not a FER-2013 CSV"),
        (lambda text: text + b"0,1 \x00 2,Training\n", "line 44, pixel 1: must be an integer"),
        (lambda text: text + b"0,1 \xff 2,Training\n", "line 44, pixel 1: must be an integer"),
        (lambda text: text + b"0," + b"1 " * 200_000, "line 44: longer than 131,072 bytes"),
        (lambda text: text + b"0," + b"9" * 5000 + b",Training\n", "line 44, pixel 0: must be an integer"),
        (lambda text: text + b"0,+-5,Training\n", "line 44, pixel 0: must be an integer"),
        (lambda text: text[:-20], "line 43: "),
    ],
)
def test_broken_encodings_and_lines_are_one_error(good, edit, message):
    _, path = good
    path.write_bytes(edit(path.read_bytes()))
    with pytest.raises(ValueError, match=f"fer2013.csv, {message}"):
        load_csv(path)


def test_the_cache_gives_the_same_split(good, tmp_path, monkeypatch):
    monkeypatch.setenv("GRN_PRUNING_CACHE", str(tmp_path / "cache"))
    runs = [load_csv(good[1], validation_fraction=0.25, cache=cache) for cache in (False, True, True)]
    for other in runs[1:]:
        for part, split in runs[0].parts().items():
            assert list(split.ids) == list(other.parts()[part].ids)
            assert torch.equal(split.images, other.parts()[part].images)
            assert torch.equal(split.labels, other.parts()[part].labels)
