"""What the controller holds a gate, and what it counts ages in."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pruning import (
    ConstantSchedule,
    CubicSchedule,
    ExpressionGating,
    Importance,
    MagnitudeGating,
    PruningController,
    SetGating,
)


def trained(policy: Any, steps: int, **options: Any) -> PruningController:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(150, 200, bias=False), nn.ReLU(), nn.Linear(200, 100, bias=False))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    options = {"total_steps": 40, "update_every": 5, "schedule": CubicSchedule(final_sparsity=0.8), **options}
    controller = PruningController(model, optimizer, policy=policy, **options)
    for _ in range(steps):
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
    return controller


def held(root: PruningController) -> dict[int, int]:
    """Bytes of every tensor storage and array that the controller reaches, without model and optimizer."""
    foreign = {layer.weight.untyped_storage().data_ptr() for layer in root.gates.layers}
    sizes: dict[int, int] = {}
    seen: set[int] = set()
    waiting: list[Any] = [root]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, nn.Module | torch.optim.Optimizer):
            continue
        seen.add(id(item))
        if isinstance(item, Tensor):
            storage = item.untyped_storage()
            if storage.data_ptr() not in foreign:
                sizes[storage.data_ptr()] = storage.nbytes()
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list | tuple | set):
            waiting += item
        elif type(item).__module__.startswith("pruning"):
            slots = [name for kind in type(item).__mro__ for name in getattr(kind, "__slots__", ())]
            waiting += [getattr(item, name) for name in slots if hasattr(item, name)]
            waiting += getattr(item, "__dict__", {}).values()
    return sizes


@pytest.mark.parametrize("gate", ["budget", "schmitt"])
def test_the_ode_holds_at_most_sixteen_bytes_a_gate(gate):
    controller = trained(ExpressionGating(gate=gate), 14)  # two updates, and gradients are being observed
    total = controller.total_connections
    memory = controller.memory()
    assert len(controller.history) == 2
    assert memory["gradient_sums"] == 4 * total
    working = sum(memory.values()) - memory["history"]
    assert working == sum(held(controller).values())
    assert working <= 16 * total


def test_bfloat16_halves_the_state_and_keeps_almost_the_same_connections():
    whole, halved = (trained(ExpressionGating(storage=kind), 40) for kind in ("float32", "bfloat16"))
    assert halved.memory()["policy_state"] <= 4 * halved.total_connections + 4
    assert halved.expression.dtype == torch.float32
    assert halved.live_connections == whole.live_connections
    # Rounding to eight bits swaps connections at the edge of the budget, and only there.
    assert (whole.mask ^ halved.mask).float().mean() < 0.02
    with pytest.raises(ValueError, match="storage must be one of float32, bfloat16, got 'float16'"):
        ExpressionGating(storage="float16")


def test_gradient_sums_are_given_back_by_an_update():
    controller = trained(ExpressionGating(), 15)
    assert controller.memory()["gradient_sums"] == 0
    assert sum(held(controller).values()) <= 12 * controller.total_connections


def test_a_rule_without_memory_holds_masks_and_ages():
    controller = trained(MagnitudeGating(), 14)
    assert sum(held(controller).values()) == 3 * controller.total_connections


def test_history_is_one_bit_a_gate_and_update_and_nothing_large():
    bits = -(-50_000 // 8)
    snapshots = trained(ExpressionGating(), 15).history
    for snapshot in snapshots:
        assert snapshot.nbytes == bits + 64 * (1 + 4)
        for array in (snapshot.sample_live, snapshot.sample_expression):
            owner = array
            while getattr(owner, "base", None) is not None:
                owner = owner.base
            size = owner.untyped_storage().nbytes() if isinstance(owner, Tensor) else owner.nbytes
            assert size == array.nbytes
    bare = trained(ExpressionGating(), 15, keep_masks=False)
    assert bare.memory()["history"] == 3 * 64 * (1 + 4)


@pytest.mark.parametrize(("updates", "bytes_a_gate"), [(2**15 - 1, 2), (2**15, 4)])
def test_ages_take_four_bytes_only_where_updates_outnumber_two(updates, bytes_a_gate):
    options = {
        "schedule": ConstantSchedule(final_sparsity=0.5, end=1.0),
        "total_steps": 3 * updates - 1,
        "update_every": 3,
    }
    controller = trained(SetGating(), 0, **options)
    assert controller.memory()["ages"] == bytes_a_gate * controller.total_connections


class Shown:
    """Rewires at random and keeps the ages and the protection that it was shown."""

    needs_gradient = False

    def __init__(self):
        self.ages, self.protected = [], []

    def decide(self, context, state):
        self.ages.append(context.age)
        self.protected.append(context.protected)
        return SetGating().decide(context, state)


def test_short_and_long_counts_give_the_same_ages(monkeypatch):
    """The last update comes before a whole interval has passed."""
    runs = []
    for wide in (False, True):
        shown = Shown()
        options = {
            "schedule": ConstantSchedule(final_sparsity=0.5, end=1.0),
            "total_steps": 33,
            "importance": Importance(age=0.5),
            "protection": 2,
        }
        with monkeypatch.context() as patch:
            if wide:
                patch.setattr("pruning.controller._MOST_SHORT", 0)
            controller = trained(shown, 33, **options)
        assert controller.memory()["ages"] == (4 if wide else 2) * controller.total_connections
        runs.append((controller, shown))
    (short, few), (long, many) = runs
    assert [snapshot.step for snapshot in short.history] == [5, 10, 15, 20, 25, 30, 33]
    assert all(torch.equal(*pair) for pair in zip(few.ages, many.ages, strict=True))
    assert torch.equal(short.mask, long.mask)
    born = torch.zeros(short.total_connections)
    before = None
    for snapshot, age, protected in zip(short.history, few.ages, few.protected, strict=True):
        live = age > 0 if before is None else before
        torch.testing.assert_close(age[live], (snapshot.step - born[live]) / 33)
        assert torch.equal(protected, live & (born > 0) & (snapshot.step - born <= 2 * 5))
        layers = [torch.from_numpy(snapshot.mask(layer.name)).flatten() for layer in short.gates.layers]
        mask = torch.cat(layers)
        born[mask & ~live] = snapshot.step
        before = mask


def test_ages_of_another_width_are_refused_and_change_nothing():
    controller = trained(SetGating(), 15)
    state = controller.state_dict()
    state["born_in"] = state["born_in"].int()
    before = copy.deepcopy(controller.mask)
    with pytest.raises(ValueError, match=r"must hold ages of 50000 gates in torch.int16, got torch.int32"):
        controller.load_state_dict(state)
    assert torch.equal(controller.mask, before)
