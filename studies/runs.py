"""How a study goes through its runs: rehearsed, trained, recorded one after another, and resumed."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from pruning import PruningController, measure_cost
from pruning.checkpoint import write_atomically
from pruning.topology import TopologyHistory
from studies.augmentation import PROFILES
from studies.data import as_input
from studies.directory import RECORDS, RUNS, stored_config, write_config
from studies.evaluation import EpochResult
from studies.joined import current_workers
from studies.networks import NetworkShape
from studies.progress import StudyProgress
from studies.provenance import state_digest
from studies.randomness import isolated_randomness
from studies.recipe import make_optimizer
from studies.records import RunRecord, append_record
from studies.tensorboard import curves_for_tensorboard
from studies.topology_store import HISTORY, graphs_to_draw, recorded_topology, write_topology
from studies.training import in_precision, train
from studies.workbench import Run, Workbench, live_parameters

Finish = Callable[[Run, nn.Module, PruningController | None], None]


def rehearse(bench: Workbench, runs: Sequence[Run]) -> None:
    """Build every network and controller once: what cannot work is refused before anything is written.

    Each also takes one training step with one update of the masks, so that kernels are compiled before the
    first run is timed; whether its numbers are finite is left to the run.

    Raises
    ------
    ValueError
        Whatever the network, the optimizer or the controller refuses.
    """
    rehearsed = dict.fromkeys(replace(run, seed=0) for run in runs)
    for run in rehearsed:
        model = bench.shape_of(run).build(run.seed).to(bench.device)
        attach = bench.attach(run)
        if attach is not None:
            attach(model, make_optimizer(model, bench.recipe), bench.total_steps).close()
    with isolated_randomness(bench.device):
        for run in rehearsed:
            model = bench.shape_of(run).build(run.seed).to(bench.device)
            optimizer = make_optimizer(model, bench.recipe)
            attach = bench.attach(run, update_every=1)
            controller = attach(model, optimizer, 1) if attach is not None else None
            with suppress(FloatingPointError):
                _rehearse_step(bench, model)
                optimizer.step()
            if controller is not None:
                controller.close()


def _rehearse_step(bench: Workbench, model: nn.Module) -> None:
    """Go forward and back with as many images at once as a process of the run will, augmented as there."""
    recipe, device = bench.recipe, bench.device
    count = max(1, recipe.batch_size // (recipe.micro_batches * current_workers().size))
    augmentation = PROFILES[recipe.augmentation]
    images = as_input(bench.dataset.train.images[:count].to(device))
    images = augmentation(
        images, torch.full((len(images), augmentation.draws_per_sample), 0.5, device=device)
    )
    try:
        with in_precision(recipe, device):
            answers = model(images)
    except ValueError as error:
        if count > 1:
            raise
        raise ValueError(
            f"a process takes one image at a time, which {bench.shape.name} cannot train on ({error}): "
            "lower micro_batches or raise batch_size"
        ) from None
    answers.float().square().mean().backward()


def execute(
    bench: Workbench, run: Run, on_epoch: Callable[[EpochResult], None] | None = None
) -> tuple[RunRecord, nn.Module, PruningController | None]:
    """Train, prune and score one network; continue from its checkpoint if there is one.

    Returns
    -------
    tuple
        The record, the final network, and its controller, detached (None where nothing is pruned).
    """
    shape = bench.shape_of(run)
    model = shape.build(run.seed)
    history = bench.history_of(run) if current_workers().first else None
    facts = {
        "study": bench.study,
        "model": shape.name,
        "network": asdict(shape),
        "dataset": bench.dataset.name,
        **asdict(run),
    }
    trained = train(
        model,
        bench.dataset,
        bench.recipe,
        seed=run.seed,
        attach=bench.attach(run),
        device=bench.device,
        checkpoint=bench.folder(run) / "checkpoint.safetensors",
        checkpoint_seconds=bench.options.checkpoint_seconds,
        watch=None if history is None else partial(recorded_topology, history, run=facts),
        on_epoch=on_epoch,
        clean_test=None if bench.audit is None else bench.audit.clean_test,
    )
    controller, apart = trained.controller, trained.test_without_copies
    updates = []
    if controller is not None:
        controller.close()
        updates = [snapshot.to_record() for snapshot in controller.history]
    cost = measure_cost(
        model,
        as_input(bench.dataset.test.images[:1].to(bench.device)),
        controller.masks() if controller is not None else None,
    )
    record = RunRecord(
        study=bench.study,
        policy=run.policy,
        model=shape.name,
        dataset=bench.dataset.name,
        test_name=bench.dataset.test_name,
        seed=run.seed,
        target_sparsity=run.target_sparsity,
        sparsity=controller.sparsity if controller is not None else 0.0,
        test_accuracy=trained.test.accuracy,
        macro_f1=trained.test.macro_f1,
        per_class_recall=trained.test.per_class_recall,
        confusion=trained.test.confusion,
        classes=list(bench.dataset.classes),
        validation_accuracy=trained.validation_accuracy,
        parameters=shape.parameters,
        live_parameters=live_parameters(model, controller),
        multiply_adds=cost.multiply_adds,
        live_multiply_adds=cost.live_multiply_adds,
        churn=sum(update["churn"] for update in updates) / len(updates) if updates else 0.0,
        train_seconds=trained.train_seconds,
        controller_seconds=controller.seconds if controller is not None else 0.0,
        curve=[asdict(point) for point in trained.curve],
        updates=updates,
        config={**bench.config, "resolved": _resolved(bench, shape, controller)},
        state_digest=state_digest(model.state_dict(), controller.masks() if controller is not None else {}),
        recipe=bench.options.recipe,
        best_epoch=trained.epoch if bench.recipe.patience is not None else None,
        stopped_epoch=len(trained.curve) if len(trained.curve) < bench.recipe.epochs else None,
        macro_precision=trained.test.macro_precision,
        macro_recall=trained.test.macro_recall,
        expected_calibration_error=trained.test.expected_calibration_error,
        group_accuracy=trained.test.group_accuracy,
        copied_test_images=None if bench.audit is None else int((~bench.audit.clean_test).sum()),
        test_accuracy_without_copies=None if apart is None else apart.accuracy,
        macro_f1_without_copies=None if apart is None else apart.macro_f1,
        audit=None if bench.audit is None else bench.audit.to_record(),
        baselines=[asdict(score) for score in bench.baselines],
        **bench.provenance,
    )
    return record, model, controller


def _resolved(bench: Workbench, shape: NetworkShape, controller: PruningController | None) -> dict[str, Any]:
    """Return what the options came to in one run, policy parameters included."""
    resolved: dict[str, Any] = {
        "network": asdict(shape),
        "recipe": asdict(bench.recipe),
        "total_steps": bench.total_steps,
    }
    if controller is not None:
        resolved |= {
            "policy": repr(controller.policy),
            "schedule": repr(controller.schedule),
            "importance": repr(controller.importance),
            "allocation": controller.allocation,
            "update_every": controller.update_every,
            "minimum_layer_density": controller.minimum_layer_density,
            "protection": controller.protection,
        }
    as_read_back: dict[str, Any] = json.loads(json.dumps(resolved))  # lists, not tuples
    return as_read_back


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a study has after its last run."""

    records: list[RunRecord]  # of the finished runs, in the order of the study
    failed: Mapping[Run, str]  # why a run has no record

    def check(self) -> None:
        """Do nothing if every run is finished.

        Raises
        ------
        FloatingPointError
            Names the runs that failed, and why.
        """
        if self.failed:
            total = len(self.records) + len(self.failed)
            reasons = "; ".join(f"{run}: {reason}" for run, reason in self.failed.items())
            raise FloatingPointError(
                f"{len(self.failed)} of {total} runs failed: {reasons}. "
                "The others are kept; the same command with --resume tries the failed ones again"
            )


def run_all(
    bench: Workbench,
    runs: Sequence[Run],
    progress: StudyProgress,
    finish: Finish | None = None,
) -> Outcome:
    """Go through the runs of a study and write a record after each; finished ones are not run again.

    A run that diverges gets no record and does not stop those after it. Its checkpoint is removed, since it
    may hold the cause: the next try begins anew.

    Parameters
    ----------
    bench : Workbench
        What the runs share.
    runs : sequence of Run
        In the order they run.
    progress : StudyProgress
        Shows how far they are.
    finish : callable, optional
        Called with each new run's network and controller before its record is written.

    Returns
    -------
    Outcome
        The records, those read from the directory included, and the runs that failed.
    """
    rehearse(bench, runs)
    records = {record.key: record for record in bench.finished}
    first = current_workers().first  # of the processes that train together; it alone writes
    if first and stored_config(bench.directory) != bench.config:
        write_config(bench.directory, bench.config)
    failed: dict[Run, str] = {}
    with progress:
        for run in runs:
            key, folder = bench.key(run), bench.folder(run)
            if key in records:
                progress.skip(str(run))
            else:
                progress.begin(str(run))
                try:
                    with _curves(bench, run, progress) as on_epoch:
                        record, model, controller = execute(bench, run, on_epoch)
                except FloatingPointError as error:
                    failed[run] = str(error)
                    progress.fail(str(error))
                    if first:
                        (folder / HISTORY).unlink(missing_ok=True)
                        _clear(folder)
                    continue
                if first:
                    _keep(bench, run, record, model, controller, finish)
                records[key] = record
                progress.end(record)
            if first:
                _clear(folder)
    if first:
        _remove_if_empty(bench.directory / RUNS)
    return Outcome(records=[records[bench.key(run)] for run in runs if run not in failed], failed=failed)


@contextmanager
def _curves(bench: Workbench, run: Run, progress: StudyProgress) -> Iterator[Callable[[EpochResult], None]]:
    """Give what takes a run's epochs: the progress, and TensorBoard's files on request."""
    if not (bench.options.tensorboard and current_workers().first):
        yield progress.epoch
        return
    with curves_for_tensorboard(bench.directory / "tensorboard" / bench.key(run)) as write:

        def show(result: EpochResult) -> None:
            progress.epoch(result)
            write(result)

        yield show


def _keep(
    bench: Workbench,
    run: Run,
    record: RunRecord,
    model: nn.Module,
    controller: PruningController | None,
    finish: Finish | None,
) -> None:
    """Write what a finished run leaves behind, its record last."""
    if bench.options.keep_weights:
        save_weights(bench.folder(run), model, controller)
    recorded = bench.history_of(run) if run == bench.pictured else None
    if recorded is not None:
        with TopologyHistory.open(recorded) as history:
            graphs = graphs_to_draw(history)
        if graphs:  # none where the file was lost after the last update
            write_topology(bench.directory, graphs, run=asdict(record))
    if finish is not None:
        finish(run, model, controller)
    append_record(bench.directory / RECORDS, record)


def save_weights(folder: Path, model: nn.Module, controller: PruningController | None) -> None:
    """Write ``weights.safetensors``, a plain state dict, and of a pruned network ``masks.safetensors``.

    Both are read by ``safetensors.torch.load_file``; the first goes straight into ``model.load_state_dict``.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(folder / "weights.safetensors", save(state))
    if controller is not None:
        masks = {name: mask.cpu().contiguous() for name, mask in controller.masks().items()}
        write_atomically(folder / "masks.safetensors", save(masks))


def _clear(folder: Path) -> None:
    """Remove the checkpoint of a finished run, and what a crash left half-written beside it."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name == "checkpoint.safetensors" or path.name.endswith(".part"):
            path.unlink()
    _remove_if_empty(folder)


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
