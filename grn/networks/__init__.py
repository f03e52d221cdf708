"""Explicit gene networks: built, read, simulated, perturbed, solved for their states, fitted.

>>> from grn.networks import circuits, simulate
>>> path = simulate(circuits.repressilator(), 300.0)
>>> path["lacI"].shape  # (batch, times)
torch.Size([1, 201])
"""

from grn.networks import circuits
from grn.networks.fitting.fit import Fit, FitWarning, fit
from grn.networks.fitting.profile import profile
from grn.networks.fitting.sensitivity import sensitivities, steady_sensitivities
from grn.networks.fitting.timeseries import TimeSeries
from grn.networks.logic.boolean import BooleanNetwork
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
from grn.networks.states.continuation import continue_states
from grn.networks.states.cycles import find_cycle
from grn.networks.states.steady import SteadyState, SteadyStates, settle, steady_states

__all__ = [
    "METHODS",
    "BooleanNetwork",
    "Clamp",
    "Constitutive",
    "Custom",
    "ErlangDelay",
    "Fit",
    "FitWarning",
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
    "SteadyState",
    "SteadyStates",
    "TimeSeries",
    "circuits",
    "continue_states",
    "find_cycle",
    "fit",
    "profile",
    "sensitivities",
    "settle",
    "simulate",
    "steady_sensitivities",
    "steady_states",
]
