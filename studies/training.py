"""The training loop: one function to read from top to bottom, the same for every policy and study."""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pruning import PruningController
from studies.augmentation import PROFILES
from studies.averaging import RunningAverage
from studies.checkpointing import Position, Running, load_position, save_position
from studies.data import ImageDataset, ImageSplit, as_input
from studies.early_stopping import best_epoch, first_settled_epoch, is_over
from studies.evaluation import EpochResult, Evaluation, evaluate, predict, score_predictions
from studies.joined import Workers, current_workers
from studies.losses import Loss, make_loss
from studies.randomness import derive_seed, isolated_randomness
from studies.recipe import Recipe, make_optimizer, steps_per_epoch

PRECISION = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

Attach = Callable[[nn.Module, torch.optim.Optimizer, int], PruningController]
Watch = Callable[[PruningController], AbstractContextManager[None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedRun:
    """A finished run: the network's scores and how it came there.

    The network is the final epoch's, or, where the recipe has patience, the best on the validation part among
    the epochs after the last update of the masks.
    """

    curve: tuple[EpochResult, ...]
    epoch: int  # the one whose network is scored
    test: Evaluation
    test_without_copies: Evaluation | None  # on the test samples without a copy in training; None: not asked
    train_seconds: float  # in training steps, controller included; no evaluation, checkpoint or observer
    controller: PruningController | None  # detached from the optimizer by the caller

    @property
    def validation_accuracy(self) -> float:
        """Of the network that is scored."""
        return self.curve[self.epoch - 1].validation_accuracy


def in_precision(recipe: Recipe, device: torch.device) -> torch.autocast:
    """Give the block in which a network runs in the recipe's precision."""
    return torch.autocast(device.type, PRECISION[recipe.precision], recipe.precision != "float32")


def epoch_draws(seed: int, epoch: int, samples: int, draws_per_sample: int) -> tuple[Tensor, Tensor]:
    """Return an epoch's sample order (N,) and augmentation draws (N, K) in [0, 1).

    A function of its arguments, drawn on the CPU whatever the device: every device sees the same batches.

    Examples
    --------
    >>> order, draws = epoch_draws(seed=0, epoch=2, samples=4, draws_per_sample=3)
    >>> sorted(order.tolist()), tuple(draws.shape)
    ([0, 1, 2, 3], (4, 3))
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "order", epoch))
    return torch.randperm(samples, generator=generator), torch.rand(
        samples, draws_per_sample, generator=generator
    )


def on_device(split: ImageSplit, device: torch.device | str) -> ImageSplit:
    """Return the split with images and labels on a device (48 x 48 images take 2.3 kB each)."""
    votes = split.soft_labels
    return replace(
        split,
        images=split.images.to(device),
        labels=split.labels.to(device),
        soft_labels=None if votes is None else votes.to(device),
    )


def train(
    model: nn.Module,
    dataset: ImageDataset,
    recipe: Recipe,
    *,
    seed: int,
    attach: Attach | None = None,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
    checkpoint_seconds: float | None = None,
    watch: Watch | None = None,
    on_epoch: Callable[[EpochResult], None] | None = None,
    clean_test: np.ndarray | None = None,
) -> TrainedRun:
    """Train a network in place, prune it on the way, and score it once on the test split.

    Data order, augmentation and dropout are functions of (seed, epoch, step): runs that differ only in
    ``attach`` are paired sample by sample. A run that continues from its checkpoint repeats every bit of
    the run that was never stopped, on a CPU and with the same number of threads. Processes that ``torchrun``
    started share every batch; all return the same, the first one writes the checkpoints.

    Parameters
    ----------
    model : nn.Module
        Takes images (B, C, H, W) in [0, 1] or spectrograms, gives logits (B, classes). Moved to the device.
    dataset : ImageDataset
        Its validation split is scored every epoch; its test split once, after the last.
    recipe : Recipe
        Epochs, batches, optimizer.
    seed : int
        Of data order, augmentation and dropout. Initial weights are the caller's.
    attach : callable, optional
        ``attach(model, optimizer, total_steps)`` returns the :class:`pruning.PruningController` that prunes
        during the run. None trains densely.
    device : torch.device or str
        Where model and data live.
    checkpoint : Path, optional
        File that the whole state is written to at each epoch's end, atomically; if it exists, the run
        continues from it.
    checkpoint_seconds : float, optional
        Also write the checkpoint inside an epoch when this many seconds have passed since the last one.
    watch : callable, optional
        Called with the controller once it stands where training begins or goes on; gives the block within
        which the network trains. For observers, see :func:`studies.topology_store.recorded_topology`.
    on_epoch : callable, optional
        Called with each :class:`EpochResult`, those of a checkpoint first.
    clean_test : ndarray, optional
        bool, one a test sample: those without a copy in training are also scored by themselves.

    Raises
    ------
    ValueError
        If the batch does not fit the data or the processes, or the checkpoint is damaged or of another run.
    FloatingPointError
        If an epoch's mean loss is not finite.
    """
    device = torch.device(device)
    workers = current_workers()
    workers.check_batch(recipe.batch_size, recipe.micro_batches)
    model.to(device).train()
    training, validation = on_device(dataset.train, device), on_device(dataset.validation, device)
    samples, classes = len(training.labels), len(dataset.classes)
    steps = steps_per_epoch(samples, recipe.batch_size)
    total_steps = recipe.epochs * steps
    average = RunningAverage(model, recipe.ema) if recipe.ema else None
    network = workers.network(model)
    optimizer = make_optimizer(model, recipe)
    controller = attach(model, optimizer, total_steps) if attach is not None else None
    running = Running(
        model=model,
        optimizer=optimizer,
        scaler=torch.amp.GradScaler(device.type, enabled=recipe.precision == "float16"),
        controller=controller,
        average=average,
    )
    loss = make_loss(recipe, training.labels, classes)
    settled = first_settled_epoch(controller, steps)

    at = Position()
    if checkpoint is not None and checkpoint.exists():
        at = load_position(checkpoint, running, recipe=recipe, seed=seed)
    if on_epoch is not None:
        for result in at.curve:
            on_epoch(result)

    def save(at: Position) -> None:
        if checkpoint is not None and workers.first:
            save_position(checkpoint, at, running, recipe=recipe, seed=seed)

    def clock() -> float:
        """Time that stands still while observers look."""
        return time.perf_counter() - (controller.observer_seconds if controller is not None else 0.0)

    watched = watch(controller) if watch is not None and controller is not None else nullcontext()
    with isolated_randomness(device), watched:
        saved_at = time.monotonic()
        draws_per_sample = PROFILES[recipe.augmentation].draws_per_sample
        while at.epoch < recipe.epochs and not is_over(at.curve, settled, recipe.patience):
            order, draws = (
                drawn.to(device) for drawn in epoch_draws(seed, at.epoch, samples, draws_per_sample)
            )
            loss_sum = torch.tensor(at.loss_sum, dtype=torch.float64, device=device)
            started = clock()
            for batch in range(at.batch, steps):
                step = at.epoch * steps + batch
                torch.manual_seed(derive_seed(seed, "dropout", step))
                for group in optimizer.param_groups:
                    group["lr"] = recipe.rate_at(step, total_steps)
                rows = slice(batch * recipe.batch_size, (batch + 1) * recipe.batch_size)
                loss_sum += _take_step(
                    network, running, training, order[rows], draws[rows], recipe, loss, workers
                )

                due = checkpoint_seconds is not None and time.monotonic() - saved_at >= checkpoint_seconds
                if checkpoint is not None and due and batch + 1 < steps:
                    at = replace(at, batch=batch + 1, loss_sum=loss_sum.item())
                    at = replace(at, seconds=at.seconds + clock() - started)
                    save(at)
                    saved_at, started = time.monotonic(), clock()

            # Reading the sum waits for the device, so the clock below is honest.
            mean_loss = loss_sum.item() / steps
            seconds = at.seconds + clock() - started
            if not math.isfinite(mean_loss):
                raise FloatingPointError(
                    f"the training loss became {mean_loss} in epoch {at.epoch + 1} of {recipe.epochs}: "
                    f"lower the learning rate, {recipe.learning_rate}, or look for bad values in the data"
                )
            if average is not None:
                average.silence(controller)
            scored = model if average is None else average.model
            scores = evaluate(scored, validation, classes=classes)
            if controller is not None:
                controller.end_epoch(scores.accuracy)
            result = EpochResult(
                epoch=at.epoch + 1,
                train_loss=mean_loss,
                validation_accuracy=scores.accuracy,
                sparsity=controller.sparsity if controller is not None else 0.0,
                validation_loss=scores.cross_entropy,
                validation_macro_f1=scores.macro_f1,
                learning_rate=optimizer.param_groups[0]["lr"],
            )
            at = Position(epoch=at.epoch + 1, seconds=seconds, curve=(*at.curve, result))
            if recipe.patience is not None and best_epoch(at.curve, settled) == at.epoch:
                running.best = {name: tensor.clone() for name, tensor in scored.state_dict().items()}
            save(at)
            saved_at = time.monotonic()
            if on_epoch is not None:
                on_epoch(result)

    kept = at.epoch
    if running.best is not None:
        kept = best_epoch(at.curve, settled) or at.epoch
        model.load_state_dict(running.best)
    elif average is not None:
        model.load_state_dict(average.model.state_dict())
    said = predict(model, on_device(dataset.test, device))
    copied = clean_test is not None and clean_test.any() and not clean_test.all()
    return TrainedRun(
        curve=at.curve,
        epoch=kept,
        test=score_predictions(said, dataset.test, classes=classes),
        test_without_copies=(
            score_predictions(said, dataset.test, classes=classes, keep=clean_test) if copied else None
        ),
        train_seconds=at.seconds,
        controller=controller,
    )


def _take_step(
    network: nn.Module,
    running: Running,
    training: ImageSplit,
    samples: Tensor,
    draws: Tensor,
    recipe: Recipe,
    loss: Loss,
    workers: Workers,
) -> Tensor:
    """Take one optimizer step on this process's share of a batch, and return the batch's mean loss."""
    device = samples.device
    augmentation = PROFILES[recipe.augmentation]
    targets = training.labels if training.soft_labels is None else training.soft_labels
    size = recipe.batch_size // recipe.micro_batches
    total = torch.zeros((), device=device)
    running.optimizer.zero_grad()
    for part in range(recipe.micro_batches):
        rows = workers.rows(part * size, (part + 1) * size)
        images = augmentation(as_input(training.images[samples[rows]]), draws[rows])
        last = part + 1 == recipe.micro_batches
        with nullcontext() if last else workers.without_sum(network):
            with in_precision(recipe, device):
                logits = network(images)
            mean = loss(logits, targets[samples[rows]]).mean() / recipe.micro_batches
            running.scaler.scale(mean).backward()  # type: ignore[no-untyped-call]
        total += mean.detach()
    counted = running.controller.steps if running.controller is not None else 0
    running.scaler.step(running.optimizer)  # the controller's hooks run inside
    if running.controller is not None and running.controller.steps == counted:
        running.controller.skip_step()  # gradients overflowed, and the scaler left the step out
    running.scaler.update()
    if running.average is not None:
        running.average.update()
    return workers.mean(total)
