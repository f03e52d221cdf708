"""Sections of the topology report: the graph at three zooms, and density by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np

from pruning.topology import Layout, UnitLinks, layer_graph
from pruning.topology.measures import chance_degrees, degrees
from studies.report.aggregation import percent
from studies.report.connection_figures import layer_density_figure
from studies.report.flow_figure import flow_figure, possible_gates
from studies.report.graph_animation import graph_animation
from studies.report.page import Blocks, Plot, escape
from studies.report.topology_words import (
    figures,
)
from studies.report.zoom_figures import layer_graph_figure, neighbourhood_figure
from studies.topology_analysis import Analysis

MOST_COLUMNS = 24  # layers and inputs that a flow is drawn of


def graph_blocks(analysis: Analysis, layout: Layout, around: nx.MultiDiGraph) -> Blocks:
    """The graph of units over training, of layers, and around one unit."""
    links = [moment.links for moment in analysis.moments]
    last = analysis.last.links
    layers = layer_graph(last)
    lonely = {name: d["units"] - d["live_units"] for name, d in layers.nodes(data=True)}
    lost = [f"{count:,} of {name}" for name, count in lonely.items() if count]
    forced = "" if layout.method == "layered" else ", linked units near one another"
    focus, unit = around.graph["column"], around.graph["unit"]
    return [
        Plot(
            name="graph-of-units",
            figure=graph_animation(links, positions=_positions(layout, last), title="The regulatory graph"),
            caption="A point is a unit, larger with more links; a line is a link, darker with more live "
            "connections. Blue came since the frame before, dotted orange went. A hollow unit has lost "
            f"every link. Places stay the same throughout{forced}. Move the slider, or play; point at a unit "
            "for its numbers.",
            description=f"Units and their live links at {len(links)} updates.",
        ),
        Plot(
            name="graph-of-layers",
            figure=layer_graph_figure(layers),
            caption="The same graph from afar, at the last update measured. A band is wider the more of all "
            "pairs of units are linked; point at its diamond. Orange squares are layers with units that have "
            f"no link left: {escape(', '.join(lost)) if lost else 'there are none'}.",
            description=f"{len(layers)} layers and {layers.number_of_edges()} bands between them.",
        ),
        Plot(
            name="neighbourhood",
            figure=neighbourhood_figure(around, title=f"Around unit {unit} of {focus}"),
            caption=f"{escape(_focus_text(analysis, str(focus), int(unit)))} Blue lines lead to it, orange "
            "ones away, wider with more live connections (kernels have several); those with most stand at "
            "the top. --focus LAYER:UNIT shows another unit.",
            description=f"Single connections around unit {unit} of {focus}.",
        ),
    ]


def density_blocks(analysis: Analysis) -> Blocks:
    """What is live between layers, over training."""
    blocks: Blocks = [f"<p>{escape(_density_text(analysis))}</p>"]
    links = [moment.links for moment in analysis.moments]
    if len(links[0].columns) <= MOST_COLUMNS:
        whole = possible_gates(analysis.run.layers, analysis.run.wiring, links[0])
        blocks.append(flow_plot(links, whole))
    else:
        blocks.append(
            f'<p class="note">The flow through {len(links[0].columns)} layers and inputs would be illegible '
            f"and is left out (above {MOST_COLUMNS}).</p>"
        )
    facts = analysis.run.facts
    run = {
        "policy": str(facts.get("policy", "run")),
        "seed": facts.get("seed", 0),
        "target_sparsity": float(facts.get("target_sparsity", 0.0)),
        "updates": analysis.updates,
    }
    blocks.append(
        Plot(
            name="layer-density",
            figure=layer_density_figure([run]),
            caption="One row a layer, input at the top, a column an update; brighter is denser, on a "
            "logarithmic scale. An empty layer is blank.",
            description="Heat map of the density of each layer over training.",
        )
    )
    return blocks


def flow_plot(links: Sequence[UnitLinks], possible: Any) -> Plot:
    """The flow of density through layers over training."""
    return Plot(
        name="flow",
        figure=flow_figure(links, possible, maximum_frames=12),
        caption="Read from the input at the top: every band is what could lead from one layer to the next, "
        "its blue part what is live. Bands are drawn as shares, so that small layers are seen beside large "
        "ones; the numbers of gates are under the pointer.",
        description="Live and silenced gates between layers over training.",
    )


def _positions(layout: Layout, links: UnitLinks) -> Any:
    """Places by node number, None for columns side by side, which the animation draws itself."""
    if layout.method == "layered":
        return None
    place = layout.positions()
    return np.array(
        [place[number, unit] for number, column in enumerate(links.columns) for unit in range(column.units)]
    )


def _focus_text(analysis: Analysis, column: str, unit: int) -> str:
    counts = []
    for moment in (analysis.moments[0], analysis.last):
        links = moment.links
        node = next(own.first for own in links.columns if own.name == column) + unit
        into, out = int((links.target == node).sum()), int((links.source == node).sum())
        counts.append(f"{into:,} links in and {out:,} out after step {links.step:,}")
    mean, std = chance_degrees(analysis.last.links, groups=analysis.run.groups)
    text = f"It has {counts[-1]}" + (f", and had {counts[0]}" if len(analysis.moments) > 1 else "")
    if std[node] > 0:
        own = int(degrees(analysis.last.links)[node])
        deviations = (own - mean[node]) / std[node]
        text += (
            f"; links strewn at random would give it {figures(float(mean[node]), 3)} ± "
            f"{figures(float(std[node]), 2)} ({deviations:+.1f} standard deviations)".replace("-", "−")
        )
    return f"{text}."


def _density_text(analysis: Analysis) -> str:
    first, last = analysis.updates[0], analysis.updates[-1]
    densities = last["layer_density"]
    dense, thin = max(densities, key=densities.get), min(densities, key=densities.get)
    text = (
        f"{percent(1 - last['sparsity'], 1)} of all connections are live after step {last['step']:,}, and "
        f"{percent(1 - first['sparsity'], 1)} were after the first update."
    )
    if len(densities) > 1:
        text += (
            f" Densest is {dense} with {percent(densities[dense], 1)}, thinnest {thin} with "
            f"{percent(densities[thin], 1)}"
            + (f", a ratio of {figures(densities[dense] / densities[thin], 2)}." if densities[thin] else ".")
        )
    empty = [name for name, value in densities.items() if not value]
    return text + (f" Empty: {', '.join(empty)}." if empty else "")
