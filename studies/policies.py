"""The policies a study can compare, by name."""

from collections.abc import Callable
from dataclasses import dataclass

from pruning import (
    ConstantSchedule,
    CubicSchedule,
    GatingPolicy,
    HeuristicGating,
    LiteralHeuristicGating,
    MagnitudeGating,
    RandomGating,
    RigLGating,
    Schedule,
    SetGating,
)
from pruning.allocation import Allocation
from studies.gating_options import GatingOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyChoice:
    """How a policy is run when nothing else is asked for."""

    summary: str  # one line for a person
    build: Callable[[GatingOptions], GatingPolicy] | None = None  # None: nothing is pruned
    from_scratch: bool = False  # sparse from the first step, as its authors published it
    allocation: Allocation = "global"  # what allocation "auto" means

    @property
    def prunes(self) -> bool:
        """Whether a controller is attached."""
        return self.build is not None

    def schedule(self, sparsity: float, *, begin: float, end: float) -> Schedule:
        """Return the schedule that reaches a sparsity; begin and end are fractions of training."""
        if self.from_scratch:
            return ConstantSchedule(final_sparsity=sparsity, end=end)
        return CubicSchedule(final_sparsity=sparsity, begin=begin, end=end)


POLICIES: dict[str, PolicyChoice] = {
    "dense": PolicyChoice(summary="the whole network, never pruned; once a seed"),
    "small-dense": PolicyChoice(
        summary="a narrower network with as many parameters as a pruned one has live"
    ),
    "static": PolicyChoice(
        summary="a random mask drawn before training and kept",
        build=lambda _: RandomGating(),
        from_scratch=True,
        allocation="erk",
    ),
    "random": PolicyChoice(summary="gradual pruning in random order", build=lambda _: RandomGating()),
    "magnitude": PolicyChoice(
        summary="gradual pruning of the smallest weights", build=lambda _: MagnitudeGating()
    ),
    "set": PolicyChoice(
        summary="sparse from scratch, drops by magnitude, grows at random",
        build=lambda _: SetGating(),
        from_scratch=True,
        allocation="erk",
    ),
    "rigl": PolicyChoice(
        summary="sparse from scratch, drops by magnitude, grows by gradient",
        build=lambda _: RigLGating(),
        from_scratch=True,
        allocation="erk",
    ),
    "smoothed": PolicyChoice(
        summary="importance through the linear filter that Eq. 1 is without its feedback",
        build=GatingOptions.smoothed,
    ),
    "heuristic": PolicyChoice(
        summary="the paper's threshold and rewiring, capped", build=lambda _: HeuristicGating()
    ),
    "heuristic-literal": PolicyChoice(
        summary="the paper's printed program, uncapped: it sets its own sparsity",
        build=lambda _: LiteralHeuristicGating(),
    ),
    "expression": PolicyChoice(
        summary="Eq. 1 with memory; the most expressed connections are live",
        build=GatingOptions.expression,
    ),
    "expression-schmitt": PolicyChoice(
        summary="Eq. 1 with memory; on above one expression level, off below another",
        build=lambda options: options.expression("schmitt"),
    ),
}
"""Every policy by the name that ``--policies`` takes."""


def check_policy(name: str) -> None:
    """Refuse a name that is no policy.

    Raises
    ------
    ValueError
        Lists the known names.

    Examples
    --------
    >>> check_policy("expresion")
    Traceback (most recent call last):
    ...
    ValueError: unknown policy 'expresion': the known ones are dense, small-dense, static, random, ...
    """
    if name not in POLICIES:
        raise ValueError(f"unknown policy {name!r}: the known ones are {', '.join(POLICIES)}")
