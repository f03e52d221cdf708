"""The state of a training run between two steps, written and read as one safetensors file."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pruning import PruningController
from pruning.checkpoint import load_tree, save_tree
from studies.evaluation import EpochResult
from studies.recipe import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where a run stands between two steps; with model, optimizer and controller all it needs to go on."""

    epoch: int = 0  # finished epochs
    batch: int = 0  # finished steps of the epoch under way
    loss_sum: float = 0.0  # over those steps
    seconds: float = 0.0
    curve: tuple[EpochResult, ...] = ()


def save_position(
    path: Path,
    at: Position,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    controller: PruningController | None,
    *,
    recipe: Recipe,
    seed: int,
) -> None:
    """Write everything a run needs to go on, atomically; recipe and seed say whose state it is."""
    save_tree(
        path,
        {
            "run": {"seed": seed, **asdict(recipe)},
            "position": asdict(at),
            "model": dict(model.state_dict()),
            "optimizer": optimizer.state_dict(),
            "controller": controller.state_dict() if controller is not None else None,
        },
    )


def load_position(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    controller: PruningController | None,
    *,
    recipe: Recipe,
    seed: int,
) -> Position:
    """Put a stored state into model, optimizer and controller, and return where the run stood.

    Raises
    ------
    ValueError
        If the file is damaged, or of another run or model.
    """
    tree: Any = load_tree(path)
    expected = {"seed": seed, **asdict(recipe)}
    if not isinstance(tree, dict) or set(tree) != {"run", "position", "model", "optimizer", "controller"}:
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
    optimizer.load_state_dict(tree["optimizer"])
    if controller is not None:
        controller.load_state_dict(tree["controller"])
    position = dict(tree["position"])
    curve = tuple(EpochResult(**point) for point in position.pop("curve"))
    return Position(**position, curve=curve)
