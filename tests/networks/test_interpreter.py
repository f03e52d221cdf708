"""The compiled interpreter computes every operation as torch does."""

import itertools
import math

import numpy as np
import pytest
import torch

from grn.kernels import interpreter, lanes
from grn.networks.engines.batches import machine_of
from grn.networks.formula import Formula, Op, apply, hill, parameter, species, time
from grn.networks.program import _TORCH, Program

ARGUMENTS = {Op.HILL: 3, Op.SELECT: 3} | dict.fromkeys(
    (
        *(Op.ADD, Op.MULTIPLY, Op.DIVIDE, Op.POWER, Op.POSITIVE_POWER, Op.MINIMUM, Op.MAXIMUM),
        *(Op.LESS, Op.LESS_EQUAL, Op.EQUAL, Op.AND, Op.OR),
    ),
    2,
)
SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.0,
    3.0,
    4.0,
    0.5,
    -2.5,
    1e-300,
    1e300,
    -1e300,
    math.inf,
    -math.inf,
    math.nan,
]


def interpreted(program: Program, levels: np.ndarray, parameters: np.ndarray, now: float = 0.0) -> np.ndarray:
    machine = machine_of(program)
    values = np.empty(machine.size)
    found = np.empty((len(machine.outputs), levels.shape[1]))
    for i in range(levels.shape[1]):
        interpreter.prepare(machine, values, parameters)
        values[machine.species : machine.time] = levels[:, i]
        values[machine.time] = now
        interpreter.run(machine.operations, values, machine.fixed, len(machine.operations))
        found[:, i] = values[machine.outputs]
    return found


def by_torch(program: Program, levels: np.ndarray, parameters: np.ndarray, now: float = 0.0) -> np.ndarray:
    fixed = program.prepare(torch.from_numpy(parameters)[:, None])
    return program(torch.from_numpy(levels), fixed, now).numpy()


def test_every_operation_has_the_number_of_the_formulas() -> None:
    named = {op.name: int(op) for op in _TORCH}
    assert {name: getattr(interpreter, name) for name in named} == named


@pytest.mark.parametrize("op", list(_TORCH), ids=lambda op: op.name)
def test_operation_agrees_with_torch_on_ordinary_and_special_values(op: Op) -> None:
    count = ARGUMENTS.get(op, 1)
    names = ["a", "b", "c"][:count]
    program = Program([Formula(op, tuple(map(species, names)))], species=names, parameters=[])
    rng = np.random.default_rng(0)
    ordinary = np.concatenate(
        [rng.normal(0, 3, (count, 300)), 10 ** rng.uniform(-12, 12, (count, 300))], axis=1
    )
    special = np.array(list(itertools.product(SPECIAL, repeat=count))).T
    levels = np.concatenate([ordinary, special], axis=1)
    got, expected = interpreted(program, levels, np.empty(0)), by_torch(program, levels, np.empty(0))
    # Two libraries of elementary functions: a few units in the last place; below 1e-307 powers may flush.
    np.testing.assert_allclose(got, expected, rtol=1e-14, atol=1e-307)


def test_hill_is_what_it_says() -> None:
    program = Program([hill(species("x"), 10.0, 2.5)], species=["x"], parameters=[])
    x = np.array([[-3.0, 0.0, 5.0, 10.0, 1e200, math.inf]])
    expected = [0.0, 0.0, 1 / (1 + 2**2.5), 0.5, 1.0, 1.0]
    np.testing.assert_allclose(interpreted(program, x, np.empty(0))[0], expected, rtol=1e-15)


@pytest.mark.parametrize("n", [0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0])
def test_whole_powers_by_multiplication_agree(n: float) -> None:
    program = Program(
        [hill(species("x"), parameter("K"), parameter("n"))], species=["x"], parameters=["K", "n"]
    )
    x = np.geomspace(1e-160, 1e160, 641)[None]
    rows = np.array([3.0, n])
    np.testing.assert_allclose(
        interpreted(program, x, rows), by_torch(program, x, rows), rtol=1e-14, atol=1e-300
    )


def test_program_with_time_parameters_and_shared_parts_agrees() -> None:
    a, b, k = species("A"), species("B"), parameter("k")
    shared = hill(a, k * 2, 2)
    formulas = [
        shared * b + time() * k,
        apply(Op.SELECT, apply(Op.LESS, a, b), shared - 1, apply(Op.EXP, -b) ** k),
        k / (k + 1),  # of parameters alone
        a,
    ]
    program = Program(formulas, species=["A", "B"], parameters=["k"])
    levels = np.random.default_rng(1).uniform(0, 5, (2, 50))
    got = interpreted(program, levels, np.array([1.5]), 2.25)
    np.testing.assert_allclose(got, by_torch(program, levels, np.array([1.5]), 2.25), rtol=1e-14)
    np.testing.assert_allclose(got[2], 0.6)


@pytest.mark.parametrize("op", list(_TORCH), ids=lambda op: op.name)
def test_lanes_agree_with_the_interpreter(op: Op) -> None:
    count = ARGUMENTS.get(op, 1)
    names = ["a", "b", "c"][:count]
    program = Program([Formula(op, tuple(map(species, names)))], species=names, parameters=[])
    rng = np.random.default_rng(1)
    levels = np.concatenate([10 ** rng.uniform(-6, 6, (count, 96)), rng.uniform(0, 8, (count, 96))], axis=1)
    if op in (Op.HILL, Op.POSITIVE_POWER):
        levels[-1] = rng.uniform(0.5, 12, levels.shape[1])  # exponents
    levels[0, :8], levels[0, 8:16] = 0.0, math.nan
    machine = machine_of(program)
    values = np.zeros((machine.size, levels.shape[1]))
    values[machine.species : machine.time] = levels
    lanes._operations(machine, values, levels.shape[1])
    expected = interpreted(program, levels, np.empty(0))
    # The logarithm's rounding times the exponent: |n·log x| < 200 here, so 200 units in the last place.
    np.testing.assert_allclose(values[machine.outputs], expected, rtol=1e-13, atol=1e-299)
