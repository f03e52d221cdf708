"""FER-2013 from class folders of image files; the file names restore the official splits."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from studies.data.dataset import EMOTIONS, ImageDataset
from studies.data.emotion_names import ALIASES, emotion_of
from studies.data.fer2013 import USAGES, official_dataset
from studies.data.file_batches import MixedSizesError, decode_files
from studies.data.file_trees import image_names, subfolders
from studies.data.labelled_files import ImageReading, cached_decoding

SUFFIXES = (".jpg", ".jpeg", ".png")
_FILE_NAME = re.compile(rf"({'|'.join(USAGES)})_(\w+)")


def load_folders(
    path: str | Path,
    *,
    validation_fraction: float = 0.1,
    test_split: str = "public",
    reading: ImageReading | None = None,
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
    reading : ImageReading, optional
        Unreadable files and cache; images are read as grey levels, at their own size wherever they share one,
        and only otherwise at `image_size`.

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
    listed = list_files(root)
    reading = ImageReading() if reading is None else reading
    arrays = _decode([file for _, _, _, file in listed], reading)
    kept = [listed[index] for index in arrays["kept"].tolist()]
    dataset = official_dataset(
        arrays["images"][:, 0],
        np.array([label for _, _, label, _ in kept], dtype=np.int64),
        np.array([usage for usage, _, _, _ in kept], dtype=np.int64),
        [f"{USAGES[usage]}/{sample}" for usage, sample, _, _ in kept],
        source=str(root),
        validation_fraction=validation_fraction,
        test_split=test_split,
    )
    return replace(dataset, skipped=tuple(str(line) for line in arrays["skipped"]))


def _decode(files: list[Path], reading: ImageReading) -> dict[str, np.ndarray]:
    def decode() -> dict[str, np.ndarray]:
        try:
            decoded = decode_files(files, channels=1, skip_unreadable=reading.skip_unreadable)
        except MixedSizesError:
            if reading.image_size is None:
                raise
            decoded = decode_files(
                files, channels=1, image_size=reading.image_size, skip_unreadable=reading.skip_unreadable
            )
        skipped = np.array(decoded.skipped, dtype=np.str_)
        return {"images": decoded.images, "kept": decoded.kept, "skipped": skipped}

    return cached_decoding("fer2013-folders", files, decode, reading)


def is_fer2013(root: Path) -> bool:
    """Tell whether a class folder below ``train`` or ``test`` holds a file named by an official split."""
    return any(
        name.startswith(tuple(f"{usage}_" for usage in USAGES))
        for part in ("train", "test")
        if (root / part).is_dir()
        for folder in subfolders(root / part)
        for name in image_names(folder)
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
    name = emotion_of(folder.name)
    if name not in EMOTIONS:
        aliases = [alias for alias, emotion in ALIASES.items() if emotion in EMOTIONS]
        raise ValueError(
            f"{folder}: unknown class folder; expected {', '.join(EMOTIONS)} (or {', '.join(aliases)})"
        )
    return EMOTIONS.index(name)
