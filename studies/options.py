"""The options that every training study shares, and how text becomes values."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal, TypeVar, get_args

import torch

from pruning.allocation import Allocation
from pruning.gates import Granularity
from studies.augmentation import PROFILES, find_profile
from studies.data import ImageDataset
from studies.data_options import DataOptions
from studies.gating_options import GatingOptions
from studies.networks import Model
from studies.policies import POLICIES, PolicyChoice, check_policy
from studies.policy_config import check_agreement
from studies.recipe import Recipe
from studies.recipes import check_recipe
from studies.tensorboard import check_tensorboard

AllocationOption = Literal["auto", Allocation]
UPDATES = 40  # mask updates in a run when update_every is not given

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(DataOptions, GatingOptions):
    """Data, network, training and pruning; shared by the studies that train networks."""

    # Name of the recipe that the other options come from; on the command line, --recipe sets them.
    recipe: str = ""  # amacnn, hybrid, gene, resnet18, vit-tiny, wrn-22-2 or speech
    model: Model = "auto"  # network; auto: gene for digits, speech for spectrograms, else cnn
    width: int | None = None  # channels of the network's first stage; None: its own default
    hidden: str = "128,64"  # units of the gene model's hidden layers, separated by commas
    patch_size: int | None = None  # of a vision transformer, pixels; None: an eighth of the image
    depth: int | None = None  # blocks of a vision transformer; None: 12
    epochs: int = 6  # passes over the training images, at most
    batch_size: int = 64  # images a step, of all processes together
    micro_batches: int = 1  # parts a batch is worked through in, to save memory
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"  # sgd has momentum 0.9
    learning_rate: float = 2e-3  # the highest of the run
    schedule: Literal["cosine", "step", "inverse", "constant"] = "cosine"  # how the rate falls
    warmup: float = 0.0  # fraction of training in which the rate rises from 0
    rate_decay: float = 1e-6  # of the inverse schedule: learning rate / (1 + this * step)
    weight_decay: float = 0.0  # L2 for adam and sgd, decoupled for adamw
    loss: Literal["cross-entropy", "focal", "hybrid"] = "cross-entropy"  # hybrid: the sum of both
    class_weights: Literal["none", "balanced"] = "none"  # balanced: rare classes weigh more
    label_smoothing: float = 0.0  # share of every target that is spread over all classes
    # none, flip, crop-flip, gene, amacnn, hybrid or speech; auto: gene (speech for speech, none for digits)
    augmentation: str = "auto"
    patience: int | None = None  # epochs without a better validation accuracy until training stops
    ema: float = 0.0  # decay a step of a running average of the weights, scored instead; 0: none
    precision: Literal["float32", "bfloat16", "float16"] = "float32"  # of the forward pass
    audit: bool = True  # look for leaks between the parts before training
    baselines: bool = False  # also score the majority class, nearest neighbour and a linear model
    tensorboard: bool = False  # also write curves that TensorBoard shows
    granularity: Granularity = "weight"  # what a gate silences; unit leaves the classifier dense
    allocation: AllocationOption = "auto"  # sparsity over layers; auto: erk from scratch, else global
    update_every: int | None = None  # steps between mask updates; None: a fortieth of all steps
    prune_begin: float = 0.0  # fraction of training before sparsity starts to rise
    prune_end: float = 0.75  # fraction of training after which masks stay as they are
    device: str = "auto"  # auto, cpu, cuda or cuda:N; auto: cuda where there is one
    threads: int | None = None  # CPU threads; None: torch's choice, and a resumed study's own
    keep_weights: bool = False  # also write the final weights and masks of every run
    topology: bool = True  # also record the masks and expression of pruned runs of the first seed
    checkpoint_seconds: float | None = None  # also checkpoint inside an epoch, after so many seconds
    resume: bool = False  # continue the study in --out, if there is one

    def check(self) -> None:
        """Refuse options that no run could use.

        Raises
        ------
        ValueError
            Names the option, what it must be, and what it is.
        """
        self.check_data()
        if self.recipe:
            check_recipe(self.recipe)
        for name, choices in (
            ("model", get_args(Model)),
            ("augmentation", ("auto", *PROFILES)),
            ("granularity", get_args(Granularity)),
            ("allocation", get_args(AllocationOption)),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}")
        for name in ("width", "patch_size", "depth", "update_every", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if not 0 <= self.prune_begin <= self.prune_end <= 1:
            raise ValueError(
                f"prune_begin and prune_end must be fractions of training in order, 0 <= begin <= end <= 1, "
                f"got {self.prune_begin} and {self.prune_end}"
            )
        seconds = self.checkpoint_seconds
        if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"checkpoint_seconds must be a finite time of at least 0 s, got {seconds}")
        check_agreement(self)
        self.check_gating()
        self.hidden_sizes()
        self.training_recipe()
        if self.tensorboard:
            check_tensorboard()
        self.torch_device()

    def hidden_sizes(self) -> tuple[int, ...]:
        """Units of each hidden layer, from ``hidden``; empty text is a linear classifier."""
        if not self.hidden.strip():
            return ()
        sizes = parse_list("hidden", self.hidden, int, "positive integers such as 128,64")
        if min(sizes) < 1:
            raise ValueError(f"hidden must be positive integers such as 128,64, got {self.hidden!r}")
        return sizes

    def augmentation_of(self, dataset: ImageDataset | None) -> str:
        """Name of the augmentation of a data set's training part.

        Raises
        ------
        ValueError
            If it is for images and these are spectrograms, or the other way round.
        """
        if dataset is None:
            return "none"
        name = self.augmentation
        if name == "auto":
            name = "speech" if dataset.kind == "spectrograms" else "gene"
            name = "none" if dataset.name == "digits" else name
        find_profile(name, kind=dataset.kind)
        return name

    def training_recipe(self, dataset: ImageDataset | None = None) -> Recipe:
        """Return how networks are trained, on a data set where one is given."""
        names = {field.name for field in fields(Recipe)} - {"augmentation", "momentum"}
        settings = {name: getattr(self, name) for name in names}
        return Recipe(**settings, augmentation=self.augmentation_of(dataset))

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
