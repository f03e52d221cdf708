"""Random graphs that keep every unit's degrees, and measures held against them."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pruning.topology.links import UnitLinks
from pruning.topology.measures.blocks import block_of, blocks

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


def randomise(
    links: UnitLinks,
    *,
    seed: int | np.random.SeedSequence,
    trades: int | None = None,
    groups: Mapping[str, int] | None = None,
) -> UnitLinks:
    """Draw a random graph in which every unit keeps its degrees towards every other column.

    Each pair of columns is a matrix of 0 and 1 that is randomised with its row and column sums held, by
    global curveball trades: all units of the smaller column are paired at random, and the two of a pair
    shuffle among themselves the partners that only one of them has. All pairs trade at once. The chain is
    symmetric and reaches every matrix with these sums, so its limit is uniform over them.

    Gates and expression of the links of a pair of columns are dealt out anew among its links: their
    distribution is kept, a unit's sum of gates is not.

    Parameters
    ----------
    links : UnitLinks
        The graph.
    seed : int or numpy.random.SeedSequence
        The same seed gives the same graph.
    trades : int, optional
        Global trades; by default 10 + 2 log2(units of the largest of the smaller columns), see
        :func:`default_trades`.
    groups : mapping of str to int, optional
        Groups of the grouped convolutions by the name of their column; links then stay in their group.

    Raises
    ------
    ValueError
        If `trades` is not positive, or `groups` do not divide their column.

    References
    ----------
    Strona et al., A fast and unbiased procedure to randomize ecological binary matrices with fixed row and
    column totals, Nature Communications 5:4114 (2014). Carstens et al., Parallel and I/O-efficient
    randomisation of massive networks using global curveball trades, ESA 2018.
    """
    if trades is not None and trades < 1:
        raise ValueError(f"trades must be a positive number of global trades, got {trades}")
    block = _grouped_blocks(links, groups)
    generator = np.random.default_rng(seed)
    if not len(links):
        return links
    side, other, rows, row_block = _trading_side(links, block)
    rounds = default_trades(int(np.bincount(row_block).max())) if trades is None else trades
    starts = np.searchsorted(row_block, np.arange(row_block[-1] + 1))
    place = np.arange(len(rows)) - starts[row_block]
    sizes = np.bincount(row_block)
    slot = 2 * (np.cumsum(-(-sizes // 2)) - -(-sizes // 2))[row_block] + place  # two slots make a pair
    member = np.zeros(slot[-1] + 2, dtype=np.int64)
    width = links.nodes
    bits = 62 - int(slot[-1]).bit_length()
    for _ in range(rounds):
        order = np.argsort(row_block + generator.random(len(rows)))
        member[slot] = order
        slot_of = np.empty(len(rows), dtype=np.int64)
        slot_of[order] = slot
        code = ((slot_of >> 1) * (2 * width) + (slot_of & 1))[side] + 2 * other
        code.sort()  # both links of a pair to one partner lie side by side
        twin = np.zeros(len(code) + 1, dtype=bool)
        np.equal(code[1:] >> 1, code[:-1] >> 1, out=twin[1:-1])
        alone = np.flatnonzero(~(twin[1:] | twin[:-1]))
        pair = code[alone] // (2 * width)
        noise = generator.integers(1 << bits, size=len(alone)) << 1
        shuffled = (pair << (bits + 1)) | noise | (code[alone] & 1)
        shuffled.sort()  # by pair, then at random: the sides of each pair in random order
        code[alone] = (code[alone] & ~1) | (shuffled & 1)
        pair, other = np.divmod(code >> 1, width)
        side = member[2 * pair + (code & 1)]
    return _rebuilt(links, rows[side], other, row_block[side], block, generator)


def default_trades(units: int) -> int:
    """Global trades after which a graph is taken as random, for so many trading units.

    A trade halves what a pair has in common with its past, and 2 log2(units) rounds of random pairs let
    every unit hear of every other; ten more are a margin.
    """
    return 10 + 2 * math.ceil(math.log2(max(units, 1)))


def is_frozen(links: UnitLinks) -> bool:
    """Whether no other graph has these degrees in every pair of columns, as where columns are complete.

    A matrix of 0 and 1 is the only one with its margins if and only if its column sums are the conjugate of
    its row sums (Ryser, Combinatorial properties of matrices of zeros and ones, 1957).
    """
    for block in blocks(links):
        sums = np.bincount(block.rows, minlength=block.source.units)
        conjugate = (sums[:, None] > np.arange(block.target.units)).sum(0)
        if not np.array_equal(
            np.sort(np.bincount(block.cols, minlength=block.target.units))[::-1], conjugate
        ):
            return False
    return True


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
    named = {"": measure}
    return compare_with_null(named, links, samples=samples, seed=seed, trades=trades, groups=groups)[""]


def compare_with_null(
    measures: Mapping[str, Measure],
    links: UnitLinks,
    *,
    samples: int = 100,
    seed: int = 0,
    trades: int | None = None,
    groups: Mapping[str, int] | None = None,
) -> dict[str, NullComparison]:
    """Hold several measures against the same random graphs, see :func:`against_null`."""
    if samples < 2:
        raise ValueError(f"a null needs at least 2 samples to have a standard deviation, got {samples}")
    observed = {name: float(measure(links)) for name, measure in measures.items()}
    if is_frozen(links):
        reason = "no other graph has these degrees"
        return {name: _constant(value, samples, reason) for name, value in observed.items()}
    first, *seeds = np.random.SeedSequence(seed).spawn(samples + 1)
    centre = randomise(links, seed=first, trades=trades, groups=groups)
    null = np.empty((samples, len(observed)))
    for place, spawned in enumerate(seeds):
        graph = randomise(centre, seed=spawned, trades=trades, groups=groups)
        null[place] = [measure(graph) for measure in measures.values()]
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
        return _constant(value, samples, "the degrees alone fix it")
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


def _grouped_blocks(links: UnitLinks, groups: Mapping[str, int] | None) -> NDArray[np.int64]:
    """Number of the part of the graph in which each link may be exchanged, shape (links,)."""
    block = block_of(links)
    if not groups:
        return block
    sizes = {column.name: column for column in links.columns}
    share = np.zeros(links.nodes, dtype=np.int64)
    for name, count in groups.items():
        if name not in sizes or count < 1 or sizes[name].units % count:
            raise ValueError(
                f"groups must name columns and divide their units, got {name!r}: {count}; "
                f"columns: {', '.join(f'{column.name} ({column.units})' for column in links.columns)}"
            )
        column = sizes[name]
        units = np.arange(column.units)
        share[column.first : column.first + column.units] = units // (column.units // count)
    return block * (int(share.max(initial=0)) + 1) + share[links.target]


def _trading_side(
    links: UnitLinks, block: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """For each link its trading unit and its partner; for each trading unit its node and block.

    In each block the side with fewer linked units trades: fewer rounds then let each meet all others.
    """
    place = np.unique(block, return_inverse=True)[1].astype(np.int64)
    keys = [np.unique(place * links.nodes + ends) for ends in (links.source, links.target)]
    linked = [np.bincount(key // links.nodes, minlength=int(place.max()) + 1) for key in keys]
    by_source = (linked[0] <= linked[1])[place]
    mine = np.where(by_source, links.source, links.target)
    partner = np.where(by_source, links.target, links.source)
    units, side = np.unique(place * links.nodes + mine, return_inverse=True)
    return side.astype(np.int64), partner, units % links.nodes, units // links.nodes


def _rebuilt(
    links: UnitLinks,
    mine: NDArray[np.int64],
    partner: NDArray[np.int64],
    place: NDArray[np.int64],
    block: NDArray[np.int64],
    generator: np.random.Generator,
) -> UnitLinks:
    """The links that these pairs make, in their order, with the gates of their block dealt out."""
    source, target = np.minimum(mine, partner), np.maximum(mine, partner)  # links lead to later columns
    order = np.lexsort((source, target))
    dealt = np.empty(len(block), dtype=np.int64)
    dealt[np.argsort(place[order], kind="stable")] = np.lexsort((generator.random(len(block)), block))
    return replace(
        links,
        source=source[order],
        target=target[order],
        gates=links.gates[dealt],
        expression=None if links.expression is None else links.expression[dealt],
    )
