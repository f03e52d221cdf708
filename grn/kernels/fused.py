"""The step fused for the CPU by numba: what the compiled loops of `separable` and `coupled` are handed.

Threads take blocks of genes, or pieces of layers where genes cooperate; they are Python threads over
compiled code that holds no lock, not an OpenMP team, so nothing spins between calls and forked workers are
safe. Compiled code is cached on disk in the package.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from grn.kernels import coupled, hill, separable
from grn.kernels.chunks import run_in_chunks
from grn.kernels.exponential import StepWeights, middle_weights, step_weights
from grn.kernels.refine import Carried, unresolved
from grn.kernels.steps import MOST_STEPS

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from grn.kernels.carry import Interval
    from grn.kinetics import Kinetics
    from grn.regulation import ConnectionBlock

    Array = NDArray[Any]

STEPS_PER_THREAD = 50_000  # of all genes; below, a second thread costs more than it saves
PIECE = 65_536  # genes of a layer that one thread takes at a time
ROW = 1_024  # genes of a row where genes share nothing but a threshold
FIRST_CHUNK = 256  # blocks of the first range that a thread takes


class BadValueError(Exception):
    """A state is not finite, or an induction negative or NaN; the caller finds out which."""


def carry_separable(
    m: Tensor, p: Tensor, induction: Tensor, interval: Interval, into: tuple[Tensor, ...] | None
) -> Carried:
    """Carry genes that do not act on each other; bfloat16 is computed in float32, the induction's dtype.

    The result is written to ``into``, contiguous tensors which may be m and p themselves, where given.

    Raises
    ------
    BadValueError
        If a value is not one to compute with.
    ValueError
        If a gene needs more than `MOST_STEPS` steps.
    """
    steps, tolerance = interval.steps, interval.tolerance
    rounds = MOST_STEPS // steps if math.isfinite(tolerance) else 1
    shared, table = _promoter(interval, induction.dtype), _table(interval, steps, induction.dtype, rounds)
    n, genes = _exponent(interval.kinetics), m.numel()
    after = tuple(torch.empty(t.shape, dtype=t.dtype) for t in (m, p)) if into is None else into
    size = m.shape if interval.wants_error else (0,)
    told = torch.empty(size, dtype=induction.dtype), torch.empty(size, dtype=torch.int32)
    flat_m, flat_p, flat_q, m_after, p_after, error, taken = map(_flat, (m, p, induction, *after, *told))
    outcomes: list[int] = []

    def check(begin: int, end: int) -> bool:
        first, last = begin * separable.BLOCK, min(genes, end * separable.BLOCK)
        usable = separable.all_usable(flat_m, flat_p, flat_q, first, last)
        outcomes.extend([] if usable else [separable.BAD_VALUE])
        return bool(usable)

    def work(begin: int, end: int) -> bool:
        first, last = begin * separable.BLOCK, min(genes, end * separable.BLOCK)
        outcome = separable.carry_separable(
            flat_m,
            flat_p,
            flat_q,
            m_after,
            p_after,
            error,
            taken,
            shared,
            table,
            n,
            steps,
            tolerance,
            first,
            last,
        )
        outcomes.append(outcome)
        return outcome == separable.DONE

    in_place = into is not None and any(one.data_ptr() == t.data_ptr() for one in into for t in (m, p))
    # A state that is carried in place must not be spoilt by a value that is refused.
    for task in (check, work) if in_place else (work,):
        if separable.BAD_VALUE not in outcomes:
            run_in_chunks(
                task,
                -(-genes // separable.BLOCK),
                first=FIRST_CHUNK,
                least=max(1, STEPS_PER_THREAD // (steps * separable.BLOCK)),
            )
    if separable.BAD_VALUE in outcomes:
        raise BadValueError
    if separable.UNRESOLVED in outcomes:
        raise unresolved(tolerance)
    return Carried(after, *told)


def march_coupled(
    tensors: tuple[Tensor, ...], induction: Tensor, interval: Interval, steps: int
) -> tuple[Tensor, ...]:
    """Carry genes that cooperate or share a threshold through ``steps`` equal steps."""
    cooperation, homeostasis = interval.cooperation, interval.homeostasis
    shared, weights = _promoter(interval, induction.dtype), _table(interval, steps, induction.dtype)[0]
    n, genes = _exponent(interval.kinetics), induction.numel()
    m, p = (t.detach().clone(memory_format=torch.contiguous_format) for t in tensors[:2])
    plan = _plan(() if cooperation is None else tuple(cooperation.blocks), genes)
    kind = weights.dtype
    h1, h2, around = np.empty(genes, kind), np.empty(genes, kind), np.zeros(plan.columns, kind)
    row_means, sums, expressed = np.zeros(plan.rows), np.zeros(plan.sums), np.zeros((len(plan.pieces), 2))
    flat_m, flat_p, flat_q = map(_flat, (m, p, induction))
    control = np.array([] if homeostasis is None else [homeostasis.level, homeostasis.width])
    theta = 0.0 if homeostasis is None else float(tensors[2])
    drift = 0.0 if homeostasis is None else homeostasis.rate * interval.hours / steps
    target = 0.0 if homeostasis is None else homeostasis.target
    least = max(1, STEPS_PER_THREAD * len(plan.pieces) // genes)

    def stage(number: int, log_threshold: float) -> tuple[float, float]:
        """Run one stage and return the expressed fractions at its quarter and at its end."""
        scale = float(shared[2]) * math.exp(-log_threshold)

        def work(begin: int, end: int) -> bool:
            coupled.run_stage(
                number,
                begin,
                end,
                plan.pieces,
                flat_m,
                flat_p,
                flat_q,
                h1,
                h2,
                around,
                row_means,
                sums,
                expressed,
                shared,
                weights,
                n,
                scale,
                control,
            )
            return True

        run_in_chunks(work, len(plan.pieces), least=least)
        if cooperation is not None:
            coupled.join_columns(plan.layers, plan.pieces, sums, around, float(shared[3]))
        quarter, end = expressed.sum(0) / genes
        return float(quarter), float(end)

    _, rho1 = stage(coupled.BEFORE, 0.0)
    for _ in range(steps):
        quarter, rho2 = stage(coupled.FIRST, theta)
        theta2 = theta + drift * ((rho1 + 4 * quarter + rho2) / 12 - target / 2)
        _, rho3 = stage(coupled.MIDDLE, theta2)
        theta = theta + drift * ((rho1 + 4 * rho2 + rho3) / 6 - target)
        _, rho1 = stage(coupled.LAST, theta)
    return (m, p) if homeostasis is None else (m, p, torch.tensor(theta, dtype=induction.dtype))


def _flat(tensor: Tensor) -> Array:
    """The values as a flat array; bfloat16, which numpy lacks, as unsigned integers."""
    flat = tensor.detach().contiguous().view(-1)
    return (flat.view(torch.uint16) if flat.dtype == torch.bfloat16 else flat).numpy()


def _exponent(kinetics: Kinetics) -> int | float:
    n = float(kinetics.hill_coefficient)
    return int(n) if n.is_integer() and n <= hill.LARGEST_POWER else n


def _promoter(interval: Interval, dtype: torch.dtype) -> Array:
    """What all steps share: 1, a, the factor of S/K, ½·c, and the chord and the least of 1/(1 + a·p)."""
    a = interval.autoactivation
    c = 0.0 if interval.cooperation is None else interval.cooperation.strength
    scale = 1.0 / (1.0 + 0.5 * (a + c))
    return np.array([1.0, a, scale, 0.5 * c, a / (1.0 + a), 1.0 / (1.0 + a)], dtype=_kind(dtype))


def _table(interval: Interval, steps: int, dtype: torch.dtype, rounds: int = 1) -> Array:
    """Weights for ``steps`` steps, twice as many, and so on while ``rounds`` allow; a row each."""
    kinetics = interval.kinetics
    rates = float(kinetics.mrna_decay), float(kinetics.protein_decay)
    rows = int(math.log2(rounds)) + 1
    gain = float(kinetics.hill_coefficient) * interval.autoactivation
    return _scalar_table(*rates, kinetics.basal, gain, interval.hours, steps, rows, _kind(dtype))


def _kind(dtype: torch.dtype) -> str:
    return "float64" if dtype == torch.float64 else "float32"


@lru_cache(maxsize=64)
def _scalar_table(
    gamma_m: float, gamma_p: float, b: float, gain: float, hours: float, steps: int, rows: int, kind: str
) -> Array:
    durations, weights = _weights_of_rows(gamma_m, gamma_p, hours, steps, rows)
    quarter, half, full = weights.quarter, weights.half, weights.full
    induced = 1.0 - b  # h = b + (1−b)·hill: the compiled loops keep hill alone
    columns = [
        *(half.protein_kept, half.translated, half.protein_made * b, half.protein_made * induced),
        *(full.protein_kept, full.translated, full.protein_made * b, full.protein_made * induced),
        full.mrna_kept,
        sum(weights.mrna) * b,
        *(weight * induced for weight in weights.mrna),
        sum(weights.protein) * b,
        *(weight * induced for weight in weights.protein),
        *middle_weights(gamma_p * durations),
        *(gain * induced * made for made in (full.mrna_made, full.protein_made)),
        *(gain * induced * row[1] for row in (weights.mrna, weights.protein)),
        *(full.protein_kept, full.mrna_made, full.translated + full.protein_made),
        *(quarter.protein_kept, quarter.translated, quarter.protein_made * b, quarter.protein_made * induced),
    ]
    return torch.stack([torch.as_tensor(column) for column in columns], 1).numpy().astype(kind)


@lru_cache(maxsize=64)
def _weights_of_rows(
    gamma_m: float, gamma_p: float, hours: float, steps: int, rows: int
) -> tuple[torch.Tensor, StepWeights]:
    """Durations and weights of each row; kept apart, as they cost most and a promoter does not enter."""
    durations = hours / (steps * 2.0 ** torch.arange(rows, dtype=torch.float64))
    rate_m, rate_p = (torch.tensor(rate, dtype=torch.float64) for rate in (gamma_m, gamma_p))
    return durations, step_weights(rate_m, rate_p, durations)


class _Plan(NamedTuple):
    """How layers are cut into pieces, and the lengths of what is summed."""

    pieces: Array
    layers: Array
    columns: int
    rows: int
    sums: int


@lru_cache(maxsize=16)
def _plan(blocks: tuple[ConnectionBlock, ...], genes: int) -> _Plan:
    """Pieces of whole rows of each layer; without cooperation rows of `ROW` genes, the last one shorter."""
    shapes = [(b.outputs, b.inputs * b.kernel, b.kernel) for b in blocks for _ in range(b.groups)]
    if not shapes:
        shapes = [(genes // ROW, ROW, 1), (1, genes % ROW, 1)]
    pieces: list[tuple[int, ...]] = []
    layers: list[tuple[int, ...]] = []
    gene = column = row = total = 0
    for outputs, length, kernel in shapes:
        height = max(1, PIECE // max(1, length))
        first = len(pieces)
        for start in range(0, outputs if length else 0, height):
            rows = min(height, outputs - start)
            pieces.append((gene, rows, length, row, column, total))
            gene, row, total = gene + rows * length, row + rows, total + length
        layers.append((column, length, kernel, max(1, outputs), first, len(pieces) - first))
        column += length
    return _Plan(np.array(pieces, dtype=np.int64), np.array(layers, dtype=np.int64), column, row, total)
