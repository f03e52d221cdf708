"""Live gates that lie on no path from a network's input to its output."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pruning.topology.links import per_pair
from pruning.topology.wiring import Wiring, check_wiring

if TYPE_CHECKING:
    from pruning.topology.snapshot import TopologySnapshot


def dead_ends(snapshot: "TopologySnapshot", wiring: Wiring) -> dict[str, int]:
    """Count what :meth:`pruning.TopologySnapshot.dead_ends` describes."""
    check_wiring(snapshot.layers, wiring)
    counts = {layer.name: per_pair(layer, snapshot.mask(layer.name)) for layer in snapshot.layers}
    reached: dict[str, NDArray[np.bool_]] = {}
    arrives: dict[str, NDArray[np.bool_]] = {}
    for layer in snapshot.layers:
        arriving = np.zeros(layer.inputs, dtype=bool)
        for feed in wiring[layer.name]:
            lit = feed.units >= 0
            if feed.source in reached:
                lit &= reached[feed.source][feed.units]
            arriving |= lit
        arrives[layer.name] = arriving
        reached[layer.name] = np.any((counts[layer.name] > 0) & arriving, axis=1)
    read = {feed.source for feeds in wiring.values() for feed in feeds}
    needed = {
        layer.name: np.full(layer.outputs, layer.name not in read, dtype=bool) for layer in snapshot.layers
    }
    for layer in reversed(snapshot.layers):
        wanted = ((counts[layer.name] > 0) & needed[layer.name][:, None]).any(0)
        for feed in wiring[layer.name]:
            if feed.source in needed:
                units = feed.units[wanted & (feed.units >= 0)]
                needed[feed.source][units] = True
    dead = {}
    for layer in snapshot.layers:
        useful = arrives[layer.name][None, :] & needed[layer.name][:, None]
        if layer.layout == (1, layer.outputs, 1, 1):  # a unit has one gate, whatever it reads
            live = counts[layer.name] > 0
            dead[layer.name] = int((live.any(1) & ~(live & useful).any(1)).sum())
        else:
            dead[layer.name] = int(counts[layer.name][~useful].sum())
    return dead
