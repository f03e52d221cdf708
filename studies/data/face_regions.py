"""Face regions: cut images to the face that each shows, where they hold more than a face. Optional."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from torch import Tensor

from studies.data.dataset import ImageDataset, ImageSplit
from studies.data.face_detection import Detector, FoundFaces, find_faces, haar_cascade, require_opencv

__all__ = [
    "PRE_CROPPED",
    "SEVERAL",
    "Detector",
    "FoundFaces",
    "crop_faces",
    "crop_regions",
    "find_faces",
    "haar_cascade",
    "region",
]

PRE_CROPPED = ("affectnet-small", "cifar10", "cifar100", "digits", "faces", "fer2013", "ferplus")
"""Names of data sets whose images are crops already, or hold no scene around a face."""
SEVERAL = ("keep", "largest")


def crop_faces(
    dataset: ImageDataset,
    *,
    margin: float = 0.1,
    several: str = "keep",
    even_if_cropped: bool = False,
    threads: int | None = None,
    detector: Callable[[], Detector] | None = None,
) -> ImageDataset:
    """Cut the images of a data set to the face each shows; for pictures that hold more than a face.

    Images without a face, and by default those with several, stay as they are. Sets that are cropped already
    (`PRE_CROPPED`) are returned untouched unless asked for: the cascade expects some room around a face, and
    finds one in 198 of 300 FER-2013 crops only.

    Parameters
    ----------
    dataset : ImageDataset
        Grey or RGB images, best at their native size: the crops are enlarged to the size of the images.
    margin : float, default 0.1
        Room around the face on each side, part of the box's side, 0 to 2.
    several : {"keep", "largest"}
        What an image with several faces becomes: itself, or a crop of the largest.
    even_if_cropped : bool, default False
        Also search sets named in `PRE_CROPPED`.
    threads, detector
        As in `find_faces`.

    Returns
    -------
    ImageDataset
        Same parts, labels, ids and size; each part gains the group ``faces_found`` (int), and the
        description says how many images were cut and how many were not.

    Raises
    ------
    ImportError
        If OpenCV is missing or holds no cascades.
    ValueError
        If an argument is out of range, or the data are spectrograms.
    """
    if dataset.kind != "images":
        raise ValueError(f"face regions are for images, and {dataset.name} holds {dataset.kind}")
    _check_options(margin, several)
    if dataset.name in PRE_CROPPED and not even_if_cropped:
        return dataset
    parts: dict[str, ImageSplit] = {}
    results: list[FoundFaces] = []
    for name, split in dataset.parts().items():
        found = find_faces(split.images, threads=threads, detector=detector)
        images = crop_regions(split.images, found, margin=margin, several=several)
        parts[name] = replace(split, images=images, groups={**split.groups, "faces_found": found.counts})
        results.append(found)
    together = FoundFaces(
        counts=np.concatenate([found.counts for found in results]),
        boxes=np.concatenate([found.boxes for found in results]),
    )
    fate = "those without are whole" if several == "largest" else "the others are whole"
    note = f"cut to the face: {together.summary()}; {fate}"
    return replace(
        dataset,
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        description=f"{dataset.description}; {note}" if dataset.description else note,
    )


def crop_regions(images: Tensor, found: FoundFaces, *, margin: float = 0.1, several: str = "keep") -> Tensor:
    """Cut images to the faces found in them and enlarge the crops to the size of the images.

    A crop has the proportions of the image (a square image, a square crop), so nothing is stretched: the
    smallest such region that holds the box and its margin, moved into the image, and no larger than it.

    Parameters
    ----------
    images : Tensor, shape (N, C, H, W)
        uint8.
    found : FoundFaces
        Of these images.
    margin, several
        As in `crop_faces`.

    Returns
    -------
    Tensor, shape (N, C, H, W)
        uint8; rows without a crop are copies.

    Raises
    ------
    ValueError
        If an argument is out of range, or the lengths differ.
    """
    _check_options(margin, several)
    if len(found.counts) != len(images):
        raise ValueError(f"found must describe the {len(images)} images, got {len(found.counts)}")
    cv2 = require_opencv()
    height, width = images.shape[2:]
    cropped = images.clone()
    target = cropped.numpy()
    wanted = found.counts >= 1 if several == "largest" else found.counts == 1
    for index in np.flatnonzero(wanted):
        top, left, tall, wide = region(found.boxes[index], height=height, width=width, margin=margin)
        crop = target[index, :, top : top + tall, left : left + wide].transpose(1, 2, 0)
        enlarged = cv2.resize(crop, (width, height), interpolation=cv2.INTER_LINEAR)
        target[index] = enlarged.reshape(height, width, -1).transpose(2, 0, 1)
    return cropped


def region(box: np.ndarray, *, height: int, width: int, margin: float) -> tuple[int, int, int, int]:
    """Return top, left, height and width of the crop around a box, in whole pixels inside the image.

    Parameters
    ----------
    box : ndarray, shape (4,)
        Left, top, width, height in pixels.
    height, width : int
        Of the image.
    margin : float
        Part of the box's side on each side.

    Examples
    --------
    >>> region(np.array([40, 30, 20, 20]), height=100, width=100, margin=0.25)
    (25, 35, 30, 30)
    >>> region(np.array([0, 0, 20, 20]), height=100, width=200, margin=0.25)  # keeps 1 : 2, moved inside
    (0, 0, 30, 60)
    """
    left, top, wide, tall = (float(value) for value in box)
    share = min(1.0, max(tall * (1 + 2 * margin) / height, wide * (1 + 2 * margin) / width))
    rows, columns = max(1, round(share * height)), max(1, round(share * width))
    first_row = round(top + tall / 2 - rows / 2)
    first_column = round(left + wide / 2 - columns / 2)
    return min(max(0, first_row), height - rows), min(max(0, first_column), width - columns), rows, columns


def _check_options(margin: float, several: str) -> None:
    if not 0 <= margin <= 2:
        raise ValueError(f"margin must be 0 to 2 of the box's side, got {margin!r}")
    if several not in SEVERAL:
        raise ValueError(f"several must be one of {', '.join(SEVERAL)}, got {several!r}")
