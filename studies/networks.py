"""The networks of a study: built from a seed, or scaled to match the size of a pruned one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import nn

from models import (
    AMACNN,
    CompactFERNet,
    GeneInspiredNet,
    HybridFERNet,
    SpeechCNN,
    VisionTransformer,
    WideResNet,
    resnet18,
    resnet34,
)
from studies.data import ImageDataset
from studies.randomness import derive_seed, isolated_randomness

Model = Literal[
    "auto",
    "gene",
    "cnn",
    "amacnn",
    "hybrid",
    "resnet18",
    "resnet34",
    "vit-tiny",
    "vit-small",
    "wrn-22-2",
    "speech",
]


@dataclass(frozen=True, slots=True)
class _Choice:
    """A network that is built from classes, image_size, width and channels."""

    name: str  # in records
    build: Callable[..., nn.Module]
    width: int  # its own
    step: int = 1  # widths are multiples of it

    @property
    def is_transformer(self) -> bool:
        return self.build is VisionTransformer


_CHOICES = {
    "cnn": _Choice("CompactFERNet", CompactFERNet, 16),
    "amacnn": _Choice("AMACNN", AMACNN, 64),
    "hybrid": _Choice("HybridFERNet", HybridFERNet, 32),
    "resnet18": _Choice("ResNet-18", resnet18, 64),
    "resnet34": _Choice("ResNet-34", resnet34, 64),
    "vit-tiny": _Choice("ViT-tiny", VisionTransformer, 192, step=3),
    "vit-small": _Choice("ViT-small", VisionTransformer, 384, step=6),
    "wrn-22-2": _Choice("WRN-22-2", WideResNet, 16),
    "speech": _Choice("SpeechCNN", SpeechCNN, 128),
}
PATCHES = 8  # along a side of the image, where patch_size is left open
DEPTH = 12  # blocks of a vision transformer


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkShape:
    """A network without its weights: which one, and how wide.

    Examples
    --------
    >>> NetworkShape(kind="gene", inputs=64, classes=10, hidden=(32,)).parameters
    2410
    """

    kind: str  # a name of `Model` but "auto"
    classes: int
    image_size: int = 0  # of all but "gene", pixels
    width: int = 0  # of all but "gene", channels of the first stage
    channels: int = 1  # of the images
    patch_size: int = 0  # of a vision transformer, pixels
    depth: int = 0  # of a vision transformer, blocks
    inputs: int = 0  # of "gene", values of a sample
    hidden: tuple[int, ...] = ()  # of "gene", units of each hidden layer

    @property
    def name(self) -> str:
        """Name of the network in records."""
        return "GeneInspiredNet" if self.kind == "gene" else _CHOICES[self.kind].name

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
        if self.kind == "gene":
            return GeneInspiredNet(inputs=self.inputs, hidden=self.hidden, outputs=self.classes)
        choice = _CHOICES[self.kind]
        options = {"classes": self.classes, "image_size": self.image_size, "channels": self.channels}
        if choice.is_transformer:  # as many heads as the published one, whatever the width
            options |= {"patch_size": self.patch_size, "depth": self.depth, "heads": choice.step}
        return choice.build(width=self.width, **options)

    def narrower(self) -> Iterator["NetworkShape"]:
        """Yield this shape and all that have its proportions and fewer units, widest first."""
        gene = self.kind == "gene"
        widest = max(self.hidden, default=1) if gene else self.width
        step = 1 if gene else _CHOICES[self.kind].step
        seen = set()
        for units in range(widest, 0, -step):
            shape = replace(
                self,
                width=0 if gene else units,
                hidden=tuple(max(1, round(size * units / widest)) for size in self.hidden),
            )
            if shape not in seen:
                seen.add(shape)
                yield shape


def shape_for(
    model: str,
    dataset: ImageDataset,
    *,
    width: int | None = None,
    hidden: tuple[int, ...] = (128, 64),
    patch_size: int | None = None,
    depth: int | None = None,
) -> NetworkShape:
    """Choose the network for a data set.

    Parameters
    ----------
    model : str
        One of `Model`; "auto" takes "gene" for `digits`, "speech" for spectrograms, else "cnn".
    dataset : ImageDataset
        Gives image size, channels and classes.
    width : int, optional
        Channels of the first stage; None takes the network's own default.
    hidden : tuple of int
        Units of each hidden layer of "gene".
    patch_size : int, optional
        Of a vision transformer, pixels; None takes an eighth of the image.
    depth : int, optional
        Blocks of a vision transformer; None takes 12.

    Raises
    ------
    ValueError
        If the model is unknown, or not for such data.
    """
    if model not in get_args(Model):
        raise ValueError(f"unknown model {model!r}: expected one of {', '.join(get_args(Model))}")
    channels, height, side = dataset.train.images.shape[1:]
    if model == "auto":
        model = "gene" if dataset.name == "digits" else "speech" if dataset.kind == "spectrograms" else "cnn"
    classes = len(dataset.classes)
    if model == "gene":
        for name, value in (("width", width), ("patch_size", patch_size), ("depth", depth)):
            if value is not None:
                raise ValueError(f"{name} is not for model 'gene', whose layers --hidden sets, got {value}")
        return NetworkShape(
            kind="gene", classes=classes, inputs=channels * height * side, hidden=hidden, channels=channels
        )
    if model == "speech" and dataset.kind == "images":
        raise ValueError(
            f"model 'speech' is for speech, and {dataset.name} holds images: give --data a folder of "
            "RAVDESS, EMO-DB or Urdu recordings"
        )
    if model != "speech" and dataset.kind == "spectrograms":
        raise ValueError(
            f"model {model!r} is for images, and {dataset.name} holds speech: take --model speech or gene"
        )
    if height != side and (model in ("amacnn", "hybrid") or _CHOICES[model].is_transformer):
        raise ValueError(
            f"model {model!r} is for square images, and {dataset.name} has {height}×{side}: give --image-size"
        )
    choice = _CHOICES[model]
    image_size = min(height, side)
    if width is not None and width % choice.step:
        raise ValueError(f"width of model {model!r} must be a multiple of {choice.step}, got {width}")
    if not choice.is_transformer and (patch_size or depth):
        raise ValueError(f"patch_size and depth are for vision transformers, and the model is {model!r}")
    return NetworkShape(
        kind=model,
        classes=classes,
        image_size=image_size,
        width=width or choice.width,
        channels=channels,
        patch_size=(patch_size or max(1, image_size // PATCHES)) if choice.is_transformer else 0,
        depth=(depth or DEPTH) if choice.is_transformer else 0,
    )


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
