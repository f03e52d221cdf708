"""The gated layers of a network: their sizes, and how many of their gates are live."""

from collections.abc import Sequence
from dataclasses import dataclass

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


def layer_table(gates: Gates, live: Sequence[int]) -> str:
    """Text table of layers, weight shapes and live gates."""
    rows = [("layer", "weight", "live", "gates", "density")]
    for layer, count in zip(gates.layers, live, strict=True):
        shape = " x ".join(map(str, layer.weight.shape))
        rows.append((layer.name, shape, f"{count:,}", f"{layer.gates:,}", f"{count / layer.gates:.4f}"))
    rows.append(("total", "", f"{sum(live):,}", f"{gates.total:,}", f"{sum(live) / gates.total:.4f}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"{name:<{widths[0]}}  {shape:<{widths[1]}}  "
        + "  ".join(f"{text:>{width}}" for text, width in zip(rest, widths[2:], strict=True))
        for name, shape, *rest in rows
    ]
    return "\n".join(line.rstrip() for line in lines)
