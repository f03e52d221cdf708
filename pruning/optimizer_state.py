"""Clearing what an optimizer remembers of connections that changed state."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import LBFGS, Optimizer

from pruning.silence import clear_where

# State that does not start at zero, with the option that gives its start.
_INITIAL_OPTION = {"step_size": "lr", "sum": "initial_accumulator_value"}


def reset_entries(optimizer: Optimizer, parameter: nn.Parameter, where: Tensor) -> None:
    """Give chosen entries of a parameter the state tensors of a new parameter.

    Every state tensor of the parameter's shape is reset: momentum, first and second moments, their running
    maximum. A stale moment would throw a reborn weight of zero far from zero in one step. State without
    an entry for each weight is left alone: Adafactor's row and column sums, and Adam's step count, so that a
    reborn weight's first step is up to about three times the learning rate.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Holds the state.
    parameter : torch.nn.Parameter
        One of its parameters.
    where : Tensor
        Boolean, broadcastable to the parameter's shape.

    Examples
    --------
    >>> weight = nn.Parameter(torch.ones(2))
    >>> optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    >>> weight.sum().backward(); optimizer.step()
    >>> reset_entries(optimizer, weight, torch.tensor([True, False]))
    >>> optimizer.state[weight]["momentum_buffer"].tolist()
    [0.0, 1.0]
    """
    state: dict[str, Any] = optimizer.state.get(parameter, {})
    options: dict[str, Any] = next(
        group for group in optimizer.param_groups if any(parameter is other for other in group["params"])
    )
    for key, value in state.items():
        if isinstance(value, Tensor) and value.shape == parameter.shape and value.dim() > 0:
            start = float(options.get(_INITIAL_OPTION.get(key, ""), 0.0))
            if start == 0.0:
                clear_where(value, where)
            else:
                value.masked_fill_(where, start)


def forget_curvature(optimizer: Optimizer) -> None:
    """Drop the history of L-BFGS, which mixes all weights and describes the network before the change."""
    if isinstance(optimizer, LBFGS):
        for state in optimizer.state.values():
            state.clear()


def parameter_ids(optimizer: Optimizer) -> set[int]:
    """Identities of all parameters that the optimizer updates."""
    return {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}


def unscaled(optimizer: Optimizer, gradient: Tensor) -> Tensor:
    """Gradient in the loss's own units.

    Fused optimizers undo the scale of automatic mixed precision inside their kernel, after the hooks;
    all others are handed gradients already unscaled. A step that the kernel will skip counts as zero.
    """
    scale = getattr(optimizer, "grad_scale", None)
    if scale is not None:
        gradient = gradient / scale
    found = getattr(optimizer, "found_inf", None)
    return gradient if found is None else torch.where(found > 0, 0.0, gradient)
