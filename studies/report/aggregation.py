"""Tables behind the figures: means, intervals and paired differences over seeds.

Everything here takes records (the dictionaries of ``records.jsonl``, one a run) and returns plain
frozen dataclasses; nothing here draws. Accuracies are fractions in [0, 1]; differences are fractions too
and become percentage points only where they are shown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

Record = Mapping[str, Any]
"""One run, as it stands on a line of ``records.jsonl``."""

DENSE = "dense"
SMALL_DENSE = "small-dense"
REQUIRED_FIELDS = (
    "policy",
    "model",
    "dataset",
    "seed",
    "target_sparsity",
    "sparsity",
    "test_accuracy",
    "macro_f1",
    "parameters",
    "live_parameters",
    "live_multiply_adds",
    "train_seconds",
    "controller_seconds",
)
_RESOLUTION = 1e-12  # spreads below this are rounding of float64 differences, not variation over seeds


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A mean over seeds with its Student t interval.

    ``low`` and ``high`` are None where fewer than two values were given: one value carries no information
    about spread.
    """

    mean: float
    low: float | None
    high: float | None
    count: int

    @property
    def estimable(self) -> bool:
        """Whether the values varied, so that the interval says something about other seeds."""
        return self.low is not None and self.high is not None and self.high - self.low > _RESOLUTION

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero; False where it is not estimable."""
        return self.estimable and (float(self.low or 0.0) > 0.0 or float(self.high or 0.0) < 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One policy at one target sparsity: a value for every seed, and their interval."""

    policy: str
    target_sparsity: float
    sparsity: float  # mean achieved sparsity, as drawn
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    interval: Interval
    base: str | None = None  # the policy the values were taken from, for differences

    @property
    def key(self) -> tuple[str, float]:
        """The pair (policy, target sparsity)."""
        return self.policy, self.target_sparsity


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one policy at one target sparsity needs, averaged over its seeds."""

    policy: str
    target_sparsity: float
    count: int
    parameters: float
    live_parameters: float
    live_multiply_adds: float  # of one forward pass of one image
    train_seconds: float
    time_ratio: float | None  # to the dense run of the same seed; None without one
    controller_share: float  # controller seconds / training seconds


def t_interval(values: Iterable[float], level: float = 0.95) -> Interval:
    """Mean of independent values with its two-sided Student t interval.

    Parameters
    ----------
    values
        One number a seed, at least one.
    level
        Coverage in (0, 1).

    Raises
    ------
    ValueError
        For no values, values that are not finite, or a level outside (0, 1).

    Examples
    --------
    >>> t = t_interval([1.0, 2.0, 3.0])
    >>> round(t.mean, 3), round(t.low, 3), round(t.high, 3)
    (2.0, -0.484, 4.484)
    >>> t_interval([0.7]).low is None
    True
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must be a coverage in (0, 1), got {level!r}: pass 0.95")
    sample = np.asarray(list(values), dtype=np.float64)
    if sample.size == 0 or not np.isfinite(sample).all():
        raise ValueError(f"values must be at least one finite number, got {sample.tolist()}")
    mean = float(sample.mean())
    if sample.size == 1:
        return Interval(mean=mean, low=None, high=None, count=1)
    error = float(sample.std(ddof=1)) / math.sqrt(sample.size)
    reach = float(stats.t.ppf(0.5 + level / 2, sample.size - 1)) * error
    return Interval(mean=mean, low=mean - reach, high=mean + reach, count=int(sample.size))


def check_records(records: Sequence[Record]) -> None:
    """Refuse records that cannot be averaged together.

    Raises
    ------
    ValueError
        If there are none, a field is missing, an accuracy is not in [0, 1], a run stands twice, or the
        records come from more than one data set or model.

    Examples
    --------
    >>> check_records([])
    Traceback (most recent call last):
    ...
    ValueError: records must hold at least one run, got none: run a study first
    """
    if not records:
        raise ValueError("records must hold at least one run, got none: run a study first")
    seen: set[tuple[str, float, int]] = set()
    origins: set[tuple[str, str]] = set()
    for number, record in enumerate(records, start=1):
        name = record.get("policy")
        if not isinstance(name, str) or not re.fullmatch(r"[\w .+-]+", name):
            raise ValueError(
                f"policy of record {number} must be a name of letters, digits, hyphens and "
                f"spaces, got {name!r}"
            )
        missing = [field for field in REQUIRED_FIELDS if record.get(field) is None]
        if missing:
            raise ValueError(
                f"record {number} must have the fields {', '.join(REQUIRED_FIELDS)}; it lacks "
                f"{', '.join(missing)}"
            )
        for field in ("test_accuracy", "macro_f1", "sparsity", "target_sparsity"):
            value = record[field]
            if not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
                raise ValueError(f"{field} of record {number} must be a number in [0, 1], got {value!r}")
        key = (record["policy"], float(record["target_sparsity"]), int(record["seed"]))
        if key in seen:
            raise ValueError(
                f"every run must be recorded once, but {run_name(record)} stands twice: "
                "keep one of its lines in records.jsonl, or write each study into its own directory"
            )
        seen.add(key)
        if record["policy"] != SMALL_DENSE:  # the narrow control may name its own model
            origins.add((str(record["dataset"]), str(record["model"])))
    if len(origins) > 1:
        found = "; ".join(f"{model} on {dataset}" for dataset, model in sorted(origins))
        raise ValueError(
            f"records must come from one data set and one model to be compared, got {found}: "
            "write each study into its own directory"
        )


def run_name(record: Record) -> str:
    """Name of a run for messages and hover texts, such as ``expression, 90 % sparse, seed 2``.

    Examples
    --------
    >>> run_name({"policy": "expression", "target_sparsity": 0.9, "seed": 2})
    'expression, 90 % sparse, seed 2'
    """
    if record["policy"] == DENSE:
        return f"dense, seed {record['seed']}"
    return f"{record['policy']}, {percent(record['target_sparsity'])} sparse, seed {record['seed']}"


def percent(fraction: float, digits: int | None = None) -> str:
    """Write a fraction as a percentage; without ``digits``, as few decimals as it needs.

    Examples
    --------
    >>> percent(0.9), percent(0.985), percent(0.449, 2)
    ('90 %', '98.5 %', '44.90 %')
    """
    if digits is None:
        return f"{round(100 * fraction, 4):g} %"
    return f"{100 * fraction:.{digits}f} %"


def plotted_sparsity(record: Record) -> float:
    """Return the sparsity a run is drawn at: achieved, and for a small dense network the one it matches."""
    return float(record["target_sparsity"] if record["policy"] == SMALL_DENSE else record["sparsity"])


def sparsities(records: Sequence[Record]) -> list[float]:
    """Target sparsities of the runs that are not dense, ascending.

    Examples
    --------
    >>> runs = [("dense", 0.0), ("magnitude", 0.9), ("magnitude", 0.5)]
    >>> sparsities([{"policy": policy, "target_sparsity": at} for policy, at in runs])
    [0.5, 0.9]
    """
    return sorted({float(r["target_sparsity"]) for r in records if r["policy"] != DENSE})


def choose_base(records: Sequence[Record], preferred: str = "magnitude") -> str | None:
    """Policy to take differences from: the preferred one if it was run, else dense, else None."""
    policies = {record["policy"] for record in records}
    return next((policy for policy in (preferred, DENSE) if policy in policies), None)


def accuracy_cells(records: Sequence[Record], metric: str = "test_accuracy") -> list[Cell]:
    """Collect a metric by policy and target sparsity, with the interval over seeds.

    Returns
    -------
    list of Cell
        In the order policies first appear, sparsity ascending; seeds ascending inside a cell.
    """
    cells: list[Cell] = []
    for (policy, target), runs in by_policy(records).items():
        cells.append(
            Cell(
                policy=policy,
                target_sparsity=target,
                sparsity=float(np.mean([plotted_sparsity(run) for run in runs])),
                seeds=tuple(int(run["seed"]) for run in runs),
                values=tuple(float(run[metric]) for run in runs),
                interval=t_interval(float(run[metric]) for run in runs),
            )
        )
    return cells


def paired_differences(
    records: Sequence[Record], base: str = "magnitude", metric: str = "test_accuracy"
) -> list[Cell]:
    """Differences of every policy from ``base`` at the same target sparsity and seed.

    A dense base is paired by seed alone. Seeds that only one of the two has are left out; a cell with no
    shared seed is not returned.

    Examples
    --------
    >>> at = {"target_sparsity": 0.9, "sparsity": 0.9}
    >>> found = [("magnitude", 0, 0.50), ("magnitude", 1, 0.60), ("random", 0, 0.25), ("random", 1, 0.35)]
    >>> runs = [{**at, "policy": p, "seed": s, "test_accuracy": a} for p, s, a in found]
    >>> [cell.values for cell in paired_differences(runs)]
    [(-0.25, -0.25)]
    """
    reference = {
        (float(r["target_sparsity"]), int(r["seed"])): float(r[metric])
        for r in records
        if r["policy"] == base
    }
    cells: list[Cell] = []
    for (policy, target), runs in by_policy(records).items():
        if policy in (base, DENSE):
            continue
        at = 0.0 if base == DENSE else target
        shared = [run for run in runs if (at, int(run["seed"])) in reference]
        if not shared:
            continue
        values = tuple(float(run[metric]) - reference[at, int(run["seed"])] for run in shared)
        cells.append(
            Cell(
                policy=policy,
                target_sparsity=target,
                sparsity=float(np.mean([plotted_sparsity(run) for run in shared])),
                seeds=tuple(int(run["seed"]) for run in shared),
                values=values,
                interval=t_interval(values),
                base=base,
            )
        )
    return cells


def cost_table(records: Sequence[Record]) -> list[Cost]:
    """Average parameters and training time by policy and sparsity; time as a ratio to dense, seed by seed."""
    dense_seconds = {int(r["seed"]): float(r["train_seconds"]) for r in records if r["policy"] == DENSE}
    rows: list[Cost] = []
    for (policy, target), runs in by_policy(records).items():
        ratios = [
            float(run["train_seconds"]) / dense_seconds[int(run["seed"])]
            for run in runs
            if dense_seconds.get(int(run["seed"]), 0.0) > 0.0
        ]
        seconds = sum(float(run["train_seconds"]) for run in runs)
        controller = sum(float(run["controller_seconds"]) for run in runs)
        rows.append(
            Cost(
                policy=policy,
                target_sparsity=target,
                count=len(runs),
                parameters=float(np.mean([run["parameters"] for run in runs])),
                live_parameters=float(np.mean([run["live_parameters"] for run in runs])),
                live_multiply_adds=float(np.mean([run["live_multiply_adds"] for run in runs])),
                train_seconds=seconds / len(runs),
                time_ratio=float(np.mean(ratios)) if ratios else None,
                controller_share=controller / seconds if seconds > 0.0 else 0.0,
            )
        )
    return rows


def class_recall(records: Sequence[Record], policy: str, target_sparsity: float) -> np.ndarray | None:
    """Mean recall of every class over seeds, shape (classes,); None where no run recorded it.

    A class without test images has recall NaN in a run and is left out of that class's mean.
    """
    runs = [
        run
        for run in by_policy(records).get((policy, float(target_sparsity)), [])
        if run.get("per_class_recall") is not None
    ]
    if not runs:
        return None
    table = np.array([run["per_class_recall"] for run in runs], dtype=np.float64)
    present = np.isfinite(table)
    counts = present.sum(axis=0)
    totals = np.where(present, table, 0.0).sum(axis=0)
    recall: np.ndarray = np.divide(totals, counts, out=np.full(table.shape[1], np.nan), where=counts > 0)
    return recall


def confusion_counts(records: Sequence[Record], policy: str, target_sparsity: float) -> np.ndarray | None:
    """Test images of each true class (row) predicted as each class (column), summed over seeds.

    Returns
    -------
    ndarray or None
        Shape (classes, classes). None where no run recorded its confusion matrix.
    """
    runs = [
        run
        for run in by_policy(records).get((policy, float(target_sparsity)), [])
        if run.get("confusion") is not None
    ]
    if not runs:
        return None
    counts: np.ndarray = np.sum([np.asarray(run["confusion"], dtype=np.float64) for run in runs], axis=0)
    return counts


def confusion_shares(records: Sequence[Record], policy: str, target_sparsity: float) -> np.ndarray | None:
    """Share of each true class (row) predicted as each class (column), counts summed over seeds.

    Returns
    -------
    ndarray or None
        Shape (classes, classes); a row without images is NaN. None where no run recorded its confusion
        matrix.
    """
    counts = confusion_counts(records, policy, target_sparsity)
    if counts is None:
        return None
    rows = counts.sum(axis=1, keepdims=True)
    shares: np.ndarray = np.divide(counts, rows, out=np.full_like(counts, np.nan), where=rows > 0)
    return shares


def expected_runs(
    records: Sequence[Record], config: Mapping[str, Any] | None = None
) -> list[tuple[str, float, int]]:
    """List the runs a study asked for: (policy, target sparsity, seed).

    The configuration's ``policies``, ``sparsities`` and ``seeds`` (a list, a comma-separated text, or for
    seeds their number) are the plan; what it does not say is taken from the records themselves.
    """
    plan = config or {}
    policies = _items(plan.get("policies")) or list(dict.fromkeys(r["policy"] for r in records))
    levels = [float(s) for s in _items(plan.get("sparsities"))] or sparsities(records)
    asked = plan.get("seeds")
    if isinstance(asked, int) and not isinstance(asked, bool):
        seeds = list(range(asked))
    else:
        seeds = [int(s) for s in _items(asked)] or sorted({int(r["seed"]) for r in records})
    return [
        (policy, level, seed)
        for policy in policies
        for level in ([0.0] if policy == DENSE else levels)
        for seed in seeds
    ]


def on_target(records: Sequence[Record], tolerance: float = 0.1) -> list[Record]:
    """Keep the runs that may be compared at their target: those whose density came near it.

    A policy that sets its own sparsity is drawn where it landed, but would win or lose a comparison at its
    target unfairly. Dense and small dense networks are always on target.

    Parameters
    ----------
    records
        Runs.
    tolerance
        Largest relative error of the density, so 0.1 lets 10 % live connections be 9 to 11 %.

    Examples
    --------
    >>> runs = [{"policy": "magnitude", "target_sparsity": 0.9, "sparsity": s} for s in (0.9, 0.95)]
    >>> [run["sparsity"] for run in on_target(runs)]
    [0.9]
    """
    return [
        record
        for record in records
        if record["policy"] in (DENSE, SMALL_DENSE)
        or abs(record["sparsity"] - record["target_sparsity"])
        <= tolerance * (1.0 - record["target_sparsity"]) + _RESOLUTION
    ]


def missing_runs(
    records: Sequence[Record], config: Mapping[str, Any] | None = None
) -> list[tuple[str, float, int]]:
    """List the runs of the plan (`expected_runs`) that have no record."""
    done = {(r["policy"], round(float(r["target_sparsity"]), 9), int(r["seed"])) for r in records}
    return [run for run in expected_runs(records, config) if (run[0], round(run[1], 9), run[2]) not in done]


def _items(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value) if isinstance(value, Sequence) else [value]


def by_policy(records: Sequence[Record]) -> dict[tuple[str, float], list[Record]]:
    """Group by (policy, target sparsity): policies as they first appear, sparsity and seed ascending."""
    order = {policy: place for place, policy in enumerate(dict.fromkeys(r["policy"] for r in records))}
    ranked = sorted(records, key=lambda r: (order[r["policy"]], float(r["target_sparsity"]), int(r["seed"])))
    groups: dict[tuple[str, float], list[Record]] = {}
    for record in ranked:
        groups.setdefault((record["policy"], float(record["target_sparsity"])), []).append(record)
    return groups
