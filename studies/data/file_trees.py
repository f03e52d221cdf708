"""What lies in a folder: visible subfolders, image files, and where a list's relative paths lead."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""Suffixes, in lower case, of the files that count as images."""

_NEVER_DATA = ("__MACOSX", "@eaDir")


def subfolders(folder: Path) -> list[Path]:
    """Visible folders in `folder`, by name; hidden ones and archivers' leftovers are no data."""
    return [folder / name for name, is_folder in visible(folder) if is_folder]


def image_files(folder: Path) -> list[Path]:
    """Files in `folder` itself with an image suffix, by name."""
    return [folder / name for name in image_names(folder)]


def image_names(folder: Path) -> list[str]:
    """Names of the `image_files` of a folder: quicker where only names are looked at."""
    return [
        name
        for name, is_folder in visible(folder)
        if not is_folder and os.path.splitext(name)[1].lower() in SUFFIXES
    ]


def visible(folder: Path) -> list[tuple[str, bool]]:
    """Names, in order, of what is neither hidden nor an archiver's leftover, and whether each is a folder.

    Raises
    ------
    ValueError
        If the folder cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, entry.is_dir()) for entry in entries)
    except OSError as error:
        raise ValueError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from error
    return [entry for entry in found if not entry[0].startswith(".") and entry[0] not in _NEVER_DATA]


def folders_below(root: Path, *, depth: int) -> Iterator[Path]:
    """Give `root` and the folders below it, level by level, down to `depth` levels."""
    level = [root]
    for _ in range(depth + 1):
        yield from level
        level = [child for folder in level for child in subfolders(folder)]


def sample_images(root: Path, *, limit: int = 200) -> list[Path]:
    """Up to `limit` image files at or below `root`, depth first: enough to know a format by its names."""
    found = [root / name for name in image_names(root)[:limit]]
    for child in subfolders(root):
        if len(found) >= limit:
            break
        found += sample_images(child, limit=limit - len(found))
    return found


def folder_holding(root: Path, relative: Sequence[str], *, depth: int = 2) -> Path:
    """Find the folder at or below `root` from which most of the `relative` paths lead to a file.

    Raises
    ------
    ValueError
        If none of them is a file anywhere.
    """
    hits, found = 0, root
    for folder in folders_below(root, depth=depth):
        count = sum((folder / path).is_file() for path in relative)
        if count > hits:
            hits, found = count, folder
        if hits == len(relative):
            break
    if hits == 0:
        raise ValueError(
            f"{root}: none of the listed images is there, such as {relative[0]!r}; expected below this "
            f"folder or at most {depth} folders deeper: unpack the images beside their list"
        )
    return found
