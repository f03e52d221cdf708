"""An interval handed to its backend, apart for genes that act on one another and genes that do not."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

import torch

from grn.dynamics import check_values
from grn.kernels import plain
from grn.kernels.refine import Carried, compare, refine_genes, refine_together
from grn.kinetics import Kinetics
from grn.regulation import ConnectionBlock, Cooperation, Homeostasis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from grn.state import ExpressionState

REFINED_TOGETHER = 50_000  # genes: smaller layers that cooperate take the same steps


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """One interval of Eq. 1 with the induction held, checked.

    Attributes
    ----------
    hours : float
        Its length.
    kinetics : Kinetics
        Rates.
    autoactivation : float
        a.
    cooperation : Cooperation or None
        c, positive where there is one, and the layers.
    homeostasis : Homeostasis or None
        The shared threshold's control.
    steps : int
        Steps to begin with.
    tolerance : float
        Largest estimated error; infinity takes ``steps`` as they are.
    backend : {"torch", "numba", "triton"}
        What carries it.
    wants_error : bool
        Whether errors and steps of each gene are to come back; without, those tensors may be empty.
    """

    hours: float  # h
    kinetics: Kinetics
    autoactivation: float
    cooperation: Cooperation | None
    homeostasis: Homeostasis | None
    steps: int
    tolerance: float  # concentration
    backend: Literal["torch", "numba", "triton"]
    wants_error: bool


def carry_separable(
    state: ExpressionState, induction: Tensor, interval: Interval, into: tuple[Tensor, ...] | None = None
) -> Carried:
    """Carry genes that do not act on each other; ``induction`` has the dtype to compute in.

    The numba kernel writes to ``into``, contiguous tensors, where given.
    """
    if interval.backend == "numba":
        from grn.kernels import fused  # numba takes a second to import

        try:
            return fused.carry_separable(state.mrna, state.protein, induction, interval, into)
        except fused.BadValueError:
            check_values(state, induction)
            raise AssertionError("the kernel refused values that are in order") from None
    check_values(state, induction)
    march_all: Callable[..., tuple[Tensor, Tensor, Tensor]] = plain.march_separable
    shape = state.mrna.shape
    m, p, induction = (t.reshape(shape or (1,)) for t in (state.mrna, state.protein, induction))
    if interval.backend == "triton":  # whose kernel widens what is stored in half the width
        from grn.kernels.triton_march import march_triton as march_all  # imports triton, if any
    else:
        m, p = m.to(induction.dtype), p.to(induction.dtype)

    def march(genes: tuple[Tensor, ...] | None, steps: int) -> tuple[Tensor, Tensor, Tensor]:
        own = (m, p, induction) if genes is None else (m[genes], p[genes], induction[genes])
        return march_all(
            *own,
            hours=interval.hours,
            kinetics=interval.kinetics if genes is None else _each_rate(interval.kinetics, itemgetter(genes)),
            autoactivation=interval.autoactivation,
            steps=steps,
        )

    carried = refine_genes(march, interval.steps, interval.tolerance)
    after = tuple(t.reshape(shape) for t in carried.tensors)
    return Carried(after, carried.error.reshape(shape), carried.steps.reshape(shape))


def carry_coupled(state: ExpressionState, induction: Tensor, interval: Interval) -> Carried:
    """Carry genes that cooperate or share a threshold; ``induction`` has the dtype to compute in.

    Layers that cooperate within themselves alone are refined by themselves.
    """
    check_values(state, induction)
    shape, dtype = state.mrna.shape, induction.dtype
    interval = replace(interval, kinetics=_each_rate(interval.kinetics, lambda rate: rate.reshape(-1)))
    m, p, q = (t.to(dtype).reshape(-1) for t in (state.mrna, state.protein, induction))
    theta = () if state.log_threshold is None else (state.log_threshold.to(dtype),)
    parts = []
    for genes, own in _independent(interval, m.numel()):
        tensors, level = (m[genes], p[genes], *theta), q[genes]

        def march(
            steps: int, tensors: tuple[Tensor, ...] = tensors, level: Tensor = level, own: Interval = own
        ) -> tuple[Tensor, ...]:
            return _march_coupled(tensors, level, own, steps)

        if math.isfinite(interval.tolerance):
            parts.append(refine_together(march, interval.steps, interval.tolerance))
        elif interval.wants_error:
            parts.append(compare(march, interval.steps))
        else:
            parts.append(
                Carried(march(interval.steps), level.new_zeros(0), torch.zeros(0, dtype=torch.int32))
            )
    joined = parts[0] if len(parts) == 1 else _join(parts)
    m, p, *shared = joined.tensors
    error, steps = (t.view(shape) if t.numel() else t for t in (joined.error, joined.steps))
    return Carried((m.view(shape), p.view(shape), *shared), error, steps)


def _march_coupled(
    tensors: tuple[Tensor, ...], induction: Tensor, interval: Interval, steps: int
) -> tuple[Tensor, ...]:
    if interval.backend == "numba":
        from grn.kernels import fused  # numba takes a second to import

        return fused.march_coupled(tensors, induction, interval, steps)
    return plain.march_coupled(
        tensors,
        induction,
        hours=interval.hours,
        kinetics=interval.kinetics,
        autoactivation=interval.autoactivation,
        cooperation=interval.cooperation,
        homeostasis=interval.homeostasis,
        steps=steps,
    )


def _each_rate(kinetics: Kinetics, pick: Callable[[Tensor], Tensor]) -> Kinetics:
    """The kinetics with ``pick`` applied to those rates that are per gene."""
    rates: dict[str, Any] = {
        name: pick(rate)
        for name, rate in (("mrna_decay", kinetics.mrna_decay), ("protein_decay", kinetics.protein_decay))
        if isinstance(rate, torch.Tensor) and rate.ndim
    }
    return replace(kinetics, **rates) if rates else kinetics


def _independent(interval: Interval, genes: int) -> Iterator[tuple[slice, Interval]]:
    """Whole layers, small ones together, each range with its own interval; one range under homeostasis."""
    cooperation = interval.cooperation
    if cooperation is None or interval.homeostasis is not None:
        yield slice(0, genes), interval
        return
    start = stop = 0
    waiting: list[ConnectionBlock] = []
    for number, block in enumerate(cooperation.blocks, start=1):
        waiting.append(block)
        stop += block.size
        if stop - start >= REFINED_TOGETHER or number == len(cooperation.blocks):
            genes_of_layers = slice(start, stop)
            yield (
                genes_of_layers,
                replace(
                    interval,
                    kinetics=_each_rate(interval.kinetics, itemgetter(genes_of_layers)),
                    cooperation=replace(cooperation, blocks=tuple(waiting)),
                ),
            )
            start, waiting = stop, []


def _join(parts: list[Carried]) -> Carried:
    """One state from those of its layers."""
    return Carried(
        (torch.cat([part.tensors[0] for part in parts]), torch.cat([part.tensors[1] for part in parts])),
        torch.cat([part.error for part in parts]),
        torch.cat([part.steps for part in parts]),
    )
