"""The augmentation of the gene-network pruning paper: rotation, flips, brightness. Training images only."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from studies.augmentation.profile import check_batch

ROTATION_DEGREES = 15.0  # rotation is uniform in +-15 degrees
BRIGHTNESS = 0.2  # brightness is scaled by a factor uniform in 1 +- 0.2
DRAWS_PER_IMAGE = 3  # rotation, flip, brightness


def augment(images: Tensor, draws: Tensor) -> Tensor:
    """Rotate, flip and re-light a batch, each image by its own draws.

    Pixels that a rotation brings in from outside repeat the border. Flips are left to right: the paper says
    "flips" without a direction, and a face upside down is not data. Brightness saturates at white, as in a
    camera.

    Parameters
    ----------
    images : Tensor, shape (B, C, H, W)
        Intensities in [0, 1].
    draws : Tensor, shape (B, 3)
        Uniform numbers in [0, 1) for rotation, flip and brightness; the randomness is the caller's. Draws of
        0.5 leave the image as it is; a flip draw below 0.5 mirrors it.

    Returns
    -------
    Tensor, shape (B, C, H, W)
        A new batch in [0, 1], same dtype and device.

    Raises
    ------
    ValueError
        If the shapes do not fit together.

    Examples
    --------
    >>> import torch
    >>> image = torch.tensor([[[[0.25, 0.5], [0.25, 0.75]]]])
    >>> augment(image, torch.tensor([[0.5, 0.5, 0.5]])).flatten().tolist()
    [0.25, 0.5, 0.25, 0.75]
    >>> augment(image, torch.tensor([[0.5, 0.0, 0.5]])).flatten().tolist()
    [0.5, 0.25, 0.75, 0.25]
    """
    if images.dim() != 4 or draws.shape != (len(images), DRAWS_PER_IMAGE):
        raise ValueError(
            f"augment needs images (B, C, H, W) and draws (B, {DRAWS_PER_IMAGE}), "
            f"got {tuple(images.shape)} and {tuple(draws.shape)}"
        )
    angle = (draws[:, 0] * 2 - 1) * math.radians(ROTATION_DEGREES)
    mirror = torch.where(draws[:, 1] < 0.5, -1.0, 1.0)
    cosine, sine = angle.cos(), angle.sin()
    aspect = images.shape[-2] / images.shape[-1]  # affine_grid measures each axis in half side lengths
    zero = torch.zeros_like(angle)
    matrix = torch.stack(
        [
            torch.stack([mirror * cosine, -mirror * sine * aspect, zero], dim=1),
            torch.stack([sine / aspect, cosine, zero], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(matrix.to(images.dtype), list(images.shape), align_corners=False)
    turned = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    light = 1 + (draws[:, 2] * 2 - 1) * BRIGHTNESS
    return (turned * light.to(images.dtype).view(-1, 1, 1, 1)).clamp(0, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Gene:
    """The gene-network pruning paper's augmentation as a profile: `augment`, at the paper's strengths.

    Examples
    --------
    >>> import torch
    >>> Gene()(torch.ones(1, 1, 2, 2), torch.tensor([[0.5, 0.5, 0.0]])).unique().tolist()
    [0.800000011920929]
    """

    kind: ClassVar[str] = "images"
    draws_per_sample: ClassVar[int] = DRAWS_PER_IMAGE

    @torch.no_grad()
    def __call__(self, images: Tensor, draws: Tensor) -> Tensor:
        """Rotate, flip and re-light a batch; see `augment`."""
        check_batch("Gene", images, draws, draws_per_sample=self.draws_per_sample)
        return augment(images, draws)
