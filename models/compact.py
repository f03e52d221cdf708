"""A compact convolutional network for facial-emotion recognition."""

from torch import Tensor, nn

from models.checks import check_dropout, check_images, check_integers


def _block(fan_in: int, fan_out: int, *, pool: bool) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(fan_in, fan_out, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(fan_out),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers, nn.MaxPool2d(2)) if pool else nn.Sequential(*layers)


class CompactFERNet(nn.Module):
    """Four 3 x 3 convolutions, global average pooling and a linear classifier.

    The default has 98,295 parameters and costs 8.3 million multiply-adds for one 48 x 48 image: small enough
    to train on two CPU cores. Widths double as the image halves, so the last three convolutions
    cost the same.

    Parameters
    ----------
    classes : int
        Emotions to tell apart.
    image_size : int
        Side of the square input in pixels, at least 8. The network itself works at any size; the value is
        checked so that a mistake shows before training.
    width : int
        Channels of the first convolution; the others have 2, 4 and 8 times as many.
    channels : int
        Channels of the input, 1 for grey.
    dropout : float
        Probability of dropping a pooled feature before the classifier.

    Raises
    ------
    ValueError
        If a size is out of range.

    Examples
    --------
    >>> import torch
    >>> network = CompactFERNet(classes=7, width=16)
    >>> network(torch.zeros(2, 1, 48, 48)).shape
    torch.Size([2, 7])
    >>> sum(parameter.numel() for parameter in network.parameters())
    98295
    """

    def __init__(
        self, classes: int = 7, image_size: int = 48, width: int = 16, channels: int = 1, dropout: float = 0.2
    ) -> None:
        super().__init__()
        check_integers(
            ("classes", classes, 2),
            ("image_size", image_size, 8),
            ("width", width, 1),
            ("channels", channels, 1),
        )
        check_dropout(dropout)
        self.channels = channels
        self.features = nn.Sequential(
            _block(channels, width, pool=True),
            _block(width, 2 * width, pool=True),
            _block(2 * width, 4 * width, pool=True),
            _block(4 * width, 8 * width, pool=False),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(8 * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, channels, H, W) in [0, 1] to logits (B, classes)."""
        check_images(images, "CompactFERNet", self.channels)
        logits: Tensor = self.classifier(self.dropout(self.features(images)))
        return logits
