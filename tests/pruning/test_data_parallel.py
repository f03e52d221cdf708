"""Two processes choose the same masks as each other, and as one process on the joined batch."""

import os
import socket

import pytest
import torch
from torch import distributed, nn
from torch.multiprocessing import spawn

from pruning import CubicSchedule, ExpressionGating, HeuristicGating, PruningController, RigLGating, SetGating

POLICIES = {
    "heuristic": HeuristicGating(rewire_fraction=0.3),
    "rigl": RigLGating(),
    "set": SetGating(),
    "expression": ExpressionGating(window=2.0, backend="torch"),
}
OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.01),
}


def train(policy, optimizer_name, rank=None):
    """Masks after every step; float64, so that the order of a sum cannot turn a near tie."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3)).double()
    network = model if rank is None else nn.parallel.DistributedDataParallel(model)
    optimizer = OPTIMIZERS[optimizer_name](network.parameters())
    controller = PruningController(
        model,
        optimizer,
        policy=POLICIES[policy],
        schedule=CubicSchedule(final_sparsity=0.6),
        total_steps=24,
        update_every=2,
    )
    generator = torch.Generator().manual_seed(5)
    masks = []
    for _ in range(24):
        inputs = torch.randn(16, 6, generator=generator, dtype=torch.float64)
        targets = torch.randint(0, 3, (16,), generator=generator)
        own = slice(None) if rank is None else slice(8 * rank, 8 * rank + 8)
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs[own]), targets[own]).backward()
        optimizer.step()
        masks.append(controller.mask)
    return torch.stack(masks)


def worker(rank, port, folder):
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    distributed.init_process_group("gloo", rank=rank, world_size=2)
    for policy in POLICIES:
        for optimizer in OPTIMIZERS:
            torch.save(train(policy, optimizer, rank), f"{folder}/{policy}-{optimizer}-{rank}.pt")
    distributed.barrier()  # neither may close its connections while the other still works
    distributed.destroy_process_group()
    # A thread of gloo can outlive the interpreter, which aborts on a busy machine. All is on disk by now.
    os._exit(0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ddp")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    spawn(worker, args=(port, str(folder)), nprocs=2)
    return folder


@pytest.mark.skipif(not distributed.is_available(), reason="this torch is built without torch.distributed")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("policy", POLICIES)
def test_masks_agree_between_processes_and_with_the_joined_batch(folder, policy, optimizer):
    first, second = (torch.load(folder / f"{policy}-{optimizer}-{rank}.pt") for rank in range(2))
    assert torch.equal(first, second)
    assert torch.equal(first, train(policy, optimizer))
    assert (first[-1] != first[0]).any()
