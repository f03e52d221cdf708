"""What every augmentation profile is: a function of a batch and of the caller's uniform draws."""

import math
from typing import Protocol

from torch import Tensor


class Profile(Protocol):
    """A way to augment training batches: a frozen dataclass that is called with a batch and its draws.

    All randomness is the caller's: a profile is a deterministic function, and what becomes of a sample
    depends on that sample and its own row of draws alone, never on the batch around it. So runs pair up,
    continue bit for bit, and processes that share a batch augment their rows as one process does.

    For the same reason, exponentials of draws are taken in float64 and then rounded: in float32, the last
    bit of a vector's tail can differ from that of its body.

    Draws of 0.5 leave a sample as it is, to the rounding of the interpolation.
    """

    @property
    def kind(self) -> str:
        """What it is for: ``"images"`` (levels in [0, 1]), ``"spectrograms"`` or ``"any"``."""

    @property
    def draws_per_sample(self) -> int:
        """How many uniform numbers one sample takes."""

    def __call__(self, images: Tensor, draws: Tensor) -> Tensor:
        """Augment a batch.

        Parameters
        ----------
        images : Tensor, shape (B, C, H, W)
            Floating point, intensities in [0, 1]; or spectrograms, shape (B, 1, bands, frames), any values.
        draws : Tensor, shape (B, `draws_per_sample`)
            Uniform numbers in [0, 1) on the same device.

        Returns
        -------
        Tensor, shape (B, C, H, W)
            Same dtype and device; images in [0, 1] stay in [0, 1]. Never carries gradients.

        Raises
        ------
        ValueError
            If the shapes do not fit together, or the images are not floating point.
        """


def check_batch(name: str, images: Tensor, draws: Tensor, *, draws_per_sample: int) -> None:
    """Refuse a batch that does not fit a profile.

    Raises
    ------
    ValueError
        Naming the profile, what it needs and what it got.
    """
    if images.ndim != 4 or draws.shape != (len(images), draws_per_sample):
        raise ValueError(
            f"{name} needs images (B, C, H, W) and draws (B, {draws_per_sample}), "
            f"got {tuple(images.shape)} and {tuple(draws.shape)}"
        )
    if not (images.is_floating_point() and draws.is_floating_point()):
        raise ValueError(
            f"{name} needs floating-point images and draws, got {images.dtype} and {draws.dtype}; "
            "as_input turns uint8 levels into float32"
        )


def check_strength(name: str, value: float, *, low: float, high: float, unit: str = "") -> None:
    """Refuse a strength outside its closed range.

    Raises
    ------
    ValueError
        Naming the strength, its range and the value.

    Examples
    --------
    >>> check_strength("shift", 0.7, low=0, high=0.5, unit="of the side")
    Traceback (most recent call last):
        ...
    ValueError: shift must be a number from 0 to 0.5 of the side, got 0.7
    """
    if isinstance(value, bool) or not (math.isfinite(value) and low <= value <= high):
        spelled = f" {unit}" if unit else ""
        raise ValueError(f"{name} must be a number from {low} to {high}{spelled}, got {value!r}")


def spread(draws: Tensor, strength: float) -> Tensor:
    """Spread uniform draws over plus or minus a strength; 0.5 gives 0.

    Examples
    --------
    >>> import torch
    >>> spread(torch.tensor([0.0, 0.5, 0.75]), 10.0).tolist()
    [-10.0, 0.0, 5.0]
    """
    return (draws * 2 - 1) * strength


def per_sample(values: Tensor, images: Tensor) -> Tensor:
    """Shape one value a sample, (B,), to multiply a batch: (B, 1, 1, 1) in the dtype of the images."""
    return values.to(images.dtype).view(-1, 1, 1, 1)
