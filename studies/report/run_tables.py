"""The tables of one run or of a study's policies: scores beside baselines, classes, groups, and the audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from studies.report.aggregation import DENSE, Record, by_policy, percent
from studies.report.class_scores import class_scores, macro_scores, wilson_interval
from studies.report.page import escape, table
from studies.report.tables import policy_cell

_MOST_VALUES = 8  # of a group, shown one by one


def sample_count(record: Record) -> int:
    """Count the test samples of a record; 0 where it holds no confusion matrix."""
    return int(np.sum(record.get("confusion") or 0))


def scores_table(records: Sequence[Record]) -> str:
    """Scores of every policy, mean over its seeds, beside what simple classifiers reach."""
    interval = len(records) == 1 and sample_count(records[0]) > 0
    copies = any(record.get("test_accuracy_without_copies") is not None for record in records)
    errors = any(record.get("expected_calibration_error") is not None for record in records)
    head = ["Classifier", "Accuracy", *(["95 % interval"] if interval else [])]
    head += ["Without copies"] * copies + ["Macro precision", "Macro recall", "Macro F1"]
    head += ["Calibration error"] * errors
    rows: list[list[str]] = []
    group: list[bool] = []
    level = None
    for (policy, target), runs in sorted(by_policy(records).items(), key=lambda item: item[0][1]):
        group.append(bool(rows) and target != level)
        level = target
        row = [_classifier(policy, target), _share([run["test_accuracy"] for run in runs])]
        row += [_wilson(runs[0])] if interval else []
        row += [_share([run.get("test_accuracy_without_copies") for run in runs])] if copies else []
        row += [_number([_macro(run)[side] for run in runs]) for side in (0, 1)]
        row.append(_number([run["macro_f1"] for run in runs]))
        row += [_number([run.get("expected_calibration_error") for run in runs])] if errors else []
        rows.append(row)
    for place, baseline in enumerate(found_baselines(records)):
        group.append(place == 0)
        row = [f"<i>{escape(baseline['name'])}</i>", _share([baseline["accuracy"]]), *["–"] * interval]
        row += [_share([baseline.get("accuracy_without_copies")])] if copies else []
        rows.append([*row, "–", "–", _number([baseline.get("macro_f1")]), *["–"] * errors])
    return table(_scores_caption(records), head, rows, group=group)


def scores_note(records: Sequence[Record]) -> str:
    """Say what the columns and the simple classifiers of the scores table are."""
    words = "Macro scores are means over the classes, each counting alike."
    if len(records) == 1 and sample_count(records[0]):
        words += " The interval says how accuracy would vary with other test samples."
    if any(record.get("expected_calibration_error") is not None for record in records):
        words += " The calibration error (ECE) is the mean distance of confidence from accuracy."
    told = [f"{b['name']}: {b['description']}" for b in found_baselines(records) if b.get("description")]
    items = f" {escape('. '.join(text[0].upper() + text[1:] for text in told))}." if told else ""
    return f'<p class="quiet">{words}{items}</p>'


def found_baselines(records: Sequence[Record]) -> list[Mapping[str, Any]]:
    """Baselines of the study: those of the first record that has any, as all share their data."""
    return next((list(record["baselines"]) for record in records if record.get("baselines")), [])


def class_table(record: Record) -> str:
    """Samples, precision, recall and F1 of each class, and what it is most often taken for."""
    names = [str(name) for name in record["classes"]]
    rows = [
        [
            escape(name),
            f"{score.count:,}",
            _share([score.precision], 1),
            _share([score.recall], 1),
            _number([score.f1]),
            "–"
            if score.rival is None
            else f"{escape(names[score.rival])} "
            f"({percent(record['confusion'][label][score.rival] / score.count, 0)})",
        ]
        for label, (name, score) in enumerate(zip(names, class_scores(record["confusion"]), strict=True))
    ]
    head = ["Class", "Test samples", "Precision", "Recall", "F1", "Most often mistaken for"]
    return table("How each class is recognised", head, rows)


def group_tables(records: Sequence[Record]) -> list[str]:
    """Accuracy by group, a table a kind of group: a row a policy, mean over its seeds, with the gap."""
    names = dict.fromkeys(name for record in records for name in record.get("group_accuracy") or {})
    return [made for name in names if (made := _group_table(records, name))]


def audit_block(records: Sequence[Record]) -> str:
    """Return what the audit of the data found, as a list; nothing where no record holds an audit."""
    lines = dict.fromkeys(
        str(line) for record in records for line in (record.get("audit") or {}).get("lines", [])
    )
    if not lines:
        return ""
    mark = "warning: "
    warnings = [line.removeprefix(mark) for line in lines if line.startswith(mark)]
    notes = "".join(f'<p class="note"><strong>Warning.</strong> {escape(text)}</p>' for text in warnings)
    items = "".join(f"<li>{escape(line)}</li>" for line in lines if not line.startswith(mark))
    return f"<h3>What the audit of the data found</h3>{notes}<ul>{items}</ul>"


def _group_table(records: Sequence[Record], name: str) -> str:
    """Accuracy by one kind of group; empty where no value of it has test samples."""
    means = {key: found for key, runs in by_policy(records).items() if (found := _group_means(runs, name))}
    if not means:
        return ""
    values = list(dict.fromkeys(value for found in means.values() for value in found))
    few = len(values) <= _MOST_VALUES
    rows = []
    for (policy, target), found in means.items():
        lowest, highest = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
        if few:
            shown = [_share([found.get(value)], 1) for value in values]
        else:
            shown = [f"{escape(end)} ({percent(found[end], 1)})" for end in (lowest, highest)]
        gap = f"{100 * (found[highest] - found[lowest]):.1f}" if len(found) > 1 else "–"
        rows.append([_classifier(policy, target), *shown, gap])
    head = ["Classifier", *(map(escape, values) if few else ("Lowest", "Highest")), "Gap, points"]
    return table(f"Test accuracy by {name}, {len(values)} values", head, rows)


def _group_means(runs: Sequence[Record], name: str) -> dict[str, float]:
    """Mean accuracy over the runs for each value of a group; values without images are left out."""
    held: dict[str, list[float]] = {}
    for run in runs:
        for value, accuracy in ((run.get("group_accuracy") or {}).get(name) or {}).items():
            if accuracy is not None:
                held.setdefault(str(value), []).append(float(accuracy))
    return {value: float(np.mean(found)) for value, found in held.items()}


def _classifier(policy: str, target: float) -> str:
    return policy_cell(policy) + (f", {percent(target)} sparse" if policy != DENSE else "")


def _macro(record: Record) -> tuple[float | None, float | None]:
    """Macro precision and recall as recorded, else from the confusion matrix."""
    derived = macro_scores(record["confusion"]) if sample_count(record) else (None, None)
    recorded = record.get("macro_precision"), record.get("macro_recall")
    return (
        derived[0] if recorded[0] is None else float(recorded[0]),
        derived[1] if recorded[1] is None else float(recorded[1]),
    )


def _wilson(record: Record) -> str:
    low, high = wilson_interval(float(record["test_accuracy"]), sample_count(record))
    return f"{100 * low:.2f} to {100 * high:.2f}"


def _scores_caption(records: Sequence[Record]) -> str:
    images = sample_count(records[0])
    where = str(records[0].get("test_name") or "test")
    words = f"Scores on {images:,} images of {where}" if images else f"Scores on {where}"
    copied = next((r["copied_test_images"] for r in records if r.get("copied_test_images")), 0)
    if copied:
        words += f", {copied:,} of which have a copy in training or validation"
    return words + ("; simple classifiers in italics" if found_baselines(records) else "")


def _share(values: Sequence[float | None], digits: int = 2) -> str:
    found = [float(value) for value in values if value is not None]
    return percent(float(np.mean(found)), digits) if found else "–"


def _number(values: Sequence[float | None]) -> str:
    found = [float(value) for value in values if value is not None]
    return f"{float(np.mean(found)):.3f}" if found else "–"
