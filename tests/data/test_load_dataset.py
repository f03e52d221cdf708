"""The one entrance: names, paths, and arguments refused before any work."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from studies.data import load_dataset


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    dataset = load_dataset("digits")
    reference = load_digits()
    assert [len(s) for s in dataset.parts().values()] == [1295, 143, 359]
    for split in dataset.parts().values():
        rows = [int(name.split("/")[1]) for name in split.ids]
        assert np.array_equal(split.labels.numpy(), reference.target[rows])
        # 16 grey levels on 0-255 are 15.94 apart, rounded by at most a half.
        assert np.abs(split.images[:, 0].numpy() - reference.images[rows] * 255 / 16).max() <= 0.5
    shares = dataset.test.labels.bincount() / torch.from_numpy(reference.target).bincount()
    assert ((shares > 0.19) & (shares < 0.21)).all()


def test_the_parts_do_not_depend_on_seed_fraction_or_size():
    base = load_dataset("digits")
    for other in (load_dataset("digits", seed=5), load_dataset("digits", image_size=12)):
        assert all(base.parts()[part].ids == split.ids for part, split in other.parts().items())
    small = load_dataset("digits", fraction=0.3, image_size=12)
    assert small.test.ids == base.test.ids
    assert set(small.train.ids) < set(base.train.ids)
    assert set(small.validation.ids) < set(base.validation.ids)
    assert small.train.images.shape[1:] == (1, 12, 12)


@pytest.mark.parametrize("name", ["mnist", "", "no/such/file.csv"])
def test_an_unknown_name_lists_what_there_is(name):
    with pytest.raises(
        ValueError, match=r"no data set, file or folder is called .*'faces' or 'digits'.*\.csv.*folder"
    ):
        load_dataset(name)


def test_a_file_of_another_kind_is_refused(tmp_path):
    file = tmp_path / "data.parquet"
    file.write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"data\.parquet: of single files only a FER-2013 \.csv is read"):
        load_dataset(file)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"fraction": 0.0}, r"fraction must be in \(0, 1\], got 0\.0"),
        ({"fraction": 1.01}, r"fraction must be in \(0, 1\], got 1\.01"),
        ({"validation_fraction": 1.0}, r"validation_fraction must be in \(0, 1\), got 1\.0"),
        ({"validation_fraction": 0.0}, r"validation_fraction must be in \(0, 1\), got 0\.0"),
        ({"test_split": "final"}, "test_split must be 'public' or 'private', got 'final'"),
        ({"test_split": "private"}, "'digits' has one test part"),
        ({"image_size": 2}, "image_size must be an integer of at least 4 pixels, got 2"),
        ({"channels": 2}, r"channels must be 1 \(grey\), 3 \(colour\) or None .* got 2"),
        ({"channels": True}, r"channels must be 1 \(grey\), 3 \(colour\) or None .* got True"),
        ({"data_format": "jaffe"}, "data_format='jaffe' is for files, and 'digits' is built in"),
        ({"split": "random"}, "split='random' is for files, and 'digits' is built in"),
        ({"soft_labels": True}, "soft_labels=True is for files, and 'digits' is built in"),
        ({"face_regions": True}, "face_regions=True is for files, and 'digits' is built in"),
    ],
)
def test_bad_arguments_are_refused(argument, message):
    with pytest.raises(ValueError, match=message):
        load_dataset("digits", **argument)


def test_colour_and_grey_are_converted():
    grey = load_dataset("digits")
    colour = load_dataset("digits", channels=3)
    for part, split in colour.parts().items():
        assert torch.equal(split.images, grey.parts()[part].images.expand(-1, 3, -1, -1))
        assert list(split.ids) == list(grey.parts()[part].ids)
    assert load_dataset("digits", channels=1).train.images.shape == grey.train.images.shape


def test_grey_from_colour_is_what_decoding_to_grey_gives(tmp_path):
    image = pytest.importorskip("PIL.Image")
    from studies.data.channels import to_grey
    from studies.data.decoding import decode_image

    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    image.fromarray(pixels).save(tmp_path / "a.png")
    converted = to_grey(torch.from_numpy(pixels).permute(2, 0, 1)[None])
    assert np.array_equal(converted[0].numpy(), decode_image(tmp_path / "a.png", channels=1))


def test_importing_the_readers_loads_neither_pillow_nor_scikit_learn():
    code = "import sys, studies.data; print([m for m in ('PIL', 'sklearn', 'plotly') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
