"""Formulas, and the programs made of them, against the same arithmetic written by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grn.networks import BooleanNetwork, GeneNetwork
from grn.networks.formula import (
    Formula,
    Op,
    apply,
    call,
    constant,
    hill,
    nodes,
    parameter,
    product,
    replace_leaves,
    species,
    time,
    total,
)
from grn.networks.program import Program

A, B, K = species("A"), species("B"), parameter("k")


def value(formula: Formula, a: float = 2.0, b: float = 3.0, k: float = 5.0, now: float = 7.0) -> float:
    program = Program([formula], species=["A", "B"], parameters=["k"])
    fixed = program.prepare(torch.tensor([[k]], dtype=torch.float64))
    return float(program(torch.tensor([[a], [b]], dtype=torch.float64), fixed, now))


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (A + B * K - 1, 2 + 3 * 5 - 1),
        ((A - B) / K, (2 - 3) / 5),
        (A**B, 8),
        (-A, -2),
        (-Formula(Op.NEGATE, (A,)), 2),
        (1 / A, 0.5),
        (constant(4), 4),
        (K + 1, 6),
        (time() * A, 14),
        (total([]), 0),
        (product([]), 1),
        (product([A, 0, B]), 0),
        (hill(A, 2, 4), 0.5),
        (hill(-A, 2, 4), 0),
        (hill(A, 1e-200, 4), 1),
        (apply(Op.SATURATE, constant(math.inf)), 1),
        (apply(Op.POSITIVE_POWER, -A, 2), 0),
        (apply(Op.SELECT, apply(Op.LESS, A, B), A, B), 2),
        (apply(Op.EXP, apply(Op.LOG, A)), 2),
        (apply(Op.AND, 1, 0) + apply(Op.OR, 1, 0) + apply(Op.NOT, 0), 2),
    ],
    ids=str,
)
def test_value(formula: Formula, expected: float) -> None:
    assert value(formula) == pytest.approx(expected, rel=1e-15)


leaves = st.sampled_from([A, B, K]) | st.floats(-3, 3).map(constant)
formulas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=5).map(total),
        st.lists(inner, min_size=2, max_size=5).map(product),
        st.tuples(inner, inner).map(lambda pair: pair[0] - pair[1]),
        inner.map(lambda f: -f),
        inner.map(lambda f: apply(Op.TANH, f)),
    ),
    max_leaves=30,
)


def directly(formula: Formula, a: float, b: float, k: float) -> float:
    known = {"A": a, "B": b, "k": k}
    if formula.op is Op.CONSTANT:
        return formula.value
    if formula.op in (Op.SPECIES, Op.PARAMETER):
        return known[formula.name]
    parts = [directly(part, a, b, k) for part in formula.arguments]
    return {
        Op.ADD: lambda: math.fsum(parts),
        Op.MULTIPLY: lambda: math.prod(parts),
        Op.NEGATE: lambda: -parts[0],
        Op.TANH: lambda: math.tanh(parts[0]),
    }[formula.op]()


@given(formulas, st.floats(-2, 2), st.floats(-2, 2), st.floats(-2, 2))
@settings(max_examples=150, deadline=None)
def test_random_formulas_are_computed_as_written(formula: Formula, a: float, b: float, k: float) -> None:
    scale = 1 + abs(directly(apply(Op.ABS, formula), a, b, k)) if formula.op is Op.ABS else 3.0**30
    # Balanced sums round otherwise than sums in order: by units in the last place of the largest term.
    assert value(formula, a, b, k) == pytest.approx(directly(formula, a, b, k), rel=1e-9, abs=1e-15 * scale)


@given(formulas)
@settings(max_examples=100, deadline=None)
def test_written_formulas_mean_what_they_say(formula: Formula) -> None:
    text = str(formula).replace("^", "**")
    names = {"A": 0.7, "B": -1.3, "k": 0.4, "tanh": math.tanh}
    assert eval(text, {"__builtins__": {}}, names) == pytest.approx(
        directly(formula, 0.7, -1.3, 0.4), rel=1e-9, abs=1e-9
    )


def test_equal_subformulas_are_computed_once() -> None:
    twice = Program([hill(A, 1, 2) + hill(B, 1, 2), hill(A, 1, 2)], species=["A", "B"], parameters=[])
    assert (twice.operation_list().code == Op.HILL).sum() == 2


def test_what_depends_on_parameters_alone_is_computed_once_a_simulation() -> None:
    program = Program([(1 - K) * A], species=["A"], parameters=["k"])
    listed = program.operation_list()
    assert listed.fixed == 2  # −k, 1 + (−k)
    assert len(listed.code) == 3


def test_number_of_calls_does_not_grow_with_the_network() -> None:
    def steps(genes: int) -> int:
        rules = {f"G{k}": f"G{(k + 1) % genes} and not G{(k + 2) % genes}" for k in range(genes)}
        return len(GeneNetwork.from_boolean(BooleanNetwork(rules)).system.derivatives._steps[True])

    assert steps(200) == steps(10)


def test_batches_of_states_and_parameters_do_not_mix() -> None:
    program = Program([K * A, constant(3.0), hill(A, K, 2), K + 1], species=["A", "B"], parameters=["k"])
    rng = np.random.default_rng(0)
    levels, rates = torch.from_numpy(rng.uniform(0, 5, (2, 7))), torch.from_numpy(rng.uniform(1, 5, (1, 7)))
    together = program(levels, program.prepare(rates))
    assert together.shape == (4, 7)
    for i in range(7):
        alone = program(levels[:, i : i + 1], program.prepare(rates[:, i : i + 1]))
        assert torch.equal(together[:, i : i + 1], alone)
    torch.testing.assert_close(together[2], levels[0] ** 2 / (rates[0] ** 2 + levels[0] ** 2))


def test_gradients_stay_finite_where_powers_end() -> None:
    program = Program([hill(A, K, 3)], species=["A"], parameters=["k"])
    levels = torch.tensor([[0.0, 1e-300, 1.0, 1e300]], dtype=torch.float64, requires_grad=True)
    rates = torch.ones(1, 4, dtype=torch.float64, requires_grad=True)
    gradients = torch.autograd.grad(program(levels, program.prepare(rates)).sum(), (levels, rates))
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert float(gradients[0][0, 2]) == pytest.approx(0.75)  # 3x²/(1+x³)² at 1


def test_callables_get_one_row_a_source() -> None:
    program = Program([call(lambda a, b: a * b.cos(), A, B), A], species=["A", "B"], parameters=[])
    levels = torch.tensor([[1.0, 2.0], [0.0, math.pi]], dtype=torch.float64)
    fixed = program.prepare(torch.empty(0, 1, dtype=torch.float64))
    torch.testing.assert_close(program(levels, fixed)[0], torch.tensor([1.0, -2.0], dtype=torch.float64))
    with pytest.raises(ValueError, match="cannot run the callable '<lambda>'"):
        program.operation_list()


def test_deep_and_long_formulas_need_no_recursion() -> None:
    deep: Formula = A
    for _ in range(5_000):
        deep = apply(Op.TANH, deep)
    assert 0 < value(deep) < 1
    long = total([species("A") * (i + 1) for i in range(3_000)])
    program = Program([long], species=["A", "B"], parameters=["k"])
    assert len(program._steps[True]) < 20
    assert value(long, a=1.0) == 3_000 * 3_001 / 2


def test_unknown_names_are_named() -> None:
    with pytest.raises(ValueError, match="uses 'X', which is not among the species"):
        Program([species("X")], species=["A"], parameters=[])
    with pytest.raises(ValueError, match="uses 'q', which is not among the parameters"):
        Program([parameter("q")], species=["A"], parameters=["k"])


def test_numbers_alone_make_formulas() -> None:
    with pytest.raises(TypeError, match="made of formulas and numbers, got 'x'"):
        A + "x"  # type: ignore[operator]
    with pytest.raises(ValueError, match="got NaN"):
        A * math.nan


def test_leaves_are_replaced_everywhere() -> None:
    formula = K * A + apply(Op.EXP, K)
    replaced = replace_leaves(formula, lambda leaf: constant(2) if leaf.name == "k" else None)
    assert not any(node.op is Op.PARAMETER for node in nodes([replaced]))
    assert value(replaced) == pytest.approx(2 * 2 + math.exp(2))
