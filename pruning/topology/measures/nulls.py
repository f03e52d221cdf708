"""Random graphs that keep every unit's degrees."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pruning.topology.links import UnitLinks
from pruning.topology.measures.blocks import block_of, blocks


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
        Global trades; by default 6 + log2(links of the largest pair of columns), see :func:`default_trades`.
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
    rounds = default_trades(int(np.bincount(block).max())) if trades is None else trades
    starts = np.searchsorted(row_block, np.arange(row_block[-1] + 1))
    place = np.arange(len(rows)) - starts[row_block]
    sizes = np.bincount(row_block)
    slot = 2 * (np.cumsum(-(-sizes // 2)) - -(-sizes // 2))[row_block] + place  # two slots make a pair
    member = np.zeros(slot[-1] + 2, dtype=np.int64)
    shift = links.nodes.bit_length() + 1  # a code: pair of trading units, partner, which of the two
    bits = 62 - int(slot[-1]).bit_length()
    for _ in range(rounds):
        order = np.argsort(row_block + generator.random(len(rows)))
        member[slot] = order
        begin = np.empty(len(rows), dtype=np.int64)
        begin[order] = ((slot >> 1) << shift) | (slot & 1)
        code = begin[side] + (other << 1)
        code.sort()  # both links of a pair to one partner lie side by side
        twin = np.zeros(len(code) + 1, dtype=bool)
        np.equal(code[1:] >> 1, code[:-1] >> 1, out=twin[1:-1])
        alone = np.flatnonzero(~(twin[1:] | twin[:-1]))
        single = code[alone]
        noise = generator.integers(1 << bits, size=len(alone))
        shuffled = ((single >> shift) << (bits + 1)) | (noise << 1) | (single & 1)
        shuffled.sort()  # by pair, then at random: the sides of each pair in random order
        code[alone] = (single & ~1) | (shuffled & 1)
        other = (code >> 1) & ((1 << (shift - 1)) - 1)
        side = member[((code >> shift) << 1) | (code & 1)]
    return _rebuilt(links, rows[side], other, row_block[side], block, generator)


def default_trades(links: int) -> int:
    """Global trades after which a graph is taken as random, for so many links of its largest block.

    The two units of a trade share evenly, in the mean, whatever excess over chance either had of any partner.
    So a round halves the squared excess, which is at most one a link at the start: log2(links) rounds leave
    that of one link, and six more a sixty-fourth.
    """
    return 6 + math.ceil(math.log2(max(links, 1)))


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
