"""The network of a live run, and one optimizer step after another."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from pruning import PruningController
from pruning.checkpoint import load_tree, save_tree
from pruning.topology import GatingUpdate, TopologyHistory
from studies.data import ImageDataset, as_input, load_dataset
from studies.data_options import FACES_SIZE
from studies.evaluation import predict
from studies.networks import NetworkShape, shape_for
from studies.randomness import derive_seed
from studies.recipe import Recipe, make_optimizer, steps_per_epoch
from studies.training import epoch_draws
from studies.tune.live.folder import RunFolder
from studies.tune.live.options import LiveOptions
from studies.tune.live.progress import Point, ProgressWriter
from studies.tune.live.ramp import RampSchedule
from studies.tune.settings import Settings

RECIPE = Recipe(schedule="constant", learning_rate=2e-3, batch_size=64)
TOTAL_STEPS = 1_000_000_000  # what progress is a fraction of, and the end: ten weeks at full speed
UPDATE_EVERY = 10  # optimizer steps
FIRST_RAMP, LATER_RAMP = 300, 100  # optimizer steps until a new density is reached
FACES_SHARE = 0.3  # of the training images: an epoch of some seconds
FOLLOWED = 200  # connections whose mRNA and protein the history keeps
FORMAT = "live run 2"


def load_data(options: LiveOptions) -> ImageDataset:
    """Read the data of a live run."""
    if options.data == "faces":
        return load_dataset("faces", image_size=FACES_SIZE, fraction=FACES_SHARE)
    return load_dataset(options.data)


def network_for(dataset: ImageDataset) -> NetworkShape:
    """Choose a network whose every unit can be drawn: some 130 of them."""
    if dataset.name == "digits":
        return shape_for("gene", dataset, hidden=(32, 24))
    return shape_for("cnn", dataset, width=8)


class LiveTraining:
    """A network in training under rates that may change at any step.

    Conditions stay the same however long it runs: a constant learning rate, and saliency of constant weight
    in the importance, so that what changes is what the rates change. Batches are a function of seed and step:
    two runs of one seed see the same ones.

    Parameters
    ----------
    folder : RunFolder
        Its checkpoint is gone on from where there is one, else training begins.
    settings : Settings
        Rates and density to begin with; those of the checkpoint are taken where there is one.
    options : LiveOptions
        Data and seed.

    Attributes
    ----------
    settings : Settings
        In force.
    controller : PruningController
        Of the network.

    Raises
    ------
    ValueError
        If the density cannot be met, or the checkpoint is damaged or of another run.
    """

    def __init__(self, folder: RunFolder, settings: Settings, options: LiveOptions) -> None:
        self.folder, self.settings, self.options = folder, settings, options
        dataset = load_data(options)
        self._train, self._validation = dataset.train, dataset.validation
        self.steps_per_epoch = steps_per_epoch(len(dataset.train.labels), RECIPE.batch_size)
        self._loss, self._losses = 0.0, 0  # since the last point
        self._order: tuple[int, torch.Tensor] = (-1, torch.empty(0))
        self._schedule = RampSchedule(
            start_sparsity=0.0,
            final_sparsity=1.0 - settings.density,
            ramp_begin=0.0,
            ramp_end=FIRST_RAMP / TOTAL_STEPS,
        )
        stored = load_tree(folder.checkpoint) if folder.checkpoint.exists() else None
        if stored is not None:
            self._take_over(stored)
        self.model = network_for(dataset).build(options.seed)
        self.optimizer = make_optimizer(self.model, RECIPE)
        self.controller = PruningController(
            self.model,
            self.optimizer,
            policy=self.settings.gating(),
            schedule=self._schedule,
            total_steps=TOTAL_STEPS,
            update_every=UPDATE_EVERY,
            keep_masks=False,
            seed=options.seed,
        )
        if stored is not None:
            self.model.load_state_dict(stored["model"])
            self.optimizer.load_state_dict(stored["optimizer"])
            self.controller.load_state_dict(stored["controller"])
        self._files = ExitStack()
        self._progress = self._files.enter_context(ProgressWriter(folder.progress, self.steps))
        if stored is not None and folder.topology.exists():
            history = TopologyHistory.resume(folder.topology, self.steps)
        else:
            history = TopologyHistory.create(
                folder.topology, self.controller.layers, run={"study": "tune"}, sample=FOLLOWED
            )
        self._files.enter_context(history)
        self.controller.observers += [history.record, self._record]

    @property
    def steps(self) -> int:
        """Optimizer steps done."""
        return self.controller.steps

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return self.steps // self.steps_per_epoch

    def step(self) -> None:
        """Take one optimizer step; every tenth is followed by an update of the masks.

        Raises
        ------
        FloatingPointError
            If weights or gradients are no longer finite.
        """
        epoch, batch = divmod(self.steps, self.steps_per_epoch)
        if self._order[0] != epoch:
            order, _ = epoch_draws(self.options.seed, epoch, len(self._train.labels), 0)
            self._order = epoch, order
        rows = self._order[1][batch * RECIPE.batch_size : (batch + 1) * RECIPE.batch_size]
        torch.manual_seed(derive_seed(self.options.seed, "dropout", self.steps))
        self.model.train()
        loss = cross_entropy(self.model(as_input(self._train.images[rows])), self._train.labels[rows])
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._loss += float(loss.detach())
        self._losses += 1
        self.optimizer.step()  # the controller's hooks run inside
        self.controller.epochs = self.epochs
        # What is told is on disk: the controller's own record of it would grow for ever.
        del self.controller.history[:-1]

    def steer(self, settings: Settings) -> None:
        """Go on under other rates and, after a short ramp from the present target, at another density.

        Raises
        ------
        ValueError
            If the density cannot be met; nothing is changed then.
        """
        schedule = None
        if settings.density != self.settings.density:
            now = self.steps / TOTAL_STEPS
            schedule = RampSchedule(
                start_sparsity=self._schedule.sparsity(now),
                final_sparsity=1.0 - settings.density,
                ramp_begin=now,
                ramp_end=min(1.0, (self.steps + LATER_RAMP) / TOTAL_STEPS),
            )
        self.controller.steer(settings.gating(), schedule)
        self.settings = settings
        self._schedule = schedule or self._schedule

    def save(self) -> None:
        """Write all that going on needs to the checkpoint, atomically."""
        save_tree(
            self.folder.checkpoint,
            {
                "format": FORMAT,
                "options": {"data": self.options.data, "seed": self.options.seed},
                "settings": asdict(self.settings),
                "schedule": asdict(self._schedule),
                "loss": (self._loss, self._losses),
                "model": dict(self.model.state_dict()),
                "optimizer": self.optimizer.state_dict(),
                "controller": self.controller.state_dict(),
            },
        )

    def close(self) -> None:
        """Stop training for good: files are closed."""
        self.controller.close()
        self._files.close()

    def _take_over(self, stored: Any) -> None:
        """Settings and target of a checkpoint, with which the controller must be made."""
        own = {"data": self.options.data, "seed": self.options.seed}
        if not isinstance(stored, Mapping) or stored.get("format") != FORMAT:
            raise ValueError(f"{self.folder.checkpoint} is no checkpoint of a live run: remove its folder")
        if stored["options"] != own:
            raise ValueError(
                f"{self.folder.checkpoint} is of another run, {stored['options']}; this one is {own}"
            )
        self.settings = Settings(**stored["settings"])
        self._schedule = RampSchedule(**stored["schedule"])
        self._loss, self._losses = stored["loss"]

    def _record(self, update: GatingUpdate) -> None:
        """Write a point of the curves after an update."""
        snapshot = update.snapshot
        right = predict(self.model, self._validation).predicted == self._validation.labels
        self._progress.append(
            Point(
                step=snapshot.step,
                epoch=snapshot.step / self.steps_per_epoch,
                loss=self._loss / max(self._losses, 1),
                accuracy=float(right.double().mean()),
                density=1.0 - snapshot.sparsity,
                target=1.0 - snapshot.target_sparsity,
                churn=snapshot.churn,
                settings=self.settings,
            )
        )
        self._loss, self._losses = 0.0, 0
