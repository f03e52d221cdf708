"""The Hill function in compiled code, and how the loops over genes are compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numba import njit, types
from numba.extending import overload

from grn.kernels.elementary import exp_of_minus, log_of_normal

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

# numba's cache on disk watches this file alone: where a file that it inlines changes, so must this line.
INLINED = {"elementary": "31cd2653c7d9"}

LARGEST_POWER = 15  # integer n up to here by multiplication

# Contraction and reciprocals only: inf and NaN keep their meaning, sums their order.
_ARITHMETIC = {"contract", "nsz", "arcp"}
_FAST: dict[str, Any] = {"fastmath": _ARITHMETIC, "error_model": "numpy"}
# Sums lane by lane: their order is fixed by the compiled code, the same in every run.
_FAST_SUM: dict[str, Any] = {"fastmath": {*_ARITHMETIC, "reassoc"}, "error_model": "numpy"}
_INLINED = {**_FAST, "forceinline": True}  # a call inside the loop over genes would keep it from vectors

_overload = cast("Callable[..., Callable[[F], F]]", overload)
compiled = cast("Callable[[F], F]", njit(**_FAST, nogil=True, cache=True))
summing = cast("Callable[[F], F]", njit(**_FAST_SUM, nogil=True, cache=True))


def inlined(stub: Callable[..., Any]) -> Callable[[F], F]:
    """Decorate the typed body of ``stub``, which is put into the loops that call it."""
    return _overload(stub, jit_options=_INLINED)


def hill(x: Any, n: Any) -> Any:
    """``xⁿ/(1+xⁿ)``, 0 for x ≤ 0; compiled for the type of x and for an integer or a real n."""
    raise NotImplementedError("compiled code only; see grn.hill")


@inlined(hill)
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
