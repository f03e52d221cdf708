"""Data sets: one reader a format, all returning an `ImageDataset` with official or fixed splits."""

from dataclasses import replace
from pathlib import Path

from studies.data.channels import check_channels_option, set_channels
from studies.data.dataset import EMOTIONS, ImageDataset, ImageSplit, as_input
from studies.data.digits import load_digits
from studies.data.faces import load_faces
from studies.data.fer2013 import TEST_SPLITS
from studies.data.formats import FORMATS, detect_format
from studies.data.readers import ReaderOptions, read_format
from studies.data.resize import check_image_size, resize
from studies.data.splits import check_fraction, take_fraction

__all__ = ["BUILT_IN", "EMOTIONS", "FORMATS", "ImageDataset", "ImageSplit", "as_input", "load_dataset"]

BUILT_IN = ("faces", "digits")
"""Data sets that need no download."""


def load_dataset(
    name_or_path: str | Path,
    *,
    fraction: float = 1.0,
    image_size: int | None = None,
    validation_fraction: float = 0.1,
    test_split: str = "public",
    seed: int = 0,
    data_format: str = "auto",
    channels: int | None = None,
    soft_labels: bool = False,
    split: str = "auto",
    skip_unreadable: bool = False,
    cache: bool = True,
    face_regions: bool = False,
) -> ImageDataset:
    """Load a data set by its name, or from a file or folder.

    Parameters
    ----------
    name_or_path : str or path
        ``"faces"`` (procedural expression faces), ``"digits"`` (scikit-learn's), or the path of a file or
        folder in one of `FORMATS`. The two names win over files of the same name: write ``./digits`` for a
        path.
    fraction : float, default 1.0
        Stratified fraction of the training and of the validation part to keep, in (0, 1]; the test part stays
        whole. Smaller fractions are subsets of larger ones.
    image_size : int, optional
        Side in pixels; None keeps the data's own, which must then be one for all images. Shrinking averages
        areas; `faces` are drawn at that size.
    validation_fraction : float, default 0.1
        Part of the training data held out for validation, in (0, 1), where the data have no validation part:
        fixed, stratified (by identity for `faces`, by subject where subjects are known), the same for every
        seed and every fraction.
    test_split : {"public", "private"}
        Official test split of FER-2013 and FER+.
    seed : int, default 0
        Seed of generated data (`faces`). It never moves a sample of real data from one part to another.
    data_format : str, default "auto"
        One of `FORMATS`; ``"auto"`` tells it by what lies there.
    channels : {1, 3}, optional
        Convert to grey or to colour; None keeps what the data are.
    soft_labels : bool, default False
        Train on the raters' votes, where there are some (FER+).
    split : {"auto", "official", "subject", "source", "random"}
        What keeps the parts apart. ``"auto"`` takes the official parts, or the subjects; a tree of class
        folders without parts needs ``"source"`` or ``"random"`` said.
    skip_unreadable : bool, default False
        Pass over files that cannot be read and list them in `ImageDataset.skipped`; otherwise the first one
        is the error.
    cache : bool, default True
        Keep what was decoded for the next start.
    face_regions : bool, default False
        Cut the faces out: by the boxes of AffectNet's lists, elsewhere with OpenCV's cascade.

    Returns
    -------
    ImageDataset

    Raises
    ------
    ValueError
        If the name or file kind is unknown, an argument is out of range or unknown to the format, or the data
        are malformed.

    Examples
    --------
    >>> load_dataset("digits", fraction=0.5, image_size=16).summary()
    'digits: 649 train / 73 validation / 359 test (held out), 16×16, 10 classes'
    """
    check_fraction("fraction", fraction)
    if not 0 < validation_fraction < 1:
        raise ValueError(f"validation_fraction must be in (0, 1), got {validation_fraction!r}; 0.1 is usual")
    if test_split not in TEST_SPLITS:
        raise ValueError(f"test_split must be 'public' or 'private', got {test_split!r}")
    if image_size is not None:
        check_image_size(image_size)
    check_channels_option(channels)
    options = ReaderOptions(
        image_size=image_size,
        validation_fraction=validation_fraction,
        test_split=test_split,
        channels=channels,
        soft_labels=soft_labels,
        split=split,
        skip_unreadable=skip_unreadable,
        cache=cache,
        face_regions=face_regions,
    )
    name = str(name_or_path)
    path = Path(name_or_path)
    if name in BUILT_IN:
        _check_built_in(name, data_format, options)
        if name == "digits":
            dataset = load_digits(validation_fraction=validation_fraction)
        else:
            side = 48 if image_size is None else image_size
            dataset = load_faces(validation_fraction=validation_fraction, image_size=side, seed=seed)
    elif data_format not in ("auto", *FORMATS):
        raise ValueError(f"data_format must be 'auto' or one of {', '.join(FORMATS)}, got {data_format!r}")
    elif not name or not path.exists():
        raise ValueError(
            f"no data set, file or folder is called {name!r}: expected "
            f"{' or '.join(map(repr, BUILT_IN))}, the path of an existing FER-2013 .csv file, or a folder "
            f"in one of the formats {', '.join(FORMATS)}"
        )
    else:
        dataset = read_format(detect_format(path) if data_format == "auto" else data_format, path, options)
    dataset = _without_digests(take_fraction(dataset, fraction))
    if image_size is not None:
        dataset = resize(dataset, image_size)
    return dataset if channels is None else set_channels(dataset, channels)


def _check_built_in(name: str, data_format: str, options: ReaderOptions) -> None:
    if options.test_split != "public":
        raise ValueError(
            f"{name!r} has one test part; test_split={options.test_split!r} is for FER-2013 files"
        )
    for option, value, usual in (
        ("data_format", data_format, "auto"),
        ("split", options.split, "auto"),
        ("soft_labels", options.soft_labels, False),
        ("face_regions", options.face_regions, False),
    ):
        if value != usual:
            raise ValueError(
                f"{option}={value!r} is for files, and {name!r} is built in; write ./{name} for a path"
            )


def _without_digests(dataset: ImageDataset) -> ImageDataset:
    """Drop the digests of files, which served to draw samples and tell a reader nothing."""
    if "content" not in dataset.train.groups:
        return dataset
    parts = {
        part: replace(split, groups={key: v for key, v in split.groups.items() if key != "content"})
        for part, split in dataset.parts().items()
    }
    return replace(dataset, train=parts["train"], validation=parts["validation"], test=parts["test"])
