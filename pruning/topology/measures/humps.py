"""Whether a distribution, such as that of expression, has two humps, as where genes are bistable."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Humps:
    """What tells one hump from two.

    Attributes
    ----------
    modes : tuple of float
        Places of the one or two humps, rising.
    valley : float or None
        Place of the lowest point between two humps.
    depth : float
        1 - height of the valley / height of the lower hump: 0 with one hump, 1 where nothing lies between.
    significance : float
        Drop from the lower hump to the valley in standard deviations of the counts (Poisson), 0 with one.
    minor_share : float
        Fraction of the values on the smaller side of the valley, 0 with one hump.
    ashman_d : float
        Distance of the means of both sides of the valley in root mean square standard deviations: above 2
        for a clean separation; NaN with one hump, infinite where neither side varies.
    sarle : float
        (skewness² + 1) / kurtosis, with the corrections for a finite sample: 5/9 of a uniform distribution,
        1 of two points; NaN where the values are all equal or fewer than 4. High also for one skewed hump.
    bimodal : bool
        Two humps with depth at least 0.2 and significance at least 4, neither side of them with less than
        one in a hundred of the values.
    """

    modes: tuple[float, ...]
    valley: float | None
    depth: float
    significance: float
    minor_share: float
    ashman_d: float
    sarle: float
    bimodal: bool


def find_humps(
    values: ArrayLike, *, bins: int | None = None, limits: tuple[float, float] | None = None
) -> Humps:
    """Look for two humps in a sample.

    Parameters
    ----------
    values : array_like
        Finite numbers, such as the expression of all gates.
    bins : int, optional
        Of the histogram; by default twice the cube root of the number of values, from 8 to 50: more would
        show humps in the noise.
    limits : (float, float), optional
        Its range; by default the smallest and largest value. Of expression, (0, 1).

    Raises
    ------
    ValueError
        If the values are empty, not finite or outside of `limits`, or there are fewer than 3 bins.
    """
    sample = np.asarray(values, dtype=float).ravel()
    if not len(sample) or not np.isfinite(sample).all():
        raise ValueError(f"values must be finite numbers, at least one, got {len(sample)} values")
    low, high = limits or (float(sample.min()), float(sample.max()))
    if sample.min() < low or sample.max() > high:
        raise ValueError(
            f"values must lie within limits {low} to {high}, got {sample.min()} to {sample.max()}"
        )
    if low == high:
        low, high = low - 0.5, high + 0.5
    if bins is None:
        bins = int(np.clip(np.ceil(2 * np.cbrt(len(sample))), 8, 50))
    counts, edges = np.histogram(sample, bins=max(bins, 1), range=(low, high))
    return find_humps_of_histogram(counts, edges)


def find_humps_of_histogram(counts: ArrayLike, edges: ArrayLike) -> Humps:
    """Look for two humps in a histogram.

    Moments are those of the bins' centres. The histogram is smoothed with the weights 1, 2, 1 to find the
    humps; of all valleys the one counts that has the largest drop from the lower of the highest points on
    its sides.

    Parameters
    ----------
    counts : array_like
        Of at least 3 bins, not negative, not all 0.
    edges : array_like
        One more than counts, evenly spaced, rising.

    Raises
    ------
    ValueError
        If counts or edges are not so.

    References
    ----------
    Ashman, Bird and Zepf, Detecting bimodality in astronomical datasets, Astronomical Journal 108:2348
    (1994). Pfister et al., Good things peak in pairs: a note on the bimodality coefficient, Frontiers in
    Psychology 4:700 (2013).
    """
    heights, bounds = np.asarray(counts, dtype=float), np.asarray(edges, dtype=float)
    if heights.ndim != 1 or len(heights) < 3 or bounds.shape != (len(heights) + 1,):
        raise ValueError(
            f"a histogram needs at least 3 bins and one more edge, got {heights.shape} and {bounds.shape}"
        )
    widths = np.diff(bounds)
    if not widths.min() > 0 or np.ptp(widths) > 1e-6 * widths.mean():
        raise ValueError("edges must rise in even steps")
    if not np.isfinite(heights).all() or heights.min() < 0 or not heights.sum() > 0:
        raise ValueError("counts must be finite, at least 0 and not all 0")
    centres = (bounds[1:] + bounds[:-1]) / 2
    sarle = bimodality_coefficient(centres, heights)
    padded = np.pad(heights, 1)
    smooth = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    left = np.maximum.accumulate(smooth)
    right = np.maximum.accumulate(smooth[::-1])[::-1]
    lower = np.minimum(left, right)
    drop = lower - smooth
    deepest = np.flatnonzero(drop >= drop.max() - 1e-12)
    valley = int(deepest[len(deepest) // 2])  # of an empty stretch its middle
    if drop[valley] <= 0:
        return Humps(
            modes=(float(centres[int(smooth.argmax())]),),
            valley=None,
            depth=0.0,
            significance=0.0,
            minor_share=0.0,
            ashman_d=math.nan,
            sarle=sarle,
            bimodal=False,
        )
    sides = slice(None, valley), slice(valley, None)
    modes = [float(centres[side][int(smooth[side].argmax())]) for side in sides]
    shares = [float(heights[side].sum()) for side in sides]
    depth = float(drop[valley] / lower[valley])
    # The smoothed count has variance 6/16 of a plain one where neighbours are alike.
    significance = float(drop[valley] / math.sqrt((lower[valley] + smooth[valley]) * 6 / 16))
    minor = min(shares) / sum(shares)
    return Humps(
        modes=(modes[0], modes[1]),
        valley=float(centres[valley]),
        depth=depth,
        significance=significance,
        minor_share=minor,
        ashman_d=_ashman_d([(centres[side], heights[side]) for side in sides]),
        sarle=sarle,
        bimodal=depth >= 0.2 and significance >= 4 and minor >= 0.01,
    )


def bimodality_coefficient(values: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Sarle's bimodality coefficient with the corrections for a finite sample; NaN where undefined.

    >>> bimodality_coefficient([0.0] * 500 + [1.0] * 500) > 0.99
    True
    """
    numbers = np.asarray(values, dtype=float)
    weight = np.ones_like(numbers) if weights is None else np.asarray(weights, dtype=float)
    count = float(weight.sum())
    if count < 4:
        return math.nan
    centred = numbers - (weight * numbers).sum() / count
    second, third, fourth = (float((weight * centred**power).sum() / count) for power in (2, 3, 4))
    if second <= 1e-24 * float(np.abs(numbers).max()) ** 2:
        return math.nan
    skewness = math.sqrt(count * (count - 1)) / (count - 2) * third / second**1.5
    excess = (count - 1) / ((count - 2) * (count - 3)) * ((count + 1) * (fourth / second**2 - 3) + 6)
    return float((skewness**2 + 1) / (excess + 3 * (count - 1) ** 2 / ((count - 2) * (count - 3))))


def _ashman_d(sides: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> float:
    means = [float(np.average(places, weights=heights)) for places, heights in sides]
    variances = [
        float(np.average((places - mean) ** 2, weights=heights))
        for (places, heights), mean in zip(sides, means, strict=True)
    ]
    spread = math.sqrt(sum(variances))
    return math.sqrt(2) * float(means[1] - means[0]) / spread if spread > 0 else math.inf
