"""Measures of the graph of units, each against random graphs with the same degrees."""

from pruning.topology.measures.clustering import square_clustering
from pruning.topology.measures.comparison import NullComparison, against_null, compare_with_null
from pruning.topology.measures.degree import (
    BlockDensity,
    DegreeSummary,
    chance_degrees,
    degree_distributions,
    degrees,
    densities,
)
from pruning.topology.measures.distance import Distances, SmallWorld, distances, small_world
from pruning.topology.measures.hub import Overlap, hub_overlap, hubs
from pruning.topology.measures.humps import (
    Humps,
    bimodality_coefficient,
    find_humps,
    find_humps_of_histogram,
)
from pruning.topology.measures.lifetimes import Survival, kaplan_meier
from pruning.topology.measures.mixing import assortativity, assortativity_by_block
from pruning.topology.measures.nulls import is_frozen, randomise
from pruning.topology.measures.overview import TopologySummary, scalars, summary, tails
from pruning.topology.measures.partition import Communities, communities, modularity
from pruning.topology.measures.paths import Paths, count_paths
from pruning.topology.measures.persistence import hub_persistence, link_overlap
from pruning.topology.measures.spectral import (
    Connectedness,
    connectedness,
    singular_values,
    spectral_norm,
)
from pruning.topology.measures.tails import LikelihoodRatio, Tail, power_law_tail
from pruning.topology.measures.turnover import Spells, spells, spells_of

__all__ = [
    "BlockDensity",
    "Communities",
    "Connectedness",
    "DegreeSummary",
    "Distances",
    "Humps",
    "LikelihoodRatio",
    "NullComparison",
    "Overlap",
    "Paths",
    "SmallWorld",
    "Spells",
    "Survival",
    "Tail",
    "TopologySummary",
    "against_null",
    "assortativity",
    "assortativity_by_block",
    "bimodality_coefficient",
    "chance_degrees",
    "communities",
    "compare_with_null",
    "connectedness",
    "count_paths",
    "degree_distributions",
    "degrees",
    "densities",
    "distances",
    "find_humps",
    "find_humps_of_histogram",
    "hub_overlap",
    "hub_persistence",
    "hubs",
    "is_frozen",
    "kaplan_meier",
    "link_overlap",
    "modularity",
    "power_law_tail",
    "randomise",
    "scalars",
    "singular_values",
    "small_world",
    "spectral_norm",
    "spells",
    "spells_of",
    "square_clustering",
    "summary",
    "tails",
]
