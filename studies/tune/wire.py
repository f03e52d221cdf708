"""Arrays on their way to the browser."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def packed(values: ArrayLike) -> dict[str, str]:
    """Array as plotly.js reads it: base64 of 32-bit floats.

    Examples
    --------
    >>> packed([1.0])
    {'dtype': 'f4', 'bdata': 'AACAPw=='}
    """
    array = np.ascontiguousarray(values, dtype="<f4")
    return {"dtype": "f4", "bdata": base64.b64encode(array.tobytes()).decode()}
