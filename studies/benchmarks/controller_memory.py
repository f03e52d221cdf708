"""Bytes that a controller needs a connection: what it holds, and the peak of an update."""

import gc
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from pruning import CubicSchedule, GatingPolicy, PruningController

EVERY, STEPS = 10, 28  # the last step lies inside the observation before the third update


def memory_of(policy: GatingPolicy, *, connections: int) -> dict[str, Any]:
    """Train two square layers, weights alone, and measure what the controller adds.

    Parameters
    ----------
    policy : GatingPolicy
        The rule whose memory is measured.
    connections : int
        Gated connections, about.

    Returns
    -------
    dict
        ``connections``; ``held``, bytes a connection while gradients are observed, by purpose; and ``peak``,
        the most that all allocations from the controller's construction on came to, held ones included.
    """
    gc.collect()
    torch.manual_seed(0)
    side = round((connections / 2) ** 0.5)
    model = nn.Sequential(*(nn.Linear(side, side, bias=False) for _ in range(2)))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        controller = PruningController(
            model,
            optimizer,
            policy=policy,
            schedule=CubicSchedule(final_sparsity=0.9),
            total_steps=10 * EVERY,
            update_every=EVERY,
            keep_masks=False,
        )
        for _ in range(STEPS):
            optimizer.step()
    results: Any = profiler.profiler
    changes = [event for event in results.kineto_results.events() if event.name() == "[memory]"]
    now = peak = 0
    for change in sorted(changes, key=lambda event: event.start_ns()):
        now += change.nbytes()
        peak = max(peak, now)
    gates = controller.total_connections
    return {
        "connections": gates,
        "held": {name: size / gates for name, size in controller.memory().items() if name != "history"},
        "peak": peak / gates,
    }
