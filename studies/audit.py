"""Audit a data set: copies and people on both sides of its split, and what simple baselines reach on it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console

from pruning.checkpoint import write_atomically
from studies.baselines import BaselineScore, baselines
from studies.data.audit import audit
from studies.data_options import DataOptions
from studies.provenance import commit, data_digest, versions

RECORD = "audit.json"


@dataclass(frozen=True, kw_only=True)
class AuditOptions(DataOptions):
    """Look for copies and people that stand on both sides of a split, before anything is trained on it.

    Writes audit.json to --out: what was found, every pair of copies, and the baselines.
    """

    near: bool = True  # also look for slightly changed and mirrored copies
    baselines: bool = False  # also score the majority class, the nearest neighbour and a linear model
    seed: int = 0  # of the training samples that the baselines take of more than 30,000
    out: Path = Path("results/audit")  # directory for audit.json

    def check(self) -> None:
        """Refuse options that no audit could use; see :meth:`DataOptions.check_data`."""
        self.check_data()
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")
        if self.out.exists() and not self.out.is_dir():
            raise ValueError(f"out must be a directory, and {self.out} is a file")


def run(config: AuditOptions) -> dict[str, Any]:
    """Audit one data set, print and write what was found, and return it.

    Raises
    ------
    ValueError
        For anything that could not work, before any file is written.
    """
    config.check()
    console = Console()

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    dataset = config.load_data()
    say(dataset.summary())
    found = audit(dataset, near=config.near)
    for line in found.lines():
        say(line)
    record = found.to_record(copies=True)
    record |= {"commit": commit(), "versions": versions(), "data_digest": data_digest(dataset)}
    record["options"] = {name: value for name, value in asdict(config).items() if name != "out"}
    if config.baselines:
        scores = baselines(dataset, seed=config.seed, clean_test=found.clean_test)
        for line in baseline_lines(scores):
            say(line)
        record["baselines"] = [asdict(score) for score in scores]
    config.out.mkdir(parents=True, exist_ok=True)
    write_atomically(config.out / RECORD, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
    say(f"audit: {config.out / RECORD}")
    return record


def baseline_lines(scores: Sequence[BaselineScore]) -> list[str]:
    """Describe baselines, a line each.

    Examples
    --------
    >>> baseline_lines(
    ...     [
    ...         BaselineScore(
    ...             name="majority class",
    ...             description="always 'happy'",
    ...             accuracy=0.25,
    ...             macro_f1=0.057,
    ...             accuracy_without_copies=None,
    ...             macro_f1_without_copies=None,
    ...         )
    ...     ]
    ... )
    ["majority class: test accuracy 25.0%, macro F1 0.057 (always 'happy')"]
    """
    said = []
    for score in scores:
        without = score.accuracy_without_copies
        clean = "" if without is None else f", {without:.1%} without copies"
        said.append(
            f"{score.name}: test accuracy {score.accuracy:.1%}{clean}, macro F1 {score.macro_f1:.3f} "
            f"({score.description})"
        )
    return said


def main(arguments: Sequence[str]) -> None:
    """Run the study from the command line."""
    run(tyro.cli(AuditOptions, prog="python -m studies audit", args=arguments))
