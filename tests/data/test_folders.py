"""Class folders give what the CSV gives; broken files and foreign names are refused by name."""

import builtins
import shutil

import numpy as np
import pytest
import torch

from studies.data import load_dataset
from studies.data.folders import class_label, list_files

pytest.importorskip("PIL.Image")

ALIASES = ("anger", "Disgusted", "fearful", "happiness", "sadness", "surprised", "neutral")


def assert_same(one, two):
    for part, split in one.parts().items():
        other = two.parts()[part]
        assert torch.equal(split.images, other.images)
        assert torch.equal(split.labels, other.labels)
        assert list(split.ids) == list(other.ids)


@pytest.mark.parametrize("names", [None, ALIASES])
def test_folders_and_csv_of_the_same_data_agree(tmp_path, make_rows, write_csv, write_folders, names):
    rows = make_rows(private=2)
    csv = write_csv(tmp_path / "fer2013.csv", rows)
    folders = write_folders(tmp_path / "folders", rows, **({} if names is None else {"names": names}))
    for test_split in ("public", "private"):
        assert_same(load_dataset(csv, test_split=test_split), load_dataset(folders, test_split=test_split))


def test_the_prefix_restores_the_split_wherever_the_file_lies(tmp_path, make_rows, write_folders):
    root = write_folders(tmp_path, make_rows())
    before = load_dataset(root)
    moved = next((root / "test" / "happy").iterdir())
    moved.rename(root / "train" / "happy" / moved.name)
    assert_same(before, load_dataset(root))


def test_jpeg_is_read_and_other_files_are_passed_over(tmp_path, make_rows, write_folders):
    flat = [
        (label, np.full((48, 48), 30 + i, np.uint8), use) for i, (label, _, use) in enumerate(make_rows())
    ]
    root = write_folders(tmp_path, flat, suffix="jpg")
    (root / "train" / "happy" / "Thumbs.db").write_bytes(b"x")
    (root / "train" / ".DS_Store").write_bytes(b"x")
    dataset = load_dataset(root)
    images = torch.cat([split.images for split in dataset.parts().values()])
    # A flat JPEG decodes to its grey level; quantisation moves it by a level at most.
    levels = sorted(images.float().mean((1, 2, 3)).tolist())
    assert np.allclose(levels, np.arange(30, 30 + len(flat)), atol=1)


@pytest.fixture
def root(tmp_path, make_rows, write_folders):
    return write_folders(tmp_path, make_rows())


def some_file(root, part="train", name="sad"):
    return sorted((root / part / name).iterdir())[0]


def test_a_truncated_image_is_named(root):
    file = some_file(root)
    file.write_bytes(file.read_bytes()[:-400])
    with pytest.raises(ValueError, match=f"{file.name}: truncated or damaged"):
        load_dataset(root)


def test_a_file_that_is_no_image_is_named(root):
    file = some_file(root, "test")
    file.write_text("hello")
    with pytest.raises(ValueError, match=f"{file.name}: not an image"):
        load_dataset(root)


def test_an_image_of_another_size_is_named_unless_a_size_is_given(root):
    from PIL import Image

    file = some_file(root)
    Image.new("L", (40, 48)).save(file)
    with pytest.raises(ValueError, match=rf"{file.name}: all images must have one size, got \(48, 40\)"):
        load_dataset(root)
    assert load_dataset(root, image_size=24).train.image_size == (24, 24)


def test_unreadable_files_are_skipped_and_listed_on_request(root):
    before = load_dataset(root)
    file = some_file(root, "test")
    file.write_bytes(b"")
    after = load_dataset(root, skip_unreadable=True)
    assert after.skipped == (f"{file}: empty (0 bytes)",)
    assert list(after.train.ids) == list(before.train.ids)
    assert set(before.test.ids) - set(after.test.ids) == {f"PublicTest/{file.stem.split('_')[1]}"}


def test_the_same_parts_at_any_size(root):
    base, small = load_dataset(root), load_dataset(root, image_size=12, channels=3)
    for part, split in base.parts().items():
        assert list(split.ids) == list(small.parts()[part].ids)
    assert small.train.images.shape[1:] == (3, 12, 12)


def test_names_and_folders_must_be_known(root):
    (root / "train" / "contempt").mkdir()
    with pytest.raises(ValueError, match="contempt: unknown class folder; expected angry, disgust"):
        load_dataset(root)
    (root / "train" / "contempt").rmdir()
    file = some_file(root)
    file.rename(file.with_name("face_1.png"))
    with pytest.raises(ValueError, match=r"face_1\.png: the name must start with the official split"):
        load_dataset(root)


def test_an_id_stands_once(root):
    file = some_file(root)
    shutil.copy(file, root / "train" / "happy" / file.name)
    with pytest.raises(ValueError, match="carry the same id"):
        load_dataset(root)


def test_an_empty_class_and_a_missing_part_are_named(root):
    shutil.rmtree(root / "train" / "disgust")
    with pytest.raises(ValueError, match="Training has no image of class 'disgust'"):
        load_dataset(root)
    shutil.rmtree(root / "test")
    with pytest.raises(ValueError, match="has no folder 'test'"):
        load_dataset(root)


def test_folders_without_an_image_are_refused(tmp_path):
    for part in ("train", "test"):
        (tmp_path / part / "happy").mkdir(parents=True)
    with pytest.raises(ValueError, match="holds no image"):
        list_files(tmp_path)


def test_missing_pillow_says_how_to_install_it(root, monkeypatch):
    real_import = builtins.__import__

    def without_pillow(name, *rest, **options):
        if name.split(".")[0] == "PIL":
            raise ImportError(name)
        return real_import(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without_pillow)
    with pytest.raises(ImportError, match=r'pip install "grn-pruning\[fer\]"'):
        load_dataset(root)


def test_labels_follow_names_not_the_alphabet(tmp_path):
    # Alphabetically neutral comes before sad; in the CSV's codes it is the last.
    assert [class_label(tmp_path / name) for name in ALIASES] == list(range(7))


@pytest.mark.slow
def test_the_real_data_agree_as_csv_and_as_folders(tmp_path, real_fer2013, write_csv, write_folders):
    pixels, labels, usage = real_fer2013
    rows = list(zip(labels.tolist(), pixels, usage.tolist(), strict=True))
    csv = load_dataset(write_csv(tmp_path / "fer2013.csv", rows))
    assert_same(csv, load_dataset(write_folders(tmp_path / "folders", rows)))
