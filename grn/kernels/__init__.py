"""The step of `grn.advance`: its weights, and the same step in plain torch and fused by numba."""

from grn.kernels.advance import advance
from grn.kernels.steps import suggested_steps

__all__ = ["advance", "suggested_steps"]
