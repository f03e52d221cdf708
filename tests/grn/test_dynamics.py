"""States and the right-hand side: Eq. 1 written out, the user's own f and g, and what is refused."""

from __future__ import annotations

import pytest
import torch

from grn import (
    ConnectionBlock,
    Cooperation,
    ExpressionDynamics,
    ExpressionState,
    Homeostasis,
    Induction,
    Kinetics,
)


def test_derivative_is_equation_one(random_genes, cooperation):
    state, q = random_genes(log_threshold=0.4)
    kinetics = Kinetics(mrna_decay=1.3, protein_decay=0.4, hill_coefficient=3.0, basal=0.05)
    control = Homeostasis(rate=2.0, target=0.3)
    dynamics = ExpressionDynamics(
        kinetics, q, autoactivation=1.5, cooperation=cooperation, homeostasis=control
    )
    m, p = state.mrna, state.protein
    x = q * torch.exp(torch.tensor(-0.4, dtype=q.dtype)) * (1 + 1.5 * p + cooperation.neighbourhood(p)) / 2.25
    slope = dynamics.derivative(state)
    assert torch.allclose(slope.mrna, 1.3 * (0.05 + 0.95 * x**3 / (1 + x**3)) - 1.3 * m, atol=1e-14)
    assert torch.allclose(slope.protein, 0.4 * m - 0.4 * p, atol=1e-14)
    expressed = (1 / (1 + torch.exp(-(p - 0.5) / 0.05))).mean()
    assert slope.log_threshold.item() == pytest.approx(2.0 * (expressed.item() - 0.3))


def test_induction_may_be_importance_and_threshold(random_genes):
    state, q = random_genes()
    one = ExpressionDynamics(Kinetics(), q / 0.25).derivative(state)
    two = ExpressionDynamics(Kinetics(), Induction(importance=q, threshold=0.25)).derivative(state)
    assert torch.equal(one.mrna, two.mrna)


def test_own_transcription_and_translation_of_any_shape():
    state = ExpressionState(torch.ones(2, 3, 4), torch.full((2, 3, 4), 2.0))
    dynamics = ExpressionDynamics(
        Kinetics(mrna_decay=0.5, protein_decay=0.1),
        transcription=lambda m, p: m * p,
        translation=lambda m: 7 * m,
    )
    slope = dynamics.derivative(state)
    assert torch.allclose(slope.mrna, torch.full((2, 3, 4), 2.0 - 0.5))
    assert torch.allclose(slope.protein, torch.full((2, 3, 4), 7.0 - 0.2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "induction must be given"),
        ({"transcription": lambda m, p: m}, "must be given together"),
        (
            {"induction": torch.ones(2), "transcription": lambda m, p: m, "translation": lambda m: m},
            "replace Eq. 1",
        ),
        ({"induction": torch.tensor([1.0, -1.0])}, r"must be non-negative numbers S/K, got -1.0 \(1 of 2"),
        ({"induction": torch.tensor([torch.nan])}, "must be non-negative numbers S/K, got nan"),
        ({"induction": torch.ones(2), "autoactivation": -1}, "autoactivation strength must be"),
    ],
)
def test_bad_dynamics_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ExpressionDynamics(Kinetics(), **arguments)


@pytest.mark.parametrize(
    ("dynamics", "message"),
    [
        (ExpressionDynamics(Kinetics(), torch.ones(3)), r"induction must have the shape of the state \(2,\)"),
        (ExpressionDynamics(Kinetics(), torch.ones(2, dtype=torch.float64)), "dtype and device of the state"),
        (
            ExpressionDynamics(Kinetics(mrna_decay=torch.ones(3)), torch.ones(2)),
            "mrna_decay must have",
        ),
        (
            ExpressionDynamics(
                Kinetics(),
                torch.ones(2),
                cooperation=Cooperation(strength=1, blocks=[ConnectionBlock(outputs=3, inputs=1)]),
            ),
            "they hold 3 genes, the state 2",
        ),
        (
            ExpressionDynamics(Kinetics(), torch.ones(2), homeostasis=Homeostasis(rate=1, target=0.5)),
            "log_threshold must be in the state exactly when there is homeostasis",
        ),
    ],
)
def test_dynamics_that_do_not_fit_the_state_are_refused(dynamics, message):
    with pytest.raises(ValueError, match=message):
        dynamics.check_state(ExpressionState.initial(2))


def test_state_is_checked_and_copied():
    with pytest.raises(ValueError, match="protein must have the shape of mrna"):
        ExpressionState(torch.ones(2), torch.ones(3))
    with pytest.raises(ValueError, match="dtype and device of mrna"):
        ExpressionState(torch.ones(2), torch.ones(2, dtype=torch.float64))
    with pytest.raises(ValueError, match="dtype and device of mrna"):
        ExpressionState(torch.ones(2), torch.ones(2, device="meta"))
    with pytest.raises(ValueError, match="log_threshold must be 0-d"):
        ExpressionState(torch.ones(2), torch.ones(2), torch.ones(2))
    with pytest.raises(TypeError, match=r"mrna must be a floating-point tensor, got torch\.int64"):
        ExpressionState(torch.ones(2, dtype=torch.int64), torch.ones(2))
    state = ExpressionState.initial(3, level=0.2, log_threshold=0.0)
    copy = state.clone()
    copy.mrna.add_(1)
    assert state.mrna[0] == pytest.approx(0.2)
    assert len(state.to(dtype=torch.float64).tensors()) == 3
