"""What feeds the inputs of each layer: units of earlier layers, or the network's own input."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pruning.topology.layers import LayerTopology

INPUT = "input"  # what an input of a network is called


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Feed:
    """Where inputs of a layer come from.

    A layer that reads a sum has a feed for each summand, one that reads a concatenation a feed for each part.

    Attributes
    ----------
    source : str
        Name of an earlier gated layer; a name that is no layer's stands for an input of the network.
    units : ndarray of int64
        For each input of the layer the source's unit that it carries, -1 where it carries none of them.
    """

    source: str
    units: NDArray[np.int64] = field(repr=False)


Wiring = Mapping[str, tuple[Feed, ...]]
"""The feeds of every gated layer by its name."""


def chain_wiring(layers: Sequence[LayerTopology], sources: Mapping[str, str | None] | None = None) -> Wiring:
    """Wire layers of which each reads one other, or the network's input.

    Where a layer has a multiple of its source's units as inputs, as after the flattening of maps, so many
    inputs in a row carry one unit.

    Parameters
    ----------
    layers : sequence of LayerTopology
        In module order.
    sources : mapping of str to str or None, optional
        For each layer the earlier one that it reads, None for the network's input. By default each layer
        reads the one before it where their sizes fit, and inputs of its own otherwise.

    Raises
    ------
    ValueError
        If a named source does not exist, comes later, or has a size that does not divide the layer's inputs.
    """
    names = {layer.name for layer in layers}
    earlier: dict[str, LayerTopology] = {}
    wiring: dict[str, tuple[Feed, ...]] = {}
    for layer in layers:
        source = _source_of(layer, earlier, sources)
        inputs = np.arange(layer.inputs)
        if source is None:
            own = input_name(f"{INPUT} of {layer.name}" if earlier else INPUT, names)
            wiring[layer.name] = (Feed(source=own, units=inputs),)
        else:
            units = inputs // (layer.inputs // source.outputs)
            wiring[layer.name] = (Feed(source=source.name, units=units),)
        earlier[layer.name] = layer
    return wiring


def input_name(name: str, layers: Collection[str]) -> str:
    """Name an input of the network so that no layer is called the same.

    Examples
    --------
    >>> input_name("input", ["stem", "head"]), input_name("input", ["input", "head"])
    ('input', "network's input")
    """
    while name in layers:
        name = f"network's {name}"
    return name


def check_wiring(layers: Sequence[LayerTopology], wiring: Wiring) -> None:
    """Refuse a wiring that does not belong to the layers.

    Raises
    ------
    ValueError
        If a layer is missing, a source comes later, or the units are not one for each input of the layer or
        not the source's.
    """
    earlier: dict[str, LayerTopology] = {}
    names = {layer.name for layer in layers}
    for layer in layers:
        if layer.name not in wiring:
            raise ValueError(f"the wiring must tell the feeds of every layer, {layer.name!r} is missing")
        for feed in wiring[layer.name]:
            if feed.source in names and feed.source not in earlier:
                raise ValueError(
                    f"layer {layer.name!r} must be fed by an earlier layer or an input, got {feed.source!r}, "
                    "which is a layer that comes later or itself; an input of the network needs another name"
                )
            if feed.units.shape != (layer.inputs,):
                raise ValueError(
                    f"the feed of layer {layer.name!r} from {feed.source!r} must name a unit for each of its "
                    f"{layer.inputs} inputs, got shape {feed.units.shape}"
                )
            most = earlier[feed.source].outputs if feed.source in earlier else None
            if feed.units.min(initial=0) < -1 or (most is not None and feed.units.max(initial=-1) >= most):
                raise ValueError(
                    f"the feed of layer {layer.name!r} from {feed.source!r} must name units from -1 to "
                    f"{'any' if most is None else most - 1}, got {feed.units.min()} to {feed.units.max()}"
                )
        earlier[layer.name] = layer


def _source_of(
    layer: LayerTopology,
    earlier: Mapping[str, LayerTopology],
    named: Mapping[str, str | None] | None,
) -> LayerTopology | None:
    if named is None:
        previous = next(reversed(list(earlier.values())), None)
        return previous if previous is not None and layer.inputs % previous.outputs == 0 else None
    name = named.get(layer.name)
    if name is None:
        return None
    if name not in earlier or layer.inputs % earlier[name].outputs:
        raise ValueError(
            f"the source of layer {layer.name!r} must be an earlier gated layer whose outputs divide "
            f"its {layer.inputs} inputs, got {name!r}; earlier layers: {', '.join(earlier) or 'none'}"
        )
    return earlier[name]
