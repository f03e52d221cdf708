"""`advance` in both backends against closed forms, `integrate` and scipy; its order, bounds and refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grn import (
    ConnectionBlock,
    Cooperation,
    ExpressionDynamics,
    ExpressionState,
    Homeostasis,
    Induction,
    Kinetics,
    Solver,
    advance,
    integrate,
    suggested_steps,
)
from grn.analytic import affine_response

TIGHT = Solver(method="dopri8", relative_tolerance=1e-11, absolute_tolerance=1e-12)
BACKENDS = ("torch", "numba")


def difference(one, two):
    """Largest difference of any part of two states."""
    return max(
        (a.double() - b.double()).abs().max().item()
        for a, b in zip(one.tensors(), two.tensors(), strict=True)
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("gamma_m", "gamma_p"), [(1.0, 0.2), (0.5, 0.5), (3.0, 3.0 + 1e-10), (1e6, 1e6), (1e6, 0.1), (1e-9, 1e-9)]
)
@pytest.mark.parametrize("steps", [None, 1, 7])
def test_without_feedback_every_step_is_exact(random_genes, backend, gamma_m, gamma_p, steps):
    state, q = random_genes()
    kinetics = Kinetics(mrna_decay=gamma_m, protein_decay=gamma_p, hill_coefficient=3.3)
    found = advance(state, q, 2.5, kinetics=kinetics, steps=steps, backend=backend)
    exact = affine_response(state, kinetics.promoter_activity(q), 2.5, kinetics)
    assert difference(found, exact) < 1e-12


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("feedback", ["memory", "neighbours", "both", "control", "all"])
def test_order_is_four(random_genes, cooperation, backend, feedback):
    a = {"memory": 2.0, "both": 1.0, "all": 1.0}.get(feedback, 0.0)
    neighbours = cooperation if feedback in ("neighbours", "both", "all") else None
    control = Homeostasis(rate=1.0, target=0.3) if feedback in ("control", "all") else None
    state, q = random_genes(log_threshold=0.3 if control else None)
    kinetics = Kinetics(protein_decay=0.5)
    terms = {"autoactivation": a, "cooperation": neighbours, "homeostasis": control}
    exact = integrate(ExpressionDynamics(kinetics, q, **terms), state, 5.0, TIGHT).final
    counts = [10, 20, 40, 80]
    errors = [
        difference(advance(state, q, 5.0, kinetics=kinetics, steps=k, backend=backend, **terms), exact)
        for k in counts
    ]
    slope = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert 3.7 < slope < 4.8  # 4; the coarsest counts still feel a higher order


@pytest.mark.parametrize("gamma_p", [0.5, 0.2])
@pytest.mark.parametrize("n", [2, 4.0, 5.5, 8])
@pytest.mark.parametrize(("a", "c"), [(1.0, 0.0), (3.0, 0.0), (0.0, 2.0), (3.0, 2.0)])
def test_suggested_steps_hold_the_error(random_genes, layers, gamma_p, n, a, c):
    """The published bound of `suggested_steps`, against dopri at 1e-10 and below."""
    state, q = random_genes(seed=5)
    kinetics = Kinetics(mrna_decay=1.0, protein_decay=gamma_p, hill_coefficient=n)
    neighbours = Cooperation(strength=c, blocks=layers) if c else None
    for hours in (0.1, 0.5, 10.0):
        steps = suggested_steps(kinetics, hours, autoactivation=a, cooperation=c)
        found = advance(
            state, q, hours, kinetics=kinetics, autoactivation=a, cooperation=neighbours, steps=steps
        )
        dynamics = ExpressionDynamics(kinetics, q, autoactivation=a, cooperation=neighbours)
        exact = integrate(dynamics, state, hours, TIGHT).final
        assert difference(found, exact) < 1e-5


def test_suggested_steps_hold_the_error_with_homeostasis(random_genes):
    for rate, width, hours in ((1.0, 0.05, 2.0), (0.1, 0.05, 10.0), (10.0, 0.05, 1.0), (1.0, 0.2, 2.0)):
        control = Homeostasis(rate=rate, target=0.3, width=width)
        state, q = random_genes(log_threshold=0.0)
        dynamics = ExpressionDynamics(Kinetics(protein_decay=0.5), q, homeostasis=control)
        exact = integrate(dynamics, state, hours, TIGHT).final
        steps = suggested_steps(dynamics.kinetics, hours, homeostasis=control)
        for count in (steps, None):
            found = advance(state, q, hours, kinetics=dynamics.kinetics, homeostasis=control, steps=count)
            assert difference(found, exact) < 2e-5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [1, 2, 4, 7, 15, 16, 2.5, 40.0])
@pytest.mark.parametrize("coupled", [False, True])
def test_backends_agree(random_genes, layers, dtype, n, coupled):
    state, q = random_genes(dtype=dtype, log_threshold=0.2 if coupled else None)
    q[:3] = torch.tensor([0.0, math.inf, 1e-30])
    terms = {"autoactivation": 1.5}
    if coupled:
        terms["cooperation"] = Cooperation(strength=0.7, blocks=layers)
        terms["homeostasis"] = Homeostasis(rate=0.5, target=0.4)
    one, two = (
        advance(state, q, 3.0, kinetics=Kinetics(hill_coefficient=n), steps=6, backend=backend, **terms)
        for backend in BACKENDS
    )
    # Rounding alone: about 40 operations a step; at n = 40 a relative error of x counts 40 times.
    assert difference(one, two) < (1e-13 if dtype == torch.float64 else 1e-5 if n == 40 else 2e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_layers_do_not_act_on_each_other_and_threads_change_nothing(backend):
    blocks = (
        ConnectionBlock(outputs=200, inputs=300),
        ConnectionBlock(outputs=5, inputs=3, kernel=9),
        *(ConnectionBlock(groups=10, outputs=20, inputs=20, kernel=9),),
    )
    genes = sum(block.size for block in blocks)
    generator = torch.Generator().manual_seed(0)
    m, p, q = torch.rand(3, genes, generator=generator, dtype=torch.float64)
    kinetics = Kinetics(protein_decay=0.5)
    whole = advance(
        ExpressionState(m, p),
        2 * q,
        1.0,
        kinetics=kinetics,
        cooperation=Cooperation(strength=1.0, blocks=blocks),
        backend=backend,
    )
    start = 0
    for block in blocks:
        cut = slice(start, start + block.size)
        alone = advance(
            ExpressionState(m[cut], p[cut]),
            2 * q[cut],
            1.0,
            kinetics=kinetics,
            cooperation=Cooperation(strength=1.0, blocks=[block]),
            backend=backend,
        )
        assert (alone.protein - whole.protein[cut]).abs().max() < 1e-14
        start += block.size


def test_threads_change_nothing():
    generator = torch.Generator().manual_seed(0)
    m, p, q = torch.rand(3, 200_001, generator=generator)
    run = lambda: advance(ExpressionState(m, p), 2 * q, 1.0, kinetics=Kinetics(), autoactivation=1.0)  # noqa: E731
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = run()
        torch.set_num_threads(3)
        three = run()
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(one.protein, three.protein)
    assert torch.equal(one.mrna, three.mrna)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("genes", [0, 1, 3, 1023, 1024, 1025, 2049])
def test_any_number_of_genes(random_genes, backend, genes):
    state, q = random_genes(max(genes, 1))
    state, q = ExpressionState(state.mrna[:genes], state.protein[:genes]), q[:genes]
    found = advance(state, q, 1.0, kinetics=Kinetics(), autoactivation=1.0, backend=backend)
    assert found.protein.shape == (genes,)
    for k in {0, genes // 2, genes - 1} if genes else ():
        one = ExpressionState(state.mrna[k : k + 1], state.protein[k : k + 1])
        alone = advance(one, q[k : k + 1], 1.0, kinetics=Kinetics(), autoactivation=1.0, backend=backend)
        assert abs(alone.protein - found.protein[k]).item() < 1e-15


@pytest.mark.parametrize("backend", BACKENDS)
def test_inputs_are_left_alone_and_need_not_be_contiguous(backend):
    generator = torch.Generator().manual_seed(0)
    m, p, q = torch.rand(3, 7, 9, generator=generator, dtype=torch.float64)
    before = [t.clone() for t in (m, p, q)]
    kinetics = Kinetics(protein_decay=0.5)
    found = advance(
        ExpressionState(m.T, p.T), q.T, 2.0, kinetics=kinetics, autoactivation=1.0, backend=backend
    )
    plain = advance(ExpressionState(m, p), q, 2.0, kinetics=kinetics, autoactivation=1.0, backend=backend)
    assert torch.equal(found.protein, plain.protein.T)
    assert all(torch.equal(t, u) for t, u in zip((m, p, q), before, strict=True))
    still = advance(ExpressionState(m, p), q, 0, kinetics=kinetics, backend=backend)
    still.mrna.add_(1.0)  # a copy, also of an interval of no length
    assert torch.equal(m, before[0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_induction_and_endless_induction(backend):
    q = torch.tensor([0.0, math.inf], dtype=torch.float64)
    kinetics = Kinetics(basal=0.0, protein_decay=1.0)
    state = ExpressionState.initial(2, dtype=torch.float64)
    found = advance(state, q, 1.0, kinetics=kinetics, autoactivation=2.0, backend=backend)
    full = affine_response(state, torch.ones(2, dtype=torch.float64), 1.0, kinetics).protein[1]
    assert found.protein[0] == 0
    assert found.protein[1].item() == pytest.approx(full.item(), abs=1e-14)


@settings(deadline=None, max_examples=60)
@given(
    gamma_m=st.floats(-4, 5).map(lambda e: 10.0**e),
    gamma_p=st.floats(-4, 5).map(lambda e: 10.0**e),
    n=st.one_of(st.integers(1, 20), st.floats(0.5, 60)),
    basal=st.floats(0, 0.9),
    a=st.floats(0, 50),
    c=st.floats(0, 50),
    hours=st.floats(1e-3, 100),
    steps=st.integers(1, 5),
    backend=st.sampled_from(BACKENDS),
    data=st.data(),
)
def test_expression_stays_in_bounds_at_any_step(
    gamma_m, gamma_p, n, basal, a, c, hours, steps, backend, data
):
    unit = st.lists(st.floats(0, 1), min_size=6, max_size=6)
    m, p = (torch.tensor(data.draw(unit), dtype=torch.float64) for _ in range(2))
    strengths = st.one_of(st.floats(0, 100), st.sampled_from([0.0, math.inf, 1e-300, 1e300]))
    q = torch.tensor(data.draw(st.lists(strengths, min_size=6, max_size=6)), dtype=torch.float64)
    kinetics = Kinetics(mrna_decay=gamma_m, protein_decay=gamma_p, hill_coefficient=n, basal=basal)
    neighbours = Cooperation(strength=c, blocks=[ConnectionBlock(outputs=3, inputs=2)])
    found = advance(
        ExpressionState(m, p),
        q,
        hours,
        kinetics=kinetics,
        autoactivation=a,
        cooperation=neighbours,
        steps=steps,
        backend=backend,
    )
    lowest = min(m.min().item(), p.min().item(), basal)
    for level in (found.mrna, found.protein):
        assert level.min() >= lowest - 1e-13
        assert level.max() <= 1 + 1e-13


@pytest.mark.parametrize("per_gene", [False, True])
def test_gradcheck(random_genes, per_gene):
    state, q = random_genes(6)
    shape = (6,) if per_gene else ()
    rates = [torch.full(shape, value, dtype=torch.float64, requires_grad=True) for value in (1.0, 0.4)]
    m, p, q = (t.clone().requires_grad_(True) for t in (*state.tensors(), q))
    blocks = Cooperation(strength=0.5, blocks=[ConnectionBlock(outputs=3, inputs=2)])

    def run(gamma_m, gamma_p, m, p, q):
        kinetics = Kinetics(mrna_decay=gamma_m, protein_decay=gamma_p)
        out = advance(
            ExpressionState(m, p), q, 1.0, kinetics=kinetics, autoactivation=1.0, cooperation=blocks, steps=2
        )
        return out.mrna, out.protein

    assert torch.autograd.gradcheck(run, (*rates, m, p, q), atol=1e-7)


def test_gradients_pass_through_induction_and_control(random_genes):
    state, q = random_genes(6, log_threshold=0.0)
    control = Homeostasis(rate=1.0, target=0.4)
    q.requires_grad_(True)

    def run(q):
        return advance(state, q, 1.0, kinetics=Kinetics(), homeostasis=control, steps=3).tensors()

    assert torch.autograd.gradcheck(run, (q,), atol=1e-7)


def test_per_gene_rates_are_each_genes_own(random_genes):
    state, q = random_genes(3)
    gamma_p = torch.tensor([0.2, 0.5, 3.0], dtype=torch.float64)
    found = advance(
        state, q, 2.0, kinetics=Kinetics(protein_decay=gamma_p), autoactivation=1.0, steps=8, backend="auto"
    )
    for k in range(3):
        one = ExpressionState(state.mrna[k : k + 1], state.protein[k : k + 1])
        kinetics = Kinetics(protein_decay=gamma_p[k].item())
        alone = advance(one, q[k : k + 1], 2.0, kinetics=kinetics, autoactivation=1.0, steps=8)
        assert alone.protein.item() == pytest.approx(found.protein[k].item(), abs=1e-14)


def test_half_precision_goes_through_torch(random_genes):
    state, q = random_genes(dtype=torch.bfloat16)
    found = advance(state, q, 1.0, kinetics=Kinetics(), autoactivation=1.0)
    exact = advance(state.to(dtype=torch.float64), q.double(), 1.0, kinetics=Kinetics(), autoactivation=1.0)
    assert found.protein.dtype == torch.bfloat16
    assert difference(found, exact) < 0.05  # bfloat16 has 8 bits


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("target", [0.2, 0.7])
def test_homeostasis_reaches_its_target(random_genes, backend, target):
    control = Homeostasis(rate=0.2, target=target)
    state, q = random_genes(400, log_threshold=0.0)
    for _ in range(8):
        state = advance(
            state, q, 25.0, kinetics=Kinetics(protein_decay=0.5), homeostasis=control, backend=backend
        )
    assert control.expressed_fraction(state.protein).item() == pytest.approx(target, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"duration": -1.0}, "duration must be a non-negative finite time in h, got -1"),
        ({"duration": math.nan}, "duration must be a non-negative finite time"),
        (
            {"induction": torch.tensor([1.0, -0.5])},
            r"non-negative numbers S/K, got -0.5 \(1 of 2",
        ),
        ({"induction": torch.tensor([1.0, math.nan])}, "induction must be non-negative numbers S/K, got nan"),
        ({"induction": torch.ones(3)}, r"induction must have the shape of the state \(2,\), got \(3,\)"),
        ({"induction": torch.ones(2, dtype=torch.float64)}, "dtype and device of the state"),
        (
            {"state": ExpressionState(torch.ones(2), torch.tensor([0.0, math.inf]))},
            "protein must be finite, got 1 of 2",
        ),
        ({"autoactivation": -1.0}, "autoactivation strength must be a non-negative finite number, got -1"),
        ({"steps": 0}, "steps must be a positive integer or None, got 0"),
        ({"steps": 2.0}, "steps must be a positive integer"),
        ({"backend": "cuda"}, "backend must be one of auto, torch, numba, triton, got 'cuda'"),
        ({"homeostasis": Homeostasis(rate=1, target=0.5)}, "log_threshold must be in the state exactly when"),
        (
            {"cooperation": Cooperation(strength=1, blocks=[ConnectionBlock(outputs=3, inputs=1)])},
            "they hold 3 genes, the state 2",
        ),
        (
            {"kinetics": Kinetics(mrna_decay=1e6, protein_decay=1e6), "autoactivation": 1.0},
            "more than 100,000: shorten the duration, lower the rates, or pass steps=",
        ),
        (
            {"backend": "numba", "induction": torch.ones(2, requires_grad=True)},
            "backend 'numba' gives no gradients",
        ),
        (
            {"backend": "numba", "kinetics": Kinetics(mrna_decay=torch.tensor(1.0))},
            "backend 'numba' takes scalar rates",
        ),
    ],
)
def test_bad_input_is_refused(change, message):
    arguments = {
        "state": ExpressionState.initial(2),
        "induction": torch.ones(2),
        "duration": 1.0,
        "kinetics": Kinetics(),
    }
    with pytest.raises(ValueError, match=message):
        advance(**{**arguments, **change})


def test_huge_rates_are_welcome_without_feedback():
    state = ExpressionState.initial(3)
    kinetics = Kinetics(mrna_decay=1e6, protein_decay=1e6)
    assert suggested_steps(kinetics, 10.0) == 1
    found = advance(state, torch.tensor([0.1, 1.0, 9.0]), 10.0, kinetics=kinetics)
    activity = kinetics.promoter_activity(torch.tensor([0.1, 1.0, 9.0]))
    assert torch.allclose(found.protein, activity, atol=1e-6)


def test_induction_may_be_importance_and_threshold(random_genes):
    state, q = random_genes()
    one = advance(state, q / 0.5, 1.0, kinetics=Kinetics())
    two = advance(state, Induction(importance=q, threshold=0.5), 1.0, kinetics=Kinetics())
    assert torch.equal(one.protein, two.protein)
