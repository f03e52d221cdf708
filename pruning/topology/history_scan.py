"""An open file of records: its header, its bytes, and the search for its complete records."""

import os
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from pruning.topology.history_frame import DIFFERENCE, FRAME, NO_MASK, Frame, decode_frame
from pruning.topology.history_header import PREFIX, HistoryHeader, decode_header, decode_prefix
from pruning.topology.history_numbers import longest_payload

ELSE = (
    "restore the right one from a copy, or delete it: a run that is resumed without it records what it does "
    "from there on"
)


class RecordFile:
    """A topology history that is open.

    Parameters
    ----------
    path : Path
        The file.
    writing : bool
        Whether it is opened to be written too.

    Attributes
    ----------
    header : HistoryHeader
        What all records share.
    begin : int
        Where the first record begins.
    checksum : int
        What the first record's checksum carries on.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no history, of another version, or its header is damaged.
    """

    header: HistoryHeader

    def __init__(self, path: Path, *, writing: bool = False) -> None:
        self.path = path
        self._lock = threading.Lock()  # between seeking and reading or writing
        mode = "r+b" if writing else "rb"
        self._file: BinaryIO = open(path, mode, buffering=0)  # type: ignore[assignment]  # noqa: SIM115
        try:
            prefix = self.read(0, PREFIX.size)
            stored = self.read(PREFIX.size, decode_prefix(prefix))
            self.header = decode_header(prefix, stored)
        except ValueError as error:
            self._file.close()
            raise ValueError(f"{path} cannot be read: {error}") from None
        except BaseException:
            self._file.close()
            raise
        self.begin = PREFIX.size + len(stored)
        self.checksum = zlib.crc32(stored)

    def status(self) -> os.stat_result:
        """What the system knows of the open file, also where another has taken its path."""
        return os.fstat(self._file.fileno())

    def read(self, offset: int, count: int) -> bytes:
        """Read so many bytes, fewer only at the end of the file."""
        parts = []
        with self._lock:
            self._file.seek(offset)
            while count and (part := self._file.read(count)):
                parts.append(part)
                count -= len(part)
        return b"".join(parts)

    def write(self, offset: int, content: bytes) -> None:
        """Write at an offset and wait until it is on the disk; what cannot be written whole is cut off."""
        left = memoryview(content)
        with self._lock:
            try:
                self._file.seek(offset)
                while left:
                    left = left[self._file.write(left) :]
                os.fsync(self._file.fileno())
            except OSError:
                self._file.truncate(offset)
                raise

    def cut(self, end: int) -> None:
        """Cut off what comes after an offset, and wait until that is on the disk."""
        self._file.truncate(end)
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def scan(self, known: Sequence[Frame] = ()) -> tuple[list[Frame], ValueError | None]:
        """Find the complete records after those that are known; their contents are not read.

        Returns
        -------
        tuple
            All of them, and the error if the search ended at something else than a record or its beginning.
        """
        frames = list(known)
        size = self.status().st_size
        longest = longest_payload(self.header)
        while size - (end := self.end(frames)) >= FRAME.size:
            try:
                frame = decode_frame(self.read(end, FRAME.size), end + FRAME.size)
                if not _follows(frame, frames) or frame.length > longest:
                    raise ValueError("it does not follow from the one before")
            except ValueError as error:
                if self._only_zeros(end, size):  # what a crash of the whole machine leaves of an append
                    return frames, None
                return frames, self.damaged(len(frames), error)
            if frame.end > size:
                break
            frames.append(frame)
        return frames, None

    def end(self, frames: Sequence[Frame]) -> int:
        """Where the record after these begins."""
        return frames[-1].end if frames else self.begin

    def damaged(self, number: int, reason: object) -> ValueError:
        """Return the error for a record that cannot be read."""
        return ValueError(f"{self.path} is damaged in record {number}: {reason}; {ELSE}")

    def _only_zeros(self, begin: int, size: int) -> bool:
        chunk = 1 << 20
        return not any(any(self.read(start, min(chunk, size - start))) for start in range(begin, size, chunk))


def _follows(frame: Frame, frames: Sequence[Frame]) -> bool:
    step, kind = (frames[-1].step, frames[-1].kind) if frames else (-1, NO_MASK)
    in_order = frame.number == len(frames) and frame.step > step
    return in_order and not (frame.kind == DIFFERENCE and kind == NO_MASK)
