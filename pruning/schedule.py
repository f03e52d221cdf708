"""Target sparsity over training.

Time enters as *progress*, the fraction of training steps done, so that a schedule fits any length of
training.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@runtime_checkable
class Schedule(Protocol):
    """Target sparsity as a function of progress."""

    @property
    def final_sparsity(self) -> float:
        """Sparsity reached at ``end``."""

    @property
    def begin(self) -> float:
        """Progress before which nothing is pruned."""

    @property
    def end(self) -> float:
        """Progress from which masks stay as they are."""

    @property
    def sparse_from_start(self) -> bool:
        """Whether training begins with a random mask; otherwise the policy chooses the first one."""

    def sparsity(self, progress: float) -> float:
        """Target sparsity at ``progress`` in [0, 1]."""


def _check(final_sparsity: float, begin: float, end: float) -> None:
    if not 0.0 <= final_sparsity < 1.0:
        raise ValueError(
            f"final_sparsity must lie in [0, 1), the fraction of silenced connections, got {final_sparsity}"
        )
    if not 0.0 <= begin <= end <= 1.0:
        raise ValueError(
            f"begin and end must be fractions of training with 0 <= begin <= end <= 1, got {begin} and {end}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class CubicSchedule:
    """Fast at first, slower as connections become scarce: s(t) = s_f · (1 − (1 − t)³).

    Parameters
    ----------
    final_sparsity : float
        Fraction silenced in the end, in [0, 1).
    begin, end : float
        Fractions of training between which sparsity rises; t runs from 0 to 1 between them.

    References
    ----------
    Zhu and Gupta, *To prune, or not to prune*, arXiv:1710.01878.

    Examples
    --------
    >>> schedule = CubicSchedule(final_sparsity=0.8, begin=0.0, end=0.5)
    >>> [round(schedule.sparsity(progress), 3) for progress in (0.0, 0.25, 0.5, 1.0)]
    [0.0, 0.7, 0.8, 0.8]
    """

    final_sparsity: float
    begin: float = 0.0  # fraction of training
    end: float = 0.75  # fraction of training

    def __post_init__(self) -> None:
        _check(self.final_sparsity, self.begin, self.end)

    @property
    def sparse_from_start(self) -> bool:
        """Whether training begins with a random mask: no."""
        return False

    def sparsity(self, progress: float) -> float:
        """Target sparsity at ``progress`` in [0, 1]."""
        if progress <= self.begin:
            return 0.0
        if progress >= self.end:
            return self.final_sparsity
        left = 1.0 - (progress - self.begin) / (self.end - self.begin)
        return self.final_sparsity * (1.0 - left**3)


@dataclass(frozen=True, kw_only=True, slots=True)
class ConstantSchedule:
    """Sparse from the first step; masks may move until ``end``.

    Parameters
    ----------
    final_sparsity : float
        Fraction silenced throughout, in [0, 1).
    end : float
        Fraction of training after which masks stay as they are.

    Examples
    --------
    >>> ConstantSchedule(final_sparsity=0.9).sparsity(0.0)
    0.9
    """

    final_sparsity: float
    end: float = 0.75  # fraction of training

    def __post_init__(self) -> None:
        _check(self.final_sparsity, 0.0, self.end)

    @property
    def begin(self) -> float:
        """Progress before which nothing is pruned: none."""
        return 0.0

    @property
    def sparse_from_start(self) -> bool:
        """Whether training begins with a random mask: yes."""
        return True

    def sparsity(self, progress: float) -> float:
        """Target sparsity at ``progress`` in [0, 1]."""
        return self.final_sparsity


@dataclass(frozen=True, kw_only=True, slots=True)
class MedianRuleSchedule:
    """The densities of "τ becomes the median of the remaining": each halving keeps half.

    The first threshold, mean + ½ standard deviation, keeps about 0.3 of half-normal weights;
    each median after it halves that: .30 → .15 → .075. The cap ``final_sparsity`` ends the
    series.

    Parameters
    ----------
    final_sparsity : float
        Cap, in [0, 1).
    first_density : float
        Density after the first threshold, in (0, 1].
    halvings : int
        Equally spaced halvings between ``begin`` and ``end``, at least 1.
    begin, end : float
        Fractions of training between which thresholds move.

    Examples
    --------
    >>> schedule = MedianRuleSchedule(final_sparsity=0.9, halvings=4, begin=0.1, end=0.5)
    >>> [round(schedule.sparsity(progress), 2) for progress in (0.0, 0.1, 0.2, 0.3, 0.5)]
    [0.0, 0.7, 0.85, 0.9, 0.9]
    """

    final_sparsity: float
    first_density: float = 0.3
    halvings: int = 4
    begin: float = 0.1  # fraction of training
    end: float = 0.75  # fraction of training

    def __post_init__(self) -> None:
        _check(self.final_sparsity, self.begin, self.end)
        if not 0.0 < self.first_density <= 1.0:
            raise ValueError(f"first_density must lie in (0, 1], got {self.first_density}")
        if self.halvings < 1:
            raise ValueError(f"halvings must be at least 1, got {self.halvings}")

    @property
    def sparse_from_start(self) -> bool:
        """Whether training begins with a random mask: no."""
        return False

    def sparsity(self, progress: float) -> float:
        """Target sparsity at ``progress`` in [0, 1]."""
        if progress < self.begin:
            return 0.0
        if progress >= self.end:
            return self.final_sparsity
        done = math.floor((progress - self.begin) / (self.end - self.begin) * self.halvings + 1e-9)
        return min(self.final_sparsity, 1.0 - self.first_density * 0.5**done)
