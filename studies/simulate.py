"""Simulate a gene network, find its steady states, and show both on a page."""

import math
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import torch
import tyro
from rich.console import Console

from grn.networks.simulate import STOCHASTIC
from studies.directory import RECORDS, check_writable
from studies.provenance import commit, hardware, versions
from studies.report.simulation import build_page
from studies.report.simulation_words import few_molecules
from studies.simulation_console import summary
from studies.simulation_files import REPORT, states_csv, trajectories_csv, write_results
from studies.simulation_model import Loaded, check_targets, expand_patterns, load
from studies.simulation_options import (
    Request,
    parse_assignments,
    parse_continuation,
    parse_perturbations,
    parse_until,
)
from studies.simulation_run import Results, compute, described

Method = Literal[
    "ode", "compiled", "langevin", "ssa", "tau-leaping", "boolean-synchronous", "boolean-asynchronous"
]
Source = Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="FILE_OR_CIRCUIT")]
Repeated = tyro.conf.UseAppendAction[tuple[str, ...]]
NOT_RECORDED = ("out", "overwrite")


@dataclass(frozen=True, kw_only=True)
class Simulate:
    """Simulate a gene network and find its steady states.

    Writes to --out: trajectories.csv, steady_states.csv (of the perturbed model), records.jsonl, report.html.
    """

    source: Source = "repressilator"  # a circuit (toggle, goodwin, p53, ...) or the file of a model
    method: Method = "ode"  # rate equations, stochastic, or Boolean rules
    until: str = "steady"  # time to simulate to (updates, of rules); steady: settled, or 10 periods
    ensemble: int = 1  # trajectories: of stochastic methods; of others as many random starts
    knockout: str = ""  # genes to remove, separated by commas
    knockdown: str = ""  # GENE=REMAINING share of transcription in [0, 1], separated by commas
    overexpress: str = ""  # GENE=ACTIVITY added to the promoter's, 1 is full; separated by commas
    clamp: str = ""  # SPECIES=LEVEL held all the time, separated by commas
    # NAME=VALUE other than the model's, as lacI.transcription=20; may be repeated. In NAME, * stands for any
    # text, as in *.basal=0.1 or *.coefficient.*=4; a name in full wins over a pattern.
    parameter: Repeated = ()
    start: Repeated = ()  # SPECIES=LEVEL at time 0 other than the model's; may be repeated
    seed: int = 0  # of noise, random starts and the search for steady states
    system_size: float = 1.0  # molecules per unit of concentration, of stochastic methods
    starts: int = 64  # random starts of the search for steady states
    bifurcation: str = "auto"  # PARAMETER or PARAMETER=LOW:HIGH to follow states by; auto (of genes), none
    x: str | None = None  # species across the phase plane; None: chosen by the edges of the network
    y: str | None = None  # species up the phase plane
    out: Path = Path("results/simulate")  # directory for tables, record and report
    overwrite: bool = False  # replace the results in --out, if there are some

    def request(self) -> Request:
        """Return the options as values.

        Raises
        ------
        ValueError
            Names the option, what it must be, and what it is.
        """
        if self.method not in get_args(Method):
            raise ValueError(f"method must be one of {', '.join(get_args(Method))}, got {self.method!r}")
        for name, least in (("ensemble", 1), ("starts", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not (math.isfinite(self.system_size) and self.system_size > 0):
            raise ValueError(
                f"system_size must be a positive finite number of molecules per unit of concentration, "
                f"got {self.system_size}"
            )
        if self.system_size != 1.0 and self.method not in STOCHASTIC:
            raise ValueError(
                f"system_size counts molecules, which only {', '.join(STOCHASTIC)} do: leave it out with "
                f"method {self.method!r}"
            )
        return Request(
            method=self.method,
            until=parse_until(self.until),
            perturbations=parse_perturbations(
                knockout=self.knockout,
                knockdown=self.knockdown,
                overexpress=self.overexpress,
                clamp=self.clamp,
            ),
            ensemble=self.ensemble,
            parameters=parse_assignments("parameter", self.parameter),
            start=parse_assignments("start", self.start),
            starts=self.starts,
            seed=self.seed,
            system_size=self.system_size,
            continuation=parse_continuation(self.bifurcation),
            x=self.x,
            y=self.y,
        )

    def described(self) -> dict[str, Any]:
        """Return the options that define the result, as JSON values."""
        return {
            k: list(v) if isinstance(v, tuple) else v
            for k, v in asdict(self).items()
            if k not in NOT_RECORDED
        }

    def command(self) -> str:
        """Return the command that does the same again: options at their defaults are left out."""
        words = ["python", "-m", "studies", "simulate", self.source]
        for option in fields(self):
            value = getattr(self, option.name)
            if option.name in ("source", *NOT_RECORDED) or value == option.default:
                continue
            for part in value if isinstance(value, tuple) else (value,):
                words += [f"--{option.name.replace('_', '-')}", str(part)]
        return shlex.join([*words, "--out", str(self.out)])


def run(config: Simulate) -> list[dict[str, Any]]:
    """Simulate one model, write what came of it, and return the record in a list.

    Raises
    ------
    ValueError
        For anything that could not work, before any file is written.
    FloatingPointError
        If a solver gave up.
    """
    request = config.request()
    check_writable(config.out)
    if (config.out / RECORDS).exists() and not config.overwrite:
        raise ValueError(
            f"{config.out} already holds the results of a study: add --overwrite to replace them, or choose "
            "another --out"
        )
    loaded = load(config.source, boolean=config.method.startswith("boolean-"))
    check_targets(loaded, request.perturbations)
    if not config.method.startswith("boolean-"):
        known = tuple(loaded.kinetic.parameters)
        request = replace(request, parameters=expand_patterns(request.parameters, known))
    console = Console()
    with console.status("") as status:

        def say(what: str) -> None:
            status.update(what)
            if not console.is_terminal:
                console.print(f"{loaded.name}: {what}", markup=False, highlight=False, soft_wrap=True)

        results = compute(request, loaded, say)
        say("drawing the report")
        record = record_of(config, loaded, results)
        page = build_page(results, request, record, config.command())
    write_results(
        config.out,
        trajectories=trajectories_csv(results.simulation),
        states=states_csv(results.simulation.species, results.rows),
        record=record,
        page=page,
    )
    for line in (*summary(results, request), few_molecules(results, request)):
        if line:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(f"report: {config.out / REPORT}", highlight=False, soft_wrap=True)
    return [record]


def record_of(config: Simulate, loaded: Loaded, results: Results) -> dict[str, Any]:
    """Return the record of a finished simulation, as JSON values."""
    return {
        "study": "simulate",
        "model": loaded.name,
        "source": config.source,
        "method": config.method,
        "seed": config.seed,
        "options": config.described(),
        "until": float(results.simulation.times[-1]),
        "states": described(results),
        "versions": versions(),
        "hardware": hardware(torch.device("cpu")),
        "commit": commit(),
    }


def main(arguments: Sequence[str]) -> None:
    """Run the study from the command line."""
    run(tyro.cli(Simulate, prog="python -m studies simulate", args=arguments))
