"""`integrate` against closed forms and scipy, its gradients, its error norm, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from grn import ExpressionDynamics, ExpressionState, Homeostasis, Kinetics, Solver, integrate
from grn.analytic import affine_response
from grn.integrate import method_kind, methods

TIGHT = Solver(relative_tolerance=1e-11, absolute_tolerance=1e-13)


def equation_one(kinetics, q, a, cooperation=None, control=None):
    """Eq. 1 in numpy, written from the formula, for scipy."""
    gamma_m, gamma_p = kinetics.rates
    n, b = kinetics.hill_coefficient, kinetics.basal
    genes = len(q)
    c = cooperation.strength if cooperation else 0.0

    def slope(_, y):
        m, p = y[:genes], y[genes : 2 * genes]
        r = cooperation.neighbourhood(torch.from_numpy(p.copy())).numpy() if cooperation else 0.0
        x = q * (1 + a * p + c * r) / (1 + (a + c) / 2)
        if control:
            x = x * math.exp(-y[-1])
        dm = gamma_m * (b + (1 - b) * x**n / (1 + x**n)) - gamma_m * m
        dp = gamma_p * m - gamma_p * p
        if not control:
            return np.concatenate([dm, dp])
        rho = np.mean(1 / (1 + np.exp(-(p - control.level) / control.width)))
        return np.concatenate([dm, dp, [control.rate * (rho - control.target)]])

    return slope


@pytest.mark.parametrize(("gamma_m", "gamma_p"), [(1.0, 0.2), (0.5, 0.5), (0.1, 3.0)])
def test_affine_limit_is_the_closed_form(random_genes, gamma_m, gamma_p):
    """Limit 1 of Eq. 1, 1e-10 where 1e-6 is asked: dopri5 at a relative tolerance of 1e-11."""
    state, q = random_genes()
    kinetics = Kinetics(mrna_decay=gamma_m, protein_decay=gamma_p)
    times = torch.linspace(0, 12, 7, dtype=torch.float64)
    path = integrate(ExpressionDynamics(kinetics, q), state, times, TIGHT)
    exact = affine_response(state, kinetics.promoter_activity(q), times, kinetics)
    assert (path.mrna - exact.mrna).abs().max() < 1e-10
    assert (path.protein - exact.protein).abs().max() < 1e-10
    assert torch.equal(path[0].mrna, state.mrna)
    assert torch.equal(path.times, times)


@pytest.mark.parametrize("controlled", [False, True])
def test_full_equation_is_scipys_solution(random_genes, cooperation, controlled):
    control = Homeostasis(rate=0.8, target=0.3) if controlled else None
    state, q = random_genes(log_threshold=0.1 if controlled else None)
    kinetics = Kinetics(mrna_decay=1.0, protein_decay=0.3, hill_coefficient=3.5, basal=0.03)
    dynamics = ExpressionDynamics(
        kinetics, q, autoactivation=1.5, cooperation=cooperation, homeostasis=control
    )
    found = integrate(dynamics, state, 6.0, TIGHT).final
    y0 = np.concatenate([t.numpy().reshape(-1) for t in state.tensors()])
    slope = equation_one(kinetics, q.numpy(), 1.5, cooperation, control)
    exact = solve_ivp(slope, (0, 6), y0, "DOP853", rtol=1e-12, atol=1e-14).y[:, -1]
    ours = np.concatenate([t.numpy().reshape(-1) for t in found.tensors()])
    assert ours == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("method", methods())
def test_every_method_of_torchdiffeq_solves(random_genes, method):
    state, q = random_genes(8)
    kind = method_kind(method)
    solver = Solver(method=method, step_size=0.01) if kind == "fixed" else Solver(method=method)
    dynamics = ExpressionDynamics(Kinetics(), q, autoactivation=1.0)
    path = integrate(dynamics, state, torch.tensor([0.0, 0.703, 1.0]), solver)
    exact = integrate(dynamics, state, torch.tensor([0.0, 0.703, 1.0]), TIGHT)
    tolerance = 3e-3 if method == "euler" else 1e-5  # first order at 0.01 h; all others second or adaptive
    assert (path.protein - exact.protein).abs().max() < tolerance
    assert path.evaluations > 0


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("midpoint", 2), ("heun3", 3), ("rk4", 4)])
def test_order_of_fixed_methods(random_genes, method, order):
    state, q = random_genes(8)
    dynamics = ExpressionDynamics(Kinetics(protein_decay=0.5), q, autoactivation=2.0)
    # 1.3 h is no multiple of the steps' predecessor, so the output between steps must keep the order too.
    times = torch.tensor([0.0, 1.3, 4.0], dtype=torch.float64)
    exact = integrate(dynamics, state, times, TIGHT).protein
    steps = [0.4, 0.2, 0.1, 0.05]
    errors = [
        (integrate(dynamics, state, times, Solver(method=method, step_size=h)).protein - exact)
        .abs()
        .max()
        .item()
        for h in steps
    ]
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(order, abs=0.35)


def test_float32(random_genes):
    state, q = random_genes(dtype=torch.float32)
    dynamics = ExpressionDynamics(Kinetics(), q, autoactivation=1.0)
    path = integrate(dynamics, state, 5.0)
    exact = integrate(
        ExpressionDynamics(Kinetics(), q.double(), autoactivation=1.0),
        state.to(dtype=torch.float64),
        5.0,
        TIGHT,
    )
    assert path.final.mrna.dtype == torch.float32
    # 1e-5 of tolerance a step over about ten steps.
    assert (path.final.protein.double() - exact.final.protein).abs().max() < 1e-4


def test_evaluations_are_those_of_the_right_hand_side():
    calls = 0

    def transcription(m, p):
        nonlocal calls
        calls += 1
        return 1 / (1 + p)

    dynamics = ExpressionDynamics(Kinetics(), transcription=transcription, translation=lambda m: m)
    path = integrate(dynamics, ExpressionState.initial(2), 1.0, Solver(method="euler", step_size=0.25))
    assert path.evaluations == calls
    assert calls >= 4


def test_gene_norm_meets_the_tolerance_where_rms_does_not():
    """One fast gene among 20,000 at rest: in one RMS over everything its error vanishes."""
    genes = 20_000
    decay = torch.full((genes,), 1e-3, dtype=torch.float64)
    decay[0] = 20.0
    kinetics = Kinetics(mrna_decay=decay, protein_decay=decay)
    state = ExpressionState.initial(genes, level=0.5, dtype=torch.float64)
    q = torch.ones(genes, dtype=torch.float64)
    q[0] = 10.0
    exact = affine_response(state, kinetics.promoter_activity(q), 0.2, kinetics).protein
    error = {}
    for norm in ("gene", "rms"):
        solver = Solver(relative_tolerance=1e-4, absolute_tolerance=1e-4, norm=norm)
        found = integrate(ExpressionDynamics(kinetics, q), state, 0.2, solver).final.protein
        error[norm] = (found - exact).abs().max().item()
    # Tolerance 2e-4 at levels up to 1, a step; a few steps.
    assert error["gene"] < 3e-4
    assert error["rms"] > 1e-3


def loss_of(state, q, gamma_m, gamma_p, solver):
    dynamics = ExpressionDynamics(Kinetics(mrna_decay=gamma_m, protein_decay=gamma_p), q, autoactivation=1.0)
    return integrate(dynamics, state, 2.0, solver).final.protein.square().sum()


@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("per_gene", [False, True])
def test_gradients_are_finite_differences(random_genes, adjoint, per_gene):
    state, q = random_genes(5)
    shape = (5,) if per_gene else ()
    rates = [torch.full(shape, value, dtype=torch.float64, requires_grad=True) for value in (1.0, 0.3)]
    q.requires_grad_(True)
    solver = Solver(relative_tolerance=1e-10, absolute_tolerance=1e-12, adjoint=adjoint)
    loss_of(state, q, *rates, solver).backward()
    step = 1e-5
    for tensor in (*rates, q):
        flat = tensor.detach().flatten()
        for k in range(flat.numel()):
            values = []
            for sign in (1, -1):
                moved = flat.clone()
                moved[k] += sign * step
                changed = [moved.view(t.shape) if t is tensor else t.detach() for t in (q, *rates)]
                values.append(loss_of(state, *changed, solver).item())
            numeric = (values[0] - values[1]) / (2 * step)
            # The solves are good to 1e-10, so a central difference to about 1e-5.
            assert tensor.grad.flatten()[k].item() == pytest.approx(numeric, abs=2e-5)


def test_adjoint_finds_the_parameters_of_the_users_own_functions():
    module = torch.nn.Linear(1, 1, dtype=torch.float64)
    extra = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    state = ExpressionState.initial((3, 1), level=0.5, dtype=torch.float64)
    grads = []
    for adjoint in (False, True):
        dynamics = ExpressionDynamics(
            Kinetics(), transcription=lambda m, p: extra / (1 + p), translation=module, parameters=[extra]
        )
        solver = Solver(relative_tolerance=1e-10, absolute_tolerance=1e-12, adjoint=adjoint)
        loss = integrate(dynamics, state, 1.0, solver).final.protein.sum()
        grads.append(torch.stack([g.sum() for g in torch.autograd.grad(loss, (extra, *module.parameters()))]))
    assert torch.allclose(grads[0], grads[1], atol=1e-7)
    assert (grads[0].abs() > 1e-3).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "rk5"}, "method must be one of dopri8, dopri5"),
        ({"norm": "max"}, "norm must be 'gene' or 'rms', got 'max'"),
        ({"relative_tolerance": 0}, "relative_tolerance must be a positive finite number, got 0"),
        ({"method": "rk4"}, "step_size must be given in h for the fixed-step method 'rk4'"),
        ({"step_size": 0.1}, "step_size must be left out for 'dopri5'"),
        ({"method": "rk4", "step_size": 0.1, "max_steps": 3}, "must be left out but for adaptive methods"),
        ({"max_steps": 0}, "max_steps must be a positive integer"),
    ],
)
def test_bad_solvers_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Solver(**arguments)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (0.0, "times must be a positive finite duration in h, got 0"),
        (-1, "times must be a positive finite duration in h, got -1"),
        (math.nan, "times must be a positive finite duration"),
        (torch.tensor([0.0, 2.0, 1.0]), "strictly increasing, in h, got 2 followed by 1"),
        (torch.tensor([0.0, 0.0]), "strictly increasing"),
        (torch.tensor([0.0, math.inf]), "times must be finite"),
        (torch.tensor([0.0]), "at least two times"),
        (torch.ones(2, 2), "1-d tensor"),
    ],
)
def test_bad_times_are_refused(times, message):
    dynamics = ExpressionDynamics(Kinetics(), torch.ones(2))
    with pytest.raises(ValueError, match=message):
        integrate(dynamics, ExpressionState.initial(2), times)


def test_bad_states_are_refused():
    dynamics = ExpressionDynamics(Kinetics(), torch.ones(2))
    broken = ExpressionState(torch.tensor([0.0, math.nan]), torch.zeros(2))
    with pytest.raises(ValueError, match="mrna must be finite, got 1 of 2 values"):
        integrate(dynamics, broken, 1.0)
    with pytest.raises(ValueError, match="state must hold at least one gene"):
        integrate(ExpressionDynamics(Kinetics(), torch.ones(0)), ExpressionState.initial(0), 1.0)
    with pytest.raises(ValueError, match="dtype and device of the state"):
        integrate(dynamics, ExpressionState.initial(2, dtype=torch.float64), 1.0)
    q = torch.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="'scipy_solver' gives no gradient"):
        integrate(
            ExpressionDynamics(Kinetics(), q), ExpressionState.initial(2), 1.0, Solver(method="scipy_solver")
        )


def test_a_failed_solve_says_what_to_do():
    dynamics = ExpressionDynamics(Kinetics(mrna_decay=1e4), torch.ones(2))
    with pytest.raises(RuntimeError, match=r"dopri5 failed .*loosen the tolerances"):
        integrate(dynamics, ExpressionState.initial(2), 1e3, Solver(max_steps=5))


def test_other_scipy_methods_run_without_a_warning(random_genes):
    state, q = random_genes(4)
    dynamics = ExpressionDynamics(Kinetics(), q, autoactivation=1.0)
    found = integrate(dynamics, state, 3.0, Solver(method="scipy_solver", scipy_method="Radau")).final.protein
    assert torch.allclose(found, integrate(dynamics, state, 3.0).final.protein, atol=1e-6)
