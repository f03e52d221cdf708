"""Steady states against closed forms and published values; what the time course reaches."""

import math

import numpy as np
import pytest
import torch

from grn.networks import Gene, GeneNetwork, circuits
from grn.networks.equations import RateEquations
from grn.networks.formula import hill, parameter, species, time
from grn.networks.reactions import Reaction, ReactionSystem
from grn.networks.states.newton import gross_flux, held, refine
from grn.networks.states.relaxation import relax
from grn.networks.states.steady import settle, steady_states
from tests.networks import systems


def test_gardner_toggle_has_its_three_published_states() -> None:
    found = steady_states(systems.gardner_toggle())
    assert [state.verdict for state in found] == ["stable", "stable", "unstable"]
    by_u = sorted(found, key=lambda state: -state["u"])
    expected = [(155.7634, 0.099513), (1.31655, 6.73416), (0.332419, 11.70803)]
    for state, (u, v) in zip(by_u, expected, strict=True):
        assert state["u"] == pytest.approx(u, rel=4e-6)  # the digits published
        assert state["v"] == pytest.approx(v, rel=6e-6)
        assert state["u"] == pytest.approx(156.25 / (1 + state["v"] ** 2.5), rel=1e-12)
        assert state.residual < 1e-9
    assert sum(state.reached_from for state in found) == found.starts == 65
    assert by_u[1].reached_from == 0


def test_symmetric_start_reaches_the_saddle_and_says_so() -> None:
    found = steady_states(systems.symmetric_toggle(4.0, 2), starts=16)
    saddle = found.of("unstable")[0]
    assert saddle.reached_from == 1  # the model's own start, u = v = 0, lies on its stable manifold
    values, converged, stable = settle(systems.symmetric_toggle(4.0, 2))
    assert converged.tolist() == [True]
    assert stable.tolist() == [False]
    assert values[0].tolist() == pytest.approx([saddle["u"]] * 2, rel=1e-9)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_positive_autoregulation_is_bistable_only_with_cooperation(n: int) -> None:
    found = steady_states(systems.autoregulation(2.5, n), starts=16)
    assert len(found) == (2 if n == 1 else 3)
    assert len(found.of("stable")) == (1 if n == 1 else 2)
    if n == 2:  # x + 1/x = a
        assert sorted(state["x"] for state in found) == pytest.approx([0, 0.5, 2], abs=1e-9)


def test_oscillation_takes_the_place_of_a_false_fixed_point() -> None:
    found = steady_states(systems.goodwin(2 * 5.743492, 10), starts=16)
    assert [state.verdict for state in found] == ["oscillates", "unstable"]
    cycle, centre = found
    assert cycle.period == pytest.approx(3.71610, abs=6e-6)
    assert cycle.reached_from == 17
    assert bool((cycle.minimum < cycle.values).all())
    assert bool((cycle.maximum > cycle.values).all())
    assert centre["x"] == pytest.approx(centre["z"], rel=1e-12)
    assert centre["x"] * (1 + centre["x"] ** 10) == pytest.approx(2 * 5.743492, rel=1e-9)
    assert centre.reached_from == 0


def test_repressilator_of_the_biomodels_database() -> None:
    found = steady_states(circuits.repressilator(), starts=4)
    assert [state.verdict for state in found] == ["oscillates", "unstable"]
    assert found[0].period == pytest.approx(125.3542, abs=6e-5)


@pytest.mark.parametrize("decay", [0.5, 0.02, 0.002])
def test_damped_spiral_is_stable_however_slow(decay: float) -> None:
    (state,) = steady_states(systems.spiral(decay), starts=4, bounds=(1.0, 3.0))
    assert state.verdict == "stable"
    assert state.reached_from == 5
    assert state.values.tolist() == pytest.approx([2, 2], rel=1e-9)
    assert state.eigenvalues[0].real.item() == pytest.approx(-decay, rel=1e-6)


def test_conserved_total_keeps_its_value_and_gives_no_eigenvalue() -> None:
    (state,) = steady_states(systems.exchange(), starts=8)
    assert state.verdict == "stable"
    assert state.values.tolist() == pytest.approx([3, 6], rel=1e-12)
    assert state.eigenvalues.tolist() == pytest.approx([-3])
    totals = torch.tensor([[1.0, 2.0], [0.0, 12.0]])
    own = steady_states(systems.exchange(), starts=totals)
    assert sorted(round(state["A"], 9) for state in own) == [1, 4]


def test_centre_is_undetermined() -> None:
    (state,) = steady_states(systems.spiral(0.0), starts=2, bounds=(1.0, 3.0), detect_cycles=False)
    assert state.verdict == "undetermined"


def test_clamped_species_stay() -> None:
    (state,) = steady_states(systems.gardner_toggle(), starts=8, clamped={"u": 3.0})
    assert state.values.tolist() == pytest.approx([3, 15.6 / 4], rel=1e-12)
    assert len(state.eigenvalues) == 1
    (kept,) = steady_states(systems.gardner_toggle(), starts=8, clamped=["u"])
    assert kept["u"] == 0


def test_delayed_model_has_the_states_of_the_undelayed_one_but_no_verdict() -> None:
    made = Reaction(name="make", changes={"x": 1}, rate=4 / (1 + species("x", delay=2.0)))
    lost = Reaction(name="lose", changes={"x": -1}, rate=species("x"))
    late = ReactionSystem(initial={"x": 0.0}, parameters={}, reactions=(made, lost))
    (state,) = steady_states(late, starts=8)
    assert state.verdict == "undetermined"
    assert state["x"] == pytest.approx((math.sqrt(17) - 1) / 2, rel=1e-12)
    with pytest.raises(ValueError, match="knows no delays"):
        settle(late)


def test_settle_follows_each_member_of_a_batch() -> None:
    strengths = torch.linspace(0.5, 4.0, 200)
    values, converged, stable = settle(
        systems.autoregulation(1.0, 2), parameters={"a": strengths}, start={"x": 5.0}
    )
    assert bool(converged.all())
    above = strengths.double() > 2
    a = strengths.double()[above]
    assert torch.allclose(values[above, 0], (a + (a**2 - 4).sqrt()) / 2, rtol=1e-9)
    assert float(values[strengths < 1.99, 0].abs().max()) < 1e-12
    assert bool(stable[(strengths - 2).abs() > 0.01].all())


def test_settle_by_starts_and_clamps_that_differ() -> None:
    toggle = systems.gardner_toggle()
    held_u = torch.tensor([[False, False, True], [False, False, False]])
    values, converged, _ = settle(
        toggle,
        start={"u": torch.tensor([100.0, 0.0, 2.0]), "v": torch.tensor([0.0, 10.0, 0.0])},
        clamped=held_u,
    )
    assert bool(converged.all())
    assert values[:, 0].tolist() == pytest.approx([155.7634, 0.332419, 2.0], rel=2e-6)
    assert values[2, 1].item() == pytest.approx(5.2, rel=1e-12)


def test_settle_does_not_invent_a_steady_state_of_an_oscillator() -> None:
    _, converged, stable = settle(systems.goodwin(11.5, 10), max_steps=300)
    assert not bool(converged.any())
    assert not bool(stable.any())


def test_settle_in_parts_equals_settle_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    strengths = torch.linspace(1.0, 3.0, 7)
    model = systems.symmetric_toggle(1.0, 3)
    whole = settle(model, parameters={"a": strengths}, start={"u": 1.0})
    monkeypatch.setattr("grn.networks.states.steady.MEMORY", 8)
    parts = settle(model, parameters={"a": strengths}, start={"u": 1.0})
    assert torch.allclose(whole.values, parts.values, rtol=1e-9)


def test_rosenbrock_steps_are_of_order_four() -> None:
    from grn.networks.states.relaxation import _advance

    equations = RateEquations(systems.goodwin(3.0, 4))
    errors = []
    exact = None
    for steps in (640, 20, 40, 80):
        y = equations.initial()
        step = torch.full((1,), 4.0 / steps, dtype=torch.float64)
        for _ in range(steps):
            y, _ = _advance(equations, y, *equations.slope_and_jacobian(y), step)
        if exact is None:
            exact = y
        else:
            errors.append(float((y - exact).abs().max()))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders.min() > 3.7


def test_relaxation_is_the_time_course() -> None:
    decay = Reaction(name="decay", changes={"A": -1}, rate=parameter("k") * species("A"))
    equations = RateEquations(ReactionSystem(initial={"A": 10.0}, reactions=(decay,), parameters={"k": 0.5}))
    course = relax(equations, equations.initial(), held=held(equations.system), max_steps=40)
    expected = 10 * math.exp(-0.5 * float(course.times))
    assert float(course.values) == pytest.approx(expected, abs=1e-5)


def test_singular_jacobian_makes_no_false_state() -> None:
    """At (1/2, 1/2) the shortest Newton step is 0, but the slope (1/4, -1/4)."""
    found = steady_states(systems.lotka_volterra(), starts=16, detect_cycles=False)
    states = {state.verdict: state.values.tolist() for state in found}
    assert len(found) == 2
    assert states["undetermined"] == pytest.approx([1, 1], rel=1e-9)
    assert states["unstable"] == pytest.approx([0, 0], abs=1e-9)
    equations = RateEquations(systems.lotka_volterra())
    middle = torch.full((2, 1), 0.5, dtype=torch.float64)
    assert not bool(refine(equations, middle, held=held(equations.system)).converged)


@pytest.mark.parametrize(
    "model",
    [
        systems.constant_rise(),
        GeneNetwork(genes=(Gene(name="A", mrna_decay=None, protein_decay=0.0),)),
        GeneNetwork(genes=(Gene(name="A", protein_decay=0.0),)),
        GeneNetwork(genes=(Gene(name="A", transcription=1e308, translation=1e308),)),
    ],
    ids=["rise", "protein for ever", "with RNA", "overflow"],
)
def test_what_never_rests_has_no_states(model: ReactionSystem | GeneNetwork) -> None:
    found = steady_states(model, starts=4)
    assert len(found) == 0
    assert len(found.unresolved) == found.starts
    _, converged, stable = settle(model)
    assert not bool(converged.any())
    assert not bool(stable.any())


@pytest.mark.parametrize("seed", range(6))
def test_slopes_vanish_at_every_state_of_random_networks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"x{k}" for k in range(int(rng.integers(2, 5)))]
    rates = {}
    for name in names:
        made = 0.01 + float(rng.uniform(1, 6)) * hill(
            species(str(rng.choice(names))), float(10 ** rng.uniform(-1, 0.5)), float(rng.choice([2, 4, 8]))
        )
        by = species(str(rng.choice(names)))
        made = made * (1 - hill(by, float(10 ** rng.uniform(-1, 0.5)), 2)) if rng.random() < 0.7 else made
        rates[name] = made, float(10 ** rng.uniform(-1, 1)) * species(name)
    model = systems.made_of(rates, {}, dict.fromkeys(names, 0.0))
    found = steady_states(model, starts=16, detect_cycles=False)
    assert len(found)
    equations = RateEquations(model)
    for state in found:
        made_there, lost = gross_flux(equations, state.values[:, None])
        assert torch.allclose(made_there, lost, rtol=1e-7, atol=0)  # states are within 1e-9


@pytest.mark.parametrize("seed", [0, 1])
def test_starts_reach_above_where_exploration_ends(seed: int) -> None:
    found = steady_states(systems.high_state_under_a_low_one(), seed=seed)
    stable = sorted(state.values.tolist() for state in found.of("stable"))
    assert len(stable) == 2
    assert stable[1] == pytest.approx([0.459178, 1.790592], rel=1e-6)
    assert len(found.of("unstable")) == 1


def test_a_cut_search_for_unstable_states_is_told() -> None:
    assert not steady_states(systems.switches(1), starts=16).search_cut
    many = steady_states(systems.switches(4), starts=64, detect_cycles=False)
    assert len(many) > 12
    assert many.search_cut


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"starts": 0}, "starts must be a positive number"),
        ({"starts": torch.empty(0, 2)}, "starts must have shape"),
        ({"starts": torch.tensor([[1.0, -1.0]])}, "non-negative finite"),
        ({"bounds": (2.0, 1.0)}, "bounds of 'u' must be"),
        ({"bounds": {"w": (0.0, 1.0)}}, "bounds name 'w'"),
        ({"clamped": ["w"]}, "cannot clamp 'w'"),
        ({"parameters": {"c": 1.0}}, "'c' is no parameter"),
        ({"parameters": {"a": torch.ones(3)}}, "one parameter set"),
        ({"tolerance": 0.0}, "tolerance must be"),
        ({"tolerance": "small"}, "tolerance must be"),
        ({"starts": 2.5}, "starts must be a positive number"),
        ({"starts": [[1.0, 1.0]]}, "starts must be a positive number"),
        ({"starts": torch.tensor([[1.0, math.nan]])}, "non-negative finite"),
        ({"starts": torch.tensor([[True, False]])}, "real concentrations"),
        ({"seed": -1}, "seed must be"),
        ({"seed": 0.5}, "seed must be"),
        ({"bounds": (0.0, "high")}, "bounds of 'u' must be"),
        ({"bounds": 3.0}, "bounds of 'u' must be"),
        ({"clamped": "u"}, "the string 'u'"),
        ({"clamped": {"u": math.nan}}, "must be finite"),
        ({"parameters": {"a": math.inf}}, "must be finite"),
    ],
)
def test_errors_name_the_thing_and_the_value(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        steady_states(systems.gardner_toggle(), **arguments)


def test_models_without_steady_states_are_refused() -> None:
    driven = Reaction(name="driven", changes={"A": 1}, rate=time())
    with pytest.raises(ValueError, match="depend on time"):
        steady_states(ReactionSystem(initial={"A": 0.0}, reactions=(driven,), parameters={}))
    with pytest.raises(TypeError, match="got str"):
        steady_states("toggle")
