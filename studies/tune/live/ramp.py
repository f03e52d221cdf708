"""A target that is always on its way from where it was to where it was last put."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class RampSchedule:
    """From one sparsity to another, up or down, fast at first; held thereafter, with masks that go on moving.

    s(t) = s_f + (s_0 − s_f)·(1 − t)³, the rule of Zhu and Gupta with a beginning of its own.

    Parameters
    ----------
    start_sparsity, final_sparsity : float
        Fractions silenced at the beginning of the ramp and from its end on, in [0, 1).
    ramp_begin, ramp_end : float
        Fractions of training between which sparsity changes.

    References
    ----------
    Zhu and Gupta, *To prune, or not to prune*, arXiv:1710.01878.

    Examples
    --------
    >>> ramp = RampSchedule(start_sparsity=0.8, final_sparsity=0.4, ramp_begin=0.2, ramp_end=0.6)
    >>> [round(ramp.sparsity(progress), 3) for progress in (0.0, 0.2, 0.4, 0.6, 1.0)]
    [0.8, 0.8, 0.45, 0.4, 0.4]
    """

    start_sparsity: float
    final_sparsity: float
    ramp_begin: float  # fraction of training
    ramp_end: float  # fraction of training

    def __post_init__(self) -> None:
        for name in ("start_sparsity", "final_sparsity"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(
                    f"{name} must lie in [0, 1), the fraction of silenced connections, "
                    f"got {getattr(self, name)}"
                )
        begin, end = self.ramp_begin, self.ramp_end
        if not (math.isfinite(begin) and 0.0 <= begin <= end <= 1.0):
            raise ValueError(
                "ramp_begin and ramp_end must be fractions of training with 0 <= begin <= end <= 1, "
                f"got {begin} and {end}"
            )

    @property
    def begin(self) -> float:
        """Progress before which nothing is pruned: none."""
        return 0.0

    @property
    def end(self) -> float:
        """Progress from which masks stay as they are: the end of training."""
        return 1.0

    @property
    def sparse_from_start(self) -> bool:
        """Whether training begins with a random mask: no."""
        return False

    def sparsity(self, progress: float) -> float:
        """Target sparsity at ``progress`` in [0, 1]."""
        if progress >= self.ramp_end:
            return self.final_sparsity
        left = 1.0 - max(0.0, progress - self.ramp_begin) / (self.ramp_end - self.ramp_begin)
        return self.final_sparsity + (self.start_sparsity - self.final_sparsity) * left**3
