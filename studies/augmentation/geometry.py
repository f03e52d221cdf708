"""Rotation, shift, scale and mirror image in one warp, each sample by its own draws."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from studies.augmentation.profile import check_batch, check_strength, spread


@dataclass(frozen=True, kw_only=True, slots=True)
class Geometry:
    """Turn, move, scale and mirror images around their centre, with one bilinear interpolation.

    Pixels that come in from outside repeat the border. Flips are left to right: a face upside
    down is not data.

    The five draws of a sample: rotation (above 0.5 clockwise), shift down, shift right, scale, flip (below
    0.5 mirrors).

    Raises
    ------
    ValueError
        If a strength is out of range.

    References
    ----------
    Riba et al. (2020), *Kornia: an open source differentiable computer vision library for PyTorch*,
    arXiv:1910.02190.
    """

    rotation_degrees: float = 15.0  # angle uniform in plus or minus this, 0 to 180
    shift: float = 0.1  # shift uniform in plus or minus this part of each side, 0 to 0.5
    scale: float = 0.1  # size uniform in 1 plus or minus this, 0 to 0.9
    flip: bool = True  # mirror left and right in half of the samples

    kind: ClassVar[str] = "images"
    draws_per_sample: ClassVar[int] = 5

    def __post_init__(self) -> None:
        check_strength("rotation_degrees", self.rotation_degrees, low=0, high=180, unit="degrees")
        check_strength("shift", self.shift, low=0, high=0.5, unit="of the side")
        check_strength("scale", self.scale, low=0, high=0.9)

    @torch.no_grad()
    def __call__(self, images: Tensor, draws: Tensor) -> Tensor:
        """Warp a batch; see :class:`studies.augmentation.Profile`."""
        check_batch("Geometry", images, draws, draws_per_sample=self.draws_per_sample)
        require_kornia()
        from kornia.geometry.transform import get_affine_matrix2d, warp_affine

        height, width = images.shape[-2:]
        rotation, down, right, scale, flip = draws.double().unbind(1)
        moved = torch.stack([spread(right, self.shift) * width, spread(down, self.shift) * height], dim=1)
        centre = torch.tensor([(width - 1) / 2, (height - 1) / 2], dtype=torch.float64, device=draws.device)
        size = 1 + spread(scale, self.scale)
        mirror = torch.where(flip < 0.5, -1.0, 1.0) if self.flip else torch.ones_like(size)
        matrix = get_affine_matrix2d(
            translations=moved,
            center=centre.expand(len(images), 2),
            scale=torch.stack([size * mirror, size], dim=1),
            angle=spread(rotation, self.rotation_degrees),
        )
        warped: Tensor = warp_affine(
            images, matrix[:, :2].to(images.dtype), (height, width), padding_mode="border"
        )
        return warped.clamp_(0, 1)


def require_kornia() -> None:
    """Make sure that kornia can be imported, or say in one line how to install it.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        import kornia  # noqa: F401
    except ImportError as error:
        raise ImportError('this augmentation needs kornia: pip install "grn-pruning[fer]"') from error
