"""Compiled code for one trajectory after the other: three loops on the interpreter of rate laws.

Gillespie's direct method, tau-leaping and the chemical Langevin equation. No system is compiled: the same
machine code, cached on disk, serves all of them.

References
----------
Gillespie, "Exact stochastic simulation of coupled chemical reactions", J. Phys. Chem. 81, 1977.
Cao, Gillespie, Petzold, "Efficient step size selection for the tau-leaping simulation method", J. Chem. Phys.
124, 2006.
Gillespie, "The chemical Langevin equation", J. Chem. Phys. 113, 2000.
Lord, Koekkoek, van Dijk, "A comparison of biased simulation schemes for stochastic volatility models",
Quantitative Finance 10, 2010 (full truncation).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from grn.kernels.interpreter import Machine, compiled, inlined, note, operate, prepare, run

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

# numba's cache on disk watches this file alone: where a file that it inlines changes, so must this line.
INLINED = {"interpreter": "de31f12b0d37"}

# First number of a row of `report`: how a trajectory ended. Then the time, a reaction or species, a value.
DONE, BAD_RATE, TOO_MANY, STEP_UNDERFLOW, NOT_FINITE = range(5)

ROUNDING = 1e-9  # a propensity above −ROUNDING·(their sum) is a zero that was rounded
LEAP_CHANGE = 0.03  # ε: relative change of a propensity in one leap
LEAP_USE = 0.05  # fraction of a species used up in one leap
CRITICAL = 10  # a reaction that could use up a reactant in fewer events is critical
SHORTEST_LEAP = 10.0  # in mean times between events: below it exact steps are faster
EXACT_STEPS = 100  # so many at once
TURNOVER = 0.02  # of the Langevin equation's own step: fraction of a species made or used up


class Network(NamedTuple):
    """What each reaction changes, and what then has to be computed again; ragged rows and their starts."""

    changed_start: Array
    changed: Array  # species
    change: Array  # by how many molecules
    operation_start: Array
    operation: Array  # operations that depend on these species, in order
    touched_start: Array
    touched: Array  # reactions whose propensity depends on them
    group_start: Array
    group: Array  # groups of these reactions
    group_size: int  # reactions are summed in groups, so that sums need no differences and do not drift


@inlined
def _propensity(
    r: int, machine: Machine, network: Network, values: Array, counts: Array, held: Array, omega: float
) -> float:
    """Events of reaction r per time; 0 where it would take more molecules than there are."""
    for k in range(network.changed_start[r], network.changed_start[r + 1]):
        j = network.changed[k]
        if not held[j] and counts[j] + network.change[k] < 0.0:
            return 0.0
    return float(omega * values[machine.outputs[r]])


@inlined
def _sum_group(g: int, size: int, propensities: Array) -> float:
    total = 0.0
    for r in range(g * size, min((g + 1) * size, propensities.size)):
        total += propensities[r]
    return total


@inlined
def _store(r: int, value: float, propensities: Array, worst: float, culprit: int) -> tuple[float, int]:
    """Keep a propensity; what is no propensity is kept as 0 and remembered, the worst of them."""
    if 0.0 <= value < math.inf:
        propensities[r] = value
        return worst, culprit
    propensities[r] = 0.0
    if culprit >= 0 and not worst <= 0.0:  # infinite or NaN
        return worst, culprit
    return (worst, culprit) if culprit >= 0 and worst <= value <= 0.0 else (value, r)


@inlined
def _refresh(
    machine: Machine,
    network: Network,
    values: Array,
    counts: Array,
    held: Array,
    omega: float,
    propensities: Array,
    sums: Array,
) -> tuple[float, int, float]:
    """Compute all propensities; return their sum, and a reaction with an impossible one (or −1), and it."""
    run(machine.operations, values, machine.fixed, len(machine.operations))
    worst, culprit = 0.0, -1
    for r in range(propensities.size):
        value = _propensity(r, machine, network, values, counts, held, omega)
        worst, culprit = _store(r, value, propensities, worst, culprit)
    total = 0.0
    for g in range(sums.size):
        sums[g] = _sum_group(g, network.group_size, propensities)
        total += sums[g]
    if culprit >= 0 and -ROUNDING * total <= worst <= 0.0:
        culprit = -1
    return total, culprit, worst


@inlined
def _fire(
    event: int,
    machine: Machine,
    network: Network,
    values: Array,
    counts: Array,
    scale: Array,
    held: Array,
    omega: float,
    propensities: Array,
    sums: Array,
) -> tuple[float, int, float]:
    """Let one reaction happen and compute again what depends on it; returns what `_refresh` does."""
    for k in range(network.changed_start[event], network.changed_start[event + 1]):
        j = network.changed[k]
        if not held[j]:
            counts[j] += network.change[k]
            values[machine.species + j] = counts[j] / scale[j]
    operations = machine.operations
    for k in range(network.operation_start[event], network.operation_start[event + 1]):
        i = network.operation[k]
        values[operations[i, 1]] = operate(
            operations[i, 0], values[operations[i, 2]], values[operations[i, 3]], values[operations[i, 4]]
        )
    worst, culprit = 0.0, -1
    for k in range(network.touched_start[event], network.touched_start[event + 1]):
        r = network.touched[k]
        value = _propensity(r, machine, network, values, counts, held, omega)
        worst, culprit = _store(r, value, propensities, worst, culprit)
    for k in range(network.group_start[event], network.group_start[event + 1]):
        sums[network.group[k]] = _sum_group(network.group[k], network.group_size, propensities)
    total = 0.0
    for g in range(sums.size):
        total += sums[g]
    if culprit >= 0 and -ROUNDING * total <= worst <= 0.0:
        culprit = -1
    return total, culprit, worst


@inlined
def _chosen(total: float, size: int, propensities: Array, sums: Array) -> int:
    """Draw a reaction with probability proportional to its propensity."""
    left = np.random.random() * total  # noqa: NPY002 - numba's own generator, seeded for each trajectory
    last = -1
    for g in range(sums.size):
        if sums[g] <= 0.0:
            continue
        inside = left < sums[g]
        for r in range(g * size, min((g + 1) * size, propensities.size)):
            if propensities[r] > 0.0:
                last = r
                if inside:
                    if left < propensities[r]:
                        return r
                    left -= propensities[r]
        if inside:
            return last  # the sum was rounded up
        left -= sums[g]
    return last


@compiled
def exact(
    begin: int,
    end: int,
    machine: Machine,
    network: Network,
    start: Array,
    times: Array,
    parameters: Array,
    held_rows: Array,
    scale: Array,
    omega: float,
    seeds: Array,
    most: int,
    out: Array,
    report: Array,
) -> bool:
    """Gillespie's direct method for trajectories ``begin`` to ``end``; False where one failed."""
    values = np.empty(machine.size)
    counts = np.empty(scale.size)
    propensities = np.empty(machine.outputs.size)
    sums = np.empty(-(-propensities.size // network.group_size))
    for i in range(begin, end):
        np.random.seed(seeds[i])  # noqa: NPY002
        held = held_rows[i if held_rows.shape[0] > 1 else 0]
        prepare(machine, values, parameters[i if parameters.shape[0] > 1 else 0])
        _place(machine, start[i], scale, held, values, counts)
        now, k, events = times[0], 0, 0
        total, culprit, worst = _refresh(machine, network, values, counts, held, omega, propensities, sums)
        while culprit < 0:
            after = math.inf
            if total > 0.0:
                after = now + np.random.standard_exponential() / total  # noqa: NPY002
            while k < times.size and times[k] < after:
                out[i, k] = values[machine.species : machine.time]
                k += 1
            if k == times.size:
                break
            if events == most:
                note(report[i], TOO_MANY, now, 0, total)
                return False
            events += 1
            now = after
            event = _chosen(total, network.group_size, propensities, sums)
            total, culprit, worst = _fire(
                event, machine, network, values, counts, scale, held, omega, propensities, sums
            )
        if culprit >= 0:
            note(report[i], BAD_RATE, now, culprit, worst)
            return False
    return True


@compiled
def _place(machine: Machine, start: Array, scale: Array, held: Array, values: Array, counts: Array) -> None:
    """Whole molecules nearest to a start; what is held keeps its concentration as it is."""
    for j in range(scale.size):
        counts[j] = np.rint(start[j] * scale[j])
        values[machine.species + j] = start[j] if held[j] else counts[j] / scale[j]


@inlined
def _longest_leap(
    network: Network,
    propensities: Array,
    counts: Array,
    held: Array,
    order: Array,
    critical: Array,
    drift: Array,
    spread: Array,
    used: Array,
) -> tuple[float, float]:
    """Mark critical reactions; return the leap that the others allow (Cao et al., eq. 33), and their sum.

    That equation bounds the change of a species by a fraction of it. Where the noise of many molecules is
    smaller than this, leaps become longer than the species lives, and the noise grows until it fills the
    bound (with a decay γ the variance is 1/(1 − γτ/2) times too large). So the part that is used up is
    bounded too.
    """
    drift[:] = 0.0
    spread[:] = 0.0
    used[:] = 0.0
    of_critical = 0.0
    for r in range(propensities.size):
        critical[r] = False
        a = propensities[r]
        if a <= 0.0:
            continue
        span = range(network.changed_start[r], network.changed_start[r + 1])
        for k in span:
            j, change = network.changed[k], network.change[k]
            if change < 0.0 and not held[j] and counts[j] + CRITICAL * change < 0.0:
                critical[r] = True
        if critical[r]:
            of_critical += a
            continue
        for k in span:
            j, change = network.changed[k], network.change[k]
            drift[j] += change * a
            spread[j] += change * change * a
            used[j] -= min(change, 0.0) * a
    leap = math.inf
    for j in range(counts.size):
        if held[j] or order[j] <= 0.0 or spread[j] <= 0.0:
            continue
        bound = max(LEAP_CHANGE * counts[j] / order[j], 1.0)
        leap = min(leap, bound * bound / spread[j])
        if used[j] > 0.0:
            leap = min(leap, LEAP_USE * counts[j] / used[j])
        if drift[j] != 0.0:
            leap = min(leap, bound / abs(drift[j]))
    return leap, of_critical


@compiled
def leaping(
    begin: int,
    end: int,
    machine: Machine,
    network: Network,
    start: Array,
    times: Array,
    parameters: Array,
    held_rows: Array,
    scale: Array,
    omega: float,
    seeds: Array,
    most: int,
    out: Array,
    report: Array,
    orders: Array,
    longest: float,
) -> bool:
    """Tau-leaping for trajectories ``begin`` to ``end``; False where one failed."""
    species, reactions = scale.size, machine.outputs.size
    values = np.empty(machine.size)
    counts, trial = np.empty(species), np.empty(species)
    drift, spread, used = np.empty(species), np.empty(species), np.empty(species)
    propensities = np.empty(reactions)
    critical = np.empty(reactions, np.bool_)
    sums = np.empty(-(-reactions // network.group_size))
    for i in range(begin, end):
        np.random.seed(seeds[i])  # noqa: NPY002
        held = held_rows[i if held_rows.shape[0] > 1 else 0]
        order = orders[i if orders.shape[0] > 1 else 0]
        prepare(machine, values, parameters[i if parameters.shape[0] > 1 else 0])
        _place(machine, start[i], scale, held, values, counts)
        now, k, steps, single = times[0], 0, 0, 0
        values[machine.time] = now
        total, culprit, worst = _refresh(machine, network, values, counts, held, omega, propensities, sums)
        while culprit < 0:
            while k < times.size and times[k] <= now:
                out[i, k] = values[machine.species : machine.time]
                k += 1
            if k == times.size:
                break
            if steps == most:
                note(report[i], TOO_MANY, now, 0, total)
                return False
            steps += 1
            # Waiting times have no memory: a step may end here, and the next begins afresh.
            horizon = times[k] if longest >= times[k] - now else now + longest
            leap, of_critical = math.inf, 0.0
            if single == 0 and total > 0.0:
                leap, of_critical = _longest_leap(
                    network, propensities, counts, held, order, critical, drift, spread, used
                )
            accepted = False
            while single == 0 and total > 0.0 and not accepted:
                if leap < SHORTEST_LEAP / total:
                    single = EXACT_STEPS
                    break
                until = math.inf
                if of_critical > 0.0:
                    until = np.random.standard_exponential() / of_critical  # noqa: NPY002
                step = min(leap, until, horizon - now)
                trial[:] = counts
                for r in range(reactions):
                    if propensities[r] > 0.0 and not critical[r]:
                        events = float(np.random.poisson(propensities[r] * step))  # noqa: NPY002
                        _add(trial, events, r, network, held)
                if until <= step:
                    _add(trial, 1.0, _one_critical(of_critical, propensities, critical), network, held)
                accepted = True
                for j in range(species):
                    accepted = accepted and trial[j] >= 0.0
                if accepted:
                    now = horizon if step == horizon - now else now + step
                    for j in range(species):
                        counts[j] = trial[j]
                        if not held[j]:
                            values[machine.species + j] = counts[j] / scale[j]
                else:
                    leap = 0.5 * step
            if accepted:
                values[machine.time] = now
                total, culprit, worst = _refresh(
                    machine, network, values, counts, held, omega, propensities, sums
                )
                continue
            single = max(single - 1, 0)
            after = math.inf
            if total > 0.0:
                after = now + np.random.standard_exponential() / total  # noqa: NPY002
            if after < horizon:
                now = after
                event = _chosen(total, network.group_size, propensities, sums)
                total, culprit, worst = _fire(
                    event, machine, network, values, counts, scale, held, omega, propensities, sums
                )
            else:
                now = horizon
            if longest < math.inf:
                values[machine.time] = now
                total, culprit, worst = _refresh(
                    machine, network, values, counts, held, omega, propensities, sums
                )
        if culprit >= 0:
            note(report[i], BAD_RATE, now, culprit, worst)
            return False
    return True


@inlined
def _add(counts: Array, events: float, r: int, network: Network, held: Array) -> None:
    for k in range(network.changed_start[r], network.changed_start[r + 1]):
        if not held[network.changed[k]]:
            counts[network.changed[k]] += events * network.change[k]


@compiled
def _one_critical(total: float, propensities: Array, critical: Array) -> int:
    left = np.random.random() * total  # noqa: NPY002
    last = -1
    for r in range(propensities.size):
        if critical[r]:
            last = r
            if left < propensities[r]:
                return r
            left -= propensities[r]
    return last


@inlined
def _rates(machine: Machine, values: Array, rates: Array) -> tuple[int, float]:
    """Rates of all reactions; a reaction with an impossible one (or −1), and it."""
    run(machine.operations, values, machine.fixed, len(machine.operations))
    worst, culprit, total = 0.0, -1, 0.0
    for r in range(rates.size):
        worst, culprit = _store(r, values[machine.outputs[r]], rates, worst, culprit)
        total += rates[r]
    if culprit >= 0 and -ROUNDING * total <= worst <= 0.0:
        culprit = -1
    return culprit, worst


@inlined
def _fastest_turnover(
    machine: Machine,
    network: Network,
    values: Array,
    rates: Array,
    flux: Array,
    held: Array,
    volume: Array,
    omega: float,
) -> float:
    """Largest flux into and out of a species over its concentration, taken as one molecule at least."""
    for j in range(volume.size):
        flux[j] = 0.0
        if not held[j]:
            at = machine.species + j
            values[at] = max(values[at], 1.0 / (omega * volume[j]))
    _rates(machine, values, rates)
    for r in range(rates.size):
        for k in range(network.changed_start[r], network.changed_start[r + 1]):
            flux[network.changed[k]] += abs(network.change[k]) * rates[r]
    fastest = 0.0
    for j in range(volume.size):
        if not held[j]:
            fastest = max(fastest, flux[j] / (volume[j] * values[machine.species + j]))
    return fastest


@compiled
def langevin(
    begin: int,
    end: int,
    machine: Machine,
    network: Network,
    start: Array,
    times: Array,
    parameters: Array,
    held_rows: Array,
    volume: Array,
    omega: float,
    seeds: Array,
    most: int,
    out: Array,
    report: Array,
    longest: float,
    last: Array,
) -> bool:
    """Euler–Maruyama for trajectories ``begin`` to ``end``; False where one failed.

    A step of 0 asks for one that follows from the turnover. ``last`` is filled with the levels at the end, as
    they are, also below zero.
    """
    species, reactions = volume.size, machine.outputs.size
    values = np.empty(machine.size)
    level, flux = np.empty(species), np.empty(species)
    rates = np.empty(reactions)
    for i in range(begin, end):
        np.random.seed(seeds[i])  # noqa: NPY002
        held = held_rows[i if held_rows.shape[0] > 1 else 0]
        prepare(machine, values, parameters[i if parameters.shape[0] > 1 else 0])
        level[:] = start[i]
        for j in range(species):
            out[i, 0, j] = level[j] if held[j] else max(level[j], 0.0)
        now, done = times[0], 0
        for k in range(1, times.size):
            left = 1
            if longest > 0.0:
                left = max(math.ceil(min((times[k] - now) / longest, 1e15) * (1 - 1e-12)), 1)
            while left > 0:
                if done == most:
                    note(report[i], TOO_MANY, now, 0, 0.0)
                    return False
                done += 1
                values[machine.time] = now
                if longest <= 0.0:
                    _show(machine, level, values)
                    fastest = _fastest_turnover(machine, network, values, rates, flux, held, volume, omega)
                    left = max(math.ceil(min((times[k] - now) * fastest / TURNOVER, 1e15)), 1)
                _show(machine, level, values)
                culprit, worst = _rates(machine, values, rates)
                if culprit >= 0:
                    note(report[i], BAD_RATE, now, culprit, worst)
                    return False
                step = (times[k] - now) / left
                for r in range(reactions):
                    # A draw for every reaction in every step: streams of two runs stay side by side.
                    noise = np.random.standard_normal()  # noqa: NPY002
                    advance = rates[r] * step + math.sqrt(rates[r] * step / omega) * noise
                    for c in range(network.changed_start[r], network.changed_start[r + 1]):
                        j = network.changed[c]
                        if not held[j]:
                            level[j] += network.change[c] / volume[j] * advance
                left -= 1
                now = times[k] if left == 0 else now + step
            for j in range(species):
                out[i, k, j] = level[j] if held[j] else max(level[j], 0.0)
                if not math.isfinite(level[j]):
                    note(report[i], NOT_FINITE, now, j, level[j])
                    return False
        last[i] = level
    return True


@inlined
def _show(machine: Machine, level: Array, values: Array) -> None:
    """Rates see levels below zero as zero."""
    for j in range(level.size):
        values[machine.species + j] = max(level[j], 0.0)
