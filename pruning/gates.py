"""Which connections of a network are gated, and their masks.

A *gate* decides whether a connection is live. All gates of all layers form one flat vector in module
order, so that one call of a gene-expression step, a selection or a threshold serves the whole network.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import accumulate
from typing import Literal, get_args

import torch
from torch import Generator, Tensor, nn

from pruning.silence import SilentPart

Granularity = Literal["weight", "connection", "unit"]
GATEABLE = (nn.Linear, nn.Conv1d, nn.Conv2d)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GatedLayer:
    """The gates of one layer: a slice of the flat vector and its layout.

    Attributes
    ----------
    name : str
        Module name, as in ``model.named_modules()``.
    weight : torch.nn.Parameter
        Gated weight (outputs, inputs / groups, *kernel).
    bias : torch.nn.Parameter or None
        Gated with its unit at granularity ``"unit"``; None otherwise.
    granularity : {"weight", "connection", "unit"}
        What one gate silences: a weight, an (output, input) pair with its whole kernel, or an output unit.
    groups : int
        Groups of a grouped convolution, 1 for a linear layer.
    start, stop : int
        The layer's gates are ``flat[start:stop]``.
    """

    name: str
    weight: nn.Parameter
    bias: nn.Parameter | None
    granularity: Granularity
    groups: int
    start: int
    stop: int

    @property
    def outputs(self) -> int:
        """Output units: neurons or channels."""
        return self.weight.shape[0]

    @property
    def inputs(self) -> int:
        """Input units, over all groups."""
        return self.weight.shape[1] * self.groups

    @property
    def kernel(self) -> int:
        """Weights of one (output, input) pair."""
        return self.weight[0, 0].numel()

    @property
    def gates(self) -> int:
        """Number of gates."""
        return self.stop - self.start

    @property
    def weights_per_gate(self) -> int:
        """Weights that one gate silences."""
        return self.weight.numel() // self.gates

    @property
    def slice(self) -> slice:
        """Where the layer's gates lie in the flat vector."""
        return slice(self.start, self.stop)

    @property
    def layout(self) -> tuple[int, int, int, int]:
        """(groups, outputs a group, inputs a group, gates a pair): the row-major shape of the flat slice."""
        if self.granularity == "unit":
            return (1, self.outputs, 1, 1)
        inner = self.kernel if self.granularity == "weight" else 1
        return (self.groups, self.outputs // self.groups, self.weight.shape[1], inner)

    def broadcastable(self, flat: Tensor) -> Tensor:
        """View of the layer's part of a flat vector that broadcasts against the weight."""
        own = flat[self.slice]
        if self.granularity == "weight":
            return own.view(self.weight.shape)
        if self.granularity == "connection":
            return own.view(*self.weight.shape[:2], *(1,) * (self.weight.dim() - 2))
        return own.view(-1, *(1,) * (self.weight.dim() - 1))

    def mean_per_gate(self, values: Tensor) -> Tensor:
        """Average weight-shaped values over the weights of each gate, shape (gates,)."""
        return values.reshape(self.gates, -1).mean(1) if self.weights_per_gate > 1 else values.reshape(-1)

    def sum_per_gate(self, values: Tensor) -> Tensor:
        """Sum weight-shaped values over the weights of each gate, shape (gates,)."""
        return values.reshape(self.gates, -1).sum(1) if self.weights_per_gate > 1 else values.reshape(-1)


def _candidates(model: nn.Module) -> dict[str, nn.Linear | nn.Conv1d | nn.Conv2d]:
    """Layers whose trainable weights can be gated; a weight that several share goes by its first name."""
    found: dict[str, nn.Linear | nn.Conv1d | nn.Conv2d] = {}
    seen: set[int] = set()
    for name, module in model.named_modules():
        if isinstance(module, GATEABLE) and id(module.weight) not in seen and module.weight.requires_grad:
            seen.add(id(module.weight))
            found[name] = module
    return found


def _maskable_weight(name: str, module: nn.Module) -> nn.Parameter:
    """Weight of a layer, after a look whether it can be masked in place."""
    weight = module.weight
    if isinstance(weight, nn.parameter.UninitializedParameter):
        raise ValueError(f"layer {name!r} has no shape yet; run one batch through the model before gating it")
    if not isinstance(weight, nn.Parameter):
        raise ValueError(
            f"the weight of layer {name!r} is computed by a parametrization and cannot be masked in "
            "place; remove the parametrization or exclude the layer"
        )
    return weight


def _chosen(names: Sequence[str], patterns: Sequence[str] | None, argument: str) -> set[str]:
    chosen: set[str] = set()
    for pattern in patterns or ():
        matched = {name for name in names if fnmatchcase(name, pattern)}
        if not matched:
            raise ValueError(
                f"{argument} names no gateable layer {pattern!r}; the model has {', '.join(names)}"
            )
        chosen |= matched
    return chosen


class Gates:
    """The gates of a network, in one flat vector.

    Parameters
    ----------
    model : torch.nn.Module
        Its trainable ``Linear``, ``Conv1d`` and ``Conv2d`` weights are gated; a weight that two modules
        share is gated once, under its first name.
    granularity : {"weight", "connection", "unit"}
        What one gate silences. At ``"unit"`` the bias of a silent unit is silenced with its weights; a
        normalisation that follows still emits its own constant.
    layers, exclude : sequence of str, optional
        Names (shell patterns allowed) of the layers to gate, all by default, and of those to leave
        dense. With
        unit gates the last layer stays dense unless it is named: its units are the network's answer.

    Attributes
    ----------
    layers : tuple of GatedLayer
        In module order.
    total : int
        Gates of all layers.
    dense : dict of str to int
        Size of every other weight of two dimensions or more, by its parameter's name: excluded layers,
        embeddings, recurrent layers, the packed projections of ``nn.MultiheadAttention``.

    Raises
    ------
    ValueError
        If nothing is left to gate, a name matches no layer, a weight is parametrized or has no shape
        yet, or the gated weights lie on several devices.

    Examples
    --------
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
    >>> gates = Gates(model, granularity="connection")
    >>> [(layer.name, layer.gates) for layer in gates.layers], gates.total
    ([('0', 4), ('2', 8)], 12)
    """

    def __init__(
        self,
        model: nn.Module,
        granularity: Granularity = "weight",
        layers: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
    ) -> None:
        if granularity not in get_args(Granularity):
            raise ValueError(
                f"granularity must be one of {', '.join(get_args(Granularity))}, got {granularity!r}"
            )
        found = _candidates(model)
        names = list(found)
        wanted = set(names) if layers is None else _chosen(names, layers, "layers")
        wanted -= _chosen(names, exclude, "exclude")
        if granularity == "unit" and layers is None and len(wanted) > 1:
            wanted.discard(names[-1])  # the output units are the answer itself
        if not wanted:
            raise ValueError(
                "nothing to gate: the model has no trainable Linear, Conv1d or Conv2d weight that is chosen"
            )
        built: list[GatedLayer] = []
        start = 0
        for name, module in found.items():
            if name not in wanted:
                continue
            weight, bias = _maskable_weight(name, module), module.bias
            gates = {
                "weight": weight.numel(),
                "connection": weight.shape[0] * weight.shape[1],
                "unit": weight.shape[0],
            }[granularity]
            built.append(
                GatedLayer(
                    name=name,
                    weight=weight,
                    bias=bias if granularity == "unit" and isinstance(bias, nn.Parameter) else None,
                    granularity=granularity,
                    groups=getattr(module, "groups", 1),
                    start=start,
                    stop=start + gates,
                )
            )
            start += gates
        devices = {layer.weight.device for layer in built}
        if len(devices) > 1:
            raise ValueError(f"gated weights must lie on one device, got {sorted(map(str, devices))}")
        self.granularity: Granularity = granularity
        self.layers: tuple[GatedLayer, ...] = tuple(built)
        self.total: int = start
        gated = {id(layer.weight) for layer in built}
        self.dense: dict[str, int] = {
            name: parameter.numel()
            for name, parameter in model.named_parameters()
            if id(parameter) not in gated
            and not isinstance(parameter, nn.parameter.UninitializedParameter)
            and parameter.dim() > 1
        }
        self.device: torch.device = built[0].weight.device

    @property
    def sizes(self) -> tuple[int, ...]:
        """Gates of each layer."""
        return tuple(layer.gates for layer in self.layers)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Start of each layer's slice, and the total at the end."""
        return (0, *accumulate(self.sizes))

    @property
    def fingerprint(self) -> list[list[object]]:
        """Names and shapes that a checkpoint must agree with, as JSON values."""
        return [[layer.name, list(layer.weight.shape), self.granularity] for layer in self.layers]

    def parameters(self) -> Iterator[tuple[GatedLayer, nn.Parameter]]:
        """Every gated parameter with its layer: weights, and biases at granularity ``"unit"``."""
        for layer in self.layers:
            yield layer, layer.weight
            if layer.bias is not None:
                yield layer, layer.bias

    def view_for(self, layer: GatedLayer, parameter: nn.Parameter, flat: Tensor) -> Tensor:
        """View of ``flat`` that broadcasts against one gated parameter of ``layer``."""
        return flat[layer.slice] if parameter is layer.bias else layer.broadcastable(flat)

    def silent_parts(self, silent: Tensor) -> list[SilentPart]:
        """Parameters of the layers in which any gate is silent (one device synchronisation).

        ``silent`` is boolean, shape (gates,); the parts are views of it.
        """
        counts = dict(zip(self.layers, self.live_per_layer(silent), strict=True))
        return [
            SilentPart.of(parameter, self.view_for(layer, parameter, silent))
            for layer, parameter in self.parameters()
            if counts[layer]
        ]

    def silence(self, silent: Tensor) -> None:
        """Set silent weights to zero in place, NaN and infinity as well.

        ``silent`` is boolean, shape (gates,).
        """
        for part in self.silent_parts(silent):
            part.clear_weight()

    def live_per_layer(self, live: Tensor) -> list[int]:
        """Count live gates layer by layer (one device synchronisation)."""
        return torch.stack([live[layer.slice].count_nonzero() for layer in self.layers]).tolist()

    def magnitude(self) -> Tensor:
        """Mean absolute weight of each gate, float32, shape (gates,)."""
        flat = torch.empty(self.total, device=self.device)
        for layer in self.layers:
            flat[layer.slice] = layer.mean_per_gate(layer.weight.detach().abs().float())
        return flat

    def refuse_non_finite(self, values: Tensor, what: str) -> None:
        """Raise if a gate's value is not finite, naming the first such layer.

        Raises
        ------
        FloatingPointError
            Begins with ``what``.
        """
        if math.isfinite(float(values.sum())):  # one number instead of a mask; a sum may overflow by itself
            return
        finite = torch.isfinite(values)
        for layer in self.layers:
            bad = int((~finite[layer.slice]).sum())
            if bad:
                raise FloatingPointError(
                    f"{what} of layer {layer.name!r} are not finite in {bad:,} of {layer.gates:,} gates; go "
                    "back to the last checkpoint with a lower learning rate or clipped gradients"
                )

    def renew_units(self, born: Tensor, generator: Generator) -> None:
        """Give reborn units small random weights.

        A single weight may start at zero: its gradient does not vanish. A whole unit of zeros behind ReLU has
        none, and behind a normalisation an unbounded one.
        """
        with torch.no_grad():
            for layer in self.layers:
                bound = layer.weight[0].numel() ** -0.5  # torch's own initialisation of both layer types
                fresh = torch.empty_like(layer.weight).uniform_(-bound, bound, generator=generator)
                layer.weight.copy_(torch.where(layer.broadcastable(born), fresh, layer.weight))
