"""Math of an SBML file as formulas; calls of the model's functions are replaced by what they compute.

`libsbml` reads MathML into a tree, which is walked here without recursion. Conditions give 0 or 1, as in
`Formula`. A piecewise value without ``otherwise`` is NaN where no condition holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from grn.networks.formula import ASSOCIATIVE, Formula, Op, apply, constant, product, time, total
from grn.networks.io.text import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

AVOGADRO = 6.02214179e23  # as SBML Level 3 fixes it
MOST_OPERATIONS = 500_000  # of all formulas of a file, functions inlined
_COPIED_PER_OPERATION = 10  # operands that may be copied while sums are flattened

OWN_FUNCTIONS = {
    Op.HILL: ("hill", "lambda(x, K, n, piecewise(1 / (1 + (K / x)^n), x > 0, 0))"),
    Op.SATURATE: ("saturate", "lambda(u, 1 - 1 / (1 + u))"),
    Op.POSITIVE_POWER: ("positive_power", "lambda(x, n, piecewise(x, x > 0, 0)^n)"),
    Op.MINIMUM: ("minimum", "lambda(a, b, piecewise(a, a <= b, b))"),
    Op.MAXIMUM: ("maximum", "lambda(a, b, piecewise(a, a >= b, b))"),
}
"""Operations that SBML Level 3 Version 1 lacks, as functions of a model: written so, and known again so."""


def require_libsbml() -> ModuleType:
    """Import ``libsbml``, or say in one line how to install it.

    Examples
    --------
    >>> require_libsbml().__name__
    'libsbml'
    """
    try:
        import libsbml
    except ImportError as error:
        raise ImportError('SBML files need libsbml: pip install "grn-pruning[sbml]"') from error
    module: ModuleType = libsbml
    return module


@dataclass(frozen=True, slots=True)
class Place:
    """Where a formula stands in a file, for messages.

    Parameters
    ----------
    path : Path
        The file.
    line : int
        Of the element that holds the formula.
    what : str
        That element in words.

    Examples
    --------
    >>> from pathlib import Path
    >>> str(Place(Path("m.xml"), 4, "reaction 'R'").error("it has no kinetic law"))
    "m.xml:4: reaction 'R': it has no kinetic law"
    """

    path: Path
    line: int
    what: str

    def error(self, message: str) -> FormatError:
        """Return the error to raise."""
        return FormatError(self.path, self.line, f"{self.what}: {message}")


class Translator:
    """Turns the math of one file into formulas, within one limit on their size.

    Parameters
    ----------
    functions : mapping of str to libsbml.ASTNode
        The ``lambda`` of each function definition.

    Examples
    --------
    >>> from pathlib import Path
    >>> from grn.networks.formula import species
    >>> libsbml = require_libsbml()
    >>> twice = libsbml.parseL3Formula("lambda(x, 2*x)")
    >>> law = libsbml.parseL3Formula("twice(A) / (1 + A)")
    >>> names = {"A": species("A")}
    >>> str(Translator({"twice": twice}).formula(law, names, Place(Path("m.xml"), 1, "reaction 'R'")))
    '2*A/(1 + A)'
    """

    def __init__(self, functions: Mapping[str, Any]) -> None:
        libsbml = require_libsbml()
        known = {text: op for op, (_, text) in OWN_FUNCTIONS.items()}
        self._functions = functions
        self._own = {
            name: known.get(libsbml.formulaToL3String(definition)) for name, definition in functions.items()
        }
        self._left = MOST_OPERATIONS * _COPIED_PER_OPERATION

    def formula(self, root: Any, names: Mapping[str, Formula], place: Place) -> Formula:
        """Translate one formula.

        Parameters
        ----------
        root : libsbml.ASTNode
            The formula.
        names : mapping of str to Formula
            What each name in it stands for.
        place : Place
            For messages.

        Returns
        -------
        Formula
            The same, without calls.

        Raises
        ------
        FormatError
            If a name or an operation is unknown, the number of arguments is wrong, a number is NaN, or
            the formulas grow beyond `MOST_OPERATIONS`.
        """
        libsbml = require_libsbml()
        values: list[Formula] = []
        tasks: list[tuple[Any, Mapping[str, Formula], bool]] = [(root, names, False)]
        while tasks:
            node, scope, entered = tasks.pop()
            count = node.getNumChildren()
            if not entered:
                self._spend(_COPIED_PER_OPERATION, place)
                if node.isNumber() or (count == 0 and node.getType() in _symbols()):
                    values.append(_number(node, place))
                elif node.getType() == libsbml.AST_NAME_TIME:
                    values.append(time())
                elif node.getType() == libsbml.AST_NAME:
                    values.append(_named(node.getName(), scope, place))
                else:
                    tasks.append((node, scope, True))
                    tasks.extend((node.getChild(k), scope, False) for k in reversed(range(count)))
                continue
            arguments = values[len(values) - count :]
            del values[len(values) - count :]
            self._spend(sum(len(a.arguments) for a in arguments if a.op in ASSOCIATIVE), place)
            if node.getType() != libsbml.AST_FUNCTION:
                values.append(_operation(node, arguments, place))
                continue
            own, body, inner = self._call(node.getName(), arguments, place)
            if own is not None:
                values.append(apply(own, *arguments))
            else:
                tasks.append((body, inner, False))
        return values[0]

    def _call(
        self, name: str, arguments: Sequence[Formula], place: Place
    ) -> tuple[Op | None, Any, Mapping[str, Formula]]:
        definition = self._functions.get(name)
        if definition is None:
            raise place.error(f"it calls {name!r}, which is neither a function of MathML nor of the model")
        wanted = definition.getNumChildren() - 1
        if len(arguments) != wanted:
            raise place.error(f"function {name!r} takes {wanted} arguments, got {len(arguments)}")
        bound = (definition.getChild(k).getName() for k in range(wanted))
        return self._own[name], definition.getChild(wanted), dict(zip(bound, arguments, strict=True))

    def _spend(self, amount: int, place: Place) -> None:
        self._left -= amount
        if self._left < 0:
            raise place.error(
                f"the formulas of this file hold more than {MOST_OPERATIONS} operations once functions and "
                "assignments are inlined; does a function call itself?"
            )


def names_in(root: Any) -> Iterator[str]:
    """Yield every name that a formula of `libsbml` uses, repeats included.

    Examples
    --------
    >>> sorted(names_in(require_libsbml().parseL3Formula("k*A + f(B, time)")))
    ['A', 'B', 'k']
    """
    libsbml = require_libsbml()
    stack = [root]
    while stack:
        node = stack.pop()
        if node.getType() == libsbml.AST_NAME:
            yield node.getName()
        stack.extend(node.getChild(k) for k in range(node.getNumChildren()))


def _named(name: str, scope: Mapping[str, Formula], place: Place) -> Formula:
    if name not in scope:
        raise place.error(f"it uses {name!r}, which is not defined")
    return scope[name]


@cache
def _symbols() -> Mapping[int, float]:
    libsbml = require_libsbml()
    return {
        libsbml.AST_CONSTANT_PI: math.pi,  # libsbml's own value has 7 digits
        libsbml.AST_CONSTANT_E: math.e,
        libsbml.AST_CONSTANT_TRUE: 1.0,
        libsbml.AST_CONSTANT_FALSE: 0.0,
        libsbml.AST_NAME_AVOGADRO: AVOGADRO,
    }


def _number(node: Any, place: Place) -> Formula:
    kind = node.getType()
    if kind in _symbols():
        return constant(_symbols()[kind])
    if kind == require_libsbml().AST_REAL_E:  # by decimal digits, which a power of ten would not keep
        value = float(f"{node.getMantissa()!r}e{node.getExponent()}")
    else:
        value = float(node.getValue())
    if math.isnan(value):
        raise place.error("it holds the number NaN")
    return constant(value)


def _operation(node: Any, arguments: Sequence[Formula], place: Place) -> Formula:
    known = _operations().get(node.getType())
    if known is None:
        raise place.error(f"the MathML operator {_name_of(node)!r} is not supported")
    fewest, most, build = known
    if not fewest <= len(arguments) <= most:
        raise place.error(f"the MathML operator {_name_of(node)!r} does not take {len(arguments)} arguments")
    return build(arguments)


def _name_of(node: Any) -> str:
    """Name of an operation in MathML, by the name that `libsbml` gives its number."""
    libsbml = require_libsbml()
    for name in dir(libsbml):
        if name.startswith("AST_") and getattr(libsbml, name) == node.getType():
            for prefix in ("AST_", "FUNCTION_", "RELATIONAL_", "LOGICAL_", "CSYMBOL_"):
                name = name.removeprefix(prefix)
            return name.lower()
    return str(node.getName())


_ANY = 10**9  # arguments
_UNARY = {
    "EXP": Op.EXP,
    "LN": Op.LOG,
    "ABS": Op.ABS,
    "FLOOR": Op.FLOOR,
    "CEILING": Op.CEIL,
    "SIN": Op.SIN,
    "COS": Op.COS,
    "TAN": Op.TAN,
    "SINH": Op.SINH,
    "COSH": Op.COSH,
    "TANH": Op.TANH,
    "ARCSIN": Op.ARCSIN,
    "ARCCOS": Op.ARCCOS,
    "ARCTAN": Op.ARCTAN,
}
_RECIPROCAL = {"SEC": Op.COS, "CSC": Op.SIN, "COT": Op.TAN, "SECH": Op.COSH, "CSCH": Op.SINH, "COTH": Op.TANH}
_OF_RECIPROCAL = {"ARCSEC": Op.ARCCOS, "ARCCSC": Op.ARCSIN, "ARCCOT": Op.ARCTAN}


@cache
def _operations() -> Mapping[int, tuple[int, int, Callable[[Sequence[Formula]], Formula]]]:
    """Of each type of node: fewest arguments, most arguments, what is made of them."""
    table: dict[str, tuple[int, int, Callable[[Sequence[Formula]], Formula]]] = {
        "PLUS": (0, _ANY, total),
        "TIMES": (0, _ANY, product),
        "MINUS": (1, 2, lambda a: a[0] - a[1] if len(a) == 2 else -a[0]),
        "DIVIDE": (2, 2, lambda a: a[0] / a[1]),
        "POWER": (2, 2, lambda a: a[0] ** a[1]),
        "FUNCTION_POWER": (2, 2, lambda a: a[0] ** a[1]),
        "FUNCTION_ROOT": (1, 2, _root),
        "FUNCTION_LOG": (1, 2, _logarithm),
        "FUNCTION_PIECEWISE": (0, _ANY, _piecewise),
        "FUNCTION_MIN": (1, _ANY, lambda a: _tree(Op.MINIMUM, a)),
        "FUNCTION_MAX": (1, _ANY, lambda a: _tree(Op.MAXIMUM, a)),
        "FUNCTION_QUOTIENT": (2, 2, lambda a: _truncated(a[0] / a[1])),
        "FUNCTION_REM": (2, 2, lambda a: a[0] - a[1] * _truncated(a[0] / a[1])),
        "RELATIONAL_LT": (1, _ANY, _chain(lambda a, b: apply(Op.LESS, a, b))),
        "RELATIONAL_LEQ": (1, _ANY, _chain(lambda a, b: apply(Op.LESS_EQUAL, a, b))),
        "RELATIONAL_GT": (1, _ANY, _chain(lambda a, b: apply(Op.LESS, b, a))),
        "RELATIONAL_GEQ": (1, _ANY, _chain(lambda a, b: apply(Op.LESS_EQUAL, b, a))),
        "RELATIONAL_EQ": (1, _ANY, _chain(lambda a, b: apply(Op.EQUAL, a, b))),
        "RELATIONAL_NEQ": (2, 2, lambda a: apply(Op.NOT, apply(Op.EQUAL, *a))),
        "LOGICAL_AND": (0, _ANY, lambda a: _tree(Op.AND, a) if a else constant(1)),
        "LOGICAL_OR": (0, _ANY, lambda a: _tree(Op.OR, a) if a else constant(0)),
        "LOGICAL_XOR": (0, _ANY, lambda a: reduce(_exclusive, a, constant(0))),
        "LOGICAL_NOT": (1, 1, lambda a: apply(Op.NOT, a[0])),
        "LOGICAL_IMPLIES": (2, 2, lambda a: apply(Op.OR, apply(Op.NOT, a[0]), a[1])),
    }
    # Bound as defaults: a closure would see the last operation of the loop alone.
    for name, op in _UNARY.items():
        table[f"FUNCTION_{name}"] = 1, 1, lambda a, op=op: apply(op, a[0])  # type: ignore[misc]
    for name, op in _RECIPROCAL.items():
        table[f"FUNCTION_{name}"] = 1, 1, lambda a, op=op: 1 / apply(op, a[0])  # type: ignore[misc]
    for name, op in _OF_RECIPROCAL.items():
        table[f"FUNCTION_{name}"] = 1, 1, lambda a, op=op: apply(op, 1 / a[0])  # type: ignore[misc]
    libsbml = require_libsbml()
    return {getattr(libsbml, f"AST_{name}"): entry for name, entry in table.items()}


def _root(arguments: Sequence[Formula]) -> Formula:
    *degree, radicand = arguments
    if not degree or (degree[0].op is Op.CONSTANT and degree[0].value == 2):
        return apply(Op.SQRT, radicand)
    return radicand ** (1 / degree[0])


def _logarithm(arguments: Sequence[Formula]) -> Formula:
    *base, value = arguments
    return apply(Op.LOG, value) / apply(Op.LOG, base[0] if base else constant(10))


def _piecewise(arguments: Sequence[Formula]) -> Formula:
    """Of (value, condition, value, condition, …, otherwise)."""
    undefined = Formula(Op.DIVIDE, (constant(0), constant(0)))
    result = arguments[-1] if len(arguments) % 2 else undefined
    for k in reversed(range(0, len(arguments) - 1, 2)):
        result = apply(Op.SELECT, arguments[k + 1], arguments[k], result)
    return result


def _chain(relation: Callable[[Formula, Formula], Formula]) -> Callable[[Sequence[Formula]], Formula]:
    """Return a relation of any number of arguments: each to the next."""

    def holds(arguments: Sequence[Formula]) -> Formula:
        pairs = [relation(a, b) for a, b in pairwise(arguments)]
        return _tree(Op.AND, pairs) if pairs else constant(1)

    return holds


def _tree(op: Op, operands: Sequence[Formula]) -> Formula:
    """One operation of two arguments on any number of them, as shallow as may be."""
    while len(operands) > 1:
        paired = [apply(op, a, b) for a, b in zip(operands[::2], operands[1::2], strict=False)]
        operands = [*paired, *operands[len(operands) - len(operands) % 2 :]]
    return operands[0]


def _exclusive(a: Formula, b: Formula) -> Formula:
    return apply(Op.NOT, apply(Op.EQUAL, apply(Op.NOT, a), apply(Op.NOT, b)))


def _truncated(value: Formula) -> Formula:
    return apply(Op.SELECT, apply(Op.LESS, value, 0), apply(Op.CEIL, value), apply(Op.FLOOR, value))
