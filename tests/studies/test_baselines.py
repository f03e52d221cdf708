"""The baselines against scikit-learn's, optimality conditions and data with a known answer."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.dummy import DummyClassifier
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier

from studies import baselines as module
from studies.baselines import PENALTIES, baselines, features, fit_linear, nearest
from studies.data import ImageDataset, ImageSplit, load_dataset


def part(images, labels, prefix):
    return ImageSplit(
        images, torch.as_tensor(labels, dtype=torch.int64), [f"{prefix}{i}" for i in range(len(images))]
    )


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", fraction=0.5)


@pytest.fixture(scope="module")
def scores(digits):
    return {score.name: score for score in baselines(digits, seed=0)}


def test_majority_and_nearest_neighbour_agree_with_scikit_learn(digits, scores):
    pixels = [split.images.flatten(1).numpy() / 255 for split in (digits.train, digits.test)]
    labels = [split.labels.numpy() for split in (digits.train, digits.test)]
    for name, peer in (
        ("majority class", DummyClassifier(strategy="most_frequent")),
        ("nearest neighbour", KNeighborsClassifier(1, algorithm="brute")),
    ):
        predicted = peer.fit(pixels[0], labels[0]).predict(pixels[1])
        assert scores[name].accuracy == pytest.approx((predicted == labels[1]).mean(), abs=1e-12)
        assert scores[name].macro_f1 == pytest.approx(
            f1_score(labels[1], predicted, average="macro"), abs=1e-12
        )


def test_a_linear_model_reads_digits(scores):
    assert scores["linear model"].accuracy > 0.9
    assert scores["majority class"].accuracy < 0.15


def test_baselines_are_repeatable(digits, scores):
    assert {score.name: score for score in baselines(digits, seed=0)} == scores


def test_the_linear_model_is_a_minimum_of_its_loss():
    rng = np.random.default_rng(0)
    inputs, truth = rng.normal(size=(400, 8)), rng.normal(size=(8, 3))
    labels = (inputs @ truth + rng.gumbel(size=(400, 3))).argmax(1)
    samples = torch.from_numpy(inputs).float()
    predict, penalty = fit_linear(samples[:300], labels[:300], samples[300:], labels[300:])
    assert penalty in PENALTIES
    target = np.eye(3)[labels[:300]]

    def loss(parameters):
        weights, bias = parameters[:24].reshape(8, 3), parameters[24:]
        logits = inputs[:300] @ weights + bias
        cross_entropy = logsumexp(logits, axis=1) - (logits * target).sum(1)
        return cross_entropy.mean() + penalty / 2 * (weights**2).sum()

    found = minimize(loss, np.zeros(27), tol=1e-10).x
    expected = (inputs @ found[:24].reshape(8, 3) + found[24:]).argmax(1)
    # scikit-learn stops at a gradient of 1e-4: samples on a boundary may differ
    assert (predict(samples) == expected).mean() > 0.99
    assert (predict(samples) == labels).mean() > 0.6


def test_the_penalty_is_chosen_on_the_validation_part():
    """Few samples with noisy labels need a stronger penalty than many with a clean rule."""
    generator = torch.Generator().manual_seed(1)
    samples = torch.randn(300, 60, generator=generator)
    labels = torch.randint(0, 2, (300,), generator=generator).numpy()
    labels[samples[:, 0].numpy() > 0.3] = 1
    _, noisy = fit_linear(samples[:80], labels[:80], samples[80:], labels[80:])
    clean = (samples[:, 0] + 0.3 * samples[:, 1] > 0).long().numpy()
    predict, free = fit_linear(samples[:200], clean[:200], samples[200:], clean[200:])
    assert noisy >= 0.1
    assert free < noisy
    assert (predict(samples[200:]) == clean[200:]).mean() > 0.8


@pytest.mark.parametrize("block", [2**24, 50])
def test_nearest_agrees_with_all_distances_and_takes_the_first_of_equals(monkeypatch, block):
    monkeypatch.setattr(module, "_DISTANCES_AT_ONCE", block)
    rng = np.random.default_rng(0)
    references = rng.normal(size=(20, 5)).astype(np.float32) + 7
    references[[3, 9]] = references[1]
    samples = np.concatenate([references[[9, 3, 4]], rng.normal(size=(15, 5)).astype(np.float32) + 7])
    distance = ((samples[:, None].astype(np.float64) - references[None]) ** 2).sum(2)
    found = nearest(torch.from_numpy(samples), torch.from_numpy(references))
    assert found.tolist() == distance.argmin(1).tolist()
    assert found[:3].tolist() == [1, 1, 4]


def test_features_of_images_are_area_means_in_the_unit_interval():
    images = torch.randint(0, 256, (3, 3, 48, 48), dtype=torch.uint8)
    found = features(part(images, [0, 1, 2], "x"))
    expected = images.numpy().reshape(3, 3, 24, 2, 24, 2).mean((3, 5)) / 255
    np.testing.assert_allclose(found.numpy(), expected.reshape(3, -1), atol=1e-6)
    small = images[:, :1, :8, :8].contiguous()
    np.testing.assert_allclose(
        features(part(small, [0, 1, 2], "x")).numpy(), small.flatten(1).numpy() / 255, atol=1e-6
    )


def test_features_of_spectrograms_are_moments_over_time():
    sound = torch.randn(4, 1, 10, 30, generator=torch.Generator().manual_seed(0))
    found = features(part(sound, [0, 1, 0, 1], "x")).numpy()
    mel = sound.numpy()[:, 0]
    np.testing.assert_allclose(found, np.concatenate([mel.mean(2), mel.std(2)], axis=1), atol=1e-5)


def _speech(count, prefix, seed):
    """Class 1 is louder in the upper bands, on a scale that differs by band."""
    generator = torch.Generator().manual_seed(seed)
    sound = torch.randn(count, 1, 10, 30, generator=generator)
    labels = torch.arange(count) % 2
    sound[:, 0, 5:] += 1.5 * labels[:, None, None]
    return part(sound * torch.logspace(-3, 3, 10)[:, None], labels, prefix)


def test_spectrograms_are_standardised_for_every_baseline():
    dataset = ImageDataset(
        "sounds",
        ("low", "high"),
        *(_speech(n, p, n) for n, p in ((60, "a"), (20, "b"), (30, "c"))),
        "held out",
    )
    majority, neighbour, linear = baselines(dataset, seed=0)
    assert majority.accuracy == 0.5
    assert neighbour.accuracy == linear.accuracy == 1
    assert "mel band" in linear.description


@pytest.fixture(scope="module")
def copied():
    """Noise with random labels: nothing can be learnt, but half of the test images stand in training."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (400, 1, 16, 16), dtype=np.uint8))
    labels = rng.integers(0, 4, 400)
    images[300:350], labels[300:350] = images[:50], labels[:50]
    return ImageDataset(
        "noise",
        ("a", "b", "c", "d"),
        part(images[:250], labels[:250], "train"),
        part(images[250:300], labels[250:300], "validation"),
        part(images[300:], labels[300:], "test"),
        "held out",
    )


def test_the_nearest_neighbour_lives_on_copies(copied):
    _, neighbour, _ = baselines(copied, seed=0)
    assert neighbour.accuracy > 0.5
    assert neighbour.accuracy_without_copies < 0.45  # chance is a quarter of 50: standard error 0.06
    hits = 50 + round(50 * neighbour.accuracy_without_copies)
    assert neighbour.accuracy == pytest.approx(hits / 100)


def test_no_clean_sample_gives_no_clean_score(copied):
    for score in baselines(copied, seed=0, clean_test=np.zeros(100, dtype=bool)):
        assert score.accuracy_without_copies is None
        assert score.macro_f1_without_copies is None


@pytest.mark.parametrize("clean", [np.ones(99, dtype=bool), np.ones(100)])
def test_an_unusable_clean_test_is_refused(copied, clean):
    with pytest.raises(ValueError, match="one bool for each of the 100 test samples"):
        baselines(copied, seed=0, clean_test=clean)


def test_large_training_parts_are_drawn_from_by_the_seed(monkeypatch, copied):
    monkeypatch.setattr(module, "MOST_SAMPLES", 100)
    clean = np.ones(100, dtype=bool)
    first, second = (baselines(copied, seed=seed, clean_test=clean) for seed in (0, 1))
    assert first == baselines(copied, seed=0, clean_test=clean)
    assert first[1].accuracy != second[1].accuracy
    assert first[1].accuracy < 0.75  # most of the copied images were not drawn
    assert "100 of 250 training samples" in first[1].description


def test_colour_is_seen():
    """Classes differ in hue alone; a grey mean would be blind to it."""
    images = torch.zeros(60, 3, 16, 16, dtype=torch.uint8)
    images[::2, 0], images[1::2, 2] = 120, 120
    images += torch.randint(0, 30, images.shape, dtype=torch.uint8)
    labels = np.arange(60) % 2
    dataset = ImageDataset(
        "hues",
        ("red", "blue"),
        part(images[:40], labels[:40], "a"),
        part(images[40:50], labels[40:50], "b"),
        part(images[50:], labels[50:], "c"),
        "held out",
    )
    assert [score.accuracy for score in baselines(dataset, seed=0)] == [0.5, 1, 1]
