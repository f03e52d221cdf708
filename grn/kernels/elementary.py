"""Logarithm and exponential in compiled code, in operations that become vector instructions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numba import types
from numba.extending import overload

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

# Contraction and reciprocals only: inf and NaN keep their meaning, sums their order.
_INLINED: dict[str, Any] = {
    "fastmath": {"contract", "nsz", "arcp"},
    "error_model": "numpy",
    "forceinline": True,  # a call inside the loop over genes would keep it from vectors
}

_overload = cast("Callable[..., Callable[[F], F]]", overload)


def log_of_normal(x: Any) -> Any:
    """Logarithm of a normal positive x; compiled for its type."""
    raise NotImplementedError


def exp_of_minus(t: Any) -> Any:
    """``exp(−t)`` where it neither overflows nor underflows; compiled for the type of t."""
    raise NotImplementedError


# log x = e·ln 2 + 2·atanh(s), s = (f−1)/(f+1), with f = x/2^e in [√½, √2), z = s² < 0.0295.
@_overload(log_of_normal, jit_options=_INLINED)
def _log_typed(x: Any) -> Callable[..., Any]:
    if x == types.float32:

        def single(x: Any) -> Any:
            f = np.float32
            bits = np.float32(x).view(np.int32)
            e = np.int32(np.int32(bits - np.int32(0x3F3504F3)) >> np.int32(23))
            fraction = np.int32(bits - np.int32(e << np.int32(23))).view(np.float32)
            s = (fraction - f(1)) / (fraction + f(1))
            z = s * s
            y = z * (f(1 / 3) + z * (f(1 / 5) + z * (f(1 / 7) + z * f(1 / 9))))
            return f(e) * f(0.6931471805599453) + f(2) * (s + s * y)

        return single

    def double(x: Any) -> Any:
        bits = np.float64(x).view(np.int64)
        e = (bits - np.int64(0x3FE6A09E667F3BCD)) >> np.int64(52)
        fraction = np.int64(bits - (e << np.int64(52))).view(np.float64)
        s = (fraction - 1.0) / (fraction + 1.0)
        z = s * s
        y = 1 / 15 + z * (1 / 17 + z * (1 / 19 + z * (1 / 21 + z * (1 / 23))))
        y = 1 / 9 + z * (1 / 11 + z * (1 / 13 + z * y))
        y = z * (1 / 3 + z * (1 / 5 + z * (1 / 7 + z * y)))
        return np.float64(e) * 0.6931471805599453 + 2.0 * (s + s * y)

    return double


# exp r by its series for |r| ≤ ½ ln 2, then 2^k through the exponent's bits; ln 2 in two parts keeps r exact.
@_overload(exp_of_minus, jit_options=_INLINED)
def _exp_of_minus_typed(t: Any) -> Callable[..., Any]:
    if t == types.float32:

        def single(t: Any) -> Any:
            f = np.float32
            k = np.floor(f(0.5) - f(1.4426950408889634) * t)
            r = (-t - k * f(0.693359375)) + k * f(2.12194440e-4)
            y = f(1 / 6) + r * (f(1 / 24) + r * (f(1 / 120) + r * f(1 / 720)))
            y = f(1) + r * (f(1) + r * (f(0.5) + r * y))
            return y * np.int32(np.int32(np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)

        return single

    def double(t: Any) -> Any:
        k = np.floor(0.5 - 1.4426950408889634 * t)
        r = (-t - k * 0.693145751953125) - k * 1.42860682030941723212e-6
        y = 1 / 3628800 + r * (1 / 39916800 + r * (1 / 479001600 + r * (1 / 6227020800)))
        y = 1 / 5040 + r * (1 / 40320 + r * (1 / 362880 + r * y))
        y = 1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r * y)))
        y = 1.0 + r * (1.0 + r * (0.5 + r * y))
        return y * np.int64((np.int64(k) + np.int64(1023)) << np.int64(52)).view(np.float64)

    return double
