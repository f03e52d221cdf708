"""AffectNet's two layouts: labels, parts, what is left out, boxes; what is malformed is named."""

import numpy as np
import pytest

from studies.data import EMOTIONS, load_dataset
from studies.data.affectnet_small import read_annotation

Image = pytest.importorskip("PIL.Image")

COLUMNS = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
)
OFFICIAL = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")


def picture(seed, size):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


@pytest.fixture
def original(tmp_path):
    """20 images of each code 0-10 in training, 3 in validation; sizes differ from image to image."""
    images = tmp_path / "Manually_Annotated" / "Manually_Annotated_Images"
    lists = tmp_path / "Manually_Annotated_file_lists"
    lists.mkdir()
    number = 0
    for part, each in (("training", 20), ("validation", 3)):
        rows = [COLUMNS]
        for code in range(11):
            for _ in range(each):
                number += 1
                path = f"{number % 5}/{number:06d}.png"
                size = 12 + number % 3
                (images / path).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture(number, size)).save(images / path)
                valence, arousal = (-2, -2) if code > 7 else (number / 1000, -number / 1000)
                landmarks = ";".join(["1.5"] * 136)
                rows.append(f"{path},2,3,6,5,{landmarks},{code},{valence},{arousal}")
        (lists / f"{part}.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_the_original_layout_is_read(original):
    dataset = load_dataset(original, image_size=12)
    assert dataset.classes == (*EMOTIONS, "contempt")
    assert dataset.name == "affectnet"
    assert [split.labels.bincount().tolist() for split in dataset.parts().values()] == [
        [18] * 8,
        [2] * 8,
        [3] * 8,
    ]
    assert dataset.test_name == "validation"
    assert "left out: 23 no face, 23 none, 23 uncertain" in dataset.description
    for split in dataset.parts().values():
        for sample, label, valence, arousal in zip(
            split.ids, split.labels, split.groups["valence"], split.groups["arousal"], strict=True
        ):
            number = int(sample[-10:-4])
            code = (number - 1) // 20 if number <= 220 else (number - 221) // 3
            assert dataset.classes[label] == OFFICIAL[code]
            assert valence == pytest.approx(number / 1000)
            assert arousal == pytest.approx(-number / 1000)
    exact = dict(zip(dataset.test.ids, dataset.test.images, strict=True))
    name = "validation/2/000222.png"  # 222 is a multiple of 3: 12 pixels, not resized
    assert np.array_equal(exact[name].numpy(), picture(222, 12).transpose(2, 0, 1))


def test_seven_classes_leave_contempt_out(original):
    dataset = load_dataset(original, image_size=12, data_format="affectnet-7")
    assert dataset.classes == EMOTIONS
    assert "left out: 23 contempt, 23 no face" in dataset.description
    assert len(dataset.test) == 21


def test_the_face_box_of_the_list_is_cut_out(original):
    dataset = load_dataset(original, face_regions=True)  # all boxes have one size: no image_size is needed
    assert dataset.test.image_size == (5, 6)
    where = dataset.test.ids.index("validation/2/000222.png")
    assert np.array_equal(dataset.test.images[where].numpy(), picture(222, 12)[3:8, 2:8].transpose(2, 0, 1))


def test_sizes_differ_so_one_must_be_given(original):
    with pytest.raises(ValueError, match="all images must have one size"):
        load_dataset(original)


def edit(original, change, part="training"):
    file = original / "Manually_Annotated_file_lists" / f"{part}.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(change(lines)) + "\n")
    return file


def field(line, name, value):
    """Change a field of a row, line numbers as an editor counts them."""

    def change(lines):
        parts = lines[line - 1].split(",")
        parts[COLUMNS.split(",").index(name)] = value
        return [*lines[: line - 1], ",".join(parts), *lines[line:]]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (field(7, "expression", "11"), r"training\.csv, line 7: expression must be a code 0-10, got '11'"),
        (field(7, "expression", ""), "line 7: expression must be a code 0-10, got ''"),
        (field(7, "expression", "happy"), "line 7: expression must be a code"),
        (field(9, "valence", "high"), "line 9: valence must be a finite number, got 'high'"),
        (field(9, "arousal", "nan"), "line 9: arousal must be a finite number, got 'nan'"),
        (field(4, "subDirectory_filePath", "../../etc/passwd"), "line 4: .* must be a path below"),
        (field(4, "subDirectory_filePath", "/etc/passwd"), "line 4: .* must be a path below"),
        (field(4, "subDirectory_filePath", ""), "line 4: .* must be a path below"),
        (field(4, "face_width", "0"), "line 4: the face box must be wide and high, got 0×5"),
        (lambda lines: [*lines[:5], "1,2,3", *lines[6:]], "line 6: expected 9 fields, got 3"),
        (lambda lines: [lines[0].replace("arousal", "x"), *lines[1:]], r"training\.csv: no column arousal"),
        (lambda lines: [lines[0]], "the training part holds no image"),
    ],
)
def test_a_malformed_list_is_named_by_its_line(original, change, message):
    edit(original, change)
    with pytest.raises(ValueError, match=message):
        load_dataset(original, image_size=12, face_regions=True)


def test_a_list_that_is_not_utf8_is_named(original):
    file = original / "Manually_Annotated_file_lists" / "validation.csv"
    file.write_bytes(file.read_bytes() + b"\xff\xfe,,\n")
    with pytest.raises(ValueError, match=r"validation\.csv: not UTF-8 text after line .* \(byte 0xff\)"):
        load_dataset(original, image_size=12)


def test_missing_images_are_named_or_listed(original):
    (original / "Manually_Annotated" / "Manually_Annotated_Images" / "3" / "000013.png").unlink()
    with pytest.raises(ValueError, match=r"3/000013\.png: cannot be read \(No such file"):
        load_dataset(original, image_size=12)
    dataset = load_dataset(original, image_size=12, skip_unreadable=True)
    assert len(dataset.skipped) == 1
    assert len(dataset.train) + len(dataset.validation) == 159
    (original / "Manually_Annotated").rename(original.parent / "elsewhere")
    with pytest.raises(ValueError, match=r"none of the listed images is there, such as '1/000001\.png'"):
        load_dataset(original, image_size=12)


def test_one_photograph_with_two_faces_gives_two_samples(original):
    edit(original, lambda lines: [*lines, lines[1]])
    dataset = load_dataset(original, image_size=12)
    names = [*dataset.train.ids, *dataset.validation.ids]
    assert {"training/1/000001.png", "training/1/000001.png#2"} <= set(names)


@pytest.fixture
def small(tmp_path):
    """10 images of each class in train_set, 2 in val_set; ids are not in the order of the labels."""
    for part, each in (("train_set", 10), ("val_set", 2)):
        images, notes = tmp_path / part / "images", tmp_path / part / "annotations"
        images.mkdir(parents=True)
        notes.mkdir()
        for number in range(8 * each):
            code = number % 8
            Image.fromarray(picture(number + (1000 if part == "val_set" else 0), 8)).save(
                images / f"{number}.png"
            )
            # The release writes texts; numbers mean the same.
            np.save(notes / f"{number}_exp.npy", np.array(str(code) if number % 2 else code))
            np.save(notes / f"{number}_val.npy", np.array(str(number / 100)))
            np.save(notes / f"{number}_aro.npy", np.array(-number / 100))
            np.save(notes / f"{number}_lnd.npy", np.zeros(136))
    return tmp_path


def test_the_small_release_is_read(small):
    dataset = load_dataset(small)
    assert dataset.name == "affectnet-small"
    assert dataset.classes == (*EMOTIONS, "contempt")
    assert [len(split) for split in dataset.parts().values()] == [72, 8, 16]
    for sample, label, valence in zip(
        dataset.test.ids, dataset.test.labels, dataset.test.groups["valence"], strict=True
    ):
        number = int(sample.split("/")[1])
        assert dataset.classes[label] == OFFICIAL[number % 8]
        assert valence == pytest.approx(number / 100)
    assert load_dataset(small, data_format="affectnet-small-7").classes == EMOTIONS


class Dangerous:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.array("9x"), "expression must be a code 0-10, got '9x'"),
        (np.array([1, 2]), "not an annotation of one value"),
        (np.array(Dangerous(), dtype=object), "not an annotation of one value .*allow_pickle=False"),
        (np.zeros(10_000), "80,128 bytes is too much for an annotation"),
        (b"", r"empty \(0 bytes\); each image needs its _exp, _val and _aro"),
        (b"3", "not an annotation of one value"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1" + b"0" * 40, "not an"),
        (None, "cannot be read .*; each image needs its _exp, _val and _aro annotations"),
    ],
)
def test_a_malformed_annotation_is_named_and_never_unpickled(small, content, message):
    file = small / "train_set" / "annotations" / "5_exp.npy"
    if content is None:
        file.unlink()
    elif isinstance(content, bytes):
        file.write_bytes(content)
    else:
        np.save(file, content, allow_pickle=True)
    with pytest.raises(ValueError, match=rf"5_exp\.npy: {message}"):
        load_dataset(small)


def test_damaged_annotations_are_read_or_named(tmp_path):
    file = tmp_path / "1_exp.npy"
    np.save(file, np.array("3"))
    good = file.read_bytes()
    rng = np.random.default_rng(0)
    messages = []
    for _ in range(1500):
        data = bytearray(good)
        for _ in range(rng.integers(1, 4)):
            data[rng.integers(len(data))] = rng.integers(256)
        file.write_bytes(bytes(data[: rng.integers(1, len(data) + 1)]))
        try:
            assert isinstance(read_annotation(file), str)
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) > 1000
    assert all(message.startswith(f"{file}: ") for message in messages)


def test_an_unfinished_release_is_refused(small):
    for file in (small / "val_set" / "images").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match=r"val_set/images: holds no image; expected <id>\.jpg"):
        load_dataset(small)
    with pytest.raises(ValueError, match=r"expected training\.csv and validation\.csv"):
        load_dataset(small, data_format="affectnet")
    with pytest.raises(ValueError, match="expected train_set and val_set"):
        load_dataset(small / "train_set", data_format="affectnet-small")
