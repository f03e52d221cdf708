"""Compiled code of the fused step for genes coupled by their neighbours or by a shared threshold.

A step is three passes over the genes, one a promoter evaluation. Each pass reads the means that the last one
summed, evaluates the promoters, forms the protein of the next stage, and sums it by rows and columns on the
way. A pass runs over pieces of whole rows, on any thread; the sums of the pieces are joined in their order,
so that the number of threads changes no bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from grn.kernels.elementary import exp_of_minus
from grn.kernels.hill import hill, summing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

# numba's cache on disk watches this file alone: where a file that it inlines changes, so must this line.
INLINED = {"elementary": "31cd2653c7d9", "hill": "64dfc1660395"}

FIRST, MIDDLE, LAST, BEFORE = 0, 1, 2, 3  # the three stages of a step, and the sums before the first step


@summing
def run_stage(
    stage: int,
    begin: int,
    end: int,
    pieces: Array,
    m: Array,
    p: Array,
    q: Array,
    h1: Array,
    h2: Array,
    around: Array,
    row_means: Array,
    sums: Array,
    expressed: Array,
    promoter: Array,
    weights: Array,
    n: Any,
    scale: float,
    control: Array,
) -> None:
    """Run one stage on pieces ``begin`` to ``end``: h1, then h2, then m and p in place.

    ``pieces`` has a row (gene, rows, row length, row, column, sum) each: where its genes begin, its extent,
    its first row among the row means, its layer's first entry of ``around`` and its own first of ``sums``.
    ``expressed`` gets a piece's sums of the smooth indicator at the quarter and at the end of the stage.
    """
    kind = m.dtype.type
    one, a, half_c = promoter[0], promoter[1], promoter[3]
    half_p, half_m, half_b, half_h = weights[0], weights[1], weights[2], weights[3]
    full_p, full_m, full_b, full_h = weights[4], weights[5], weights[6], weights[7]
    m_b, m1, m2, m3 = weights[9], weights[10], weights[11], weights[12]
    p_b, p1, p2, p3 = weights[13], weights[14], weights[15], weights[16]
    lost_m, lost_p = weights[26], weights[27]  # increments, as in grn.kernels.separable
    level_scale = kind(scale)
    cooperating = half_c != 0
    controlled = control.size > 0
    for piece in range(begin, end):
        gene, rows, length, row, column, total = pieces[piece]
        after = np.empty(length, m.dtype)
        here = around[column : column + length]
        summed = sums[total : total + length]
        if cooperating:
            summed[:] = 0.0
        expressed[piece, 0] = expressed[piece, 1] = 0.0
        for o in range(rows):
            at = slice(gene + o * length, gene + (o + 1) * length)
            now_m, now_p, level, first, second = m[at], p[at], q[at], h1[at], h2[at]
            offset = one + half_c * kind(row_means[row + o])
            if stage == FIRST:
                for j in range(length):
                    x = level[j] * level_scale * (offset + here[j] + a * now_p[j])
                    h = hill(x, n)
                    first[j] = h
                    after[j] = half_p * now_p[j] + half_m * now_m[j] + (half_b + half_h * h)
            elif stage == MIDDLE:
                for j in range(length):
                    y = half_p * now_p[j] + half_m * now_m[j] + (half_b + half_h * first[j])
                    h = hill(level[j] * level_scale * (offset + here[j] + a * y), n)
                    second[j] = h
                    after[j] = full_p * now_p[j] + full_m * now_m[j] + (full_b + full_h * h)
            elif stage == LAST:
                for j in range(length):
                    flow = full_p * now_p[j] + full_m * now_m[j]
                    y = flow + (full_b + full_h * second[j])
                    h = hill(level[j] * level_scale * (offset + here[j] + a * y), n)
                    gained = full_m * now_m[j] + (p_b + p1 * first[j]) + p2 * second[j] + p3 * h
                    after[j] = now_p[j] + (gained - lost_p * now_p[j])
                    now_m[j] += (m_b + m1 * first[j]) + m2 * second[j] + m3 * h - lost_m * now_m[j]
                    now_p[j] = after[j]
            else:
                after[:] = now_p
            if cooperating:
                across = 0.0
                for j in range(length):
                    across += np.float64(after[j])
                    summed[j] += np.float64(after[j])
                row_means[row + o] = across / length
            if controlled:
                expressed[piece, 1] += _expressed(after, control)
                if stage == FIRST:
                    for j in range(length):
                        after[j] = (
                            weights[28] * now_p[j]
                            + weights[29] * now_m[j]
                            + (weights[30] + weights[31] * first[j])
                        )
                    expressed[piece, 0] += _expressed(after, control)


@summing
def join_columns(layers: Array, pieces: Array, sums: Array, around: Array, half_c: float) -> None:
    """Write ``½·c`` times the mean over each gene's input unit, from the sums of all pieces of its layer.

    ``layers`` has a row (column, row length, kernel, outputs, first piece, pieces) for each layer or group.
    """
    for layer in range(layers.shape[0]):
        column, length, kernel, outputs, first, count = layers[layer]
        share = half_c / (outputs * kernel)
        for i in range(0, length, kernel):
            total = 0.0
            for piece in range(first, first + count):
                start = pieces[piece, 5] + i
                for k in range(kernel):
                    total += sums[start + k]
            for k in range(kernel):
                around[column + i + k] = share * total


@summing
def _expressed(y: Array, control: Array) -> float:
    """Sum of ``sigmoid((p − level)/width)``; beyond ±80 widths it is 0 or 1 in every dtype."""
    level, slope = y.dtype.type(control[0]), y.dtype.type(1.0 / control[1])
    end = y.dtype.type(80)
    total = 0.0
    for i in range(y.size):
        t = min(max((y[i] - level) * slope, -end), end)
        total += np.float64(y.dtype.type(1) / (y.dtype.type(1) + exp_of_minus(t)))
    return total
