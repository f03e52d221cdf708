"""What the network looked like after an update: counts, masks and the graph of its units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import networkx as nx
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pruning.gates import Gates


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerTopology:
    """Size and live gates of one layer.

    Attributes
    ----------
    name : str
        Module name.
    outputs, inputs : int
        Units on either side, over all groups.
    groups : int
        Groups of a grouped convolution, 1 otherwise.
    layout : tuple of int
        (groups, outputs a group, inputs a group, gates a pair), the row-major shape of its gates.
    live, total : int
        Live gates and all gates.
    """

    name: str
    outputs: int
    inputs: int
    groups: int
    layout: tuple[int, int, int, int]
    live: int
    total: int

    @property
    def density(self) -> float:
        """Live fraction."""
        return self.live / self.total


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TopologySnapshot:
    """The gates after one update.

    Attributes
    ----------
    step, epoch : int
        Optimizer steps and epochs done.
    sparsity, target_sparsity : float
        Silenced fraction, measured and asked for.
    live, born, died : int
        Live gates, and those that this update restored and silenced.
    lifetime : float or None
        Mean optimizer steps that the silenced ones had been live; None where none was silenced.
    threshold : float or None
        Importance at the edge, where the policy has one.
    layers : tuple of LayerTopology
        In module order.
    sample_live : ndarray of bool
        State of a fixed sample of gates, the same ones in each snapshot.
    sample_expression : ndarray of float32 or None
        Their expression, where the policy has one.
    packed_masks : ndarray of uint8 or None
        All masks, eight to a byte; None where the controller keeps none.
    """

    step: int
    epoch: int
    sparsity: float
    target_sparsity: float
    live: int
    born: int
    died: int
    lifetime: float | None
    threshold: float | None
    layers: tuple[LayerTopology, ...]
    sample_live: NDArray[np.bool_]
    sample_expression: NDArray[np.float32] | None
    packed_masks: NDArray[np.uint8] | None

    @property
    def total(self) -> int:
        """All gates."""
        return sum(layer.total for layer in self.layers)

    @property
    def churn(self) -> float:
        """Fraction of masks flipped by the update."""
        return (self.born + self.died) / self.total

    def mask(self, name: str) -> NDArray[np.bool_]:
        """Mask of one layer in the shape of its layout, (groups, outputs, inputs, gates a pair).

        Raises
        ------
        KeyError
            If no layer has that name.
        ValueError
            If the controller was told to keep no masks.
        """
        names = [layer.name for layer in self.layers]
        if name not in names:
            raise KeyError(f"no gated layer {name!r}; there are {', '.join(names)}")
        if self.packed_masks is None:
            raise ValueError("this snapshot holds no masks; build the controller with keep_masks=True")
        index = names.index(name)
        start = sum(layer.total for layer in self.layers[:index])
        layer = self.layers[index]
        flat = np.unpackbits(self.packed_masks, count=self.total)[start : start + layer.total]
        return flat.astype(bool).reshape(layer.layout)

    def to_digraph(
        self, sources: Mapping[str, str | None] | None = None, expression: Tensor | None = None
    ) -> nx.DiGraph:
        """Graph of the units and their live connections.

        Parameters
        ----------
        sources : mapping of str to str or None, optional
            For each layer the layer whose output units are its inputs, None for the network's input. By
            default each layer reads the one before it where their sizes fit (directly or flattened), and
            inputs of its own otherwise: right for chains; name the sources of branches and skips yourself.
        expression : Tensor, optional
            Expression of every gate, flat; adds the mean over each edge's live gates.

        Returns
        -------
        networkx.DiGraph
            Nodes ``(column, unit)`` with attributes ``layer`` and ``unit``; edges with ``weight``, the
            number of live gates between two units, and ``expression`` where given.
        """
        graph = nx.DiGraph(step=self.step, epoch=self.epoch, sparsity=self.sparsity)
        flat_expression = None if expression is None else expression.detach().cpu().numpy()
        column = 0
        columns: dict[str, int] = {}
        start = 0
        for layer, source in zip(self.layers, sources_of(self.layers, sources), strict=True):
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
            mask = self.mask(layer.name)
            stop = start + layer.total
            values = None if flat_expression is None else flat_expression[start:stop].reshape(mask.shape)
            graph.add_edges_from(_edges(layer, mask, values, origin, column, fan))
            start = stop
            column += 1
        return graph

    def dead_ends(self, sources: Mapping[str, str | None] | None = None) -> dict[str, int]:
        """Live gates of each layer that lie on no path from the network's input to its output.

        They cost memory and time and compute nothing that reaches the output (a unit with a bias still
        passes on a constant). ``sources`` as for :meth:`to_digraph`.
        """
        origins = sources_of(self.layers, sources)
        counts = {layer.name: _per_pair(layer, self.mask(layer.name)) for layer in self.layers}
        masks = {name: count > 0 for name, count in counts.items()}
        reached: dict[str, NDArray[np.bool_]] = {}
        arrives: dict[str, NDArray[np.bool_]] = {}
        for layer, source in zip(self.layers, origins, strict=True):
            arrives[layer.name] = (
                np.ones(layer.inputs, dtype=bool)
                if source is None
                else np.repeat(reached[source.name], layer.inputs // source.outputs)
            )
            reached[layer.name] = np.any(masks[layer.name] & arrives[layer.name], axis=1)
        read = {source.name for source in origins if source is not None}
        needed = {
            layer.name: np.full(layer.outputs, layer.name not in read, dtype=bool) for layer in self.layers
        }
        for layer, source in reversed(list(zip(self.layers, origins, strict=True))):
            if source is not None:
                wanted = (masks[layer.name] & needed[layer.name][:, None]).any(0)
                needed[source.name] |= wanted.reshape(source.outputs, -1).any(1)
        dead = {}
        for layer in self.layers:
            useful = arrives[layer.name][None, :] & needed[layer.name][:, None]
            dead[layer.name] = int(counts[layer.name][~useful].sum())
        return dead

    def to_record(self) -> dict[str, Any]:
        """The snapshot without its masks, as JSON values."""
        return {
            "step": self.step,
            "epoch": self.epoch,
            "sparsity": self.sparsity,
            "target_sparsity": self.target_sparsity,
            "live": self.live,
            "born": self.born,
            "died": self.died,
            "churn": self.churn,
            "lifetime": self.lifetime,
            "threshold": self.threshold,
            "layer_density": {layer.name: layer.density for layer in self.layers},
            "sample_live": self.sample_live.tolist(),
            "sample_expression": (
                None
                if self.sample_expression is None
                else [round(float(value), 4) for value in self.sample_expression]
            ),
        }

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values for a checkpoint; the shapes of layers are left to the gates."""
        state: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "layers":
                value = [layer.live for layer in self.layers]
            elif isinstance(value, np.ndarray):
                value = torch.from_numpy(value.copy())
            state[field.name] = value
        return state

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], gates: Gates) -> "TopologySnapshot":
        """Rebuild a snapshot of the network whose gates are given."""
        values: dict[str, Any] = {
            key: value.cpu().numpy() if isinstance(value, Tensor) else value for key, value in state.items()
        }
        values["layers"] = layer_topologies(gates, values["layers"])
        return cls(**values)


def layer_topologies(gates: Gates, live: Sequence[int]) -> tuple[LayerTopology, ...]:
    """Describe each gated layer with its count of live gates."""
    return tuple(
        LayerTopology(
            name=layer.name,
            outputs=layer.outputs,
            inputs=layer.inputs,
            groups=layer.groups,
            layout=layer.layout,
            live=count,
            total=layer.gates,
        )
        for layer, count in zip(gates.layers, live, strict=True)
    )


def sources_of(
    layers: Sequence[LayerTopology], named: Mapping[str, str | None] | None
) -> list[LayerTopology | None]:
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


def _per_pair(layer: LayerTopology, values: NDArray[Any]) -> NDArray[Any]:
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
    layer: LayerTopology,
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
