"""Paths from a network's inputs to its outputs, counted without walking them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pruning.topology.links import UnitLinks
from pruning.topology.measures.blocks import check_nodes


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Paths:
    """Paths along links from units of the input columns to units of the output columns.

    Attributes
    ----------
    log_arriving, log_leaving : ndarray of float64
        Natural logarithm of the paths from inputs to each unit, and from each unit to outputs, shape
        (nodes,); -inf where there are none.
    log_total : float
        Natural logarithm of all paths.
    effective_depth : float
        Mean links of a path over all paths; NaN where there are none.
    shortest, longest : int or None
        Links of the shortest and longest path.
    unreachable, useless : dict of str to int
        Units of each column that no input reaches, and those that reach no output.
    dead : int
        Links on no path.
    """

    log_arriving: NDArray[np.float64] = field(repr=False)
    log_leaving: NDArray[np.float64] = field(repr=False)
    log_total: float
    effective_depth: float
    shortest: int | None
    longest: int | None
    unreachable: dict[str, int]
    useless: dict[str, int]
    dead: int

    @property
    def log10_total(self) -> float:
        """Decimal logarithm of all paths."""
        return self.log_total / math.log(10)


def count_paths(
    links: UnitLinks, inputs: Sequence[str] | None = None, outputs: Sequence[str] | None = None
) -> Paths:
    """Count all paths by going once over the columns, in logarithms, as they soon overflow.

    Parameters
    ----------
    links : UnitLinks
        The graph; a link with several gates is one link.
    inputs : sequence of str, optional
        Names of the columns at which paths begin; by default the inputs of the network, or, where no column
        is known to be one, the first.
    outputs : sequence of str, optional
        Those at which paths end; by default the last column. (That nothing leaves a column does not make it
        an output: its readers may be silent.)

    Raises
    ------
    ValueError
        If a name is not a column's.
    """
    check_nodes(links)
    starts = _ends(links, _input_names(links) if inputs is None else inputs, "inputs")
    stops = _ends(links, [links.columns[-1].name] if outputs is None else outputs, "outputs")
    source, target = links.source, links.target
    by_source = np.lexsort((target, source))
    order = tuple(range(len(links.columns)))
    arriving = _gathered(links, source, target, starts, order)
    leaving = _gathered(links, target[by_source], source[by_source], stops, order[::-1])
    ending = arriving[stops]
    total = float(np.logaddexp.reduce(ending)) if len(ending) else -math.inf
    through = arriving[source] + leaving[target]
    shortest, longest = _extremes(links, starts, stops)
    return Paths(
        log_arriving=arriving,
        log_leaving=leaving,
        log_total=total,
        effective_depth=float(np.exp(through - total).sum()) if total > -math.inf else math.nan,
        shortest=shortest,
        longest=longest,
        unreachable=_by_column(links, np.isneginf(arriving)),
        useless=_by_column(links, np.isneginf(leaving)),
        dead=int(np.isneginf(through).sum()),
    )


def _gathered(
    links: UnitLinks,
    behind: NDArray[np.int64],
    ahead: NDArray[np.int64],
    begun: NDArray[np.bool_],
    order: Sequence[int],
) -> NDArray[np.float64]:
    """Log-count of paths from the begun units to every unit; links sorted by the unit ahead."""
    logs = np.where(begun, 0.0, -math.inf)
    for place in order:
        column = links.columns[place]
        first, last = np.searchsorted(ahead, [column.first, column.first + column.units])
        if first == last:
            continue
        unit = ahead[first:last] - column.first
        terms = logs[behind[first:last]]
        most = np.full(column.units, -math.inf)
        np.maximum.at(most, unit, terms)
        reached = most > -math.inf
        shift = np.where(reached, most, 0.0)
        summed = np.bincount(unit, weights=np.exp(terms - shift[unit]), minlength=column.units)
        own = logs[column.first : column.first + column.units]
        own[reached] = np.logaddexp(own[reached], most[reached] + np.log(summed[reached]))
    return logs


def _extremes(
    links: UnitLinks, starts: NDArray[np.bool_], stops: NDArray[np.bool_]
) -> tuple[int | None, int | None]:
    """Fewest and most links of a path."""
    near = np.where(starts, 0.0, math.inf)
    far = np.where(starts, 0.0, -math.inf)
    for column in links.columns:
        first, last = np.searchsorted(links.target, [column.first, column.first + column.units])
        source, target = links.source[first:last], links.target[first:last]
        np.minimum.at(near, target, near[source] + 1)
        np.maximum.at(far, target, far[source] + 1)
    shortest = float(near[stops].min(initial=math.inf))
    return (None, None) if math.isinf(shortest) else (int(shortest), int(far[stops].max()))


def _by_column(links: UnitLinks, chosen: NDArray[np.bool_]) -> dict[str, int]:
    return {
        column.name: int(chosen[column.first : column.first + column.units].sum()) for column in links.columns
    }


def _input_names(links: UnitLinks) -> list[str]:
    return [column.name for column in links.columns if column.is_input] or [links.columns[0].name]


def _ends(links: UnitLinks, names: Sequence[str], role: str) -> NDArray[np.bool_]:
    known = {column.name: column for column in links.columns}
    chosen = np.zeros(links.nodes, dtype=bool)
    for name in names:
        if name not in known:
            raise ValueError(
                f"{role} must name columns of the graph, got {name!r}; columns: {', '.join(known)}"
            )
        chosen[known[name].first : known[name].first + known[name].units] = True
    return chosen
