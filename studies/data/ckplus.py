"""CK+ (extended Cohn-Kanade): posed expressions on video, split by subject."""

import re
from pathlib import Path

import numpy as np

from studies.data.class_folders import PART_NAMES
from studies.data.dataset import ImageDataset
from studies.data.emotion_names import EIGHT_EMOTIONS, emotion_of, in_order
from studies.data.file_trees import (
    folder_holding,
    folders_below,
    image_files,
    sample_images,
    subfolders,
    visible,
)
from studies.data.labelled_files import ImageReading, LabelledFiles, read_labelled_files, split_by_subject

CODES = ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")
"""The codes 0-7 of the label files."""

_FRAME = re.compile(r"(S\d+)_(\d+)_(\d+)", re.IGNORECASE)
_LABEL_FILE = re.compile(r"(S\d+)_(\d+)_(\d+)_emotion\.txt", re.IGNORECASE)


def load_ckplus(
    path: str | Path,
    *,
    split: str = "auto",
    validation_fraction: float = 0.1,
    reading: ImageReading | None = None,
) -> ImageDataset:
    """Read CK+ in its original layout, or as class folders of frames.

    Original: ``Emotion/S010/004/S010_004_00000017_emotion.txt`` holds the code of a sequence, and its name
    says which frame shows the expression at its peak (the last): ``cohn-kanade-images/S010/004/
    S010_004_00000017.png``. Only these labelled peak frames are read, so there is no neutral class; sequences
    without a label file are no part of the set. Class folders: ``<class>/S010_004_00000017.png`` (such as
    CK+48), all frames read.

    Parameters
    ----------
    path : path
        The folder; in the original layout label files and images may lie up to two folders deeper.
    split : {"auto", "subject", "random"}
        ``"auto"`` is by subject: about 20 % of every class are the test part.
    validation_fraction : float, default 0.1
        Part of what is not test, in (0, 1).
    reading : ImageReading, optional
        Size (some sequences differ in size: give one), channels, unreadable files, cache.

    Returns
    -------
    ImageDataset
        Ids are file names without suffix; groups ``"subject"`` and ``"sequence"``.

    Raises
    ------
    ImportError
        If pillow is not installed.
    ValueError
        For a malformed label file or name, a label without its image, an unreadable image, or subjects that
        cannot be divided.

    References
    ----------
    Lucey et al. (2010), *The extended Cohn-Kanade dataset (CK+)*, CVPR workshops.
    """
    root = Path(path)
    labels = find_labels(root)
    frames = _from_label_files(root, labels) if labels else _from_class_folders(root)
    classes = in_order(emotion for _, emotion in frames)
    files = [file for file, _ in frames]
    ids = [file.stem.upper() for file in files]
    first = dict(zip(reversed(ids), reversed(files), strict=True))
    for sample, file in zip(ids, files, strict=True):
        if first[sample] != file:
            raise ValueError(f"{file} and {first[sample]} are the same frame; each stands once")
    names = [_parts(file) for file in files]
    listed = LabelledFiles(
        files=files,
        labels=np.array([classes.index(emotion) for _, emotion in frames]),
        ids=ids,
        groups={
            "subject": np.array([subject for subject, _ in names]),
            "sequence": np.array([f"{subject}_{number}" for subject, number in names]),
        },
    )
    everything, skipped = read_labelled_files(
        "ckplus", listed, ImageReading() if reading is None else reading
    )
    subjects = len(np.unique(everything.groups["subject"]))
    kind = "labelled peak frames" if labels else "frames in class folders"
    return split_by_subject(
        everything,
        name="ckplus",
        classes=classes,
        split=split,
        validation_fraction=validation_fraction,
        description=f"CK+: {kind} of {subjects} subjects",
        skipped=skipped,
    )


def find_labels(root: Path) -> list[Path]:
    """Find ``<subject>/<sequence>/<frame>_emotion.txt`` in a folder ``Emotion`` or ``Emotion_labels``."""
    for folder in folders_below(root, depth=2):
        if folder.name.lower() in ("emotion", "emotion_labels"):
            found = [
                inner / name
                for inner in folders_below(folder, depth=3)
                for name, is_folder in visible(inner)
                if not is_folder and _LABEL_FILE.fullmatch(name)
            ]
            if found:
                return sorted(found, key=lambda file: file.name)
    return []


def is_ckplus(root: Path) -> bool:
    """Whether `root` has CK+ label files, or images with CK+ names, without a division into parts."""
    if find_labels(root):
        return True
    frames = sample_images(root)
    has_parts = any(folder.name.lower() in PART_NAMES for folder in folders_below(root, depth=1))
    return bool(frames) and not has_parts and all(_FRAME.fullmatch(file.stem) for file in frames)


def read_label(file: Path) -> str:
    """Read the emotion of a sequence from a label file: one number, written as ``3.0000000e+00``.

    Raises
    ------
    ValueError
        Naming the file that holds anything else.
    """
    try:
        with file.open("rb") as stream:
            text = stream.read(200).decode("ascii").strip()
        code = float(text)
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror}); check its permissions") from error
    except ValueError as error:
        raise ValueError(f"{file}: expected one code 0-7, such as 3.0000000e+00; replace the file") from error
    if code not in range(len(CODES)):
        raise ValueError(f"{file}: the code must be 0-7 ({', '.join(CODES)}), got {text!r}")
    return CODES[int(code)]


def _from_label_files(root: Path, labels: list[Path]) -> list[tuple[Path, str]]:
    relative = []
    for file in labels:
        stem = file.name[: -len("_emotion.txt")]
        subject, sequence, _ = stem.split("_")
        relative.append(f"{subject}/{sequence}/{stem}.png")
    images = folder_holding(root, relative)
    return [(images / path, read_label(file)) for path, file in zip(relative, labels, strict=True)]


def _from_class_folders(root: Path) -> list[tuple[Path, str]]:
    inner = root
    while len(children := subfolders(inner)) == 1 and not image_files(inner) and not image_files(children[0]):
        inner = children[0]
    frames: list[tuple[Path, str]] = []
    for folder in children:
        emotion = emotion_of(folder.name)
        if emotion is None:
            raise ValueError(
                f"{folder}: expected class folders ({', '.join(EIGHT_EMOTIONS)}) or, beside "
                "cohn-kanade-images, a folder Emotion with <subject>/<sequence>/<frame>_emotion.txt"
            )
        frames += [(file, emotion) for file in image_files(folder)]
    if not frames:
        raise ValueError(
            f"{root}: neither label files Emotion/S010/004/S010_004_00000017_emotion.txt nor class folders "
            "<class>/S010_004_00000017.png"
        )
    return frames


def _parts(file: Path) -> tuple[str, str]:
    match = _FRAME.fullmatch(file.stem)
    if match is None:
        raise ValueError(
            f"{file}: a CK+ name is <subject>_<sequence>_<frame>, as S010_004_00000017.png; rename "
            "or remove the file"
        )
    return match[1].upper(), match[2]
