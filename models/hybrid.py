"""The hybrid multi-scale network with dynamic context-aware attention (Mahdi et al.)."""

import torch
from torch import Tensor, nn

from models.checks import check_dropout, check_images, check_integers, looking, scaled_to_one


def _convolution(fan_in: int, fan_out: int, kernel: int) -> list[nn.Module]:
    return [
        nn.Conv2d(fan_in, fan_out, kernel_size=kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(fan_out),
    ]


class _ContextAttention(nn.Module):
    """One positive weight a channel, from the mean of every channel; the weights of a sample average 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.dense = nn.Linear(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        scores = torch.tanh(self.dense(features.mean((2, 3))))
        return (self.channels * torch.softmax(scores, dim=1))[:, :, None, None]


class _ModulatedBlock(nn.Module):
    """Two 3 x 3 convolutions, added to their input times the attention."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *_convolution(channels, channels, 3), nn.ReLU(), *_convolution(channels, channels, 3)
        )

    def forward(self, features: Tensor, attention: Tensor) -> Tensor:
        return torch.relu(self.branch(features) + attention * features)


class HybridFERNet(nn.Module):
    """3 x 3 and 5 x 5 streams, attention over channels, and residual skips that the attention modulates.

    The streams' maps, ``width`` and ``2 * width`` of them, are concatenated. The attention takes the mean of
    every channel, a dense layer with tanh and a softmax over channels; it multiplies the maps, and the skips
    of the two residual blocks as well. Two hidden layers, each followed by batch normalisation and dropout,
    and a linear classifier follow. The paper's setting, 128 x 128 grey with 7 classes, has 6,670,215
    parameters and costs 887 million multiply-adds an image.

    The softmax is multiplied by the number of channels C. Left as it is, its C weights sum to 1, so that the
    maps would be multiplied by about 1/C and each skip by 1/C again: of 96 channels about 1 %
    would be left of a skip, which is then none. Scaled, uniform attention is the identity, and because tanh
    bounds the scores, every weight lies between exp(-2) and exp(2).

    Where the paper is silent we chose:

    - Batch normalisation and ReLU in the streams; batch normalisation in the residual blocks.
    - 2 x 2 max pooling after the concatenation and after each block, so that the first hidden layer has 6.3
      million weights instead of 403 million.
    - As many dense units as channels. (A table of the paper has one neuron; the softmax of one score
      is 1 and would be no attention. Its text speaks of probabilities of channels.)
    - The attention is computed once, and both blocks use it.
    - ReLU between a hidden layer and its batch normalisation, torch's own initialisation.

    Parameters
    ----------
    classes : int
        Emotions to tell apart.
    image_size : int
        Side of the square input in pixels, at least 8.
    width : int
        Filters of the 3 x 3 stream; the 5 x 5 stream has twice as many.
    channels : int
        Channels of the input, 1 for grey.
    dropout : float
        Probability of dropping a unit of a hidden layer.
    hidden : tuple of two int
        Units of the two hidden layers.

    Raises
    ------
    ValueError
        If an option is out of range.

    Notes
    -----
    Batch normalisation of the hidden layers cannot train on a batch of one image.

    Examples
    --------
    >>> import torch
    >>> network = HybridFERNet(classes=7, image_size=48, width=8)
    >>> network(torch.zeros(2, 1, 48, 48)).shape
    torch.Size([2, 7])
    >>> network.attention_map(torch.rand(2, 1, 48, 48)).shape
    torch.Size([2, 24, 24])
    """

    def __init__(
        self,
        classes: int = 7,
        image_size: int = 128,
        width: int = 32,
        channels: int = 1,
        dropout: float = 0.5,
        hidden: tuple[int, int] = (256, 128),
    ) -> None:
        super().__init__()
        check_integers(
            ("classes", classes, 2),
            ("image_size", image_size, 8),
            ("width", width, 1),
            ("channels", channels, 1),
        )
        if not isinstance(hidden, (tuple, list)) or len(hidden) != 2:
            raise ValueError(f"hidden must be the units of two layers, such as (256, 128), got {hidden!r}")
        check_integers(*(("hidden", units, 1) for units in hidden))
        check_dropout(dropout)
        self.image_size = image_size
        self.channels = channels
        joined = 3 * width
        self.streams = nn.ModuleList(
            nn.Sequential(*_convolution(channels, filters, kernel), nn.ReLU())
            for kernel, filters in ((3, width), (5, 2 * width))
        )
        self.attention = _ContextAttention(joined)
        self.blocks = nn.ModuleList(_ModulatedBlock(joined) for _ in range(2))
        self.pool = nn.MaxPool2d(2)
        layers: list[nn.Module] = []
        fan_in = joined * (image_size // 8) ** 2
        for units in hidden:
            layers += [nn.Linear(fan_in, units), nn.ReLU(), nn.BatchNorm1d(units), nn.Dropout(dropout)]
            fan_in = units
        self.hidden = nn.Sequential(nn.Flatten(), *layers)
        self.classifier = nn.Linear(fan_in, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, channels, image_size, image_size) in [0, 1] to logits (B, classes)."""
        features, attention = self._attended(images)
        for block in self.blocks:
            features = self.pool(block(features, attention))
        logits: Tensor = self.classifier(self.hidden(features))
        return logits

    def attention_map(self, images: Tensor) -> Tensor:
        """Mean of the feature channels, each weighted by the attention, at every position.

        The attention itself weighs channels and has no position: the map shows where the channels that it
        favours respond. Computed in evaluation mode and without gradients; the network is left as it was.

        Parameters
        ----------
        images : Tensor
            As for :meth:`forward`.

        Returns
        -------
        Tensor
            (B, image_size // 2, image_size // 2), each map divided by its maximum. A map is zero
            where no channel responds at all.
        """
        with looking(self):
            features, _ = self._attended(images)
            return scaled_to_one(features.mean(1))

    def _attended(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Multi-scale features after attention (B, C, h, w), and the attention (B, C, 1, 1)."""
        check_images(images, "HybridFERNet", self.channels, self.image_size, self.image_size)
        features: Tensor = self.pool(torch.cat([stream(images) for stream in self.streams], dim=1))
        attention: Tensor = self.attention(features)
        return features * attention, attention
