"""Figures as PNG and SVG files, drawn by kaleido in an installed Chromium."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import plotly.graph_objects as go

from grn.plot.playback import ROOM
from pruning.checkpoint import write_atomically

FORMATS = ("png", "svg")
HEIGHT = 480  # CSS pixels of a figure that names none


def write_image(
    figure: go.Figure,
    path: str | Path,
    *,
    width: int = 960,
    height: int | None = None,
    scale: float = 2.0,
) -> Path:
    """Write one figure as a picture on white ground, whole or not at all; the suffix decides the format.

    Sliders and buttons are left out: of an animation the frame that it shows first is drawn.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure
        Left as it is.
    path : str or Path
        Ends in ``.png`` or ``.svg``; its directory is made if missing.
    width, height : int
        CSS pixels; the height is the figure's own by default.
    scale : float
        Device pixels per CSS pixel, of a PNG.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    TypeError
        If ``figure`` is no plotly figure.
    ValueError
        For another suffix, or a size that is not positive.
    RuntimeError
        If kaleido is not installed or no Chromium can be started; the message names the command.

    Examples
    --------
    >>> write_image(go.Figure(), "curve.gif")
    Traceback (most recent call last):
    ...
    ValueError: path must end in .png or .svg, got 'curve.gif'
    """
    return write_images({path: figure}, width=width, height=height, scale=scale)[0]


def write_images(
    figures: Mapping[str | Path, go.Figure],
    *,
    width: int = 960,
    height: int | None = None,
    scale: float = 2.0,
) -> list[Path]:
    """Write several figures with one start of the browser; see `write_image`.

    Parameters
    ----------
    figures : mapping of path to figure
        What to write where.
    width, height : int
        CSS pixels of each.
    scale : float
        Device pixels per CSS pixel, of a PNG.

    Returns
    -------
    list of Path
        The files, in the order given.

    Examples
    --------
    >>> write_images({})
    []
    """
    for name, size in (("width", width), ("height", height), ("scale", scale)):
        if size is not None and not 0 < size < float("inf"):
            raise ValueError(f"{name} of a picture must be positive and finite, got {size}")
    paths = [Path(path) for path in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        if path.suffix.lower().removeprefix(".") not in FORMATS:
            raise ValueError(f"path must end in .png or .svg, got {str(path)!r}")
        if not isinstance(figure, go.Figure):
            raise TypeError(f"figure must be a plotly figure, got {type(figure).__name__}")
    if not figures:
        return []
    check_kaleido()
    with TemporaryDirectory() as directory:
        jobs: list[dict[str, object]] = []
        for place, (path, figure) in enumerate(zip(paths, figures.values(), strict=True)):
            kind = path.suffix.lower().removeprefix(".")
            tall = height or figure.layout.height or HEIGHT
            options = {"format": kind, "width": width, "height": tall, "scale": scale}
            drawn = Path(directory) / f"{place}.{kind}"
            jobs.append({"fig": _still(figure), "path": drawn, "opts": options})
        _render(jobs)
        for place, path in enumerate(paths):
            write_atomically(path, Path(str(jobs[place]["path"])).read_bytes())
    return paths


def check_kaleido() -> None:
    """Refuse to go on without kaleido.

    Raises
    ------
    RuntimeError
        If it is not installed; the message names the command.
    """
    if find_spec("kaleido") is None:
        raise RuntimeError(
            "pictures need kaleido, which is not installed: pip install 'grn-pruning[figures]'"
        )


def _still(figure: go.Figure) -> go.Figure:
    """Copy of a figure on white, without what only a pointer can use."""
    copy = go.Figure(figure.data, figure.layout)
    copy.update_layout(paper_bgcolor="white", plot_bgcolor="white")
    if copy.layout.sliders:
        below = copy.layout.margin.b
        copy.layout.margin.b = None if below is None else max(below - ROOM, 24)
    copy.layout.sliders = copy.layout.updatemenus = ()
    return copy


def _render(jobs: list[dict[str, object]]) -> None:
    """Draw all figures in one browser; MathJax is off because kaleido would fetch it from the network."""
    kaleido = import_module("kaleido")
    errors = import_module("choreographer.errors")
    failures = (
        errors.ChromeNotFoundError,
        errors.BrowserFailedError,
        errors.BrowserClosedError,
        errors.BrowserDepsError,
    )
    try:
        kaleido.write_fig_from_object_sync(jobs, kopts={"mathjax": False}, cancel_on_error=True)
    except failures as error:
        named = os.environ.get("BROWSER_PATH")
        found = f"BROWSER_PATH={named!r} could not be started" if named else "none was found"
        raise RuntimeError(
            f"pictures need an installed Chromium, but {found}: install one (Debian: apt-get install "
            f"chromium; elsewhere: kaleido_get_chrome), or name yours with BROWSER_PATH"
        ) from error
