"""Resizing whole data sets."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from studies.data.dataset import ImageDataset


def resize(dataset: ImageDataset, image_size: int) -> ImageDataset:
    """Bring all images to `image_size` × `image_size` pixels.

    Shrinking averages over areas (no aliasing); enlarging interpolates bilinearly.

    Raises
    ------
    ValueError
        If `image_size` is not an integer of at least 4 pixels, or the data are spectrograms.
    """
    check_image_size(image_size)
    if dataset.kind != "images":
        raise ValueError(f"image_size={image_size} is for images, and {dataset.name} holds {dataset.kind}")
    if dataset.train.image_size == (image_size, image_size):
        return dataset
    return replace(
        dataset,
        train=replace(dataset.train, images=resize_images(dataset.train.images, image_size)),
        validation=replace(dataset.validation, images=resize_images(dataset.validation.images, image_size)),
        test=replace(dataset.test, images=resize_images(dataset.test.images, image_size)),
    )


def resize_images(images: Tensor, image_size: int) -> Tensor:
    """Resize uint8 images (N, C, H, W) to squares, rounded to the nearest level.

    Examples
    --------
    >>> image = torch.tensor([[0, 10], [20, 30]], dtype=torch.uint8)[None, None]
    >>> resize_images(image, 1).item()
    15
    """
    shrinks = image_size <= min(images.shape[2:])
    resized = torch.empty(*images.shape[:2], image_size, image_size, dtype=torch.uint8)
    for start in range(0, len(images), 4096):
        batch = images[start : start + 4096].float()
        if shrinks:
            batch = interpolate(batch, size=(image_size, image_size), mode="area")
        else:
            batch = interpolate(
                batch, size=(image_size, image_size), mode="bilinear", align_corners=False, antialias=True
            )
        resized[start : start + 4096] = batch.round_().clamp_(0, 255).to(torch.uint8)
    return resized


def check_image_size(image_size: int) -> None:
    """Refuse anything but a whole number of at least 4 pixels."""
    if isinstance(image_size, bool) or not isinstance(image_size, int) or image_size < 4:
        raise ValueError(f"image_size must be an integer of at least 4 pixels, got {image_size!r}")
