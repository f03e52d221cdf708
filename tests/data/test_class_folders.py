"""Class folders: which part becomes which, aliases, sources, and what is refused."""

import numpy as np
import pytest
import torch

from studies.data import load_dataset
from studies.data.class_folders import load_class_folders, source_of
from studies.data.labelled_files import ImageReading

Image = pytest.importorskip("PIL.Image")

EMOTION_FOLDERS = ("Anger", "happiness", "Surprised", "neutral")
EMOTIONS_READ = ("angry", "happy", "surprise", "neutral")


def write(root, names, *, seed=0, size=8):
    """Noise images at the relative paths; returns them by path."""
    rng = np.random.default_rng(seed)
    written = {}
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        written[name] = rng.integers(0, 256, (size, size), dtype=np.uint8)
        Image.fromarray(written[name]).save(file)
    return written


def tree(parts, classes=EMOTION_FOLDERS, each=10):
    return [f"{part}{name}/{n}.png" for part in parts for name in classes for n in range(each)]


def ids(split):
    return set(split.ids)


@pytest.mark.parametrize("parts", [("train", "val", "test"), ("Training", "Validation", "Testing")])
def test_three_parts_are_taken_as_they_are(tmp_path, parts):
    written = write(tmp_path, tree([f"{part}/" for part in parts]))
    dataset = load_dataset(tmp_path)
    assert dataset.classes == EMOTIONS_READ
    assert (dataset.split_by, dataset.test_name) == ("official", parts[2])
    for part, split in zip(parts, dataset.parts().values(), strict=True):
        assert ids(split) == {name for name in written if name.startswith(f"{part}/")}
        for sample, image, label in zip(split.ids, split.images, split.labels, strict=True):
            assert np.array_equal(image[0], written[sample])
            folder = sample.split("/")[1]
            assert EMOTION_FOLDERS.index(folder) == label
    assert set(dataset.train.groups) == set()


def test_without_a_validation_part_one_is_held_out_of_train(tmp_path):
    write(tmp_path, tree(["train/", "test/"]))
    dataset = load_dataset(tmp_path, validation_fraction=0.2)
    assert [split.labels.bincount().tolist() for split in dataset.parts().values()] == [
        [8] * 4,
        [2] * 4,
        [10] * 4,
    ]
    assert all(name.startswith("train/") for name in ids(dataset.train) | ids(dataset.validation))
    assert "validation is 20% held out of train" in dataset.description


def test_of_ferd1_the_validation_part_is_the_test_and_said_so(tmp_path):
    write(tmp_path, tree(["images/train/", "images/validation/"]))
    dataset = load_dataset(tmp_path)
    assert dataset.test_name == "validation"
    assert all(name.startswith("images/validation/") for name in dataset.test.ids)
    assert all(name.startswith("images/train/") for name in ids(dataset.train) | ids(dataset.validation))
    assert "the official 'validation' is the test part; validation is 10% held out" in dataset.description


def test_a_tree_without_parts_is_not_split_unasked(tmp_path):
    write(tmp_path, tree([""]))
    with pytest.raises(ValueError, match=r"near copies .* on both sides .* split='source' .* split='random'"):
        load_dataset(tmp_path)
    dataset = load_dataset(tmp_path, split="random")
    assert dataset.split_by == "random"
    assert [split.labels.bincount().tolist() for split in dataset.parts().values()] == [
        [7] * 4,
        [1] * 4,
        [2] * 4,
    ]
    assert "at random, as asked for" in dataset.description


def test_the_parts_follow_the_files_not_size_colour_seed_or_names(tmp_path):
    write(tmp_path / "a", tree([""], each=20))
    base = load_dataset(tmp_path / "a", split="random")
    for options in ({"image_size": 4}, {"channels": 3}, {"seed": 9}, {"fraction": 0.5, "image_size": 5}):
        other = load_dataset(tmp_path / "a", split="random", **options)
        assert ids(other.test) == ids(base.test)
        assert ids(other.validation) <= ids(base.validation)
        assert ids(other.train) <= ids(base.train)
    thin = [load_dataset(tmp_path / "a", split="random", fraction=0.5, image_size=s) for s in (None, 4)]
    assert ids(thin[0].train) == ids(thin[1].train)
    for file in (tmp_path / "a" / "neutral").iterdir():
        file.rename(file.with_name(f"renamed_{99 - int(file.stem)}.png"))
    renamed = load_dataset(tmp_path / "a", split="random")
    pictures = [{image.numpy().tobytes() for image in one.test.images} for one in (base, renamed)]
    assert pictures[0] == pictures[1]


def test_other_classes_keep_their_names_in_alphabetical_order(tmp_path):
    write(tmp_path, tree(["train/", "test/"], classes=("truck", "Airplane", "cat"), each=4))
    assert load_dataset(tmp_path).classes == ("Airplane", "cat", "truck")
    write(tmp_path / "numbers", tree(["train/", "test/"], classes=("10", "2", "1"), each=4))
    assert load_dataset(tmp_path / "numbers").classes == ("1", "2", "10")
    write(tmp_path / "mixed", tree(["train/", "test/"], classes=("happy", "bored"), each=4))
    assert load_dataset(tmp_path / "mixed").classes == ("bored", "happy")


def test_one_class_may_be_written_differently_in_the_parts_but_not_twice_in_one(tmp_path):
    write(tmp_path, tree(["train/"], classes=("Happy", "sad")))
    write(tmp_path, tree(["test/"], classes=("happiness", "SADNESS")))
    assert load_dataset(tmp_path).classes == ("happy", "sad")
    write(tmp_path, tree(["test/"], classes=("happy",)))
    with pytest.raises(ValueError, match=r"happiness and .*happy are both class 'happy'; join them"):
        load_dataset(tmp_path)


def test_a_class_missing_in_a_part_is_named(tmp_path):
    write(tmp_path, tree(["train/"], classes=("happy", "sad")) + tree(["test/"], classes=("happy",)))
    with pytest.raises(ValueError, match="test has no image of class 'sad'"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("stem", "source"),
    [
        ("12_aug_3", "12"),
        ("12-aug3", "12"),
        ("12_augmented_flip_2", "12"),
        ("12_AUG", "12"),
        ("im_0_aug_1_aug_2", "im_0"),
        ("face_jpg.rf.0a1b2c", "face_jpg"),
        ("12 (2)", "12"),
        ("12 - Copy", "12"),
        ("12 - Copy (3)", "12"),
        ("12_1", "12_1"),
        ("august_3", "august_3"),
        ("_aug_1", "_aug_1"),
        ("S010_004_00000017", "S010_004_00000017"),
    ],
)
def test_the_source_of_a_copy_is_read_off_its_name(stem, source):
    assert source_of(stem) == source


def test_copies_of_one_source_stay_on_one_side(tmp_path):
    write(
        tmp_path,
        [
            f"{name}/{n}{copy}.png"
            for name in ("happy", "sad")
            for n in range(30)
            for copy in ("", "_aug_1", "_aug_2", "_aug_3")
        ],
    )
    dataset = load_dataset(tmp_path, split="source")
    assert dataset.split_by == "source"
    sources = [set(split.groups["source"]) for split in dataset.parts().values()]
    assert sum(map(len, sources)) == len(set.union(*sources)) == 60
    assert all(len(split) == 4 * len(s) for split, s in zip(dataset.parts().values(), sources, strict=True))
    # 12 of 60 sources, and 10 % of the other 48 to the nearest pair.
    assert [len(s) for s in sources] == [44, 4, 12]
    write(tmp_path / "plain", tree([""]))
    with pytest.raises(ValueError, match="would be a random split"):
        load_dataset(tmp_path / "plain", split="source")


def test_sources_keep_the_held_out_validation_apart_from_train(tmp_path):
    names = [
        f"{part}/{name}/{n}{copy}.png"
        for part, copies in (("train", ("_aug_1", "_aug_2")), ("test", ("",)))
        for name in ("happy", "sad")
        for n in range(10)
        for copy in copies
    ]
    write(tmp_path, names)
    dataset = load_dataset(tmp_path, split="source")
    assert not set(dataset.train.groups["source"]) & set(dataset.validation.groups["source"])
    assert len(dataset.validation) == 4
    assert len(dataset.test) == 20


def test_unreadable_files_are_an_error_or_listed(tmp_path):
    write(tmp_path, tree(["train/", "test/"]))
    (tmp_path / "train" / "happiness" / "3.png").write_text("no image")
    with pytest.raises(ValueError, match=r"happiness/3\.png: not an image"):
        load_dataset(tmp_path)
    dataset = load_dataset(tmp_path, skip_unreadable=True)
    assert len(dataset.train) + len(dataset.validation) == 39
    assert dataset.skipped == (
        f"{tmp_path / 'train/happiness/3.png'}: not an image, or its header is damaged (read are BMP, GIF, "
        "JPEG, PNG, TIFF, WEBP)",
    )


def test_mixed_sizes_and_colours_are_brought_to_one(tmp_path):
    write(tmp_path, tree(["train/"]), size=8)
    write(tmp_path, tree(["test/"]), size=12)
    with pytest.raises(ValueError, match=r"one size, got \(12, 12\) here and \(8, 8\) .* image_size"):
        load_dataset(tmp_path)
    dataset = load_dataset(tmp_path, image_size=10)
    assert dataset.test.images.shape[1:] == (1, 10, 10)
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "train" / "Anger" / "0.png")
    with pytest.warns(UserWarning, match=r"1 of 80 images are in colour, the first of them .*Anger.0\.png"):
        coloured = load_dataset(tmp_path, image_size=10)
    assert coloured.train.channels == 3
    for _ in range(2):  # a start from the cache says so too
        with pytest.warns(UserWarning, match=r"1 of 80 images are in colour"):
            load_dataset(tmp_path, image_size=10, cache=True)
    assert load_dataset(tmp_path, image_size=10, channels=1).train.channels == 1


def test_hidden_and_foreign_files_are_passed_over(tmp_path):
    write(tmp_path, tree(["train/", "test/"]))
    count = len(load_dataset(tmp_path).train)
    (tmp_path / "train" / "Anger" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "train" / "Anger" / "._0.png").write_bytes(b"x")
    (tmp_path / "train" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "__MACOSX" / "train").mkdir(parents=True)
    assert len(load_dataset(tmp_path).train) == count


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        ([], {}, "has no class folders"),
        (["a.png"], {}, "has no class folders"),
        (["train/happy/a.png"], {}, "has train but no folder test or validation"),
        (["val/happy/a.png", "test/happy/a.png"], {}, "but no folder train"),
        (["train/a.png", "test/happy/a.png"], {}, "train holds no class folder"),
        (["train/happy/a.png", "Train/sad/a.png"], {}, "are both the train part"),
        (["train/happy/deep/a.png", "test/happy/a.png"], {}, "happy holds no image .* of its own"),
        (["train/happy/a.png", "test/happy/a.png"], {"split": "random"}, "is for trees without parts"),
        (["train/happy/a.png"], {"split": "subject"}, "split must be one of 'auto', 'official', 'source'"),
        (["happy/a.png", "sad/a.png"], {"split": "random"}, "class 'happy' has too few images"),
    ],
)
def test_other_trees_are_refused(tmp_path, names, options, message):
    write(tmp_path, names)
    if "Train/sad/a.png" in names and len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system does not tell Train from train")
    with pytest.raises(ValueError, match=message):
        load_class_folders(tmp_path, **options)


def test_the_cache_gives_the_same_and_notices_a_change(tmp_path):
    write(tmp_path, tree(["train/", "test/"]))
    (tmp_path / "train" / "happiness" / "3.png").write_text("no image")
    reading = ImageReading(cache=True, skip_unreadable=True)
    one, two = (load_class_folders(tmp_path, reading=reading) for _ in range(2))
    plain = load_class_folders(tmp_path, reading=ImageReading(skip_unreadable=True))
    for other in (two, plain):
        assert other.skipped == one.skipped
        for part, split in one.parts().items():
            assert torch.equal(split.images, other.parts()[part].images)
            assert list(split.ids) == list(other.parts()[part].ids)
    write(tmp_path, ["train/happiness/3.png"], seed=5)
    changed = load_class_folders(tmp_path, reading=reading)
    assert changed.skipped == ()
    assert len(changed.train) + len(changed.validation) == 40
