"""From a format's name to its reader, with the options that the format knows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from studies.data.affectnet import load_affectnet
from studies.data.affectnet_small import load_affectnet_small
from studies.data.ckplus import load_ckplus
from studies.data.class_folders import SPLITS, load_class_folders
from studies.data.dataset import ImageDataset
from studies.data.fer2013 import load_csv
from studies.data.file_batches import MixedSizesError
from studies.data.folders import load_folders
from studies.data.formats import FER2013_CSV, FORMATS, fer2013_csv
from studies.data.jaffe import load_jaffe
from studies.data.labelled_files import ImageReading, check_split

SPEECH = ("ravdess", "emodb", "urdu")
_TWO_TESTS = ("fer2013", "fer2013-folders", "ferplus")
_BY_SUBJECT = ("auto", "subject", "random")
_KNOWN_SPLITS = {"classes": SPLITS, "ckplus": _BY_SUBJECT, "jaffe": _BY_SUBJECT} | dict.fromkeys(
    SPEECH, ("auto", "subject", "speaker")
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReaderOptions:
    """What `studies.data.load_dataset` passes on; its docstring says what each means."""

    image_size: int | None = None
    validation_fraction: float = 0.1
    test_split: str = "public"
    channels: int | None = None
    soft_labels: bool = False
    split: str = "auto"
    skip_unreadable: bool = False
    cache: bool = True
    face_regions: bool = False


def read_format(name: str, path: Path, options: ReaderOptions) -> ImageDataset:
    """Read `path` in the format `name`; sizes and channels may still have to be set.

    Raises
    ------
    ValueError
        If the format is unknown or does not know an option that is set, or as its reader.
    """
    check_options(name, options)
    if name in ("affectnet", "affectnet-7") or not options.face_regions:
        return _READERS[name](path, options)
    from studies.data.face_regions import crop_faces

    # Faces are found and cut out at the size of the files, before anything is shrunk.
    try:
        dataset = _READERS[name](path, replace(options, image_size=None))
    except MixedSizesError:
        if options.image_size is None:
            raise
        dataset = _READERS[name](path, replace(options, image_size=2 * options.image_size))
    return crop_faces(dataset)


def check_options(name: str, options: ReaderOptions) -> None:
    """Refuse an unknown format, and options that it does not know, before anything is read."""
    if name not in FORMATS:
        raise ValueError(f"data_format must be 'auto' or one of {', '.join(FORMATS)}, got {name!r}")
    if options.soft_labels and name != "ferplus":
        raise ValueError(f"soft_labels=True needs raters' votes, and format {name!r} has none; FER+ has")
    if options.test_split != "public" and name not in _TWO_TESTS:
        raise ValueError(
            f"format {name!r} has one test part; test_split={options.test_split!r} is for FER-2013 files"
        )
    check_split(options.split, _KNOWN_SPLITS.get(name, ("auto", "official")), what=f"format {name!r}")
    if name in SPEECH:
        for option, value in (("image_size", options.image_size), ("channels", options.channels)):
            if value is not None:
                raise ValueError(f"{option}={value} is for images, and format {name!r} holds speech")
    if options.face_regions and name in (*SPEECH, "cifar"):
        raise ValueError(f"face_regions=True is for photographs of faces, and format {name!r} holds none")


def _reading(options: ReaderOptions) -> ImageReading:
    return ImageReading(
        image_size=options.image_size,
        channels=options.channels,
        skip_unreadable=options.skip_unreadable,
        cache=options.cache,
    )


def _fer2013(path: Path, options: ReaderOptions) -> ImageDataset:
    file = fer2013_csv(path)
    if file is None:
        raise ValueError(f"{path} holds none of {', '.join(FER2013_CSV)}")
    return load_csv(
        file,
        validation_fraction=options.validation_fraction,
        test_split=options.test_split,
        cache=options.cache,
    )


def _fer2013_folders(path: Path, options: ReaderOptions) -> ImageDataset:
    return load_folders(
        path,
        validation_fraction=options.validation_fraction,
        test_split=options.test_split,
        reading=_reading(options),
    )


def _ferplus(path: Path, options: ReaderOptions) -> ImageDataset:
    from studies.data.ferplus import load_ferplus

    return load_ferplus(
        path,
        soft_labels=options.soft_labels,
        validation_fraction=options.validation_fraction,
        test_split=options.test_split,
        cache=options.cache,
    )


def _affectnet(classes: int) -> Callable[[Path, ReaderOptions], ImageDataset]:
    return lambda path, options: load_affectnet(
        path,
        classes=classes,
        crop_faces=options.face_regions,
        validation_fraction=options.validation_fraction,
        reading=_reading(options),
    )


def _affectnet_small(classes: int) -> Callable[[Path, ReaderOptions], ImageDataset]:
    return lambda path, options: load_affectnet_small(
        path, classes=classes, validation_fraction=options.validation_fraction, reading=_reading(options)
    )


def _divided(load: Callable[..., ImageDataset]) -> Callable[[Path, ReaderOptions], ImageDataset]:
    """Read a format without official parts, or not always with them: by the split that is asked for."""
    return lambda path, options: load(
        path,
        split=options.split,
        validation_fraction=options.validation_fraction,
        reading=_reading(options),
    )


def _cifar(path: Path, options: ReaderOptions) -> ImageDataset:
    from studies.data.cifar import load_cifar

    return load_cifar(path, validation_fraction=options.validation_fraction, cache=options.cache)


def _speech(corpus: str) -> Callable[[Path, ReaderOptions], ImageDataset]:
    def read(path: Path, options: ReaderOptions) -> ImageDataset:
        from studies.data.speech import load_speech

        return load_speech(
            path,
            corpus=corpus,
            validation_fraction=options.validation_fraction,
            skip_unreadable=options.skip_unreadable,
            cache=options.cache,
        )

    return read


_READERS: dict[str, Callable[[Path, ReaderOptions], ImageDataset]] = {
    "fer2013": _fer2013,
    "fer2013-folders": _fer2013_folders,
    "ferplus": _ferplus,
    "affectnet": _affectnet(8),
    "affectnet-7": _affectnet(7),
    "affectnet-small": _affectnet_small(8),
    "affectnet-small-7": _affectnet_small(7),
    "classes": _divided(load_class_folders),
    "ckplus": _divided(load_ckplus),
    "jaffe": _divided(load_jaffe),
    "cifar": _cifar,
    **{corpus: _speech(corpus) for corpus in SPEECH},
}
