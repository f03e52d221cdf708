"""The interpreter of rate laws in compiled code: one function for all systems, compiled once and cached.

It runs the operations of a program (`grn.networks.program.OperationList`) over an array of values.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[Any]

F = TypeVar("F", bound="Callable[..., Any]")

# No fast mathematics: infinities and NaN mean what they mean to torch.
_PLAIN: dict[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}
compiled = cast("Callable[[F], F]", njit(**_PLAIN))
# A call would count references to every array that it is given, which costs more than what is done here.
inlined = cast("Callable[[F], F]", njit(**_PLAIN, forceinline=True))

# The numbers of `grn.networks.formula.Op`; a test compares them. Imported, they would not reach the cache.
ADD, MULTIPLY, NEGATE, DIVIDE, POWER, HILL, SATURATE, POSITIVE_POWER = range(10, 18)
EXP, LOG, SQRT, ABS, FLOOR, CEIL, SIN, COS, TAN, TANH, SINH, COSH, ARCSIN, ARCCOS, ARCTAN = range(20, 35)
MINIMUM, MAXIMUM = 40, 41
LESS, LESS_EQUAL, EQUAL, AND, OR, NOT, SELECT = range(50, 57)


class Machine(NamedTuple):
    """A program for the interpreter: operations, a row (code, target, three arguments) each, and layout."""

    operations: Array
    outputs: Array
    constants: Array
    fixed: int
    parameters: int
    species: int
    time: int
    size: int


@inlined
def integer_power(x: float, n: float) -> float:
    """``xⁿ`` for x ≥ 0, small whole n by multiplication."""
    if n == 2.0:
        return x * x
    if n == 1.0:
        return x
    if n == 3.0:
        return x * x * x
    if n == 4.0:
        return (x * x) * (x * x)
    return float(x**n)


@inlined
def operate(code: int, a: float, b: float, c: float) -> float:
    """Value of one operation, as `grn.networks.program` has torch compute it."""
    if code == MULTIPLY:
        return a * b
    if code == ADD:
        return a + b
    if code == HILL:
        # Powers of numbers up to 1 alone: neither side overflows.
        ratio = (0.0 if a < 0.0 else a) / b
        if ratio > 1.0:
            return 1.0 / (1.0 + integer_power(1.0 / ratio, c))
        small = integer_power(ratio, c)
        return small / (1.0 + small)
    if code == DIVIDE:
        return a / b
    if code == NEGATE:
        return -a
    if code == SATURATE:
        return 1.0 - 1.0 / (1.0 + a)
    if code == POSITIVE_POWER:
        return integer_power(0.0 if a < 0.0 else a, b)
    if code == POWER:
        return float(a**b)
    if code < LESS:
        return _function(code, a, b)
    if code == LESS:
        return 1.0 if a < b else 0.0
    if code == LESS_EQUAL:
        return 1.0 if a <= b else 0.0
    if code == EQUAL:
        return 1.0 if a == b else 0.0
    if code == AND:
        return 1.0 if a != 0.0 and b != 0.0 else 0.0
    if code == OR:
        return 1.0 if a != 0.0 or b != 0.0 else 0.0
    if code == NOT:
        return 1.0 if a == 0.0 else 0.0
    if code == SELECT:
        return b if a != 0.0 else c
    return math.nan


@compiled
def _function(code: int, a: float, b: float) -> float:
    """Value of a rarer operation; NaN of either argument stays NaN in minimum and maximum."""
    if code == EXP:
        return math.exp(a)
    if code == LOG:
        return float(np.log(a))
    if code == SQRT:
        return float(np.sqrt(a))
    if code == ABS:
        return abs(a)
    if code == FLOOR:
        return float(np.floor(a))
    if code == CEIL:
        return float(np.ceil(a))
    if code == SIN:
        return math.sin(a)
    if code == COS:
        return math.cos(a)
    if code == TAN:
        return math.tan(a)
    if code == TANH:
        return math.tanh(a)
    if code == SINH:
        return math.sinh(a)
    if code == COSH:
        return math.cosh(a)
    if code == ARCSIN:
        return float(np.arcsin(a))
    if code == ARCCOS:
        return float(np.arccos(a))
    if code == ARCTAN:
        return math.atan(a)
    if code == MINIMUM:
        return a if a < b or a != a else b
    if code == MAXIMUM:
        return a if a > b or a != a else b
    return math.nan


@inlined
def run(operations: Array, values: Array, begin: int, end: int) -> None:
    """Run operations ``begin`` to ``end`` over ``values``, in place."""
    for i in range(begin, end):
        values[operations[i, 1]] = operate(
            operations[i, 0], values[operations[i, 2]], values[operations[i, 3]], values[operations[i, 4]]
        )


@inlined
def prepare(machine: Machine, values: Array, parameters: Array) -> None:
    """Set constants and parameters, and compute what depends on them alone."""
    values[: machine.parameters] = machine.constants
    values[machine.parameters : machine.species] = parameters
    values[machine.time] = 0.0
    run(machine.operations, values, 0, machine.fixed)


@compiled
def note(row: Array, code: int, time: float, which: int, value: float) -> None:
    """Report how a trajectory ended."""
    row[0] = code
    row[1] = time
    row[2] = which
    row[3] = value
