"""Sections of the topology report: births, deaths, lifetimes, and expression."""

from __future__ import annotations

from studies.report.aggregation import percent
from studies.report.expression_blocks import heatmap_plot, histogram_plot, loop_plot, plane_plot
from studies.report.page import Blocks, Plot, escape
from studies.report.topology_words import (
    lifetimes_text,
)
from studies.report.turnover_figures import (
    COHORTS,
    births_figure,
    lifetime_figure,
    survival_curves,
)
from studies.topology_analysis import Analysis


def turnover_blocks(analysis: Analysis) -> Blocks:
    """Births, deaths, churn and lifetime curves."""
    updates = analysis.updates
    born, died = (sum(update[name] for update in updates) for name in ("born", "died"))
    blocks: Blocks = [
        f"<p>{died:,} times a connection was silenced and {born:,} times one was restored: "
        f"{percent(born / died, 1)} as many births as deaths.</p>"
        if died
        else f"<p>No connection was silenced, and {born:,} times one was restored.</p>",
        Plot(
            name="births",
            figure=births_figure(updates),
            caption="Above zero connections restored by each update, below zero those silenced. Where both "
            "are large, masks are exchanged rather than thinned out.",
            description="Births and deaths of connections at each update, and churn.",
        ),
    ]
    lives = analysis.spells
    curves = survival_curves(lives) if lives is not None else {}
    if lives is None or not curves:
        return blocks
    said = [lifetimes_text(COHORTS[cohort][0], *found) for cohort, found in curves.items()]
    if "born" not in curves:
        said.append("No connection was restored, so there is no lifetime of one to tell.")
    if len(lives.steps) < len(updates):
        said.append(f"Seen at {len(lives.steps)} of {len(updates)} updates.")
    blocks += [
        f"<p>{escape(' '.join(said))}</p>",
        Plot(
            name="lifetimes",
            figure=lifetime_figure(curves),
            caption="Kaplan-Meier curves with 95 % intervals: the share of connections that outlive each "
            "age, up to the longest time for which one was watched. Those still live when last seen count as "
            "outliving what was seen of them. The dotted lines "
            "have as many deaths at each update, dealt out without regard to age: a solid line that falls "
            "faster and then flattens tells that young connections die and old ones stay.",
            description=" ".join(said),
        ),
    ]
    return blocks


def expression_blocks(analysis: Analysis) -> Blocks:
    """Expression over training, where the policy has one."""
    gating = (analysis.run.facts.get("gating") or {}).get("name", "this policy")
    course = analysis.expression
    if course is None:
        return [
            f"<p>{escape(gating)} has no expression: heat map, histogram, phase plane and hysteresis loop "
            "are left out.</p>"
        ]
    plots = [histogram_plot(course), heatmap_plot(course), plane_plot(course), loop_plot(course)]
    blocks: Blocks = [plot for plot in plots if plot is not None]
    if not course.bounded:
        blocks.insert(
            0,
            f"<p>The expression of {escape(gating)} is not confined to 0 to 1, so no histogram is drawn.</p>",
        )
    if course.gene is None:
        blocks.append(
            f"<p>{escape(gating)} does not carry Eq. 1 with a promoter: phase plane and hysteresis loop are "
            "left out.</p>"
        )
    return blocks
