"""Kinetics: validation, half-lives, presets; the Hill function against its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grn import PRESETS, Kinetics, hill


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("protein_decay", -1, "protein_decay must be a positive finite rate in 1/h, got -1"),
        ("mrna_decay", 0.0, "mrna_decay must be a positive finite rate in 1/h, got 0.0"),
        ("mrna_decay", math.nan, "mrna_decay must be a positive finite rate in 1/h, got nan"),
        ("mrna_decay", math.inf, "mrna_decay must be a positive finite rate in 1/h, got inf"),
        (
            "protein_decay",
            torch.tensor([1.0, -2.0]),
            "must be a positive finite rate in 1/h, got -2",
        ),
        ("protein_decay", torch.ones(0), "protein_decay must hold at least one rate"),
        ("hill_coefficient", 0, "hill_coefficient must be a positive finite number, got 0"),
        ("basal", 1.0, r"basal must be a fraction of full activity in \[0, 1\), got 1.0"),
        ("basal", math.nan, "basal must be a fraction"),
    ],
)
def test_bad_values_are_refused(field, value, message):
    with pytest.raises(ValueError, match=message):
        Kinetics(**{field: value})


@pytest.mark.parametrize("value", ["1", True, None, torch.tensor(1)])
def test_bad_types_are_refused(value):
    with pytest.raises(TypeError, match="mrna_decay must be"):
        Kinetics(mrna_decay=value)


def test_half_lives_round_trip_in_every_unit():
    for unit, hours in (("h", 1.0), ("min", 1 / 60), ("s", 1 / 3600)):
        kinetics = Kinetics.from_half_lives(mrna_half_life=3.0, protein_half_life=7.0, unit=unit)
        assert kinetics.mrna_half_life == pytest.approx(3.0 * hours, rel=1e-14)
        assert kinetics.protein_half_life == pytest.approx(7.0 * hours, rel=1e-14)
    with pytest.raises(ValueError, match="unit must be one of h, min, s, got 'day'"):
        Kinetics.from_half_lives(mrna_half_life=1, protein_half_life=1, unit="day")
    with pytest.raises(ValueError, match="mrna_half_life must be a positive finite time in min, got 0"):
        Kinetics.from_half_lives(mrna_half_life=0, protein_half_life=1, unit="min")


def test_presets_have_the_published_half_lives():
    minutes = {name: preset.kinetics.mrna_half_life * 60 for name, preset in PRESETS.items()}
    assert minutes["ecoli"] == pytest.approx(5.7)
    assert minutes["yeast"] == pytest.approx(20)
    assert minutes["mammal"] == pytest.approx(9 * 60)
    assert minutes["repressilator"] == pytest.approx(2)
    assert Kinetics.preset("mammal").protein_half_life == pytest.approx(46)
    assert Kinetics.preset("repressilator").protein_half_life * 60 == pytest.approx(10)
    boolode = Kinetics.preset("boolode")
    assert (*boolode.rates, boolode.hill_coefficient) == (10.0, 1.0, 10.0)
    with pytest.raises(ValueError, match="preset must be one of ecoli, yeast"):
        Kinetics.preset("human")


def test_protein_half_lives_without_a_source_are_called_our_choice():
    for name in ("ecoli", "yeast"):
        preset = PRESETS[name]
        assert preset.kinetics.mrna_decay / preset.kinetics.protein_decay == pytest.approx(5.0)
        assert "Protein: our choice" in preset.source


@given(st.floats(1e-6, 1e6), st.floats(0.5, 12))
def test_hill_is_its_definition(x, n):
    # The power itself stays below 1e72 here, so the plain formula is good to rounding; n·log x costs 166·eps.
    expected = x**n / (1 + x**n)
    assert hill(torch.tensor(x, dtype=torch.float64), n).item() == pytest.approx(
        expected, rel=1e-12, abs=1e-300
    )


@pytest.mark.parametrize("grad", [False, True])
def test_hill_at_the_edges(grad):
    x = torch.tensor([-1.0, 0.0, 1.0, 1e300, math.inf, math.nan], dtype=torch.float64, requires_grad=grad)
    y = hill(x, 7.5)
    assert torch.equal(y[:5].detach(), torch.tensor([0, 0, 0.5, 1, 1], dtype=torch.float64))
    assert torch.isnan(y[5])


@pytest.mark.parametrize(("n", "slope"), [(1, 1.0), (2, 0.0), (4, 0.0), (0.5, math.inf)])
def test_gradient_at_zero_is_that_of_the_power(n, slope):
    x = torch.tensor([-2.0, 0.0, 1e-40, 3.0], requires_grad=True)  # 1e-40: 1/x overflows in float32
    hill(x, n).sum().backward()
    assert x.grad[0] == 0
    assert x.grad[1] == slope
    assert not torch.isnan(x.grad).any()


@pytest.mark.parametrize("n", [1, 2.0, 3.7, 8])
def test_gradcheck_of_hill(n):
    x = torch.tensor(np.array([1e-3, 0.3, 1.0, 2.5, 40.0]), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: hill(x, n), x)
