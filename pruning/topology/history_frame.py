"""The frame before each record of a topology history: where the record lies and how to know it whole."""

import struct
import zlib
from dataclasses import dataclass

NO_MASK, WHOLE, DIFFERENCE = range(3)  # what a record says of the masks
FRAME = struct.Struct("<4sIIIqII")  # marker, number, bytes, kind of mask, step, checksum, the frame's own
_MARKER = b"SNAP"


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """Where a record lies and how to know that it is whole.

    Attributes
    ----------
    number : int
        Of the record, from 0.
    offset : int
        Of its payload in the file.
    length : int
        Bytes of the payload.
    kind : int
        0: no masks, 1: masks, 2: masks as difference from those of the record before.
    step : int
        Optimizer step of the snapshot.
    checksum : int
        CRC-32 of the payload, carried on from that of the record before: a record that is lost, repeated or
        moved shows too.
    """

    number: int
    offset: int
    length: int
    kind: int
    step: int
    checksum: int

    @property
    def end(self) -> int:
        """Where the next frame begins."""
        return self.offset + self.length


def encode_frame(frame: Frame) -> bytes:
    """Write a frame as bytes."""
    head = FRAME.pack(_MARKER, frame.number, frame.length, frame.kind, frame.step, frame.checksum, 0)[:-4]
    return head + zlib.crc32(head).to_bytes(4, "little")


def decode_frame(head: bytes, offset: int) -> Frame:
    """Read a frame that ends at an offset.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    marker, number, length, kind, step, checksum, own = FRAME.unpack(head)
    if marker != _MARKER or zlib.crc32(head[:-4]) != own or kind > DIFFERENCE:
        raise ValueError("what should be its first bytes is something else")
    return Frame(number=number, offset=offset, length=length, kind=kind, step=step, checksum=checksum)
