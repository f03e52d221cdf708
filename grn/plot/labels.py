"""Words on figures: which species are worth drawing, and their units."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDE_FROM, WIDE_TO = 50.0, 1e6  # ratios of levels between which an axis is logarithmic


def shown_species(species: Sequence[str], chosen: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the species to draw: those chosen, or all but the stages of distributed delays.

    Raises
    ------
    ValueError
        If a chosen one is unknown, or none is left.

    Examples
    --------
    >>> shown_species(["A_mrna", "A", "A.delayed2x3.1"])
    ('A_mrna', 'A')
    """
    if chosen is None:
        return tuple(name for name in species if ".delayed" not in name) or tuple(species)
    if not chosen:
        raise ValueError("species must name at least one species, got none")
    for name in chosen:
        if name not in species:
            raise ValueError(f"no species {name!r} to draw: those are {', '.join(species)}")
    return tuple(chosen)


def is_mrna(name: str, species: Sequence[str]) -> bool:
    """Whether a species is the mRNA of a protein beside it.

    Examples
    --------
    >>> is_mrna("A_mrna", ["A_mrna", "A"]), is_mrna("lone_mrna", ["lone_mrna"])
    (True, False)
    """
    return name.endswith("_mrna") and name.removesuffix("_mrna") in species


def expect(value: object, kind: type, argument: str, source: str) -> None:
    """Refuse a value of another class, and say where one of the right class comes from.

    Examples
    --------
    >>> expect(3, str, "species", "a name")
    Traceback (most recent call last):
    ...
    TypeError: species must be a str (a name), got int
    """
    if not isinstance(value, kind):
        raise TypeError(f"{argument} must be a {kind.__name__} ({source}), got {type(value).__name__}")


def with_unit(quantity: str, unit: str) -> str:
    """Title of an axis: the quantity, with its unit where one is known.

    Examples
    --------
    >>> with_unit("time", "min"), with_unit("time", "")
    ('time (min)', 'time')
    """
    unit = html.escape(unit)
    return f"{quantity} ({unit})" if unit else quantity


def time_unit(model: object) -> str:
    """Unit of time of any model, empty where it has none."""
    return str(getattr(model, "time_unit", ""))


def concentration_unit(model: object) -> str:
    """Unit of concentration of any model, empty where it has none."""
    return str(getattr(model, "concentration_unit", ""))


def number(value: float) -> str:
    """Return a number for a reader: four digits.

    Examples
    --------
    >>> number(125.35421), number(-3e-7), number(0.0)
    ('125.4', '−3e−07', '0')
    """
    return f"{value:.4g}".replace("-", "−")


def is_wide(levels: Sequence[float] | np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> bool:
    """Whether levels are better seen on a logarithmic axis: none is 0, and they are far apart.

    Beyond a factor of a million the lowest are as good as 0, and a linear axis says so.

    Examples
    --------
    >>> is_wide([0.1, 150.0]), is_wide([1.0, 3.0]), is_wide([0.0, 150.0])
    (True, False, False)
    """
    values = np.asarray(levels, dtype=float)
    lowest = float(values.min(initial=np.inf))
    return 0 < lowest < np.inf and WIDE_FROM <= float(values.max()) / lowest <= WIDE_TO


def log_axis(low: float, high: float) -> dict[str, object]:
    """Layout of a logarithmic axis with round values: 1, 2 and 5 of every decade, or decades where many.

    Examples
    --------
    >>> log_axis(3, 300)["ticktext"]
    ['5', '10', '20', '50', '100', '200']
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    digits = (1, 2, 5) if math.log10(high / low) <= 2.5 else (1,)
    values = [float(f"{digit}e{decade}") for decade in decades for digit in digits]
    shown = [value for value in values if low <= value <= high * (1 + 1e-9)]
    return {
        "type": "log",
        "range": [math.log10(low), math.log10(high)],
        "tickvals": shown,
        "ticktext": [number(value) for value in shown],
    }
