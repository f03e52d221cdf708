"""Births and deaths of gates between snapshots, and how long gates lived."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pruning.topology.snapshot import TopologySnapshot

Cohort = Literal["born", "initial", "all"]
"""Spells that began after the first snapshot, those live in it, or both."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Spells:
    """Spells of life of all gates over snapshots 0 … T - 1, counted by when they began and ended.

    A spell begins with the first snapshot in which the gate is live and ends with the first in which it is
    not. What happens between two snapshots is not seen. A gate that dies and is reborn has two spells. Those
    of snapshot 0 may be older than that.

    Attributes
    ----------
    steps : ndarray of int64
        Optimizer step of each snapshot, shape (T,).
    ended : ndarray of int64
        Spells that began at snapshot i and ended at snapshot j, shape (T, T).
    lasting : ndarray of int64
        Spells that began at snapshot i and were still going on in the last, shape (T,).
    live : ndarray of int64
        Live gates of each snapshot, shape (T,).
    gates : int
        Gates watched.
    """

    steps: NDArray[np.int64] = field(repr=False)
    ended: NDArray[np.int64] = field(repr=False)
    lasting: NDArray[np.int64] = field(repr=False)
    live: NDArray[np.int64] = field(repr=False)
    gates: int

    @property
    def births(self) -> NDArray[np.int64]:
        """Gates that came to life from each snapshot to the next, shape (T - 1,)."""
        return np.asarray((self.ended.sum(1) + self.lasting)[1:])

    @property
    def deaths(self) -> NDArray[np.int64]:
        """Gates that fell silent from each snapshot to the next, shape (T - 1,)."""
        return np.asarray(self.ended.sum(0)[1:])

    @property
    def churn(self) -> NDArray[np.float64]:
        """Fraction of gates that changed from each snapshot to the next, shape (T - 1,)."""
        return np.asarray((self.births + self.deaths) / self.gates)

    def durations(
        self, cohort: Cohort = "born"
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
        """Optimizer steps of the spells, whether their end was seen, and how many there are of each.

        Raises
        ------
        ValueError
            If the cohort is not ``"born"``, ``"initial"`` or ``"all"``.
        """
        chosen = self._cohort(cohort)
        start, stop = np.nonzero(np.where(chosen[:, None], self.ended, 0))
        (open_start,) = np.nonzero(np.where(chosen, self.lasting, 0))
        length = np.concatenate(
            [self.steps[stop] - self.steps[start], self.steps[-1] - self.steps[open_start]]
        )
        seen = np.arange(len(length)) < len(start)
        return length, seen, np.concatenate([self.ended[start, stop], self.lasting[open_start]])

    def memoryless(
        self, cohort: Cohort = "born"
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
        """Durations as they would be if deaths struck live gates without regard to their age.

        As many die at each snapshot as did, of the live ones of the snapshot before; each cohort loses its
        share. The curve of these is the null of a lifetime curve: a curve that falls faster and then
        flattens tells that young gates die and old ones stay.

        Returns
        -------
        durations, observed, weights
            As of :meth:`durations`, with expected numbers for weights.
        """
        chosen = np.flatnonzero(self._cohort(cohort))
        hazard = np.zeros(len(self.steps))
        hazard[1:] = self.deaths / np.maximum(self.live[:-1], 1)
        lengths, seen, weights = [], [], []
        for start in chosen.tolist():
            left = float(self.ended[start].sum() + self.lasting[start])
            alive = left * np.cumprod(np.append(1.0, 1 - hazard[start + 1 :]))
            lengths.append(np.append(self.steps[start + 1 :], self.steps[-1]) - self.steps[start])
            seen.append(np.arange(len(alive)) < len(alive) - 1)
            weights.append(np.append(-np.diff(alive), alive[-1]))
        length, known, weight = (np.concatenate(part) for part in (lengths, seen, weights))
        kept = weight > 0
        return length[kept], known[kept], weight[kept]

    def _cohort(self, cohort: Cohort) -> NDArray[np.bool_]:
        if cohort not in ("born", "initial", "all"):
            raise ValueError(f"cohort must be 'born', 'initial' or 'all', got {cohort!r}")
        first = np.arange(len(self.steps)) == 0
        return np.ones_like(first) if cohort == "all" else first if cohort == "initial" else ~first


def spells(
    masks: Iterable[NDArray[np.uint8]], steps: Sequence[int], total: int, gates: slice | None = None
) -> Spells:
    """Follow every gate through the packed masks of a run.

    Parameters
    ----------
    masks : iterable of ndarray of uint8
        Of each snapshot, eight gates to a byte as by `numpy.packbits`; may be a generator, one is held at a
        time.
    steps : sequence of int
        Optimizer step of each, rising.
    total : int
        Gates in a mask.
    gates : slice, optional
        Gates to follow, such as those of one layer; by default all.

    Raises
    ------
    ValueError
        If there is no snapshot, the steps do not rise or do not match, or a mask has a wrong size.
    """
    times = np.asarray(steps, dtype=np.int64)
    if not len(times) or np.any(np.diff(times) <= 0):
        raise ValueError(f"steps must rise from snapshot to snapshot, and be of at least one, got {times}")
    start, stop, stride = (gates or slice(None)).indices(total)
    if stride != 1 or stop <= start:
        raise ValueError(f"gates must be a part of the {total} gates in a row, got {gates}")
    count = len(times)
    ended = np.zeros((count, count), dtype=np.int64)
    live = np.zeros(count, dtype=np.int64)
    alive = np.zeros(stop - start, dtype=bool)
    since = np.zeros(stop - start, dtype=np.int32)
    place = -1
    for place, packed in enumerate(masks):
        if place >= count or packed.dtype != np.uint8 or packed.shape != (-(-total // 8),):
            raise ValueError(
                f"there must be {count} masks, one a step, of {-(-total // 8)} bytes for {total} gates; "
                f"number {place + 1} has {packed.dtype} of shape {packed.shape}"
            )
        bits = np.unpackbits(packed[start // 8 :], count=stop - start // 8 * 8)[start % 8 :]
        now = bits.view(bool)
        changed = np.flatnonzero(alive != now)
        died = changed[alive[changed]]
        ended[:, place] = np.bincount(since[died], minlength=count)
        since[changed] = place
        live[place] = np.count_nonzero(now)
        alive = now
    if place + 1 != count:
        raise ValueError(f"there must be {count} masks, one a step, got {place + 1}")
    lasting = np.bincount(since[alive], minlength=count).astype(np.int64)
    return Spells(steps=times, ended=ended, lasting=lasting, live=live, gates=stop - start)


def spells_of(snapshots: Sequence[TopologySnapshot], layer: str | None = None) -> Spells:
    """Follow the gates of a run, or of one layer, through its snapshots.

    Raises
    ------
    ValueError
        If there are no snapshots, one holds no masks, their layers differ, or the layer does not exist.
    """
    if not snapshots:
        raise ValueError("lifetimes need snapshots, got none")
    layers = snapshots[0].layers
    sizes = {each.name: each.total for each in layers}
    for snapshot in snapshots:
        if snapshot.packed_masks is None:
            raise ValueError(
                f"the snapshot of step {snapshot.step} holds no masks; "
                "build the controller with keep_masks=True"
            )
        if {each.name: each.total for each in snapshot.layers} != sizes:
            raise ValueError(
                f"all snapshots must have the layers of the first, that of step {snapshot.step} not"
            )
    gates = None
    if layer is not None:
        if layer not in sizes:
            raise ValueError(f"layer must be one of {', '.join(sizes)}, got {layer!r}")
        start = sum(list(sizes.values())[: list(sizes).index(layer)])
        gates = slice(start, start + sizes[layer])
    masks = (snapshot.packed_masks for snapshot in snapshots if snapshot.packed_masks is not None)
    return spells(masks, [snapshot.step for snapshot in snapshots], snapshots[0].total, gates)
