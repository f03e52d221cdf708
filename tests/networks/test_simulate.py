"""One call for every kind of simulation: batches, perturbations in time, seeds, refusals."""

import math

import pytest
import torch

from grn import Solver
from grn.networks import (
    BooleanNetwork,
    Clamp,
    Gene,
    GeneNetwork,
    HillProduct,
    Knockdown,
    Knockout,
    Overexpression,
    Regulator,
    Rule,
    circuits,
    simulate,
)
from grn.networks.simulate import METHODS

STOCHASTIC = ("ssa", "tau-leaping", "langevin")
one_gene = GeneNetwork(genes=(Gene(name="A", transcription=4.0, mrna_decay=2.0, translation=3.0),))


def two_stage(t: torch.Tensor) -> torch.Tensor:
    """Protein of a gene switched on at time 0: 6(1 − 2e⁻ᵗ + e⁻²ᵗ)."""
    return 6 * (1 - 2 * torch.exp(-t) + torch.exp(-2 * t))


@pytest.mark.parametrize("method", ["ode", "compiled"])
def test_closed_form(method: str) -> None:
    path = simulate(one_gene, 5.0, method=method)
    torch.testing.assert_close(path["A"][0], two_stage(path.times), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("method", STOCHASTIC)
def test_the_mean_of_many_is_the_rate_equations(method: str) -> None:
    path = simulate(one_gene, [0.0, 0.5, 2.0], method=method, ensemble=3000, system_size=20.0, seed=3)
    mean, error = path["A"].mean(0), path["A"].std(0) / math.sqrt(3000)
    # The system is linear, so the mean is exact for ssa; the others' steps add under one percent.
    slack = 0.0 if method == "ssa" else 0.01
    expected = two_stage(path.times)
    assert ((mean - expected).abs() <= 4 * error + slack * expected + 1e-12).all()


@pytest.mark.parametrize("method", ["ode", "compiled"])
def test_a_batch_is_its_members(method: str) -> None:
    strengths = torch.tensor([50.0, 100.0, 200.0])
    together = simulate(circuits.toggle(), 5.0, method=method, parameters={"lacI.transcription": strengths})
    for k, strength in enumerate(strengths.tolist()):
        alone = simulate(circuits.toggle(), 5.0, method=method, parameters={"lacI.transcription": strength})
        torch.testing.assert_close(together.values[k], alone.values[0], rtol=1e-6, atol=1e-8)


def test_methods_agree_on_the_repressilator() -> None:
    fine = Solver(relative_tolerance=1e-10, absolute_tolerance=1e-10)
    paths = [
        simulate(circuits.repressilator(), 200.0, method="ode", solver=Solver(method="dopri8")),
        simulate(circuits.repressilator(), 200.0, method="compiled", solver=fine),
        simulate(
            circuits.repressilator(),
            200.0,
            solver=Solver(
                method="scipy_solver",
                scipy_method="LSODA",
                relative_tolerance=1e-10,
                absolute_tolerance=1e-10,
            ),
        ),
    ]
    for path in paths[1:]:
        torch.testing.assert_close(path.values, paths[0].values, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("method", STOCHASTIC)
def test_a_trajectory_does_not_depend_on_the_batch(method: str) -> None:
    plan = (Knockdown("A", remaining=0.5, at=1.0),)  # so the second phase must keep its streams too
    few, many = (
        simulate(
            one_gene, 2.0, method=method, ensemble=n, system_size=5.0, seed=11, perturbations=plan
        ).values
        for n in (2, 40)
    )
    assert torch.equal(few, many[:2])
    other = simulate(one_gene, 2.0, method=method, ensemble=2, system_size=5.0, seed=12).values
    assert not torch.equal(few, other)


@pytest.mark.parametrize("method", ["ode", "compiled"])
def test_perturbations_in_time(method: str) -> None:
    conditions = [
        (),
        (Knockout("A", at=2.0),),
        (Clamp("A", level=1.5, at=1.0),),
        (Overexpression("A", activity=2.0),),
        (Knockout("A"),),
    ]
    path = simulate(one_gene, [0.0, 1.0, 2.0, 4.0], method=method, conditions=conditions)
    protein, mrna = path["A"], path["A_mrna"]
    torch.testing.assert_close(protein[0], two_stage(path.times), rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(mrna[1, 3], mrna[0, 2] * math.exp(-4.0), rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(protein[1, :3], protein[0, :3], rtol=1e-6, atol=1e-8)
    assert protein[2, 1:].tolist() == [1.5] * 3
    torch.testing.assert_close(protein[3], 3 * protein[0], rtol=1e-6, atol=1e-7)
    assert (protein[4] == 0).all()


@pytest.mark.parametrize("method", STOCHASTIC)
def test_a_member_does_not_depend_on_its_neighbours_perturbations(method: str) -> None:
    late = (Knockdown("A", remaining=0.5, at=1.0),)
    settings = {"method": method, "system_size": 5.0, "seed": 4, "ensemble": 3}
    alone = simulate(one_gene, 3.0, conditions=[()], **settings).values
    beside = simulate(one_gene, 3.0, conditions=[(), late, (Knockout("A", at=2.0),)], **settings).values
    assert torch.equal(beside[:3], alone)
    second = simulate(one_gene, 3.0, conditions=[late, late], **settings).values
    assert torch.equal(beside[3:6], second[3:6])


def test_cutting_a_langevin_trajectory_does_not_bias_it() -> None:
    rare = GeneNetwork(
        genes=(Gene(name="A", transcription=0.2, mrna_decay=None), Gene(name="B", mrna_decay=None))
    )
    # Knock-downs of another gene that change nothing: 39 cuts. Levels near zero are often below it, and
    # cutting them off at each would raise the mean to 0.32.
    cuts = tuple(Knockdown("B", remaining=1.0, at=0.25 * k) for k in range(1, 40))
    path = simulate(rare, 10.0, method="langevin", step=0.05, ensemble=20_000, conditions=[(), cuts], seed=1)
    final = path["A"][:, -100:]
    for member in (final[:20_000], final[20_000:]):
        # What is shown is cut off at zero, which alone raises the mean of 0.2 by less than 0.01 here; the
        # bias of cutting the state itself is over ten times that.
        assert abs(float(member.mean()) - 0.2) < 0.02


def test_gradients_reach_parameters_and_starts() -> None:
    rate = torch.tensor(4.0, dtype=torch.float64, requires_grad=True)
    start = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    path = simulate(one_gene, [0.0, 1.0], parameters={"A.transcription": rate}, start={"A": start})
    by_rate, by_start = torch.autograd.grad(path["A"][0, -1], (rate, start))
    assert float(by_rate) == pytest.approx(float(two_stage(torch.tensor(1.0))) / 4, rel=1e-6)
    assert float(by_start) == pytest.approx(math.exp(-1), rel=1e-6)


def test_boolean_methods() -> None:
    ring = BooleanNetwork({"A": "not C", "B": "A", "C": "B"})
    path = simulate(ring, 6, method="boolean-synchronous")
    assert path["A"][0].tolist() == [0, 1, 1, 1, 0, 0, 0]
    fixed = simulate(ring, 6, method="boolean-synchronous", perturbations=[Knockout("A")])
    assert fixed.values.sum() == 0
    loud = simulate(ring, 6, method="boolean-synchronous", perturbations=[Overexpression("A")])
    assert loud.final[0].tolist() == [1, 1, 1]
    network = GeneNetwork.from_boolean(ring)
    some, more = (simulate(network, 30, method="boolean-asynchronous", ensemble=n, seed=2) for n in (3, 9))
    assert torch.equal(some.values, more.values[:3])
    assert (some.values.diff(dim=1).abs().sum(2) <= 1).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "euler"}, f"method must be one of {', '.join(METHODS)}"),
        ({"ensemble": 0}, "ensemble must be a positive integer"),
        ({"ensemble": 5}, "gives the same trajectory every time"),
        ({"times": -1.0}, "positive finite duration"),
        ({"times": [0.0, 0.0]}, "strictly increasing"),
        ({"times": [0.0]}, "at least two times"),
        ({"start": {"B": 1.0}}, "start names 'B': the species are A_mrna, A"),
        ({"start": {"A": -1.0}}, "non-negative concentration"),
        ({"parameters": {"A.decay": 1.0}}, "is no parameter of the model"),
        ({"perturbations": [Knockout("X")]}, "no gene 'X' to perturb: those are A"),
        ({"perturbations": [Knockout("A")], "conditions": [()]}, "not both"),
        ({"conditions": []}, "at least one sequence"),
        ({"perturbations": [Knockout("A"), Knockdown("A")]}, "contradicts"),
        ({"perturbations": [Knockout("A", at=-1.0)]}, "before the start"),
        ({"conditions": [(), ()], "start": {"A": torch.ones(3)}}, "conditions|batch sizes differ"),
        (
            {"perturbations": [Knockout("A")], "parameters": {"A.expression_scale": 1.0}},
            "set by a perturbation and by parameters",
        ),
        ({"method": "boolean-synchronous"}, "has no Boolean rule"),
        ({"method": "SSA"}, "did you mean 'ssa'"),
        ({"method": "gillespie"}, "did you mean 'ssa'"),
        ({"seed": -1}, "seed must be a non-negative integer, got -1"),
        ({"step": 0.1}, "step does not apply to method 'ode', only to langevin, tau-leaping"),
        ({"system_size": 5.0, "method": "compiled"}, "system_size does not apply to method 'compiled'"),
        ({"solver": Solver(), "method": "ssa"}, "solver does not apply to method 'ssa'"),
        ({"device": "meta", "method": "ssa"}, "device does not apply to method 'ssa', only to ode"),
        ({"perturbations": [Knockout("A", at=9.0)]}, "happens after the last time, 1"),
    ],
)
def test_refusals(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate(one_gene, **{"times": 1.0, **arguments})


def test_a_boolean_network_has_no_rates() -> None:
    with pytest.raises(TypeError, match=r"GeneNetwork\.from_boolean"):
        simulate(BooleanNetwork({"A": "A"}), 1.0)


def test_boolean_refusals() -> None:
    network = GeneNetwork(genes=(Gene(name="A", regulation=Rule("not A")),))
    with pytest.raises(ValueError, match="positive number of steps"):
        simulate(network, 1.5, method="boolean-synchronous")
    with pytest.raises(ValueError, match="on or off from the start only"):
        simulate(network, 3, method="boolean-synchronous", perturbations=[Knockout("A", at=1.0)])
    with pytest.raises(ValueError, match="start names 'B'"):
        simulate(network, 3, method="boolean-synchronous", start={"B": 1.0})
    with pytest.raises(ValueError, match="must be 0 or 1 in Boolean simulation, got nan"):
        simulate(network, 3, method="boolean-synchronous", start={"A": math.nan})
    with pytest.raises(ValueError, match="parameters does not apply to method 'boolean-synchronous'"):
        simulate(network, 3, method="boolean-synchronous", parameters={"A.basal": 1.0})


def test_one_perturbation_needs_no_sequence() -> None:
    assert float(simulate(one_gene, 1.0, perturbations=Knockout("A")).final.abs().sum()) == 0
    with pytest.raises(TypeError, match="conditions must be a sequence of sequences"):
        simulate(one_gene, 1.0, conditions=[Knockout("A")])


def test_a_simulation_shows_itself_in_a_line() -> None:
    shown = repr(simulate(one_gene, 1.0))
    assert shown == "<Simulation by ode: 1 trajectories, 2 species, 201 times from 0 to 1>"


def test_delays_too_short_for_the_time_are_refused() -> None:
    late = Regulator(source="A", activates=False, delay=1e-9)
    network = GeneNetwork(genes=(Gene(name="A", regulation=HillProduct(regulators=(late,))),))
    with pytest.raises(ValueError, match="a delay of 1e-09 over a time of 10 needs 4e"):
        simulate(network, 10.0)


def test_unknown_species_are_named() -> None:
    with pytest.raises(KeyError, match="no species 'B'"):
        simulate(one_gene, 1.0)["B"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": {"A": None}}, "start of 'A' must be a number or a tensor, got None"),
        ({"start": {"A": "x"}}, "start of 'A' must be a number or a tensor, got 'x'"),
        ({"times": "10"}, "times must be a duration or a sequence of numbers, got '10'"),
        ({"perturbations": [3]}, "a perturbation must be a Knockout"),
    ],
)
def test_wrong_kinds_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        simulate(one_gene, **{"times": 1.0, **arguments})


def test_a_run_that_would_not_end_is_ended() -> None:
    with pytest.raises(RuntimeError, match=r"12,000 evaluations came only to time .* of 1e\+300"):
        simulate(circuits.toggle(), 1e300)
    with pytest.raises(ValueError, match="use a larger step_size"):
        simulate(circuits.toggle(), 1e300, solver=Solver(method="rk4", step_size=0.1))
    with pytest.raises(RuntimeError, match="max_events = 1000 steps"):
        simulate(circuits.toggle(), 1e300, method="langevin", step=0.1, max_events=1000)
