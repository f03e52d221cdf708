"""Grey from colour and colour from grey, for whole data sets."""

from dataclasses import replace

import torch
from torch import Tensor

from studies.data.dataset import ImageDataset


def set_channels(dataset: ImageDataset, channels: int) -> ImageDataset:
    """Bring all images to `channels`: colour to grey by its luma, grey to colour by repetition.

    Parameters
    ----------
    dataset : ImageDataset
        Of images.
    channels : {1, 3}
        Grey or colour.

    Returns
    -------
    ImageDataset
        `dataset` itself where nothing is to do.

    Raises
    ------
    ValueError
        For another number, or spectrograms.
    """
    check_channels_option(channels)
    if dataset.kind != "images":
        raise ValueError(f"channels={channels} is for images, and {dataset.name} holds {dataset.kind}")
    if dataset.train.channels == channels:
        return dataset
    convert = to_grey if channels == 1 else to_colour
    return replace(
        dataset,
        train=replace(dataset.train, images=convert(dataset.train.images)),
        validation=replace(dataset.validation, images=convert(dataset.validation.images)),
        test=replace(dataset.test, images=convert(dataset.test.images)),
    )


def to_grey(images: Tensor) -> Tensor:
    """Luma of ITU-R BT.601, (N, 3, H, W) to (N, 1, H, W), in the integers of pillow's own conversion.

    Examples
    --------
    >>> to_grey(torch.tensor([255, 0, 0], dtype=torch.uint8).reshape(1, 3, 1, 1)).item()
    76
    """
    grey = torch.empty(len(images), 1, *images.shape[2:], dtype=torch.uint8)
    for start in range(0, len(images), 4096):
        red, green, blue = images[start : start + 4096].to(torch.int32).unbind(1)
        luma = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
        grey[start : start + 4096, 0] = luma.to(torch.uint8)
    return grey


def to_colour(images: Tensor) -> Tensor:
    """Three equal channels: (N, 1, H, W) to (N, 3, H, W)."""
    return images.repeat(1, 3, 1, 1)


def check_channels_option(channels: int | None) -> None:
    """Refuse anything but None, 1 and 3."""
    if channels is not None and (isinstance(channels, bool) or channels not in (1, 3)):
        raise ValueError(f"channels must be 1 (grey), 3 (colour) or None (as the data are), got {channels!r}")
