"""The tuning page as a person meets it: the real command, opened in an installed Chromium."""

import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 90.0  # s until the server speaks, on a busy machine


@dataclass(frozen=True)
class Server:
    """A running ``python -m studies tune``."""

    address: str  # ends in "/"
    out: Path
    process: subprocess.Popen

    def stop(self, kind=signal.SIGINT):
        """End it as Ctrl-C does, and return the exit status and all that it printed after its address."""
        self.process.send_signal(kind)
        printed, _ = self.process.communicate(timeout=30)
        return self.process.returncode, printed


@contextmanager
def tune_running(out, *options):
    """Start the command on a free port, and end it afterwards."""
    environment = {**os.environ, "GOMP_SPINCOUNT": "0", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "studies", "tune", "--port", "0", "--out", str(out), *options]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        yield Server(_address(process), Path(out), process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        process.stdout.close()


def _address(process):
    """Address that the command prints once it serves."""
    printed = ""
    deadline = time.monotonic() + PATIENCE
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline and waiting.select(deadline - time.monotonic()):
            line = process.stdout.readline()
            if not line:
                break
            printed += line
            if found := re.search(r"http://\S+", line):
                return found[0]
    process.kill()
    raise AssertionError(f"the tuning page gave no address within {PATIENCE:g} s; it printed: {printed}")


@pytest.fixture(scope="session")
def tune_server(tmp_path_factory):
    """One server for all tests that only look and move sliders: few genes, so that figures come at once."""
    pytest.importorskip("dash", reason="the tuning page needs the app extra")
    with tune_running(tmp_path_factory.mktemp("tune"), "--genes", "4000") as server:
        yield server


@pytest.fixture
def run_tune():
    """Start a server of one's own: ``with run_tune(folder, *options) as server``."""
    pytest.importorskip("dash", reason="the tuning page needs the app extra")
    return tune_running


@pytest.fixture
def refused_tune():
    """Run the command with options that it refuses, and return its one line."""

    def refused(*options):
        command = [sys.executable, "-m", "studies", "tune", *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2, done.stderr
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        return line

    return refused


@pytest.fixture(scope="session")
def serve():
    """Servers of a test's own: ``with serve(out) as server``."""
    return tune_running


@pytest.fixture(scope="session")
def browser():
    """Chromium, or a skip that says what is missing."""
    pytest.importorskip("dash", reason="the tuning page needs the app extra")
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = os.environ.get("BROWSER_PATH") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None or not Path(path).exists():
        pytest.skip("no Chromium is installed (none on PATH, and BROWSER_PATH names none)")
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, chromium_sandbox=False, args=list(QUIET))
        yield running
        running.close()


@dataclass
class Visitor:
    """Opens pages of its own, and remembers what the browser complained of."""

    browser: object
    complaints: list
    contexts: list

    def open(self, address, **settings):
        """Open a page in a new context (another person), with its figures drawn."""
        context = self.browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
        context.set_default_timeout(20_000)
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: self._said(said))
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("request", lambda request: self._asked(request, address))
        page.on("response", lambda response: self._answered(response))
        page.goto(address)
        page.wait_for_selector("html[data-figures=drawn]")
        return page

    def _said(self, said):
        if said.type in ("error", "warning"):
            self.complaints.append(f"{said.type}: {said.text} ({said.location.get('url')})")

    def _asked(self, request, address):
        place = urlsplit(request.url)
        if place.scheme not in ("data", "blob") and place.netloc != urlsplit(address).netloc:
            self.complaints.append(f"asked another server: {request.url}")

    def _answered(self, response):
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")


@pytest.fixture
def visitor(browser):
    """Open pages; the test fails if the browser complained of any of them."""
    person = Visitor(browser, [], [])
    yield person
    for context in person.contexts:
        context.close()
    assert not person.complaints


@pytest.fixture
def page(visitor, tune_server):
    """The page with its figures drawn; the test fails on an error or warning in the console."""
    return visitor.open(tune_server.address)
