"""The animated graph and the flow, against the links that they draw."""

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from study_records import make_graph

from pruning.topology import Column, LayerTopology, TopologySnapshot, UnitLinks, chain_wiring, unit_links
from studies.report.flow_figure import flow_figure, live_gates, possible_gates
from studies.report.graph_animation import GRID, graph_animation
from studies.report.graph_frames import even_choice
from studies.report.graph_links import links_of_digraph

UNITS = (12, 9, 4)


def make_links(step, density, *, seed=0, units=UNITS, epoch=0, expression=True):
    """Links of a layered network, nested: a denser call with the same seed holds those of a sparser one."""
    generator = np.random.default_rng(seed)
    columns, first = [], 0
    for place, count in enumerate(units):
        columns.append(Column(name=f"layer {place}", units=count, first=first))
        first += count
    pairs = [
        (a.first + source, b.first + target)
        for a, b in pairwise(columns)
        for target in range(b.units)
        for source in range(a.units)
    ]
    source, target = np.array(pairs).T
    chance = generator.random(len(pairs))
    live = chance < density
    return UnitLinks(
        columns=tuple(columns), source=source[live], target=target[live],
        gates=generator.integers(1, 10, len(pairs))[live],
        expression=(1 - chance).astype(np.float32)[live] if expression else None,
        step=step, epoch=epoch, sparsity=1 - density,
    )  # fmt: skip


def segments(trace):
    x, y = trace.x, trace.y
    return {(x[i], y[i], x[i + 1], y[i + 1]) for i in range(0, len(x), 3) if x[i] is not None}


def places(figure):
    """Place of each unit, in the order of node numbers."""
    units = figure.data[5]
    return list(zip(units.x, units.y, strict=True))


def as_segments(pairs, at):
    return {(*at[a], *at[b]) for a, b in pairs}


def ends(links):
    return set(zip(links.source.tolist(), links.target.tolist(), strict=True))


def test_frames_show_what_stays_is_born_and_dies():
    series = [make_links(10, 0.6), make_links(20, 0.5, seed=1), make_links(30, 0.2, seed=1)]
    figure = graph_animation(series)
    at = places(figure)
    for place, frame in enumerate(figure.frames):
        now, before = ends(series[place]), ends(series[max(place - 1, 0)])
        *kept, born, died = (segments(trace) for trace in frame.data[:5])
        assert set().union(*kept) == as_segments(now & before, at)
        assert born == as_segments(now - before, at)
        assert died == as_segments(before - now, at)
        told = np.array(frame.data[5].customdata)
        graph = nx.DiGraph(list(now))
        graph.add_nodes_from(range(sum(UNITS)))
        assert told[:, 0].tolist() == [graph.in_degree(node) for node in range(sum(UNITS))]
        assert told[:, 1].tolist() == [graph.out_degree(node) for node in range(sum(UNITS))]
        assert told[:, 2].sum() == 2 * len(now - before)
        assert told[:, 3].sum() == 2 * len(before - now)
    assert "50.0 % of all connections silenced" in figure.frames[1].data[6].text[0]
    assert f"{len(ends(series[2]))} live, 0 born" in figure.data[6].text[0]
    assert figure.layout.sliders[0].currentvalue.prefix == "after step "


def test_strength_is_expression_or_gates_against_the_layer():
    links = make_links(1, 1.0)
    figure = graph_animation([links])
    counts = [len(segments(trace)) for trace in figure.data[:3]]
    thirds = np.minimum((links.expression * 3).astype(int), 2)
    assert counts == np.bincount(thirds, minlength=3).tolist()
    links = make_links(1, 1.0, expression=False)
    most = np.array([1, *(links.gates[links.column_of()[links.target] == k].max() for k in (1, 2))])
    thirds = np.minimum((3 * links.gates / most[links.column_of()[links.target]]).astype(int), 2)
    figure = graph_animation([links])
    assert [len(segments(t)) for t in figure.data[:3]] == np.bincount(thirds, minlength=3).tolist()
    assert figure.data[0].name == "stays, gates 0 to ⅓ of the layer's most"


def test_positions_given_are_kept_in_shape():
    links = [make_links(1, 0.9), make_links(2, 0.3)]
    given = np.random.default_rng(3).normal(size=(sum(UNITS), 2))
    figure = graph_animation(links, positions=given)
    at = np.array(places(figure), float)
    assert at.min(0).tolist() == [0, 0]
    assert at.max(0).tolist() == [GRID, GRID]
    for axis in range(2):
        assert np.corrcoef(at[:, axis], given[:, axis])[0, 1] > 0.99999
    assert all(frame.data[5].x == figure.data[5].x for frame in figure.frames)
    assert figure.layout.coloraxis.colorbar.ticktext == ("layer 0", "layer 1", "layer 2")


def test_thinning_keeps_what_lasts_and_says_so():
    series = [make_links(k, d, units=(60, 60), epoch=k) for k, d in ((1, 0.9), (2, 0.5), (3, 0.05))]
    figure = graph_animation(series, maximum_units=60, maximum_links=600)
    drawn = [sum(len(segments(trace)) for trace in frame.data[:4]) for frame in figure.frames]
    assert drawn[2] == len(series[2])
    assert max(drawn) == 600
    assert "of links that do not last drawn" in figure.layout.title.text
    assert figure.layout.sliders[0].currentvalue.prefix == "after epoch "
    told = np.array(figure.frames[0].data[5].customdata)
    assert told[:, 1].sum() == len(series[0])  # the pointer tells of all links, drawn or not


def test_page_stays_small_with_dense_wide_layers():
    units = (64, 40, 40, 40, 40, 7)
    series = [make_links(k, d, units=units) for k, d in enumerate(np.linspace(1, 0.3, 12))]
    assert len(graph_animation(series).to_json()) < 1_500_000


@given(st.integers(1, 300), st.integers(1, 50))
def test_even_choice_ends_with_the_last(count, most):
    chosen = even_choice(count, most)
    assert chosen[-1] == count - 1
    assert len(chosen) == min(count, most)
    assert len(chosen) == 1 or chosen[0] == 0
    gaps = np.diff(chosen, prepend=chosen[0] - (chosen[-1] - chosen[0]) // max(len(chosen) - 1, 1))
    assert gaps.max() - gaps.min() <= 1


@settings(max_examples=20)
@given(st.integers(0, 100), st.floats(0.05, 1))
def test_digraph_and_links_are_inverse(seed, density):
    graph = make_graph(density, (7, 5, 3), seed)
    links = links_of_digraph(graph, step=3, sparsity=0.5)
    back = links.to_digraph()
    assert set(back.nodes) == set(graph.nodes)
    assert set(back.edges) == set(graph.edges)
    assert all(back.nodes[node]["layer"] == graph.nodes[node]["layer"] for node in graph)
    for edge in graph.edges:
        assert back.edges[edge]["expression"] == pytest.approx(graph.edges[edge]["expression"], rel=1e-6)
    key = links.target * links.nodes + links.source
    assert (np.diff(key) > 0).all()


def make_layer(name, outputs, inputs, *, groups=1, kernel=1, unit=False):
    layout = (groups, outputs // groups, 1 if unit else inputs // groups, kernel)
    total = int(np.prod(layout))
    return LayerTopology(
        name=name, outputs=outputs, inputs=inputs, groups=groups, layout=layout, live=total, total=total
    )


def make_snapshot(layers, masks, step=1):
    flat = np.concatenate([mask.ravel() for mask in masks])
    return TopologySnapshot(
        step=step, epoch=0, sparsity=1 - flat.mean(), target_sparsity=0.0, live=int(flat.sum()), born=0,
        died=0, lifetime=None, threshold=None, layers=tuple(layers), sample_live=flat[:1],
        sample_expression=None, packed_masks=np.packbits(flat),
    )  # fmt: skip


@pytest.mark.parametrize("unit", [False, True])
def test_possible_gates_are_the_live_ones_of_a_whole_network(unit):
    layers = [
        make_layer("conv", 6, 3, kernel=9, unit=unit),
        make_layer("grouped", 4, 6, groups=2, kernel=9, unit=unit),
        make_layer("fc", 5, 16, unit=unit),
    ]
    snapshot = make_snapshot(layers, [np.ones(layer.layout, bool) for layer in layers])
    links = unit_links(snapshot)
    np.testing.assert_array_equal(possible_gates(layers, chain_wiring(layers), links), live_gates(links))


def test_flow_holds_live_and_silenced_gates_of_every_pair():
    layers = [make_layer("a", 4, 3), make_layer("b", 2, 4)]
    generator = np.random.default_rng(0)
    series = []
    for step, density in ((1, 0.9), (2, 0.4)):
        masks = [generator.random(layer.layout) < density for layer in layers]
        series.append(unit_links(make_snapshot(layers, masks, step)))
    whole = possible_gates(layers, chain_wiring(layers), series[0])
    assert whole.tolist() == [[0, 12, 0], [0, 0, 8], [0, 0, 0]]
    figure = flow_figure(series, whole, measure="gates")
    for frame, links in zip(figure.frames, series, strict=True):
        band = frame.data[0].link
        live = live_gates(links)
        assert list(zip(band.source, band.target, band.label, strict=True)) == [
            (0, 1, "live"), (0, 1, "silenced"), (1, 2, "live"), (1, 2, "silenced")
        ]  # fmt: skip
        assert list(band.value) == [live[0, 1], 12 - live[0, 1], live[1, 2], 8 - live[1, 2]]
    shares = flow_figure(series, whole).data[0].link.value
    assert shares[0] + shares[1] == pytest.approx(100)
    assert shares[0] == pytest.approx(100 * live[0, 1] / 12, abs=1e-3)
    assert f"{live[0, 1]:,} of 12 gates live" in figure.data[0].link.customdata[0]
    assert figure.data[0].node.label[0] == "input"
    assert "silenced" in figure.frames[0].layout.title.text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: graph_animation([]), "at least one snapshot, got none"),
        (lambda: graph_animation([make_links(2, 0.5), make_links(2, 0.4)]), "steps must rise .* got 2, 2"),
        (lambda: graph_animation([make_links(1, 0.5), make_links(2, 0.4, units=(3, 2))]), "of one network"),
        (lambda: graph_animation([make_links(1, 0.5)], maximum_links=0), "maximum_links must be at least 1"),
        (lambda: graph_animation([make_links(1, 0.5)], positions=np.zeros((3, 2))), r"shape \(25, 2\)"),
        (lambda: graph_animation([make_links(1, 0.5)], positions=np.full((25, 2), np.nan)), "be finite"),
        (lambda: links_of_digraph(nx.DiGraph([("a", "b")])), "pairs .layer index, unit., got 'a'"),
        (lambda: links_of_digraph(nx.DiGraph([((1, 0), (0, 0))])), "lead to a later column"),
        (lambda: flow_figure([], np.ones((1, 1), int)), "at least one snapshot"),
        (lambda: flow_figure([make_links(1, 0.5)], np.ones((2, 2), int)), r"shape \(3, 3\)"),
        (lambda: flow_figure([make_links(1, 0.5)], np.ones((3, 3), int)), "at least what is live, got 1"),
        (lambda: flow_figure([make_links(1, 0.5)], np.zeros((3, 3), int)), "between some columns, got none"),
        (lambda: flow_figure([make_links(1, 0.5)], np.ones((3, 3))), "got float64"),
        (lambda: flow_figure([make_links(1, 0.5)], np.ones((3, 3), int), measure="x"), "'share' or 'gates'"),
    ],
)
def test_bad_networks_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
