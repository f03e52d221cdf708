"""Recipes by name: what the papers trained with, and what practitioners train the others with."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import zip_longest
from typing import Any, TypeVar

Options = TypeVar("Options")

RECIPES: dict[str, dict[str, Any]] = {
    # Ali & Jabaar. The schedule and the patience are ours, the paper names neither.
    "amacnn": {
        "model": "amacnn",
        "image_size": 128,
        "channels": 3,
        "epochs": 45,
        "batch_size": 32,
        "learning_rate": 5e-4,
        "schedule": "constant",
        "weight_decay": 1e-4,
        "loss": "hybrid",
        "class_weights": "balanced",
        "augmentation": "amacnn",
        "patience": 10,
        "policy": "dense",
    },
    # Mahdi et al. The validation part was 15 %; test parts are official or by subject here.
    "hybrid": {
        "model": "hybrid",
        "image_size": 128,
        "channels": 1,
        "epochs": 80,
        "batch_size": 32,
        "learning_rate": 1e-4,
        "schedule": "inverse",
        "rate_decay": 1e-6,
        "augmentation": "hybrid",
        "validation_fraction": 0.15,
        "policy": "dense",
    },
    # The gene-network pruning paper: pruning begins after epoch 5 of 50 and halves the network.
    "gene": {
        "model": "gene",
        "epochs": 50,
        "batch_size": 64,
        "learning_rate": 1e-3,
        "schedule": "constant",
        "augmentation": "gene",
        "prune_begin": 0.1,
        "policy": "expression",
        "sparsity": 0.5,
    },
    # As ResNets are commonly trained on small images, with the stronger augmentation that faces reward.
    "resnet18": {
        "model": "resnet18",
        "epochs": 60,
        "batch_size": 128,
        "optimizer": "sgd",
        "learning_rate": 0.05,
        "warmup": 0.05,
        "weight_decay": 5e-4,
        "label_smoothing": 0.1,
        "augmentation": "amacnn",
        "policy": "dense",
    },
    # As transformers are commonly trained from scratch on small data.
    "vit-tiny": {
        "model": "vit-tiny",
        "epochs": 100,
        "batch_size": 128,
        "optimizer": "adamw",
        "learning_rate": 5e-4,
        "warmup": 0.1,
        "weight_decay": 0.05,
        "label_smoothing": 0.1,
        "augmentation": "amacnn",
        "policy": "dense",
    },
    # As in the published tables of sparse training on CIFAR: 200 epochs, the rate falls in steps.
    "wrn-22-2": {
        "model": "wrn-22-2",
        "epochs": 200,
        "batch_size": 128,
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "schedule": "step",
        "weight_decay": 5e-4,
        "augmentation": "crop-flip",
        "policy": "dense",
    },
    # For some hundred utterances of some speakers: other tempos and voices against learning them by heart.
    "speech": {
        "model": "speech",
        "epochs": 40,
        "batch_size": 16,
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "warmup": 0.1,
        "weight_decay": 0.01,
        "label_smoothing": 0.1,
        "augmentation": "speech",
        "policy": "dense",
    },
}
"""Options that a recipe sets; any of them may be given another value beside ``--recipe``."""


def with_recipe(study: type[Options], arguments: Sequence[str]) -> Options:
    """Return the options of a study as the recipe among its arguments sets them.

    Parameters
    ----------
    study : type
        Dataclass of the study's options.
    arguments : sequence of str
        Of the command line; what else stands in them is applied by the caller.

    Raises
    ------
    ValueError
        If the recipe is unknown, or named twice.

    Examples
    --------
    >>> from studies.train import Train
    >>> options = with_recipe(Train, ["--recipe", "hybrid", "--epochs", "3"])
    >>> options.model, options.batch_size, options.epochs
    ('hybrid', 32, 80)
    """
    named = [
        argument.partition("=")[2] if "=" in argument else following
        for argument, following in zip_longest(arguments, arguments[1:], fillvalue="")
        if argument.partition("=")[0] == "--recipe"
    ]
    if len(named) > 1:
        raise ValueError(f"recipe may be given once, got {' and '.join(named)}")
    if not named:
        return study()
    return study(**_settings(study, named[0]))


def check_recipe(name: str) -> None:
    """Refuse a name that no recipe has.

    Raises
    ------
    ValueError
        Names those that there are.
    """
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}: the known ones are {', '.join(RECIPES)}")


def _settings(study: Any, recipe: str) -> Mapping[str, Any]:
    check_recipe(recipe)
    known = {field.name for field in fields(study)}
    settings = {"recipe": recipe, **RECIPES[recipe]}
    if "sparsities" in known and "sparsity" in settings:  # a comparison takes several
        settings["sparsities"] = str(settings.pop("sparsity"))
    return {name: value for name, value in settings.items() if name in known}
