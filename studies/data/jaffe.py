"""JAFFE: 213 photographs of ten Japanese women, split by subject."""

import re
from pathlib import Path

import numpy as np

from studies.data.dataset import ImageDataset
from studies.data.emotion_names import in_order
from studies.data.file_trees import folders_below, image_files, sample_images
from studies.data.labelled_files import ImageReading, LabelledFiles, read_labelled_files, split_by_subject

CODES = {
    "AN": "angry",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happy",
    "NE": "neutral",
    "SA": "sad",
    "SU": "surprise",
}
"""The expression letters in a file's name."""

_NAME = re.compile(r"([A-Z]{2})\.([A-Z]{2})(\d+)\.(\d+)", re.IGNORECASE)


def load_jaffe(
    path: str | Path,
    *,
    split: str = "auto",
    validation_fraction: float = 0.1,
    reading: ImageReading | None = None,
) -> ImageDataset:
    """Read ``KA.AN1.39.tiff``: subject, expression, its repetition, number.

    Parameters
    ----------
    path : path
        The folder; the images may lie up to two folders deeper.
    split : {"auto", "subject", "random"}
        ``"auto"`` is by subject: about 20 % of the images are the test part.
    validation_fraction : float, default 0.1
        Part of what is not test, in (0, 1); at least one subject.
    reading : ImageReading, optional
        Size, channels, unreadable files, cache.

    Returns
    -------
    ImageDataset
        Ids are file names without suffix; the group ``"subject"`` holds the two letters.

    Raises
    ------
    ImportError
        If pillow is not installed.
    ValueError
        For a name outside the format, a name that occurs twice, an unreadable image, or too few subjects.

    References
    ----------
    Lyons, Kamachi and Gyoba (1998), *The Japanese Female Facial Expression (JAFFE) dataset*.
    """
    root = Path(path)
    files: dict[str, Path] = {}
    emotions, subjects = [], []
    for file in (file for folder in folders_below(root, depth=2) for file in image_files(folder)):
        match = _NAME.fullmatch(file.stem)
        if match is None or match[2].upper() not in CODES:
            raise ValueError(
                f"{file}: a JAFFE name is <two letters of the subject>.<{'|'.join(CODES)}><n>.<n>, as "
                "KA.AN1.39.tiff; rename or remove the file"
            )
        sample = file.stem.upper()
        if sample in files:
            raise ValueError(f"{file} and {files[sample]} are the same image; each stands once")
        files[sample] = file
        subjects.append(match[1].upper())
        emotions.append(CODES[match[2].upper()])
    if not files:
        raise ValueError(f"{root} holds no image; expected names as KA.AN1.39.tiff")
    classes = in_order(emotions)
    listed = LabelledFiles(
        files=list(files.values()),
        labels=np.array([classes.index(emotion) for emotion in emotions]),
        ids=list(files),
        groups={"subject": np.array(subjects)},
    )
    everything, skipped = read_labelled_files("jaffe", listed, ImageReading() if reading is None else reading)
    return split_by_subject(
        everything,
        name="jaffe",
        classes=classes,
        split=split,
        validation_fraction=validation_fraction,
        description=f"JAFFE: {len(np.unique(everything.groups['subject']))} subjects",
        skipped=skipped,
    )


def is_jaffe(root: Path) -> bool:
    """Whether every one of the first image files below `root` carries a JAFFE name."""
    names = [file.stem for file in sample_images(root)]
    return bool(names) and all(_NAME.fullmatch(name) is not None for name in names)
