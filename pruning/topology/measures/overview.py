"""A table of the measures of one snapshot, each against random graphs with the same degrees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pruning.topology.layers import LayerTopology
from pruning.topology.links import UnitLinks
from pruning.topology.measures.blocks import blocks, check_nodes
from pruning.topology.measures.clustering import square_clustering
from pruning.topology.measures.comparison import NullComparison, compare_with_null
from pruning.topology.measures.degree import (
    BlockDensity,
    DegreeSummary,
    degree_distributions,
    degrees,
    densities,
)
from pruning.topology.measures.distance import distances, sigma
from pruning.topology.measures.mixing import assortativity
from pruning.topology.measures.partition import communities
from pruning.topology.measures.paths import count_paths
from pruning.topology.measures.spectral import connectedness, largest_singular_value, spectral_norm
from pruning.topology.measures.tails import Tail, power_law_tail


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TopologySummary:
    """Measures of one graph of units.

    Attributes
    ----------
    step, epoch : int
        Of the snapshot.
    nodes, links : int
        Units and links.
    densities : tuple of BlockDensity
        Between each two linked columns.
    degrees : tuple of DegreeSummary
        Of each column, in and out. A null that keeps degrees says nothing of these; `chance_std` does.
    tails : dict of (str, str) to Tail
        By column and direction, where its units have any link.
    measures : dict of str to NullComparison
        By name, each against the same random graphs. Each p is of its measure alone: of twenty, one below
        0.05 is to be expected by chance.
    sigma : float
        Small-world coefficient; NaN where it is undefined.
    """

    step: int
    epoch: int
    nodes: int
    links: int
    densities: tuple[BlockDensity, ...] = field(repr=False)
    degrees: tuple[DegreeSummary, ...] = field(repr=False)
    tails: dict[tuple[str, str], Tail] = field(repr=False)
    measures: dict[str, NullComparison] = field(repr=False)
    sigma: float

    def table(self) -> str:
        """Text table of the measures."""
        rows: list[tuple[str, ...]] = [("measure", "value", "null mean", "null std", "z", "p", "")]
        for name, found in self.measures.items():
            z = "-" if found.z is None else f"{found.z:+.1f}"
            p = "-" if found.p is None else f"{found.p:.3f}"
            numbers = [f"{number:.5g}" for number in (found.value, found.null_mean, found.null_std)]
            rows.append((name, *numbers, z, p, found.note))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                f"{text:<{width}}" if place in (0, len(row) - 1) else f"{text:>{width}}"
                for place, (text, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join(lines)


def summary(
    links: UnitLinks,
    *,
    layers: Sequence[LayerTopology] | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    samples: int = 20,
    seed: int = 0,
    sources: int | None = 128,
) -> TopologySummary:
    """Measure a graph of units and random graphs with the same degrees.

    Parameters
    ----------
    links : UnitLinks
        The graph.
    layers : sequence of LayerTopology, optional
        Of the snapshot: adds the density of gates, and holds links of grouped convolutions in their groups.
    inputs, outputs : sequence of str, optional
        As for :func:`count_paths`.
    samples : int
        Random graphs; the smallest p is 2 / (samples + 1).
    seed : int
        Of the random graphs, of the sample of sources and of the search for communities.
    sources : int, optional
        Units from which distances are taken, None for all.

    Raises
    ------
    ValueError
        If there are no units, fewer than 2 samples, or inputs or outputs that are no columns.
    """
    check_nodes(links)

    def measures(graph: UnitLinks) -> dict[str, float]:
        return scalars(graph, inputs=inputs, outputs=outputs, seed=seed, sources=sources)

    names = {column.name for column in links.columns}
    groups = {layer.name: layer.groups for layer in layers or () if layer.groups > 1 and layer.name in names}
    found = compare_with_null(measures, links, samples=samples, seed=seed, groups=groups)
    return TopologySummary(
        step=links.step,
        epoch=links.epoch,
        nodes=links.nodes,
        links=len(links),
        densities=densities(links, layers),
        degrees=degree_distributions(links, groups=groups),
        tails=tails(links),
        measures=found,
        sigma=sigma(found["square clustering"], found["mean distance"]),
    )


def scalars(
    links: UnitLinks,
    *,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    seed: int = 0,
    sources: int | None = 128,
) -> dict[str, float]:
    """All measures that are one number, by name, in a fixed order; NaN where undefined."""
    paths = count_paths(links, inputs, outputs)
    apart = distances(links, sources=sources, seed=seed)
    parts = connectedness(links)
    found: Mapping[str, float] = {
        "log10 of paths": paths.log10_total,
        "effective depth": paths.effective_depth,
        "unreachable units": sum(paths.unreachable.values()),
        "units that reach no output": sum(paths.useless.values()),
        "links on no path": paths.dead,
        "square clustering": square_clustering(links),
        "mean distance": apart.mean,
        "global efficiency": apart.efficiency,
        "modularity": communities(links, seed=seed, starts=1).modularity,
        "connected parts": parts.components,
        "units of the largest part": parts.giant,
        "spectral gap": parts.gap,
        "largest singular value": spectral_norm(links),
        "assortativity out-in": assortativity(links, "out", "in"),
        "assortativity out-out": assortativity(links, "out", "out"),
        "assortativity in-in": assortativity(links, "in", "in"),
        "assortativity in-out": assortativity(links, "in", "out"),
    }
    values = {f"singular value {each.name}": largest_singular_value(each.matrix()) for each in blocks(links)}
    return {**found, **values}


def tails(links: UnitLinks) -> dict[tuple[str, str], Tail]:
    """Fit the tail of the degrees of every column, in and out, that has links."""
    return {
        (column.name, direction): power_law_tail(own)
        for direction, everyone in (("in", degrees(links, "in")), ("out", degrees(links, "out")))
        for column in links.columns
        for own in (everyone[column.first : column.first + column.units],)
        if own.any()
    }
