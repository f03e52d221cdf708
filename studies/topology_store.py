"""Topology of a run on disk: its history while it trains, and a few graphs of it for the report to draw."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import networkx as nx
import numpy as np

from pruning import PruningController
from pruning.checkpoint import write_atomically
from pruning.topology import TopologyHistory
from studies.plain_values import plain

FILE = "topology.json"
HISTORY = "topology.grnt"  # in a run's own folder
IDENTITY = ("model", "dataset", "policy", "seed", "granularity", "update_every")  # what no steering changes
FRAMES = 12  # graphs of a run that the report draws, at most
Node = tuple[int, int]
Item = TypeVar("Item")


class Snapshot(Protocol):
    """What a topology animation needs of a snapshot."""

    @property
    def step(self) -> int:
        """Training step of the update."""

    @property
    def sparsity(self) -> float:
        """Silenced fraction after the update."""

    def to_digraph(self) -> nx.DiGraph:
        """Return the units and their live connections."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredSnapshot:
    """A snapshot read back by `read_topology`: a sample of the units, with the sizes of whole layers."""

    step: int
    sparsity: float
    graph: nx.DiGraph

    def to_digraph(self) -> nx.DiGraph:
        """Return the stored graph."""
        return self.graph


@contextmanager
def recorded_topology(path: Path, controller: PruningController, *, run: Mapping[str, Any]) -> Iterator[None]:
    """Write a controller's updates to a file within the block.

    A controller that has taken steps, as after a checkpoint, continues the file that is there, from which
    what came after those steps is cut. Where there is none, as beside a checkpoint of an earlier version,
    the file begins with what the controller remembers of its updates: not their expression, and their masks
    only if it kept them.

    Parameters
    ----------
    path
        By convention ``topology.grnt``.
    controller
        Its ``observers`` are added to, for the length of the block.
    run
        Facts of the run. What the controller knows is added: ``gating``, the policy's name and, of a
        dataclass, its parameters; ``granularity``, ``update_every`` and ``total_steps``.

    Raises
    ------
    ValueError
        If the file is damaged, of another network or run, or holds other updates than the controller counts.
        A run is known by the names of its model, data set and policy, its seed, its granularity and the
        steps between its updates: rates and thresholds may have been changed while it trained.
    """
    facts = {**run, **_facts(controller)}
    if controller.steps and path.exists():
        history = TopologyHistory.resume(
            path,
            controller.steps,
            updates=len(controller.history),
            layers=controller.layers,
            run={name: facts[name] for name in IDENTITY if name in facts},
        )
    else:
        history = TopologyHistory.create(path, controller.layers, run=facts)
    with history:
        for snapshot in controller.history[len(history) :]:
            history.append(snapshot)
        controller.observers.append(history.record)
        try:
            yield
        finally:
            controller.observers.remove(history.record)


def _facts(controller: PruningController) -> dict[str, Any]:
    """How the controller prunes, as JSON values."""
    policy = controller.policy
    described: dict[str, Any] = (
        asdict(policy) if is_dataclass(policy) and not isinstance(policy, type) else {}
    )
    return {
        "gating": {"name": type(policy).__name__, **_finite(described)},
        "granularity": controller.gates.granularity,
        "update_every": controller.update_every,
        "total_steps": controller.total_steps,
    }


def _finite(value: Any) -> Any:
    """JSON values; an infinite rate or Hill coefficient, which JSON lacks, by its name."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if value is None or isinstance(value, bool | int | str):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else str(value)


def graphs_to_draw(history: TopologyHistory, count: int = FRAMES) -> list[Snapshot]:
    """Read up to ``count`` snapshots spread evenly over those of a history that hold masks, if any do."""
    places = [place for place in range(len(history)) if history.has_masks(place)]
    return [history[place] for place in spread_evenly(places, count)]


def sample_units(graph: nx.DiGraph, maximum_units: int = 64) -> dict[int, list[Node]]:
    """Choose the units to draw: in every column those of highest degree, ties by number, in their order.

    Examples
    --------
    >>> graph = nx.DiGraph([((0, 0), (1, 0)), ((0, 0), (1, 1)), ((0, 1), (1, 1))])
    >>> sample_units(graph, maximum_units=1)
    {0: [(0, 0)], 1: [(1, 1)]}
    """
    if maximum_units < 1:
        raise ValueError(f"maximum_units must be at least 1 unit a layer, got {maximum_units}")
    if graph.number_of_nodes() == 0:
        raise ValueError(
            "the graph must have at least one unit, got an empty graph: pass a snapshot's to_digraph()"
        )
    columns: dict[int, list[Node]] = {}
    for node in graph.nodes:
        if not (isinstance(node, tuple) and len(node) == 2):
            raise ValueError(f"nodes must be pairs (layer index, unit), got {node!r}")
        columns.setdefault(int(node[0]), []).append(node)
    degree = dict(graph.degree())
    return {
        column: sorted(sorted(units, key=lambda node: (-degree[node], node[1]))[:maximum_units])
        for column, units in sorted(columns.items())
    }


def spread_evenly(items: Sequence[Item], count: int) -> list[Item]:
    """Up to ``count`` items spread evenly, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    return [items[place] for place in np.unique(np.linspace(0, len(items) - 1, count).round().astype(int))]


def column_totals(graph: nx.DiGraph) -> dict[int, int]:
    """Units of every column of the network, also of those a stored sample left out."""
    totals: dict[int, int] = {}
    for node in graph.nodes:
        totals[node[0]] = totals.get(node[0], 0) + 1
    for column, total in graph.graph.get("column_units", {}).items():
        totals[column] = max(total, totals.get(column, 0))
    return dict(sorted(totals.items()))


def write_topology(
    directory: Path,
    snapshots: Sequence[Snapshot],
    *,
    run: Mapping[str, Any],
    maximum_units: int = 40,
    maximum_frames: int = FRAMES,
) -> Path:
    """Store some of a run's graphs, each a sample of its units, where the report finds them.

    Parameters
    ----------
    directory
        The study's directory; ``topology.json`` is written there whole or not at all.
    snapshots
        Of one run, with their masks, such as what :func:`graphs_to_draw` reads.
    run
        The run's record, or at least its ``policy``, ``target_sparsity`` and ``seed``.
    maximum_units
        Units of each layer that are kept: those of highest degree in the last graph.
    maximum_frames
        Snapshots that are kept, spread evenly.

    Raises
    ------
    ValueError
        If there is no snapshot, or one without masks.
    """
    if not snapshots:
        raise ValueError(
            "write_topology needs at least one snapshot with masks, got none: record a run with "
            "recorded_topology, or build its PruningController with keep_masks=True"
        )
    chosen = spread_evenly(snapshots, maximum_frames)
    last = chosen[-1].to_digraph()
    shown = {node for units in sample_units(last, maximum_units).values() for node in units}
    frames = []
    for snapshot in chosen:
        graph = snapshot.to_digraph()  # one at a time: a dense layer has 100,000 edges
        edges = []
        for source, target, data in graph.edges(data=True):
            if source in shown and target in shown:
                level = data.get("expression")
                edges.append(
                    [
                        *source,
                        *target,
                        data.get("weight", 1),
                        None if level is None else round(float(level), 3),
                    ]
                )
        frames.append({"step": int(snapshot.step), "sparsity": float(snapshot.sparsity), "edges": edges})
    document = {
        "run": {key: run[key] for key in ("policy", "target_sparsity", "seed")},
        "nodes": [[*node, str(last.nodes[node].get("layer", node[0]))] for node in sorted(shown)],
        "column_units": {str(column): total for column, total in column_totals(last).items()},
        "frames": frames,
    }
    path = Path(directory) / FILE
    write_atomically(path, json.dumps(plain(document), separators=(",", ":"), allow_nan=False).encode())
    return path


def read_topology(directory: Path) -> tuple[dict[str, Any], list[StoredSnapshot]] | None:
    """Read what `write_topology` stored: the run and its snapshots; None where there is no such file."""
    path = Path(directory) / FILE
    if not path.exists():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        totals = {int(column): int(total) for column, total in document["column_units"].items()}
        snapshots = []
        for frame in document["frames"]:
            graph = nx.DiGraph(column_units=totals)
            for column, unit, layer in document["nodes"]:
                graph.add_node((column, unit), layer=layer, unit=unit)
            for a, b, c, d, weight, level in frame["edges"]:
                graph.add_edge(
                    (a, b), (c, d), weight=weight, **({} if level is None else {"expression": level})
                )
            snapshots.append(StoredSnapshot(step=frame["step"], sparsity=frame["sparsity"], graph=graph))
        return document["run"], snapshots
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} must be a topology file written by write_topology, got {error}: delete it"
        ) from error
