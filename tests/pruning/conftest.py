"""Small networks, optimizers and loops that the pruning tests share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pruning import (
    CubicSchedule,
    ExpressionGating,
    HeuristicGating,
    LiteralHeuristicGating,
    MagnitudeGating,
    PruningController,
    RandomGating,
    RigLGating,
    SetGating,
    SmoothedImportanceGating,
)

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=1e-3),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01, amsgrad=True),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1),
}
REGROWING = {
    "smoothed": SmoothedImportanceGating(margin=0.0),
    "heuristic": HeuristicGating(rewire_fraction=0.3),
    "literal": LiteralHeuristicGating(),
    "set": SetGating(),
    "rigl": RigLGating(),
    "expression": ExpressionGating(window=2.0, margin=0.0, backend="torch"),
    "schmitt": ExpressionGating(window=2.0, gate="schmitt", backend="torch"),
}
POLICIES = {"magnitude": MagnitudeGating(), "random": RandomGating(), **REGROWING}


@dataclass
class Run:
    """A network in training."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    controller: PruningController
    inputs: Tensor
    targets: Tensor

    def loss(self, rows: slice = slice(None)) -> Tensor:
        return nn.functional.cross_entropy(self.model(self.inputs[rows]), self.targets[rows])

    def step(self, steps: int = 1) -> None:
        for _ in range(steps):
            self.optimizer.zero_grad()
            self.loss().backward()
            self.optimizer.step()

    def silent_weights(self) -> Tensor:
        masks = self.controller.masks()
        return torch.cat(
            [layer.weight.detach()[~masks[layer.name]] for layer in self.controller.gates.layers]
        )


def convnet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, groups=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64, 3),
    )


@pytest.fixture
def start() -> Callable[..., Run]:
    """Build a run: ``start(policy, optimizer="sgd", sparsity=0.7, ...)``."""

    def build(
        policy: Any,
        optimizer: str | Callable[..., torch.optim.Optimizer] = "sgd",
        sparsity: float = 0.7,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        schedule: Any = None,
        **options: Any,
    ) -> Run:
        torch.manual_seed(seed)
        model = convnet().to(dtype)
        inputs, targets = torch.randn(24, 1, 8, 8, dtype=dtype), torch.randint(0, 3, (24,))
        make = OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer
        built = make(model.parameters())
        options = {"total_steps": 60, "update_every": 3, **options}
        controller = PruningController(
            model,
            built,
            policy=POLICIES[policy] if isinstance(policy, str) else policy,
            schedule=schedule or CubicSchedule(final_sparsity=sparsity),
            seed=seed,
            **options,
        )
        return Run(model, built, controller, inputs, targets)

    return build
