"""Labels of a tensor's elements: the units of one source that each carries, directly or in a mixture."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


class UnitSets:
    """Sets of one source's units, numbered: 0 is none, unit u alone is u + 1, others follow as they occur."""

    def __init__(self, units: int) -> None:
        self.members: list[frozenset[int]] = [frozenset(), *(frozenset({unit}) for unit in range(units))]
        self._number = {members: number for number, members in enumerate(self.members)}

    def number(self, members: frozenset[int]) -> int:
        """Number of a set, a new one where it is new."""
        if members not in self._number:
            self._number[members] = len(self.members)
            self.members.append(members)
        return self._number[members]

    def union_of_rows(self, rows: Tensor) -> Tensor:
        """Number of the union of the sets in each row, shape (rows,) for numbers of shape (rows, columns)."""
        if not len(rows):
            return rows.new_zeros(0)
        # Rows repeat: they are told apart by a random linear hash in wrapping 64-bit integers.
        generator = torch.Generator().manual_seed(0)
        factors = torch.randint(-(2**62), 2**62, (rows.shape[1],), generator=generator).to(rows.device)
        hashes = (rows.long() * factors).sum(1)
        kinds, place = torch.unique(hashes, return_inverse=True)
        example = torch.zeros(len(kinds), dtype=torch.long, device=rows.device)
        example[place] = torch.arange(len(rows), device=rows.device)
        numbers = [self._union(torch.unique(rows[row]).long().tolist()) for row in example.tolist()]
        return torch.tensor(numbers, dtype=rows.dtype, device=rows.device)[place]

    def _union(self, numbers: Iterable[int]) -> int:
        return self.number(frozenset().union(*(self.members[number] for number in numbers)))


@dataclass(frozen=True, slots=True, eq=False)
class Carry:
    """What the elements of one tensor carry of one source.

    Attributes
    ----------
    sets : UnitSets
        The source's.
    direct : Tensor of float64
        For every element the number of the set of units that it carries one by one: copied, moved, scaled,
        passed through a function of its own, or added up with units of its like. Float, because not every
        operation that moves elements knows integers.
    mixed : Tensor of float64 or None
        For every element the number of the set of units that it depends on through a sum, a product of
        matrices or a statistic over several units.
    """

    sets: UnitSets
    direct: Tensor
    mixed: Tensor | None = None

    def moved(self, move: Callable[[Tensor], Tensor]) -> Carry:
        """Labels after an operation that moves elements, puts 0 in new places or drops some."""
        return Carry(self.sets, move(self.direct), None if self.mixed is None else move(self.mixed))

    def expanded(self, shape: Sequence[int]) -> Carry:
        """Labels broadcast to a shape."""
        if tuple(shape) == tuple(self.direct.shape):
            return self
        return self.moved(lambda labels: labels.expand(*shape))

    def joined(self, other: Carry) -> Carry:
        """Labels of an element-by-element function of two tensors of one shape."""
        mixed = other.mixed if self.mixed is None else self.mixed
        if self.mixed is not None and other.mixed is not None:
            mixed = self._union(self.mixed, other.mixed)
        return Carry(self.sets, self._union(self.direct, other.direct), mixed)

    def reduced(self, dims: Sequence[int]) -> Carry:
        """Labels after a reduction that keeps the dimensions, with size 1.

        A unit that all reduced elements carry is carried directly, and elements that carry nothing do not
        count; different units become a mixture.
        """
        kept = [dim for dim in range(self.direct.dim()) if dim not in {d % self.direct.dim() for d in dims}]
        shape = [size if dim in kept else 1 for dim, size in enumerate(self.direct.shape)]
        count = math.prod(self.direct.shape[dim] for dim in kept)
        last = [dim for dim in range(self.direct.dim()) if dim not in kept]

        def rows(labels: Tensor) -> Tensor:
            return labels.permute(*kept, *last).reshape(count, -1)

        direct, mixed = self._reduced_rows(rows(self.direct))
        if self.mixed is not None:
            same, several = self._reduced_rows(rows(self.mixed))
            mixed = self._union(mixed, same + several)  # of the two one is 0
        return Carry(self.sets, direct.reshape(shape), mixed.reshape(shape) if bool(mixed.any()) else None)

    def normalised(self, dims: Sequence[int]) -> Carry:
        """Labels after a normalisation: each element goes on, and what it is divided by is a mixture."""
        mixture = self.reduced(dims).mixed
        return self if mixture is None else self.joined(self._mixture(mixture.expand_as(self.direct)))

    def _mixture(self, mixed: Tensor) -> Carry:
        return Carry(self.sets, torch.zeros_like(mixed), mixed)

    def _reduced_rows(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Label of rows that carry one set or none, else 0; union of the other rows, else 0."""
        if not rows.shape[1]:
            return rows.new_zeros(len(rows)), rows.new_zeros(len(rows))
        high = rows.amax(1)
        low = torch.where(rows == 0, torch.inf, rows).amin(1)
        several = (high != low) & (high != 0)
        union = torch.zeros_like(high)
        union[several] = self.sets.union_of_rows(rows[several])
        return torch.where(several, 0.0, high), union

    def _union(self, first: Tensor, second: Tensor) -> Tensor:
        if first is second:
            return first
        both = torch.where(first == 0, second, first)
        clash = (first != second) & (first != 0) & (second != 0)
        if bool(clash.any()):
            both[clash] = self.sets.union_of_rows(torch.stack([first[clash], second[clash]], 1))
        return both


Carried = dict[str, Carry]
"""What a tensor carries, by the name of the source."""


def leaf(shape: Sequence[int], dim: int, device: torch.device) -> Carry:
    """Labels of a source's own output: an element carries the unit that is its index along a dimension."""
    units = shape[dim]
    place = [1] * len(shape)
    place[dim] = units
    labels = torch.arange(1, units + 1, dtype=torch.float64, device=device).reshape(place).expand(*shape)
    return Carry(UnitSets(units), labels)


def joined(parts: Iterable[Carried]) -> Carried:
    """What an element-by-element function of tensors of one shape carries."""
    result: Carried = {}
    for part in parts:
        for source, carry in part.items():
            result[source] = result[source].joined(carry) if source in result else carry
    return result
