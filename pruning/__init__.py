"""Pruning neural networks while they train: gates, importance, policies and the controller."""

from pruning.allocation import Budget, make_budget
from pruning.batch_norm import recalibrate_batch_norm
from pruning.checkpoint import load_tree, save_tree
from pruning.controller import PruningController
from pruning.cost import Cost, measure_cost
from pruning.gates import GatedLayer, Gates
from pruning.importance import Importance
from pruning.policies import (
    ExpressionGating,
    GatingContext,
    GatingDecision,
    GatingPolicy,
    HeuristicGating,
    LiteralHeuristicGating,
    MagnitudeGating,
    RandomGating,
    RigLGating,
    SetGating,
    SmoothedImportanceGating,
)
from pruning.schedule import ConstantSchedule, CubicSchedule, MedianRuleSchedule, Schedule
from pruning.threshold import AccuracyPlateau
from pruning.topology import LayerTopology, TopologySnapshot

__all__ = [
    "AccuracyPlateau",
    "Budget",
    "ConstantSchedule",
    "Cost",
    "CubicSchedule",
    "ExpressionGating",
    "GatedLayer",
    "Gates",
    "GatingContext",
    "GatingDecision",
    "GatingPolicy",
    "HeuristicGating",
    "Importance",
    "LayerTopology",
    "LiteralHeuristicGating",
    "MagnitudeGating",
    "MedianRuleSchedule",
    "PruningController",
    "RandomGating",
    "RigLGating",
    "Schedule",
    "SetGating",
    "SmoothedImportanceGating",
    "TopologySnapshot",
    "load_tree",
    "make_budget",
    "measure_cost",
    "recalibrate_batch_norm",
    "save_tree",
]
