"""Formulas as MathML, the text itself: numbers exact to the last bit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grn.networks.formula import Formula, Op, nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from grn.networks.reactions import Reaction

LONGEST_LAW = 16 * 1024 * 1024  # characters
DEEPEST_LAW = 390  # XML elements: within reach of `read_sbml`
_MATH = '<math xmlns="http://www.w3.org/1998/Math/MathML">'
_TIME = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time">time</csymbol>'

_ELEMENTS = {
    Op.ADD: "plus",
    Op.MULTIPLY: "times",
    Op.NEGATE: "minus",
    Op.DIVIDE: "divide",
    Op.POWER: "power",
    Op.EXP: "exp",
    Op.LOG: "ln",
    Op.SQRT: "root",
    Op.ABS: "abs",
    Op.FLOOR: "floor",
    Op.CEIL: "ceiling",
    Op.SIN: "sin",
    Op.COS: "cos",
    Op.TAN: "tan",
    Op.TANH: "tanh",
    Op.SINH: "sinh",
    Op.COSH: "cosh",
    Op.ARCSIN: "arcsin",
    Op.ARCCOS: "arccos",
    Op.ARCTAN: "arctan",
    Op.LESS: "lt",
    Op.LESS_EQUAL: "leq",
    Op.EQUAL: "eq",
    Op.AND: "and",
    Op.OR: "or",
    Op.NOT: "not",
}
_LOGICAL = frozenset({Op.AND, Op.OR, Op.NOT})
_CONDITIONS = _LOGICAL | {Op.LESS, Op.LESS_EQUAL, Op.EQUAL}

_DEFINITIONS = {
    Op.HILL: (
        ("x", "K", "n"),
        "<piecewise><piece><apply><divide/><cn>1</cn><apply><plus/><cn>1</cn><apply><power/><apply><divide/>"
        "<ci>K</ci><ci>x</ci></apply><ci>n</ci></apply></apply></apply><apply><gt/><ci>x</ci><cn>0</cn></apply>"
        "</piece><otherwise><cn>0</cn></otherwise></piecewise>",
    ),
    Op.SATURATE: (
        ("u",),
        "<apply><minus/><cn>1</cn><apply><divide/><cn>1</cn><apply><plus/><cn>1</cn><ci>u</ci></apply></apply>"
        "</apply>",
    ),
    Op.POSITIVE_POWER: (
        ("x", "n"),
        "<apply><power/><piecewise><piece><ci>x</ci><apply><gt/><ci>x</ci><cn>0</cn></apply></piece><otherwise>"
        "<cn>0</cn></otherwise></piecewise><ci>n</ci></apply>",
    ),
    Op.MINIMUM: (
        ("a", "b"),
        "<piecewise><piece><ci>a</ci><apply><leq/><ci>a</ci><ci>b</ci></apply></piece><otherwise><ci>b</ci>"
        "</otherwise></piecewise>",
    ),
    Op.MAXIMUM: (
        ("a", "b"),
        "<piecewise><piece><ci>a</ci><apply><geq/><ci>a</ci><ci>b</ci></apply></piece><otherwise><ci>b</ci>"
        "</otherwise></piecewise>",
    ),
}


def rate_as_mathml(reaction: Reaction, ids: Mapping[str, str], functions: Mapping[Op, str]) -> str:
    """Return the rate law of a reaction as MathML.

    Parameters
    ----------
    reaction : Reaction
        Whose rate is written.
    ids : mapping of str to str
        Identifier of each species and parameter.
    functions : mapping of Op to str
        Identifier of the function definition of each operation that MathML lacks.

    Raises
    ------
    ValueError
        If the rate uses a delay or a function of the user's, or is too deep or too long.

    Examples
    --------
    >>> from grn.networks.formula import species
    >>> from grn.networks.reactions import Reaction
    >>> decay = Reaction(name="decay", changes={"A": -1}, rate=2 * species("A"))
    >>> rate_as_mathml(decay, {"A": "A"}, {})
    '<math xmlns="http://www.w3.org/1998/Math/MathML"><apply><times/><cn>2.0</cn><ci>A</ci></apply></math>'
    """
    done: dict[int, _Math] = {}
    for node in nodes([reaction.rate]):
        if node.op is Op.CALL:
            raise ValueError(
                f"the rate of reaction {reaction.name!r} calls the function {node.name!r}, which cannot be "
                "written as SBML: write it as a formula"
            )
        if node.delay:
            raise ValueError(
                f"the rate of reaction {reaction.name!r} uses {node.name!r} with a delay of {node.delay:g}, "
                "which few programs that read SBML know: use an ErlangDelay"
            )
        made = _element(node, done, ids, functions)
        if made.depth > DEEPEST_LAW or len(made.text) > LONGEST_LAW:
            excess = "deep" if made.depth > DEEPEST_LAW else "long"
            raise ValueError(
                f"the rate law of reaction {reaction.name!r} is too {excess} for a file: split it into "
                "several reactions"
            )
        done[id(node)] = made
    return f"{_MATH}{_value(reaction.rate, done).text}</math>"


def definition_as_mathml(op: Op, identifier: str) -> str:
    """Return the function definition of an operation that MathML lacks.

    Examples
    --------
    >>> definition_as_mathml(Op.SATURATE, "saturate")[:37]
    '<functionDefinition id="saturate"><ma'
    """
    arguments, body = _DEFINITIONS[op]
    bound = "".join(f"<bvar><ci>{name}</ci></bvar>" for name in arguments)
    return (
        f'<functionDefinition id="{identifier}">{_MATH}<lambda>{bound}{body}</lambda></math>'
        "</functionDefinition>"
    )


@dataclass(frozen=True, slots=True)
class _Math:
    """A formula in MathML, and how deep its elements are nested."""

    text: str
    depth: int = 1

    @classmethod
    def of(cls, opening: str, parts: Iterable[_Math], closing: str) -> _Math:
        """Elements within one more."""
        inner = list(parts)
        text = opening + "".join(part.text for part in inner) + closing
        return cls(text, 1 + max((part.depth for part in inner), default=0))


def _element(
    node: Formula, done: Mapping[int, _Math], ids: Mapping[str, str], functions: Mapping[Op, str]
) -> _Math:
    """One operation on what its arguments became."""
    if node.op is Op.CONSTANT:
        return _number(node.value)
    if node.op in (Op.SPECIES, Op.PARAMETER):
        return _Math(f"<ci>{ids[node.name]}</ci>")
    if node.op is Op.TIME:
        return _Math(_TIME)
    if node.op is Op.SELECT:
        condition, value, otherwise = node.arguments
        piece = _Math.of("<piece>", (_value(value, done), _condition(condition, done)), "</piece>")
        if otherwise.op is Op.SELECT:  # one piecewise of many pieces, not many within one another
            following = done[id(otherwise)]
            text = f"<piecewise>{piece.text}{following.text.removeprefix('<piecewise>')}"
            return _Math(text, max(1 + piece.depth, following.depth))
        last = _Math.of("<otherwise>", (_value(otherwise, done),), "</otherwise>")
        return _Math.of("<piecewise>", (piece, last), "</piecewise>")
    kind = _condition if node.op in _LOGICAL else _value
    head = f"<ci>{functions[node.op]}</ci>" if node.op in functions else f"<{_ELEMENTS[node.op]}/>"
    return _Math.of(f"<apply>{head}", (kind(argument, done) for argument in node.arguments), "</apply>")


def _number(value: float) -> _Math:
    if math.isinf(value):
        return _Math("<infinity/>") if value > 0 else _Math("<apply><minus/><infinity/></apply>", 2)
    digits, mark, exponent = repr(value).partition("e")
    return _Math(
        f'<cn type="e-notation">{digits}<sep/>{int(exponent)}</cn>' if mark else f"<cn>{digits}</cn>"
    )


# SBML keeps truth and numbers apart, formulas do not.


def _condition(formula: Formula, done: Mapping[int, _Math]) -> _Math:
    made = done[id(formula)]
    return made if formula.op in _CONDITIONS else _Math.of("<apply><neq/>", (made, _number(0.0)), "</apply>")


def _value(formula: Formula, done: Mapping[int, _Math]) -> _Math:
    made = done[id(formula)]
    if formula.op not in _CONDITIONS:
        return made
    piece = _Math.of("<piece><cn>1</cn>", (made,), "</piece>")
    return _Math.of("<piecewise>", (piece,), "<otherwise><cn>0</cn></otherwise></piecewise>")
