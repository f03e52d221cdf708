"""PNG and SVG pictures of a study's key figures, through kaleido and an installed Chromium.

``python -m studies.report.pictures DIR OUT`` writes them. The browser is the one ``BROWSER_PATH`` names,
else the one found.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go

from studies.report.aggregation import check_records, choose_base, paired_differences, sparsities
from studies.report.build import load_records
from studies.report.figures import accuracy_figure, paired_figure
from studies.report.image_export import FORMATS, check_kaleido, write_images
from studies.report.run_figures import density_figure
from studies.report.topology_figure import topology_figure
from studies.topology_store import read_topology


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
    check_kaleido()
    figures = key_figures(Path(directory))
    jobs: dict[str | Path, go.Figure] = {}
    for name, figure in figures.items():
        figure.update_layout(margin={"t": 112}, height=figure.layout.height + 44)
        jobs |= {Path(out) / f"{name}.{kind}": figure for kind in formats}
    return write_images(jobs, width=width, scale=scale)


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
