"""Power-law tails: known exponents come back, other laws are told apart, short samples are called short."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import zeta
from scipy.stats import zipf

from pruning.topology.measures import power_law_tail


def power_law(exponent, minimum, size, seed):
    """Sample by inversion of the exact distribution, up to a million; the rest is left out."""
    values = np.arange(minimum, 1_000_001)
    chance = np.cumsum(values ** -float(exponent))
    return values[np.searchsorted(chance / chance[-1], np.random.default_rng(seed).random(size))]


@pytest.mark.parametrize("exponent", [1.8, 2.5, 3.5])
@pytest.mark.parametrize("minimum", [1, 6])
def test_a_known_exponent_comes_back_within_its_error(exponent, minimum):
    found = power_law_tail(power_law(exponent, minimum, 5000, seed=1), minimum=minimum)
    assert found.count == found.total == 5000
    assert abs(found.exponent - exponent) < 3.5 * found.error
    assert found.error == pytest.approx((exponent - 1) / math.sqrt(5000), rel=0.5)  # the continuous limit


def test_the_exponent_maximises_the_likelihood():
    sample = zipf.rvs(2.2, size=300, random_state=0)
    found = power_law_tail(sample, minimum=1)
    direct = minimize_scalar(
        lambda exponent: -zipf.logpmf(sample, exponent).sum(), bounds=(1.1, 5), method="bounded"
    )
    assert found.exponent == pytest.approx(direct.x, abs=1e-4)


def test_zeta_equation_of_clauset_holds_at_the_estimate():
    sample = power_law(2.5, 4, 1000, seed=0)
    found = power_law_tail(sample, minimum=4)
    step = 1e-6
    slope = (math.log(zeta(found.exponent + step, 4)) - math.log(zeta(found.exponent - step, 4))) / (2 * step)
    assert slope == pytest.approx(-np.log(sample).mean(), abs=1e-5)  # Eq. 3.5


def test_the_minimum_is_found_where_the_law_begins():
    below = np.random.default_rng(0).integers(1, 20, size=3000)
    found = power_law_tail(np.concatenate([below, power_law(2.5, 20, 3000, seed=0)]))
    assert 16 <= found.minimum <= 30
    assert found.exponent == pytest.approx(2.5, abs=0.15)
    assert found.verdict == "power law"
    assert found.distance < 0.03


def test_the_distance_is_the_largest_gap_of_the_distributions():
    sample = power_law(2.5, 2, 400, seed=3)
    found = power_law_tail(sample, minimum=2)
    grid = np.arange(2, sample.max() + 1)
    empirical = np.searchsorted(np.sort(sample), grid, side="right") / len(sample)
    model = 1 - zeta(found.exponent, grid + 1.0) / zeta(found.exponent, 2.0)
    assert found.distance == pytest.approx(np.abs(empirical - model).max(), abs=1e-9)


def test_an_exponential_tail_is_not_a_power_law():
    sample = np.random.default_rng(0).geometric(0.05, size=3000)
    found = power_law_tail(sample, minimum=1)
    assert found.exponential.ratio < 0
    assert found.exponential.p < 1e-6
    assert found.verdict == "not a power law"


def test_a_lognormal_is_told_from_a_power_law():
    sample = np.round(np.random.default_rng(0).lognormal(3.0, 0.6, size=3000)).astype(int)
    found = power_law_tail(sample[sample > 0], minimum=4)
    assert found.lognormal.ratio < 0
    assert found.lognormal.p < 1e-6
    assert found.verdict == "not a power law"


def test_a_power_law_is_not_worse_than_a_lognormal_that_can_mimic_it():
    found = power_law_tail(power_law(2.5, 3, 4000, seed=2), minimum=3)
    assert found.exponential.ratio > 0
    assert found.exponential.p < 1e-3
    assert found.lognormal.p > 0.1 or found.lognormal.ratio > 0
    assert found.verdict == "power law"


@pytest.mark.parametrize("law", ["power", "binomial"])
def test_a_layer_of_32_units_says_nothing(law):
    generator = np.random.default_rng(0)
    sample = power_law(2.5, 1, 32, seed=0) if law == "power" else generator.binomial(64, 0.1, size=32)
    assert power_law_tail(sample).verdict == "too short"


def test_many_units_over_less_than_a_decade_say_nothing():
    sample = np.random.default_rng(0).binomial(400, 0.3, size=2000)
    found = power_law_tail(sample)
    assert found.spread < 10
    assert found.verdict == "too short"


def test_one_value_has_no_exponent():
    found = power_law_tail([7] * 100)
    assert math.isnan(found.exponent)
    assert found.exponential is None
    assert found.verdict == "too short"


def test_zeros_are_left_out():
    sample = power_law(2.5, 1, 300, seed=0)
    assert power_law_tail(np.append(sample, [0] * 50)) == power_law_tail(sample)


@pytest.mark.parametrize(
    ("values", "minimum", "message"),
    [
        ([1.5, 2], None, "whole numbers of at least 0"),
        ([-1, 2], None, "whole numbers of at least 0"),
        ([0, 0], None, "needs a positive number"),
        ([1, 2], 3, "from 1 to the largest number 2, got 3"),
        ([1, 2], 0, "from 1 to the largest number 2, got 0"),
    ],
)
def test_bad_samples_are_refused(values, minimum, message):
    with pytest.raises(ValueError, match=message):
        power_law_tail(values, minimum)


@pytest.mark.parametrize("exponent", [40.0, 95.0, 110.0, 400.0])
def test_steep_laws_do_not_underflow(exponent):
    # zeta(110, 1000) is 1e-328: sums by hand take over between the second and the third
    grid = np.arange(1000, 40_000)
    weights = (grid / 1000) ** -exponent
    sample = np.random.default_rng(0).choice(grid, size=2000, p=weights / weights.sum())
    found = power_law_tail(sample, minimum=1000)
    assert abs(found.exponent - exponent) < 3.5 * found.error
    empirical = np.searchsorted(np.sort(sample), grid, side="right") / len(sample)
    fitted = (grid / 1000) ** -found.exponent
    assert found.distance == pytest.approx(
        np.abs(empirical - np.cumsum(fitted) / fitted.sum()).max(), abs=1e-6
    )
    assert found.verdict == "too short"


def test_a_lattice_of_two_large_values_is_called_short():
    assert power_law_tail([1000] * 100 + [1001] * 100).verdict == "too short"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10**6), max_size=60), st.lists(st.integers(0, 12), min_size=1, max_size=60))
def test_any_counts_have_a_tail_without_a_warning(large, small):
    sample = [*large, *small, 1]
    found = power_law_tail(sample)
    assert found.count <= found.total == sum(value > 0 for value in sample)
    assert found.verdict == "too short" or (found.count >= 50 and found.spread >= 10)
    assert math.isnan(found.exponent) or found.exponent > 1
    assert math.isnan(found.distance) or 0 <= found.distance <= 1
