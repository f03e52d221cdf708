"""Rate laws as symbolic formulas: what regulation and reactions are written in, whoever evaluates them.

Every promoter form and every imported rate law becomes a `Formula`. `grn.networks.program` turns formulas
into one flat list of operations that torch runs over a batch and numba runs molecule by molecule.

>>> from grn.networks.formula import parameter, species
>>> rate = parameter("k") * species("A") / (1 + species("B"))
>>> str(rate)
'k*A/(1 + B)'
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Op(IntEnum):
    """Operations of a formula; the compiled kernels know them by these numbers."""

    CONSTANT = 0
    PARAMETER = 1
    SPECIES = 2
    TIME = 3
    CALL = 4
    ADD = 10
    MULTIPLY = 11
    NEGATE = 12
    DIVIDE = 13
    POWER = 14
    HILL = 15  # xⁿ/(Kⁿ + xⁿ) of (x, K, n), 0 for x ≤ 0
    SATURATE = 16  # u/(1 + u), 1 for u = ∞
    POSITIVE_POWER = 17  # max(x, 0)ⁿ of (x, n)
    EXP = 20
    LOG = 21
    SQRT = 22
    ABS = 23
    FLOOR = 24
    CEIL = 25
    SIN = 26
    COS = 27
    TAN = 28
    TANH = 29
    SINH = 30
    COSH = 31
    ARCSIN = 32
    ARCCOS = 33
    ARCTAN = 34
    MINIMUM = 40
    MAXIMUM = 41
    LESS = 50  # comparisons and logic give 0 or 1
    LESS_EQUAL = 51
    EQUAL = 52
    AND = 53
    OR = 54
    NOT = 55
    SELECT = 56  # b where a ≠ 0, else c, of (a, b, c)


LEAVES = frozenset({Op.CONSTANT, Op.PARAMETER, Op.SPECIES, Op.TIME})
ASSOCIATIVE = frozenset({Op.ADD, Op.MULTIPLY})


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """One operation on other formulas; made by the functions of this module and by arithmetic.

    Parameters
    ----------
    op : Op
        What is done.
    arguments : tuple of Formula
        To what.
    name : str
        Of a parameter, a species, or a function of the user's.
    value : float
        Of a constant.
    delay : float
        Of a species: the concentration this long ago, in the time unit of the model.
    function : callable, optional
        Of `call`.

    Examples
    --------
    >>> x = species("A")
    >>> str(2 * x - x**2)
    '2*A - A^2'
    """

    op: Op
    arguments: tuple[Formula, ...] = ()
    name: str = ""
    value: float = 0.0
    delay: float = 0.0
    function: Callable[..., object] | None = None

    def __add__(self, other: Formula | float) -> Formula:
        return total((self, as_formula(other)))

    def __radd__(self, other: float) -> Formula:
        return total((as_formula(other), self))

    def __mul__(self, other: Formula | float) -> Formula:
        return product((self, as_formula(other)))

    def __rmul__(self, other: float) -> Formula:
        return product((as_formula(other), self))

    def __neg__(self) -> Formula:
        if self.op is Op.NEGATE:
            return self.arguments[0]
        return constant(-self.value) if self.op is Op.CONSTANT else Formula(Op.NEGATE, (self,))

    def __sub__(self, other: Formula | float) -> Formula:
        return self + -as_formula(other)

    def __rsub__(self, other: float) -> Formula:
        return as_formula(other) + -self

    def __truediv__(self, other: Formula | float) -> Formula:
        divisor = as_formula(other)
        return self if is_constant(divisor, 1) else Formula(Op.DIVIDE, (self, divisor))

    def __rtruediv__(self, other: float) -> Formula:
        return Formula(Op.DIVIDE, (as_formula(other), self))

    def __pow__(self, other: Formula | float) -> Formula:
        exponent = as_formula(other)
        return self if is_constant(exponent, 1) else Formula(Op.POWER, (self, exponent))

    def __str__(self) -> str:
        return written(self)

    def __repr__(self) -> str:
        return f"<Formula {self}>"


def constant(value: float) -> Formula:
    """Return a number as a formula.

    Examples
    --------
    >>> str(constant(2.5))
    '2.5'
    """
    return Formula(Op.CONSTANT, value=float(value))


def parameter(name: str) -> Formula:
    """Return a named parameter of the model.

    Examples
    --------
    >>> str(parameter("k1"))
    'k1'
    """
    return Formula(Op.PARAMETER, name=name)


def species(name: str, delay: float = 0.0) -> Formula:
    """Concentration of a species, ``delay`` ago.

    Examples
    --------
    >>> str(species("A")), str(species("A", delay=2))
    ('A', 'delay(A, 2)')
    """
    return Formula(Op.SPECIES, name=name, delay=float(delay))


def time() -> Formula:
    """Return the time, in the unit of the model."""
    return Formula(Op.TIME)


def call(function: Callable[..., object], *arguments: Formula, name: str = "") -> Formula:
    """Value of the user's function of tensors, one an argument, each of shape (batch,).

    Only torch evaluates it: stochastic simulation and files refuse it.

    Examples
    --------
    >>> str(call(lambda x: x.cos(), species("A"), name="f"))
    'f(A)'
    """
    label = name or getattr(function, "__name__", "function")
    return Formula(Op.CALL, arguments, name=label, function=function)


def apply(op: Op, *arguments: Formula | float) -> Formula:
    """Return one operation on formulas or numbers.

    Examples
    --------
    >>> str(apply(Op.EXP, species("A")))
    'exp(A)'
    """
    return Formula(op, tuple(as_formula(argument) for argument in arguments))


def hill(level: Formula, threshold: Formula | float, coefficient: Formula | float) -> Formula:
    """``xⁿ/(Kⁿ + xⁿ)``, 0 for x ≤ 0.

    Examples
    --------
    >>> str(hill(species("A"), 10, 2))
    'hill(A, 10, 2)'
    """
    return apply(Op.HILL, level, threshold, coefficient)


def total(terms: Iterable[Formula | float]) -> Formula:
    """Sum of any number of terms, 0 for none; zeros are left out.

    Examples
    --------
    >>> str(total([species("A"), 0, species("B")])), str(total([]))
    ('A + B', '0')
    """
    return _flat(Op.ADD, terms, 0.0)


def product(factors: Iterable[Formula | float]) -> Formula:
    """Product of any number of factors, 1 for none; ones are left out, a zero makes it zero.

    Examples
    --------
    >>> str(product([species("A"), 1, species("B")])), str(product([species("A"), 0]))
    ('A*B', '0')
    """
    return _flat(Op.MULTIPLY, factors, 1.0)


def _flat(op: Op, operands: Iterable[Formula | float], neutral: float) -> Formula:
    """One operation on all operands, those of nested ones of the same kind among them."""
    flat: list[Formula] = []
    number = neutral
    for operand in map(as_formula, operands):
        for inner in operand.arguments if operand.op is op else (operand,):
            if inner.op is Op.CONSTANT:
                number = number + inner.value if op is Op.ADD else number * inner.value
            else:
                flat.append(inner)
    if op is Op.MULTIPLY and number == 0:
        return constant(0.0)
    if number != neutral:
        flat.insert(0, constant(number))
    if len(flat) == 1:
        return flat[0]
    return Formula(op, tuple(flat)) if flat else constant(neutral)


def as_formula(value: Formula | float) -> Formula:
    """Return a number as a constant, a formula as it is.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If it is NaN.

    Examples
    --------
    >>> str(as_formula(3))
    '3'
    """
    if isinstance(value, Formula):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a rate law is made of formulas and numbers, got {value!r}")
    if math.isnan(value):
        raise ValueError("a constant of a rate law must be a number, got NaN")
    return constant(value)


def is_constant(formula: Formula, value: float) -> bool:
    """Whether a formula is just this number.

    Examples
    --------
    >>> is_constant(constant(1), 1), is_constant(species("A"), 1)
    (True, False)
    """
    return formula.op is Op.CONSTANT and formula.value == value


def nodes(roots: Iterable[Formula]) -> Iterator[Formula]:
    """Yield every operation below ``roots`` once, arguments before what uses them; without recursion.

    Examples
    --------
    >>> [str(node) for node in nodes([2 * species("A") + 1])]
    ['1', '2', 'A', '2*A', '1 + 2*A']
    """
    seen: set[int] = set()
    for root in roots:
        stack = [(root, False)]
        while stack:
            node, expanded = stack.pop()
            if expanded:
                yield node
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((node, True))
                stack.extend((argument, False) for argument in reversed(node.arguments))


def replace_leaves(root: Formula, replacement: Callable[[Formula], Formula | None]) -> Formula:
    """Return the formula with some of its leaves exchanged: None keeps a leaf.

    Examples
    --------
    >>> known = {"k": constant(2)}
    >>> str(replace_leaves(parameter("k") * species("A"), lambda leaf: known.get(leaf.name)))
    '2*A'
    """
    made: dict[int, Formula] = {}
    for node in nodes([root]):
        if node.op in LEAVES:
            made[id(node)] = replacement(node) or node
            continue
        arguments = tuple(made[id(argument)] for argument in node.arguments)
        if all(new is old for new, old in zip(arguments, node.arguments, strict=True)):
            made[id(node)] = node
        elif node.op in ASSOCIATIVE:
            made[id(node)] = total(arguments) if node.op is Op.ADD else product(arguments)
        else:
            made[id(node)] = Formula(node.op, arguments, name=node.name, function=node.function)
    return made[id(root)]


_BINDING = {Op.ADD: 1, Op.NEGATE: 1, Op.MULTIPLY: 2, Op.DIVIDE: 2, Op.POWER: 3}
_INFIX = {Op.LESS: " < ", Op.LESS_EQUAL: " <= ", Op.EQUAL: " == ", Op.AND: " && ", Op.OR: " || "}


def written(root: Formula) -> str:
    """Return the formula as text, in the infix notation that SBML tools share.

    Examples
    --------
    >>> written((species("A") + 1) * parameter("k"))
    '(1 + A)*k'
    """
    text: dict[int, tuple[str, int]] = {}  # of each node, with how tightly its last operation binds

    def part(node: Formula, needed: int) -> str:
        string, binding = text[id(node)]
        return f"({string})" if binding < needed else string

    for node in nodes([root]):
        arguments = node.arguments
        binding = _BINDING.get(node.op, 9)
        if node.op is Op.CONSTANT:
            short = f"{node.value:.12g}"
            string = short if float(short) == node.value else repr(node.value)
            binding = 0 if node.value < 0 else 9
        elif node.op in (Op.PARAMETER, Op.SPECIES):
            string = f"delay({node.name}, {node.delay:g})" if node.delay else node.name
        elif node.op is Op.TIME:
            string = "time"
        elif node.op is Op.ADD:
            string = part(arguments[0], 1)
            for argument in arguments[1:]:
                negative = argument.op is Op.NEGATE
                string += f" - {part(argument.arguments[0], 2)}" if negative else f" + {part(argument, 1)}"
        elif node.op is Op.MULTIPLY:
            string = "*".join(part(argument, 2) for argument in arguments)
        elif node.op is Op.NEGATE:
            string = "-" + part(arguments[0], 2)
        elif node.op is Op.DIVIDE:
            string = f"{part(arguments[0], 2)}/{part(arguments[1], 3)}"
        elif node.op is Op.POWER:
            string = f"{part(arguments[0], 4)}^{part(arguments[1], 4)}"
        elif node.op in _INFIX:
            string, binding = _INFIX[node.op].join(part(argument, 9) for argument in arguments), 0
        else:
            label = node.name if node.op is Op.CALL else node.op.name.lower()
            string = f"{label}({', '.join(text[id(argument)][0] for argument in arguments)})"
        text[id(node)] = string, binding
    return text[id(root)][0]
