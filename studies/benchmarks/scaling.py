"""Time and memory of `grn.advance` over the number of genes, each size in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from grn import ExpressionState, advance
from studies.benchmarks.engine import AUTOACTIVATION, KINETICS, WORDS_MOVED, Genes, _error
from studies.benchmarks.timing import in_turns

KNOWN = 50_000  # genes whose error is told
FEW = 10_000_000  # genes; fewer are carried more often, since one interruption weighs more


def measure_sizes(
    sizes: Sequence[int], *, hours: float, target: float, repeats: int, threads: int
) -> Iterator[dict[str, Any]]:
    """Yield a record of each size: seconds, those of a copy of as many bytes, error, and peak memory.

    Memory is what Linux tells of the process; ``own_bytes`` are those of the state, the induction and the
    result, with all that the call takes meanwhile.
    """
    for genes in sizes:
        arguments = [genes, hours, target, repeats, threads]
        done = subprocess.run(
            [sys.executable, "-m", "studies.benchmarks.scaling", *map(str, arguments)],
            capture_output=True,
            text=True,
            env={**os.environ, "GOMP_SPINCOUNT": "0"},
        )
        if done.returncode:
            raise RuntimeError(f"measuring {genes:,} genes failed:\n{done.stderr.strip()[-2000:]}")
        yield json.loads(done.stdout)


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Exponent of the power of the size with which the values grow: least squares on logarithms.

    Examples
    --------
    >>> round(slope([1, 10, 100], [5, 50, 500]), 6)
    1.0
    """
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def _resident() -> tuple[int, int]:
    """Bytes of the process that lie in memory, now and at most since `_forget_peak`, as Linux tells them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    told = {name: value for name, _, value in (line.partition(":") for line in lines)}
    now, most = (int(told[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return now, most


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _measure(genes: int, hours: float, target: float, repeats: int, threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    tiny = Genes.random(1)

    def carry(own: Genes, out: ExpressionState | None = None) -> None:
        advance(
            own.state,
            own.induction,
            hours,
            kinetics=KINETICS,
            autoactivation=AUTOACTIVATION,
            tolerance=target,
            out=out,
        )

    carry(tiny)  # numba is imported and its code loaded
    _forget_peak()
    before, _ = _resident()
    own = Genes.random(genes)
    out = own.state.clone()
    carry(own, out)
    _, peak = _resident()
    copied = torch.empty(WORDS_MOVED * genes // 2)
    source = torch.ones_like(copied)
    rounds = repeats * min(20, max(1, FEW // genes))
    seconds = in_turns({"advance": lambda: carry(own, out), "copy": lambda: copied.copy_(source)}, rounds)
    return {
        "genes": genes,
        "hours": hours,
        "threads": threads,
        "seconds": list(seconds["advance"].seconds),
        "copy_seconds": list(seconds["copy"].seconds),
        "process_bytes": peak,
        "own_bytes": peak - before,
        "error": _error((out.mrna, out.protein), own.first(KNOWN).exact(hours)),
    }


if __name__ == "__main__":
    size, interval, error, rounds, workers = sys.argv[1:]
    print(json.dumps(_measure(int(size), float(interval), float(error), int(rounds), int(workers))))
