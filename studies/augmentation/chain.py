"""Profiles one after the other, as one profile."""

from dataclasses import dataclass

from torch import Tensor

from studies.augmentation.profile import Profile, check_batch


@dataclass(frozen=True, slots=True)
class Chain:
    """Apply profiles in turn, each to its own columns of the draws; without parts, change nothing.

    Parameters
    ----------
    parts : tuple of Profile
        In the order of application and of their draws.

    Raises
    ------
    ValueError
        If parts for images meet parts for spectrograms.

    Examples
    --------
    >>> import torch
    >>> from studies.augmentation.crop_flip import CropFlip
    >>> from studies.augmentation.occlusion import Occlusion
    >>> Chain((Occlusion(), CropFlip())).draws_per_sample
    10
    >>> Chain()(torch.ones(1, 1, 2, 2), torch.empty(1, 0)).tolist()
    [[[[1.0, 1.0], [1.0, 1.0]]]]
    """

    parts: tuple[Profile, ...] = ()

    def __post_init__(self) -> None:
        kinds = {part.kind for part in self.parts} - {"any"}
        if len(kinds) > 1:
            raise ValueError(
                f"the parts of a chain must be for one kind of data, got {' and '.join(sorted(kinds))}"
            )

    @property
    def kind(self) -> str:
        """The kind of data that all parts are for, ``"any"`` without parts."""
        return next((part.kind for part in self.parts if part.kind != "any"), "any")

    @property
    def draws_per_sample(self) -> int:
        """Those of all parts together."""
        return sum(part.draws_per_sample for part in self.parts)

    def __call__(self, images: Tensor, draws: Tensor) -> Tensor:
        """Apply the parts in turn; see :class:`studies.augmentation.Profile`."""
        check_batch("Chain", images, draws, draws_per_sample=self.draws_per_sample)
        start = 0
        for part in self.parts:
            images = part(images, draws[:, start : start + part.draws_per_sample])
            start += part.draws_per_sample
        return images
