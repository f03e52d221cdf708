"""Shared rates of gonadal sex determination from single-cell series, fitted on half the runs.

``python -m studies.benchmarks.fit_gsd --data DIR --out DIR`` with DIR holding ``tasks/beeline_gsd``
(BEELINE's expression and pseudotimes) and ``grn/boolode`` (the rules) writes ``record.json`` and prints the
table. Times are those of the simulation, in the cells' names; pseudotimes only tell the fate.

The data are BoolODE's noisy simulation of the same rules. At time 0 all its cells are alike, with UGR at 1
and the rest at 0.01, not with UGR at 2 as the published file of initial levels has it; so the model begins
with the mRNA measured then, and with proteins in equilibrium with it. Its noise decides between two fates;
rate equations know one fate alone. So for each fate one protein begins at another level, chosen on the
training half among all genes and a few levels, then fitted with the rates. That stands in for the noise of
a population and is no measurement. The fitted rates are those of a mean over runs, whose noise makes them
switch at different times: smoother than any run, so they need not be the rates of the simulation. A control
tells this from a failure of the fit: the same fit, from the same starts, to the rate equations at the
published rates, at the same times, with noise as large as the fit's residuals.

References
----------
Pratapa et al., "Benchmarking algorithms for gene regulatory network inference from single-cell transcriptomic
data", Nature Methods 17, 2020. Ríos et al., "A Boolean network model of human gonadal sex determination",
Theoretical Biology and Medical Modelling 12, 2015.
"""

import csv
import hashlib
import json
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from grn.networks.fitting.fit import Fit, FitWarning, fit
from grn.networks.fitting.timeseries import TimeSeries
from grn.networks.io.boolode import read_boolode, read_boolode_initial
from grn.networks.network import GeneNetwork
from grn.networks.simulate import simulate
from pruning.checkpoint import write_atomically
from studies.provenance import commit, hardware, versions

Array = NDArray[np.float64]

SHARED = {
    "transcription": "*.transcription",
    "mrna_decay": "*.mrna_decay",
    "protein_decay": "*.protein_decay",
    "threshold": "*.threshold.*",
    "coefficient": "*.coefficient.*",
    "basal": "*.basal",
}
"""The free rates. Translation is fixed: with mRNA alone observed only translation/threshold has an effect."""
RATES = tuple(name for name in SHARED if name != "basal")  # basal is on its bound in the control
FATES = ("ovary", "testis")
HIGHEST = 100.0  # of an initial protein level: five times that of a gene fully on


@dataclass(frozen=True, kw_only=True, slots=True)
class FitGSD:
    """Options of the study."""

    data: Path  # folder with tasks/beeline_gsd and grn/boolode
    out: Path  # where record.json goes
    bin_width: float = 0.25  # of simulated time, in units of a protein's lifetime
    fewest_cells: int = 3  # a bin with fewer in either half is left out
    nudges: tuple[float, ...] = (0.0, 1.0, 3.0, 6.0, 10.0, 15.0)  # initial protein levels tried
    starts: int = 2  # of the fit: from the published rates, then from random ones
    spread: float = 1.5  # random starts lie within this factor
    seed: int = 0  # of the first split into halves, and of the starts
    splits: int = 3  # how many, with the seeds that follow

    def __post_init__(self) -> None:
        if not (np.isfinite(self.bin_width) and self.bin_width > 0):
            raise ValueError(f"bin_width must be a positive finite time, got {self.bin_width}")
        if self.fewest_cells < 1:
            raise ValueError(f"fewest_cells must be at least 1, got {self.fewest_cells}")
        if self.splits < 1:
            raise ValueError(f"splits must be at least 1, got {self.splits}")


@dataclass(frozen=True, slots=True)
class Cells:
    """The matrix: who is measured, when, in which run, on the way to which fates."""

    genes: tuple[str, ...]
    expression: Array  # (genes, cells)
    run: NDArray[np.int64]
    time: Array
    on_the_way: NDArray[np.bool_]  # (fates, cells); early cells are on the way to both


@dataclass(frozen=True, slots=True)
class Means:
    """Binned means of one fate in one half of the runs."""

    times: Array  # (bins,), mean time of the cells
    values: Array  # (bins, genes)
    cells: NDArray[np.int64]  # (bins,)


def read_cells(folder: Path) -> Cells:
    """Read BEELINE's expression and pseudotimes; a cell ``E37_5_927`` is of run 37 at 5.927."""
    with open(folder / "ExpressionData.csv", newline="") as file:
        rows = list(csv.reader(file))
    with open(folder / "PseudoTime.csv", newline="") as file:
        pseudotimes = {row[0]: row[1:] for row in list(csv.reader(file))[1:]}
    names = rows[0][1:]
    parts = [name.removeprefix("E").split("_", 1) for name in names]
    return Cells(
        genes=tuple(row[0] for row in rows[1:]),
        expression=np.array([[float(value) for value in row[1:]] for row in rows[1:]]),
        run=np.array([int(run) for run, _ in parts]),
        time=np.array([float(moment.replace("_", ".")) for _, moment in parts]),
        on_the_way=np.array([[value != "NA" for value in pseudotimes[name]] for name in names]).T,
    )


def split_runs(cells: Cells, seed: int) -> NDArray[np.bool_]:
    """(cells,): whether a cell is of the training half: whole runs, whose cells are not independent."""
    runs = np.unique(cells.run)
    chosen = np.random.default_rng(seed).permutation(runs)[: len(runs) // 2]
    return np.isin(cells.run, chosen)


def measured_start(network: GeneNetwork, cells: Cells, half: NDArray[np.bool_]) -> GeneNetwork:
    """Return the network beginning with the mean mRNA at the first time, proteins in equilibrium with it."""
    first = cells.expression[:, half & (cells.time == cells.time.min())].mean(1)
    return GeneNetwork.from_boolean(
        network.boolean(), initial=dict(zip(cells.genes, first.tolist(), strict=True))
    )


def binned(cells: Cells, half: NDArray[np.bool_], fate: int, edges: Array) -> Means:
    """Mean expression in bins of simulated time; NaN where a bin is empty."""
    place = np.digitize(cells.time, edges) - 1
    inside = [half & cells.on_the_way[fate] & (place == k) for k in range(len(edges) - 1)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice")
        return Means(
            np.array([cells.time[these].mean() for these in inside]),
            np.array([cells.expression[:, these].mean(1) for these in inside]),
            np.array([int(these.sum()) for these in inside]),
        )


def chosen_nudge(
    network: GeneNetwork, means: Means, genes: Sequence[str], levels: Sequence[float]
) -> tuple[str, float]:
    """Initial protein level, of one gene, at which the published rates come nearest to the means."""
    tried = [(gene, level) for gene in network.names for level in (network[gene].initial_protein, *levels)]
    start = {
        name: torch.tensor(
            [level if name == gene else network[name].initial_protein for gene, level in tried]
        )
        for name in network.names
    }
    found = predicted(network, means.times, genes, {}, start)
    return tried[int(np.argmin(((found - means.values) ** 2).mean((1, 2))))]


def predicted(
    network: GeneNetwork,
    times: Array,
    genes: Sequence[str],
    parameters: Mapping[str, float],
    start: Mapping[str, float | torch.Tensor],
) -> Array:
    """(batch, times, genes): mRNA by the rate equations from time 0."""
    path = simulate(
        network, [0.0, *times.tolist()], method="compiled", parameters=parameters, start=start
    ).values.numpy()
    return np.asarray(path[:, 1:, [network.species.index(f"{gene}_mrna") for gene in genes]])


def run(config: FitGSD) -> dict[str, Any]:
    """Fit, judge, write ``record.json``; returns the record."""
    begin = time.perf_counter()
    folder, rules = config.data / "tasks" / "beeline_gsd" / "ex1", config.data / "grn" / "boolode"
    files = [
        folder / "ExpressionData.csv",
        folder / "PseudoTime.csv",
        rules / "GSD.txt",
        rules / "GSD_ics.txt",
    ]
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(f"{file} is missing: --data must hold tasks/beeline_gsd and grn/boolode")
    boolean = read_boolode(rules / "GSD.txt")
    network = GeneNetwork.from_boolean(boolean, initial=read_boolode_initial(rules / "GSD_ics.txt"))
    cells = read_cells(folder)
    record: dict[str, Any] = {
        "study": "fit_gsd",
        "config": {k: v for k, v in asdict(config).items() if k not in ("data", "out")},
        "published": {name: _published(network, name) for name in SHARED},
        "splits": [one_split(config, network, cells, config.seed + k) for k in range(config.splits)],
        "seconds": time.perf_counter() - begin,
        "data_sha256": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
        "versions": versions(),
        "hardware": hardware(torch.device("cpu")),
        "commit": commit(),
    }
    content = json.dumps(record, indent=1, allow_nan=False) + "\n"
    write_atomically(config.out / "record.json", content.encode())
    return record


def one_split(config: FitGSD, network: GeneNetwork, cells: Cells, seed: int) -> dict[str, Any]:
    """Fit one half of the runs and judge on the other; the network begins as published."""
    training = split_runs(cells, seed)
    published, network = network, measured_start(network, cells, training)
    edges = np.arange(0.0, cells.time.max() + config.bin_width, config.bin_width)
    train, test = {}, {}
    for index, fate in enumerate(FATES):
        halves = [binned(cells, half, index, edges) for half in (training, ~training)]
        full = np.all([half.cells >= config.fewest_cells for half in halves], axis=0)
        train[fate], test[fate] = (Means(h.times[full], h.values[full], h.cells[full]) for h in halves)
    nudge = {fate: chosen_nudge(network, train[fate], cells.genes, config.nudges) for fate in FATES}
    found = fitted(config, network, cells.genes, train, nudge)
    random = np.random.default_rng(seed)
    simulated = {}
    for fate, (gene, level) in nudge.items():
        clean = predicted(network, train[fate].times, cells.genes, {}, {gene: level})[0]
        noise = found.noise * random.standard_normal(clean.shape)
        simulated[fate] = Means(train[fate].times, clean + noise, train[fate].cells)
    control = fitted(config, network, cells.genes, simulated, nudge)
    errors: dict[str, dict[str, float]] = {}
    for fate in FATES:
        gene, level = nudge[fate]
        start = {touched: found.values[f"{touched}(0) of {fate}"] for touched, _ in nudge.values()}
        guesses = {
            "published rates, published start": predicted(published, test[fate].times, cells.genes, {}, {})[
                0
            ],
            "published rates, measured start": predicted(network, test[fate].times, cells.genes, {}, {})[0],
            "constant: training mean of each gene": train[fate].values.mean(0),
            "published rates, chosen start": predicted(
                network, test[fate].times, cells.genes, {}, {gene: level}
            )[0],
            "fitted rates and start": predicted(
                network, test[fate].times, cells.genes, found.parameters, start
            )[0],
            "means of the training half's bins": train[fate].values,
        }
        for name, guess in guesses.items():
            errors.setdefault(name, {})[fate] = _rmse(guess, test[fate].values)
    return {
        "seed": seed,
        "runs": {"train": len(set(cells.run[training])), "test": len(set(cells.run[~training]))},
        "bins": {fate: len(train[fate].times) for fate in FATES},
        "cells": {
            fate: {"train": int(train[fate].cells.sum()), "test": int(test[fate].cells.sum())}
            for fate in FATES
        },
        "nudge": {fate: {"gene": gene, "initial_protein": level} for fate, (gene, level) in nudge.items()},
        "test_rmse": errors,
        "fit": _outcome(found),
        "control": _outcome(control),
    }


def _outcome(found: Fit) -> dict[str, Any]:
    return {
        "values": dict(found.values),
        "standard_errors": {k: _finite(v) for k, v in found.standard_errors.items()},
        "intervals": {k: [_finite(low), _finite(high)] for k, (low, high) in found.intervals.items()},
        "correlation": [[_finite(v) for v in row] for row in found.correlation.tolist()],
        "undetermined": [str(direction) for direction in found.undetermined],
        "at_bound": list(found.at_bound),
        "noise": found.noise,
        "degrees_of_freedom": found.degrees_of_freedom,
        "chi_squares_of_starts": [_finite(value) for value in found.chi_squares],
        "converged": found.converged,
        "evaluations": found.evaluations,
    }


def fitted(
    config: FitGSD,
    network: GeneNetwork,
    genes: Sequence[str],
    means: Mapping[str, Means],
    nudge: Mapping[str, tuple[str, float]],
) -> Fit:
    """Fit the shared rates, and the initial proteins that the nudges touch, to both fates at once."""
    touched = {gene for gene, _ in nudge.values()}
    series = [
        TimeSeries(
            means[fate].times,
            {f"{gene}_mrna": means[fate].values[:, k] for k, gene in enumerate(genes)},
            start={
                **{gene: network[gene].initial_protein for gene in touched},
                nudge[fate][0]: nudge[fate][1],
            },
            name=fate,
        )
        for fate in FATES
    ]
    bounds = {name: (_published(network, name) / 10, _published(network, name) * 10) for name in SHARED}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # what it warns of is in the record and in the table
        return fit(
            network,
            series,
            parameters={**bounds, "basal": (0.0, 0.2)},
            own_initial=dict.fromkeys(sorted(touched), (0.0, HIGHEST)),
            shared=SHARED,
            starts=config.starts,
            spread=config.spread,
            seed=config.seed,
        )


def table(record: Mapping[str, Any]) -> str:
    """Return the record's numbers as text: means over the splits, and from where to where they range."""
    splits = record["splits"]
    lines = [f"{'RMSE on the runs not fitted':38}" + "".join(f"{fate:>26}" for fate in FATES)]
    for name in splits[0]["test_rmse"]:
        by_fate = [[split["test_rmse"][name][fate] for split in splits] for fate in FATES]
        lines.append(f"{name:38}" + "".join(f"{_spread(values):>26}" for values in by_fate))
    lines += [
        "",
        f"{'rate':14}{'published':>10}{'fitted, over the splits':>30}{'control, over the splits':>38}",
    ]
    for name in SHARED:
        over = [_spread([split[which]["values"][name] for split in splits]) for which in ("fit", "control")]
        lines.append(f"{name:14}{record['published'][name]:10.4g}{over[0]:>30}{over[1]:>38}")
    held = [
        split["control"]["intervals"][name][0]
        <= record["published"][name]
        <= split["control"]["intervals"][name][1]
        for split in splits
        for name in RATES
    ]
    lines.append(f"control: {sum(held)} of {len(held)} intervals of 95 % hold the published rate")
    for split in splits:
        nudges = ", ".join(f"{fate} by {one['gene']}" for fate, one in split["nudge"].items())
        open_ends = [
            *split["fit"]["undetermined"],
            *(f"{name} on its bound" for name in split["fit"]["at_bound"]),
        ]
        lines.append(f"split {split['seed']}: {nudges}; not determined: {', '.join(open_ends) or 'none'}")
    lines.append(f"{record['seconds']:.0f} s in all")
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.4g} ({min(values):.3g} to {max(values):.3g})"


def _published(network: GeneNetwork, name: str) -> float:
    member = {"threshold": "SRY.threshold.CTNNB1", "coefficient": "SRY.coefficient.CTNNB1"}.get(
        name, f"SRY.{name}"
    )
    return network.parameters[member]


def _rmse(model: Array, truth: Array) -> float:
    return float(np.sqrt(((model - truth) ** 2).mean()))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    print(table(run(tyro.cli(FitGSD, prog="python -m studies.benchmarks.fit_gsd", args=arguments))))


if __name__ == "__main__":
    main()
