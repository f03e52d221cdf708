"""Brightness, contrast and gamma, each sample by its own draws."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from studies.augmentation.profile import check_batch, check_strength, per_sample, spread


@dataclass(frozen=True, kw_only=True, slots=True)
class Light:
    """Re-light images: brightness, then contrast around the image's own mean, then gamma.

    Colour channels are changed alike. Levels saturate at black and white, as in a camera.

    The three draws of a sample: brightness, contrast, gamma (above 0.5 darkens the middle tones).

    Raises
    ------
    ValueError
        If a strength is out of range.
    """

    brightness: float = 0.2  # levels times a factor uniform in 1 plus or minus this, 0 to 1
    contrast: float = 0.2  # distances from the mean times a factor uniform in 1 plus or minus this, 0 to 1
    gamma: float = 0.4  # exponent 2**g, g uniform in plus or minus this, 0 to 2

    kind: ClassVar[str] = "images"
    draws_per_sample: ClassVar[int] = 3

    def __post_init__(self) -> None:
        check_strength("brightness", self.brightness, low=0, high=1)
        check_strength("contrast", self.contrast, low=0, high=1)
        check_strength("gamma", self.gamma, low=0, high=2, unit="octaves")

    @torch.no_grad()
    def __call__(self, images: Tensor, draws: Tensor) -> Tensor:
        """Re-light a batch; see :class:`studies.augmentation.Profile`."""
        check_batch("Light", images, draws, draws_per_sample=self.draws_per_sample)
        brightness, contrast, gamma = draws.unbind(1)
        lit = (images * per_sample(1 + spread(brightness, self.brightness), images)).clamp_(0, 1)
        mean = per_sample(mean_level(lit), images)
        lit = lit.sub_(mean).mul_(per_sample(1 + spread(contrast, self.contrast), images)).add_(mean)
        return lit.clamp_(0, 1).pow_(per_sample(torch.exp2(spread(gamma.double(), self.gamma)), images))


def mean_level(images: Tensor) -> Tensor:
    """Return the mean of each image over its pixels and channels, to half of 1/65536.

    Sums of whole numbers are exact, so the result does not depend on the order of the summation, which
    differs between batch sizes, threads and devices.

    Parameters
    ----------
    images : Tensor, shape (B, C, H, W)
        Levels in [0, 1].

    Returns
    -------
    Tensor, shape (B,)
        float64.

    Examples
    --------
    >>> mean_level(torch.tensor([[[[0.0, 0.5], [0.5, 1.0]]]])).tolist()
    [0.5]
    """
    steps = 65536  # in [0, 1]; 2**53 of them can be summed without rounding
    return (images.float() * steps).round_().sum((1, 2, 3), dtype=torch.float64) / (steps * images[0].numel())
