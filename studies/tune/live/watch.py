"""Sees to the runs that nobody looks at: a page that was closed says nothing to the server."""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from studies.tune.live.run import LiveRun

UNSEEN_MINUTES = 15  # after so many, a run that nobody looks at is paused
LOOK_SECONDS = 30.0  # from one look for such runs to the next


def pause_unseen(runs: Iterable[LiveRun]) -> None:
    """Pause those that train and that nobody has looked at for long; their words say so."""
    for run in runs:
        if time.monotonic() - run.seen >= 60.0 * UNSEEN_MINUTES and run.state == "training":
            with suppress(ValueError):  # it has just ended by itself
                run.pause(f"nobody looked at it for {UNSEEN_MINUTES} minutes")


class Watch:
    """Looks for such runs now and then, in a thread of its own, from the first run until the server ends."""

    def __init__(self, live: Callable[[], Iterable[LiveRun]]) -> None:
        self._live = live
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """See that it looks."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            pause_unseen(self._live())
