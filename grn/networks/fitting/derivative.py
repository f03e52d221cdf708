"""Derivatives of formulas, as formulas: the equations of a model's sensitivities are again a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch

from grn.networks.formula import Formula, Op, apply, call, constant, is_constant, nodes, product, total

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

STEPS = frozenset({Op.FLOOR, Op.CEIL, Op.LESS, Op.LESS_EQUAL, Op.EQUAL, Op.AND, Op.OR, Op.NOT})


def tangents(roots: Sequence[Formula], seed: Callable[[Formula], Formula | None]) -> list[Formula]:
    """Directional derivatives of formulas: how they change when their leaves change as the seed says.

    Where a formula has a kink (minimum, absolute value) or a jump, the derivative is that of one side.

    Parameters
    ----------
    roots : sequence of Formula
        To be differentiated.
    seed : callable
        Rate of change of a leaf (a parameter, a species, a delayed species, the time); None for none.

    Returns
    -------
    list of Formula
        One a root, 0 where nothing changes.

    Examples
    --------
    >>> from grn.networks.formula import hill, parameter, species
    >>> x, k = species("x"), parameter("k")
    >>> by_x = {"x": constant(1)}
    >>> [str(d) for d in tangents([k * x, x**2, k], lambda leaf: by_x.get(leaf.name))]
    ['k', '2*x', '0']
    """
    found: dict[int, Formula | None] = {}
    for node in nodes(roots):
        if node.arguments:
            inner = [found[id(argument)] for argument in node.arguments]
            found[id(node)] = None if all(d is None for d in inner) else _chain(node, inner)
        else:
            found[id(node)] = None if node.op in (Op.CONSTANT, Op.CALL) else seed(node)
    return [found[id(root)] or constant(0.0) for root in roots]


def _chain(node: Formula, inner: Sequence[Formula | None]) -> Formula | None:
    if node.op in STEPS:
        return None
    zero = constant(0.0)
    if node.op is Op.SELECT:
        return apply(Op.SELECT, node.arguments[0], inner[1] or zero, inner[2] or zero)
    if node.op in (Op.MINIMUM, Op.MAXIMUM):
        smaller, larger = node.arguments if node.op is Op.MINIMUM else node.arguments[::-1]
        first = apply(Op.LESS_EQUAL, smaller, larger)
        return apply(Op.SELECT, first, inner[0] or zero, inner[1] or zero)
    terms = [_partial(node, i) * change for i, change in enumerate(inner) if change is not None]
    result = total(terms)
    return None if is_constant(result, 0.0) else result


def _partial(node: Formula, i: int) -> Formula:
    """Derivative by argument i, the others held."""
    arguments = node.arguments
    if node.op is Op.CALL:
        assert node.function is not None
        slope = _slope_of(cast("Callable[..., Tensor]", node.function), i)
        return call(slope, *arguments, name=f"d{i}{node.name}")
    if node.op is Op.ADD:
        return constant(1.0)
    if node.op is Op.MULTIPLY:
        return product([*arguments[:i], *arguments[i + 1 :]])
    if node.op in _OF_ONE:
        return _OF_ONE[node.op](arguments[0], node)
    if node.op is Op.DIVIDE:
        return 1 / arguments[1] if i == 0 else -(node / arguments[1])
    if node.op is Op.HILL:
        return _hill(node, i)
    if node.op is Op.POSITIVE_POWER:
        return _power(node, i)
    if node.op is Op.POWER:
        base, exponent = arguments
        if i == 0:
            return exponent * base ** (exponent - 1)
        return node * apply(Op.LOG, apply(Op.SELECT, base, base, 1.0))  # 0ⁿ stays 0 whatever n is
    raise AssertionError(f"no derivative of {node.op.name}")


def _hill(node: Formula, i: int) -> Formula:
    level, threshold, coefficient = node.arguments
    there = apply(Op.LESS, 0.0, level)
    spread = node * (1 - node)
    if i == 0:  # the limit at 0 is 1/K for n = 1, 0 above; below 1 it is infinite and no use
        at_zero = apply(Op.SELECT, apply(Op.EQUAL, coefficient, 1.0), 1 / threshold, 0.0)
        at_zero = apply(Op.SELECT, apply(Op.EQUAL, level, 0.0), at_zero, 0.0)
        return apply(Op.SELECT, there, coefficient * spread / level, at_zero)
    if i == 1:
        return -(coefficient * spread / threshold)
    occupied = apply(Op.LESS, 0.0, node)  # a level so low that level/K is 0 has no logarithm
    return apply(Op.SELECT, occupied, spread * apply(Op.LOG, level / threshold), 0.0)


def _power(node: Formula, i: int) -> Formula:
    base, exponent = node.arguments
    if i == 0:
        rising = apply(Op.LESS_EQUAL, 0.0, base)
        return apply(Op.SELECT, rising, exponent * apply(Op.POSITIVE_POWER, base, exponent - 1), 0.0)
    return apply(Op.SELECT, apply(Op.LESS, 0.0, base), node * apply(Op.LOG, base), 0.0)


# Of the argument x and the value y = f(x).
_OF_ONE: dict[Op, Callable[[Formula, Formula], Formula]] = {
    Op.NEGATE: lambda x, y: constant(-1.0),
    Op.SATURATE: lambda x, y: (1 - y) * (1 - y),
    Op.EXP: lambda x, y: y,
    Op.LOG: lambda x, y: 1 / x,
    Op.SQRT: lambda x, y: 0.5 / y,
    Op.ABS: lambda x, y: apply(Op.SELECT, apply(Op.LESS, x, 0.0), -1.0, 1.0),
    Op.SIN: lambda x, y: apply(Op.COS, x),
    Op.COS: lambda x, y: -apply(Op.SIN, x),
    Op.TAN: lambda x, y: 1 + y * y,
    Op.TANH: lambda x, y: 1 - y * y,
    Op.SINH: lambda x, y: apply(Op.COSH, x),
    Op.COSH: lambda x, y: apply(Op.SINH, x),
    Op.ARCSIN: lambda x, y: 1 / apply(Op.SQRT, 1 - x * x),
    Op.ARCCOS: lambda x, y: -(1 / apply(Op.SQRT, 1 - x * x)),
    Op.ARCTAN: lambda x, y: 1 / (1 + x * x),
}


def _slope_of(function: Callable[..., Tensor], i: int) -> Callable[..., Tensor]:
    """Derivative of the user's function by its argument i, by autograd; members of a batch do not mix."""

    def slope(*arguments: Tensor) -> Tensor:
        with torch.enable_grad():
            at = arguments[i].detach().requires_grad_(True)
            value = function(*arguments[:i], at, *arguments[i + 1 :])
            if not isinstance(value, torch.Tensor) or not value.requires_grad:
                return torch.zeros_like(at)
            return torch.autograd.grad(value.sum(), at)[0]

    return slope
