"""Watching a forward pass: every operation passes on what its arguments carry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pruning.topology.tracing.carry import Carried
from pruning.topology.tracing.operation_names import BATCH_NORM, MOVING
from pruning.topology.tracing.operations import UnknownOperationError, base_name, by_name, move, rule_of


class CarryTrace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows what tensors carry through every operation done while it is entered.

    Only floating-point tensors carry: a comparison or an index is no path, as it has no gradient either.

    Attributes
    ----------
    place : str
        Where in the network the pass is, for messages.
    asleep : bool
        Whether operations are done without being followed: inside gated layers.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.place = "before the first gated layer"
        self.asleep = False
        self._known: dict[int, tuple[Tensor, Carried, int]] = {}  # keeps tensors, so that no id comes again
        self._writes: dict[int, tuple[int, Tensor]] = {}

    def tag(self, tensor: Tensor, carried: Carried) -> None:
        """Say what a tensor carries."""
        self._known[id(tensor)] = (tensor, carried, self._written(tensor))

    def look(self, value: Any) -> Carried:
        """Return what a value carries; nothing where it is no tensor or was computed from none that carries.

        Raises
        ------
        UnknownOperationError
            If it was written to through another view of its memory.
        """
        if not isinstance(value, Tensor) or not value.is_floating_point():
            return {}
        known = self._known.get(id(value))
        if self._written(value) != (known[2] if known else 0):
            raise UnknownOperationError("a tensor was written to in place through another view of its memory")
        return known[1] if known else {}

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Do the operation and note what its results carry."""
        kwargs = kwargs or {}
        if self.asleep:
            return func(*args, **kwargs)
        try:
            carries = any(
                self.look(value) for value in tree_leaves((tuple(args), kwargs)) if isinstance(value, Tensor)
            )
            out = func(*args, **kwargs)
            if func._schema.is_mutable and base_name(func) not in BATCH_NORM:
                self._write(func, args, kwargs, out, carries)
            elif carries:
                self._pass_on(func, args, kwargs, out)
        except UnknownOperationError as error:
            raise ValueError(
                f"find_wiring cannot follow {func} {self.place}: {error}; give the wiring of this model by "
                "hand, as a mapping of layer names to tuples of pruning.topology.Feed"
            ) from error
        return out

    def _pass_on(self, func: OpOverload, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> None:
        results = list(out) if isinstance(out, list | tuple) else [out]
        if not any(isinstance(result, Tensor) for result in results):
            raise UnknownOperationError("it reads the value of a tensor into Python")
        floating = [result for result in results if isinstance(result, Tensor) and result.is_floating_point()]
        if not floating:
            return
        if base_name(func) in MOVING:
            for result, carried in zip(results, move(func, args, kwargs, self.look), strict=True):
                self.tag(result, carried)
            return
        rule = rule_of(func)
        if rule is None:
            raise UnknownOperationError("there is no rule for it")
        given = by_name(func, args, kwargs)
        shape = floating[0].shape
        carried = rule(given, self.look, floating[0])
        for result in floating:
            if result.shape == shape:  # statistics that a normalisation saves are of no use to the network
                self.tag(result, carried)

    def _write(
        self, func: OpOverload, args: Sequence[Any], kwargs: dict[str, Any], out: Any, carries: bool
    ) -> None:
        """Note what a tensor carries after an operation in place."""
        target = args[0] if args else None
        if not isinstance(target, Tensor) or out is not target:
            if carries:
                raise UnknownOperationError("it writes into an argument")
            return
        before = self.look(target)
        if carries:
            if base_name(func) in MOVING:
                (after,) = move(func, args, kwargs, self.look)
            else:
                rule = rule_of(func)
                if rule is None:
                    raise UnknownOperationError("there is no rule for it")
                given = by_name(func, args, kwargs)
                if base_name(func) == "copy":
                    given = {"src": given["src"]}
                after = rule(given, self.look, target)
        else:
            after = before
        if after == before:
            return
        if target.numel() * target.element_size() != target.untyped_storage().nbytes() and after:
            raise UnknownOperationError("it writes into a part of a tensor")
        storage = target.untyped_storage().data_ptr()
        self._writes[storage] = (self._written(target) + 1, target)
        self.tag(target, after)

    def _written(self, tensor: Tensor) -> int:
        """How often what the memory carries was changed in place."""
        count = self._writes.get(tensor.untyped_storage().data_ptr()) if tensor.numel() else None
        return count[0] if count else 0
