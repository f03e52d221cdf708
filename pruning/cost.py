"""What a network costs: parameters and multiply-adds, all and live."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from pruning.gates import GATEABLE


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Parameters and multiply-adds of one forward pass of one sample.

    Attributes
    ----------
    parameters, live_parameters : int
        All parameters, and those not silenced (biases and normalisation count as live).
    multiply_adds, live_multiply_adds : int
        Of all matrix products and convolutions: linear and convolutional layers, where a live weight counts
        once for every position it is applied at, and products that have no gated weight, such as those of
        queries with keys and of attention with values, which are live always. Additions, normalisations,
        activations, softmax and pooling do not count.
    """

    parameters: int
    live_parameters: int
    multiply_adds: int
    live_multiply_adds: int


class _ProductCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the multiply-adds of every matrix product and convolution, whoever calls it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.multiply_adds = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # what torch would do otherwise imports its whole compiler, seconds of work

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        formula = flop_registry.get(func._overloadpacket)
        if formula is None:
            with self:  # in inference mode, composite operations arrive whole
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        if formula is not None:
            self.multiply_adds += formula(*args, **kwargs, out_val=result) // 2
        return result


@torch.no_grad()
def measure_cost(model: nn.Module, example: Tensor, masks: Mapping[str, Tensor] | None = None) -> Cost:
    """Count parameters and multiply-adds, dense and live.

    Equal parameters do not mean equal work: an early convolution applies a weight at many positions.
    Both figures belong in every comparison.

    Attention with a causal mask counts all its products, as a kernel without that shortcut computes them. A
    weight that is applied without a call of its layer, such as the output projection inside
    ``torch.nn.MultiheadAttention``, counts as live in the multiply-adds. Recurrent layers that run in one
    fused operation are not counted.

    Parameters
    ----------
    model : torch.nn.Module
        Any network.
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
    positions = dict.fromkeys(layers, 0)  # of the whole batch
    handles = []
    for name, layer in layers.items():

        def count(module: nn.Module, _: Any, output: Tensor, name: str = name) -> None:
            # Added up, because a layer applied more than once costs every time.
            positions[name] += output.numel() // layers[name].weight.shape[0]

        handles.append(layer.register_forward_hook(count))
    modes = [(module, module.training) for module in model.modules()]
    fast = torch.backends.mha.get_fastpath_enabled()  # one fused operation, in which no product shows
    products = _ProductCounter()
    try:
        model.eval()
        torch.backends.mha.set_fastpath_enabled(False)
        with sdpa_kernel(SDPBackend.MATH), products:  # attention as the two products that it is
            model(example)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
    parameters = sum(parameter.numel() for parameter in model.parameters())
    silenced = sum(int((~mask).sum()) for mask in masks.values())
    live = products.multiply_adds
    # By weight, because layers that share one are silenced together under one name.
    active_weights = {id(layers[name].weight): int(mask.sum()) for name, mask in masks.items()}
    for name, layer in layers.items():
        weights = layer.weight.numel()
        active = active_weights.get(id(layer.weight), weights)
        live -= (weights - active) * positions[name]
    return Cost(
        parameters=parameters,
        live_parameters=parameters - silenced,
        multiply_adds=products.multiply_adds // example.shape[0],
        live_multiply_adds=live // example.shape[0],
    )
