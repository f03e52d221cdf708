"""Processes that train, forked from one that is warm: importing torch anew takes longer than a person waits.

On Linux alone; elsewhere `studies.tune.live.process` starts each by itself.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from studies.tune.live.process import MODULE, ROOT, environment

RAISE = "--nursery"  # argument of the worker's module
NO_WORD = -1  # exit status of a process that ended without a word, as when it is killed


class ForkedWorker:
    """A forked process as the server holds it: a pipe for commands, and one that ends with it.

    Several threads may use it.
    """

    def __init__(self, commands: int, life: int) -> None:
        self._lock = threading.Lock()
        self._commands: int | None = commands
        self._life: int | None = life
        self._said = b""  # its number, and when it has ended its exit status, a line each
        os.set_blocking(life, False)

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        with self._lock:
            while self._life is not None:
                try:
                    said = os.read(self._life, 4096)
                except BlockingIOError:
                    return None
                self._said += said
                if not said:
                    os.close(self._life)
                    self._life = None
            lines = self._said.split()
            return int(lines[1]) if len(lines) > 1 else NO_WORD

    @property
    def number(self) -> int | None:
        """Process number, once it is known."""
        _ = self.exit_status
        lines = self._said.split(b"\n")
        return int(lines[0]) if len(lines) > 1 else None

    def send(self, line: str) -> bool:
        """Send a line, and return whether the process was there to take it."""
        if self.exit_status is not None:
            return False
        with self._lock:
            if self._commands is None:
                return False
            try:
                os.write(self._commands, f"{line}\n".encode())
            except OSError:  # it has just ended
                return False
            return True

    def wait(self, seconds: float) -> bool:
        """Wait for its end, at most so long, and return whether it has ended."""
        deadline = time.monotonic() + seconds
        while self.exit_status is None:
            left = deadline - time.monotonic()
            life = self._life
            if left <= 0:
                return False
            if life is not None:
                ended = select.poll()  # select() takes no descriptor above 1023
                ended.register(life, select.POLLIN)
                ended.poll(left * 1000)  # returns at once where another thread saw the end first
        return True

    def end(self, seconds: float) -> None:
        """End it: by closing its input, then less and less kindly."""
        with self._lock:
            if self._commands is not None:
                os.close(self._commands)
                self._commands = None
        for harder in (signal.SIGTERM, signal.SIGKILL):
            if self.wait(seconds):
                return
            number = self.number
            if number is not None:
                with suppress(ProcessLookupError):
                    os.kill(number, harder)
        self.wait(5.0)


class Nursery:
    """A warm process that forks one for every run; it ends with the server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._closed = False

    def prepare(self) -> None:
        """See that the process is there, or getting ready; returns at once."""
        with self._lock:
            if self._closed or (self._process is not None and self._process.poll() is None):
                return
            self._release()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", MODULE, RAISE],
                    cwd=ROOT,
                    env=environment(),
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C reaches the server alone, which sees to the rest
                )
            self._socket = ours

    def take(self, folder: Path) -> ForkedWorker:
        """Give a run to a new process.

        Raises
        ------
        OSError
            If none can be made.
        """
        self.prepare()
        commands, send = os.pipe()
        life, end = os.pipe()
        try:
            with self._lock:
                if self._socket is None:
                    raise OSError("the server is ending")
                socket.send_fds(self._socket, [str(folder.resolve()).encode()], [commands, end])
        except OSError:
            os.close(send)
            os.close(life)
            raise
        finally:
            os.close(commands)
            os.close(end)
        return ForkedWorker(send, life)

    def close(self) -> None:
        """End the process; those that it forked go on."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()  # it holds nothing
            self._release()

    def _release(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.wait()
            self._process = None
