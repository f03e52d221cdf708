"""Rate equations solved by compiled code: every trajectory of a batch with its own steps, on all threads.

A batch of small systems keeps the processor busy with arithmetic, where a tensor library would spend its time
on calls. Nothing is differentiated here; for gradients, for delays and for a GPU there is `method="ode"`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from grn.kernels.chunks import run_in_chunks
from grn.networks.engines.batches import checked_batch, machine_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from grn.networks.reactions import ReactionSystem


def compiled_paths(
    system: ReactionSystem,
    start: ArrayLike,
    times: ArrayLike,
    *,
    parameters: ArrayLike,
    held: ArrayLike,
    relative_tolerance: float = 1e-8,
    absolute_tolerance: float = 1e-10,
    max_steps: int = 1_000_000,
    until_steady: float | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    """Solve the rate equations by Dormand and Prince's pair of orders 5 and 4.

    A step is accepted where the error of every species is within
    ``absolute_tolerance + relative_tolerance·|y|``.
    Outputs between the ends of steps come from the pair's interpolant of order 4.

    Parameters
    ----------
    system : ReactionSystem
        What is simulated.
    start : array_like
        (B, species): concentrations at ``times[0]``.
    times : array_like
        (T,): output times, strictly increasing.
    parameters : array_like
        (parameters, 1) or (parameters, B): in the order of ``system.parameters``.
    held : array_like of bool
        (species, 1) or (species, B): species that never change.
    relative_tolerance, absolute_tolerance : float
        Of a step; the second in the unit of concentration.
    max_steps : int
        Most steps of a trajectory.
    until_steady : float, optional
        A trajectory ends, and keeps its state, as soon as every ``|dy/dt|/(|y| + s)`` is below this rate, in
        1 per time; s is ``absolute_tolerance/relative_tolerance``, below which the absolute tolerance rules.

    Returns
    -------
    paths : ndarray
        (B, T, species): concentrations.
    settled : ndarray of bool
        (B,): whether the trajectory became steady; False without ``until_steady``.
    evaluations : ndarray of int64
        (B,): how often the right-hand side was computed.

    Raises
    ------
    ValueError
        If an input does not fit the system, or the rate laws cannot be compiled (delays, callables).
    RuntimeError
        If a trajectory cannot be continued: its step vanished, it took too many, or a slope is not finite.

    References
    ----------
    Dormand, Prince, J. Comput. Appl. Math. 6, 1980. Hairer, Nørsett, Wanner, "Solving ordinary differential
    equations I", 1993: step control and interpolant.

    Examples
    --------
    >>> from grn.networks.formula import parameter, species
    >>> from grn.networks.reactions import Reaction, ReactionSystem
    >>> decay = Reaction(name="decay", changes={"A": -1}, rate=parameter("k") * species("A"))
    >>> system = ReactionSystem(initial={"A": 10.0}, reactions=(decay,), parameters={"k": 0.5})
    >>> rates = [[0.5, 1.0]]  # one parameter, two trajectories
    >>> paths, _, _ = compiled_paths(system, [[10], [10]], [0, 2], parameters=rates, held=[[False]])
    >>> paths[:, -1, 0].round(4)  # 10·exp(-1), 10·exp(-2)
    array([3.6788, 1.3534])
    """
    for name, value in (
        ("relative_tolerance", relative_tolerance),
        ("absolute_tolerance", absolute_tolerance),
    ):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a positive finite number, got {value}")
    if max_steps < 1:
        raise ValueError(f"max_steps must be at least 1, got {max_steps}")
    if until_steady is not None and not (math.isfinite(until_steady) and until_steady > 0):
        raise ValueError(f"until_steady must be a positive finite rate in 1 per time, got {until_steady}")
    if until_steady is not None and system.derivatives.depends_on_time:
        raise ValueError(
            "until_steady asks for a steady state, and the rates depend on the time: leave it out"
        )
    inputs = checked_batch(system, start, times, parameters, held)
    machine = machine_of(system.derivatives)
    from grn.kernels.lanes import dormand_prince

    batch = len(inputs.start)
    paths = np.empty((batch, len(inputs.times), len(system.species)))
    settled, evaluations = np.zeros(batch, np.bool_), np.zeros(batch, np.int64)
    report = np.zeros((batch, 4))

    def work(begin: int, end: int) -> bool:
        return dormand_prince(
            begin,
            end,
            machine,
            inputs.start,
            inputs.times,
            inputs.parameters,
            inputs.held,
            (relative_tolerance, absolute_tolerance),
            max_steps,
            until_steady or 0.0,
            paths,
            settled,
            evaluations,
            report,
        )

    run_in_chunks(work, batch)
    _raise_failure(system, report, max_steps)
    return paths, settled, evaluations


def _raise_failure(system: ReactionSystem, report: NDArray[np.float64], max_steps: int) -> None:
    from grn.kernels.trajectories import NOT_FINITE, TOO_MANY

    failed = np.flatnonzero(report[:, 0])
    if not len(failed):
        return
    code, time, which, value = report[failed[0]]
    at = f"trajectory {failed[0]} at time {time:.6g}"
    if code == NOT_FINITE:
        raise RuntimeError(
            f"{at}: the slope of {system.species[int(which)]!r} must be finite, got {value}: check the rate "
            "laws at this state"
        )
    reason = f"took more than max_steps = {max_steps} steps" if code == TOO_MANY else "needs a vanishing step"
    raise RuntimeError(
        f"{at} {reason} (the last of {value:.3g}): where the system is stiff, use method='ode' with scipy's "
        "LSODA; where it grows without bound, end before"
    )
