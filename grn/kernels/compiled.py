"""Compiled code of the fused step: the loops over genes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numba import njit, types
from numba.extending import overload

from grn.kernels.elementary import exp_of_minus, log_of_normal

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[Any]

F = TypeVar("F", bound="Callable[..., Any]")

# numba's cache on disk watches this file alone: where a file that it inlines changes, so must this line.
INLINED = {"elementary": "31cd2653c7d9"}

BLOCK = 1024  # genes carried together: three arrays of 4 KiB in float32 stay in the first-level cache
LARGEST_POWER = 15  # integer n up to here by multiplication

# Contraction and reciprocals only: inf and NaN keep their meaning, sums their order.
_ARITHMETIC = {"contract", "nsz", "arcp"}
_FAST: dict[str, Any] = {"fastmath": _ARITHMETIC, "error_model": "numpy"}
# Sums lane by lane: their order is fixed by the compiled code, the same in every run.
_FAST_SUM: dict[str, Any] = {"fastmath": {*_ARITHMETIC, "reassoc"}, "error_model": "numpy"}
_INLINED = {**_FAST, "forceinline": True}  # a call inside the loop over genes would keep it from vectors

_overload = cast("Callable[..., Callable[[F], F]]", overload)
_compiled = cast("Callable[[F], F]", njit(**_FAST, nogil=True, cache=True))
_summing = cast("Callable[[F], F]", njit(**_FAST_SUM, nogil=True, cache=True))


def _hill(x: Any, n: Any) -> Any:
    """``xⁿ/(1+xⁿ)``, 0 for x ≤ 0; compiled for the type of x and for an integer or a real n."""
    raise NotImplementedError


@_overload(_hill, jit_options=_INLINED)
def _hill_typed(x: Any, n: Any) -> Callable[..., Any]:
    kind = np.float32 if x == types.float32 else np.float64
    if isinstance(n, types.Integer):

        def by_multiplication(x: Any, n: Any) -> Any:
            # Beyond the cap xⁿ > 1e30 and the answer is 1 in every dtype; below it no power overflows.
            square = min(max(x, kind(0)), kind(10.0 ** (30.0 / n)))
            power = square if n & 1 else kind(1)
            square = square * square
            power = power * square if n & 2 else power
            square = square * square
            power = power * square if n & 4 else power
            square = square * square
            power = power * square if n & 8 else power
            return power / (kind(1) + power)

        return by_multiplication

    tiny, largest = (kind(2e-38), kind(80)) if kind is np.float32 else (kind(1e-307), kind(690))

    def by_logarithm(x: Any, n: Any) -> Any:
        t = kind(n) * log_of_normal(max(x, tiny))
        h = kind(1) / (kind(1) + exp_of_minus(min(max(t, -largest), largest)))
        return h if x > tiny else kind(0)

    return by_logarithm


@_compiled
def separable(m: Array, p: Array, q: Array, table: Array, n: Any, steps: int) -> None:
    """All steps of genes that do not act on each other, in place in m and p."""
    one, a, _, scale, basal, range_ = table[0], table[1], table[2], table[3], table[4], table[5]
    half_p, half_m, half_h = table[6], table[7], table[8]
    full_p, full_m, full_h = table[9], table[10], table[11]
    kept, m1, m2, m3, p1, p2, p3 = (
        table[12],
        table[13],
        table[14],
        table[15],
        table[16],
        table[17],
        table[18],
    )
    mrna, protein, induction = np.empty(BLOCK, m.dtype), np.empty(BLOCK, m.dtype), np.empty(BLOCK, m.dtype)
    for start in range(0, m.size, BLOCK):
        size = min(BLOCK, m.size - start)
        for i in range(size):
            mrna[i] = m[start + i]
            protein[i] = p[start + i]
            induction[i] = q[start + i] * scale
        for _step in range(steps):
            for i in range(size):
                now_m, now_p, s = mrna[i], protein[i], induction[i]
                h1 = basal + range_ * _hill(s * (one + a * now_p), n)
                y = half_p * now_p + half_m * now_m + half_h * h1
                h2 = basal + range_ * _hill(s * (one + a * y), n)
                y = full_p * now_p + full_m * now_m + full_h * h2
                h3 = basal + range_ * _hill(s * (one + a * y), n)
                mrna[i] = kept * now_m + m1 * h1 + m2 * h2 + m3 * h3
                protein[i] = full_p * now_p + full_m * now_m + p1 * h1 + p2 * h2 + p3 * h3
        for i in range(size):
            m[start + i] = mrna[i]
            p[start + i] = protein[i]


@_compiled
def coupled(
    m: Array,
    p: Array,
    q: Array,
    table: Array,
    n: Any,
    steps: int,
    layout: Array,
    control: Array,
    log_threshold: Array,
) -> None:
    """All steps of genes coupled by neighbours or a shared threshold, in place in m, p and log_threshold."""
    controlled = control.size > 0
    theta = log_threshold[0] if controlled else 0.0
    h1, h2, h3 = np.empty_like(m), np.empty_like(m), np.empty_like(m)
    y = np.empty_like(m)
    rho1 = rho2 = rho_quarter = 0.0
    for _step in range(steps):
        theta2 = theta3 = theta
        _drive(h1, p, q, table, n, layout, theta)
        if controlled:
            _stage(y, m, p, h1, table, 19)
            rho_quarter = _expressed(y, control)
            rho1 = _expressed(p, control)
        _stage(y, m, p, h1, table, 6)
        if controlled:
            rho2 = _expressed(y, control)
            theta2 = theta + control[0] * ((rho1 + 4.0 * rho_quarter + rho2) / 12.0 - 0.5 * control[1])
        _drive(h2, y, q, table, n, layout, theta2)
        _stage(y, m, p, h2, table, 9)
        if controlled:
            theta3 = theta + control[0] * ((rho1 + 4.0 * rho2 + _expressed(y, control)) / 6.0 - control[1])
        _drive(h3, y, q, table, n, layout, theta3)
        _finish(m, p, h1, h2, h3, table)
        theta = theta3
    if controlled:
        log_threshold[0] = theta


@_compiled
def _stage(y: Array, m: Array, p: Array, h: Array, table: Array, first: int) -> None:
    kept, translated, made = table[first], table[first + 1], table[first + 2]
    for i in range(y.size):
        y[i] = kept * p[i] + translated * m[i] + made * h[i]


@_compiled
def _finish(m: Array, p: Array, h1: Array, h2: Array, h3: Array, table: Array) -> None:
    full_p, full_m, kept = table[9], table[10], table[12]
    m1, m2, m3, p1, p2, p3 = table[13], table[14], table[15], table[16], table[17], table[18]
    for i in range(m.size):
        now_m = m[i]
        m[i] = kept * now_m + m1 * h1[i] + m2 * h2[i] + m3 * h3[i]
        p[i] = full_p * p[i] + full_m * now_m + p1 * h1[i] + p2 * h2[i] + p3 * h3[i]


@_summing
def _expressed(y: Array, control: Array) -> float:
    """Mean of ``sigmoid((p − level)/width)``; beyond ±80 widths it is 0 or 1 in every dtype."""
    level, slope = y.dtype.type(control[2]), y.dtype.type(1.0 / control[3])
    end = y.dtype.type(80)
    total = 0.0
    for i in range(y.size):
        t = min(max((y[i] - level) * slope, -end), end)
        total += np.float64(y.dtype.type(1) / (y.dtype.type(1) + exp_of_minus(t)))
    return total / y.size


@_summing
def _sum(values: Array) -> float:
    total = 0.0
    for i in range(values.size):
        total += np.float64(values[i])
    return total


@_compiled
def _drive(h: Array, p: Array, q: Array, table: Array, n: Any, layout: Array, theta: float) -> None:
    """Promoter activity of every gene, with the row and column means of each layer where genes cooperate."""
    one, a, half_c, basal, range_ = table[0], table[1], table[2], table[4], table[5]
    scale = table.dtype.type(np.float64(table[3]) * np.exp(-theta))
    start = 0
    for block in range(layout.shape[0]):
        groups, outputs, inputs, kernel = layout[block]
        row = inputs * kernel
        columns = np.zeros(row)
        around = np.zeros(row, h.dtype)
        for _group in range(groups):
            rows = np.zeros(outputs)
            if half_c != 0:
                columns[:] = 0.0
                for o in range(outputs):
                    base = start + o * row
                    for j in range(row):
                        columns[j] += np.float64(p[base + j])
                    rows[o] = _sum(p[base : base + row]) / row
                for i in range(inputs):
                    total = 0.0
                    for k in range(kernel):
                        total += columns[i * kernel + k]
                    for k in range(kernel):
                        around[i * kernel + k] = half_c * total / (outputs * kernel)
            for o in range(outputs):
                base = start + o * row
                offset = one + half_c * table.dtype.type(rows[o])
                for j in range(row):
                    x = q[base + j] * scale * (offset + around[j] + a * p[base + j])
                    h[base + j] = basal + range_ * _hill(x, n)
            start += outputs * row
