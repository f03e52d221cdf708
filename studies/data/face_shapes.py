"""What faces are drawn with: smooth masks from distances, and paint. All on arrays (N, H, W)."""

from collections.abc import Mapping

import numpy as np

Array = np.ndarray
Values = Mapping[str, Array]
Point = tuple[Array | float, Array | float]


def cover(distance: Array, width: Array | np.float32) -> Array:
    """Give the coverage of a pixel by a shape: 1 inside, 0 outside, a ramp of `width` across the edge."""
    return np.clip(0.5 - distance / width, 0, 1)


def blend(canvas: Array, value: Array | float, mask: Array) -> None:
    """Paint `value` over `canvas` where `mask` is 1, in place."""
    canvas += (value - canvas) * mask


def darken(canvas: Array, strength: Array | float, mask: Array) -> None:
    """Take the fraction `strength` of the light away where `mask` is 1, in place."""
    canvas *= 1 - strength * mask


def bump(du: Array, dv: Array, ru: Array | float, rv: Array | float) -> Array:
    """Give a smooth hill of height 1 on an ellipse of radii `ru`, `rv`."""
    hill = np.maximum(1 - (du / ru) ** 2 - (dv / rv) ** 2, 0)
    return hill * hill


def ellipse(du: Array, dv: Array, ru: Array | float, rv: Array | float) -> Array:
    """Give about the signed distance to an ellipse."""
    return (np.sqrt((du / ru) ** 2 + (dv / rv) ** 2) - 1) * np.minimum(ru, rv)


def segment(u: Array, v: Array, start: Point, end: Point) -> Array:
    """Give the distance to a line segment."""
    du, dv = end[0] - start[0], end[1] - start[1]
    along = np.clip(((u - start[0]) * du + (v - start[1]) * dv) / (du * du + dv * dv), 0, 1)
    return np.sqrt((u - start[0] - along * du) ** 2 + (v - start[1] - along * dv) ** 2)


def hair_tone(t: Values, u: Array, v: Array) -> Array:
    """Give the grey level of hair with its strands."""
    strand = u * t["strands"] + v * (0.6 + 2.2 * u)
    wave = np.abs(strand - np.floor(strand) - 0.5)
    return t["hair"] * (0.9 + 0.1 * wave) + 0.09 * wave
