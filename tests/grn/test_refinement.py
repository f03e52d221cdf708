"""The estimated error of `advance`, the steps that follow from it, and storage in half the width."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grn import (
    ConnectionBlock,
    Cooperation,
    ExpressionDynamics,
    ExpressionState,
    Homeostasis,
    Kinetics,
    Solver,
    advance,
    advance_with_error,
    integrate,
    suggested_steps,
)
from grn.analytic import fixed_points
from grn.kernels import fused, refine

BACKENDS = ("torch", "numba")


def true_error(found, exact):
    """Error of either concentration, the larger, of each gene."""
    return torch.maximum((found.mrna - exact.mrna).abs(), (found.protein - exact.protein).abs())


class LinearPromoter(Kinetics):
    """A promoter whose activity is a share of its input: Eq. 1 becomes linear and has a closed form."""

    def promoter_activity(self, x):
        return 0.4 * x


@pytest.mark.parametrize(("gamma_m", "gamma_p"), [(1.0, 0.5), (0.3, 2.0), (1.0, 1.0)])
@pytest.mark.parametrize("duration", [1.0, 6.0])
def test_order_is_four_against_the_matrix_exponential(gamma_m, gamma_p, duration):
    """m' = γm·(0.4·s·(1 + a·p) − m), p' = γp·(m − p): an exponential of a 3 by 3 matrix."""
    a, q = 2.0, torch.linspace(0.2, 1.1, 7, dtype=torch.float64)
    m, p = torch.linspace(0.1, 0.9, 7, dtype=torch.float64), torch.linspace(0.8, 0.2, 7, dtype=torch.float64)
    exact = np.empty((2, 7))
    for gene in range(7):
        drive = 0.4 * q[gene].item() / (1 + a / 2)
        system = np.array(
            [[-gamma_m, gamma_m * drive * a, gamma_m * drive], [gamma_p, -gamma_p, 0.0], [0.0, 0.0, 0.0]]
        )
        start = np.array([m[gene].item(), p[gene].item(), 1.0])
        exact[:, gene] = (scipy.linalg.expm(duration * system) @ start)[:2]
    kinetics = LinearPromoter(mrna_decay=gamma_m, protein_decay=gamma_p)
    counts, errors = [4, 8, 16, 32], []
    for steps in counts:
        found = advance(
            ExpressionState(m, p),
            q,
            duration,
            kinetics=kinetics,
            autoactivation=a,
            steps=steps,
            backend="torch",
        )
        errors.append(np.abs(np.stack([found.mrna, found.protein]) - exact).max())
    slope = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert 3.7 < slope < 4.6


@pytest.mark.parametrize(
    ("gamma_m", "gamma_p"), [(1.0, 0.5), (1.0, 0.2), (100.0, 0.1), (0.1, 10.0), (1e6, 1.0)]
)
@pytest.mark.parametrize(("n", "a"), [(2, 0.3), (4, 1.0), (8, 3.0), (2.5, 3.0)])
@pytest.mark.parametrize("hours", [0.5, 2.0])
def test_the_tolerance_is_kept(random_genes, gamma_m, gamma_p, n, a, hours):
    """By a factor of three, since the estimate is one; `suggested_steps` names what was measured."""
    state, q = random_genes(512, seed=5)
    kinetics = Kinetics(mrna_decay=gamma_m, protein_decay=gamma_p, hill_coefficient=n)
    often = 10 * suggested_steps(kinetics, hours, autoactivation=a)
    exact = advance(state, q, hours, kinetics=kinetics, autoactivation=a, steps=often)
    for tolerance in (1e-3, 1e-4, 1e-5, 1e-6):
        found = advance(state, q, hours, kinetics=kinetics, autoactivation=a, tolerance=tolerance)
        assert true_error(found, exact).max() < 3 * tolerance


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_hard_gene_takes_more_steps_and_changes_no_other(backend):
    easy, hard = torch.full((900,), 0.05, dtype=torch.float64), torch.full((3,), 0.9, dtype=torch.float64)
    kinetics = Kinetics(protein_decay=0.5)
    carry = lambda q: advance_with_error(  # noqa: E731
        ExpressionState.initial(len(q), level=0.5, dtype=torch.float64),
        q,
        5.0,
        kinetics=kinetics,
        autoactivation=3.0,
        tolerance=1e-7,
        backend=backend,
    )
    alone, together = carry(easy), carry(torch.cat([easy[:400], hard, easy[400:]]))
    here = torch.zeros(903, dtype=torch.bool)
    here[400:403] = True
    assert (together.steps[here] >= 2 * alone.steps[0]).all()
    assert torch.equal(together.steps[~here], alone.steps)
    assert torch.equal(together.state.protein[~here], alone.state.protein)
    assert (together.error <= 1e-7).all()


@pytest.mark.parametrize("coupling", ["none", "neighbours", "control", "both"])
def test_backends_agree_within_the_tolerance(random_genes, layers, coupling):
    control = Homeostasis(rate=0.5, target=0.4) if coupling in ("control", "both") else None
    neighbours = Cooperation(strength=0.7, blocks=layers) if coupling in ("neighbours", "both") else None
    state, q = random_genes(48, seed=2, log_threshold=0.1 if control else None)
    terms = {"autoactivation": 1.5, "cooperation": neighbours, "homeostasis": control}
    kinetics = Kinetics(protein_decay=0.5)
    one, two = (
        advance_with_error(state, q, 4.0, kinetics=kinetics, tolerance=1e-6, backend=backend, **terms)
        for backend in BACKENDS
    )
    assert torch.equal(one.steps, two.steps)
    assert torch.allclose(one.error, two.error, rtol=1e-6, atol=1e-13)
    assert true_error(one.state, two.state).max() < 1e-12
    dynamics = ExpressionDynamics(kinetics, q, **terms)
    tight = Solver(method="dopri8", relative_tolerance=1e-11, absolute_tolerance=1e-12)
    assert true_error(one.state, integrate(dynamics, state, 4.0, tight).final).max() < 2e-6


@pytest.mark.parametrize("backend", BACKENDS)
def test_given_steps_are_taken_and_their_error_is_told(random_genes, cooperation, backend):
    state, q = random_genes(48, seed=3)
    kinetics = Kinetics(protein_decay=0.5)
    for neighbours in (None, cooperation):
        terms = {"kinetics": kinetics, "autoactivation": 2.0, "cooperation": neighbours, "backend": backend}
        told = advance_with_error(state, q, 8.0, steps=6, **terms)
        plain = advance(state, q, 8.0, steps=6, **terms)
        exact = advance(state, q, 8.0, tolerance=1e-10, **terms)
        assert true_error(told.state, plain).max() < 1e-15  # one loop, or one with the estimate in it
        assert told.steps.unique().tolist() == [6]
        largest = true_error(plain, exact).max().item()
        assert 0.3 * largest < told.error.max().item() < 10 * largest


def test_large_layers_are_carried_piece_by_piece_as_small_ones_are():
    """Several pieces a layer, rows that fill none, threads: all against plain torch."""
    blocks = (
        ConnectionBlock(outputs=301, inputs=37, kernel=9),
        ConnectionBlock(groups=3, outputs=50, inputs=70),
    )
    genes = sum(block.size for block in blocks)
    generator = torch.Generator().manual_seed(0)
    m, p, q = torch.rand(3, genes, generator=generator, dtype=torch.float64)
    terms = {
        "kinetics": Kinetics(protein_decay=0.5),
        "autoactivation": 1.0,
        "cooperation": Cooperation(strength=1.0, blocks=blocks),
    }
    run = lambda backend: advance(ExpressionState(m, p), 2 * q, 1.0, backend=backend, **terms)  # noqa: E731
    plain, threads = run("torch"), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = run("numba")
        torch.set_num_threads(3)
        together = run("numba")
    finally:
        torch.set_num_threads(threads)
    assert true_error(alone, plain).max() < 1e-12
    assert torch.equal(alone.protein, together.protein)


@pytest.mark.parametrize("backend", BACKENDS)
def test_bfloat16_is_computed_in_float32_and_rounded_once(backend):
    generator = torch.Generator().manual_seed(0)
    m, p, q = torch.rand(3, 2_500, generator=generator)
    stored = ExpressionState(m.bfloat16(), p.bfloat16())
    kinetics = Kinetics(protein_decay=0.5)
    found = advance(stored, 2 * q, 0.5, kinetics=kinetics, autoactivation=1.0, backend=backend)
    whole = advance(
        stored.to(dtype=torch.float32), 2 * q, 0.5, kinetics=kinetics, autoactivation=1.0, backend=backend
    )
    assert torch.equal(found.protein, whole.protein.bfloat16())
    assert torch.equal(found.mrna, whole.mrna.bfloat16())


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40), st.sampled_from([1e-12, 0.1]))
def test_bfloat16_rounds_as_torch_does(values, hours):
    stored = ExpressionState(*(torch.tensor(values).bfloat16() for _ in range(2)))
    q = torch.ones(len(values))
    carry = lambda state: advance(state, q, hours, kinetics=Kinetics(), steps=1, backend="numba")  # noqa: E731
    assert torch.equal(carry(stored).mrna, carry(stored.to(dtype=torch.float32)).mrna.bfloat16())


@pytest.mark.parametrize("backend", BACKENDS)
def test_rates_a_million_apart(backend):
    """mRNA that lives a second and protein that lives eleven days, and the other way round."""
    q = torch.tensor([0.2, 0.9, 1.0, 1.1, 5.0], dtype=torch.float64)
    state = ExpressionState.initial(5, level=0.4, dtype=torch.float64)
    for gamma_m, gamma_p, hours in ((3600.0, 3.6e-3, 1.0), (3.6e-3, 3600.0, 0.2)):
        kinetics = Kinetics(mrna_decay=gamma_m, protein_decay=gamma_p)
        found = advance(state, q, hours, kinetics=kinetics, autoactivation=2.0, backend=backend)
        dynamics = ExpressionDynamics(kinetics, q, autoactivation=2.0)
        solver = Solver(method="scipy_solver", relative_tolerance=1e-10, absolute_tolerance=1e-12)
        assert true_error(found, integrate(dynamics, state, hours, solver).final).max() < 2e-5


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("coupled", [False, True])
def test_a_tolerance_out_of_reach_is_refused(monkeypatch, random_genes, layers, backend, coupled):
    state, q = random_genes(48)
    with pytest.raises(ValueError, match=r"tolerance must be an error of concentrations from 1.8e-15"):
        advance(state, q, 1.0, kinetics=Kinetics(), tolerance=1e-16)
    with pytest.raises(ValueError, match=r"from 9.5e-07, what torch.float32 resolves, to 1, got 1e-07"):
        advance(state.to(dtype=torch.float32), q.float(), 1.0, kinetics=Kinetics(), tolerance=1e-7)
    with pytest.raises(ValueError, match=r"tolerance must be .* got nan"):
        advance(state, q, 1.0, kinetics=Kinetics(), tolerance=math.nan)
    for module in (refine, fused):
        monkeypatch.setattr(module, "MOST_STEPS", 64)
    neighbours = Cooperation(strength=1.0, blocks=layers) if coupled else None
    with pytest.raises(
        ValueError, match=r"some genes need more than 64 steps for a tolerance of 1e-10, or overflow: "
    ):
        advance(
            state,
            q,
            2.0,
            kinetics=Kinetics(),
            autoactivation=3.0,
            cooperation=neighbours,
            tolerance=1e-10,
            backend=backend,
        )


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_of_refined_genes(backend):
    """Those that are carried again are differentiated along the steps that they took in the end."""
    q = torch.tensor([0.05, 1.0, 1.1], dtype=torch.float64, requires_grad=True)
    state = ExpressionState.initial(3, level=0.5, dtype=torch.float64)
    terms = {"kinetics": Kinetics(protein_decay=0.5), "autoactivation": 3.0, "tolerance": 1e-7}
    told = advance_with_error(state, q, 5.0, **terms)
    assert len(told.steps.unique()) > 1
    told.state.protein.sum().backward()
    step = 1e-6
    with torch.no_grad():
        ends = [advance(state, q + sign * step, 5.0, backend=backend, **terms).protein for sign in (1, -1)]
    assert torch.allclose(q.grad, (ends[0] - ends[1]) / (2 * step), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("coupled", [False, True])
def test_results_are_written_where_they_are_wanted(random_genes, layers, backend, dtype, coupled):
    state, q = random_genes(3 * 48, seed=4)
    state, q = state.to(dtype=dtype), q.float() if dtype == torch.bfloat16 else q.to(dtype)
    neighbours = Cooperation(strength=1.0, blocks=layers * 3) if coupled else None
    terms = {"kinetics": Kinetics(), "autoactivation": 3.0, "cooperation": neighbours, "backend": backend}
    told = advance_with_error(state, q, 10.0, **terms)
    assert coupled or len(told.steps.unique()) > 1  # some were carried again from where they began
    apart, itself = ExpressionState.initial(3 * 48, dtype=dtype), state.clone()
    strided = ExpressionState(*(torch.zeros(3 * 48, 2, dtype=dtype)[:, 0] for _ in range(2)))
    for out, start in ((apart, state), (strided, state), (itself, itself)):
        assert advance(start, q, 10.0, out=out, **terms) is out
        assert torch.equal(out.protein, told.state.protein)
        assert torch.equal(out.mrna, told.state.mrna)
    bad = q.clone()
    bad[-1] = math.nan
    with pytest.raises(ValueError, match=r"got nan \(1 of 144 genes"):
        advance(itself, bad, 10.0, out=itself, **terms)
    assert torch.equal(itself.protein, told.state.protein)


def test_an_out_that_does_not_fit_is_refused(random_genes):
    state, q = random_genes(6)
    with pytest.raises(ValueError, match=r"out must have the shape, dtype and device of the state \(\(6,\)"):
        advance(state, q, 1.0, kinetics=Kinetics(), out=ExpressionState.initial(6))
    q.requires_grad_(True)
    with pytest.raises(ValueError, match="out cannot be written where a gradient is wanted"):
        advance(state, q, 1.0, kinetics=Kinetics(), out=state)


def test_triton_says_why_it_cannot(random_genes):
    state, q = random_genes(6)
    with pytest.raises(ValueError, match="backend 'triton' runs on CUDA devices, got tensors on cpu; use"):
        advance(state, q, 1.0, kinetics=Kinetics(), backend="triton")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_gene_between_two_states_is_left_there_and_its_error_says_so(backend):
    """Its error grows without end: any number of steps is as good as another."""
    kinetics = Kinetics(mrna_decay=20.0, protein_decay=1.0, hill_coefficient=8.0)
    silent, _, expressed = (
        state.level for state in fixed_points(kinetics, induction=1.0, autoactivation=3.0)
    )
    start = ExpressionState(*(torch.tensor([level], dtype=torch.float64) for level in (0.9, 0.1)))
    terms = {"kinetics": kinetics, "autoactivation": 3.0, "backend": backend}
    low, high = 0.1, 10.0  # of the induction: ends silent, ends expressed
    for _ in range(60):
        middle = torch.tensor([(low + high) / 2], dtype=torch.float64)
        ends_expressed = advance(start, middle, 10.0, steps=450, **terms).protein.item() > 0.5
        low, high = (low, middle.item()) if ends_expressed else (middle.item(), high)
    others = torch.tensor([0.5 * low, low, 2 * low])  # float32: its rounding is what grows
    same = ExpressionState(start.mrna.float().expand(3), start.protein.float().expand(3))
    result = advance_with_error(same, others, 10.0, **terms)
    assert result.error[1] > 1e-5
    assert (result.error[[0, 2]] <= 1e-5).all()
    assert (result.steps[[0, 2]] < result.steps[1]).all()
    assert silent / 2 < result.state.protein[1] < 1
    assert result.state.protein[2] > expressed - 0.01


def test_coupled_genes_that_no_number_of_steps_settles_are_left_as_they_are():
    tried = []

    def march(steps):
        tried.append(steps)
        return (torch.full((2,), float(len(tried) % 2)),) * 2

    carried = refine.refine_together(march, 3, 1e-5)
    assert tried == [3, 6, 12, 24]
    assert carried.steps.tolist() == [24, 24]
    assert (carried.error > 0.1).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("gamma_m", "gamma_p", "n", "a", "hours"),
    [(1e6, 1.0, 4, 1.0, 2.0), (20.0, 20.0, 4, 1.0, 2.0), (1.0, 0.5, 4, 1.0, 2.0), (1.0, 0.5, 4, 100.0, 2.0)],
)
@pytest.mark.parametrize("steps", [8, 32])
def test_the_estimate_sees_the_error_of_few_steps(
    random_genes, backend, gamma_m, gamma_p, n, a, hours, steps
):
    """Stiff rates, where all of the error is in the protein, and strong feedback on little protein."""
    _, q = random_genes(300, seed=1)
    state = ExpressionState(torch.full_like(q, 0.1), torch.full_like(q, 0.1))
    terms = {
        "kinetics": Kinetics(mrna_decay=gamma_m, protein_decay=gamma_p, hill_coefficient=n),
        "autoactivation": a,
        "backend": backend,
    }
    dynamics = ExpressionDynamics(terms["kinetics"], q, autoactivation=a)
    found = advance_with_error(state, q, hours, steps=steps, **terms)
    fine = advance(state, q, hours, steps=4_096, **terms)
    assert dynamics.autoactivation == a
    assert true_error(found.state, fine).max() < 10 * found.error.max()


@pytest.mark.parametrize("backend", BACKENDS)
def test_many_small_steps_do_not_drift_in_float32(backend):
    """A share kept of 1 - 1e-4, rounded, would move the steady state by 1e-4 and out of [0, 1]."""
    kinetics = Kinetics(mrna_decay=5970095.0, protein_decay=0.6485, basal=0.0)
    q = torch.tensor([math.inf, 0.2])
    found = advance(
        ExpressionState.initial(2, level=1.0),
        q,
        1.5,
        kinetics=kinetics,
        autoactivation=1.0,
        steps=5_000,
        backend=backend,
    )
    exact = advance(
        ExpressionState.initial(2, level=1.0, dtype=torch.float64),
        q.double(),
        1.5,
        kinetics=kinetics,
        autoactivation=1.0,
        steps=5_000,
        backend=backend,
    )
    assert true_error(found, exact).max() < 5e-6
    assert found.protein.max() <= 1 + 1e-6


@pytest.mark.parametrize("backend", [*BACKENDS, "auto"])
def test_one_gene_without_dimension(backend):
    half = torch.tensor(0.5)
    found = advance_with_error(
        ExpressionState(half, half.clone()),
        torch.tensor(1.1),
        1.0,
        kinetics=Kinetics(),
        autoactivation=1.0,
        backend=backend,
    )
    row = advance(
        ExpressionState(half[None], half[None].clone()),
        torch.tensor([1.1]),
        1.0,
        kinetics=Kinetics(),
        autoactivation=1.0,
        backend=backend,
    )
    assert found.state.protein.shape == found.error.shape == ()
    assert found.state.protein == row.protein[0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_out_may_be_memory_that_is_still_read(backend):
    generator = torch.Generator().manual_seed(0)
    memory, q = torch.rand(3001, generator=generator), 2 * torch.rand(3000, generator=generator)
    p = torch.rand(3000, generator=generator)
    terms = {"kinetics": Kinetics(), "autoactivation": 3.0, "backend": backend}
    state = ExpressionState(memory[:-1], p)
    right = advance(state, q, 10.0, **terms)
    shifted = advance(state, q, 10.0, out=ExpressionState(memory[1:], torch.empty_like(p)), **terms)
    assert torch.equal(shifted.mrna, right.mrna)
    state = ExpressionState(torch.rand(3000, generator=generator), p)
    right = advance(state, q, 10.0, **terms)
    swapped = advance(state, q, 10.0, out=ExpressionState(q, p), **terms)
    assert torch.equal(swapped.mrna, right.mrna)
    assert torch.equal(swapped.protein, right.protein)
    with pytest.raises(ValueError, match="mrna and protein of out must have memory of their own"):
        advance(right, q, 1.0, out=ExpressionState(p, p), **terms)
