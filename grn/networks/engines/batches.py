"""What the compiled simulations share: checked inputs, and a program in the form of the interpreter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from grn.networks.program import Program
    from grn.networks.reactions import ReactionSystem


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Inputs of a batch of trajectories, each member a row.

    Parameters
    ----------
    start : ndarray
        (B, species): concentrations at ``times[0]``.
    times : ndarray
        (T,): output times.
    parameters : ndarray
        (1 or B, parameters).
    held : ndarray of bool
        (1 or B, species): what never changes.
    """

    start: NDArray[np.float64]
    times: NDArray[np.float64]
    parameters: NDArray[np.float64]
    held: NDArray[np.bool_]


def checked_batch(
    system: ReactionSystem,
    start: ArrayLike,
    times: ArrayLike,
    parameters: ArrayLike,
    held: ArrayLike,
    *,
    signed: bool = False,
) -> Batch:
    """Return the inputs of a compiled simulation as arrays whose shapes agree; starts below 0 if ``signed``.

    Raises
    ------
    ValueError
        If a shape does not fit, a number is not finite, a concentration is negative or times do not increase.

    Examples
    --------
    >>> from grn.networks.formula import parameter, species
    >>> from grn.networks.reactions import Reaction, ReactionSystem
    >>> decay = Reaction(name="decay", changes={"A": -1}, rate=parameter("k") * species("A"))
    >>> system = ReactionSystem(initial={"A": 10.0}, reactions=(decay,), parameters={"k": 0.5})
    >>> checked_batch(system, [[1.0], [2.0]], [0.0, 1.0], [[0.5]], [[False]]).start.shape
    (2, 1)
    """
    begin = np.array(start, np.float64, order="C", ndmin=2)
    moments = np.array(times, np.float64, ndmin=1)
    species, batch = len(system.species), len(begin)
    if begin.shape != (batch, species):
        raise ValueError(f"start must have shape (batch, {species}), got {begin.shape}")
    wrong = ~(np.isfinite(begin) & (signed | (begin >= 0)))
    if wrong.any():
        raise ValueError(f"start must be non-negative finite concentrations, got {float(begin[wrong][0])}")
    if (
        moments.ndim != 1
        or not len(moments)
        or not np.isfinite(moments).all()
        or (np.diff(moments) <= 0).any()
    ):
        raise ValueError(f"times must be finite and strictly increasing, got {moments}")
    return Batch(
        begin,
        moments,
        _member_rows("parameters", np.asarray(parameters, np.float64), len(system.parameters), batch),
        _member_rows("held", np.asarray(held, np.bool_), species, batch),
    )


def _member_rows(name: str, array: NDArray[Any], count: int, batch: int) -> NDArray[Any]:
    if array.ndim != 2 or array.shape[0] != count or array.shape[1] not in (1, batch):
        raise ValueError(f"{name} must have shape ({count}, 1) or ({count}, {batch}), got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return np.ascontiguousarray(array.T)


def machine_of(program: Program) -> Any:
    """Return a program in the form of the compiled interpreter, `grn.kernels.interpreter.Machine`.

    Raises
    ------
    ValueError
        If a formula calls a function of the user's, or uses delayed values.

    Examples
    --------
    >>> from grn.networks.formula import parameter, species
    >>> from grn.networks.program import Program
    >>> machine_of(Program([parameter("k") * species("A")], species=["A"], parameters=["k"])).size
    4
    """
    listed = program.operation_list()
    from grn.kernels.interpreter import Machine

    columns = (listed.code, listed.target, listed.first, listed.second, listed.third)
    return Machine(
        operations=np.ascontiguousarray(np.stack(columns, axis=1)),
        outputs=listed.outputs,
        constants=listed.constants,
        fixed=listed.fixed,
        parameters=listed.parameters,
        species=listed.species,
        time=listed.time,
        size=listed.size,
    )
