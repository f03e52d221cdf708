"""Eq. 3: draws follow exp(−Δ/σ), σ → 0 is top-k, nothing underflows."""

import numpy as np
import pytest
import torch
from scipy import stats

from pruning.rewiring import decayed_sigma, restoration_score
from pruning.selection import top_k_mask


def test_single_draws_follow_the_distribution():
    deficit, sigma = torch.tensor([0.0, 0.5, 1.0, 3.0], dtype=torch.float64), 0.7
    probability = np.exp(-deficit.numpy() / sigma)
    probability /= probability.sum()
    generator = torch.Generator().manual_seed(0)
    draws = 20_000
    keys = restoration_score(deficit.repeat(draws, 1), sigma, generator)
    counts = np.bincount(keys.argmax(1).numpy(), minlength=4)
    assert stats.chisquare(counts, probability * draws).pvalue > 1e-3


def test_draws_without_replacement_follow_the_plackett_luce_law():
    deficit, sigma, draws = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64), 1.0, 30_000
    weights = np.exp(-deficit.numpy() / sigma)
    expected = np.zeros(3)  # probability that a connection is not among the two drawn
    for first in range(3):
        for second in set(range(3)) - {first}:
            left = ({0, 1, 2} - {first, second}).pop()
            rest = weights.sum() - weights[first]
            expected[left] += weights[first] / weights.sum() * weights[second] / rest
    keys = restoration_score(deficit.repeat(draws, 1), sigma, torch.Generator().manual_seed(1))
    left = np.bincount(keys.argmin(1).numpy(), minlength=3)
    assert stats.chisquare(left, expected * draws).pvalue > 1e-3


@pytest.mark.parametrize("sigma", [0.0, 1e-300, 1e-12])
def test_vanishing_sigma_is_top_k(sigma):
    deficit = torch.rand(1000, generator=torch.Generator().manual_seed(0)) * 1e4
    keys = restoration_score(deficit, sigma, torch.Generator().manual_seed(1))
    assert torch.isfinite(keys).all()
    assert torch.equal(top_k_mask(keys, 50), top_k_mask(-deficit.double(), 50))


def test_huge_deficits_do_not_underflow():
    deficit = torch.tensor([1e5, 1e5 + 1.0, 1e5 + 2.0])  # exp(-1e5) is 0 in any float
    keys = restoration_score(deficit.repeat(20_000, 1), 1.0, torch.Generator().manual_seed(0))
    share = np.bincount(keys.argmax(1).numpy(), minlength=3) / 20_000
    assert share == pytest.approx(np.exp([0, -1, -2]) / np.exp([0, -1, -2]).sum(), abs=0.02)


def test_same_seed_same_draw_and_sigma_decays():
    deficit = torch.rand(100)
    first, second = (restoration_score(deficit, 0.5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert [decayed_sigma(0.8, progress) for progress in (0.0, 0.5, 1.0, 2.0)] == [0.8, 0.4, 0.0, 0.0]


@pytest.mark.parametrize("sigma", [-0.1, float("nan"), float("inf")])
def test_bad_sigma_is_refused(sigma):
    with pytest.raises(ValueError, match="sigma must be a finite breadth"):
        restoration_score(torch.zeros(2), sigma, torch.Generator())
