import json
from itertools import pairwise

import numpy as np
import pytest

from studies.report.expression_figures import expression_heatmap, row_order

STEPS = [100, 200, 300]
LEVELS = np.array([[0.5, 0.5, 0.5, 0.5], [0.9, 0.1, 0.6, 0.0], [1.0, 0.05, 0.7, 0.3]])
LIVE = np.array([[True] * 4, [True, False, True, False], [True, False, False, True]])
LAYER = np.array([0, 1, 0, 1])


def test_rows_stand_by_layer_and_by_time_of_silencing():
    # layer 0: connection 0 lives to the end, 2 dies last; layer 1: 3 comes back, 1 does not
    assert row_order(LEVELS, LIVE, LAYER).tolist() == [0, 2, 3, 1]
    assert row_order(LEVELS, LIVE, LAYER, "expression").tolist() == [0, 2, 3, 1]
    later = LEVELS.copy()
    later[-1] = [0.1, 0.9, 0.2, 0.3]
    assert row_order(later, LIVE, LAYER, "expression").tolist() == [2, 0, 1, 3]
    assert row_order(later, LIVE, LAYER).tolist() == [0, 2, 3, 1]  # silencing goes before expression


def test_cells_hold_expression_in_percent_negative_where_silenced():
    figure = expression_heatmap(STEPS, LEVELS, LIVE, LAYER, layer_names=["conv", "<fc>"])
    (map_,) = figure.data
    assert np.asarray(map_.z).dtype == np.int8
    expected = np.where(LIVE, 100 * LEVELS, -np.maximum(100 * LEVELS, 1)).T[[0, 2, 3, 1]]
    np.testing.assert_allclose(map_.z, expected, atol=0.5)
    assert list(map_.y)[2] == "&lt;fc&gt;, connection 3 of the sample"
    assert list(map_.x) == STEPS
    assert list(figure.layout.yaxis.ticktext) == ["conv", "&lt;fc&gt;"]
    assert len(figure.layout.shapes) == 1  # a line between the layers
    assert figure.layout.shapes[0].y0 == 1.5


def test_live_and_silenced_differ_in_grey_print():
    def grey(colour):
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    scale = expression_heatmap(STEPS, LEVELS, LIVE, LAYER).data[0].colorscale
    live = [grey(colour) for at, colour in scale if at > 0.4999]
    silenced = [grey(colour) for at, colour in scale if at < 0.4999]
    assert all(a > b for a, b in pairwise(live))  # darker with expression
    assert live[-1] < 60
    assert min(silenced) > 150


def test_a_large_sample_is_thinned_and_small_in_a_page():
    generator = np.random.default_rng(0)
    levels = generator.random((230, 2500))
    layer = generator.integers(0, 5, 2500)
    figure = expression_heatmap(np.arange(230), levels, levels > 0.5, layer)
    assert np.asarray(figure.data[0].z).shape == (2000, 200)
    assert "2,000 of 2,500 connections, 200 of 230 updates shown" in figure.layout.title.text
    assert figure.data[0].x[[0, -1]].tolist() == [0, 229]
    assert len(figure.to_json()) < 900_000


def test_levels_above_one_and_unknown_ones_are_told():
    levels = 4 * LEVELS
    levels[1, 2] = np.nan
    figure = expression_heatmap(STEPS, levels, LIVE, LAYER)
    z = np.asarray(figure.data[0].z)
    assert z.dtype == np.float32
    assert np.isnan(z[1, 1])
    assert z[0].tolist() == [50, 90, 100]
    assert "the highest level, 4" in figure.data[0].hovertemplate
    json.loads(figure.to_json())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"expression": LEVELS[0]}, r"expression must have shape \(updates, sample\)"),
        (
            {"live": LIVE[:, :3]},
            r"live must be boolean, of the shape of expression \(3, 4\), got bool \(3, 3\)",
        ),
        ({"live": LEVELS}, "live must be boolean"),
        ({"steps": [1, 2]}, "one for each of the 3 updates"),
        ({"steps": [1, 3, 2]}, r"steps must rise .* got \[1, 3, 2\]"),
        ({"layer": [0, 1]}, "for each of the 4 connections"),
        ({"layer": [0, 1, -1, 0]}, "number of a layer, from 0"),
        ({"layer": [0.0, 1.0, 0.0, 1.0]}, "got float64"),
        ({"layer_names": ["conv"]}, "must name layers 0 to 1, got 1"),
        ({"expression": -LEVELS}, "finite level of at least 0"),
        ({"order": "name"}, "order must be 'silencing' or 'expression', got 'name'"),
        ({"maximum_rows": 0}, "maximum_rows must be at least 1, got 0"),
    ],
)
def test_bad_arguments_are_refused(changes, message):
    arguments = {"steps": STEPS, "expression": LEVELS, "live": LIVE, "layer": LAYER} | changes
    with pytest.raises(ValueError, match=message):
        expression_heatmap(**arguments)
