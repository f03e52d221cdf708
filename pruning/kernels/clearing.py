"""Zeros where gates are silent, written into the memory of a tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pruning.kernels.compiled import clear, clear_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


def clear_gates(values: Tensor, silent: NDArray[Any]) -> None:
    """Set the values of silent gates to zero, NaN and infinity among them.

    Faster than ``masked_fill_`` on the CPU, which branches at every weight.

    Parameters
    ----------
    values : Tensor
        Contiguous, on the CPU, without a graph; each gate has as many values as the next, in a row.
    silent : ndarray of bool
        Shape (gates,).

    Examples
    --------
    >>> values = torch.tensor([[1.0, 2.0], [float("nan"), 4.0]])
    >>> clear_gates(values, torch.tensor([False, True]).numpy())
    >>> values.tolist()
    [[1.0, 2.0], [0.0, 0.0]]
    """
    # numpy knows no bfloat16 and numba no float16; zero has no bit set in either.
    array = (values.view(torch.int16) if values.itemsize == 2 else values).numpy()
    if array.size == silent.size:
        clear(array.reshape(-1), silent)
    else:
        clear_rows(array.reshape(silent.size, -1), silent)
    torch.autograd.graph.increment_version(values)  # as any change in place: autograd must notice
