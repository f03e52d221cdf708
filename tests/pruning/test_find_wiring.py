"""Wirings found by following a forward pass, against derivatives."""

import numpy as np
import pytest
import torch
from torch import nn

from models import (
    AMACNN,
    CompactFERNet,
    GeneInspiredNet,
    HybridFERNet,
    SpeechCNN,
    VisionTransformer,
    WideResNet,
    resnet18,
)
from pruning import Gates
from pruning.topology import chain_wiring, find_wiring
from pruning.topology.layers import layer_topologies
from pruning.topology.snapshot import take_snapshot
from pruning.topology.tracing import operation_names, operations
from pruning.topology.wiring import check_wiring

MODELS = {
    "AMACNN": (lambda: AMACNN(image_size=16, width=2, hidden=5), (3, 16, 16)),
    "HybridFERNet": (lambda: HybridFERNet(image_size=8, width=2, hidden=(6, 5)), (1, 8, 8)),
    "resnet18": (lambda: resnet18(image_size=8, width=2), (1, 8, 8)),
    "WideResNet": (lambda: WideResNet(image_size=8, width=2, depth=10), (3, 8, 8)),
    "VisionTransformer": (
        lambda: VisionTransformer(image_size=16, width=8, patch_size=8, depth=2, heads=2, expansion=1),
        (1, 16, 16),
    ),
    "SpeechCNN": (lambda: SpeechCNN(image_size=6, width=3), (1, 6, 40)),
    "CompactFERNet": (lambda: CompactFERNet(image_size=8, width=2), (1, 8, 8)),
    "GeneInspiredNet": (lambda: GeneInspiredNet(16, (5, 4), 3), (1, 4, 4)),
}


def derivatives(model, gates, inputs):
    """For each layer and source the pairs (input, unit) with a derivative, by autograd over cut outputs."""
    leaves, found = {}, {}
    modules = dict(model.named_modules())

    def hook(layer, dim):
        def after(module, args, output):
            given = args[0].movedim(dim, 0).flatten(1)
            for place, values in enumerate(given):
                sources = list(leaves)
                if not sources:
                    break
                total = (values * torch.randn_like(values)).sum()
                if not total.requires_grad:
                    continue
                slopes = torch.autograd.grad(
                    total, [leaves[name][0] for name in sources], allow_unused=True, retain_graph=True
                )
                for name, slope in zip(sources, slopes, strict=True):
                    if slope is not None:
                        size = slope.movedim(leaves[name][1], 0).flatten(1).abs().sum(1)
                        for unit in size.nonzero()[:, 0].tolist():
                            found.setdefault((layer.name, name), set()).add((place, unit))
            leaf = torch.randn_like(output).requires_grad_()  # wakes every ReLU for some sample
            leaves[layer.name] = (leaf, dim)
            return leaf

        return after

    handles = [
        modules[layer.name].register_forward_hook(hook(layer, 1 - layer.weight.dim()))
        for layer in gates.layers
    ]
    model(inputs)
    for handle in handles:
        handle.remove()
    return found


def pairs(wiring):
    return {
        (layer, feed.source): {
            (place, unit)
            for other in feeds
            if other.source == feed.source
            for place, unit in enumerate(other.units.tolist())
            if unit >= 0
        }
        for layer, feeds in wiring.items()
        for feed in feeds
    }


@pytest.mark.parametrize("name", MODELS)
def test_every_dependence_is_found_and_no_other(name):
    torch.manual_seed(0)
    build, shape = MODELS[name]
    model = build().double().eval()
    gates = Gates(model)
    samples = torch.rand(12, *shape, dtype=torch.float64)
    oracle = derivatives(model, gates, samples)
    everything = find_wiring(model, gates, samples[:1], mixtures="all")
    found = {key: value for key, value in pairs(everything).items() if not key[1].startswith("input")}
    assert found == oracle
    # What is drawn by default exists, and no unit that reaches a layer is left out.
    drawn = find_wiring(model, gates, samples[:1])
    check_wiring(layer_topologies(gates, [0] * len(gates.layers)), drawn)
    for key, value in pairs(drawn).items():
        if not key[1].startswith("input"):
            assert value <= oracle[key]
            assert {unit for _, unit in value} == {unit for _, unit in oracle[key]}


def sources(wiring, layer):
    return [(feed.source, feed.units.tolist()) for feed in wiring[layer]]


def wiring_of(name):
    torch.manual_seed(0)
    build, shape = MODELS[name]
    model = build()
    return find_wiring(model, Gates(model), torch.rand(1, *shape))


def test_chains_are_what_they_were_taken_for():
    for name in ("CompactFERNet", "GeneInspiredNet"):
        build, _ = MODELS[name]
        gates = Gates(build())
        chain = chain_wiring(layer_topologies(gates, [0] * len(gates.layers)))
        assert {layer: sources(chain, layer) for layer in chain} == {
            layer: sources(wiring_of(name), layer) for layer in chain
        }


def test_residual_sums_and_skips():
    wiring = wiring_of("resnet18")
    assert sources(wiring, "blocks.1.branch.0") == [("stem.0", [0, 1]), ("blocks.0.branch.3", [0, 1])]
    assert sources(wiring, "blocks.3.branch.0") == [
        ("blocks.2.branch.3", [0, 1, 2, 3]),
        ("blocks.2.skip.0", [0, 1, 2, 3]),
    ]
    wide = wiring_of("WideResNet")
    assert sources(wide, "blocks.0.skip") == sources(wide, "blocks.0.branch.0") == [("stem", [0, 1])]


def test_concatenated_streams_and_attention():
    wiring = wiring_of("AMACNN")
    assert sources(wiring, "refine.1.branch.0") == [
        ("streams.0.0", [0, 1, -1, -1, -1, -1]),
        ("streams.1.0", [-1, -1, 0, 1, -1, -1]),
        ("streams.2.0", [-1, -1, -1, -1, 0, 1]),
    ]
    assert sources(wiring, "hidden.0")[-1] == ("attention.2", [0] * 6)  # one map weighs every channel
    wiring = wiring_of("HybridFERNet")
    # The softmax over channels is drawn channel by channel, beside the maps that it multiplies.
    assert sources(wiring, "blocks.0.branch.0") == [
        ("streams.0.0", [0, 1, -1, -1, -1, -1]),
        ("streams.1.0", [-1, -1, 0, 1, 2, 3]),
        ("attention.dense", [0, 1, 2, 3, 4, 5]),
    ]


def test_values_go_on_by_unit_and_queries_and_keys_are_spread_over_their_head():
    wiring = wiring_of("VisionTransformer")
    layer = "blocks.0.attention"
    assert sources(wiring, f"{layer}.project") == [
        (f"{layer}.qkv", [16, 17, 18, 19, 20, 21, 22, 23]),
        (f"{layer}.qkv", [0, 1, 2, 3, 4, 5, 6, 7]),
        (f"{layer}.qkv", [8, 9, 10, 11, 12, 13, 14, 15]),
    ]
    read = [source for source, units in sources(wiring, "blocks.1.attention.qkv") if units == list(range(8))]
    assert read == ["patches", "blocks.0.attention.project", "blocks.0.perceptron.4"]
    assert sources(wiring, "patches") == [("input", [0])]
    assert "patches" not in dict(sources(wiring, "classifier"))  # the class token holds no patch by itself


def test_a_mixture_lives_while_one_of_its_units_does():
    """Each input of the last layer holds both units of the first, since the layer between is not gated."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 1))
    gates = Gates(model, exclude=["1"])
    example = torch.rand(1, 2)
    snapshot = take_snapshot(
        gates,
        torch.tensor([1, 1, 1, 1, 1, 0], dtype=torch.bool),  # the last layer's second input is pruned
        *(torch.zeros(6, dtype=torch.bool) for _ in range(2)),
        step=1,
        epoch=0,
        target_sparsity=0.0,
        lifetime=None,
        threshold=None,
        expression=None,
        keep_masks=True,
    )
    assert snapshot.dead_ends(find_wiring(model, gates, example, mixtures="all")) == {"0": 0, "2": 0}
    assert snapshot.dead_ends(find_wiring(model, gates, example)) == {"0": 2, "2": 0}  # drawn one to one


def test_attention_of_one_formula_and_of_its_parts_agree():
    torch.manual_seed(0)
    build, shape = MODELS["VisionTransformer"]
    model = build()
    fused = find_wiring(model, Gates(model), torch.rand(1, *shape), mixtures="all")
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        parts = find_wiring(model, Gates(model), torch.rand(1, *shape), mixtures="all")
    assert pairs(fused) == pairs(parts)


def test_bands_of_a_spectrogram_are_units_and_pooled_statistics_name_their_channel():
    wiring = wiring_of("SpeechCNN")
    assert sources(wiring, "features.0.0") == [("input", list(range(6)))]
    assert sources(wiring, "classifier") == [("features.6.0", [0, 1, 2, 0, 1, 2])]


class Between(nn.Module):
    """A linear layer, something, and another linear layer."""

    def __init__(self, between, middle, width=4):
        super().__init__()
        self.first = nn.Linear(3, width)
        self.between = between
        self.last = nn.Linear(middle, 2)

    def forward(self, values):
        return self.last(self.between(self.first(values)))


def written_in_place(x):
    canvas = torch.zeros_like(x)
    canvas[:, :2] = x[:, :2]
    return canvas


def through_an_alias(x):
    canvas = torch.zeros_like(x)
    canvas[:].copy_(x)
    return canvas


ALL = list(range(4))


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        (lambda x: x.flip(1), [[3, 2, 1, 0]]),
        (lambda x: x[:, torch.tensor([2, 0])], [[2, 0]]),
        (lambda x: torch.cat([x[:, 1:2], torch.zeros(len(x), 1), x[:, 3:]], 1), [[1, -1, 3]]),
        (lambda x: nn.functional.pad(x, (1, 1), value=7.0), [[-1, 0, 1, 2, 3, -1]]),
        (lambda x: x.view(-1, 2, 2).transpose(1, 2).flatten(1), [[0, 2, 1, 3]]),
        (lambda x: x.repeat_interleave(2, dim=1), [[0, 0, 1, 1, 2, 2, 3, 3]]),
        (lambda x: x + x.flip(1), [[0, 1, 1, 0], [3, 2, 2, 3]]),
        (lambda x: x.clone().relu_().add_(x), [ALL]),
        (lambda x: x * torch.sigmoid(x.mean(1, keepdim=True)), [ALL]),
        (lambda x: nn.functional.normalize(x, dim=1), [ALL]),
        (lambda x: x.sum(1, keepdim=True), [[0], [1], [2], [3]]),
        (lambda x: x @ torch.ones(4, 2), [[0, 1], [2, 3]]),
        (lambda x: x.cumprod(1) if len(x) > 99 else torch.where(x > 0, x, 0.1 * x), [ALL]),
        (lambda x: x.view(-1, 2, 2).mean(2), [[0, 2], [1, 3]]),
        (nn.GroupNorm(2, 4), [ALL]),
        (nn.Sequential(nn.Unflatten(1, (2, 2)), nn.InstanceNorm1d(2), nn.Flatten()), [ALL]),
    ],
)
def test_what_lies_between_two_layers(between, expected):
    model = Between(between if isinstance(between, nn.Module) else Function(between), 4)
    middle = len(expected[0])
    model.last = nn.Linear(middle, 2)
    found = find_wiring(model, Gates(model), torch.rand(2, 3))
    assert sources(found, "last") == [("first", units) for units in expected]


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, values):
        return self.function(values)


@pytest.mark.parametrize(
    ("between", "message"),
    [
        (lambda x: x.cumsum(1), r"cannot follow aten.cumsum.default after layer 'first': there is no rule"),
        (lambda x: x * float(x.sum()), "reads the value of a tensor into Python"),
        (written_in_place, "writes into a part of a tensor"),
        (through_an_alias, "written to in place through another view"),
        (lambda x: nn.functional.linear(x, x.T @ x), None),
        (lambda x: nn.functional.conv1d(x[None], x[:1, None, :1].expand(1, len(x), 1))[0], "computed from"),
    ],
)
def test_what_cannot_be_followed_is_refused(between, message):
    model = Between(Function(between), 4)
    if message is None:  # a matrix made of units is a product of two tensors: a mixture
        (feed,) = find_wiring(model, Gates(model), torch.rand(2, 3))["last"]
        assert sorted(feed.units.tolist()) == ALL
        return
    with pytest.raises(ValueError, match=message):
        find_wiring(model, Gates(model), torch.rand(1, 3))


def test_layers_that_are_not_gated_mix():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 6, 1, groups=2), nn.Conv2d(6, 2, 1))
    found = find_wiring(model, Gates(model, exclude=["1"]), torch.rand(1, 2, 4, 4))
    assert sources(found, "2") == [("0", [0, 1, 0, 2, 3, 2])]
    exact = find_wiring(model, Gates(model, exclude=["1"]), torch.rand(1, 2, 4, 4), mixtures="all")
    assert sources(exact, "2") == [("0", [0, 0, 0, 2, 2, 2]), ("0", [1, 1, 1, 3, 3, 3])]
    stem = find_wiring(model, Gates(model, exclude=["0"]), torch.rand(1, 2, 4, 4))
    assert sources(stem, "1") == [("input", [0, 1, 0, 1])]


def test_several_inputs_and_readers_that_tell_other_things_apart():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.map = nn.Conv2d(2, 3, 1)
            self.flat = nn.Linear(8, 3)
            self.other = nn.Linear(5, 3)

        def forward(self, image, values):
            return self.map(image).mean((2, 3)) + self.flat(image.flatten(1)) + self.other(values)

    model = Two()
    found = find_wiring(model, Gates(model), (torch.rand(1, 2, 2, 2), torch.rand(1, 5)))
    assert sources(found, "map") == [("input 1", [0, 1])]
    assert sources(found, "flat") == [("input 1", [0, 0, 0, 0, 1, 1, 1, 1])]
    assert sources(found, "other") == [("input 2", [0, 1, 2, 3, 4])]


def test_a_layer_called_twice_reads_both():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.shared = nn.Linear(3, 4), nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.shared(self.a(x)) + self.shared(self.b(x))

    model = Twice()
    found = find_wiring(model, Gates(model), torch.rand(1, 3))
    assert sources(found, "shared") == [("a", ALL), ("b", ALL)]


def test_the_model_is_left_as_it_was():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(3, 4)
            self.norm = nn.BatchNorm1d(4)
            self.last = nn.Linear(4, 2)
            self.register_buffer("calls", torch.zeros(1))

        def forward(self, x):
            self.calls = self.calls + 1
            self.norm.running_mean.add_(1.0)
            return self.last(self.norm(self.first(x)) + torch.rand(1))

    model = Counting().train()
    model.norm.eval()
    model(torch.rand(2, 3)).sum().backward()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    grads = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    buffers = [id(buffer) for buffer in model.buffers()]
    random = torch.get_rng_state()
    example = torch.rand(1, 3, requires_grad=True)
    torch.set_rng_state(random)
    find_wiring(model, Gates(model), example)
    assert torch.equal(torch.get_rng_state(), random)
    assert (model.training, model.norm.training, model.last.training) == (True, False, True)
    assert [id(buffer) for buffer in model.buffers()] == buffers
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(parameter.grad, grads[name]) for name, parameter in model.named_parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert example.grad is None


def test_fused_layers_are_followed_part_by_part():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True)
    found = find_wiring(layer, Gates(layer, exclude=["*out_proj"]), torch.rand(1, 3, 4))
    assert sources(found, "linear1") == [("input", ALL)]
    assert sources(found, "linear2") == [("linear1", list(range(6)))]
    assert torch.backends.mha.get_fastpath_enabled()


def test_bad_input_is_refused():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    gates = Gates(model)
    with pytest.raises(ValueError, match=r"floating-point tensor, .* got torch.int64 of shape \(1, 3\)"):
        find_wiring(model, gates, torch.ones(1, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="mixtures must be one of spread, all, got 'some'"):
        find_wiring(model, gates, torch.rand(1, 3), mixtures="some")
    with pytest.raises(ValueError, match="the gates must belong to the model, it has no layer '0'"):
        find_wiring(nn.Sequential(nn.Linear(3, 2)), gates, torch.rand(1, 3))
    attention = nn.MultiheadAttention(4, 2, batch_first=True)
    with pytest.raises(ValueError, match=r"'out_proj' did not run .* exclude it"):
        find_wiring(Self(attention), Gates(attention), torch.rand(1, 3, 4))
    backwards = nn.ModuleDict({"b": nn.Linear(3, 3), "a": nn.Linear(3, 3)})
    backwards.forward = lambda x: backwards["b"](backwards["a"](x))
    with pytest.raises(ValueError, match="layer 'b' reads 'a', which does not come before it"):
        find_wiring(backwards, Gates(backwards), torch.rand(1, 3))


class Self(nn.Module):
    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def forward(self, x):
        return self.attention(x, x, x)[0]


def test_the_rules_name_operations_that_exist():
    named = [*operations.RULES, *operation_names.MOVING]
    assert [name for name in named if not hasattr(torch.ops.aten, name)] == []
    assert np.unique(named).size == len(named)
