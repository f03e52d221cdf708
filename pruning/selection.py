"""Exact choice of the highest scores: no sort, no random ties, no drift of the count."""

import torch
from torch import Tensor


def top_k_mask(score: Tensor, count: int, prefer: Tensor | None = None) -> Tensor:
    """Mark exactly ``count`` of the highest scores.

    Selection is linear in the number of scores and without the 2**24 limit of ``torch.quantile``: a compiled
    radix select for float32 and float64 on the CPU, ``kthvalue`` elsewhere. Among equal scores (0.0 and -0.0
    are equal), preferred ones come first, then lower indices: the result is deterministic on every device and
    independent of the number of threads.

    Parameters
    ----------
    score : Tensor
        Scores without NaN, shape (n,). Infinities are allowed.
    count : int
        How many to mark, 0 to n.
    prefer : Tensor, optional
        Boolean, shape (n,): wins ties.

    Returns
    -------
    Tensor
        Boolean mask, shape (n,), with exactly ``count`` entries set.

    Raises
    ------
    ValueError
        If ``count`` lies outside 0 to n.

    Examples
    --------
    >>> score = torch.tensor([0.0, 3.0, 0.0, 1.0])
    >>> top_k_mask(score, 3, prefer=torch.tensor([False, True, True, True])).tolist()
    [False, True, True, True]
    """
    total = score.numel()
    if not 0 <= count <= total:
        raise ValueError(f"count must lie in 0..{total}, the number of scores, got {count}")
    if count == 0:
        return torch.zeros_like(score, dtype=torch.bool)
    if count == total:
        return torch.ones_like(score, dtype=torch.bool)
    if _has_kernel(score):
        from pruning.kernels.ranking import top_k_mask_of  # numba takes a second to import

        return top_k_mask_of(score, count, prefer)
    threshold = kth_largest(score, count)
    above = score > threshold
    tied = score == threshold
    missing = count - above.sum()
    if prefer is None:
        return above | (tied & (tied.cumsum(0) <= missing))
    first = tied & prefer
    first &= first.cumsum(0) <= missing
    second = tied & ~prefer
    second &= second.cumsum(0) <= missing - first.sum()
    return above | first | second


def kth_largest(score: Tensor, count: int) -> Tensor:
    """Value of the ``count``-th largest score, a 0-d tensor.

    Examples
    --------
    >>> kth_largest(torch.tensor([5.0, 1.0, 3.0]), 2).item()
    3.0
    """
    if _has_kernel(score) and 0 < count <= score.numel():
        from pruning.kernels.ranking import kth_largest_of  # numba takes a second to import

        return kth_largest_of(score, count)
    return torch.kthvalue(score, score.numel() - count + 1).values


def _has_kernel(score: Tensor) -> bool:
    return score.device.type == "cpu" and score.dtype in (torch.float32, torch.float64)
