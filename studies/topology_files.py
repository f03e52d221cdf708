"""The files of the topology study: graphs for other programs, and every number that the report states."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import networkx as nx

from pruning.checkpoint import write_atomically
from pruning.topology import (
    Layout,
    UnitLinks,
    layer_graph,
    unit_graph,
    write_graph,
    write_graph_history,
)
from studies.plain_values import plain
from studies.topology_analysis import Analysis
from studies.topology_verdicts import judge

MOST_LINKS = 50_000  # of a graph of units that is written as a file
MOST_HISTORY = 20_000  # links that any of the graphs of a dynamic file has
SUFFIXES = (".graphml", ".gexf", ".cyjs", ".json")


def write_graphs(
    directory: Path, analysis: Analysis, layout: Layout, around: nx.MultiDiGraph
) -> tuple[list[Path], list[str]]:
    """Write the graphs of layers and units, the neighbourhood and the dynamic graph.

    Returns
    -------
    paths, notes
        What was written, and what was left out and why.
    """
    links = analysis.last.links
    notes = []
    paths = [write_graph(layer_graph(links), directory / f"layers{suffix}") for suffix in SUFFIXES]
    paths.append(write_graph(around, directory / "neighbourhood.graphml"))
    paths.append(write_graph(around, directory / "neighbourhood.cyjs"))
    if len(links) <= MOST_LINKS:
        whole = unit_graph(links, None)
        paths += [write_graph(whole, directory / f"graph{suffix}", layout=layout) for suffix in SUFFIXES]
    else:
        notes.append(
            f"no graph of units was written: it has {len(links):,} links, and files take {MOST_LINKS:,} at "
            "most"
        )
    drawn = [moment.links for moment in analysis.moments if len(moment.links) <= MOST_HISTORY]
    if len(drawn) > 1:
        graphs = [one.to_digraph() for one in drawn]
        paths.append(write_graph_history(graphs, directory / "history.gexf", layout=layout))
        kind = "units"
    else:
        drawn = [moment.links for moment in analysis.moments]
        paths.append(
            write_graph_history([layer_graph(one) for one in drawn], directory / "history.gexf", layout=None)
        )
        kind = "layers"
    if len(drawn) < len(analysis.moments) or kind == "layers":
        notes.append(
            f"history.gexf holds the {kind} of {len(drawn)} of {len(analysis.moments)} updates: graphs of "
            f"units are written up to {MOST_HISTORY:,} links"
        )
    return paths, notes


def write_measures(directory: Path, analysis: Analysis) -> list[Path]:
    """Write ``measures.json``, ``measures.csv`` and ``updates.csv``, each whole or not at all."""
    content = json.dumps(described(analysis), indent=1, allow_nan=False) + "\n"
    files = {
        "measures.json": content,
        "measures.csv": _table(measure_rows(analysis)),
        "updates.csv": _table(_update_rows(analysis)),
    }
    for name, text in files.items():
        write_atomically(directory / name, text.encode())
    return [directory / name for name in files]


def described(analysis: Analysis) -> dict[str, Any]:
    """Every number of an analysis as JSON values; one that is undefined is null."""
    run = analysis.run
    document = {
        "run": {"file": str(run.path), **run.facts},
        "wiring": run.wiring_note,
        "null": {
            "graphs": "random ones in which every unit keeps its degrees towards every other layer",
            "samples": analysis.null_samples,
            "seed": analysis.seed,
            "p": "rank of the value among the random graphs, two-sided; at least 2 / (samples + 1)",
            "p_student": "of the value under a normal law of which the random graphs are a sample",
            "p_holm": "p_student (p where there is no z) with Holm's correction for all measures judged at "
            "the update",
            "verdict": "apart: strictly beyond every random graph and p_holm below 0.05",
        },
        "snapshots": [_described(moment) for moment in analysis.moments],
        "hub_overlaps": [asdict(one) for one in analysis.hub_overlaps],
        "hubs_first_to_last": None if analysis.hubs_first_last is None else asdict(analysis.hubs_first_last),
    }
    last = analysis.last.summary
    if last is not None:
        document["degrees"] = [asdict(one) for one in last.degrees]
        document["tails"] = [
            {"column": column, "direction": direction, **asdict(tail)}
            for (column, direction), tail in last.tails.items()
        ]
    humps = analysis.expression.humps() if analysis.expression is not None else None
    if analysis.expression is not None and humps is not None:
        document["expression_humps"] = [
            {"step": step, **asdict(one)}
            for step, one in zip(analysis.expression.steps.tolist(), humps, strict=True)
        ]
    values: dict[str, Any] = plain(document)
    return values


def measure_rows(analysis: Analysis) -> list[dict[str, Any]]:
    """One row a measure and update."""
    return [
        {"step": moment["step"], "epoch": moment["epoch"], "sparsity": moment["sparsity"], "measure": name}
        | numbers
        for moment in map(_described, analysis.moments)
        for name, numbers in moment["measures"].items()
    ]


def _described(moment: Any) -> dict[str, Any]:
    links: UnitLinks = moment.links
    verdicts = judge(moment.comparisons)
    measures = {}
    for name, value in moment.measures.items():
        row: dict[str, Any] = {"value": value}
        one = verdicts.get(name)
        for field in ("null_mean", "null_std", "z", "p"):
            row[field] = None if one is None else getattr(one.comparison, field)
        row |= {
            "p_student": None if one is None else one.p_student,
            "p_holm": None if one is None else one.p_holm,
            "verdict": "not compared" if one is None else one.kind,
            "note": "" if one is None else one.comparison.note,
        }
        measures[name] = plain(row)
    return {
        "step": links.step,
        "epoch": links.epoch,
        "sparsity": links.sparsity,
        "units": links.nodes,
        "links": len(links),
        "live_gates": moment.snapshot.live,
        "small_world_sigma": None if moment.summary is None else plain(moment.summary.sigma),
        "measures": measures,
    }


def _update_rows(analysis: Analysis) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in update.items() if name != "layer_density"}
        | {f"density of {layer}": value for layer, value in update["layer_density"].items()}
        for update in analysis.updates
    ]


def _table(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
