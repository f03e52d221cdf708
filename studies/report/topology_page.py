"""The page of the topology study."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx

from pruning.topology import Layout
from studies.report.page import Blocks, Section, escape, render_page
from studies.report.tables import run_text
from studies.report.topology_graph_sections import density_blocks, graph_blocks
from studies.report.topology_link_sections import degree_blocks, hub_blocks
from studies.report.topology_measure_sections import measure_blocks, method_blocks
from studies.report.topology_time_sections import expression_blocks, turnover_blocks
from studies.report.topology_words import hubs_text, humps_text, overall_text
from studies.topology_analysis import Analysis
from studies.topology_verdicts import judge


def topology_sections(analysis: Analysis, *, layout: Layout, around: nx.MultiDiGraph) -> list[Section]:
    """Return what the page shows, with every figure, which the pictures are drawn from too.

    Parameters
    ----------
    analysis : Analysis
        Of one recorded run.
    layout : Layout
        Of all units.
    around : networkx.MultiDiGraph
        From :func:`pruning.topology.neighbourhood`.
    """
    named: list[tuple[str, str, Blocks]] = [
        ("graph", "The graph", graph_blocks(analysis, layout, around)),
        ("density", "Density by layer", density_blocks(analysis)),
        ("degrees", "Links of single units", degree_blocks(analysis)),
        ("hubs", "Hubs", hub_blocks(analysis)),
        ("measures", "Measures against chance", measure_blocks(analysis)),
        ("turnover", "Births, deaths, lifetimes", turnover_blocks(analysis)),
        ("expression", "Expression", expression_blocks(analysis)),
    ]
    return [Section(name=n, heading=heading, blocks=blocks) for n, heading, blocks in named if blocks]


def build_topology_page(
    analysis: Analysis,
    sections: Sequence[Section],
    *,
    command: str = "",
    files: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> str:
    """Return the whole page.

    Parameters
    ----------
    analysis : Analysis
        Of one recorded run.
    sections : sequence of Section
        From `topology_sections`; how it was measured is added.
    command : str
        That makes the page again.
    files, notes : sequence of str
        Names of the files written beside it, and what was left out of them.
    """
    facts = analysis.run.facts
    method = Section(
        name="method",
        heading="How it was measured",
        blocks=method_blocks(analysis, command, files, notes),
    )
    return render_page(
        title=f"Topology: {facts.get('model', 'network')} on {facts.get('dataset', 'unknown data')}",
        subtitle=_subtitle(analysis),
        introduction=_introduction(analysis),
        sections=[*sections, method],
        footer=f"Made from {analysis.run.path.name} by python -m studies topology.",
    )


def _subtitle(analysis: Analysis) -> str:
    facts, updates = analysis.run.facts, analysis.updates
    name = (
        run_text(str(facts["policy"]), float(facts["target_sparsity"]), int(facts["seed"]))
        if {"policy", "target_sparsity", "seed"} <= set(facts)
        else str(analysis.run.path)
    )
    count = f"{len(updates)} update{'s' * (len(updates) != 1)}"
    return f"{name}; {count} to step {updates[-1]['step']:,}, epoch {updates[-1]['epoch']}"


def _introduction(analysis: Analysis) -> str:
    last = analysis.last
    gates = last.snapshot.total
    lead = (
        f"After step {last.links.step:,} the network has {last.snapshot.live:,} of {gates:,} connections, on "
        f"{len(last.links):,} links between {last.links.nodes:,} units."
    )
    sentences = []
    if last.summary is not None:
        sentences.append(overall_text(judge(last.comparisons), analysis.null_samples, last.links.step))
    sentences.append(hubs_text(analysis.hubs_first_last))
    course = analysis.expression
    humps = course.humps() if course is not None else None
    if course is not None and humps is not None:
        sentences.append(humps_text(humps, course.steps.tolist()))
    running = ""
    if analysis.run.record is None:
        running = (
            '<p class="note">The run has no record: it still goes on, was stopped, or its file stands alone. '
            f"Updates up to step {analysis.updates[-1]['step']:,} are seen.</p>"
        )
    return (
        "<p>A unit is a neuron or channel; a link joins two units with at least one live connection between "
        "them. Whatever a graph of so many links per unit would show by chance is shown beside it: random "
        "graphs in which every unit keeps its number of links to each other layer.</p>"
        '<div class="answer" role="note" aria-label="What was seen">'
        f'<p class="lead">{escape(lead)}</p>'
        + "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
        + f"</div>{running}"
    )
