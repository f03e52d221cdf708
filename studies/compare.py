"""Compare pruning policies on one network: same data, same initial weights, same batches."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from studies.gating_options import described_gating
from studies.joined import current_workers
from studies.options import TrainingOptions, parse_policies, parse_sparsities
from studies.policy_config import density_hint, named_config, with_policy_config
from studies.progress import StudyProgress
from studies.recipes import with_recipe
from studies.records import RunRecord
from studies.report import aggregation, write_report
from studies.runs import run_all
from studies.workbench import Run, findings, open_study

GROWING = ("policies", "sparsities", "seeds")  # a finished study may be resumed with more of these
COMPACT: dict[str, Any] = {"box": None, "padding": (0, 2, 0, 0), "pad_edge": False}  # fits 80 columns


@dataclass(frozen=True, kw_only=True)
class Compare(TrainingOptions):
    """Compare pruning policies: accuracy at equal sparsity, over seeds, with paired differences.

    All policies of one seed start from the same weights and see the same batches, so that they differ in the
    policy alone; with --patience each keeps its best epoch after its own last update. Choices are made on the
    validation split; the test split is scored once a run, at its end.
    Results go to --out: records.jsonl, one line a run, and report.html; of the pruned runs of the first seed
    also runs/RUN/topology.grnt, masks and expression after every update (not with --no-topology, and the
    report then draws no graph of the network). With --resume a study goes on, also with more policies,
    sparsities or seeds than before.

    Policies: dense, small-dense (a narrower network of the pruned one's size), static, set, rigl (sparse from
    scratch), random, magnitude, smoothed, heuristic, heuristic-literal, expression, expression-schmitt.
    """

    policies: str = "dense,magnitude,smoothed,heuristic,expression"  # which policies, separated by commas
    sparsities: str = "0.9"  # shares of the connections to silence, each in [0, 1), separated by commas
    seeds: int = 3  # repetitions, each with its own weights and data order
    first_seed: int = 0  # seeds run from this one on
    out: Path = Path("results/compare")  # directory for records and report

    def check(self) -> None:
        """Refuse options that no run could use; see :meth:`TrainingOptions.check`."""
        if self.seeds < 1:
            raise ValueError(f"seeds must be at least 1, got {self.seeds}")
        if self.first_seed < 0:
            raise ValueError(f"first_seed must be at least 0, got {self.first_seed}")
        parse_policies(self.policies)
        parse_sparsities(self.sparsities)
        super().check()

    def runs(self) -> list[Run]:
        """All runs, seed by seed, so that an unfinished study is already paired."""
        levels = parse_sparsities(self.sparsities)
        return [
            Run(policy=policy, target_sparsity=level, seed=seed)
            for seed in range(self.first_seed, self.first_seed + self.seeds)
            for policy in parse_policies(self.policies)
            for level in ((0.0,) if policy == "dense" else levels)
        ]

    def described(self) -> dict[str, Any]:
        """Return the options that define the study, as JSON values; not where it writes or how."""
        values = described_gating(asdict(self))
        for name in ("out", "resume", "keep_weights", "topology", "checkpoint_seconds", "first_seed"):
            del values[name]
        return {
            **values,
            "policies": list(parse_policies(self.policies)),
            "sparsities": list(parse_sparsities(self.sparsities)),
            "seeds": list(range(self.first_seed, self.first_seed + self.seeds)),
        }


def run(config: Compare) -> list[RunRecord]:
    """Run the study, or what is left of it, and write its report.

    Raises
    ------
    ValueError
        For anything that could not work, before any file is written.
    FloatingPointError
        If training or pruning of some runs diverged, after all others are done and reported.
    """
    config.check()
    console = Console()
    runs = config.runs()
    bench = open_study("compare", config, config.described(), config.out, runs, growing=GROWING)
    console.print(
        f"{bench.dataset.summary()}; {bench.shape.name}, {bench.shape.parameters:,} parameters", markup=False
    )
    for text in [*findings(bench), density_hint(config, parse_sparsities(config.sparsities))]:
        if text is not None:
            console.print(text, markup=False, highlight=False, soft_wrap=True)
    outcome = run_all(bench, runs, StudyProgress(console, runs=len(runs), epochs=config.epochs))
    if outcome.records and current_workers().first:
        for table in tables(outcome.records):
            console.print(table)
        console.print(f"report: {write_report(config.out)}", highlight=False, soft_wrap=True)
    outcome.check()
    return outcome.records


def tables(records: Sequence[RunRecord]) -> list[Table]:
    """Return the results and the paired differences as tables for a terminal."""
    rows = [asdict(record) for record in records]
    accuracy = {cell.key: cell for cell in aggregation.accuracy_cells(rows)}
    f1 = {cell.key: cell for cell in aggregation.accuracy_cells(rows, "macro_f1")}
    seeds = len({record.seed for record in records})
    results = Table(
        title=f"{records[0].test_name}, mean ± standard deviation over {seeds} seed{'s' * (seeds > 1)}\n"
        "live: parameters; time: of training, relative to dense; gating: the controller's share of it",
        title_justify="left",
        **COMPACT,
    )
    headings = ("policy", "target", "accuracy %", "F1", "sparsity", "live", "time", "gating")
    for heading in headings:
        results.add_column(heading, justify="left" if heading == "policy" else "right", no_wrap=True)
    for cost in aggregation.cost_table(rows):
        key = cost.policy, cost.target_sparsity
        cell = accuracy[key]
        achieved = [row["sparsity"] for row in rows if (row["policy"], row["target_sparsity"]) == key]
        results.add_row(
            cost.policy,
            "" if cost.policy == aggregation.DENSE else f"{cost.target_sparsity:g}",
            _spread([100 * value for value in cell.values]),
            f"{f1[key].interval.mean:.3f}",
            f"{sum(achieved) / len(achieved):.4f}",
            f"{cost.live_parameters:,.0f}",
            "" if cost.time_ratio is None else f"{cost.time_ratio:.2f}",
            f"{cost.controller_share:.1%}",
        )
    return [results, *_difference_tables(rows)]


def _difference_tables(rows: list[dict[str, Any]]) -> list[Table]:
    """Paired differences in test accuracy, where two policies can be paired."""
    base = aggregation.choose_base(rows)
    cells = aggregation.paired_differences(rows, base) if base is not None else []
    if not cells:
        return []
    table = Table(title=f"accuracy minus {base}, points, paired by seed", title_justify="left", **COMPACT)
    for heading in ("policy", "target", "seeds", "difference", "95 % interval"):
        table.add_column(heading, justify="left" if heading == "policy" else "right")
    for cell in cells:
        low, high = cell.interval.low, cell.interval.high
        table.add_row(
            cell.policy,
            f"{cell.target_sparsity:g}",
            str(cell.interval.count),
            f"{100 * cell.interval.mean:+.2f}",
            "" if low is None or high is None else f"{100 * low:+.2f} to {100 * high:+.2f}",
        )
    return [table]


def _spread(values: Sequence[float]) -> str:
    """Mean and, of two or more values, standard deviation."""
    if len(values) < 2:
        return f"{values[0]:.2f}"
    return f"{mean(values):.2f} ± {stdev(values):.2f}"


def main(arguments: Sequence[str]) -> None:
    """Run the study from the command line."""
    defaults = with_policy_config(with_recipe(Compare, arguments), named_config(arguments))
    run(tyro.cli(Compare, prog="python -m studies compare", args=arguments, default=defaults))
