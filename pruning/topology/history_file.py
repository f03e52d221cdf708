"""A file of checksummed records: read, appended, cut and looked through anew; what they mean is not known."""

import os
import threading
import zlib
from pathlib import Path

from pruning.checkpoint import write_atomically
from pruning.topology.history_frame import FRAME, Frame, encode_frame
from pruning.topology.history_header import HistoryHeader, encode_header
from pruning.topology.history_scan import ELSE, RecordFile


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
    frames : list of Frame
        Complete records, in their order; :meth:`cut` and :meth:`refresh` put another list in its place.
    lock : threading.RLock
        Held while the file or the list is exchanged. Who uses several records in a row, and must have them of
        one file, holds it too.

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
        self.lock = threading.RLock()
        self._file = RecordFile(path, writing=writing)
        try:
            self.frames, self._damage = self._file.scan()
            if not writing:
                self._refuse_damage()
        except BaseException:
            self._file.close()
            raise

    @classmethod
    def create(cls, path: Path, header: HistoryHeader) -> "HistoryFile":
        """Write a file without records, in the place of what is there."""
        write_atomically(path, encode_header(header))
        return cls(path, writing=True)

    @property
    def header(self) -> HistoryHeader:
        """What all records share."""
        return self._file.header

    @property
    def end(self) -> int:
        """Where the next record begins."""
        with self.lock:
            return self._file.end(self.frames)

    def payload(self, number: int) -> bytes:
        """Read a record.

        Raises
        ------
        ValueError
            If its checksum does not fit.
        """
        with self.lock:
            frame = self.frames[number]
            content = self._file.read(frame.offset, frame.length)
            if zlib.crc32(content, self._checksum(number)) != frame.checksum:
                raise self.damaged(number, "the checksum does not fit")
            return content

    def append(self, payload: bytes, *, kind: int, step: int) -> None:
        """Write a record and wait until it is on the disk."""
        with self.lock:
            number, end = len(self.frames), self.end
            frame = Frame(
                number=number,
                offset=end + FRAME.size,
                length=len(payload),
                kind=kind,
                step=step,
                checksum=zlib.crc32(payload, self._checksum(number)),
            )
            self._file.write(end, encode_frame(frame) + payload)
            self.frames.append(frame)

    def cut(self, step: int, updates: int | None = None) -> None:
        """Cut off a torn tail and what comes after a step, once all before it is known to be whole.

        Raises
        ------
        ValueError
            If a record up to the step is damaged, or there are not ``updates`` of them.
        """
        with self.lock:
            kept = sum(frame.step <= step for frame in self.frames)
            for number in range(kept):
                self.payload(number)
            if kept == len(self.frames) and kept != updates:
                self._refuse_damage()  # unless it is known to lie behind the cut
            if updates is not None and kept != updates:
                raise ValueError(
                    f"{self.path} holds {kept} records up to step {step} and the checkpoint counts "
                    f"{updates}: it is not the history of this run; {ELSE}"
                )
            self.frames = self.frames[:kept]
            self._file.cut(self.end)

    def refresh(self) -> None:
        """Find the records written since; a file that was begun anew or cut is looked through anew.

        Raises
        ------
        FileNotFoundError
            If the file was deleted; what is known of it stays readable.
        ValueError
            If it is damaged, or what lies in its place is no history.
        """
        with self.lock:
            now, held = os.stat(self.path), self._file.status()
            if (now.st_ino, now.st_dev) != (held.st_ino, held.st_dev):
                file = RecordFile(self.path, writing=self.writing)
                try:
                    frames, damage = file.scan()
                except BaseException:
                    file.close()
                    raise
                self._file.close()
                self._file = file
            else:
                frames, damage = self._file.scan(self.frames if self._stands(held.st_size) else ())
            self.frames, self._damage = frames, damage
            self._refuse_damage()

    def close(self) -> None:
        """Close the file."""
        with self.lock:
            self._file.close()

    def damaged(self, number: int, reason: object) -> ValueError:
        """Return the error for a record that cannot be read."""
        return self._file.damaged(number, reason)

    def _stands(self, size: int) -> bool:
        """Whether the last known record is still there; its checksum stands for all before it."""
        if not self.frames:
            return True
        last = self.frames[-1]
        head = self._file.read(last.offset - FRAME.size, FRAME.size)
        return size >= last.end and head == encode_frame(last)

    def _checksum(self, number: int) -> int:
        """What a record's checksum carries on."""
        return self.frames[number - 1].checksum if number else self._file.checksum

    def _refuse_damage(self) -> None:
        if self._damage is not None:
            raise self._damage
