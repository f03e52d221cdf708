"""Two humps are found where there are two, and not in noise."""

import math

import numpy as np
import pytest
from scipy.stats import kurtosis, skew

from pruning.topology.measures import bimodality_coefficient, find_humps, find_humps_of_histogram

ONE_HUMP = {
    "uniform": lambda generator, size: generator.random(size),
    "normal": lambda generator, size: generator.normal(size=size),
    "exponential": lambda generator, size: generator.exponential(size=size),
    "leaky": lambda generator, size: generator.beta(0.5, 3, size=size),
}


@pytest.mark.parametrize("law", ONE_HUMP)
@pytest.mark.parametrize("size", [50, 500, 20_000])
def test_one_hump_is_not_taken_for_two(law, size):
    generator = np.random.default_rng(0)
    found = [find_humps(ONE_HUMP[law](generator, size)).bimodal for _ in range(60)]
    assert np.mean(found) <= 1 / 60


@pytest.mark.parametrize("size", [200, 20_000])
def test_two_clear_humps_are_found_with_their_places(size):
    generator = np.random.default_rng(0)
    low = generator.normal(0.1, 0.04, size=3 * size // 10)
    high = generator.normal(0.8, 0.06, size=7 * size // 10)
    found = find_humps(np.clip(np.concatenate([low, high]), 0, 1), limits=(0, 1))
    assert found.bimodal
    assert found.modes == pytest.approx((0.1, 0.8), abs=0.08)
    assert 0.2 < found.valley < 0.65
    assert found.minor_share == pytest.approx(0.3, abs=0.01)
    assert found.ashman_d == pytest.approx(math.sqrt(2) * 0.7 / math.hypot(0.04, 0.06), rel=0.2)
    assert found.depth > 0.9
    assert found.sarle > 5 / 9


def test_a_histogram_by_hand():
    found = find_humps_of_histogram([0, 8, 0, 0, 0, 8, 0], range(8))
    assert (found.modes, found.valley) == ((1.5, 5.5), 3.5)  # smoothed: 2 4 2 0 2 4 2
    assert (found.depth, found.minor_share) == (1.0, 0.5)
    assert found.significance == pytest.approx(4 / math.sqrt(4 * 6 / 16))
    assert not found.bimodal  # sixteen values do not tell


def test_normals_two_deviations_apart_have_one_hump_and_four_apart_two():
    # The sum of two equal normals has two modes if and only if their means lie more than 2 sd apart.
    generator = np.random.default_rng(0)
    base, side = generator.normal(size=100_000), generator.integers(2, size=100_000)
    assert not find_humps(base + 1.9 * side).bimodal
    assert find_humps(base + 4 * side).bimodal


def test_two_points_are_as_bimodal_as_can_be():
    found = find_humps([0.0] * 50 + [1.0] * 50)
    assert found.bimodal
    assert found.depth == 1
    assert found.minor_share == 0.5
    assert found.ashman_d == math.inf
    assert found.valley == pytest.approx(0.5, abs=0.1)


def test_a_handful_of_strays_is_no_hump():
    values = np.append(np.random.default_rng(0).normal(0.2, 0.05, size=100_000), [0.95] * 500)
    found = find_humps(values)
    assert found.significance > 4
    assert found.minor_share < 0.01
    assert not found.bimodal


def test_equal_values_have_one_hump_and_no_coefficient():
    found = find_humps([0.3] * 40)
    assert found.modes == pytest.approx((0.3,), abs=0.1)
    assert found.valley is None
    assert math.isnan(find_humps([0.3] * 40).ashman_d)
    assert math.isnan(bimodality_coefficient([0.3] * 40))


def test_the_coefficient_is_that_of_scipys_moments_and_its_known_limits():
    sample = np.random.default_rng(0).gamma(2.0, size=37)
    count = len(sample)
    expected = (skew(sample, bias=False) ** 2 + 1) / (
        kurtosis(sample, bias=False) + 3 * (count - 1) ** 2 / ((count - 2) * (count - 3))
    )
    assert bimodality_coefficient(sample) == pytest.approx(expected, rel=1e-12)
    assert bimodality_coefficient(np.linspace(0, 1, 100_001)) == pytest.approx(5 / 9, abs=1e-4)
    assert bimodality_coefficient([0, 1], [5000, 5000]) == pytest.approx(1, abs=1e-3)
    normal = bimodality_coefficient(np.random.default_rng(0).normal(size=100_000))
    assert normal == pytest.approx(1 / 3, abs=0.01)
    assert math.isnan(bimodality_coefficient([1, 2, 3]))


def test_a_histogram_says_what_its_values_say():
    values = np.concatenate([np.random.default_rng(seed).normal(seed, 0.2, size=500) for seed in range(2)])
    counts, edges = np.histogram(values, bins=25)
    assert find_humps_of_histogram(counts, edges) == find_humps(values, bins=25)


@pytest.mark.parametrize(
    ("counts", "edges", "message"),
    [
        ([1, 2], [0, 1, 2], "at least 3 bins"),
        ([1, 2, 3], [0, 1, 2], "at least 3 bins and one more edge"),
        ([1, 2, 3], [0, 1, 2, 4], "even steps"),
        ([1, 2, 3], [3, 2, 1, 0], "even steps"),
        ([0, 0, 0], [0, 1, 2, 3], "not all 0"),
        ([1, -2, 3], [0, 1, 2, 3], "at least 0"),
    ],
)
def test_bad_histograms_are_refused(counts, edges, message):
    with pytest.raises(ValueError, match=message):
        find_humps_of_histogram(counts, edges)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([], {}, "at least one"),
        ([0.1, math.nan], {}, "must be finite"),
        ([0.1, 1.2], {"limits": (0.0, 1.0)}, "within limits 0.0 to 1.0, got 0.1 to 1.2"),
        ([0.1, 0.2], {"bins": 2}, "at least 3 bins"),
    ],
)
def test_bad_values_are_refused(values, options, message):
    with pytest.raises(ValueError, match=message):
        find_humps(values, **options)
