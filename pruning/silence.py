"""Zeros where connections are silent, at every step."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_COMPILED = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


@dataclass(frozen=True, slots=True, eq=False)
class SilentPart:
    """A gated parameter and its silent gates: views, prepared once for every step with the same masks.

    Attributes
    ----------
    parameter : torch.nn.Parameter
        A gated weight or bias.
    entries : Tensor
        Silent gates of its layer, boolean, in a shape that broadcasts against the parameter.
    gates : ndarray of bool or None
        The same memory, shape (gates,), for the compiled loop of the CPU; None on other devices.

    Examples
    --------
    >>> import torch
    >>> silent = torch.tensor([False, True])
    >>> weight = nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, float("nan")]]))
    >>> SilentPart.of(weight, silent[:, None]).clear_weight()
    >>> weight.tolist()
    [[1.0, 2.0], [0.0, 0.0]]
    """

    parameter: nn.Parameter
    entries: Tensor
    gates: NDArray[np.bool_] | None

    @classmethod
    def of(cls, parameter: nn.Parameter, entries: Tensor) -> "SilentPart":
        """Prepare a parameter and the view of its layer's silent gates."""
        on_cpu = entries.device.type == "cpu" and parameter.dtype in _COMPILED
        return cls(parameter, entries, entries.view(-1).numpy() if on_cpu else None)

    def clear_weight(self) -> None:
        """Set silent weights to zero in place."""
        self._clear(self.parameter.detach())

    def clear_gradient(self) -> None:
        """Set the gradients of silent weights to zero in place, where there are gradients."""
        gradient = self.parameter.grad
        if gradient is not None:
            self._clear(gradient.detach() if gradient.requires_grad else gradient)

    def _clear(self, values: Tensor) -> None:
        if self.gates is not None and values.is_contiguous():
            from pruning.kernels.clearing import clear_gates  # numba takes a second to import

            clear_gates(values, self.gates)
        else:
            values.masked_fill_(self.entries, 0.0)


def clear_where(values: Tensor, entries: Tensor) -> None:
    """Set chosen values to zero in place, NaN and infinity among them, as a product would not.

    Parameters
    ----------
    values : Tensor
        Any shape, dtype and device.
    entries : Tensor
        Boolean, broadcastable to the values.

    Examples
    --------
    >>> values = torch.tensor([1.0, float("nan")])
    >>> clear_where(values, torch.tensor([False, True]))
    >>> values.tolist()
    [1.0, 0.0]
    """
    alike = entries.shape == values.shape and entries.is_contiguous() and values.is_contiguous()
    if alike and values.device.type == "cpu" and values.dtype in _COMPILED:
        from pruning.kernels.clearing import clear_gates  # numba takes a second to import

        clear_gates(values.detach(), entries.view(-1).numpy())
    else:
        values.masked_fill_(entries, 0.0)
