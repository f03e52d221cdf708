"""What a study's records let one say: who leads, and whether the ODE's feedback earns its keep.

A difference is claimed only where the paired 95 % t interval over seeds excludes zero. Everything else is
named for what it is: an interval that includes zero, a single seed, or a comparison that was not run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studies.report.aggregation import (
    DENSE,
    Cell,
    Interval,
    Record,
    accuracy_cells,
    on_target,
    paired_differences,
    percent,
    sparsities,
)
from studies.report.style import policy_style

_SAME = 1e-12  # means closer than this are equal up to rounding


@dataclass(frozen=True, kw_only=True, slots=True)
class Leader:
    """Policies of the highest mean test accuracy at one sparsity, and their lead over another policy."""

    target_sparsity: float
    policies: tuple[str, ...]  # more than one only where means are equal
    mean: float
    seeds: tuple[int, ...]  # shared by all policies compared
    rival: str | None  # magnitude; the runner-up where magnitude itself leads
    lead: Interval | None  # paired difference, leader minus rival


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a study answers: one sentence, one a sparsity, the test of the feedback, what was left out."""

    headline: str
    leaders: tuple[str, ...]
    feedback: str
    left_out: tuple[str, ...]  # runs not compared because they missed their density


def find_leaders(records: Sequence[Record], base: str = "magnitude") -> list[Leader]:
    """Leader at every target sparsity, on the seeds that all policies there share.

    Dense networks do not compete; small dense ones do. A sparsity at which the policies share no seed has no
    leader.
    """
    found: list[Leader] = []
    for level in sparsities(records):
        here = [r for r in records if r["policy"] != DENSE and r["target_sparsity"] == level]
        policies = list(dict.fromkeys(r["policy"] for r in here))
        seeds = set.intersection(
            *({int(r["seed"]) for r in here if r["policy"] == policy} for policy in policies)
        )
        shared = [r for r in here if int(r["seed"]) in seeds]
        if not shared:
            continue
        ranked = sorted(accuracy_cells(shared), key=lambda cell: -cell.interval.mean)
        best = ranked[0].interval.mean
        first = tuple(cell.policy for cell in ranked if best - cell.interval.mean <= _SAME)
        others = [cell.policy for cell in ranked if cell.policy not in first]
        rival = base if base in others else next(iter(others), None)
        lead = _difference(shared, first[0], rival, level) if rival else None
        found.append(
            Leader(
                target_sparsity=level,
                policies=first,
                mean=best,
                seeds=tuple(sorted(seeds)),
                rival=rival,
                lead=lead.interval if lead else None,
            )
        )
    return found


def leader_sentence(leader: Leader) -> str:
    """Sentence for one sparsity, with the paired interval and whether it includes zero."""
    at = f"At {percent(leader.target_sparsity)} sparsity "
    names = _labels(leader.policies)
    score = f"mean test accuracy {percent(leader.mean, 2)}"
    if leader.rival is None or leader.lead is None:
        if len(leader.policies) > 1:
            return f"{at}{names} have the same {score}."
        return f"{at}only {names} was run ({score}): there is nothing to compare it with."
    verb = "lead together" if len(leader.policies) > 1 else "leads"
    return (
        f"{at}{names} {verb} ({score}); against {policy_style(leader.rival).label}: {describe(leader.lead)}."
    )


def feedback_cells(records: Sequence[Record], other: str) -> list[Cell]:
    """Paired differences of expression gating from another policy, by sparsity."""
    return [cell for cell in paired_differences(records, other) if cell.policy == "expression"]


def feedback_sentence(records: Sequence[Record], other: str = "smoothed") -> str:
    """Say whether expression differs from ``other`` anywhere; from smoothed, that tests the feedback."""
    policies = {record["policy"] for record in records}
    rival = policy_style(other).label
    absent = [policy for policy in ("expression", other) if policy not in policies]
    if absent:
        return f"Expression (ODE) against {rival} was not tested: {_labels(absent)} was not run."
    cells = feedback_cells(records, other)
    if not cells:
        return f"Expression (ODE) against {rival} was not tested: they share no sparsity and seed."
    better = [cell for cell in cells if cell.interval.excludes_zero and cell.interval.mean > 0]
    worse = [cell for cell in cells if cell.interval.excludes_zero and cell.interval.mean < 0]
    undecided = [cell for cell in cells if not cell.interval.excludes_zero]
    subject = f"Expression (ODE) against {rival}"
    if not better and not worse:
        counts = sorted({cell.interval.count for cell in cells})
        if counts == [1]:
            return f"{subject}: no difference can be claimed from 1 seed, which gives no interval."
        return (
            f"{subject}: no difference can be claimed from {_seeds(counts[-1])} "
            f"at {_levels(cells)} sparsity; no paired 95 % interval excludes zero."
        )
    parts = []
    if better:
        parts.append(f"better at {_levels(better)} sparsity")
    if worse:
        parts.append(f"worse at {_levels(worse)} sparsity")
    text = f"{subject}: {' and '.join(parts)} (paired 95 % interval excludes zero)"
    return f"{text}; at {_levels(undecided)} no difference can be claimed." if undecided else f"{text}."


def answer(records: Sequence[Record], base: str = "magnitude") -> Answer:
    """Everything a report says about who is better, from the records alone."""
    fair = on_target(records)
    leaders = find_leaders(fair, base)
    return Answer(
        headline=_headline(leaders),
        leaders=tuple(leader_sentence(leader) for leader in leaders),
        feedback=f"{feedback_sentence(fair, 'smoothed')} {feedback_sentence(fair, base)}",
        left_out=_left_out(records, fair),
    )


def describe(difference: Interval) -> str:
    """Put a paired difference into words: points, interval, and what it allows one to claim.

    Examples
    --------
    >>> describe(Interval(mean=0.012, low=0.003, high=0.021, count=5))
    '+1.20 points, paired 95 % interval +0.30 to +2.10 from 5 seeds, which excludes zero'
    >>> describe(Interval(mean=0.012, low=None, high=None, count=1))
    '+1.20 points; no difference can be claimed from 1 seed'
    """
    mean = _points(difference.mean)
    if difference.low is None or difference.high is None:
        return f"{mean} points; no difference can be claimed from {_seeds(difference.count)}"
    if not difference.estimable:
        return (
            f"{mean} points in each of {_seeds(difference.count)}, whose spread cannot be estimated: no claim"
        )
    text = f"{mean} points, paired 95 % interval {_points(difference.low)} to {_points(difference.high)}"
    if difference.excludes_zero:
        return f"{text} from {_seeds(difference.count)}, which excludes zero"
    return f"{text}, which includes zero: no difference can be claimed from {_seeds(difference.count)}"


def describe_claim(difference: Interval) -> str:
    """Say in few words what a paired difference allows one to claim.

    Examples
    --------
    >>> describe_claim(Interval(mean=0.01, low=-0.01, high=0.03, count=3))
    'includes zero: none'
    """
    if difference.low is None:
        return "one seed: none"
    if not difference.estimable:
        return "seeds alike: none"
    if not difference.excludes_zero:
        return "includes zero: none"
    return "excludes zero: better" if difference.mean > 0 else "excludes zero: worse"


def _left_out(records: Sequence[Record], fair: Sequence[Record]) -> tuple[str, ...]:
    kept = {id(record) for record in fair}
    cells = accuracy_cells([record for record in records if id(record) not in kept])
    return tuple(
        f"Not compared, having missed the density asked for: {policy_style(cell.policy).label} "
        f"at {percent(cell.target_sparsity)} "
        f"({_seeds(cell.interval.count)}; {percent(cell.sparsity, 2)} sparse on average)."
        for cell in cells
    )


def _headline(leaders: Sequence[Leader]) -> str:
    if not leaders:
        return "No two runs can be compared yet: the policies share no sparsity and seed."
    compared = [leader for leader in leaders if leader.lead is not None]
    if not compared:
        return "Nothing to compare: at every sparsity there is one policy, or all have the same accuracy."
    where_first: dict[tuple[str, ...], list[str]] = {}
    for leader in compared:
        where_first.setdefault(leader.policies, []).append(percent(leader.target_sparsity))
    parts = [f"{_labels(policies)} at {_joined(levels)}" for policies, levels in where_first.items()]
    rivals = _joined(list(dict.fromkeys(policy_style(str(leader.rival)).label for leader in compared)), "or")
    claimed = [leader for leader in compared if leader.lead is not None and leader.lead.excludes_zero]
    opening = f"Highest mean test accuracy at equal size: {', '.join(parts)} sparsity"
    if not claimed:
        seeds = max(len(leader.seeds) for leader in compared)
        return f"{opening}, but no difference from {rivals} can be claimed from {_seeds(seeds)}."
    if len(claimed) == len(compared):
        which = "the" if len(claimed) == 1 else "every"
        return f"{opening}; {which} paired 95 % interval against {rivals} excludes zero."
    where = _joined([percent(leader.target_sparsity) for leader in claimed])
    return f"{opening}; only at {where} does the paired 95 % interval against {rivals} exclude zero."


def _difference(records: Sequence[Record], policy: str, base: str, level: float) -> Cell | None:
    cells = paired_differences(records, base)
    return next((cell for cell in cells if cell.key == (policy, level)), None)


def _points(fraction: float) -> str:
    return f"{100 * fraction:+.2f}".replace("-", "−")


def _seeds(count: int) -> str:
    return f"{count} seed" if count == 1 else f"{count} seeds"


def _labels(policies: Sequence[str]) -> str:
    return _joined([policy_style(policy).label for policy in policies])


def _levels(cells: Sequence[Cell]) -> str:
    return _joined([percent(cell.target_sparsity) for cell in cells])


def _joined(words: Sequence[str], conjunction: str = "and") -> str:
    """Words as an enumeration: ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {conjunction} {words[-1]}"
