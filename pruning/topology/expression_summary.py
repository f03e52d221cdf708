"""Expression after an update in few numbers: a histogram of every layer and a fixed sample of gates."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pruning.topology.layers import LayerTopology

BINS = 32  # of expression over [0, 1]
SAMPLE = 2000  # connections whose mRNA and protein are kept
_ROUNDING = 1e-4  # expression beyond 0 or 1 by less is rounding, and counted at the edge


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ExpressionSummary:
    """Expression of a network after an update.

    Attributes
    ----------
    histogram : ndarray of int64
        Gates of every layer by expression, shape (layers, 32): bin k counts k/32 <= p < (k+1)/32, the last
        one p = 1 too. A policy whose expression leaves [0, 1] has gates in no bin.
    live : ndarray of bool
        State of the sampled gates, shape (sample,).
    protein : ndarray of float16
        Their protein level p, in units of the fully-on level.
    mrna : ndarray of float16 or None
        Their mRNA level m, in the same units, where the policy has one.
    importance : ndarray of float32 or None
        Their importance S, in the unit of the weights, where it was known.
    """

    histogram: NDArray[np.int64] = field(repr=False)
    live: NDArray[np.bool_] = field(repr=False)
    protein: NDArray[np.float16] = field(repr=False)
    mrna: NDArray[np.float16] | None = field(repr=False, default=None)
    importance: NDArray[np.float32] | None = field(repr=False, default=None)

    def induction(self, threshold: float) -> NDArray[np.float32] | None:
        """S/K of the sampled gates, K being the snapshot's threshold; 0/0 is no induction.

        Examples
        --------
        >>> level = np.zeros(2, np.float16)
        >>> summary = ExpressionSummary(
        ...     histogram=np.zeros((1, BINS), np.int64), live=np.zeros(2, bool), protein=level,
        ...     importance=np.array([0.0, 3.0], np.float32))
        >>> summary.induction(2.0).tolist(), summary.induction(0.0).tolist()
        ([0.0, 1.5], [0.0, inf])
        """
        if self.importance is None:
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self.importance / np.float32(threshold)
        induction: NDArray[np.float32] = np.nan_to_num(ratio, nan=0.0, posinf=np.inf, neginf=0.0)
        return induction


def choose_sample(
    layers: Sequence[LayerTopology], count: int = SAMPLE, *, seed: int = 0
) -> NDArray[np.int64]:
    """Choose gates to follow through a run: at random within every layer.

    Half of the sample is shared out evenly among the layers, so that a small one is seen too, and half by
    their size.

    Parameters
    ----------
    layers : sequence of LayerTopology
        Of the network.
    count : int
        How many gates at most; of a network with fewer, all.
    seed : int
        Of the choice.

    Returns
    -------
    ndarray of int64
        Increasing places in the flat vector of all gates.
    """
    totals = np.array([layer.total for layer in layers], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(totals)])
    if starts[-1] <= count:
        return np.arange(starts[-1])
    even = np.minimum(totals, count // (2 * len(totals)))
    left, spare = totals - even, count - even.sum()
    shares = even + left * spare // left.sum()
    remainders = left * spare % left.sum()
    shares[np.argsort(-remainders, kind="stable")[: count - shares.sum()]] += 1
    random = np.random.default_rng(seed)
    chosen = [
        start + np.sort(random.choice(total, share, replace=False))
        for start, total, share in zip(starts, totals, shares, strict=False)
    ]
    return np.concatenate(chosen)


def summarise_expression(
    layers: Sequence[LayerTopology],
    sample: Tensor,
    *,
    live: Tensor,
    protein: Tensor,
    mrna: Tensor | None = None,
    importance: Tensor | None = None,
) -> ExpressionSummary:
    """Count expression layer by layer and pick out the sampled gates.

    Parameters
    ----------
    layers : sequence of LayerTopology
        Of the network, in the order of the flat vectors.
    sample : Tensor
        Places of the sampled gates, int64, on the device of the vectors.
    live, protein, mrna, importance : Tensor
        Of every gate, flat, shape (gates,).
    """

    def sampled(values: Tensor | None, dtype: torch.dtype) -> Any:
        return None if values is None else values[sample].to(dtype).cpu().numpy()

    bins = torch.floor(protein.float() * BINS)
    bins[(protein >= 1.0) & (protein <= 1.0 + _ROUNDING)] = BINS - 1
    bins[(protein < 0.0) & (protein >= -_ROUNDING)] = 0
    # What lies in no bin, NaN too, is counted in one more and left out.
    bins = torch.where((bins >= 0) & (bins < BINS), bins, float(BINS)).to(torch.uint8)
    parts = torch.split(bins, [layer.total for layer in layers])
    counts = torch.stack([torch.bincount(part, minlength=BINS + 1)[:BINS] for part in parts])
    return ExpressionSummary(
        histogram=counts.cpu().numpy(),
        live=live[sample].cpu().numpy(),
        protein=sampled(protein, torch.float16),
        mrna=sampled(mrna, torch.float16),
        importance=sampled(importance, torch.float32),
    )
