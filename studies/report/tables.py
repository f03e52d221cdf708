"""The tables of a report, as HTML: results, the test of the feedback, cost, provenance."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from studies.report.aggregation import (
    DENSE,
    Interval,
    Record,
    accuracy_cells,
    choose_base,
    cost_table,
    on_target,
    paired_differences,
    percent,
)
from studies.report.page import escape, table
from studies.report.style import policy_style
from studies.report.verdict import describe_claim, feedback_cells

# In config.json, but not of the command line.
NOT_OPTIONS = ("study", "command", "data_digest", "resolved", "processes")


def results_table(records: Sequence[Record]) -> str:
    """Accuracy by policy and sparsity, with the paired difference from the base policy."""
    base = choose_base(records)
    differences = {cell.key: cell for cell in paired_differences(records, base)} if base else {}
    macro = {cell.key: cell.interval for cell in accuracy_cells(records, "macro_f1")}
    head = ["Policy", "Target", "Achieved", "Seeds", "Test accuracy", "95 % interval", "Macro F1"]
    if base:
        head += [f"From {policy_style(base).label}, points", "Paired 95 % interval"]
    rows: list[list[str]] = []
    group: list[bool] = []
    for cell in sorted(accuracy_cells(records), key=lambda cell: cell.target_sparsity):
        row = [
            policy_cell(cell.policy),
            percent(cell.target_sparsity),
            percent(cell.sparsity, 2),
            str(cell.interval.count),
            percent(cell.interval.mean, 2),
            _range(cell.interval, signed=False),
            f"{macro[cell.key].mean:.3f}",
        ]
        if base:
            difference = differences.get(cell.key)
            row += (
                [_number(100 * difference.interval.mean, "+.2f"), _range(difference.interval, signed=True)]
                if difference
                else ["–", "–"]
            )
        group.append(bool(rows) and rows[-1][1] != row[1])
        rows.append(row)
    return table(f"Test accuracy, mean over seeds; {len(records)} runs", head, rows, group=group)


def feedback_table(records: Sequence[Record]) -> str:
    """Expression against smoothed and magnitude, by sparsity; nothing where neither can be compared."""
    rows: list[list[str]] = []
    group: list[bool] = []
    for other in ("smoothed", "magnitude"):
        for cell in feedback_cells(on_target(records), other):
            group.append(bool(rows) and rows[-1][0] != policy_cell(other))
            rows.append(
                [
                    policy_cell(other),
                    percent(cell.target_sparsity),
                    str(cell.interval.count),
                    _number(100 * cell.interval.mean, "+.2f"),
                    _range(cell.interval, signed=True),
                    describe_claim(cell.interval),
                ]
            )
    head = [
        "Expression (ODE) against",
        "Sparsity",
        "Seeds",
        "Points",
        "Paired 95 % interval",
        "What it allows to claim",
    ]
    return table("Does the ODE's feedback earn its keep?", head, rows, group=group) if rows else ""


def costs_table(records: Sequence[Record]) -> str:
    """Parameters, training time and the controller's share of it, by policy and sparsity."""
    rows: list[list[str]] = []
    group: list[bool] = []
    for cost in sorted(cost_table(records), key=lambda cost: cost.target_sparsity):
        level = percent(cost.target_sparsity)
        group.append(bool(rows) and rows[-1][1] != level)
        rows.append(
            [
                policy_cell(cost.policy),
                level,
                f"{cost.parameters:,.0f}",
                f"{cost.live_parameters:,.0f}",
                _count(cost.live_multiply_adds),
                f"{cost.train_seconds:,.1f} s",
                "–" if cost.time_ratio is None else f"×{cost.time_ratio:.2f}",
                percent(cost.controller_share, 1),
            ]
        )
    head = [
        "Policy",
        "Target",
        "Parameters",
        "Live parameters",
        "Live multiply-adds",
        "Training",
        "Against dense",
        "In the controller",
    ]
    caption = "Parameters and training time, mean over seeds"
    if any(cost.time_ratio is not None and cost.count > 1 for cost in cost_table(records)):
        caption += "; against dense: mean of each seed's own ratio"
    return table(caption, head, rows, group=group)


def provenance_table(records: Sequence[Record]) -> str:
    """Where the records come from: commit, seeds, machine, library versions."""
    commits = list(dict.fromkeys(str(r.get("commit") or "unknown") for r in records))
    seeds = sorted({int(r["seed"]) for r in records})
    facts = [["Commit", escape(", ".join(commits))], ["Seeds", escape(", ".join(map(str, seeds)))]]
    versions: dict[str, list[str]] = {}
    for record in records:
        for name, version in (record.get("versions") or {}).items():
            if str(version) not in versions.setdefault(str(name), []):
                versions[str(name)].append(str(version))
    machines = dict.fromkeys(
        ", ".join(f"{k} {v}" for k, v in (r.get("hardware") or {}).items()) for r in records
    )
    facts += [["Machine", escape("; ".join(machines))]] if any(machines) else []
    facts += [[escape(name), escape(", ".join(found))] for name, found in sorted(versions.items())]
    return table("Commit, seeds, machine and versions", [], facts, words=True)


def study_command(config: Mapping[str, Any]) -> str | None:
    """Return the command that runs a study again, with all its options; None if it names no study.

    Examples
    --------
    >>> study_command({"study": "compare", "data": "digits", "sparsities": [0.5, 0.9], "seeds": [2, 3, 4]})
    'python -m studies compare --data digits --sparsities 0.5,0.9 --seeds 3 --first-seed 2'
    """
    if config.get("command"):
        return str(config["command"])
    if not config.get("study"):
        return None
    processes = int(config.get("processes") or 1)
    launcher = ["python"] if processes == 1 else ["torchrun", "--nproc-per-node", str(processes)]
    words = [*launcher, "-m", "studies", str(config["study"])]
    for name, value in config.items():
        if name in NOT_OPTIONS or isinstance(value, Mapping) or (value is None and not config.get("recipe")):
            continue  # a recipe has defaults of its own: where None was chosen it is said
        if name == "recipe" and not value:
            continue
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(option if value else f"--no-{option[2:]}")
        elif name == "seeds" and isinstance(value, list) and value == [*range(value[0], value[-1] + 1)]:
            words += [option, str(len(value))] + (["--first-seed", str(value[0])] if value[0] else [])
        else:
            words += [option, ",".join(map(str, value)) if isinstance(value, list) else str(value)]
    return shlex.join(words)


def _count(operations: float) -> str:
    """A count in millions, or whole where that would round it away."""
    return f"{operations / 1e6:,.2f} M" if operations >= 1e5 else f"{operations:,.0f}"


def settings_rows(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Flatten nested settings into rows (dotted name, value as text)."""
    rows: list[tuple[str, str]] = []
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            rows += settings_rows(value, f"{prefix}{key}.")
        else:
            rows.append(
                (f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value, default=str))
            )
    return rows


def policy_cell(policy: str) -> str:
    """Name a policy beside a dot of its colour."""
    style = policy_style(policy)
    dot = f'<span class="swatch" style="background:{style.color}" aria-hidden="true"></span>'
    return dot + escape(style.label)


def run_text(policy: str, target: float, seed: int) -> str:
    """Name a run for a reader."""
    if policy == DENSE:
        return f"Dense, seed {seed}"
    return f"{policy_style(policy).label}, {percent(target)} sparse, seed {seed}"


def _range(interval: Interval, *, signed: bool) -> str:
    if interval.low is None or interval.high is None:
        return "–"
    form = "+.2f" if signed else ".2f"
    return f"{_number(100 * interval.low, form)} to {_number(100 * interval.high, form)}"


def _number(value: float, form: str) -> str:
    return f"{value:{form}}".replace("-", "−")
