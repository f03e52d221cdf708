"""The settings as a person takes them along: a Python snippet, and a file for ``compare --policy-config``."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from studies.policy_config import write_policy_config

if TYPE_CHECKING:
    from studies.tune.settings import Settings

SNIPPET = """\
import torch
from grn import Kinetics
from pruning import CubicSchedule, ExpressionGating, PruningController

policy = ExpressionGating(
    kinetics=Kinetics(
        mrna_decay={mrna_decay!r},  # γm, 1/h
        protein_decay={protein_decay!r},  # γp, 1/h
        hill_coefficient={hill_coefficient!r},  # n
        basal={basal!r},  # b
    ),
    threshold={threshold!r},  # K, in importances at the budget's edge
    autoactivation={autoactivation!r},  # a
    cooperation={cooperation!r},  # c
    window={window!r},  # h of simulated time an update
)
model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))  # yours
optimizer = torch.optim.Adam(model.parameters())
controller = PruningController(
    model,
    optimizer,
    policy=policy,
    schedule=CubicSchedule(final_sparsity={sparsity!r}),
    total_steps=10_000,
    update_every=100,
    seed=0,
)
"""


def snippet(settings: Settings) -> str:
    """Python that prunes a network with these settings; it runs as it is.

    Examples
    --------
    >>> from studies.tune.settings import Settings
    >>> "final_sparsity=0.9)" in snippet(Settings(density=0.1))
    True
    """
    return SNIPPET.format(**asdict(settings), sparsity=round(1.0 - settings.density, 12))


def save_config(settings: Settings, folder: Path) -> Path:
    """Write the file and return where; equal settings have one file, so that nobody overwrites another's.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    digest = hashlib.sha256(json.dumps(asdict(settings)).encode()).hexdigest()[:8]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"rates-{digest}.json"
    write_policy_config(path, settings.gating(), density=settings.density)
    return path
