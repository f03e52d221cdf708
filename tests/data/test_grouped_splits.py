"""Splits by group: no group on two sides, every class on each where that can be, moved by names alone."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.data.dataset import ImageSplit
from studies.data.grouped_splits import choose_groups, hold_out_groups
from studies.data.splits import hold_out


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=25),
    classes=st.integers(1, 6),
    fraction=st.floats(0.02, 0.9),
    seed=st.integers(0, 10**6),
)
def test_groups_stay_whole_and_order_does_not_matter(sizes, classes, fraction, seed):
    rng = np.random.default_rng(seed)
    groups = np.repeat([f"s{i}" for i in range(len(sizes))], sizes)
    labels = rng.integers(0, classes, len(groups))
    held = choose_groups(labels, groups, fraction, purpose="test")
    rest = np.setdiff1d(np.arange(len(groups)), held)
    assert len(held) > 0
    assert not set(groups[held]) & set(groups[rest])
    order = rng.permutation(len(groups))
    again = order[choose_groups(labels[order], groups[order], fraction, purpose="test")]
    assert set(again) == set(held)


def both_sides_can_have_every_class(labels, groups):
    names = np.unique(groups)
    everything = set(labels)
    for count in range(1, len(names)):
        for chosen in combinations(names, count):
            inside = np.isin(groups, chosen)
            if set(labels[inside]) == everything == set(labels[~inside]):
                return True
    return False


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**6), subjects=st.integers(4, 8))
def test_every_class_stands_on_both_sides_of_a_usual_set(seed, subjects):
    # Each subject shows every class or all but one: then a division exists, and is to be found.
    rng = np.random.default_rng(seed)
    pairs = [(f"s{s}", c) for s in range(subjects) for c in range(5) if c != rng.integers(0, 8)]
    groups, labels = np.array([s for s, _ in pairs]), np.array([c for _, c in pairs])
    held = choose_groups(labels, groups, 0.2, purpose="test")
    rest = np.setdiff1d(np.arange(len(labels)), held)
    if both_sides_can_have_every_class(labels, groups):
        assert set(labels[held]) == set(labels[rest]) == set(labels)


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_many_groups_come_near_the_fraction_in_every_class(fraction):
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 6, 200)
    groups = np.repeat([f"s{i}" for i in range(200)], sizes)
    labels = rng.choice(7, len(groups), p=[0.3, 0.25, 0.15, 0.1, 0.1, 0.07, 0.03])
    held = choose_groups(labels, groups, fraction, purpose="test")
    shares = np.bincount(labels[held], minlength=7) / np.bincount(labels)
    # A class of about 18 images cannot be cut finer than by 1/18.
    assert np.abs(shares - fraction).max() < 0.06


def test_purposes_draw_different_groups():
    groups = np.repeat([f"s{i}" for i in range(40)], 3)
    labels = np.tile([0, 1, 2], 40)
    one, two = (choose_groups(labels, groups, 0.25, purpose=p) for p in ("test", "validation"))
    assert len(one) == len(two) == 30
    assert set(one) != set(two)


def split_of(labels, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 1, 4, 4), dtype=np.uint8)
    return ImageSplit(torch.from_numpy(pixels), torch.as_tensor(labels), [str(i) for i in range(len(labels))])


def test_what_cannot_be_divided_is_named():
    with pytest.raises(ValueError, match="at least two groups are needed to hold one out for test, got 1"):
        choose_groups(np.array([0, 1]), np.array(["a", "a"]), 0.5, purpose="test")
    options = {"classes": ("x", "y"), "purpose": "test", "by": "subject"}
    with pytest.raises(ValueError, match=r"class 'y' has no image for test if the 3 subjects are kept apart"):
        hold_out_groups(split_of([0, 0, 0, 1]), 0.3, groups=np.array(["a", "b", "c", "c"]), **options)
    with pytest.raises(ValueError, match=r"test_fraction must be in \(0, 1\), got 1"):
        hold_out_groups(split_of([0, 1]), 1, groups=np.array(["a", "b"]), **options)


def test_identical_files_are_drawn_together():
    # Each content twice, in one class: 5 of 10 contents are held out, so no pair is torn.
    content = np.repeat(np.random.default_rng(0).integers(0, 2**63, 10, dtype=np.uint64), 2)
    samples = replace(split_of([0] * 20), groups={"content": content})
    rest, held = hold_out(samples, 0.5, classes=("x",), purpose="validation")
    torn = {content[int(i)] for i in rest.ids} & {content[int(i)] for i in held.ids}
    assert len(held) == 10
    assert torn == set()
