"""CK+ and JAFFE: labels from names and label files, and no subject on two sides."""

import numpy as np
import pytest

from studies.data import load_dataset
from studies.data.ckplus import read_label

Image = pytest.importorskip("PIL.Image")

CK_CODES = ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")
JAFFE_CODES = {"AN": "angry", "DI": "disgust", "FE": "fear", "HA": "happy", "NE": "neutral", "SA": "sad"}
JAFFE_CODES["SU"] = "surprise"
JAFFE_SUBJECTS = ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM")


def write_noise(file, seed, size=8):
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    return pixels


@pytest.fixture
def jaffe(tmp_path):
    number = 0
    for subject in JAFFE_SUBJECTS:
        for code in JAFFE_CODES:
            for repetition in (1, 2, 3):
                number += 1
                write_noise(tmp_path / "jaffe" / f"{subject}.{code}{repetition}.{number}.tiff", number)
    (tmp_path / "jaffe" / "README").write_text("no image")
    return tmp_path


@pytest.fixture
def original(tmp_path):
    """30 subjects; sequence n shows code n; 5 frames, the last is labelled; sequence 9 has no label."""
    for number in range(30):
        subject = f"S{number + 5:03d}"
        for sequence in [*(s for s in range(1, 8) if (number + s) % 3), 9]:
            frames = 4 + number % 3
            for frame in range(1, frames + 1):
                name = f"{subject}_{sequence:03d}_{frame:08d}"
                write_noise(
                    tmp_path / "cohn-kanade-images" / subject / f"{sequence:03d}" / f"{name}.png",
                    1000 * number + 10 * sequence + frame,
                )
            folder = tmp_path / "Emotion" / subject / f"{sequence:03d}"
            folder.mkdir(parents=True)
            if sequence < 9:
                (folder / f"{name}_emotion.txt").write_text(f"   {sequence}.0000000e+00\n")
    return tmp_path


def assert_subjects_apart(dataset):
    subjects = [set(split.groups["subject"]) for split in dataset.parts().values()]
    assert sum(map(len, subjects)) == len(set.union(*subjects))
    assert all(subjects)
    return subjects


def test_jaffe_is_split_by_subject(jaffe):
    dataset = load_dataset(jaffe)
    assert dataset.name == "jaffe"
    assert dataset.split_by == "subject"
    assert dataset.classes == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    subjects = assert_subjects_apart(dataset)
    assert [len(s) for s in subjects] == [7, 1, 2]  # 20 % of ten, then the one nearest to 10 % of eight
    assert set.union(*subjects) == set(JAFFE_SUBJECTS)
    for split in dataset.parts().values():
        for sample, label, subject in zip(split.ids, split.labels, split.groups["subject"], strict=True):
            assert JAFFE_CODES[sample[3:5]] == dataset.classes[label]
            assert sample[:2] == subject


def test_the_parts_do_not_follow_seed_size_or_fraction(jaffe):
    base = load_dataset(jaffe)
    for options in ({"seed": 3}, {"image_size": 5}, {"fraction": 0.5}):
        other = load_dataset(jaffe, **options)
        assert set(other.test.ids) == set(base.test.ids)
        assert set(other.validation.ids) <= set(base.validation.ids)


def test_a_random_split_must_be_asked_for(jaffe):
    dataset = load_dataset(jaffe, split="random")
    assert dataset.split_by == "random"
    assert "subjects stand on both sides" in dataset.description
    parts = dataset.parts().values()
    assert set.intersection(*(set(split.groups["subject"]) for split in parts))
    with pytest.raises(
        ValueError, match=r"split must be one of 'auto', 'subject', 'random' .* got 'official'"
    ):
        load_dataset(jaffe, split="official")


def test_a_foreign_name_among_jaffe_is_named(jaffe):
    write_noise(jaffe / "jaffe" / "holiday.png", 1)
    with pytest.raises(ValueError, match=r"holiday\.png: a JAFFE name is .*KA\.AN1\.39\.tiff"):
        load_dataset(jaffe, data_format="jaffe")
    (jaffe / "jaffe" / "holiday.png").unlink()
    write_noise(jaffe / "jaffe" / "copy" / "KA.AN1.1.tiff", 1)
    with pytest.raises(ValueError, match="are the same image"):
        load_dataset(jaffe, data_format="jaffe")


def test_the_original_ck_layout_gives_the_labelled_peak_frames(original):
    dataset = load_dataset(original)
    assert dataset.name == "ckplus"
    assert dataset.classes == ("angry", "disgust", "fear", "happy", "sad", "surprise", "contempt")
    assert_subjects_apart(dataset)
    assert sum(len(split) for split in dataset.parts().values()) == 140  # 30 × 7 × 2/3
    for split in dataset.parts().values():
        for sample, image, label in zip(split.ids, split.images, split.labels, strict=True):
            subject, sequence, frame = sample.split("_")
            number = int(subject[1:]) - 5
            assert int(frame) == 4 + number % 3
            assert dataset.classes[label] == CK_CODES[int(sequence)]
            seed = 1000 * number + 10 * int(sequence) + int(frame)
            pixels = np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)
            assert np.array_equal(image[0], pixels)
        assert split.groups["sequence"][0] == split.ids[0][:8]
    shares = dataset.test.labels.bincount() / 20
    assert ((shares >= 0.1) & (shares <= 0.3)).all()


def test_ck_class_folders_are_split_by_subject_too(tmp_path):
    for number in range(20):
        for sequence, folder in enumerate(("anger", "happy", "surprise"), start=1):
            for frame in (10, 11, 12):
                name = f"S{number:03d}_{sequence:03d}_{frame:08d}.png"
                write_noise(tmp_path / "CK+48" / folder / name, 100 * number + 10 * sequence + frame)
    dataset = load_dataset(tmp_path)
    assert (dataset.name, dataset.classes) == ("ckplus", ("angry", "happy", "surprise"))
    assert [len(s) for s in assert_subjects_apart(dataset)] == [14, 2, 4]
    write_noise(tmp_path / "CK+48" / "bored" / "S001_001_00000001.png", 0)
    with pytest.raises(ValueError, match=r"bored: expected class folders .* Emotion with <subject>"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected one code 0-7"),
        (b"happy", "expected one code 0-7"),
        (b"   8.0000000e+00\n", "the code must be 0-7"),
        (b"2.5", "the code must be 0-7"),
        (b"nan", "the code must be 0-7"),
        (b"\xff\xfe3", "expected one code 0-7"),
    ],
)
def test_a_malformed_label_file_is_named(tmp_path, content, message):
    file = tmp_path / "S005_001_00000004_emotion.txt"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=rf"S005_001_00000004_emotion\.txt: {message}"):
        read_label(file)


def test_a_label_without_its_frame_is_named_or_listed(original):
    frame = original / "cohn-kanade-images" / "S005" / "001" / "S005_001_00000004.png"
    frame.unlink()
    with pytest.raises(ValueError, match=rf"{frame.name}: cannot be read"):
        load_dataset(original)
    assert load_dataset(original, skip_unreadable=True).skipped[0].startswith(str(frame))


def test_ck_without_label_files_is_refused(original):
    (original / "Emotion").rename(original / "elsewhere")
    with pytest.raises(ValueError, match=r"expected class folders .* a folder Emotion with <subject>"):
        load_dataset(original)


def test_too_few_subjects_are_named(tmp_path):
    for number, code in enumerate(JAFFE_CODES):
        write_noise(tmp_path / f"KA.{code}1.{number}.tiff", number)
    with pytest.raises(ValueError, match="at least two groups are needed to hold one out for test, got 1"):
        load_dataset(tmp_path)
