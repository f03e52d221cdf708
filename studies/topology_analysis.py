"""What a topology report states: the graph of a recorded run measured at some updates, against chance."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pruning.topology import LayerTopology, TopologyHistory, TopologySnapshot, UnitLinks, Wiring, unit_links
from pruning.topology.measures import (
    NullComparison,
    Overlap,
    Spells,
    TopologySummary,
    against_null,
    count_paths,
    hub_persistence,
    link_overlap,
    scalars,
    spells,
    summary,
)
from pruning.topology.measures.comparison import compare_with_null
from studies.topology_expression import ExpressionCourse, read_expression
from studies.topology_source import RecordedRun
from studies.topology_store import spread_evenly

SECONDS_A_GRAPH, SECONDS_A_LINK = 0.03, 3e-6  # of one random graph drawn and measured, on one core
NULL_SECONDS = 60.0  # that random graphs may take by this estimate, but for the first, middle and last update
MOST_LINKS = 4_000_000  # of a snapshot whose graph is taken apart
MOST_FOLLOWED = 400  # updates through which every gate is followed
OVERLAP = "links kept"

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Moment:
    """The graph after one update, measured."""

    links: UnitLinks = field(repr=False)
    snapshot: TopologySnapshot = field(repr=False)
    measures: dict[str, float] = field(repr=False)
    summary: TopologySummary | None = field(repr=False)  # with random graphs, at some updates only

    @property
    def comparisons(self) -> dict[str, NullComparison]:
        """Measures against the null, none where no random graphs were drawn."""
        return {} if self.summary is None else self.summary.measures


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Analysis:
    """Everything that a topology report is drawn from."""

    run: RecordedRun
    updates: list[dict[str, Any]] = field(repr=False)  # numbers of every update
    moments: list[Moment] = field(repr=False)
    left_out: int  # updates without masks, or with too many links to be measured
    hub_overlaps: tuple[Overlap, ...] = field(repr=False)  # of the hubs from each moment to the next
    hubs_first_last: Overlap | None = field(repr=False)
    spells: Spells | None = field(repr=False)
    expression: ExpressionCourse | None = field(repr=False)
    null_samples: int
    seed: int
    seconds: float

    @property
    def last(self) -> Moment:
        """The last one measured."""
        return self.moments[-1]

    @property
    def compared(self) -> list[Moment]:
        """Those with random graphs."""
        return [moment for moment in self.moments if moment.summary is not None]


def analyse(
    run: RecordedRun, *, snapshots: int = 12, null_samples: int = 20, seed: int = 0, say: Say = lambda _: None
) -> Analysis:
    """Read a recorded run record by record and measure its graph.

    Parameters
    ----------
    run : RecordedRun
        Also of a run that is still going on.
    snapshots : int
        Updates whose graph is measured, evenly spread, the first and the last among them.
    null_samples : int
        Random graphs each is held against. Where they would take long, at fewer updates.
    seed : int
        Of the random graphs.
    say : callable
        Told what is going on.

    Raises
    ------
    ValueError
        If the file is damaged, or holds no update with masks.
    """
    began = time.perf_counter()
    with TopologyHistory.open(run.path) as history:
        say("reading the updates")
        updates = [_numbers(snapshot) for snapshot, _ in history.records(masks=False)]
        expression = read_expression(history)
        masked = [place for place in range(len(history)) if history.has_masks(place)]
        if not masked:
            raise ValueError(
                f"{run.path} holds no update with masks yet: wait for one, or train again with this version"
            )
        fitting = [place for place in masked if _most_links(history, place, run.wiring) <= MOST_LINKS]
        fitting = fitting or masked[-1:]
        chosen = spread_evenly(fitting, snapshots)
        compared = _with_null(history, chosen, run.wiring, null_samples)
        moments: list[Moment] = []
        for number, place in enumerate(chosen, start=1):
            words = f"measuring graph {number} of {len(chosen)}"
            if place in compared:
                words += f" and {null_samples} random ones with its degrees"
            say(words)
            before = moments[-1].links if moments else None
            moments.append(
                _measured(history[place], run, before, null_samples if place in compared else 0, seed)
            )
        say("following every connection")
        followed = spread_evenly(masked, MOST_FOLLOWED)
        lives = spells(
            (_packed(history[place]) for place in followed),
            history.steps[followed].tolist(),
            sum(layer.total for layer in history.layers),
        )
    graphs = [moment.links for moment in moments]
    return Analysis(
        run=run,
        updates=updates,
        moments=moments,
        left_out=len(updates) - len(fitting),
        hub_overlaps=hub_persistence(graphs, groups=run.groups),
        hubs_first_last=(
            hub_persistence([graphs[0], graphs[-1]], groups=run.groups)[0] if len(graphs) > 1 else None
        ),
        spells=lives if len(followed) > 1 else None,
        expression=expression,
        null_samples=null_samples,
        seed=seed,
        seconds=time.perf_counter() - began,
    )


def _numbers(snapshot: TopologySnapshot) -> dict[str, Any]:
    record = snapshot.to_record()
    return {name: value for name, value in record.items() if not name.startswith("sample_")}


def _packed(snapshot: TopologySnapshot) -> np.ndarray[Any, np.dtype[np.uint8]]:
    assert snapshot.packed_masks is not None  # only records with masks are asked for theirs
    return snapshot.packed_masks


def _most_links(history: TopologyHistory, place: int, wiring: Wiring) -> int:
    """Links there can be after an update: each live gate makes one for each feed of its input, at most."""
    snapshot, _ = history.read(place, masks=False)
    return sum(
        _feeds(layer, wiring) * min(layer.live, layer.outputs * layer.inputs // layer.groups)
        for layer in snapshot.layers
    )


def _feeds(layer: LayerTopology, wiring: Wiring) -> int:
    carried = sum(int((feed.units >= 0).sum()) for feed in wiring[layer.name])
    return -(-carried // layer.inputs)


def _with_null(history: TopologyHistory, chosen: list[int], wiring: Wiring, samples: int) -> set[int]:
    """Updates at which random graphs are drawn: all where that is quick, else first, middle and last."""
    costs = {
        place: samples * (SECONDS_A_GRAPH + SECONDS_A_LINK * _most_links(history, place, wiring))
        for place in chosen
    }
    for count in range(len(chosen), 3, -1):
        kept = spread_evenly(chosen, count)
        if sum(costs[place] for place in kept) <= NULL_SECONDS:
            return set(kept)
    return set(spread_evenly(chosen, 3))


def _measured(
    snapshot: TopologySnapshot, run: RecordedRun, before: UnitLinks | None, samples: int, seed: int
) -> Moment:
    links = unit_links(snapshot, run.wiring)
    if not samples:
        values = scalars(links, seed=seed)
        found = None
    else:
        found = summary(links, layers=snapshot.layers, samples=samples, seed=seed)
        values = {name: comparison.value for name, comparison in found.measures.items()}
    if run.joined is not None:
        joined = unit_links(snapshot, run.joined)
        values |= _path_measures(joined)
        if found is not None:
            found.measures.update(
                compare_with_null(_path_measures, joined, samples=samples, seed=seed, groups=run.groups)
            )
    if before is not None:
        values[OVERLAP] = link_overlap(before, links)
        if found is not None:
            found.measures[OVERLAP] = against_null(
                lambda graph: link_overlap(before, graph),
                links,
                samples=samples,
                seed=seed,
                groups=run.groups,
            )
    return Moment(links=links, snapshot=snapshot, measures=values, summary=found)


def _path_measures(links: UnitLinks) -> dict[str, float]:
    paths = count_paths(links)
    return {
        "log10 of paths": paths.log10_total,
        "effective depth": paths.effective_depth,
        "unreachable units": sum(paths.unreachable.values()),
        "units that reach no output": sum(paths.useless.values()),
        "links on no path": paths.dead,
    }
