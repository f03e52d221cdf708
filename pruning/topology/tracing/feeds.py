"""From what the inputs of a layer carry to its feeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from pruning.topology.tracing.carry import Carry, UnitSets
from pruning.topology.wiring import Feed

Mixtures = Literal["spread", "all"]
Sets = list[frozenset[int]]


class ReadUnits:
    """What the inputs of one layer carry of one source: sets of units, direct and mixed."""

    def __init__(self, direct: Sets, mixed: Sets) -> None:
        self.direct = direct
        self.mixed = mixed

    def pairs(self) -> list[tuple[frozenset[int], frozenset[int]]]:
        """Direct and mixed sets of every input."""
        return list(zip(self.direct, self.mixed, strict=True))

    def joined(self, other: ReadUnits) -> ReadUnits:
        """Of two calls of the layer."""
        return ReadUnits(
            [a | b for a, b in zip(self.direct, other.direct, strict=True)],
            [a | b for a, b in zip(self.mixed, other.mixed, strict=True)],
        )


def feeds(source: str, read: ReadUnits, mixtures: Mixtures) -> Iterator[Feed]:
    """Feeds for the direct units, then those for mixtures."""
    yield from _listed(source, [sorted(units) for units in read.direct])
    if mixtures == "all":
        yield from _listed(source, [sorted(mixed - direct) for direct, mixed in read.pairs()])
        return
    known = frozenset().union(*read.direct)
    sharing: dict[frozenset[int], list[int]] = {}
    for place, mixed in enumerate(read.mixed):
        if mixed - known:
            sharing.setdefault(mixed - known, []).append(place)
    spread: list[list[int]] = [[] for _ in read.mixed]
    for units, places in sharing.items():
        ordered = sorted(units)
        for index in range(max(len(ordered), len(places))):
            spread[places[index % len(places)]].append(ordered[index % len(ordered)])
    yield from _listed(source, spread)


def _listed(source: str, units: Sequence[Sequence[int]]) -> Iterator[Feed]:
    """As many feeds as the longest list of units has members."""
    for index in range(max(map(len, units), default=0)):
        column = [own[index] if index < len(own) else -1 for own in units]
        yield Feed(source=source, units=np.array(column, dtype=np.int64))


def read_units(carry: Carry, dim: int) -> ReadUnits:
    """Sets of units along the dimension of a layer's inputs, over all samples and places."""
    rest = [place for place in range(carry.direct.dim()) if place != dim % carry.direct.dim()]
    reduced = carry.reduced(rest) if rest else carry
    mixed = torch.zeros_like(reduced.direct) if reduced.mixed is None else reduced.mixed
    return ReadUnits(_members(carry.sets, reduced.direct), _members(carry.sets, mixed))


def _members(sets: UnitSets, labels: Tensor) -> Sets:
    return [sets.members[int(number)] for number in labels.flatten().tolist()]


def join_input_dims(read: Mapping[str, dict[str, ReadUnits]], sizes: Mapping[str, Sequence[int]]) -> None:
    """Replace what is carried of each dimension of an input by what is carried of its units, in place.

    Its units are the indices along those dimensions that every layer reading it tells apart; along the
    first, the channels, where there is none.
    """
    for name, shape in sizes.items():
        dims = {f"{name}\n{dim}": shape[dim] for dim in range(1, len(shape))}
        readers = [own for own in read.values() if any(part in own for part in dims)]
        told = [
            part
            for part in dims
            if all(
                part in own and all(one or not other for one, other in own[part].pairs()) for own in readers
            )
        ] or list(dims)[:1]
        for own in readers:
            parts = [own[part] for part in told if part in own]
            own[name] = _crossed(parts, [dims[part] for part in told])
            for part in dims:
                own.pop(part, None)


def _crossed(parts: Sequence[ReadUnits], sizes: Sequence[int]) -> ReadUnits:
    """Units as combinations of the indices along several dimensions."""

    def combined(sets: Iterable[frozenset[int]]) -> frozenset[int]:
        return frozenset(int(np.ravel_multi_index(place, sizes)) for place in product(*sets))

    direct = [combined(own) for own in zip(*(part.direct for part in parts), strict=True)]
    mixed: Sets = []
    for own in zip(*(part.pairs() for part in parts), strict=True):
        mixes = any(other for _, other in own)
        mixed.append(combined(one | other for one, other in own) if mixes else frozenset())
    return ReadUnits(direct, mixed)
