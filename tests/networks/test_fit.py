"""Fits against known rates, closed forms, finite differences; coverage; what data cannot tell; refusals."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from grn.integrate import Solver
from grn.networks import circuits
from grn.networks.fitting.fit import FitWarning, fit
from grn.networks.fitting.profile import profile
from grn.networks.fitting.residuals import Coordinate, Residuals
from grn.networks.fitting.timeseries import TimeSeries
from grn.networks.fitting.variational import VariationalEquations, directions
from grn.networks.network import Gene, GeneNetwork
from grn.networks.perturb import Knockdown, Knockout
from grn.networks.simulate import simulate
from studies.benchmarks import fit_gsd

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
TWO_STAGE = ["A.transcription", "A.mrna_decay", "A.protein_decay"]


def two_stage(**changed):
    rates = {"transcription": 3.0, "mrna_decay": 2.0, "translation": 1.5, "protein_decay": 0.5, **changed}
    return GeneNetwork(genes=(Gene(name="A", **rates),))


def decay(rate=1.0, level=1.0):
    """``y = level·exp(−rate·t)``."""
    return GeneNetwork(
        genes=(Gene(name="A", transcription=0.0, mrna_decay=None, protein_decay=rate, initial_protein=level),)
    )


def noisy(model, times, noise, seed, species=None, *, parameters=None, start=None, perturbations=(), name=""):
    """Series of a simulated truth with Gaussian noise."""
    path = simulate(model, [0.0, *times], parameters=parameters, start=start, perturbations=perturbations)
    rng = np.random.default_rng(seed)
    values = {
        s: path[s][0, 1:].numpy() + noise * rng.normal(size=len(times)) for s in species or model.species
    }
    return TimeSeries(times, values, noise=noise or None, start=start, perturbations=perturbations, name=name)


def covered(found, truth):
    """Whether every interval at 99.9 % confidence holds the truth: fails by chance in 1 of 200 fits."""
    return all(found.intervals[k][0] <= v <= found.intervals[k][1] for k, v in truth.items())


@pytest.mark.parametrize("seed", range(5))
def test_two_stage_gene_is_recovered_from_noisy_series(seed):
    data = noisy(two_stage(), np.linspace(0.2, 8, 25), 0.1, seed)
    guess = two_stage(transcription=1.0, mrna_decay=1.0, protein_decay=1.0)
    found = fit(guess, data, parameters=TWO_STAGE, confidence=0.999)
    truth = {"A.transcription": 3.0, "A.mrna_decay": 2.0, "A.protein_decay": 0.5}
    assert covered(found, truth)
    assert found.converged
    assert not found.undetermined
    assert found.chi_square == pytest.approx(found.degrees_of_freedom, abs=5 * math.sqrt(2 * 47))


@pytest.mark.parametrize("seed", range(3))
def test_toggle_is_recovered_from_two_starts_at_once(seed):
    model, times = circuits.symmetric_toggle(strength=4.0), np.linspace(0.25, 6, 12)
    truth = {"strength": 4.0, "u.coefficient.v": 2.0, "v.threshold.u": 1.0}
    series = [
        noisy(model, times, 0.05, 10 * seed + k, start=start, name=name)
        for k, (name, start) in enumerate({"left": {"u": 2.0}, "right": {"v": 2.0}}.items())
    ]
    found = fit(
        model,
        series,
        parameters=list(truth),
        shared={"strength": "*.transcription"},
        values={"strength": 2.5, "u.coefficient.v": 3.0, "v.threshold.u": 2.0},
        confidence=0.999,
    )
    assert covered(found, truth)
    assert found.parameters["v.transcription"] == found.values["strength"]


@pytest.mark.parametrize("seed", range(3))
def test_repressilator_is_recovered_with_five_shared_rates(seed):
    model, times = circuits.repressilator(), np.linspace(4, 160, 40)
    shared = {
        "transcription": "*.transcription", "mrna_decay": "*.mrna_decay", "protein_decay": "*.protein_decay",
        "threshold": "*.threshold.*", "coefficient": "*.coefficient.*",
    }  # fmt: skip
    names = {k: next(n for n in model.parameters if n.split(".")[1] == k) for k in shared}
    truth = {k: model.parameters[n] for k, n in names.items()}
    data = noisy(model, times, 20.0, seed, ["lacI", "tetR", "cI"])
    rng = np.random.default_rng(seed)
    guess = {k: v * math.exp(0.15 * rng.normal()) for k, v in truth.items()}
    found = fit(model, data, parameters=list(truth), shared=shared, values=guess, confidence=0.999, starts=2)
    assert covered(found, truth)
    for k, v in truth.items():
        assert found.values[k] == pytest.approx(v, rel=0.1)


@pytest.mark.parametrize("known", [True, False])
def test_intervals_cover_the_truth_as_often_as_they_say(known):
    times, noise, sets = np.linspace(0.2, 3, 10), 0.03, 800
    hits = np.zeros(2, int)
    clean = np.exp(-times)
    rng = np.random.default_rng(3)
    for _ in range(sets):
        values = {"A": clean + noise * rng.normal(size=len(times))}
        data = TimeSeries(times, values, noise=noise if known else None)
        found = fit(decay(1.3, 0.8), data, parameters=["A.protein_decay"], initial=["A"])
        hits += [low <= 1.0 <= high for low, high in found.intervals.values()]
    low, high = binom.ppf([0.0005, 0.9995], sets, 0.95)  # 2 counts: 1 in 500 by chance
    assert (hits >= low).all(), hits
    assert (hits <= high).all(), hits


def test_straight_line_in_logarithms_has_the_textbook_covariance():
    # y = A·exp(−γt) fitted in A (linear) and γ (linear): JᵀJ/σ² by hand.
    times, noise = np.array([0.5, 1.0, 2.0, 3.0]), 0.01
    data = TimeSeries(times, {"A": np.exp(-times)}, noise=noise)
    names = ["A.protein_decay", "A(0)"]
    found = fit(decay(), data, parameters=names[:1], initial=["A"], linear=names)
    jacobian = np.stack([-times * np.exp(-times), np.exp(-times)], 1) / noise
    np.testing.assert_allclose(found.covariance, np.linalg.inv(jacobian.T @ jacobian), rtol=1e-5)
    width = 1.959964 * math.sqrt(found.covariance[0, 0])
    assert found.intervals["A.protein_decay"] == pytest.approx((1 - width, 1 + width), rel=1e-5)


def test_estimated_noise_is_near_the_true_one_and_relative_noise_keeps_its_shape():
    model, times = two_stage(), np.linspace(0.2, 8, 60)
    clean = noisy(model, times, 0.0, 0)
    rng = np.random.default_rng(8)
    values = {s: v + 0.2 * rng.normal(size=len(times)) for s, v in clean.values.items()}
    unknown = fit(model, TimeSeries(times, values), parameters=TWO_STAGE)
    assert unknown.noise == pytest.approx(0.2, rel=4 / math.sqrt(2 * 117))  # 4 standard errors
    scaled = fit(model, TimeSeries(times, values, noise=5.0), parameters=TWO_STAGE, scale_noise=True)
    assert scaled.noise * 5 == pytest.approx(unknown.noise, rel=1e-6)
    for name in TWO_STAGE:
        assert scaled.intervals[name] == pytest.approx(unknown.intervals[name], rel=1e-4)
    trusted = fit(model, TimeSeries(times, values, noise=5.0), parameters=TWO_STAGE[:1])
    assert trusted.noise == 1.0


def test_missing_values_are_left_out():
    model, times = two_stage(), np.linspace(0.2, 8, 20)
    full = noisy(model, times, 0.1, 4)
    holes = {
        name: np.where(np.arange(20) % 4 == k, np.nan, v) for k, (name, v) in enumerate(full.values.items())
    }
    data = TimeSeries(times, holes, noise=0.1)
    assert data.count == 30
    found = fit(model, data, parameters=TWO_STAGE)
    assert found.degrees_of_freedom == 27
    assert np.isnan(found.residuals[0]["A"]).sum() == 5
    residual = np.concatenate(list(found.residuals[0].values()))
    assert np.nansum(residual**2) == pytest.approx(found.chi_square)


def test_what_protein_alone_cannot_tell_is_reported_by_name():
    data = noisy(two_stage(), np.linspace(0.2, 8, 30), 0.01, 1, ["A"])
    with pytest.warns(FitWarning, match=r"do not determine A\.trans\w+ up with A\.trans\w+ down"):
        found = fit(two_stage(), data, parameters=[*TWO_STAGE, "A.translation"])
    assert len(found.undetermined) == 1
    assert set(found.undetermined[0].weights) == {"A.transcription", "A.translation"}
    for name in ("A.transcription", "A.translation"):
        assert found.intervals[name] == (0.0, math.inf)
        assert found.standard_errors[name] == math.inf
    low, high = found.intervals["A.protein_decay"]  # what is determined keeps its interval
    assert 0.4 < low < high < 0.6
    assert "not determined by the data: A.trans" in str(found)
    assert found.values["A.transcription"] * found.values["A.translation"] == pytest.approx(4.5, rel=0.05)


def test_a_parameter_without_effect_is_reported():
    model = GeneNetwork(genes=(Gene(name="A", mrna_decay=None), Gene(name="B", mrna_decay=None)))
    data = noisy(model, [0.5, 1.0, 2.0], 0.01, 0, ["A"])
    with pytest.warns(FitWarning, match=r"do not determine B\.transcription"):
        found = fit(model, data, parameters=["A.transcription", "B.transcription"])
    assert found.intervals["B.transcription"] == (0.0, math.inf)
    assert math.isfinite(found.standard_errors["A.transcription"])


@pytest.mark.parametrize("method", ["compiled", "ode"])
def test_jacobian_of_the_residuals_agrees_with_finite_differences(method):
    model, times = circuits.symmetric_toggle(), np.array([0.5, 1.0, 2.0])
    with_start = noisy(model, times, 0.1, 0, start={"v": 0.3}, name="a")
    knocked = noisy(model, times[:2] + 0.1, 0.1, 1, perturbations=(Knockdown("v", remaining=0.4),), name="b")
    late = TimeSeries(
        [3.0, 4.0], {"u": [1.0, 1.2]}, noise=0.1, begin=2.5, perturbations=(Knockout("v", at=3.5),), name="c"
    )
    shared = {"decay": "*.protein_decay"}
    moves = directions(model.system, ["u.transcription", "decay", "v.coefficient.u"], shared)
    coordinates = [
        Coordinate("u.transcription", 0, None, 4.0, 0.1, 10.0, True, 1.0),
        Coordinate("decay", 1, None, 1.0, 0.1, 10.0, False, 9.9),
        Coordinate("v.coefficient.u", 2, None, 2.0, 0.1, 10.0, True, 1.0),
        *(Coordinate(f"u(0) of {k}", 3, k, 0.5, 0.0, 10.0, False, 10.0, "u") for k in range(3)),
    ]
    residuals = Residuals(
        VariationalEquations(model.system, {**moves, "u(0)": ()}),
        model,
        [with_start, knocked, late],
        coordinates,
        {},
        method,
        Solver(relative_tolerance=1e-10, absolute_tolerance=1e-11),
    )
    x = np.array([c.forward(v) for c, v in zip(coordinates, [3.5, 0.9, 2.2, 0.4, 0.6, 0.8], strict=True)])
    exact = residuals.jacobian(x).copy()
    for p in range(len(x)):
        step = np.zeros(len(x))
        step[p] = 1e-5
        numeric = (residuals.values(x + step) - residuals.values(x - step)) / 2e-5
        np.testing.assert_allclose(exact[:, p], numeric, rtol=1e-5, atol=1e-4)


def test_perturbed_series_are_fitted_together_and_own_starts_apart():
    model, times = two_stage(), np.linspace(0.3, 6, 15)
    series = [
        noisy(model, times, 0.05, 0, start={"A": 1.0}, name="high"),
        noisy(model, times, 0.05, 1, start={"A": 0.2}, perturbations=(Knockdown("A", 0.5),), name="low"),
    ]
    unset = [
        TimeSeries(s.times, s.values, noise=0.05, perturbations=s.perturbations, name=s.name) for s in series
    ]
    found = fit(model, unset, parameters=TWO_STAGE, own_initial={"A": (0.0, 5.0)}, confidence=0.999)
    truth = {"A.transcription": 3.0, "A(0) of high": 1.0, "A(0) of low": 0.2}
    assert covered(found, truth)
    assert "A(0) of low" not in found.logarithmic


def test_starts_are_seeded_and_the_best_wins():
    data = noisy(two_stage(), np.linspace(0.2, 8, 12), 0.1, 0)
    bad = {"A.mrna_decay": 0.1, "A.protein_decay": 9.0}
    runs = [fit(two_stage(), data, parameters=TWO_STAGE, values=bad, starts=3, seed=s) for s in (1, 1, 2)]
    assert runs[0].chi_squares == runs[1].chi_squares
    assert runs[0].chi_squares[1:] != runs[2].chi_squares[1:]
    assert runs[0].chi_square == min(runs[0].chi_squares)


def test_a_parameter_on_its_bound_is_named():
    data = noisy(two_stage(), np.linspace(0.2, 8, 12), 0.1, 0)
    with pytest.warns(FitWarning, match=r"'A\.mrna_decay' ended on its bound, 1\.5"):
        found = fit(two_stage(mrna_decay=1.0), data, parameters={"A.mrna_decay": (0.5, 1.5)})
    assert found.at_bound == ("A.mrna_decay",)


SERIES = TimeSeries([0.5, 1.0], {"A": [1.0, 2.0]}, noise=0.1)


@pytest.mark.parametrize(
    ("data", "given", "message"),
    [
        (SERIES, {"parameters": ["A.mrna_deca"]}, "did you mean 'A.mrna_decay'"),
        (SERIES, {"parameters": [*TWO_STAGE]}, "3 parameters need at least as many values, got 2"),
        (SERIES, {"parameters": {"A.mrna_decay": (3.0, 9.0)}}, "3 to 9, exclude its guess, 2"),
        (SERIES, {"parameters": {"A.mrna_decay": (3.0, 1.0)}}, "low < high, got"),
        (SERIES, {"parameters": {"A.mrna_decay": (3.0, math.nan)}}, "low < high, got"),
        (SERIES, {}, "got neither"),
        (SERIES, {"initial": ["B"]}, "initial names 'B'"),
        (SERIES, {"initial": ["A"], "own_initial": ["A"]}, "free twice"),
        (SERIES, {"parameters": ["A.mrna_decay"], "linear": ["A.translation"]}, "free are A.mrna_decay"),
        (SERIES, {"parameters": ["A.mrna_decay"], "values": {"A(0)": 1.0}}, "not free"),
        (SERIES, {"parameters": ["A.mrna_decay"], "shared": {"k": "*.translation"}}, "'k' is not used"),
        (SERIES, {"parameters": ["A.mrna_decay"], "starts": 0}, "starts must be a positive integer"),
        (SERIES, {"parameters": ["A.mrna_decay"], "confidence": 95}, "between 0 and 1, got 95"),
        (SERIES, {"parameters": ["A.mrna_decay"], "spread": 1.0}, "above 1, got 1"),
        ([], {"parameters": ["A.mrna_decay"]}, "at least one series"),
        ([SERIES, TimeSeries([1.0], {"A": [1]})], {"parameters": ["A.mrna_decay"]}, "for some"),
        (TimeSeries([1, 2], {"C": [1, 2]}), {"parameters": ["A.mrna_decay"]}, "series 1 names 'C'"),
        (TimeSeries([1], {"A": [1]}), {"parameters": ["A.mrna_decay"]}, "and the noise"),
        (TimeSeries([1, 2], {"A": [1, 2]}, start={"A": 1.0}), {"initial": ["A"]}, "use own_initial"),
    ],
)  # fmt: skip
def test_bad_requests_are_named(data, given, message):
    with pytest.raises(ValueError, match=message):
        fit(two_stage(), data, **given)


@pytest.mark.parametrize(
    ("times", "values", "given", "message"),
    [
        ([1, 1], {"A": [1, 2]}, {}, "strictly increasing, got 1 followed by 1"),
        ([], {"A": []}, {}, "row of finite numbers"),
        ([0, math.nan], {"A": [1, 2]}, {}, "row of finite numbers"),
        ([0, 1], {"A": [1, 2, 3]}, {}, "one a time, 2, got shape"),
        ([0, 1], {"A": [math.nan, math.nan]}, {}, "at least one value"),
        ([0, 1], {"A": [1, math.inf]}, {}, "finite, or NaN"),
        ([0, 1], {"A": [1, 2]}, {"noise": -0.1}, "positive finite standard deviation, got -0.1"),
        ([0, 1], {"A": [1, 2]}, {"noise": {"B": 1.0}}, "each species measured"),
        ([0, 1], {"A": [1, 2]}, {"begin": 0.5}, "begin by its first value, at 0, got begin=0.5"),
        ([0, 1], {"A": [1, 2]}, {"start": {"A": -1.0}}, "non-negative concentration, got -1"),
    ],
)
def test_bad_series_are_named(times, values, given, message):
    with pytest.raises(ValueError, match=message):
        TimeSeries(times, values, name="x", **given)


def test_text_in_place_of_numbers_or_names_is_refused():
    with pytest.raises(TypeError, match="must be numbers"):
        TimeSeries(["a", "b"], {"A": [1, 2]})
    with pytest.raises(TypeError, match="sequence of names"):
        fit(two_stage(), SERIES, parameters="A.translation")  # type: ignore[arg-type]


def gsd_data():
    for folder in ("tasks/beeline_gsd/ex1", "grn/boolode"):
        if not (DATA / folder).is_dir():
            pytest.skip(
                f"BEELINE's GSD data are not here: no {folder} in the data folder beside the repository"
            )
    return DATA


def test_cells_are_read_and_runs_are_not_torn_apart():
    cells = fit_gsd.read_cells(gsd_data() / "tasks" / "beeline_gsd" / "ex1")
    assert cells.expression.shape == (19, 2000)
    assert cells.time.max() < 8
    training = fit_gsd.split_runs(cells, 0)
    assert not set(cells.run[training]) & set(cells.run[~training])


@pytest.mark.slow
def test_the_study_runs_and_beats_what_it_should(tmp_path):
    quick = ["--bin-width", "0.5", "--starts", "1", "--splits", "1"]
    fit_gsd.main(["--data", str(gsd_data()), "--out", str(tmp_path), *quick])
    record = json.loads((tmp_path / "record.json").read_text())
    errors = record["splits"][0]["test_rmse"]
    for fate in fit_gsd.FATES:
        fitted = errors["fitted rates and start"][fate]
        assert fitted < errors["published rates, chosen start"][fate]
        assert fitted < errors["constant: training mean of each gene"][fate]


def test_profile_of_a_nearly_linear_fit_is_its_linear_interval():
    data = noisy(two_stage(), np.linspace(0.2, 8, 40), 0.005, 2)
    found = fit(two_stage(), data, parameters=TWO_STAGE)
    for name in TWO_STAGE:
        curve = profile(found, name)
        assert curve.interval == pytest.approx(found.intervals[name], rel=2e-3)  # curvature of second order
        assert curve.chi_squares.min() == pytest.approx(found.chi_square, abs=1e-3)


def test_profile_of_a_level_that_is_reached_at_once_has_an_open_end():
    # A decay so fast that every value is 0 within noise: no upper limit, a lower one from exp(−γ) < q·σ.
    data = TimeSeries([1.0], {"A": [0.0]}, noise=0.1)
    with pytest.warns(FitWarning):
        found = fit(decay(5.0), data, parameters={"A.protein_decay": (0.05, 50.0)})
    low, high = profile(found, "A.protein_decay").interval
    assert high == math.inf
    assert low == pytest.approx(-math.log(0.1959964), rel=1e-3)


def test_profile_names_what_is_not_free():
    found = fit(two_stage(), SERIES, parameters=["A.transcription"])
    with pytest.raises(ValueError, match=r"no free parameter 'A\.translation': those are A\.transc"):
        profile(found, "A.translation")
