"""Formulas flattened into one list of operations, evaluated for a whole batch in a few calls of torch.

Equal subformulas are computed once. Operations of a kind that stand at the same depth are stacked and done in
one call, so the number of calls depends on the depth of the deepest formula, not on the number of genes. What
depends on parameters alone is computed once a simulation.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from grn.networks.formula import ASSOCIATIVE, Formula, Op, nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor


Rows = slice | torch.Tensor | None  # some rows of a tensor: a range, any, or all as they stand


@dataclass(frozen=True, slots=True, eq=False)
class Gather:
    """Where rows come from: some rows of each of a few parts, stacked, then put in order.

    Results of earlier steps stay apart, each a part: stacking them all would copy the state at every step.
    """

    pieces: tuple[tuple[int, Rows], ...]
    order: Rows


@dataclass(frozen=True, slots=True)
class Step:
    """Operations of one kind, at one depth, done in one call.

    Parameters
    ----------
    op : Op
        The operation.
    varying : tuple of bool
        For each argument whether it varies (True) or depends on parameters alone.
    sources : tuple of tuple of (int, int)
        For each argument the part and the row in it, one pair an operation.
    part : int
        Where the results go.
    function : callable, optional
        Of a `CALL`.
    """

    op: Op
    varying: tuple[bool, ...]
    sources: tuple[tuple[tuple[int, int], ...], ...]
    part: int
    function: Callable[..., object] | None = None


@dataclass(frozen=True, slots=True)
class OperationList:
    """A program as arrays, for compiled code: ``values[target[i]] = code[i](values[first[i]], …)`` in order.

    ``values`` begins with constants, parameters, species and the time.

    Parameters
    ----------
    code, target, first, second, third : ndarray of int64
        Of each operation; what an operation does not use is 0.
    fixed : int
        How many of the first operations depend on parameters alone.
    outputs : ndarray of int64
        Where the results are.
    constants : ndarray
        Values of the constants.
    parameters, species, time : int
        Where these inputs begin.
    size : int
        Length of ``values``.
    """

    code: NDArray[np.int64]
    target: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    third: NDArray[np.int64]
    fixed: int
    outputs: NDArray[np.int64]
    constants: NDArray[np.float64]
    parameters: int
    species: int
    time: int
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class FixedRows:
    """What depends on parameters alone, (rows, 1) or (rows, B), ready for the steps that vary.

    Parameters
    ----------
    arguments : tuple of tuple
        Of each varying step: tensors where they are fixed, else where to find them.
    varying_results : Gather
        The results that vary.
    fixed_results : Tensor
        Those that do not.
    order : Rows
        Of both, one after the other, as asked for.
    """

    arguments: tuple[tuple[Tensor | Gather, ...], ...]
    varying_results: Gather = field(repr=False)
    fixed_results: Tensor = field(repr=False)
    order: Rows = field(repr=False)


class Program:
    """Formulas over named species and parameters, ready to be evaluated.

    Parameters
    ----------
    formulas : sequence of Formula
        The results wanted.
    species, parameters : sequence of str
        Names, in the order in which values will be given.

    Raises
    ------
    ValueError
        If a formula uses a name that is neither.

    Attributes
    ----------
    delayed : tuple of (str, float)
        Species and delay of each delayed value that the formulas use.

    Examples
    --------
    >>> import torch
    >>> from grn.networks.formula import parameter, species
    >>> program = Program([parameter("k") * species("A")], species=["A"], parameters=["k"])
    >>> fixed = program.prepare(torch.tensor([[3.0]]))
    >>> program(torch.tensor([[1.0, 2.0]]), fixed)  # (species, batch) -> (formulas, batch)
    tensor([[3., 6.]])
    """

    def __init__(
        self, formulas: Sequence[Formula], *, species: Sequence[str], parameters: Sequence[str]
    ) -> None:
        self.species = tuple(species)
        self.parameters = tuple(parameters)
        self.outputs = len(formulas)
        builder = _Builder(self.species, self.parameters)
        results = builder.lower(formulas)
        self.delayed = tuple(builder.delayed)
        self.custom = tuple(op.name for op in builder.operations if op.code is Op.CALL)
        self.constants = tuple(builder.constants)
        self.depends_on_time = builder.uses_time
        self._operations = builder.operations
        self._schedule(results)

    def _schedule(self, results: list[int]) -> None:
        """Group operations by depth and kind; part 0 holds the inputs, every group is one more part."""
        fixed_inputs = len(self.constants) + len(self.parameters)
        varying_inputs = len(self.species) + len(self.delayed) + self.depends_on_time
        varying: list[bool] = []
        depth: list[int] = []
        for operation in self._operations:
            known = operation.code in (Op.CONSTANT, Op.PARAMETER)
            leaf = operation.code in (Op.SPECIES, Op.TIME)
            varying.append(leaf or (not known and any(varying[a] for a in operation.arguments)))
            pool_depth = (depth[a] for a in operation.arguments if varying[a] == varying[-1])
            depth.append(0 if known or leaf else 1 + max(pool_depth, default=0))
        groups: dict[tuple[bool, int, Op, tuple[bool, ...], int], list[int]] = defaultdict(list)
        self._source: list[tuple[int, int]] = [(0, operation.input) for operation in self._operations]
        for k, operation in enumerate(self._operations):
            if depth[k]:
                pools = tuple(varying[a] for a in operation.arguments)
                alone = k if operation.code is Op.CALL else -1
                groups[varying[k], depth[k], operation.code, pools, alone].append(k)
        self._order: list[int] = []  # of the operations, as they are done
        self._steps: dict[bool, list[Step]] = {False: [], True: []}
        for key, members in sorted(groups.items(), key=lambda group: group[0]):
            is_varying, _, op, pools, _ = key
            # in the order of their arguments, which then often are a range that costs no copy
            members.sort(key=lambda k: [self._source[a] for a in self._operations[k].arguments])
            part = len(self._steps[is_varying]) + 1
            for row, k in enumerate(members):
                self._source[k] = (part, row)
            sources = tuple(
                tuple(self._source[self._operations[k].arguments[i]] for k in members)
                for i in range(len(pools))
            )
            function = self._operations[members[0]].function
            self._steps[is_varying].append(Step(op, pools, sources, part, function))
            self._order.extend(members)
        self._sizes = {
            pool: [begin, *(len(step.sources[0]) if step.sources else 1 for step in self._steps[pool])]
            for pool, begin in ((False, fixed_inputs), (True, varying_inputs))
        }
        self._varying = varying
        self._results = results

    def prepare(self, parameters: Tensor) -> FixedRows:
        """Compute what depends on the parameters alone.

        Parameters
        ----------
        parameters : Tensor
            (parameters, 1) or (parameters, B): values in the order of `parameters`.

        Returns
        -------
        FixedRows
            To be given to every call.
        """
        device = parameters.device
        constants = parameters.new_tensor(self.constants)[:, None].expand(-1, parameters.shape[1])
        parts = [torch.cat([constants, parameters])]
        for step in self._steps[False]:
            known = [_take(parts, _gather(sources, device, self._sizes[False])) for sources in step.sources]
            parts.append(_evaluate(step, known, parts[0]))
        arguments: list[tuple[Tensor | Gather, ...]] = []
        for step in self._steps[True]:
            gathers = [
                _gather(sources, device, self._sizes[pool])
                for pool, sources in zip(step.varying, step.sources, strict=True)
            ]
            arguments.append(
                tuple(
                    gather if pool else _take(parts, gather)
                    for pool, gather in zip(step.varying, gathers, strict=True)
                )
            )
        places = {
            pool: [k for k, r in enumerate(self._results) if self._varying[r] is pool]
            for pool in (True, False)
        }
        varying, fixed = (
            _gather([self._source[self._results[k]] for k in places[pool]], device, self._sizes[pool])
            for pool in (True, False)
        )
        order = _rows(np.argsort([*places[True], *places[False]]).tolist(), device, self.outputs)
        known_results = _take(parts, fixed) if fixed.pieces else parts[0][:0]
        return FixedRows(tuple(arguments), varying, known_results, order)

    def __call__(
        self, values: Tensor, fixed: FixedRows, time: Tensor | float = 0.0, delayed: Tensor | None = None
    ) -> Tensor:
        """Evaluate the formulas.

        Parameters
        ----------
        values : Tensor
            (species, B): concentrations.
        fixed : FixedRows
            From `prepare`.
        time : float or Tensor
            The time, for formulas that use it.
        delayed : Tensor, optional
            (delayed values, B): in the order of `delayed`.

        Returns
        -------
        Tensor
            (formulas, B).
        """
        inputs = [values]
        if self.delayed:
            if delayed is None:
                raise ValueError("the formulas use delayed values: give them")
            inputs.append(delayed)
        if self.depends_on_time:
            now = torch.as_tensor(time, dtype=values.dtype, device=values.device)
            inputs.append(now.expand(1, values.shape[1]))
        parts = [torch.cat(inputs) if len(inputs) > 1 else values]
        for step, arguments in zip(self._steps[True], fixed.arguments, strict=True):
            ready = [a if isinstance(a, torch.Tensor) else _take(parts, a) for a in arguments]
            parts.append(_evaluate(step, ready, values))
        if not len(fixed.fixed_results):
            return _chosen(_take(parts, fixed.varying_results), fixed.order)
        known = fixed.fixed_results.expand(-1, values.shape[1])
        if not fixed.varying_results.pieces:
            return _chosen(known, fixed.order)
        return _chosen(torch.cat([_take(parts, fixed.varying_results), known]), fixed.order)

    def operation_list(self) -> OperationList:
        """Return the program as arrays for compiled code.

        Raises
        ------
        ValueError
            If a formula calls a function of the user's, or uses delayed values.
        """
        if self.custom:
            raise ValueError(
                f"compiled simulation cannot run the callable {self.custom[0]!r}: use method='ode', or write "
                "the rate as a formula"
            )
        if self.delayed:
            raise ValueError("compiled simulation knows no delays: use method='ode'")
        constants = len(self.constants)
        species = constants + len(self.parameters)
        time = species + len(self.species)
        fixed_operations = [k for k in self._order if not self._varying[k]]
        done = {k: i for i, k in enumerate(self._order)}

        def place(k: int) -> int:
            if k in done:
                return time + 1 + done[k]
            leaf = self._operations[k]
            return leaf.input + (species if self._varying[k] else 0)

        ordered = [(k, self._operations[k]) for k in self._order]

        def argument(i: int) -> NDArray[np.int64]:
            return np.array(
                [place(op.arguments[i]) if i < len(op.arguments) else 0 for _, op in ordered], np.int64
            )

        return OperationList(
            code=np.array([int(op.code) for _, op in ordered], np.int64),
            target=np.array([place(k) for k, _ in ordered], np.int64),
            first=argument(0),
            second=argument(1),
            third=argument(2),
            fixed=len(fixed_operations),
            outputs=np.array([place(k) for k in self._results], np.int64),
            constants=np.array(self.constants, np.float64),
            parameters=constants,
            species=species,
            time=time,
            size=time + 1 + len(ordered),
        )


@dataclass(frozen=True, slots=True)
class _Operation:
    code: Op
    arguments: tuple[int, ...] = ()
    input: int = 0  # row in its pool, of constants, parameters, species and the time
    name: str = ""
    function: Callable[..., object] | None = None


class _Builder:
    """Numbers the operations of formulas, equal ones once; long sums and products become balanced trees."""

    def __init__(self, species: Sequence[str], parameters: Sequence[str]) -> None:
        self.species = {name: k for k, name in enumerate(species)}
        self.parameters = {name: k for k, name in enumerate(parameters)}
        self.constants: dict[float, int] = {}
        self.delayed: dict[tuple[str, float], int] = {}
        self.operations: list[_Operation] = []
        self.uses_time = False
        self._known: dict[tuple[object, ...], int] = {}

    def lower(self, formulas: Sequence[Formula]) -> list[int]:
        ordered = list(nodes(formulas))
        for node in ordered:  # inputs are numbered first: their rows precede all others
            if node.op is Op.CONSTANT:
                self.constants.setdefault(node.value, len(self.constants))
            elif node.op is Op.SPECIES and node.delay:
                self._find(self.species, node.name, "species")
                self.delayed.setdefault((node.name, node.delay), len(self.delayed))
        number: dict[int, int] = {}
        for node in ordered:
            arguments = [number[id(argument)] for argument in node.arguments]
            if node.op in ASSOCIATIVE:
                number[id(node)] = self._balanced(node.op, sorted(arguments))
            else:
                number[id(node)] = self._leaf(node) if not arguments else self._add(node, tuple(arguments))
        return [number[id(formula)] for formula in formulas]

    def _leaf(self, node: Formula) -> int:
        if node.op is Op.CONSTANT:
            row = self.constants[node.value]
        elif node.op is Op.PARAMETER:
            row = len(self.constants) + self._find(self.parameters, node.name, "parameters")
        elif node.op is Op.SPECIES:
            row = self._find(self.species, node.name, "species")
            if node.delay:
                row = len(self.species) + self.delayed[node.name, node.delay]
        elif node.op is Op.TIME:
            self.uses_time = True
            row = len(self.species) + len(self.delayed)
        else:
            return self._add(node, ())
        return self._record((node.op, row), _Operation(node.op, input=row, name=node.name))

    def _find(self, table: Mapping[str, int], name: str, kind: str) -> int:
        if name not in table:
            raise ValueError(f"a rate law uses {name!r}, which is not among the {kind}")
        return table[name]

    def _add(self, node: Formula, arguments: tuple[int, ...]) -> int:
        key = (node.op, arguments, id(node.function) if node.function else 0)
        return self._record(key, _Operation(node.op, arguments, name=node.name, function=node.function))

    def _balanced(self, op: Op, operands: list[int]) -> int:
        while len(operands) > 1:
            pairs = zip(operands[::2], operands[1::2], strict=False)
            paired = [self._record((op, pair), _Operation(op, pair)) for pair in pairs]
            operands = paired + operands[len(operands) - len(operands) % 2 :]
        return operands[0]

    def _record(self, key: tuple[object, ...], operation: _Operation) -> int:
        if key not in self._known:
            self._known[key] = len(self.operations)
            self.operations.append(operation)
        return self._known[key]


def _rows(wanted: Sequence[int], device: torch.device, size: int) -> Rows:
    """Rows to take from ``size``: all or a range where they are that, which costs no copy."""
    first = wanted[0] if wanted else 0
    if list(wanted) == list(range(first, first + len(wanted))):
        return None if len(wanted) == size else slice(first, first + len(wanted))
    return torch.tensor(wanted, dtype=torch.long, device=device)


def _gather(sources: Sequence[tuple[int, int]], device: torch.device, sizes: Sequence[int]) -> Gather:
    parts = list(dict.fromkeys(part for part, _ in sources))
    wanted = {part: list(dict.fromkeys(row for p, row in sources if p == part)) for part in parts}
    begin = dict(zip(parts, np.cumsum([0, *(len(rows) for rows in wanted.values())]).tolist(), strict=False))
    place = {(part, row): begin[part] + i for part, rows in wanted.items() for i, row in enumerate(rows)}
    return Gather(
        tuple((part, _rows(rows, device, sizes[part])) for part, rows in wanted.items()),
        _rows([place[source] for source in sources], device, len(place)),
    )


def _chosen(rows: Tensor, wanted: Rows) -> Tensor:
    if wanted is None:
        return rows
    return rows[wanted] if isinstance(wanted, slice) else rows.index_select(0, wanted)


def _take(parts: Sequence[Tensor], gather: Gather) -> Tensor:
    if len(gather.pieces) == 1:
        ((part, rows),) = gather.pieces
        return _chosen(_chosen(parts[part], rows), gather.order)
    return _chosen(torch.cat([_chosen(parts[part], rows) for part, rows in gather.pieces]), gather.order)


def _evaluate(step: Step, arguments: Sequence[Tensor], like: Tensor) -> Tensor:
    if step.op is Op.CALL:
        assert step.function is not None
        value = step.function(*(argument[0] for argument in arguments))
        if not isinstance(value, torch.Tensor):
            value = torch.as_tensor(value, dtype=like.dtype, device=like.device)
        return value.to(like.dtype).expand(like.shape[1])[None]
    return _TORCH[step.op](*arguments)


def _hill(level: Tensor, threshold: Tensor, coefficient: Tensor) -> Tensor:
    # Powers of numbers up to 1 alone: neither side overflows, nor does a gradient turn NaN.
    ratio = level.clamp_min(0) / threshold
    above = ratio > 1
    small = torch.where(above, 1 / torch.where(above, ratio, 1), ratio) ** coefficient
    return torch.where(above, 1, small) / (1 + small)


def _saturate(value: Tensor) -> Tensor:
    return 1 - 1 / (1 + value)


def _flag(value: Tensor, like: Tensor) -> Tensor:
    return value.to(like.dtype)


_TORCH: dict[Op, Callable[..., Tensor]] = {
    Op.ADD: torch.add,
    Op.MULTIPLY: torch.mul,
    Op.NEGATE: torch.neg,
    Op.DIVIDE: torch.div,
    Op.POWER: torch.pow,
    Op.HILL: _hill,
    Op.SATURATE: _saturate,
    Op.POSITIVE_POWER: lambda x, n: x.clamp_min(0) ** n,
    Op.EXP: torch.exp,
    Op.LOG: torch.log,
    Op.SQRT: torch.sqrt,
    Op.ABS: torch.abs,
    Op.FLOOR: torch.floor,
    Op.CEIL: torch.ceil,
    Op.SIN: torch.sin,
    Op.COS: torch.cos,
    Op.TAN: torch.tan,
    Op.TANH: torch.tanh,
    Op.SINH: torch.sinh,
    Op.COSH: torch.cosh,
    Op.ARCSIN: torch.asin,
    Op.ARCCOS: torch.acos,
    Op.ARCTAN: torch.atan,
    Op.MINIMUM: torch.minimum,
    Op.MAXIMUM: torch.maximum,
    Op.LESS: lambda a, b: _flag(a < b, a),
    Op.LESS_EQUAL: lambda a, b: _flag(a <= b, a),
    Op.EQUAL: lambda a, b: _flag(a == b, a),
    Op.AND: lambda a, b: _flag((a != 0) & (b != 0), a),
    Op.OR: lambda a, b: _flag((a != 0) | (b != 0), a),
    Op.NOT: lambda a: _flag(a == 0, a),
    Op.SELECT: lambda condition, a, b: torch.where(condition != 0, a, b),
}
