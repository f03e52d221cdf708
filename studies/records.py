"""One record a run: a line of JSON in ``records.jsonl``, on disk before the next run begins."""

import json
import os
import re
import warnings
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

MEASURED_FIELDS = ("train_seconds", "controller_seconds")
"""Fields read from a clock: the only ones in which a resumed run may differ from an uninterrupted one."""


class TornRecordWarning(UserWarning):
    """The last line of a records file was cut off by a crash and is left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRecord:
    """Everything a run leaves behind. Accuracies, sparsities and churn are fractions; times are seconds.

    Scores are of the final epoch's network, not of the best one, unless the recipe has patience: then of the
    best on the validation split after the last update of the masks. The test split is scored once.
    """

    study: str  # "compare" or "train"
    policy: str  # "dense", "expression", ...
    model: str  # class name of the network
    dataset: str  # name of the data set
    test_name: str  # which split the test scores are of, such as "PublicTest"
    seed: int
    target_sparsity: float  # asked for; 0 for dense, the sparsity whose size it matches for small-dense
    sparsity: float  # silenced share of the gated connections at the end
    test_accuracy: float
    macro_f1: float  # on the test split
    per_class_recall: list[float | None]  # on the test split, in the order of `classes`; None: no sample
    confusion: list[list[int]]  # on the test split; row = true class, column = predicted class
    classes: list[str]
    validation_accuracy: float  # of the network that is scored
    parameters: int  # trainable
    live_parameters: int  # trainable and not silenced
    multiply_adds: int  # of one forward pass of one image
    live_multiply_adds: int  # of these, with weights not silenced
    churn: float  # mean over updates of the share of masks flipped
    train_seconds: float  # in training steps, controller included; without evaluation and checkpoints
    controller_seconds: float  # of these, inside the pruning controller
    curve: list[dict[str, Any]]  # one EpochResult an epoch
    updates: list[dict[str, Any]]  # one TopologySnapshot.to_record() an update
    config: dict[str, Any]  # the study's options and what "auto" became for this run
    versions: dict[str, str]
    hardware: dict[str, Any]
    commit: str | None
    state_digest: str  # SHA-256 of final weights and masks
    recipe: str = ""  # name of the recipe that set the options; "" for none
    best_epoch: int | None = None  # the one whose network is scored, where the recipe has patience
    stopped_epoch: int | None = None  # the last one, where patience ended the run before its time
    macro_precision: float | None = None  # on the test split, as all scores below
    macro_recall: float | None = None  # balanced accuracy, or unweighted average recall
    expected_calibration_error: float | None = None
    group_accuracy: dict[str, dict[str, float]] = field(default_factory=dict)
    copied_test_images: int | None = None  # with a copy in train or validation; None: not looked for
    test_accuracy_without_copies: float | None = None  # None where there are none
    macro_f1_without_copies: float | None = None
    audit: dict[str, Any] | None = None  # findings of the leakage audit
    baselines: list[dict[str, Any]] = field(default_factory=list)  # what simple models score on the same data

    @property
    def key(self) -> str:
        """Name of the run, unique within a study; see :func:`run_key`."""
        return run_key(
            policy=self.policy,
            model=self.model,
            dataset=self.dataset,
            seed=self.seed,
            target_sparsity=self.target_sparsity,
        )


def run_key(*, policy: str, model: str, dataset: str, seed: int, target_sparsity: float) -> str:
    """Return the name of a run, fit for a folder.

    Examples
    --------
    >>> run_key(policy="expression", model="CompactFERNet", dataset="faces", seed=0, target_sparsity=0.9)
    'faces-CompactFERNet-expression-0.9-seed0'
    """
    name = f"{dataset}-{model}-{policy}-{target_sparsity!r}-seed{seed}"
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)


def comparable(record: RunRecord) -> dict[str, Any]:
    """Return a record without the fields of :data:`MEASURED_FIELDS`.

    On a CPU, with equal options, versions and threads, this is equal for a run that was killed and resumed
    and for one that was not; seconds differ even between two identical runs.
    """
    return {name: value for name, value in asdict(record).items() if name not in MEASURED_FIELDS}


def append_record(path: Path, record: RunRecord) -> None:
    """Add a record as one line and wait until it is on disk.

    A torn last line, left by a crash, is removed first; whole lines are never touched.
    """
    line = json.dumps(asdict(record), allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        file.seek(0)
        content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        tail = content[len(whole) :]
        if tail and _is_json(tail):  # complete but for its line end
            line = "\n" + line
        elif tail:
            file.truncate(len(whole))
        file.seek(0, os.SEEK_END)
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def read_records(path: Path) -> list[RunRecord]:
    """Read all records of a file; a file that does not exist has none.

    A last line that is cut off, as by a crash while it was written, is left out with a
    :class:`TornRecordWarning`; its run counts as not done.

    Raises
    ------
    ValueError
        If any other line is not a record.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    records = []
    for number, line in numbered:
        if not _is_json(line) and number == numbered[-1][0]:
            warnings.warn(
                f"{path}: line {number} was cut off in writing and is left out; its run counts as not done",
                TornRecordWarning,
                stacklevel=2,
            )
            continue
        records.append(_parse(path, number, line))
    return records


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _parse(path: Path, number: int, line: bytes) -> RunRecord:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{path}: line {number} is not JSON ({error}): restore or remove it") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path}: line {number} must be a JSON object, got {type(value).__name__}")
    names = {item.name for item in fields(RunRecord)}
    needed = {
        item.name for item in fields(RunRecord) if item.default is MISSING and item.default_factory is MISSING
    }
    if missing := needed - value.keys():
        raise ValueError(f"{path}: line {number} is no run record, it lacks {', '.join(sorted(missing))}")
    if unknown := value.keys() - names:
        raise ValueError(f"{path}: line {number} has fields that no record has: {', '.join(sorted(unknown))}")
    return RunRecord(**value)
