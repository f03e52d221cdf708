"""Attention over faces: a grid of images, each beside its attention map, with what the network made of it."""

from __future__ import annotations

import numpy as np

from studies.attention import AttentionExamples, overlay
from studies.report.page import escape
from studies.report.png import png_uri


def attention_block(examples: AttentionExamples, *, split: str = "") -> str:
    """Return the grid as HTML with the pictures inside it.

    Parameters
    ----------
    examples
        Images with their maps.
    split : str, optional
        Name of the split that the images are of, for the caption.
    """
    right = int((examples.labels == examples.predictions).sum())
    of_split = f" of {escape(split)}" if split else ""
    items = "".join(_item(examples, place) for place in range(len(examples)))
    return (
        '<figure aria-labelledby="attention-maps-title">'
        '<h3 id="attention-maps-title">Where the network looks</h3>'
        f"{_legend()}"
        f'<ul class="faces">{items}</ul>'
        f"<figcaption>{len(examples)} images{of_split}, chosen by class: {right} recognised, "
        f"{len(examples) - right} mistaken, so the share of mistakes here is not the network's. Each map is "
        "scaled to its own greatest value: colours compare places within an image, not images, and an evenly "
        "tinted face means that attention hardly varies. A map shows which places the network weighs, not "
        "why it decides.</figcaption></figure>"
    )


def _item(examples: AttentionExamples, place: int) -> str:
    true = examples.classes[int(examples.labels[place])]
    predicted = examples.classes[int(examples.predictions[place])]
    confidence = f"{100 * float(examples.confidences[place]):.0f}&nbsp;%"
    mistaken = true != predicted
    words = f"{true}, taken for {predicted}" if mistaken else f"{true}, recognised"
    image, attention = examples.images[place], examples.maps[place]
    shown = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
    verdict = f"✗&nbsp;{escape(predicted)}" if mistaken else f"✓&nbsp;{escape(predicted)}"
    return (
        f'<li{" class=mistaken" if mistaken else ""}><span class="pair">'
        f'<img src="{png_uri(shown)}" alt="{escape(f"Image {place + 1}: {words}")}">'
        f'<img src="{png_uri(overlay(image, attention))}" '
        f'alt="{escape(f"Attention on image {place + 1}, {_where(attention)}")}"></span>'
        f'<span class="said"><b>{escape(true)}</b> → {verdict}, {confidence}</span></li>'
    )


def _where(attention: np.ndarray) -> str:
    """Words for where a map is greatest, by thirds of the picture.

    Examples
    --------
    >>> _where(np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    'greatest at the top right'
    """
    if float(attention.max(initial=0.0)) == float(attention.min(initial=1.0)):
        return "the same everywhere"
    row, column = np.unravel_index(int(attention.argmax()), attention.shape)
    thirds = [
        min(int(3 * (at + 0.5) / size), 2) for at, size in zip((row, column), attention.shape, strict=True)
    ]
    vertical, horizontal = ("top", "", "bottom")[thirds[0]], ("left", "", "right")[thirds[1]]
    return f"greatest at the {' '.join(word for word in (vertical, horizontal) if word) or 'centre'}"


def _legend() -> str:
    """Draw the scale: attention over a middle grey, from none to the greatest."""
    ramp = np.linspace(0.0, 1.0, 128, dtype=np.float32)[None].repeat(8, axis=0)
    scale = png_uri(overlay(np.full(ramp.shape, 128, dtype=np.uint8), ramp))
    return (
        '<p class="scale quiet"><span>no attention</span>'
        f'<img src="{scale}" alt="Scale of attention, from grey over purple and orange to yellow">'
        "<span>greatest in the image</span></p>"
    )
