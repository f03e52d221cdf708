"""Train and prune one network, and keep its weights."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from torch import nn

from pruning import PruningController
from studies.attention import ATTENTION, attention_examples
from studies.gating_options import described_gating
from studies.joined import current_workers
from studies.options import TrainingOptions, check_sparsity
from studies.policies import check_policy
from studies.policy_config import density_hint, named_config, with_policy_config
from studies.progress import StudyProgress
from studies.recipes import with_recipe
from studies.records import RunRecord
from studies.report import write_report
from studies.runs import run_all, save_weights
from studies.workbench import Run, findings, open_study


@dataclass(frozen=True, kw_only=True)
class Train(TrainingOptions):
    """Train one network, pruning it on the way, and keep its weights.

    Writes to --out: weights.safetensors (a plain state dict), masks.safetensors, records.jsonl, report.html,
    runs/RUN/topology.grnt (masks and expression after every update, readable while it grows; not with
    --no-topology, and the report then draws no graph of the network), and for networks with attention,
    attention.npz: maps over some validation images.
    """

    policy: str = "expression"  # a policy of the compare study, such as dense, magnitude, expression
    sparsity: float = 0.9  # share of the connections to silence, in [0, 1)
    seed: int = 0  # of weights, data order, augmentation and dropout
    out: Path = Path("results/train")  # directory for weights, record and report

    def check(self) -> None:
        """Refuse options that the run could not use; see :meth:`TrainingOptions.check`."""
        check_policy(self.policy)
        check_sparsity(self.sparsity)
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")
        super().check()

    def described(self) -> dict[str, Any]:
        """Return the options that define the run, as JSON values."""
        values = described_gating(asdict(self))
        for name in ("out", "resume", "keep_weights", "topology", "checkpoint_seconds"):
            del values[name]
        return values


def run(config: Train) -> list[RunRecord]:
    """Train, prune, score and save one network.

    Raises
    ------
    ValueError
        For anything that could not work, before any file is written.
    FloatingPointError
        If training or pruning diverged.
    """
    config.check()
    console = Console()
    sparsity = 0.0 if config.policy == "dense" else config.sparsity
    plan = [Run(policy=config.policy, target_sparsity=sparsity, seed=config.seed)]
    bench = open_study("train", config, config.described(), config.out, plan)
    console.print(
        f"{bench.dataset.summary()}; {bench.shape.name}, {bench.shape.parameters:,} parameters", markup=False
    )

    def finish(run: Run, model: nn.Module, controller: PruningController | None) -> None:
        save_weights(config.out, model, controller)
        classes = bench.dataset.classes
        examples = attention_examples(
            model, bench.dataset.validation, classes, count=2 * len(classes), seed=run.seed
        )
        if examples is not None:
            examples.save(config.out / ATTENTION)
        if controller is not None:
            console.print(controller.summary(), markup=False, highlight=False, soft_wrap=True)

    for text in [*findings(bench), density_hint(config, [config.sparsity])]:
        if text is not None:
            console.print(text, markup=False, highlight=False, soft_wrap=True)
    outcome = run_all(bench, plan, StudyProgress(console, runs=1, epochs=config.epochs), finish)
    outcome.check()
    if current_workers().first:
        console.print(f"weights: {config.out / 'weights.safetensors'}", highlight=False, soft_wrap=True)
        console.print(f"report: {write_report(config.out)}", highlight=False, soft_wrap=True)
    return outcome.records


def main(arguments: Sequence[str]) -> None:
    """Run the study from the command line."""
    defaults = with_policy_config(with_recipe(Train, arguments), named_config(arguments))
    run(tyro.cli(Train, prog="python -m studies train", args=arguments, default=defaults))
