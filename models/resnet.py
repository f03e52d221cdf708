"""ResNet-18 and ResNet-34 for small images (He et al., 2016)."""

import torch
from torch import Tensor, nn

from models.checks import check_images, check_integers

_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}  # residual blocks of each stage, by depth


class _BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a skip, which is a 1 x 1 convolution where the shape changes."""

    def __init__(self, fan_in: int, fan_out: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(fan_in, fan_out, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(fan_out),
            nn.ReLU(),
            nn.Conv2d(fan_out, fan_out, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(fan_out),
        )
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or fan_in != fan_out:
            self.skip = nn.Sequential(
                nn.Conv2d(fan_in, fan_out, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(fan_out)
            )

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.branch(features) + self.skip(features))


class ResNet(nn.Module):
    """Residual network of basic blocks behind a stem for small images: 3 x 3, stride 1, no pooling.

    Four stages have 1, 2, 4 and 8 times ``width`` channels and all but the first halve the image; global
    average pooling and a linear classifier follow. On 10 classes of colour images, depth 18 has 11,173,962
    parameters and depth 34 has 21,282,122. The last normalisation of a block starts at 1, not at 0 as some
    recipes have it: at 0 the block's weights have no gradient, so no importance, in the first step.

    Parameters
    ----------
    depth : {18, 34}
        Layers with weights on the longest path.
    classes : int
        Emotions to tell apart.
    image_size : int
        Side of the square input in pixels, at least 8. The network itself works at any size; the value is
        checked so that a mistake shows before training.
    width : int
        Channels of the first stage.
    channels : int
        Channels of the input, 1 for grey.

    Raises
    ------
    ValueError
        If an option is out of range.

    Examples
    --------
    >>> import torch
    >>> network = ResNet(depth=18, classes=7, image_size=48, width=8)
    >>> network(torch.zeros(2, 1, 48, 48)).shape
    torch.Size([2, 7])
    """

    def __init__(
        self, depth: int = 18, classes: int = 7, image_size: int = 48, width: int = 64, channels: int = 1
    ) -> None:
        super().__init__()
        if depth not in _BLOCKS:
            raise ValueError(f"depth must be one of {', '.join(map(str, _BLOCKS))}, got {depth!r}")
        check_integers(
            ("classes", classes, 2),
            ("image_size", image_size, 8),
            ("width", width, 1),
            ("channels", channels, 1),
        )
        self.channels = channels
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        blocks: list[nn.Module] = []
        fan_in = width
        for stage, count in enumerate(_BLOCKS[depth]):
            fan_out = width * 2**stage
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(_BasicBlock(fan_in, fan_out, stride))
                fan_in = fan_out
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(fan_in, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, channels, H, W) in [0, 1] to logits (B, classes)."""
        check_images(images, "ResNet", self.channels)
        logits: Tensor = self.classifier(self.pool(self.blocks(self.stem(images))))
        return logits


def resnet18(classes: int = 7, image_size: int = 48, width: int = 64, channels: int = 1) -> ResNet:
    """Build a :class:`ResNet` of depth 18.

    Examples
    --------
    >>> sum(parameter.numel() for parameter in resnet18(classes=10, channels=3).parameters())
    11173962
    """
    return ResNet(18, classes, image_size, width, channels)


def resnet34(classes: int = 7, image_size: int = 48, width: int = 64, channels: int = 1) -> ResNet:
    """Build a :class:`ResNet` of depth 34.

    Examples
    --------
    >>> sum(parameter.numel() for parameter in resnet34(classes=10, channels=3).parameters())
    21282122
    """
    return ResNet(34, classes, image_size, width, channels)
