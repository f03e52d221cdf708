"""FER+: the faces of FER-2013 with the votes of ten raters, in eight classes."""

import csv
from pathlib import Path

import numpy as np
import torch

from studies.data.cache import cached_arrays
from studies.data.dataset import EMOTIONS, ImageDataset, ImageSplit, check_labels
from studies.data.fer2013 import USAGES, check_test_split, read_arrays, row_ids
from studies.data.splits import hold_out

CLASSES = (*EMOTIONS, "contempt")
"""FER-2013's seven emotions in their order, then contempt."""

VOTES_FILE = "fer2013new.csv"
FACES_FILES = ("fer2013.csv", "icml_face_data.csv")

_EMOTION_COLUMNS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")
_VOTE_COLUMNS = (*_EMOTION_COLUMNS, "unknown", "NF")  # the first eight in the order of CLASSES
_MOST_VOTES = 1000
_LONGEST_LINE = 4096


def detects(path: Path) -> bool:
    """Say whether `path` is a folder with FER+ votes and a FER-2013 CSV.

    Examples
    --------
    >>> detects(Path("."))
    False
    """
    return (path / VOTES_FILE).is_file() and any((path / name).is_file() for name in FACES_FILES)


def load_ferplus(
    path: Path,
    *,
    soft_labels: bool = False,
    validation_fraction: float = 0.1,
    test_split: str = "public",
    cache: bool = False,
) -> ImageDataset:
    """Read a folder with ``fer2013.csv`` (or ``icml_face_data.csv``) and FER+'s ``fer2013new.csv``.

    The two files are joined by the order of their rows, whose `Usage` must agree; the image names of FER+ are
    not used, as 173 of them are blank. Votes become labels as the authors of FER+ do it:

    1. A choice with a single vote is an outlier: its vote is dropped. This holds for unknown and NF (not a
       face), too.
    2. An image has a *majority* if one of the eight emotions holds strictly more than half of the votes that
       are left, those for unknown and NF among them. So a tie is no majority.
    3. Images without one are left out, in every part.

    With `soft_labels`, the target is the share of each emotion in the votes that are left for the eight
    emotions, and the label is the emotion with the largest share, the first in the order of the classes if
    several tie. Training then also keeps images without a majority, if an emotion holds more votes
    than unknown and more than NF. Validation and test are the same images in both modes, so that their
    figures can be compared; as the authors did, accuracy is only counted where the raters agree.

    Parameters
    ----------
    path : path
        The folder. If it holds both CSV files of faces, ``fer2013.csv`` is read.
    soft_labels : bool, default False
        Give the raters' shares in `ImageSplit.soft_labels`.
    validation_fraction : float, default 0.1
        Part of Training's images with a majority that is held out, in (0, 1).
    test_split : {"public", "private"}
        Which official test split becomes `test`.
    cache : bool, default False
        Keep the pixels in the cache of `cached_arrays`.

    Returns
    -------
    ImageDataset
        Ids are those of `load_csv`. The description counts what was left out of the official splits used.

    Raises
    ------
    ValueError
        If a file is missing or malformed, the rows of the two files do not match, or a class is empty.

    References
    ----------
    Barsoum et al. (2016), *Training deep networks for facial expression recognition with crowd-sourced label
    distribution*, arXiv:1608.01041.
    """
    root = Path(path)
    faces = next((root / name for name in FACES_FILES if (root / name).is_file()), None)
    if faces is None or not (root / VOTES_FILE).is_file():
        missing = " or ".join(FACES_FILES) if faces is None else VOTES_FILE
        raise ValueError(f"{root} has no {missing}; FER+ needs it beside the other file")
    votes, vote_usages = _cached_votes(root / VOTES_FILE, cache=cache)
    arrays = read_arrays(faces, cache=cache)
    usages = arrays["usages"]
    _check_rows_match(root / VOTES_FILE, vote_usages, faces, usages)
    test_name = check_test_split(usages, test_split, source=str(faces))
    shares, majority, plurality = weigh(votes)
    labels = shares.argmax(axis=1)
    ids = row_ids(usages)

    def part(name: str, usable: np.ndarray) -> tuple[ImageSplit, np.ndarray]:
        rows = np.flatnonzero(usable & (usages == USAGES.index(name)))
        split = ImageSplit(
            images=torch.from_numpy(arrays["pixels"][rows]).unsqueeze(1),
            labels=torch.from_numpy(labels[rows].astype(np.int64)),
            ids=[ids[row] for row in rows.tolist()],
            soft_labels=torch.from_numpy(shares[rows].astype(np.float32)) if soft_labels else None,
        )
        return split, rows

    test, _ = part(test_name, majority)
    check_labels(test.labels.numpy(), CLASSES, part=f"{root}: {test_name} (FER+)")
    agreed, rows = part("Training", majority)
    train, validation = hold_out(
        agreed, validation_fraction, classes=CLASSES, purpose="validation", keys=arrays["keys"][rows]
    )
    if soft_labels:
        # What a majority decides stays where it is; the rest of the training images joins the training part.
        held = set(validation.ids)
        everything, _ = part("Training", majority | plurality)
        train = everything.subset(np.array([i for i, name in enumerate(everything.ids) if name not in held]))
    used = {name: usages == USAGES.index(name) for name in ("Training", test_name)}
    return ImageDataset(
        name="ferplus",
        classes=CLASSES,
        train=train,
        validation=validation,
        test=test,
        test_name=f"{test_name} (FER+)",
        description=_description(votes, majority, plurality, used, soft_labels=soft_labels),
    )


def _cached_votes(path: Path, *, cache: bool) -> tuple[np.ndarray, np.ndarray]:
    def make() -> dict[str, np.ndarray]:
        return dict(zip(("votes", "usages"), read_votes(path), strict=True))

    arrays = cached_arrays("ferplus", [path], make, settings={"format": 1}, enabled=cache)
    return arrays["votes"], arrays["usages"]


def weigh(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn votes into shares, and say which images can be used; the rule stands in `load_ferplus`.

    Parameters
    ----------
    votes : ndarray
        Counts, shape (N, 10): the eight `CLASSES`, unknown, NF.

    Returns
    -------
    shares : ndarray
        float64, shape (N, 8); a row sums to 1, or is all 0 if no emotion has two votes.
    majority : ndarray
        bool, shape (N,): one emotion has more than half of the votes that are left.
    plurality : ndarray
        bool, shape (N,): an emotion has more votes than unknown, and more than NF.

    Examples
    --------
    >>> shares, majority, plurality = weigh(np.array([[6, 3, 1, 0, 0, 0, 0, 0, 0, 0]]))
    >>> shares[0, :3].round(3).tolist(), majority.tolist(), plurality.tolist()
    ([0.667, 0.333, 0.0], [True], [True])
    """
    kept = np.where(votes > 1, votes, 0)
    emotions, others = kept[:, : len(CLASSES)], kept[:, len(CLASSES) :]
    most = emotions.max(axis=1)
    majority = 2 * most > kept.sum(axis=1)
    plurality = most > others.max(axis=1)
    total = emotions.sum(axis=1, keepdims=True)
    return emotions / np.maximum(total, 1), majority, plurality


def read_votes(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read ``fer2013new.csv``: votes (N, 10) int64 for `CLASSES`, unknown, NF; indices into `USAGES` (N,).

    Raises
    ------
    ValueError
        Naming the file and the line of what is malformed.
    """
    votes: list[list[int]] = []
    usages: list[int] = []
    line_number = 1
    with path.open("rb") as file:
        names = [name.strip() for name in _row(file.readline(_LONGEST_LINE + 1), path, 1)]
        wanted = ("Usage", *_VOTE_COLUMNS)
        wrong = [name for name in wanted if names.count(name) != 1]
        if wrong:
            raise ValueError(
                f"{path}, line 1: must name each of {', '.join(wanted)} once; wrong: {', '.join(wrong)}"
            )
        usage_at = names.index("Usage")
        votes_at = [names.index(name) for name in _VOTE_COLUMNS]
        for line_number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE + 1), b""), start=2):
            fields = _row(line, path, line_number)
            if len(fields) != len(names):
                raise ValueError(
                    f"{path}, line {line_number}: expected {len(names)} fields, got {len(fields)}"
                )
            usage = fields[usage_at].strip()
            if usage not in USAGES:
                raise ValueError(
                    f"{path}, line {line_number}: Usage must be one of {', '.join(USAGES)}, "
                    f"got {usage[:24]!r}"
                )
            usages.append(USAGES.index(usage))
            votes.append([_count(fields[at], path, line_number) for at in votes_at])
    if not votes:
        raise ValueError(f"{path}, line {line_number}: a header and no row; expected one row an image")
    return np.array(votes, dtype=np.int64), np.array(usages, dtype=np.int64)


def _row(line: bytes, path: Path, line_number: int) -> list[str]:
    try:
        if len(line) > _LONGEST_LINE:
            raise ValueError(f"longer than {_LONGEST_LINE:,} bytes")
        text = line.decode("utf-8-sig").strip()
        if not text or "\0" in text:
            raise ValueError("empty or not text")
        return next(csv.reader([text], strict=True))
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path}, line {line_number}: not a row of FER+'s {VOTES_FILE}: {error}") from error


def _count(text: str, path: Path, line_number: int) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) <= _MOST_VOTES):
        raise ValueError(
            f"{path}, line {line_number}: votes must be integers 0-{_MOST_VOTES:,}, got {text[:24]!r}"
        )
    return int(text)


def _check_rows_match(votes_path: Path, votes: np.ndarray, faces_path: Path, faces: np.ndarray) -> None:
    if len(votes) != len(faces):
        raise ValueError(
            f"{votes_path} has {len(votes):,} rows and {faces_path} {len(faces):,}; FER+ is joined by the "
            "order of the rows: use both files as published"
        )
    differ = np.flatnonzero(votes != faces)
    if differ.size:
        row = int(differ[0])
        raise ValueError(
            f"{votes_path}, line {row + 2}: Usage is {USAGES[votes[row]]} here and {USAGES[faces[row]]} in "
            f"{faces_path}; FER+ is joined by the order of the rows: use both files as published"
        )


def _description(
    votes: np.ndarray,
    majority: np.ndarray,
    plurality: np.ndarray,
    used: dict[str, np.ndarray],
    *,
    soft_labels: bool,
) -> str:
    kept = np.where(votes > 1, votes, 0)
    of_no_use = kept[:, len(CLASSES) :].max(axis=1) >= kept[:, : len(CLASSES)].max(axis=1)
    counts = []
    for name, rows in used.items():
        usable = majority | plurality if soft_labels and name == "Training" else majority
        left_out = rows & ~usable
        no_face = int((left_out & of_no_use).sum())
        split = int((left_out & ~of_no_use).sum())
        counts.append(f"{name} {no_face:,} unknown or no face, {split:,} without a majority")
    kind = "the raters' shares as targets in" if soft_labels else "the raters' majority in"
    return (
        f"FER+: FER-2013's 48×48 grey faces, {kind} eight emotions; official splits, validation a fixed "
        f"stratified part of Training; left out: {'; '.join(counts)}"
    )
