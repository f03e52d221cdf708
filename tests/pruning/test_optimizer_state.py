"""Momentum must not revive silent weights, and a reborn weight starts with a clean optimizer."""

import pytest
import torch
from torch import nn

from pruning import CubicSchedule, HeuristicGating, PruningController, RigLGating, SetGating

OPTIMIZERS = ["sgd", "adam", "adamw"]


@pytest.mark.parametrize("granularity", ["weight", "connection", "unit"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("policy", ["magnitude", "rigl", "heuristic", "expression"])
def test_silent_weights_are_zero_after_every_step(start, policy, optimizer, granularity):
    run = start(policy, optimizer, granularity=granularity, sparsity=0.5, minimum_layer_density=0.0)
    for _ in range(60):
        run.step()
        assert not run.silent_weights().any()
    assert run.silent_weights().numel() > 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_silent_biases_of_silent_units_are_zero(start, optimizer):
    run = start("magnitude", optimizer, granularity="unit", sparsity=0.5, minimum_layer_density=0.0)
    run.step(60)
    for layer in run.controller.gates.layers:
        silent = ~run.controller.mask[layer.slice]
        assert not layer.bias[silent].any()
    assert not run.controller.mask.all()
    assert [layer.name for layer in run.controller.gates.layers] == ["0", "3"]  # the answer stays dense


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("policy", [SetGating(), HeuristicGating(rewire_fraction=0.7, sigma=3.0)])
def test_reborn_units_start_small_random_and_learn(start, policy, optimizer):
    """A unit of zeros behind ReLU has no gradient; it would count as live and never compute anything."""
    run = start(policy, optimizer, granularity="unit", sparsity=0.5, minimum_layer_density=0.0)
    reborn = 0
    for _ in range(45):
        before = run.controller.mask
        run.step()
        born = run.controller.mask & ~before
        for layer in run.controller.gates.layers:
            fresh = layer.weight[born[layer.slice]].detach()
            reborn += len(fresh)
            assert (fresh.abs() <= layer.weight[0].numel() ** -0.5).all()
    assert reborn > 0
    run.step(15)
    for layer in run.controller.gates.layers:
        live = layer.weight.detach()[run.controller.mask[layer.slice]].flatten(1)
        assert live.any(1).all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("policy", ["set", "rigl", "heuristic"])
def test_reborn_connections_have_zero_state_of_every_kind(start, policy, optimizer):
    run = start(policy, optimizer)
    reborn_seen = 0
    for _ in range(45):
        before = run.controller.masks()
        run.step()
        after = run.controller.masks()
        for layer in run.controller.gates.layers:
            reborn = after[layer.name] & ~before[layer.name]
            reborn_seen += int(reborn.sum())
            assert not layer.weight[reborn].any()
            for key, value in run.optimizer.state[layer.weight].items():
                if torch.is_tensor(value) and value.shape == layer.weight.shape:
                    assert not value[reborn].any(), key
    assert reborn_seen > 20


def test_rprop_step_sizes_restart_at_the_learning_rate_not_at_zero(start):
    run = start(RigLGating(), lambda parameters: torch.optim.Rprop(parameters, lr=0.01))
    for _ in range(45):
        before = run.controller.mask
        run.step()
        flipped = run.controller.mask ^ before
        if flipped.any():
            for layer in run.controller.gates.layers:
                sizes = run.optimizer.state[layer.weight]["step_size"][layer.broadcastable(flipped)]
                assert (sizes == 0.01).all()
    assert run.controller.history[-1].sparsity == pytest.approx(0.7, abs=0.01)


def test_lbfgs_closure_is_called_observed_and_kept_sparse():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 1))
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.3, max_iter=4)
    controller = PruningController(
        model,
        optimizer,
        policy=RigLGating(),
        schedule=CubicSchedule(final_sparsity=0.5),
        total_steps=20,
        update_every=2,
    )
    inputs = torch.randn(40, 6)
    targets = inputs.prod(1, keepdim=True)
    calls = 0

    def closure():
        nonlocal calls
        calls += 1
        optimizer.zero_grad()
        loss = (model(inputs) - targets).square().mean()
        loss.backward()
        return loss

    first = closure().item()
    for _ in range(20):
        optimizer.step(closure)
        for name, mask in controller.masks().items():
            assert not model.get_submodule(name).weight[~mask].any()
    assert calls > 40
    assert controller.sparsity == 0.5
    assert closure().item() < first


def test_closure_by_keyword_is_observed_too(start):
    run = start(SetGating(), lambda parameters: torch.optim.SGD(parameters, lr=0.1))

    def closure():
        run.optimizer.zero_grad()
        loss = run.loss()
        loss.backward()
        return loss

    for _ in range(60):
        assert run.optimizer.step(closure=closure) > 0
    assert not run.silent_weights().any()
    assert run.controller.steps == 60
