"""Hysteresis loop and cloud against the equations themselves."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grn.analytic import fixed_points, hysteresis_thresholds
from grn.kinetics import Kinetics
from grn.plot.cloud import cloud_plane
from grn.plot.hysteresis import hysteresis_loop
from grn.plot.promoter import Promoter
from grn.regulation import ConnectionBlock, Cooperation, promoter_input

STEEP = Kinetics(hill_coefficient=4.0, basal=0.02)


def named(figure, name):
    (trace,) = [trace for trace in figure.data if trace.name == name]
    return trace


@given(
    st.floats(0, 8), st.floats(0, 4), st.floats(0.05, 0.95), st.floats(0.1, 5), st.floats(1, 8),
    st.floats(0, 0.2),
)  # fmt: skip
def test_promoter_among_neighbours_is_that_of_equation_one(a, c, r, induction, n, basal):
    kinetics = Kinetics(hill_coefficient=n, basal=basal)
    promoter = Promoter(kinetics=kinetics, autoactivation=a, cooperation=c, neighbourhood=r)
    # with equal levels every mean over neighbours is r
    protein = torch.full((4,), r, dtype=torch.float64)
    block = Cooperation(strength=c, blocks=[ConnectionBlock(outputs=2, inputs=2)])
    x = promoter_input(
        torch.full((4,), induction, dtype=torch.float64), protein, autoactivation=a, cooperation=block
    )
    expected = kinetics.promoter_activity(x)[0].item()
    assert promoter.activity(induction, np.array([r]))[0] == pytest.approx(expected, rel=1e-9)


@given(st.floats(0, 8), st.floats(0, 3), st.floats(0, 1), st.floats(0.03, 0.97))
def test_genes_rest_where_the_branch_says(a, c, r, level):
    promoter = Promoter(kinetics=STEEP, autoactivation=a, cooperation=c, neighbourhood=r)
    induction = promoter.induction_at_rest(np.array([level]))
    assert promoter.activity(induction, np.array([level]))[0] == pytest.approx(level, rel=1e-9)


@pytest.mark.parametrize(("n", "basal"), [(2.0, 0.0), (4.0, 0.02), (8.0, 0.1)])
def test_least_bistable_autoactivation_is_where_the_window_opens(n, basal):
    kinetics = Kinetics(hill_coefficient=n, basal=basal)
    least = Promoter(kinetics=kinetics).least_bistable
    assert hysteresis_thresholds(kinetics, least * 1.001) is not None
    assert hysteresis_thresholds(kinetics, least * 0.999) is None


def test_least_bistable_is_infinite_where_the_leak_is_too_large():
    assert math.isinf(Promoter(kinetics=Kinetics(hill_coefficient=1.0)).least_bistable)
    leaky = Kinetics(hill_coefficient=1.5, basal=0.2)
    assert math.isinf(Promoter(kinetics=leaky).least_bistable)
    assert hysteresis_thresholds(leaky, 1e6) is None
    figure = hysteresis_loop(leaky, 3.0)
    assert "whatever the autoactivation" in figure.layout.annotations[0].text


def test_loop_passes_through_every_fixed_point_with_its_stability():
    figure = hysteresis_loop(STEEP, 3.0)
    window = hysteresis_thresholds(STEEP, 3.0)
    threshold = named(figure, "threshold")
    assert sorted(threshold.x) == pytest.approx([window.switch_off, window.switch_on])
    middle = math.sqrt(window.switch_off * window.switch_on)
    off, saddle, on = fixed_points(STEEP, middle, 3.0)
    for point, name in ((off, "stable, off"), (saddle, "unstable"), (on, "stable, on")):
        branch = named(figure, name)
        x, y = np.asarray(branch.x, float), np.asarray(branch.y, float)
        order = np.argsort(x)
        assert np.interp(middle, x[order], y[order]) == pytest.approx(point.level, abs=2e-3)
    texts = [note.text for note in figure.layout.annotations if note.text]
    assert texts == ["turns on above 1.08", "turns off below 0.9797"]
    crowded = hysteresis_loop(Kinetics(), 3.0, induction=np.geomspace(0.02, 1.5, 40))
    sides = [note.xanchor for note in crowded.layout.annotations if "turns" in (note.text or "")]
    assert sides == ["right", "right"]  # the window lies near the right edge, which would cut a label
    arrows = [note for note in figure.layout.annotations if note.showarrow]
    assert [arrow.y > arrow.ay for arrow in arrows] == [True, False]  # up, then down


def test_without_bistability_the_figure_says_so():
    figure = hysteresis_loop(STEEP, 1.0)
    assert [trace.name for trace in figure.data] == ["stable"]
    assert "no hysteresis" in figure.layout.title.text
    assert "autoactivation a above 1.882" in figure.layout.annotations[0].text


def test_live_connections_are_counted_by_side_of_the_window():
    induction = np.array([0.1, 0.5, 1.0, 1.05, 2.0, 0.0, 3.0, 4.0])
    live = np.array([False, True, True, True, True, False, True, True])
    figure = hysteresis_loop(STEEP, 3.0, induction=induction, live=live)
    text = next(n.text for n in figure.layout.annotations if "live connections" in (n.text or ""))
    assert "Of 6 live" in text
    assert "17% stand below" in text
    assert "33% in it" in text
    assert "50% above" in text
    assert len(named(figure, "live connections").x) == 6
    low = 10 ** figure.layout.xaxis.range[0]
    assert named(figure, "silenced connections").x.min() == pytest.approx(low, rel=1e-5)  # 0 at the edge


def test_cooperation_moves_the_window_as_the_gain_says():
    figure = hysteresis_loop(STEEP, 6.0, cooperation=1.0, neighbourhood=0.5)
    promoter = Promoter(kinetics=STEEP, autoactivation=6.0, cooperation=1.0, neighbourhood=0.5)
    for at, level in zip(named(figure, "threshold").x, named(figure, "threshold").y, strict=True):
        near = level + np.array([-1e-4, 0.0, 1e-4])
        rest = promoter.induction_at_rest(near)
        assert rest[1] == pytest.approx(at, rel=1e-6)
        assert (rest[2] - rest[1]) * (rest[1] - rest[0]) < 0  # it turns there


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"protein": [0.5]}, "give induction, too"),
        ({"induction": []}, "finite non-negative S/K a gene"),
        ({"induction": [-1.0]}, "finite non-negative S/K"),
        ({"induction": [1.0], "protein": [0.5, 0.5]}, "protein must hold a finite level for each of 1 genes"),
        ({"induction": [1.0], "live": [1]}, "live must be boolean"),
        ({"induction": [1.0], "maximum_points": 0}, "maximum_points must be at least 1"),
        ({"neighbourhood": 1.5}, r"neighbourhood must be a mean level in \[0, 1\], got 1.5"),
        ({"cooperation": -1.0}, "cooperation strength must be"),
    ],
)
def test_bad_loops_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        hysteresis_loop(STEEP, 3.0, **arguments)


def test_nullclines_cross_at_the_resting_points():
    generator = np.random.default_rng(0)
    levels, induction = generator.random(50), np.exp(0.4 * generator.normal(size=50))
    figure = cloud_plane(STEEP, levels, levels, induction=induction, autoactivation=3.0)
    rest = named(figure, "resting point")
    quantiles = np.quantile(induction, [0.1, 0.5, 0.9])
    expected = [point.level for s in quantiles for point in fixed_points(STEEP, float(s), 3.0)]
    assert list(rest.y) == pytest.approx(expected)
    line = named(figure, "mRNA rests, median S/K")
    y = np.asarray(line.y, float)
    m = STEEP.promoter_activity(torch.tensor(quantiles[1] * (1 + 3 * y) / 2.5))
    np.testing.assert_allclose(line.x, m, rtol=1e-5)


def test_cloud_without_inductions_shows_the_thresholds():
    levels = np.linspace(0, 1, 7)
    names = [trace.name for trace in cloud_plane(STEEP, levels, levels, autoactivation=3.0).data]
    assert names[1:4] == ["mRNA rests, turning off", "mRNA rests, between", "mRNA rests, turning on"]
    names = [trace.name for trace in cloud_plane(STEEP, levels, levels).data]
    assert names[1] == "mRNA rests, S/K = 1"


def test_animated_cloud_draws_the_same_genes_in_every_frame():
    generator = np.random.default_rng(1)
    m, p, s = generator.random((3, 4, 500))
    live = p > 0.5
    figure = cloud_plane(
        STEEP, m, p, live=live, induction=s, layer=np.arange(500) % 3, frames=["1", "5", "9", "20"],
        maximum_points=100,
    )  # fmt: skip
    assert [frame.name for frame in figure.frames] == ["1", "5", "9", "20"]
    seen = []
    for number, frame in enumerate(figure.frames):
        silenced, alive = frame.data[-3], frame.data[-2]
        genes = np.concatenate([silenced.customdata[:, 0], alive.customdata[:, 0]]).astype(int)
        seen.append(sorted(genes.tolist()))
        own = alive.customdata[:, 0].astype(int)
        assert live[number, own].all()
        np.testing.assert_allclose(alive.y, p[number, own], rtol=1e-6)
        np.testing.assert_allclose(alive.customdata[:, 1], s[number, own], rtol=1e-6)
    assert all(len(genes) == 100 for genes in seen)
    assert all(genes == seen[0] for genes in seen)
    assert "100 of 500 drawn" in figure.layout.title.text
    assert list(figure.frames[0].traces) == list(range(1, 7))
    assert figure.layout.sliders[0].active == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mrna": 0.5}, r"mrna must have shape \(genes,\) or \(frames, genes\)"),
        ({"protein": np.ones(2)}, r"protein must have the shape of mrna, \(3,\), got \(2,\)"),
        ({"mrna": [0.1, -0.2, 0.3]}, "mrna must be finite and non-negative, got -0.2"),
        ({"induction": [1.0, np.nan, 1.0]}, "induction must be finite"),
        ({"live": [1, 0, 1]}, "live must be boolean"),
        ({"layer": [0, 1]}, "for each of the 3 genes"),
        ({"layer": [0, 1, 2], "layer_names": ["a"]}, "layer_names must name 3 layers, got a"),
        ({"frames": ["1", "2"]}, "frames must name each of the 1 frames differently"),
        ({"maximum_points": 0}, "maximum_points must be at least 1"),
    ],
)
def test_bad_clouds_are_refused(changes, message):
    levels = np.array([0.1, 0.5, 0.9])
    with pytest.raises(ValueError, match=message):
        cloud_plane(STEEP, **({"mrna": levels, "protein": levels} | changes))
