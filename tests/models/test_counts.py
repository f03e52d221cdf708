"""Parameters and multiply-adds, added up by hand, layer by layer."""

import pytest
import torch

from models import (
    AMACNN,
    HybridFERNet,
    SpeechCNN,
    VisionTransformer,
    WideResNet,
    resnet18,
    resnet34,
    vit_small,
    vit_tiny,
)
from pruning import measure_cost


class Count:
    """Parameters and multiply-adds of the layers added so far."""

    def __init__(self):
        self.parameters = self.multiply_adds = 0

    def convolution(self, fan_in, fan_out, kernel, positions, bias=False):
        self.parameters += fan_in * fan_out * kernel**2 + fan_out * bias
        self.multiply_adds += fan_in * fan_out * kernel**2 * positions

    def linear(self, fan_in, fan_out, positions=1):
        self.convolution(fan_in, fan_out, 1, positions, bias=True)

    def norm(self, features):
        self.parameters += 2 * features  # scale and shift

    def equals(self, network, *shape):
        cost = measure_cost(network, torch.zeros(2, *shape))
        assert (cost.parameters, cost.multiply_adds) == (self.parameters, self.multiply_adds)
        assert (cost.live_parameters, cost.live_multiply_adds) == (self.parameters, self.multiply_adds)
        return self


def amacnn(classes, size, width, channels, hidden):
    count = Count()
    for kernel in (3, 5, 7):
        count.convolution(channels, width, kernel, size**2)
        count.norm(width)
    joined = 3 * width
    for side in (size // 2, size // 4, size // 8):
        for _ in range(2):
            count.convolution(joined, joined, 3, side**2)
            count.norm(joined)
    middle = joined // 8
    count.convolution(joined, middle, 1, (size // 8) ** 2, bias=True)
    count.convolution(middle, 1, 1, (size // 8) ** 2, bias=True)
    count.linear(joined * (size // 16) ** 2, hidden)
    count.linear(hidden, classes)
    return count


@pytest.mark.parametrize(
    ("classes", "size", "width", "channels", "hidden"), [(7, 128, 64, 3, 256), (8, 48, 16, 1, 64)]
)
def test_amacnn(classes, size, width, channels, hidden):
    network = AMACNN(classes, size, width, channels, hidden=hidden)
    amacnn(classes, size, width, channels, hidden).equals(network, channels, size, size)


def hybrid(classes, size, width, channels):
    count = Count()
    for kernel, filters in ((3, width), (5, 2 * width)):
        count.convolution(channels, filters, kernel, size**2)
        count.norm(filters)
    joined = 3 * width
    count.linear(joined, joined)  # the attention, on means over positions
    for side in (size // 2, size // 4):
        for _ in range(2):
            count.convolution(joined, joined, 3, side**2)
            count.norm(joined)
    count.linear(joined * (size // 8) ** 2, 256)
    count.norm(256)
    count.linear(256, 128)
    count.norm(128)
    count.linear(128, classes)
    return count


@pytest.mark.parametrize(("classes", "size", "width", "channels"), [(7, 128, 32, 1), (6, 50, 8, 3)])
def test_hybrid(classes, size, width, channels):
    network = HybridFERNet(classes, size, width, channels)
    hybrid(classes, size, width, channels).equals(network, channels, size, size)


def resnet(blocks, classes, size, width, channels):
    count = Count()
    count.convolution(channels, width, 3, size**2)
    count.norm(width)
    fan_in = width
    for stage, repeats in enumerate(blocks):
        fan_out = width * 2**stage
        positions = (size // 2**stage) ** 2
        for block in range(repeats):
            count.convolution(fan_in, fan_out, 3, positions)
            count.norm(fan_out)
            count.convolution(fan_out, fan_out, 3, positions)
            count.norm(fan_out)
            if stage > 0 and block == 0:
                count.convolution(fan_in, fan_out, 1, positions)
                count.norm(fan_out)
            fan_in = fan_out
    count.linear(fan_in, classes)
    return count


@pytest.mark.parametrize(("classes", "size", "width", "channels"), [(10, 32, 64, 3), (7, 48, 16, 1)])
def test_resnet(classes, size, width, channels):
    for build, blocks in ((resnet18, (2, 2, 2, 2)), (resnet34, (3, 4, 6, 3))):
        network = build(classes, size, width, channels)
        resnet(blocks, classes, size, width, channels).equals(network, channels, size, size)


def transformer(classes, size, width, channels, patch, depth, expansion=4):
    count = Count()
    patches = (size // patch) ** 2
    tokens = patches + 1
    count.convolution(channels, width, patch, patches, bias=True)
    count.parameters += width + tokens * width  # class token, positions
    for _ in range(depth):
        count.norm(width)
        count.linear(width, 3 * width, tokens)
        count.multiply_adds += 2 * tokens**2 * width  # queries with keys; attention with values; all heads
        count.linear(width, width, tokens)
        count.norm(width)
        count.linear(width, expansion * width, tokens)
        count.linear(expansion * width, width, tokens)
    count.norm(width)
    count.linear(width, classes)
    return count


@pytest.mark.parametrize(
    ("classes", "size", "width", "channels", "patch", "depth", "heads", "expansion"),
    [(7, 48, 192, 1, 8, 12, 3, 4), (5, 24, 20, 3, 4, 3, 5, 2)],
)
def test_vision_transformer(classes, size, width, channels, patch, depth, heads, expansion):
    network = VisionTransformer(classes, size, width, channels, patch, depth, heads, expansion=expansion)
    count = transformer(classes, size, width, channels, patch, depth, expansion)
    count.equals(network, channels, size, size)


def wide_resnet(classes, size, width, channels, blocks, widen):
    count = Count()
    count.convolution(channels, width, 3, size**2)
    fan_in = width
    for stage in range(3):
        fan_out = width * widen * 2**stage
        positions = (size // 2**stage) ** 2
        for block in range(blocks):
            count.norm(fan_in)
            count.convolution(fan_in, fan_out, 3, positions)
            count.norm(fan_out)
            count.convolution(fan_out, fan_out, 3, positions)
            if block == 0:
                count.convolution(fan_in, fan_out, 1, positions)
            fan_in = fan_out
    count.norm(fan_in)
    count.linear(fan_in, classes)
    return count


@pytest.mark.parametrize(
    ("classes", "size", "width", "channels", "depth", "widen"), [(10, 32, 16, 3, 22, 2), (7, 48, 4, 1, 16, 3)]
)
def test_wide_resnet(classes, size, width, channels, depth, widen):
    network = WideResNet(classes, size, width, channels, depth, widen)
    wide_resnet(classes, size, width, channels, (depth - 4) // 6, widen).equals(network, channels, size, size)


def speech(classes, bands, frames, width, channels):
    count = Count()
    count.norm(channels * bands)
    fan_in = channels * bands
    for kernel, pool in ((5, 4), (5, 4), (3, 2), (3, 1)):
        count.parameters += fan_in * width * kernel
        count.multiply_adds += fan_in * width * kernel * frames
        count.norm(width)
        fan_in, frames = width, (frames + pool - 1) // pool
    count.linear(2 * width, classes)
    return count


@pytest.mark.parametrize(
    ("classes", "bands", "frames", "width", "channels"), [(8, 64, 300, 128, 1), (4, 40, 57, 8, 3)]
)
def test_speech(classes, bands, frames, width, channels):
    network = SpeechCNN(classes, bands, width, channels)
    speech(classes, bands, frames, width, channels).equals(network, channels, bands, frames)


def parameters(build, *options, **named):
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(*options, **named).parameters())


def test_published_sizes():
    assert parameters(resnet18, 10, 32, channels=3) == resnet((2, 2, 2, 2), 10, 32, 64, 3).parameters
    assert round(parameters(resnet18, 10, 32, channels=3) / 1e6, 2) == 11.17
    assert round(parameters(resnet34, 10, 32, channels=3) / 1e6, 2) == 21.28
    # stem 432; convolutions 51,200 + 204,800 + 819,200; normalisation 2,720; classifier 1,290
    assert parameters(WideResNet) == 432 + 51_200 + 204_800 + 819_200 + 2_720 + 1_290
    tiny, small = transformer(1000, 224, 192, 3, 16, 12), transformer(1000, 224, 384, 3, 16, 12)
    assert parameters(vit_tiny, 1000, 224, 3, 16) == tiny.parameters == 5_717_416
    assert parameters(vit_small, 1000, 224, 3, 16) == small.parameters == 22_050_664
    assert tiny.multiply_adds == pytest.approx(1.26e9, rel=0.01)  # 1.3 and 4.6 billion in the literature
    assert small.multiply_adds == pytest.approx(4.6e9, rel=0.01)


def test_the_figures_in_the_docstrings():
    for network, count, cost in (
        (AMACNN, amacnn(7, 128, 64, 3, 256), "3.83 billion"),
        (HybridFERNet, hybrid(7, 128, 32, 1), "887 million"),
        (WideResNet, wide_resnet(10, 32, 16, 3, 3, 2), "158 million"),
        (SpeechCNN, speech(8, 64, 300, 128, 1), "20 million"),
    ):
        number, scale = cost.split()
        rounded = count.multiply_adds / {"million": 1e6, "billion": 1e9}[scale]
        assert number == f"{rounded:.{2 if '.' in number else 0}f}"
        text = " ".join(network.__doc__.split())
        assert f"{count.parameters:,} parameters and costs {cost}" in text
    assert "805 million" in AMACNN.__doc__
    assert round(192 * 128**2 * 256 / 1e6) == 805
    assert round(96 * 128**2 * 256 / 1e6) == 403
    assert round(96 * 16**2 * 256 / 1e6, 1) == 6.3
    assert round(192 * 8**2 * 256 / 1e6, 1) == 3.1
