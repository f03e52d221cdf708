"""Gradients seen by the gates since the last update."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from pruning.gates import Gates
from pruning.optimizer_state import unscaled


class GradientObserver:
    """Averages the gradients of gated weights over a few steps.

    Signed gradients are averaged, as a larger batch would, and reduced to gates only when read: averaging
    absolute values would measure the noise of the batches. Nothing is allocated until the first observation.

    Parameters
    ----------
    gates : Gates
        The network's gates.
    """

    def __init__(self, gates: Gates) -> None:
        self._gates = gates
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def add(self, optimizer: Optimizer) -> None:
        """Add the gradients that the optimizer is about to use; a weight without one adds zero."""
        self._count += 1
        for layer in self._gates.layers:
            gradient = layer.weight.grad
            if gradient is None:
                continue
            observed = unscaled(optimizer, gradient.detach())
            if layer.name in self._sums:
                self._sums[layer.name].add_(observed)
            else:
                self._sums[layer.name] = observed.to(torch.float32, copy=True)

    def take(self) -> tuple[Tensor, Tensor]:
        """|g| and |g·w| of every gate; what was observed is forgotten and its memory given back.

        Returns
        -------
        gradient : Tensor
            Mean over the gate's weights of the absolute mean gradient, shape (gates,).
        taylor : Tensor
            Absolute first-order change of the loss if the gate were silenced, divided by its weights,
            shape (gates,).
        """
        sums, count = self._sums, self._count
        self._sums, self._count = {}, 0
        if not sums:  # a policy that needs no gradient: zeros that take no memory
            nothing = torch.zeros((), device=self._gates.device).expand(self._gates.total)
            return nothing, nothing
        gradient = torch.zeros(self._gates.total, device=self._gates.device)
        taylor = torch.zeros_like(gradient)
        for layer in self._gates.layers:
            total = sums.pop(layer.name, None)
            if total is None:
                continue
            mean = total.div_(count)
            change = layer.sum_per_gate(mean * layer.weight.detach().float()).abs_()
            taylor[layer.slice] = change.div_(layer.weights_per_gate)
            gradient[layer.slice] = layer.mean_per_gate(mean.abs_())
        return gradient, taylor

    def memory(self) -> int:
        """Bytes of the sums, 4 a gated weight while gradients are observed."""
        return sum(total.nbytes for total in self._sums.values())

    def state_dict(self) -> dict[str, Any]:
        """Sums and count, for a checkpoint between updates."""
        return {"sums": {name: total.clone() for name, total in self._sums.items()}, "count": self._count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        device = self._gates.device
        self._sums = {name: total.to(device).clone() for name, total in state["sums"].items()}
        self._count = state["count"]
