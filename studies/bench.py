"""Measure the gene engine, and what pruning costs while a network trains."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from rich.console import Console

from pruning.checkpoint import write_atomically
from studies.benchmarks.controller_memory import memory_of
from studies.benchmarks.engine import compare_engines
from studies.benchmarks.engine_table import markdown
from studies.benchmarks.first_advance import first_advance
from studies.benchmarks.scaling import measure_sizes
from studies.benchmarks.tolerance import compare_with_tolerance
from studies.benchmarks.training_share import POLICIES, share_of_training
from studies.directory import check_writable
from studies.provenance import commit, hardware, versions

RECORDS, TABLE = "records.jsonl", "table.md"
NOT_RECORDED = ("out", "overwrite")
NETWORKS = ("CompactFERNet", "GeneInspiredNet")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Measure the gene engine against its peers, over sizes, and inside training.

    Writes to --out: records.jsonl (a measurement a line), table.md. Takes about ten minutes; let nothing else
    run meanwhile.
    """

    genes: int = (
        1_000_000  # genes of the comparison with peers, which is made for the first interval with 10,000 too
    )
    hours: tuple[float, ...] = (0.5, 2.0, 10.0)  # intervals, simulated time; 0.5 is a policy's window
    sizes: tuple[int, ...] = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)  # of the scaling
    tolerance: float = 1e-4  # error that every engine must reach, in concentration units
    repeats: int = 9  # rounds, in which all take turns
    steps: int = 400  # training steps of each policy
    update_every: int = 100  # steps between updates of the masks
    batch: int = 64  # images a training step
    connections: int = 4_000_000  # of the network whose controller's memory is measured
    threads: int = 2  # of torch and of the compiled code
    device: str = "auto"  # of the comparison: cpu, cuda, or both where there is a GPU
    out: Path = Path("results/bench")  # directory for records and table
    overwrite: bool = False  # replace the results in --out, if there are some

    def check(self) -> None:
        """Refuse options that could not be measured.

        Raises
        ------
        ValueError
            Names the option, what it must be, and what it is.
        """
        for name, least in (
            ("genes", 1),
            ("repeats", 1),
            ("update_every", 1),
            ("batch", 2),
            ("connections", 100),
            ("threads", 1),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.steps < self.update_every or self.steps % self.update_every:
            raise ValueError(
                f"steps must be a multiple of update_every={self.update_every}, got {self.steps}"
            )
        if not self.hours or min(self.hours) <= 0:
            raise ValueError(f"hours must be positive intervals of simulated time, got {self.hours}")
        if not self.sizes or min(self.sizes) < 1:
            raise ValueError(f"sizes must be positive numbers of genes, got {self.sizes}")
        if not 1e-6 <= self.tolerance < 1:
            raise ValueError(f"tolerance must be a concentration from 1e-6 to 1, got {self.tolerance}")
        if self.device not in ("auto", "cpu", "cuda"):
            raise ValueError(f"device must be auto, cpu or cuda, got {self.device!r}")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device is cuda, but torch finds no GPU here; use auto or cpu")
        if (self.out / RECORDS).exists() and not self.overwrite:
            raise ValueError(
                f"{self.out} already holds the results of a study: add --overwrite to replace them, or "
                "choose another --out"
            )

    @property
    def devices(self) -> list[str]:
        """Devices of the comparison."""
        if self.device != "auto":
            return [self.device]
        return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def run(config: Bench) -> list[dict[str, Any]]:
    """Measure everything, write records and table, and return the records.

    Raises
    ------
    ValueError
        If an option is refused, before anything is measured.
    """
    config.check()
    check_writable(config.out)
    console = Console(stderr=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    shared = {
        "study": "bench",
        "config": {name: value for name, value in asdict(config).items() if name not in NOT_RECORDED},
        "versions": versions(),
        "hardware": {device: hardware(torch.device(device)) for device in config.devices},
        "commit": commit(),
    }
    records: list[dict[str, Any]] = []
    try:
        for part, found in _measurements(config):
            record = {"part": part, **found, **shared}
            records.append(record)
            lines = "".join(json.dumps(each) + "\n" for each in records)
            write_atomically(config.out / RECORDS, lines.encode())
            console.print(_told(record), highlight=False, markup=False)
    finally:
        torch.set_num_threads(threads)
    table = markdown(records)
    write_atomically(config.out / TABLE, f"{table}\n".encode())
    print(table)
    return records


def _measurements(config: Bench) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every measurement with the part of the study that it belongs to."""
    for policy in ("expression", "heuristic", "magnitude"):
        yield "memory", {"policy": policy, **memory_of(POLICIES[policy], connections=config.connections)}
    yield "tolerance", compare_with_tolerance()
    yield "first call", {"seconds": first_advance()}
    for network in NETWORKS:
        for found in share_of_training(
            network, steps=config.steps, update_every=config.update_every, batch=config.batch
        ):
            yield "training", found
    for hours in dict.fromkeys((config.hours[0], config.hours[-1])):
        for found in measure_sizes(
            config.sizes,
            hours=hours,
            target=config.tolerance,
            repeats=config.repeats,
            threads=config.threads,
        ):
            yield "scaling", found
    for device in config.devices:
        groups = [
            (min(10_000, config.genes), config.hours[0]),
            *((config.genes, each) for each in config.hours),
        ]
        for genes, hours in dict.fromkeys(groups):
            for found in compare_engines(
                genes=genes, hours=hours, target=config.tolerance, repeats=config.repeats, device=device
            ):
                yield "engine", found


def _told(record: dict[str, Any]) -> str:
    """One line of progress."""
    names = ("policy", "network", "engine", "setting", "genes", "hours", "share", "times_advance", "error")
    told = [
        f"{name.replace('_', ' ')} {_short(record[name])}" for name in names if record.get(name) is not None
    ]
    return f"{record['part']}: {', '.join(told)}" if told else record["part"]


def _short(value: Any) -> str:
    """A value as text, numbers to three digits."""
    if isinstance(value, list):
        return " ".join(map(_short, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main(arguments: Sequence[str]) -> None:
    """Run the study from the command line."""
    run(tyro.cli(Bench, prog="python -m studies bench", args=arguments))
