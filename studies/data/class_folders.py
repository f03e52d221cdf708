"""Any tree of class folders, with or without parts: ``train/happy/1.jpg``, ``happy/1.jpg``."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studies.data.dataset import ImageDataset, ImageSplit
from studies.data.emotion_names import emotion_of, in_order
from studies.data.file_trees import image_files, image_names, subfolders
from studies.data.grouped_splits import TEST_FRACTION, hold_out_groups
from studies.data.labelled_files import ImageReading, LabelledFiles, check_split, read_labelled_files
from studies.data.splits import hold_out

PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
SPLITS = ("auto", "official", "source", "random")

_COPY = re.compile(
    r"(.+?)(?:[ _-]aug(?:mented)?(?:[ _-]?\d.*|[ _-].*)?|\.rf\.[0-9a-f]+| ?\(\d+\)| - copy(?: ?\(\d+\))?)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassTree:
    """The class folders of a tree, by part; the part is ``""`` where the tree has none."""

    root: Path
    folders: dict[str, list[Path]]  # part -> class folders
    part_folders: dict[str, str]  # part -> name of its folder


def load_class_folders(
    path: str | Path,
    *,
    split: str = "auto",
    validation_fraction: float = 0.1,
    reading: ImageReading | None = None,
) -> ImageDataset:
    """Read ``<part>/<class>/<file>`` or ``<class>/<file>``.

    Parts are ``train``, ``val`` (``valid``, ``validation``) and ``test``, in any case; a single enclosing
    folder such as ``images`` is passed through. If every class folder carries the name of an emotion or an
    alias of it (anger, happiness, fearful, ...), in any case, the classes are these emotions in the order
    of FER-2013, then contempt; otherwise the folder names in alphabetical order (numbers by value).

    What becomes which part:

    - train, validation and test: as they are.
    - train and test: validation is held out of train.
    - train and validation (FERD1): validation becomes the test part, and validation is held out of train.
    - no parts: only with ``split="random"`` or ``"source"``, which also draw the test part, 20 %.

    Parameters
    ----------
    path : path
        The folder.
    split : {"auto", "official", "source", "random"}
        What is held out of train, or of a tree without parts, is drawn stratified by file content. With
        ``"source"`` all copies of one source stay on one side, see `source_of`. ``"random"`` is only for
        trees without parts, and must be said: copies, frames and subjects then stand on both sides.
    validation_fraction : float, default 0.1
        Held-out part of train, in (0, 1).
    reading : ImageReading, optional
        Size, channels, unreadable files, cache.

    Returns
    -------
    ImageDataset
        Ids are the paths below `path`; with ``split="source"`` the group ``"source"`` names the source.

    Raises
    ------
    ImportError
        If pillow is not installed.
    ValueError
        For a tree of another form, a class folder without an image or two of one class, parts that cannot be
        made, or as `studies.data.file_batches.decode_files`.
    """
    root = Path(path)
    check_split(split, SPLITS, what="class folders")
    tree = find_class_tree(root)
    _check_parts(tree, split)
    reading = ImageReading() if reading is None else reading
    classes, listed = _list_classes(root, tree, by_source=split == "source")
    everything, skipped = read_labelled_files("classes", listed, reading)
    return _assemble(root.resolve().name, tree, classes, everything, split, validation_fraction, skipped)


def source_of(stem: str) -> str:
    """Name of the image that a file was copied or augmented from, by the file's name without its suffix.

    Dropped are ``_aug...`` or ``-augmented...`` at the end (``12_aug_3``), Roboflow's ``.rf.<hash>``, and
    what file managers append to copies (``12 (2)``, ``12 - Copy``). A bare number at the end (``12_1``) is
    part of the name: it may as well number the images.

    Examples
    --------
    >>> [source_of(stem) for stem in ("12_aug_3", "face.rf.0a1b", "12 (2)", "12_1")]
    ['12', 'face', '12', '12_1']
    """
    match = _COPY.fullmatch(stem)
    return stem if match is None else source_of(match[1])


def find_class_tree(root: Path) -> ClassTree:
    """Find the class folders below `root`.

    Raises
    ------
    ValueError
        If there is none, or two folders are the same part.
    """
    inner = root
    for _ in range(3):
        children = subfolders(inner)
        parts: dict[str, Path] = {}
        for child in children:
            part = PART_NAMES.get(child.name.lower())
            if part is None:
                continue
            if part in parts:
                raise ValueError(f"{parts[part]} and {child} are both the {part} part; keep one of them")
            parts[part] = child
        if parts:
            ordered = {part: parts[part] for part in ("train", "validation", "test") if part in parts}
            return ClassTree(
                root=inner,
                folders={part: _class_folders(folder) for part, folder in ordered.items()},
                part_folders={part: folder.name for part, folder in ordered.items()},
            )
        if len(children) != 1 or image_names(children[0]):
            break
        inner = children[0]
    folders = [child for child in children if image_names(child)]
    if not folders:
        raise ValueError(f"{root} has no class folders; expected <part>/<class>/<image> or <class>/<image>")
    return ClassTree(root=inner, folders={"": _class_folders(inner)}, part_folders={})


def _class_folders(part: Path) -> list[Path]:
    folders = subfolders(part)
    if not folders:
        raise ValueError(f"{part} holds no class folder; expected {part.name}/<class>/<image>")
    for folder in folders:
        if not image_names(folder):
            raise ValueError(
                f"{folder} holds no image (.jpg, .png, .tif, .bmp, .gif, .webp) of its own; remove "
                "the folder, or pass the folder whose subfolders are the classes"
            )
    return folders


def _check_parts(tree: ClassTree, split: str) -> None:
    parts = set(tree.folders)
    if parts == {""}:
        if split in ("auto", "official"):
            raise ValueError(
                f"{tree.root} has no train and test parts, and images drawn at random would leave near "
                "copies (frames of one video, images of one person, augmented ones) on both sides and "
                "flatter the result: divide it by hand into train/ and test/, or ask for split='source' "
                "(copies named <id>_aug_<n> stay together) or, knowing this, split='random'"
            )
        return
    if split == "random":
        raise ValueError(
            f"split='random' is for trees without parts, and {tree.root} has "
            f"{', '.join(tree.part_folders.values())}; leave split at 'auto'"
        )
    if "train" not in parts or len(parts) == 1:
        missing = "train" if "train" not in parts else "test or validation"
        raise ValueError(
            f"{tree.root} has {', '.join(tree.part_folders.values())} but no folder {missing}; expected "
            "train/<class>/ and test/<class>/ (or validation/<class>/)"
        )


def _list_classes(root: Path, tree: ClassTree, *, by_source: bool) -> tuple[tuple[str, ...], LabelledFiles]:
    names = {folder.name for folders in tree.folders.values() for folder in folders}
    emotions = {name: emotion_of(name) for name in names}
    if all(emotions.values()):
        canonical = {name: str(emotion) for name, emotion in emotions.items()}
        classes = in_order(canonical.values())
    else:
        # One spelling a class, however the parts write it.
        spelling: dict[str, str] = {}
        for name in sorted(names):
            spelling.setdefault(name.strip().casefold(), name.strip())
        canonical = {name: spelling[name.strip().casefold()] for name in names}
        classes = tuple(sorted(spelling.values(), key=_alphabetical))
    files: list[Path] = []
    labels: list[int] = []
    parts: list[str] = []
    for part, folders in tree.folders.items():
        seen: dict[str, Path] = {}
        for folder in sorted(folders, key=lambda folder: classes.index(canonical[folder.name])):
            name = canonical[folder.name]
            if name in seen:
                raise ValueError(f"{seen[name]} and {folder} are both class {name!r}; join them")
            seen[name] = folder
            found = image_files(folder)
            files += found
            labels += [classes.index(name)] * len(found)
            parts += [part] * len(found)
    groups = {"part": np.array(parts)}
    if by_source:
        sources = [f"{classes[label]}/{source_of(f.stem)}" for label, f in zip(labels, files, strict=True)]
        if len({(part, source) for part, source in zip(parts, sources, strict=True)}) == len(files):
            raise ValueError(
                f"{tree.root}: no file name shows that two images come from one source (<id>_aug_<n>.png, "
                "<id> (2).png, <id>.rf.<hash>.jpg), so split='source' would be a random split"
            )
        groups["source"] = np.array(sources)
    ids = [file.relative_to(root).as_posix() for file in files]
    return classes, LabelledFiles(files=files, labels=np.array(labels), ids=ids, groups=groups)


def _assemble(
    name: str,
    tree: ClassTree,
    classes: tuple[str, ...],
    everything: ImageSplit,
    split: str,
    validation_fraction: float,
    skipped: tuple[str, ...],
) -> ImageDataset:
    def divide(samples: ImageSplit, fraction: float, purpose: str) -> tuple[ImageSplit, ImageSplit]:
        if split == "source":
            groups = samples.groups["source"]
            return hold_out_groups(
                samples, fraction, groups=groups, classes=classes, purpose=purpose, by="source"
            )
        return hold_out(samples, fraction, classes=classes, purpose=purpose)

    lies_in = everything.groups.pop("part")

    def official(part: str) -> ImageSplit:
        return everything.subset(np.flatnonzero(lies_in == part))

    drawn = "by source" if split == "source" else "stratified"
    if "" in tree.folders:
        rest, test = divide(everything, TEST_FRACTION, "test")
        train, validation = divide(rest, validation_fraction, "validation")
        test_name, split_by = "held out", split
        draw = "by source" if split == "source" else "at random, as asked for"
        how = (
            f"no official parts; {TEST_FRACTION:.0%} held out as test and {validation_fraction:.0%} of the "
            f"rest as validation, {draw}"
        )
    else:
        test_part = "test" if "test" in tree.folders else "validation"
        test, test_name = official(test_part), tree.part_folders[test_part]
        split_by = "source" if split == "source" else "official"
        if test_part == "test" and "validation" in tree.folders:
            train, validation = official("train"), official("validation")
            how = "official train, validation and test parts"
        else:
            train, validation = divide(official("train"), validation_fraction, "validation")
            how = (
                f"the official {test_name!r} is the test part; validation is {validation_fraction:.0%} held "
                f"out of train, {drawn}"
            )
    return ImageDataset(
        name=f"classes:{name}" if name else "classes",  # never the name of a set that is known
        classes=classes,
        train=train,
        validation=validation,
        test=test,
        test_name=test_name,
        description=f"class folders {name}: {how}",
        split_by=split_by,
        skipped=skipped,
    )


def _alphabetical(name: str) -> tuple[int, int, str]:
    return (0, int(name), name) if name.isascii() and name.isdigit() else (1, 0, name.casefold())
