"""What the simulate study prints when it is done: a sentence, a short table, what stayed unknown."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from grn.plot.labels import is_mrna, number, shown_species
from studies.report.simulation_words import headline
from studies.simulation_files import STATES

if TYPE_CHECKING:
    from studies.simulation_options import Request
    from studies.simulation_run import Results

MOST_STATES, MOST_LEVELS = 8, 5


def summary(results: Results, request: Request) -> list[str]:
    """Return lines: the headline, the first states with their first levels, courses whose end is unknown."""
    lines = [headline(results, request)]
    if results.rows:
        lines += _table(results)
    if len(results.rows) > MOST_STATES:
        lines.append(f"and {len(results.rows) - MOST_STATES} more in {STATES}")
    if results.states is not None:
        for reason, count in Counter(results.states.unresolved).items():
            lines.append(f"{count} time course{'s' if count > 1 else ''} unresolved: {reason}")
    return lines


def _table(results: Results) -> list[str]:
    """States as aligned columns: proteins before mRNA."""
    species = results.simulation.species
    shown = sorted(shown_species(species), key=lambda name: is_mrna(name, species))[:MOST_LEVELS]
    places = [species.index(name) for name in shown]
    cells = [["state", "verdict", "period", *shown]]
    for place, row in enumerate(results.rows[:MOST_STATES]):
        period = "–" if row.period is None else f"{row.period:.6g}"
        cells.append([str(place + 1), row.verdict, period, *(number(row.values[k]) for k in places)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells]
