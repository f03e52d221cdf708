"""Linked units near one another: forces by igraph, or the spectrum by scipy."""

from __future__ import annotations

import importlib
import random
import warnings
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, eigsh

from pruning.topology.layouts.layered import layered_layout
from pruning.topology.layouts.layout import Drawable, GraphArrays, Layout, graph_arrays, radius

Engine = Literal["auto", "igraph", "spectral"]
_SPECTRUM = 16  # eigenvectors in whose span a spectral layout looks for the positions of the epoch before
_ROUNDS, _LATER_ROUNDS = 80, 10  # of the forces: at first, and from the positions of the epoch before


def force_layout(
    graph: Drawable, *, before: Layout | None = None, seed: int = 0, engine: Engine = "auto"
) -> Layout:
    """Draw linked units near one another.

    Parameters
    ----------
    graph : networkx.DiGraph or UnitLinks
        Nodes are pairs (column, unit).
    before : Layout, optional
        Of the epoch before. The forces start from its positions and may move a unit by little; the spectral
        layout goes half way to the combination of leading eigenvectors that is nearest to them. Without it
        the forces start from the layered layout.
    seed : int
        Of what is random in either. A seed gives the same positions again on the same machine.
    engine : {"auto", "igraph", "spectral"}
        ``"igraph"``: forces (Fruchterman and Reingold, 1991, on a grid). ``"spectral"``: eigenvectors of the
        regularised normalised adjacency matrix (Amini et al., 2013), by scipy. ``"auto"``: igraph where it is
        installed, otherwise spectral with a warning.

    Returns
    -------
    Layout
        Its ``method`` says which engine was used.

    Raises
    ------
    ValueError
        If the engine is unknown or igraph is asked for and not installed.

    Warns
    -----
    UserWarning
        If igraph is not installed and the spectral layout takes its place.
    """
    if engine not in get_args(Engine):
        raise ValueError(f"engine must be one of {', '.join(get_args(Engine))}, got {engine!r}")
    arrays = graph_arrays(graph)
    igraph = None if engine == "spectral" else _igraph()
    if igraph is None and engine == "igraph":
        raise ValueError(f"engine 'igraph' needs igraph, which is not installed: {_INSTALL}")
    if igraph is None and engine == "auto":
        warnings.warn(f"igraph is not installed, the layout is spectral instead: {_INSTALL}", stacklevel=2)
    if before is not None:
        before = before.extended(graph)
    if len(arrays.nodes) < 3:
        start = before or layered_layout(graph)
        return Layout(nodes=arrays.nodes, xy=_taken(arrays, start), method="igraph" if igraph else "spectral")
    if igraph is not None:
        start = before or layered_layout(graph, sweeps=1)
        return Layout(
            nodes=arrays.nodes,
            xy=_by_forces(igraph, arrays, start, before is not None, seed),
            method="igraph",
        )
    return Layout(nodes=arrays.nodes, xy=_by_spectrum(arrays, before, seed), method="spectral")


_INSTALL = "pip install \"grn-pruning[layout]\", or pass engine='spectral'"


def _igraph() -> Any:
    """Return the library, or None where it is not installed."""
    try:
        return importlib.import_module("igraph")
    except ModuleNotFoundError as error:
        if error.name != "igraph":
            raise
        return None


def _taken(arrays: GraphArrays, layout: Layout) -> NDArray[np.float64]:
    place = {node: index for index, node in enumerate(layout.nodes)}
    return layout.xy[[place[node] for node in arrays.nodes]].reshape(-1, 2)


def _by_forces(
    igraph: Any, arrays: GraphArrays, start: Layout, again: bool, seed: int
) -> NDArray[np.float64]:
    size = len(arrays.nodes)
    xy = _taken(arrays, start)
    if not again:  # as wide as the forces would make it, whose unit is the length of an edge
        xy = (xy - xy.mean(0)) / np.maximum(xy.std(0), 1e-12) * size**0.5
        xy += np.random.default_rng(seed).normal(scale=1e-3, size=xy.shape)
    graph = igraph.Graph(n=size, edges=np.stack([arrays.source, arrays.target], axis=1).tolist())
    igraph.set_random_number_generator(random.Random(seed))
    try:
        found = graph.layout_fruchterman_reingold(
            niter=_LATER_ROUNDS if again else _ROUNDS,
            seed=xy.tolist(),
            start_temp=0.01 * radius(xy) if again else size**0.5 / 4,
            grid="grid" if size > 1000 else "nogrid",
        )
    finally:
        igraph.set_random_number_generator(random)
    # The library turns and mirrors what it found: turned back, as near to the start as can be.
    coordinates = np.array(found.coords, dtype=np.float64)
    turned = coordinates - coordinates.mean(0)
    left, _, right = np.linalg.svd(turned.T @ (xy - xy.mean(0)))
    return np.asarray(turned @ left @ right + xy.mean(0))


def _by_spectrum(arrays: GraphArrays, before: Layout | None, seed: int) -> NDArray[np.float64]:
    size = len(arrays.nodes)
    ones = np.ones(len(arrays.source))
    half = csr_array((ones, (arrays.source, arrays.target)), shape=(size, size))
    adjacency = (half + half.T).tocsr()
    degree = np.asarray(adjacency.sum(1)).ravel()
    extra = max(float(degree.mean()), 1.0)  # a little weight between all pairs joins what is apart
    root = np.sqrt(degree + extra)

    def apply(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        scaled = vector.ravel() / root
        return np.asarray((adjacency @ scaled + extra * scaled.mean()) / root)

    count = min(_SPECTRUM + 1, size)
    if size <= 3 * _SPECTRUM:
        values, vectors = np.linalg.eigh(np.stack([apply(row) for row in np.eye(size)], axis=1))
        values, vectors = values[-count:], vectors[:, -count:]
    else:
        first = np.random.default_rng(seed).normal(size=size)
        operator = LinearOperator((size, size), matvec=apply, dtype=np.float64)
        values, vectors = eigsh(operator, k=count, which="LA", v0=first)
    # The leading one is constant once divided by the root of the degrees: it tells nothing.
    leading = np.argsort(values)[::-1][1:]
    axes = vectors[:, leading] / root[:, None]
    axes *= np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    axes /= np.maximum(axes.std(0), 1e-12)
    if before is None:
        return np.asarray(axes[:, :2] - axes[:, :2].mean(0))
    wanted = _taken(arrays, before)
    middle = wanted.mean(0)
    axes = axes - axes.mean(0)
    xy = axes @ np.linalg.lstsq(axes, wanted - middle, rcond=None)[0]
    xy = xy * (radius(wanted) / radius(xy)) + middle
    return np.asarray((xy + wanted) / 2)  # half way: neighbouring eigenvectors change places easily
