"""Genes as plain records of dict, list, str, float, int, bool and None, fit for JSON, and back.

>>> from grn.networks import circuits
>>> record = gene_record(circuits.toggle()["lacI"])
>>> record["regulation"]["form"], record["transcription"]
('HillProduct', 156.25)
>>> gene_from_record(record) == circuits.toggle()["lacI"]
True
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from grn.networks.logic.boolean import nearest_name
from grn.networks.logic.rules import Rule as BooleanRule
from grn.networks.logic.rules import parse_rule
from grn.networks.logic.syntax import Step
from grn.networks.network import Gene, Removal
from grn.networks.promoters import (
    Constitutive,
    Custom,
    ErlangDelay,
    HillProduct,
    HillSum,
    Module,
    Modules,
    Proportional,
    Regulator,
    Rule,
    ShiftedHill,
)

if TYPE_CHECKING:
    from collections.abc import Callable

FORMS: dict[str, type] = {
    "Constitutive": Constitutive,
    "HillSum": HillSum,
    "HillProduct": HillProduct,
    "Rule": Rule,
    "Modules": Modules,
    "ShiftedHill": ShiftedHill,
    "Proportional": Proportional,
}


def gene_record(gene: Gene) -> dict[str, Any]:
    """Return a gene as a record.

    Parameters
    ----------
    gene : Gene
        With any promoter of `FORMS`.

    Returns
    -------
    dict
        The fields of the gene under their names. The promoter has its class in ``form``, a Boolean rule is
        text (or steps, where text cannot name its genes), a distributed delay a record with a ``form`` too.

    Raises
    ------
    TypeError
        If the promoter is none of `FORMS`: a `Custom` function cannot be written.

    Examples
    --------
    >>> from grn.networks.network import Gene
    >>> gene_record(Gene(name="A", regulation=Rule("A & !B")))["regulation"]["rule"]
    'A and not B'
    """
    form = type(gene.regulation).__name__
    if FORMS.get(form) is not type(gene.regulation):
        why = (
            "is a function, which a file cannot hold" if isinstance(gene.regulation, Custom) else "is unknown"
        )
        raise TypeError(f"the promoter {form} of gene {gene.name!r} {why}: use one of {', '.join(FORMS)}")
    record: dict[str, Any] = _plain(gene)
    return record


def gene_from_record(record: Mapping[str, Any]) -> Gene:
    """Return the gene of a record.

    Parameters
    ----------
    record : mapping
        As `gene_record` returns it; fields that have a default may be left out.

    Raises
    ------
    ValueError
        If a key is unknown or missing, or a value is out of range; the message names its place.
    TypeError
        If a value has the wrong type.

    Examples
    --------
    >>> gene_from_record({"name": "A", "regulation": {"form": "Rule", "rule": "not B"}}).regulation.signs()
    {'B': -1}
    >>> gene_from_record({"name": "A", "transcripton": 2.0})
    Traceback (most recent call last):
    ...
    ValueError: gene 'A': unknown key 'transcripton'; did you mean 'transcription'?
    """
    name = record.get("name") if isinstance(record, Mapping) else None
    gene: Gene = _read(Gene, record, f"gene {name!r}" if isinstance(name, str) else "gene")
    return gene


def _plain(value: Any) -> Any:
    """Return a value of a gene as a record."""
    if type(value) in _FIELDS:
        record = {name: _plain(getattr(value, name)) for name in _FIELDS[type(value)]}
        named = type(value) is ErlangDelay or type(value) in FORMS.values()
        return {"form": type(value).__name__, **record} if named else record
    if isinstance(value, BooleanRule):
        return _plain_rule(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if value is None or isinstance(value, str | bool):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


def _plain_rule(rule: BooleanRule) -> str | list[list[Any]]:
    text = str(rule)
    try:
        if parse_rule(text) == rule:
            return text
    except ValueError:
        pass
    return [list(step) for step in rule.steps]


def _read(cls: type, record: object, where: str) -> Any:
    """Return the value of class ``cls`` that a record describes."""
    if not isinstance(record, Mapping):
        raise TypeError(f"{where}: expected a record of {cls.__name__}, got {record!r}")
    readers = _FIELDS[cls]
    for key in record:
        if key not in readers and key != "form":
            raise ValueError(f"{where}: unknown key {key!r}{nearest_name(str(key), readers)}")
    if record.get("form", cls.__name__) != cls.__name__:
        raise ValueError(f"{where}: expected the form {cls.__name__}, got {record['form']!r}")
    for field in fields(cls):
        if field.name not in record and field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{where}: the key {field.name!r} is missing")
    values = {
        name: read(record[name], f"{where}: {name}") for name, read in readers.items() if name in record
    }
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{where}: {error}") from None


def _regulation(value: object, where: str) -> Any:
    form = value.get("form") if isinstance(value, Mapping) else None
    if not isinstance(form, str):
        raise TypeError(f"{where}: expected a record with a 'form' ({', '.join(FORMS)}), got {value!r}")
    if form not in FORMS:
        raise ValueError(f"{where}: form must be one of {', '.join(FORMS)}, got {form!r}")
    return _read(FORMS[form], value, where)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{where} must be text, got {value!r}")
    return value


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{where} must be true or false, got {value!r}")
    return value


def _integer(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{where} must be a whole number, got {value!r}")
    return int(value)


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{where} must be a number, got {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{where} must be a finite number, got one of {len(str(value))} digits") from None


def _optional_number(value: object, where: str) -> float | None:
    return None if value is None else _number(value, where)


def _delay(value: object, where: str) -> float | ErlangDelay:
    if isinstance(value, Mapping):
        delay: ErlangDelay = _read(ErlangDelay, value, where)
        return delay
    return _number(value, where)


def _tuple_of(read: Callable[[object, str], Any]) -> Callable[[object, str], tuple[Any, ...]]:
    def read_all(value: object, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise TypeError(f"{where} must be a list, got {value!r}")
        return tuple(read(item, f"{where}[{k}]") for k, item in enumerate(value))

    return read_all


def _one_or_each(read: Callable[[object, str], Any]) -> Callable[[object, str], Any]:
    def read_one_or_each(value: object, where: str) -> Any:
        # A distributed delay is a record too: its form is text, and no regulator's value is.
        if isinstance(value, Mapping) and not isinstance(value.get("form"), str):
            return {_text(name, where): read(item, f"{where} of {name!r}") for name, item in value.items()}
        return read(value, where)

    return read_one_or_each


def _record_of(cls: type) -> Callable[[object, str], Any]:
    return lambda value, where: _read(cls, value, where)


def _rule(value: object, where: str) -> BooleanRule:
    if isinstance(value, str):
        try:
            return parse_rule(value)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    if not isinstance(value, list | tuple):
        raise TypeError(f"{where} must be text, or a list of steps, got {value!r}")
    depth = 0
    steps = []
    for k, item in enumerate(value):
        place = f"{where}[{k}]"
        if not isinstance(item, list | tuple) or len(item) != 3:
            raise TypeError(f"{place} must be a step [op, name, number], got {item!r}")
        step = Step(_text(item[0], place), _text(item[1], place), _integer(item[2], place))
        taken = {"name": 0, "constant": 0, "not": 1, "and": step.number, "or": step.number}.get(step.op)
        if (
            taken is None
            or (step.op in ("and", "or") and taken < 2)
            or (step.op == "name") != bool(step.name)
        ):
            raise ValueError(f"{place} is no step of a rule: {item!r}")
        if taken > depth:
            raise ValueError(f"{place} takes {taken} operands, but there are {depth} before it")
        depth += 1 - taken
        steps.append(step)
    if depth != 1:
        raise ValueError(f"{where} must come to one value, its steps leave {depth}")
    return BooleanRule(tuple(steps))


_REGULATORS = _tuple_of(_record_of(Regulator))
_NUMBERS = _tuple_of(_number)
_FIELDS: dict[type, dict[str, Callable[[object, str], Any]]] = {
    Gene: {
        "name": _text,
        "regulation": _regulation,
        "transcription": _number,
        "mrna_decay": _optional_number,
        "translation": _number,
        "protein_decay": _number,
        "initial_mrna": _number,
        "initial_protein": _number,
        "removals": _tuple_of(_record_of(Removal)),
    },
    Removal: {"enzyme": _text, "rate": _number, "constant": _number},
    Regulator: {
        "source": _text,
        "activates": _flag,
        "threshold": _number,
        "coefficient": _number,
        "delay": _delay,
    },
    ErlangDelay: {"mean": _number, "stages": _integer},
    Constitutive: {},
    HillSum: {"regulators": _REGULATORS, "weights": _NUMBERS, "basal": _number},
    HillProduct: {"regulators": _REGULATORS, "basal": _number},
    Rule: {
        "rule": _rule,
        "threshold": _one_or_each(_number),
        "coefficient": _one_or_each(_number),
        "basal": _number,
        "delay": _one_or_each(_delay),
    },
    Module: {"activators": _REGULATORS, "deactivators": _REGULATORS, "complex": _flag},
    Modules: {"modules": _tuple_of(_record_of(Module)), "activations": _NUMBERS},
    ShiftedHill: {"regulators": _REGULATORS, "folds": _NUMBERS},
    Proportional: {"source": _text, "delay": _delay},
}
