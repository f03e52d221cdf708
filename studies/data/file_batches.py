"""Many image files to one array, in threads; unreadable ones are an error or are passed over and listed."""

import hashlib
import os
import threading
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studies.data.decoding import (
    UnreadableImageError,
    check_channels,
    decode_bytes,
    is_coloured,
    read_bytes,
    require_pillow,
)
from studies.data.resize import check_image_size

_BLOCK = 32  # files a task: 30,000 small images would drown in bookkeeping one by one


class MixedSizesError(ValueError):
    """Images of several sizes where one size was needed."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DecodedFiles:
    """Images of the files that could be read."""

    images: np.ndarray  # uint8, (kept, channels, H, W)
    kept: np.ndarray  # positions of these files in the list, int64, ascending
    content: np.ndarray  # digest of each file's bytes, uint64: the same for copies, whatever the image size
    skipped: tuple[str, ...]  # "path: reason" of the others
    note: str = ""  # what the caller may want to say: a few files in colour made all of them coloured


def decode_files(
    files: Sequence[Path],
    *,
    channels: int | None,
    image_size: int | None = None,
    skip_unreadable: bool = False,
    boxes: np.ndarray | None = None,
) -> DecodedFiles:
    """Decode image files in threads, each as `decode_image` does.

    Parameters
    ----------
    files : sequence of path
        At least one.
    channels : {1, 3} or None
        Grey or colour; None gives colour if any file's header says colour (palettes count), else grey.
    image_size : int, optional
        Side in pixels to bring all images to; None keeps their size, which must then be one.
    skip_unreadable : bool, default False
        Pass over unreadable files and list them; otherwise the first of them, in the order of `files`, is
        the error.
    boxes : ndarray, optional
        Left, top, width and height of the part of each image to keep, shape (N, 4).

    Returns
    -------
    DecodedFiles

    Raises
    ------
    ImportError
        If pillow is not installed.
    UnreadableImageError
        Naming the first unreadable file.
    MixedSizesError
        A ValueError that names the first file of another size, where no `image_size` is given.
    ValueError
        If there is no file, none can be read, or an argument is out of range.
    """
    if channels is not None:
        check_channels(channels)
    if image_size is not None:
        check_image_size(image_size)
    if not files:
        raise ValueError("there is no image file to decode")
    unsettled = channels is None
    Image, _ = require_pillow()
    Image.init()  # all formats are registered before threads look for them
    with warnings.catch_warnings(), ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")  # as above; set here, because filters belong to the whole process
        blocks = [range(start, min(start + _BLOCK, len(files))) for start in range(0, len(files), _BLOCK)]
        if channels is None:
            channels = 3 if _any_coloured(files, blocks, pool) else 1
        count_colours = unsettled and channels == 3
        return _decode_blocks(
            files, blocks, pool, channels, image_size, skip_unreadable, boxes, count_colours=count_colours
        )


def _any_coloured(files: Sequence[Path], blocks: list[range], pool: ThreadPoolExecutor) -> bool:
    """Look into the headers until one says colour."""
    found = threading.Event()

    def look(block: range) -> None:
        for index in block:
            if found.is_set():
                return
            try:
                if is_coloured(read_bytes(files[index])):
                    found.set()
            except UnreadableImageError:  # told when it is decoded
                continue

    for _ in pool.map(look, blocks):
        pass
    return found.is_set()


def _colour_note(files: Sequence[Path], coloured: np.ndarray) -> str:
    """Say which files made all of them coloured, where they are the fewer."""
    count = int(coloured.sum())
    if not 0 < count < len(files) / 2:
        return ""
    return (
        f"{count:,} of {len(files):,} images are in colour, the first of them "
        f"{files[int(coloured.argmax())]}: all are read in colour; channels=1 reads all as grey"
    )


def _decode_blocks(
    files: Sequence[Path],
    blocks: list[range],
    pool: ThreadPoolExecutor,
    channels: int,
    image_size: int | None,
    skip_unreadable: bool,
    boxes: np.ndarray | None,
    *,
    count_colours: bool,
) -> DecodedFiles:
    coloured = np.zeros(len(files), dtype=bool)

    def decode(index: int) -> tuple[np.ndarray, int]:
        data = read_bytes(files[index])
        if count_colours:
            coloured[index] = is_coloured(data)
        box = None if boxes is None else tuple(boxes[index].tolist())
        digest = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
        return decode_bytes(files[index], data, channels, image_size, box), digest

    reasons: dict[int, str] = {}
    for first in range(len(files)):  # the first readable file tells the size of all
        try:
            shape = decode(first)[0].shape
        except UnreadableImageError as error:
            if not skip_unreadable:
                raise
            reasons[first] = error.reason
        else:
            break
    else:
        raise ValueError(
            f"none of the {len(files):,} image files can be read; the first: {files[0]}: {reasons[0]}"
        )
    images = np.empty((len(files), *shape), dtype=np.uint8)
    content = np.empty(len(files), dtype=np.uint64)

    def fill(block: range) -> dict[int, str]:
        failed = {}
        for index in block:
            try:
                image, content[index] = decode(index)
            except UnreadableImageError as error:
                if not skip_unreadable:
                    raise
                failed[index] = error.reason
                continue
            if image.shape != shape:
                raise MixedSizesError(
                    f"{files[index]}: all images must have one size, got {image.shape[1:]} here and "
                    f"{shape[1:]} in {files[first]} (height, width); image_size=48 would bring all to 48×48"
                )
            images[index] = image
        return failed

    for failed in pool.map(fill, blocks):  # re-raises the first failure, in file order
        reasons |= failed
    kept = np.setdiff1d(np.arange(len(files)), np.fromiter(reasons, dtype=np.int64, count=len(reasons)))
    whole = len(kept) == len(files)
    return DecodedFiles(
        images=images if whole else images[kept],
        kept=kept,
        content=content if whole else content[kept],
        skipped=tuple(f"{files[index]}: {reasons[index]}" for index in sorted(reasons)),
        note=_colour_note(files, coloured),
    )
