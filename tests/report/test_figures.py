import math

import numpy as np
import pytest
from study_records import CLASSES, LAYERS, make_record, make_study

from studies.report.aggregation import paired_differences
from studies.report.class_figures import confusion_figure, recall_figure
from studies.report.connection_figures import expression_figure, layer_density_figure
from studies.report.figures import accuracy_figure, cost_figure, paired_figure
from studies.report.run_figures import churn_figure, density_figure, validation_figure
from studies.report.style import policy_style

SPARSE = ("magnitude", "smoothed", "heuristic", "expression")


@pytest.fixture(scope="module")
def study():
    return make_study()


def traces(figure, name):
    return [trace for trace in figure.data if trace.name == name]


def test_accuracy_curve_holds_every_seed_and_the_means(study):
    figure = accuracy_figure(study)
    own = [r for r in study if r["policy"] == "expression"]
    (dots,) = traces(figure, "Expression (ODE), seeds")
    (line,) = traces(figure, "Expression (ODE)")
    assert sorted(dots.y) == pytest.approx(sorted(100 * r["test_accuracy"] for r in own))
    by_level = [np.mean([100 * r["test_accuracy"] for r in own if r["sparsity"] == s]) for s in (0.5, 0.9)]
    assert list(line.y) == pytest.approx(by_level)
    assert line.x[1] - line.x[0] == pytest.approx(math.log10(0.5 / 0.1))
    assert all("seed" in text for text in dots.text)
    assert len(traces(figure, "Dense, 95 % interval")) == 1
    dense = np.mean([100 * r["test_accuracy"] for r in study if r["policy"] == "dense"])
    assert list(traces(figure, "Dense")[0].y) == pytest.approx([dense, dense])


def test_no_interval_is_drawn_for_one_seed():
    figure = accuracy_figure(make_study(seeds=1))
    assert not traces(figure, "Dense, 95 % interval")
    assert not traces(figure, "Expression (ODE)")[0].error_y.visible


def test_axis_holds_every_seed_and_says_when_it_cuts_an_interval():
    # Two seeds far apart: the t interval is 12.7 errors long and would flatten the rest.
    records = [make_record("magnitude", 0.9, seed, value) for seed, value in enumerate([0.50, 0.60])]
    figure = accuracy_figure(records)
    low, high = figure.layout.yaxis.range
    assert low < 50 < 60 < high
    assert high - low < 40
    assert any("given in the table" in note.text for note in figure.layout.annotations)


def test_accuracies_end_at_their_limits_and_differences_keep_zero():
    records = [make_record("magnitude", 0.9, seed, value) for seed, value in enumerate([0.05, 0.95])]
    records += [make_record("expression", 0.9, seed, value) for seed, value in enumerate([0.15, 0.99])]
    low, high = accuracy_figure(records).layout.yaxis.range
    assert (low, high) == pytest.approx((-6, 106))  # 0 to 100 % and 6 % of it as margin
    low, high = paired_figure(records).layout.yaxis.range
    assert low < 0 < 10 < high


def test_paired_figure_names_its_base_and_draws_zero(study):
    figure = paired_figure(study)
    assert "from Magnitude" in figure.layout.title.text
    assert not traces(figure, "Magnitude")
    cell = next(c for c in paired_differences(study) if c.key == ("expression", 0.9))
    mean, reach = (
        traces(figure, "Expression (ODE)")[0].y[1],
        traces(figure, "Expression (ODE)")[0].error_y.array[1],
    )
    assert mean == pytest.approx(100 * cell.interval.mean)
    assert reach == pytest.approx(100 * (cell.interval.high - cell.interval.mean))
    assert any(shape.y0 == shape.y1 == 0 for shape in figure.layout.shapes)


def test_paired_figure_says_that_it_fell_back_to_dense(study):
    figure = paired_figure([r for r in study if r["policy"] != "magnitude"])
    assert (
        figure.layout.title.text
        == "Difference in test accuracy from Dense, same seed (Magnitude was not run)"
    )
    with pytest.raises(ValueError, match="'magnitude' or 'dense', got neither"):
        paired_figure([r for r in study if r["policy"] == "smoothed"])


def test_a_policy_looks_the_same_in_every_figure(study):
    for policy in SPARSE[1:]:
        style = policy_style(policy)
        for figure in (accuracy_figure(study), paired_figure(study), recall_figure(study, 0.9)):
            (trace,) = traces(figure, style.label)
            assert (trace.marker.color, trace.marker.symbol) == (style.color, style.symbol)
        assert {t.line.color for t in density_figure(study).data if t.name == style.label} <= {
            style.color, style.tint(0.3)
        }  # fmt: skip
    styles = [policy_style(p) for p in ("dense", "small-dense", "random", "set", "rigl", "static", *SPARSE)]
    assert len({s.color for s in styles}) == len({s.symbol for s in styles}) == len(styles)


def test_density_shows_actual_runs_means_and_the_target(study):
    figure = density_figure(study)
    assert len(traces(figure, "target")) == 2  # a panel a sparsity
    assert all(trace.line.dash == "dash" for trace in traces(figure, "target"))
    lines = traces(figure, "Expression (ODE)")
    assert len(lines) == 2 * (3 + 1)  # three seeds and their mean, twice
    updates = next(r for r in study if r["policy"] == "expression" and r["target_sparsity"] == 0.9)["updates"]
    assert lines[-1].y[-1] == pytest.approx(100 * (1 - updates[-1]["sparsity"]), abs=1e-3)  # drawn to 0.001 %
    assert [trace.showlegend for trace in lines].count(True) == 1
    assert not traces(figure, "Dense")


def test_validation_and_churn(study):
    validation, churn = validation_figure(study), churn_figure(study)
    assert len(traces(validation, "Dense")) == 2 * (3 + 1)  # in each panel, for comparison
    first = next(r for r in study if r["policy"] == "dense")
    assert list(traces(validation, "Dense")[0].y) == pytest.approx(
        [100 * point["validation_accuracy"] for point in first["curve"]], abs=1e-3
    )
    run = next(r for r in study if r["policy"] == "magnitude" and r["target_sparsity"] == 0.5)
    assert list(traces(churn, "Magnitude")[0].y) == pytest.approx(
        [100 * u["churn"] for u in run["updates"]], abs=1e-3
    )
    assert density_figure([first]) is None
    assert churn_figure([first]) is None


def test_many_sparsities_show_three_and_say_so():
    figure = density_figure(make_study(("magnitude",), (0.5, 0.8, 0.9, 0.95, 0.98), seeds=1, updates=5))
    assert figure.layout.title.text == "Density over training (3 of 5 sparsities)"
    headings = [note.text for note in figure.layout.annotations]
    assert headings == ["<b>50 % sparse</b>", "<b>90 % sparse</b>", "<b>98 % sparse</b>"]


def test_layer_heat_map_leaves_an_empty_layer_blank(study):
    run = dict(next(r for r in study if r["policy"] == "expression" and r["target_sparsity"] == 0.9))
    run["updates"] = [dict(update) for update in run["updates"]]
    run["updates"][-1]["layer_density"] = {name: 0.0 if name == "layers.1" else 0.5 for name in LAYERS}
    (heat,) = layer_density_figure([run]).data
    assert list(heat.y) == list(LAYERS)
    assert np.isnan(heat.z[1][-1])
    assert heat.z[0][-1] == pytest.approx(math.log10(0.5))
    with pytest.raises(ValueError, match="dense, seed 0, which has none"):
        layer_density_figure([study[0]])


def test_expression_lines_are_grouped_by_their_final_state(study):
    run = next(r for r in study if r["policy"] == "expression")
    figure = expression_figure([run])
    steps = len(run["updates"])
    live = sum(run["updates"][-1]["sample_live"])
    lengths = {trace.name: len(trace.y) for trace in figure.data}
    assert lengths == {
        "live at the end": live * (steps + 1) - 1,
        "silent at the end": (64 - live) * (steps + 1) - 1,
    }
    member = run["updates"][-1]["sample_live"].index(True)
    (trace,) = traces(figure, "live at the end")
    assert list(trace.y[:steps]) == [u["sample_expression"][member] for u in run["updates"]]
    with pytest.raises(ValueError, match="recorded no expression"):
        expression_figure([next(r for r in study if r["policy"] == "magnitude")])


def test_expression_without_upper_limit_stays_in_the_frame(study):
    bounded, linear = (dict(next(r for r in study if r["policy"] == p)) for p in ("expression", "smoothed"))
    linear["updates"] = [
        u | {"sample_expression": [7.5, *u["sample_expression"][1:]]} for u in linear["updates"]
    ]
    figure = expression_figure([bounded, linear])
    assert 1.0 < figure.layout.yaxis.range[1] < 1.1
    assert 7.5 < figure.layout.yaxis2.range[1] < 8.0


def test_confusion_stands_beside_dense(study):
    figure = confusion_figure(study, "expression", 0.9)
    assert [trace.name for trace in figure.data] == ["Dense", "Expression (ODE)"]
    assert np.nansum(figure.data[1].z, axis=1) == pytest.approx([100] * len(CLASSES))
    assert confusion_figure([make_record("dense", 0.0, 0, 0.5, confusion=None)], "dense", 0.0) is None


def test_cost_bars_add_up_to_the_ratio():
    records = [
        make_record("dense", 0.0, 0, 0.8, train_seconds=10.0, controller_seconds=0.0),
        make_record("expression", 0.9, 0, 0.8, train_seconds=15.0, controller_seconds=3.0),
    ]
    training, controller = cost_figure(records).data
    assert (training.x[0], controller.x[0]) == (pytest.approx(1.2), pytest.approx(0.3))


def test_names_from_records_are_escaped(study):
    records = [{**r, "classes": ["<img src=x>", *CLASSES[1:]]} for r in study]
    for figure in (recall_figure(records, 0.9), confusion_figure(records, "expression", 0.9)):
        text = figure.to_json()
        assert "<img" not in text.replace("\\u003c", "<")
        assert "&lt;img src=x&gt;" in text.replace("\\u0026", "&")
