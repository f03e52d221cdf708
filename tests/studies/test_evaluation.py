"""Scores against scikit-learn's."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score
from torch import nn

from studies.data import ImageSplit
from studies.evaluation import evaluate, score


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
