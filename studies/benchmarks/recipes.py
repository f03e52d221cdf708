"""Every recipe trained for real, small enough for two cores: ``python -m studies.benchmarks.recipes``.

Widths, images and data are cut down so that a run trains for 1 to 22 minutes on one core; everything else is
the recipe's, but for what `SMALL` says. Each run is `studies.train`'s, with its leakage audit and three
simple models on the same data.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from pruning.checkpoint import write_atomically
from studies import train
from studies.recipes import with_recipe
from studies.records import RunRecord, read_records

FER2013, RAVDESS, CIFAR = "fer2013", "ravdess", "cifar"

SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "amacnn": (FER2013, {"image_size": 48, "width": 8, "fraction": 0.3, "epochs": 15}),
    "hybrid": (FER2013, {"image_size": 48, "width": 8, "fraction": 0.3, "epochs": 20}),
    "gene": (FER2013, {}),
    "resnet18": (FER2013, {"width": 8, "fraction": 0.6, "epochs": 15, "batch_size": 64}),
    # Flips alone: in so few epochs faces stay where they are.
    "vit-tiny": (
        FER2013,
        {
            "width": 96,
            "depth": 2,
            "patch_size": 8,
            "epochs": 40,
            "batch_size": 64,
            "learning_rate": 1e-3,
            "augmentation": "flip",
        },
    ),
    "wrn-22-2": (CIFAR, {"width": 8, "epochs": 10}),
    "speech": (RAVDESS, {}),
}
"""Data of each recipe, and the options that make it small."""

HEAD = (
    "recipe",
    "network",
    "parameters",
    "data",
    "test accuracy",
    "macro F1",
    "majority",
    "nearest neighbour",
    "linear",
    "without copies: test",
    "nearest neighbour",
    "linear",
)


@dataclass(frozen=True, kw_only=True)
class Recipes:
    """Train every recipe at a small size, beside three baselines."""

    fer2013: Path  # the official CSV
    ravdess: Path  # folder with Actor_NN/
    cifar: Path  # CIFAR-10, in any layout
    only: str = ""  # one recipe
    out: Path = Path("results/recipes")  # a folder each, and records.jsonl, table.md of all
    threads: int = 1  # of torch


def run(config: Recipes) -> list[RunRecord]:
    """Train what has no record yet, and write the table of all that have one."""
    for recipe, (data, small) in SMALL.items():
        if config.only in ("", recipe):
            options = replace(
                with_recipe(train.Train, ["--recipe", recipe]),
                **small,
                data=str(getattr(config, data)),
                baselines=True,
                threads=config.threads,
                out=config.out / recipe,
                resume=True,
            )
            train.run(options)
    records = [record for recipe in SMALL for record in read_records(config.out / recipe / "records.jsonl")]
    lines = [_compact(record) for record in records]
    write_atomically(config.out / "records.jsonl", "".join(f"{line}\n" for line in lines).encode())
    table = markdown([asdict(record) for record in records])
    write_atomically(config.out / "table.md", f"{table}\n".encode())
    return records


def markdown(records: Sequence[dict[str, Any]]) -> str:
    """Return the table of all recipes, as the docs quote it."""
    rows = []
    for record in records:
        simple = {score["name"]: score for score in record["baselines"]}
        without = [record["test_accuracy_without_copies"]] + [
            simple[name]["accuracy_without_copies"] for name in ("nearest neighbour", "linear model")
        ]
        copies = record["copied_test_images"]
        policy = "" if record["policy"] == "dense" else f", {record['sparsity']:.0%} silenced"
        rows.append(
            (
                record["recipe"],
                f"{record['model']}{policy}",
                f"{record['live_parameters']:,}",
                f"{record['dataset']}, {record['config']['fraction']:.0%}",
                f"{record['test_accuracy']:.1%}",
                f"{record['macro_f1']:.3f}",
                *(f"{score['accuracy']:.1%}" for score in simple.values()),
                *("" if not copies or share is None else f"{share:.1%}" for share in without),
            )
        )
    lines = [HEAD, ("---", "---", *["---:"] * (len(HEAD) - 2)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _compact(record: RunRecord) -> str:
    """Give a record as a line of JSON, without the tale of every update and without the data's folder."""
    values = asdict(record)
    del values["updates"]
    values["config"]["data"] = Path(values["config"]["data"]).name
    return json.dumps(values)


if __name__ == "__main__":
    run(tyro.cli(Recipes, prog="python -m studies.benchmarks.recipes"))
