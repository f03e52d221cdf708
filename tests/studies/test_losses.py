"""Losses against their formulas, written out in numpy, and their limits."""

import numpy as np
import pytest
import torch

from studies.losses import Loss, make_loss
from studies.recipe import Recipe


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator, dtype=torch.float64) * 3
    return logits, torch.tensor([0, 1, 2, 3, 1, 0])


def by_hand(kind, logits, shares, weights, smoothing):
    logits, shares = logits.numpy(), shares.numpy()
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    t = shares * (1 - smoothing) + smoothing / logits.shape[1]
    entropy = -(t * np.log(p))
    focal = -0.25 * t * (1 - p) ** 2 * np.log(p)
    return {
        "cross-entropy": (weights * entropy).sum(1),
        "focal": (weights * focal).sum(1),
        "hybrid": (weights * entropy + focal).sum(1),
    }[kind]


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 2.0, 4.0]])
@pytest.mark.parametrize("kind", ["cross-entropy", "focal", "hybrid"])
def test_losses_are_their_formulas(batch, kind, weights, smoothing, soft):
    logits, labels = batch
    shares = torch.eye(4, dtype=torch.float64)[labels]
    if soft:
        shares = torch.rand(6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        shares /= shares.sum(1, keepdim=True)
    vector = None if weights is None else torch.tensor(weights)
    found = Loss(kind, vector, smoothing)(logits, shares if soft else labels)
    expected = by_hand(kind, logits, shares, np.array(weights or [1.0] * 4), smoothing)
    assert found.numpy() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["cross-entropy", "focal", "hybrid"])
def test_soft_labels_of_one_class_are_labels(batch, kind):
    logits, labels = batch
    one_hot = torch.eye(4)[labels]
    assert torch.allclose(Loss(kind)(logits, labels), Loss(kind)(logits, one_hot), rtol=1e-6)


def test_what_is_right_already_counts_little_in_the_focal_loss():
    sure, unsure = torch.tensor([[6.0, 0.0]]), torch.tensor([[0.5, 0.0]])
    label = torch.tensor([0])
    ratio = [(Loss("focal")(x, label) / Loss()(x, label)).item() for x in (sure, unsure)]
    p = [torch.softmax(x, 1)[0, 0].item() for x in (sure, unsure)]
    assert ratio == pytest.approx([0.25 * (1 - share) ** 2 for share in p], rel=1e-4)


def test_balanced_weights_give_every_class_the_same_say():
    labels = torch.tensor([0] * 90 + [1] * 9 + [2])
    loss = make_loss(Recipe(class_weights="balanced"), labels, 3)
    per_sample = loss(torch.zeros(100, 3), labels)
    sums = [per_sample[labels == label].sum().item() for label in range(3)]
    assert sums == pytest.approx([sums[0]] * 3, rel=1e-6)
    assert per_sample.mean().item() == pytest.approx(np.log(3), rel=1e-6)


def test_the_parts_of_a_batch_add_up_to_it(batch):
    logits, labels = batch
    loss = Loss("hybrid", torch.tensor([0.5, 1.0, 2.0, 4.0]))
    halves = [loss(logits[part], labels[part]).mean() for part in (slice(0, 3), slice(3, 6))]
    assert torch.stack(halves).mean().item() == pytest.approx(loss(logits, labels).mean().item(), rel=1e-12)


def test_low_precision_logits_are_widened(batch):
    logits, labels = batch
    assert Loss("hybrid")(logits.bfloat16(), labels).dtype == torch.float32


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="loss must be one of cross-entropy, focal, hybrid, got 'hinge'"):
        Loss("hinge")
