"""What the network looked like after an update: counts, masks and the graph of its units."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import networkx as nx
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pruning.gates import Gates
from pruning.topology.dead_ends import dead_ends
from pruning.topology.layers import LayerTopology, layer_topologies
from pruning.topology.links import unit_links
from pruning.topology.wiring import Wiring, chain_wiring

SAMPLED_GATES = 64  # connections whose fate every snapshot tells


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
    sample_live: NDArray[np.bool_] = field(repr=False)
    sample_expression: NDArray[np.float32] | None = field(repr=False)
    packed_masks: NDArray[np.uint8] | None = field(repr=False)

    @property
    def total(self) -> int:
        """All gates."""
        return sum(layer.total for layer in self.layers)

    @property
    def nbytes(self) -> int:
        """Bytes of the masks and of the sample."""
        arrays = (self.sample_live, self.sample_expression, self.packed_masks)
        return sum(array.nbytes for array in arrays if array is not None)

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
        self,
        sources: Mapping[str, str | None] | Wiring | None = None,
        expression: Tensor | None = None,
    ) -> nx.DiGraph:
        """Graph of the units and their live connections.

        Parameters
        ----------
        sources : mapping of str to str, None or tuple of Feed, optional
            For each layer the layer whose output units are its inputs, None for the network's input. By
            default each layer reads the one before it where their sizes fit (directly or flattened), and
            inputs of its own otherwise: right for chains. A layer that reads sums or concatenations needs
            its feeds, see :class:`pruning.topology.Feed`.
        expression : Tensor, optional
            Expression of every gate, flat; adds the mean over each edge's live gates.

        Returns
        -------
        networkx.DiGraph
            Nodes ``(column, unit)`` with attributes ``layer`` and ``unit``; edges with ``weight``, the
            number of live gates between two units, and ``expression`` where given.
        """
        levels = None if expression is None else expression.detach().cpu().numpy()
        return unit_links(self, self._wiring(sources), levels).to_digraph()

    def dead_ends(self, sources: Mapping[str, str | None] | Wiring | None = None) -> dict[str, int]:
        """Live gates of each layer that lie on no path from the network's input to its output.

        They cost memory and time and compute nothing that reaches the output (a unit with a bias still
        passes on a constant). ``sources`` as for :meth:`to_digraph`.
        """
        return dead_ends(self, self._wiring(sources))

    def _wiring(self, sources: Mapping[str, str | None] | Wiring | None) -> Wiring:
        feeds = {layer: value for layer, value in (sources or {}).items() if isinstance(value, tuple)}
        named = {layer: value for layer, value in (sources or {}).items() if not isinstance(value, tuple)}
        if feeds and named:
            raise ValueError(
                "sources must give feeds for all layers or names for all, got feeds for "
                f"{', '.join(map(repr, feeds))} and a name for {', '.join(map(repr, named))}"
            )
        return feeds or chain_wiring(self.layers, None if sources is None else named)

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
        for attribute in fields(self):
            value = getattr(self, attribute.name)
            if attribute.name == "layers":
                value = [layer.live for layer in self.layers]
            elif isinstance(value, np.ndarray):
                value = torch.from_numpy(value.copy())
            state[attribute.name] = value
        return state

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], gates: Gates) -> "TopologySnapshot":
        """Rebuild a snapshot of the network whose gates are given."""
        values: dict[str, Any] = {
            key: value.cpu().numpy() if isinstance(value, Tensor) else value for key, value in state.items()
        }
        values["layers"] = layer_topologies(gates, values["layers"])
        return cls(**values)


def packed(live: Tensor) -> NDArray[np.uint8]:
    """Masks of all gates, eight to a byte; ``live`` is boolean, flat, shape (gates,)."""
    return np.packbits(live.cpu().numpy())


def take_snapshot(
    gates: Gates,
    live: Tensor,
    born: Tensor,
    died: Tensor,
    *,
    step: int,
    epoch: int,
    target_sparsity: float,
    lifetime: Tensor | None,
    threshold: Tensor | None,
    expression: Tensor | None,
    keep_masks: bool,
) -> TopologySnapshot:
    """Describe the gates after an update; masks are boolean, flat, shape (gates,)."""
    sample = torch.linspace(0, gates.total - 1, min(SAMPLED_GATES, gates.total), dtype=torch.float64)
    sample = sample.long().to(live.device)
    counts = gates.live_per_layer(live)
    return TopologySnapshot(
        step=step,
        epoch=epoch,
        sparsity=1.0 - sum(counts) / gates.total,
        target_sparsity=target_sparsity,
        live=sum(counts),
        born=int(born.count_nonzero()),
        died=int(died.count_nonzero()),
        lifetime=None if lifetime is None else float(lifetime),
        threshold=None if threshold is None else float(threshold),
        layers=layer_topologies(gates, counts),
        sample_live=live[sample].cpu().numpy(),
        sample_expression=None if expression is None else expression[sample].float().cpu().numpy(),
        packed_masks=packed(live) if keep_masks else None,
    )
