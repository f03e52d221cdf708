"""Multiply-adds of products that no gated layer owns, and what counting leaves behind."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from pruning import measure_cost


class Attention(nn.Module):
    def __init__(self, width=8, heads=2):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens):
        queries, keys, values = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out(scaled_dot_product_attention(queries, keys, values).transpose(1, 2).flatten(2))


@pytest.mark.parametrize("batch", [1, 3])
def test_attention_products_count_and_are_always_live(batch):
    model = Attention()
    masks = {"qkv": torch.arange(24 * 8).view(24, 8) < 50}
    cost = measure_cost(model, torch.randn(batch, 5, 8), masks)
    projections, products = 5 * (8 * 24 + 8 * 8), 2 * 5 * 5 * 8  # two products of 2 heads x 5 x 5 x 4
    assert cost.multiply_adds == projections + products
    assert cost.live_multiply_adds == 5 * (50 + 8 * 8) + products


def test_attention_of_torch_counts_in_spite_of_its_fused_path():
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    cost = measure_cost(model, torch.randn(2, 5, 8))
    assert cost.multiply_adds == 5 * (8 * 24 + 8 * 8 + 2 * 8 * 16) + 2 * 5 * 5 * 8
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize("guard", [torch.no_grad, torch.enable_grad, torch.inference_mode])
def test_the_count_does_not_depend_on_gradients(guard):
    model = nn.Sequential(nn.Conv1d(2, 4, 3, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3))
    with guard():
        assert measure_cost(model, torch.zeros(4, 2, 8)).multiply_adds == 4 * 3 * 6 + 24 * 3


def test_layers_without_gates_count_as_live():
    model = nn.Sequential(nn.ConvTranspose2d(2, 3, 2, stride=2), nn.Flatten(), nn.Linear(48, 2))
    cost = measure_cost(model, torch.zeros(1, 2, 2, 2), {"2": torch.zeros(2, 48, dtype=torch.bool)})
    assert cost.multiply_adds == 4 * 2 * 3 * 4 + 96
    assert cost.live_multiply_adds == 4 * 2 * 3 * 4


def test_a_failing_forward_leaves_nothing_behind():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout().eval(), nn.Linear(5, 2))
    with pytest.raises(RuntimeError):
        measure_cost(model, torch.zeros(1, 4))
    assert model.training
    assert not model[1].training
    assert not model[0]._forward_hooks
    assert torch.backends.mha.get_fastpath_enabled()


def test_a_compiled_model_counts_as_its_original():
    model = Attention()
    expected = measure_cost(model, torch.zeros(2, 5, 8)).multiply_adds
    compiled = torch.compile(model, backend="eager")
    try:
        assert measure_cost(compiled, torch.zeros(2, 5, 8)).multiply_adds == expected
        compiled(torch.zeros(2, 5, 8))
        assert measure_cost(compiled, torch.zeros(2, 5, 8)).multiply_adds == expected
    finally:
        torch._dynamo.reset()


def test_counting_does_not_load_the_compiler():
    program = (
        "import sys, torch; from torch import nn; from pruning import measure_cost\n"
        "measure_cost(nn.Sequential(nn.Conv2d(1, 2, 3)), torch.zeros(1, 1, 8, 8))\n"
        "print('torch._inductor' in sys.modules, 'torch._dynamo' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "False"]
