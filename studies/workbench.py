"""What all runs of a study share: data, network, training recipe, and each run's own controller."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pruning import ConstantSchedule, PruningController, RandomGating
from studies.baselines import BaselineScore, baselines
from studies.data import ImageDataset
from studies.data.audit import Audit, audit
from studies.directory import RUNS, check_writable, continued_config, finished_runs, stored_config
from studies.joined import current_workers
from studies.networks import NetworkShape, match_parameters, shape_for
from studies.options import TrainingOptions
from studies.policies import POLICIES
from studies.provenance import commit, data_digest, hardware, versions, warn_of_other_commits
from studies.recipe import Recipe, make_optimizer, steps_per_epoch
from studies.records import RunRecord, run_key
from studies.topology_store import HISTORY
from studies.training import Attach


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One training run of a study."""

    policy: str
    target_sparsity: float  # 0 for dense
    seed: int

    def __str__(self) -> str:
        size = "" if self.policy == "dense" else f" {self.target_sparsity:g}"
        return f"{self.policy}{size}, seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """What all runs of a study share."""

    study: str
    options: TrainingOptions
    config: dict[str, Any]  # as written to config.json
    dataset: ImageDataset
    device: torch.device
    directory: Path
    provenance: dict[str, Any]  # versions, hardware and commit at the start of the study
    finished: Sequence[RunRecord] = ()  # what the directory holds already
    audit: Audit | None = None  # of the data, where asked for
    baselines: Sequence[BaselineScore] = ()  # what simple models score on them, where asked for
    pictured: Run | None = None  # the run whose graph the report shows

    @cached_property
    def shape(self) -> NetworkShape:
        """The whole network."""
        return shape_for(
            self.options.model,
            self.dataset,
            width=self.options.width,
            hidden=self.options.hidden_sizes(),
            patch_size=self.options.patch_size,
            depth=self.options.depth,
        )

    @cached_property
    def recipe(self) -> Recipe:
        """How every run is trained."""
        return self.options.training_recipe(self.dataset)

    @cached_property
    def total_steps(self) -> int:
        """Optimizer steps of a run."""
        return self.recipe.epochs * steps_per_epoch(len(self.dataset.train.labels), self.recipe.batch_size)

    def key(self, run: Run) -> str:
        """Name of a run in records and folders."""
        return run_key(
            policy=run.policy,
            model=self.shape.name,
            dataset=self.dataset.name,
            seed=run.seed,
            target_sparsity=run.target_sparsity,
        )

    def folder(self, run: Run) -> Path:
        """Where a run keeps its checkpoint and, if asked for, its weights."""
        return self.directory / RUNS / self.key(run)

    def history_of(self, run: Run) -> Path | None:
        """Where a run's topology is recorded, None for one of which it is not.

        It is of the pruned runs of one seed, that of the pictured run: what the policies do to one and the
        same network can be compared, and the files, which grow by at most a bit a gate and update and the
        sampled expression, do not multiply with the seeds. Without the option ``topology`` there are none.
        """
        if not self.options.topology or self.pictured is None:
            return None
        chosen = run.seed == self.pictured.seed and POLICIES[run.policy].prunes
        return self.folder(run) / HISTORY if chosen else None

    def shape_of(self, run: Run) -> NetworkShape:
        """Return the network of a run: for small-dense, as large as what a pruned one has live."""
        if run.policy != "small-dense":
            return self.shape
        model = self.shape.build(0)
        controller = PruningController(
            model,
            make_optimizer(model, self.recipe),
            policy=RandomGating(),
            schedule=ConstantSchedule(final_sparsity=run.target_sparsity),
            total_steps=self.total_steps,
            update_every=self.options.update_interval(self.total_steps),
            granularity=self.options.granularity,
            allocation="global",
        )
        controller.close()
        return match_parameters(self.shape, live_parameters(model, controller))

    def attach(self, run: Run, update_every: int | None = None) -> Attach | None:
        """Return what gives a model the run's controller, None for a run that prunes nothing."""
        choice = POLICIES[run.policy]
        build = choice.build
        if build is None:
            return None

        def attached(
            model: nn.Module, optimizer: torch.optim.Optimizer, total_steps: int
        ) -> PruningController:
            return PruningController(
                model,
                optimizer,
                policy=build(self.options),
                schedule=choice.schedule(
                    run.target_sparsity, begin=self.options.prune_begin, end=self.options.prune_end
                ),
                total_steps=total_steps,
                update_every=update_every or self.options.update_interval(total_steps),
                granularity=self.options.granularity,
                allocation=self.options.allocation_of(choice),
                importance=self.options.importance,
                minimum_layer_density=self.options.minimum_layer_density,
                protection=self.options.protection,
                keep_masks=False,  # see history_of
                seed=run.seed,
            )

        return attached


def live_parameters(model: nn.Module, controller: PruningController | None) -> int:
    """Return the number of trainable parameters that are not silenced."""
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    if controller is None:
        return trainable
    return trainable - controller.gated_parameters + controller.live_parameters


def findings(bench: Workbench) -> list[str]:
    """Say what a person should know of the data before training: leaks, and what simple models score."""
    leaks = [] if bench.audit is None else [f"warning: {text}" for text in bench.audit.warnings()]
    return leaks + [
        f"{score.name}: test {score.accuracy:.2%}, macro F1 {score.macro_f1:.3f}" for score in bench.baselines
    ]


def choose_pictured(runs: Sequence[Run]) -> Run | None:
    """Choose the run whose graph a report shows: the first of expression at the highest sparsity.

    Without expression the last pruning policy of the first seed stands in; None if nothing is pruned.

    Examples
    --------
    >>> levels = (0.5, 0.9)
    >>> str(choose_pictured([Run(policy="expression", target_sparsity=level, seed=0) for level in levels]))
    'expression 0.9, seed 0'
    """
    pruned = [run for run in runs if POLICIES[run.policy].prunes]
    if not pruned:
        return None
    highest = max(run.target_sparsity for run in pruned)
    candidates = [run for run in pruned if run.target_sparsity == highest and run.seed == pruned[0].seed]
    return next((run for run in candidates if run.policy == "expression"), candidates[-1])


def open_study(
    study: str,
    options: TrainingOptions,
    config: dict[str, Any],
    directory: Path,
    runs: Sequence[Run],
    *,
    growing: Sequence[str] = (),
) -> Workbench:
    """Load the data and settle what is left open; leaves nothing behind in the directory.

    Finished runs of another commit than the running source's are warned about: see
    :func:`studies.provenance.warn_of_other_commits`.

    Parameters
    ----------
    study : str
        Its name.
    options : TrainingOptions
        Checked already.
    config : dict
        The options that define the study, as JSON values.
    directory : Path
        Where it writes.
    runs : sequence of Run
        What it will run.
    growing : sequence of str, optional
        Options that hold a list to which a resumed study may add.

    Raises
    ------
    ValueError
        If the directory cannot be written or holds a study that may not be continued so, or the data cannot
        be read.
    """
    workers = current_workers()
    if workers.first:
        check_writable(directory)
    finished = finished_runs(directory, resume=options.resume)
    stored = (stored_config(directory) if options.resume else None) or {}
    threads = options.threads or stored.get("threads") or torch.get_num_threads()
    device = options.torch_device()
    dataset = options.load_data()
    config = {
        "study": study,
        **config,
        "device": str(device),
        "threads": threads,
        "processes": workers.size,
        "data_digest": data_digest(dataset),
    }
    config = continued_config(directory, config, growing)
    workers.wait()  # all have read what is there before the first of them writes
    source = commit()
    warn_of_other_commits([record.commit for record in finished], source)
    torch.set_num_threads(threads)
    found = audit(dataset) if options.audit else None
    clean = None if found is None else found.clean_test
    return Workbench(
        study=study,
        options=options,
        config=config,
        dataset=dataset,
        device=device,
        directory=directory,
        provenance={"versions": versions(), "hardware": hardware(device), "commit": source},
        finished=finished,
        audit=found,
        baselines=baselines(dataset, seed=0, clean_test=clean) if options.baselines else (),
        pictured=choose_pictured(runs),
    )
