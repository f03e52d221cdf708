"""The live links between units, as arrays: what graphs, measures and pictures are made from."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from pruning.topology.layers import LayerTopology
from pruning.topology.wiring import Wiring, chain_wiring, check_wiring

if TYPE_CHECKING:
    from pruning.topology.snapshot import TopologySnapshot  # which offers these links as its own


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """The units of one layer, or of an input of the network, in the graph of units.

    Attributes
    ----------
    name : str
        The layer's name, or the input's.
    units : int
        How many.
    first : int
        Node number of its first unit; nodes are numbered column by column.
    is_input : bool
        Whether it is an input of the network, not a layer.
    """

    name: str
    units: int
    first: int
    is_input: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class UnitLinks:
    """Live links between units after an update.

    A link is a pair of units with at least one live gate between them. Nodes are numbered column by column,
    in the order of the layers; every link leads to a later column.

    Attributes
    ----------
    columns : tuple of Column
        Layers and inputs.
    source, target : ndarray of int64
        Node numbers of each link, shape (links,); sorted by target, then source, no pair twice.
    gates : ndarray of int64
        Live gates of each link, at least 1.
    expression : ndarray of float32 or None
        Mean expression over each link's live gates.
    step, epoch : int
        Of the snapshot.
    sparsity : float
        Of the snapshot.
    """

    columns: tuple[Column, ...]
    source: NDArray[np.int64] = field(repr=False)
    target: NDArray[np.int64] = field(repr=False)
    gates: NDArray[np.int64] = field(repr=False)
    expression: NDArray[np.float32] | None = field(repr=False, default=None)
    step: int = 0
    epoch: int = 0
    sparsity: float = 0.0

    def __len__(self) -> int:
        return len(self.source)

    @property
    def nodes(self) -> int:
        """Units of all columns."""
        return self.columns[-1].first + self.columns[-1].units if self.columns else 0

    def column_of(self) -> NDArray[np.int64]:
        """Column number of every node, shape (nodes,)."""
        return np.repeat(np.arange(len(self.columns)), [column.units for column in self.columns])

    def adjacency(self) -> csr_array:
        """Live gates from row to column, shape (nodes, nodes)."""
        return csr_array((self.gates, (self.source, self.target)), shape=(self.nodes, self.nodes))

    def to_digraph(self) -> nx.DiGraph:
        """Graph with nodes ``(column, unit)``, as :meth:`TopologySnapshot.to_digraph` describes it."""
        graph = nx.DiGraph(step=self.step, epoch=self.epoch, sparsity=self.sparsity)
        names = [(place, unit) for place, column in enumerate(self.columns) for unit in range(column.units)]
        graph.add_nodes_from((name, {"layer": self.columns[name[0]].name, "unit": name[1]}) for name in names)
        graph.add_edges_from(
            (names[source], names[target], attributes)
            for source, target, attributes in zip(
                self.source.tolist(), self.target.tolist(), self._attributes(), strict=True
            )
        )
        return graph

    def _attributes(self) -> Iterator[dict[str, Any]]:
        levels = [None] * len(self) if self.expression is None else self.expression.tolist()
        for weight, level in zip(self.gates.tolist(), levels, strict=True):
            yield {"weight": weight} if level is None else {"weight": weight, "expression": level}


def unit_links(
    snapshot: "TopologySnapshot", wiring: Wiring | None = None, expression: NDArray[Any] | None = None
) -> UnitLinks:
    """Collect the live links of a snapshot.

    Parameters
    ----------
    snapshot : TopologySnapshot
        With its masks.
    wiring : mapping of str to tuple of Feed, optional
        What feeds each layer; by default a chain, see :func:`pruning.topology.chain_wiring`.
    expression : ndarray, optional
        Of every gate, flat.

    Raises
    ------
    ValueError
        If the wiring does not belong to the layers, or the snapshot holds no masks.
    """
    layers = snapshot.layers
    if wiring is None:
        wiring = chain_wiring(layers)
    else:
        check_wiring(layers, wiring)
    columns = _columns(layers, wiring)
    first = {column.name: column.first for column in columns}
    nodes = columns[-1].first + columns[-1].units if columns else 0
    keys, gates, levels = [], [], []
    start = 0
    for layer in layers:
        mask = snapshot.mask(layer.name)
        stop = start + layer.total
        count = per_pair(layer, mask)
        row, fed = count.nonzero()
        live = count[row, fed]
        if expression is None:
            summed = np.zeros(len(live))
        else:
            values = np.where(mask, expression[start:stop].reshape(mask.shape), 0.0)
            summed = per_pair(layer, values)[row, fed]
        start = stop
        for feed in wiring[layer.name]:
            carried = feed.units[fed]
            carries = carried >= 0
            keys.append((first[layer.name] + row[carries]) * nodes + first[feed.source] + carried[carries])
            gates.append(live[carries])
            levels.append(summed[carries])
    pairs, place = np.unique(_joined(keys, np.int64), return_inverse=True)
    counts = np.bincount(place, weights=_joined(gates, np.int64), minlength=len(pairs)).astype(np.int64)
    means = np.bincount(place, weights=_joined(levels, np.float64), minlength=len(pairs)) / counts
    return UnitLinks(
        columns=columns,
        source=pairs % max(nodes, 1),
        target=pairs // max(nodes, 1),
        gates=counts,
        expression=None if expression is None else means.astype(np.float32),
        step=snapshot.step,
        epoch=snapshot.epoch,
        sparsity=snapshot.sparsity,
    )


def per_pair(layer: LayerTopology, values: NDArray[Any]) -> NDArray[Any]:
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


def _columns(layers: tuple[LayerTopology, ...], wiring: Wiring) -> tuple[Column, ...]:
    """Layers in order, each input of the network before the first layer that reads it."""
    named = {layer.name for layer in layers}
    sizes: dict[str, int] = {}
    for layer in layers:
        for feed in wiring[layer.name]:
            if feed.source not in named:  # an input has as many units as any reader names
                sizes[feed.source] = max(sizes.get(feed.source, 0), int(feed.units.max(initial=-1)) + 1)
        sizes[layer.name] = layer.outputs
    columns = []
    first = 0
    for name, units in sizes.items():
        columns.append(Column(name=name, units=units, first=first, is_input=name not in named))
        first += units
    return tuple(columns)


def _joined(parts: list[NDArray[Any]], dtype: type) -> NDArray[Any]:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype=dtype)
