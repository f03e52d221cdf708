"""AffectNet in its original layout: two CSV lists and a tree of photographs."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from studies.data.dataset import EMOTIONS, ImageDataset
from studies.data.emotion_names import EIGHT_EMOTIONS
from studies.data.file_trees import folder_holding, folders_below
from studies.data.labelled_files import ImageReading, LabelledFiles, read_labelled_files
from studies.data.splits import hold_out

CODES = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
"""AffectNet's expressions 0-7."""

NO_EXPRESSION = {8: "none", 9: "uncertain", 10: "no face"}
"""Expressions that are no class; such images are left out, and counted."""

LISTS = {"training": "training.csv", "validation": "validation.csv"}
_PATH = "subDirectory_filePath"
_BOX = ("face_x", "face_y", "face_width", "face_height")


@dataclass(frozen=True, kw_only=True, slots=True)
class AffectNetSample:
    """One annotated face."""

    part: str  # "training" or "validation"
    path: str  # as in the list, or the id in the small release
    code: int  # expression, 0-10
    valence: float  # -1 to 1
    arousal: float  # -1 to 1
    box: tuple[float, float, float, float] | None = None  # left, top, width, height in pixels


def load_affectnet(
    path: str | Path,
    *,
    classes: int = 8,
    crop_faces: bool = False,
    validation_fraction: float = 0.1,
    reading: ImageReading | None = None,
) -> ImageDataset:
    """Read ``training.csv``, ``validation.csv`` and the images that they list.

    The lists lie in `path` or up to two folders deeper (``Manually_Annotated_file_lists``), and so does the
    folder from which their relative paths lead to the images (``Manually_Annotated_Images``). Columns
    ``subDirectory_filePath``, ``expression``, ``valence``, ``arousal`` and, to crop, ``face_x``, ``face_y``,
    ``face_width`` and ``face_height`` may stand in any order; others are ignored. The official validation
    list is the test part, since the official test part has no public labels; validation is held out of
    training.

    Parameters
    ----------
    path : path
        The folder.
    classes : {7, 8}
        8 has contempt, 7 leaves it out.
    crop_faces : bool, default False
        Keep only the face box of the list.
    validation_fraction : float, default 0.1
        Part of training held out, in (0, 1), stratified by file content.
    reading : ImageReading, optional
        Size (the photographs differ in size: give one), channels, unreadable files, cache.

    Returns
    -------
    ImageDataset
        Ids are ``"<list>/<path>"``; groups ``"valence"`` and ``"arousal"`` are floats in [-1, 1].

    Raises
    ------
    ImportError
        If pillow is not installed.
    ValueError
        For a missing list, column or image, a row outside the format (named by its line), or an unreadable
        image.

    References
    ----------
    Mollahosseini, Hasani and Mahoor (2019), *AffectNet: a database for facial expression, valence, and
    arousal computing in the wild*, IEEE Transactions on Affective Computing 10(1).
    """
    root = Path(path)
    lists = find_lists(root)
    if lists is None:
        raise ValueError(f"{root}: expected training.csv and validation.csv here or up to two folders deeper")
    samples = [sample for part, file in lists.items() for sample in read_list(file, part, crop_faces)]
    few = [sample.path for part in LISTS for sample in [s for s in samples if s.part == part][:32]]
    if not few:
        raise ValueError(f"{root}: {' and '.join(LISTS.values())} list no image")
    images = folder_holding(root, few)
    return assemble_affectnet(
        "affectnet",
        samples,
        [images / sample.path for sample in samples],
        classes=classes,
        validation_fraction=validation_fraction,
        reading=reading,
        source=root,
    )


def find_lists(root: Path) -> dict[str, Path] | None:
    """Find the folder that holds both lists, at or up to two levels below `root`."""
    for folder in folders_below(root, depth=2):
        lists = {part: folder / name for part, name in LISTS.items()}
        if all(file.is_file() for file in lists.values()):
            return lists
    return None


def read_list(file: Path, part: str, needs_box: bool = False) -> Iterator[AffectNetSample]:
    """Read one list.

    Raises
    ------
    ValueError
        Naming the line that is not as the format says.
    """
    needed = [_PATH, "expression", "valence", "arousal", *(_BOX if needs_box else ())]
    line = 0
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text)
            header = [name.strip() for name in next(rows, [])]
            missing = [name for name in needed if name not in header]
            if missing:
                raise ValueError(f"{file}: no column {', '.join(missing)}; it has {header[:12]}")
            where = {name: header.index(name) for name in needed}
            for row in rows:
                line = rows.line_num
                if len(row) != len(header):
                    raise ValueError(f"{file}, line {line}: expected {len(header)} fields, got {len(row)}")
                values = {name: row[index].strip() for name, index in where.items()}
                yield AffectNetSample(
                    part=part,
                    path=_relative(values[_PATH], f"{file}, line {line}"),
                    code=expression_code(values["expression"], f"{file}, line {line}"),
                    valence=_number(values, "valence", file, line),
                    arousal=_number(values, "arousal", file, line),
                    box=_box(values, file, line) if needs_box else None,
                )
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{file}: not UTF-8 text after line {line} (byte {error.object[error.start]:#04x}); "
            "save it as UTF-8"
        ) from error
    except csv.Error as error:
        raise ValueError(f"{file}: no CSV row after line {line} ({error}); replace the file") from error
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror}); check its permissions") from error


def expression_code(text: str, where: str) -> int:
    """Read an expression, 0-10."""
    if not (text.isascii() and text.isdigit() and int(text) <= 10):
        raise ValueError(f"{where}: expression must be a code 0-10, got {text!r}")
    return int(text)


def assemble_affectnet(
    name: str,
    samples: list[AffectNetSample],
    files: list[Path],
    *,
    classes: int,
    validation_fraction: float,
    reading: ImageReading | None,
    source: Path,
) -> ImageDataset:
    """Drop what is no class, decode, and cut validation off training: where both releases meet.

    Parameters
    ----------
    name : str
        ``"affectnet"`` or ``"affectnet-small"``.
    samples : list of AffectNetSample
        All annotations.
    files : list of path
        The image of each.
    classes, validation_fraction, reading
        As in `load_affectnet`.
    source : path
        Named in errors.
    """
    if classes not in (7, 8):
        raise ValueError(f"AffectNet has 8 classes, or 7 without contempt, got {classes!r}")
    names = EIGHT_EMOTIONS if classes == 8 else EMOTIONS
    kept, dropped = [], Counter[str]()
    for index, sample in enumerate(samples):
        if sample.code in NO_EXPRESSION:
            dropped[NO_EXPRESSION[sample.code]] += 1
        elif CODES[sample.code] not in names:
            dropped[CODES[sample.code]] += 1
        else:
            kept.append(index)
    for part in LISTS:
        if not any(samples[index].part == part for index in kept):
            raise ValueError(
                f"{source}: the {part} part holds no image with one of the {classes} expressions"
            )
    chosen = [samples[index] for index in kept]
    seen: Counter[str] = Counter()
    ids = []
    for sample in chosen:  # one photograph may show several annotated faces
        base = f"{sample.part}/{sample.path}"
        seen[base] += 1
        ids.append(base if seen[base] == 1 else f"{base}#{seen[base]}")
    listed = LabelledFiles(
        files=[files[index] for index in kept],
        labels=np.array([names.index(CODES[sample.code]) for sample in chosen]),
        ids=ids,
        groups={
            "valence": np.array([sample.valence for sample in chosen], dtype=np.float32),
            "arousal": np.array([sample.arousal for sample in chosen], dtype=np.float32),
            "part": np.array([sample.part for sample in chosen]),
        },
        boxes=np.array([sample.box for sample in chosen]) if chosen[0].box is not None else None,
    )
    everything, skipped = read_labelled_files(name, listed, ImageReading() if reading is None else reading)
    part_of = everything.groups.pop("part")
    training = everything.subset(np.flatnonzero(part_of == "training"))
    train, validation = hold_out(
        training,
        validation_fraction,
        classes=names,
        purpose="validation",
    )
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in sorted(dropped.items()))
    return ImageDataset(
        name=name,
        classes=names,
        train=train,
        validation=validation,
        test=everything.subset(np.flatnonzero(part_of == "validation")),
        test_name="validation",
        description=(
            f"AffectNet, {classes} expressions: the official validation part is the test part, validation is "
            f"held out of training; left out: {left_out or 'nothing'}"
        ),
        skipped=skipped,
    )


def _relative(text: str, where: str) -> str:
    path = PurePosixPath(text.replace("\\", "/"))
    if not text or path.is_absolute() or ".." in path.parts or "\0" in text or ":" in path.parts[0]:
        raise ValueError(f"{where}: {_PATH} must be a path below the image folder, got {text!r}")
    return str(path)


def _number(values: dict[str, str], name: str, file: Path, line: int) -> float:
    try:
        number = float(values[name])
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise ValueError(f"{file}, line {line}: {name} must be a finite number, got {values[name]!r}")
    return number


def _box(values: dict[str, str], file: Path, line: int) -> tuple[float, float, float, float]:
    left, top, width, height = (_number(values, name, file, line) for name in _BOX)
    if width <= 0 or height <= 0:
        raise ValueError(f"{file}, line {line}: the face box must be wide and high, got {width:g}×{height:g}")
    return left, top, width, height
