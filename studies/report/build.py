"""The report of a study: one self-contained page from its records.

``write_report`` reads ``records.jsonl`` (and ``config.json``, ``topology.json``, ``attention.npz`` and the
pictured run's ``topology.grnt`` where present) and writes ``report.html`` into the same directory;
``python -m studies.report DIR`` renders it again. A study that trains one network gets a page about that run,
any other one that compares policies.
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
from studies.attention import ATTENTION, AttentionExamples
from studies.directory import RECORDS, stored_config
from studies.records import TornRecordWarning, read_records
from studies.report.aggregation import DENSE, Record, check_records, missing_runs
from studies.report.attention_grid import attention_block
from studies.report.page import Plot, Section, escape, render_page
from studies.report.run_dynamics import dynamics_blocks
from studies.report.run_page import run_introduction, run_sections, run_title
from studies.report.run_tables import audit_block, group_tables
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
_TORN = f'<p class="note">The last line of {RECORDS} is unfinished and was left out.</p>'


def write_report(directory: Path) -> Path:
    """Write ``report.html`` for the study in ``directory`` and return its path.

    The page is written to a temporary file, synced and renamed, so a reader never sees half of one.

    Raises
    ------
    FileNotFoundError
        If the directory holds no ``records.jsonl``.
    ValueError
        If the records are empty, broken or cannot be compared with one another, or ``attention.npz`` is
        damaged.
    """
    directory = Path(directory)
    records, torn = load_records(directory)
    topology = read_topology(directory)
    text = build_page(
        records,
        stored_config(directory),
        topology=topology,
        dynamics=_dynamics(directory, records, topology),
        attention=read_attention(directory),
        torn=torn,
    )
    path = directory / REPORT
    write_atomically(path, text.encode())
    return path


def _dynamics(
    directory: Path, records: Sequence[Record], topology: tuple[Mapping[str, Any], Sequence[Any]] | None
) -> list[str | Plot]:
    """Draw the run that the graph is of, from its history."""
    if topology is None:
        return []
    named = ("policy", "target_sparsity", "seed")
    shown = [record for record in records if all(record[name] == topology[0][name] for name in named)]
    return dynamics_blocks(directory, shown[0]) if shown else []


def read_attention(directory: Path) -> AttentionExamples | None:
    """Read a study's examples of where its network looks; None where it kept none.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    path = Path(directory) / ATTENTION
    return AttentionExamples.load(path) if path.exists() else None


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
    dynamics: Sequence[str | Plot] = (),
    attention: AttentionExamples | None = None,
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
    dynamics
        Blocks about the expression and flow of that run.
    attention
        Examples of where a network of the study looks.
    torn
        Whether the records end in an unfinished line.
    """
    check_records(records)
    if len(records) == 1 and records[0].get("study") == "train":
        return _run_page(records[0], config, topology, dynamics, attention, torn)
    first = next((r for r in records if r["policy"] == DENSE), records[0])
    plan = study_plan(config)
    missing = missing_runs(records, plan)
    audit = audit_block(records)
    looks = [attention_block(attention, split="the validation part")] if attention else []
    named: list[tuple[str, str, list[str | Plot]]] = [
        ("results", "Results", results_blocks(records)),
        ("training", "How it went", training_blocks(records)),
        ("network", "What happened in the network", [*network_blocks(records, topology), *dynamics]),
        ("classes", "Classes", class_blocks(records)),
        ("attention", "Attention", [*looks]),
        ("groups", "Groups", [*group_tables(records)]),
        ("cost", "Cost", cost_blocks(records)),
        ("data", "Data", [audit] if audit else []),
        ("method", "How it was run", method_blocks(records, config)),
        ("caveats", "Caveats", [caveats(records, plan, missing)]),
    ]
    study = str(first.get("study", "study"))
    seeds = sorted({int(r["seed"]) for r in records})
    return render_page(
        title=f"{study.capitalize()}: {first['model']} on {first['dataset']}",
        subtitle=f"{len(records)} runs, {len({r['policy'] for r in records})} policies, "
        f"{len(seeds)} {'seed' if len(seeds) == 1 else 'seeds'}",
        introduction=_introduction(records, missing, torn),
        sections=[
            Section(name=name, heading=heading, blocks=blocks) for name, heading, blocks in named if blocks
        ],
        footer=_footer(first),
    )


def _run_page(
    record: Record,
    config: Mapping[str, Any] | None,
    topology: tuple[Mapping[str, Any], Sequence[Any]] | None,
    dynamics: Sequence[str | Plot],
    attention: AttentionExamples | None,
    torn: bool,
) -> str:
    title, subtitle = run_title(record)
    return render_page(
        title=title,
        subtitle=subtitle,
        introduction=run_introduction(record) + (_TORN if torn else ""),
        sections=run_sections(record, config, topology=topology, dynamics=dynamics, attention=attention),
        footer=_footer(record),
    )


def _footer(record: Record) -> str:
    return f"Made from {RECORDS} by python -m studies.report. Commit {record.get('commit') or 'unknown'}."


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
        parts.append(_TORN)
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
