"""A convolutional network for emotion in speech, on log-mel spectrograms."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.checks import check_dropout, check_images, check_integers

# Of a feature over time. Where it is constant the clamp passes a gradient of 0 back, and the slope of the
# root is finite: without it they would be 0 times infinity.
_LEAST_VARIANCE = 1e-8


def _block(fan_in: int, fan_out: int, kernel_size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(fan_in, fan_out, kernel_size, padding=kernel_size // 2, bias=False),
        nn.BatchNorm1d(fan_out),
        nn.ReLU(),
    )


class _Pool(nn.Module):
    """Maximum over every so many frames, the last of them fewer: clips may be of any length.

    As ``nn.MaxPool1d`` with ``ceil_mode``, which export ties to the length of the example.
    """

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, channels, frames) to fewer frames, rounded up."""
        windows = (features.shape[2] + self.frames - 1) // self.frames  # ONNX rounds -(-n // k) otherwise
        missing = windows * self.frames - features.shape[2]
        padded = functional.pad(features, (0, missing), value=-torch.inf)
        return padded.view(*features.shape[:2], windows, self.frames).amax(3)


class SpeechCNN(nn.Module):
    """Four convolutions over time with the mel bands as channels, statistics over time, a linear classifier.

    The bands are channels because where in the spectrum the energy lies tells emotions apart: a network that
    shares its weights between bands has to learn again what their order means. Each band is normalised over
    batch and time first, so that standardised spectrograms and plain decibels serve alike. Pooling makes 32
    frames one; mean and standard deviation over time, which exist for any number of frames, are what the
    classifier reads. (An exported network takes 33 frames or more.) The default has 224,392 parameters and
    costs 20 million multiply-adds for 3 s at 100 frames a second.

    Parameters
    ----------
    classes : int
        Emotions to tell apart; RAVDESS has 8.
    image_size : int
        Mel bands: rows of the spectrogram, at least 1. The number of frames is free.
    width : int
        Channels of every convolution.
    channels : int
        Channels of the input: 1, or 3 with first and second differences.
    dropout : float
        Probability of dropping a statistic before the classifier.

    Raises
    ------
    ValueError
        If an option is out of range.

    References
    ----------
    Snyder et al. (2018), *X-vectors: robust DNN embeddings for speaker recognition*, ICASSP: convolutions
    over time and pooled statistics.

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
        width: int = 128,
        channels: int = 1,
        dropout: float = 0.5,
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
            _block(channels * image_size, width, 5),
            _Pool(4),
            _block(width, width, 5),
            _Pool(4),
            _block(width, width, 3),
            _Pool(2),
            _block(width, width, 3),
        )
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(2 * width, classes)

    def forward(self, spectrograms: Tensor) -> Tensor:
        """Map log-mel spectrograms (B, channels, mel bands, frames) to logits (B, classes)."""
        check_images(spectrograms, "SpeechCNN", self.channels, height=self.bands)
        over_time = self.features(self.normalise(spectrograms.flatten(1, 2)))
        mean = over_time.mean(2, keepdim=True)
        variance = (over_time - mean).square().mean(2)
        pooled = torch.cat([mean.squeeze(2), variance.clamp_min(_LEAST_VARIANCE).sqrt()], dim=1)
        logits: Tensor = self.classifier(self.dropout(pooled))
        return logits
