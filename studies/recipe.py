"""How a network is trained: the numbers, the optimizer, the learning rate of every step."""

import math
from dataclasses import dataclass

import torch
from torch import nn

OPTIMIZERS = ("adam", "adamw", "sgd")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How a network is trained. Adam and batches of 64 as the source paper, fewer epochs at twice its rate.

    Raises
    ------
    ValueError
        If a number is out of range or the optimizer is unknown.

    Examples
    --------
    >>> Recipe(epochs=3).learning_rate
    0.002
    """

    epochs: int = 6  # passes over the training images
    batch_size: int = 64  # images a step; an incomplete last batch is left for another epoch's order
    optimizer: str = "adam"  # "adam", "adamw" or "sgd"
    learning_rate: float = 2e-3  # at the first step; falls to 0 along half a cosine
    momentum: float = 0.9  # of sgd
    weight_decay: float = 0.0  # L2 for adam and sgd, decoupled for adamw
    augment: bool = False  # rotate, flip and re-light the training images

    def __post_init__(self) -> None:
        for name, value in (("epochs", self.epochs), ("batch_size", self.batch_size)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {self.optimizer!r}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"learning_rate must be a positive finite number, got {self.learning_rate}")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ValueError(f"weight_decay must be a finite number of at least 0, got {self.weight_decay}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {self.momentum}")


def cosine_learning_rate(step: int, total_steps: int, initial: float) -> float:
    """Return the learning rate of a step: half a cosine from ``initial`` at step 0 to 0 at ``total_steps``.

    Examples
    --------
    >>> [round(cosine_learning_rate(step, 4, 0.1), 3) for step in range(5)]
    [0.1, 0.085, 0.05, 0.015, 0.0]
    """
    return initial * 0.5 * (1 + math.cos(math.pi * step / total_steps))


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
