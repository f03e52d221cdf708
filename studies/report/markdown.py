"""The results of a study as Markdown, for a README: ``python -m studies.report.markdown DIR``.

Pages quote what this prints, and a test compares them with the records, so that no figure is typed by hand.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from studies.report.aggregation import (
    Interval,
    Record,
    accuracy_cells,
    choose_base,
    cost_table,
    paired_differences,
    percent,
)
from studies.report.build import load_records


def results_markdown(records: Sequence[Record]) -> str:
    """Return a Markdown table: a row a policy and sparsity, with intervals over seeds.

    Parameters
    ----------
    records
        Records of one study; see `studies.records.RunRecord`.

    Returns
    -------
    str
        Accuracy and its difference from magnitude pruning in percent and points, each with a 95 % Student t
        interval over seeds; the difference is paired by seed.
    """
    base = choose_base(records)
    differences = {cell.key: cell for cell in paired_differences(records, base)} if base else {}
    costs = {(cost.policy, cost.target_sparsity): cost for cost in cost_table(records)}
    macro = {cell.key: cell.interval.mean for cell in accuracy_cells(records, "macro_f1")}
    head = ["sparsity", "policy", "seeds", "test accuracy, %", "macro F1", "live parameters"]
    if base:
        head.append(f"against {base}, points")
    lines = [_row(head), _row(["---"] * len(head))]
    for cell in sorted(accuracy_cells(records), key=lambda cell: cell.target_sparsity):
        row = [
            percent(cell.sparsity, 0 if cell.target_sparsity < 0.1 else 1),
            cell.policy,
            str(cell.interval.count),
            _with_interval(cell.interval, "{:.2f}"),
            f"{macro[cell.key]:.3f}",
            f"{costs[cell.key].live_parameters:,.0f}",
        ]
        if base:
            difference = differences.get(cell.key)
            row.append(_with_interval(difference.interval, "{:+.2f}") if difference else "")
        lines.append(_row(row))
    return "\n".join(lines)


def _with_interval(interval: Interval, pattern: str) -> str:
    """Mean in percent and, where it can be told, its interval."""

    def percent_of(value: float) -> str:
        return pattern.format(round(100 * value, 2) + 0.0)  # + 0.0 turns -0.0 into 0.0

    if interval.low is None or interval.high is None:
        return percent_of(interval.mean)
    return f"{percent_of(interval.mean)} ({percent_of(interval.low)} to {percent_of(interval.high)})"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of a study: ``python -m studies.report.markdown DIR``."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.report.markdown", description="Print a study's results as a Markdown table."
    )
    parser.add_argument("directory", type=Path, help="the study's directory, with its records.jsonl")
    options = parser.parse_args(arguments)
    try:
        print(results_markdown(load_records(options.directory)[0]))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
