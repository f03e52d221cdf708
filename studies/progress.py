"""How far a study is: bars on a terminal, plain lines anywhere else."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from studies.evaluation import EpochResult
from studies.records import RunRecord

SECONDS_BETWEEN_LINES = 10.0  # of epochs, where there is no terminal


class StudyProgress:
    """Shows an overall bar with the time left and, below it, the epoch, accuracy and sparsity of the run.

    Parameters
    ----------
    console : rich.console.Console
        Where to write; bars if it is a terminal, otherwise a line a run and now and then one an epoch.
    runs : int
        Runs of the study, finished ones included.
    epochs : int
        Epochs of a run.
    """

    def __init__(self, console: Console, *, runs: int, epochs: int) -> None:
        self.console = console
        self.runs = runs
        self.epochs = epochs
        self.number = 0
        self._label = ""
        self._epochs_shown = 0
        self._epoch_seconds = 0.0  # of the last epoch
        self._epoch_began = time.monotonic()
        self._last_line = 0.0
        self._bars: Progress | None = None
        if console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[state]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
            self._all = self._bars.add_task("study", total=runs * epochs, state="epochs")
            self._run = self._bars.add_task("", total=epochs, state="", visible=False)

    def __enter__(self) -> "StudyProgress":
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def skip(self, label: str) -> None:
        """Count a run that is finished already."""
        self.number += 1
        self.console.print(
            f"[{self.number}/{self.runs}] {label}: finished before", markup=False, soft_wrap=True
        )
        if self._bars is not None:
            self._bars.advance(self._all, self.epochs)

    def begin(self, label: str) -> None:
        """Start a run."""
        self.number += 1
        self._label = label
        self._epoch_began = time.monotonic()
        self._epochs_shown = 0
        self._last_line = time.monotonic()
        if self._bars is not None:
            self._bars.update(self._all, description=f"run {self.number} of {self.runs}")
            self._bars.reset(self._run, description=label, state="", visible=True, total=self.epochs)

    def epoch(self, result: EpochResult) -> None:
        """Show an epoch's end."""
        self._epochs_shown = result.epoch
        now = time.monotonic()
        self._epoch_seconds, self._epoch_began = now - self._epoch_began, now
        state = (
            f"loss {result.train_loss:.3f}, validation {result.validation_accuracy:.2%}, "
            f"sparsity {result.sparsity:.1%}"
        )
        if self._bars is not None:
            self._bars.advance(self._all)
            self._bars.update(self._run, completed=result.epoch, state=state)
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self.console.print(
                f"[{self.number}/{self.runs}] {self._label}: epoch {result.epoch} of {self.epochs}, {state}, "
                f"{self._left()}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )

    def _left(self) -> str:
        """Time that the study still takes if its epochs go on as the last one did."""
        left = (self.runs - self.number + 1) * self.epochs - self._epochs_shown
        seconds = left * self._epoch_seconds
        minutes = round(seconds / 60)
        return f"about {minutes} min left" if minutes > 1 else f"about {seconds:.0f} s left"

    def fail(self, reason: str) -> None:
        """Show why a run has no result."""
        self.console.print(
            f"[{self.number}/{self.runs}] {self._label}: failed: {reason}", markup=False, soft_wrap=True
        )
        if self._bars is not None:
            self._bars.advance(self._all, self.epochs - self._epochs_shown)

    def end(self, record: RunRecord) -> None:
        """Show a run's result, which is on disk by now."""
        if self._bars is not None:
            self._bars.advance(self._all, self.epochs - self._epochs_shown)  # where patience ended it
        self.console.print(
            f"[{self.number}/{self.runs}] {self._label}: test {record.test_accuracy:.2%}, "
            f"macro F1 {record.macro_f1:.3f}, sparsity {record.sparsity:.2%}, "
            f"{record.live_parameters:,} live parameters, {record.train_seconds:.1f} s",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
