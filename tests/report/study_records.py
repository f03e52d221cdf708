"""Synthetic records of a study, random but seeded, in the schema of records.jsonl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

CLASSES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
LAYERS = {"layers.0": 784 * 128, "layers.1": 128 * 64, "layers.2": 64 * 7}
OFFSETS = {
    "magnitude": 0.0,
    "smoothed": 0.001,
    "heuristic": -0.012,
    "expression": 0.004,
    "random": -0.06,
    "small-dense": -0.02,
}


def make_record(policy: str, target: float, seed: int, accuracy: float, **changes: Any) -> dict[str, Any]:
    """One plain record: enough for the tables, without curves."""
    total = sum(LAYERS.values())
    live = total if policy == "dense" else round(total * (1 - target))
    record = {
        "study": "compare",
        "policy": policy,
        "model": "GeneInspiredNet",
        "dataset": "faces",
        "seed": seed,
        "target_sparsity": target,
        "sparsity": 0.0 if policy == "small-dense" else target,
        "test_accuracy": accuracy,
        "macro_f1": accuracy - 0.02,
        "parameters": live if policy == "small-dense" else total,
        "live_parameters": live,
        "multiply_adds": 8_000_000,
        "live_multiply_adds": round(8_000_000 * live / total),
        "churn": 0.01,
        "train_seconds": 10.0,
        "controller_seconds": 0.0 if policy in ("dense", "small-dense") else 1.0,
        "config": {"policy": policy, "test_split": "public", "expression": {"hill_coefficient": 4.0}},
        "versions": {"python": "3.11.9", "torch": "2.13.0"},
        "commit": "0123abc",
        "classes": CLASSES,
        "test_name": "test",
        "validation_accuracy": accuracy,
        "per_class_recall": [accuracy] * len(CLASSES),
        "confusion": np.eye(len(CLASSES), dtype=int).tolist(),
        "curve": [],
        "updates": [],
        "hardware": {"device": "cpu", "threads": 1},
        "state_digest": f"{policy}-{target}-{seed}",
    }
    return record | changes


def make_study(
    policies: tuple[str, ...] = ("dense", "magnitude", "smoothed", "heuristic", "expression"),
    sparsities: tuple[float, ...] = (0.5, 0.9),
    seeds: int = 3,
    updates: int = 60,
) -> list[dict[str, Any]]:
    """A whole study with curves, updates, confusion matrices and expression."""
    records = []
    for policy in policies:
        for target in (0.0,) if policy == "dense" else sparsities:
            for seed in range(seeds):
                generator = np.random.default_rng([seed, round(1000 * target), sum(map(ord, policy))])
                base = 0.62 - 0.08 * target**6 + 0.01 * np.random.default_rng(seed).normal()
                accuracy = base + OFFSETS.get(policy, 0.0) * (0.5 + target) + 0.004 * generator.normal()
                controlled = policy not in ("dense", "small-dense")
                steps = _updates(generator, policy, target, updates) if controlled else []
                confusion = _confusion(generator, accuracy)
                records.append(
                    make_record(
                        policy,
                        target,
                        seed,
                        float(accuracy),
                        train_seconds=float(30 + (4 if controlled else 0) + generator.normal()),
                        controller_seconds=float(3.5 + 0.2 * generator.normal()) if controlled else 0.0,
                        validation_accuracy=float(accuracy + 0.01),
                        confusion=confusion.tolist(),
                        per_class_recall=(np.diag(confusion) / confusion.sum(1)).tolist(),
                        curve=_curve(generator, accuracy, target if controlled else 0.0),
                        updates=steps,
                    )
                )
    return records


def _curve(
    generator: np.random.Generator, accuracy: float, target: float, epochs: int = 15
) -> list[dict[str, Any]]:
    return [
        {
            "epoch": epoch,
            "train_loss": float(2 * np.exp(-epoch / 6)),
            "validation_accuracy": float(
                accuracy * (1 - 0.6 * np.exp(-epoch / 4)) + 0.006 * generator.normal()
            ),
            "sparsity": target * min(1.0, epoch / 10),
        }
        for epoch in range(1, epochs + 1)
    ]


def _confusion(generator: np.random.Generator, accuracy: float, images: int = 60) -> np.ndarray:
    count = len(CLASSES)
    shares = np.full((count, count), (1 - accuracy) / (count - 1))
    np.fill_diagonal(shares, accuracy)
    return np.stack([generator.multinomial(images, row) for row in shares])


def _updates(generator: np.random.Generator, policy: str, target: float, count: int) -> list[dict[str, Any]]:
    final = generator.random(64) < max(1 - target, 0.1)
    levels = np.full(64, 0.5)
    records = []
    for update in range(1, count + 1):
        done = min(update / (0.75 * count), 1.0)
        wanted = target * (1 - (1 - done) ** 3)
        levels = np.clip(
            levels + 0.12 * (np.where(final, 0.9, 0.06) - levels) + 0.03 * generator.normal(size=64), 0, 1
        )
        churn = 0.05 * (1 - done) ** 2 + 0.002 * generator.random()
        records.append(
            {
                "step": 50 * update,
                "epoch": update // 4,
                "sparsity": float(wanted * (0.97 + 0.03 * done)),
                "target_sparsity": float(wanted),
                "live": round(sum(LAYERS.values()) * (1 - wanted)),
                "born": 10,
                "died": 20,
                "churn": float(churn),
                "threshold": None,
                "layer_density": {
                    name: float(
                        np.clip((1 - wanted) ** (1.15 - 0.4 * place) + 0.002 * generator.normal(), 0.01, 1)
                    )
                    for place, name in enumerate(LAYERS)
                },
                "sample_expression": levels.round(4).tolist()
                if policy in ("expression", "smoothed")
                else None,
                "sample_live": (levels > 0.5).tolist(),
            }
        )
    return records


def make_graph(density: float = 0.1, units: tuple[int, ...] = (200, 64, 32, 7), seed: int = 0) -> nx.DiGraph:
    """A layered graph as a snapshot makes it: nodes (layer index, unit), edges with weight and expression."""
    generator = np.random.default_rng(seed)
    graph = nx.DiGraph()
    for column, count in enumerate(units):
        for unit in range(count):
            graph.add_node(
                (column, unit), layer="input" if column == 0 else f"layers.{column - 1}", unit=unit
            )
    for column in range(len(units) - 1):
        live = generator.random((units[column], units[column + 1])) < density
        for source, target in zip(*np.nonzero(live), strict=True):
            graph.add_edge(
                (column, int(source)),
                (column + 1, int(target)),
                weight=1,
                expression=float(generator.random()),
            )
    return graph


def write_study(directory: Path, records: list[dict[str, Any]], config: dict[str, Any] | None = None) -> Path:
    """Lay a study's files out as a run does."""
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (directory / "records.jsonl").write_text(lines, encoding="utf-8")
    if config is not None:
        (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return directory
