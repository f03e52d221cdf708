"""Measures held against random graphs with the same degrees."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pruning.topology.links import UnitLinks
from pruning.topology.measures.nulls import is_frozen, randomise

Measure = Callable[[UnitLinks], float]
"""One number of a graph of units; NaN where it is undefined."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NullComparison:
    """A measure of a graph beside the same measure of random graphs with its degrees.

    Attributes
    ----------
    value : float
        Of the graph itself.
    null_mean, null_std : float
        Over the random graphs (with n - 1); NaN where the measure is undefined for one of them.
    z : float or None
        (value - null_mean) / null_std; None where that means nothing, and `note` says why.
    p_greater, p_less : float or None
        Fraction of the graphs, the observed one counted with the random ones, whose value is at least (at
        most) the observed: (1 + count) / (1 + samples).
    p : float or None
        Two-sided: twice the smaller of both, at most 1.
    samples : int
        Random graphs drawn.
    note : str
        Empty, or why z is undefined.
    """

    value: float
    null_mean: float
    null_std: float
    z: float | None
    p_greater: float | None
    p_less: float | None
    p: float | None
    samples: int
    note: str = ""


def against_null(
    measure: Measure,
    links: UnitLinks,
    *,
    samples: int = 100,
    seed: int = 0,
    trades: int | None = None,
    groups: Mapping[str, int] | None = None,
) -> NullComparison:
    """Hold one measure against random graphs with the same degrees.

    Parameters
    ----------
    measure : callable
        Takes a `UnitLinks`, returns a number.
    links : UnitLinks
        The graph.
    samples : int
        Random graphs, at least 2. The smallest possible `p_greater` is 1 / (1 + samples).
    seed, trades, groups
        As for :func:`randomise`.

    Raises
    ------
    ValueError
        If there are fewer than 2 samples.

    Notes
    -----
    The random graphs start from one that was itself drawn from the observed graph (the parallel method of
    Besag and Clifford, Generalized Monte Carlo significance tests, Biometrika 76:633, 1989), so the observed
    graph is exchangeable with them under the null and `p` holds however well the chain has mixed.
    """
    return compare_with_null(
        lambda graph: {"": measure(graph)}, links, samples=samples, seed=seed, trades=trades, groups=groups
    )[""]


def compare_with_null(
    measures: Callable[[UnitLinks], Mapping[str, float]],
    links: UnitLinks,
    *,
    samples: int = 100,
    seed: int = 0,
    trades: int | None = None,
    groups: Mapping[str, int] | None = None,
) -> dict[str, NullComparison]:
    """Hold several measures of one function against the same random graphs, see :func:`against_null`."""
    if samples < 2:
        raise ValueError(f"a null needs at least 2 samples to have a standard deviation, got {samples}")
    observed = {name: float(value) for name, value in measures(links).items()}
    if is_frozen(links):
        reason = "no other graph has these degrees"
        return {name: _constant(value, samples, reason) for name, value in observed.items()}
    first, *seeds = np.random.SeedSequence(seed).spawn(samples + 1)
    centre = randomise(links, seed=first, trades=trades, groups=groups)
    null = np.empty((samples, len(observed)))
    for place, spawned in enumerate(seeds):
        graph = randomise(centre, seed=spawned, trades=trades, groups=groups)
        values = measures(graph)
        null[place] = [values[name] for name in observed]
    return {name: _compared(value, null[:, place]) for place, (name, value) in enumerate(observed.items())}


def _compared(value: float, null: NDArray[np.float64]) -> NullComparison:
    samples = len(null)
    if not (math.isfinite(value) and np.isfinite(null).all()):
        return NullComparison(
            value=value,
            null_mean=math.nan,
            null_std=math.nan,
            z=None,
            p_greater=None,
            p_less=None,
            p=None,
            samples=samples,
            note="undefined for this graph" if not math.isfinite(value) else "undefined for a random graph",
        )
    rounding = 1e-9 * max(abs(value), float(np.abs(null).max()))
    std = float(null.std(ddof=1))
    if std <= rounding and abs(value - null.mean()) <= rounding:
        return _constant(value, samples, "all random graphs have its value")
    greater = (1 + int((null >= value - rounding).sum())) / (1 + samples)
    less = (1 + int((null <= value + rounding).sum())) / (1 + samples)
    return NullComparison(
        value=value,
        null_mean=float(null.mean()),
        null_std=std,
        z=(value - float(null.mean())) / std if std > rounding else None,
        p_greater=greater,
        p_less=less,
        p=min(1.0, 2 * min(greater, less)),
        samples=samples,
        note="" if std > rounding else "all random graphs have one value",
    )


def _constant(value: float, samples: int, note: str) -> NullComparison:
    known = math.isfinite(value)
    return NullComparison(
        value=value,
        null_mean=value if known else math.nan,
        null_std=0.0 if known else math.nan,
        z=None,
        p_greater=1.0 if known else None,
        p_less=1.0 if known else None,
        p=1.0 if known else None,
        samples=samples,
        note=note if known else "undefined for this graph",
    )
