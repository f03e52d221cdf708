"""What a network costs: parameters and multiply-adds, all and live."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pruning.gates import GATEABLE


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Parameters and multiply-adds of one forward pass of one sample.

    Attributes
    ----------
    parameters, live_parameters : int
        All parameters, and those not silenced (biases and normalisation count as live).
    multiply_adds, live_multiply_adds : int
        Of linear and convolutional layers; a live weight counts once for every position it is applied at.
    """

    parameters: int
    live_parameters: int
    multiply_adds: int
    live_multiply_adds: int


@torch.no_grad()
def measure_cost(model: nn.Module, example: Tensor, masks: Mapping[str, Tensor] | None = None) -> Cost:
    """Count parameters and multiply-adds, dense and live.

    Equal parameters do not mean equal work: an early convolution applies a weight at many positions.
    Both figures belong in every comparison.

    Parameters
    ----------
    model : torch.nn.Module
        Linear, Conv1d and Conv2d layers are counted.
    example : Tensor
        One batch of inputs; the count is for one sample.
    masks : mapping of str to Tensor, optional
        Masks by layer name, as :meth:`pruning.PruningController.masks` gives them; a layer without
        one counts as live.

    Returns
    -------
    Cost
        The counts.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, bias=False))
    >>> measure_cost(model, torch.zeros(1, 1, 4, 4), {"0": torch.arange(18).view(2, 1, 3, 3) < 6})
    Cost(parameters=18, live_parameters=6, multiply_adds=288, live_multiply_adds=96)
    """
    masks = masks or {}
    layers = {name: module for name, module in model.named_modules() if isinstance(module, GATEABLE)}
    positions = dict.fromkeys(layers, 0)
    handles = []
    for name, layer in layers.items():

        def count(module: nn.Module, _: Any, output: Tensor, name: str = name) -> None:
            # Added up, because a layer applied more than once costs every time.
            positions[name] += output.numel() // (layers[name].weight.shape[0] * example.shape[0])

        handles.append(layer.register_forward_hook(count))
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        model(example)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
    parameters = sum(parameter.numel() for parameter in model.parameters())
    silenced = sum(int((~mask).sum()) for mask in masks.values())
    dense = live = 0
    # By weight, because layers that share one are silenced together under one name.
    active_weights = {id(layers[name].weight): int(mask.sum()) for name, mask in masks.items()}
    for name, layer in layers.items():
        weights = layer.weight.numel()
        active = active_weights.get(id(layer.weight), weights)
        dense += weights * positions[name]
        live += active * positions[name]
    return Cost(
        parameters=parameters,
        live_parameters=parameters - silenced,
        multiply_adds=dense,
        live_multiply_adds=live,
    )
