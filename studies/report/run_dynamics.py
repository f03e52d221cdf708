"""Pictures of a recorded run for the page of a study: flow, expression, phase plane, hysteresis."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pruning.topology import TopologyHistory, unit_links
from studies.directory import RUNS
from studies.records import run_key
from studies.report.expression_blocks import heatmap_plot, loop_plot, plane_plot
from studies.report.flow_figure import possible_gates
from studies.report.page import Plot, escape
from studies.report.topology_graph_sections import MOST_COLUMNS, flow_plot
from studies.topology_expression import read_expression
from studies.topology_source import read_run
from studies.topology_store import HISTORY, spread_evenly

FRAMES = 8  # of the flow
MOST_GATES = 1_000_000  # of a network whose flow is drawn: links between its units take memory


def dynamics_blocks(directory: Path, record: Mapping[str, Any]) -> list[str | Plot]:
    """Draw what a run's ``topology.grnt`` adds to its record; nothing where it has none.

    Parameters
    ----------
    directory : Path
        Of the study.
    record : mapping
        Of the run.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    named = ("policy", "model", "dataset", "seed", "target_sparsity")
    folder = Path(directory) / RUNS / run_key(**{name: record[name] for name in named})
    path = folder / HISTORY
    if not path.exists():
        return []
    blocks: list[str | Plot] = []
    with TopologyHistory.open(path) as history:
        masked = [place for place in range(len(history)) if history.has_masks(place)]
        if masked and sum(layer.total for layer in history.layers) <= MOST_GATES:
            run = read_run(path)  # builds the network: only where its flow is drawn
            links = [unit_links(history[place], run.wiring) for place in spread_evenly(masked, FRAMES)]
            if len(links[0].columns) <= MOST_COLUMNS:
                blocks.append(flow_plot(links, possible_gates(run.layers, run.wiring, links[0])))
        course = read_expression(history)
    if course is not None:
        plots = (heatmap_plot(course), plane_plot(course), loop_plot(course))
        blocks += [plot for plot in plots if plot is not None]
    alone = len(list(Path(directory).glob(f"{RUNS}/*/{HISTORY}"))) == 1
    command = ["python", "-m", "studies", "topology", "--run", str(directory if alone else folder)]
    blocks.append(
        "<p>The graph in full, with zooms, measures against random graphs and files for Gephi and Cytoscape: "
        f"<code>{escape(shlex.join(command))}</code></p>"
    )
    return blocks
