"""A convolutional network for emotion in speech, on log-mel spectrograms."""

import torch
from torch import Tensor, nn

from models.checks import check_dropout, check_images, check_integers


def _block(fan_in: int, fan_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(fan_in, fan_out, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(fan_out),
        nn.ReLU(),
        nn.MaxPool2d(2, ceil_mode=True),  # one frame stays one frame: clips may be of any length
    )


class SpeechCNN(nn.Module):
    """Four 3 x 3 convolutions over mel bands and time, statistics over time and a linear classifier.

    Each mel band is normalised over batch and time first, so that standardised spectrograms and plain
    decibels serve alike. The last maps are averaged over frequency; their mean and maximum over time, which
    exist for any number of frames, are what the classifier reads. The default has 242,792 parameters and
    costs 227 million multiply-adds for 3 s at 100 frames a second.

    Parameters
    ----------
    classes : int
        Emotions to tell apart; RAVDESS has 8.
    image_size : int
        Mel bands: rows of the spectrogram, at least 1. The number of frames is free.
    width : int
        Channels of the first convolution; the others have 2, 4 and 4 times as many.
    channels : int
        Channels of the input: 1, or 3 with first and second differences.
    dropout : float
        Probability of dropping a pooled feature before the classifier.

    Raises
    ------
    ValueError
        If an option is out of range.

    Examples
    --------
    >>> import torch
    >>> network = SpeechCNN(classes=8, image_size=64, width=8)
    >>> network(torch.randn(2, 1, 64, 300)).shape, network(torch.randn(2, 1, 64, 57)).shape
    (torch.Size([2, 8]), torch.Size([2, 8]))
    """

    def __init__(
        self,
        classes: int = 8,
        image_size: int = 64,
        width: int = 32,
        channels: int = 1,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        check_integers(
            ("classes", classes, 2),
            ("image_size", image_size, 1),
            ("width", width, 1),
            ("channels", channels, 1),
        )
        check_dropout(dropout)
        self.bands = image_size
        self.channels = channels
        self.normalise = nn.BatchNorm1d(channels * image_size)
        self.features = nn.Sequential(
            _block(channels, width),
            _block(width, 2 * width),
            _block(2 * width, 4 * width),
            _block(4 * width, 4 * width),
        )
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(8 * width, classes)

    def forward(self, spectrograms: Tensor) -> Tensor:
        """Map log-mel spectrograms (B, channels, mel bands, frames) to logits (B, classes)."""
        check_images(spectrograms, "SpeechCNN", self.channels, height=self.bands)
        bands = self.normalise(spectrograms.flatten(1, 2))
        over_time = self.features(bands.unflatten(1, (self.channels, self.bands))).mean(2)
        pooled = torch.cat([over_time.mean(2), over_time.amax(2)], dim=1)
        logits: Tensor = self.classifier(self.dropout(pooled))
        return logits
