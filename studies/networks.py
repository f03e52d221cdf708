"""The networks of a study: built from a seed, or scaled to match the size of a pruned one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import nn

from models import CompactFERNet, GeneInspiredNet
from studies.data import ImageDataset
from studies.randomness import derive_seed, isolated_randomness

Model = Literal["auto", "gene", "cnn"]


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkShape:
    """A network without its weights: which class, and how wide.

    Examples
    --------
    >>> NetworkShape(kind="gene", inputs=64, classes=10, hidden=(32,)).parameters
    2410
    """

    kind: str  # "gene" or "cnn"
    classes: int
    image_size: int = 0  # of "cnn", pixels
    width: int = 0  # of "cnn", channels of the first convolution
    inputs: int = 0  # of "gene", pixels of an image
    hidden: tuple[int, ...] = ()  # of "gene", units of each hidden layer

    @property
    def name(self) -> str:
        """Class name of the network."""
        return "CompactFERNet" if self.kind == "cnn" else "GeneInspiredNet"

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in self._build().parameters())

    def build(self, seed: int) -> nn.Module:
        """Return the network on the CPU, its initial weights a function of the seed.

        Examples
        --------
        >>> shape = NetworkShape(kind="gene", inputs=4, classes=2)
        >>> import torch
        >>> torch.equal(shape.build(1).layers[1].weight, shape.build(1).layers[1].weight)
        True
        """
        with isolated_randomness():
            torch.manual_seed(derive_seed(seed, "weights"))
            return self._build()

    def _build(self) -> nn.Module:
        if self.kind == "cnn":
            return CompactFERNet(classes=self.classes, image_size=self.image_size, width=self.width)
        return GeneInspiredNet(inputs=self.inputs, hidden=self.hidden, outputs=self.classes)

    def narrower(self) -> Iterator["NetworkShape"]:
        """Yield this shape and all that have its proportions and fewer units, widest first."""
        widest = self.width if self.kind == "cnn" else max(self.hidden, default=1)
        seen = set()
        for units in range(widest, 0, -1):
            shape = NetworkShape(
                kind=self.kind,
                classes=self.classes,
                image_size=self.image_size,
                inputs=self.inputs,
                width=units if self.kind == "cnn" else 0,
                hidden=tuple(max(1, round(size * units / widest)) for size in self.hidden),
            )
            if shape not in seen:
                seen.add(shape)
                yield shape


def shape_for(model: str, dataset: ImageDataset, *, width: int, hidden: tuple[int, ...]) -> NetworkShape:
    """Choose the network for a data set.

    Parameters
    ----------
    model : {"auto", "gene", "cnn"}
        "gene" is :class:`models.GeneInspiredNet`, "cnn" is :class:`models.CompactFERNet`; "auto" takes the
        first for `digits` and the second for everything else.
    dataset : ImageDataset
        Gives image size and classes.
    width : int
        Channels of the first convolution of "cnn".
    hidden : tuple of int
        Units of each hidden layer of "gene".

    Raises
    ------
    ValueError
        If the model is unknown.
    """
    if model not in get_args(Model):
        raise ValueError(f"unknown model {model!r}: expected one of {', '.join(get_args(Model))}")
    channels, height, side = dataset.train.images.shape[1:]
    if model == "gene" or (model == "auto" and dataset.name == "digits"):
        return NetworkShape(
            kind="gene", classes=len(dataset.classes), inputs=channels * height * side, hidden=hidden
        )
    image_size = min(height, side)
    return NetworkShape(kind="cnn", classes=len(dataset.classes), image_size=image_size, width=width)


def match_parameters(shape: NetworkShape, target: int) -> NetworkShape:
    """Return the narrower network whose parameter count is nearest to a target, the smaller one on a tie.

    This is the *small-dense* control: what a network of the pruned one's size learns when it was never large.

    Raises
    ------
    ValueError
        If the target is not positive.

    Examples
    --------
    >>> full = NetworkShape(kind="gene", inputs=64, classes=10, hidden=(300, 100))
    >>> small = match_parameters(full, full.parameters // 10)
    >>> small.hidden, small.parameters, full.parameters // 10
    ((58, 19), 5091, 5061)
    """
    if target < 1:
        raise ValueError(f"target must be a positive number of parameters, got {target}")
    sized = [(narrow.parameters, narrow) for narrow in shape.narrower()]
    return min(sized, key=lambda candidate: (abs(candidate[0] - target), candidate[0]))[1]
