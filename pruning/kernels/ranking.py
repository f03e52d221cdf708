"""Selection by rank on the bits of floats: radix select, linear in the number of scores.

As integers, floats keep their order. One pass counts the leading digit of every score, which tells the
leading digit of the k-th largest; the next pass counts the following digit of the scores that share it. Two
passes settle float32, four float64, and each only reads. Counts are integers, so that threads change nothing.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pruning.kernels.compiled import count_digits, count_tied, find_digit, mark_above_and_tied, mark_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor

    from numpy.typing import NDArray
    from torch import Tensor

    Array = NDArray[Any]

SCORES_PER_THREAD = 1_000_000  # below this a second thread costs more than it saves
FEW_SCORES = 2**15  # up to here four passes over digits of 8 bits are quicker than one look at 2**16 counts


def kth_largest_of(score: Tensor, count: int) -> Tensor:
    """Value of the ``count``-th largest score, a 0-d tensor; float32 or float64 on the CPU.

    Examples
    --------
    >>> kth_largest_of(torch.tensor([5.0, 1.0, 3.0]), 2)
    tensor(3.)
    """
    values = score.detach().contiguous().numpy()
    with _threads(values.size) as pool:
        threshold, _, _ = _kth_largest(values, count, pool)
    return torch.tensor(threshold, dtype=score.dtype)


def top_k_mask_of(score: Tensor, count: int, prefer: Tensor | None) -> Tensor:
    """Mark exactly ``count`` of the highest scores; float32 or float64 on the CPU, 0 < count <= n.

    Examples
    --------
    >>> top_k_mask_of(torch.tensor([5.0, 1.0, 5.0]), 1, torch.tensor([False, False, True]))
    tensor([False, False,  True])
    """
    values = score.detach().contiguous().numpy()
    chosen = torch.empty(values.size, dtype=torch.bool)
    mask = chosen.numpy()
    with _threads(values.size) as pool:
        threshold, missing, tied = _kth_largest(values, count, pool)
        parts = _parts(values.size)
        if tied == missing:
            _each(pool, lambda part: mark_from(values[part], threshold, mask[part]), parts)
            return chosen
        liked = (torch.zeros_like(chosen) if prefer is None else prefer.contiguous()).numpy()
        counts = _each(pool, lambda part: count_tied(values[part], threshold, liked[part]), parts)
        # Earlier parts are served first, as in one pass over all scores.
        first = min(missing, sum(preferred for preferred, _ in counts))
        second = missing - first
        tasks = []
        for part, (preferred, others) in zip(parts, counts, strict=True):
            tasks.append((values[part], threshold, liked[part], first, second, mask[part]))
            first, second = max(0, first - preferred), max(0, second - others)
        _each(pool, lambda task: mark_above_and_tied(*task), tasks)
    return chosen


def _kth_largest(values: Array, count: int, pool: Executor | None) -> tuple[Any, int, int]:
    """Value of the ``count``-th largest score, its rank among its equals, and how many these are."""
    width = 8 * values.itemsize
    bits = values.view(np.int32 if width == 32 else np.int64)
    lowest = -(1 << (width - 1))
    digit = 8 if values.size <= FEW_SCORES else 16
    parts = _parts(values.size)
    base, rank, equals, key = -(1 << (digit - 1)), count, 0, 0
    for shift in range(width - digit, -1, -digit):
        counts = np.zeros((len(parts), 1 << digit), dtype=np.int64)
        tasks = [(bits[part], lowest, shift, base, own) for part, own in zip(parts, counts, strict=True)]
        _each(pool, lambda task: count_digits(*task), tasks)
        found, rank, equals = find_digit(counts, rank)
        key = base + found
        base = key << digit
    word = key if key >= 0 else lowest - key
    return np.array(word, dtype=bits.dtype).view(values.dtype)[()], rank, equals


def _parts(scores: int) -> list[slice]:
    threads = max(1, min(torch.get_num_threads(), scores // SCORES_PER_THREAD))
    edges = [scores * k // threads for k in range(threads + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _threads(scores: int) -> Any:
    """Threads for the parts of so many scores, or None where there is one part, as a context."""
    threads = len(_parts(scores))
    return nullcontext() if threads == 1 else ThreadPoolExecutor(threads)


def _each(pool: Executor | None, work: Callable[[Any], Any], tasks: Iterable[Any]) -> list[Any]:
    return list(map(work, tasks)) if pool is None else list(pool.map(work, tasks))
