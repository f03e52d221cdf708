"""Random crop of the padded image, and flip: the recipe of CIFAR, ResNet, WRN and small ViT."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from studies.augmentation.profile import check_batch, check_strength

FILLS = ("black", "edge")


@dataclass(frozen=True, kw_only=True, slots=True)
class CropFlip:
    """Pad each side, cut a window of the old size anywhere, and mirror half of the samples.

    Whole pixels, so nothing is interpolated. The padding scales with the image: 4 pixels of 32 as in the
    CIFAR recipes, 6 of 48, 16 of 128.

    The three draws of a sample: place down, place right, flip (below 0.5 mirrors).

    Raises
    ------
    ValueError
        If the padding is out of range or the fill unknown.

    References
    ----------
    He et al. (2016), *Deep residual learning for image recognition*, section 4.2.

    Examples
    --------
    >>> image = torch.arange(64.0).view(1, 1, 8, 8) / 63
    >>> moved = CropFlip()(image, torch.tensor([[0.99, 0.5, 0.5]]))  # one pixel down the padded image
    >>> torch.equal(moved[0, 0, :-1], image[0, 0, 1:]), moved[0, 0, -1].unique().tolist()
    (True, [0.0])
    """

    padding: float = 0.125  # part of each side that is padded before and after, rounded to pixels, 0 to 1
    fill: str = "black"  # of the padding: "black" as published, or "edge" repeats the border
    flip: bool = True  # mirror left and right in half of the samples

    kind: ClassVar[str] = "images"
    draws_per_sample: ClassVar[int] = 3

    def __post_init__(self) -> None:
        check_strength("padding", self.padding, low=0, high=1, unit="of the side")
        if self.fill not in FILLS:
            raise ValueError(f"fill must be one of {', '.join(FILLS)}, got {self.fill!r}")

    @torch.no_grad()
    def __call__(self, images: Tensor, draws: Tensor) -> Tensor:
        """Crop and flip a batch; see :class:`studies.augmentation.Profile`."""
        check_batch("CropFlip", images, draws, draws_per_sample=self.draws_per_sample)
        batch, channels, height, width = images.shape
        rows, row_inside = self._window(draws[:, 0], height)
        columns, column_inside = self._window(draws[:, 1], width)
        if self.flip:
            mirrored = (draws[:, 2] < 0.5)[:, None]
            columns = torch.where(mirrored, columns.flip(1), columns)
            column_inside = torch.where(mirrored, column_inside.flip(1), column_inside)
        samples = torch.arange(batch, device=images.device).view(-1, 1, 1, 1)
        layers = torch.arange(channels, device=images.device).view(1, -1, 1, 1)
        cropped = images[samples, layers, rows[:, None, :, None], columns[:, None, None, :]]
        if self.fill == "edge":
            return cropped
        return cropped * (row_inside[:, None, :, None] & column_inside[:, None, None, :])

    def _window(self, draws: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """Return each pixel's source along one axis, and whether that lies in the image, both (B, side)."""
        padding = round(self.padding * side)
        offset = (draws * (2 * padding + 1)).floor().clamp_max(2 * padding).long() - padding
        source = torch.arange(side, device=draws.device) + offset[:, None]
        return source.clamp(0, side - 1), (source >= 0) & (source < side)
