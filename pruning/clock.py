"""When masks are updated and when gradients are observed."""

import math
from dataclasses import dataclass

from pruning.schedule import Schedule


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateClock:
    """Optimizer steps at which masks are updated.

    Updates come every ``every`` steps from the schedule's begin to the first of them at or after its
    end, or to
    the last step of training where none comes that late: the last update always has the final sparsity.

    Parameters
    ----------
    total_steps : int
        Optimizer steps of the whole training.
    every : int
        Steps between updates, at most ``total_steps``.
    schedule : Schedule
        Its begin and end.

    Raises
    ------
    ValueError
        If ``every`` exceeds ``total_steps``.

    Examples
    --------
    >>> from pruning import CubicSchedule
    >>> clock = UpdateClock(total_steps=100, every=30, schedule=CubicSchedule(final_sparsity=0.5, end=0.75))
    >>> [step for step in range(1, 101) if clock.updates_at(step)]
    [30, 60, 90]
    """

    total_steps: int
    every: int
    schedule: Schedule

    def __post_init__(self) -> None:
        if self.every > self.total_steps:
            raise ValueError(
                f"update_every must be at most total_steps={self.total_steps}, or masks would never be "
                f"updated, got {self.every}"
            )

    @property
    def first(self) -> int:
        """First step at which an update may come."""
        return max(1, math.ceil(self.schedule.begin * self.total_steps - 1e-9))

    @property
    def last(self) -> int:
        """Step of the last update."""
        end = max(self.schedule.end * self.total_steps, self.first)
        return min(self.total_steps, math.ceil(end / self.every - 1e-9) * self.every)

    def updates_at(self, step: int) -> bool:
        """Whether masks are updated after this step."""
        return step == self.last or (step % self.every == 0 and self.first <= step <= self.last)

    def interval(self, step: int) -> int:
        """Number of the interval between updates that a step after the start belongs to, from 1."""
        return -(-step // self.every)

    def observes_before(self, step: int, gradient_steps: int) -> bool:
        """Whether gradients of the step after ``step`` count for the coming update."""
        regular = (step // self.every + 1) * self.every
        coming = self.last if step < self.last < regular else regular
        return self.updates_at(coming) and coming - step <= gradient_steps

    def sparsity(self, step: int) -> float:
        """Target sparsity of the update after this step."""
        if step >= self.last:
            return self.schedule.final_sparsity
        return self.schedule.sparsity(step / self.total_steps)

    def gating_progress(self, step: int) -> float:
        """Fraction of the time from the first to the last update that has passed."""
        return 1.0 if self.last <= self.first else (step - self.first) / (self.last - self.first)
