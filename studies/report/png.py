"""Pictures inside a page: pixels as a PNG in a data URI, without an imaging library."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np


def png(pixels: np.ndarray) -> bytes:
    r"""Encode pixels as PNG; equal pixels give equal bytes.

    Parameters
    ----------
    pixels : ndarray
        uint8, shape (H, W) for grey or (H, W, 3) for RGB, at least one pixel.

    Raises
    ------
    ValueError
        If dtype or shape is another.

    References
    ----------
    ISO/IEC 15948, *Portable Network Graphics*.

    Examples
    --------
    >>> png(np.zeros((2, 3), dtype=np.uint8))[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    shape = pixels.shape
    if pixels.dtype != np.uint8 or pixels.size == 0 or not (len(shape) == 2 or shape[2:] == (3,)):
        raise ValueError(
            f"pixels must be uint8 of shape (H, W) or (H, W, 3), not empty, got {pixels.dtype} of {shape}"
        )
    height, width = shape[:2]
    bands = 3 if pixels.ndim == 3 else 1
    rows = np.ascontiguousarray(pixels).reshape(height, width * bands)
    filtered = np.empty((height, 1 + width * bands), dtype=np.uint8)
    filtered[:, 0] = 1  # "Sub": each byte less that of the pixel on its left, which packs better
    filtered[:, 1:] = rows
    filtered[:, 1 + bands :] -= rows[:, :-bands]
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if bands == 3 else 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(filtered.tobytes(), 9))
        + _chunk(b"IEND", b"")
    )


def png_uri(pixels: np.ndarray) -> str:
    """Return the pixels as a ``data:`` URI; see `png`."""
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
