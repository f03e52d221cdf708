"""Wide residual networks (Zagoruyko and Komodakis, 2016), as the tables of sparse training use them."""

from torch import Tensor, nn

from models.checks import check_dropout, check_images, check_integers


class _WideBlock(nn.Module):
    """Normalisation and ReLU before each of two 3 x 3 convolutions, beside a skip."""

    def __init__(self, fan_in: int, fan_out: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.before = nn.Sequential(nn.BatchNorm2d(fan_in), nn.ReLU())
        self.branch = nn.Sequential(
            nn.Conv2d(fan_in, fan_out, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(fan_out),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv2d(fan_out, fan_out, kernel_size=3, padding=1, bias=False),
        )
        self.skip: nn.Module | None = None
        if fan_in != fan_out or stride != 1:
            self.skip = nn.Conv2d(fan_in, fan_out, kernel_size=1, stride=stride, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        ready = self.before(features)
        passed: Tensor = features if self.skip is None else self.skip(ready)
        changed: Tensor = self.branch(ready)
        return passed + changed


class WideResNet(nn.Module):
    """Residual network with few wide layers, normalised before each convolution; WRN-22-2 by default.

    Three stages have 1, 2 and 4 times ``widen * width`` channels; the second and third halve the image. A
    skip that changes the shape reads the normalised input, as in the authors' code. WRN-22-2 on 10 classes of
    32 x 32 colour images has 1,079,642 parameters and costs 158 million multiply-adds an image.

    Parameters
    ----------
    classes : int
        Classes to tell apart.
    image_size : int
        Side of the square input in pixels, at least 4. The network itself works at any size; the value is
        checked so that a mistake shows before training.
    width : int
        Channels of the stem.
    channels : int
        Channels of the input, 3 for colour.
    depth : int
        Layers with weights on the longest path: 6 n + 4 for n blocks a stage.
    widen : int
        Factor on the channels of the stages.
    dropout : float
        Probability of dropping a value between the convolutions of a block.

    Raises
    ------
    ValueError
        If an option is out of range.

    Examples
    --------
    >>> import torch
    >>> network = WideResNet()
    >>> network(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    >>> sum(parameter.numel() for parameter in network.parameters())
    1079642
    """

    def __init__(
        self,
        classes: int = 10,
        image_size: int = 32,
        width: int = 16,
        channels: int = 3,
        depth: int = 22,
        widen: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_integers(
            ("classes", classes, 2),
            ("image_size", image_size, 4),
            ("width", width, 1),
            ("channels", channels, 1),
            ("depth", depth, 10),
            ("widen", widen, 1),
        )
        if depth % 6 != 4:
            raise ValueError(f"depth must be 6 n + 4 for n blocks a stage, such as 16, 22 or 28, got {depth}")
        check_dropout(dropout)
        self.channels = channels
        self.stem = nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False)
        blocks: list[nn.Module] = []
        fan_in = width
        for stage in range(3):
            fan_out = width * widen * 2**stage
            for index in range((depth - 4) // 6):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(_WideBlock(fan_in, fan_out, stride, dropout))
                fan_in = fan_out
        self.blocks = nn.Sequential(*blocks, nn.BatchNorm2d(fan_in), nn.ReLU())
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(fan_in, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, channels, H, W) in [0, 1] to logits (B, classes)."""
        check_images(images, "WideResNet", self.channels)
        logits: Tensor = self.classifier(self.pool(self.blocks(self.stem(images))))
        return logits
