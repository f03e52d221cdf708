"""A study's output directory: its configuration, what is already done, and what may be continued."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pruning.checkpoint import write_atomically
from studies.records import RunRecord, read_records

RECORDS, CONFIG, RUNS = "records.jsonl", "config.json", "runs"


def stored_config(directory: Path) -> dict[str, Any] | None:
    """Return the configuration a study wrote into a directory, None where there is none.

    Raises
    ------
    ValueError
        If the file is not a JSON object.
    """
    path = directory / CONFIG
    if not path.exists():
        return None
    try:
        config = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}): restore it or choose another --out") from None
    if not isinstance(config, dict):
        raise ValueError(f"{path} must hold a JSON object, got {type(config).__name__}")
    return config


def finished_runs(directory: Path, *, resume: bool) -> list[RunRecord]:
    """Return the records a study starts with; writes nothing.

    Parameters
    ----------
    directory : Path
        The study's output directory; it need not exist.
    resume : bool
        Whether what is there may be continued. A directory without a study starts afresh either way.

    Raises
    ------
    ValueError
        If the directory holds a study and ``resume`` is false, or is not a directory.
    """
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"--out must be a directory, {directory} is a file")
    records = read_records(directory / RECORDS)
    if not resume and (records or (directory / CONFIG).exists() or (directory / RUNS).exists()):
        raise ValueError(
            f"{directory} already holds a study with {len(records)} finished runs: "
            f"add --resume to continue it, or choose another --out"
        )
    return records


def check_same_config(directory: Path, config: Mapping[str, Any]) -> None:
    """Refuse to continue a study under another configuration.

    Raises
    ------
    ValueError
        If a stored configuration differs (names the fields with both values) or is missing.
    """
    stored = stored_config(directory)
    if stored is None:
        if (directory / RECORDS).exists():
            raise ValueError(
                f"{directory} holds records without {CONFIG}: restore it or choose another --out"
            )
        return
    current = json.loads(json.dumps(config))
    missing = "(absent)"
    differing = [
        f"{name} was {stored.get(name, missing)!r} and is now {current.get(name, missing)!r}"
        for name in sorted(stored.keys() | current.keys())
        if stored.get(name, missing) != current.get(name, missing)
    ]
    if differing:
        raise ValueError(
            f"{directory} holds a study with another configuration: {'; '.join(differing)}. "
            f"Give the same options to --resume, or choose another --out"
        )


def write_config(directory: Path, config: Mapping[str, Any]) -> None:
    """Write the configuration, atomically."""
    write_atomically(directory / CONFIG, (json.dumps(config, indent=1) + "\n").encode())
