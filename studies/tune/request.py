"""What the page asks for, read from its fields as text: settings, or what is wrong with which field."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from grn import Kinetics
from studies.tune.controls import CONTROLS, HALF_LIVES, UNITS, Unit, half_life
from studies.tune.settings import NAMES, Settings

PARAMETERS = {
    "induction": "induction S/K",
    "autoactivation": "autoactivation a",
    "hill_coefficient": "Hill coefficient n",
    "basal": "leak b",
    "threshold": "threshold K",
    "cooperation": "cooperation c",
    "mrna_decay": "mRNA decay γm",
    "protein_decay": "protein decay γp",
    "window": "window Δt",
}
"""What the bifurcation diagram may run over, and its words."""
# "0,125" and "1,5" can be one number alone; "1,000" may be two.
_DECIMAL_COMMA = re.compile(r"[+-]?(0?,\d+|\d+,(\d{1,2}|\d{4,}))(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What to draw.

    Attributes
    ----------
    settings : Settings or None
        None where a field is wrong.
    unit : {"rate", "half-life"}
        What the fields of the two decays hold.
    parameter : str
        A name of `PARAMETERS`.
    dragging : bool
        Whether a slider is being moved: an answer at once is wanted more than one to the last digit.
    errors : mapping of str to str
        Message of each wrong field.
    """

    settings: Settings | None
    unit: Unit = "rate"
    parameter: str = "induction"
    dragging: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)


def read_request(asked: object) -> Request:
    """Read a request of the page; what is missing is at its default, what is wrong is told by field.

    Parameters
    ----------
    asked : object
        JSON: ``{"values": {name: text or number}, "unit", "parameter", "dragging"}``.

    Raises
    ------
    ValueError
        If it is not of that form at all, which no page sends.

    Examples
    --------
    >>> read_request({"values": {"basal": "0.1"}}).settings.basal
    0.1
    >>> for message in read_request({"values": {"basal": "2", "window": "soon"}}).errors.values():
    ...     print(message)
    window must be a number, got 'soon'
    basal must be a fraction of full activity in [0, 1), got 2.0
    """
    if not isinstance(asked, Mapping) or not isinstance(asked.get("values", {}), Mapping):
        raise ValueError(f"a request must be an object with the fields' values, got {asked!r:.80}")
    errors: dict[str, str] = {}
    unit = asked.get("unit", "rate")
    if unit not in UNITS:
        errors["unit"], unit = f"unit must be one of {', '.join(UNITS)}, got {unit!r:.40}", "rate"
    parameter = asked.get("parameter", "induction")
    if not isinstance(parameter, str) or parameter not in PARAMETERS:
        errors["parameter"] = f"parameter must be one of {', '.join(PARAMETERS)}, got {parameter!r:.40}"
        parameter = "induction"
    numbers: dict[str, float] = {}
    for control in CONTROLS:
        if control.name not in asked.get("values", {}):
            continue
        try:
            numbers[control.name] = _number(control.name, asked["values"][control.name], unit)
        except ValueError as error:
            errors[control.name] = str(error)
    for name in NAMES:  # by itself, so that each wrong field is told
        if name in numbers:
            try:
                Settings(**{name: numbers[name]})
            except ValueError as error:
                errors[name] = str(error)
    for control in CONTROLS:
        if control.name in numbers and control.name not in errors:
            refusal = _refusal(control.name, numbers[control.name], unit)
            if refusal:
                errors[control.name] = refusal
    wrong = any(name in errors for name in NAMES)
    settings = None if wrong else Settings(**{**asdict(Settings()), **numbers})
    dragging = asked.get("dragging") is True
    return Request(settings=settings, unit=unit, parameter=parameter, dragging=dragging, errors=errors)


def _number(name: str, value: Any, unit: Unit) -> float:
    """Value of a field as a setting: a rate, where the field holds a half-life."""
    called = HALF_LIVES[name] if unit == "half-life" and name in HALF_LIVES else name
    text = str(value).strip()
    if not text:
        raise ValueError(f"{called} must be a number, and the field is empty")
    if "," in text and not _DECIMAL_COMMA.fullmatch(text):
        raise ValueError(f"{called} must be a number with a decimal point, as 0.5 or 1000, got {text[:40]!r}")
    try:
        number = math.nan if isinstance(value, bool) else float(text.replace(",", "."))
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise ValueError(f"{called} must be a number, got {text[:40]!r}")
    if called == name:
        return number
    lives: dict[str, Any] = {"mrna_half_life": 1.0, "protein_half_life": 1.0, called: number}
    Kinetics.from_half_lives(**lives)  # refuses in its own words
    return half_life(number)


def _refusal(name: str, value: float, unit: Unit) -> str:
    control = next(control for control in CONTROLS if control.name == name)
    if unit == "half-life" and name in HALF_LIVES and control.refusal(value):
        low, high = half_life(control.high), half_life(control.low)
        got = f"got {half_life(value):.6g}"
        return f"{HALF_LIVES[name]} must lie in {low:.4g} to {high:.4g} h on this page, {got}"
    return control.refusal(value)
