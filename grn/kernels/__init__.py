"""The step of `grn.advance`: its weights, and the same step in plain torch and fused by numba."""

from grn.kernels.advance import AdvanceResult, advance, advance_with_error
from grn.kernels.steps import suggested_steps

__all__ = ["AdvanceResult", "advance", "advance_with_error", "suggested_steps"]
