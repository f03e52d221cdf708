"""One live run as the server sees it: its state, its curves, and what it may be told."""

import json
import shutil
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pruning.topology import TopologyHistory, TopologySnapshot
from studies.tune.live.folder import LIVE, LiveConfig, RunFolder, Status
from studies.tune.live.process import TAKEN, Worker, Workers
from studies.tune.live.progress import Progress, ProgressReader
from studies.tune.settings import Settings

ANSWER_SECONDS = 10.0


class LiveRun:
    """A run in a folder, and the process that trains it, where there is one.

    Made by :class:`studies.tune.live.LiveRuns`. Several threads may use it.

    Attributes
    ----------
    id : str
        Unguessable name; who knows it may steer the run.
    config : LiveConfig
        What it was begun with.
    seen : float
        When somebody last asked for it, on the monotonic clock.
    """

    def __init__(self, name: str, path: Path, workers: Workers) -> None:
        self.id = name
        self.folder = RunFolder(path)
        self.config: LiveConfig = self.folder.read_config()
        self.seen = time.monotonic()
        self._workers = workers
        self._process: Worker | None = None
        self._lock = threading.Lock()
        self._number = 0  # of the last command
        self._sent: tuple[int, Settings] | None = None  # number and settings of the last command to steer
        self._progress = ProgressReader(self.folder.progress)
        self._history: TopologyHistory | None = None

    # ------------------------------------------------------------------ what it is doing

    @property
    def is_live(self) -> bool:
        """Whether a process of this server works for it."""
        return self._process is not None and self._process.exit_status is None

    @property
    def is_working(self) -> bool:
        """Whether that process takes commands: one that has finished or failed is about to end."""
        return self.is_live and self.folder.read_status().state in LIVE

    @property
    def status(self) -> Status:
        """State and message, also where the process died without a word."""
        live = self.is_live  # before the file is read: what it wrote last counts
        said = self.folder.read_status()
        if live or said.state not in LIVE:
            return said
        code = None if self._process is None else self._process.exit_status
        if code == TAKEN or self.folder.is_held:
            return replace(said, message="another server on this machine trains this run")
        if code not in (None, 0):
            words = self.folder.last_words() or f"exit status {code}"
            return replace(said, state="failed", message=f"the training process ended: {words}")
        if self.folder.checkpoint.exists():
            return replace(
                said, state="stopped", message="it was interrupted, and goes on from its last save"
            )
        return replace(said, state="failed", message="it was interrupted before it was first saved")

    @property
    def state(self) -> str:
        """One of starting, training, paused, finished, stopped, failed."""
        return self.status.state

    @property
    def message(self) -> str:
        """Why it failed or what it refused; empty where all is well."""
        return self.status.message

    def progress(self, since: int = 0) -> Progress:
        """Return the points of the curves after a step, and all changes of the rates."""
        found = self._progress.read()
        if since <= 0:
            return found
        return replace(found, points=tuple(point for point in found.points if point.step > since))

    @property
    def settings(self) -> Settings:
        """Rates and density in force, as far as the curves tell."""
        last = self._progress.read().last
        return self.config.settings if last is None else last.settings

    @property
    def asked(self) -> Settings | None:
        """Rates and density that this process was told last; None before, and where it refused them."""
        sent = self._sent
        if sent is None or self.folder.read_status().refused == sent[0]:
            return None
        return sent[1]

    def snapshot(self, back: int = 0) -> TopologySnapshot | None:
        """Return the network after the last update, or some updates earlier; None before the first."""
        with self._lock:
            try:
                if self._history is None:
                    self._history = TopologyHistory.open(self.folder.topology)
                count = self._history.refresh()
                return self._history[max(0, count - 1 - back)] if count else None
            except FileNotFoundError:
                return None

    # ------------------------------------------------------------------ what it may be told

    def steer(self, settings: Settings) -> None:
        """Train on under these rates and at this density; what cannot be met is told in `message`."""
        with self._lock:
            self._sent = self._send("steer", settings=asdict(settings)), settings

    def pause(self, why: str = "") -> None:
        """Hold still after the step under way, saved; why is told in `message`."""
        self._tell("pause", why=why)

    def resume(self) -> None:
        """Go on: after a pause, or, of a saved run, in a new process."""
        if self.is_working:
            self._tell("resume")
        else:
            self.wait(ANSWER_SECONDS)  # one that has just finished is about to end
            self.launch()

    def stop(self) -> None:
        """Save and end the process; returns at once."""
        if self.is_working:
            self._tell("stop")

    def checkpoint(self) -> None:
        """Save, and return when that is done.

        Raises
        ------
        ValueError
            If the worker does not answer, or there is nothing saved.
        """
        if self.is_working:
            number = self._tell("checkpoint")
            deadline = time.monotonic() + ANSWER_SECONDS
            while self.is_live and self.folder.read_status().answered < number:
                if time.monotonic() > deadline:
                    raise ValueError(f"the run did not save itself within {ANSWER_SECONDS:g} s: try again")
                time.sleep(0.02)
        if not self.folder.checkpoint.exists():
            raise ValueError("the run has saved nothing yet: wait until it trains")

    def launch(self) -> None:
        """Start the process that trains the run, from its checkpoint where there is one.

        Raises
        ------
        ValueError
            If a process has it in hand.
        """
        with self._lock:
            if self.is_live or self.folder.is_held:
                raise ValueError("the run is training already")
            if self._process is not None:
                self._process.end(0.0)  # it has ended; its input is closed
            self._number, self._sent = 0, None
            self.folder.write_status(Status())
            self._progress.restart()
            if self._history is not None:
                self._history.close()
                self._history = None
            self._process = self._workers.take(self.folder.path)

    def wait(self, seconds: float) -> bool:
        """Wait for the process to end, at most so long, and return whether there is none."""
        return self._process is None or self._process.wait(seconds)

    def close(self, seconds: float = 5.0) -> None:
        """End the process, saved if it answers within some seconds, and close files.

        A run that is starting has on disk all that it goes on from, and is not waited for.
        """
        process = self._process
        if process is not None:
            starting = self.folder.read_status().state == "starting"
            process.end(0.0 if starting else seconds)
        with self._lock:
            if self._history is not None:
                self._history.close()
                self._history = None

    def copy_to(self, path: Path) -> None:
        """Copy what another run goes on from; what is of later steps than the checkpoint is cut there."""
        shutil.copyfile(self.folder.checkpoint, path / self.folder.checkpoint.name)
        shutil.copyfile(self.folder.progress, path / self.folder.progress.name)
        shutil.copyfile(self.folder.topology, path / self.folder.topology.name)

    def _tell(self, command: str, **more: Any) -> int:
        with self._lock:
            return self._send(command, **more)

    def _send(self, command: str, **more: Any) -> int:
        """Send a command and return its number; the lock is held."""
        self._number += 1
        line = json.dumps({"do": command, "number": self._number, **more})
        if not self.is_working or self._process is None or not self._process.send(line):
            raise ValueError(f"the run is not training, so that it cannot {command}: continue it first")
        return self._number
