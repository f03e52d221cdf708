"""What stays from one snapshot's graph to the next: links and hubs."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from pruning.topology.links import UnitLinks
from pruning.topology.measures.degree import Direction
from pruning.topology.measures.hub import Overlap, hub_overlap, hubs


def link_overlap(before: UnitLinks, after: UnitLinks) -> float:
    """Links of both graphs over links of either (Jaccard); NaN where neither has any.

    Against chance, with the degrees of the later graph kept::

        against_null(lambda graph: link_overlap(before, graph), after)

    Raises
    ------
    ValueError
        If the graphs have other columns.
    """
    _check_columns([before, after])
    one, two = (graph.target * graph.nodes + graph.source for graph in (before, after))
    shared = len(np.intersect1d(one, two, assume_unique=True))
    either = len(one) + len(two) - shared
    return shared / either if either else math.nan


def hub_persistence(
    graphs: Sequence[UnitLinks],
    direction: Direction = "all",
    *,
    rule: Literal["chance", "decile"] = "chance",
    apart: int = 1,
    groups: Mapping[str, int] | None = None,
) -> tuple[Overlap, ...]:
    """Overlap of the hubs of every snapshot with those of the one `apart` snapshots later.

    Parameters
    ----------
    graphs : sequence of UnitLinks
        Of one network, in order.
    direction, rule, groups
        As for :func:`hubs`.
    apart : int
        Snapshots between the two.

    Raises
    ------
    ValueError
        If the graphs have other columns or `apart` is not positive.
    """
    if apart < 1:
        raise ValueError(f"apart must be a positive number of snapshots, got {apart}")
    _check_columns(graphs)
    found = [hubs(graph, direction, rule=rule, groups=groups) for graph in graphs]
    return tuple(
        hub_overlap(before, after, graph)
        for before, after, graph in zip(found, found[apart:], graphs, strict=False)
    )


def _check_columns(graphs: Sequence[UnitLinks]) -> None:
    for graph in graphs:
        if graph.columns != graphs[0].columns:
            raise ValueError(
                "graphs that are compared must have the same columns, "
                f"got {_sizes(graphs[0])} and {_sizes(graph)}"
            )


def _sizes(graph: UnitLinks) -> str:
    return ", ".join(f"{column.name} ({column.units})" for column in graph.columns)
