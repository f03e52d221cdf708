"""The state space of a Boolean network, searched exhaustively: fixed points, attractors and their basins.

A state is an integer whose most significant bit is the first gene, so that states sort as their rows do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from grn.networks.logic.boolean import BooleanNetwork

MAX_EXHAUSTIVE_GENES = 24
MAX_ATTRACTORS = 10_000
MAX_TRANSITIONS = 60_000_000  # of one asynchronous state graph handed to scipy: about 2 GB

Update = Literal["synchronous", "asynchronous"]
UPDATES = ("synchronous", "asynchronous")

_BLOCK = 1 << 16  # states evaluated at once: the columns of a block stay in cache
_WALKERS = 256


@dataclass(frozen=True, eq=False)
class Attractor:
    """A set of states that a network does not leave once it is there.

    Attributes
    ----------
    states : ndarray of bool, shape (S, N)
        Read-only. Of a synchronous cycle in the order of its visits from the smallest state, of an
        asynchronous attractor sorted; the first gene counts most.
    update : {"synchronous", "asynchronous"}
        The update under which it attracts.
    basin : int
        Number of states, its own included, that lead there (synchronous) or can reach it (asynchronous,
        the weak basin; one state may reach several attractors).

    Examples
    --------
    >>> from grn.networks.logic.boolean import BooleanNetwork
    >>> switch = BooleanNetwork({"A": "not B", "B": "not A"})
    >>> for attractor in switch.attractors(update="synchronous"):
    ...     print(attractor.states.astype(int).tolist(), attractor.basin, attractor.is_fixed_point)
    [[0, 0], [1, 1]] 2 False
    [[0, 1]] 1 True
    [[1, 0]] 1 True
    """

    states: NDArray[np.bool_]
    update: Update
    basin: int

    @property
    def is_fixed_point(self) -> bool:
        """Whether it is a single state."""
        return len(self.states) == 1


def find_fixed_points(network: BooleanNetwork) -> NDArray[np.bool_]:
    """States that the rules leave as they are, by exhaustive search; see `BooleanNetwork.fixed_points`.

    Examples
    --------
    >>> from grn.networks.logic.boolean import BooleanNetwork
    >>> find_fixed_points(BooleanNetwork({"A": "B", "B": "A"})).astype(int)
    array([[0, 0],
           [1, 1]])
    """
    found = [
        block.start + np.flatnonzero((columns == images).all(axis=0))
        for block, columns, images in _state_blocks(network)
    ]
    return _unpack(np.concatenate(found), len(network.genes))


def find_attractors(network: BooleanNetwork, update: Update) -> tuple[Attractor, ...]:
    """All attractors, by exhaustive search; see `BooleanNetwork.attractors`.

    Examples
    --------
    >>> from grn.networks.logic.boolean import BooleanNetwork
    >>> ring = BooleanNetwork({"A": "not C", "B": "A", "C": "B"})
    >>> [len(attractor.states) for attractor in find_attractors(ring, "asynchronous")]
    [6]
    """
    if update not in UPDATES:
        raise ValueError(f"update must be one of {', '.join(UPDATES)}, got {update!r}")
    search = _synchronous if update == "synchronous" else _asynchronous
    attractors = []
    for states, basin in search(network):
        rows = _unpack(states, len(network.genes))
        rows.flags.writeable = False
        attractors.append((int(states[0]), Attractor(rows, update, basin)))
    return tuple(attractor for _, attractor in sorted(attractors, key=lambda pair: pair[0]))


def _state_blocks(network: BooleanNetwork) -> Iterator[tuple[slice, NDArray[np.bool_], NDArray[np.bool_]]]:
    """(block, states (N, size), their synchronous images (N, size)) through the whole state space."""
    genes = network.genes
    if len(genes) > MAX_EXHAUSTIVE_GENES:
        raise ValueError(
            f"an exhaustive search visits 2^N states and is limited to {MAX_EXHAUSTIVE_GENES} genes, "
            f"this network has {len(genes)}; sample instead: simulate from random starts and keep the ends"
        )
    size = 1 << len(genes)
    for start in range(0, size, _BLOCK):
        block = slice(start, min(start + _BLOCK, size))
        columns = np.ascontiguousarray(_unpack(np.arange(block.start, block.stop), len(genes)).T)
        values = dict(zip(genes, columns, strict=True))
        images = np.empty_like(columns)
        for image, rule in zip(images, network.rules.values(), strict=True):
            image[:] = rule.evaluate(values)
        yield block, columns, images


def _unpack(codes: NDArray[np.integer], genes: int) -> NDArray[np.bool_]:
    shifts = np.arange(genes - 1, -1, -1)
    return (codes[:, None] >> shifts & 1).astype(np.bool_)


def _refuse_more(count: int) -> None:
    if count > MAX_ATTRACTORS:
        raise ValueError(
            f"the network has more than {MAX_ATTRACTORS} attractors, the limit; "
            "make its free inputs constant with BooleanNetwork.with_fixed"
        )


def _synchronous(network: BooleanNetwork) -> Iterator[tuple[NDArray[np.integer], int]]:
    """(states of a cycle, size of its basin) of the functional graph state → image."""
    genes = len(network.genes)
    weights = 1 << np.arange(genes - 1, -1, -1, dtype=np.int32)
    image = np.empty(1 << genes, dtype=np.int32)
    for block, _, images in _state_blocks(network):
        image[block] = weights @ images
    arrival = image
    for _ in range(genes):  # after 2^N steps every state is on its cycle
        arrival = arrival[arrival]
    weight = np.bincount(arrival, minlength=len(image))  # states that have arrived at each state of a cycle
    cyclic = np.flatnonzero(weight)
    position = np.empty(len(image), dtype=np.int32)
    position[cyclic] = np.arange(len(cyclic))
    step = position[image[cyclic]]
    first, jump = np.arange(len(cyclic)), step  # the smallest state of each cycle, by doubling
    for _ in range(genes):
        first, jump = np.minimum(first, first[jump]), jump[jump]
    basins = np.bincount(first, weights=weight[cyclic])
    starts = np.unique(first)
    _refuse_more(len(starts))
    following = step.data  # reads one element several times faster than the array
    for start in starts.tolist():
        cycle = [start]
        while (after := following[cycle[-1]]) != start:
            cycle.append(after)
        yield cyclic[cycle], int(basins[start])


def _asynchronous(network: BooleanNetwork) -> Iterator[tuple[NDArray[np.integer], int]]:
    """(states of an attractor, size of its weak basin): fixed points first, then what is left."""
    genes = len(network.genes)
    moves = np.empty((genes, 1 << genes), dtype=np.uint8)  # 255 where updating the gene changes the state
    for block, columns, images in _state_blocks(network):
        moves[:, block] = (columns != images) * np.uint8(255)
    fixed = np.flatnonzero(~moves.any(axis=0))
    _refuse_more(len(fixed))
    open_states = np.ones(1 << genes, dtype=np.bool_)  # that reach no attractor found so far
    found = len(fixed)
    yield from _with_basins([fixed[i : i + 1] for i in range(len(fixed))], moves, open_states)
    rng = np.random.default_rng(0)  # chooses where to look, not what is found
    while open_states.any():
        reached = _walk(np.flatnonzero(open_states), moves, rng)
        closed = np.zeros(1 << genes, dtype=np.uint8)
        closed[reached] = 1
        _close(closed, moves, forward=True)
        attractors = _terminal_components(np.flatnonzero(closed), moves)
        found += len(attractors)
        _refuse_more(found)
        yield from _with_basins(attractors, moves, open_states)


def _walk(
    states: NDArray[np.integer], moves: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.integer]:
    """Where random asynchronous walks from a sample of the states end: deep, so that little lies ahead."""
    genes = len(moves)
    walkers = states if len(states) <= _WALKERS else rng.choice(states, _WALKERS, replace=False)
    for gene in rng.integers(genes, size=16 * genes):
        moving = moves[gene, walkers] != 0
        walkers = np.where(moving, walkers ^ (1 << (genes - 1 - gene)), walkers)
    return np.unique(walkers)


def _close(marks: NDArray[np.uint8], moves: NDArray[np.uint8], *, forward: bool) -> None:
    """Spread the bits of ``marks`` along the transitions, or against them, until nothing changes."""
    genes = len(moves)
    before = -1
    while (total := int(marks.sum(dtype=np.int64))) != before:
        before = total
        for gene in range(genes):
            shape = (1 << gene, 2, 1 << (genes - 1 - gene))
            mark, move = marks.reshape(shape), moves[gene].reshape(shape)
            off, on = mark[:, 0], mark[:, 1]
            if forward:
                risen, fallen = off & move[:, 0], on & move[:, 1]
                on |= risen
                off |= fallen
            else:
                off |= on & move[:, 0]
                on |= off & move[:, 1]


def _with_basins(
    attractors: list[NDArray[np.integer]], moves: NDArray[np.uint8], open_states: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.integer], int]]:
    """Each attractor with the size of its weak basin, eight at a time; their basins leave ``open_states``."""
    for start in range(0, len(attractors), 8):
        batch = attractors[start : start + 8]
        marks = np.zeros(moves.shape[1], dtype=np.uint8)
        for bit, states in enumerate(batch):
            marks[states] |= np.uint8(1 << bit)
        _close(marks, moves, forward=False)
        open_states &= marks == 0
        for bit, states in enumerate(batch):
            yield states, int(np.count_nonzero(marks & (1 << bit)))


def _terminal_components(states: NDArray[np.integer], moves: NDArray[np.uint8]) -> list[NDArray[np.integer]]:
    """Strongly connected components without an exit, of a set of states that no transition leaves."""
    genes = len(moves)
    transitions = sum(int(np.count_nonzero(move[states])) for move in moves)
    if transitions > MAX_TRANSITIONS:
        raise ValueError(
            f"the asynchronous state graph has a closed part of {len(states)} states and {transitions} "
            f"transitions, the limit is {MAX_TRANSITIONS}; hold some genes constant with "
            "BooleanNetwork.with_fixed"
        )
    position = np.empty(moves.shape[1], dtype=np.int32)
    position[states] = np.arange(len(states), dtype=np.int32)
    sources, targets = [], []
    for gene in range(genes):
        moving = states[moves[gene, states] != 0]
        sources.append(position[moving])
        targets.append(position[moving ^ (1 << (genes - 1 - gene))])
    source, target = np.concatenate(sources), np.concatenate(targets)
    graph = sparse.coo_array(
        (np.ones(len(source), dtype=np.int8), (source, target)), shape=(len(states),) * 2
    )
    count, label = sparse.csgraph.connected_components(graph.tocsr(), directed=True, connection="strong")
    terminal = np.ones(count, dtype=np.bool_)
    terminal[label[source[label[source] != label[target]]]] = False
    inside = np.flatnonzero(terminal[label])
    inside = inside[np.argsort(label[inside], kind="stable")]
    bounds = np.flatnonzero(np.diff(label[inside])) + 1
    return [states[part] for part in np.split(inside, bounds)]
