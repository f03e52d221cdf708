"""CIFAR-10 and CIFAR-100 in their official binary and python layouts; no pickle is executed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from studies.data.cache import cached_arrays
from studies.data.dataset import ImageDataset, ImageSplit, check_labels
from studies.data.safe_pickle import PickledArray, read_pickle
from studies.data.splits import content_keys, hold_out

SHAPE = (3, 32, 32)
VALUES = 3 * 32 * 32

_MOST_BYTES = 1 << 29
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Layout:
    """One official layout: its usual folder, its files, and where it keeps label and names.

    Parameters
    ----------
    folder : str
        Folder in the archive as published.
    classes : int
        10 or 100.
    train : tuple of str
        Training files in order.
    test : str
        Test file.
    names : str
        File of the class names.
    python : bool
        Whether the files are pickles.
    """

    folder: str
    classes: int
    train: tuple[str, ...]
    test: str
    names: str
    python: bool

    @property
    def files(self) -> tuple[str, ...]:
        """All files, in the order in which they are read."""
        return (*self.train, self.test, self.names)


LAYOUTS = (
    Layout(
        "cifar-10-batches-bin",
        10,
        tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
        "test_batch.bin",
        "batches.meta.txt",
        False,
    ),
    Layout("cifar-100-binary", 100, ("train.bin",), "test.bin", "fine_label_names.txt", False),
    Layout(
        "cifar-10-batches-py",
        10,
        tuple(f"data_batch_{i}" for i in range(1, 6)),
        "test_batch",
        "batches.meta",
        True,
    ),
    Layout("cifar-100-python", 100, ("train",), "test", "meta", True),
)


def detects(path: Path) -> bool:
    """Say whether `path` is a folder in an official layout of CIFAR, or holds one under its official name.

    Examples
    --------
    >>> detects(Path("."))
    False
    """
    return bool(_found(path))


def load_cifar(path: Path, *, validation_fraction: float = 0.1, cache: bool = False) -> ImageDataset:
    """Read CIFAR-10 or CIFAR-100 from the official files, binary or python.

    Binary records are a label (CIFAR-100: the coarse, then the fine one) and 3,072 levels: red, green, blue,
    each 32×32 row by row. The python files are pickles, whose plain data are read by `read_pickle` without
    executing anything. The classes are the fine ones of CIFAR-100, named by the files themselves.

    Parameters
    ----------
    path : path
        The folder with the files, or its parent if the folder has its official name.
    validation_fraction : float, default 0.1
        Part of the training images held out, in (0, 1): stratified, by content, the same for every seed.
    cache : bool, default False
        Keep what was read in the cache of `cached_arrays`.

    Returns
    -------
    ImageDataset
        Colour images, uint8, 3×32×32. Ids are ``"train/<row>"`` and ``"test/<row>"``, in the order of the
        files.

    Raises
    ------
    ValueError
        Naming the file that is missing, truncated, malformed, or asks for more than plain data; if two
        layouts lie in one folder; or if a class is empty.

    References
    ----------
    Krizhevsky (2009), *Learning multiple layers of features from tiny images*, University of Toronto.
    """
    found = _found(Path(path))
    if len(found) != 1:
        what = "is in no official layout of CIFAR" if not found else "holds more than one layout of CIFAR"
        raise ValueError(
            f"{path} {what}; expected the files of one of {', '.join(layout.folder for layout in LAYOUTS)}, "
            "e.g. " + ", ".join(LAYOUTS[0].files)
        )
    root, layout = found[0]
    arrays = cached_arrays(
        f"cifar{layout.classes}",
        [root / name for name in layout.files],
        lambda: read_files(root, layout),
        settings={"format": 1},
        enabled=cache,
    )
    classes = tuple(str(name) for name in arrays["classes"])

    def part(name: str) -> ImageSplit:
        labels = arrays[f"{name}_labels"]
        check_labels(labels, classes, part=f"{root}: {name}")
        return ImageSplit(
            images=torch.from_numpy(arrays[f"{name}_images"]),
            labels=torch.from_numpy(labels),
            ids=[f"{name}/{row:05d}" for row in range(len(labels))],
        )

    test = part("test")
    train, validation = hold_out(
        part("train"),
        validation_fraction,
        classes=classes,
        purpose="validation",
        keys=arrays["train_keys"],
    )
    return ImageDataset(
        name=f"cifar{layout.classes}",
        classes=classes,
        train=train,
        validation=validation,
        test=test,
        test_name="test",
        description=(
            f"CIFAR-{layout.classes}: 32×32 colour photographs in {layout.classes} classes; official test "
            "part, validation a fixed stratified part of the training images"
        ),
    )


def _found(path: Path) -> list[tuple[Path, Layout]]:
    found = []
    for layout in LAYOUTS:
        # The first training file, the test and the names tell the layout; a missing batch is an error later.
        needed = (layout.train[0], layout.test, layout.names)
        found += [
            (root, layout)
            for root in (path, path / layout.folder)
            if all((root / name).is_file() for name in needed)
        ]
    return found


def read_files(root: Path, layout: Layout) -> dict[str, np.ndarray]:
    """Read all files of a layout.

    Returns
    -------
    dict of str to ndarray
        ``classes`` (names), ``train_images`` (N, 3, 32, 32) uint8, ``train_labels`` (N,) int64,
        ``train_keys`` (N,) uint64, ``test_images`` and ``test_labels``.

    Raises
    ------
    ValueError
        See `load_cifar`.
    """
    missing = [name for name in layout.files if not (root / name).is_file()]
    if missing:
        raise ValueError(f"{root} has no {', '.join(missing)}; unpack the whole archive {layout.folder}")
    names = (_python_names if layout.python else _text_names)(root / layout.names, layout.classes)
    read: Callable[[Path, int], tuple[np.ndarray, np.ndarray]] = (
        _read_python if layout.python else _read_binary
    )
    batches = [read(root / name, layout.classes) for name in layout.train]
    for name, (_, labels) in zip(layout.train, batches, strict=True):
        if len(labels) != len(batches[0][1]):
            raise ValueError(
                f"{root / name}: holds {len(labels):,} images and {layout.train[0]} {len(batches[0][1]):,}; "
                "the batches as published are of one size"
            )
    images = np.concatenate([pixels for pixels, _ in batches]).reshape(-1, *SHAPE)
    test_images, test_labels = read(root / layout.test, layout.classes)
    return {
        "classes": np.array(names),
        "train_images": images,
        "train_labels": np.concatenate([labels for _, labels in batches]),
        "train_keys": content_keys(images, purpose="validation"),
        "test_images": np.array(test_images).reshape(-1, *SHAPE),
        "test_labels": test_labels,
    }


def _read_binary(path: Path, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 3072) uint8 and labels (N,) int64 of one binary file."""
    label_bytes = 1 if classes == 10 else 2
    record = label_bytes + VALUES
    size = path.stat().st_size
    if size == 0 or size % record or size > _MOST_BYTES:
        raise ValueError(
            f"{path}: {size:,} bytes are not a whole number of records of {record:,} bytes; "
            "truncated, or not a CIFAR file"
        )
    records = np.fromfile(path, dtype=np.uint8).reshape(-1, record)
    labels = records[:, label_bytes - 1].astype(np.int64)
    if label_bytes == 2:
        _check_range(records[:, 0], 20, path, what="coarse labels")
    _check_range(labels, classes, path, what="labels")
    return records[:, label_bytes:], labels


def _read_python(path: Path, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 3072) uint8 and labels (N,) int64 of one python batch."""
    key = "labels" if classes == 10 else "fine_labels"
    batch = _entries(path)
    if not isinstance(batch.get("data"), PickledArray) or not isinstance(batch.get(key), list):
        raise ValueError(f"{path}: expected an array 'data' and a list {key!r}; not a CIFAR batch")
    try:
        pixels = batch["data"].array()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    found = batch[key]
    if pixels.ndim != 2 or pixels.shape[1] != VALUES or len(pixels) != len(found) or not found:
        raise ValueError(
            f"{path}: data must have shape (N, {VALUES}) with N > 0 labels, got {pixels.shape} and "
            f"{len(found):,} labels"
        )
    wrong = [label for label in found if type(label) is not int]
    if wrong:
        raise ValueError(f"{path}: {key} must be integers, got a {type(wrong[0]).__name__}")
    labels = np.array(found, dtype=np.int64)
    _check_range(labels, classes, path, what=key)
    return pixels, labels


def _check_range(labels: np.ndarray, classes: int, path: Path, *, what: str) -> None:
    outside = labels[(labels < 0) | (labels >= classes)]
    if outside.size:
        raise ValueError(f"{path}: {what} must be in 0-{classes - 1}, got {int(outside[0])}")


def _entries(path: Path) -> dict[str, Any]:
    """The dict in a pickle; its keys are texts in Python 2's files and may be bytes in others."""
    found = read_pickle(path)
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected a dict, got a {type(found).__name__}; not a CIFAR file")
    return {key.decode("latin-1") if isinstance(key, bytes) else str(key): found[key] for key in found}


def _text_names(path: Path, classes: int) -> list[str]:
    with path.open("rb") as file:
        content = file.read(1 << 16)
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8 text; expected one class name a line") from None
    return _checked_names([line.strip() for line in lines if line.strip()], classes, path)


def _python_names(path: Path, classes: int) -> list[str]:
    key = "label_names" if classes == 10 else "fine_label_names"
    names = _entries(path).get(key)
    if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
        raise ValueError(f"{path}: expected a list of names {key!r}; not a CIFAR meta file")
    texts = [name.decode("latin-1") if isinstance(name, bytes) else name for name in names]
    return _checked_names(texts, classes, path)


def _checked_names(names: list[str], classes: int, path: Path) -> list[str]:
    if len(names) != classes or len(set(names)) != classes:
        raise ValueError(
            f"{path}: must name {classes} different classes, got {len(names)} names, "
            f"{len(set(names))} of them different"
        )
    for name in names:
        if not (name.isprintable() and name.strip() and len(name) <= _LONGEST_NAME):
            raise ValueError(f"{path}: class names must be short printable texts, got {name[:24]!r}")
    return names
