"""Which format a path is in, by what lies there."""

from pathlib import Path

from studies.data import affectnet, affectnet_small, ckplus, folders, jaffe
from studies.data.class_folders import find_class_tree

FER2013_CSV = ("fer2013.csv", "icml_face_data.csv")
"""File names under which FER-2013's CSV goes."""

FORMATS = {
    "fer2013": "fer2013.csv (or icml_face_data.csv), the file or a folder that holds it",
    "fer2013-folders": "train/<emotion>/Training_<id>.jpg and test/<emotion>/PublicTest_<id>.jpg",
    "ferplus": "fer2013.csv (or icml_face_data.csv) beside fer2013new.csv",
    "affectnet": "training.csv, validation.csv and the images they list (8 classes)",
    "affectnet-7": "as affectnet, without contempt",
    "affectnet-small": "{train,val}_set/ with images/<id>.jpg and annotations/<id>_exp.npy (8 classes)",
    "affectnet-small-7": "as affectnet-small, without contempt",
    "classes": "<train|val|test>/<class>/<image>, or <class>/<image> with a split named",
    "ckplus": "cohn-kanade-images/ and Emotion/, or <emotion>/S010_004_00000017.png",
    "jaffe": "KA.AN1.39.tiff",
    "cifar": "CIFAR-10 or CIFAR-100 in the official binary or python layout",
    "ravdess": "Actor_01/03-01-06-01-02-01-01.wav",
    "emodb": "03a01Fa.wav",
    "urdu": "SM1_F01_A12.wav",
}
"""Name of every format, and what it expects on disk."""


def detect_format(path: Path) -> str:
    """Tell the format of a file or folder.

    A folder that holds FER+ labels beside FER-2013 counts as ``"ferplus"``; pass the CSV itself for FER-2013.
    Class folders come last: they are what is left when no file name says more.

    Raises
    ------
    ValueError
        If none or several formats fit.
    """
    if path.is_file():
        if path.suffix.lower() == ".csv":
            return "fer2013"
        raise ValueError(f"{path}: of single files only a FER-2013 .csv is read; {_expected()}")
    found = _particular_formats(path)
    if len(found) > 1:
        choices = " or ".join(f"data_format={name!r} ({FORMATS[name]})" for name in found)
        raise ValueError(f"{path} could be read as {choices}; choose one")
    if found:
        return found[0]
    try:
        find_class_tree(path)
    except ValueError as error:
        raise ValueError(f"{path}: no known layout ({error}); {_expected()}") from error
    return "classes"


def fer2013_csv(path: Path) -> Path | None:
    """FER-2013's CSV: `path` itself, or the file of an official name in it."""
    if path.is_file():
        return path
    return next((path / name for name in FER2013_CSV if (path / name).is_file()), None)


def _particular_formats(path: Path) -> list[str]:
    from studies.data import cifar, ferplus, speech

    found = []
    if ferplus.detects(path):
        found.append("ferplus")
    elif fer2013_csv(path):
        found.append("fer2013")
    if folders.is_fer2013(path):
        found.append("fer2013-folders")
    if affectnet.find_lists(path):
        found.append("affectnet")
    if affectnet_small.find_release(path):
        found.append("affectnet-small")
    if cifar.detects(path):
        found.append("cifar")
    corpus = speech.detect_corpus(path)
    if corpus:
        found.append(corpus)
    if jaffe.is_jaffe(path):
        found.append("jaffe")
    if ckplus.is_ckplus(path):
        found.append("ckplus")
    return found


def _expected() -> str:
    return "expected one of: " + "; ".join(f"{name}: {layout}" for name, layout in FORMATS.items())
