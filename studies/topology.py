"""Look at the graph of a network over training: train one or read a recorded run, measure, report."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from pruning.checkpoint import write_atomically
from pruning.topology import UnitLinks, force_layout, layered_layout, neighbourhood
from pruning.topology.measures import chance_degrees, degrees
from studies.directory import check_writable
from studies.policy_config import named_config, with_policy_config
from studies.recipes import with_recipe
from studies.report.image_export import check_kaleido
from studies.report.topology_page import build_topology_page, topology_sections
from studies.report.topology_pictures import write_topology_pictures
from studies.topology_analysis import Analysis, analyse
from studies.topology_files import write_graphs, write_measures
from studies.topology_options import Topology, focus_of
from studies.topology_source import RecordedRun, find_history, read_run
from studies.topology_verdicts import judge
from studies.train import run as train

FOLDER, REPORT, MEASURES = "topology", "report.html", "measures.json"
MOST_CONNECTIONS = 20_000  # around one unit
# What the report says at the console of the last update, if it was measured.
SHOWN = (
    "modularity",
    "log10 of paths",
    "unreachable units",
    "square clustering",
    "mean distance",
    "spectral gap",
    "assortativity out-in",
)


def run(config: Topology) -> Analysis:
    """Train or read a network, measure its graph, write report and files, and return what was measured.

    Raises
    ------
    ValueError
        For anything that could not work, before any file is written.
    FloatingPointError
        If training or pruning diverged.
    ImportError
        If pictures are asked for and kaleido is not installed.
    OSError
        If no browser draws them; the report is written by then.
    """
    config.check()
    if config.pictures:
        try:
            check_kaleido()
        except RuntimeError as error:
            raise ImportError(str(error)) from None
    console = Console()
    began = time.monotonic()
    if config.run is None:
        if config.policy == "dense":
            raise ValueError("policy must prune for a topology to change, got 'dense'")
        train(config.training())
    source = config.run if config.run is not None else config.directory
    path = find_history(source, policy=config.policy, sparsity=config.sparsity, seed=config.seed)
    folder = config.directory / FOLDER
    check_writable(folder)
    recorded = read_run(path)
    _check_same(folder, recorded.facts)
    if config.focus is not None:
        _check_focus(recorded, *focus_of(config.focus))
    with console.status("") as status:

        def say(what: str) -> None:
            status.update(what)
            if not console.is_terminal:
                console.print(
                    f"{time.monotonic() - began:6.1f} s: {what}",
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )

        seed = config.seed or 0
        analysis = analyse(
            recorded, snapshots=config.snapshots, null_samples=config.null_samples, seed=seed, say=say
        )
        say("drawing the report")
        links = analysis.last.links
        column, unit = (
            strongest_hub(links, recorded.groups) if config.focus is None else focus_of(config.focus)
        )
        around = neighbourhood(
            analysis.last.snapshot,
            column,
            unit,
            wiring=recorded.wiring,
            maximum_connections=MOST_CONNECTIONS,
        )
        layout = force_layout(links, seed=seed) if config.layout == "force" else layered_layout(links)
        written, notes = write_graphs(folder, analysis, layout, around) if config.files else ([], [])
        written = [*write_measures(folder, analysis), *written]
        sections = topology_sections(analysis, layout=layout, around=around)
        page = build_topology_page(
            analysis,
            sections,
            command=config.command(),
            files=[path.name for path in written],
            notes=notes,
        )
        write_atomically(folder / REPORT, page.encode())
        if config.pictures:
            say("drawing the pictures")
            try:
                written += write_topology_pictures(folder / "pictures", sections)
            except RuntimeError as error:  # no browser: the report is written all the same
                raise OSError(f"{error}; {folder / REPORT} is written, without pictures") from error
    _tell(console, analysis, written, folder)
    return analysis


def strongest_hub(links: UnitLinks, groups: Mapping[str, int] | None = None) -> tuple[str, int]:
    """The unit with most links beyond chance, of a layer between input and output where there is one."""
    mean, std = chance_degrees(links, groups=groups)
    score = np.divide(degrees(links) - mean, std, out=np.full(links.nodes, -np.inf), where=std > 0)
    into, out = degrees(links, "in"), degrees(links, "out")
    between = (into > 0) & (out > 0)
    if between.any():
        score = np.where(between, score, -np.inf)
    node = int(score.argmax())
    column = links.columns[links.column_of()[node]]
    return column.name, node - column.first


def _check_focus(recorded: RecordedRun, column: str, unit: int) -> None:
    """Refuse a unit that there is not, before anything is measured."""
    units = {layer.name: layer.outputs for layer in recorded.layers}
    for feeds in recorded.wiring.values():
        for feed in feeds:
            if feed.source not in {layer.name for layer in recorded.layers}:
                read = int(feed.units.max(initial=-1)) + 1
                units[feed.source] = max(read, units.get(feed.source, 0))
    if column not in units or unit >= units[column]:
        known = ", ".join(f"{name}:0 to {count - 1}" for name, count in units.items())
        raise ValueError(f"focus must be LAYER:UNIT, one of {known}, got '{column}:{unit}'")


def _check_same(folder: Path, facts: object) -> None:
    """Refuse to write over the report of another run."""
    path = folder / MEASURES
    if not path.exists():
        return
    try:
        stored = dict(json.loads(path.read_text())["run"])
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} is not from this study: choose another --out, or remove {folder}") from None
    names = ("policy", "target_sparsity", "seed", "model", "dataset")
    now = json.loads(json.dumps(facts))
    if any(stored.get(name) != now.get(name) for name in names):
        told = " ".join(str(stored.get(name)) for name in names[:3])
        raise ValueError(f"{folder} holds the report of another run, {told}: choose another --out")


def _tell(console: Console, analysis: Analysis, written: Sequence[Path], folder: Path) -> None:
    """Print the last update measured as a short table."""
    last = analysis.compared[-1] if analysis.compared else analysis.last
    verdicts = judge(last.comparisons)
    rows = Table(title=f"{analysis.run.name}: after step {last.links.step:,}", title_justify="left")
    for heading in ("measure", "value", "random graphs", "z", "verdict"):
        rows.add_column(heading, justify="left" if heading in ("measure", "verdict") else "right")
    for name in SHOWN:
        if name in verdicts:
            one = verdicts[name].comparison
            rows.add_row(
                name,
                f"{one.value:.4g}",
                f"{one.null_mean:.4g} ± {one.null_std:.2g}",
                "" if one.z is None else f"{one.z:+.1f}",
                {"apart": "told apart", "same": "not distinguishable", "fixed": "fixed by degrees"}.get(
                    verdicts[name].kind, one.note
                ),
            )
    console.print(rows)
    console.print(f"{len(written)} files in {folder}", highlight=False, soft_wrap=True, markup=False)
    console.print(f"report: {folder / REPORT}", highlight=False, soft_wrap=True, markup=False)


def main(arguments: Sequence[str]) -> None:
    """Run the study from the command line."""
    defaults = with_policy_config(with_recipe(Topology, arguments), named_config(arguments))
    run(tyro.cli(Topology, prog="python -m studies topology", args=arguments, default=defaults))
