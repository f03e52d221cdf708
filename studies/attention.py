"""Where a network looks: its attention on a few images of a split, kept in a file and drawn over the images.

A network takes part by having a method ``attention_map(images)``: images (B, C, H, W) as it takes them give
maps (B, h, w), non-negative, of any size in pixels and with maximum 1. Anything else has no maps to show.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pruning.checkpoint import write_atomically
from studies.data import ImageSplit, as_input
from studies.evaluation import images_at_once

ATTENTION = "attention.npz"
"""Name of the file in a study's directory."""

# Ten evenly spaced colours of "plasma" (S. van der Walt, N. Smith, 2015): lightness rises evenly, so that it
# reads alike with any colour vision and in grey print.
PLASMA = np.array(
    [
        [0x0D, 0x08, 0x87], [0x46, 0x03, 0x9F], [0x72, 0x01, 0xA8], [0x9C, 0x17, 0x9E], [0xBD, 0x37, 0x86],
        [0xD8, 0x57, 0x6B], [0xED, 0x79, 0x53], [0xFB, 0x9F, 0x3A], [0xFD, 0xCA, 0x26], [0xF0, 0xF9, 0x21],
    ],
    dtype=np.float32,
)  # fmt: skip
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AttentionExamples:
    """Images of a split with a network's attention on them and what it made of them.

    Parameters
    ----------
    images : ndarray
        uint8, shape (n, 1, H, W) or (n, 3, H, W). Spectrograms are stretched to 0-255 each by itself.
    maps : ndarray
        float32 in [0, 1], shape (n, h, w): 1 where attention is greatest in the image.
    labels, predictions : ndarray
        int64 class indices, shape (n,).
    confidences : ndarray
        float32, shape (n,): the softmax share of the predicted class.
    classes : tuple of str
        Class names.

    Raises
    ------
    ValueError
        If a shape, a dtype or a range is not as above.
    """

    images: np.ndarray
    maps: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray
    confidences: np.ndarray
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        count = len(self.images)
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[1] not in (1, 3):
            raise ValueError(
                f"images must be uint8 of shape (n, 1 or 3, H, W), got {self.images.dtype} of shape "
                f"{self.images.shape}"
            )
        if self.maps.dtype != np.float32 or self.maps.ndim != 3 or len(self.maps) != count:
            raise ValueError(
                f"maps must be float32 of shape ({count}, h, w), got {self.maps.dtype} of shape "
                f"{self.maps.shape}"
            )
        for name in ("maps", "confidences"):
            values = getattr(self, name)
            if not bool(((values >= 0) & (values <= 1)).all()):
                raise ValueError(f"{name} must lie in [0, 1], got {values.min()} to {values.max()}")
        for name in ("labels", "predictions", "confidences"):
            if getattr(self, name).shape != (count,):
                raise ValueError(f"{name} must have shape ({count},), got {getattr(self, name).shape}")
        for name in ("labels", "predictions"):
            values = getattr(self, name)
            if values.dtype != np.int64 or bool(((values < 0) | (values >= len(self.classes))).any()):
                raise ValueError(f"{name} must be int64 indices of the {len(self.classes)} classes")

    def __len__(self) -> int:
        return len(self.images)

    def save(self, path: str | Path) -> None:
        """Write everything as an ``.npz`` file, atomically; equal examples give equal bytes."""
        buffer = io.BytesIO()
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        arrays["classes"] = np.array(self.classes, dtype=np.str_)
        np.savez_compressed(buffer, **arrays)
        write_atomically(path, buffer.getvalue())

    @classmethod
    def load(cls, path: str | Path) -> AttentionExamples:
        """Read what `save` wrote; nothing in the file is executed.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged or is none of attention examples.
        """
        path = Path(path)
        names = [field.name for field in fields(cls)]
        content = io.BytesIO(path.read_bytes())
        try:
            with np.load(content, allow_pickle=False) as file:
                if missing := sorted(set(names) - set(file.files)):
                    raise ValueError(f"it lacks {', '.join(missing)}")
                arrays = {name: file[name] for name in names}
            arrays["classes"] = tuple(str(name) for name in np.atleast_1d(arrays["classes"]))
            return cls(**arrays)
        except (ValueError, TypeError, AttributeError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path} must be a file of attention examples, but {error}: remove it, or train again"
            ) from None


def attention_examples(
    model: nn.Module, split: ImageSplit, classes: Sequence[str], *, count: int = 12, seed: int = 0
) -> AttentionExamples | None:
    """Choose recognised and mistaken images of each class, and ask the network where it looks.

    The whole split is classified once. One recognised image of each class is taken, then one mistaken image
    of each, and so on until there are ``count``; which ones is a function of the seed and the predictions.

    Parameters
    ----------
    model : nn.Module
        Maps images (B, C, H, W) to logits (B, classes). Run in evaluation mode; its own mode is restored.
    split : ImageSplit
        Where the images come from.
    classes : sequence of str
        Class names, in the order of the labels.
    count : int, default 12
        Images to take; fewer where the split holds fewer.
    seed : int, default 0
        Chooses among images that serve equally.

    Returns
    -------
    AttentionExamples or None
        Sorted by class, recognised before mistaken. None if the network has no ``attention_map``, or its
        answers are no numbers.

    Raises
    ------
    ValueError
        If count is below 1, or the network's maps do not keep to what the module's heading says.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1 image, got {count}")
    attend = getattr(model, "attention_map", None)
    if attend is None:
        return None
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            shares = _class_shares(model, split)
            if not bool(shares.isfinite().all()):
                return None
            confidences, predictions = shares.max(dim=1)
            chosen = _choose(split.labels.cpu(), predictions, count, seed)
            images = split.images[chosen.to(split.images.device)]
            maps = attend(as_input(images).to(_device(model, split)))
    finally:
        model.train(was_training)
    return AttentionExamples(
        images=_levels(images.cpu()).numpy(),
        maps=_checked_maps(maps, len(chosen), type(model).__name__),
        labels=split.labels.cpu()[chosen].numpy(),
        predictions=predictions[chosen].numpy(),
        confidences=confidences[chosen].clamp(0, 1).numpy(),
        classes=tuple(classes),
    )


def overlay(image: np.ndarray, attention: np.ndarray, *, opacity: float = 0.75) -> np.ndarray:
    """Draw attention over an image: the face stays grey where there is none and glows where it is greatest.

    Parameters
    ----------
    image : ndarray
        uint8, shape (H, W), (1, H, W) or (3, H, W). Colour is reduced to grey: all colour is attention.
    attention : ndarray
        Values in [0, 1], shape (h, w); brought to H x W bilinearly.
    opacity : float, default 0.75
        Share of the colour in the picture at attention 1; it falls linearly to 0.

    Returns
    -------
    ndarray
        uint8 RGB, shape (H, W, 3).

    Raises
    ------
    ValueError
        If a shape or value is not as above.

    Examples
    --------
    >>> face = np.full((2, 2), 100, dtype=np.uint8)
    >>> overlay(face, np.zeros((1, 1)))[0, 0].tolist()
    [100, 100, 100]
    >>> overlay(face, np.ones((1, 1)), opacity=1.0)[0, 0].tolist()  # the last colour of plasma
    [240, 249, 33]
    """
    planes = image[None] if image.ndim == 2 else image
    if planes.dtype != np.uint8 or planes.ndim != 3 or planes.shape[0] not in (1, 3):
        raise ValueError(
            f"image must be uint8 of shape (H, W), (1, H, W) or (3, H, W), got {image.dtype} of {image.shape}"
        )
    if attention.ndim != 2 or not bool(((attention >= 0) & (attention <= 1)).all()):
        raise ValueError(f"attention must be of shape (h, w) with values in [0, 1], got {attention.shape}")
    if not 0.0 <= opacity <= 1.0:
        raise ValueError(f"opacity must be in [0, 1], got {opacity}")
    grey = planes[0].astype(np.float32) if len(planes) == 1 else np.tensordot(_LUMA, planes, axes=1)
    coarse = torch.from_numpy(np.asarray(attention, dtype=np.float32))[None, None]
    fine = functional.interpolate(coarse, size=grey.shape, mode="bilinear", align_corners=False)
    level = fine[0, 0].numpy().clip(0.0, 1.0)
    share = opacity * level[..., None]
    picture = (1.0 - share) * grey[..., None] + share * colours(level)
    drawn: np.ndarray = picture.round().clip(0, 255).astype(np.uint8)
    return drawn


def colours(level: np.ndarray) -> np.ndarray:
    """Colours of plasma for levels in [0, 1]: any shape gives that shape with RGB, 0-255, as a last axis."""
    place = np.linspace(0.0, 1.0, len(PLASMA))
    return np.stack([np.interp(level, place, PLASMA[:, band]) for band in range(3)], axis=-1)


def _class_shares(model: nn.Module, split: ImageSplit) -> Tensor:
    """Softmax of the network on every image, float32 (N, classes), on the CPU."""
    device, batch_size = _device(model, split), images_at_once(split)

    def batches() -> Iterator[Tensor]:
        for start in range(0, len(split), batch_size):
            images = as_input(split.images[start : start + batch_size]).to(device)
            yield model(images).float().softmax(dim=1).cpu()

    return torch.cat(list(batches()))


def _choose(labels: Tensor, predictions: Tensor, count: int, seed: int) -> Tensor:
    """Indices of the images to show: a recognised one of each class, a mistaken one of each, and again."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    right = labels == predictions
    taken: list[tuple[int, int, int, int]] = []  # (round, class, mistaken, index)
    for mistaken in (0, 1):
        for label in sorted(set(labels.tolist())):
            ours = (labels == label) & (right != bool(mistaken))
            candidates = order[ours[order]].tolist()
            taken += [(2 * turn + mistaken, label, mistaken, i) for turn, i in enumerate(candidates)]
    first = sorted(taken)[:count]
    return torch.tensor([i for _, _, _, i in sorted(first, key=lambda t: (t[1], t[2], t[0]))])


def _checked_maps(maps: Tensor, count: int, name: str) -> np.ndarray:
    """Maps as float32 (n, h, w), each divided by its maximum; a map of zeros stays."""
    if maps.ndim != 3 or len(maps) != count:
        raise ValueError(
            f"{name}.attention_map must give one map an image, shape ({count}, h, w), got {tuple(maps.shape)}"
        )
    maps = maps.detach().float().cpu()
    if not bool((maps.isfinite() & (maps >= 0)).all()):
        raise ValueError(f"{name}.attention_map must be finite and at least 0, got a value that is not")
    highest = maps.amax(dim=(1, 2), keepdim=True)
    return (maps / torch.where(highest > 0, highest, 1.0)).clamp(0, 1).numpy()


def _levels(images: Tensor) -> Tensor:
    """Levels 0-255 to look at: images as they are, a spectrogram stretched from its least to its greatest."""
    if images.dtype == torch.uint8:
        return images
    low, high = images.amin(dim=(1, 2, 3), keepdim=True), images.amax(dim=(1, 2, 3), keepdim=True)
    span = torch.where(high > low, high - low, 1.0)
    return ((images - low) / span * 255).round().to(torch.uint8)


def _device(model: nn.Module, split: ImageSplit) -> torch.device:
    parameter = next(model.parameters(), None)
    return split.images.device if parameter is None else parameter.device
