"""Measured time series: values of some species, their noise, and what was done to the cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from grn.networks.perturb import Perturbation

    Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TimeSeries:
    """One experiment: what was measured, when, and under which conditions.

    Parameters
    ----------
    times : array_like
        (T,): strictly increasing, in the time unit of the model.
    values : mapping of str to array_like
        (T,) concentrations of each species observed (mRNA is ``NAME_mrna``); NaN where a value is missing.
    noise : float or mapping of str to float or array_like, optional
        Standard deviation of the measurement, of every value, each species, or each value; None where it is
        unknown and to be estimated, equal for all values.
    start : mapping of str to float
        Concentrations at ``begin`` other than the model's.
    perturbations : tuple of perturbations
        What was done.
    begin : float
        Time at which the experiment, and its simulation, begins; not after the first value.
    name : str
        For messages, and for parameters of this series alone.

    Raises
    ------
    ValueError
        If the times do not increase, lengths differ, nothing was measured, or a number is out of range.

    Examples
    --------
    >>> series = TimeSeries([0.0, 1.0, 2.0], {"A": [0.1, 0.6, float("nan")]}, noise=0.05)
    >>> series.count, series.noise["A"]
    (2, array([0.05, 0.05, 0.05]))
    >>> TimeSeries([0.0, 2.0, 1.0], {"A": [1, 2, 3]})
    Traceback (most recent call last):
    ...
    ValueError: times of a series must be strictly increasing, got 2 followed by 1
    """

    times: Array
    values: Mapping[str, Array]
    noise: Mapping[str, Array] | None = field(default=None, kw_only=True)
    start: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    perturbations: tuple[Perturbation, ...] = field(default=(), kw_only=True)
    begin: float = field(default=0.0, kw_only=True)
    name: str = field(default="", kw_only=True)

    def __init__(
        self,
        times: ArrayLike,
        values: Mapping[str, ArrayLike],
        *,
        noise: float | Mapping[str, ArrayLike] | None = None,
        start: Mapping[str, float] | None = None,
        perturbations: tuple[Perturbation, ...] = (),
        begin: float = 0.0,
        name: str = "",
    ) -> None:
        of = f"series {name!r}" if name else "a series"
        moments = _array(f"times of {of}", times)
        if moments.ndim != 1 or not len(moments) or not np.isfinite(moments).all():
            raise ValueError(f"times of {of} must be a row of finite numbers, got shape {moments.shape}")
        falling = np.flatnonzero(np.diff(moments) <= 0)
        if len(falling):
            k = falling[0]
            raise ValueError(
                f"times of {of} must be strictly increasing, got {moments[k]:g} followed by "
                f"{moments[k + 1]:g}"
            )
        if not (np.isfinite(begin) and begin <= moments[0]):
            raise ValueError(
                f"{of} must begin by its first value, at {moments[0]:g}, got begin={begin:g}: give the time "
                "at which the simulation starts"
            )
        measured = {key: _row(f"values of {key!r} in {of}", value, moments) for key, value in values.items()}
        for key, row in measured.items():
            if np.isinf(row).any():
                raise ValueError(f"values of {key!r} in {of} must be finite, or NaN where missing, got inf")
        if not any(np.isfinite(row).any() for row in measured.values()):
            raise ValueError(f"{of} must have at least one value, got none")
        for key, level in (start or {}).items():
            if not (np.isfinite(level) and level >= 0):
                raise ValueError(
                    f"start of {key!r} in {of} must be a non-negative concentration, got {level}"
                )
        for attribute, found in (
            ("times", moments),
            ("values", measured),
            ("noise", _noise(noise, measured, moments, of)),
            ("start", dict(start or {})),
            ("perturbations", tuple(perturbations)),
            ("begin", float(begin)),
            ("name", name),
        ):
            object.__setattr__(self, attribute, found)

    @property
    def count(self) -> int:
        """Number of values that are not missing."""
        return sum(int(np.isfinite(row).sum()) for row in self.values.values())


def _noise(
    noise: float | Mapping[str, ArrayLike] | None, measured: Mapping[str, Array], times: Array, of: str
) -> dict[str, Array] | None:
    if noise is None:
        return None
    given: Mapping[str, ArrayLike] = noise if isinstance(noise, Mapping) else dict.fromkeys(measured, noise)
    if set(given) != set(measured):
        raise ValueError(
            f"noise of {of} must be given for each species measured ({', '.join(measured)}), got "
            f"{', '.join(given) or 'none'}"
        )
    found = {}
    for key in measured:
        row = _array(f"noise of {key!r} in {of}", given[key])
        if not ((row > 0) & np.isfinite(row)).all():
            raise ValueError(
                f"noise of {key!r} in {of} must be a positive finite standard deviation, got {row.min():g}: "
                "leave noise out to have it estimated"
            )
        found[key] = _row(
            f"noise of {key!r} in {of}", np.full(len(times), row) if row.ndim == 0 else row, times
        )
    return found


def _array(what: str, given: ArrayLike) -> Array:
    try:
        array: Array = np.asarray(given, np.float64).copy()
    except (TypeError, ValueError):
        raise TypeError(f"{what} must be numbers, got {given!r}") from None
    array.flags.writeable = False
    return array


def _row(what: str, given: ArrayLike, times: Array) -> Array:
    row = _array(what, given)
    if row.shape != times.shape:
        raise ValueError(f"{what} must be one a time, {len(times)}, got shape {row.shape}")
    return row
