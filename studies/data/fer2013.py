"""FER-2013 from its official CSV, with its official splits."""

import csv
import re
from pathlib import Path

import numpy as np
import torch

from studies.data.cache import cached_arrays
from studies.data.dataset import EMOTIONS, ImageDataset, ImageSplit, check_labels
from studies.data.splits import content_keys, hold_out

SIDE = 48
PIXELS = SIDE * SIDE
COLUMNS = ("emotion", "pixels", "Usage")
USAGES = ("Training", "PublicTest", "PrivateTest")
TEST_SPLITS = {"public": "PublicTest", "private": "PrivateTest"}
DESCRIPTION = (
    "FER-2013: 48×48 grey faces in seven emotions; official splits, "
    "validation a fixed stratified part of Training"
)

_ROWS_AT_ONCE = 512  # about 4 MB of text: the parser's temporaries stay in cache
_LONGEST_LINE = (
    1 << 17
)  # bytes; a row of 2,304 values has about 9,000, and at most a few times that when padded
_INTEGER = re.compile(rb"[+-]?[0-9]{1,18}")


def load_csv(
    path: str | Path, *, validation_fraction: float = 0.1, test_split: str = "public", cache: bool = False
) -> ImageDataset:
    """Read FER-2013 from ``fer2013.csv`` (or Kaggle's ``icml_face_data.csv``).

    Columns ``emotion`` (codes 0-6: angry, disgust, fear, happy, sad, surprise, neutral), ``pixels`` (2,304
    integers 0-255, row by row) and ``Usage`` (Training, PublicTest or PrivateTest) may stand in any order and
    carry spaces in their names; other columns are ignored.

    Parameters
    ----------
    path : path
        The CSV file.
    validation_fraction : float, default 0.1
        Part of Training held out, in (0, 1): stratified, and the same for every seed.
    test_split : {"public", "private"}
        Which official test split becomes `test`.
    cache : bool, default False
        Keep what was read in the cache of `cached_arrays`: the next start takes a fraction of a second.

    Returns
    -------
    ImageDataset
        Ids are ``"<usage>/<row>"``, rows counted from 0, e.g. ``"Training/00000012"``.

    Raises
    ------
    ValueError
        For a missing column, a short, long or malformed pixel row, a label or usage outside the format, an
        empty class, an empty file, a file that is no CSV, or a test split the file does not have. Rows are
        named as the lines of the file.

    References
    ----------
    Goodfellow et al. (2013), *Challenges in representation learning: a report on three machine learning
    contests*, arXiv:1307.0414.
    """
    arrays = read_arrays(Path(path), cache=cache)
    return official_dataset(
        arrays["pixels"],
        arrays["labels"],
        arrays["usages"],
        row_ids(arrays["usages"]),
        source=str(path),
        validation_fraction=validation_fraction,
        test_split=test_split,
        keys=arrays["keys"],
    )


def read_arrays(path: Path, *, cache: bool) -> dict[str, np.ndarray]:
    """What `read_csv` gives, by name (pixels, labels, usages), and the `content_keys` that draw validation.

    Raises
    ------
    ValueError
        See `load_csv`.
    """

    def make() -> dict[str, np.ndarray]:
        pixels, labels, usages = read_csv(path)
        keys = content_keys(pixels, purpose="validation")
        return {"pixels": pixels, "labels": labels, "usages": usages, "keys": keys}

    return cached_arrays("fer2013", [path], make, settings={"format": 1}, enabled=cache)


def row_ids(usages: np.ndarray) -> list[str]:
    """``"<usage>/<row>"`` of every row, counted from 0.

    Examples
    --------
    >>> row_ids(np.array([0, 1]))
    ['Training/00000000', 'PublicTest/00000001']
    """
    return [f"{USAGES[usage]}/{row:08d}" for row, usage in enumerate(usages.tolist())]


def official_dataset(
    pixels: np.ndarray,
    labels: np.ndarray,
    usages: np.ndarray,
    ids: list[str],
    *,
    source: str,
    validation_fraction: float,
    test_split: str,
    keys: np.ndarray | None = None,
) -> ImageDataset:
    """Assemble the official splits; the one place where the CSV and the folders meet.

    Parameters
    ----------
    pixels : ndarray
        uint8, shape (N, H, W).
    labels, usages : ndarray
        Class indices, and indices into `USAGES`, shape (N,).
    ids : list of str
        One a sample.
    source : str
        Named in errors.
    validation_fraction, test_split
        As in `load_csv`.
    keys : ndarray, optional
        The pixels' `content_keys` for the purpose ``"validation"``, shape (N,), where they are known already.
    """
    test_name = check_test_split(usages, test_split, source=source)

    def official(name: str) -> ImageSplit:
        where = np.flatnonzero(usages == USAGES.index(name))
        check_labels(labels[where], EMOTIONS, part=f"{source}: {name}")
        return ImageSplit(
            images=torch.from_numpy(pixels[where]).unsqueeze(1),
            labels=torch.from_numpy(labels[where].astype(np.int64)),
            ids=[ids[i] for i in where.tolist()],
        )

    test = official(test_name)
    train, validation = hold_out(
        official("Training"),
        validation_fraction,
        classes=EMOTIONS,
        purpose="validation",
        keys=None if keys is None else keys[usages == USAGES.index("Training")],
    )
    return ImageDataset(
        name="fer2013",
        classes=EMOTIONS,
        train=train,
        validation=validation,
        test=test,
        test_name=test_name,
        description=DESCRIPTION,
    )


def check_test_split(usages: np.ndarray, test_split: str, *, source: str) -> str:
    """Name the official split that `test_split` means, if `usages` hold it and Training.

    Raises
    ------
    ValueError
        If `test_split` is neither ``"public"`` nor ``"private"``, or a split is missing.
    """
    if test_split not in TEST_SPLITS:
        raise ValueError(f"test_split must be 'public' or 'private', got {test_split!r}")
    test_name = TEST_SPLITS[test_split]
    counts = {name: int((usages == code).sum()) for code, name in enumerate(USAGES)}
    for needed in ("Training", test_name):
        if counts[needed] == 0:
            present = (
                ", ".join(f"{name} ({count:,})" for name, count in counts.items() if count) or "no sample"
            )
            choices = " or ".join(repr(key) for key, name in TEST_SPLITS.items() if counts[name])
            fix = f"; test_split={choices} would work" if needed == test_name and choices else ""
            raise ValueError(f"{source} has no {needed} sample, it has {present}{fix}")
    return test_name


def read_csv(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the whole file: pixels (N, 48, 48) uint8, labels (N,) int64, indices into `USAGES` (N,) int64.

    Raises
    ------
    ValueError
        See `load_csv`.
    """
    blocks: list[np.ndarray] = []
    labels: list[int] = []
    usages: list[int] = []
    pending: list[bytes] = []
    first_line = 2
    with path.open("rb") as file:
        # readline with a limit, so that a file without line ends is not read into memory whole
        header = _header(file.readline(_LONGEST_LINE + 1), path)
        at = {name: header.index(name) for name in COLUMNS}
        line_number = 1
        lines = iter(lambda: file.readline(_LONGEST_LINE + 1), b"")
        for line_number, line in enumerate(lines, start=2):
            if len(line) > _LONGEST_LINE:
                raise ValueError(
                    f"{path}, line {line_number}: longer than {_LONGEST_LINE:,} bytes; expected one row of "
                    f"{PIXELS:,} pixel values"
                )
            fields = _fields(line, path, line_number)
            if fields == [b""]:
                raise ValueError(f"{path}, line {line_number}: the line is empty; remove it")
            if len(fields) != len(header):
                raise ValueError(
                    f"{path}, line {line_number}: expected {len(header)} fields ({', '.join(header)}), "
                    f"got {len(fields)}"
                )
            labels.append(_label(fields[at["emotion"]], path, line_number))
            usages.append(_usage(fields[at["Usage"]], path, line_number))
            pending.append(fields[at["pixels"]])
            if len(pending) == _ROWS_AT_ONCE:
                blocks.append(_parse_pixels(pending, path, first_line))
                pending = []
                first_line = line_number + 1
    if pending:
        blocks.append(_parse_pixels(pending, path, first_line))
    if not blocks:
        raise ValueError(f"{path} has a header and no row; expected one row an image")
    pixels = np.concatenate(blocks).reshape(-1, SIDE, SIDE)
    return pixels, np.array(labels, dtype=np.int64), np.array(usages, dtype=np.int64)


def _header(line: bytes, path: Path) -> list[str]:
    if not line.strip():
        raise ValueError(
            f"{path} is empty or starts with an empty line; expected a header {','.join(COLUMNS)}"
        )
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(f"{path}, line 1: UTF-16, not a FER-2013 CSV as published; save it as UTF-8")
    try:
        text = line.decode("utf-8-sig").strip()
        names = [name.strip() for name in next(csv.reader([text]))]
    except (UnicodeDecodeError, csv.Error):
        text, names = "\0", []
    if "\0" in text or "," not in text or len(text) > 4096:
        raise ValueError(f"{path}, line 1: is not a FER-2013 CSV: expected a header {','.join(COLUMNS)}")
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise ValueError(f"{path} has no column {', '.join(map(repr, missing))}; its columns are {names}")
    repeated = [name for name in COLUMNS if names.count(name) > 1]
    if repeated:
        raise ValueError(f"{path} has column {repeated[0]!r} more than once; its columns are {names}")
    return names


def _fields(line: bytes, path: Path, line_number: int) -> list[bytes]:
    line = line.strip()
    if b'"' not in line:
        return line.split(b",")
    try:
        return [field.encode() for field in next(csv.reader([line.decode()], strict=True))]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}, line {line_number}: not a CSV row: {error}") from error


def _label(text: bytes, path: Path, line_number: int) -> int:
    text = text.strip()
    if not _INTEGER.fullmatch(text) or not 0 <= int(text) < len(EMOTIONS):
        raise ValueError(
            f"{path}, line {line_number}: emotion must be a code 0-{len(EMOTIONS) - 1} "
            f"({', '.join(EMOTIONS)}), got {_shown(text)}"
        )
    return int(text)


def _usage(text: bytes, path: Path, line_number: int) -> int:
    name = text.strip().decode(errors="replace")
    if name not in USAGES:
        raise ValueError(
            f"{path}, line {line_number}: Usage must be one of {', '.join(USAGES)}, got {_shown(text)}"
        )
    return USAGES.index(name)


def _parse_pixels(rows: list[bytes], path: Path, first_line: int) -> np.ndarray:
    """Turn rows of space-separated integers into uint8, all digits of all rows at once.

    A block that is not plainly well-formed is parsed again row by row, which finds the row and the pixel.
    """
    values, counts = _parse_digits(rows)
    if values is not None and (counts == PIXELS).all():
        return values.reshape(-1, PIXELS)
    return np.stack([_parse_row(row, path, first_line + i) for i, row in enumerate(rows)])


def _parse_digits(rows: list[bytes]) -> tuple[np.ndarray | None, np.ndarray]:
    """Values 0-255 of all numbers, and how many each row has; values are None if anything is unusual."""
    row_ends = np.cumsum([len(row) + 1 for row in rows])
    # Three leading spaces let the gathers below look back from the first number.
    text = np.frombuffer(b"   " + b" ".join(rows) + b" ", dtype=np.uint8)
    digits = text - np.uint8(ord("0"))  # wraps: anything but a digit becomes 10 or more
    is_digit = digits < 10
    last = np.flatnonzero(is_digit[:-1] & ~is_digit[1:])
    counts = np.diff(np.searchsorted(last, row_ends + 3), prepend=0)
    has_tens = is_digit[last - 1]
    has_hundreds = has_tens & is_digit[last - 2]
    plain = np.count_nonzero(is_digit) + np.count_nonzero(text == ord(" ")) == len(text)
    if not plain or (has_hundreds & is_digit[last - 3]).any():
        return None, counts
    values = digits[last].astype(np.uint16)
    values += np.where(has_tens, digits[last - 1], 0) * np.uint16(10)
    values += np.where(has_hundreds, digits[last - 2], 0) * np.uint16(100)
    if values.size and values.max() > 255:
        return None, counts
    return values.astype(np.uint8), counts


def _parse_row(row: bytes, path: Path, line_number: int) -> np.ndarray:
    tokens = row.split()
    values = np.empty(len(tokens), dtype=np.uint8)
    for position, token in enumerate(tokens):
        where = f"{path}, line {line_number}, pixel {position}"
        if not _INTEGER.fullmatch(token):
            raise ValueError(f"{where}: must be an integer 0-255, got {_shown(token)}")
        if not 0 <= int(token) <= 255:
            raise ValueError(f"{where}: must be in 0-255, got {_shown(token)}")
        values[position] = int(token)
    if len(tokens) != PIXELS:
        raise ValueError(
            f"{path}, line {line_number}: pixels must hold {PIXELS:,} values ({SIDE}×{SIDE}), "
            f"got {len(tokens):,}"
        )
    return values


def _shown(text: bytes) -> str:
    shown = text.decode(errors="replace")
    return repr(shown if len(shown) <= 24 else shown[:21] + "...")
