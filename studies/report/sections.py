"""The sections of a report: for each the words, tables and figures that a study's records allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from studies.directory import CONFIG
from studies.report.aggregation import DENSE, Record, choose_base, paired_differences, sparsities
from studies.report.class_figures import confusion_figure, recall_figure
from studies.report.connection_figures import expression_figure, has_expression, layer_density_figure
from studies.report.figures import accuracy_figure, cost_figure, paired_figure
from studies.report.page import Plot, escape, table
from studies.report.run_figures import (
    churn_figure,
    density_figure,
    validation_figure,
    validation_loss_figure,
)
from studies.report.run_tables import scores_note, scores_table
from studies.report.style import policy_style
from studies.report.tables import (
    costs_table,
    feedback_table,
    provenance_table,
    results_table,
    run_text,
    settings_rows,
    study_command,
)
from studies.report.topology_figure import topology_animation
from studies.report.verdict import answer

_FURTHER_SCORES = ("expected_calibration_error", "test_accuracy_without_copies", "baselines")
CONTROLS = ("dense", "small-dense", "random", "magnitude", "smoothed", "heuristic", "expression")


def results_blocks(records: Sequence[Record]) -> list[str | Plot]:
    """State the answer with its tables and the two figures it rests on."""
    found = answer(records)
    blocks: list[str | Plot] = [
        bullets([*found.leaders, *found.left_out]),
        feedback_table(records),
        results_table(records),
    ]
    if any(record.get(field) is not None for record in records for field in _FURTHER_SCORES):
        blocks += [scores_table(records), scores_note(records)]
    if sparsities(records):
        blocks.append(
            Plot(
                name="accuracy",
                figure=accuracy_figure(records),
                caption="Lines join the means; bars are 95 % t intervals over seeds, faint "
                "marks single seeds. Policies stand a "
                "little apart sideways so that none hides another. The dotted line with its "
                "band is the dense network.",
                description="Test accuracy of every policy against sparsity. " + " ".join(found.leaders),
            )
        )
    base = choose_base(records)
    if base is not None and paired_differences(records, base):
        blocks.append(
            Plot(
                name="paired",
                figure=paired_figure(records),
                caption=f"Every faint mark is one seed: a policy's accuracy less that of "
                f"{policy_style(base).label} with the same "
                "seed. An interval that crosses zero does not show a difference.",
                description="Paired differences of test accuracy. " + found.feedback,
            )
        )
    return blocks


def training_blocks(records: Sequence[Record]) -> list[str | Plot]:
    """Show how density, churn and validation accuracy went."""
    candidates = (
        (
            "density",
            density_figure(records),
            "The dashed line is the schedule's target. Strong lines are means over seeds, faint "
            "ones single runs.",
            "Density of the network after every mask update, by policy, against the target.",
        ),
        (
            "churn",
            churn_figure(records),
            "Churn is the share of all masks that an update flips, in either direction.",
            "Churn after every mask update, by policy.",
        ),
        (
            "validation",
            validation_figure(records),
            "Measured on the validation part of the training data, on which choices are made; "
            "the test set is looked at once.",
            "Validation accuracy after every epoch, by policy.",
        ),
        (
            "validation-loss",
            validation_loss_figure(records),
            "Mean cross-entropy on the same images: where it rises while accuracy stays, the network is "
            "growing too sure of its mistakes.",
            "Validation loss after every epoch, by policy.",
        ),
    )
    return [
        Plot(name=name, figure=figure, caption=caption, description=description)
        for name, figure, caption, description in candidates
        if figure is not None
    ]


def network_blocks(
    records: Sequence[Record], topology: tuple[Mapping[str, Any], Sequence[Any]] | None
) -> list[str | Plot]:
    """Show the graph over training, the layers that pay, and the expression of single connections."""
    blocks: list[str | Plot] = []
    if topology is not None:
        run, snapshots = topology
        name = escape(run_text(str(run["policy"]), float(run["target_sparsity"]), int(run["seed"])))
        blocks.append(
            Plot(
                name="topology",
                figure=topology_animation(snapshots, title="The network as it is pruned"),
                caption=f"{name}. A line is a link between two units, darker with more live connections or "
                "higher expression. Blue was born since the frame before, dotted orange died; hollow units "
                "have lost every link drawn. Move the slider through training, or play.",
                description=f"Units in columns by layer with their live connections over training, {name}.",
            )
        )
    levels = sparsities(records)
    at_top = [r for r in records if levels and r["target_sparsity"] == levels[-1] and r.get("updates")]
    paying = _one_each(at_top, ("expression", "magnitude", "heuristic", "smoothed"), 2)
    if paying:
        blocks.append(
            Plot(
                name="layers",
                figure=layer_density_figure(paying),
                caption="One row a layer, input at the top; brighter is denser, on a "
                "logarithmic scale. An empty layer is blank.",
                description="Heat map of the density of each layer over training.",
            )
        )
    expressing = _one_each([r for r in at_top if has_expression(r)], ("expression", "smoothed"), 2)
    if expressing:
        blocks.append(
            Plot(
                name="expression",
                figure=expression_figure(expressing),
                caption="Each line is one connection, the same ones at every update; expression "
                "is the protein level p, between 0 and 1 under the Hill promoter; the smoothed "
                "filter is linear "
                "and has no upper limit. Under feedback, lines can part and stay apart.",
                description="Expression of sampled connections over training, those live at the "
                "end against those silent.",
            )
        )
    return blocks


def class_blocks(records: Sequence[Record]) -> list[str | Plot]:
    """Show recall and confusion by class, at the highest sparsity."""
    levels = sparsities(records)
    blocks: list[str | Plot] = []
    top = levels[-1] if levels else 0.0
    recall = recall_figure(records, top)
    if recall is not None:
        blocks.append(
            Plot(
                name="recall",
                figure=recall,
                caption="Pruning can cost some classes more than the overall accuracy shows.",
                description="Recall of every class by policy.",
            )
        )
    here = [r for r in records if r["target_sparsity"] == top and (r["policy"] != DENSE or not levels)]
    chosen = _one_each(here, ("expression", "magnitude", DENSE), 1)
    confusion = confusion_figure(records, chosen[0]["policy"], top) if chosen else None
    if confusion is not None:
        blocks.append(
            Plot(
                name="confusion",
                figure=confusion,
                caption="Rows are the true class and add up to 100 %; pointing at a cell gives its images, "
                "summed over seeds.",
                description="Confusion matrices.",
            )
        )
    return blocks


def cost_blocks(records: Sequence[Record]) -> list[str | Plot]:
    """Show parameters and training time."""
    return [
        "<p>Masked weights are zeros in dense matrices: unstructured sparsity makes a network "
        "smaller to store, not faster to run. Times "
        "are wall-clock times of this machine, other load included.</p>",
        costs_table(records),
        Plot(
            name="time",
            figure=cost_figure(records),
            caption="The hatched part is time inside the pruning controller; the dotted line is dense.",
            description="Training time of every policy and the controller's part of it.",
        ),
    ]


def method_blocks(records: Sequence[Record], config: Mapping[str, Any] | None) -> list[str | Plot]:
    """Say how the study was run: command, provenance, settings."""
    blocks: list[str | Plot] = []
    first = records[0]
    settings = config if config is not None else first.get("config")
    command = study_command(settings or {})
    if command:
        blocks.append(f"<pre><code>{escape(command)}</code></pre>")
    blocks.append(provenance_table(records))
    if settings:
        rows = [[escape(name), escape(value)] for name, value in settings_rows(settings) if name != "command"]
        source = CONFIG if config is not None else "the first run's configuration"
        blocks.append(
            f"<details><summary>Configuration "
            f"({source})</summary>{table('Configuration', [], rows, words=True)}</details>"
        )
    return blocks


def caveats(
    records: Sequence[Record], plan: Mapping[str, Any], missing: Sequence[tuple[str, float, int]]
) -> str:
    """List what the numbers do not say."""
    seeds = sorted({int(r["seed"]) for r in records})
    policies = {r["policy"] for r in records}
    splits = ", ".join(dict.fromkeys(str(r["test_name"]) for r in records if r.get("test_name")))
    split = f"the test split ({splits})" if splits else "the test split"
    absent = [policy_style(policy).label for policy in CONTROLS if policy not in policies]
    if len(seeds) == 1:
        spread = "One seed was run: nothing is known of the spread, and no difference can be claimed."
    elif len(seeds) < 5:
        spread = f"{len(seeds)} seeds were run: fewer than five are too few to settle small differences."
    else:
        spread = f"{len(seeds)} seeds were run."
    if "small-dense" in policies:
        small = (
            "A small dense network is drawn at the sparsity whose size it matches; nothing in it is silenced."
        )
    else:
        small = (
            "No small dense network of equal size was run, so the gain over simply training a smaller "
            "network is unknown."
        )
    items = [
        spread,
        "Intervals are Student t intervals over seeds: they say how a result would vary with other initial "
        "weights and data order, not with other test images.",
        "No correction is made for looking at several policies and sparsities, nor for choosing the leader "
        "after seeing the means: with many comparisons some intervals exclude zero by chance.",
        f"Accuracy is that of the final weights on {split}, not the best epoch's.",
        small,
        f"Not run: {', '.join(absent)}." if absent else "",
        f"{len(missing)} planned runs have no record." if missing else "",
    ]
    return bullets([item for item in items if item])


def _one_each(records: Sequence[Record], preferred: Sequence[str], count: int) -> list[Record]:
    """Pick the first seed of up to ``count`` policies, the preferred ones first."""
    first: dict[str, Record] = {}
    for record in sorted(records, key=lambda r: int(r["seed"])):
        first.setdefault(record["policy"], record)
    order = [policy for policy in preferred if policy in first] + [p for p in first if p not in preferred]
    return [first[policy] for policy in order[:count]]


def bullets(items: Sequence[str]) -> str:
    """List plain texts as HTML; nothing for no texts."""
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>" if items else ""
