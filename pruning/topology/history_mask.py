"""The masks of a record as bytes: whole, or what has changed since the record before."""

import numpy as np
from numpy.typing import NDArray

from pruning.topology.history_deflate import deflate, inflate
from pruning.topology.history_frame import DIFFERENCE, NO_MASK, WHOLE
from pruning.topology.history_header import HistoryHeader

Mask = NDArray[np.uint8]  # of all gates, eight to a byte

KEY_EVERY = 16  # records; the masks of one are read through at most as many


def encode_mask(mask: Mask | None, before: Mask | None, number: int) -> tuple[int, bytes]:
    """Write masks as bytes; a pure function of its arguments, so that a resumed run writes the same."""
    if mask is None:
        return NO_MASK, b""
    if before is not None and number % KEY_EVERY:
        changed = deflate((mask ^ before).tobytes())
        if len(changed) < mask.nbytes:  # else so much has flipped that nothing is saved
            return DIFFERENCE, changed
    return WHOLE, deflate(mask.tobytes())


def decode_mask(header: HistoryHeader, stored: bytes, before: Mask | None) -> Mask:
    """Read masks; those of the record before are needed for a difference, None for whole ones."""
    mask = np.frombuffer(inflate(stored, header.mask_bytes), dtype=np.uint8)
    return mask.copy() if before is None else mask ^ before


def check_mask(header: HistoryHeader, mask: Mask, live: int) -> None:
    """Refuse masks that do not have as many live gates as their snapshot."""
    if mask.dtype != np.uint8 or mask.shape != (header.mask_bytes,):
        raise ValueError(f"masks must be {header.mask_bytes:,} bytes, got {mask.dtype} of shape {mask.shape}")
    found = int(np.bitwise_count(mask).sum(dtype=np.int64))
    if found != live:
        raise ValueError(f"its masks have {found:,} live gates and its counts say {live:,}")
