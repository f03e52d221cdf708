"""The key figures of a topology report as PNG and SVG files."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import plotly.graph_objects as go

from pruning.topology import Layout
from studies.report.image_export import FORMATS, write_images
from studies.report.page import Plot
from studies.report.topology_graph_sections import density_blocks, graph_blocks
from studies.report.topology_link_sections import degree_blocks, hub_blocks
from studies.report.topology_measure_sections import measure_blocks
from studies.report.topology_time_sections import expression_blocks, turnover_blocks
from studies.topology_analysis import Analysis


def write_topology_pictures(
    directory: Path, analysis: Analysis, layout: Layout, around: nx.MultiDiGraph
) -> list[Path]:
    """Write every figure of the report as a picture; return the files.

    Raises
    ------
    RuntimeError
        If kaleido is not installed or no Chromium can be started; the message names the command.
    """
    blocks = [
        *graph_blocks(analysis, layout, around),
        *density_blocks(analysis),
        *degree_blocks(analysis),
        *hub_blocks(analysis),
        *measure_blocks(analysis),
        *turnover_blocks(analysis),
        *expression_blocks(analysis),
    ]
    jobs: dict[str | Path, go.Figure] = {
        directory / f"{block.name}.{kind}": block.figure
        for block in blocks
        if isinstance(block, Plot)
        for kind in FORMATS
    }
    return write_images(jobs)
