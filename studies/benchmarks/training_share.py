"""What pruning costs while a network trains: steps with and without a controller, taken in turns."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models import CompactFERNet, GeneInspiredNet
from pruning import (
    CubicSchedule,
    ExpressionGating,
    GatingPolicy,
    HeuristicGating,
    MagnitudeGating,
    PruningController,
)

CLASSES, SIDE = 7, 48
POLICIES: dict[str, GatingPolicy] = {
    "expression": ExpressionGating(),
    "heuristic": HeuristicGating(),
    "magnitude": MagnitudeGating(),
}


class _Trainee:
    """One network in training, with or without a controller."""

    def __init__(self, network: str, policy: GatingPolicy | None, total_steps: int, every: int) -> None:
        torch.manual_seed(0)
        if network == "CompactFERNet":
            self.model: nn.Module = CompactFERNet(classes=CLASSES, image_size=SIDE)
        else:
            self.model = nn.Sequential(nn.Flatten(), GeneInspiredNet(inputs=SIDE * SIDE, outputs=CLASSES))
        self.optimizer = torch.optim.Adam(self.model.parameters(), 1e-3)
        self.controller = None
        if policy is not None:
            self.controller = PruningController(
                self.model,
                self.optimizer,
                policy=policy,
                schedule=CubicSchedule(final_sparsity=0.9, begin=0.0),
                total_steps=total_steps,
                update_every=every,
            )

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        """Take one step and return its seconds."""
        begin = time.perf_counter()
        loss = functional.cross_entropy(self.model(images), labels)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return time.perf_counter() - begin


def share_of_training(
    network: str, *, steps: int, update_every: int, batch: int, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """Train densely and with each policy, a step of each in turn, and yield a record of each.

    Everything that the controller does is in the time of its step: gradients observed, masks, updates,
    snapshots. Compiled code is loaded before the clock starts; its time is told apart.

    Parameters
    ----------
    network : {"CompactFERNet", "GeneInspiredNet"}
        At its default width, on random images of 48 by 48.
    steps : int
        Steps of each, a multiple of ``update_every``; masks begin to close at the first update.
    update_every : int
        Steps between updates.
    batch : int
        Images a step.
    seed : int
        Of the images.

    Yields
    ------
    dict
        ``policy``, ``seconds`` of every step, ``share``: time over that of dense training, less 1, over
        whole rounds of ``update_every`` steps (median, smallest, largest), and ``hook_share``: the
        controller's own clock over the time of dense training.
    """
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(batch, 1, SIDE, SIDE, generator=generator)
    labels = torch.randint(0, CLASSES, (batch,), generator=generator)
    trainees = {"dense": _Trainee(network, None, steps, update_every)}
    for name, policy in POLICIES.items():
        warm = _Trainee(network, policy, 2, 1)
        for _ in range(2):
            warm.step(images, labels)
        trainees[name] = _Trainee(network, policy, steps, update_every)
    seconds: dict[str, list[float]] = {name: [] for name in trainees}
    for _ in range(steps):
        for name, trainee in trainees.items():
            seconds[name].append(trainee.step(images, labels))
    rounds = {name: np.array(values).reshape(-1, update_every).sum(1) for name, values in seconds.items()}
    for name, trainee in trainees.items():
        shares = rounds[name] / rounds["dense"] - 1.0
        record: dict[str, Any] = {
            "network": network,
            "parameters": sum(parameter.numel() for parameter in trainee.model.parameters()),
            "batch": batch,
            "steps": steps,
            "update_every": update_every,
            "policy": name,
            "median_step_seconds": float(np.median(seconds[name])),
            "total_seconds": float(np.sum(seconds[name])),
            "share": [float(np.median(shares)), float(shares.min()), float(shares.max())],
        }
        if trainee.controller is not None:
            record |= {
                "connections": trainee.controller.total_connections,
                "updates": len(trainee.controller.history),
                "hook_share": trainee.controller.seconds / float(np.sum(seconds["dense"])),
            }
        yield record
