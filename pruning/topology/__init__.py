"""What a network looks like while it is pruned: snapshots, and the links between its units."""

from pruning.topology.connections import neighbourhood
from pruning.topology.expression_summary import ExpressionSummary, choose_sample, summarise_expression
from pruning.topology.find_wiring import find_wiring
from pruning.topology.graph_files import write_graph, write_graph_history
from pruning.topology.history import TopologyHistory
from pruning.topology.layers import LayerTopology
from pruning.topology.layouts import Layout, force_layout, layered_layout
from pruning.topology.links import Column, UnitLinks, unit_links
from pruning.topology.snapshot import TopologySnapshot
from pruning.topology.update import GatingUpdate
from pruning.topology.wiring import Feed, Wiring, chain_wiring
from pruning.topology.zooms import layer_graph, unit_graph

__all__ = [
    "Column",
    "ExpressionSummary",
    "Feed",
    "GatingUpdate",
    "LayerTopology",
    "Layout",
    "TopologyHistory",
    "TopologySnapshot",
    "UnitLinks",
    "Wiring",
    "chain_wiring",
    "choose_sample",
    "find_wiring",
    "force_layout",
    "layer_graph",
    "layered_layout",
    "neighbourhood",
    "summarise_expression",
    "unit_graph",
    "unit_links",
    "write_graph",
    "write_graph_history",
]
