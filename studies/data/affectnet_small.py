"""AffectNet's small release: cropped faces and one ``.npy`` file an annotation."""

from io import BytesIO
from pathlib import Path

import numpy as np

from studies.data.affectnet import AffectNetSample, assemble_affectnet, expression_code
from studies.data.dataset import ImageDataset
from studies.data.decoding import read_bytes
from studies.data.file_trees import image_files, subfolders
from studies.data.labelled_files import ImageReading, cached_decoding

PARTS = {"training": "train_set", "validation": "val_set"}
_ANNOTATIONS = ("exp", "val", "aro")
_LARGEST = 4096  # bytes; an annotation of one value needs about 150


def load_affectnet_small(
    path: str | Path,
    *,
    classes: int = 8,
    validation_fraction: float = 0.1,
    reading: ImageReading | None = None,
) -> ImageDataset:
    """Read ``{train,val}_set/images/<id>.jpg`` and ``{train,val}_set/annotations/<id>_{exp,val,aro}.npy``.

    Each annotation is an array of one number or one text that is a number; arrays that would need pickle are
    refused. ``val_set`` is the test part; validation is held out of ``train_set``.

    Parameters
    ----------
    path : path
        The folder that holds ``train_set`` and ``val_set``, or whose only subfolder does.
    classes : {7, 8}
        8 has contempt, 7 leaves it out.
    validation_fraction : float, default 0.1
        Part of training held out, in (0, 1), stratified by file content.
    reading : ImageReading, optional
        Size, channels, unreadable files, cache.

    Returns
    -------
    ImageDataset
        Ids are ``"training/<id>"`` and ``"validation/<id>"``; groups ``"valence"`` and ``"arousal"`` are
        floats in [-1, 1].

    Raises
    ------
    ImportError
        If pillow is not installed.
    ValueError
        For a missing folder or annotation, a malformed one, or an unreadable image, each named.
    """
    root = Path(path)
    base = find_release(root)
    if base is None:
        raise ValueError(
            f"{root}: expected train_set and val_set, each with images/<id>.jpg and annotations/<id>_exp.npy"
        )
    reading = ImageReading() if reading is None else reading
    parts: list[str] = []
    images: list[Path] = []
    for part, name in PARTS.items():
        found = image_files(base / name / "images")
        if not found:
            raise ValueError(f"{base / name / 'images'}: holds no image; expected <id>.jpg")
        images += found
        parts += [part] * len(found)
    notes = [
        [image.parent.parent / "annotations" / f"{image.stem}_{kind}.npy" for kind in _ANNOTATIONS]
        for image in images
    ]

    def read() -> dict[str, np.ndarray]:
        table = np.empty((len(images), 3), dtype=np.float64)
        for row, (expression, valence, arousal) in enumerate(notes):
            code = read_annotation(expression)
            whole = code.removesuffix(".0")
            table[row] = (
                expression_code(whole, str(expression)),
                _finite(read_annotation(valence), valence),
                _finite(read_annotation(arousal), arousal),
            )
        return {"annotations": table}

    table = cached_decoding(
        "affectnet-small-annotations", [file for three in notes for file in three], read, reading
    )["annotations"]
    samples = [
        AffectNetSample(part=part, path=image.stem, code=int(code), valence=valence, arousal=arousal)
        for part, image, (code, valence, arousal) in zip(parts, images, np.array(table).tolist(), strict=True)
    ]
    return assemble_affectnet(
        "affectnet-small",
        samples,
        images,
        classes=classes,
        validation_fraction=validation_fraction,
        reading=reading,
        source=root,
    )


def find_release(root: Path) -> Path | None:
    """Find the folder with both parts: `root` itself, or one of its subfolders."""
    for folder in (root, *subfolders(root)):
        if all((folder / name / "images").is_dir() for name in PARTS.values()):
            return folder
    return None


def read_annotation(file: Path) -> str:
    """Read the one value of a ``.npy`` file as text, never by pickle.

    Raises
    ------
    ValueError
        Naming the file that is missing, no ``.npy`` file, or not of one value.
    """
    try:
        data = read_bytes(file)
    except ValueError as error:
        reason = getattr(error, "reason", "cannot be read")
        raise ValueError(f"{file}: {reason}; each image needs its _exp, _val and _aro annotations") from error
    if len(data) > _LARGEST:
        raise ValueError(f"{file}: {len(data):,} bytes is too much for an annotation of one value")
    try:
        value = np.load(BytesIO(data), allow_pickle=False)
        if not isinstance(value, np.ndarray) or value.size != 1 or value.dtype.kind not in "iufUS":
            raise ValueError("expected an array of one number or one text")
        only = value.reshape(-1)[0].item()
    # numpy answers damaged files with many kinds of exception, MemoryError for an absurd shape among them.
    except Exception as error:
        raise ValueError(
            f"{file}: not an annotation of one value ({str(error)[:120]}); replace the file"
        ) from error
    return (only.decode("latin-1") if isinstance(only, bytes) else str(only)).strip()


def _finite(text: str, file: Path) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise ValueError(f"{file}: must be a finite number, got {text!r}")
    return number
