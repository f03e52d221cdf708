"""Deflate as a topology history uses it: what comes out must have the size that was declared."""

import zlib

_LEVEL = 6
_MOST_SHRUNK = 1032  # deflate makes nothing smaller than by this


def deflate(content: bytes) -> bytes:
    """Compress bytes; the same bytes always give the same."""
    return zlib.compress(content, _LEVEL)


def inflate(stored: bytes, size: int) -> bytes:
    """Undo deflate where exactly ``size`` bytes must come out; never makes more.

    Raises
    ------
    ValueError
        If something else comes out.

    Examples
    --------
    >>> inflate(deflate(b"gate"), 4)
    b'gate'
    """
    if size > _MOST_SHRUNK * (len(stored) + 1):
        raise ValueError(f"{len(stored):,} stored bytes cannot hold {size:,}")
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(stored, size + 1)
    except zlib.error as error:
        raise ValueError(f"its compressed part cannot be read ({error})") from None
    if len(content) != size or not inflater.eof or inflater.unused_data:
        raise ValueError(f"its compressed part does not hold exactly {size:,} bytes")
    return content
