"""The connections whose expression the tuning page shows: a layer as training leaves it, made from a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from grn import ConnectionBlock, ExpressionState

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Array = NDArray[np.float64]

UNIT_SPREAD = 0.35  # standard deviation of the log of a unit's scale
TYPICAL = {"low": 0.1, "median": 0.5, "high": 0.99}  # quantiles of the importance


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Connections:
    """Importance of the connections of one layer, held, and the order in which a first mask takes them.

    Importance is |w| of ``w = z · row · column``: z standard normal, and each output and input unit with a
    log-normal scale of spread 0.35. The weights then have heavier tails than a normal law (kurtosis about
    8), and strong and weak units, as those of trained layers.

    Attributes
    ----------
    importance : Tensor
        S, shape (genes,), float32, row-major over ``block``.
    ascending : ndarray
        S in ascending order, for quantiles and counts.
    rank : Tensor
        A random permutation of 0 to genes − 1: the mask before the first update holds the lowest.
    ascending_rank : ndarray
        The same in the order of ``ascending``.
    block : ConnectionBlock
        The layer: as near to square as the number of connections allows.
    """

    importance: Tensor
    ascending: Array
    rank: Tensor
    ascending_rank: NDArray[np.int64]
    block: ConnectionBlock

    @classmethod
    def made(cls, genes: int, seed: int) -> Connections:
        """Make a layer.

        Raises
        ------
        ValueError
            If there are fewer than 100 genes or more than 2,000,000.

        Examples
        --------
        >>> layer = Connections.made(1000, seed=0)
        >>> layer.block.outputs, layer.block.inputs, layer.importance.shape
        (25, 40, torch.Size([1000]))
        """
        if not 100 <= genes <= 2_000_000:
            raise ValueError(f"genes must be from 100 to 2,000,000, got {genes}")
        outputs = max(k for k in range(1, math.isqrt(genes) + 1) if genes % k == 0)
        block = ConnectionBlock(outputs=outputs, inputs=genes // outputs)
        draw = np.random.default_rng(seed)
        rows = np.exp(UNIT_SPREAD * draw.standard_normal((outputs, 1)))
        columns = np.exp(UNIT_SPREAD * draw.standard_normal((1, block.inputs)))
        weights = draw.standard_normal((outputs, block.inputs)) * rows * columns
        importance = torch.from_numpy(np.abs(weights).ravel()).float()
        order = np.argsort(importance.numpy())
        rank = draw.permutation(genes)
        return cls(
            importance=importance,
            ascending=importance.numpy().astype(np.float64)[order],
            rank=torch.from_numpy(rank),
            ascending_rank=rank[order],
            block=block,
        )

    @property
    def genes(self) -> int:
        """Number of connections."""
        return self.importance.numel()

    def kept(self, density: float) -> int:
        """Connections that the budget holds at a density: the nearest whole number, one at least."""
        return min(self.genes, max(1, round(density * self.genes)))

    def threshold(self, density: float, multiple: float) -> float:
        """K: ``multiple`` of the importance of the least important connection that the budget holds."""
        return multiple * float(self.ascending[-self.kept(density)])

    def typical(self, density: float) -> dict[str, float]:
        """Importance of typical connections by what they are; one stands at the budget's edge."""
        quantiles = np.quantile(self.ascending, list(TYPICAL.values()))
        low, median, high = (float(value) for value in quantiles)
        edge = float(self.ascending[-self.kept(density)])
        return {"low": low, "median": median, "edge": edge, "high": high}

    def live_at_start(self, density: float) -> Tensor:
        """Mask before the first update: as many connections as the budget holds, chosen at random.

        Nested: the mask of a lower density lies within that of a higher one.
        """
        return self.rank < self.kept(density)

    def live_ascending(self, density: float) -> NDArray[np.bool_]:
        """Give that mask in the order of ``ascending``."""
        return self.ascending_rank < self.kept(density)

    def start(self, density: float) -> ExpressionState:
        """State before the first update: live connections are fully expressed, silent ones are not."""
        expressed = self.live_at_start(density).float()
        return ExpressionState(expressed, expressed.clone())
