"""What a network looks like while it is pruned: snapshots, and the links between its units."""

from pruning.topology.links import Column, UnitLinks, unit_links
from pruning.topology.snapshot import LayerTopology, TopologySnapshot
from pruning.topology.wiring import Feed, Wiring, chain_wiring

__all__ = [
    "Column",
    "Feed",
    "LayerTopology",
    "TopologySnapshot",
    "UnitLinks",
    "Wiring",
    "chain_wiring",
    "unit_links",
]
