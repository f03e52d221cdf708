"""An image file to grey or colour levels: whatever it holds, the levels or one error that names it."""

import os
import stat
import warnings
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch

from studies.data.resize import check_image_size, resize_images

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""What is decoded, by content and not by suffix; nothing that calls another program (EPS)."""

MAX_PIXELS = 50_000_000
"""Largest image that is decoded; a header that claims more is refused before its pixels are touched."""

MAX_BYTES = 256 * 2**20
"""Largest file that is read."""

# Few system calls a file, and no waiting for a named pipe.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class UnreadableImageError(ValueError):
    """An image file that gives no pixels; `reason` says why, the message also names the file and a fix."""

    def __init__(self, file: Path, reason: str, fix: str = "replace the file") -> None:
        super().__init__(f"{file}: {reason}; {fix}, or pass over such files with skip_unreadable=True")
        self.file = file
        self.reason = reason


def decode_image(
    file: Path,
    *,
    channels: int,
    image_size: int | None = None,
    box: tuple[float, float, float, float] | None = None,
) -> np.ndarray:
    """Decode one image file.

    - The format is told by the content, among `FORMATS`; the suffix does not matter.
    - 16-bit grey is scaled (65,535 becomes 255), not clipped.
    - Transparent pixels (RGBA, LA, palettes and colours with transparency) are laid over black.
    - CMYK becomes RGB; RGB becomes grey by the luma of ITU-R BT.601.
    - The EXIF orientation is applied. Of an animation the first frame is taken.

    Parameters
    ----------
    file : path
        The file.
    channels : {1, 3}
        Grey or colour.
    image_size : int, optional
        Side in pixels of the square to bring the image to (areas are averaged); None keeps its size.
    box : tuple of float, optional
        Left, top, width and height in pixels of the part to keep; what lies outside the image is ignored.

    Returns
    -------
    ndarray
        uint8, shape (channels, H, W).

    Raises
    ------
    ImportError
        If pillow is not installed.
    UnreadableImageError
        A ValueError that names the file: missing, not permitted, empty, not an image, cut off, damaged, of
        more than `MAX_PIXELS` pixels or `MAX_BYTES` bytes, with levels of no agreed range (floating point,
        32 bit), or with a box outside the image.
    """
    check_channels(channels)
    if image_size is not None:
        check_image_size(image_size)
    require_pillow()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pillow's warnings about metadata do not say which file
        return decode_bytes(file, read_bytes(file), channels, image_size, box)


def read_bytes(file: Path) -> bytes:
    """Read a whole file of at most `MAX_BYTES`.

    Raises
    ------
    UnreadableImageError
        If it is missing, not permitted, no regular file, empty or too large.
    """
    try:
        descriptor = os.open(file, _FLAGS)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableImageError(file, "not a regular file")
            if status.st_size == 0:
                raise UnreadableImageError(file, "empty (0 bytes)")
            if status.st_size > MAX_BYTES:
                raise UnreadableImageError(
                    file, f"{status.st_size / 2**20:,.0f} MiB, and at most {MAX_BYTES >> 20} MiB are read"
                )
            data = os.read(descriptor, status.st_size)
            while len(data) < status.st_size and (more := os.read(descriptor, status.st_size - len(data))):
                data += more
            return data
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UnreadableImageError(
            file, f"cannot be read ({error.strerror or error})", "check the path and its permissions"
        ) from error


def decode_bytes(
    file: Path,
    data: bytes,
    channels: int,
    image_size: int | None = None,
    box: tuple[float, ...] | None = None,
) -> np.ndarray:
    """Decode what `read_bytes` gave; as `decode_image`, with its checks of arguments done."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(BytesIO(data), formats=FORMATS) as opened:
            width, height = opened.size
            if width * height > MAX_PIXELS:
                raise UnreadableImageError(
                    file, f"{width:,}×{height:,} pixels, and at most {MAX_PIXELS:,} are decoded"
                )
            opened.load()
            image: PillowImage = ImageOps.exif_transpose(opened)
            if box is not None:
                image = _cut(image, box, file)
            image = _as_levels(image, channels, file)
            if image_size is not None:
                # Far too large: whole blocks of pixels are averaged first, in bounded memory.
                image = image.reduce(max(1, min(image.size) // (4 * image_size)))
            levels = np.array(image).reshape(image.height, image.width, channels).transpose(2, 0, 1)
    except UnreadableImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImageError(
            file, f"its header claims more than the {MAX_PIXELS:,} pixels that are decoded"
        ) from error
    except UnidentifiedImageError as error:
        raise UnreadableImageError(
            file, f"not an image, or its header is damaged (read are {', '.join(FORMATS)})"
        ) from error
    # Pillow's decoders answer damaged files with any kind of exception: struct.error, KeyError, zlib.error...
    except Exception as error:
        raise UnreadableImageError(
            file, f"truncated or damaged ({type(error).__name__}: {str(error)[:200]})"
        ) from error
    if image_size is None or levels.shape[1:] == (image_size, image_size):
        return np.ascontiguousarray(levels)
    return resize_images(torch.from_numpy(np.ascontiguousarray(levels))[None], image_size)[0].numpy()


def _cut(image: "PillowImage", box: tuple[float, ...], file: Path) -> "PillowImage":
    left, top, width, height = box
    corners = (max(0.0, left), max(0.0, top), min(image.width, left + width), min(image.height, top + height))
    inside = (round(corners[0]), round(corners[1]), round(corners[2]), round(corners[3]))
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        raise UnreadableImageError(
            file,
            f"the face box (left {left:g}, top {top:g}, {width:g}×{height:g}) lies outside its "
            f"{image.width}×{image.height} pixels",
            "correct the box",
        )
    return image.crop(inside)


def _as_levels(image: "PillowImage", channels: int, file: Path) -> "PillowImage":
    """Convert any mode of pillow to L or RGB."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits, also where pillow holds them in 32
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() > 65_535:
            raise UnreadableImageError(
                file, f"32-bit levels from {deep.min()} to {deep.max()}", "save it with 8 or 16 bits"
            )
        image = Image.fromarray(np.rint(deep / np.float32(257)).astype(np.uint8))
    elif image.mode == "F":
        raise UnreadableImageError(file, "floating-point levels, of no agreed range", "save it with 8 bits")
    elif image.has_transparency_data:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, (0, 0, 0, 255)), over)
    return image.convert("L" if channels == 1 else "RGB")


def is_coloured(data: bytes) -> bool:
    """Tell whether a file's header says colour; what cannot be opened is reported when it is decoded."""
    from PIL import Image

    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            return image.mode not in ("1", "L", "LA", "La", "F") and not image.mode.startswith("I")
    except Exception:
        return False


def check_channels(channels: int) -> None:
    """Refuse anything but 1 and 3."""
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (colour), got {channels!r}")


def require_pillow() -> tuple[ModuleType, ModuleType]:
    """Import pillow's ``Image`` and ``ImageDraw``, or say in one line how to install it."""
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise ImportError('image files need pillow: pip install "grn-pruning[fer]"') from error
    return Image, ImageDraw
