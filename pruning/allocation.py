"""How a budget of live connections is shared among layers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from pruning.gates import Gates
from pruning.selection import top_k_mask

Allocation = Literal["global", "uniform", "erk"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """Exact number of live gates, and the layers it binds.

    Attributes
    ----------
    live : int
        Live gates over all layers.
    offsets : tuple of int
        Layer boundaries in the flat vector, ``len(layers) + 1`` of them.
    counts : tuple of int or None
        Live gates of each layer, or None where all layers compete for one pool.
    floors : tuple of int
        Least live gates of each layer: the guard against layer collapse.
    """

    live: int
    offsets: tuple[int, ...]
    counts: tuple[int, ...] | None
    floors: tuple[int, ...]

    def select(self, score: Tensor, prefer: Tensor | None = None) -> Tensor:
        """Mask of the highest scores that fills the budget exactly.

        Parameters
        ----------
        score : Tensor
            Scores without NaN, shape (gates,); ``inf`` is always chosen first, ``-inf`` last.
        prefer : Tensor, optional
            Boolean, shape (gates,): wins ties, as incumbents should.

        Returns
        -------
        Tensor
            Boolean mask, shape (gates,).
        """
        spans = [slice(start, stop) for start, stop in zip(self.offsets[:-1], self.offsets[1:], strict=True)]
        if self.counts is not None:
            return torch.cat(
                [
                    top_k_mask(score[span], count, None if prefer is None else prefer[span])
                    for span, count in zip(spans, self.counts, strict=True)
                ]
            )
        mask = top_k_mask(score, self.live, prefer)
        live = torch.stack([mask[span].count_nonzero() for span in spans]).tolist()
        if all(count >= floor for count, floor in zip(live, self.floors, strict=True)):
            return mask
        protected = torch.cat(
            [
                top_k_mask(score[span], floor, None if prefer is None else prefer[span])
                for span, floor in zip(spans, self.floors, strict=True)
            ]
        )
        rest = score.masked_fill(protected, -math.inf)
        return protected | top_k_mask_outside(rest, self.live - sum(self.floors), protected, prefer)

    def with_floors(self, mask: Tensor, score: Tensor) -> Tensor:
        """Add the highest scores of any layer that ``mask`` leaves below its floor."""
        filled = []
        for start, stop, floor in zip(self.offsets[:-1], self.offsets[1:], self.floors, strict=True):
            own = mask[start:stop]
            filled.append(own | top_k_mask(score[start:stop].masked_fill(own, math.inf), floor))
        return torch.cat(filled)

    def scaled(self, fraction: float) -> "Budget":
        """The same budget with ``fraction`` of its live gates, floors respected."""
        if self.counts is not None:
            counts = tuple(
                max(floor, round(count * fraction))
                for count, floor in zip(self.counts, self.floors, strict=True)
            )
            return Budget(live=sum(counts), offsets=self.offsets, counts=counts, floors=self.floors)
        live = max(sum(self.floors), round(self.live * fraction))
        return Budget(live=live, offsets=self.offsets, counts=None, floors=self.floors)


def top_k_mask_outside(score: Tensor, count: int, taken: Tensor, prefer: Tensor | None) -> Tensor:
    """Mark exactly ``count`` of the highest scores that are not ``taken``."""
    free = (~taken).nonzero().squeeze(1)
    mask = torch.zeros_like(taken)
    mask[free] = top_k_mask(score[free], count, None if prefer is None else prefer[free])
    return mask


def _spread(
    total: int, shares: Callable[[float], Sequence[float]], least: Sequence[int], most: Sequence[int]
) -> tuple[int, ...]:
    """Integers between ``least`` and ``most`` that sum to ``total``, rounded from shares.

    ``shares(density)`` gives the real-valued shares, none of which falls as density rises. The density is
    found by bisection; layers that round up at the same density are served in order. So no layer gains
    a gate when ``total`` falls, which largest-remainder rounding would not promise.
    """

    def rounded(density: float) -> list[int]:
        return [
            min(high, max(low, math.floor(share + 0.5)))
            for share, low, high in zip(shares(density), least, most, strict=True)
        ]

    low, high = 0.0, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(rounded(middle)) < total else (low, middle)
    counts, above = rounded(low), rounded(high)
    for index, ceiling in enumerate(above):
        counts[index] += min(ceiling - counts[index], total - sum(counts))
    return tuple(counts)


def erdos_renyi_kernel_densities(shapes: Sequence[Sequence[int]], density: float) -> list[float]:
    """Layer densities of the Erdős–Rényi-kernel rule: proportional to the sum over the product of the shape.

    Layers that would exceed density 1 stay dense and the others share what is left.

    Parameters
    ----------
    shapes : sequence of sequence of int
        Weight shapes (outputs, inputs, *kernel).
    density : float
        Overall fraction of live weights, in (0, 1].

    Returns
    -------
    list of float
        One density a layer.

    References
    ----------
    Evci et al., *Rigging the Lottery*, ICML 2020, arXiv:1911.11134.

    Examples
    --------
    >>> [round(value, 3) for value in erdos_renyi_kernel_densities([(300, 64), (100, 300), (10, 100)], 0.1)]
    [0.109, 0.077, 0.632]
    """
    sizes = [math.prod(shape) for shape in shapes]
    ratios = [sum(shape) / size for shape, size in zip(shapes, sizes, strict=True)]
    dense: set[int] = set()
    while len(dense) < len(shapes):
        rest = [index for index in range(len(shapes)) if index not in dense]
        left = density * sum(sizes) - sum(sizes[index] for index in dense)
        scale = left / sum(ratios[index] * sizes[index] for index in rest)
        over = {index for index in rest if scale * ratios[index] > 1.0}
        if not over:
            return [1.0 if index in dense else scale * ratios[index] for index in range(len(shapes))]
        dense |= over
    return [1.0] * len(shapes)


def make_budget(
    gates: Gates, sparsity: float, allocation: Allocation = "global", minimum_layer_density: float = 0.0
) -> Budget:
    """Share the live gates that ``sparsity`` leaves among the layers.

    Parameters
    ----------
    gates : Gates
        The network's gates.
    sparsity : float
        Fraction to silence, in [0, 1).
    allocation : {"global", "uniform", "erk"}
        One pool for all layers; the same density in each; or the Erdős–Rényi-kernel rule.
    minimum_layer_density : float
        No layer falls below this density, rounded down to whole gates, nor below one live gate.

    Returns
    -------
    Budget
        Live gates round to the nearest integer of ``(1 - sparsity) * gates.total``.

    Raises
    ------
    ValueError
        If a fraction is out of range, the floors alone exceed the budget, or ``"erk"`` meets unit gates.

    Examples
    --------
    >>> from torch import nn
    >>> gates = Gates(nn.Sequential(nn.Linear(64, 300), nn.Linear(300, 100), nn.Linear(100, 10)))
    >>> make_budget(gates, 0.9, "uniform").counts
    (1920, 3000, 100)
    >>> make_budget(gates, 0.9, "erk").counts
    (2091, 2297, 632)
    """
    if allocation not in get_args(Allocation):
        raise ValueError(f"allocation must be one of {', '.join(get_args(Allocation))}, got {allocation!r}")
    if not 0.0 <= sparsity < 1.0:
        raise ValueError(f"sparsity must lie in [0, 1), the fraction of silenced connections, got {sparsity}")
    if not 0.0 <= minimum_layer_density <= 1.0:
        raise ValueError(f"minimum_layer_density must lie in [0, 1], got {minimum_layer_density}")
    if allocation == "erk" and gates.granularity == "unit":
        raise ValueError(
            "erk shares weights or connections, not units; choose uniform or global for unit gates"
        )
    live = round((1.0 - sparsity) * gates.total)
    floors = tuple(max(1, math.floor(minimum_layer_density * size + 1e-9)) for size in gates.sizes)
    if sum(floors) > live:
        raise ValueError(
            f"sparsity {sparsity} leaves {live} live gates, fewer than the {sum(floors)} that "
            f"minimum_layer_density={minimum_layer_density} keeps; lower the density to "
            f"{live / gates.total:.2g} or less, or the sparsity"
        )
    counts = None
    if allocation != "global":
        shapes = [layer.weight.shape for layer in gates.layers]

        def shares(density: float) -> list[float]:
            if allocation == "uniform" or density == 0.0:
                return [density * size for size in gates.sizes]
            densities = erdos_renyi_kernel_densities(shapes, density)
            return [share * size for share, size in zip(densities, gates.sizes, strict=True)]

        counts = _spread(live, shares, floors, gates.sizes)
    return Budget(live=live, offsets=gates.offsets, counts=counts, floors=floors)
