"""The files of a live run, and the values that server and worker tell one another through them."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from pruning.checkpoint import write_atomically
from studies.topology_store import HISTORY
from studies.tune.live.options import LiveOptions
from studies.tune.settings import Settings

VERSION = 1
State = Literal["starting", "training", "paused", "finished", "stopped", "failed"]
LIVE = ("starting", "training", "paused")  # states in which a process works for the run


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveConfig:
    """What a run was begun with."""

    settings: Settings  # at the beginning; those in force are in the checkpoint
    options: LiveOptions
    forked_from: str | None = None  # id of another run
    forked_at: int = 0  # optimizer steps that the other had done

    def to_json(self) -> dict[str, Any]:
        """JSON form."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "LiveConfig":
        """Read the JSON form.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is none, or of another version.
        """
        if values["version"] != VERSION:
            raise ValueError(f"version must be {VERSION}, got {values['version']!r}")
        return cls(
            settings=Settings(**values["settings"]),
            options=LiveOptions(**values["options"]),
            forked_from=values["forked_from"],
            forked_at=int(values["forked_at"]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """What a worker says of itself."""

    state: State = "starting"
    message: str = ""  # why it failed, or what was refused
    step: int = 0  # optimizer steps when this was written
    answered: int = 0  # number of the last command that was obeyed or refused
    refused: int = 0  # number of the last command that was refused


class RunFolder:
    """The folder of one run: its configuration, status, progress, topology and checkpoint."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / "config.json"
        self.status_file = path / "status.json"
        self.progress = path / "progress.jsonl"
        self.topology = path / HISTORY
        self.checkpoint = path / "checkpoint.safetensors"
        self.log = path / "worker.log"
        self.lock = path / "lock"
        self._probing = threading.Lock()  # two that ask at once would each take the other for a worker

    def write_config(self, config: LiveConfig) -> None:
        """Write what the run is begun with, atomically."""
        write_atomically(self.config_file, (json.dumps(config.to_json(), indent=1) + "\n").encode())

    def read_config(self) -> LiveConfig:
        """Read what the run was begun with.

        Raises
        ------
        ValueError
            If there is no such run, or the file is damaged.
        """
        try:
            return LiveConfig.from_json(json.loads(self.config_file.read_text()))
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{self.config_file} holds no live run ({error})") from None

    def write_status(self, status: Status) -> None:
        """Write what the worker says of itself, atomically."""
        write_atomically(self.status_file, json.dumps(asdict(status)).encode())

    def read_status(self) -> Status:
        """Read what the worker said last; before it has spoken, that the run is starting."""
        try:
            status = Status(**json.loads(self.status_file.read_text()))
        except FileNotFoundError:
            return Status()
        except (OSError, TypeError, ValueError) as error:
            return Status(state="failed", message=f"{self.status_file} is damaged: {error}")
        return status if status.state in get_args(State) else replace(status, state="failed")

    def last_words(self) -> str:
        """Last line of the worker's log, empty where it wrote none."""
        with suppress(OSError):
            lines = self.log.read_text(errors="replace").strip().splitlines()
            return lines[-1].strip() if lines else ""
        return ""

    @property
    def is_held(self) -> bool:
        """Whether a worker, perhaps of another server, has the run in hand."""
        if not self.lock.exists():
            return False
        try:
            with self._probing, self.held():
                return False
        except BlockingIOError:
            return True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other workers from the run within the block; the system lets go when the process ends.

        Raises
        ------
        BlockingIOError
            If another process holds it.
        """
        try:
            import fcntl
        except ImportError:  # Windows: one server at a time is the user's to see to
            yield
            return
        with open(self.lock, "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
