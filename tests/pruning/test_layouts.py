"""Layouts: few crossings, the same again, and little movement from epoch to epoch."""

import importlib.util
import time
from itertools import combinations, permutations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pruning.topology import Column, UnitLinks, force_layout, layered_layout
from pruning.topology.layouts import count_crossings, force
from pruning.topology.layouts.layered import crossings
from pruning.topology.layouts.layout import graph_arrays

ENGINES = [
    pytest.param(
        "igraph",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("igraph") is None, reason='needs pip install "grn-pruning[layout]"'
        ),
    ),
    "spectral",
]


def random_links(sizes, density, seed=0):
    """Links of random pairs of neighbouring columns."""
    random = np.random.default_rng(seed)
    firsts = np.concatenate([[0], np.cumsum(sizes)])
    columns = tuple(
        Column(name=f"c{place}", units=size, first=int(first))
        for place, (size, first) in enumerate(zip(sizes, firsts[:-1], strict=True))
    )
    source, target = [], []
    for place in range(len(sizes) - 1):
        a, b = (random.random((sizes[place], sizes[place + 1])) < density).nonzero()
        source.append(a + firsts[place])
        target.append(b + firsts[place + 1])
    source, target = np.concatenate(source), np.concatenate(target)
    order = np.lexsort((source, target))
    return UnitLinks(
        columns=columns, source=source[order], target=target[order], gates=np.ones(len(order), dtype=np.int64)
    )


def without(links, fraction, seed=1):
    """The links of the epoch after: some are gone, as many are new."""
    random = np.random.default_rng(seed)
    kept = random.random(len(links)) >= fraction
    other = random_links([column.units for column in links.columns], 0.1, seed + 100)
    new = random.choice(len(other), size=min(len(other), int((~kept).sum())), replace=False)
    pairs = np.unique(
        np.concatenate(
            [
                np.stack([links.target[kept], links.source[kept]], 1),
                np.stack([other.target[new], other.source[new]], 1),
            ]
        ),
        axis=0,
    )
    return UnitLinks(
        columns=links.columns,
        source=pairs[:, 1],
        target=pairs[:, 0],
        gates=np.ones(len(pairs), dtype=np.int64),
    )


@given(arrays(np.int64, st.tuples(st.integers(0, 40), st.just(2)), elements=st.integers(0, 9)))
def test_crossings_are_those_of_every_pair(ends):
    count = sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in combinations(ends.tolist(), 2))
    assert count_crossings(ends[:, 0], ends[:, 1]) == count


def test_a_permutation_is_untangled_and_a_small_graph_is_drawn_with_the_fewest_crossings():
    shuffled = np.random.default_rng(0).permutation(50)
    graph = nx.DiGraph([((0, unit), (1, int(shuffled[unit]))) for unit in range(50)])
    assert drawn_crossings(graph) == 0
    # Every order of either column tried: the sweeps come near the best, and are never worse than no sweep.
    found, fewest = 0, 0
    for seed in range(12):
        random = np.random.default_rng(seed)
        pairs = [(a, b) for a in range(4) for b in range(4) if random.random() < 0.4]
        graph = nx.DiGraph([((0, a), (1, b)) for a, b in pairs])
        fewest += min(
            count_crossings(np.array([left[a] for a, _ in pairs]), np.array([right[b] for _, b in pairs]))
            for left in permutations(range(4))
            for right in permutations(range(4))
        )
        found += drawn_crossings(graph)
        assert drawn_crossings(graph) <= drawn_crossings(graph, sweeps=0)
    assert fewest <= found <= 1.5 * fewest


def drawn_crossings(graph, **options):
    return crossings_of(graph, layered_layout(graph, **options))


def crossings_of(graph, layout):
    arrays = graph_arrays(graph)
    positions = layout.positions()
    rank = np.zeros(len(arrays.nodes), dtype=np.int64)
    for column in set(arrays.column.tolist()):
        members = [place for place, node in enumerate(arrays.nodes) if node[0] == column]
        for place, index in enumerate(sorted(members, key=lambda index: positions[arrays.nodes[index]][1])):
            rank[index] = place
    return crossings(arrays, rank)


def test_sweeps_lower_the_crossings_of_modules_hidden_by_their_order():
    """Eight modules through four columns, each column shuffled: drawn side by side they barely cross."""
    random = np.random.default_rng(0)
    shuffles = [random.permutation(40) for _ in range(4)]
    graph = nx.DiGraph()
    for column in range(3):
        for a in range(40):
            for b in range(40):
                if a // 5 == b // 5:
                    graph.add_edge(
                        (column, int(shuffles[column][a])), (column + 1, int(shuffles[column + 1][b]))
                    )
    within = 3 * 8 * (5 * 4 // 2) ** 2  # complete graphs of 5 and 5 units cross so often whatever the order
    assert drawn_crossings(graph) == within
    assert drawn_crossings(graph, sweeps=0) > 10 * within


def test_columns_are_layers_and_units_are_apart():
    links = random_links([5, 9, 3], 0.4)
    layout = layered_layout(links)
    assert layout.method == "layered"
    assert len(layout) == 17
    assert [x for x, _ in layout.positions().values()] == [float(column) for column, _ in layout.nodes]
    heights = sorted(y for node, (_, y) in layout.positions().items() if node[0] == 2)
    assert heights == pytest.approx([1 / 6, 3 / 6, 5 / 6])
    assert np.array_equal(layered_layout(links).xy, layout.xy)
    same = layered_layout(links.to_digraph())
    assert same.positions() == layout.positions()


def test_new_units_find_a_place_and_the_others_stay():
    first = nx.DiGraph([((0, 0), (1, 0)), ((0, 1), (1, 1)), ((0, 2), (1, 2))])
    layout = layered_layout(first)
    later = nx.DiGraph([*first.edges, ((0, 2), (1, 7)), ((0, 9), (1, 0)), ((2, 0), (3, 0))])
    extended = layout.extended(later)
    assert extended.displacement(layout) == 0.0
    assert layout.extended(first) is layout
    positions = extended.positions()
    assert set(positions) == set(later)
    # Unit 7 reads unit 2 alone, which is the topmost: it goes into the gap beside its neighbour's height.
    assert abs(positions[1, 7][1] - positions[0, 2][1]) < 1 / 3
    for column in range(4):
        heights = [y for node, (x, y) in positions.items() if node[0] == column and x == column]
        assert len(set(heights)) == len(heights) == sum(node[0] == column for node in later)
        assert all(0 < y < 1 for y in heights)
    with pytest.raises(ValueError, match="they share none"):
        layout.displacement(layered_layout(nx.DiGraph([((7, 0), (8, 0))])))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_seed_gives_the_same_forces_again_and_linked_units_are_near(engine):
    links = random_links([12, 20, 8], 0.12)
    layout = force_layout(links, seed=3, engine=engine)
    assert layout.method == engine
    assert np.isfinite(layout.xy).all()
    assert np.array_equal(layout.xy, force_layout(links, seed=3, engine=engine).xy)
    near = np.linalg.norm(layout.xy[links.source] - layout.xy[links.target], axis=1).mean()
    every = np.mean([np.linalg.norm(a - b) for a, b in combinations(layout.xy, 2)])
    assert near < 0.85 * every


@pytest.mark.parametrize("engine", ENGINES)
def test_two_parts_are_drawn_apart(engine):
    """Two dense modules with one link between them: the first axis or the forces tell them apart."""
    graph = nx.DiGraph(
        [((0, a), (1, b)) for a in range(20) for b in range(20) if a // 10 == b // 10] + [((0, 0), (1, 19))]
    )
    layout = force_layout(graph, engine=engine)
    side = np.array([unit // 10 for _, unit in layout.nodes])
    middles = [layout.xy[side == part].mean(0) for part in (0, 1)]
    spread = max(layout.xy[side == part].std() for part in (0, 1))
    assert np.linalg.norm(middles[0] - middles[1]) > spread


@pytest.mark.parametrize("engine", ENGINES)
def test_the_epoch_before_holds_the_picture_still(engine):
    links = random_links([30, 40, 20], 0.08)
    layout = force_layout(links, engine=engine)
    moved, anew = [], []
    for epoch in range(4):
        links = without(links, 0.05, seed=epoch)
        later = force_layout(links, before=layout, engine=engine)
        moved.append(later.displacement(layout))  # in radii of the picture
        anew.append(force_layout(links, engine=engine).displacement(layout))
        assert not np.array_equal(later.xy, layout.xy)
        layout = later
    assert max(moved) < 0.2
    assert sum(moved) < sum(anew) / 3


def test_the_spectrum_of_a_graph_that_stays_as_it_is_does_not_move():
    links = random_links([30, 40, 20], 0.08)
    layout = force_layout(links, engine="spectral")
    later = force_layout(links, before=layout, engine="spectral", seed=5)
    assert later.displacement(layout) < 1e-6  # eigenvectors are found to 1e-14 or so; their signs may differ


@pytest.mark.parametrize("engine", ENGINES)
def test_a_later_graph_may_have_new_units_and_a_small_one_is_drawn(engine):
    before = force_layout(nx.DiGraph([((0, unit), (1, unit % 3)) for unit in range(9)]), engine=engine)
    later = force_layout(
        nx.DiGraph([((0, unit), (1, unit % 3)) for unit in range(12)]), before=before, engine=engine
    )
    assert len(later) == 15
    assert np.isfinite(later.xy).all()
    for edges in ([], [((0, 0), (1, 0))], [((0, 0), (1, 0)), ((0, 0), (1, 1))]):
        small = force_layout(nx.DiGraph(edges), engine=engine)
        assert len(small) == len(nx.DiGraph(edges))
        assert np.isfinite(small.xy).all()


def test_without_igraph_the_spectral_layout_is_named(monkeypatch):
    monkeypatch.setattr(force, "_igraph", lambda: None)
    links = random_links([5, 6], 0.4)
    with pytest.warns(UserWarning, match="igraph is not installed, the layout is spectral instead"):
        assert force_layout(links).method == "spectral"
    with pytest.raises(ValueError, match="engine 'igraph' needs igraph, which is not installed"):
        force_layout(links, engine="igraph")
    with pytest.raises(ValueError, match="engine must be one of auto, igraph, spectral, got 'neato'"):
        force_layout(links, engine="neato")


def test_bad_layouts_are_refused():
    with pytest.raises(ValueError, match=r"pairs \(column, unit\), got 'a'"):
        layered_layout(nx.DiGraph([("a", "b")]))
    with pytest.raises(ValueError, match="sweeps must be an integer of at least 0, got -1"):
        layered_layout(nx.DiGraph(), sweeps=-1)
    assert len(layered_layout(nx.DiGraph())) == 0


@pytest.mark.parametrize("engine", [*ENGINES, "layered"])
def test_a_hundred_thousand_links_take_seconds(engine):
    """In processor time, with room for a busy machine: what grows with the square would take minutes."""
    links = random_links([3000, 3000, 2000, 2000], 0.0053)
    assert len(links) > 100_000
    start = time.process_time()
    layout = layered_layout(links) if engine == "layered" else force_layout(links, engine=engine)
    first = time.process_time()
    assert first - start < 9.0
    assert len(layout) == 10_000
    if engine != "layered":
        again = force_layout(without(links, 0.01), before=layout, engine=engine)
        assert time.process_time() - first < 9.0
        assert again.displacement(layout) < 0.2
