"""Gating policies: rules that decide which connections are live."""

from pruning.policies.base import GatingContext, GatingDecision, GatingPolicy, PolicyState
from pruning.policies.drop_grow import RigLGating, SetGating
from pruning.policies.expression import ExpressionGating
from pruning.policies.heuristic import HeuristicGating
from pruning.policies.literal_heuristic import LiteralHeuristicGating
from pruning.policies.magnitude import MagnitudeGating
from pruning.policies.random import RandomGating
from pruning.policies.smoothed import SmoothedImportanceGating

__all__ = [
    "ExpressionGating",
    "GatingContext",
    "GatingDecision",
    "GatingPolicy",
    "HeuristicGating",
    "LiteralHeuristicGating",
    "MagnitudeGating",
    "PolicyState",
    "RandomGating",
    "RigLGating",
    "SetGating",
    "SmoothedImportanceGating",
]
