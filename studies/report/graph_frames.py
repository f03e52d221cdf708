"""What an animation of the graph draws at each update: which units, which links, births and deaths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pruning.topology import UnitLinks

Nodes = NDArray[np.int64]


def even_choice(count: int, most: int) -> Nodes:
    """Up to ``most`` of ``count`` places, evenly spread, the first and the last among them.

    Of ``most`` = 1 the last alone.

    Examples
    --------
    >>> even_choice(10, 4).tolist(), even_choice(3, 9).tolist(), even_choice(5, 1).tolist()
    ([0, 3, 6, 9], [0, 1, 2], [4])
    """
    if most == 1:
        return np.array([count - 1])
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))


def check_series(links: Sequence[UnitLinks]) -> None:
    """Refuse snapshots that are not of one network at rising steps.

    Raises
    ------
    ValueError
        If there is none, the network has no unit, columns differ or steps do not rise.
    """
    if not links:
        raise ValueError(
            "a picture over training needs at least one snapshot, got none: train with a PruningController"
        )
    if links[0].nodes == 0:
        raise ValueError("the graph must have at least one unit, got an empty one")
    for before, after in pairwise(links):
        if before.columns != after.columns:
            raise ValueError(
                f"all snapshots must be of one network, got other columns at steps {before.step} "
                f"and {after.step}"
            )
        if before.step >= after.step:
            raise ValueError(
                f"steps must rise from one snapshot to the next, got {before.step}, {after.step}"
            )


def frame_names(links: Sequence[UnitLinks]) -> tuple[str, list[str]]:
    """Name frames by epoch where each has its own, else by step; with what to write before the name.

    Examples
    --------
    >>> def at(step, epoch):
    ...     none = np.empty(0, int)
    ...     return UnitLinks(columns=(), source=none, target=none, gates=none, step=step, epoch=epoch)
    >>> frame_names([at(50, 1), at(100, 2)]), frame_names([at(50, 1), at(100, 1)])
    (('after epoch ', ['1', '2']), ('after step ', ['50', '100']))
    """
    epochs = [snapshot.epoch for snapshot in links]
    if len(epochs) > 1 and all(a < b for a, b in pairwise(epochs)):
        return "after epoch ", [str(epoch) for epoch in epochs]
    return "after step ", [str(snapshot.step) for snapshot in links]


def choose_units(links: UnitLinks, maximum_units: int, shown: Sequence[Nodes] | None = None) -> list[Nodes]:
    """Node numbers to draw of each column: those with most links, ties by number, in their order."""
    degree = np.bincount(np.concatenate([links.source, links.target]), minlength=links.nodes)
    chosen = []
    for place, column in enumerate(links.columns):
        own = np.arange(column.first, column.first + column.units) if shown is None else shown[place]
        chosen.append(np.sort(own[np.argsort(-degree[own], kind="stable")[:maximum_units]]))
    return chosen


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FrameLinks:
    """Links drawn at one update, as pairs of nodes, shape (2, links).

    Attributes
    ----------
    kept : list of ndarray
        Live now and in the frame before, a band of strength each, the weakest first.
    born, died : ndarray
        That have come, and that have gone, since the frame before.
    told : ndarray of int64, shape (nodes, 5)
        Of every unit its live links in and out, those born and died, drawn or not, and the mean expression of
        the live ones in percent, -1 where unknown.
    """

    kept: list[Nodes]
    born: Nodes
    died: Nodes
    told: Nodes

    @property
    def live(self) -> int:
        """Links drawn that are live."""
        return int(sum(pairs.shape[1] for pairs in (*self.kept, self.born)))


def frame_links(
    chosen: Sequence[UnitLinks], units: Sequence[Nodes], maximum_links: int, bands: int
) -> tuple[list[FrameLinks], float]:
    """Links of every frame, and the share drawn of those that do not last.

    Parameters
    ----------
    chosen : sequence of UnitLinks
        The frames.
    units : sequence of ndarray
        Node numbers drawn, a column each.
    maximum_links : int
        Of any one frame.
    bands : int
        Of strength: expression, or live gates as a share of the most that lead to the same column.
    """
    nodes = chosen[0].nodes
    inside = np.zeros(nodes, bool)
    inside[np.concatenate(units)] = True
    column = chosen[0].column_of()
    most = np.ones(len(chosen[0].columns))  # gates of one link, by the column that it leads to
    for links in chosen:
        np.maximum.at(most, column[links.target], links.gates)
    keys, strengths = [], []
    for links in chosen:
        own = inside[links.source] & inside[links.target]
        keys.append(links.source[own] * nodes + links.target[own])
        if links.expression is None:
            strengths.append((links.gates / most[column[links.target]])[own])
        else:
            strengths.append(np.asarray(links.expression, float).clip(0, 1)[own])
    share = _thin(keys, strengths, maximum_links)
    frames = []
    for place, (links, key, strength) in enumerate(zip(chosen, keys, strengths, strict=True)):
        before = keys[place - 1] if place else key
        new = ~np.isin(key, before)
        band = np.minimum((strength * bands).astype(int), bands - 1)
        frames.append(
            FrameLinks(
                kept=[_pairs(key[~new & (band == k)], nodes) for k in range(bands)],
                born=_pairs(key[new], nodes),
                died=_pairs(before[~np.isin(before, key)], nodes),
                told=_told(links, chosen[place - 1] if place else links),
            )
        )
    return frames, share


def _thin(keys: list[Nodes], strengths: list[NDArray[np.float64]], most: int) -> float:
    """Leave no frame more than ``most`` links, those of the last frame before others; return their share."""
    last = keys[-1]
    if len(last) >= most:  # too many even at the end: an even share of all
        last = last[:0]
    every = np.setdiff1d(np.concatenate(keys), last)
    rank = np.random.default_rng(0).permutation(len(every))
    ranks = []  # of each frame's links; those that last come first
    for key in keys:
        own = np.full(len(key), -1)
        others = ~np.isin(key, last)
        own[others] = rank[np.searchsorted(every, key[others])]
        ranks.append(own)
    least = min((int(np.sort(own)[most]) for own in ranks if len(own) > most), default=len(every))
    for place, own in enumerate(ranks):
        drawn = own < least
        keys[place], strengths[place] = keys[place][drawn], strengths[place][drawn]
    return least / len(every) if len(every) else 1.0


def _pairs(keys: Nodes, nodes: int) -> Nodes:
    return np.stack([keys // nodes, keys % nodes])


def _told(links: UnitLinks, before: UnitLinks) -> Nodes:
    """What the pointer tells of every node: all its links, drawn or not."""
    n = links.nodes
    key, old = links.source * n + links.target, before.source * n + before.target
    born, died = ~np.isin(key, old), ~np.isin(old, key)

    def count(*ends: Nodes) -> Nodes:
        found: Nodes = np.bincount(np.concatenate(ends), minlength=n)
        return found

    into, out = count(links.target), count(links.source)
    mean = np.full(n, -1.0)
    if links.expression is not None:
        level = np.asarray(links.expression, float)
        total = np.bincount(links.source, level, n) + np.bincount(links.target, level, n)
        np.divide(100 * total, into + out, out=mean, where=into + out > 0)
    fresh = count(links.source[born], links.target[born])
    gone = count(before.source[died], before.target[died])
    return np.stack([into, out, fresh, gone, mean.round().astype(np.int64)], 1)
