"""Augmentation of whole training batches on the device, from the caller's draws; never of test images.

A profile is a deterministic function of a batch and of uniform draws, see `Profile`. `PROFILES` holds
those of the recipes by name. ``amacnn`` and ``hybrid`` warp with kornia, which is imported at their first
call (several seconds); the others are plain torch.
"""

from studies.augmentation.camera import Camera
from studies.augmentation.chain import Chain
from studies.augmentation.crop_flip import CropFlip
from studies.augmentation.gene import BRIGHTNESS, DRAWS_PER_IMAGE, ROTATION_DEGREES, Gene, augment
from studies.augmentation.geometry import Geometry
from studies.augmentation.light import Light
from studies.augmentation.occlusion import Occlusion
from studies.augmentation.profile import Profile
from studies.augmentation.speech import Speech

__all__ = [
    "BRIGHTNESS",
    "DRAWS_PER_IMAGE",
    "PROFILES",
    "ROTATION_DEGREES",
    "Camera",
    "Chain",
    "CropFlip",
    "Gene",
    "Geometry",
    "Light",
    "Occlusion",
    "Profile",
    "Speech",
    "augment",
    "find_profile",
]

PROFILES: dict[str, Profile] = {
    "gene": Gene(),
    # The paper names geometric and photometric changes and simulated occlusion, without strengths. What
    # covers the face is there before the camera moves, light falls on both, and the camera comes last.
    "amacnn": Chain((Occlusion(), Geometry(), Light(), Camera())),
    # The paper names rotation, scaling and flipping, without strengths.
    "hybrid": Geometry(rotation_degrees=15.0, scale=0.1, shift=0.0),
    "crop-flip": CropFlip(),
    "flip": CropFlip(padding=0.0),
    "speech": Speech(),
    "none": Chain(),
}
"""The augmentation of each recipe by its name."""


def find_profile(name: str, *, kind: str | None = None) -> Profile:
    """Return the profile of a name, for data of a kind.

    Parameters
    ----------
    name : str
        A key of `PROFILES`.
    kind : {"images", "spectrograms"}, optional
        Of the data, as :attr:`studies.data.ImageDataset.kind`; None accepts all.

    Raises
    ------
    ValueError
        If there is no such profile, or it is for another kind of data.

    Examples
    --------
    >>> find_profile("crop-flip", kind="images").draws_per_sample
    3
    >>> find_profile("gene", kind="spectrograms")
    Traceback (most recent call last):
        ...
    ValueError: the augmentation 'gene' is for images, and the data are spectrograms: choose speech or none
    """
    if name not in PROFILES:
        raise ValueError(f"augmentation must be one of {', '.join(PROFILES)}, got {name!r}")
    profile = PROFILES[name]
    if kind is not None and profile.kind not in ("any", kind):
        fitting = [other for other, candidate in PROFILES.items() if candidate.kind in ("any", kind)]
        raise ValueError(
            f"the augmentation {name!r} is for {profile.kind}, and the data are {kind}: "
            f"choose {', '.join(fitting[:-1])} or {fitting[-1]}"
        )
    return profile
