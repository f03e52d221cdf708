"""A file of checksummed records: found, read, appended and cut; what they mean is not known here."""

import os
import threading
import zlib
from pathlib import Path
from typing import BinaryIO

from pruning.checkpoint import write_atomically
from pruning.topology.history_format import (
    DIFFERENCE,
    FRAME,
    NO_MASK,
    Frame,
    decode_frame,
    encode_frame,
    longest_payload,
)
from pruning.topology.history_header import (
    PREFIX,
    HistoryHeader,
    decode_header,
    decode_prefix,
    encode_header,
)


class HistoryFile:
    """The header of a topology history and the frames of its complete records.

    Parameters
    ----------
    path : Path
        A history.
    writing : bool
        Whether records may be appended and cut.

    Attributes
    ----------
    header : HistoryHeader
        What all records share.
    frames : list of Frame
        Complete records, in their order.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no history, of another version, or damaged.
    """

    def __init__(self, path: Path, *, writing: bool = False) -> None:
        self.path = path
        self.writing = writing
        self.frames: list[Frame] = []
        self._lock = threading.Lock()  # several threads may read
        self._load()
        if self._damage is not None and not writing:
            self.close()
            raise self._damage

    @classmethod
    def create(cls, path: Path, header: HistoryHeader) -> "HistoryFile":
        """Write a file without records, in the place of what is there."""
        write_atomically(path, encode_header(header))
        return cls(path, writing=True)

    @property
    def end(self) -> int:
        """Where the next record begins."""
        return self.frames[-1].end if self.frames else self._begin

    def payload(self, number: int) -> bytes:
        """Read a record.

        Raises
        ------
        ValueError
            If its checksum does not fit.
        """
        frame = self.frames[number]
        content = self._read(frame.offset, frame.length)
        if zlib.crc32(content, self._checksum(number)) != frame.checksum:
            raise self.damaged(number, "the checksum does not fit")
        return content

    def append(self, payload: bytes, *, kind: int, step: int) -> None:
        """Write a record and wait until it is on the disk."""
        number, end = len(self.frames), self.end
        frame = Frame(
            number=number,
            offset=end + FRAME.size,
            length=len(payload),
            kind=kind,
            step=step,
            checksum=zlib.crc32(payload, self._checksum(number)),
        )
        left = memoryview(encode_frame(frame) + payload)
        with self._lock:
            try:
                self._file.seek(end)
                while left:
                    left = left[self._file.write(left) :]
                os.fsync(self._file.fileno())
            except OSError:
                self._file.truncate(end)
                raise
        self.frames.append(frame)

    def cut(self, step: int, updates: int | None = None) -> None:
        """Cut off a torn tail and what comes after a step, once all before it is known to be whole.

        Raises
        ------
        ValueError
            If a record up to the step is damaged, or there are not ``updates`` of them.
        """
        kept = sum(frame.step <= step for frame in self.frames)
        for number in range(kept):
            self.payload(number)
        if kept == len(self.frames) and kept != updates:
            self._refuse_damage()  # unless it is known to lie behind the cut
        if updates is not None and kept != updates:
            raise ValueError(
                f"{self.path} holds {kept} records up to step {step} and the checkpoint counts {updates}: "
                "it is not the history of this run; restore it, or delete it"
            )
        del self.frames[kept:]
        self._file.truncate(self.end)
        os.fsync(self._file.fileno())

    def refresh(self) -> None:
        """Find the records written since; a file that was begun anew or cut is looked through anew."""
        now, held = os.stat(self.path), os.fstat(self._file.fileno())
        if (now.st_ino, now.st_dev) != (held.st_ino, held.st_dev):
            self._file.close()
            self._load()
            self._refuse_damage()
            return
        if self.frames:
            last = self.frames[-1]  # its checksum stands for all before it
            head = self._read(last.offset - FRAME.size, FRAME.size)
            if held.st_size < self.end or head != encode_frame(last):
                self.frames = []
        self._scan()
        self._refuse_damage()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def damaged(self, number: int, reason: object) -> ValueError:
        """Return the error for a record that cannot be read."""
        return ValueError(
            f"{self.path} is damaged in record {number}: {reason}; restore it from a copy, or delete it and "
            "train again"
        )

    def _load(self) -> None:
        """Open the file, and read its header and where its records lie."""
        mode = "r+b" if self.writing else "rb"
        self._file: BinaryIO = open(self.path, mode, buffering=0)  # type: ignore[assignment]  # noqa: SIM115
        try:
            prefix = self._read(0, PREFIX.size)
            try:
                stored = self._read(PREFIX.size, decode_prefix(prefix))
                self.header = decode_header(prefix, stored)
            except ValueError as error:
                raise ValueError(f"{self.path} cannot be read: {error}") from None
            self._begin = PREFIX.size + len(stored)
            self._first_checksum = zlib.crc32(stored)
            self.frames = []
            self._scan()
        except BaseException:
            self._file.close()
            raise

    def _checksum(self, number: int) -> int:
        """What a record's checksum carries on."""
        return self.frames[number - 1].checksum if number else self._first_checksum

    def _scan(self) -> None:
        """Find the complete records that are not known yet; their contents are not read."""
        self._damage: ValueError | None = None  # where the search ended at something else than a record
        size = os.fstat(self._file.fileno()).st_size
        longest = longest_payload(self.header)
        while size - self.end >= FRAME.size:
            number = len(self.frames)
            head = self._read(self.end, FRAME.size)
            try:
                frame = decode_frame(head, self.end + FRAME.size)
                if not self._follows(frame) or frame.length > longest:
                    raise ValueError("it does not follow from the one before")
            except ValueError as error:
                if not self._only_zeros(size):  # what a crash of the whole machine leaves of an append
                    self._damage = self.damaged(number, error)
                return
            if frame.end > size:
                return
            self.frames.append(frame)

    def _refuse_damage(self) -> None:
        if self._damage is not None:
            raise self._damage

    def _follows(self, frame: Frame) -> bool:
        step, kind = (self.frames[-1].step, self.frames[-1].kind) if self.frames else (-1, NO_MASK)
        in_order = frame.number == len(self.frames) and frame.step > step
        return in_order and not (frame.kind == DIFFERENCE and kind == NO_MASK)

    def _only_zeros(self, size: int) -> bool:
        chunk = 1 << 20
        return not any(
            any(self._read(start, min(chunk, size - start))) for start in range(self.end, size, chunk)
        )

    def _read(self, offset: int, count: int) -> bytes:
        """Read so many bytes, fewer only at the end of the file."""
        parts = []
        with self._lock:
            self._file.seek(offset)
            while count and (part := self._file.read(count)):
                parts.append(part)
                count -= len(part)
        return b"".join(parts)
