"""Sensitivities against closed forms, finite differences, backpropagation and autograd."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from grn.integrate import Solver
from grn.networks import circuits
from grn.networks.equations import RateEquations
from grn.networks.fitting.derivative import tangents
from grn.networks.fitting.sensitivity import sensitivities, steady_sensitivities
from grn.networks.formula import Op, apply, hill, parameter, species
from grn.networks.network import Gene, GeneNetwork
from grn.networks.perturb import Clamp, Knockdown, Knockout
from grn.networks.program import Program
from grn.networks.promoters import Custom, HillProduct, Regulator, Rule
from grn.networks.simulate import simulate

METHODS = ["ode", "compiled"]


def two_stage(**rates):
    given = {"transcription": 3.0, "mrna_decay": 2.0, "translation": 1.5, "protein_decay": 0.5, **rates}
    return GeneNetwork(genes=(Gene(name="A", initial_mrna=0.4, initial_protein=0.7, **given),))


def closed_form(t, rates):
    """mRNA and protein of a gene that is always on; `rates` as tensors."""
    a, d, k, g, m0, p0 = rates
    rest, above = a / d, m0 - a / d
    m = rest + above * torch.exp(-d * t)
    p = p0 * torch.exp(-g * t) + k * rest / g * (1 - torch.exp(-g * t))
    return m, p + k * above * (torch.exp(-d * t) - torch.exp(-g * t)) / (g - d)


@pytest.mark.parametrize("method", METHODS)
def test_a_two_stage_gene_has_the_derivatives_of_its_closed_form(method):
    rates = torch.tensor([3.0, 2.0, 1.5, 0.5, 0.4, 0.7], dtype=torch.float64)
    times = [0.0, 0.3, 1.0, 5.0]
    found = sensitivities(
        two_stage(),
        times,
        parameters=["A.transcription", "A.mrna_decay", "A.translation", "A.protein_decay"],
        initial=["A_mrna", "A"],
        method=method,
    )
    assert found.names[-2:] == ("A_mrna(0)", "A(0)")
    for k, t in enumerate(times):
        exact = torch.autograd.functional.jacobian(lambda r, t=t: torch.stack(closed_form(t, r)), rates)
        torch.testing.assert_close(found.derivatives[k], exact, rtol=1e-6, atol=1e-7)  # the solver's 1e-8
        torch.testing.assert_close(found.values[k], torch.stack(closed_form(t, rates)), rtol=1e-7, atol=1e-8)
    relative = found.logarithmic[2]
    torch.testing.assert_close(relative, found.derivatives[2] * rates / found.values[2][:, None])


def test_backpropagation_through_simulate_agrees_with_forward_sensitivities():
    names = ["A.transcription", "A.mrna_decay", "A.translation", "A.protein_decay"]
    model = two_stage()
    given = {
        name: torch.tensor(model.parameters[name], dtype=torch.float64, requires_grad=True) for name in names
    }
    times = [0.0, 0.7, 2.0]
    path = simulate(model, times, parameters=given)
    forward = sensitivities(model, times, parameters=names)
    for moment in (1, 2):
        slopes = torch.autograd.grad(path["A"][0, moment], list(given.values()), retain_graph=True)
        torch.testing.assert_close(torch.stack(slopes), forward.derivatives[moment, 1], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["toggle", "repressilator", "p53"])
def test_circuits_agree_with_central_differences(name, method):
    model = circuits.CIRCUITS[name]()
    names = [n for n, v in model.parameters.items() if v > 0 and "expression" not in n][:6]
    times = [0.0, 0.5, 3.0]
    start = {s: 0.3 + 0.1 * k for k, s in enumerate(model.species)}
    tight = Solver(relative_tolerance=1e-11, absolute_tolerance=1e-12)
    found = sensitivities(model, times, parameters=names, start=start, method=method)
    for p, one in enumerate(names):
        value, step = model.parameters[one], 1e-5 * model.parameters[one]
        ends = [
            simulate(model, times, parameters={one: value + s}, start=start, solver=tight).values[0]
            for s in (step, -step)
        ]
        numeric = (ends[0] - ends[1]) / (2 * step)
        # Differences lose half the digits: relative 1e-10 of rounding and solver over a step of 1e-5.
        scale = float(ends[0].abs().max()) / value
        assert float((found.derivatives[:, :, p] - numeric).abs().max()) < 2e-5 * scale, one


def test_shared_parameters_have_the_sum_of_their_derivatives():
    model, times = circuits.toggle(), [0.0, 1.0, 4.0]
    apart = sensitivities(model, times, parameters=["lacI.protein_decay", "tetR.protein_decay"])
    together = sensitivities(model, times, parameters=["decay"], shared={"decay": "*.protein_decay"})
    torch.testing.assert_close(together.derivatives[..., 0], apart.derivatives.sum(-1))


@pytest.mark.parametrize("method", METHODS)
def test_perturbations_in_time_carry_the_derivatives_across(method):
    model, times = circuits.repressilator(), [0.0, 4.0, 10.0, 15.0]
    done = (Knockdown("lacI", remaining=0.3, at=5.0), Clamp("cI", level=7.0, at=8.0))
    name = "tetR.transcription"
    found = sensitivities(model, times, parameters=[name], perturbations=done, method=method)
    value = model.parameters[name]
    tight = Solver(relative_tolerance=1e-11, absolute_tolerance=1e-11)
    ends = [
        simulate(model, times, parameters={name: value + s}, perturbations=done, solver=tight).values[0]
        for s in (1e-3, -1e-3)
    ]
    numeric = (ends[0] - ends[1]) / 2e-3
    torch.testing.assert_close(found.derivatives[..., 0], numeric, rtol=1e-5, atol=1e-5)
    assert float(found["cI", name][2:].abs().max()) == 0  # held


def test_what_a_knockout_removes_depends_on_nothing():
    found = sensitivities(two_stage(), 3.0, parameters=["A.transcription"], perturbations=[Knockout("A")])
    assert float(found.derivatives.abs().max()) == 0
    with pytest.raises(ValueError, match=r"'A\.expression_scale' is set by a perturbation"):
        sensitivities(two_stage(), 3.0, parameters=["A.expression_scale"], perturbations=[Knockout("A")])


def test_a_delayed_gene_and_a_callable_are_differentiated_too():
    late = HillProduct(regulators=(Regulator(source="A", activates=False, delay=0.8),))
    own = Custom(function=lambda a: 1 / (1 + a * a), sources=("A",))
    model = GeneNetwork(
        genes=(
            Gene(name="A", regulation=late, transcription=2.0, mrna_decay=None),
            Gene(name="B", regulation=own, mrna_decay=None),
        )
    )
    times = [0.0, 0.5, 1.3, 3.0]
    found = sensitivities(model, times, parameters=["A.transcription"])
    tight = Solver(relative_tolerance=1e-10, absolute_tolerance=1e-11)
    ends = [
        simulate(model, times, parameters={"A.transcription": 2.0 + s}, solver=tight).values[0]
        for s in (1e-4, -1e-4)
    ]
    numeric = (ends[0] - ends[1]) / 2e-4
    torch.testing.assert_close(found.derivatives[..., 0], numeric, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="method='ode'"):
        sensitivities(model, times, parameters=["A.transcription"], method="compiled")


def test_derivatives_of_every_operation_are_those_of_autograd():
    x, y, n = species("x"), species("y"), parameter("n")
    one = [apply(op, x) for op in Op if op in range(Op.EXP, Op.MINIMUM)]
    formulas = [
        *one, x * y * n * x, x - y, -x, x / y, x**n, hill(x, y, n), hill(x, 0.1, n), apply(Op.SATURATE, x),
        apply(Op.POSITIVE_POWER, x, n), apply(Op.MINIMUM, x, y), apply(Op.MAXIMUM, x, y),
        apply(Op.SELECT, apply(Op.LESS, x, y), x * x, y), apply(Op.AND, x, y), apply(Op.NOT, x),
    ]  # fmt: skip
    values = torch.tensor([[0.37], [0.81]], dtype=torch.float64)
    rates = torch.tensor([[1.7]], dtype=torch.float64)
    program = Program(formulas, species=["x", "y"], parameters=["n"])
    for name, which in (("x", 0), ("y", 1), ("n", 2)):
        direction = tangents(formulas, lambda leaf, name=name: species("one") if leaf.name == name else None)
        slopes = Program(direction, species=["x", "y", "one"], parameters=["n"])
        ours = slopes(torch.cat([values, torch.ones(1, 1, dtype=torch.float64)]), slopes.prepare(rates))
        inputs = [values[:1].clone(), values[1:].clone(), rates.clone()]

        def at(v, inputs=inputs, which=which):
            full = [v if k == which else other for k, other in enumerate(inputs)]
            return program(torch.cat(full[:2]), program.prepare(full[2]))[:, 0]

        exact = torch.autograd.functional.jacobian(at, inputs[which])[:, 0, 0]
        torch.testing.assert_close(ours[:, 0], exact, rtol=1e-12, atol=1e-14)


def test_a_hill_function_has_finite_derivatives_at_nothing_and_next_to_nothing():
    formula = hill(species("x"), parameter("K"), parameter("n"))
    levels = torch.tensor([[-1e-12, 0.0, 1e-320, 1e-30, 1e30]], dtype=torch.float64)
    levels = torch.cat([levels, torch.ones_like(levels)])
    for name in ("x", "K", "n"):
        slope = tangents([formula], lambda leaf, name=name: species("one") if leaf.name == name else None)
        program = Program(slope, species=["x", "one"], parameters=["K", "n"])
        for n in (1.0, 2.0, 10.0):
            rates = torch.tensor([[10.0], [n]], dtype=torch.float64)
            found = program(levels, program.prepare(rates))
            assert bool(torch.isfinite(found).all())
            if name == "x" and n == 1:
                assert float(found[0, 1]) == pytest.approx(0.1)  # 1/K


def test_an_enzyme_beside_autograd_along_a_trajectory():
    model = GeneNetwork(
        genes=(
            Gene(name="A", regulation=Rule("A or not B"), transcription=3.0, initial_protein=0.2),
            Gene(name="B", regulation=Rule("A and not B"), initial_protein=0.4),
        )
    )
    names = [n for n in model.parameters if "scale" not in n and "forced" not in n]
    found = sensitivities(model, [0.0, 1e-3], parameters=names)
    equations = RateEquations(model.system)
    slope = equations.parameter_jacobian(equations.initial(), names)[0]
    torch.testing.assert_close(found.derivatives[1] / 1e-3, slope, rtol=2e-2, atol=2e-3)  # dS/dt at S = 0


def test_steady_sensitivities_are_the_limit_of_those_in_time():
    model = circuits.toggle()
    names = ["lacI.transcription", "tetR.transcription", "lacI.coefficient.tetR", "tetR.protein_decay"]
    path = simulate(model, [0.0, 80.0], start={"lacI": 100.0})
    state = dict(zip(model.species, path.final[0].tolist(), strict=True))
    steady = steady_sensitivities(model, state, parameters=names)
    moving = sensitivities(model, [0.0, 80.0], parameters=names, start={"lacI": 100.0})
    torch.testing.assert_close(steady.derivatives, moving.derivatives[-1], rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(
        steady.derivatives, (moving.values[-1][:, None] / steady.levels) * moving.logarithmic[-1]
    )


def test_steady_state_of_the_two_stage_gene_in_logarithms():
    names = ["A.transcription", "A.mrna_decay", "A.translation", "A.protein_decay"]
    found = steady_sensitivities(two_stage(), {"A_mrna": 1.5, "A": 4.5}, parameters=names)
    expected = torch.tensor([[1.0, -1, 0, 0], [1, -1, 1, -1]], dtype=torch.float64)
    torch.testing.assert_close(found.logarithmic, expected)
    held = steady_sensitivities(two_stage(), {"A_mrna": 1.0, "A": 3.0}, parameters=names, clamped=["A_mrna"])
    assert held.logarithmic[0].tolist() == [0, 0, 0, 0]
    torch.testing.assert_close(held.logarithmic[1], torch.tensor([0.0, 0, 1, -1], dtype=torch.float64))


def test_a_concentration_of_zero_has_no_logarithmic_sensitivity():
    model = GeneNetwork(genes=(Gene(name="A", mrna_decay=None),))
    found = sensitivities(model, [0.0, 1.0], parameters=["A.transcription"]).logarithmic
    assert math.isnan(found[0, 0, 0])
    assert float(found[1, 0, 0]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"parameters": ["A.transcripton"]}, "did you mean 'A.transcription'"),
        ({}, "got neither"),
        ({"initial": ["B"]}, "initial names 'B': the species are A_mrna, A"),
        ({"parameters": ["A.translation"] * 2}, "named twice"),
        ({"parameters": ["k"], "shared": {"k": "*.nothing"}}, "stands for no parameter"),
        ({"parameters": ["k"], "shared": {"k": ["A.mrna_decay", "A.translation"]}}, "from 1.5 to 2"),
        ({"parameters": ["k", "A.translation"], "shared": {"k": ["A.translation"]}}, "under 'k' and"),
        ({"parameters": ["A.translation"], "shared": {"A.translation": "*"}}, "already a parameter"),
        ({"parameters": ["A.translation"], "method": "ssa"}, "'ode' or 'compiled', got 'ssa'"),
    ],
)  # fmt: skip
def test_bad_requests_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        sensitivities(two_stage(), 1.0, **given)


def test_a_state_that_moves_or_cannot_be_solved_for_is_refused():
    with pytest.raises(ValueError, match=r"but dA/dt is 1\.5"):
        steady_sensitivities(two_stage(), {"A_mrna": 1.5, "A": 1.5}, parameters=["A.translation"])
    with pytest.raises(ValueError, match="missing A, unknown B"):
        steady_sensitivities(two_stage(), {"A_mrna": 1.5, "B": 1.5}, parameters=["A.translation"])
    at_its_fold = circuits.positive_autoregulation(strength=2.0)  # the saddle-node of n = 2: a = 2 at x = 1
    with pytest.raises(ValueError, match="bifurcation"):
        steady_sensitivities(at_its_fold, {"x": 1.0}, parameters=["x.transcription"])


def test_values_are_those_of_simulate():
    model = circuits.repressilator()
    found = sensitivities(model, 30.0, parameters=["lacI.transcription"], values={"tetR.mrna_decay": 0.5})
    path = simulate(model, 30.0, parameters={"tetR.mrna_decay": 0.5})
    np.testing.assert_allclose(found.values, path.values[0], rtol=1e-6, atol=1e-7)
