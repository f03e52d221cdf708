"""Zeros where connections are silent: every dtype, granularity and layout, and nothing else touched."""

import pytest
import torch
from torch import nn

from pruning import Gates

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]


def network(dtype):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 6, 3, groups=2), nn.Linear(5, 3)).to(dtype)


def silent_third(gates):
    return torch.rand(gates.total, generator=torch.Generator().manual_seed(1)) < 1 / 3


@pytest.mark.parametrize("granularity", ["weight", "connection", "unit"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels_last", [False, True])
def test_silent_values_become_zero_and_the_others_keep_every_bit(dtype, granularity, channels_last):
    model = network(dtype)
    if channels_last:
        model[:2].to(memory_format=torch.channels_last)
        assert not model[0].weight.is_contiguous()
    gates = Gates(model, granularity, layers=["*"])
    silent = silent_third(gates)
    for _, parameter in gates.parameters():
        parameter.grad = torch.randn_like(parameter)
    expected = []
    for layer, parameter in gates.parameters():
        own = gates.view_for(layer, parameter, silent).expand_as(parameter)
        for tensor in (parameter.detach(), parameter.grad):
            expected.append(tensor.clone().masked_fill_(own, 0.0))
            tensor[own] = float("nan")
    for part in gates.silent_parts(silent):
        part.clear_weight()
        part.clear_gradient()
    found = [tensor for _, parameter in gates.parameters() for tensor in (parameter.detach(), parameter.grad)]
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


def test_layers_without_a_silent_gate_are_left_out():
    gates = Gates(network(torch.float32))
    silent = torch.zeros(gates.total, dtype=torch.bool)
    assert gates.silent_parts(silent) == []
    silent[gates.offsets[1]] = True
    (part,) = gates.silent_parts(silent)
    assert part.parameter is gates.layers[1].weight


def test_a_missing_gradient_is_no_gradient():
    gates = Gates(network(torch.float32))
    for part in gates.silent_parts(silent_third(gates)):
        part.clear_gradient()
        assert part.parameter.grad is None


def test_gradients_with_a_graph_are_cleared_too():
    weight = nn.Linear(3, 2)
    gates = Gates(weight)
    loss = weight(torch.ones(3)).square().sum()
    weight.weight.grad = torch.autograd.grad(loss, weight.weight, create_graph=True)[0]
    silent = torch.tensor([True, False, False, False, True, False])
    for part in gates.silent_parts(silent):
        part.clear_gradient()
    assert torch.equal(weight.weight.grad.flatten() == 0, silent)


def test_autograd_notices_the_change():
    layer = nn.Linear(3, 2)
    gates = Gates(layer)
    inputs = torch.ones(1, 3, requires_grad=True)
    loss = layer(inputs).sum()
    gates.silence(silent_third(gates) | True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_weight_may_move_to_other_memory_between_steps(start):
    run = start("magnitude")
    run.step(12)
    for parameter in run.model.parameters():
        parameter.data = parameter.data.clone()
    run.step(2)
    assert not run.silent_weights().any()
    assert run.silent_weights().numel() > 0
