"""The state of a training run between two steps, written and read as one safetensors file."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pruning import PruningController
from pruning.checkpoint import load_tree, save_tree
from studies.averaging import RunningAverage
from studies.evaluation import EpochResult
from studies.recipe import Recipe

PARTS = {"run", "position", "model", "optimizer", "scaler", "controller", "average", "best"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where a run stands between two steps; with model, optimizer and controller all it needs to go on."""

    epoch: int = 0  # finished epochs
    batch: int = 0  # finished steps of the epoch under way
    loss_sum: float = 0.0  # over those steps
    seconds: float = 0.0
    curve: tuple[EpochResult, ...] = ()


@dataclass(kw_only=True, slots=True)
class Running:
    """What changes while a network trains."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler  # does nothing unless the recipe computes in float16
    controller: PruningController | None = None
    average: RunningAverage | None = None
    best: dict[str, Tensor] | None = None  # state of the best epoch, where the recipe keeps it


def save_position(path: Path, at: Position, running: Running, *, recipe: Recipe, seed: int) -> None:
    """Write everything a run needs to go on, atomically; recipe and seed say whose state it is."""
    controller, average = running.controller, running.average
    save_tree(
        path,
        {
            "run": {"seed": seed, **asdict(recipe)},
            "position": asdict(at),
            "model": dict(running.model.state_dict()),
            "optimizer": running.optimizer.state_dict(),
            "scaler": running.scaler.state_dict(),
            "controller": controller.state_dict() if controller is not None else None,
            "average": dict(average.state_dict()) if average is not None else None,
            "best": running.best,
        },
    )


def load_position(path: Path, running: Running, *, recipe: Recipe, seed: int) -> Position:
    """Put a stored state into all that changes in training, and return where the run stood.

    Raises
    ------
    ValueError
        If the file is damaged, or of another run or model.
    """
    tree: Any = load_tree(path)
    expected = {"seed": seed, **asdict(recipe)}
    model, controller, average = running.model, running.controller, running.average
    if not isinstance(tree, dict) or set(tree) != PARTS:
        raise ValueError(
            f"{path} is not a checkpoint of a training run: delete it or choose another directory"
        )
    if tree["run"] != expected:
        raise ValueError(f"{path} is the checkpoint of another run, {tree['run']}; this one is {expected}")
    if (tree["controller"] is None) != (controller is None):
        raise ValueError(f"{path} is the checkpoint of another run: only one of the two is pruned")
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    stored = {name: tuple(tensor.shape) for name, tensor in tree["model"].items()}
    if shapes != stored:
        differing = sorted(n for n in shapes.keys() | stored.keys() if shapes.get(n) != stored.get(n))
        raise ValueError(f"{path} is the checkpoint of another model: {', '.join(differing)} differ")
    model.load_state_dict(tree["model"])
    running.optimizer.load_state_dict(tree["optimizer"])
    running.scaler.load_state_dict(tree["scaler"])
    if controller is not None:
        controller.load_state_dict(tree["controller"])
    if average is not None:
        average.load_state_dict(tree["average"])
    running.best = tree["best"]
    position = dict(tree["position"])
    curve = tuple(EpochResult(**point) for point in position.pop("curve"))
    return Position(**position, curve=curve)
