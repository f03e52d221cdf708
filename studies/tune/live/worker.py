"""Process of one live run: ``python -m studies.tune.live.worker``, told line by line what to do."""

import gc
import json
import os
import queue
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

os.environ.setdefault("GOMP_SPINCOUNT", "0")  # read when torch is imported

import torch

from studies.tune.live.folder import RunFolder, Status
from studies.tune.live.nursery import RAISE
from studies.tune.live.options import SPEEDS, LiveOptions
from studies.tune.live.process import TAKEN
from studies.tune.live.training import TOTAL_STEPS, UPDATE_EVERY, LiveTraining
from studies.tune.settings import Settings

NICENESS = 19  # the page comes first
CHECKPOINT_SECONDS = 20.0
HANDOVER_SECONDS = 15.0  # for a worker before this one to save and end

STOP = '{"do": "stop"}'


class Worker:
    """Trains until it is told to stop, its epochs are over, or whoever gives the commands is gone.

    Commands are JSON objects, a line each, with ``do`` (steer, pause, resume, checkpoint, stop), ``number``
    and, to steer, ``settings``. The status file answers with the number of the last one.
    """

    def __init__(self, folder: RunFolder, lines: "queue.SimpleQueue[str]") -> None:
        self.folder, self.lines = folder, lines
        self.status = Status()
        self.paused = self.stopped = False

    def run(self) -> None:
        """Work; returns when the run is finished or stopped, and saved."""
        config = self.folder.read_config()
        self.say(state="starting", message="")
        training = LiveTraining(self.folder, config.settings, config.options)
        try:
            if not self.folder.checkpoint.exists():
                training.save()
            until = min(TOTAL_STEPS, self._last_step(training, config.options.epochs))
            self.say(state="training", step=training.steps)
            self._train(training, until, 1.0 / SPEEDS[config.options.speed])
            training.save()
        finally:
            training.close()
        over = training.steps >= TOTAL_STEPS
        self.say(
            state="stopped" if self.stopped and not over else "finished",
            message=f"{TOTAL_STEPS:,} steps are the most of a live run" if over else self.status.message,
            step=training.steps,
        )

    def say(self, **changes: Any) -> None:
        """Change the status and write it."""
        self.status = replace(self.status, **changes)
        self.folder.write_status(self.status)

    def _last_step(self, training: LiveTraining, epochs: int | None) -> int:
        """Step at which the run is finished; one that was finished goes on for as many epochs again."""
        if epochs is None:
            return TOTAL_STEPS
        length = epochs * training.steps_per_epoch
        return (training.steps // length + 1) * length

    def _train(self, training: LiveTraining, until: int, pace: float) -> None:
        saved = due = time.monotonic()
        while training.steps < until:
            self._obey_all(training)
            if self.stopped:
                return
            if self.paused:
                continue  # the next command is waited for
            training.step()
            now = time.monotonic()
            if now - saved >= CHECKPOINT_SECONDS:
                training.save()
                saved = time.monotonic()
            due = max(due + pace, now)  # what was lost to a busy machine is not made up for in a burst
            if due > now:
                self._obey_all(training, due - now)
                if self.stopped:
                    return

    def _obey_all(self, training: LiveTraining, seconds: float = 0.0) -> None:
        """Obey what has been said; wait up to some seconds for more, and while paused without limit."""
        end = time.monotonic() + seconds
        while not self.stopped:
            left = end - time.monotonic()
            try:
                line = self.lines.get(
                    block=self.paused or left > 0, timeout=None if self.paused else max(left, 0)
                )
            except queue.Empty:
                return
            self._obey(training, json.loads(line))

    def _obey(self, training: LiveTraining, command: dict[str, Any]) -> None:
        done, refused, said = command.get("do"), "", ""
        number = int(command.get("number", 0))
        if done == "steer":
            try:
                training.steer(Settings(**command["settings"]))
            except ValueError as error:
                refused = f"the new rates were refused: {error}"
        elif done == "checkpoint":
            training.save()
        elif done in ("pause", "resume"):
            self.paused = done == "pause"
            said = str(command.get("why", ""))
            if self.paused:
                training.save()
        elif done == "stop":
            self.stopped = True
        else:
            refused = f"unknown command {done!r}"
        self.say(
            state="paused" if self.paused else "training",
            message=refused or said,
            step=training.steps,
            answered=number or self.status.answered,
            refused=number if refused else self.status.refused,
        )


def listen(source: TextIO, lines: "queue.SimpleQueue[str]") -> None:
    """Read what the server says; its end means that the server is gone."""
    for line in source:
        lines.put(line.rstrip("\n"))
    lines.put(STOP)


def hear(source: TextIO) -> "queue.SimpleQueue[str]":
    """Listen in a thread of its own, and take SIGTERM for a command to stop."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()  # a signal handler may put into it

    def stop(signum: int, frame: FrameType | None) -> None:
        lines.put(STOP)

    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=listen, args=(source, lines), daemon=True).start()
    return lines


def warm_up() -> None:
    """Train a few steps for nothing: what is imported and compiled on the way is then there."""
    with tempfile.TemporaryDirectory() as place:
        training = LiveTraining(RunFolder(Path(place)), Settings(cooperation=0.1), LiveOptions())
        for _ in range(UPDATE_EVERY):
            training.step()
        training.save()
        training.close()


def work(folder: RunFolder, lines: "queue.SimpleQueue[str]") -> int:
    """Train the run, and return the exit status; what fails is told in the run's own status."""
    with open(folder.log, "ab") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())
    worker = Worker(folder, lines)
    try:
        worker.run()
    except Exception as error:  # told at the run's place on the page, with the rest in its log
        traceback.print_exc()
        worker.say(state="failed", message=str(error) or type(error).__name__)
        return 1
    return 0


def serve(folder: RunFolder, lines: "queue.SimpleQueue[str]") -> int:
    """Train the run of a folder once no other process has it in hand.

    0: finished or stopped, and saved. 1: failed, and the status says why. 2: another process has the run.
    """
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    deadline = time.monotonic() + HANDOVER_SECONDS
    while True:
        try:
            with folder.held():
                return work(folder, lines)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return TAKEN
            time.sleep(0.1)


def fork_on_request() -> int:
    """Fork a process for every folder that comes, with the pipes that come with it; until the server ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody here waits for them
    warm_up()
    gc.freeze()
    with socket.socket(fileno=os.dup(0)) as server:
        while True:
            folder, pipes, _, _ = socket.recv_fds(server, 65536, 2)
            if not folder:
                return 0
            commands, life = pipes
            if os.fork() == 0:
                server.close()
                os.close(0)
                os.setsid()
                os.write(life, f"{os.getpid()}\n".encode())
                status = serve(RunFolder(Path(folder.decode())), hear(os.fdopen(commands)))
                os.write(life, f"{status}\n".encode())
                os._exit(status)
            os.close(commands)
            os.close(life)


def main(arguments: list[str]) -> int:
    """Wait for a folder and train its run; or, as a nursery, fork a process for each that comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to hear
    torch.set_num_threads(1)
    if arguments == [RAISE]:
        return fork_on_request()
    lines = hear(sys.stdin)
    if lines.empty():
        warm_up()
    first = lines.get()
    return 0 if first == STOP else serve(RunFolder(Path(first)), lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
