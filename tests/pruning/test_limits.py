"""The limits of Eq. 1, at the level of the policy: what the ODE becomes when its parts are taken away."""

import math

import pytest
import torch

from grn import ExpressionState, Kinetics, Solver, advance, integrate
from grn.analytic import affine_response, hysteresis_thresholds
from grn.dynamics import ExpressionDynamics
from pruning import AccuracyPlateau, ExpressionGating, HeuristicGating, SmoothedImportanceGating
from pruning.policies.expression import cooperation_of, induction_of


class Watched:
    """A policy that lets another decide and keeps contexts, states and decisions."""

    needs_gradient = True

    def __init__(self, policy):
        self.policy, self.seen = policy, []

    def decide(self, context, state):
        decision = self.policy.decide(context, state)
        self.seen.append((context, state, decision))
        return decision


def watched(start, policy, optimizer="sgd", **options):
    watcher = Watched(policy)
    run = start(watcher, optimizer, **options)
    run.step(60)
    assert len(watcher.seen) > 10
    return watcher.seen


INSTANT = Kinetics(mrna_decay=1e6, protein_decay=1e6, hill_coefficient=1e5, basal=0.0)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_infinite_rates_and_cooperativity_are_the_heuristics_prune_step(start, optimizer, backend):
    """Limit 2: n → ∞, γ → ∞: what S ≥ K keeps lives, element by element (at S = K the promoter is at ½)."""
    policy = ExpressionGating(
        kinetics=INSTANT,
        autoactivation=0.0,
        gate="schmitt",
        on_level=0.499,
        off_level=0.499,
        homeostasis=0.0,
        window=1.0,
        backend=backend,
    )
    flips = 0
    for context, _, decision in watched(start, policy, optimizer, protection=0, minimum_layer_density=0.0):
        above = context.importance >= decision.threshold
        assert torch.equal(decision.mask, context.budget.with_floors(above, decision.expression))
        assert int((decision.mask & ~above).sum()) <= 3  # the one live gate a layer always keeps
        flips += int((context.live ^ decision.mask).sum())
    assert flips > 100


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_both_policies_choose_the_same_mask_in_the_limit(start, optimizer):
    """Limit 2, policy against policy on the same contexts: with τ as K and no rewiring, mask equals mask."""
    heuristic = HeuristicGating(rewire_fraction=0.0, plateau=AccuracyPlateau(patience=99))
    flips = 0
    for context, _, decision in watched(start, heuristic, optimizer, minimum_layer_density=0.0, protection=0):
        expressed = advance(
            ExpressionState(mrna=context.live.float(), protein=context.live.float()),
            induction_of(context.importance, decision.threshold),
            1.0,
            kinetics=INSTANT,
        ).protein
        passing = (expressed > 0.499) & context.live
        capped = context.budget.select(
            context.only_live(context.importance).masked_fill(passing, math.inf), prefer=context.live
        )
        assert torch.equal(decision.mask, passing | (capped & context.live))
        flips += int((context.live ^ decision.mask).sum())
    assert flips > 100


def test_without_feedback_expression_is_the_closed_form_filter(start):
    """Limit 1: a = c = 0, S held over a window: p is a two-stage filter of the promoter's activity."""
    kinetics = Kinetics(mrna_decay=1.0, protein_decay=0.5)
    policy = ExpressionGating(kinetics=kinetics, autoactivation=0.0, window=0.7, backend="torch")
    for context, state, decision in watched(start, policy):
        live = context.live.double()
        before = ExpressionState(
            mrna=state["mrna"].double() if state else live,
            protein=state["protein"].double() if state else live,
        )
        induction = induction_of(context.importance.double(), decision.threshold.double())
        exact = affine_response(before, kinetics.promoter_activity(induction), 0.7, kinetics)
        torch.testing.assert_close(decision.expression.double(), exact.protein, rtol=0, atol=2e-6)


def test_vanishing_rates_move_nothing(start):
    """Limit 3: γ → 0: expression stays as it began, whatever is asked of the promoters."""
    kinetics = Kinetics(mrna_decay=1e-12, protein_decay=1e-12)
    for context, _, decision in watched(start, ExpressionGating(kinetics=kinetics, autoactivation=2.0)):
        torch.testing.assert_close(decision.expression, torch.ones_like(decision.expression))
        assert context.importance.std() > 0


def test_strong_autoactivation_remembers_within_the_predicted_window():
    """Limit 4: a schmitt gate switches at the inductions that the bifurcation analysis predicts."""
    kinetics = Kinetics(mrna_decay=1.0, protein_decay=0.5, hill_coefficient=4.0, basal=0.02)
    window = hysteresis_thresholds(kinetics, 3.0)
    assert window.switch_off < 1 < window.switch_on

    def settled(protein, induction):
        state = ExpressionState(mrna=torch.tensor([protein]), protein=torch.tensor([protein]))
        after = advance(state, torch.tensor([induction]), 400.0, kinetics=kinetics, autoactivation=3.0)
        return after.protein.item()

    inside = (window.switch_off + window.switch_on) / 2
    assert settled(0.0, inside) < 0.45
    assert settled(1.0, inside) > 0.55
    assert settled(0.0, 1.01 * window.switch_on) > 0.55
    assert settled(1.0, 0.99 * window.switch_off) < 0.45


def test_policy_follows_an_independent_integration_with_feedback(start):
    """Full Eq. 1, both feedbacks: the policy's step against torchdiffeq at tight tolerance."""
    kinetics = Kinetics(mrna_decay=1.0, protein_decay=0.5)
    policy = ExpressionGating(kinetics=kinetics, autoactivation=1.5, cooperation=1.0, window=0.5)
    for context, state, decision in watched(start, policy)[:6]:
        live = context.live.double()
        before = ExpressionState(
            mrna=state["mrna"].double() if state else live,
            protein=state["protein"].double() if state else live,
        )
        dynamics = ExpressionDynamics(
            kinetics,
            induction_of(context.importance.double(), decision.threshold.double()),
            autoactivation=1.5,
            cooperation=cooperation_of(context.gates, 1.0),
        )
        solver = Solver(method="dopri5", relative_tolerance=1e-9, absolute_tolerance=1e-11)
        exact = integrate(dynamics, before, 0.5, solver=solver).protein[-1]
        torch.testing.assert_close(decision.expression.double(), exact, rtol=0, atol=2e-5)


def test_smoothed_importance_is_the_filter_of_importance(start):
    kinetics = Kinetics(mrna_decay=2.0, protein_decay=1.0)
    policy = SmoothedImportanceGating(kinetics=kinetics, window=0.5)
    seen = watched(start, policy)
    mrna = protein = seen[0][0].importance.double()
    for context, _, decision in seen:
        after = affine_response(
            ExpressionState(mrna=mrna, protein=protein), context.importance.double(), 0.5, kinetics
        )
        mrna, protein = after.mrna, after.protein
        torch.testing.assert_close(decision.expression.double(), protein, rtol=1e-5, atol=1e-6)


def test_instant_smoothing_is_importance_pruning(start):
    policy = SmoothedImportanceGating(
        kinetics=Kinetics(mrna_decay=1e6, protein_decay=1e6), margin=0.0, window=1.0
    )
    for context, _, decision in watched(start, policy, protection=0):
        assert torch.equal(decision.mask, context.budget.select(context.importance, prefer=context.live))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("sparsity", [0.5, 0.8])
def test_homeostasis_brings_density_to_its_target_by_expression(start, optimizer, sparsity):
    """Integral control: at the end the levels, not the cap, hold the density: who lives is expressed."""
    run = start(ExpressionGating(gate="schmitt"), optimizer, sparsity=sparsity, total_steps=240)
    run.step(240)
    for snapshot in run.controller.history:
        assert snapshot.sparsity <= snapshot.target_sparsity + 0.5 / snapshot.total
    assert run.controller.sparsity == pytest.approx(sparsity, abs=0.02)
    live = run.controller.mask
    expression = run.controller.expression
    assert (expression[live] > 0.45).float().mean() > 0.8
    assert (expression[~live] < 0.55).all()


def test_homeostasis_is_what_brings_it_there(start):
    held, free = (
        start(ExpressionGating(gate="schmitt", homeostasis=rate), sparsity=0.8, total_steps=240)
        for rate in (1.0, 0.0)
    )
    held.step(240), free.step(240)
    assert free.controller.sparsity < held.controller.sparsity
