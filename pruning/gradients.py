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
            observed = unscaled(optimizer, gradient.detach()).float()
            if layer.name in self._sums:
                self._sums[layer.name] += observed
            else:
                self._sums[layer.name] = observed.clone()

    def read(self) -> tuple[Tensor, Tensor]:
        """|g| and |g·w| of every gate.

        Returns
        -------
        gradient : Tensor
            Mean over the gate's weights of the absolute mean gradient, shape (gates,).
        taylor : Tensor
            Absolute first-order change of the loss if the gate were silenced, divided by its weights,
            shape (gates,).
        """
        gradients, taylors = [], []
        for layer in self._gates.layers:
            total = self._sums.get(layer.name)
            if total is None:
                zero = torch.zeros(layer.gates, device=self._gates.device)
                gradients.append(zero)
                taylors.append(zero)
                continue
            mean = total / max(1, self._count)
            gradients.append(layer.mean_per_gate(mean.abs()))
            change = layer.sum_per_gate(mean * layer.weight.detach().float()).abs()
            taylors.append(change / layer.weights_per_gate)
        return torch.cat(gradients), torch.cat(taylors)

    def clear(self) -> None:
        """Forget what was observed, and give its memory back."""
        self._sums = {}
        self._count = 0

    def state_dict(self) -> dict[str, Any]:
        """Sums and count, for a checkpoint between updates."""
        return {"sums": {name: total.clone() for name, total in self._sums.items()}, "count": self._count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        device = self._gates.device
        self._sums = {name: total.to(device).clone() for name, total in state["sums"].items()}
        self._count = state["count"]
