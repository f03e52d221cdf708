"""FER-2013 from class folders of image files; the file names restore the official splits."""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np

from studies.data.dataset import EMOTIONS, ImageDataset
from studies.data.fer2013 import USAGES, official_dataset

ALIASES = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}
SUFFIXES = (".jpg", ".jpeg", ".png")
_FILE_NAME = re.compile(rf"({'|'.join(USAGES)})_(\w+)")


def load_folders(
    path: str | Path, *, validation_fraction: float = 0.1, test_split: str = "public"
) -> ImageDataset:
    """Read FER-2013 from ``train/<class>/Training_<id>.jpg`` and ``test/<class>/PublicTest_<id>.jpg``.

    Classes are mapped by folder name, with the usual aliases (anger, happiness, fearful, ...), never by the
    folders' alphabetical order. The prefix of a file's name (Training, PublicTest or PrivateTest) restores
    its official split, whichever folder it lies in. Samples are ordered by split and id. Hidden files and
    files without an image suffix (.jpg, .jpeg, .png) are passed over.

    Parameters
    ----------
    path : path
        The folder that holds ``train`` and ``test``.
    validation_fraction : float, default 0.1
        Part of Training held out, in (0, 1): the same images as from the CSV.
    test_split : {"public", "private"}
        Which official test split becomes `test`.

    Returns
    -------
    ImageDataset
        Ids are ``"<usage>/<id in the file name>"``.

    Raises
    ------
    ImportError
        If pillow is not installed.
    ValueError
        For a missing or unknown folder, a file name without a split, an id that occurs twice, an unreadable
        image, images of different sizes, an empty class, or a test split the folder does not have.
    """
    root = Path(path)
    files = list_files(root)
    images = read_images([file for _, _, _, file in files])
    return official_dataset(
        images,
        np.array([label for _, _, label, _ in files], dtype=np.int64),
        np.array([usage for usage, _, _, _ in files], dtype=np.int64),
        [f"{USAGES[usage]}/{sample}" for usage, sample, _, _ in files],
        source=str(root),
        validation_fraction=validation_fraction,
        test_split=test_split,
    )


def list_files(root: Path) -> list[tuple[int, str, int, Path]]:
    """Find the images: (index into `USAGES`, id, label, file), ordered by the first two.

    Raises
    ------
    ValueError
        See `load_folders`.
    """
    found: dict[tuple[int, str], tuple[int, Path]] = {}
    for part in ("train", "test"):
        if not (root / part).is_dir():
            raise ValueError(f"{root} has no folder {part!r}; expected {part}/<class>/<split>_<id>.jpg")
        for folder in sorted(p for p in (root / part).iterdir() if not p.name.startswith(".")):
            if not folder.is_dir():
                continue
            label = class_label(folder)
            for file in sorted(folder.iterdir()):
                if file.name.startswith(".") or file.suffix.lower() not in SUFFIXES:
                    continue
                match = _FILE_NAME.fullmatch(file.stem)
                if match is None:
                    raise ValueError(
                        f"{file}: the name must start with the official split, {'_, '.join(USAGES)}_, "
                        "followed by an id"
                    )
                key = (USAGES.index(match[1]), match[2])
                if key in found:
                    raise ValueError(f"{file} and {found[key][1]} carry the same id; each image stands once")
                found[key] = (label, file)
    if not found:
        raise ValueError(f"{root} holds no image; expected train/<class>/Training_<id>.jpg (or .png)")
    ordered = sorted(found.items(), key=lambda item: (item[0][0], len(item[0][1]), item[0][1]))
    return [(usage, sample, label, file) for (usage, sample), (label, file) in ordered]


def class_label(folder: Path) -> int:
    """Label of a class folder, by its name or alias.

    Examples
    --------
    >>> class_label(Path("train/Happiness"))
    3
    """
    name = folder.name.strip().lower()
    name = ALIASES.get(name, name)
    if name not in EMOTIONS:
        raise ValueError(
            f"{folder}: unknown class folder; expected {', '.join(EMOTIONS)} (or {', '.join(ALIASES)})"
        )
    return EMOTIONS.index(name)


def read_images(files: list[Path]) -> np.ndarray:
    """Decode image files to grey levels, in threads: uint8, shape (N, H, W).

    Raises
    ------
    ImportError
        If pillow is not installed.
    ValueError
        Naming the file that is truncated, no image, or of another size than the first.
    """
    Image, _ = require_pillow()

    def read(file: Path) -> np.ndarray:
        try:
            with Image.open(file) as image:
                return np.asarray(image.convert("L"))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(f"{file}: truncated or not an image ({error}); replace the file") from error

    first = read(files[0])
    images = np.empty((len(files), *first.shape), dtype=np.uint8)

    def fill(index: int) -> None:
        image = read(files[index])
        if image.shape != first.shape:
            raise ValueError(
                f"{files[index]}: all images must have one size, got {image.shape} here and {first.shape} in "
                f"{files[0]} (height, width)"
            )
        images[index] = image

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        # map re-raises the first failure, in file order
        for _ in pool.map(fill, range(len(files)), chunksize=64):
            pass
    return images


def require_pillow() -> tuple[ModuleType, ModuleType]:
    """Import pillow's ``Image`` and ``ImageDraw``, or say in one line how to install it."""
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise ImportError('image files need pillow: pip install "grn-pruning[fer]"') from error
    return Image, ImageDraw
