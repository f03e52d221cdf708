"""Values as they are stored: float32 and float64 as they are, bfloat16 as its upper sixteen bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import types

from grn.kernels.hill import inlined

if TYPE_CHECKING:
    from collections.abc import Callable

INLINED = {"hill": "64dfc1660395"}


def widened(stored: Any) -> Any:
    """Value to compute with; compiled for the type that is stored."""
    raise NotImplementedError("compiled code only")


def narrowed(value: Any, like: Any) -> Any:
    """Value as an array like ``like`` stores it, rounded to the nearest, ties to even."""
    raise NotImplementedError("compiled code only")


@inlined(widened)
def _widened_typed(stored: Any) -> Callable[..., Any]:
    if stored == types.uint16:

        def upper_half(stored: Any) -> Any:
            return np.uint32(np.uint32(stored) << np.uint32(16)).view(np.float32)

        return upper_half

    def as_it_is(stored: Any) -> Any:
        return stored

    return as_it_is


@inlined(narrowed)
def _narrowed_typed(value: Any, like: Any) -> Callable[..., Any]:
    if like.dtype == types.uint16:

        def rounded(value: Any, like: Any) -> Any:
            bits = np.float32(value).view(np.uint32)
            odd = np.uint32(bits >> np.uint32(16)) & np.uint32(1)
            return np.uint16(np.uint32(bits + np.uint32(0x7FFF) + odd) >> np.uint32(16))

        return rounded

    def as_it_is(value: Any, like: Any) -> Any:
        return value

    return as_it_is
