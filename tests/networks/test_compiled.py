"""The compiled solver of rate equations against closed forms and scipy."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from grn.networks.engines.compiled import compiled_paths
from grn.networks.formula import Formula, Op, apply, call, hill, parameter, species, time
from grn.networks.reactions import Reaction, ReactionSystem

FREE = [[False]]


def system_of(
    rates: dict[str, tuple[Formula | float, Formula | float]], **parameters: float
) -> ReactionSystem:
    """Return a system of species that are made and decay at given rates."""
    reactions = []
    for name, (made, lost) in rates.items():
        reactions.append(Reaction(name=f"birth of {name}", changes={name: 1}, rate=made + 0 * species(name)))
        reactions.append(Reaction(name=f"death of {name}", changes={name: -1}, rate=lost * species(name)))
    return ReactionSystem(
        initial=dict.fromkeys(rates, 0.0), reactions=tuple(reactions), parameters=parameters
    )


def two_stage() -> ReactionSystem:
    return system_of({"m": (parameter("k"), 2.0), "p": (species("m") * 3, 0.5)}, k=4.0)


def repressilator() -> ReactionSystem:
    """BIOMD0000000012's shape: three genes, each repressing the next."""
    rates: dict[str, tuple[Formula | float, Formula | float]] = {}
    for gene, by in (("a", "c"), ("b", "a"), ("c", "b")):
        repressed = 1 - hill(species(f"p{by}"), 1.0, 2)
        rates[f"m{gene}"] = (0.2 + parameter("alpha") * repressed, 1.0)
        rates[f"p{gene}"] = (species(f"m{gene}") * 0.2, 0.2)
    return system_of(rates, alpha=216.0)


def toggle() -> ReactionSystem:
    made = {x: parameter("alpha") * (1 - hill(species(y), 1, 2)) for x, y in (("u", "v"), ("v", "u"))}
    return system_of({x: (rate, 1.0) for x, rate in made.items()}, alpha=10.0)


def by_scipy(system: ReactionSystem, start: np.ndarray, times: np.ndarray) -> np.ndarray:
    rows = torch.tensor(list(system.parameters.values()), dtype=torch.float64)[:, None]
    fixed = system.derivatives.prepare(rows)

    def slope(t: float, y: np.ndarray) -> np.ndarray:
        return system.derivatives(torch.from_numpy(y)[:, None], fixed, t)[:, 0].numpy()

    return solve_ivp(
        slope, (times[0], times[-1]), start, method="DOP853", t_eval=times, rtol=1e-11, atol=1e-13
    ).y.T


@pytest.mark.parametrize("times", [[0.0, 3.0], np.linspace(0, 3, 200)], ids=["few", "many"])
def test_two_stages_follow_the_closed_form(times: np.ndarray) -> None:
    t = np.asarray(times)
    paths, settled, evaluations = compiled_paths(
        two_stage(), [[0, 0]], t, parameters=[[4.0]], held=[[False], [False]]
    )
    m = 2 * (1 - np.exp(-2 * t))
    p = 12 * (1 - np.exp(-t / 2)) - 6 * (np.exp(-t / 2) - np.exp(-2 * t)) / 1.5
    # Local errors of 1e-8 relative accumulate over some fifty steps.
    np.testing.assert_allclose(paths[0], np.stack([m, p], 1), rtol=1e-7, atol=1e-7)
    assert not settled.any()
    assert evaluations[0] > 20


def test_error_follows_the_tolerance_at_the_price_of_fifth_order() -> None:
    errors, costs = [], []
    for tolerance in (1e-4, 1e-6, 1e-8, 1e-10):
        paths, _, evaluations = compiled_paths(
            two_stage(),
            [[1.0, 0]],
            [0, 1],
            parameters=[[4.0]],
            held=[[False], [False]],
            relative_tolerance=tolerance,
            absolute_tolerance=tolerance,
        )
        exact = 2 - math.exp(-2)
        errors.append(abs(paths[0, -1, 0] - exact))
        costs.append(int(evaluations[0]))
    assert all(error < 10 * 10**-power for error, power in zip(errors, (4, 6, 8, 10), strict=True))
    # Five orders: 1e4 in the tolerance cost 1e4^(1/5) = 6.3 times the steps, save for the first ones.
    assert 3 < costs[3] / costs[1] < 8


@pytest.mark.parametrize("outputs", [2, 31, 601])
def test_repressilator_agrees_with_scipy(outputs: int) -> None:
    times = np.linspace(0, 60, outputs)
    start = np.array([0.0, 5.0, 20.0, 0.0, 0.0, 1.0])
    expected = by_scipy(repressilator(), start, times)
    paths, _, _ = compiled_paths(
        repressilator(), start[None], times, parameters=[[216.0]], held=[[False]] * 6
    )
    # The cycle is stable in shape, its phase is not: local errors of 1e-8 add up in time.
    np.testing.assert_allclose(paths[0], expected, rtol=1e-6, atol=1e-6)


def test_time_dependent_rates() -> None:
    system = system_of({"A": (1 + apply(Op.COS, time()), 0.0)})
    t = np.linspace(1, 8, 15)
    paths, _, _ = compiled_paths(system, [[0.0]], t, parameters=np.empty((0, 1)), held=FREE)
    np.testing.assert_allclose(paths[0, :, 0], t - 1 + np.sin(t) - np.sin(1), atol=1e-7)


def test_stops_at_the_steady_state_and_stays_there() -> None:
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 12, (200, 2))
    times = [0.0, 1.0, 1000.0, 2000.0]
    arguments = {"parameters": [[10.0]], "held": [[False], [False]]}
    paths, settled, evaluations = compiled_paths(toggle(), start, times, until_steady=1e-7, **arguments)
    assert settled.all()
    _, _, without = compiled_paths(toggle(), start, times, **arguments)
    assert (evaluations < without / 3).all()
    # u = 10/(1 + v²), v = 10/(1 + u²) off the diagonal: u·v = 1 and u + v = 10.
    root = np.array([5 + math.sqrt(24), 5 - math.sqrt(24)])
    expected = np.where(start[:, :1] > start[:, 1:], root, root[::-1])
    np.testing.assert_allclose(paths[:, -1], expected, rtol=1e-6)
    np.testing.assert_array_equal(paths[:, -1], paths[:, -2])
    at_rest, settled, evaluations = compiled_paths(toggle(), [root], times, until_steady=1e-7, **arguments)
    np.testing.assert_array_equal(at_rest[0], [root] * 4)
    assert settled.all()
    assert evaluations[0] <= 2  # the slope, and one more to guess a first step


def test_parameters_and_held_species_of_each_member() -> None:
    k = np.array([[1.0, 2.0, 3.0]])
    held = np.array([[True, False, False], [False, False, True]])
    start = np.array([[0.7, 0.0]] * 3)
    paths, _, _ = compiled_paths(two_stage(), start, [0, 60], parameters=k, held=held)
    np.testing.assert_allclose(paths[0, -1], [0.7, 6 * 0.7])
    np.testing.assert_allclose(paths[1, -1], [1.0, 6.0], rtol=1e-6)
    np.testing.assert_allclose(paths[2, -1], [1.5, 0.0], rtol=1e-6)


def test_a_member_is_the_same_in_any_batch_and_on_any_number_of_threads() -> None:
    start = np.random.default_rng(1).uniform(0, 12, (300, 2))
    arguments = {"times": [0.0, 0.5, 4.0], "parameters": [[10.0]], "held": [[False], [False]]}
    threads = torch.get_num_threads()
    try:
        found = []
        for count in (1, 2):
            torch.set_num_threads(count)
            found += [
                compiled_paths(toggle(), start, **arguments)[0][:7],
                compiled_paths(toggle(), start[:7], **arguments)[0],
            ]
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_one_time_is_the_start() -> None:
    paths, _, _ = compiled_paths(toggle(), [[1.0, 2.0]], [3.0], parameters=[[1.0]], held=[[False], [False]])
    np.testing.assert_array_equal(paths, [[[1.0, 2.0]]])


def test_failures_name_the_trajectory_and_the_time() -> None:
    grows = ReactionSystem(
        initial={"A": 1.0},
        reactions=(Reaction(name="growth", changes={"A": 1}, rate=species("A") ** 2),),
        parameters={},
    )
    none = np.empty((0, 1))
    with pytest.raises(RuntimeError, match=r"trajectory 1 at time 1\b.*vanishing step.*LSODA"):
        compiled_paths(grows, [[0.1], [1.0], [1.0]], [0, 5], parameters=none, held=FREE)
    start = np.array([[0.1]] * 777 + [[1.0]] * 500)
    threads = torch.get_num_threads()
    for count in (1, 2):
        torch.set_num_threads(count)
        try:
            with pytest.raises(RuntimeError, match="trajectory 777 at time 1"):
                compiled_paths(grows, start, [0, 5], parameters=none, held=FREE)
        finally:
            torch.set_num_threads(threads)
    with pytest.raises(RuntimeError, match="more than max_steps = 3"):
        compiled_paths(two_stage(), [[0, 0]], [0, 9], parameters=[[4.0]], held=[[False]] * 2, max_steps=3)
    pole = ReactionSystem(
        initial={"A": 1.0},
        reactions=(Reaction(name="pole", changes={"A": 1}, rate=1 / species("A")),),
        parameters={},
    )
    with pytest.raises(RuntimeError, match="trajectory 0 at time 0: the slope of 'A' must be finite"):
        compiled_paths(pole, [[0.0]], [0, 5], parameters=none, held=FREE)


def test_refusals() -> None:
    system = system_of({"A": (parameter("k"), 1.0)}, k=1.0)

    def run(target: ReactionSystem = system, **changed: object) -> None:
        arguments = {"start": [[0.0]], "times": [0, 1], "parameters": [[1.0]], "held": FREE}
        compiled_paths(target, **{**arguments, **changed})  # type: ignore[arg-type]

    for name, value, message in [
        ("start", [[-1.0]], "non-negative"),
        ("start", [[1.0, 2.0]], r"start must have shape \(batch, 1\)"),
        ("times", [0, 0], "strictly increasing"),
        ("parameters", [[1.0, 2.0]], "parameters must have shape"),
        ("parameters", [[math.nan]], "parameters must be finite"),
        ("held", [False], "held must have shape"),
        ("relative_tolerance", 0.0, "relative_tolerance"),
        ("until_steady", -1.0, "until_steady"),
        ("max_steps", 0, "max_steps"),
    ]:
        with pytest.raises(ValueError, match=message):
            run(**{name: value})
    with pytest.raises(ValueError, match="depend on the time"):
        run(system_of({"A": (time(), 1.0)}, k=1.0), until_steady=1e-3)
    with pytest.raises(ValueError, match="callable 'f'"):
        run(system_of({"A": (call(lambda x: x, species("A"), name="f"), 1.0)}, k=1.0))
    with pytest.raises(ValueError, match="delays"):
        run(system_of({"A": (species("A", delay=1.0), 1.0)}, k=1.0))
