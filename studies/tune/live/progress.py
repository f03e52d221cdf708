"""The curves of a live run: a line of JSON an update, written as it trains and read as it grows."""

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from pruning.checkpoint import write_atomically
from studies.tune.settings import Settings

MOST_POINTS = 1500  # held of a curve; of longer ones every second is dropped again and again
MOST_MARKS = 60  # changes of the rates that are held, the last ones


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A run after one update of the masks."""

    step: int
    epoch: float
    loss: float  # mean over the steps since the point before
    accuracy: float  # on the validation part
    density: float
    target: float  # density asked for now
    churn: float
    settings: Settings  # in force

    def to_line(self) -> bytes:
        """One line of the file."""
        return (json.dumps(asdict(self)) + "\n").encode()

    @classmethod
    def from_line(cls, line: bytes) -> "Point":
        """Read one line.

        Raises
        ------
        TypeError, ValueError, KeyError
            If it is none.
        """
        values: dict[str, Any] = json.loads(line)
        return cls(**{**values, "settings": Settings(**values["settings"])})


class ProgressWriter:
    """Appends points; what a file holds of later steps than the checkpoint's, or torn, is dropped first."""

    def __init__(self, path: Path, steps: int) -> None:
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        kept = [line for line in lines if line.endswith(b"\n") and json.loads(line)["step"] <= steps]
        write_atomically(path, b"".join(kept))
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (closed by __exit__)

    def append(self, point: Point) -> None:
        """Write one point whole."""
        self._file.write(point.to_line())

    def __enter__(self) -> "ProgressWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A change of the rates in mid-training."""

    step: int  # of the last point under the old ones
    before: Settings
    after: Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Points of a run, thinned where there are many, and where its rates changed."""

    points: tuple[Point, ...] = ()
    marks: tuple[Mark, ...] = ()
    version: int = 0  # another one where the points are not those of before and some more

    @property
    def last(self) -> Point | None:
        """The newest point."""
        return self.points[-1] if self.points else None


class ProgressReader:
    """Follows a file that grows, holding a bounded number of points; several threads may ask."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._offset = 0
        self._stride = 1
        self._count = 0
        self._version = 0
        self._points: list[Point] = []
        self._marks: list[Mark] = []
        self._newest: Point | None = None

    def restart(self) -> None:
        """Read anew from the start, as when a run that is continued has cut the file."""
        with self._lock:
            self._reset()

    def read(self) -> Progress:
        """Return what there is now."""
        with self._lock:
            self._follow()
            points = list(self._points)
            if self._newest is not None and (not points or points[-1].step != self._newest.step):
                points.append(self._newest)
            return Progress(points=tuple(points), marks=tuple(self._marks), version=self._version)

    def _reset(self) -> None:
        self._offset, self._stride, self._count = 0, 1, 0
        self._points, self._marks, self._newest = [], [], None
        self._version += 1

    def _follow(self) -> None:
        try:
            if self._path.stat().st_size < self._offset:
                self._reset()
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return
        whole, _, _ = content.rpartition(b"\n")
        if not whole:
            return
        self._offset += len(whole) + 1
        for line in whole.split(b"\n"):
            self._add(Point.from_line(line))

    def _add(self, point: Point) -> None:
        before = self._newest
        if before is not None and before.settings != point.settings:
            mark = Mark(step=before.step, before=before.settings, after=point.settings)
            self._marks = [*self._marks, mark][-MOST_MARKS:]
        self._newest = point
        if self._count % self._stride == 0:
            self._points.append(point)
        self._count += 1
        if len(self._points) > MOST_POINTS:
            self._points = self._points[::2]
            self._stride *= 2
            self._version += 1
