"""Stochastic simulation of reaction systems: exact, by leaps, and by the chemical Langevin equation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from grn.kernels.chunks import run_in_chunks
from grn.networks.engines.batches import checked_batch, machine_of
from grn.networks.formula import Op, nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from grn.networks.engines.batches import Batch
    from grn.networks.reactions import ReactionSystem

    Array = NDArray[Any]

METHODS = ("ssa", "tau-leaping", "langevin")
MOST_EVENTS = 100_000_000


def stochastic_paths(
    system: ReactionSystem,
    start: ArrayLike,
    times: ArrayLike,
    *,
    method: str,
    parameters: ArrayLike,
    held: ArrayLike,
    system_size: float,
    seed: int,
    first: int | Sequence[int] = 0,
    segment: int = 0,
    step: float | None = None,
    max_events: int = MOST_EVENTS,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Draw trajectories of the reactions of a system.

    With Ω molecules per unit of concentration in a volume V, a species of concentration x has n = Ω V x
    molecules, and a reaction of rate a happens Ω a times per time.

    ``"ssa"``: Gillespie's direct method. Starts are rounded to whole molecules, half to even. A reaction that
    would take more molecules than there are does not happen. Exact.

    ``"tau-leaping"``: many events at once, as long as no propensity changes by more than about 3 %, after
    Cao, Gillespie and Petzold (2006), and no more than 5 % of a species are used up: without this second
    limit, leaps at a steady state of many molecules become so long that they inflate its variance. The order
    gᵢ of a species is the largest sum of its exponents in a rate law (a Hill function counts its
    coefficient). Reactions that ten events could bring to an end happen one at a time; a leap that would make
    a species negative is drawn again at half its length; where leaps would be shorter than ten mean waiting
    times, a hundred exact steps are done.

    ``"langevin"``: ``dxⱼ = Σᵣ νᵣⱼ/Vⱼ (aᵣ dt + √(aᵣ/Ω) dWᵣ)``, one noise a reaction, by Euler and Maruyama:
    increments have standard deviation √dt. Rates see levels below zero as zero, while the level itself is
    kept, and outputs show zero (full truncation: unlike reflection or clipping it adds nothing to the mean
    that the rates see of a species that is made and decays).

    The trajectory of index ``first + i`` (or ``first[i]``) depends on it, ``seed`` and ``segment`` alone: not
    on the batch, nor on threads. numba's own generator is seeded for each, on the threads that run them.

    Parameters
    ----------
    system : ReactionSystem
        What is simulated.
    start : array_like
        (B, species): concentrations at ``times[0]``.
    times : array_like
        (T,): output times, strictly increasing.
    method : {"ssa", "tau-leaping", "langevin"}
        How.
    parameters : array_like
        (parameters, 1) or (parameters, B): in the order of ``system.parameters``.
    held : array_like of bool
        (species, 1) or (species, B): species that never change.
    system_size : float
        Ω, molecules per unit of concentration and volume.
    seed : int
        Of the random numbers.
    first : int or sequence of int
        Index of the first trajectory, or of each.
    segment : int
        Of a simulation in several parts: each has its own random numbers.
    step : float, optional
        Longest step. Of ``"langevin"`` by default such that no species is turned over (made plus used up) by
        more than 2 % in a step, counted as one molecule at least; steps are shortened to end on output times.
        Of ``"tau-leaping"`` an upper limit. Needed where rates depend on the time.
    max_events : int
        Most events, leaps or steps of a trajectory.

    Returns
    -------
    paths : ndarray
        (B, T, species): concentrations.
    state : ndarray
        (B, species): what a further call begins from. Of ``"langevin"`` levels as they are, also below zero.

    Raises
    ------
    ValueError
        If an input does not fit the system, the rate laws cannot be compiled, ``"ssa"`` would not be exact
        because rates depend on the time, changes are no whole molecules, or a rate turns negative.
    RuntimeError
        If a trajectory has more than ``max_events``.

    References
    ----------
    Gillespie, J. Phys. Chem. 81, 1977; Gillespie, J. Chem. Phys. 113, 2000; Cao, Gillespie, Petzold, J. Chem.
    Phys. 124, 2006; Lord, Koekkoek, van Dijk, Quantitative Finance 10, 2010.

    Examples
    --------
    >>> from grn.networks.formula import parameter, species
    >>> from grn.networks.reactions import Reaction, ReactionSystem
    >>> system = ReactionSystem(
    ...     initial={"A": 0.0},
    ...     reactions=(
    ...         Reaction(name="birth", changes={"A": 1}, rate=parameter("k")),
    ...         Reaction(name="death", changes={"A": -1}, rate=species("A")),
    ...     ),
    ...     parameters={"k": 5.0},
    ... )
    >>> paths, _ = stochastic_paths(
    ...     system, [[0.0]] * 2000, [0.0, 10.0], method="ssa", parameters=[[5.0]], held=[[False]],
    ...     system_size=1, seed=0,
    ... )  # fmt: skip
    >>> bool(abs(paths[:, -1].mean() - 5) < 0.2), bool(abs(paths[:, -1].var() - 5) < 0.6)  # Poisson
    (True, True)
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if not (math.isfinite(system_size) and system_size > 0):
        raise ValueError(
            f"system_size must be a positive finite number of molecules per concentration, got {system_size}"
        )
    if step is not None and not (math.isfinite(step) and step > 0):
        raise ValueError(f"step must be a positive finite time, got {step}")
    if max_events < 1:
        raise ValueError(f"max_events must be at least 1, got {max_events}")
    inputs = checked_batch(system, start, times, parameters, held, signed=method == "langevin")
    if method != "langevin":
        _check_molecules(system, inputs, system_size)
    if system.rates.depends_on_time and method == "ssa":
        raise ValueError(
            "method='ssa' is exact for rates that depend on the state alone, and these depend on the time: "
            "use method='tau-leaping' or 'langevin' with a step"
        )
    if system.rates.depends_on_time and step is None:
        raise ValueError(
            f"the rates depend on the time: give method={method!r} a step over which they hardly change"
        )
    machine = machine_of(system.rates)
    network = _network(system, machine)
    from grn.kernels import trajectories as compiled

    batch = len(inputs.start)
    paths = np.empty((batch, len(inputs.times), len(system.species)))
    report = np.zeros((batch, 4))
    base = int(np.random.SeedSequence((seed, segment)).generate_state(1)[0])
    indices = first + np.arange(batch) if isinstance(first, int) else np.asarray(first, np.int64)
    seeds = ((base + indices) % 2**32).astype(np.uint32)  # members of a batch never share a stream
    state = np.empty_like(inputs.start)
    kernel: Any
    own: tuple[Any, ...]
    if method == "langevin":
        kernel, scale, own = compiled.langevin, system.volume_of, (float(step or 0.0), state)
    else:
        scale = system_size * system.volume_of
        kernel, own = compiled.exact, ()
        if method == "tau-leaping":
            limit = math.inf if step is None else float(step)
            kernel, own = compiled.leaping, (_orders(system, inputs.parameters), limit)
    omega = float(system_size)

    def work(begin: int, end: int) -> bool:
        done: bool = kernel(
            begin,
            end,
            machine,
            network,
            inputs.start,
            inputs.times,
            inputs.parameters,
            inputs.held,
            scale,
            omega,
            seeds,
            max_events,
            paths,
            report,
            *own,
        )
        return done

    run_in_chunks(work, batch)
    _raise_failure(system, report, method, indices, max_events)
    return paths, state if method == "langevin" and len(inputs.times) > 1 else paths[:, -1]


def _check_molecules(system: ReactionSystem, inputs: Batch, system_size: float) -> None:
    for reaction in system.reactions:
        for name, change in reaction.changes.items():
            if change != round(change):
                raise ValueError(
                    f"reaction {reaction.name!r} must change {name!r} by whole molecules, got {change}: "
                    "use method='langevin' or 'ode'"
                )
    most = float((inputs.start * system.volume_of).max(initial=0.0)) * system_size
    if most > 2**52:
        raise ValueError(
            f"molecules are counted up to 2^52, got {most:.3g} at the start: use a smaller system_size, or "
            "method='langevin'"
        )


def _network(system: ReactionSystem, machine: Any) -> Any:
    """List for every reaction what it changes and what depends on that."""
    from grn.kernels.trajectories import Network

    operations = machine.operations.tolist()
    users: dict[int, list[int]] = {}
    arity = {Op.HILL: 3, Op.SELECT: 3} | dict.fromkeys(_UNARY, 1)
    for i in range(machine.fixed, len(operations)):
        code, _, *arguments = operations[i]
        for argument in set(arguments[: arity.get(Op(code), 2)]):
            users.setdefault(argument, []).append(i)
    giving: dict[int, list[int]] = {}
    for r, output in enumerate(machine.outputs.tolist()):
        giving.setdefault(output, []).append(r)
    consuming: dict[int, list[int]] = {}
    changes = []
    for r, row in enumerate(system.stoichiometry):
        species = np.flatnonzero(row)
        changes.append([(int(j), float(row[j])) for j in species])
        for j in np.flatnonzero(row < 0):
            consuming.setdefault(int(j), []).append(r)
    count = len(changes)
    size = max(8, math.isqrt(count))
    after: list[list[int]] = []
    touched: list[list[int]] = []
    for changed in changes:
        found: set[int] = set()
        waiting = [machine.species + j for j, _ in changed]
        reactions = {r for j, _ in changed for r in consuming.get(j, ())}
        while waiting:
            place = waiting.pop()
            reactions.update(giving.get(place, ()))
            for i in users.get(place, ()):
                if i not in found:
                    found.add(i)
                    waiting.append(operations[i][1])
        after.append(sorted(found))
        touched.append(sorted(reactions))
    groups = [sorted({r // size for r in row}) for row in touched]
    return Network(
        *_ragged([[j for j, _ in row] for row in changes]),
        np.array([change for row in changes for _, change in row], np.float64),
        *_ragged(after),
        *_ragged(touched),
        *_ragged(groups),
        size,
    )


_UNARY = (
    *(Op.NEGATE, Op.SATURATE, Op.EXP, Op.LOG, Op.SQRT, Op.ABS, Op.FLOOR, Op.CEIL, Op.NOT),
    *(Op.SIN, Op.COS, Op.TAN, Op.TANH, Op.SINH, Op.COSH, Op.ARCSIN, Op.ARCCOS, Op.ARCTAN),
)


def _ragged(rows: Sequence[Sequence[int]]) -> tuple[Array, Array]:
    starts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return starts, np.array([item for row in rows for item in row], np.int64)


def _orders(system: ReactionSystem, parameters: Array) -> Array:
    """(1 or B, species): largest order in which rates use each species, at least 1; 0 if none does.

    Of a product it is the sum, of a sum or a quotient the largest, of a power and a Hill function that of the
    argument times the exponent (3 where the exponent is itself computed).
    """
    row = {name: k for k, name in enumerate(system.parameters)}
    order: dict[int, dict[str, Array]] = {}
    for node in nodes([reaction.rate for reaction in system.reactions]):
        known = [order[id(argument)] for argument in node.arguments]
        if node.op is Op.SPECIES:
            found = {node.name: np.ones(1)}
        elif node.op in (Op.ADD, Op.DIVIDE):
            found = _merged(known, largest=True)
        elif node.op in (Op.POWER, Op.POSITIVE_POWER, Op.HILL):
            exponent = node.arguments[-1]
            factor = np.full(1, 3.0)
            if exponent.op is Op.CONSTANT:
                factor = np.full(1, abs(exponent.value))
            elif exponent.op is Op.PARAMETER:
                factor = np.abs(parameters[:, row[exponent.name]])
            found = {name: value * factor for name, value in known[0].items()}
            found = _merged([found, *known[1:]], largest=True)
        else:
            found = _merged(known, largest=False)
        order[id(node)] = found
    largest = _merged([order[id(reaction.rate)] for reaction in system.reactions], largest=True)
    for j in np.flatnonzero((system.stoichiometry < 0).any(0)):  # there must be molecules to be used up
        largest.setdefault(system.species[j], np.ones(1))
    columns = [np.maximum(largest[name], 1.0) if name in largest else np.zeros(1) for name in system.species]
    width = len(parameters)
    return np.ascontiguousarray(np.stack([np.broadcast_to(column, width) for column in columns], axis=1))


def _merged(parts: Iterable[dict[str, Array]], *, largest: bool) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for part in parts:
        for name, value in part.items():
            if name in found:
                found[name] = np.maximum(found[name], value) if largest else found[name] + value
            else:
                found[name] = value
    return found


def _raise_failure(
    system: ReactionSystem,
    report: NDArray[np.float64],
    method: str,
    indices: NDArray[np.int64],
    max_events: int,
) -> None:
    from grn.kernels.trajectories import BAD_RATE, NOT_FINITE

    failed = np.flatnonzero(report[:, 0])
    if not len(failed):
        return
    code, time, which, value = report[failed[0]]
    at = f"trajectory {indices[failed[0]]} at time {time:.6g}"
    if code == BAD_RATE:
        raise ValueError(
            f"{at}: the rate of reaction {system.reactions[int(which)].name!r} must be non-negative and "
            f"finite, got {value:.6g}: write it as two reactions, one each way, or correct the rate law"
        )
    if code == NOT_FINITE:
        raise RuntimeError(f"{at}: {system.species[int(which)]!r} became {value}: use a smaller step")
    what, advice = {
        "ssa": ("events", "use method='tau-leaping', a smaller system_size or a larger max_events"),
        "tau-leaping": (
            "leaps and events",
            "use method='langevin', a smaller system_size or a larger max_events",
        ),
        "langevin": ("steps", "use a larger step or a larger max_events"),
    }[method]
    raise RuntimeError(f"{at} has had max_events = {max_events} {what}: {advice}")
