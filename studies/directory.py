"""A study's output directory: its configuration, what is already done, and what may be continued."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
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
        If the directory holds a study and ``resume`` is false.
    """
    records = read_records(directory / RECORDS)
    if not resume and (records or (directory / CONFIG).exists() or (directory / RUNS).exists()):
        raise ValueError(
            f"{directory} already holds a study with {len(records)} finished run{'s' * (len(records) != 1)}: "
            f"add --resume to continue it, or choose another --out"
        )
    return records


def check_writable(directory: Path) -> None:
    """Refuse a directory that no file can be written into.

    The only sure way to know is to try: missing folders and a nameless file are made and removed again.

    Raises
    ------
    ValueError
        With the reason that the system gives.
    """
    made: list[Path] = []
    try:
        if directory.exists() and not directory.is_dir():
            raise ValueError(f"--out must be a directory, {directory} is a file: choose another")
        missing = [folder for folder in (directory, *directory.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir()
            made.append(folder)
        with TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise ValueError(
            f"--out must be a directory that can be written to, {directory} cannot be "
            f"({error.strerror}): choose another"
        ) from None
    finally:
        for folder in reversed(made):
            with suppress(OSError):  # another process may have begun to use it
                folder.rmdir()


def continued_config(
    directory: Path, config: Mapping[str, Any], growing: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the configuration under which a directory's study goes on; writes nothing.

    Parameters
    ----------
    directory : Path
        The study's output directory; where it holds no study the configuration is returned as it is.
    config : mapping
        What is asked for now, as JSON values.
    growing : sequence of str, optional
        Fields that hold a list, whose order means nothing and to which values may be added.

    Raises
    ------
    ValueError
        If another field differs or a growing one lacks a stored value (names the fields with both values),
        or there are records without a stored configuration.
    """
    current: dict[str, Any] = json.loads(json.dumps(config))
    stored = stored_config(directory)
    if stored is None:
        if (directory / RECORDS).exists():
            raise ValueError(
                f"{directory} holds records without {CONFIG}: restore it or choose another --out"
            )
        return current
    for name in growing:
        before, now = stored.get(name), current.get(name)
        if isinstance(before, list) and isinstance(now, list) and all(value in now for value in before):
            stored[name] = current[name] = now if len(now) > len(before) else before
    missing = "(absent)"
    differing = [
        f"{name} was {stored.get(name, missing)!r} and is now {current.get(name, missing)!r}"
        for name in sorted(stored.keys() | current.keys())
        if stored.get(name, missing) != current.get(name, missing)
    ]
    if differing:
        more = f" ({', '.join(growing)} may have more values than before)" if growing else ""
        raise ValueError(
            f"{directory} holds a study with another configuration: {'; '.join(differing)}. "
            f"Give the same options to --resume{more}, or choose another --out"
        )
    return current


def write_config(directory: Path, config: Mapping[str, Any]) -> None:
    """Write the configuration, atomically."""
    write_atomically(directory / CONFIG, (json.dumps(config, indent=1) + "\n").encode())
