"""Sections of the topology report: measures against chance, and how they were made."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pruning.topology import TopologySnapshot, unit_links
from pruning.topology.measures import count_paths
from studies.report.measure_figures import measures_figure, z_figure
from studies.report.page import Blocks, Plot, escape, table
from studies.report.sections import bullets
from studies.report.topology_words import (
    MEANINGS,
    compared_text,
    figures,
    p_text,
)
from studies.topology_analysis import NULL_SECONDS, Analysis
from studies.topology_source import RecordedRun
from studies.topology_verdicts import UNJUDGED, judge

DRAWN = [name for name in MEANINGS if name not in ("effective depth", "units of the largest part")]


def measure_blocks(analysis: Analysis) -> Blocks:
    """Measures over training with the null's band, and all of the last update in words."""
    moments = analysis.moments
    compared = analysis.compared
    names = [name for name in DRAWN if any(math.isfinite(m.measures.get(name, math.nan)) for m in moments)]
    blocks: Blocks = [
        f"<p>{escape(_null_text(analysis))}</p>",
        Plot(
            name="measures-over-training",
            figure=measures_figure(
                [moment.links.step for moment in moments],
                [moment.measures for moment in moments],
                [moment.comparisons for moment in moments],
                names,
            ),
            caption=_band_text(analysis),
            description="Measures over training beside their random graphs.",
        ),
    ]
    if not compared:
        return blocks
    blocks.append(
        Plot(
            name="distance-from-chance",
            figure=z_figure(
                [moment.links.step for moment in moments], [moment.comparisons for moment in moments], names
            ),
            caption="The same as colour: blue above the random graphs, orange below, pale where the two "
            "agree; z is the distance from their mean in their standard deviations. Blank where all random "
            "graphs have one value. A large z need not be a large difference: where random graphs hardly "
            "vary, a small one shows.",
            description="Map of z of every measure over training.",
        )
    )
    last = compared[-1]
    verdicts = judge(last.comparisons)
    shown = [name for name in verdicts if not name.startswith(UNJUDGED)]
    blocks.append(f"<h3>After step {last.links.step:,}, in words</h3>")
    blocks.append(bullets([compared_text(name, verdicts[name]) for name in shown]))
    blocks.append(f"<p>{escape(lost_text(last.snapshot, analysis.run))}</p>")
    if last.summary is not None and math.isfinite(last.summary.sigma):
        sigma = last.summary.sigma
        blocks.append(
            f"<p>The small-world coefficient, clustering over distance each as a multiple of the null's, is "
            f"{figures(sigma, 3)}: a small world has clearly more than 1.</p>"
        )
    rows = []
    for name, one in verdicts.items():
        c = one.comparison
        rows.append(
            [
                escape(name), figures(c.value), figures(c.null_mean), figures(c.null_std, 2),
                "–" if c.z is None else f"{c.z:+.1f}".replace("-", "−"),
                "–" if c.p is None else f"{c.p:.3f}",
                "–" if one.p_holm is None else p_text(one.p_holm).removeprefix("p = ").removeprefix("p "),
                {"apart": "told apart", "same": "not distinguishable", "fixed": "fixed by degrees",
                 "undefined": c.note, "not judged": "not judged"}[one.kind],
            ]
        )  # fmt: skip
    blocks.append(
        "<details><summary>All measures of this update, with what they mean</summary>"
        + table(
            "z: distance from the null's mean in its standard deviations. Rank p: of the value among the "
            "random graphs, two-sided. Corrected p: see How it was measured.",
            ["Measure", "Value", "Null mean", "Null s.d.", "z", "Rank p", "Corrected p", "Verdict"],
            rows,
        )
        + bullets([f"{name}: {meaning}" for name, meaning in MEANINGS.items() if name in verdicts])
        + "</details>"
    )
    return blocks


def lost_text(snapshot: TopologySnapshot, run: RecordedRun) -> str:
    """Say in which layers units are cut off from the input or the output."""
    paths = count_paths(unit_links(snapshot, run.joined if run.joined is not None else run.wiring))
    said = []
    for what, counts in (
        ("reached by no path", paths.unreachable),
        ("with no path to the output", paths.useless),
    ):
        where = [f"{count:,} of {name}" for name, count in counts.items() if count]
        said.append(f"Units {what}: {', '.join(where) or 'none'}.")
    return " ".join(said)


def method_blocks(analysis: Analysis, command: str, files: Sequence[str], notes: Sequence[str]) -> Blocks:
    """How the numbers were made."""
    least = 2 / (analysis.null_samples + 1)
    items = [
        analysis.run.wiring_note,
        f"Of {_updates(len(analysis.updates))}, {len(analysis.moments)} measured, "
        f"{len(analysis.compared)} of them held against {analysis.null_samples} random graphs each, in "
        f"{analysis.seconds:.0f} s. Where random graphs would take more than about {NULL_SECONDS:.0f} s they "
        "are drawn at fewer updates.",
        f"{_updates(analysis.left_out)} left out: without masks, or with too many links."
        if analysis.left_out
        else "",
        "The random graphs are drawn by global curveball trades, which keep every unit's links to each other "
        "layer. They say nothing of degrees themselves: those are held against links strewn at random.",
        f"A rank among {analysis.null_samples} random graphs cannot have a p below {least:.3f}. To judge "
        "beyond that, z is taken as that of one more draw from a normal law (Student's t), and corrected by "
        "Holm for all measures judged at the update: a measure is told apart at a corrected p below 0.05, if "
        "it also lies strictly beyond every random graph. Where these all have one other value there is no "
        "z, and the rank takes its place. The normal law is an assumption; --null-samples 200 needs less of "
        "it. Singular values of single pairs of layers are told as numbers and not judged.",
        "Updates of one run are not independent: a measure that leaves its band at every update is one "
        "finding, not many. One run was looked at: another seed may differ.",
        *notes,
    ]
    blocks: Blocks = []
    if command:
        blocks.append(f"<pre><code>{escape(command)}</code></pre>")
    blocks.append(bullets([item for item in items if item]))
    if files:
        blocks.append(
            f"<p>Beside this page: {escape(', '.join(files))}. GraphML and GEXF open in Gephi, GraphML and "
            ".cyjs in Cytoscape; history.gexf plays along Gephi's timeline; measures.csv holds every number "
            "with its null.</p>"
        )
    return blocks


def _updates(count: int) -> str:
    return f"{count} update{'s were' if count != 1 else ' was'}"


def _null_text(analysis: Analysis) -> str:
    compared, count = analysis.compared, len(analysis.moments)
    if not compared:
        return "No random graphs were drawn."
    measured = "1 update was" if count == 1 else f"{count} updates were"
    where = "each" if len(compared) == count else f"{len(compared)} of them"
    return (
        f"{measured} measured, and {where} held against {analysis.null_samples} random graphs with the same "
        "degrees."
    )


def _band_text(analysis: Analysis) -> str:
    """What the grey of the measures is: a band where all updates were compared, else a bar at some."""
    whole = len(analysis.compared) == len(analysis.moments)
    grey = "band" if whole and len(analysis.moments) > 1 else "bar"
    at = "" if whole else f", at the {len(analysis.compared)} updates for which some were drawn"
    between = "" if whole else " Between the bars nothing was compared."
    return (
        f"Blue: the graph. Grey: random graphs with the same degrees, mean ± 2 standard deviations{at}. Only "
        f"where the line leaves the {grey} does the arrangement of links matter beyond how many each unit "
        f"has; where both coincide, the degrees say it all.{between}"
    )
