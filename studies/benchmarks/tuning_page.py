"""The tuning page for measurements: served by the real command, opened in an installed Chromium."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SIZE: Any = {"width": 1280, "height": 900}
SECONDS = 90  # that the command may take to save its runs and end


@dataclass(kw_only=True, slots=True)
class Served:
    """A running ``python -m studies tune``."""

    address: str
    process: subprocess.Popen[str]
    printed: str = ""  # after its address, once it was stopped

    def stop(self) -> int:
        """End it as Ctrl-C does, and return its exit status."""
        self.process.send_signal(signal.SIGINT)
        self.printed, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode


@contextmanager
def served(folder: Path, *, genes: int) -> Iterator[Served]:
    """Serve the page on a free port; it is stopped at the end, if it was not before.

    Raises
    ------
    RuntimeError
        If it does not start.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "studies", "tune", "--port", "0", "--genes", str(genes), "--out", str(folder)],
        env={**os.environ, "GOMP_SPINCOUNT": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://\S+", line)
    if found is None:
        process.kill()
        raise RuntimeError(f"the tuning page did not start; it said {line!r}")
    page = Served(address=found[0], process=process)
    try:
        yield page
    finally:
        if process.poll() is None:
            page.stop()


def chromium_path() -> str | None:
    """Where an installed Chromium is: named in BROWSER_PATH, or on PATH; None without one."""
    return os.environ.get("BROWSER_PATH") or next(filter(None, map(shutil.which, CHROMIUM)), None)


@contextmanager
def chromium() -> Iterator[Any]:
    """Open a browser without a GPU.

    Raises
    ------
    ValueError
        If none is installed.
    """
    path = chromium_path()
    if path is None:
        raise ValueError("no Chromium is installed: put one on PATH, or name it in BROWSER_PATH")
    from playwright.sync_api import sync_playwright  # of the dev extra

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, chromium_sandbox=False, args=list(FLAGS))
        yield browser
        browser.close()
