"""The processes that train, one of them always ready: importing torch takes longer than a person waits."""

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[3]
MODULE = "studies.tune.live.worker"
TAKEN = 2  # exit status of a process that found its run in the hands of another


def environment() -> dict[str, str]:
    """Environment of a process that trains: one thread, which does not spin while it waits."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "GOMP_SPINCOUNT": "0"}


class Worker(Protocol):
    """What a server can do with a process that trains a run."""

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""

    def send(self, line: str) -> bool:
        """Send a line, and return whether the process was there to take it."""

    def wait(self, seconds: float) -> bool:
        """Wait for its end, at most so long, and return whether it has ended."""

    def end(self, seconds: float) -> None:
        """End it: by closing its input, then less and less kindly."""


class Workers(Protocol):
    """Where processes come from."""

    def prepare(self) -> None:
        """See that one will be ready when it is asked for; returns at once."""

    def take(self, folder: Path) -> Worker:
        """Give a run to a process."""

    def close(self) -> None:
        """End what is ready and has no run."""


class WorkerProcess:
    """A process that waits for the folder of a run, trains it, and ends with its input.

    Several threads may use it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the server alone, which sees to the rest
        )

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def send(self, line: str) -> bool:
        """Send a line, and return whether the process was there to take it."""
        with self._lock:
            if self._process.stdin is None or self._process.poll() is not None:
                return False
            try:
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()
            except (OSError, ValueError):  # it has just ended, or its input is closed
                return False
            return True

    def wait(self, seconds: float) -> bool:
        """Wait for its end, at most so long, and return whether it has ended."""
        try:
            self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self, seconds: float) -> None:
        """End it: by closing its input, then less and less kindly."""
        with self._lock, suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        for harder in (self._process.terminate, self._process.kill):
            if self.wait(seconds):
                return
            harder()
        self._process.wait()


class Spare:
    """Holds at most one process that is ready to take a run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ready: WorkerProcess | None = None
        self._closed = False

    def prepare(self) -> None:
        """See that one is ready, or getting ready; returns at once."""
        with self._lock:
            if not self._closed and (self._ready is None or self._ready.exit_status is not None):
                self._ready = WorkerProcess()

    def take(self, folder: Path) -> WorkerProcess:
        """Give a run to the process that is ready, or to a new one."""
        with self._lock:
            process, self._ready = self._ready, None
        line = str(folder.resolve())
        if process is None or not process.send(line):
            process = WorkerProcess()
            process.send(line)
        return process

    def close(self) -> None:
        """End the one that is ready; none is prepared any more."""
        with self._lock:
            process, self._ready, self._closed = self._ready, None, True
        if process is not None:
            process.end(0.0)  # it holds nothing
