"""How the text of the simulate study's options becomes perturbations, values and times."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grn.networks.perturb import Clamp, Knockdown, Knockout, Overexpression, Perturbation
from studies.options import parse_list

STEADY = "steady"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The options of the study as values; see `studies.simulate.Simulate`."""

    method: str
    until: float | None  # None: until it is settled
    perturbations: tuple[Perturbation, ...]
    ensemble: int
    parameters: Mapping[str, float]
    start: Mapping[str, float]
    starts: int
    seed: int
    system_size: float
    continuation: tuple[str, tuple[float, float] | None] | None  # a parameter or "auto", and its range
    x: str | None
    y: str | None


def parse_assignments(name: str, text: str | Sequence[str]) -> dict[str, float]:
    """Read ``NAME=VALUE`` pairs, from one text with commas or from several texts.

    Raises
    ------
    ValueError
        If a pair has another form, a value is no finite number, or a name comes twice.

    Examples
    --------
    >>> parse_assignments("knockdown", "lacI=0.3, tetR=0.5")
    {'lacI': 0.3, 'tetR': 0.5}
    >>> parse_assignments("parameter", ["lacI.transcription=high"])
    Traceback (most recent call last):
    ...
    ValueError: parameter must be NAME=VALUE with a finite number, got 'lacI.transcription=high'
    """
    parts = [text] if isinstance(text, str) and text else list(text)
    found: dict[str, float] = {}
    for part in parts:
        for pair in parse_list(name, part, str, "NAME=VALUE"):
            key, _, value = pair.rpartition("=")
            try:
                number = float(value)
            except ValueError:
                number = math.nan
            if not key.strip() or not math.isfinite(number):
                raise ValueError(f"{name} must be NAME=VALUE with a finite number, got {pair!r}")
            if key.strip() in found:
                raise ValueError(f"{name} gives {key.strip()!r} twice")
            found[key.strip()] = number
    return found


def parse_perturbations(
    *, knockout: str, knockdown: str, overexpress: str, clamp: str
) -> tuple[Perturbation, ...]:
    """Read the four options that disturb a model.

    Raises
    ------
    ValueError
        If one has the wrong form or a value is out of range.

    Examples
    --------
    >>> parse_perturbations(knockout="lacI", knockdown="", overexpress="", clamp="tetR=2")
    (Knockout(gene='lacI', at=None), Clamp(species='tetR', level=2.0, at=None))
    """
    genes = parse_list("knockout", knockout, str, "names of genes") if knockout else ()
    down = parse_assignments("knockdown", knockdown)
    over = parse_assignments("overexpress", overexpress)
    held = parse_assignments("clamp", clamp)
    return (
        *(Knockout(gene) for gene in genes),
        *(Knockdown(gene, remaining=value) for gene, value in down.items()),
        *(Overexpression(gene, activity=value) for gene, value in over.items()),
        *(Clamp(name, level=value) for name, value in held.items()),
    )


def parse_until(text: str) -> float | None:
    """Return the time to simulate to, None for "steady".

    Examples
    --------
    >>> parse_until("250"), parse_until("steady")
    (250.0, None)
    """
    if text.strip() == STEADY:
        return None
    try:
        until = float(text)
    except ValueError:
        until = math.nan
    if not (math.isfinite(until) and until > 0):
        raise ValueError(
            f"until must be a positive finite time, in the time unit of the model, or {STEADY}, got {text!r}"
        )
    return until


def parse_continuation(text: str) -> tuple[str, tuple[float, float] | None] | None:
    """Return the parameter of a bifurcation diagram and its range, if given; None for "none".

    Raises
    ------
    ValueError
        If a range is not ``LOW:HIGH`` with LOW < HIGH.

    Examples
    --------
    >>> parse_continuation("lacI.transcription=1:300")
    ('lacI.transcription', (1.0, 300.0))
    >>> parse_continuation("lacI.transcription"), parse_continuation("none")
    (('lacI.transcription', None), None)
    """
    if text.strip() == "none":
        return None
    name, equals, span = text.partition("=")
    if not equals:
        return name.strip(), None
    try:
        low, high = (float(part) for part in span.split(":"))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"bifurcation must be PARAMETER or PARAMETER=LOW:HIGH with LOW < HIGH, got {text!r}")
    return name.strip(), (low, high)
