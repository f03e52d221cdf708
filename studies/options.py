"""The options that every training study shares, and how text becomes values."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import torch

from pruning.allocation import Allocation
from pruning.gates import Granularity
from studies.gating_options import GatingOptions
from studies.networks import Model
from studies.policies import POLICIES, PolicyChoice, check_policy
from studies.recipe import Recipe

Switch = Literal["auto", "on", "off"]
AllocationOption = Literal["auto", Allocation]
FACES_SIZE = 24  # pixels; faces are drawn at any size, and a study of them takes minutes at this one
UPDATES = 40  # mask updates in a run when update_every is not given

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(GatingOptions):
    """Data, network, training and pruning; shared by the studies that train networks."""

    data: str = "faces"  # "faces", "digits", a FER-2013 CSV file or a folder with a sub-folder a class
    fraction: float = 1.0  # stratified share of the training images to use, in (0, 1]
    image_size: int | None = None  # side of the images, pixels; None: the data's own, 24 for faces
    test_split: Literal["public", "private"] = "public"  # which official test set of FER-2013 to score
    model: Model = "auto"  # GeneInspiredNet or CompactFERNet; auto: gene for digits, cnn for images
    width: int = 16  # channels of the cnn's first convolution
    hidden: str = "128,64"  # units of the gene model's hidden layers, separated by commas
    epochs: int = 6  # passes over the training images
    batch_size: int = 64  # images a step
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"  # sgd has momentum 0.9
    learning_rate: float = 2e-3  # at the first step; falls to 0 along half a cosine
    weight_decay: float = 0.0  # L2 for adam and sgd, decoupled for adamw
    augment: Switch = "auto"  # rotate, flip and re-light training images; auto: not for digits
    granularity: Granularity = "weight"  # what a gate silences; unit leaves the classifier dense
    allocation: AllocationOption = "auto"  # sparsity over layers; auto: erk from scratch, else global
    update_every: int | None = None  # steps between mask updates; None: a fortieth of all steps
    prune_begin: float = 0.0  # fraction of training before sparsity starts to rise
    prune_end: float = 0.75  # fraction of training after which masks stay as they are
    device: str = "auto"  # auto, cpu, cuda or cuda:N; auto: cuda where there is one
    threads: int | None = None  # CPU threads; None: torch's choice, and a resumed study's own
    keep_weights: bool = False  # also write the final weights and masks of every run
    checkpoint_seconds: float | None = None  # also checkpoint inside an epoch, after so many seconds
    resume: bool = False  # continue the study in --out, if there is one

    def check(self) -> None:
        """Refuse options that no run could use.

        Raises
        ------
        ValueError
            Names the option, what it must be, and what it is.
        """
        for name, choices in (
            ("test_split", ("public", "private")),
            ("model", get_args(Model)),
            ("augment", get_args(Switch)),
            ("granularity", get_args(Granularity)),
            ("allocation", get_args(AllocationOption)),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}")
        for name, least in (("image_size", 4), ("update_every", 1), ("threads", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        if self.width < 1:
            raise ValueError(f"width must be at least 1 channel, got {self.width}")
        if not 0 < self.fraction <= 1:
            raise ValueError(
                f"fraction must be in (0, 1], a share of the training images, got {self.fraction}"
            )
        if not 0 <= self.prune_begin <= self.prune_end <= 1:
            raise ValueError(
                f"prune_begin and prune_end must be fractions of training in order, 0 <= begin <= end <= 1, "
                f"got {self.prune_begin} and {self.prune_end}"
            )
        seconds = self.checkpoint_seconds
        if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"checkpoint_seconds must be a finite time of at least 0 s, got {seconds}")
        self.check_gating()
        self.hidden_sizes()
        self.recipe("digits")
        self.torch_device()

    def hidden_sizes(self) -> tuple[int, ...]:
        """Units of each hidden layer, from ``hidden``; empty text is a linear classifier."""
        if not self.hidden.strip():
            return ()
        sizes = parse_list("hidden", self.hidden, int, "positive integers such as 128,64")
        if min(sizes) < 1:
            raise ValueError(f"hidden must be positive integers such as 128,64, got {self.hidden!r}")
        return sizes

    def image_side(self) -> int | None:
        """Side that images are brought to, pixels; None keeps the data's own."""
        return FACES_SIZE if self.image_size is None and self.data == "faces" else self.image_size

    def augments(self, dataset: str) -> bool:
        """Whether training images of a data set are augmented."""
        return self.augment == "on" or (self.augment == "auto" and dataset != "digits")

    def recipe(self, dataset: str) -> Recipe:
        """Return the training recipe for a data set."""
        return Recipe(
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            augment=self.augments(dataset),
        )

    def allocation_of(self, choice: PolicyChoice) -> Allocation:
        """How a policy's budget is shared among layers."""
        return choice.allocation if self.allocation == "auto" else self.allocation

    def update_interval(self, total_steps: int) -> int:
        """Optimizer steps between mask updates."""
        return self.update_every or max(1, total_steps // UPDATES)

    def torch_device(self) -> torch.device:
        """Return the device, after a look whether it is there."""
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            device = torch.device(self.device)
        except RuntimeError:
            device = None
        if device is None or device.type not in ("cpu", "cuda"):
            raise ValueError(f"unknown device {self.device!r}: expected auto, cpu, cuda or cuda:N")
        if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
            raise ValueError(
                f"device {self.device!r} is not there: torch sees {torch.cuda.device_count()} CUDA devices; "
                f"use --device cpu"
            )
        return device


def parse_list(name: str, text: str, convert: Callable[[str], Value], expected: str) -> tuple[Value, ...]:
    """Split comma-separated text into values, at least one.

    Raises
    ------
    ValueError
        If a part is empty or cannot be converted.

    Examples
    --------
    >>> parse_list("sparsities", "0.5, 0.9", float, "numbers in [0, 1)")
    (0.5, 0.9)
    """
    values = []
    for part in text.split(","):
        try:
            if not part.strip():
                raise ValueError
            values.append(convert(part.strip()))
        except ValueError:
            raise ValueError(
                f"{name} must be {expected}, separated by commas, got {text!r}: {part.strip()!r} is not one"
            ) from None
    return tuple(values)


def parse_policies(text: str) -> tuple[str, ...]:
    """Split and check the names of policies.

    Examples
    --------
    >>> parse_policies("dense,expression")
    ('dense', 'expression')
    """
    names = parse_list("policies", text, str, f"some of {', '.join(POLICIES)}")
    for name in names:
        check_policy(name)
    return check_distinct("policies", names)


def parse_sparsities(text: str) -> tuple[float, ...]:
    """Split and check target sparsities.

    Examples
    --------
    >>> parse_sparsities("1.2")
    Traceback (most recent call last):
    ...
    ValueError: sparsity must be in [0, 1), the share of connections silenced, got 1.2
    """
    values = parse_list("sparsities", text, float, "numbers in [0, 1)")
    for value in values:
        check_sparsity(value)
    return check_distinct("sparsities", values)


def check_sparsity(value: float) -> None:
    """Refuse a sparsity outside [0, 1)."""
    if not 0 <= value < 1:
        raise ValueError(f"sparsity must be in [0, 1), the share of connections silenced, got {value}")


def check_distinct(name: str, values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Refuse a value given twice."""
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{name} names {value} twice")
    return values
