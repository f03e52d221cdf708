"""Two processes train the network that one process trains on the joined batch, for every recipe."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import distributed, nn
from torch.multiprocessing import spawn

from pruning import CubicSchedule, ExpressionGating, PruningController
from studies.data import ImageDataset, ImageSplit
from studies.joined import Workers
from studies.networks import shape_for
from studies.recipe import Recipe
from studies.recipes import RECIPES, with_recipe
from studies.train import Train
from studies.training import train

QUICK = ("hybrid", "gene")  # with batch normalisation and dropout, and with neither
WIDTHS = {"amacnn": 2, "hybrid": 2, "resnet18": 2, "vit-tiny": 6, "wrn-22-2": 2, "speech": 4}


class Double(nn.Module):
    """A network in float64, in which the order of a sum cannot turn a near tie."""

    def __init__(self, network):
        super().__init__()
        self.network = network.double()

    def forward(self, images):
        return self.network(images.double())


def dataset_for(recipe):
    """Noise whose mean tells the class: images, or spectrograms for the speech recipe."""
    generator = torch.Generator().manual_seed(0)
    channels = RECIPES[recipe].get("channels", 1)

    def split(part, count):
        labels = torch.arange(count) % 7
        noise = torch.randn(count, channels, 16, 16, generator=generator) + labels.view(-1, 1, 1, 1) - 3
        images = noise if recipe == "speech" else (noise * 20 + 128).clamp(0, 255).to(torch.uint8)
        return ImageSplit(images, labels, [f"{part}/{number}" for number in range(count)])

    return ImageDataset(
        name="noise",
        classes=tuple("abcdefg"),
        train=split("train", 64),
        validation=split("validation", 14),
        test=split("test", 14),
        test_name="held out",
    )


def run(recipe):
    """Masks after every update, and the curve."""
    options = replace(
        with_recipe(Train, ["--recipe", recipe]), epochs=2, batch_size=16, micro_batches=2, learning_rate=1e-3
    )
    dataset = dataset_for(recipe)
    shape = shape_for(
        options.model, dataset, width=WIDTHS.get(recipe), hidden=(16, 8),
        depth=2 if recipe == "vit-tiny" else None,
    )  # fmt: skip
    model = Double(shape.build(0))

    def attach(model, optimizer, total_steps):
        return PruningController(
            model, optimizer, policy=ExpressionGating(window=2.0, backend="torch"),
            schedule=CubicSchedule(final_sparsity=0.6, end=1.0), total_steps=total_steps,
            update_every=2,
        )  # fmt: skip

    result = train(model, dataset, options.training_recipe(dataset), seed=0, attach=attach)
    weights = torch.cat([tensor.double().flatten() for tensor in model.state_dict().values()])
    losses = torch.tensor([[point.train_loss, point.validation_accuracy] for point in result.curve])
    return {"mask": result.controller.mask, "weights": weights, "losses": losses}


def worker(rank, port, folder, recipes):
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    distributed.init_process_group("gloo", rank=rank, world_size=2)
    for recipe in recipes:
        torch.save(run(recipe), f"{folder}/{recipe}-{rank}.pt")
    torch.save(resumed(Path(folder) / "checkpoint"), f"{folder}/resumed-{rank}.pt")
    distributed.barrier()  # neither may close its connections while the other still works
    distributed.destroy_process_group()
    # A thread of gloo can outlive the interpreter, which aborts on a busy machine. All is on disk by now.
    os._exit(0)


def resumed(checkpoint):
    """Losses of a run that is stopped inside an epoch and goes on, and of one that is not."""
    dataset, recipe = dataset_for("hybrid"), Recipe(epochs=2, batch_size=16)
    losses = []
    for stop in (None, 6, None):
        model = shape_for("hybrid", dataset, width=2).build(0)
        seen = []

        def count(module, _, stop=stop, seen=seen):
            seen.append(module.training)
            if stop and sum(seen) > stop:
                raise InterruptedError

        hook = model.register_forward_pre_hook(count)
        path = checkpoint if losses else None
        try:
            result = train(model, dataset, recipe, seed=0, checkpoint=path, checkpoint_seconds=0)
            losses.append([point.train_loss for point in result.curve])
        except InterruptedError:
            losses.append([])
        hook.remove()
        if distributed.is_initialized():
            distributed.barrier()
    return torch.tensor([losses[0], losses[2]])


def check(folder, recipes):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    spawn(worker, args=(port, str(folder), recipes), nprocs=2)
    for rank in range(2):
        whole, continued = torch.load(folder / f"resumed-{rank}.pt")
        assert torch.equal(whole, continued)
    for recipe in recipes:
        first, second = (torch.load(folder / f"{recipe}-{rank}.pt") for rank in range(2))
        alone = run(recipe)
        assert 0.5 < 1 - first["mask"].double().mean() < 0.7
        assert torch.equal(first["mask"], second["mask"])
        assert torch.equal(first["weights"], second["weights"])
        assert torch.equal(first["mask"], alone["mask"])
        # Sums in another order; Adam divides by what may be as small as its epsilon.
        assert torch.allclose(first["weights"], alone["weights"], rtol=1e-5, atol=1e-6)
        assert torch.allclose(first["losses"], alone["losses"], rtol=1e-6)


@pytest.mark.skipif(not distributed.is_available(), reason="this torch is built without torch.distributed")
def test_two_processes_are_one(tmp_path):
    check(tmp_path, QUICK)


@pytest.mark.slow
@pytest.mark.skipif(not distributed.is_available(), reason="this torch is built without torch.distributed")
def test_two_processes_are_one_for_the_other_recipes(tmp_path):
    check(tmp_path, [recipe for recipe in RECIPES if recipe not in QUICK])


def test_rows_of_all_processes_are_the_batch():
    for size in (1, 2, 3):
        taken = [range(12)[Workers(rank, size).rows(0, 12)] for rank in range(size)]
        assert [row for rows in taken for row in rows] == list(range(12))


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(ValueError, match=r"multiple of processes × micro_batches = 2 × 3, got 64"):
        Workers(0, 2).check_batch(64, 3)


def test_alone_the_network_stays_as_it_is():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.5))
    assert Workers().network(model) is model
    assert [type(layer) for layer in model] == [nn.Linear, nn.BatchNorm1d, nn.Dropout]


def test_parts_of_a_batch_add_up_to_it(digits):
    """Without layers in which samples act on each other, the split of a batch changes rounding alone."""

    def final(parts):
        model = Double(shape_for("gene", digits, hidden=(16,)).build(0))
        train(model, digits, Recipe(epochs=1, micro_batches=parts), seed=0)
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    assert torch.allclose(final(1), final(4), rtol=1e-5, atol=1e-7)
