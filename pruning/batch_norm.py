"""Batch-norm statistics after pruning."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


@torch.no_grad()
def recalibrate_batch_norm(model: nn.Module, batches: Iterable[Tensor]) -> int:
    """Measure the running statistics of every batch-norm layer anew.

    Silencing connections shifts the activations, and statistics gathered before describe another network. Use
    training inputs. The model's mode and momenta are left as they were.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place: running means and variances only.
    batches : iterable of Tensor
        Inputs, each of at least two samples; the statistics are their plain average.

    Returns
    -------
    int
        Batches seen.

    Raises
    ------
    ValueError
        If there is no batch.

    Examples
    --------
    >>> model = nn.Sequential(nn.BatchNorm1d(1)).eval()
    >>> recalibrate_batch_norm(model, [torch.tensor([[1.0], [3.0]])])
    1
    >>> model[0].running_mean.item()
    2.0
    """
    layers = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    modes = [(module, module.training) for module in model.modules()]
    seen = 0
    try:
        model.eval()
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # a plain average over batches
            layer.train()
        for batch in batches:
            model(batch)
            seen += 1
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        for module, training in modes:
            module.training = training
    if seen == 0:
        raise ValueError("recalibrate_batch_norm needs at least one batch of inputs, got none")
    return seen
