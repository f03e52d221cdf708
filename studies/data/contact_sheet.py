"""A contact sheet of the procedural faces: ``python -m studies.data.contact_sheet PICTURE.png``."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from studies.data.dataset import EMOTIONS
from studies.data.decoding import require_pillow
from studies.data.faces import generate_faces


def contact_sheet(*, columns: int = 9, image_size: int = 96, seed: int = 1) -> np.ndarray:
    """Draw a labelled sheet: a row an emotion, a column a person, with the style's letter above.

    Strong expressions, little nuisance: a picture of what the generator means, not a sample of the data set.

    Parameters
    ----------
    columns : int, default 9
        People, styles A, B, C in turn.
    image_size : int, default 96
        Side of one face in pixels.
    seed : int, default 1
        Which people.

    Returns
    -------
    ndarray
        Grey picture, uint8, shape (H, W).
    """
    Image, ImageDraw = require_pillow()
    split = generate_faces(
        range(columns),
        images_per_emotion=1,
        image_size=image_size,
        intensity=(0.8, 1.0),
        occlusion_rate=0.0,
        nuisance=0.3,
        seed=seed,
    )
    faces = split.images.numpy().reshape(columns, len(EMOTIONS), image_size, image_size)
    left, top, gap = 64, 22, 3
    cell = image_size + gap
    sheet = np.full((top + len(EMOTIONS) * cell, left + columns * cell), 255, dtype=np.uint8)
    for column in range(columns):
        for row in range(len(EMOTIONS)):
            y, x = top + row * cell, left + column * cell
            sheet[y : y + image_size, x : x + image_size] = faces[column, row]
    picture = Image.fromarray(sheet)
    draw = ImageDraw.Draw(picture)
    for row, emotion in enumerate(EMOTIONS):
        draw.text((6, top + row * cell + image_size // 2 - 6), emotion, fill=0)
    for column in range(columns):
        style = split.groups["style"][column * len(EMOTIONS)]
        draw.text((left + column * cell + image_size // 2 - 20, 5), f"style {style}", fill=0)
    return np.asarray(picture)


def main(arguments: Sequence[str]) -> None:
    """Write a contact sheet: ``python -m studies.data.contact_sheet PICTURE.png``."""
    if len(arguments) != 1 or not arguments[0].endswith(".png"):
        raise SystemExit("usage: python -m studies.data.contact_sheet PICTURE.png")
    Image, _ = require_pillow()
    path = Path(arguments[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(contact_sheet()).save(path, optimize=True)
    print(f"wrote {path} ({path.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main(sys.argv[1:])
