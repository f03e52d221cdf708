"""Selection by rank: the compiled kernels against a sort, whatever the scores and the threads."""

import subprocess
import sys

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from pruning.kernels import ranking
from pruning.selection import kth_largest, top_k_mask
from pruning.threshold import median_threshold

INFINITY = float("inf")
FEW = [0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, 3.4e38, INFINITY, -INFINITY]
scores = st.lists(st.sampled_from(FEW) | st.floats(allow_nan=False, width=32), min_size=1, max_size=70)
dtypes = st.sampled_from([torch.float32, torch.float64])


def by_sorting(score: torch.Tensor, count: int, prefer: torch.Tensor | None) -> torch.Tensor:
    """The same choice by a full sort: score, then preference, then lower index."""
    liked = torch.zeros(len(score), dtype=torch.bool) if prefer is None else prefer
    values = score.numpy() + 0.0  # -0.0 becomes 0.0
    order = np.lexsort((np.arange(len(values)), ~liked.numpy(), -values))
    mask = torch.zeros(len(score), dtype=torch.bool)
    mask[torch.from_numpy(order[:count].copy())] = True
    return mask


def split(monkeypatch: pytest.MonkeyPatch, *, threads: int, few: int) -> None:
    """Make the kernels use so many threads, and wide digits above ``few`` scores."""
    monkeypatch.setattr(ranking, "SCORES_PER_THREAD", 2)
    monkeypatch.setattr(ranking, "FEW_SCORES", few)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)


@given(scores, dtypes, st.data())
@settings(max_examples=300, deadline=None)
def test_choice_is_that_of_a_sort(values, dtype, data):
    score = torch.tensor(values, dtype=dtype)
    count = data.draw(st.integers(0, len(values)))
    flags = st.lists(st.booleans(), min_size=len(values), max_size=len(values))
    prefer = torch.tensor(data.draw(flags)) if data.draw(st.booleans()) else None
    assert torch.equal(top_k_mask(score, count, prefer), by_sorting(score, count, prefer))
    if count:
        assert kth_largest(score, count) == score.sort(descending=True).values[count - 1]
        assert kth_largest(score, count).dtype == dtype


@given(scores, dtypes, st.integers(1, 5), st.booleans(), st.data())
@settings(max_examples=200, deadline=None)
def test_threads_and_digits_change_nothing(values, dtype, threads, wide, data):
    score = torch.tensor(values, dtype=dtype)
    count = data.draw(st.integers(1, len(values)))
    prefer = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))
    with pytest.MonkeyPatch.context() as patch:
        split(patch, threads=threads, few=0 if wide else 2**15)
        mask, edge = top_k_mask(score, count, prefer), kth_largest(score, count)
    assert torch.equal(mask, by_sorting(score, count, prefer))
    assert edge == score.sort(descending=True).values[count - 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [2**15, 2**15 + 1, 99_991])
def test_large_vectors_with_many_ties_do_not_depend_on_the_number_of_threads(dtype, size, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    score = torch.randn(size, generator=generator, dtype=dtype)
    score = score.masked_fill(torch.rand(size, generator=generator) < 0.4, 0.0)
    prefer = torch.rand(size, generator=generator) < 0.5
    monkeypatch.setattr(ranking, "SCORES_PER_THREAD", 10_000)
    before = torch.get_num_threads()
    try:
        for count in (1, size // 3, size // 2, size - 1):
            for liked in (None, prefer):
                expected = by_sorting(score, count, liked)
                for threads in (1, 2, 3):
                    torch.set_num_threads(threads)
                    assert torch.equal(top_k_mask(score, count, liked), expected)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("value", [0.0, -2.5, INFINITY, -INFINITY])
def test_equal_scores_go_to_the_preferred_and_then_to_the_first(value):
    score = torch.full((9,), value)
    prefer = torch.tensor([0, 0, 1, 0, 0, 1, 0, 0, 1], dtype=torch.bool)
    assert top_k_mask(score, 4).nonzero().flatten().tolist() == [0, 1, 2, 3]
    assert top_k_mask(score, 2, prefer).nonzero().flatten().tolist() == [2, 5]
    assert top_k_mask(score, 5, prefer).nonzero().flatten().tolist() == [0, 1, 2, 5, 8]


def test_signs_of_zero_are_equal():
    score = torch.tensor([-0.0, 0.0, -0.0, 0.0, -1.0])
    assert top_k_mask(score, 2).tolist() == [True, True, False, False, False]
    assert kth_largest(score, 1) == kth_largest(score, 4) == 0.0


def test_views_are_read_through_their_strides():
    table = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    flags = torch.rand(40, 3, generator=torch.Generator().manual_seed(1)) < 0.5
    score, prefer = table.round()[:, 1], flags[:, 2]
    assert not score.is_contiguous()
    assert not prefer.is_contiguous()
    assert torch.equal(top_k_mask(score, 17, prefer), by_sorting(score.contiguous(), 17, prefer.contiguous()))
    assert kth_largest(table[:, 1], 5) == table[:, 1].sort(descending=True).values[4]
    expanded = torch.zeros(()).expand(7)
    assert top_k_mask(expanded, 3).tolist() == [True] * 3 + [False] * 4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_other_dtypes_take_the_path_of_torch(dtype):
    score = torch.tensor([1.0, 3.0, 3.0, -2.0], dtype=dtype)
    assert top_k_mask(score, 2, torch.tensor([True, False, True, True])).tolist() == [
        False,
        True,
        True,
        False,
    ]
    assert kth_largest(score, 3) == 1.0


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.data())
@settings(max_examples=100, deadline=None)
def test_median_of_the_live_is_the_higher_middle_one(values, data):
    scores = torch.tensor(values, dtype=torch.float32)
    live = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))
    live[data.draw(st.integers(0, len(values) - 1))] = True
    chosen = sorted(scores[live].tolist())
    assert median_threshold(scores, live) == chosen[len(chosen) // 2]


@pytest.mark.parametrize("count", [-1, 4])
def test_counts_out_of_range_are_refused(count):
    with pytest.raises(ValueError, match=r"count must lie in 0..3, the number of scores, got"):
        top_k_mask(torch.zeros(3), count)


def test_importing_pruning_leaves_numba_alone():
    program = "import sys, pruning; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
