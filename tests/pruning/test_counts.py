"""The number of live connections is exact, whatever the scores."""

from itertools import pairwise

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from pruning import ConstantSchedule, Gates, MagnitudeGating, RigLGating, SetGating, make_budget
from pruning.selection import kth_largest, top_k_mask

EXACT = ["magnitude", "random", "smoothed", "heuristic", "set", "rigl", "expression"]


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("policy", EXACT)
def test_live_connections_are_exact_after_1000_updates(start, policy, optimizer):
    run = start(policy, optimizer, sparsity=0.8, total_steps=1250, update_every=1)
    controller = run.controller
    gates = torch.zeros(controller.total_connections)
    for step in range(1000):
        for layer in controller.gates.layers:  # noise for gradients: the count must not depend on them
            layer.weight.grad = torch.randn_like(layer.weight)
        run.optimizer.step()
        if step % 100 == 99:
            target = controller.schedule.sparsity(controller.steps / 1250)
            expected = round((1 - target) * controller.total_connections)
            assert controller.live_connections == expected == int(controller.mask.sum())
    assert len(controller.history) > 900
    assert controller.live_connections == round(0.2 * gates.numel())


@pytest.mark.parametrize("allocation", ["global", "uniform", "erk"])
@pytest.mark.parametrize("policy", [SetGating(), RigLGating()])
def test_constant_schedule_is_sparse_from_the_first_step(start, policy, allocation):
    run = start(policy, schedule=ConstantSchedule(final_sparsity=0.6), allocation=allocation)
    exact = round(0.4 * run.controller.total_connections)
    for _ in range(60):
        assert run.controller.live_connections == exact
        assert not run.silent_weights().any()
        run.step()
    assert sum(snapshot.born for snapshot in run.controller.history) > 0
    assert all(snapshot.live == exact for snapshot in run.controller.history)


@given(
    st.lists(st.sampled_from([0.0, 1.0, 2.0, float("inf"), -float("inf")]), min_size=1, max_size=40),
    st.data(),
)
@settings(max_examples=200, deadline=None)
def test_top_k_is_exact_and_breaks_ties_for_the_preferred(values, data):
    score = torch.tensor(values)
    count = data.draw(st.integers(0, len(values)))
    prefer = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))
    mask = top_k_mask(score, count, prefer)
    assert int(mask.sum()) == count
    if 0 < count < len(values):
        assert score[mask].min() >= score[~mask].max()
        edge = kth_largest(score, count)
        tied = score == edge
        if (mask & tied & ~prefer).any():
            assert mask[tied & prefer].all()


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("policy", EXACT)
def test_all_zero_weights_drop_only_live_connections(start, policy, optimizer):
    """Ties at zero: what is silenced was live, and nothing silent is preferred to a live equal."""
    run = start(policy, optimizer, sparsity=0.9)
    run.step(9)
    old = run.controller.mask
    run.optimizer.state.clear()  # momentum would move the weights and part the ties
    with torch.no_grad():
        for layer in run.controller.gates.layers:
            layer.weight.zero_()
    for _ in range(3):
        for parameter in run.model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        run.optimizer.step()
    snapshot = run.controller.history[-1]
    new = run.controller.mask
    assert snapshot.step == 12
    assert not run.controller.gates.magnitude().any()
    assert snapshot.live == int(new.sum()) < int(old.sum())
    if policy not in ("set", "rigl", "heuristic"):  # these three drop beyond the budget in order to restore
        assert not (new & ~old).any()
    else:  # at most the 30 % that they may replace is new: no tie let a silent one take a survivor's place
        assert int((new & old).sum()) >= 0.7 * snapshot.live - 1


def train_with_a_tiny_layer(run):
    """Train with one layer kept so small that pruning by magnitude alone would empty it."""
    for _ in range(60):
        with torch.no_grad():
            run.model[3].weight.mul_(1e-3)
        run.step()


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_floor_keeps_every_layer_alive_and_connected(start, optimizer):
    run = start(MagnitudeGating(), optimizer, sparsity=0.9, minimum_layer_density=0.08)
    train_with_a_tiny_layer(run)
    snapshot = run.controller.history[-1]
    for layer in snapshot.layers:
        assert layer.live >= int(0.08 * layer.total)
    assert snapshot.live == round(0.1 * snapshot.total)
    assert sum(snapshot.dead_ends().values()) < snapshot.live  # a path from input to output is left


def test_without_a_floor_the_layer_is_emptied_to_its_last_gate(start):
    run = start(MagnitudeGating(), sparsity=0.9, minimum_layer_density=0.0)
    train_with_a_tiny_layer(run)
    assert min(layer.live for layer in run.controller.history[-1].layers) == 1


def test_budget_with_floors_is_exact_and_respects_them():
    gates = Gates(nn.Sequential(nn.Linear(10, 10), nn.Linear(10, 10), nn.Linear(10, 10)))
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        scale = torch.repeat_interleave(10.0 ** torch.randint(-6, 6, (3,), generator=generator), 100)
        score = torch.rand(300, generator=generator) * scale
        budget = make_budget(gates, 0.8, minimum_layer_density=0.1)
        mask = budget.select(score)
        assert int(mask.sum()) == 60
        assert min(gates.live_per_layer(mask)) >= 10


@pytest.mark.parametrize("allocation", ["uniform", "erk"])
@pytest.mark.parametrize("granularity", ["weight", "connection"])
@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.9, 0.97])
def test_layer_counts_sum_exactly(start, allocation, granularity, sparsity):
    run = start("magnitude", sparsity=0.5)
    gates = Gates(run.model, granularity)
    budget = make_budget(gates, sparsity, allocation)
    assert sum(budget.counts) == budget.live == round((1 - sparsity) * gates.total)
    assert all(1 <= count <= size for count, size in zip(budget.counts, gates.sizes, strict=True))


@pytest.mark.parametrize("allocation", ["uniform", "erk"])
def test_no_layer_gains_a_gate_as_the_budget_shrinks(allocation):
    """Largest-remainder rounding would let a layer grow while the network shrinks (the Alabama paradox)."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        sizes = torch.randint(2, 12, (4,), generator=generator).tolist()
        gates = Gates(nn.Sequential(*(nn.Linear(*pair) for pair in pairwise(sizes))))
        previous = None
        for live in range(gates.total, 3 * len(gates.layers), -1):
            counts = make_budget(gates, 1 - live / gates.total, allocation).counts
            assert sum(counts) == live
            if previous is not None:
                assert all(now <= before for now, before in zip(counts, previous, strict=True))
            previous = counts


def test_erk_densities_follow_the_rule():
    gates = Gates(nn.Sequential(nn.Linear(1000, 300), nn.Linear(300, 100), nn.Linear(100, 10)))
    counts = make_budget(gates, 0.95, "erk").counts
    ratios = [
        count / size / (sum(layer.weight.shape) / layer.weight.numel())
        for count, size, layer in zip(counts, gates.sizes, gates.layers, strict=True)
    ]
    assert max(ratios) / min(ratios) == pytest.approx(1.0, abs=0.01)


def test_selection_and_sampling_work_above_two_to_the_24():
    total = 2**24 + 1001
    score = torch.rand(total, generator=torch.Generator().manual_seed(1))
    mask = top_k_mask(score, 1_000_003)
    assert int(mask.sum()) == 1_000_003
    assert score[mask].min() >= score[~mask].max()
