"""What must hold of every network: options, errors, gates, compilation, attention maps."""

import math

import pytest
import torch
from torch import nn

from models import (
    AMACNN,
    HybridFERNet,
    ResNet,
    SpeechCNN,
    VisionTransformer,
    WideResNet,
    resnet18,
    vit_tiny,
)
from models.checks import scaled_to_one
from pruning import CubicSchedule, ExpressionGating, PruningController


def test_weights_are_a_function_of_the_seed(case):
    first, again, other = case.build(3), case.build(3), case.build(4)
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name
    assert any(
        not torch.equal(weight, other.state_dict()[name]) for name, weight in first.state_dict().items()
    )
    assert torch.equal(first.eval()(case.images(2)), again.eval()(case.images(2)))


def test_logits_are_finite_and_each_image_is_its_own(case):
    network = case.build().eval()
    images = case.images(3)
    logits = network(images)
    assert logits.shape == (3, 5)
    assert logits.isfinite().all()
    torch.testing.assert_close(network(images[1:2]), logits[1:2], rtol=1e-4, atol=1e-5)
    assert network(case.images(0)).shape == (0, 5)


def test_every_parameter_learns(case):
    network = case.build()
    nn.functional.cross_entropy(network(case.images(8)), torch.arange(8) % 5).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if not name.endswith("qkv.bias"):  # a constant added to all keys changes no attention
            assert parameter.grad.any(), name


@pytest.mark.parametrize("granularity", ["weight", "connection", "unit"])
def test_gated_networks_learn_and_stay_silent_where_silenced(case, granularity):
    network = case.build()
    images, labels = case.images(20), torch.arange(20) % 5
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    controller = PruningController(
        network,
        optimizer,
        policy=ExpressionGating(backend="torch"),
        schedule=CubicSchedule(final_sparsity=0.4),
        total_steps=24,
        update_every=4,
        granularity=granularity,
    )
    losses = []
    for _ in range(24):
        loss = nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        for name, mask in controller.masks().items():
            assert not network.get_submodule(name).weight[~mask].any(), name
    assert controller.live_connections == round(0.6 * controller.total_connections)
    assert losses[-1] < 0.95 * losses[0]
    chosen = {layer.name for layer in controller.gates.layers}
    layers = {name for name, module in network.named_modules() if isinstance(module, (nn.Linear, nn.Conv2d))}
    # nothing is left out, except the answer itself where whole units are silenced
    assert layers - chosen == ({"classifier"} if granularity == "unit" else set())
    controller.close()


def test_silencing_half_the_units_leaves_the_answer_defined(case):
    """Skips, concatenations and attention go on when units of any layer are silent."""
    network = case.build().eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)) and module is not network.classifier:
                module.weight[::2] = 0
                if module.bias is not None:
                    module.bias[::2] = 0
    assert network(case.images(2)).isfinite().all()


def test_compiles_as_one_graph(case):
    network = case.build().eval()
    images = case.images(2)
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    try:
        torch.testing.assert_close(compiled(images), network(images))
        network.train()
        compiled(images).square().sum().backward()
        gradients = [parameter.grad.clone() for parameter in network.parameters()]
        network.zero_grad()  # and once more: in training, batch normalisation reads no running statistics
        network(images).square().sum().backward()
        for parameter, gradient in zip(network.parameters(), gradients, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-4)
    finally:
        torch._dynamo.reset()


# ------------------------------------------------------------------ attention maps


ATTENTIVE = {
    "amacnn": (lambda: AMACNN(5, 48, 4), (3, 48, 48), (6, 6)),
    "hybrid": (lambda: HybridFERNet(5, 48, 4), (1, 48, 48), (24, 24)),
    "vit": (lambda: VisionTransformer(5, 48, 16, patch_size=8, depth=2, heads=2), (1, 48, 48), (6, 6)),
}


@pytest.fixture(params=ATTENTIVE)
def attentive(request):
    build, shape, size = ATTENTIVE[request.param]
    torch.manual_seed(0)
    return build(), torch.rand(3, *shape), size


def test_attention_maps_are_scaled_and_leave_no_trace(attentive):
    network, images, size = attentive
    network.train()
    next(network.children()).eval()  # a mixed state must come back as it was
    modes = {name: module.training for name, module in network.named_modules()}
    state = {name: value.clone() for name, value in network.state_dict().items()}
    images.requires_grad_()
    maps = network.attention_map(images)
    assert maps.shape == (3, *size)
    assert maps.min() >= 0
    torch.testing.assert_close(maps.amax((1, 2)), torch.ones(3))
    assert not maps.requires_grad
    assert torch.is_grad_enabled()
    assert {name: module.training for name, module in network.named_modules()} == modes
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    torch.testing.assert_close(network.eval().attention_map(images), maps)
    with pytest.raises(ValueError, match="was built for images"):
        network.train().attention_map(images[:, :, 1:])
    assert network.training


def test_attention_map_of_amacnn_is_the_factor_that_forward_applies():
    network = AMACNN(5, 32, 4).eval()
    images = torch.rand(2, 3, 32, 32)
    seen = []
    network.attention.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    network.flatten.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    network(images)
    (refined, weights), attended = seen
    assert weights.shape == (2, 1, 4, 4)
    torch.testing.assert_close(attended, refined * weights)
    torch.testing.assert_close(network.attention_map(images), scaled_to_one(weights[:, 0]))


def test_attention_of_the_hybrid_is_a_softmax_whose_mean_is_one():
    network = HybridFERNet(5, 32, 4).eval()
    images = torch.rand(2, 1, 32, 32)
    seen = []
    network.attention.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    network(images)
    features, weights = seen[0]
    dense = network.attention.dense
    scores = torch.tanh(features.mean((2, 3)) @ dense.weight.T + dense.bias)
    expected = 12 * scores.exp() / scores.exp().sum(1, keepdim=True)
    torch.testing.assert_close(weights[:, :, 0, 0], expected)
    torch.testing.assert_close(weights.mean(1).flatten(), torch.ones(2))
    torch.testing.assert_close(network.attention_map(images), scaled_to_one((features * weights).mean(1)))
    with torch.no_grad():  # the two ends that the docstring names
        dense.weight.zero_()
        dense.bias.copy_(torch.tensor([50.0] + [-50.0] * 11))
    extreme = network.attention(features).flatten(1)
    assert extreme.max() < torch.tensor(2.0).exp()
    assert extreme.min() > torch.tensor(-2.0).exp()


def test_uniform_attention_of_the_hybrid_is_the_identity():
    network = HybridFERNet(5, 32, 4).eval()
    with torch.no_grad():
        network.attention.dense.weight.zero_()
        network.attention.dense.bias.fill_(0.3)
    features = torch.rand(2, 12, 8, 8)
    attention = network.attention(features)
    torch.testing.assert_close(attention, torch.ones(2, 12, 1, 1))
    block = network.blocks[0]
    torch.testing.assert_close(block(features, attention), torch.relu(block.branch(features) + features))
    half = block(features, attention / 2)  # the skip is modulated, the branch is not
    torch.testing.assert_close(half, torch.relu(block.branch(features) + features / 2))


def test_attention_of_the_transformer_agrees_with_multi_head_attention():
    """Oracle: torch's own module with the same weights gives the last block's result and attention."""
    network = VisionTransformer(5, 16, 12, patch_size=4, depth=2, heads=3).eval()
    images = torch.rand(2, 1, 16, 16)
    last = network.blocks[-1]
    seen = []
    last.attention.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    network(images)
    tokens, result = seen[0]
    oracle = nn.MultiheadAttention(12, 3, batch_first=True).eval()
    with torch.no_grad():
        oracle.in_proj_weight.copy_(last.attention.qkv.weight)
        oracle.in_proj_bias.copy_(last.attention.qkv.bias)
        oracle.out_proj.weight.copy_(last.attention.project.weight)
        oracle.out_proj.bias.copy_(last.attention.project.bias)
    expected, weights = oracle(tokens, tokens, tokens, average_attn_weights=True)
    torch.testing.assert_close(result, expected)
    of_class_token = weights[:, 0, 1:].view(2, 4, 4)
    torch.testing.assert_close(network.attention_map(images), scaled_to_one(of_class_token))


def test_patches_lie_in_the_map_where_they_lie_in_the_image():
    network = VisionTransformer(5, 24, 8, patch_size=8, depth=1, heads=1).eval()
    with torch.no_grad():  # one block whose class token looks for bright patches
        network.patches.weight.zero_()
        network.patches.weight[0] = 1.0
        for parameter in (network.patches.bias, network.class_token, network.positions):
            parameter.zero_()
        network.class_token[0, 0, 1] = 4.0
        qkv = network.blocks[0].attention.qkv
        qkv.weight.zero_()
        qkv.weight[0, 1] = 1.0  # the query of the class token
        qkv.weight[8, 0] = 1.0  # the key of a bright patch
    images = torch.zeros(1, 1, 24, 24)
    images[:, :, 0:8, 16:24] = 1.0
    assert network.attention_map(images)[0].argmax() == 2  # first row, third column


def test_a_map_of_zeros_stays_zero():
    network = HybridFERNet(5, 16, 2).eval()
    with torch.no_grad():
        for stream in network.streams:
            stream[1].bias.fill_(-100.0)  # ReLU lets nothing through
    assert not network.attention_map(torch.rand(2, 1, 16, 16)).any()


# ------------------------------------------------------------------ options and errors


@pytest.mark.parametrize("frames", [1, 2, 3, 16, 97])
def test_speech_takes_any_number_of_frames(frames):
    network = SpeechCNN(4, 40, 4)
    assert network(torch.randn(3, 1, 40, frames)).shape == (3, 4)


@pytest.mark.parametrize("frames", [1, 4, 5, 31])
def test_speech_pools_as_torch_does(frames):
    network = SpeechCNN(4, 8, 4)
    features = torch.randn(2, 3, frames)
    for place, size in ((1, 4), (3, 4), (5, 2)):
        expected = nn.functional.max_pool1d(features, size, ceil_mode=True)
        assert torch.equal(network.features[place](features), expected)


def test_speech_reads_decibels_as_well_as_standardised_values():
    """In training, a scale and an offset of each band change nothing."""
    torch.manual_seed(0)
    network = SpeechCNN(4, 16, 4, dropout=0.0)
    standardised = torch.randn(6, 1, 16, 30)
    decibels = -40.0 + 12.0 * standardised - torch.arange(16.0)[:, None]
    torch.testing.assert_close(network(decibels), network(standardised), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("build", [ResNet, resnet18, WideResNet])
def test_convolutional_networks_take_any_size(build):
    network = build(classes=3, width=4, channels=1)
    assert network(torch.rand(2, 1, 29, 40)).shape == (2, 3)


def test_width_scales_every_stage():
    narrow, wide = resnet18(width=4), resnet18(width=8)
    for (name, small), large in zip(narrow.named_parameters(), wide.parameters(), strict=True):
        assert large.numel() in (2 * small.numel(), 4 * small.numel()) or name == "classifier.bias"


def test_transformer_starts_from_waves_of_row_and_column():
    torch.manual_seed(0)
    network = VisionTransformer(5, 24, 8, patch_size=8, depth=1, heads=1)
    token, *places = network.positions[0].detach()
    assert token.count_nonzero() == 0
    place = places[1 * 3 + 2]  # second row, third column; 8 values: two frequencies, 1 and 0.01
    angles = [2, 0.02], [1, 0.01]
    expected = [wave(angle) for pair in angles for wave in (math.sin, math.cos) for angle in pair]
    torch.testing.assert_close(place, 0.5 * torch.tensor(expected))
    assert len({tuple(place.tolist()) for place in places}) == 9


def test_transformer_centres_pixels():
    """Mid grey is nothing: what the patches see of it is their bias alone."""
    network = VisionTransformer(5, 24, 8, patch_size=8, depth=1, heads=1)
    tokens = network._embedded(torch.full((1, 1, 24, 24), 0.5)) - network.positions
    torch.testing.assert_close(tokens[0, 1:], network.patches.bias.expand(9, -1))


def test_resnet_initialisation_keeps_the_scale_of_he():
    torch.manual_seed(0)
    weight = resnet18(width=32).blocks[4].branch[3].weight.detach()
    assert weight.std() == pytest.approx((2 / (weight.shape[0] * 9)) ** 0.5, rel=0.05)


ERRORS = [
    (lambda: AMACNN(classes=1), "classes must be an integer of at least 2, got 1"),
    (lambda: AMACNN(image_size=15), "image_size must be an integer of at least 16, got 15"),
    (lambda: AMACNN(width=0), "width must be an integer of at least 1, got 0"),
    (lambda: AMACNN(width=2.5), "width must be an integer of at least 1, got 2.5"),
    (lambda: AMACNN(hidden=0), "hidden must be an integer of at least 1, got 0"),
    (lambda: AMACNN(dropout=1.0), "dropout must be a probability of at least 0 and less than 1, got 1.0"),
    (lambda: HybridFERNet(image_size=7), "image_size must be an integer of at least 8, got 7"),
    (lambda: HybridFERNet(channels=True), "channels must be an integer of at least 1, got True"),
    (lambda: HybridFERNet(dropout=-0.1), "dropout must be a probability"),
    (lambda: HybridFERNet(dropout=float("nan")), "dropout must be a probability"),
    (lambda: HybridFERNet(hidden=256), "hidden must be the units of two layers, such as"),
    (lambda: HybridFERNet(hidden=(256, 0)), "hidden must be an integer of at least 1, got 0"),
    (lambda: ResNet(depth=50), "depth must be one of 18, 34, got 50"),
    (lambda: resnet18(image_size=4), "image_size must be an integer of at least 8, got 4"),
    (
        lambda: WideResNet(depth=20),
        "depth must be 6 n \\+ 4 for n blocks a stage, such as 16, 22 or 28, got 20",
    ),
    (lambda: WideResNet(widen=0), "widen must be an integer of at least 1, got 0"),
    (lambda: vit_tiny(patch_size=7), "image_size must be a multiple of patch_size, got 48 and 7; .* of 6 "),
    (
        lambda: VisionTransformer(width=64, heads=3),
        "width must be a multiple of heads, got 64 and 3; 2 heads",
    ),
    (lambda: SpeechCNN(image_size=0), "image_size must be an integer of at least 1, got 0"),
    (lambda: SpeechCNN(dropout="no"), "dropout must be a probability"),
]


@pytest.mark.parametrize(("build", "message"), ERRORS, ids=range(len(ERRORS)))
def test_options_out_of_range_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_images_that_do_not_fit_are_refused(case):
    network = case.build()
    with pytest.raises(ValueError, match=r"built for images of shape \(B, .*got \(2, 9, 16, 16\)"):
        network(torch.rand(2, 9, 16, 16))
    with pytest.raises(ValueError, match="built for images of shape"):
        network(case.images(2)[0])
    with pytest.raises(
        ValueError, match=r"floating point images, got torch.uint8; divide stored pixels by 255"
    ):
        network((255 * case.images(2)).to(torch.uint8))
    if case.name in ("amacnn", "hybrid", "vit", "speech"):
        with pytest.raises(ValueError, match="build it with the image_size and channels of the data"):
            network(case.images(2)[:, :, :-1])
