"""All live runs of a server: begun, forked, found again by their names, and saved when it ends."""

import re
import secrets
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from pruning.checkpoint import load_tree
from studies.tune.live.folder import LiveConfig, RunFolder, Status
from studies.tune.live.nursery import Nursery
from studies.tune.live.options import LiveOptions
from studies.tune.live.process import Spare, Workers
from studies.tune.live.run import LiveRun
from studies.tune.settings import Settings

ABANDONED_SECONDS = 60.0  # unseen for so long, a run makes room for another; it is saved
CLOSING_SECONDS = 6.0
MOST_REMEMBERED = 64  # runs without a process whose curves are held in memory
_NAME = re.compile(r"[A-Za-z0-9_-]{16,64}")


class LiveRuns:
    """The runs in a directory, a folder each.

    Names are unguessable and stand in the page's address alone: who has the address may look at a run and
    steer it, and nobody else.

    Parameters
    ----------
    directory : str or Path
        Where runs are kept; it is made with the first one.
    limit : int
        Runs with a process at the same time.

    Examples
    --------
    >>> import tempfile
    >>> LiveRuns(tempfile.mkdtemp()).get("another-person-x")
    Traceback (most recent call last):
    ...
    ValueError: no live run is called 'another-person-x' here: it may be of another --out, or is gone
    """

    def __init__(self, directory: str | Path, *, limit: int = 4) -> None:
        if limit < 1:
            raise ValueError(f"limit must be at least 1 run, got {limit}")
        self.directory = Path(directory)
        self.limit = limit
        self._runs: dict[str, LiveRun] = {}
        self._lock = threading.RLock()
        self._closed = False
        self._workers: Workers = Nursery() if sys.platform == "linux" else Spare()

    def prepare(self) -> None:
        """Have a process get ready for the first run, so that it need not be waited for."""
        self._workers.prepare()

    def start(self, settings: Settings, options: LiveOptions) -> LiveRun:
        """Begin a run.

        Raises
        ------
        ValueError
            If as many as may train at the same time are training.
        """
        with self._lock:
            self._make_room()
            run = self._create(LiveConfig(settings=settings, options=options))
            run.launch()
            self._prepare()
            return run

    def get(self, name: str) -> LiveRun:
        """Find a run by its name, in memory or on disk.

        Raises
        ------
        ValueError
            If there is none.
        """
        with self._lock:
            run = self._runs.get(name)
            if run is None:
                path = self.directory / name if _NAME.fullmatch(name) else None
                if path is None or not RunFolder(path).config_file.is_file():
                    raise ValueError(
                        f"no live run is called {name[:64]!r} here: it may be of another --out, or is gone"
                    )
                run = self._remember(LiveRun(name, path, self._workers))
            run.seen = time.monotonic()
            return run

    def resume(self, name: str) -> LiveRun:
        """Let a paused run go on, or a saved one in a new process.

        Raises
        ------
        ValueError
            If there is none, or as many as may train at the same time are training.
        """
        with self._lock:
            run = self.get(name)
            if not run.is_live:
                self._make_room()
            run.resume()
            return run

    def fork(self, name: str) -> LiveRun:
        """Begin another run from where this one stands, with its rates, weights, masks, mRNA and protein.

        Raises
        ------
        ValueError
            If there is none, it has saved nothing yet, or as many as may train are training.
        """
        source = self.get(name)
        source.checkpoint()
        with self._lock:
            self._make_room()
            made = self._create(replace(source.config, forked_from=source.id, forked_at=0))
            source.copy_to(made.folder.path)
            at = int(load_tree(made.folder.checkpoint)["controller"]["steps"])
            made.config = replace(made.config, forked_at=at)
            made.folder.write_config(made.config)
            made.launch()
            self._prepare()
            return made

    @property
    def live(self) -> list[LiveRun]:
        """Runs with a process."""
        with self._lock:
            return [run for run in self._runs.values() if run.is_live]

    def close(self) -> None:
        """Save and end all runs, within some seconds, and say where they are. Nothing can be begun after."""
        with self._lock:
            self._closed = True
            running = self.live
            for run in running:
                try:
                    run.stop()
                except ValueError:
                    continue  # it has just ended by itself
            self._workers.close()
            deadline = time.monotonic() + CLOSING_SECONDS
            for run in running:
                if run.state != "starting":  # such a one has nothing to save
                    run.wait(deadline - time.monotonic())
            for run in self._runs.values():
                run.close(seconds=1.0)
            for run in running:
                saved = "saved" if run.folder.checkpoint.exists() else "not begun, nothing saved"
                print(f"live run {saved}: {run.folder.path}", flush=True)
            self._runs.clear()

    def _create(self, config: LiveConfig) -> LiveRun:
        name = secrets.token_urlsafe(12)
        folder = RunFolder(self.directory / name)
        folder.path.mkdir(parents=True)
        folder.write_config(config)
        folder.write_status(Status())
        return self._remember(LiveRun(name, folder.path, self._workers))

    def _remember(self, run: LiveRun) -> LiveRun:
        self._runs[run.id] = run
        idle = sorted((held for held in self._runs.values() if not held.is_live), key=lambda held: held.seen)
        for forgotten in idle[:-MOST_REMEMBERED]:
            del self._runs[forgotten.id]
            forgotten.close()
        return run

    def _prepare(self) -> None:
        """Have the next process ready, unless no more may train."""
        if len(self.live) < self.limit:
            self._workers.prepare()

    def _make_room(self) -> None:
        """Refuse a run too many, unless one that nobody looks at can be saved and ended."""
        if self._closed:
            raise ValueError("the server is ending: nothing new can be begun")
        live = self.live
        if len(live) < self.limit:
            return
        longest = min(live, key=lambda run: run.seen)
        if time.monotonic() - longest.seen < ABANDONED_SECONDS:
            raise ValueError(
                f"{self.limit} runs train on this server, as many as it lets: stop one, or try again later"
            )
        longest.close()
