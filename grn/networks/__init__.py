"""Explicit gene networks: built, read, simulated, perturbed, solved for their states, fitted.

>>> from grn.networks import circuits, simulate
>>> path = simulate(circuits.repressilator(), 300.0)
>>> path["lacI"].shape  # (batch, times)
torch.Size([1, 201])
"""

from grn.networks import circuits
from grn.networks.boolean import BooleanNetwork
from grn.networks.network import Gene, GeneNetwork, Removal
from grn.networks.perturb import Clamp, Knockdown, Knockout, Overexpression
from grn.networks.promoters import (
    Constitutive,
    Custom,
    ErlangDelay,
    HillProduct,
    HillSum,
    Module,
    Modules,
    Proportional,
    Regulator,
    Rule,
    ShiftedHill,
)
from grn.networks.reactions import Reaction, ReactionSystem
from grn.networks.simulate import METHODS, Simulation, simulate

__all__ = [
    "METHODS",
    "BooleanNetwork",
    "Clamp",
    "Constitutive",
    "Custom",
    "ErlangDelay",
    "Gene",
    "GeneNetwork",
    "HillProduct",
    "HillSum",
    "Knockdown",
    "Knockout",
    "Module",
    "Modules",
    "Overexpression",
    "Proportional",
    "Reaction",
    "ReactionSystem",
    "Regulator",
    "Removal",
    "Rule",
    "ShiftedHill",
    "Simulation",
    "circuits",
    "simulate",
]
