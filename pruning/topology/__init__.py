"""What a network looks like while it is pruned: snapshots, and the links between its units."""

from pruning.topology.expression_summary import ExpressionSummary, choose_sample, summarise_expression
from pruning.topology.history import TopologyHistory
from pruning.topology.find_wiring import find_wiring
from pruning.topology.links import Column, UnitLinks, unit_links
from pruning.topology.snapshot import LayerTopology, TopologySnapshot
from pruning.topology.update import GatingUpdate
from pruning.topology.wiring import Feed, Wiring, chain_wiring

__all__ = [
    "Column",
    "ExpressionSummary",
    "Feed",
    "GatingUpdate",
    "LayerTopology",
    "TopologyHistory",
    "TopologySnapshot",
    "UnitLinks",
    "Wiring",
    "chain_wiring",
    "choose_sample",
    "summarise_expression",
    "find_wiring",
    "unit_links",
]
