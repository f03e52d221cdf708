"""How each operation passes on what its arguments carry.

A rule takes the operation's arguments by name, what they carry, and the result; it returns what the result
carries. An operation without a rule is refused, so that no path is lost or guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._pytree import tree_flatten, tree_unflatten

from pruning.topology.tracing.carry import Carried, Carry, joined
from pruning.topology.tracing.operation_names import (
    ATTENTION,
    BATCH_NORM,
    FORGETTING,
    POINTWISE,
    POOLING,
    REDUCING,
    RESHAPING,
)

Look = Callable[[Any], Carried]
Rule = Callable[[dict[str, Any], Look, Tensor], Carried]


class UnknownOperationError(ValueError):
    """An operation that the tracing has no rule for."""


def rule_of(func: OpOverload) -> Rule | None:
    """Return the rule of an operation with one result, None where there is none."""
    name = base_name(func)
    if name in RULES:
        return RULES[name]
    kin = getattr(torch.ops.aten, name, None)  # not every variant in place has the tag of the plain one
    variants = [func] if kin is None else [func, *(getattr(kin, overload) for overload in kin.overloads())]
    return _pointwise if any(torch.Tag.pointwise in variant.tags for variant in variants) else None


def base_name(func: OpOverload) -> str:
    """Name without the underscore of the variant that works in place."""
    name = str(func.overloadpacket.__name__)
    return name[:-1] if name.endswith("_") and func._schema.is_mutable else name


def by_name(func: OpOverload, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by the names of the operation's schema, defaults included."""
    names = [argument.name for argument in func._schema.arguments]
    defaults = {
        argument.name: argument.default_value
        for argument in func._schema.arguments
        if argument.has_default_value()
    }
    return defaults | dict(zip(names, args, strict=False)) | kwargs


def move(func: OpOverload, args: Sequence[Any], kwargs: dict[str, Any], look: Look) -> list[Carried]:
    """What the results of an operation that moves elements carry: the operation is done to the labels."""
    name = base_name(func)
    if name == "constant_pad_nd":
        args, kwargs = args[:2], {}  # padded with 0, whatever the value: it is no unit
    flat, structure = tree_flatten((tuple(args), kwargs))
    carried = [look(value) if isinstance(value, Tensor) else {} for value in flat]

    def moved(labels: Sequence[Tensor | None]) -> list[Tensor]:
        """Do the operation to labels instead of values; where there are none, they are 0."""
        if name in RESHAPING:
            assert labels[0] is not None
            return [labels[0].reshape(args[1])]
        replaced = [
            (own.clone() if func._schema.is_mutable else own)
            if own is not None
            else torch.zeros_like(value, dtype=torch.float64)
            if isinstance(value, Tensor) and value.is_floating_point()
            else value
            for value, own in zip(flat, labels, strict=True)
        ]
        new_args, new_kwargs = tree_unflatten(replaced, structure)
        out = func(*new_args, **new_kwargs)
        return list(out) if isinstance(out, list | tuple) else [out]

    results: list[Carried] = []
    for source in dict.fromkeys(name for part in carried for name in part):
        parts = [part.get(source) for part in carried]
        direct = moved([None if part is None else part.direct for part in parts])
        mixed: Sequence[Tensor | None] = [None] * len(direct)
        if any(part is not None and part.mixed is not None for part in parts):
            mixed = moved([None if part is None else _mixed(part) for part in parts])
        sets = next(part.sets for part in parts if part is not None)
        results = results or [{} for _ in direct]
        for result, one, other in zip(results, direct, mixed, strict=True):
            result[source] = Carry(sets, one, other)
    return results


def _mixed(carry: Carry) -> Tensor:
    return torch.zeros_like(carry.direct) if carry.mixed is None else carry.mixed


def _pointwise(given: dict[str, Any], look: Look, out: Tensor) -> Carried:
    parts = [look(value) for value in given.values() if isinstance(value, Tensor)]
    return joined(_each(part, lambda carry: carry.expanded(out.shape)) for part in parts)


def _reducing(given: dict[str, Any], look: Look, out: Tensor) -> Carried:
    values = given["self"]
    wanted = given.get("dim")
    if wanted is None or (isinstance(wanted, list | tuple) and not wanted):
        wanted = range(values.dim())
    dims = [wanted] if isinstance(wanted, int) else list(wanted)
    return _each(look(values), lambda carry: carry.reduced(dims).moved(lambda part: part.reshape(out.shape)))


def _pooling(dims: int) -> Rule:
    def rule(given: dict[str, Any], look: Look, out: Tensor) -> Carried:
        last = range(-dims, 0)
        return _each(look(given["self"]), lambda carry: carry.reduced(last).expanded(out.shape))

    return rule


def _batch_norm(given: dict[str, Any], look: Look, out: Tensor) -> Carried:
    _only(given, look, "input")
    return look(given["input"])


def _layer_norm(given: dict[str, Any], look: Look, out: Tensor) -> Carried:
    _only(given, look, "input")
    dims = range(-len(given["normalized_shape"]), 0)
    return _each(look(given["input"]), lambda carry: carry.normalised(dims))


def _group_norm(given: dict[str, Any], look: Look, out: Tensor) -> Carried:
    _only(given, look, "input")
    grouped = (given["N"], given["group"], -1)

    def rule(carry: Carry) -> Carry:
        inner = carry.moved(lambda labels: labels.reshape(grouped)).normalised([2])
        return inner.moved(lambda labels: labels.reshape(out.shape))

    return _each(look(given["input"]), rule)


def _softmax(given: dict[str, Any], look: Look, out: Tensor) -> Carried:
    return _each(look(given["self"]), lambda carry: carry.normalised([given["dim"]]))


def _matrix_product(first: str, second: str) -> Rule:
    """Sum over the last dimension of the first factor and the last but one of the second."""

    def rule(given: dict[str, Any], look: Look, out: Tensor) -> Carried:
        parts = [
            _each(look(given[first]), lambda carry: carry.reduced([-1]).expanded(out.shape)),
            _each(look(given[second]), lambda carry: carry.reduced([-2]).expanded(out.shape)),
        ]
        if first != "self":  # addmm, baddbmm: what is added
            parts.append(_each(look(given["self"]), lambda carry: carry.expanded(out.shape)))
        return joined(parts)

    return rule


def _linear(given: dict[str, Any], look: Look, out: Tensor) -> Carried:
    _only(given, look, "input")
    return _each(look(given["input"]), lambda carry: carry.reduced([-1]).expanded(out.shape))


def _convolution(given: dict[str, Any], look: Look, out: Tensor) -> Carried:
    """Every output of a group reads all the group's channels, as if at all places."""
    _only(given, look, "input")
    groups, batch, channels = given["groups"], out.shape[0], out.shape[1]

    def rule(carry: Carry) -> Carry:
        reduced = carry.moved(lambda labels: labels.reshape(batch, groups, 1, -1)).reduced([3])
        spread = reduced.expanded((batch, groups, channels // groups, 1))
        wide = spread.moved(lambda labels: labels.reshape(batch, channels, *(1,) * (out.dim() - 2)))
        return wide.expanded(out.shape)

    return _each(look(given["input"]), rule)


def _attention(given: dict[str, Any], look: Look, out: Tensor) -> Carried:
    """Values go on unit by unit; queries and keys decide how much of each, all units of a head together."""
    query, key, value = (look(given[name]) for name in ("query", "key", "value"))
    bias = look(given.get("attn_mask", given.get("attn_bias")))
    if given["key"].shape[:-2] != given["query"].shape[:-2]:
        raise UnknownOperationError("its queries and keys have not the same heads")
    parts = [
        _each(value, lambda carry: carry.reduced([-2]).expanded(out.shape)),
        _each(query, lambda carry: carry.reduced([-1]).expanded(out.shape)),
        _each(key, lambda carry: carry.reduced([-2, -1]).expanded(out.shape)),
        _each(bias, lambda carry: carry.reduced([-1]).expanded(out.shape)),
    ]
    return joined(parts)


def _forgetting(given: dict[str, Any], look: Look, out: Tensor) -> Carried:
    return {}


def _each(carried: Carried, change: Callable[[Carry], Carry]) -> Carried:
    return {source: change(carry) for source, carry in carried.items()}


def _only(given: dict[str, Any], look: Look, name: str) -> None:
    """Refuse weights that are themselves computed from units."""
    for other, value in given.items():
        if other != name and look(value):
            raise UnknownOperationError(f"its argument {other!r} is computed from units of gated layers")


RULES: dict[str, Rule] = {
    **dict.fromkeys(POINTWISE, _pointwise),
    **dict.fromkeys(REDUCING, _reducing),
    **{name: _pooling(dims) for name, dims in POOLING.items()},
    **dict.fromkeys(BATCH_NORM, _batch_norm),
    **dict.fromkeys(ATTENTION, _attention),
    **dict.fromkeys(FORGETTING, _forgetting),
    "native_layer_norm": _layer_norm,
    "native_group_norm": _group_norm,
    "_softmax": _softmax,
    "_log_softmax": _softmax,
    "_safe_softmax": _softmax,
    "mm": _matrix_product("self", "mat2"),
    "bmm": _matrix_product("self", "mat2"),
    "addmm": _matrix_product("mat1", "mat2"),
    "baddbmm": _matrix_product("batch1", "batch2"),
    "linear": _linear,
    "convolution": _convolution,
    "cudnn_convolution": _convolution,
}
