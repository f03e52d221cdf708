"""Finding faces in images with OpenCV's cascade, in threads."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

CASCADE = "haarcascade_frontalface_default.xml"

_SCALE_STEP = 1.1  # between the sizes at which faces are sought
_NEIGHBOURS = 4  # overlapping hits that make a face
_LEAST_SIDE, _MOST_SIDE = 160, 640  # pixels; images are enlarged or shrunk to this for the search alone
_ROOM = 0.1  # part of each side by which the border is repeated outwards: the cascade misses tight crops

Detector = Callable[[np.ndarray], np.ndarray]
"""Takes grey levels (H, W) uint8, gives boxes (faces, 4): left, top, width, height in pixels."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FoundFaces:
    """What a search found in N images.

    Parameters
    ----------
    counts : ndarray
        Number of faces in each image, int64, shape (N,).
    boxes : ndarray
        Box of the largest face: left, top, width, height in pixels of the image, float64, shape (N, 4); zeros
        where there is none. It may reach a little over the border.
    """

    counts: np.ndarray
    boxes: np.ndarray

    def summary(self) -> str:
        """One line: how many images hold one face, none, or several.

        Examples
        --------
        >>> FoundFaces(counts=np.array([1, 1, 0, 2]), boxes=np.zeros((4, 4))).summary()
        'one face in 2 of 4 images, none in 1, several in 1'
        """
        one, none = int((self.counts == 1).sum()), int((self.counts == 0).sum())
        several = len(self.counts) - one - none
        return f"one face in {one:,} of {len(self.counts):,} images, none in {none:,}, several in {several:,}"


def find_faces(
    images: Tensor, *, threads: int | None = None, detector: Callable[[], Detector] | None = None
) -> FoundFaces:
    """Find the faces in images, in threads.

    Images whose shorter side is below 160 pixels are enlarged for the search, those whose longer side is
    above 640 pixels shrunk; their border is repeated outwards by a tenth of each side, without which the
    cascade misses faces that fill the image. A face must span at least a sixth of the shorter side.

    Parameters
    ----------
    images : Tensor, shape (N, C, H, W)
        uint8, grey (C = 1) or RGB (C = 3).
    threads : int, optional
        Images searched at a time, at least 1; None takes the processors, at most 8. The result does not
        depend on it.
    detector : callable, optional
        Makes a `Detector`, one a thread; None takes `haar_cascade`.

    Returns
    -------
    FoundFaces

    Raises
    ------
    ImportError
        If OpenCV is missing or holds no cascades.
    ValueError
        If the images are not as above, or `threads` is below 1.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"images must be uint8 of shape (N, 1, H, W) or (N, 3, H, W), got {images.dtype} of shape "
            f"{tuple(images.shape)}"
        )
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    cv2 = require_opencv()
    make = haar_cascade if detector is None else detector
    make()  # says what is missing before any work
    height, width = images.shape[2:]
    zoom = min(max(1.0, _LEAST_SIDE / min(height, width)), _MOST_SIDE / max(height, width))
    size = (max(1, round(width * zoom)), max(1, round(height * zoom)))
    stretch = np.array([width / size[0], height / size[1]] * 2)
    right, down = round(_ROOM * size[0]), round(_ROOM * size[1])
    pixels = images.numpy()
    counts = np.zeros(len(images), dtype=np.int64)
    boxes = np.zeros((len(images), 4))
    own = threading.local()  # a cascade keeps state while it searches

    def search(index: int) -> None:
        if not hasattr(own, "detect"):
            own.detect = make()
        image = pixels[index]
        grey = (
            image[0] if len(image) == 1 else cv2.cvtColor(image.transpose(1, 2, 0).copy(), cv2.COLOR_RGB2GRAY)
        )
        if size != (width, height):
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC if zoom > 1 else cv2.INTER_AREA)
        grey = cv2.copyMakeBorder(grey, down, down, right, right, cv2.BORDER_REPLICATE)
        found = own.detect(grey) - np.array([right, down, 0, 0])
        counts[index] = len(found)
        if len(found):
            boxes[index] = found[np.argmax(found[:, 2] * found[:, 3])] * stretch

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)  # whole images are shared out instead; the setting is the process's
    try:
        with ThreadPoolExecutor(max_workers=threads or min(8, os.cpu_count() or 1)) as pool:
            for _ in pool.map(search, range(len(images))):
                pass
    finally:
        cv2.setNumThreads(before)
    return FoundFaces(counts=counts, boxes=boxes)


def haar_cascade() -> Detector:
    """Make a detector of upright frontal faces from the cascade that OpenCV 4 bundles.

    Raises
    ------
    ImportError
        If OpenCV is missing or holds no cascades.

    References
    ----------
    Viola & Jones (2001), *Rapid object detection using a boosted cascade of simple features*, CVPR.
    """
    cv2 = require_opencv()
    folder = Path(getattr(getattr(cv2, "data", None), "haarcascades", ""))
    if not hasattr(cv2, "CascadeClassifier") or not (folder / CASCADE).is_file():
        raise ImportError(
            f"face regions need OpenCV 4 with its cascade, {CASCADE}, and OpenCV {cv2.__version__} has none: "
            'pip install "opencv-python-headless>=4.12,<5"'
        )
    cascade = cv2.CascadeClassifier(str(folder / CASCADE))

    def detect(grey: np.ndarray) -> np.ndarray:
        least = max(24, round(min(grey.shape) / 7))  # the cascade's own window is 24 pixels
        found = cascade.detectMultiScale(
            grey, scaleFactor=_SCALE_STEP, minNeighbors=_NEIGHBOURS, minSize=(least, least)
        )
        return np.asarray(found, dtype=np.int64).reshape(-1, 4)

    return detect


def require_opencv() -> ModuleType:
    """Import OpenCV, or say in one line how to install it."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError('face regions need OpenCV: pip install "grn-pruning[fer]"') from error
    return cv2
