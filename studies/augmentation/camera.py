"""Blur and sensor noise, each sample by its own draws; the noise pattern is a function of one draw."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from studies.augmentation.profile import check_batch, check_strength, per_sample

_SHARP = 1e-3  # pixels; a Gaussian so narrow that its neighbours round to nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class Camera:
    """Blur images and add noise, as a cheaper or hastier camera would.

    Half of the samples stay sharp and half stay clean, independently; the others take a strength uniform
    between nothing and the full one.

    The three draws of a sample: blur, noise (both act above 0.5), and the noise's pattern.

    Raises
    ------
    ValueError
        If a strength is out of range.
    """

    blur: float = 0.008  # largest standard deviation, part of the shorter side (1 pixel of 128), 0 to 0.1
    noise: float = 0.03  # largest standard deviation, where levels go from 0 to 1; 0 to 1

    kind: ClassVar[str] = "images"
    draws_per_sample: ClassVar[int] = 3

    def __post_init__(self) -> None:
        check_strength("blur", self.blur, low=0, high=0.1, unit="of the side")
        check_strength("noise", self.noise, low=0, high=1)

    @torch.no_grad()
    def __call__(self, images: Tensor, draws: Tensor) -> Tensor:
        """Blur a batch and add noise; see :class:`studies.augmentation.Profile`."""
        check_batch("Camera", images, draws, draws_per_sample=self.draws_per_sample)
        blur, noise, pattern = draws.unbind(1)
        if self.blur:
            widest = self.blur * min(images.shape[-2:])  # pixels
            images = gaussian_blur(images, _upper_half(blur) * widest, widest=widest)
        if self.noise:
            strength = per_sample(_upper_half(noise) * self.noise, images)
            images = noise_pattern(pattern, images.shape[1:]).to(images.dtype).mul_(strength).add_(images)
        return images.clamp(0, 1)


def gaussian_blur(images: Tensor, deviations: Tensor, *, widest: float) -> Tensor:
    """Blur each image by its own Gaussian, rows then columns; pixels outside repeat the border.

    Sums shifted images instead of a grouped convolution, whose rounding depends on the batch's size.

    Parameters
    ----------
    images : Tensor, shape (B, C, H, W)
        Floating point.
    deviations : Tensor, shape (B,)
        Standard deviations in pixels, 0 (no change) to `widest`.
    widest : float
        The window reaches three times this far, rounded up.

    Returns
    -------
    Tensor, shape (B, C, H, W)

    Examples
    --------
    >>> point = torch.zeros(1, 1, 5, 5)
    >>> point[0, 0, 2, 2] = 1
    >>> blurred = gaussian_blur(point, torch.tensor([0.5]), widest=0.5)
    >>> [round(level, 3) for level in blurred[0, 0, 2].tolist()]
    [0.0, 0.084, 0.619, 0.084, 0.0]
    """
    reach = math.ceil(3 * widest)
    distance = torch.arange(reach + 1, device=images.device)
    weights = torch.exp(-0.5 * (distance / deviations.double().clamp_min(_SHARP)[:, None]) ** 2)
    weights = weights / (weights[:, :1] + 2 * weights[:, 1:].sum(1, keepdim=True))
    weights = weights.to(images.dtype)[:, :, None, None, None]  # (B, reach + 1, 1, 1, 1)
    for dim in (2, 3):
        side = images.shape[dim]
        around = torch.arange(-reach, side + reach, device=images.device).clamp_(0, side - 1)
        padded = images.index_select(dim, around)
        images = images * weights[:, 0]
        for step in range(1, reach + 1):
            pair = padded.narrow(dim, reach - step, side) + padded.narrow(dim, reach + step, side)
            images = images.addcmul_(pair, weights[:, step])
    return images


def noise_pattern(draws: Tensor, shape: torch.Size | tuple[int, ...]) -> Tensor:
    """Turn each draw into a pattern of noise of mean 0 and standard deviation 1.

    Whole-number arithmetic only: the same bits on every device. Each pixel's number is hashed together with
    the draw into 32 bits, whose four bytes are summed: close to a Gaussian, within 3.5 standard deviations.

    Parameters
    ----------
    draws : Tensor, shape (B,)
        Uniform numbers in [0, 1); equal draws give equal patterns.
    shape : tuple of int
        Of one sample.

    Returns
    -------
    Tensor, shape (B, *shape)
        float32.

    References
    ----------
    The hash is Wellons' 32-bit integer hash of two multiplications (github.com/skeeto/hash-prospector).

    Examples
    --------
    >>> noise = noise_pattern(torch.tensor([0.25, 0.75]), (100, 100))
    >>> noise.shape, abs(float(noise.mean())) < 0.02, abs(float(noise.std()) - 1) < 0.02
    (torch.Size([2, 100, 100]), True, True)
    """
    numbers = (draws.double() * 2**32).long() & 0xFFFFFFFF
    keys = _hash(torch.where(numbers < 2**31, numbers, numbers - 2**32).int())
    pixels = torch.arange(math.prod(shape), dtype=torch.int32, device=draws.device)
    bits = _hash(keys[:, None] ^ pixels)
    pairs = (bits >> 8).bitwise_and_(0x00FF00FF).add_(bits.bitwise_and_(0x00FF00FF))
    total = (pairs >> 16).add_(pairs.bitwise_and_(0xFFFF))  # 0 to 1020
    deviation = math.sqrt(4 * (256**2 - 1) / 12)  # of the sum of four uniform bytes
    return total.float().sub_(510).div_(deviation).view(-1, *shape)


def _hash(values: Tensor) -> Tensor:
    """Scramble 32-bit numbers held as int32, whose products wrap around; overwrites its argument."""
    values ^= (values >> 16).bitwise_and_(0xFFFF)  # int32 shifts its sign in
    values *= 0x21F0AAAD
    values ^= (values >> 15).bitwise_and_(0x1FFFF)
    values *= 0x735A2D97
    values ^= (values >> 15).bitwise_and_(0x1FFFF)
    return values


def _upper_half(draws: Tensor) -> Tensor:
    """Map draws from 0.5 to 1 onto 0 to 1, and those below to 0."""
    return (draws * 2 - 1).clamp_min(0)
