"""The recorded run that a topology report is about: its file, its facts, and how its layers are wired."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from pruning.gates import Gates
from pruning.topology import LayerTopology, TopologyHistory, Wiring, chain_wiring, find_wiring
from pruning.topology.layers import layer_topologies
from studies.directory import RECORDS, RUNS
from studies.networks import NetworkShape
from studies.records import TornRecordWarning, read_records
from studies.topology_store import HISTORY

MOST_PAIRS = 5_000_000  # pairs of units that a wiring of whole mixtures may join


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedRun:
    """A run whose topology is on disk.

    Attributes
    ----------
    path : Path
        Its ``topology.grnt``.
    facts : mapping
        Of the run, from the file's header.
    record : mapping or None
        Its line of ``records.jsonl``; None while it trains, and where the file stands alone.
    layers : tuple of LayerTopology
        The gated layers.
    wiring : Wiring
        What feeds them, as it is drawn and measured.
    joined : Wiring or None
        The same with every pair that a mixture of units joins, for paths and dead ends; None where it is the
        same, or too large.
    wiring_note : str
        How the wiring was found, a sentence.
    """

    path: Path
    facts: Mapping[str, Any]
    record: Mapping[str, Any] | None = field(repr=False)
    layers: tuple[LayerTopology, ...] = field(repr=False)
    wiring: Wiring = field(repr=False)
    joined: Wiring | None = field(repr=False)
    wiring_note: str = ""

    @property
    def groups(self) -> dict[str, int]:
        """Groups of the grouped convolutions by layer: random graphs keep links within them."""
        return {layer.name: layer.groups for layer in self.layers if layer.groups > 1}

    @property
    def name(self) -> str:
        """Policy, sparsity and seed; the file's place where its header tells none."""
        if "policy" not in self.facts:
            return str(self.path)
        return (
            f"{self.facts['policy']} {self.facts.get('target_sparsity', '?')}, "
            f"seed {self.facts.get('seed', '?')}"
        )


def find_history(
    run: Path, *, policy: str | None = None, sparsity: float | None = None, seed: int | None = None
) -> Path:
    """Find the one ``topology.grnt`` that is meant.

    Parameters
    ----------
    run : Path
        A study's directory, a run's own folder, or the file.
    policy, sparsity, seed
        Choose among the runs of a study.

    Raises
    ------
    ValueError
        If there is none, none that is so, or more than one.
    """
    if run.is_file():
        found = [run]
    elif run.is_dir():
        found = sorted([*run.glob(HISTORY), *run.glob(f"{RUNS}/*/{HISTORY}")])
    else:
        raise ValueError(f"run must be the directory of a study or a {HISTORY}, {run} does not exist")
    if not found:
        raise ValueError(
            f"{run} holds no {HISTORY}: train and compare write it for pruned runs of the first seed, into "
            f"{RUNS}/RUN; a dense run has none"
        )
    wanted = {"policy": policy, "target_sparsity": sparsity, "seed": seed}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    facts = {path: _facts(path) for path in found}
    fitting = [path for path in found if all(facts[path].get(k) == value for k, value in wanted.items())]
    if len(fitting) == 1:
        return fitting[0]
    listed = "; ".join(f"{_named(facts[path])} ({path})" for path in fitting or found)
    if fitting:
        raise ValueError(
            f"{run} holds the topology of {len(fitting)} runs: choose one with policy, sparsity and seed, or "
            f"give its file as --run: {listed}"
        )
    asked = ", ".join(f"{name} {value}" for name, value in wanted.items())
    raise ValueError(f"no run in {run} has {asked}: there are {listed}")


def read_run(path: Path) -> RecordedRun:
    """Read what is known of a recorded run, and rebuild its network to find how its layers are wired.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    with TopologyHistory.open(path) as history:
        facts, layers = history.run, history.layers
    record = _record_of(path, facts)
    network = facts.get("network")
    if network is None and record is not None:
        network = record["config"].get("resolved", {}).get("network")
    wiring, joined, note = wire(layers, network, str(facts.get("granularity", "weight")))
    return RecordedRun(
        path=path,
        facts=facts,
        record=record,
        layers=layers,
        wiring=wiring,
        joined=joined,
        wiring_note=note,
    )


def wire(
    layers: tuple[LayerTopology, ...], network: Mapping[str, Any] | None, granularity: str
) -> tuple[Wiring, Wiring | None, str]:
    """Rebuild a network from its shape and follow an example through it; a chain where that cannot be done.

    Returns
    -------
    wiring, joined, note
        See `RecordedRun`.
    """
    chain = "Layers are drawn as a chain, each reading the one before it where sizes fit"
    if network is None:
        return chain_wiring(layers), None, f"{chain}: the run does not tell its network."
    try:
        shape = NetworkShape(**{**network, "hidden": tuple(network.get("hidden", ()))})
        with torch.device("meta"):  # without memory for weights, to see first whether it is the one
            gates = Gates(shape.build(0), granularity)  # type: ignore[arg-type]  # checked there
        if _sizes(layer_topologies(gates, [0] * len(gates.layers))) != _sizes(layers):
            raise ValueError("its layers are not those that were recorded")
        model = shape.build(0)
        gates = Gates(model, granularity)  # type: ignore[arg-type]
        example = torch.zeros(_example_shape(shape))
        wiring: Wiring = find_wiring(model, gates, example)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        return chain_wiring(layers), None, f"{chain}: the network could not be followed ({error})."
    note = f"The wiring was found by following a forward pass of {shape.name}, built anew."
    try:
        every = find_wiring(model, gates, example, mixtures="all")
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        return wiring, None, f"{note} What its mixtures of units join could not be followed ({error})."
    if _joined(every, layers) == _joined(wiring, layers):
        return wiring, None, note
    if _joined(every, layers) > MOST_PAIRS:
        return wiring, None, f"{note} Mixtures of units are spread over the inputs they reach, for paths too."
    return wiring, every, f"{note} Paths and dead ends count every pair of units that a mixture joins."


def _example_shape(shape: NetworkShape) -> tuple[int, ...]:
    if shape.kind == "gene":
        return (1, shape.inputs)
    return (1, shape.channels, shape.image_size, shape.image_size)


def _sizes(layers: tuple[LayerTopology, ...]) -> list[tuple[Any, ...]]:
    return [(one.name, one.outputs, one.inputs, one.groups, tuple(one.layout)) for one in layers]


def _joined(wiring: Wiring, layers: tuple[LayerTopology, ...]) -> int:
    """Pairs of an input's unit and an output that a wiring joins, those of several feeds counted for each."""
    return sum(
        int((feed.units >= 0).sum()) * layer.outputs // layer.groups
        for layer in layers
        for feed in wiring[layer.name]
    )


def _facts(path: Path) -> dict[str, Any]:
    with TopologyHistory.open(path) as history:
        return history.run


def _named(facts: Mapping[str, Any]) -> str:
    return f"{facts.get('policy', 'unnamed')} {facts.get('target_sparsity', '')} seed {facts.get('seed', '')}"


def _record_of(path: Path, facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """The run's line among the records of its study, which holds ``runs/RUN``; None where there is none."""
    names = ("policy", "target_sparsity", "seed", "model", "dataset")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TornRecordWarning)
        records = read_records(path.resolve().parent.parent.parent / RECORDS)
    for record in records:
        if all(getattr(record, name) == facts.get(name) for name in names):
            return asdict(record)
    return None
