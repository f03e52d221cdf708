"""The step fused for the CPU by numba: genes innermost, in blocks that stay in cache for the whole interval.

The power is a chain of multiplications for an integer n up to 15 and an exponential of a logarithm
otherwise, both without branches, so that the compiler vectorises the loop over genes. Threads take ranges of
genes (or of layers, where genes cooperate); they are Python threads over compiled code that holds no lock,
not an OpenMP team, so nothing spins between calls and forked workers are safe. Compiled code is cached on
disk in the package.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from grn.kernels.compiled import BLOCK, LARGEST_POWER, coupled, separable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from grn.kernels.exponential import StepWeights
    from grn.kinetics import Kinetics
    from grn.regulation import ConnectionBlock, Cooperation, Homeostasis

    Array = NDArray[Any]

GENES_PER_THREAD = 50_000  # below this a second thread costs more than it saves


def advance_numba(
    tensors: tuple[Tensor, ...],
    induction: Tensor,
    *,
    weights: StepWeights,
    steps: int,
    step: float,
    kinetics: Kinetics,
    autoactivation: float,
    cooperation: Cooperation | None,
    homeostasis: Homeostasis | None,
) -> tuple[Tensor, ...]:
    """Carry (m, p[, log K]) through ``steps`` steps of ``step`` hours; inputs are left alone."""
    dtype = tensors[0].dtype
    kind = np.float32 if dtype == torch.float32 else np.float64
    m, p = (t.detach().clone(memory_format=torch.contiguous_format) for t in tensors[:2])
    q = induction.detach().contiguous()
    c = 0.0 if cooperation is None else float(cooperation.strength)
    table = _table(weights, autoactivation, c, kinetics.basal, kind)
    n = _exponent(float(kinetics.hill_coefficient))
    flat = [t.view(-1).numpy() for t in (m, p, q)]
    genes = m.numel()
    if homeostasis is not None:
        drift = homeostasis.rate * step
        control = np.array([drift, homeostasis.target, homeostasis.level, homeostasis.width])
        theta = np.array([float(tensors[2])])
        layout = _layout(cooperation.blocks if cooperation is not None and c else (), genes)
        coupled(flat[0], flat[1], flat[2], table, n, steps, layout, control, theta)
        return m, p, torch.tensor(theta[0], dtype=dtype)
    if cooperation is not None and c:
        none = np.zeros(0)
        tasks = [
            (*(part[start:stop] for part in flat), table, n, steps, layout, none, none)
            for start, stop, layout in _layer_ranges(cooperation.blocks)
        ]
        _in_threads(coupled, tasks, genes)
        return m, p
    edges = _edges(genes)
    tasks = [(*(part[i:j] for part in flat), table, n, steps) for i, j in pairwise(edges)]
    _in_threads(separable, tasks, genes)
    return m, p


def _exponent(n: float) -> int | float:
    return int(n) if n.is_integer() and n <= LARGEST_POWER else n


def _table(weights: StepWeights, a: float, c: float, basal: float, kind: type) -> Array:
    quarter, half, full = weights.quarter, weights.half, weights.full
    numbers = [
        1.0,
        a,
        0.5 * c,
        1.0 / (1.0 + 0.5 * (a + c)),
        basal,
        1.0 - basal,
        *(half.protein_kept, half.translated, half.protein_made),
        *(full.protein_kept, full.translated, full.protein_made),
        full.mrna_kept,
        *weights.mrna,
        *weights.protein,
        *(quarter.protein_kept, quarter.translated, quarter.protein_made),
    ]
    return np.array(numbers, dtype=kind)


def _threads(genes: int) -> int:
    return max(1, min(torch.get_num_threads(), genes // GENES_PER_THREAD))


def _edges(genes: int) -> list[int]:
    threads = _threads(genes)
    blocks = -(-genes // BLOCK)
    return [min(genes, BLOCK * (blocks * k // threads)) for k in range(threads)] + [genes]


def _in_threads(function: Callable[..., None], tasks: list[tuple[Any, ...]], genes: int) -> None:
    threads = min(_threads(genes), len(tasks))
    if threads <= 1:
        for task in tasks:
            function(*task)
        return
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(function, *task) for task in tasks]:
            future.result()


def _layout(blocks: tuple[ConnectionBlock, ...] | Any, genes: int) -> Array:
    """(blocks, 4) integers, one row a layer; without cooperation one row of all genes."""
    rows = [block.shape for block in blocks] or [(1, 1, genes, 1)]
    return np.array(rows, dtype=np.int64)


def _layer_ranges(blocks: Any) -> list[tuple[int, int, Array]]:
    """Whole layers, small ones together, as (start, stop, layout): layers do not act on each other."""
    ranges: list[tuple[int, int, Array]] = []
    start = stop = 0
    waiting: list[ConnectionBlock] = []
    for block in blocks:
        waiting.append(block)
        stop += block.size
        if stop - start >= GENES_PER_THREAD:
            ranges.append((start, stop, _layout(waiting, 0)))
            start, waiting = stop, []
    if waiting:
        ranges.append((start, stop, _layout(waiting, 0)))
    return ranges
