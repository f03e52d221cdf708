"""Compiled code of the fused step for genes that do not act on each other.

Genes lie innermost, in blocks that stay in the first-level cache for the whole interval. Every block is
first carried in the same few steps; genes whose estimated error is too large are gathered and carried again
in twice as many, and so on, so that a hard gene costs nothing to the easy ones beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from grn.kernels.hill import compiled, hill
from grn.kernels.storage import narrowed, widened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

# numba's cache on disk watches this file alone: where a file that it inlines changes, so must this line.
INLINED = {"hill": "64dfc1660395", "storage": "dba71d004ca5"}

BLOCK = 1024  # genes carried together: ten rows of 4 KiB in float32 stay in the first-level cache
LANES = 16  # float32 values of the widest vector
MOST_STALLS = 2  # see grn.kernels.refine
DONE, BAD_VALUE, UNRESOLVED = 0, 1, 2


@compiled
def carry_separable(
    m: Array,
    p: Array,
    q: Array,
    m_after: Array,
    p_after: Array,
    error: Array,
    taken: Array,
    promoter: Array,
    table: Array,
    n: Any,
    steps: int,
    tolerance: float,
    begin: int,
    end: int,
) -> int:
    """Carry genes ``begin`` to ``end`` through the interval and return how it ended.

    ``table`` has a row of weights for each number of steps: ``steps``, twice as many, and so on. A tolerance
    of infinity takes the first as it comes; estimated errors and steps taken are written unless ``error``
    and ``taken`` are empty. ``m_after`` and ``p_after`` may be ``m`` and ``p`` themselves.
    """
    kind = q.dtype.type
    scale, limit, infinite = promoter[2], kind(tolerance), kind(np.inf)
    estimated = error.size > 0 or tolerance < np.inf
    work, last = np.empty(10 * BLOCK, q.dtype), np.empty(BLOCK, q.dtype)
    stalls = np.empty(BLOCK, np.int8)
    waiting = np.empty(BLOCK, np.int32)
    for start in range(begin, end, BLOCK):
        size = min(BLOCK, end - start)
        bad = False
        for i in range(size):
            now_m, now_p, level = widened(m[start + i]), widened(p[start + i]), q[start + i]
            work[i], work[BLOCK + i], work[2 * BLOCK + i] = now_m, now_p, level * scale
            work[3 * BLOCK + i] = work[4 * BLOCK + i] = kind(0)
            work[8 * BLOCK + i], work[9 * BLOCK + i] = now_m, now_p
            bad |= not ((abs(now_m) < infinite) & (abs(now_p) < infinite) & (level >= kind(0)))
        if bad:
            return BAD_VALUE
        _march(work, size, promoter, table[0], n, steps, estimated)
        for i in range(size):
            m_after[start + i] = narrowed(work[i], m_after)
            p_after[start + i] = narrowed(work[BLOCK + i], p_after)
        left = 0
        if estimated:
            good = np.int32(0)
            for i in range(size):
                good += np.int32((work[3 * BLOCK + i] <= limit) & (work[4 * BLOCK + i] <= limit))
            if good < size:  # a count is vectorised, a list is not, and mostly there is nothing to list
                for i in range(size):
                    worst = max(work[3 * BLOCK + i], work[4 * BLOCK + i])
                    waiting[left], last[left], stalls[left] = i, worst, 0
                    left += 0 if worst <= limit else 1
        if error.size:
            for i in range(size):
                error[start + i] = max(work[3 * BLOCK + i], work[4 * BLOCK + i])
                taken[start + i] = steps
        finer = 0
        while left:
            finer += 1
            if finer == table.shape[0]:
                return UNRESOLVED
            for k in range(left):
                i = waiting[k]
                work[k], work[BLOCK + k] = work[8 * BLOCK + i], work[9 * BLOCK + i]
                work[2 * BLOCK + k] = q[start + i] * scale
                work[3 * BLOCK + k] = work[4 * BLOCK + k] = kind(0)
            # Whole vectors: genes left over would be carried one by one.
            whole = min(BLOCK, -(-left // LANES) * LANES)
            for row in range(5):
                for k in range(left, whole):
                    work[row * BLOCK + k] = work[row * BLOCK]
            count = steps << finer
            _march(work, whole, promoter, table[finer], n, count, True)
            still = 0
            for k in range(left):
                i = start + waiting[k]
                m_after[i] = narrowed(work[k], m_after)
                p_after[i] = narrowed(work[BLOCK + k], p_after)
                worst = max(work[3 * BLOCK + k], work[4 * BLOCK + k])
                if worst != worst:
                    return UNRESOLVED
                if error.size:
                    error[i], taken[i] = worst, count
                stalled = np.int8(0) if worst <= last[k] / kind(2) else np.int8(stalls[k] + 1)
                waiting[still], last[still], stalls[still] = waiting[k], worst, stalled
                still += 0 if (worst <= limit) | (stalled == MOST_STALLS) else 1
            left = still
    return DONE


@compiled
def all_usable(m: Array, p: Array, q: Array, begin: int, end: int) -> bool:
    """Whether genes ``begin`` to ``end`` have finite concentrations and inductions of zero or more."""
    kind = q.dtype.type
    for start in range(begin, end, BLOCK):
        size = min(BLOCK, end - start)
        good = np.int32(0)
        for i in range(size):
            now_m, now_p = widened(m[start + i]), widened(p[start + i])
            naught = (now_m - now_m) + (now_p - now_p)  # of infinity it would be NaN
            good += np.int32((naught == kind(0)) & (q[start + i] >= kind(0)))
        if good < size:
            return False
    return True


@compiled
def _march(work: Array, size: int, promoter: Array, row: Array, n: Any, steps: int, estimated: bool) -> None:
    """All steps of one block, in place in the rows of ``work``.

    The rows are m, p, S/K, the estimated errors of m and p, the three promoter activities, and m and p as
    they were, in one array: of several, the compiler could not tell that they do not overlap. Each stage
    is a loop of its own: in one long loop the processor would wait for one division after another. Steps
    add increments: a share kept of almost 1 would be rounded anew at each of many small steps.
    """
    one, a = promoter[0], promoter[1]
    half_p, half_m, half_b, half_h = row[0], row[1], row[2], row[3]
    full_p, full_m, full_b, full_h = row[4], row[5], row[6], row[7]
    kept, m_b, m1, m2, m3 = row[8], row[9], row[10], row[11], row[12]
    p_b, p1, p2, p3 = row[13], row[14], row[15], row[16]
    at_p, at_m, at_next_p, at_next_m = row[17], row[18], row[19], row[20]
    fed_m, fed_p, missed_m, missed_p = row[21], row[22], row[23], row[24]
    kept_p, lost_m, lost_p = row[25], row[26], row[27]
    chord, flattest = promoter[4], promoter[5]
    for _step in range(steps):
        for i in range(size):
            work[5 * BLOCK + i] = hill(work[2 * BLOCK + i] * (one + a * work[BLOCK + i]), n)
        for i in range(size):
            middle = half_p * work[BLOCK + i] + half_m * work[i] + (half_b + half_h * work[5 * BLOCK + i])
            work[6 * BLOCK + i] = hill(work[2 * BLOCK + i] * (one + a * middle), n)
        for i in range(size):
            last = full_p * work[BLOCK + i] + full_m * work[i] + (full_b + full_h * work[6 * BLOCK + i])
            work[7 * BLOCK + i] = hill(work[2 * BLOCK + i] * (one + a * last), n)
        if not estimated:
            for i in range(size):
                now_m, now_p = work[i], work[BLOCK + i]
                h1, h2, h3 = work[5 * BLOCK + i], work[6 * BLOCK + i], work[7 * BLOCK + i]
                work[i] = now_m + ((m_b + m1 * h1) + m2 * h2 + m3 * h3 - lost_m * now_m)
                work[BLOCK + i] = now_p + (
                    full_m * now_m + (p_b + p1 * h1) + p2 * h2 + p3 * h3 - lost_p * now_p
                )
            continue
        for i in range(size):
            now_m, now_p = work[i], work[BLOCK + i]
            h1, h2, h3 = work[5 * BLOCK + i], work[6 * BLOCK + i], work[7 * BLOCK + i]
            next_m = now_m + ((m_b + m1 * h1) + m2 * h2 + m3 * h3 - lost_m * now_m)
            next_p = now_p + (full_m * now_m + (p_b + p1 * h1) + p2 * h2 + p3 * h3 - lost_p * now_p)
            work[i], work[BLOCK + i] = next_m, next_p
            stage = half_p * now_p + half_m * now_m + (half_b + half_h * h1)
            between = at_p * now_p + at_m * now_m + at_next_p * next_p + at_next_m * next_m
            slope = (h2 - h2 * h2) * max(one - chord * stage, flattest)
            missed, p_error = slope * abs(between - stage), work[4 * BLOCK + i]
            m_error, fed = work[3 * BLOCK + i], slope * p_error
            work[3 * BLOCK + i] = kept * m_error + fed_m * fed + missed_m * missed
            p_next = kept_p * p_error + full_m * m_error + fed_p * fed + missed_p * missed
            work[4 * BLOCK + i] = min(p_next, one)
