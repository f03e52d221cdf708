"""Splits: validated, stratified, nested, and moved by nothing but the pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.data.dataset import ImageDataset, ImageSplit
from studies.data.resize import resize, resize_images
from studies.data.splits import content_keys, hold_out, stratified_subset, take_fraction


def make_split(labels, *, seed=0, prefix="s", size=6):
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 1, size, size), dtype=np.uint8)
    return ImageSplit(
        images=torch.from_numpy(pixels),
        labels=torch.as_tensor(labels, dtype=torch.int64),
        ids=[f"{prefix}{i}" for i in range(len(labels))],
        groups={"position": np.arange(len(labels))},
    )


def make_dataset(each=20):
    labels = [0, 1] * each
    parts = [make_split(labels, seed=i, prefix=p) for i, p in enumerate("abc")]
    return ImageDataset("pair", ("no", "yes"), *parts, test_name="held out")


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(2, 40), min_size=1, max_size=5),
    small=st.floats(0.01, 1),
    large=st.floats(0.01, 1),
    seed=st.integers(0, 99),
)
def test_subsets_are_stratified_and_nested(counts, small, large, seed):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    keys = rng.integers(0, 2**63, len(labels), dtype=np.uint64)
    small, large = sorted((small, large))
    few, many = (stratified_subset(labels, keys, f) for f in (small, large))
    assert set(few) <= set(many)
    for label, count in enumerate(counts):
        assert (labels[many] == label).sum() == max(1, round(large * count))


def test_held_out_part_follows_the_pixels_not_the_order_or_ids():
    split = make_split([0, 1, 2] * 30)
    order = np.random.default_rng(1).permutation(len(split))
    shuffled = split.subset(order)
    renamed = ImageSplit(
        shuffled.images, shuffled.labels, [f"other{i}" for i in range(len(order))], shuffled.groups
    )
    _, held = hold_out(split, 0.2, classes=("a", "b", "c"), purpose="validation")
    _, again = hold_out(renamed, 0.2, classes=("a", "b", "c"), purpose="validation")
    assert set(held.groups["position"]) == set(again.groups["position"])
    assert held.labels.bincount().tolist() == [6, 6, 6]


def test_pixel_identical_copies_share_a_key_and_purposes_do_not():
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8), dtype=np.uint8)
    doubled = np.concatenate([images, images])
    keys = content_keys(doubled, purpose="validation")
    assert np.array_equal(keys[:5], keys[5:])
    assert len(set(keys.tolist())) == 5
    assert not np.intersect1d(keys, content_keys(images, purpose="fraction")).size


def test_fraction_shrinks_training_and_validation_alike_and_leaves_the_test_whole():
    dataset = make_dataset()
    half, tenth = take_fraction(dataset, 0.5), take_fraction(dataset, 0.1)
    assert [len(s) for s in half.parts().values()] == [20, 20, 40]
    assert set(tenth.train.ids) < set(half.train.ids) < set(dataset.train.ids)
    assert set(tenth.validation.ids) < set(half.validation.ids)
    assert take_fraction(dataset, 1.0) is dataset


@pytest.mark.parametrize("fraction", [0, -0.1, 1.5, float("nan")])
def test_fraction_outside_its_range_is_refused(fraction):
    with pytest.raises(ValueError, match=r"fraction must be in \(0, 1\], got"):
        take_fraction(make_dataset(), fraction)


def test_hold_out_names_the_class_that_is_too_small():
    with pytest.raises(ValueError, match="class 'rare' has too few images"):
        hold_out(make_split([0, 0, 0, 1]), 0.5, classes=("often", "rare"), purpose="validation")
    with pytest.raises(ValueError, match="no image of class 'never'"):
        hold_out(make_split([0, 0, 1, 1]), 0.5, classes=("a", "b", "never"), purpose="validation")


def test_shrinking_averages_areas():
    images = torch.randint(0, 256, (3, 1, 12, 12), dtype=torch.uint8)
    expected = images.double().reshape(3, 1, 6, 2, 6, 2).mean((3, 5))
    # Half a grey level of rounding, nothing more.
    assert (resize_images(images, 6).double() - expected).abs().max() <= 0.5


def test_resizing_keeps_constant_images_and_everything_else():
    dataset = make_dataset()
    flat = torch.full((2, 1, 7, 7), 201, dtype=torch.uint8)
    for size in (4, 5, 7, 16):
        assert (resize_images(flat, size) == 201).all()
    bigger = resize(dataset, 9)
    assert bigger.test.images.shape == (40, 1, 9, 9)
    assert bigger.train.ids == dataset.train.ids
    assert resize(dataset, 6) is dataset


@pytest.mark.parametrize("size", [3, 0, -5, 12.0, True])
def test_image_size_must_be_a_number_of_pixels(size):
    with pytest.raises(ValueError, match="image_size must be an integer of at least 4 pixels"):
        resize(make_dataset(), size)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"images": torch.zeros(2, 1, 4, 4).double()}, TypeError, "images must be uint8"),
        ({"images": torch.zeros(2, 2, 4, 4, dtype=torch.uint8)}, ValueError, r"shape \(N, 1, H, W\)"),
        ({"soft_labels": torch.ones(3, 2) / 2}, ValueError, r"soft_labels must have shape \(2, classes\)"),
        ({"soft_labels": torch.ones(2, 2)}, ValueError, r"rows sum to 1, got \[1.0, 1.0\] for 'a'"),
        ({"soft_labels": torch.tensor([[2.0, -1.0]] * 2)}, ValueError, "shares of at least 0"),
        ({"labels": torch.zeros(2)}, TypeError, "labels must be int64"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, ValueError, r"labels must have shape \(2,\)"),
        ({"ids": ["a"]}, ValueError, "ids must name each"),
        ({"ids": ["a", "a"]}, ValueError, "ids must be unique"),
        ({"groups": {"age": np.zeros(3)}}, ValueError, "group 'age' must have 2 values"),
    ],
)
def test_a_malformed_split_is_refused(change, error, message):
    good = {
        "images": torch.zeros(2, 1, 4, 4, dtype=torch.uint8),
        "labels": torch.zeros(2, dtype=torch.int64),
        "ids": ["a", "b"],
        "groups": {},
    }
    ImageSplit(**good)
    with pytest.raises(error, match=message):
        ImageSplit(**(good | change))


def test_a_dataset_refuses_leaks_labels_and_empty_classes():
    train, validation, test = (make_split([0, 1], seed=i, prefix=p) for i, p in enumerate("abc"))
    with pytest.raises(ValueError, match="sample 'a0' is in both train and test"):
        ImageDataset("d", ("x", "y"), train, validation, train, "t")
    with pytest.raises(ValueError, match="labels must be in 0-0, got 1"):
        ImageDataset("d", ("x",), train, validation, test, "t")
    with pytest.raises(ValueError, match="train has no image of class 'z'"):
        ImageDataset("d", ("x", "y", "z"), train, validation, test, "t")
    with pytest.raises(ValueError, match="one image size"):
        ImageDataset("d", ("x", "y"), train, validation, make_split([0, 1], prefix="c", size=8), "t")
