"""Expression over a recorded run: what is needed to draw it, read record by record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grn import Kinetics
from pruning.topology import TopologyHistory
from pruning.topology.expression_summary import BINS
from pruning.topology.measures import Humps, find_humps_of_histogram
from studies.topology_store import spread_evenly

MOST_UPDATES = 200  # followed; of a longer run an even choice


@dataclass(frozen=True, kw_only=True, slots=True)
class Gene:
    """The gene of Eq. 1 that every connection of a run is: what `ExpressionGating` was given."""

    kinetics: Kinetics
    autoactivation: float
    cooperation: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ExpressionCourse:
    """Expression of a run at up to 200 of its updates.

    Attributes
    ----------
    steps, epochs : ndarray of int64
        Of these updates, shape (updates,).
    histogram : ndarray of int64
        Gates by expression over [0, 1], shape (updates, layers, 32).
    protein : ndarray of float32
        p of the sampled gates, shape (updates, sample).
    mrna, induction : ndarray of float32 or None
        m and S/K of them; None where the policy has no mRNA, or its importance or threshold was not recorded.
    live : ndarray of bool
        Their state.
    layer : ndarray of int64
        Number of the layer of each, shape (sample,).
    layer_names : tuple of str
        Names of the layers.
    gates : int
        All gates of the network.
    gene : Gene or None
        Where the policy carries Eq. 1.
    """

    steps: NDArray[np.int64] = field(repr=False)
    epochs: NDArray[np.int64] = field(repr=False)
    histogram: NDArray[np.int64] = field(repr=False)
    protein: NDArray[np.float32] = field(repr=False)
    mrna: NDArray[np.float32] | None = field(repr=False)
    induction: NDArray[np.float32] | None = field(repr=False)
    live: NDArray[np.bool_] = field(repr=False)
    layer: NDArray[np.int64] = field(repr=False)
    layer_names: tuple[str, ...]
    gates: int
    gene: Gene | None

    @property
    def bounded(self) -> bool:
        """Whether expression lies within [0, 1] throughout, so that the histogram holds every gate."""
        return bool((self.histogram.sum((1, 2)) == self.gates).all())

    def humps(self) -> list[Humps] | None:
        """Humps of the expression of all gates at each update; None where expression is not bounded."""
        if not self.bounded:
            return None
        edges = np.linspace(0.0, 1.0, BINS + 1)
        return [find_humps_of_histogram(counts, edges) for counts in self.histogram.sum(1)]


def read_expression(history: TopologyHistory) -> ExpressionCourse | None:
    """Read the expression of a run; None where its policy has none.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    steps, epochs, histograms, proteins, mrnas, inductions, lives = [], [], [], [], [], [], []
    for place in spread_evenly(range(len(history)), MOST_UPDATES):
        snapshot, summary = history.read(place, masks=False)
        if summary is None:
            continue
        steps.append(snapshot.step)
        epochs.append(snapshot.epoch)
        histograms.append(summary.histogram)
        proteins.append(summary.protein.astype(np.float32))
        mrnas.append(None if summary.mrna is None else summary.mrna.astype(np.float32))
        inductions.append(None if snapshot.threshold is None else summary.induction(snapshot.threshold))
        lives.append(summary.live)
    if not steps:
        return None
    return ExpressionCourse(
        steps=np.array(steps),
        epochs=np.array(epochs),
        histogram=np.array(histograms),
        protein=np.array(proteins),
        mrna=_stacked(mrnas),
        induction=_stacked(inductions),
        live=np.array(lives),
        layer=history.sample_layer,
        layer_names=tuple(layer.name for layer in history.layers),
        gates=sum(layer.total for layer in history.layers),
        gene=gene_of(history.run),
    )


def gene_of(facts: Mapping[str, Any]) -> Gene | None:
    """The gene of a run from the facts in its header; None for a policy without Eq. 1.

    Examples
    --------
    >>> gene_of({"gating": {"name": "ExpressionGating", "kinetics": {"hill_coefficient": 8.0},
    ...                     "autoactivation": 1.0, "cooperation": 0.0}}).kinetics.hill_coefficient
    8.0
    >>> gene_of({"gating": {"name": "MagnitudeGating"}}) is None
    True
    """
    gating = facts.get("gating") or {}
    if gating.get("name") != "ExpressionGating":
        return None
    return Gene(
        kinetics=Kinetics(**{name: float(value) for name, value in gating["kinetics"].items()}),
        autoactivation=float(gating["autoactivation"]),
        cooperation=float(gating["cooperation"]),
    )


def _stacked(parts: list[Any]) -> NDArray[np.float32] | None:
    if any(part is None for part in parts):
        return None
    values = np.array(parts, dtype=np.float32)
    # A threshold of 0 induces without limit: drawn as the largest finite induction.
    finite = values[np.isfinite(values)]
    return np.nan_to_num(values, posinf=float(finite.max()) if len(finite) else math.inf)
