"""Whether a measure can be told from its random graphs, with allowance for looking at many."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from scipy.stats import t as student

from pruning.topology.measures import NullComparison

LEVEL = 0.05  # of the family of all measures judged at one update
UNJUDGED = "singular value "  # of single pairs of layers: as many as there are, told as numbers alone
Kind = Literal["apart", "same", "fixed", "undefined", "not judged"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """A measure beside its null, judged.

    Attributes
    ----------
    comparison : NullComparison
        Value, null and rank p.
    kind : {"apart", "same", "fixed", "undefined", "not judged"}
        ``"apart"``: told from the null, being strictly beyond every random graph at a corrected p below 0.05;
        ``"same"``: not; ``"fixed"``: the degrees alone fix it, so that every random graph has its value;
        ``"undefined"``: of this graph or of a random one; ``"not judged"``: left out of the family.
    p_student : float or None
        Two-sided, of the measure as one more draw from a normal law of which the random graphs are a sample:
        ``z / sqrt(1 + 1/samples)`` under Student's t with samples - 1 degrees of freedom. A rank among 20
        random graphs cannot be less likely than 2 in 21, which this can. None without z.
    p_holm : float or None
        The same with Holm's correction for all measures judged at the update; the rank p, likewise corrected,
        where all random graphs have one other value and there is no z. None of what is not judged.
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
    >>> def against(z):  # a value above all 20 random graphs
    ...     return NullComparison(value=z, null_mean=0.0, null_std=1.0, z=z, p_greater=1 / 21, p_less=1.0,
    ...                           p=2 / 21, samples=20)
    >>> {name: one.kind for name, one in judge({"far": against(9.0), "near": against(2.0)}).items()}
    {'far': 'apart', 'near': 'same'}
    """
    plain = {
        name: 2 * float(student.sf(abs(one.z) / math.sqrt(1 + 1 / one.samples), one.samples - 1))
        for name, one in comparisons.items()
        if one.z is not None
    }
    family = {
        name: plain.get(name, one.p)
        for name, one in comparisons.items()
        if not name.startswith(UNJUDGED) and one.p is not None and not _is_fixed(one)
    }
    corrected: dict[str, float] = {}
    highest = 0.0
    for rank, (name, p) in enumerate(sorted(family.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, (len(family) - rank) * p))
        corrected[name] = highest
    return {
        name: Verdict(
            comparison=one,
            kind="not judged" if name.startswith(UNJUDGED) else _kind(one, corrected.get(name)),
            p_student=plain.get(name),
            p_holm=corrected.get(name),
        )
        for name, one in comparisons.items()
    }


def is_beyond(one: NullComparison) -> bool:
    """Whether the value lies strictly beyond that of every random graph."""
    least = 1 / (1 + one.samples)
    return any(p is not None and p <= least for p in (one.p_greater, one.p_less))


def _is_fixed(one: NullComparison) -> bool:
    return one.z is None and one.p == 1.0


def _kind(one: NullComparison, p_holm: float | None) -> Kind:
    if p_holm is None:
        return "fixed" if _is_fixed(one) else "undefined"
    # The normal law promises more than a few random graphs can: what one of them has is not told apart.
    return "apart" if p_holm < LEVEL and is_beyond(one) else "same"
