"""Sections of the topology report: links of single units, their tails, and hubs."""

from __future__ import annotations

from typing import Any

import numpy as np

from pruning.topology.measures import chance_degrees, degrees, hubs
from studies.report.degree_figures import degree_figure
from studies.report.page import Blocks, Plot, escape, table
from studies.report.topology_words import (
    figures,
    hubs_text,
    p_text,
    tails_text,
)
from studies.report.turnover_figures import (
    hub_figure,
)
from studies.topology_analysis import Analysis


def degree_blocks(analysis: Analysis) -> Blocks:
    """Distributions of degrees, and their tails."""
    links, found = analysis.last.links, analysis.last.summary
    if not len(links) or found is None:
        return []
    wide = [one for one in found.degrees if one.chance_std > 0 and one.std > 2 * one.chance_std]
    testable = [one for one in found.degrees if one.chance_std > 0]
    words = (
        f"In {len(wide)} of {len(testable)} layers and directions the links of single units spread more than "
        "twice as widely as chance would have it"
    )
    if testable:
        most = max(testable, key=lambda one: one.std / one.chance_std)
        words += (
            f"; most in {most.column}, links {most.direction}: a standard deviation of "
            f"{figures(most.std, 3)} where chance gives {figures(most.chance_std, 3)}"
        )
    rows = [
        [
            f"{escape(one.column)}, {one.direction}",
            f"{one.counts.sum():,}",
            figures(one.mean, 3),
            figures(one.std, 3),
            figures(one.chance_std, 3),
            figures(one.gini, 2),
            f"{one.largest:,}",
            *_tail_cells(found.tails.get((one.column, one.direction))),
        ]
        for one in found.degrees
    ]
    return [
        f"<p>{escape(words)}. {escape(tails_text(found.tails))}</p>",
        Plot(
            name="degrees-of-units",
            figure=degree_figure(links, groups=analysis.run.groups),
            caption="Bars: units by their number of links, at the last update measured. Line: what would be "
            "expected if as many links were strewn at random between the same layers (a null that keeps "
            "degrees has nothing to say about them). Bars far out to the right of the line are hubs.",
            description="Degree distributions by layer beside those of random links.",
        ),
        table(
            "Degrees by layer and direction at the last update measured. The tail is a power law fitted from "
            "the minimum up (Clauset et al. 2009); a positive log-likelihood ratio speaks for it, and p "
            "above 0.1 means that the data cannot tell.",
            ["Layer", "Units", "Mean", "S.d.", "S.d. by chance", "Gini", "Largest", "Exponent", "From",
             "Against exponential", "Against lognormal", "Verdict"],
            rows,
        ),
    ]  # fmt: skip


def hub_blocks(analysis: Analysis) -> Blocks:
    """Hubs, and whether they stay."""
    steps = [moment.links.step for moment in analysis.moments]
    blocks: Blocks = [
        "<p>A hub has more links than two standard deviations above what links strewn at random between the "
        f"same layers would give it. {escape(hubs_text(analysis.hubs_first_last))}</p>"
    ]
    if analysis.hub_overlaps and any(one.before + one.after for one in analysis.hub_overlaps):
        blocks.append(
            Plot(
                name="hubs-kept",
                figure=hub_figure(steps, analysis.hub_overlaps),
                caption="Hubs of both graphs, of those that are hubs in either; the dashed line is what as "
                "many units drawn at random within each layer would share. Gaps: no hub in either. When "
                "pruning stands still, all hubs are kept.",
                description="Share of hubs kept between graphs measured, beside chance.",
            )
        )
    rows = _hub_rows(analysis)
    if rows:
        blocks.append(
            table(
                "The strongest hubs at the last update measured",
                [
                    "Unit", "Links in", "Links out", "Expected by chance", "S.d. above", "Hub in graphs "
                    "measured",
                ],
                rows,
            )
        )  # fmt: skip
    return blocks


def _tail_cells(tail: Any) -> list[str]:
    if tail is None or tail.exponential is None:
        return ["–", "–", "–", "–", "too short" if tail is not None else "–"]
    return [
        f"{figures(tail.exponent, 3)} ± {figures(tail.error, 2)}",
        f"{tail.minimum:,}",
        *(
            f"{one.ratio:+.1f} ({p_text(one.p)})".replace("-", "−")
            for one in (tail.exponential, tail.lognormal)
        ),
        escape(tail.verdict),
    ]


def _hub_rows(analysis: Analysis) -> list[list[str]]:
    links = analysis.last.links
    groups = analysis.run.groups
    found = hubs(links, groups=groups)
    times = np.sum([hubs(moment.links, groups=groups) for moment in analysis.moments], axis=0)
    own, into, out = degrees(links), degrees(links, "in"), degrees(links, "out")
    mean, std = chance_degrees(links, groups=groups)
    score = np.where(found, (own - mean) / np.where(std > 0, std, 1.0), -np.inf)
    column = links.column_of()
    rows = []
    for node in np.argsort(-score, kind="stable")[:10].tolist():
        if not found[node]:
            break
        where = links.columns[column[node]]
        rows.append(
            [
                f"{escape(where.name)}, unit {node - where.first}", f"{into[node]:,}", f"{out[node]:,}",
                f"{mean[node]:.1f} ± {std[node]:.1f}", f"{score[node]:.1f}",
                f"{times[node]} of {len(analysis.moments)}",
            ]
        )  # fmt: skip
    return rows
