"""How a network is trained: the numbers, the optimizer, the learning rate of every step."""

import math
from dataclasses import dataclass

import torch
from torch import nn

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("cosine", "step", "inverse", "constant")
LOSSES = ("cross-entropy", "focal", "hybrid")
CLASS_WEIGHTS = ("none", "balanced")
PRECISIONS = ("float32", "bfloat16", "float16")

DROPS = (0.5, 0.75)  # of "step": fractions of training at which the rate falls ...
DROP_FACTOR = 0.1  # ... to this share of what it was


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How a network is trained. Adam and batches of 64 as the source paper, fewer epochs at twice its rate.

    Raises
    ------
    ValueError
        If a number is out of range or a name is unknown.

    Examples
    --------
    >>> Recipe(epochs=3).learning_rate
    0.002
    """

    epochs: int = 6  # passes over the training images, at most
    batch_size: int = 64  # images a step; an incomplete last batch is left for another epoch's order
    micro_batches: int = 1  # parts that a batch is worked through in, their gradients added: saves memory
    optimizer: str = "adam"  # "adam", "adamw" or "sgd"
    learning_rate: float = 2e-3  # the highest of the run
    schedule: str = "cosine"  # "cosine" to 0, "step", "inverse" or "constant"
    warmup: float = 0.0  # fraction of training in which the rate rises from 0 in proportion
    rate_decay: float = 1e-6  # of "inverse": rate / (1 + rate_decay · step)
    momentum: float = 0.9  # of sgd
    weight_decay: float = 0.0  # L2 for adam and sgd, decoupled for adamw
    loss: str = "cross-entropy"  # or "focal", or "hybrid", the sum of both
    class_weights: str = "none"  # "balanced": a class weighs in inverse proportion to its images
    label_smoothing: float = 0.0  # share of every target that is spread over all classes
    augmentation: str = "none"  # a profile of studies.augmentation, for the training images alone
    patience: int | None = None  # epochs without a better validation accuracy until training stops
    ema: float = 0.0  # decay a step of the running average of the weights that is scored; 0: none
    precision: str = "float32"  # of the forward pass; the lower ones by automatic mixed precision

    def __post_init__(self) -> None:
        for name, choices in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("loss", LOSSES),
            ("class_weights", CLASS_WEIGHTS),
            ("precision", PRECISIONS),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}")
        for name in ("epochs", "batch_size", "micro_batches", "patience"):
            value = getattr(self, name)
            if name == "patience" and value is None:
                continue
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
        if self.batch_size % self.micro_batches:
            raise ValueError(
                f"batch_size must be a multiple of micro_batches={self.micro_batches}, got {self.batch_size}"
            )
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"learning_rate must be a positive finite number, got {self.learning_rate}")
        for name in ("weight_decay", "rate_decay"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be a finite number of at least 0, got {value}")
        for name in ("momentum", "warmup", "label_smoothing", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")

    def rate_at(self, step: int, total_steps: int) -> float:
        """Return the learning rate of a step, counted from 0.

        ``cosine`` falls along half a cosine to 0 at ``total_steps``; ``step`` to a tenth at a half and at
        three quarters of training; ``inverse`` as rate / (1 + rate_decay · step); ``constant`` stays. During
        the warm-up each is multiplied by the share of it that is over, its last step at the full rate.

        Examples
        --------
        >>> recipe = Recipe(learning_rate=0.1)
        >>> [round(recipe.rate_at(step, 4), 3) for step in range(5)]
        [0.1, 0.085, 0.05, 0.015, 0.0]
        >>> recipe = Recipe(learning_rate=0.1, schedule="step", warmup=0.25)
        >>> [round(recipe.rate_at(step, 8), 4) for step in range(8)]
        [0.05, 0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
        """
        rate = self.learning_rate
        if self.schedule == "cosine":
            rate *= 0.5 * (1 + math.cos(math.pi * step / total_steps))
        elif self.schedule == "step":
            rate *= DROP_FACTOR ** sum(step >= share * total_steps for share in DROPS)
        elif self.schedule == "inverse":
            rate /= 1 + self.rate_decay * step
        rising = self.warmup * total_steps
        return rate * min(1.0, (step + 1) / rising) if rising else rate


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimizer over all parameters of a model."""
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), lr=rate, momentum=recipe.momentum, weight_decay=decay)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(model.parameters(), lr=rate, weight_decay=decay)


def steps_per_epoch(samples: int, batch_size: int) -> int:
    """Return the number of complete batches in an epoch.

    Raises
    ------
    ValueError
        If not even one batch can be filled.

    Examples
    --------
    >>> steps_per_epoch(1000, 64)
    15
    """
    if batch_size > samples:
        raise ValueError(
            f"batch_size must be at most the number of training images, {samples}, got {batch_size}: "
            f"lower --batch-size or use more data"
        )
    return samples // batch_size
