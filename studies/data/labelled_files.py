"""A list of labelled image files, and how to read it: what the readers of image files share."""

import hashlib
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from studies.data.dataset import ImageDataset, ImageSplit
from studies.data.file_batches import decode_files
from studies.data.grouped_splits import TEST_FRACTION, hold_out_groups
from studies.data.splits import hold_out

_VERSION = 2  # of what the cache holds: raise it when the same file gives other pixels or notes


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageReading:
    """How image files are read."""

    image_size: int | None = None  # side in pixels to bring all to; None keeps their size, which must be one
    channels: int | None = None  # 1 grey, 3 colour; None is colour if any file is
    skip_unreadable: bool = False  # pass over files that give no pixels, and list them
    cache: bool = False  # keep the decoded images, memory-mapped, for the next start


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelledFiles:
    """Image files with what a format says about each."""

    files: Sequence[Path]
    labels: np.ndarray  # class indices, (N,)
    ids: Sequence[str]
    groups: dict[str, np.ndarray] = field(default_factory=dict)
    boxes: np.ndarray | None = None  # left, top, width, height in pixels of the part to keep, (N, 4)


def read_labelled_files(
    name: str, listed: LabelledFiles, reading: ImageReading
) -> tuple[ImageSplit, tuple[str, ...]]:
    """Decode the files; the group ``"content"`` gets a digest of each file's bytes.

    Parameters
    ----------
    name : str
        The reader's name, for the cache.
    listed : LabelledFiles
        At least one file.
    reading : ImageReading
        Size, channels, what to do with unreadable files, cache.

    Returns
    -------
    tuple
        The samples that could be read, in order, and the files that could not, each with the reason.

    Raises
    ------
    ImportError, ValueError
        As `decode_files`.
    """

    def decode() -> dict[str, np.ndarray]:
        decoded = decode_files(
            listed.files,
            channels=reading.channels,
            image_size=reading.image_size,
            skip_unreadable=reading.skip_unreadable,
            boxes=listed.boxes,
        )
        return {
            "images": decoded.images,
            "kept": decoded.kept,
            "content": decoded.content,
            "skipped": np.array(decoded.skipped, dtype=np.str_),
            "note": np.array([decoded.note], dtype=np.str_),
        }

    arrays = cached_decoding(name, listed.files, decode, reading, boxes=listed.boxes)
    if arrays["note"][0]:
        warnings.warn(str(arrays["note"][0]), stacklevel=2)
    kept = np.array(arrays["kept"])
    split = ImageSplit(
        images=torch.from_numpy(_own(arrays["images"])),
        labels=torch.from_numpy(np.asarray(listed.labels, dtype=np.int64)[kept]),
        ids=[listed.ids[index] for index in kept.tolist()],
        groups={key: np.asarray(values)[kept] for key, values in listed.groups.items()}
        | {"content": np.array(arrays["content"])},
    )
    return split, tuple(str(line) for line in arrays["skipped"])


def cached_decoding(
    name: str,
    files: Sequence[Path],
    decode: Callable[[], dict[str, np.ndarray]],
    reading: ImageReading,
    *,
    boxes: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Decode, or take what an earlier start decoded from the same files in the same way."""
    if not reading.cache:
        return decode()
    from studies.data.cache import cached_arrays

    # A file that became readable has its old size and date: permissions are part of the key.
    readable = [os.access(file, os.R_OK) for file in files]
    listed = hashlib.blake2b(digest_size=16)
    for file, there in zip(files, readable, strict=True):
        listed.update(f"{file}\0{there}\n".encode(errors="surrogateescape"))
    if boxes is not None:
        listed.update(np.ascontiguousarray(boxes, dtype=np.float64).tobytes())
    return cached_arrays(
        name,
        [file for file, there in zip(files, readable, strict=True) if there],
        decode,
        settings={
            "version": _VERSION,
            "image_size": reading.image_size,
            "channels": reading.channels,
            "skip_unreadable": reading.skip_unreadable,
            "listed": listed.hexdigest(),
        },
    )


def split_by_subject(
    everything: ImageSplit,
    *,
    name: str,
    classes: tuple[str, ...],
    split: str,
    validation_fraction: float,
    description: str,
    skipped: tuple[str, ...],
) -> ImageDataset:
    """Cut a set without official parts into three, by its group ``"subject"`` (or at random, if asked for).

    Parameters
    ----------
    everything : ImageSplit
        All samples, with the groups ``"subject"`` and ``"content"``.
    name, description, skipped
        As in `ImageDataset`.
    classes : tuple of str
        Class names.
    split : {"auto", "subject", "random"}
        ``"auto"`` is by subject.
    validation_fraction : float
        Part of what is not test, in (0, 1).

    Returns
    -------
    ImageDataset
        The test part holds about `TEST_FRACTION` of every class.

    Raises
    ------
    ValueError
        For another `split`, or subjects that cannot be divided with every class on each side.
    """
    check_split(split, ("auto", "subject", "random"), what=name)
    by = "random" if split == "random" else "subject"
    rest = everything
    parts = {}
    for purpose, fraction in (("test", TEST_FRACTION), ("validation", validation_fraction)):
        if by == "subject":
            rest, parts[purpose] = hold_out_groups(
                rest, fraction, groups=rest.groups["subject"], classes=classes, purpose=purpose, by="subject"
            )
        else:
            rest, parts[purpose] = hold_out(
                rest,
                fraction,
                classes=classes,
                purpose=purpose,
            )
    how = (
        "parts share no subject"
        if by == "subject"
        else "parts drawn at random as asked for, so that subjects stand on both sides"
    )
    return ImageDataset(
        name=name,
        classes=classes,
        train=rest,
        validation=parts["validation"],
        test=parts["test"],
        test_name="held-out subjects" if by == "subject" else "random",
        description=f"{description}; {how}",
        split_by=by,
        skipped=skipped,
    )


def check_split(split: str, known: tuple[str, ...], *, what: str) -> None:
    """Refuse a way of splitting that a format does not offer."""
    if split not in known:
        raise ValueError(f"split must be one of {', '.join(map(repr, known))} for {what}, got {split!r}")


def _own(array: np.ndarray) -> np.ndarray:
    """Return `array` itself if it may be written to; a read-only map is copied into memory."""
    return array if array.flags.writeable and not isinstance(array, np.memmap) else np.array(array)
