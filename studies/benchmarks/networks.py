"""Speed of the gene-network toolkit: ``python -m studies.benchmarks.networks --out DIR``.

Two questions of its users. How long does a large ensemble take, against a loop over scipy's LSODA at the same
error? And does dense regulation explode, as where every rule is expanded into all 2^k combinations?
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import odeint

from grn import Solver
from grn.networks import BooleanNetwork, GeneNetwork, circuits, simulate
from grn.networks.equations import RateEquations
from pruning.checkpoint import write_atomically
from studies import provenance
from studies.benchmarks.timing import Timing, in_turns, ratio_range

Array = NDArray[np.float64]

TIMES = (0.0, 1.0, 2.0, 5.0, 10.0, 50.0)  # protein lifetimes; the last is long past settling
TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)
LOOP_SAMPLE = 1_000  # trajectories of the loop that are timed; the loop's time grows with their number alone


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark, write ``networks.json`` and print its tables."""
    parser = argparse.ArgumentParser(prog="python -m studies.benchmarks.networks", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"), help="where to write")
    parser.add_argument("--trajectories", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    record = {
        "benchmark": "networks",
        "ensemble": ensemble(options.trajectories, options.repeats),
        "dense": dense_regulation(options.repeats),
        "first_use": first_use(),
        "versions": provenance.versions(),
        "hardware": provenance.hardware(torch.device("cpu")),
        "commit": provenance.commit(),
    }
    write_atomically(options.out / "networks.json", (json.dumps(record, indent=1) + "\n").encode())
    print(markdown(record))


def ensemble(trajectories: int, repeats: int, *, target: float = 1e-5, seed: int = 0) -> dict[str, Any]:
    """Time an ensemble of toggle switches, each engine at the loosest tolerance with the target error.

    Parameters
    ----------
    trajectories : int
        Members, each with its own strengths and its own start.
    repeats : int
        Rounds of timing.
    target : float
        Largest relative error allowed to 99 % of the trajectories, over all output times.
    seed : int
        Of strengths and starts.

    Returns
    -------
    dict
        Times, errors and ratios, for the record.
    """
    random = np.random.default_rng(seed)
    strengths = random.uniform((50, 5), (250, 25), (trajectories, 2))
    starts = random.uniform((0, 0), (200, 20), (trajectories, 2))
    engines: dict[str, Callable[[int, float], Array]] = {
        "compiled": lambda count, rtol: _toolkit("compiled", strengths[:count], starts[:count], rtol),
        "torchdiffeq dopri5": lambda count, rtol: _toolkit("ode", strengths[:count], starts[:count], rtol),
        "scipy LSODA, a loop": lambda count, rtol: _loop(strengths[:count], starts[:count], rtol),
    }
    exact = _loop(strengths[:LOOP_SAMPLE], starts[:LOOP_SAMPLE], 1e-13)
    chosen, errors = {}, {}
    for name, engine in engines.items():
        for tolerance in TOLERANCES:
            error = _error(engine(LOOP_SAMPLE, tolerance), exact)
            if error["percentile_99"] <= target:
                break
        chosen[name], errors[name] = tolerance, error
    sizes = {name: LOOP_SAMPLE if "loop" in name else trajectories for name in engines}
    timings = in_turns(
        {
            name: lambda engine=engine, name=name: engine(sizes[name], chosen[name])  # type: ignore[misc]
            for name, engine in engines.items()
        },
        repeats,
    )
    scaled = {
        name: Timing(tuple(second * trajectories / sizes[name] for second in timing.seconds))
        for name, timing in timings.items()
    }
    return {
        "model": circuits.toggle().source,
        "trajectories": trajectories,
        "target_error": target,
        "until": TIMES[-1],
        "engines": {
            name: {
                "tolerance": chosen[name],
                "error": errors[name],
                "timed_trajectories": sizes[name],
                "seconds": list(scaled[name].seconds),
                "times_faster": ratio_range(scaled["scipy LSODA, a loop"], scaled[name]),
            }
            for name in engines
        },
    }


def _toolkit(method: str, strengths: Array, starts: Array, tolerance: float) -> Array:
    solver = Solver(relative_tolerance=tolerance, absolute_tolerance=tolerance * 1e-2)
    names = ("lacI", "tetR")
    path = simulate(
        circuits.toggle(),
        TIMES,
        method=method,
        parameters={
            f"{name}.transcription": torch.from_numpy(strengths[:, k]) for k, name in enumerate(names)
        },
        start={name: torch.from_numpy(starts[:, k]) for k, name in enumerate(names)},
        solver=solver,
    )
    values: Array = path.values.numpy()
    return values


def _loop(strengths: Array, starts: Array, tolerance: float) -> Array:
    """Solve one trajectory after the other; plain Python is the fastest right-hand side of two species."""

    def slope(state: Array, _: float, first: float, second: float) -> tuple[float, float]:
        u, v = state.tolist()
        return first / (1 + max(v, 0.0) ** 2.5) - u, second / (1 + u) - v

    return np.stack(
        [
            odeint(
                slope, start, TIMES, args=tuple(pair), rtol=tolerance, atol=tolerance * 1e-2, mxstep=10_000
            )
            for start, pair in zip(starts, strengths.tolist(), strict=True)
        ]
    )


def _error(found: Array, exact: Array) -> dict[str, float]:
    worst = (np.abs(found - exact) / np.abs(exact))[:, 1:].max((1, 2))
    return {"median": float(np.median(worst)), "percentile_99": float(np.quantile(worst, 0.99))}


def dense_regulation(
    repeats: int, *, genes: int = 100, regulators: int = 10, seed: int = 0
) -> dict[str, Any]:
    """Time the building of a network of dense rules, from text to its first right-hand side.

    Parameters
    ----------
    genes, regulators : int
        Genes, and regulators of each.
    repeats : int
        Networks built, each with other rules.
    seed : int
        Of the rules.

    Returns
    -------
    dict
        Times and numbers of operations, for the record.
    """
    random = np.random.default_rng(seed)
    names = [f"G{k}" for k in range(genes)]
    build_seconds, call_seconds, operations = [], [], 0
    for _ in range(repeats):
        rules = {name: _random_rule(random, names, regulators) for name in names}
        begin = time.perf_counter()
        network = GeneNetwork.from_boolean(BooleanNetwork(rules))
        equations = RateEquations(network.system)
        state = equations.initial()
        equations(0.0, state)
        build_seconds.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        for _ in range(20):
            equations(0.0, state)
        call_seconds.append((time.perf_counter() - begin) / 20)
        operations = len(network.system.derivatives.operation_list().code)
    return {
        "genes": genes,
        "regulators": regulators,
        "build_seconds": build_seconds,
        "call_seconds": call_seconds,
        "operations": operations,
        "expanded_terms": genes * 2**regulators,
    }


def first_use() -> dict[str, dict[str, float]]:
    """Time the first call of each compiled method in a new process: with nothing cached, and with its cache.

    Returns
    -------
    dict
        Seconds of each method, for the record.
    """
    program = (
        "import time, sys; from grn.networks import circuits, simulate; begin = time.perf_counter(); "
        "simulate(circuits.toggle(), 1.0, method=sys.argv[1]); print(time.perf_counter() - begin)"
    )
    found = {}
    with tempfile.TemporaryDirectory() as cache:
        for method in ("compiled", "ssa", "tau-leaping", "langevin"):
            found[method] = {
                state: float(
                    subprocess.run(
                        [sys.executable, "-c", program, method],
                        env={**os.environ, "NUMBA_CACHE_DIR": cache},
                        capture_output=True,
                        text=True,
                        check=True,
                    ).stdout
                )
                for state in ("cold", "cached")
            }
    return found


def _random_rule(random: np.random.Generator, names: Sequence[str], regulators: int) -> str:
    """Activators and repressors, some in pairs: ``(A or B or (C and D)) and not (E or F)``."""
    chosen = random.choice(names, regulators, replace=False).tolist()
    activators, repressors = chosen[: regulators // 2 + 1], chosen[regulators // 2 + 1 :]
    pair = f"({activators[0]} and {activators[1]})"
    return f"({' or '.join([pair, *activators[2:]])}) and not ({' or '.join(repressors)})"


def markdown(record: dict[str, Any]) -> str:
    """Return the tables of a record, as the docs quote them."""
    runs, dense = record["ensemble"], record["dense"]
    lines = [
        f"| engine | relative tolerance | error, median / 99 % | seconds for {runs['trajectories']:,} "
        "| times faster than the loop |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, engine in runs["engines"].items():
        ratio, low, high = engine["times_faster"]
        error, seconds = engine["error"], np.median(engine["seconds"])
        extent = "" if engine["timed_trajectories"] == runs["trajectories"] else " (from 1,000)"
        faster = "1" if ratio == 1 else f"{ratio:.3g} ({low:.3g} to {high:.3g})"
        lines.append(
            f"| {name} | {engine['tolerance']:.0e} | {error['median']:.0e} / {error['percentile_99']:.0e} "
            f"| {seconds:.3g}{extent} | {faster} |"
        )
    build, call = (np.array(dense[key]) for key in ("build_seconds", "call_seconds"))
    lines += [
        "",
        f"| network of {dense['genes']} genes, {dense['regulators']} regulators each | |",
        "| --- | --- |",
        f"| from rules as text to the first right-hand side, s | {np.median(build):.2f} "
        f"({build.min():.2f} to {build.max():.2f}) |",
        f"| one right-hand side, ms | {1e3 * np.median(call):.2f} |",
        f"| operations | {dense['operations']:,} |",
        f"| terms of the expansion over all 2^k combinations | {dense['expanded_terms']:,} |",
    ]
    lines += [
        "",
        "| first call of a method, s | after installation: compiles | in any later process |",
        "| --- | --- | --- |",
    ]
    for method, seconds in record["first_use"].items():
        lines.append(f"| {method} | {seconds['cold']:.1f} | {seconds['cached']:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
