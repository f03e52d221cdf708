"""All live runs of a server: begun, forked, found again by their names, and saved when it ends."""

import re
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from pruning.checkpoint import load_tree
from studies.tune.live.folder import LiveConfig, RunFolder, Status
from studies.tune.live.nursery import Nursery
from studies.tune.live.options import LiveOptions
from studies.tune.live.process import Spare, Workers
from studies.tune.live.run import LiveRun
from studies.tune.live.watch import Watch
from studies.tune.settings import Settings

ABANDONED_SECONDS = 180.0  # unseen for so long, a run makes room for another; hidden tabs ask once a minute
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
    most : int
        Folders in the directory: nothing here removes a run.

    Examples
    --------
    >>> import tempfile
    >>> LiveRuns(tempfile.mkdtemp()).get("another-person-x")
    Traceback (most recent call last):
    ...
    ValueError: no live run is called 'another-person-x' here: it may be of another --out, or is gone
    """

    def __init__(self, directory: str | Path, *, limit: int = 4, most: int = 200) -> None:
        for name, value in (("limit", limit), ("most", most)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1 run, got {value}")
        self.directory = Path(directory)
        self.limit, self.most = limit, most
        self._runs: dict[str, LiveRun] = {}
        self._lock = threading.RLock()
        self._leaving: set[str] = set()  # runs that are being ended to make room
        self._closed = False
        self._watch = Watch(lambda: self.live)
        self._workers: Workers = Nursery() if sys.platform == "linux" else Spare()

    def prepare(self) -> None:
        """Have a process get ready for the first run, so that it need not be waited for."""
        self._workers.prepare()

    def start(self, settings: Settings, options: LiveOptions, *, replacing: str | None = None) -> LiveRun:
        """Begin a run; one that it replaces is saved and ended, and makes room for it.

        Raises
        ------
        ValueError
            If as many as may train are training, or the directory is full; the replaced one goes on then.
        """
        with self._lock:
            abandoned = self._abandoned(replacing)
            with self._made(LiveConfig(settings=settings, options=options)) as run:
                run.launch()
            self._begun(abandoned)
        self._end(abandoned, replacing)
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
        run = self.get(name)
        if not run.is_working:
            run.wait(CLOSING_SECONDS)  # one that has just finished is about to end
        abandoned = None
        with self._lock:
            if name in self._leaving:
                raise ValueError("the run is being saved to make room for another: try again in a moment")
            if not run.is_live:
                abandoned = self._abandoned()
            run.resume()
            self._begun(abandoned)
        self._end(abandoned)
        return run

    def fork(self, name: str, *, replacing: str | None = None) -> LiveRun:
        """Begin another run from where this one stands, with its rates, weights, masks, mRNA and protein.

        Raises
        ------
        ValueError
            As `start` does; and if there is no such run, or it has saved nothing yet.
        """
        source = self.get(name)
        source.checkpoint()
        if replacing == name:
            replacing = None
        with self._lock:
            abandoned = self._abandoned(replacing)
            with self._made(replace(source.config, forked_from=source.id, forked_at=0)) as run:
                source.copy_to(run.folder.path)
                at = int(load_tree(run.folder.checkpoint)["controller"]["steps"])
                run.config = replace(run.config, forked_at=at)
                run.folder.write_config(run.config)
                run.launch()
            self._begun(abandoned)
        self._end(abandoned, replacing)
        return run

    def leave(self, name: str) -> None:
        """Save and end a run, without waiting; one that is gone, or has ended, needs nothing."""
        with suppress(ValueError):
            self.get(name).stop()

    @property
    def live(self) -> list[LiveRun]:
        """Runs with a process."""
        with self._lock:
            return [run for run in self._runs.values() if run.is_live]

    def close(self) -> None:
        """Save and end all runs, within some seconds, and say where they are. Nothing can be begun after."""
        self._watch.stop()
        with self._lock:
            self._closed = True
            running = self.live
            for run in running:
                with suppress(ValueError):  # it has just ended by itself
                    run.stop()
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

    @contextmanager
    def _made(self, config: LiveConfig) -> Iterator[LiveRun]:
        """Make a run with its folder, which is removed where the block fails."""
        held = sum(1 for _ in self.directory.iterdir()) if self.directory.is_dir() else 0
        if held >= self.most:
            raise ValueError(
                f"{self.directory} holds {held} live runs, the most that it may: remove folders of old ones"
            )
        name = secrets.token_urlsafe(12)
        folder = RunFolder(self.directory / name)
        folder.path.mkdir(parents=True)
        try:
            folder.write_config(config)
            folder.write_status(Status())
            yield self._remember(LiveRun(name, folder.path, self._workers))
        except BaseException:
            self._runs.pop(name, None)
            shutil.rmtree(folder.path, ignore_errors=True)
            raise

    def _remember(self, run: LiveRun) -> LiveRun:
        self._runs[run.id] = run
        idle = sorted((held for held in self._runs.values() if not held.is_live), key=lambda held: held.seen)
        for forgotten in idle[:-MOST_REMEMBERED]:
            del self._runs[forgotten.id]
            forgotten.close()
        return run

    def _begun(self, abandoned: LiveRun | None) -> None:
        """Have the next process ready, unless no more may train, and see that somebody looks at them."""
        if abandoned is not None:
            self._leaving.add(abandoned.id)
        if len(self.live) < self.limit:
            self._workers.prepare()
        self._watch.begin()

    def _end(self, abandoned: LiveRun | None, replaced: str | None = None) -> None:
        """End what makes room; the lock is free, as that may take seconds."""
        if replaced is not None:
            self.leave(replaced)
        if abandoned is not None:
            try:
                abandoned.close()
            finally:
                with self._lock:
                    self._leaving.discard(abandoned.id)

    def _abandoned(self, replaced: str | None = None) -> LiveRun | None:
        """Run that is to be ended so that another has room, None where there is some.

        Raises
        ------
        ValueError
            If there is none, and people look at all runs.
        """
        if self._closed:
            raise ValueError("the server is ending: nothing new can be begun")
        live = [run for run in self.live if run.id != replaced and run.id not in self._leaving]
        if len(live) < self.limit:
            return None
        longest = min(live, key=lambda run: run.seen)
        if time.monotonic() - longest.seen < ABANDONED_SECONDS:
            raise ValueError(
                f"{self.limit} runs train on this server, as many as it lets: stop one, or try again later"
            )
        return longest
