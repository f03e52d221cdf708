"""Gene-expression dynamics: mRNA and protein of many genes, simulated, differentiated, solved in closed form.

>>> import torch
>>> from grn import ExpressionState, Kinetics, advance
>>> induction = torch.tensor([0.0, 3.0])
>>> advance(ExpressionState.initial(2), induction, 10.0, kinetics=Kinetics(protein_decay=1.0)).protein
tensor([0.0200, 0.9876])
"""

from grn import analytic
from grn.dynamics import ExpressionDynamics
from grn.integrate import Solver, Trajectory, integrate
from grn.kernels import AdvanceResult, advance, advance_with_error, suggested_steps
from grn.kinetics import PRESETS, Kinetics, Preset, hill
from grn.regulation import (
    Autoactivation,
    ConnectionBlock,
    Cooperation,
    Homeostasis,
    Induction,
    promoter_input,
)
from grn.state import ExpressionState

__all__ = [
    "PRESETS",
    "AdvanceResult",
    "Autoactivation",
    "ConnectionBlock",
    "Cooperation",
    "ExpressionDynamics",
    "ExpressionState",
    "Homeostasis",
    "Induction",
    "Kinetics",
    "Preset",
    "Solver",
    "Trajectory",
    "advance",
    "advance_with_error",
    "analytic",
    "hill",
    "integrate",
    "promoter_input",
    "suggested_steps",
]
