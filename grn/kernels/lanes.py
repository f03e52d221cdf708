"""Rate equations of a batch in compiled code: a block of trajectories side by side, each with its own steps.

Every operation of the interpreter is done for all lanes of a block at once, in vector instructions. Each lane
carries one trajectory with its own time and its own step; where one ends, the next takes its lane. So a stiff
member of the batch holds up nobody.

References
----------
Dormand, Prince, J. Comput. Appl. Math. 6, 1980.
Hairer, Nørsett, Wanner, "Solving ordinary differential equations I", 1993 (DOPRI5).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from grn.kernels.elementary import exp_of_minus, log_of_normal
from grn.kernels.interpreter import (
    ADD,
    DIVIDE,
    HILL,
    MULTIPLY,
    NEGATE,
    POSITIVE_POWER,
    SATURATE,
    Machine,
    compiled,
    inlined,
    note,
    operate,
)
from grn.kernels.trajectories import NOT_FINITE, STEP_UNDERFLOW, TOO_MANY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

# numba's cache on disk watches this file alone: where a file that it inlines changes, so must this line.
INLINED = {"elementary": "31cd2653c7d9", "interpreter": "de31f12b0d37"}

LANES = 64  # trajectories side by side: a few dozen values each stay in the first-level cache
TINY, HUGE, LARGEST = 1e-307, 1e307, 690.0  # where logarithm and exponential hold: powers stay within 1e±299


@inlined
def _operations(machine: Machine, values: Array, width: int) -> None:
    """All operations that vary, for all lanes: the frequent ones in loops that become vector instructions."""
    operations = machine.operations
    for i in range(machine.fixed, len(operations)):
        code, t = operations[i, 0], operations[i, 1]
        a, b, c = operations[i, 2], operations[i, 3], operations[i, 4]
        if code == MULTIPLY:
            for k in range(width):
                values[t, k] = values[a, k] * values[b, k]
        elif code == ADD:
            for k in range(width):
                values[t, k] = values[a, k] + values[b, k]
        elif code == HILL:
            for k in range(width):
                ratio = (0.0 if values[a, k] < 0.0 else values[a, k]) / values[b, k]
                power = values[c, k] * log_of_normal(min(max(ratio, TINY), HUGE))
                level = 1.0 / (1.0 + exp_of_minus(min(max(power, -LARGEST), LARGEST)))
                values[t, k] = level if ratio > TINY else 0.0 * ratio
        elif code == DIVIDE:
            for k in range(width):
                values[t, k] = values[a, k] / values[b, k]
        elif code == NEGATE:
            for k in range(width):
                values[t, k] = -values[a, k]
        elif code == SATURATE:
            for k in range(width):
                values[t, k] = 1.0 - 1.0 / (1.0 + values[a, k])
        elif code == POSITIVE_POWER:
            for k in range(width):
                base, n = (0.0 if values[a, k] < 0.0 else values[a, k]), values[b, k]
                power = n * log_of_normal(min(max(base, TINY), HUGE))
                level = exp_of_minus(-min(max(power, -LARGEST), LARGEST))
                nothing = 0.0 * base if n > 0.0 else (1.0 if n == 0.0 else math.inf)
                values[t, k] = level if base > TINY else nothing
        else:
            for k in range(width):
                values[t, k] = operate(code, values[a, k], values[b, k], values[c, k])


@compiled
def _slopes(
    machine: Machine, values: Array, now: Array, y: Array, free: Array, slope: Array, width: int
) -> None:
    for j in range(y.shape[0]):
        for k in range(width):
            values[machine.species + j, k] = y[j, k]
    for k in range(width):
        values[machine.time, k] = now[k]
    _operations(machine, values, width)
    for j in range(y.shape[0]):
        source = machine.outputs[j]
        for k in range(width):
            slope[j, k] = values[source, k] * free[j, k]


@compiled
def _slope_of_lane(
    machine: Machine, values: Array, now: float, y: Array, free: Array, slope: Array, lane: int
) -> None:
    """Slope of one lane alone."""
    for j in range(y.shape[0]):
        values[machine.species + j, lane] = y[j, lane]
    values[machine.time, lane] = now
    _run_lane(machine.operations, values, machine.fixed, len(machine.operations), lane)
    for j in range(y.shape[0]):
        slope[j, lane] = values[machine.outputs[j], lane] * free[j, lane]


@compiled
def _run_lane(operations: Array, values: Array, begin: int, end: int, lane: int) -> None:
    for i in range(begin, end):
        values[operations[i, 1], lane] = operate(
            operations[i, 0],
            values[operations[i, 2], lane],
            values[operations[i, 3], lane],
            values[operations[i, 4], lane],
        )


@compiled
def _enter(
    lane: int,
    machine: Machine,
    values: Array,
    start: Array,
    parameters: Array,
    held: Array,
    y: Array,
    free: Array,
    now: float,
    k1: Array,
    k2: Array,
    trial: Array,
    tolerances: tuple[float, float],
) -> float:
    """Put a trajectory into a lane; returns its first step (Hairer et al., II.4)."""
    relative, absolute = tolerances
    values[: machine.parameters, lane] = machine.constants
    values[machine.parameters : machine.species, lane] = parameters
    _run_lane(machine.operations, values, 0, machine.fixed, lane)
    for j in range(y.shape[0]):
        y[j, lane] = start[j]
        free[j, lane] = 0.0 if held[j] else 1.0
    _slope_of_lane(machine, values, now, y, free, k1, lane)
    size = speed = bend = 0.0
    for j in range(y.shape[0]):
        weight = absolute + relative * abs(start[j])
        size = max(size, abs(start[j]) / weight)
        speed = max(speed, abs(k1[j, lane]) / weight)
    small = 0.01 * size / speed if size > 1e-5 and speed > 1e-5 else 1e-6
    for j in range(y.shape[0]):
        trial[j, lane] = start[j] + small * k1[j, lane]
    _slope_of_lane(machine, values, now + small, trial, free, k2, lane)
    for j in range(y.shape[0]):
        bend = max(bend, abs(k2[j, lane] - k1[j, lane]) / (absolute + relative * abs(start[j])) / small)
    largest = max(speed, bend)
    following = (0.01 / largest) ** 0.2 if largest > 1e-15 else max(1e-6, small * 1e-3)
    return float(min(100.0 * small, following)) if math.isfinite(bend) else small * 1e-3


@compiled
def _interpolate(
    lane: int,
    part: float,
    h: float,
    y: Array,
    new: Array,
    slopes: tuple[Array, Array, Array, Array, Array, Array],
    out: Array,
) -> None:
    """State of one lane inside its step, by the pair's interpolant of order 4."""
    k1, k3, k4, k5, k6, k7 = slopes
    rest = 1.0 - part
    for j in range(out.size):
        rise = new[j, lane] - y[j, lane]
        curve = h * k1[j, lane] - rise
        fourth = h * (
            -12715105075 / 11282082432 * k1[j, lane]
            + 87487479700 / 32700410799 * k3[j, lane]
            - 10690763975 / 1880347072 * k4[j, lane]
            + 701980252875 / 199316789632 * k5[j, lane]
            - 1453857185 / 822651844 * k6[j, lane]
            + 69997945 / 29380423 * k7[j, lane]
        )
        inner = curve + part * (rise - h * k7[j, lane] - curve + rest * fourth)
        out[j] = y[j, lane] + part * (rise + rest * inner)


@compiled
def dormand_prince(
    begin: int,
    end: int,
    machine: Machine,
    start: Array,
    times: Array,
    parameters: Array,
    held_rows: Array,
    tolerances: tuple[float, float],
    most: int,
    steady: float,
    out: Array,
    settled: Array,
    evaluations: Array,
    report: Array,
) -> bool:
    """Dormand–Prince 5(4) for trajectories ``begin`` to ``end``; False where one failed."""
    relative, absolute = tolerances
    floor = absolute / relative
    species, last = start.shape[1], times[times.size - 1]
    width = min(LANES, (end - begin + 7) // 8 * 8)  # whole vectors
    values = np.zeros((machine.size, width))
    y, new, free = np.zeros((species, width)), np.zeros((species, width)), np.zeros((species, width))
    k1, k2, k3 = np.zeros((species, width)), np.zeros((species, width)), np.zeros((species, width))
    k4, k5, k6 = np.zeros((species, width)), np.zeros((species, width)), np.zeros((species, width))
    k7 = np.zeros((species, width))
    member = np.full(width, -1)  # trajectory in the lane; −1: none
    following, steps = np.zeros(width, np.int64), np.zeros(width, np.int64)
    now, moment, h, wanted = np.zeros(width), np.zeros(width), np.zeros(width), np.zeros(width)
    error, speed, before = np.zeros(width), np.zeros(width), np.zeros(width)
    accepted, factor = np.zeros(width), np.zeros(width)
    rejected = np.zeros(width, np.bool_)
    coming = begin
    for i in range(begin, end):
        out[i, 0] = start[i]
    if times.size == 1:
        return True
    while True:
        active = 0
        for k in range(width):
            while member[k] < 0 and coming < end:
                i = coming
                coming += 1
                wanted[k] = _enter(
                    k,
                    machine,
                    values,
                    start[i],
                    parameters[i if parameters.shape[0] > 1 else 0],
                    held_rows[i if held_rows.shape[0] > 1 else 0],
                    y,
                    free,
                    times[0],
                    k1,
                    k2,
                    new,
                    tolerances,
                )
                evaluations[i] = 2
                fastest = 0.0
                for j in range(species):
                    if not math.isfinite(k1[j, k]):
                        note(report[i], NOT_FINITE, times[0], j, k1[j, k])
                        return False
                    fastest = max(fastest, abs(k1[j, k]) / (abs(y[j, k]) + floor))
                if steady > 0.0 and fastest < steady:
                    settled[i] = True
                    for rest_of in range(1, times.size):
                        out[i, rest_of] = start[i]
                    continue
                member[k], now[k], following[k], steps[k] = i, times[0], 1, 0
                before[k], rejected[k] = 1e-4, False
            if member[k] < 0:
                h[k] = 0.0
                continue
            active += 1
            h[k] = min(wanted[k], last - now[k])
            if now[k] + 0.1 * h[k] == now[k]:
                note(report[member[k]], STEP_UNDERFLOW, now[k], 0, h[k])
                return False
            if steps[k] == most:
                note(report[member[k]], TOO_MANY, now[k], 0, h[k])
                return False
            steps[k] += 1
            evaluations[member[k]] += 6
        if active == 0:
            return True
        for j in range(species):
            for k in range(width):
                new[j, k] = y[j, k] + h[k] * (1 / 5) * k1[j, k]
        for k in range(width):
            moment[k] = now[k] + h[k] / 5
        _slopes(machine, values, moment, new, free, k2, width)
        for j in range(species):
            for k in range(width):
                new[j, k] = y[j, k] + h[k] * (3 / 40 * k1[j, k] + 9 / 40 * k2[j, k])
        for k in range(width):
            moment[k] = now[k] + 3 * h[k] / 10
        _slopes(machine, values, moment, new, free, k3, width)
        for j in range(species):
            for k in range(width):
                new[j, k] = y[j, k] + h[k] * (44 / 45 * k1[j, k] - 56 / 15 * k2[j, k] + 32 / 9 * k3[j, k])
        for k in range(width):
            moment[k] = now[k] + 4 * h[k] / 5
        _slopes(machine, values, moment, new, free, k4, width)
        for j in range(species):
            for k in range(width):
                new[j, k] = y[j, k] + h[k] * (
                    19372 / 6561 * k1[j, k]
                    - 25360 / 2187 * k2[j, k]
                    + 64448 / 6561 * k3[j, k]
                    - 212 / 729 * k4[j, k]
                )
        for k in range(width):
            moment[k] = now[k] + 8 * h[k] / 9
        _slopes(machine, values, moment, new, free, k5, width)
        for j in range(species):
            for k in range(width):
                new[j, k] = y[j, k] + h[k] * (
                    9017 / 3168 * k1[j, k]
                    - 355 / 33 * k2[j, k]
                    + 46732 / 5247 * k3[j, k]
                    + 49 / 176 * k4[j, k]
                    - 5103 / 18656 * k5[j, k]
                )
        for k in range(width):
            moment[k] = now[k] + h[k]
        _slopes(machine, values, moment, new, free, k6, width)
        for j in range(species):
            for k in range(width):
                new[j, k] = y[j, k] + h[k] * (
                    35 / 384 * k1[j, k]
                    + 500 / 1113 * k3[j, k]
                    + 125 / 192 * k4[j, k]
                    - 2187 / 6784 * k5[j, k]
                    + 11 / 84 * k6[j, k]
                )
        _slopes(machine, values, moment, new, free, k7, width)
        for k in range(width):
            error[k] = 0.0
            speed[k] = 0.0
        for j in range(species):
            for k in range(width):
                wrong = h[k] * (
                    71 / 57600 * k1[j, k]
                    - 71 / 16695 * k3[j, k]
                    + 71 / 1920 * k4[j, k]
                    - 17253 / 339200 * k5[j, k]
                    + 22 / 525 * k6[j, k]
                    - 1 / 40 * k7[j, k]
                )
                wrong = abs(wrong) / (absolute + relative * max(abs(y[j, k]), abs(new[j, k])))
                wrong = wrong if wrong == wrong else math.inf
                error[k] = max(error[k], wrong)
                speed[k] = max(speed[k], abs(k7[j, k]) / (abs(new[j, k]) + floor))
        for k in range(width):
            # each species keeps its tolerance: the largest error decides
            accepted[k] = 1.0 if error[k] <= 1.0 and h[k] > 0.0 else 0.0
            bounded = min(max(error[k], 1e-10), 1e10)
            grown = exp_of_minus(0.17 * log_of_normal(bounded) - 0.04 * log_of_normal(before[k]))
            shrunk = max(0.2, 0.9 * exp_of_minus(0.2 * log_of_normal(bounded)))
            largest = 1.0 if rejected[k] else 10.0
            grown = min(max(0.9 * grown, 0.2), largest)
            shrunk = shrunk if error[k] < math.inf else 0.1
            factor[k] = grown if accepted[k] > 0.0 else shrunk
            wanted[k] = h[k] * factor[k]
        for k in range(width):
            i = member[k]
            if i < 0:
                continue
            if accepted[k] == 0.0:
                rejected[k] = True
                continue
            after = now[k] + h[k]
            if last - after <= 1e-14 * abs(after):
                after = last
            while following[k] < times.size and times[following[k]] <= after:
                part = min((times[following[k]] - now[k]) / h[k], 1.0)
                _interpolate(k, part, h[k], y, new, (k1, k3, k4, k5, k6, k7), out[i, following[k]])
                following[k] += 1
            now[k] = after
            before[k], rejected[k] = max(error[k], 1e-4), False
            if steady > 0.0 and speed[k] < steady:
                settled[i] = True
                for rest_of in range(following[k], times.size):
                    for j in range(species):
                        out[i, rest_of, j] = new[j, k]
                following[k] = times.size
            if following[k] == times.size:
                member[k] = -1
        for j in range(species):
            for k in range(width):
                takes = accepted[k] > 0.0
                y[j, k] = new[j, k] if takes else y[j, k]
                k1[j, k] = k7[j, k] if takes else k1[j, k]
