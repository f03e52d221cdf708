"""The leakage audit against planted copies, brute force, and what is known of FER-2013."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.data import load_dataset
from studies.data.audit import audit
from studies.data.dataset import ImageDataset, ImageSplit
from studies.data.duplicates import exact_groups, near_copies, thumbnails
from studies.data.fer2013 import official_dataset

CLASSES = ("calm", "tense")


def pictures(count, *, seed, side=48, channels=1):
    """Smooth random pictures, uint8 (N, C, side, side): as different from each other as photographs."""
    rng = np.random.default_rng(seed)
    fine = rng.normal(size=(count, channels, 9, 9)).astype(np.float32)
    smooth = torch.nn.functional.interpolate(
        torch.from_numpy(fine), size=(side, side), mode="bicubic", align_corners=True
    )
    return (128 + 40 * smooth).clamp(0, 255).to(torch.uint8)


def part(images, prefix, *, labels=None, **groups):
    labels = torch.arange(len(images)) % 2 if labels is None else torch.as_tensor(labels)
    ids = [f"{prefix}/{i}" for i in range(len(images))]
    return ImageSplit(images, labels, ids, {name: np.asarray(v) for name, v in groups.items()})


def dataset(train, validation, test, **options):
    parts = [
        images if isinstance(images, ImageSplit) else part(images, name)
        for name, images in (("train", train), ("validation", validation), ("test", test))
    ]
    return ImageDataset("made", CLASSES, *parts, "held out", **options)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=8, max_size=40))
def test_exact_copies_agree_with_brute_force(levels):
    images = torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2).clone()
    images[:, 0, 0, 0] = 99  # not blank
    a, b = len(levels) // 3, 2 * len(levels) // 3
    found = audit(dataset(images[:a], images[a:b], images[b:]))
    assert found.distinct_test.tolist() == [level not in levels[:b] for level in levels[b:]]
    assert found.count("validation", "exact") == sum(level in levels[:a] for level in levels[a:b])
    assert found.count("test", "exact") == sum(level in levels[:b] for level in levels[b:])
    assert found.count("test", "exact", of="train") == sum(level in levels[:a] for level in levels[b:])
    assert found.repeated["test"] == len(levels[b:]) - len(set(levels[b:]))
    by_level = {level: {i % 2 for i in _positions(levels, level, a, b)} for level in set(levels)}
    assert len(found.conflicting) == sum(len(labels) > 1 for labels in by_level.values())
    original = {copy.sample: copy.of_sample for copy in found.copies}
    for sample, of in original.items():
        assert levels[_index(sample, a, b)] == levels[_index(of, a, b)]


def _positions(levels, level, a, b):
    """Positions inside their part: labels alternate in each part."""
    starts = [0] * a + [a] * (b - a) + [b] * (len(levels) - b)
    return [i - starts[i] for i in range(len(levels)) if levels[i] == level]


def _index(sample, a, b):
    name, at = sample.split("/")
    return int(at) + {"train": 0, "validation": a, "test": b}[name]


@given(st.lists(st.integers(0, 5), max_size=30))
def test_exact_groups_are_numbered_without_gaps(levels):
    number = exact_groups(np.array(levels, dtype=np.uint8).reshape(-1, 1))
    assert sorted(set(number.tolist())) == list(range(len(set(levels))))
    assert len({*zip(levels, number.tolist(), strict=True)}) == len(set(levels))


CHANGES = {
    "brighter": lambda x: x + 25,
    "less contrast": lambda x: 0.7 * x + 20,
    "noise": lambda x: x + torch.randn(x.shape, generator=torch.Generator().manual_seed(1)) * 8,
    "one pixel aside": lambda x: x.roll(1, dims=3),
    "one pixel down": lambda x: x.roll(1, dims=2),
    "coarse levels": lambda x: (x / 16).round() * 16,
    "halved and back": lambda x: torch.nn.functional.interpolate(
        torch.nn.functional.avg_pool2d(x, 2), scale_factor=2, mode="bilinear"
    ),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_with_its_original(change, channels):
    train, test = pictures(300, seed=0, channels=channels), pictures(40, seed=1, channels=channels)
    test[::4] = CHANGES[change](train[50:60].float()).clamp(0, 255).to(torch.uint8)
    found = audit(dataset(train, pictures(40, seed=2, channels=channels), test))
    assert found.count("test", "exact") == 0
    assert np.flatnonzero(~found.clean_test).tolist() == list(range(0, 40, 4))
    assert found.distinct_test.all()
    assert [(copy.sample, copy.of_sample, copy.kind) for copy in found.copies] == [
        (f"test/{4 * i}", f"train/{50 + i}", "near") for i in range(10)
    ]


def test_mirrored_copies_are_found_and_told_apart():
    train, test = pictures(300, seed=0), pictures(40, seed=1)
    test[7] = train[20].flip(2)
    test[9] = train[21]
    found = audit(dataset(train, test[:4] // 2, test))
    told = {copy.sample: (copy.of_sample, copy.kind) for copy in found.copies if copy.part == "test"}
    assert told["test/7"] == ("train/20", "mirrored")
    assert told["test/9"] == ("train/21", "exact")
    assert {told[f"test/{i}"] for i in range(4)} == {(f"validation/{i}", "near") for i in range(4)}
    assert len(told) == 6


def test_unrelated_pictures_are_no_copies():
    found = audit(dataset(pictures(1500, seed=0), pictures(200, seed=1), pictures(500, seed=2)))
    assert not found.copies
    assert found.clean_test.all()
    assert found.warnings() == []
    assert found.copied_share == found.memorised_accuracy == 0


def test_the_rule_agrees_with_correlation_coefficients():
    rng = np.random.default_rng(0)
    references = rng.normal(size=(60, 12, 12))
    noise = np.geomspace(0.02, 2, 40)[:, None, None]
    asked = references[:40] + noise * rng.normal(size=(40, 12, 12))
    small = [thumbnails(torch.from_numpy(x).float()[:, None]) for x in (asked, references)]
    found = near_copies(*small)
    for i, picture in enumerate(asked):
        c = np.array([np.corrcoef(picture.ravel(), other.ravel())[0, 1] for other in references])
        best, other = np.sort(c)[[-1, -20]]
        assert found.correlation[i] == pytest.approx(best, abs=1e-5)
        assert found.reference[i] == c.argmax()
        assert found.is_copy[i] == (best >= 0.99 or (best >= 0.85 and (1 - best) <= 0.3 * (1 - other)))
    assert 0 < found.is_copy.sum() < 40


def test_similar_pictures_without_a_nearest_one_are_no_copies():
    """All correlate by more than 0.85 with another: alike, and none is a copy."""
    face = pictures(1, seed=0).float()
    images = (face + 0.35 * (pictures(300, seed=1).float() - 128)).clamp(0, 255)
    small = thumbnails(images)
    found = near_copies(small[200:], small[:200])
    assert 0.85 < found.correlation.min() < found.correlation.max() < 0.99
    assert not found.is_copy.any()


def test_blocks_do_not_change_what_is_found(monkeypatch):
    train, test = thumbnails(pictures(100, seed=0)), thumbnails(pictures(30, seed=0) // 2)
    whole = near_copies(test, train)
    monkeypatch.setattr("studies.data.duplicates._CORRELATIONS_AT_ONCE", 700)
    blocked = near_copies(test, train)
    assert whole.is_copy.all()
    assert (blocked.is_copy == whole.is_copy).all()
    assert blocked.reference.tolist() == whole.reference.tolist() == list(range(30))


def test_no_reference_and_blank_pictures_give_no_copy():
    blank = thumbnails(torch.full((3, 1, 16, 16), 77, dtype=torch.uint8))
    assert not blank.any()
    assert not near_copies(blank, blank).is_copy.any()
    assert near_copies(blank, blank[:0]).is_copy.tolist() == [False] * 3


def _augmented(sources, *, seed):
    """Five versions of each picture, turned over, re-lit and shifted a little at random."""
    rng = np.random.default_rng(seed)
    versions = []
    for _ in range(5):
        for source in sources.float():
            image = source.flip(2) if rng.random() < 0.5 else source
            image = image.roll(tuple(rng.integers(-1, 2, 2).tolist()), (1, 2)) * rng.uniform(0.8, 1.2)
            versions.append(image.clamp(0, 255).to(torch.uint8))
    return torch.stack(versions)


def test_a_split_after_augmentation_is_recognised():
    images = _augmented(pictures(120, seed=0), seed=1)
    order = torch.randperm(600, generator=torch.Generator().manual_seed(0))
    at_random = audit(dataset(images[order[:450]], images[order[450:500]], images[order[500:]]))
    source = torch.arange(600) % 120
    by_source = audit(
        dataset(images[source < 90], images[(source >= 90) & (source < 100)], images[source >= 100])
    )
    assert at_random.split_after_augmenting
    assert at_random.copied_share > 0.9
    assert any("augmented before they were split" in warning for warning in at_random.warnings())
    assert not by_source.split_after_augmenting
    assert by_source.copied_share == 0


def test_memorised_accuracy_counts_the_labels_that_copies_give_away():
    train, test = pictures(100, seed=0), pictures(10, seed=1)
    test[:4] = train[[0, 2, 4, 1]]  # labels 0 0 0 1; in test 0 1 0 1
    found = audit(dataset(train, pictures(4, seed=2), test))
    assert found.copied_share == pytest.approx(0.4)
    assert found.memorised_accuracy == pytest.approx(0.3)
    assert "4 of 10 test samples (40.0%)" in found.warnings()[0]
    assert "alone scores 30.0%" in found.warnings()[0]


def test_conflicting_labels_and_blank_samples_are_named():
    train, validation, test = pictures(20, seed=0), pictures(6, seed=1), pictures(6, seed=2)
    train[3] = train[2]
    test[0] = train[6]
    validation[5] = 130
    found = audit(dataset(train, validation, test))
    assert found.conflicting == (("train/2", "train/3"),)
    assert found.blank == {"train": (), "validation": ("validation/5",), "test": ()}
    assert any("blank samples in validation: 1 (validation/5)" in line for line in found.lines())
    assert found.repeated == {"train": 1, "validation": 0, "test": 0}


def _with_subjects(train, validation, test, name="subject", **options):
    subjects = (train, validation, test)
    return dataset(
        *(
            part(pictures(len(who), seed=i), prefix, **{name: who, "gender": ["f", "m"] * (len(who) // 2)})
            for i, (who, prefix) in enumerate(zip(subjects, ("train", "validation", "test"), strict=True))
        ),
        **options,
    )


def test_people_on_both_sides_are_named_and_gender_is_not():
    found = audit(_with_subjects(["a", "a", "b", "c"], ["d", "d"], ["b", "c"], split_by="random"))
    assert found.shared == {"subject: train and test": ("b", "c")}
    random, people = found.warnings()
    assert random.startswith("the split is random")
    assert people == "subject: train and test share 2: b, c"


def test_a_split_by_people_is_confirmed():
    found = audit(_with_subjects(["a", "a", "b", "b"], ["d", "d"], ["e", "e"], split_by="subject"))
    assert found.shared == {}
    assert found.warnings() == []
    assert "no subject stands in two parts" in found.lines()


def test_the_group_that_the_split_is_by_counts_whatever_its_name():
    found = audit(_with_subjects(["x", "y"], ["z", "z"], ["y", "z"], name="hospital", split_by="hospital"))
    assert found.shared == {
        "hospital: train and test": ("y",),
        "hospital: validation and test": ("z",),
    }


def test_unknown_people_are_said_to_be_unknown():
    found = audit(dataset(pictures(8, seed=0), pictures(4, seed=1), pictures(4, seed=2)))
    assert "who was recorded is not known, so overlap of people cannot be checked" in found.lines()


def test_small_images_and_spectrograms_are_audited_for_exact_copies_alone():
    small = pictures(12, seed=0, side=8)
    found = audit(dataset(small[:6], small[6:9], small[[0, 9, 10]]))
    assert "8×8 pixels are too small" in found.near_reason
    sound = torch.randn(12, 1, 40, 30, generator=torch.Generator().manual_seed(0))
    heard = audit(dataset(sound[:6], sound[6:9], sound[[0, 9, 10]]))
    assert "spectrogram" in heard.near_reason
    for result in (found, heard, audit(dataset(small[:6], small[6:9], small[[0, 9, 10]]), near=False)):
        assert result.clean_test.tolist() == [False, True, True]
        assert result.count("test", "near") == 0
    with pytest.raises(ValueError, match="at least 12×12 pixels"):
        thumbnails(small)


def test_the_record_is_json_and_agrees_with_the_findings():
    train, test = pictures(60, seed=0), pictures(8, seed=1)
    test[0], test[1] = train[4], train[5] // 2
    made = replace(
        dataset(train, pictures(4, seed=2), test), skipped=("broken.png: truncated",), split_by="random"
    )
    found = audit(made)
    record = json.loads(json.dumps(found.to_record(copies=True), allow_nan=False))
    assert record["copies"]["test"] == {"exact": 1, "near": 1, "mirrored": 0}
    assert [(pair["sample"], pair["of_sample"]) for pair in record["pairs"]] == [
        ("test/0", "train/4"),
        ("test/1", "train/5"),
    ]
    assert record["skipped"] == ["broken.png: truncated"]
    assert record["lines"] == found.lines()
    assert "pairs" not in found.to_record()
    assert any("skipped files: 1 (broken.png: truncated)" in line for line in found.lines())


@pytest.fixture(scope="module")
def fer2013(real_fer2013):
    pixels, labels, usages = real_fer2013
    return official_dataset(
        pixels,
        labels,
        np.where(usages == "Training", 0, 1),
        [f"{usage}/{row}" for row, usage in enumerate(usages)],
        source="FER-2013",
        validation_fraction=0.1,
        test_split="public",
    )


def test_fer2013_has_280_test_images_from_training(fer2013):
    found = audit(fer2013, near=False)
    assert found.samples["test"] == 3589
    assert found.count("test", "exact") == 280
    assert np.count_nonzero(found.distinct_test) == 3589 - 280
    seen = {
        image.tobytes() for split in (fer2013.train, fer2013.validation) for image in split.images.numpy()
    }
    assert found.clean_test.tolist() == [image.tobytes() not in seen for image in fer2013.test.images.numpy()]
    assert len(found.conflicting) == 47  # 57 with the private test
    assert sum(len(ids) for ids in found.blank.values()) == 10


@pytest.mark.slow
def test_changed_copies_in_fer2013_carry_the_label_of_their_original(fer2013):
    """By chance a fifth would: the changed copies are copies."""
    found = audit(fer2013)
    near = [copy for copy in found.copies if copy.part == "test" and copy.kind == "near"]
    assert 300 < len(near) < 450
    assert sum(copy.same_label for copy in near) > 0.8 * len(near)
    assert not found.split_after_augmenting


def test_drawn_faces_are_not_taken_for_copies():
    """They are alike enough at 24 pixels for the rule to fail; no person stands in two parts."""
    found = audit(load_dataset("faces", image_size=24))
    assert "drawn" in found.near_reason
    assert found.warnings() == []
    assert found.clean_test.all()
