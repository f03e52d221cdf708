"""The report of a study: one self-contained page from its records.

``write_report`` reads ``records.jsonl`` (and ``config.json`` and ``topology.json`` where present) and writes
``report.html`` into the same directory; ``python -m studies.report DIR`` renders it again.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pruning.checkpoint import write_atomically
from studies.directory import RECORDS, stored_config
from studies.records import TornRecordWarning, read_records
from studies.report.aggregation import DENSE, Record, check_records, missing_runs
from studies.report.page import Section, escape, render_page
from studies.report.sections import (
    caveats,
    class_blocks,
    cost_blocks,
    method_blocks,
    network_blocks,
    results_blocks,
    training_blocks,
)
from studies.report.tables import run_text
from studies.report.verdict import answer
from studies.topology_store import read_topology

REPORT = "report.html"


def write_report(directory: Path) -> Path:
    """Write ``report.html`` for the study in ``directory`` and return its path.

    The page is written to a temporary file, synced and renamed, so a reader never sees half of one.

    Raises
    ------
    FileNotFoundError
        If the directory holds no ``records.jsonl``.
    ValueError
        If the records are empty, broken or cannot be compared with one another.
    """
    directory = Path(directory)
    records, torn = load_records(directory)
    text = build_page(records, stored_config(directory), topology=read_topology(directory), torn=torn)
    path = directory / REPORT
    write_atomically(path, text.encode())
    return path


def load_records(directory: Path) -> tuple[list[dict[str, Any]], bool]:
    """Read a study's records.

    Returns
    -------
    records, torn
        The runs in the order they finished, and whether an unfinished last line was left out (a run was being
        written, or writing was interrupted).

    Raises
    ------
    FileNotFoundError
        If the directory holds no ``records.jsonl``.
    ValueError
        If a line is not a record.
    """
    path = Path(directory) / RECORDS
    if not path.exists():
        raise FileNotFoundError(
            f"{directory} must hold a {RECORDS}, found none: run a study with --out {directory}"
        )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TornRecordWarning)
        records = [asdict(record) for record in read_records(path)]
    return records, any(issubclass(warning.category, TornRecordWarning) for warning in caught)


def build_page(
    records: Sequence[Record],
    config: Mapping[str, Any] | None = None,
    *,
    topology: tuple[Mapping[str, Any], Sequence[Any]] | None = None,
    torn: bool = False,
) -> str:
    """Return the report page for records already read; see `write_report`.

    Parameters
    ----------
    records
        The runs of one study.
    config
        The study's configuration, if known: its policies, sparsities and seeds say which runs are missing.
    topology
        A run and its snapshots, as `studies.topology_store.read_topology` returns them.
    torn
        Whether the records end in an unfinished line.
    """
    check_records(records)
    first = next((r for r in records if r["policy"] == DENSE), records[0])
    plan = study_plan(config)
    missing = missing_runs(records, plan)
    sections = [
        Section(name="results", heading="Results", blocks=results_blocks(records)),
        Section(name="training", heading="How it went", blocks=training_blocks(records)),
        Section(
            name="network", heading="What happened in the network", blocks=network_blocks(records, topology)
        ),
        Section(name="classes", heading="Classes", blocks=class_blocks(records)),
        Section(name="cost", heading="Cost", blocks=cost_blocks(records)),
        Section(name="method", heading="How it was run", blocks=method_blocks(records, config)),
        Section(name="caveats", heading="Caveats", blocks=[caveats(records, plan, missing)]),
    ]
    study = str(first.get("study", "study"))
    seeds = sorted({int(r["seed"]) for r in records})
    return render_page(
        title=f"{study.capitalize()}: {first['model']} on {first['dataset']}",
        subtitle=f"{len(records)} runs, {len({r['policy'] for r in records})} policies, "
        f"{len(seeds)} {'seed' if len(seeds) == 1 else 'seeds'}",
        introduction=_introduction(records, missing, torn),
        sections=[section for section in sections if section.blocks],
        footer=f"Made from {RECORDS} by python -m studies.report. Commit {first.get('commit') or 'unknown'}.",
    )


def _introduction(records: Sequence[Record], missing: Sequence[tuple[str, float, int]], torn: bool) -> str:
    found = answer(records)
    parts = [
        "<p>Can a gene-regulatory network, in which every connection is a gene whose expression decides "
        "whether it stays, prune a neural network better than rules without such dynamics? Smoothed "
        "importance is the linear filter that is left of the ODE without its feedback and its Hill promoter, "
        "so expression against smoothed tests whether these earn their keep; magnitude is the plain rule to "
        "beat.</p>",
        '<div class="answer" role="note" aria-label="Answer">',
        f'<p class="lead">{escape(found.headline)}</p>',
        f"<p><strong>Does the feedback earn its keep?</strong> {escape(found.feedback)}</p></div>",
    ]
    if missing:
        shown = [run_text(*run) for run in missing[:8]]
        more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
        parts.append(
            f'<p class="note"><strong>This study is not complete.</strong> {len(missing)} of its runs '
            f"{'has' if len(missing) == 1 else 'have'} no record: {escape('; '.join(shown))}{more}. "
            "Run the study again with --resume to add them.</p>"
        )
    if torn:
        parts.append(f'<p class="note">The last line of {RECORDS} is unfinished and was left out.</p>')
    return "\n".join(parts)


def study_plan(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Find the study's options, at the top of config.json or under a key of their own."""
    if config is None:
        return {}
    nested = config.get("config")
    return {**(nested if isinstance(nested, Mapping) else {}), **config}


def main(arguments: Sequence[str] | None = None) -> int:
    """Render a study's report again: ``python -m studies.report DIR``."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.report", description="Render the report of a study again."
    )
    parser.add_argument("directory", type=Path, help=f"the study's directory, with its {RECORDS}")
    options = parser.parse_args(arguments)
    try:
        path = write_report(options.directory)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(path)
    return 0
