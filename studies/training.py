"""The training loop: one function to read from top to bottom, the same for every policy and study."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from pruning import PruningController
from studies.augmentation import DRAWS_PER_IMAGE, augment
from studies.checkpointing import Position, load_position, save_position
from studies.data import ImageDataset, ImageSplit, as_input
from studies.evaluation import EpochResult, Evaluation, evaluate
from studies.randomness import derive_seed, isolated_randomness
from studies.recipe import Recipe, cosine_learning_rate, make_optimizer, steps_per_epoch

Attach = Callable[[nn.Module, torch.optim.Optimizer, int], PruningController]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedRun:
    """A finished run: the final network's scores and how it came there. Final, not best, epoch."""

    curve: tuple[EpochResult, ...]  # its last point holds the validation accuracy to report
    test: Evaluation
    train_seconds: float  # in training steps, controller included; without evaluation and checkpoints
    controller: PruningController | None  # detached from the optimizer by the caller


def epoch_draws(seed: int, epoch: int, samples: int) -> tuple[Tensor, Tensor]:
    """Return an epoch's sample order (N,) and augmentation draws (N, 3) in [0, 1).

    A function of its arguments, drawn on the CPU whatever the device: every device sees the same batches.

    Examples
    --------
    >>> order, draws = epoch_draws(seed=0, epoch=2, samples=4)
    >>> sorted(order.tolist()), tuple(draws.shape)
    ([0, 1, 2, 3], (4, 3))
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "order", epoch))
    return torch.randperm(samples, generator=generator), torch.rand(
        samples, DRAWS_PER_IMAGE, generator=generator
    )


def on_device(split: ImageSplit, device: torch.device | str) -> ImageSplit:
    """Return the split with images and labels on a device (48 x 48 images take 2.3 kB each)."""
    return replace(split, images=split.images.to(device), labels=split.labels.to(device))


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
    on_epoch: Callable[[EpochResult], None] | None = None,
) -> TrainedRun:
    """Train a network in place, prune it on the way, and score it once on the test split.

    Data order, augmentation and dropout are functions of (seed, epoch, step): runs that differ only in
    ``attach`` are paired sample by sample. A run that continues from its checkpoint repeats every bit of
    the run that was never stopped, on a CPU and with the same number of threads.

    Parameters
    ----------
    model : nn.Module
        Takes images (B, C, H, W) in [0, 1], gives logits (B, classes). Moved to the device.
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
    on_epoch : callable, optional
        Called with each :class:`EpochResult`, those of a checkpoint first.

    Raises
    ------
    ValueError
        If the batch does not fit the data, or the checkpoint is damaged or of another run.
    FloatingPointError
        If an epoch's mean loss is not finite.
    """
    device = torch.device(device)
    model.to(device).train()
    training, validation = on_device(dataset.train, device), on_device(dataset.validation, device)
    samples, classes = len(training.labels), len(dataset.classes)
    steps = steps_per_epoch(samples, recipe.batch_size)
    total_steps = recipe.epochs * steps
    optimizer = make_optimizer(model, recipe)
    controller = attach(model, optimizer, total_steps) if attach is not None else None

    at = Position()
    if checkpoint is not None and checkpoint.exists():
        at = load_position(checkpoint, model, optimizer, controller, recipe=recipe, seed=seed)
    if on_epoch is not None:
        for result in at.curve:
            on_epoch(result)

    with isolated_randomness(device):
        saved_at = time.monotonic()
        for epoch in range(at.epoch, recipe.epochs):
            order, draws = (drawn.to(device) for drawn in epoch_draws(seed, epoch, samples))
            loss_sum = torch.tensor(at.loss_sum, dtype=torch.float64, device=device)
            started = time.perf_counter()
            for batch in range(at.batch, steps):
                step = epoch * steps + batch
                torch.manual_seed(derive_seed(seed, "dropout", step))
                rows = slice(batch * recipe.batch_size, (batch + 1) * recipe.batch_size)
                images = as_input(training.images[order[rows]])
                if recipe.augment:
                    images = augment(images, draws[rows])

                for group in optimizer.param_groups:
                    group["lr"] = cosine_learning_rate(step, total_steps, recipe.learning_rate)
                loss = functional.cross_entropy(model(images), training.labels[order[rows]])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()  # the controller's hooks run inside
                loss_sum += loss.detach()

                due = checkpoint_seconds is not None and time.monotonic() - saved_at >= checkpoint_seconds
                if checkpoint is not None and due and batch + 1 < steps:
                    at = replace(at, batch=batch + 1, loss_sum=loss_sum.item())
                    at = replace(at, seconds=at.seconds + time.perf_counter() - started)
                    save_position(checkpoint, at, model, optimizer, controller, recipe=recipe, seed=seed)
                    saved_at, started = time.monotonic(), time.perf_counter()

            mean_loss = loss_sum.item() / steps  # waits for the device, so the clock below is honest
            seconds = at.seconds + time.perf_counter() - started
            if not math.isfinite(mean_loss):
                raise FloatingPointError(
                    f"the training loss became {mean_loss} in epoch {epoch + 1} of {recipe.epochs}: "
                    f"lower the learning rate, {recipe.learning_rate}, or look for bad values in the data"
                )
            scores = evaluate(model, validation, classes=classes)
            if controller is not None:
                controller.end_epoch(scores.accuracy)
            result = EpochResult(
                epoch=epoch + 1,
                train_loss=mean_loss,
                validation_accuracy=scores.accuracy,
                sparsity=controller.sparsity if controller is not None else 0.0,
            )
            at = Position(epoch=epoch + 1, seconds=seconds, curve=(*at.curve, result))
            if checkpoint is not None:
                save_position(checkpoint, at, model, optimizer, controller, recipe=recipe, seed=seed)
                saved_at = time.monotonic()
            if on_epoch is not None:
                on_epoch(result)

    return TrainedRun(
        curve=at.curve,
        test=evaluate(model, on_device(dataset.test, device), classes=classes),
        train_seconds=at.seconds,
        controller=controller,
    )
