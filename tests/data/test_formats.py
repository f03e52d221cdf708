"""Formats are told by what lies there; unknown and ambiguous ones, and options without sense, are refused."""

import numpy as np
import pytest

from studies.data import FORMATS, load_dataset
from studies.data.formats import detect_format
from studies.data.readers import ReaderOptions, check_options

Image = pytest.importorskip("PIL.Image")


def touch(root, *names):
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix in (".png", ".jpg", ".tiff"):
            Image.fromarray(np.zeros((8, 8), np.uint8)).save(file)
        else:
            file.write_text("x")
    return root


LAYOUTS = {
    "fer2013": ("icml_face_data.csv",),
    "fer2013-folders": ("train/happy/Training_1.jpg", "test/happy/PublicTest_2.jpg"),
    "affectnet": ("lists/training.csv", "lists/validation.csv"),
    "affectnet-small": ("train_set/images/1.jpg", "val_set/images/1.jpg"),
    "classes": ("train/happy/1.jpg", "test/happy/1.jpg"),
    "ckplus": (
        "cohn-kanade-images/S010/004/S010_004_00000017.png",
        "Emotion/S010/004/S010_004_00000017_emotion.txt",
    ),
    "jaffe": ("jaffe/KA.AN1.39.tiff",),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_is_told(tmp_path, name):
    assert detect_format(touch(tmp_path, *LAYOUTS[name])) == name


def test_frames_in_class_folders_are_ck_unless_divided_into_parts(tmp_path):
    frames = touch(tmp_path / "a", "CK+48/anger/S010_004_00000017.png")
    assert detect_format(frames) == "ckplus"
    divided = touch(
        tmp_path / "b", *(f"{p}/anger/S010_004_0000001{i}.png" for i, p in enumerate(("train", "test")))
    )
    assert detect_format(divided) == "classes"


def test_a_csv_file_is_fer2013(tmp_path):
    assert detect_format(touch(tmp_path, "any.csv") / "any.csv") == "fer2013"


def test_several_layouts_in_one_folder_are_refused(tmp_path):
    touch(tmp_path, "fer2013.csv", *LAYOUTS["fer2013-folders"])
    with pytest.raises(
        ValueError, match=r"data_format='fer2013' \(.*\) or data_format='fer2013-folders' .*choose one"
    ):
        load_dataset(tmp_path)


@pytest.mark.parametrize("names", [(), ("notes.txt",), ("a/b/c/d/e.txt",)])
def test_an_unknown_layout_lists_what_is_expected(tmp_path, names):
    touch(tmp_path, *names)
    with pytest.raises(ValueError, match="no known layout") as caught:
        load_dataset(tmp_path)
    assert all(f"{name}: " in str(caught.value) for name in FORMATS)


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"data_format must be 'auto' or one of fer2013, .* got 'imagenet'"):
        load_dataset(tmp_path, data_format="imagenet")


@pytest.mark.parametrize("name", FORMATS)
def test_options_without_sense_for_a_format_are_refused_before_any_work(tmp_path, name):
    """Each of these stands beside an empty folder: the option is what is refused, not the folder."""
    refused = {"soft_labels": True, "test_split": "private", "split": "source"}
    if name in ("fer2013", "fer2013-folders", "ferplus"):
        del refused["test_split"]
    if name == "ferplus":
        del refused["soft_labels"]
    if name == "classes":
        del refused["split"]
    if name in ("ravdess", "emodb", "urdu"):
        refused |= {"image_size": 32, "channels": 1, "face_regions": True}
    if name == "cifar":
        refused["face_regions"] = True
    for option, value in refused.items():
        with pytest.raises(ValueError, match=option):
            load_dataset(tmp_path, data_format=name, **{option: value})
    check_options(name, ReaderOptions())


@pytest.mark.parametrize(
    "name", ["fer2013", "fer2013-folders", "affectnet", "affectnet-small", "classes", "jaffe"]
)
def test_a_folder_without_the_named_format_is_refused_by_name(tmp_path, name):
    with pytest.raises(ValueError, match=tmp_path.name):
        load_dataset(tmp_path, data_format=name)


def test_faces_are_cut_out_at_the_size_of_the_files(tmp_path, monkeypatch):
    pytest.importorskip("cv2")
    from studies.data import face_regions

    sizes = []
    monkeypatch.setattr(
        face_regions, "crop_faces", lambda data: (sizes.append(data.train.image_size), data)[1]
    )
    names = [
        f"{part}/{name}/{n}.png" for part in ("train", "test") for name in ("happy", "sad") for n in range(4)
    ]
    rng = np.random.default_rng(0)
    for name in names:
        file = touch(tmp_path, name) / name
        Image.fromarray(rng.integers(0, 256, (40, 40), dtype=np.uint8)).save(file)
    assert load_dataset(tmp_path, image_size=8, face_regions=True).train.image_size == (8, 8)
    Image.new("L", (30, 20)).save(tmp_path / names[0])
    assert load_dataset(tmp_path, image_size=8, face_regions=True).train.image_size == (8, 8)
    assert sizes == [(40, 40), (16, 16)]
    with pytest.raises(ValueError, match="all images must have one size"):
        load_dataset(tmp_path, face_regions=True)
