"""AMACNN: three parallel streams, residual blocks and spatial attention (Ali and Jabaar)."""

import torch
from torch import Tensor, nn

from models.checks import check_dropout, check_images, check_integers, looking, scaled_to_one


def _convolution(fan_in: int, fan_out: int, kernel: int) -> list[nn.Module]:
    return [
        nn.Conv2d(fan_in, fan_out, kernel_size=kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(fan_out),
    ]


class _ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *_convolution(channels, channels, 3), nn.ReLU(), *_convolution(channels, channels, 3)
        )

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(features + self.branch(features))


class AMACNN(nn.Module):
    """3 x 3, 5 x 5 and 7 x 7 streams side by side, residual blocks and spatial attention.

    The streams (convolution with stride 1, batch normalisation, ReLU) are concatenated to ``3 * width``
    channels; three residual blocks refine them; an auxiliary branch of 1 x 1 convolutions gives every
    position of the refined maps a weight in (0, 1), which is multiplied into all channels; a hidden layer
    with dropout and a linear classifier follow. The paper's setting, 128 x 128 x 3 with 7 classes, has
    5,161,720 parameters and costs 3.83 billion multiply-adds an image.

    Where the paper is silent we chose:

    - 2 x 2 max pooling after the concatenation, after each of the first two blocks, and after the attention.
      Flattened at full resolution, the hidden layer alone would have 805 million weights; like this it
      has 3.1 million.
    - Batch normalisation after the convolutions of the residual blocks, as in the streams, and the second
      ReLU of a block after the addition (He et al., 2016).
    - Attention: 1 x 1 to an eighth of the channels, ReLU, 1 x 1 to one map, sigmoid.
    - ReLU after the hidden layer, dropout after it, torch's own initialisation.

    Parameters
    ----------
    classes : int
        Emotions to tell apart.
    image_size : int
        Side of the square input in pixels, at least 16.
    width : int
        Filters of each stream; everything after the concatenation has three times as many channels.
    channels : int
        Channels of the input, 3 for colour. In [0, 1]: the batch norm of each stream does what the paper's
        mean subtraction and scaling would.
    dropout : float
        Probability of dropping a hidden unit.
    hidden : int
        Units of the hidden layer.

    Raises
    ------
    ValueError
        If an option is out of range.

    Examples
    --------
    >>> import torch
    >>> network = AMACNN(classes=7, image_size=48, width=8)
    >>> network(torch.zeros(2, 3, 48, 48)).shape
    torch.Size([2, 7])
    >>> network.attention_map(torch.rand(2, 3, 48, 48)).shape
    torch.Size([2, 6, 6])
    """

    def __init__(
        self,
        classes: int = 7,
        image_size: int = 128,
        width: int = 64,
        channels: int = 3,
        dropout: float = 0.4,
        hidden: int = 256,
    ) -> None:
        super().__init__()
        check_integers(
            ("classes", classes, 2),
            ("image_size", image_size, 16),
            ("width", width, 1),
            ("channels", channels, 1),
            ("hidden", hidden, 1),
        )
        check_dropout(dropout)
        self.image_size = image_size
        self.channels = channels
        joined = 3 * width
        self.streams = nn.ModuleList(
            nn.Sequential(*_convolution(channels, width, kernel), nn.ReLU()) for kernel in (3, 5, 7)
        )
        self.refine = nn.Sequential(
            nn.MaxPool2d(2),
            _ResidualBlock(joined),
            nn.MaxPool2d(2),
            _ResidualBlock(joined),
            nn.MaxPool2d(2),
            _ResidualBlock(joined),
        )
        self.attention = nn.Sequential(
            nn.Conv2d(joined, max(1, joined // 8), kernel_size=1),
            nn.ReLU(),
            nn.Conv2d(max(1, joined // 8), 1, kernel_size=1),
            nn.Sigmoid(),
        )
        self.flatten = nn.Sequential(nn.MaxPool2d(2), nn.Flatten())
        self.hidden = nn.Sequential(
            nn.Linear(joined * (image_size // 16) ** 2, hidden), nn.ReLU(), nn.Dropout(dropout)
        )
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, channels, image_size, image_size) in [0, 1] to logits (B, classes)."""
        features = self._refined(images)
        attended = features * self.attention(features)
        logits: Tensor = self.classifier(self.hidden(self.flatten(attended)))
        return logits

    def attention_map(self, images: Tensor) -> Tensor:
        """Weight that the spatial attention gives to every position of the refined feature maps.

        Computed in evaluation mode and without gradients; the network is left as it was.

        Parameters
        ----------
        images : Tensor
            As for :meth:`forward`.

        Returns
        -------
        Tensor
            (B, image_size // 8, image_size // 8), each map divided by its maximum.
        """
        with looking(self):
            weights: Tensor = self.attention(self._refined(images))
            return scaled_to_one(weights[:, 0])

    def _refined(self, images: Tensor) -> Tensor:
        check_images(images, "AMACNN", self.channels, self.image_size, self.image_size)
        joined = torch.cat([stream(images) for stream in self.streams], dim=1)
        refined: Tensor = self.refine(joined)
        return refined
