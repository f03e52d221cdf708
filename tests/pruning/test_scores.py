"""Importance: what keeps a connection, what restores one, and what must not matter."""

import pytest
import torch
from torch import nn

from pruning import CubicSchedule, Importance, PruningController
from pruning.policies.base import GatingDecision

OPTIMIZERS = ["sgd", "adam", "adamw"]


class Recorder:
    """A policy that keeps everything and remembers what it was shown."""

    needs_gradient = True

    def __init__(self, mask=None):
        self.contexts, self.mask = [], mask

    def decide(self, context, state):
        self.contexts.append(context)
        return GatingDecision(mask=context.live.clone() if self.mask is None else self.mask)


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))


def recorded(train, optimizer_type=torch.optim.SGD, mask=None, **options):
    model = small()
    optimizer = optimizer_type(model.parameters(), lr=0.01)
    policy = Recorder(mask)
    PruningController(
        model,
        optimizer,
        policy=policy,
        schedule=CubicSchedule(final_sparsity=0.5),
        total_steps=16,
        update_every=2,
        **options,
    )
    generator = torch.Generator().manual_seed(1)
    for _ in range(16):
        inputs = torch.randn(12, 5, generator=generator)
        targets = torch.randint(0, 3, (12,), generator=generator)
        train(model, optimizer, inputs, targets)
    return policy.contexts


def loss_of(model, inputs, targets):
    return nn.functional.cross_entropy(model(inputs), targets)


def plain(model, optimizer, inputs, targets):
    optimizer.zero_grad()
    loss_of(model, inputs, targets).backward()
    optimizer.step()


def accumulated(model, optimizer, inputs, targets):
    optimizer.zero_grad()
    for rows in (slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12)):
        (loss_of(model, inputs[rows], targets[rows]) / 4).backward()
    optimizer.step()


@pytest.mark.parametrize("optimizer_type", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_micro_batching_does_not_change_scores(optimizer_type):
    whole, parts = recorded(plain, optimizer_type), recorded(accumulated, optimizer_type)
    assert len(whole) == 6
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one.gradient, other.gradient, rtol=1e-4, atol=1e-7)
        torch.testing.assert_close(one.importance, other.importance, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("optimizer_type", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_loss_scaling_of_mixed_precision_does_not_change_scores(optimizer_type):
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)

    def scaled(model, optimizer, inputs, targets):
        optimizer.zero_grad()
        scaler.scale(loss_of(model, inputs, targets)).backward()
        scaler.step(optimizer)
        scaler.update()

    for one, other in zip(recorded(plain, optimizer_type), recorded(scaled, optimizer_type), strict=True):
        torch.testing.assert_close(one.gradient, other.gradient, rtol=1e-5, atol=1e-8)


def test_fused_optimizers_that_unscale_inside_their_kernel_show_unscaled_gradients():
    def fused(parameters, lr):
        return torch.optim.AdamW(parameters, lr=lr, fused=True)

    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)

    def scaled(model, optimizer, inputs, targets):
        optimizer.zero_grad()
        scaler.scale(loss_of(model, inputs, targets)).backward()
        scaler.step(optimizer)
        scaler.update()

    for one, other in zip(recorded(plain, fused), recorded(scaled, fused), strict=True):
        torch.testing.assert_close(one.gradient, other.gradient, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("optimizer_type", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_clipping_scales_gradients_and_leaves_importance(optimizer_type):
    def clipped(model, optimizer, inputs, targets):
        optimizer.zero_grad()
        loss_of(model, inputs, targets).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
        optimizer.step()

    def frozen(parameters, lr):
        return optimizer_type(parameters, lr=0.0)

    options = {"importance": Importance(saliency=1.0, gradient_steps=1)}
    pairs = zip(recorded(plain, frozen, **options), recorded(clipped, frozen, **options), strict=True)
    for one, other in pairs:
        assert other.gradient.mean() < 0.1 * one.gradient.mean()
        torch.testing.assert_close(one.importance, other.importance, rtol=1e-4, atol=1e-5)


def test_saliency_is_taylor_where_live_and_gradient_where_silent():
    mask = torch.rand(64, generator=torch.Generator().manual_seed(2)) > 0.5
    contexts = recorded(plain, mask=mask)
    context = contexts[-1]
    assert torch.equal(context.live, mask)
    assert torch.equal(context.saliency[mask], context.taylor[mask])
    assert torch.equal(context.saliency[~mask], context.gradient[~mask])
    assert not context.taylor[~mask].any()
    assert context.gradient[~mask].any()


def test_observed_gradients_are_the_mean_of_the_last_steps():
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    policy = Recorder()
    PruningController(
        model,
        optimizer,
        policy=policy,
        schedule=CubicSchedule(final_sparsity=0.5),
        total_steps=8,
        update_every=4,
        importance=Importance(gradient_steps=3),
    )
    seen = []
    for _ in range(4):
        gradients = [torch.randn_like(parameter) for parameter in model.parameters()]
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter.grad = gradient.clone()
        seen.append(torch.cat([gradients[0].flatten(), gradients[2].flatten()]))
        optimizer.step()
    expected = torch.stack(seen[1:]).mean(0)
    weights = torch.cat([model[0].weight.flatten(), model[2].weight.flatten()]).detach()
    torch.testing.assert_close(policy.contexts[0].gradient, expected.abs())
    torch.testing.assert_close(policy.contexts[0].taylor, (expected * weights).abs())


def test_eq_2_by_hand_with_global_scales():
    live = torch.tensor([True, True, True, False])
    magnitude = torch.tensor([1.0, 2.0, 3.0, 0.0])
    saliency = torch.tensor([0.3, 0.3, 0.0, 7.0])
    age = torch.tensor([0.5, 0.25, 0.0, 0.0])
    score = Importance(saliency=1.0, age=0.2).score(magnitude, saliency, age, live, 0.0)
    expected = [1.0 + 2 * (1.5 + 0.4), 2.0 + 2 * (1.5 + 0.2), 3.0, 2.0]  # in units of the mean weight, 2
    torch.testing.assert_close(score, torch.tensor(expected))


def test_importance_scales_with_the_weights_and_not_with_the_gradients():
    live = torch.tensor([True, True, True, False])
    magnitude, saliency, age = (
        torch.tensor([1.0, 2, 3, 0]),
        torch.tensor([0.3, 0.2, 0.1, 7]),
        torch.rand(4) * live,
    )
    rule = Importance(saliency=0.7, age=0.3)
    score = rule.score(magnitude, saliency, age, live, 0.2)
    torch.testing.assert_close(rule.score(8 * magnitude, 1e-5 * saliency, 3 * age, live, 0.2), 8 * score)


def test_annealed_saliency_leaves_magnitude_alone():
    live = torch.tensor([True, True, False])
    magnitude = torch.tensor([1.0, 3.0, 0.0])
    score = Importance(saliency=5.0).score(magnitude, torch.tensor([9.0, 1.0, 9.0]), live * 0.0, live, 1.0)
    assert score.tolist() == magnitude.tolist()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("policy", ["heuristic", "set", "rigl", "smoothed", "expression"])
def test_a_reborn_connection_survives_its_protection(start, policy, optimizer):
    """Without protection reborn connections die at the next update; with it they live at least so long."""
    least = {}
    for protection in (0, 3):
        run = start(policy, optimizer, sparsity=0.5, protection=protection, total_steps=120)
        born_at, lifetimes, previous = {}, [], run.controller.mask
        for _ in range(120):
            run.step()
            mask = run.controller.mask
            for gate in (mask & ~previous).nonzero().flatten().tolist():
                born_at[gate] = run.controller.steps
            died = (previous & ~mask).nonzero().flatten().tolist()
            lifetimes += [(run.controller.steps - born_at.pop(gate)) // 3 for gate in died if gate in born_at]
            previous = mask
        assert born_at or lifetimes
        least[protection] = min(lifetimes, default=None)
    assert least[0] is not None
    assert least[3] is None or least[3] > 3


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_lifetimes_are_reported(start, optimizer):
    run = start("set", optimizer, sparsity=0.5)
    born_at = torch.zeros(run.controller.total_connections)
    previous, compared = run.controller.mask, 0
    for step in range(1, 46):
        run.step()
        mask = run.controller.mask
        died = previous & ~mask
        if died.any():
            expected = (step - born_at[died]).mean().item()
            assert run.controller.history[-1].lifetime == pytest.approx(expected, rel=1e-5)
            compared += 1
        born_at[mask & ~previous] = step
        previous = mask
    assert compared > 10


def test_age_counts_from_birth(start):
    recorder = Recorder()
    run = start(recorder, importance=Importance(age=1.0))
    run.step(12)
    recorder.mask = torch.arange(run.controller.total_connections) % 2 == 0
    run.step(3)
    recorder.mask = torch.ones_like(recorder.mask)
    run.step(6)
    age = recorder.contexts[-1].age
    assert torch.allclose(age[::2], torch.tensor(21 / 60))
    assert torch.allclose(age[1::2], torch.tensor(3 / 60))
