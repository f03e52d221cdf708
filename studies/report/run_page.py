"""The page of a single training run: what it reached, how it learned, where it errs and where it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from studies.attention import AttentionExamples
from studies.report.aggregation import DENSE, Record, percent
from studies.report.attention_grid import attention_block
from studies.report.class_figures import class_figure, confusion_figure
from studies.report.class_scores import commonest_share, wilson_interval
from studies.report.learning_curves import curve_words, learning_figure
from studies.report.page import Blocks, Plot, Section, escape
from studies.report.run_figures import churn_figure, density_figure
from studies.report.run_tables import (
    audit_block,
    class_table,
    found_baselines,
    group_tables,
    sample_count,
    scores_note,
    scores_table,
)
from studies.report.sections import bullets, method_blocks, network_blocks
from studies.report.style import policy_style
from studies.report.tables import costs_table, run_text


def run_sections(
    record: Record,
    config: Mapping[str, Any] | None = None,
    *,
    topology: tuple[Mapping[str, Any], Sequence[Any]] | None = None,
    dynamics: Sequence[str | Plot] = (),
    attention: AttentionExamples | None = None,
) -> list[Section]:
    """Return the sections of a run's page; those that its record has nothing for are left out.

    Parameters
    ----------
    record
        The run.
    config
        The study's configuration, if known.
    topology
        The run's graph over training, as `studies.topology_store.read_topology` returns it.
    dynamics
        Blocks about its expression and flow.
    attention
        Examples of where the network looks.
    """
    looks = [attention_block(attention, split="the validation part")] if attention is not None else []
    named: list[tuple[str, str, Blocks]] = [
        ("results", "Results", [scores_table([record]), scores_note([record])]),
        ("training", "How it went", _training_blocks(record)),
        ("classes", "Classes", _class_blocks(record)),
        ("attention", "Attention", [*looks]),
        ("groups", "Groups", [*group_tables([record])]),
        ("network", "What happened in the network", [*network_blocks([record], topology), *dynamics]),
        ("cost", "Cost", [costs_table([record])]),
        ("data", "Data", [block for block in [audit_block([record])] if block]),
        ("method", "How it was run", method_blocks([record], config)),
        ("caveats", "Caveats", [bullets(_caveats(record))]),
    ]
    return [Section(name=name, heading=heading, blocks=blocks) for name, heading, blocks in named if blocks]


def run_introduction(record: Record) -> str:
    """Return what the run reached, in words, and what that is to be measured by."""
    samples = sample_count(record)
    of_images = (
        f"of the {samples:,} test samples ({record.get('test_name') or 'test'})" if samples else "of test"
    )
    pruned = (
        f" with {percent(record['sparsity'], 1)} of its gated connections silenced"
        if record["sparsity"]
        else ""
    )
    lead = (
        f"The network recognises {percent(record['test_accuracy'], 2)} {of_images}{pruned}; "
        f"macro F1 {record['macro_f1']:.3f}."
    )
    return (
        '<div class="answer" role="note" aria-label="Answer">'
        f'<p class="lead">{escape(lead)}</p><p>{escape(_against_baselines(record))}</p></div>'
    )


def run_title(record: Record) -> tuple[str, str]:
    """Return title and subtitle of a run's page, as plain text."""
    name = run_text(str(record["policy"]), float(record["target_sparsity"]), int(record["seed"]))
    recipe = f"recipe {record['recipe']}, " if record.get("recipe") else ""
    epochs = f", {len(record['curve'])} epochs" if record.get("curve") else ""
    return f"Train: {record['model']} on {record['dataset']}", f"{recipe}{name}{epochs}"


def _against_baselines(record: Record) -> str:
    accuracy = float(record["test_accuracy"])
    baselines = found_baselines([record])
    sentences = []
    if baselines:
        best = max(baselines, key=lambda baseline: float(baseline["accuracy"]))
        sentences.append(
            f"The best simple classifier, {best['name']}, recognises {percent(best['accuracy'], 2)}: a "
            f"difference of {_points(accuracy - float(best['accuracy']))}."
            f"{_beyond_chance(record, float(best['accuracy']))}"
        )
    elif sample_count(record):
        commonest = commonest_share(record["confusion"])
        sentences.append(
            f"Always naming the commonest class would reach {percent(commonest, 2)}: a difference of "
            f"{_points(accuracy - commonest)}. No other baseline was recorded."
        )
    without = record.get("test_accuracy_without_copies")
    if without is not None:
        copied = record.get("copied_test_images")
        which = f"the {copied:,} test samples" if copied else "test samples"
        sentences.append(
            f"Without {which} that have a copy in training or validation it is {percent(without, 2)}."
        )
    return " ".join(sentences)


def _beyond_chance(record: Record, baseline: float) -> str:
    """Say whether the interval of the accuracy over test samples excludes a baseline."""
    samples = sample_count(record)
    if not samples:
        return ""
    low, high = wilson_interval(float(record["test_accuracy"]), samples)
    interval = f" The network's 95 % interval over test samples, {100 * low:.2f} to {100 * high:.2f},"
    if low > baseline:
        return f"{interval} lies above it."
    return f"{interval} lies below it." if high < baseline else f"{interval} includes it: no gain is shown."


def _training_blocks(record: Record) -> Blocks:
    blocks: Blocks = []
    learning = learning_figure(record)
    if learning is not None:
        different = " The training loss is the recipe's own, on augmented samples where it augments, and the "
        different += "network is changing while it is taken; the validation loss is plain cross-entropy."
        compared = any(point.get("validation_loss") is not None for point in record["curve"])
        blocks.append(
            Plot(
                name="learning",
                figure=learning,
                caption="Choices are made on validation data; the test set is looked at once."
                + (different if compared else ""),
                description="Learning curves. " + curve_words(record),
            )
        )
    for name, figure, caption, description in (
        ("density", density_figure([record]), "The dashed line is the schedule's target.",
         "Density of the network after every mask update, against the target."),
        ("churn", churn_figure([record]),
         "Churn is the share of all masks that an update flips, in either direction.",
         "Churn after every mask update."),
    ):  # fmt: skip
        if figure is not None:
            blocks.append(Plot(name=name, figure=figure, caption=caption, description=description))
    return blocks


def _class_blocks(record: Record) -> Blocks:
    if not sample_count(record):
        return []
    blocks: Blocks = []
    confusion = confusion_figure([record], str(record["policy"]), float(record["target_sparsity"]))
    if confusion is not None:
        blocks.append(
            Plot(
                name="confusion",
                figure=confusion,
                caption="Rows are the true class and add up to 100 %; pointing at a cell gives its samples.",
                description="Confusion matrix; the table below holds each class's recall and what it is "
                "most often mistaken for.",
            )
        )
    blocks.append(
        Plot(
            name="recall",
            figure=class_figure(record),
            caption="Recall: of the samples of a class, how many are recognised. Precision: of the "
            "samples taken for a class, how many are of it. Classes stand from the best recognised to the "
            "worst.",
            description="Recall and precision of every class; the table below holds the numbers.",
        )
    )
    blocks.append(class_table(record))
    return blocks


def _caveats(record: Record) -> list[str]:
    samples = sample_count(record)
    scored, last = record.get("best_epoch"), len(record.get("curve") or [])
    split = f"the test split ({record['test_name']})" if record.get("test_name") else "the test split"
    items = ["One seed was run: nothing is known of the spread over initial weights and data order."]
    if samples:
        low, high = wilson_interval(float(record["test_accuracy"]), samples)
        items.append(
            f"With {samples:,} test samples alone the accuracy is uncertain by about "
            f"±{50 * (high - low):.1f} points (95 % Wilson interval, samples taken as independent)."
        )
    if scored is not None and int(scored) != last:
        items.append(
            f"Accuracy on {split} is that of the weights after epoch {scored}, chosen on validation data."
        )
    else:
        items.append(f"Accuracy is that of the final weights on {split}, not the best epoch's.")
    if record.get("test_accuracy_without_copies") is None and not record.get("audit"):
        items.append("No audit of the data was recorded: test samples may have copies in training.")
    if record["policy"] != DENSE:
        label = policy_style(str(record["policy"])).label
        items.append(
            f"Nothing here says what {label} does better or worse than another policy: "
            "python -m studies compare does."
        )
    return items


def _points(difference: float) -> str:
    return f"{100 * difference:+.2f} points".replace("-", "−")
