"""Simulated occlusion: a rectangle anywhere, a mask over mouth and nose, or sunglasses."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from studies.augmentation.profile import check_batch, check_strength, per_sample, spread

# Places of a face in a crop that holds little else, as parts of its height and width.
_EYES, _EYE_APART, _MOUTH, _MIDDLE = 0.40, 0.19, 0.73, 0.5
_JITTER = 0.05  # how far a mask or glasses sit from there


@dataclass(frozen=True, kw_only=True, slots=True)
class Occlusion:
    """Cover a part of some images with one even level.

    Of the occlusions, a share `realistic` is in equal parts a mask (over nose, mouth and chin, levels 0.3 to
    1) and sunglasses (levels 0 to 0.25), where an upright face that fills the image has them; the others are
    a rectangle anywhere inside the image, of any level.

    The seven draws of a sample: whether (below `rate`), which kind, the rectangle's area, its height against
    its width, place down, place right, level. Draws of 0.5 leave the image as it is where `rate` is at most
    0.5.

    Raises
    ------
    ValueError
        If a strength is out of range, or the areas are not in order.

    References
    ----------
    The rectangle: Zhong et al. (2017), *Random erasing data augmentation*, arXiv:1708.04896.

    Examples
    --------
    >>> import torch
    >>> draws = torch.tensor([[0.0, 0.9, 0.0, 0.5, 0.0, 0.0, 0.25]])
    >>> image = Occlusion(least_area=0.25, largest_area=0.25)(torch.ones(1, 1, 4, 4), draws)
    >>> image[0, 0, :2, :2].unique().tolist(), image.sum().item()
    ([0.25], 13.0)
    """

    rate: float = 0.3  # share of the samples that are occluded
    realistic: float = 0.5  # share of the occlusions that are a mask or sunglasses
    least_area: float = 0.04  # of a rectangle, part of the image
    largest_area: float = 0.2  # at most 0.5, so that every shape fits

    kind: ClassVar[str] = "images"
    draws_per_sample: ClassVar[int] = 7

    def __post_init__(self) -> None:
        check_strength("rate", self.rate, low=0, high=1)
        check_strength("realistic", self.realistic, low=0, high=1)
        check_strength("largest_area", self.largest_area, low=0, high=0.5, unit="of the image")
        check_strength("least_area", self.least_area, low=0, high=0.5, unit="of the image")
        if self.least_area > self.largest_area:
            raise ValueError(
                f"least_area must be at most largest_area, got {self.least_area} and {self.largest_area}"
            )

    @torch.no_grad()
    def __call__(self, images: Tensor, draws: Tensor) -> Tensor:
        """Cover parts of a batch; see :class:`studies.augmentation.Profile`."""
        check_batch("Occlusion", images, draws, draws_per_sample=self.draws_per_sample)
        columns = draws[:, :, None, None].unbind(1)  # each (B, 1, 1)
        whether, kind, area, aspect, down, right, level = columns
        height, width = images.shape[-2:]
        y = ((torch.arange(height, device=draws.device) + 0.5) / height).view(1, -1, 1)
        x = ((torch.arange(width, device=draws.device) + 0.5) / width).view(1, 1, -1)

        is_rectangle = kind >= self.realistic
        is_mask = ~is_rectangle & (kind < self.realistic / 2)
        share = self.least_area + area * (self.largest_area - self.least_area)
        ratio = torch.exp2(spread(aspect.double(), 1.0)).to(share.dtype)  # height against width, 1/2 to 2
        rectangle = _rectangle(y, x, (share * ratio).sqrt(), (share / ratio).sqrt(), down, right)
        dy, dx = y - spread(down, _JITTER), x - spread(right, _JITTER)
        worn = torch.where(is_mask, _mask(dy, dx), _sunglasses(dy, dx))
        covered = (whether < self.rate) & torch.where(is_rectangle, rectangle, worn)

        grey = torch.where(is_rectangle, level, torch.where(is_mask, 0.3 + 0.7 * level, 0.25 * level))
        return torch.where(covered.unsqueeze(1), per_sample(grey.flatten(), images), images)


def _rectangle(y: Tensor, x: Tensor, height: Tensor, width: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Pixels inside a rectangle that lies in the image for any `down` and `right` in [0, 1]."""
    top, left = down * (1 - height), right * (1 - width)
    return (y >= top) & (y < top + height) & (x >= left) & (x < left + width)


def _mask(y: Tensor, x: Tensor) -> Tensor:
    """Pixels under a mask: a rounded patch around the mouth, from the nose to the chin."""
    return ((y - _MOUTH) / 0.21).abs() ** 3 + ((x - _MIDDLE) / 0.3).abs() ** 3 <= 1


def _sunglasses(y: Tensor, x: Tensor) -> Tensor:
    """Pixels under two dark lenses and their bridge."""
    aside = (x - _MIDDLE).abs()
    lenses = ((y - _EYES) / 0.1).abs() ** 3 + ((aside - _EYE_APART) / 0.15).abs() ** 3 <= 1
    return lenses | (((y - _EYES + 0.03).abs() <= 0.02) & (aside <= _EYE_APART))
