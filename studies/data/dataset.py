"""Labelled images or spectrograms, and the three parts of a data set."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The seven classes of FER-2013 in the order of its codes 0-6; `faces` uses the same."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageSplit:
    """One part of a data set: images, labels and what is known about each sample.

    Parameters
    ----------
    images : Tensor
        uint8 levels, shape (N, 1, H, W) for grey and (N, 3, H, W) for colour, or float32 spectrograms, shape
        (N, 1, mel bands, frames); on the CPU.
    labels : Tensor
        int64 class indices, shape (N,).
    ids : sequence of str
        One stable identifier a sample, unique within the split.
    groups : dict of str to ndarray
        Further facts, one array of length N a name (subject, speaker, gender, set, lighting, ...).
    soft_labels : Tensor, optional
        Share of the raters' votes for each class, float32, shape (N, classes), rows of sum 1.

    Raises
    ------
    TypeError, ValueError
        If a dtype, shape or length is not as above.

    Examples
    --------
    >>> split = ImageSplit(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]), ["a", "b"])
    >>> len(split), split.image_size
    (2, (8, 8))
    """

    images: Tensor
    labels: Tensor
    ids: Sequence[str]
    groups: dict[str, np.ndarray] = field(default_factory=dict)
    soft_labels: Tensor | None = None

    def __post_init__(self) -> None:
        if self.images.dtype not in (torch.uint8, torch.float32):
            raise TypeError(
                f"images must be uint8 levels 0-255 or float32 spectrograms, got {self.images.dtype}"
            )
        if self.images.ndim != 4 or self.images.shape[1] not in (1, 3):
            raise ValueError(
                f"images must have shape (N, 1, H, W) or (N, 3, H, W), got {tuple(self.images.shape)}"
            )
        if self.labels.dtype != torch.int64:
            raise TypeError(f"labels must be int64 class indices, got {self.labels.dtype}")
        count = len(self.images)
        if self.labels.shape != (count,):
            raise ValueError(f"labels must have shape ({count},) as images, got {tuple(self.labels.shape)}")
        if len(self.ids) != count:
            raise ValueError(f"ids must name each of the {count} images, got {len(self.ids)} ids")
        if len(set(self.ids)) != count:
            raise ValueError(f"ids must be unique, got {count - len(set(self.ids))} repeated")
        for name, values in self.groups.items():
            if len(values) != count:
                raise ValueError(f"group {name!r} must have {count} values, got {len(values)}")
        votes = self.soft_labels
        if votes is not None:
            if votes.ndim != 2 or len(votes) != count:
                raise ValueError(f"soft_labels must have shape ({count}, classes), got {tuple(votes.shape)}")
            fits = (votes >= 0).all(1) & ((votes.sum(1) - 1).abs() < 1e-4)
            if not bool(fits.all()):
                first = int((~fits).nonzero()[0])
                raise ValueError(
                    "soft_labels must be shares of at least 0 whose rows sum to 1, got "
                    f"{votes[first].tolist()} for {self.ids[first]!r}"
                )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.images.shape[2]), int(self.images.shape[3])

    @property
    def channels(self) -> int:
        """1 for grey images and spectrograms, 3 for colour."""
        return int(self.images.shape[1])

    def subset(self, indices: np.ndarray) -> "ImageSplit":
        """Keep the samples at `indices`, in that order, with their ids and groups."""
        where = torch.as_tensor(indices, dtype=torch.int64)
        return ImageSplit(
            images=self.images[where],
            labels=self.labels[where],
            ids=[self.ids[i] for i in where.tolist()],
            groups={name: values[where.numpy()] for name, values in self.groups.items()},
            soft_labels=None if self.soft_labels is None else self.soft_labels[where],
        )


def as_input(images: Tensor) -> Tensor:
    """Return what a network takes: grey or colour levels as float32 in [0, 1], spectrograms as they are.

    Examples
    --------
    >>> as_input(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist()
    [0.0, 0.20000000298023224, 1.0]
    """
    return images.float().div_(255) if images.dtype == torch.uint8 else images


@dataclass(frozen=True, slots=True, eq=False)
class ImageDataset:
    """A classification data set with its training, validation and test parts.

    Parameters
    ----------
    name : str
        Short name for records, e.g. ``"fer2013"``.
    classes : tuple of str
        Class names; a label is an index into it.
    train, validation, test : ImageSplit
        Disjoint parts. All choices are made on `validation`; `test` is looked at once.
    test_name : str
        Which official split `test` is, e.g. ``"PublicTest"``.
    description : str
        One sentence for reports.
    split_by : str
        What keeps the parts apart: ``"official"``, the name of a group such as ``"subject"``, ``"source"`` or
        ``"random"``.
    skipped : tuple of str
        Files that could not be read and were passed over on request, each with the reason.

    Raises
    ------
    ValueError
        If a label is out of range, a class is empty in any part, an id stands in two parts, or the parts
        differ in size, channels or kind of their images.
    """

    name: str
    classes: tuple[str, ...]
    train: ImageSplit
    validation: ImageSplit
    test: ImageSplit
    test_name: str
    description: str = ""
    split_by: str = "official"
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for part, split in self.parts().items():
            check_labels(split.labels.numpy(), self.classes, part=f"{self.name}: {part}")
            if split.image_size != self.train.image_size:
                raise ValueError(
                    f"{self.name}: all parts must share one image size, got {self.train.image_size} in train "
                    f"and {split.image_size} in {part}"
                )
            if (split.channels, split.images.dtype) != (self.train.channels, self.train.images.dtype):
                raise ValueError(
                    f"{self.name}: all parts must hold one kind of images, got "
                    f"{self.train.channels} channels of {self.train.images.dtype} in train and "
                    f"{split.channels} of {split.images.dtype} in {part}"
                )
            votes = split.soft_labels
            if votes is not None and votes.shape[1] != len(self.classes):
                raise ValueError(
                    f"{self.name}: soft_labels must have a column for each of the {len(self.classes)} "
                    f"classes, got {votes.shape[1]} in {part}"
                )
            for sample in split.ids:
                if sample in seen:
                    raise ValueError(f"{self.name}: sample {sample!r} is in both {seen[sample]} and {part}")
                seen[sample] = part

    def parts(self) -> dict[str, ImageSplit]:
        """Give the three parts by name, in order."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def kind(self) -> str:
        """``"images"`` or ``"spectrograms"``."""
        return "images" if self.train.images.dtype == torch.uint8 else "spectrograms"

    def summary(self) -> str:
        """One line: sizes, classes and which split the test is."""
        height, width = self.train.image_size
        colour = " colour" if self.train.channels == 3 else ""
        return (
            f"{self.name}: {len(self.train):,} train / {len(self.validation):,} validation / "
            f"{len(self.test):,} test ({self.test_name}), {height}×{width}{colour}, "
            f"{len(self.classes)} classes"
        )


def check_labels(labels: np.ndarray, classes: tuple[str, ...], *, part: str) -> None:
    """Refuse labels outside the classes, and classes without a sample.

    Raises
    ------
    ValueError
        Naming `part` and the label out of range, or the classes that are empty.
    """
    outside = labels[(labels < 0) | (labels >= len(classes))]
    if outside.size:
        raise ValueError(f"{part}: labels must be in 0-{len(classes) - 1}, got {int(outside[0])}")
    counts = np.bincount(labels, minlength=len(classes))
    empty = [name for name, count in zip(classes, counts, strict=True) if count == 0]
    if empty:
        raise ValueError(
            f"{part} has no image of class {', '.join(map(repr, empty))}; every class needs at least one: "
            "use a complete copy of the data or a larger fraction"
        )
