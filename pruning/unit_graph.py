"""The graph of a network's units: which unit feeds which, and what lies on no path."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from pruning.topology import LayerTopology, TopologySnapshot


def unit_graph(
    snapshot: "TopologySnapshot", sources: Mapping[str, str | None] | None, expression: Tensor | None
) -> nx.DiGraph:
    """Build the graph that :meth:`pruning.TopologySnapshot.to_digraph` describes."""
    graph = nx.DiGraph(step=snapshot.step, epoch=snapshot.epoch, sparsity=snapshot.sparsity)
    flat_expression = None if expression is None else expression.detach().cpu().numpy()
    column = 0
    columns: dict[str, int] = {}
    start = 0
    for layer, source in zip(snapshot.layers, sources_of(snapshot.layers, sources), strict=True):
        if source is None:
            origin, fan = column, 1
            label = "input" if column == 0 else f"input of {layer.name}"
            graph.add_nodes_from(
                ((column, unit), {"layer": label, "unit": unit}) for unit in range(layer.inputs)
            )
            column += 1
        else:
            origin = columns[source.name]
            fan = layer.inputs // source.outputs
        columns[layer.name] = column
        graph.add_nodes_from(
            ((column, unit), {"layer": layer.name, "unit": unit}) for unit in range(layer.outputs)
        )
        mask = snapshot.mask(layer.name)
        stop = start + layer.total
        values = None if flat_expression is None else flat_expression[start:stop].reshape(mask.shape)
        graph.add_edges_from(_edges(layer, mask, values, origin, column, fan))
        start = stop
        column += 1
    return graph


def dead_ends(snapshot: "TopologySnapshot", sources: Mapping[str, str | None] | None) -> dict[str, int]:
    """Count what :meth:`pruning.TopologySnapshot.dead_ends` describes."""
    origins = sources_of(snapshot.layers, sources)
    counts = {layer.name: _per_pair(layer, snapshot.mask(layer.name)) for layer in snapshot.layers}
    masks = {name: count > 0 for name, count in counts.items()}
    reached: dict[str, NDArray[np.bool_]] = {}
    arrives: dict[str, NDArray[np.bool_]] = {}
    for layer, source in zip(snapshot.layers, origins, strict=True):
        arrives[layer.name] = (
            np.ones(layer.inputs, dtype=bool)
            if source is None
            else np.repeat(reached[source.name], layer.inputs // source.outputs)
        )
        reached[layer.name] = np.any(masks[layer.name] & arrives[layer.name], axis=1)
    read = {source.name for source in origins if source is not None}
    needed = {
        layer.name: np.full(layer.outputs, layer.name not in read, dtype=bool) for layer in snapshot.layers
    }
    for layer, source in reversed(list(zip(snapshot.layers, origins, strict=True))):
        if source is not None:
            wanted = (masks[layer.name] & needed[layer.name][:, None]).any(0)
            needed[source.name] |= wanted.reshape(source.outputs, -1).any(1)
    dead = {}
    for layer in snapshot.layers:
        useful = arrives[layer.name][None, :] & needed[layer.name][:, None]
        dead[layer.name] = int(counts[layer.name][~useful].sum())
    return dead


def sources_of(
    layers: Sequence["LayerTopology"], named: Mapping[str, str | None] | None
) -> list["LayerTopology | None"]:
    """For each layer the earlier layer that it reads, None for the network's input.

    Raises
    ------
    ValueError
        If a named source does not exist, comes later, or has a size that does not divide the layer's inputs.
    """
    earlier: dict[str, LayerTopology] = {}
    found: list[LayerTopology | None] = []
    for layer in layers:
        previous = next(reversed(earlier.values()), None)
        if named is None:
            fits = previous is not None and layer.inputs % previous.outputs == 0
            found.append(previous if fits else None)
        else:
            name = named.get(layer.name)
            if name is not None and (name not in earlier or layer.inputs % earlier[name].outputs):
                raise ValueError(
                    f"the source of layer {layer.name!r} must be an earlier gated layer whose outputs divide "
                    f"its {layer.inputs} inputs, got {name!r}; earlier layers: {', '.join(earlier) or 'none'}"
                )
            found.append(None if name is None else earlier[name])
        earlier[layer.name] = layer
    return found


def _per_pair(layer: "LayerTopology", values: NDArray[Any]) -> NDArray[Any]:
    """Sum gate values over every (output, input) pair, shape (outputs, inputs).

    A unit's gate counts once for each pair that the unit takes part in; pairs across groups do not exist
    and are 0.
    """
    summed = values.sum(3)
    groups = layer.groups
    outputs, inputs = layer.outputs // groups, layer.inputs // groups
    blocks = np.broadcast_to(summed.reshape(groups, outputs, -1), (groups, outputs, inputs))
    pairs = np.zeros((groups, outputs, groups, inputs), dtype=summed.dtype)
    pairs[np.arange(groups), :, np.arange(groups)] = blocks
    return pairs.reshape(layer.outputs, layer.inputs)


def _edges(
    layer: "LayerTopology",
    mask: NDArray[np.bool_],
    expression: NDArray[Any] | None,
    origin: int,
    column: int,
    fan: int,
) -> list[tuple[tuple[int, int], tuple[int, int], dict[str, Any]]]:
    """Edges of a layer; ``fan`` inputs in a row belong to one source unit whose map was flattened."""
    folded = _per_pair(layer, mask).reshape(layer.outputs, -1, fan).sum(2)
    rows, sources = folded.nonzero()
    weights = folded[rows, sources].tolist()
    if expression is None:
        attributes: list[dict[str, Any]] = [{"weight": weight} for weight in weights]
    else:
        sums = _per_pair(layer, np.where(mask, expression, 0.0)).reshape(layer.outputs, -1, fan).sum(2)
        means = (sums[rows, sources] / folded[rows, sources]).tolist()
        attributes = [
            {"weight": weight, "expression": mean} for weight, mean in zip(weights, means, strict=True)
        ]
    return [
        ((origin, source), (column, row), attribute)
        for row, source, attribute in zip(rows.tolist(), sources.tolist(), attributes, strict=True)
    ]
