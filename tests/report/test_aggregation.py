import math

import numpy as np
import pytest
from scipy import stats
from study_records import make_record, make_study

from studies.report.aggregation import (
    accuracy_cells,
    check_records,
    choose_base,
    class_recall,
    confusion_shares,
    cost_table,
    expected_runs,
    missing_runs,
    on_target,
    paired_differences,
    t_interval,
)


def test_interval_equals_scipy():
    values = [0.41, 0.44, 0.47, 0.42, 0.43]
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    found = t_interval(values)
    # rel=1e-12: the same formula in float64, summed in another order
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert found.mean == pytest.approx(0.434)


def test_interval_of_two_by_hand():
    # s = |a - b| / sqrt(2), error = s / sqrt(2) = 0.01, and t with one degree of freedom is tan(0.475 pi)
    found = t_interval([0.50, 0.52])
    assert found.high - found.mean == pytest.approx(0.01 * math.tan(0.475 * math.pi), rel=1e-9)


def test_one_value_has_no_interval_and_alike_values_claim_nothing():
    assert t_interval([0.3]).low is None
    assert not t_interval([0.3]).excludes_zero
    alike = t_interval([0.1 + 0.2 - 0.3 + 0.05, 0.05, 0.05])  # differ by rounding alone
    assert not alike.estimable
    assert not alike.excludes_zero


@pytest.mark.parametrize("values", [[], [0.1, math.nan]])
def test_interval_refuses(values):
    with pytest.raises(ValueError, match="at least one finite number"):
        t_interval(values)


def test_cells_use_achieved_sparsity_but_matched_size_for_small_dense():
    records = [
        make_record("magnitude", 0.9, 0, 0.5, sparsity=0.898),
        make_record("magnitude", 0.9, 1, 0.6, sparsity=0.902),
        make_record("small-dense", 0.9, 0, 0.4, sparsity=0.0),
    ]
    cells = {cell.policy: cell for cell in accuracy_cells(records)}
    assert cells["magnitude"].sparsity == pytest.approx(0.900)
    assert cells["magnitude"].values == (0.5, 0.6)
    assert cells["small-dense"].sparsity == 0.9


def test_paired_differences_by_hand():
    records = [make_record("magnitude", 0.9, seed, a) for seed, a in enumerate([0.50, 0.60, 0.70])]
    records += [
        make_record("expression", 0.9, seed, a) for seed, a in [(2, 0.73), (0, 0.51), (1, 0.62), (5, 0.99)]
    ]
    records += [make_record("expression", 0.5, 0, 0.9)]  # nothing to pair with at this sparsity
    (cell,) = paired_differences(records, "magnitude")
    assert cell.seeds == (0, 1, 2)
    assert cell.values == pytest.approx((0.01, 0.02, 0.03))
    # s = 0.01, error 0.01 / sqrt(3), t(0.975, 2) = 4.302653
    assert cell.interval.high - cell.interval.mean == pytest.approx(4.302653 * 0.01 / math.sqrt(3), rel=1e-6)
    assert not cell.interval.excludes_zero


def test_pairing_removes_what_seeds_share():
    # Seeds differ by 10 points, policies by 1 in each: only the paired interval excludes zero.
    records = [make_record("magnitude", 0.9, seed, 0.3 + 0.1 * seed) for seed in range(5)]
    wobble = [0.001, -0.001, 0.0, 0.002, -0.002]
    records += [make_record("expression", 0.9, seed, 0.31 + 0.1 * seed + wobble[seed]) for seed in range(5)]
    lower, upper = (cell.interval for cell in accuracy_cells(records))
    assert lower.high > upper.low
    assert paired_differences(records, "magnitude")[0].interval.excludes_zero


def test_dense_base_pairs_by_seed_alone():
    records = [make_record("dense", 0.0, 3, 0.8), make_record("expression", 0.9, 3, 0.75)]
    assert choose_base(records) == "dense"
    (cell,) = paired_differences(records, "dense")
    assert cell.values == pytest.approx((-0.05,))
    assert choose_base(records[1:]) is None


def test_costs_by_hand():
    records = [
        make_record("dense", 0.0, 0, 0.8, train_seconds=10.0, controller_seconds=0.0),
        make_record("dense", 0.0, 1, 0.8, train_seconds=20.0, controller_seconds=0.0),
        make_record("expression", 0.9, 0, 0.8, train_seconds=15.0, controller_seconds=3.0),
        make_record("expression", 0.9, 1, 0.8, train_seconds=25.0, controller_seconds=5.0),
    ]
    dense, expression = cost_table(records)
    assert expression.time_ratio == pytest.approx((1.5 + 1.25) / 2)  # seed by seed, not 40 / 30
    assert expression.controller_share == pytest.approx(8 / 40)
    assert expression.train_seconds == 20.0
    assert expression.live_multiply_adds == pytest.approx(0.1 * dense.live_multiply_adds, rel=1e-3)
    assert dense.time_ratio == 1.0
    assert cost_table(records[2:])[0].time_ratio is None


def test_class_tables_by_hand():
    first = make_record("dense", 0.0, 0, 0.5, per_class_recall=[0.5, None], confusion=[[1, 1], [0, 0]])
    second = make_record("dense", 0.0, 1, 0.5, per_class_recall=[1.0, 0.25], confusion=[[6, 0], [3, 1]])
    assert class_recall([first, second], "dense", 0.0) == pytest.approx([0.75, 0.25])
    assert confusion_shares([first, second], "dense", 0.0) == pytest.approx(
        np.array([[7 / 8, 1 / 8], [3 / 4, 1 / 4]])
    )
    assert np.isnan(confusion_shares([first], "dense", 0.0)[1]).all()
    assert class_recall([first], "expression", 0.9) is None


def test_runs_off_their_density_are_not_on_target():
    records = [
        make_record("magnitude", 0.9, 0, 0.5, sparsity=0.905),
        make_record("heuristic-literal", 0.9, 0, 0.5, sparsity=0.97),
        make_record("heuristic-literal", 0.5, 0, 0.5, sparsity=0.46),
        make_record("small-dense", 0.9, 0, 0.5, sparsity=0.0),
    ]
    kept = [(record["policy"], record["target_sparsity"]) for record in on_target(records)]
    assert kept == [("magnitude", 0.9), ("heuristic-literal", 0.5), ("small-dense", 0.9)]


@pytest.mark.parametrize("seeds", [3, [0, 1, 2], "0,1,2"])
def test_missing_runs_from_the_plan(seeds):
    records = make_study(policies=("dense", "magnitude"), sparsities=(0.9,), seeds=3)
    plan = {"policies": "dense,magnitude,expression", "sparsities": [0.9], "seeds": seeds}
    assert len(expected_runs(records, plan)) == 9
    assert missing_runs(records, plan) == [("expression", 0.9, seed) for seed in range(3)]
    assert missing_runs(records) == []
    assert missing_runs(records[1:]) == [("dense", 0.0, 0)]  # without a plan: the seeds that the others have


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_accuracy": 44.9}, r"test_accuracy of record 1 must be a number in \[0, 1\], got 44.9"),
        ({"test_accuracy": math.nan}, "test_accuracy of record 1"),
        ({"train_seconds": None}, "lacks train_seconds"),
        ({"policy": "<script>"}, "policy of record 1 must be a name"),
    ],
)
def test_bad_records_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        check_records([make_record("magnitude", 0.9, 0, 0.5) | changes])


def test_runs_recorded_twice_or_of_two_data_sets_are_refused():
    run = make_record("magnitude", 0.9, 0, 0.5)
    with pytest.raises(ValueError, match="magnitude, 90 % sparse, seed 0 stands twice"):
        check_records([run, run])
    with pytest.raises(ValueError, match="GeneInspiredNet on digits; GeneInspiredNet on faces"):
        check_records([run, make_record("magnitude", 0.9, 1, 0.5, dataset="digits")])
    check_records([run, make_record("small-dense", 0.9, 0, 0.5, model="GeneInspiredNet (narrow)")])
