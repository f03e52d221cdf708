"""What pruning makes of a network's graph: ``python -m studies.benchmarks.topology --data fer2013.csv``.

Trains the same network under several policies and seeds, writes the topology report of each, and one record a
run: the measures of the last graph beside random graphs with the same degrees, hubs, lifetimes, expression.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from pruning.checkpoint import write_atomically
from pruning.topology.measures import kaplan_meier
from pruning.topology.measures.turnover import Cohort
from studies.provenance import commit, versions
from studies.topology import FOLDER, REPORT
from studies.topology import run as run_topology
from studies.topology_analysis import Analysis
from studies.topology_files import described
from studies.topology_options import Topology

POLICIES = ("expression", "magnitude")
COHORTS: tuple[Cohort, ...] = ("initial", "born")
SETTINGS: dict[str, Any] = {"fraction": 0.3, "image_size": 32, "epochs": 24, "sparsity": 0.9, "threads": 1}
SHOWN = {
    "square clustering": "clustering",
    "modularity": "modularity",
    "mean distance": "distance",
    "largest singular value": "singular value",
    "assortativity in-in": "assortativity",
}  # measures in the table, by their heading
COMPARED = ("value", "null_mean", "z", "p_holm", "verdict")


@dataclass(frozen=True, kw_only=True)
class TopologyBenchmark:
    """Train, prune and measure the graph of `CompactFERNet` at one sparsity."""

    data: Path  # the official CSV of FER-2013
    seeds: int = 3
    null_samples: int = 99  # random graphs that every graph measured is held against
    snapshots: int = 8  # updates measured, evenly spread
    out: Path = Path("results/topology-benchmark")  # a folder each, and records.jsonl, table.md of all


def run(config: TopologyBenchmark) -> list[dict[str, Any]]:
    """Train and measure each run, and write the records and their table."""
    records = []
    for seed in range(config.seeds):
        for policy in POLICIES:
            folder = config.out / f"{policy}-{seed}"
            analysis = run_topology(
                Topology(
                    **SETTINGS,
                    data=str(config.data),
                    policy=policy,
                    seed=seed,
                    null_samples=config.null_samples,
                    snapshots=config.snapshots,
                    out=folder,
                    resume=True,
                )
            )
            records.append(_record(analysis, (folder / FOLDER / REPORT).stat().st_size))
            lines = "".join(f"{json.dumps(record, allow_nan=False)}\n" for record in records)
            write_atomically(config.out / "records.jsonl", lines.encode())  # hours a run: none is lost
    write_atomically(config.out / "table.md", f"{markdown(records)}\n".encode())
    return records


def _record(analysis: Analysis, report_bytes: int) -> dict[str, Any]:
    """One run in numbers: its last graph whole, of the others where they stand against the null."""
    found = described(analysis)
    last = found["snapshots"][-1]
    trained = analysis.run.record or {}
    return {
        "policy": analysis.run.facts["policy"],
        "seed": analysis.run.facts["seed"],
        "model": analysis.run.facts["model"],
        "dataset": analysis.run.facts["dataset"],
        "settings": SETTINGS,
        "test_accuracy": trained.get("test_accuracy"),
        "step": last["step"],
        "links": last["links"],
        "live_gates": last["live_gates"],
        "null_samples": analysis.null_samples,
        "measures": last["measures"],
        "course": [
            {"step": one["step"], "sparsity": one["sparsity"]}
            | {name: {key: one["measures"][name][key] for key in COMPARED} for name in SHOWN}
            for one in found["snapshots"]
        ],
        "degrees": [
            {key: one[key] for key in ("column", "direction", "mean", "std", "chance_std")}
            for one in found["degrees"]
        ],
        "hubs": found["hub_overlaps"],
        "lifetimes": _lifetimes(analysis),
        "humps": found.get("expression_humps", [None])[-1],
        "report_bytes": report_bytes,
        "commit": commit(),
        "trained_at": trained.get("commit"),
        "versions": versions(),
    }


def _lifetimes(analysis: Analysis) -> dict[str, Any]:
    """Births, deaths, and the share of early and later connections that outlive two updates."""
    births = sum(int(update["born"]) for update in analysis.updates)
    deaths = sum(int(update["died"]) for update in analysis.updates)
    found: dict[str, Any] = {"births": births, "deaths": deaths}
    if analysis.spells is not None:
        after = 2 * int(analysis.updates[1]["step"] - analysis.updates[0]["step"])
        found["after_steps"] = after
        for cohort in COHORTS:
            durations = analysis.spells.durations(cohort)
            if len(durations[0]):
                blind = kaplan_meier(*analysis.spells.memoryless(cohort))
                found[cohort] = {
                    "survive": float(kaplan_meier(*durations).at([after])[0]),
                    "survive_blind": float(blind.at([after])[0]),
                }
    return found


def markdown(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the table that the docs quote: of each measure the value and its z among the random graphs."""
    head = ("policy", "seed", "test accuracy", "links", *SHOWN.values(), "hubs", "births a death")
    rows = []
    for record in records:
        cells = []
        for name in SHOWN:
            one = record["measures"][name]
            star = "\\*" if one["verdict"] == "apart" else ""
            z = "–" if one["z"] is None else f"{one['z']:+.1f}"
            value = "–" if one["value"] is None else f"{one['value']:.4g}"
            cells.append(f"{value} ({z}){star}")
        lives = record["lifetimes"]
        rows.append(
            (
                record["policy"],
                str(record["seed"]),
                "–" if record["test_accuracy"] is None else f"{record['test_accuracy']:.1%}",
                f"{record['links']:,}",
                *cells,
                str(record["hubs"][-1]["after"]) if record["hubs"] else "–",
                f"{lives['births'] / lives['deaths']:.1%}" if lives["deaths"] else "–",
            )
        )
    lines = [head, ("---", *["---:"] * (len(head) - 1)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    run(tyro.cli(TopologyBenchmark, prog="python -m studies.benchmarks.topology"))
