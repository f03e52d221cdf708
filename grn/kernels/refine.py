"""Sub-steps where they are needed: by gene where genes are alone, for all of them where they are coupled."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from grn.kernels.steps import MOST_STEPS

# Twice the steps divide an error by sixteen. Where they fail twice running to halve it, more will not help:
# the gene sits at the boundary between two states, which amplifies rounding itself.
MOST_STALLS = 2

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

# Between 15, the ratio of errors at one step and at half of it for a method of fourth order, less 1, and 3,
# that of the second order to which stiff rates reduce it.
DIFFERENCE_TO_ERROR = 1 / 7


class Carried(NamedTuple):
    """Outcome of an interval: the tensors of the state, and the error and steps of each gene."""

    tensors: tuple[Tensor, ...]
    error: Tensor
    steps: Tensor


def refine_genes(
    march: Callable[[tuple[Tensor, ...] | None, int], tuple[Tensor, Tensor, Tensor]],
    steps: int,
    tolerance: float,
) -> Carried:
    """Carry genes that do not act on each other, those whose error is too large in twice as many steps.

    A gene whose error does not fall with its steps is left at what it has; its error tells.

    Parameters
    ----------
    march : callable
        ``march(genes, steps)`` carries the genes of an index, all for None, and returns m, p and the
        estimated error; the index has a tensor for each dimension of the state.
    steps : int
        Of the first round.
    tolerance : float
        Largest estimated error.

    Raises
    ------
    ValueError
        If a gene needs more than `MOST_STEPS` steps.
    """
    m, p, error = march(None, steps)
    taken = torch.full(error.shape, steps, dtype=torch.int32, device=error.device)
    waiting = (~(error <= tolerance)).nonzero(as_tuple=True)
    last = error[waiting]
    stalls = torch.zeros(last.shape, dtype=torch.int8, device=last.device)
    while last.numel():
        steps *= 2
        if steps > MOST_STEPS:
            raise unresolved(tolerance)
        finer_m, finer_p, finer_error = march(waiting, steps)
        m, p = m.index_put(waiting, finer_m), p.index_put(waiting, finer_p)
        error[waiting], taken[waiting] = finer_error, steps
        if bool(finer_error.isnan().any()):
            raise unresolved(tolerance)
        stalls = torch.where(finer_error <= last / 2, 0, stalls + 1)
        on = ~((finer_error <= tolerance) | (stalls == MOST_STALLS))
        waiting, last, stalls = tuple(index[on] for index in waiting), finer_error[on], stalls[on]
    return Carried((m, p), error, taken)


def refine_together(march: Callable[[int], tuple[Tensor, ...]], steps: int, tolerance: float) -> Carried:
    """Carry coupled genes in so many steps that halving the step moves none of them by much.

    The error of the finer of two solutions is a share of their difference, so the state that comes back took
    at least twice ``steps``. Where the largest error does not fall with the steps, it stays, and tells.

    Parameters
    ----------
    march : callable
        ``march(steps)`` carries all genes and returns the tensors of the state.
    steps : int
        Of the first, coarser solution.
    tolerance : float
        Largest estimated error.

    Raises
    ------
    ValueError
        If the genes need more than `MOST_STEPS` steps.
    """
    coarse, last, stalls = march(steps), math.inf, 0
    while True:
        steps *= 2
        if steps > MOST_STEPS:
            raise unresolved(tolerance)
        fine = march(steps)
        error = _difference(coarse, fine) * DIFFERENCE_TO_ERROR
        largest = float(error.max())
        if math.isnan(largest):
            raise unresolved(tolerance)
        stalls = 0 if largest <= last / 2 else stalls + 1
        if largest <= tolerance or stalls == MOST_STALLS:
            taken = torch.full(error.shape, steps, dtype=torch.int32, device=error.device)
            return Carried(fine, error, taken)
        coarse, last = fine, largest


def compare(march: Callable[[int], tuple[Tensor, ...]], steps: int) -> Carried:
    """Carry coupled genes in ``steps`` steps and estimate the error from a solution with twice as many."""
    coarse = march(steps)
    error = _difference(coarse, march(2 * steps)) * (1.0 + DIFFERENCE_TO_ERROR)
    return Carried(coarse, error, torch.full(error.shape, steps, dtype=torch.int32, device=error.device))


def _difference(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> Tensor:
    """Largest difference of any part of two states, gene by gene."""
    with torch.no_grad():
        error = torch.maximum((one[0] - other[0]).abs(), (one[1] - other[1]).abs())
        for shared, its in zip(one[2:], other[2:], strict=True):
            error = torch.maximum(error, (shared - its).abs())
    return error


def unresolved(tolerance: float) -> ValueError:
    """The error to raise for genes whose estimate stays above the tolerance."""
    return ValueError(
        f"some genes need more than {MOST_STEPS:,} steps for a tolerance of {tolerance:g}, or overflow: "
        "raise it, shorten the duration, or pass steps= and accept a larger error (concentrations stay "
        "in [0, 1])"
    )
