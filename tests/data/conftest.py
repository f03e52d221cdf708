"""Small FER-2013 files in the official formats, made from noise."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
REAL_DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def make_rows(*, training=4, public=2, private=0, seed=0):
    """(label, pixels (48, 48) uint8, usage) rows, all of Training first, classes interleaved."""
    rng = np.random.default_rng(seed)
    rows = []
    for usage, count in (("Training", training), ("PublicTest", public), ("PrivateTest", private)):
        pixels = rng.integers(0, 256, (7 * count, 48, 48), dtype=np.uint8)
        rows.extend((index % 7, image, usage) for index, image in enumerate(pixels))
    return rows


def write_csv(path, rows, *, header="emotion,pixels,Usage", order=(0, 1, 2), newline="\n"):
    lines = [header]
    for label, pixels, usage in rows:
        text = pixels if isinstance(pixels, str) else " ".join(map(str, pixels.ravel()))
        fields = (str(label), text, usage)
        lines.append(",".join(fields[i] for i in order))
    path.write_text(newline.join(lines) + newline)
    return path


def write_folders(root, rows, *, names=CLASSES, suffix="png"):
    """The same rows as class folders; the id is the row number, as in the official CSV."""
    image = pytest.importorskip("PIL.Image")
    for part in ("train", "test"):
        for name in names:
            (root / part / name).mkdir(parents=True, exist_ok=True)
    for row, (label, pixels, usage) in enumerate(rows):
        part = "train" if usage == "Training" else "test"
        image.fromarray(pixels).save(root / part / names[label] / f"{usage}_{row:08d}.{suffix}")
    return root


@pytest.fixture(name="make_rows", scope="session")
def make_rows_fixture():
    return make_rows


@pytest.fixture(name="write_csv", scope="session")
def write_csv_fixture():
    return write_csv


@pytest.fixture(name="write_folders", scope="session")
def write_folders_fixture():
    return write_folders


@pytest.fixture(scope="session")
def real_fer2013():
    """The real FER-2013 as arrays (pixels, labels, usage), where the data folder is present."""
    script = REAL_DATA / "expand.py"
    if not script.is_file():
        pytest.skip(f"real FER-2013 is not here: no {script.name} in the data folder beside the repository")
    pytest.importorskip("PIL.Image")
    spec = importlib.util.spec_from_file_location("expand", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.fer2013()
