"""What a topology report says in words: each statement with its numbers against the null."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from pruning.topology.measures import Humps, Overlap, Survival, Tail
from studies.report.aggregation import percent
from studies.topology_verdicts import LEVEL, Verdict, is_beyond

MEANINGS = {
    "log10 of paths": "decimal logarithm of the number of paths from input to output",
    "effective depth": "mean links of such a path",
    "unreachable units": "units that no path from the input reaches",
    "units that reach no output": "units from which no path leads to the output",
    "links on no path": "live links that lie on no path from input to output",
    "square clustering": "how often two units with one common partner have another",
    "mean distance": "mean shortest path between two units, ignoring direction",
    "global efficiency": "mean of 1/distance over all pairs of units",
    "modularity": "links within groups of units beyond what their degrees explain",
    "connected parts": "parts of the graph with no link between them, single units included",
    "units of the largest part": "units of the largest such part",
    "spectral gap": "how fast a random walk forgets where it began",
    "largest singular value": "strongest amplification by a matrix of ones for live links",
    "assortativity out-in": "correlation of the source's links out with the target's links in",
    "assortativity out-out": "the same of links out and links out",
    "assortativity in-in": "the same of links in and links in",
    "assortativity in-out": "the same of links in and links out",
    "links kept": "links shared with the graph measured before, of those in either (the random graphs have "
    "the later one's degrees)",
}


def figures(value: float, digits: int = 4) -> str:
    """Write a number with so many significant digits, a true minus and no exponent where that is short.

    Examples
    --------
    >>> figures(-0.54321), figures(1234567.0), figures(32.0), figures(float("nan"))
    ('−0.5432', '1,234,567', '32', 'undefined')
    """
    if not math.isfinite(value):
        return "undefined" if math.isnan(value) else ("none" if value < 0 else "unbounded")
    if value == round(value) and abs(value) < 1e12:
        return f"{int(value):,}".replace("-", "−")
    return f"{value:.{digits}g}".replace("-", "−")


def p_text(p: float) -> str:
    """Write a probability.

    Examples
    --------
    >>> p_text(0.0461), p_text(0.000001)
    ('p = 0.046', 'p < 0.001')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def compared_text(name: str, verdict: Verdict) -> str:
    """Say how a measure stands to its null, in one sentence."""
    one = verdict.comparison
    head = f"{name[0].upper()}{name[1:]}"
    if verdict.kind == "undefined":
        return f"{head}: not compared, {one.note}."
    value = figures(one.value)
    if verdict.kind == "fixed":
        return f"{head}: {value}, as in every random graph; the degrees fix it."
    null = f"{figures(one.null_mean)} ± {figures(one.null_std, 2)}"
    tests = [] if one.z is None else [f"z = {one.z:+.1f}".replace("-", "−")]
    if verdict.p_holm is not None:
        tests.append(f"corrected {p_text(verdict.p_holm)}")
    test = ", ".join(tests).replace(" = ", "\u00a0=\u00a0").replace(" < ", "\u00a0<\u00a0")
    if verdict.kind == "not judged":
        return f"{head}: {value}, beside the null's {null} ({', '.join([*tests, 'not judged'])})."
    if one.z is None:
        said = "too few random graphs to tell it apart" if verdict.kind == "same" else "told apart"
        return f"{head}: {value}, where every random graph has {figures(one.null_mean)}: {said} ({test})."
    if verdict.kind == "same":
        if verdict.p_holm is not None and verdict.p_holm < LEVEL and not is_beyond(one):
            test += "; but a random graph goes as far"
        return f"{head}: {value}, not distinguishable from the null's {null} ({test})."
    side = "above" if one.value > one.null_mean else "below"
    return f"{head}: {value}, {side} the null's {null}{_share(one.value, one.null_mean)} ({test})."


def _share(value: float, null: float) -> str:
    if null == 0 or value * null < 0:
        return ""
    share = abs(value - null) / abs(null)
    return f", by {percent(share, 1 if share < 0.1 else 0)}" if share >= 0.0005 else ", by less than 0.1 %"


def overall_text(verdicts: Mapping[str, Verdict], samples: int, step: int) -> str:
    """Say from how many measures of the graph after a step the null can be told apart."""
    tested = [name for name, one in verdicts.items() if one.kind in ("apart", "same")]
    apart = [name for name in tested if verdicts[name].kind == "apart"]
    same = [name for name in tested if verdicts[name].kind == "same"]
    if not tested:
        return "No measure could be held against random graphs: the degrees leave no other graph."
    text = (
        f"Of {len(tested)} measure{'s' * (len(tested) != 1)} that {samples} random graphs with the same "
        "degrees can vary, "
        f"{len(apart)} {'differs' if len(apart) == 1 else 'differ'} from them after step {step:,}"
    )
    text += f" ({'; '.join(apart)})" if apart else ""
    return f"{text}, and {len(same)} cannot be told from them."


def hubs_text(overlap: Overlap | None) -> str:
    """Say whether the hubs of the first graph measured are still hubs in the last."""
    if overlap is None:
        return "One graph was measured: nothing is known of the persistence of hubs."
    counts = f"{overlap.before} hubs at the first update measured and {overlap.after} at the last"
    if not overlap.before or not overlap.after:
        return f"There were {counts}, so none could persist."
    text = (
        f"Of {counts}, {overlap.shared} {'is' if overlap.shared == 1 else 'are'} the same; as many drawn at "
        f"random within each layer would share {figures(overlap.chance_shared, 2)}"
    )
    if overlap.z is None:
        return f"{text}, and chance leaves no other number."
    text += f" ± {figures(overlap.chance_std, 2)} ({p_text(overlap.p)}, one-sided, exact)"
    return f"{text}: {'more than chance' if overlap.p < 0.05 else 'not distinguishable from chance'}."


def tails_text(tails: Mapping[tuple[str, str], Tail]) -> str:
    """Say what the tails of the degrees are found to be."""
    by_verdict: dict[str, list[str]] = {}
    for (column, direction), tail in tails.items():
        by_verdict.setdefault(tail.verdict, []).append(f"{column} ({direction})")
    parts = {
        "power law": "agree with a power law better than with an exponential and no worse than with a "
        "lognormal law",
        "not a power law": "are fitted better by an exponential or lognormal law than by a power law",
        "undecided": "cannot be decided between the laws",
        "too short": "are too short to say anything (fewer than 50 units in the tail, or less than a decade)",
    }
    said = [
        f"{len(by_verdict[verdict])} {words}: {', '.join(by_verdict[verdict][:6])}"
        + (" and others" if len(by_verdict[verdict]) > 6 else "")
        for verdict, words in parts.items()
        if verdict in by_verdict
    ]
    return f"Of {len(tails)} tails of degrees, " + "; ".join(said) + "." if said else "No unit has a link."


def lifetimes_text(name: str, curve: Survival, blind: Survival, watched: float) -> str:
    """Compare a lifetime curve with deaths that strike without regard to age.

    The comparison is made at the last age at which some had died and some lived on, where the curve has an
    interval. ``watched`` is the longest time for which one of these connections was seen.
    """
    half = curve.median
    text = f"Of the connections {name}, "
    text += (
        f"more than half outlive {figures(watched)} steps, the longest that any was watched"
        if math.isinf(half)
        else f"half are silenced within {figures(half)} steps"
    )
    inside = np.flatnonzero((curve.survival > 0) & (curve.survival < 1))
    if not len(inside):
        return f"{text}, and all of these at the same age." if len(curve.times) else f"{text}; none was "
        "silenced."
    place = int(inside[-1])
    low, high = (float(side[place]) for side in curve.interval())
    alive, expected = float(curve.survival[place]), float(blind.at([curve.times[place]])[0])
    if expected < low:
        verdict = "more than if deaths struck old and young alike: those that came so far are durable"
    elif expected > high:
        verdict = "fewer than if deaths struck old and young alike: these are shorter-lived than the rest"
    else:
        verdict = "not distinguishable from deaths that strike old and young alike"
    return (
        f"{text}; {percent(alive, 1)} live longer than {figures(float(curve.times[place]))} steps (95 % "
        f"interval {percent(low, 1)} to {percent(high, 1)}; without regard to age {percent(expected, 1)}), "
        f"{verdict}."
    )


def humps_text(humps: Sequence[Humps], steps: Sequence[int]) -> str:
    """Say whether expression has one hump or two after the last update read, and since when."""
    last = humps[-1]
    after = f"After step {steps[-1]:,}"
    parted = np.array([one.bimodal for one in humps])
    if not last.bimodal:
        seen = f" (it had two at {int(parted.sum())} of {len(parted)} updates read)" if parted.any() else ""
        return (
            f"{after} the expression of all connections has one hump, at "
            f"{figures(last.modes[0], 2)}{seen}: "
            "no sign of two states."
            if len(last.modes) == 1
            else f"{after} the expression of all connections has no two humps that can be told apart"
            f" (depth of the valley {last.depth:.2f}, {last.significance:.1f} standard deviations){seen}."
        )
    since = steps[len(parted) - int(np.argmin(parted[::-1]))] if not parted.all() else steps[0]
    return (
        f"{after} expression has two humps, at {figures(last.modes[0], 2)} and "
        f"{figures(last.modes[1], 2)}, with {percent(last.minor_share, 1)} of the connections on the smaller "
        f"side of the valley (its depth is {percent(last.depth, 0)}, {figures(last.significance, 3)} "
        f"standard deviations of the counts), and has had them at every update read since step {since:,}."
    )
