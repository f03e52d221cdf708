"""Scores against scikit-learn's."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
)
from torch import nn

from studies.calibration import expected_calibration_error
from studies.data import ImageSplit
from studies.evaluation import evaluate, predict, score, score_predictions


@pytest.mark.parametrize("classes_present", [5, 3])
def test_scores_agree_with_scikit_learn(classes_present):
    rng = np.random.default_rng(classes_present)
    truth, predicted = rng.integers(0, classes_present, 200), rng.integers(0, classes_present, 200)
    confusion = confusion_matrix(truth, predicted, labels=range(5))
    result = score(torch.from_numpy(confusion))
    assert result.accuracy == pytest.approx(accuracy_score(truth, predicted), abs=1e-12)
    assert result.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro"), abs=1e-12)
    recall = recall_score(truth, predicted, average=None, labels=range(classes_present))
    assert result.per_class_recall[:classes_present] == pytest.approx(list(recall), abs=1e-12)
    assert result.per_class_recall[classes_present:] == [None] * (5 - classes_present)
    assert result.confusion == confusion.tolist()
    precision = precision_score(truth, predicted, average=None, labels=range(classes_present))
    assert result.per_class_precision[:classes_present] == pytest.approx(list(precision), abs=1e-12)
    assert result.per_class_precision[classes_present:] == [None] * (5 - classes_present)
    assert result.macro_precision == pytest.approx(
        precision_score(truth, predicted, average="macro"), abs=1e-12
    )
    assert result.macro_recall == pytest.approx(balanced_accuracy_score(truth, predicted), abs=1e-12)


def test_classes_that_only_occur_on_one_side():
    """Class 1 is never predicted, class 2 has no sample: precision counts both, recall those with samples."""
    truth, predicted = [0, 0, 0, 1], [0, 0, 2, 0]
    result = score(torch.from_numpy(confusion_matrix(truth, predicted, labels=range(4))))
    assert result.per_class_precision == [pytest.approx(2 / 3), None, 0.0, None]
    assert result.per_class_recall == [pytest.approx(2 / 3), 0.0, None, None]
    assert result.macro_precision == pytest.approx(2 / 9)
    assert result.macro_precision == pytest.approx(
        precision_score(truth, predicted, average="macro", zero_division=0)
    )
    assert result.macro_recall == pytest.approx(1 / 3)


def test_a_class_never_hit_counts_as_zero():
    result = score(torch.tensor([[4, 0], [4, 0]]))
    assert result.macro_f1 == pytest.approx((2 * 4 / 12 + 0) / 2)


class Reader(nn.Module):
    """Predicts the class written in an image's first pixel; remembers its mode."""

    def forward(self, images):
        self.modes = {*getattr(self, "modes", set()), self.training}
        return nn.functional.one_hot((images[:, 0, 0, 0] * 255).round().long(), 3).float()


def test_evaluate_reads_every_image_once_in_evaluation_mode():
    images = torch.zeros(7, 1, 2, 2, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.tensor([0, 1, 2, 2, 1, 0, 0])
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0])
    split = ImageSplit(images=images, labels=labels, ids=[str(i) for i in range(7)], groups={})
    model = Reader().train()
    whole = evaluate(model, split, classes=3)
    assert whole == evaluate(model, split, classes=3, batch_size=2)
    assert whole.confusion == [[2, 0, 1], [0, 2, 0], [1, 0, 1]]
    assert model.modes == {False}
    assert model.training


@pytest.mark.parametrize("confusion", [torch.zeros(2, 3), torch.zeros(2, 2)])
def test_impossible_confusion_is_refused(confusion):
    with pytest.raises(ValueError, match="square and count at least one sample"):
        score(confusion)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60),
    st.integers(1, 20),
)
def test_calibration_error_agrees_with_its_definition(answers, bins):
    confidence = np.array([c for c, _ in answers])
    correct = np.array([right for _, right in answers])
    expected = 0.0
    for b in range(bins):
        inside = np.ceil(confidence * bins) == b + 1
        if b == 0:
            inside |= confidence == 0
        if inside.any():
            gap = abs(correct[inside].mean() - confidence[inside].mean())
            expected += inside.sum() / len(answers) * gap
    assert expected_calibration_error(confidence, correct, bins=bins) == pytest.approx(expected, abs=1e-12)


def test_calibration_error_in_closed_cases():
    assert expected_calibration_error(np.ones(9), np.zeros(9, dtype=bool)) == 1
    assert expected_calibration_error(np.ones(9), np.ones(9, dtype=bool)) == 0
    assert expected_calibration_error(np.zeros(9), np.zeros(9, dtype=bool)) == 0
    confidence = np.repeat([0.2, 0.5, 0.8], 10)
    correct = np.concatenate([np.arange(10) < 2, np.arange(10) < 5, np.arange(10) < 8])
    assert expected_calibration_error(confidence, correct) == pytest.approx(0, abs=1e-15)
    # too confident by 0.1 everywhere
    assert expected_calibration_error(confidence + 0.1, correct) == pytest.approx(0.1, abs=1e-15)


def test_calibration_error_of_draws_from_the_stated_probabilities_is_small():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.2, 1, 200_000)
    correct = rng.random(200_000) < confidence
    # each of 12 full bins has 16,667 samples: its gap has a standard error below 0.004
    assert expected_calibration_error(confidence, correct) < 0.008
    assert expected_calibration_error(confidence, ~correct) > 0.2


@pytest.mark.parametrize(
    ("confidence", "correct", "message"),
    [
        (np.array([]), np.array([], dtype=bool), "non-empty"),
        (np.ones(2), np.ones(3, dtype=bool), r"\(2,\) and \(3,\)"),
        (np.array([0.5, 1.5]), np.ones(2, dtype=bool), r"in \[0, 1\], got 0.5 to 1.5"),
        (np.array([0.5, np.nan]), np.ones(2, dtype=bool), r"in \[0, 1\]"),
    ],
)
def test_impossible_confidences_are_refused(confidence, correct, message):
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(confidence, correct)


@pytest.fixture
def linear():
    """A linear network on 200 noise images in 4 classes, with groups."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (200, 1, 4, 4), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 4, (200,), generator=generator)
    groups = {
        "gender": np.array(["f", "m"] * 100),
        "subject": np.arange(200) % 21,
        "set": np.arange(200) % 20,
    }
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 4))
    with torch.no_grad():
        model[1].weight.copy_(torch.randn(4, 16, generator=generator) * 3)
        model[1].bias.zero_()
    return model, ImageSplit(images, labels, [str(i) for i in range(200)], groups)


def test_probabilities_agree_with_numpy(linear):
    model, split = linear
    with torch.no_grad():
        logits = model(split.images.float() / 255).double().numpy()
    probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels, predicted = split.labels.numpy(), logits.argmax(1)
    result = evaluate(model, split, classes=4, batch_size=32)
    assert result.accuracy == (predicted == labels).mean()
    assert result.cross_entropy == pytest.approx(log_loss(labels, probability), abs=1e-5)  # float32
    error = expected_calibration_error(probability.max(1), predicted == labels)
    assert result.expected_calibration_error == pytest.approx(error, abs=1e-5)
    assert 0.05 < error < 0.9


def test_accuracy_by_group_and_too_many_values(linear):
    model, split = linear
    result = evaluate(model, split, classes=4)
    assert set(result.group_accuracy) == {"gender", "set"}
    assert list(result.group_accuracy["gender"]) == ["f", "m"]
    f, m = result.group_accuracy["gender"].values()
    assert f != m
    assert (f + m) / 2 == pytest.approx(result.accuracy)
    for value, accuracy in result.group_accuracy["gender"].items():
        own = evaluate(model, split.subset(np.flatnonzero(split.groups["gender"] == value)), classes=4)
        assert accuracy == own.accuracy


def test_keep_scores_what_a_subset_would(linear):
    model, split = linear
    keep = np.random.default_rng(0).random(200) < 0.6
    alone = evaluate(model, split.subset(np.flatnonzero(keep)), classes=4)
    kept = evaluate(model, split, classes=4, keep=keep)
    assert kept.confusion == alone.confusion
    assert kept.group_accuracy == alone.group_accuracy
    assert kept.cross_entropy == pytest.approx(alone.cross_entropy, abs=1e-6)
    assert sum(map(sum, kept.confusion)) == keep.sum()
    predictions = predict(model, split)
    assert score_predictions(predictions, split, classes=4, keep=keep) == kept
    everything = score_predictions(predictions, split, classes=4, keep=np.ones(200, dtype=bool))
    assert everything == evaluate(model, split, classes=4)


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (np.ones(199, dtype=bool), "each of the 200 samples"),
        (np.ones(200), "one bool"),
        (np.zeros(200, dtype=bool), "at least one of the 200"),
    ],
)
def test_an_unusable_keep_is_refused(linear, keep, message):
    model, split = linear
    with pytest.raises(ValueError, match=message):
        evaluate(model, split, classes=4, keep=keep)


def test_outputs_that_are_not_finite_have_no_calibration(linear):
    model, split = linear
    with torch.no_grad():
        model[1].weight[2] = torch.inf
    result = evaluate(model, split, classes=4)
    assert result.expected_calibration_error is None
    assert result.cross_entropy is None
    assert 0 <= result.accuracy <= 1


def test_confidence_of_one_in_a_wrong_answer_is_an_error_of_one():
    images = torch.zeros(5, 1, 2, 2, dtype=torch.uint8)
    split = ImageSplit(images, torch.ones(5, dtype=torch.int64), list("abcde"))
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with torch.no_grad():
        model[1].bias.copy_(torch.tensor([60.0, 0.0]))
    result = evaluate(model, split, classes=2)
    assert (result.accuracy, result.expected_calibration_error) == (0, 1)
    assert result.cross_entropy == pytest.approx(60)
