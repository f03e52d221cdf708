"""Data sets: one reader a format, all returning an `ImageDataset` with official or fixed splits."""

from pathlib import Path

from studies.data.dataset import EMOTIONS, ImageDataset, ImageSplit, as_input
from studies.data.digits import load_digits
from studies.data.faces import load_faces
from studies.data.fer2013 import TEST_SPLITS, load_csv
from studies.data.folders import load_folders
from studies.data.resize import check_image_size, resize
from studies.data.splits import check_fraction, take_fraction

__all__ = ["BUILT_IN", "EMOTIONS", "ImageDataset", "ImageSplit", "as_input", "load_dataset"]

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
) -> ImageDataset:
    """Load a data set by its name, or from a file or folder.

    Parameters
    ----------
    name_or_path : str or path
        ``"faces"`` (procedural expression faces), ``"digits"`` (scikit-learn's), the path of a FER-2013 CSV,
        or of a folder ``{train,test}/<class>/<Training|PublicTest|PrivateTest>_<id>.{jpg,png}``. The two
        names win over files of the same name: write ``./digits`` for a path.
    fraction : float, default 1.0
        Stratified fraction of the training and of the validation part to keep, in (0, 1]; the test part stays
        whole. Smaller fractions are subsets of larger ones.
    image_size : int, optional
        Side in pixels; None keeps the data's own. Shrinking averages areas; `faces` are drawn at that size.
    validation_fraction : float, default 0.1
        Part of the training data held out for validation, in (0, 1): fixed, stratified (by identity for
        `faces`), the same for every seed and every fraction.
    test_split : {"public", "private"}
        Official test split of FER-2013.
    seed : int, default 0
        Seed of generated data (`faces`). It never moves a sample of real data from one part to another.

    Returns
    -------
    ImageDataset

    Raises
    ------
    ValueError
        If the name or file kind is unknown, an argument is out of range, or the data are malformed.

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
    name = str(name_or_path)
    if name in BUILT_IN and test_split != "public":
        raise ValueError(f"{name!r} has one test part; test_split={test_split!r} is for FER-2013 files")
    path = Path(name_or_path)
    if name == "digits":
        dataset = load_digits(validation_fraction=validation_fraction)
    elif name == "faces":
        side = 48 if image_size is None else image_size
        dataset = load_faces(validation_fraction=validation_fraction, image_size=side, seed=seed)
    elif path.is_file() and path.suffix.lower() == ".csv":
        dataset = load_csv(path, validation_fraction=validation_fraction, test_split=test_split)
    elif name and path.is_dir():
        dataset = load_folders(path, validation_fraction=validation_fraction, test_split=test_split)
    else:
        raise ValueError(
            f"no data set, file or folder is called {name!r}: expected "
            f"{' or '.join(map(repr, BUILT_IN))}, the path of an existing FER-2013 .csv file, or a folder "
            "with train/<class>/ and test/<class>/ image files"
        )
    dataset = take_fraction(dataset, fraction)
    return dataset if image_size is None else resize(dataset, image_size)
