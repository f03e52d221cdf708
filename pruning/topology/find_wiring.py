"""Find out what feeds each gated layer by following one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, get_args

import torch
from torch import Tensor, nn

from pruning.gates import GATEABLE, GatedLayer, Gates
from pruning.topology.tracing import (
    CarryTrace,
    Mixtures,
    ReadUnits,
    feeds,
    join_input_dims,
    leaf,
    read_units,
)
from pruning.topology.wiring import INPUT, Feed, input_name


def find_wiring(
    model: nn.Module, gates: Gates, example_input: Tensor | Sequence[Tensor], *, mixtures: Mixtures = "spread"
) -> dict[str, tuple[Feed, ...]]:
    """Find which units of earlier gated layers, and which inputs of the network, feed each gated layer.

    One forward pass in evaluation mode is followed operation by operation. Every output of a gated layer
    starts afresh and carries its own unit; so does the network's input. An element carries a unit *directly*
    where it is moved (flatten, permute, slice, concatenate), changed by itself (ReLU, batch normalisation,
    a residual sum, a gate that is multiplied in), or reduced with elements that carry the same unit (pooling
    over a map, the weighted sum of an attention's values over tokens). Where elements of several units meet
    in a sum, a product of matrices, a statistic or a layer that is not gated, the result carries a *mixture*.

    A layer's inputs are fed by what they carry directly, and by mixtures as follows. A unit that any input of
    the layer carries directly is drawn on that path alone: so a layer normalisation or a softmax is drawn as
    one unit to one input. The units of another mixture (an attention's queries and keys, for example) are
    spread over the inputs that share it, in their order: each unit feeds an input at least, each input is fed
    by a unit at least. Every feed is a dependence that exists, and every unit that reaches the layer is
    drawn; but not every pair of unit and input that a mixture joins. ``mixtures="all"`` draws every pair.
    Take it for counts of paths and dead ends: where a drawn pair is pruned, others of its mixture may live.

    A path that is a comparison or an index (where a mask is zero, which maximum was taken) counts as none.
    Pools and layers that are not gated are taken to see a whole map at every place. Weights count as if none
    of them were zero: masks are not looked at.

    Parameters
    ----------
    model : torch.nn.Module
        Left as it was: modes, buffers, gradients and random state. Its own forward hooks do run.
    gates : Gates
        Of the model.
    example_input : Tensor or sequence of Tensor
        What ``model(*example_input)`` takes, floating point, samples along the first dimension. One sample
        is enough.
    mixtures : {"spread", "all"}
        How mixtures are drawn. ``"all"`` is exact and may be large: a layer normalisation of 200 units in
        front of 200 inputs takes 200 feeds.

    Returns
    -------
    dict of str to tuple of Feed
        A :data:`pruning.topology.Wiring`. An input of the network is named ``"input"``, or ``"input 1"``,
        ``"input 2"`` where there are several (``"network's input"`` where a layer has that name); its units
        are the indices along those dimensions that the layers tell apart: channels before a convolution,
        pixels before a linear layer.

    Raises
    ------
    ValueError
        If an operation is met that is not known, a value is read into Python, a gated layer is not run or
        its weight is used in another way, or a layer reads one that comes later in module order.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> wiring = find_wiring(model, Gates(model), torch.rand(1, 1, 4, 4))
    >>> for layer, (feed,) in wiring.items():
    ...     print(layer, feed.source, feed.units.tolist())
    0 input [0]
    3 0 [0, 0, 0, 0, 1, 1, 1, 1]
    """
    if mixtures not in get_args(Mixtures):
        raise ValueError(f"mixtures must be one of {', '.join(get_args(Mixtures))}, got {mixtures!r}")
    order = [layer.name for layer in gates.layers]
    inputs = _checked(example_input, order)
    read: dict[str, dict[str, ReadUnits]] = {}
    trace = CarryTrace()
    for name, tensor in inputs.items():
        dims = range(1, tensor.dim())
        trace.tag(tensor, {f"{name}\n{dim}": leaf(tensor.shape, dim, tensor.device) for dim in dims})
    with _unchanged(model), _watched(model, gates, trace, read), torch.no_grad(), trace:
        model(*inputs.values())
    for layer in gates.layers:
        if layer.name not in read:
            raise ValueError(
                f"gated layer {layer.name!r} did not run with the example input, or its weight is used "
                "without calling it (as nn.MultiheadAttention does); exclude it from the gates"
            )
        for source in read[layer.name]:
            if source in order and order.index(source) >= order.index(layer.name):
                raise ValueError(
                    f"layer {layer.name!r} reads {source!r}, which does not come before it in module order: "
                    "a graph of units needs each layer defined after those that it reads"
                )
    sizes = {name: tuple(tensor.shape) for name, tensor in inputs.items()}
    join_input_dims(read, sizes)
    rank = {name: place for place, name in enumerate([*inputs, *order])}
    return {
        name: tuple(
            feed
            for source in sorted(read[name], key=rank.__getitem__)
            for feed in feeds(source, read[name][source], mixtures)
        )
        for name in order
    }


def _watched(
    model: nn.Module, gates: Gates, trace: CarryTrace, read: dict[str, dict[str, ReadUnits]]
) -> ExitStack:
    """Hooks on every module that holds a gated weight."""
    stack = ExitStack()
    found = set()
    for layer in gates.layers:
        for module in model.modules():
            if isinstance(module, GATEABLE) and module.weight is layer.weight:
                found.add(layer.name)
                before, after = _hooks(layer, trace, read)
                stack.callback(module.register_forward_pre_hook(before, with_kwargs=True).remove)
                stack.callback(module.register_forward_hook(after, prepend=True).remove)
    missing = [layer.name for layer in gates.layers if layer.name not in found]
    if missing:
        stack.close()
        raise ValueError(f"the gates must belong to the model, it has no layer {missing[0]!r} of theirs")
    return stack


def _hooks(
    layer: GatedLayer, trace: CarryTrace, read: dict[str, dict[str, ReadUnits]]
) -> tuple[Callable[..., None], Callable[..., None]]:
    kernel = layer.weight.dim() - 2  # dimensions of a convolution; a linear layer has its inputs last

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        (given,) = (*args, *kwargs.values())
        own = read.setdefault(layer.name, {})
        dim = -kernel - 1  # from the end, so that a single sample without its batch works too
        for source, carry in trace.look(given).items():
            found = read_units(carry, dim)
            if any(found.direct) or any(found.mixed):
                own[source] = own[source].joined(found) if source in own else found
        trace.asleep = True

    def after(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        trace.asleep = False
        trace.place = f"after layer {layer.name!r}"
        trace.tag(output, {layer.name: leaf(output.shape, output.dim() - kernel - 1, output.device)})

    return before, after


def _checked(example_input: Tensor | Sequence[Tensor], layers: Collection[str]) -> dict[str, Tensor]:
    """Inputs by name, none of them a layer's."""
    given = [example_input] if isinstance(example_input, Tensor) else list(example_input)
    for tensor in given:
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point() or tensor.dim() < 2:
            what = (
                f"{tensor.dtype} of shape {tuple(tensor.shape)}"
                if isinstance(tensor, Tensor)
                else repr(tensor)
            )
            raise ValueError(
                "example_input must be a floating-point tensor, or several, with samples along the first "
                f"dimension, got {what}"
            )
    if not given:
        raise ValueError("example_input must hold at least one tensor, got none")
    # A view of its own each: the same tensor may be given twice.
    views = [tensor.detach().view(tensor.shape) for tensor in given]
    names = [INPUT] if len(given) == 1 else [f"{INPUT} {number}" for number in range(1, len(given) + 1)]
    return dict(zip([input_name(name, layers) for name in names], views, strict=True))


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Evaluation mode; modes, buffers and random state come back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    devices = {tensor.device.index for tensor in model.parameters() if tensor.device.type == "cuda"}
    fused = torch.backends.mha.get_fastpath_enabled()
    with torch.random.fork_rng(devices=sorted(index for index in devices if index is not None)):
        model.eval()
        torch.backends.mha.set_fastpath_enabled(False)  # a fused transformer layer calls no layer of its own
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fused)
            for module, training in modes:
                module.training = training
            with torch.no_grad():
                for module, name, buffer, before in buffers:
                    if not torch.equal(buffer, before):
                        buffer.copy_(before)
                    module._buffers[name] = buffer
