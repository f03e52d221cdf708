"""The key figures of a topology report as PNG and SVG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go

from studies.report.image_export import FORMATS, write_images
from studies.report.page import Plot, Section


def write_topology_pictures(directory: Path, sections: Sequence[Section]) -> list[Path]:
    """Write every figure of the report as a picture; return the files.

    Raises
    ------
    RuntimeError
        If kaleido is not installed or no Chromium can be started; the message names the command.
    """
    jobs: dict[str | Path, go.Figure] = {
        directory / f"{block.name}.{kind}": block.figure
        for section in sections
        for block in section.blocks
        if isinstance(block, Plot)
        for kind in FORMATS
    }
    return write_images(jobs)
