"""Compiled loops over gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[Any]

F = TypeVar("F", bound="Callable[..., Any]")

_compiled = cast("Callable[[F], F]", njit(nogil=True, cache=True))


@_compiled
def count_digits(bits: Array, lowest: int, shift: int, base: int, counts: Array) -> None:
    """Count the keys whose leading digits, ``key >> shift``, are ``base + j`` into ``counts[j]``.

    ``bits`` are floats read as integers, sign and magnitude; ``lowest`` is the integer of the sign alone. The
    key of a float is its place among all floats as a signed integer, the same for 0.0 and -0.0.
    """
    for i in range(bits.size):
        word = bits[i]
        key = word if word >= 0 else lowest - word
        j = (key >> shift) - base
        if 0 <= j < counts.size:
            counts[j] += 1


@_compiled
def find_digit(counts: Array, wanted: int) -> tuple[int, int, int]:
    """Digit of the ``wanted``-th largest key, its rank among those of that digit, and how many these are.

    ``counts`` has one row a thread.
    """
    for j in range(counts.shape[1] - 1, -1, -1):
        here = 0
        for row in range(counts.shape[0]):
            here += counts[row, j]
        if here >= wanted:
            return j, wanted, here
        wanted -= here
    return 0, 0, 0


@_compiled
def mark_from(score: Array, threshold: Any, mask: Array) -> None:
    """Mark scores of at least ``threshold``."""
    for i in range(score.size):
        mask[i] = score[i] >= threshold


@_compiled
def count_tied(score: Array, threshold: Any, prefer: Array) -> tuple[int, int]:
    """Scores equal to ``threshold``: preferred ones, and others."""
    preferred = tied = 0
    for i in range(score.size):
        tie = score[i] == threshold
        tied += tie
        preferred += tie & prefer[i]
    return preferred, tied - preferred


@_compiled
def mark_above_and_tied(
    score: Array, threshold: Any, prefer: Array, preferred: int, others: int, mask: Array
) -> None:
    """Mark scores above ``threshold``, the first ``preferred`` ties preferred, the first ``others`` not."""
    for i in range(score.size):
        first = (score[i] == threshold) & prefer[i]
        second = (score[i] == threshold) & ~prefer[i]
        mask[i] = (score[i] > threshold) | (first & (preferred > 0)) | (second & (others > 0))
        preferred -= first
        others -= second


@_compiled
def clear(values: Array, where: Array) -> None:
    """Set the chosen values to zero."""
    zero = values.dtype.type(0)
    for i in range(values.size):
        values[i] = zero if where[i] else values[i]


@_compiled
def clear_rows(values: Array, where: Array) -> None:
    """Set the chosen rows to zero."""
    for i in range(values.shape[0]):
        if where[i]:
            for j in range(values.shape[1]):
                values[i, j] = 0
