"""Stochastic simulation against exact distributions, moments and the rate equations.

Seeds are fixed, so a test passes always or never; bounds are several standard errors of what is measured, so
a correct sampler would pass for nearly every other seed too.
"""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.linalg import expm

from grn.networks.engines.compiled import compiled_paths
from grn.networks.engines.stochastic import METHODS, _network, _orders, stochastic_paths
from grn.networks.formula import Formula, constant, hill, parameter, species, time
from grn.networks.reactions import Reaction, ReactionSystem

A = species("A")
ERRORS = 4.5  # standard errors: two-sided probability 7e-6


def reaction(name: str, rate: Formula | float, **changes: float) -> Reaction:
    return Reaction(name=name, changes=changes, rate=rate if isinstance(rate, Formula) else constant(rate))


def system_of(
    *reactions: Reaction, volumes: dict[str, float] | None = None, **parameters: float
) -> ReactionSystem:
    names = sorted({name for each in reactions for name in each.changes})
    return ReactionSystem(
        initial=dict.fromkeys(names, 0.0), reactions=reactions, parameters=parameters, volumes=volumes or {}
    )


def birth_death(volume: float = 1.0) -> ReactionSystem:
    return system_of(
        reaction("birth", parameter("k"), A=1), reaction("death", A, A=-1), volumes={"A": volume}, k=20.0
    )


def two_stage() -> ReactionSystem:
    """Return transcription at 10, mRNA decay 5, translation 20, protein decay 1."""
    return system_of(
        reaction("transcription", 10.0, m=1),
        reaction("mRNA decay", 5 * species("m"), m=-1),
        reaction("translation", 20 * species("m"), p=1),
        reaction("protein decay", species("p"), p=-1),
    )


def paths_of(
    system: ReactionSystem, batch: int, times: object, start: object = 0.0, **options: object
) -> np.ndarray:
    arguments: dict[str, object] = {
        "parameters": np.array([[value] for value in system.parameters.values()]).reshape(-1, 1),
        "held": [[False]] * len(system.species),
        "system_size": 1.0,
        "method": "ssa",
        "seed": 0,
    }
    level = np.broadcast_to(np.asarray(start, float), (batch, len(system.species)))
    return stochastic_paths(system, level, times, **{**arguments, **options})[0]  # type: ignore[arg-type]


def assert_moments(
    sample: np.ndarray, mean: float, variance: float, fourth: float, slack: float = 0.0
) -> None:
    """Mean and variance within `ERRORS` standard errors; ``slack`` is a relative bias of the variance."""
    assert abs(sample.mean() - mean) < ERRORS * math.sqrt(variance / sample.size)
    spread = math.sqrt((fourth - variance**2) / sample.size)
    assert abs(sample.var() - variance) < ERRORS * spread + slack * variance


def assert_distribution(counts: np.ndarray, probabilities: np.ndarray) -> None:
    """Chi-square of whole numbers against exact probabilities; rare ones together."""
    observed = np.bincount(counts, minlength=len(probabilities)).astype(float)
    expected = probabilities * len(counts)
    common = expected >= 10
    assert observed[len(probabilities) :].sum() == 0
    observed = np.append(observed[common], observed[~common].sum())
    expected = np.append(expected[common], expected[~common].sum())
    if expected[-1] < 1:  # next to nothing: its few counts would dominate
        assert observed[-1] <= 10
        observed, expected = observed[:-1], expected[:-1]
    expected *= observed.sum() / expected.sum()
    assert stats.chisquare(observed, expected).pvalue > 1e-4


@pytest.mark.parametrize(("omega", "volume"), [(1.0, 1.0), (0.5, 3.0)])
def test_birth_and_death_become_poisson(omega: float, volume: float) -> None:
    # In volume V both rates change n by events Ω·rate: n is Poisson with mean ΩVk, x = n/(ΩV) has mean k.
    path = paths_of(birth_death(volume), 20_000, [0.0, 15.0 * volume], system_size=omega)
    counts = path[:, -1, 0] * omega * volume
    np.testing.assert_allclose(counts, counts.round(), atol=1e-9)
    mean = 20 * omega * volume
    assert_moments(counts, mean, mean, 3 * mean**2 + mean)
    assert_distribution(counts.round().astype(int), stats.poisson.pmf(np.arange(200), mean))


def test_transient_is_poisson_with_the_mean_of_the_rate_equation() -> None:
    times = np.array([0.0, 0.3, 1.0, 2.5])
    path = paths_of(birth_death(), 20_000, times)
    ode, _, _ = compiled_paths(birth_death(), [[0.0]], times, parameters=[[20.0]], held=[[False]])
    for k in (1, 2, 3):
        mean = float(ode[0, k, 0])
        assert mean == pytest.approx(20 * (1 - math.exp(-times[k])), rel=1e-6)
        assert_moments(path[:, k, 0], mean, mean, 3 * mean**2 + mean)


def test_protein_noise_of_two_stages() -> None:
    # var p/⟨p⟩ = 1 + b/(1 + η), Thattai and van Oudenaarden: b = 20/5 proteins an mRNA, η = γp/γm = 1/5.
    path = paths_of(two_stage(), 12_000, [0.0, 12.0])[:, -1]
    expected = 1 + 4 / 1.2
    p = path[:, 1]
    assert abs(p.mean() - 40) < ERRORS * math.sqrt(40 * expected / len(p))
    fourth = float(((p - p.mean()) ** 4).mean())
    assert abs(p.var() - 40 * expected) < ERRORS * math.sqrt((fourth - p.var() ** 2) / len(p))
    assert abs(path[:, 0].var() - 2) < ERRORS * math.sqrt((3 * 4 + 2 - 4) / len(p))


def master_equation(up: np.ndarray, down: np.ndarray, begin: int, duration: float) -> np.ndarray:
    """Exact distribution of a chain of states 0, 1, … with rates to the next and to the one before."""
    generator = np.diag(up[:-1], -1) + np.diag(down[1:], 1)
    generator -= np.diag(generator.sum(0))
    return expm(generator * duration)[:, begin]


def test_dimerisation_has_the_distribution_of_the_master_equation() -> None:
    omega = 10.0
    system = system_of(
        reaction("binding", 0.5 * A * (A - 1 / omega), A=-2, D=1),
        reaction("falling apart", 0.8 * species("D"), A=2, D=-1),
    )
    path = paths_of(system, 20_000, [0.0, 0.4], [3.0, 0.0], system_size=omega)
    dimers = np.arange(16)
    monomers = 30 - 2 * dimers
    up = 0.5 * monomers * (monomers - 1) / omega
    exact = master_equation(up, 0.8 * dimers, 0, 0.4)
    counts = (path[:, -1, 1] * omega).round().astype(int)
    np.testing.assert_allclose(path[:, -1, 0] * omega, 30 - 2 * counts, atol=1e-9)
    assert_distribution(counts, exact)


def test_bistable_autoregulation_has_the_distribution_of_the_master_equation() -> None:
    omega = 8.0
    system = system_of(reaction("birth", 0.3 + 3.2 * hill(A, 1.3, 4), A=1), reaction("death", A, A=-1))
    n = np.arange(120)
    ratio = (n / omega / 1.3) ** 4
    exact = master_equation(omega * (0.3 + 3.2 * ratio / (1 + ratio)), 1.0 * n, 8, 6.0)
    assert exact[2] > 5 * exact[12] < exact[26]  # two peaks and a valley
    counts = paths_of(system, 20_000, [0.0, 6.0], 1.0, system_size=omega)[:, -1, 0] * omega
    assert_distribution(counts.round().astype(int), exact)


def test_a_reaction_without_its_molecules_does_not_happen() -> None:
    # A queue: made at 2, taken at 3 while there is any.
    queue = system_of(reaction("made", 2.0, A=1), reaction("taken", 3.0, A=-1))
    exact = master_equation(np.full(80, 2.0), np.full(80, 3.0), 0, 5.0)
    for method in ("ssa", "tau-leaping"):
        counts = paths_of(queue, 20_000, [0.0, 5.0], method=method)[:, -1, 0]
        assert_distribution(counts.astype(int), exact)


@pytest.mark.parametrize("k", [100.0, 1000.0, 100_000.0])
def test_leaps_have_the_moments_of_exact_events(k: float) -> None:
    path = paths_of(birth_death(), 6000, [0.0, 1.0, 9.0], method="tau-leaping", parameters=[[k]])
    for column, mean in ((1, k * (1 - math.exp(-1))), (2, k * (1 - math.exp(-9)))):
        sample = path[:, column, 0]
        # Leaps of at most τ = 0.05/γ: the mean relaxes by (1 − γτ) instead of exp(−γτ), off by up to
        # γ²τt/2·exp(−γt); the variance at rest is 1/(1 − γτ/2) too large, 2.6 %.
        bias = 0.05 / 2 * math.exp(-1) * k if column == 1 else 0.01 * math.sqrt(mean)
        assert abs(sample.mean() - mean) < ERRORS * math.sqrt(mean / sample.size) + bias
        spread = mean * math.sqrt((2 + 1 / mean) / sample.size)
        assert abs(sample.var() - mean) < ERRORS * spread + 0.026 * mean


def test_leaps_of_scarce_molecules_are_exact_events() -> None:
    p = paths_of(two_stage(), 6000, [0.0, 12.0], method="tau-leaping")[:, -1, 1]
    variance = 40 * (1 + 4 / 1.2)
    assert abs(p.mean() - 40) < ERRORS * math.sqrt(variance / len(p))
    assert abs(p.var() / variance - 1) < ERRORS * math.sqrt(2.5 / len(p)) + 0.026


def test_leaps_stay_non_negative_and_keep_what_is_conserved() -> None:
    system = system_of(
        reaction("binding", A * species("B"), A=-1, B=-1, C=1),
        reaction("falling apart", 0.01 * species("C"), A=1, B=1, C=-1),
    )
    path = paths_of(system, 300, np.linspace(0, 3, 20), [400.0, 380.0, 0.0], method="tau-leaping")
    assert (path >= 0).all()
    np.testing.assert_array_equal(path[..., 0] + path[..., 2], np.full((300, 20), 400.0))
    np.testing.assert_array_equal(path[..., 1] + path[..., 2], np.full((300, 20), 380.0))


def test_orders_of_rate_laws() -> None:
    b = species("B")
    system = system_of(
        reaction("one", parameter("k") * A * A * b, A=1, C=1),
        reaction("two", hill(b, 1, parameter("n")) / (1 + A), B=1),
        k=1.0,
        n=4.0,
    )
    found = _orders(system, np.array([[1.0, 4.0], [1.0, 6.0]]))
    np.testing.assert_array_equal(found, [[2, 4, 0], [2, 6, 0]])


@pytest.mark.parametrize("step", [0.2, 0.05])
@pytest.mark.parametrize("omega", [100.0, 10_000.0])
def test_langevin_noise_does_not_depend_on_the_step(step: float, omega: float) -> None:
    x = paths_of(birth_death(), 20_000, [0.0, 8.0], 20.0, method="langevin", system_size=omega, step=step)[
        :, -1, 0
    ]
    # Euler–Maruyama of dx = (k − x)dt + …: variance (k + ⟨x⟩)/Ω·dt/(1 − (1 − dt)²) = (k/Ω)/(1 − dt/2).
    variance = 20 / omega / (1 - step / 2)
    assert_moments(x, 20.0, variance, 3 * variance**2)
    of_continuous_time = 20 / omega
    assert abs(x.var() / of_continuous_time - 1) < step / 2 / (1 - step / 2) + ERRORS * math.sqrt(2 / x.size)
    # Increments of standard deviation dt instead of √dt would scale the variance by dt: 5 or 20 times less.
    assert variance * step < 0.25 * x.var()


def test_langevin_steps_of_its_own_choice() -> None:
    x = paths_of(birth_death(), 5000, [0.0, 8.0], method="langevin", system_size=50.0)[:, -1, 0]
    mean = 20 * (1 - math.exp(-8))
    assert_moments(x, mean, mean / 50, 3 * (mean / 50) ** 2, slack=0.01)
    p = paths_of(two_stage(), 1500, [0.0, 9.0], method="langevin", system_size=20.0)[:, -1, 1]
    variance = 40 * (1 + 4 / 1.2) / 20  # a linear system: the same as of the master equation
    assert abs(p.mean() - 40) < ERRORS * math.sqrt(variance / len(p))
    assert abs(p.var() / variance - 1) < ERRORS * math.sqrt(2 / len(p)) + 0.02


def test_langevin_has_a_noise_for_each_reaction() -> None:
    x = paths_of(birth_death(2.0), 50_000, [0.0, 0.01], 20.0, method="langevin", system_size=30.0, step=0.01)[
        :, -1, 0
    ]
    # √k dW1 − √x dW2: variances add. One noise for both would give (√20 − √20)² = 0; of the net rate also 0.
    variance = (20 + 20) * 0.01 / 30 / 2**2
    assert_moments(x, 20.0, variance, 3 * variance**2)


def test_langevin_is_unbiased_next_to_zero() -> None:
    k, step, steps, batch = 0.5, 0.05, 400, 20_000
    x = paths_of(birth_death(), batch, [0.0, steps * step], method="langevin", parameters=[[k]], step=step)[
        :, -1, 0
    ]
    assert (x >= 0).all()
    assert abs(x.mean() - k) < ERRORS * x.std() / math.sqrt(batch)
    # The same steps with reflection, which the test would tell apart.
    rng = np.random.default_rng(0)
    other = np.zeros(batch)
    for _ in range(steps):
        noise = rng.normal(size=(2, batch)) * math.sqrt(step)
        other = np.abs(other + (k - other) * step + math.sqrt(k) * noise[0] - np.sqrt(other) * noise[1])
    assert other.mean() - k > 3 * ERRORS * other.std() / math.sqrt(batch)


@pytest.mark.parametrize("method", METHODS)
def test_a_trajectory_depends_on_its_index_alone(method: str) -> None:
    system = two_stage()
    times = [0.0, 0.7, 3.0]
    step = 0.1 if method == "langevin" else None
    options = {"method": method, "system_size": 3.0, "seed": 11, "segment": 2, "step": step}
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        every = paths_of(system, 1000, times, **options)
        torch.set_num_threads(2)
        np.testing.assert_array_equal(paths_of(system, 1000, times, **options), every)
        for batch in (1, 7):
            np.testing.assert_array_equal(paths_of(system, batch, times, **options), every[:batch])
        np.testing.assert_array_equal(paths_of(system, 5, times, first=600, **options), every[600:605])
    finally:
        torch.set_num_threads(threads)
    assert len(np.unique(every[:, -1], axis=0)) > 500
    for changed in ({"seed": 12}, {"segment": 3}):
        assert (paths_of(system, 7, times, **{**options, **changed}) != every[:7]).any()
    default = paths_of(system, 7, times, **{**options, "step": None})
    np.testing.assert_array_equal(paths_of(system, 3, times, **{**options, "step": None}), default[:3])


@pytest.mark.parametrize("method", METHODS)
def test_held_species_and_parameters_of_each_member(method: str) -> None:
    system = birth_death()
    held = np.array([[True] * 500 + [False] * 500])
    k = np.array([[20.0] * 750 + [80.0] * 250])
    path = paths_of(
        system, 1000, [0.0, 2.0, 9.0], 3.3, method=method, parameters=k, held=held, system_size=2.0
    )
    np.testing.assert_array_equal(path[:500], np.full((500, 3, 1), 3.3))
    for part, mean in ((path[500:750, -1], 20.0), (path[750:, -1], 80.0)):
        assert abs(part.mean() - mean) < ERRORS * math.sqrt(mean / 2 / 250) + 0.01


@pytest.mark.parametrize("method", METHODS)
def test_without_events_the_state_stays(method: str) -> None:
    decay = system_of(reaction("death", A, A=-1))
    path = paths_of(decay, 50, [0.0, 60.0, 61.0], 5.0, method=method, system_size=2.0)
    np.testing.assert_array_equal(path[:, 0], np.full((50, 1), 5.0))
    if method != "langevin":
        np.testing.assert_array_equal(path[:, 1:], np.zeros((50, 2, 1)))
    still = ReactionSystem(initial={"A": 1.0}, reactions=(), parameters={})
    np.testing.assert_array_equal(paths_of(still, 2, [0.0, 5.0], 4.0, method=method), np.full((2, 2, 1), 4.0))


def test_start_is_rounded_to_whole_molecules() -> None:
    decay = system_of(reaction("death", 1e-9 * A, A=-1))
    path = paths_of(decay, 3, [0.0, 1.0], [[0.24], [0.26], [0.62]], system_size=4.0)
    np.testing.assert_array_equal(path[:, 0, 0], [0.25, 0.25, 0.5])


def test_only_what_an_event_changes_is_computed_again() -> None:
    from grn.networks.engines.batches import machine_of

    system = two_stage()
    network = _network(system, machine_of(system.rates))
    touched = [
        network.touched[i:j].tolist()
        for i, j in zip(network.touched_start[:-1], network.touched_start[1:], strict=True)
    ]
    assert touched == [[1, 2], [1, 2], [3], [3]]


def test_many_reactions_are_drawn_by_their_propensity() -> None:
    # 300 species in groups: each is Poisson with its own mean.
    names = [f"S{k:03}" for k in range(300)]
    reactions = [
        each
        for k, name in enumerate(names)
        for each in (
            Reaction(name=f"+{name}", changes={name: 1}, rate=constant(0.5 + 0.02 * k)),
            Reaction(name=f"-{name}", changes={name: -1}, rate=1.0 * species(name)),
        )
    ]
    path = paths_of(system_of(*reactions), 200, [0.0, 10.0])[:, -1]
    means = 0.5 + 0.02 * np.arange(300)
    deviation = (path.mean(0) - means) / np.sqrt(means / 200)
    assert stats.kstest(deviation, "norm").pvalue > 1e-3
    assert abs((path.var(0) / means).mean() - 1) < ERRORS * math.sqrt(2.5 / 200 / 300) + 1 / 200


@pytest.mark.parametrize("method", ["tau-leaping", "langevin"])
def test_rates_that_depend_on_the_time(method: str) -> None:
    # Made at rate 10t: Poisson with mean 5T² (Langevin: the same variance).
    system = system_of(reaction("made", 10 * time(), A=1))
    x = paths_of(system, 4000, [0.0, 4.0], method=method, step=0.01)[:, -1, 0]
    mean = 5 * 16
    # Rates of the beginning of each step: the mean is 10·T·dt/2 = 0.2 too small.
    assert abs(x.mean() + 0.2 - mean) < ERRORS * math.sqrt(mean / x.size) + 0.02
    assert abs(x.var() / mean - 1) < ERRORS * math.sqrt(2 / x.size) + 0.01
    with pytest.raises(ValueError, match="depend on the time"):
        paths_of(system, 1, [0.0, 1.0], method=method)


def test_refusals_say_what_to_do() -> None:
    falls = system_of(reaction("odd", 3 - A, A=1), reaction("other", 1.0, A=1))
    with pytest.raises(
        ValueError, match=r"trajectory 5 at time .* reaction 'odd' must be non-negative .* got -1"
    ):
        paths_of(falls, 3, [0.0, 50.0], first=5)
    for method in ("tau-leaping", "langevin"):
        with pytest.raises(ValueError, match="reaction 'odd' must be non-negative"):
            paths_of(falls, 3, [0.0, 50.0], method=method)
    undefined = system_of(reaction("bad", 1 / A - 1 / A, A=1), reaction("worse", -1.0 * A - 1, A=1))
    with pytest.raises(ValueError, match=r"reaction 'bad' .* got nan"):
        paths_of(undefined, 1, [0.0, 1.0])
    with pytest.raises(
        RuntimeError, match=r"trajectory 0 at time .* max_events = 10 events: use .*'tau-leaping'"
    ):
        paths_of(birth_death(), 2, [0.0, 50.0], max_events=10)
    for method in ("tau-leaping", "langevin"):
        with pytest.raises(RuntimeError, match="max_events = 3"):
            paths_of(birth_death(), 2, [0.0, 50.0], method=method, max_events=3)
    with pytest.raises(ValueError, match="'tau-leaping' or 'langevin' with a step"):
        paths_of(system_of(reaction("made", time(), A=1)), 1, [0.0, 1.0])
    with pytest.raises(ValueError, match=r"whole molecules, got 0\.5"):
        paths_of(system_of(reaction("half", 1.0, A=0.5)), 1, [0.0, 1.0])
    with pytest.raises(ValueError, match=r"2\^52"):
        paths_of(birth_death(), 1, [0.0, 1.0], 1e6, system_size=1e12)
    for name, value in (("method", "magic"), ("system_size", 0.0), ("step", -1.0), ("max_events", 0)):
        with pytest.raises(ValueError, match=name):
            paths_of(birth_death(), 1, [0.0, 1.0], **{name: value})
