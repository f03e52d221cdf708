"""PNG and SVG pictures of a study's key figures, through kaleido and an installed Chromium.

``python -m studies.report.pictures DIR OUT`` writes them. The browser is the one ``BROWSER_PATH`` names,
else the one found.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from studies.report.aggregation import check_records, choose_base, paired_differences, sparsities
from studies.report.build import load_records
from studies.report.figures import accuracy_figure, paired_figure
from studies.report.run_figures import density_figure
from studies.report.topology_figure import topology_figure
from studies.topology_store import read_topology

FORMATS = ("png", "svg")


def write_pictures(
    directory: Path, out: Path, formats: Sequence[str] = FORMATS, *, width: int = 960, scale: float = 2.0
) -> list[Path]:
    """Write accuracy, paired differences, density and topology of a study as pictures; return their paths.

    Parameters
    ----------
    directory
        A study's directory, with its ``records.jsonl``.
    out
        Where the pictures go; made if missing.
    formats
        Any of png and svg.
    width, scale
        Width in CSS pixels, and device pixels per CSS pixel.

    Raises
    ------
    ValueError
        For an unknown format.
    RuntimeError
        If kaleido is not installed or no Chromium can be started; the message names the command.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise ValueError(f"formats must be of {', '.join(FORMATS)}, got {', '.join(map(repr, unknown))}")
    if find_spec("kaleido") is None:
        raise RuntimeError(
            "pictures need kaleido, which is not installed: pip install 'grn-pruning[figures]'"
        )
    figures = key_figures(Path(directory))
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    jobs = []
    for name, figure in figures.items():
        figure.update_layout(paper_bgcolor="white", plot_bgcolor="white", margin={"t": 112})
        jobs += [
            {
                "fig": figure,
                "path": out / f"{name}.{kind}",
                "opts": {"format": kind, "width": width, "height": figure.layout.height + 44, "scale": scale},
            }
            for kind in formats
        ]
    _render(jobs)
    return [Path(job["path"]) for job in jobs]


def _render(jobs: Sequence[dict[str, Any]]) -> None:
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
            f"pictures need an installed Chromium, but {found}: install one with "
            f"kaleido_get_chrome, or name yours with BROWSER_PATH"
        ) from error


def key_figures(directory: Path) -> dict[str, go.Figure]:
    """Return the figures worth a picture, by file name: those that the study's records allow."""
    records, _ = load_records(directory)
    check_records(records)
    figures: dict[str, go.Figure] = {}
    if sparsities(records):
        figures["accuracy"] = accuracy_figure(records)
    base = choose_base(records)
    if base is not None and paired_differences(records, base):
        figures["paired"] = paired_figure(records)
    density = density_figure(records)
    if density is not None:
        figures["density"] = density
    stored = read_topology(directory)
    if stored is not None:
        figures["topology"] = topology_figure(stored[1][-1].to_digraph())
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pictures of a study: ``python -m studies.report.pictures DIR OUT``."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.report.pictures", description="Write a study's figures as pictures."
    )
    parser.add_argument("directory", type=Path, help="the study's directory")
    parser.add_argument("out", type=Path, help="where the pictures go")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    options = parser.parse_args(arguments)
    try:
        paths = write_pictures(options.directory, options.out, options.formats)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(map(str, paths)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
