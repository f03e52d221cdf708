"""Limit cycles against published periods and an exactly known orbit."""

import math
import warnings

import pytest
import torch

from grn.networks import circuits
from grn.networks.equations import RateEquations
from grn.networks.formula import parameter, species, time
from grn.networks.reactions import Reaction, ReactionSystem
from grn.networks.states.cycles import find_cycle, search_cycle
from tests.networks import systems


def _radial(model_decay: float) -> ReactionSystem:
    """r' = c·r(1 − r²), θ' = 1 about (3, 3): period 2π, multiplier exp(−4πc)."""
    x, y, c = species("x"), species("y"), parameter("c")
    u, v = x - 3, y - 3
    pull = c * (1 - u * u - v * v)
    return ReactionSystem(
        initial={"x": 3.4, "y": 3.0},
        parameters={"c": model_decay},
        reactions=(
            Reaction(name="x", changes={"x": 1}, rate=pull * u - v),
            Reaction(name="y", changes={"y": 1}, rate=pull * v + u),
        ),
    )


@pytest.mark.parametrize("pull", [0.02, 0.5])
def test_circle_has_its_exact_period_and_multiplier(pull: float) -> None:
    equations = RateEquations(_radial(pull))
    cycle = find_cycle(equations, equations.initial()[:, 0])
    assert cycle is not None
    # integration at relative tolerance 1e-10 a step
    assert cycle.period == pytest.approx(2 * math.pi, rel=1e-8)
    assert cycle.multipliers.real.tolist() == pytest.approx([math.exp(-4 * math.pi * pull)], abs=1e-6)
    assert cycle.minimum.tolist() == pytest.approx([2, 2], abs=1e-7)
    assert cycle.maximum.tolist() == pytest.approx([4, 4], abs=1e-7)
    assert cycle.mean.tolist() == pytest.approx([3, 3], abs=1e-7)
    assert cycle.stable
    assert torch.allclose((cycle.values - 3).square().sum(1), torch.ones(201, dtype=torch.float64), atol=1e-7)
    assert torch.allclose(cycle.values[0], cycle.values[-1], atol=1e-8)
    assert cycle.distance(torch.tensor([5.0, 3.0], dtype=torch.float64)) == pytest.approx(0.5, abs=1e-3)


def test_repressilator() -> None:
    model = circuits.repressilator()
    equations = RateEquations(model.system)
    cycle = find_cycle(equations, equations.initial()[:, 0])
    assert cycle is not None
    assert cycle.period == pytest.approx(125.3542, abs=6e-5)
    for gene in model.names:
        protein, mrna = (model.species.index(name) for name in (gene, f"{gene}_mrna"))
        assert float(cycle.minimum[protein]) == pytest.approx(50.05, abs=6e-3)
        assert float(cycle.maximum[protein]) == pytest.approx(2368.64, abs=6e-3)
        assert float(cycle.minimum[mrna]) == pytest.approx(0.1128, abs=6e-5)
        assert float(cycle.maximum[mrna]) == pytest.approx(32.743, abs=6e-4)


def test_p53_is_stiff_and_no_obstacle() -> None:
    equations = RateEquations(systems.p53())
    cycle = find_cycle(equations, equations.initial()[:, 0])
    assert cycle is not None
    assert cycle.period == pytest.approx(6.81941, abs=6e-6)
    assert float(cycle.minimum[0]) == pytest.approx(2.1e-4, abs=6e-6)
    assert float(cycle.maximum[0]) == pytest.approx(0.88032, abs=6e-6)


@pytest.mark.parametrize(
    ("ratio", "reason"), [(0.9, "steady state"), (0.99, "steady state"), (1.001, ""), (2.0, "")]
)
def test_goodwin_on_both_sides_of_its_hopf_point(ratio: float, reason: str) -> None:
    equations = RateEquations(systems.goodwin(ratio * 5.743492, 10))
    result = search_cycle(equations, equations.initial()[:, 0])
    assert reason in result.reason
    assert (result.cycle is None) == bool(reason)
    if ratio == 1.001:
        assert result.cycle is not None
        assert result.cycle.period == pytest.approx(2 * math.pi / math.sqrt(3), rel=1e-3)
    if ratio == 2.0:
        assert result.cycle is not None
        assert result.cycle.period == pytest.approx(3.71610, abs=6e-6)


@pytest.mark.parametrize("decay", [0.2, 0.002])
def test_damped_spiral_is_no_cycle(decay: float) -> None:
    equations = RateEquations(systems.spiral(decay))
    result = search_cycle(equations, equations.initial()[:, 0])
    assert result.cycle is None
    assert "steady state" in result.reason


def test_growing_spiral_is_followed_to_its_cycle() -> None:
    equations = RateEquations(_radial(0.02))
    cycle = find_cycle(equations, torch.tensor([3.01, 3.0], dtype=torch.float64))
    assert cycle is not None
    assert float(cycle.maximum[0]) == pytest.approx(4, abs=1e-6)


def test_two_frequencies_give_none_with_a_reason() -> None:
    """Two circles that do not know each other, turning at 1 and √2."""
    reactions: list[Reaction] = []
    for a, b, w in (("x", "y", 1.0), ("u", "v", math.sqrt(2))):
        p, q = species(a) - 3, species(b) - 3
        pull = 1 - p * p - q * q
        reactions += [
            Reaction(name=a, changes={a: 1}, rate=pull * p - w * q),
            Reaction(name=b, changes={b: 1}, rate=pull * q + w * p),
        ]
    model = ReactionSystem(
        initial={"x": 4.0, "y": 3.0, "u": 4.0, "v": 3.0}, parameters={}, reactions=tuple(reactions)
    )
    equations = RateEquations(model)
    result = search_cycle(equations, equations.initial()[:, 0], max_steps=2000)
    assert result.cycle is None
    assert "quasi-periodic" in result.reason


def test_cycle_beside_a_conserved_total() -> None:
    base = _radial(0.5)
    model = ReactionSystem(
        initial={**base.initial, "A": 1.0, "B": 0.0},
        parameters=base.parameters,
        reactions=(
            *base.reactions,
            Reaction(name="flip", changes={"A": -1, "B": 1}, rate=species("A") * species("x")),
            Reaction(name="flop", changes={"A": 1, "B": -1}, rate=species("B")),
        ),
    )
    equations = RateEquations(model)
    cycle = find_cycle(equations, equations.initial()[:, 0])
    assert cycle is not None
    assert cycle.period == pytest.approx(2 * math.pi, rel=1e-8)
    assert len(cycle.multipliers) == 2
    # The search lets the total drift by its own tolerance; processors differ in how far (3e-5 on one).
    total = cycle.values[:, 2] + cycle.values[:, 3]
    assert torch.allclose(total, torch.ones(201, dtype=torch.float64), atol=1e-4)


@pytest.mark.parametrize("power", [0, 1, 2])  # linear, exponential, in finite time
def test_growth_without_bound_is_told_and_warns_of_nothing(power: int) -> None:
    x = species("x")
    rate = [parameter("k"), parameter("k") * x, parameter("k") * x * x][power]
    model = ReactionSystem(
        initial={"x": 1.0},
        parameters={"k": 1.0},
        reactions=(Reaction(name="make", changes={"x": 1}, rate=rate),),
    )
    equations = RateEquations(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = search_cycle(equations, equations.initial()[:, 0])
    assert result.cycle is None
    assert result.reason == "the trajectory grows without bound"


def test_errors_name_the_thing_and_the_value() -> None:
    equations = RateEquations(systems.goodwin(2.0, 10))
    start = equations.initial()[:, 0]
    with pytest.raises(ValueError, match=r"shape \(3,\), got \(2,\)"):
        find_cycle(equations, start[:2])
    with pytest.raises(ValueError, match="non-negative finite"):
        find_cycle(equations, -1 - start)
    with pytest.raises(ValueError, match="max_steps"):
        find_cycle(equations, start, max_steps=0)
    with pytest.raises(ValueError, match="a batch of 2"):
        find_cycle(equations.replaced({"a": torch.ones(2)}), start)
    late = Reaction(name="late", changes={"A": -1}, rate=species("A", delay=1.0))
    with pytest.raises(ValueError, match="delays"):
        find_cycle(
            RateEquations(ReactionSystem(initial={"A": 1.0}, reactions=(late,), parameters={})),
            torch.ones(1, dtype=torch.float64),
        )
    driven = Reaction(name="driven", changes={"A": 1}, rate=time())
    with pytest.raises(ValueError, match="time"):
        find_cycle(
            RateEquations(ReactionSystem(initial={"A": 1.0}, reactions=(driven,), parameters={})),
            torch.ones(1, dtype=torch.float64),
        )
