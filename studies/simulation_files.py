"""The files of the simulate study: two tables, one record, one page, each whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from pruning.checkpoint import write_atomically
from studies.directory import RECORDS

if TYPE_CHECKING:
    from pathlib import Path

    from grn.networks.simulate import Simulation
    from studies.simulation_run import StateRow

TRAJECTORIES, STATES, REPORT = "trajectories.csv", "steady_states.csv", "report.html"


def trajectories_csv(simulation: Simulation) -> str:
    """Table of all trajectories: ``trajectory``, ``time``, then a column a species.

    Numbers are written so that reading them gives the same bits.

    Examples
    --------
    >>> import torch
    >>> from grn.networks.simulate import Simulation
    >>> values = torch.tensor([[[0.5], [0.1]]], dtype=torch.float64)
    >>> print(trajectories_csv(Simulation(torch.tensor([0.0, 1.0]), ("A",), values, "ode")))
    trajectory,time,A
    0,0.0,0.5
    0,1.0,0.1
    <BLANKLINE>
    """
    times = simulation.times.tolist()
    return _table(
        ["trajectory", "time", *simulation.species],
        (
            [number, time, *row]
            for number, path in enumerate(simulation.values.detach().cpu().tolist())
            for time, row in zip(times, path, strict=True)
        ),
    )


def states_csv(species: tuple[str, ...], rows: tuple[StateRow, ...]) -> str:
    """Table of the steady states: ``verdict``, ``period`` where it oscillates, then a column a species.

    Numbers have 12 significant digits.

    Examples
    --------
    >>> print(states_csv(("A",), ()))
    verdict,period,A
    <BLANKLINE>
    """
    return _table(
        ["verdict", "period", *species],
        (
            [row.verdict, "" if row.period is None else _rounded(row.period), *map(_rounded, row.values)]
            for row in rows
        ),
    )


def _rounded(value: float) -> float:
    return float(f"{value:.12g}")


def write_results(
    directory: Path, *, trajectories: str, states: str, record: dict[str, Any], page: str
) -> None:
    """Write all files; the record, by which a directory is known to hold a study, last."""
    directory.mkdir(parents=True, exist_ok=True)
    line = json.dumps(record, allow_nan=False) + "\n"
    (directory / RECORDS).unlink(missing_ok=True)
    contents = {TRAJECTORIES: trajectories, STATES: states, REPORT: page, RECORDS: line}
    for name, text in contents.items():
        write_atomically(directory / name, text.encode())


def _table(head: list[str], rows: Any) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()
