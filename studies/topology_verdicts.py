"""Whether a measure can be told from its random graphs, with allowance for looking at many."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from scipy.stats import t as student

from pruning.topology.measures import NullComparison

LEVEL = 0.05  # of the family of all measures of one update
Kind = Literal["apart", "same", "fixed", "undefined"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """A measure beside its null, judged.

    Attributes
    ----------
    comparison : NullComparison
        Value, null and rank p.
    kind : {"apart", "same", "fixed", "undefined"}
        ``"apart"``: told from the null; ``"same"``: not; ``"fixed"``: the degrees alone fix it, so that every
        random graph has its value; ``"undefined"``: of this graph or of a random one.
    p_student : float or None
        Two-sided, of the measure as one more draw from a normal law of which the random graphs are a sample:
        ``z / sqrt(1 + 1/samples)`` under Student's t with samples - 1 degrees of freedom. A rank among 20
        random graphs cannot be less likely than 2 in 21, which this can.
    p_holm : float or None
        The same with Holm's correction for all measures of the update.
    """

    comparison: NullComparison
    kind: Kind
    p_student: float | None
    p_holm: float | None


def judge(comparisons: Mapping[str, NullComparison]) -> dict[str, Verdict]:
    """Judge all measures of one update together.

    References
    ----------
    Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6:65
    (1979).

    Examples
    --------
    >>> def against(z):
    ...     return NullComparison(value=z, null_mean=0.0, null_std=1.0, z=z, p_greater=0.5, p_less=0.5, p=1.0,
    ...                           samples=20)
    >>> {name: one.kind for name, one in judge({"far": against(9.0), "near": against(2.0)}).items()}
    {'far': 'apart', 'near': 'same'}
    """
    plain = {
        name: 2 * float(student.sf(abs(one.z) / math.sqrt(1 + 1 / one.samples), one.samples - 1))
        for name, one in comparisons.items()
        if one.z is not None
    }
    corrected: dict[str, float] = {}
    highest = 0.0
    for rank, (name, p) in enumerate(sorted(plain.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, (len(plain) - rank) * p))
        corrected[name] = highest
    return {
        name: Verdict(
            comparison=one,
            kind=_kind(one, corrected.get(name)),
            p_student=plain.get(name),
            p_holm=corrected.get(name),
        )
        for name, one in comparisons.items()
    }


def _kind(one: NullComparison, p_holm: float | None) -> Kind:
    if p_holm is not None:
        return "apart" if p_holm < LEVEL else "same"
    if one.p is None:
        return "undefined"
    return "fixed" if one.p == 1.0 else "apart"  # the random graphs agree on another value
