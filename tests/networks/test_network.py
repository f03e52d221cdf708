"""Gene networks: every promoter against its formula, delays and perturbations against closed forms."""

import itertools
import math

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import gammainc, lambertw

from grn.integrate import Solver
from grn.networks import circuits
from grn.networks.equations import RateEquations
from grn.networks.formula import species
from grn.networks.logic.boolean import BooleanNetwork
from grn.networks.network import Gene, GeneNetwork, Removal
from grn.networks.perturb import Clamp, Knockdown, Knockout, Overexpression
from grn.networks.promoters import (
    Constitutive,
    Custom,
    ErlangDelay,
    HillProduct,
    HillSum,
    Module,
    Modules,
    Proportional,
    Regulator,
    Rule,
    ShiftedHill,
)
from grn.networks.reactions import Reaction, ReactionSystem
from grn.networks.simulate import simulate

ROUNDING = 1e-12  # formulas are a few dozen operations, each exact to 2e-16
SOURCES = ("A", "B", "C")
K = {"A": 0.7, "B": 3.0, "C": 40.0}
N = {"A": 1.0, "B": 2.5, "C": 4.0}


def levels(seed=0, batch=64):
    """Concentrations over six decades, each source absent in one member."""
    random = np.random.default_rng(seed)
    values = 10 ** random.uniform(-3, 3, (len(SOURCES), batch))
    values[range(len(SOURCES)), range(len(SOURCES))] = 0.0
    return dict(zip(SOURCES, values, strict=True))


def regulator(source, activates=True, delay=0.0):
    return Regulator(
        source=source, activates=activates, threshold=K[source], coefficient=N[source], delay=delay
    )


def x(source, p):
    return (p[source] / K[source]) ** N[source]


def q(source, p):
    return x(source, p) / (1 + x(source, p))


def activity(promoter, p):
    """F: slope of a target without mRNA and without protein, of unit rates."""
    genes = [Gene(name=name, mrna_decay=None) for name in SOURCES]
    network = GeneNetwork(genes=(*genes, Gene(name="T", regulation=promoter, mrna_decay=None)))
    state = np.stack([*(p[name] for name in SOURCES), np.zeros_like(p["A"])])
    return RateEquations(network.system)(0.0, torch.from_numpy(state))[-1].numpy()


def test_constitutive_is_one():
    np.testing.assert_array_equal(activity(Constitutive(), levels()), np.ones(64))


def test_hill_sum():
    p = levels()
    promoter = HillSum(
        regulators=(regulator("A"), regulator("B", activates=False)), weights=(2.0, 0.5), basal=0.1
    )
    np.testing.assert_allclose(
        activity(promoter, p), 0.1 + 2 * q("A", p) + 0.5 * (1 - q("B", p)), rtol=ROUNDING
    )
    plain = HillSum(regulators=(regulator("A"), regulator("C")))
    np.testing.assert_allclose(activity(plain, p), q("A", p) + q("C", p), rtol=ROUNDING)


def test_hill_product():
    p = levels()
    promoter = HillProduct(
        regulators=(regulator("A"), regulator("B", activates=False), regulator("C")), basal=0.05
    )
    expected = 0.05 + 0.95 * q("A", p) * (1 - q("B", p)) * q("C", p)
    # 1 − q loses digits where q is near 1: the floor of 0.05 keeps the sum's relative error small
    np.testing.assert_allclose(activity(promoter, p), expected, rtol=ROUNDING)


def rules(depth=3):
    names = st.sampled_from(SOURCES)
    return st.recursive(
        names,
        lambda inner: st.one_of(
            inner.map("not ({})".format),
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
                lambda t: f"({t[0]}) {t[1]} ({t[2]})"
            ),
        ),
        max_leaves=8,
    )


@settings(deadline=None, max_examples=40)
@given(rules(), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_rule_is_the_sum_over_all_states_of_its_regulators(text, seed, basal):
    p = levels(seed, batch=8)
    promoter = Rule(text, threshold=K, coefficient=N, basal=basal)
    expected = np.zeros(8)
    for bound in itertools.product([False, True], repeat=len(SOURCES)):
        state = dict(zip(SOURCES, bound, strict=True))
        if promoter.parsed.evaluate(state):
            chances = [q(name, p) if on else 1 - q(name, p) for name, on in state.items()]
            expected += np.prod(chances, axis=0)
    expected = basal + (1 - basal) * expected
    # absolute: differences of numbers of order 1
    np.testing.assert_allclose(activity(promoter, p), expected, rtol=ROUNDING, atol=1e-14)


@pytest.mark.parametrize("complexes", list(itertools.product([False, True], repeat=2)))
def test_modules_are_geneweavers_formula(complexes):
    """Schaffter, Marbach and Floreano (2011), supplement: P(active) of each kind of module, then states."""
    p = levels()
    modules = (
        Module(activators=(regulator("A"), regulator("B")), complex=complexes[0]),
        Module(
            activators=(regulator("C"),),
            deactivators=(regulator("A", activates=False),),
            complex=complexes[1],
        ),
    )
    activations = (0.2, 1.0, 0.0, 0.6)
    xs = {name: x(name, p) for name in SOURCES}
    first = xs["A"] * xs["B"]
    first = first / (1 + first) if complexes[0] else first / ((1 + xs["A"]) * (1 + xs["B"]))
    second = xs["C"]
    second = (
        second / (1 + second + second * xs["A"]) if complexes[1] else second / ((1 + xs["C"]) * (1 + xs["A"]))
    )
    expected = sum(
        activation * (first if s & 1 else 1 - first) * (second if s & 2 else 1 - second)
        for s, activation in enumerate(activations)
    )
    found = activity(Modules(modules=modules, activations=activations), p)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-14)


def test_a_complex_of_overwhelming_regulators_is_finite():
    p = {name: np.full(1, 1e200) for name in SOURCES}
    module = Module(activators=(regulator("B"), regulator("C")), deactivators=(regulator("A"),), complex=True)
    found = activity(Modules(modules=(module,), activations=(0.0, 1.0)), p)
    assert 0 <= found[0] < 1e-100  # Π_A/(1 + Π_A + Π_A·x_D) → 1/x_D


def test_shifted_hill():
    p = levels()
    promoter = ShiftedHill(regulators=(regulator("A"), regulator("B", activates=False)), folds=(30.0, 0.04))
    up = (30 + (1 - 30) / (1 + x("A", p))) / 30
    down = 0.04 + (1 - 0.04) / (1 + x("B", p))
    np.testing.assert_allclose(activity(promoter, p), up * down, rtol=1e-11)


def test_proportional_and_custom():
    p = levels()
    np.testing.assert_allclose(activity(Proportional(source="C"), p), p["C"], rtol=ROUNDING)
    custom = Custom(function=lambda a, c: torch.tanh(a) * c, sources=("A", "C"))
    np.testing.assert_allclose(activity(custom, p), np.tanh(p["A"]) * p["C"], rtol=ROUNDING)


def test_the_whole_right_hand_side_of_a_cycle():
    network = circuits.repressilator()
    y = np.random.default_rng(1).uniform(0, 200, (6, 5))
    order = network.species
    state = dict(zip(order, y, strict=True))
    found = dict(zip(order, RateEquations(network.system)(0.0, torch.from_numpy(y)).numpy(), strict=True))
    gamma_m, gamma_p = math.log(2) / 2, math.log(2) / 10
    for gene, repressor in (("lacI", "cI"), ("tetR", "lacI"), ("cI", "tetR")):
        m, p = state[f"{gene}_mrna"], state[gene]
        promoter = 0.03 + 29.97 / (1 + (state[repressor] / 40) ** 2)
        np.testing.assert_allclose(found[f"{gene}_mrna"], promoter - gamma_m * m, rtol=1e-11)
        np.testing.assert_allclose(found[gene], 20 * gamma_m * m - gamma_p * p, rtol=1e-11)


def test_a_gene_that_regulates_itself_and_one_that_is_removed():
    network = GeneNetwork(
        genes=(
            Gene(
                name="X",
                regulation=Rule("X and not Y", threshold=2.0, coefficient=3.0),
                transcription=5.0,
                mrna_decay=None,
                protein_decay=0.5,
                removals=(Removal(enzyme="Y", rate=1.5, constant=0.3),),
            ),
            Gene(name="Y", regulation=Rule("X"), mrna_decay=None, protein_decay=0.0),
        )
    )
    p, r = np.random.default_rng(2).uniform(0, 5, (2, 9))
    found = RateEquations(network.system)(0.0, torch.from_numpy(np.stack([p, r]))).numpy()
    h = p**3 / (8 + p**3) * (1 - r**3 / (8 + r**3))
    np.testing.assert_allclose(found[0], 5 * h - 0.5 * p - 1.5 * r * p / (0.3 + p), rtol=1e-11)
    np.testing.assert_allclose(found[1], p**2 / (1 + p**2), rtol=ROUNDING)
    assert network.edges == (("X", "X", 1), ("Y", "X", -1), ("X", "Y", 1), ("Y", "X", -1))


# Delays


def chained(delay, **gene):
    return GeneNetwork(
        genes=(
            Gene(name="A", mrna_decay=None, **gene),
            Gene(name="B", regulation=Proportional(source="A", delay=delay), mrna_decay=None),
        )
    )


TIGHT = Solver(relative_tolerance=1e-11, absolute_tolerance=1e-13)


@pytest.mark.parametrize("stages", [1, 3, 10])
def test_a_step_comes_through_an_erlang_delay_as_the_gamma_distribution(stages):
    network = chained(ErlangDelay(mean=2.0, stages=stages))
    times = torch.linspace(0, 40, 401, dtype=torch.float64)
    path = simulate(network, times, perturbations=(Clamp("A", level=1.0, at=0.0),), solver=TIGHT)
    last = path[path.species[-1]][0].numpy()
    np.testing.assert_allclose(last, gammainc(stages, stages * times.numpy() / 2.0), atol=1e-9)
    assert np.trapezoid(1 - last, times.numpy()) == pytest.approx(2.0, abs=1e-3)  # mean, by trapezoids of 0.1


def test_an_erlang_delay_is_the_convolution_with_its_kernel():
    mean, stages, rate = 1.5, 4, 4 / 1.5
    path = simulate(chained(ErlangDelay(mean=mean, stages=stages)), [0.0, 1.0, 3.0], solver=TIGHT)

    def kernel(s):
        return rate**stages * s ** (stages - 1) * math.exp(-rate * s) / math.factorial(stages - 1)

    for time, found in zip([1.0, 3.0], path[path.species[-1]][0, 1:].tolist(), strict=True):
        expected = quad(lambda s, t=time: kernel(s) * (1 - math.exp(-(t - s))), 0, time, epsabs=1e-12)[0]
        assert found == pytest.approx(expected, abs=1e-9)


def test_before_the_start_a_delayed_level_was_what_it_is_at_the_start():
    for delay in (0.7, ErlangDelay(mean=0.7, stages=2)):
        network = chained(delay, initial_protein=1.0)
        path = simulate(network, [0.0, 1e-3], start={"A": torch.tensor([1.0, 5.0])})
        # B' = A(t − delay) at once
        np.testing.assert_allclose(path["B"][:, -1], [1e-3, 5e-3], rtol=2e-3)
        missing = simulate(network, [0.0, 1.0, 5.0], perturbations=(Knockout("A"),))
        assert bool((missing.values == 0).all())
        held = simulate(network, [0.0, 1e-3], perturbations=(Clamp("A", level=3.0),))
        assert float(held["B"][0, -1]) == pytest.approx(3e-3, rel=2e-3)


def test_two_erlang_delays_of_nearly_equal_means_stay_apart():
    promoter = HillSum(
        regulators=(regulator("A", delay=ErlangDelay(1.0)),),
    )
    other = HillSum(regulators=(regulator("A", delay=ErlangDelay(1.0 + 1e-9)),))
    network = GeneNetwork(
        genes=(
            Gene(name="A", mrna_decay=None),
            Gene(name="B", regulation=promoter, mrna_decay=None),
            Gene(name="C", regulation=other, mrna_decay=None),
        )
    )
    assert len(network.species) == 3 + 2 * 3
    assert len(network.system.reactions) == 6 + 2 * 6


def late_decay(rate, delay):
    late = Reaction(name="late", changes={"y": -1}, rate=rate * species("y", delay=delay))
    return ReactionSystem(initial={"y": 1.0}, reactions=(late,), parameters={})


def by_steps(time):
    """y' = −y(t − 1), y = 1 up to 0, by the method of steps."""
    return sum((-1) ** k * (time - k + 1) ** k / math.factorial(k) for k in range(int(time) + 2))


def test_a_delay_equation_has_the_solution_of_the_method_of_steps():
    times = [0.0, 0.5, 1.0, 1.7, 2.5, 4.4, 7.9]
    path = simulate(late_decay(1.0, 1.0), times)
    expected = [1.0, *(by_steps(t) for t in times[1:])]
    np.testing.assert_allclose(path["y"][0], expected, atol=1e-8)


def test_the_delay_solver_is_of_fourth_order():
    steps = np.array([1 / 2, 1 / 4, 1 / 8, 1 / 16])
    errors = []
    for step in steps:
        solver = Solver(method="rk4", step_size=step)
        path = simulate(late_decay(1.0, 1.0), [0.0, 9.0], solver=solver)
        errors.append(abs(float(path.final[0, 0]) - by_steps(9.0)))
    order = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert 3.7 < order < 4.6, (order, errors)


@pytest.mark.parametrize("product", [1.3, 1.5, 1.6, 2.0])
def test_late_decay_grows_beyond_half_pi_at_the_rate_of_its_characteristic_root(product):
    tau = 0.8
    root = lambertw(-product, 0) / tau  # λ = −a·exp(−λτ)
    assert (root.real > 0) == (product > math.pi / 2)
    gap = 0.5
    times = torch.tensor([0.0, *(20 + gap * k for k in range(9))], dtype=torch.float64)
    solver = Solver(method="rk4", step_size=tau / 40)  # error of 1e-7 of the amplitude
    y = simulate(late_decay(product / tau, tau), times, solver=solver)["y"][0, 1:].numpy()
    # any mixture of the two conjugate roots obeys this recurrence; the next root has long decayed
    growth = np.exp(root.real * gap)
    predicted = 2 * growth * np.cos(root.imag * gap) * y[1:-1] - growth**2 * y[:-2]
    np.testing.assert_allclose(y[2:], predicted, atol=1e-6 * np.abs(y).max())


def test_delayed_autorepression_oscillates_beyond_its_hopf_point():
    """p' = 2/(1 + p(t−τ)⁸) − p has p* = 1 and slope −4 there: τ* = arccos(−1/4)/√15."""
    threshold = math.acos(-0.25) / math.sqrt(15)
    swings = []
    for delay in (0.9 * threshold, 1.1 * threshold):
        promoter = HillProduct(
            regulators=(Regulator(source="P", activates=False, coefficient=8.0, delay=delay),)
        )
        gene = Gene(name="P", regulation=promoter, transcription=2.0, mrna_decay=None, initial_protein=1.1)
        times = torch.linspace(0, 60, 601, dtype=torch.float64)
        path = simulate(GeneNetwork(genes=(gene,)), times, solver=Solver(method="rk4", step_size=0.05))
        late = path["P"][0, -100:]
        swings.append(float(late.max() - late.min()))
    assert swings[0] < 1e-3
    assert swings[1] > 0.2


# Perturbations

EXPRESSED = Gene(
    name="A",
    transcription=3.0,
    mrna_decay=2.0,
    translation=4.0,
    protein_decay=0.5,
    initial_mrna=1.5,
    initial_protein=12.0,
)  # at its steady state
FOLLOWED = GeneNetwork(
    genes=(EXPRESSED, Gene(name="B", regulation=Rule("not A", threshold=2.0), mrna_decay=None))
)
TIMES = torch.linspace(0, 10, 21, dtype=torch.float64)


def test_a_gene_knocked_out_from_the_start_was_never_there():
    path = simulate(FOLLOWED, TIMES, perturbations=(Knockout("A"),))
    assert bool((path["A"] == 0).all())
    assert bool((path["A_mrna"] == 0).all())
    np.testing.assert_allclose(path["B"][0], 1 - np.exp(-TIMES.numpy()), atol=1e-8)


@pytest.mark.parametrize("method", ["ode", "compiled"])
def test_a_gene_knocked_out_later_decays(method):
    path = simulate(FOLLOWED, TIMES, perturbations=(Knockout("A", at=3.0),), method=method)
    since = np.maximum(TIMES.numpy() - 3.0, 0)
    m = 1.5 * np.exp(-2 * since)
    # p' = 4m − p/2, from 12
    p = (12 - 6 / (0.5 - 2)) * np.exp(-0.5 * since) + 6 / (0.5 - 2) * np.exp(-2 * since)
    np.testing.assert_allclose(path["A_mrna"][0], m, atol=1e-7)
    np.testing.assert_allclose(path["A"][0], p, atol=1e-6)


def test_knock_down_and_over_expression_scale_the_steady_state():
    conditions = [(), (Knockdown("A", remaining=0.3),), (Overexpression("A", activity=0.5),)]
    path = simulate(FOLLOWED, [0.0, 100.0], conditions=conditions)
    np.testing.assert_allclose(path["A"][:, -1], [12.0, 3.6, 18.0], rtol=1e-7)


def test_a_knock_down_can_be_followed_by_a_knock_out():
    condition = (Knockdown("A", remaining=0.5), Knockout("A", at=60.0))
    path = simulate(FOLLOWED, [0.0, 60.0, 160.0], perturbations=condition)
    np.testing.assert_allclose(path["A"][0, 1:], [6.0, 0.0], atol=1e-6)


def test_a_clamp_holds():
    early = simulate(FOLLOWED, TIMES, perturbations=(Clamp("A", level=2.0),))
    assert bool((early["A"] == 2.0).all())
    np.testing.assert_allclose(early["B"][0], 0.5 * (1 - np.exp(-TIMES.numpy())), atol=1e-8)
    late = simulate(FOLLOWED, TIMES, perturbations=(Clamp("A", level=7.0, at=4.0),))
    assert bool((late["A"][0, TIMES >= 4.0] == 7.0).all())
    np.testing.assert_allclose(late["A"][0, TIMES < 4.0], 12.0, atol=1e-6)
    held = simulate(FOLLOWED, TIMES, perturbations=(Knockout("A"), Clamp("A", level=1.0)))
    assert bool((held["A"] == 1.0).all())  # a protein that is supplied from outside


CONDITIONS = [
    (),
    (Knockout("A"),),
    (Knockdown("A", remaining=0.2, at=2.25), Clamp("B", level=0.1)),
    (Overexpression("A", at=7.0), Clamp("A_mrna", level=1.0, at=3.1)),
]


@pytest.mark.parametrize(
    ("method", "solver", "tolerance"),
    [
        ("compiled", None, 0.0),  # every trajectory takes its own steps
        ("ode", Solver(method="rk4", step_size=0.05), 1e-12),  # the same steps, sums in another order
        ("ode", None, 1e-6),  # steps shared by the batch: within the solver's tolerance
    ],
)
def test_batched_conditions_are_separate_runs(method, solver, tolerance):
    together = simulate(FOLLOWED, TIMES, conditions=CONDITIONS, method=method, solver=solver)
    moments = sorted({p.at for condition in CONDITIONS for p in condition if p.at is not None})
    for k, condition in enumerate(CONDITIONS):
        # the same stretches: perturbing by nothing splits time as the batch does
        padding = tuple(Overexpression("B", activity=1e-300, at=moment) for moment in moments)
        alone = simulate(FOLLOWED, TIMES, perturbations=(*condition, *padding), method=method, solver=solver)
        np.testing.assert_allclose(together.values[k], alone.values[0], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "condition",
    [
        (Knockout("A"), Knockout("A")),
        (Knockout("A"), Knockdown("A")),
        (Overexpression("A", at=2.0), Knockout("A", at=2.0)),
        (Clamp("A", level=1.0), Clamp("A", level=2.0)),
        (Clamp("A", level=1.0), Clamp("A", level=2.0, at=0.0)),
        (Knockout("A", at=0.0), Knockdown("A")),
    ],
)
def test_contradictions_are_refused(condition):
    with pytest.raises(ValueError, match="contradicts another perturbation of one condition at that time"):
        simulate(FOLLOWED, 5.0, perturbations=condition)


@pytest.mark.parametrize(
    ("perturbation", "message"),
    [
        (Knockout("C"), "no gene 'C' to perturb: those are A, B"),
        (Knockdown("A_mrna"), "no gene 'A_mrna' to perturb"),
        (Clamp("C"), "cannot clamp 'C': the species are A_mrna, A, B"),
        (Knockout("A", at=-1.0), "before the start of the simulation at 0"),
    ],
)
def test_perturbations_of_what_is_not_there_are_refused(perturbation, message):
    with pytest.raises(ValueError, match=message):
        simulate(FOLLOWED, 5.0, perturbations=(perturbation,))


def test_perturbations_that_a_model_cannot_take_are_refused():
    with pytest.raises(ValueError, match=r"needs a gene network.*Clamp\('A', level=0\)"):
        simulate(FOLLOWED.system, 5.0, perturbations=(Knockout("A"),))
    with pytest.raises(TypeError, match="must be a Knockout, Knockdown, Overexpression or Clamp, got 'A'"):
        simulate(FOLLOWED, 5.0, perturbations=("A",))
    with pytest.raises(ValueError, match="delays can be perturbed from the start only: leave `at` out"):
        simulate(chained(1.0), 5.0, perturbations=(Knockout("A", at=2.0),))
    with pytest.raises(ValueError, match="not both"):
        simulate(FOLLOWED, 5.0, perturbations=(Knockout("A"),), conditions=[()])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Knockdown("A", remaining=1.5), r"remaining of a knock-down must lie in \[0, 1\], got 1.5"),
        (lambda: Overexpression("A", activity=0.0), "must be positive and finite, got 0"),
        (lambda: Clamp("A", level=-1.0), "non-negative finite concentration, got -1"),
        (lambda: Knockout("A", at=math.nan), "at must be a finite time or None for the start, got nan"),
    ],
)
def test_perturbations_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Genes, regulators, networks


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"name": ""}, ValueError, "a gene must have a name, got ''"),
        ({"name": 3}, ValueError, "a gene must have a name, got 3"),
        ({"transcription": -1.0}, ValueError, "transcription of gene 'A' must be a non-negative finite"),
        ({"translation": math.inf}, ValueError, "translation of gene 'A' .* got inf"),
        ({"protein_decay": -0.1}, ValueError, "protein_decay of gene 'A' .* got -0.1"),
        ({"initial_protein": math.nan}, ValueError, "initial_protein of gene 'A' .* got nan"),
        ({"mrna_decay": 0.0}, ValueError, "mrna_decay of gene 'A' .* or None for a gene without mRNA, got 0"),
        ({"transcription": "1"}, TypeError, "transcription must be a real number, got str '1'"),
        ({"regulation": "not A"}, TypeError, r"regulation of gene 'A' must be a promoter .* got 'not A'"),
    ],
)
def test_a_gene_out_of_range_names_itself(arguments, error, message):
    with pytest.raises(error, match=message):
        Gene(**{"name": "A", **arguments})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Regulator(source="A", threshold=0.0), "threshold of regulator 'A' must be positive"),
        (lambda: Regulator(source="A", coefficient=-2.0), "coefficient of regulator 'A' .* got -2"),
        (lambda: Regulator(source="A", delay=-1.0), "delay of regulator 'A' .* got -1"),
        (lambda: ErlangDelay(mean=0.0), "mean of a delay must be a positive finite time, got 0"),
        (
            lambda: ErlangDelay(mean=1.0, stages=0),
            "stages of a delay must be an integer from 1 to 1000, got 0",
        ),
        (lambda: HillSum(regulators=()), r"at least one regulator: use Constitutive\(\) for none"),
        (lambda: HillProduct(regulators=(regulator("A"),) * 2), "'A' regulates the same promoter twice"),
        (lambda: HillSum(regulators=(regulator("A"),), weights=(1.0, 2.0)), r"one a regulator \(1\), got 2"),
        (
            lambda: HillProduct(regulators=(regulator("A"),), basal=1.5),
            r"basal must lie in \[0, 1\], got 1.5",
        ),
        (lambda: Rule("A and and B"), "position 7: expected a gene"),
        (lambda: Rule("A and B", threshold={"A": 1.0}), "threshold must be given .* 'B' is missing"),
        (lambda: Module(activators=()), "must have at least one regulator|at least one activator"),
        (lambda: Modules(modules=(), activations=()), "at least one module"),
        (
            lambda: Modules(modules=(Module(activators=(regulator("A"),)),), activations=(1.0,)),
            "1 modules need 2 activations, one a state, got 1",
        ),
        (
            lambda: Modules(
                modules=(
                    Module(activators=(regulator("A"),)),
                    Module(activators=(Regulator(source="A", threshold=9.0),)),
                ),
                activations=(0.0, 1.0, 1.0, 1.0),
            ),
            "'A' stands in two modules with different thresholds or coefficients",
        ),
        (
            lambda: ShiftedHill(regulators=(regulator("A"),), folds=(0.5,)),
            "fold of 'A' must be above 1, since it activates, got 0.5",
        ),
        (lambda: ShiftedHill(regulators=(regulator("A"),), folds=()), r"one a regulator \(1\), got 0"),
        (lambda: Removal(enzyme="P", rate=0.0, constant=1.0), "rate of removal by 'P' must be positive"),
        (lambda: Custom(function=abs, sources=("A",), effects=(1, 1)), r"one a source \(1\), got 2"),
    ],
)
def test_promoters_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_network_must_be_whole():
    with pytest.raises(ValueError, match="must have at least one gene, got none"):
        GeneNetwork(genes=())
    with pytest.raises(ValueError, match="'A' names two things in one network"):
        GeneNetwork(genes=(Gene(name="A"), Gene(name="A")))
    with pytest.raises(ValueError, match="'A_mrna' names two things in one network"):
        GeneNetwork(genes=(Gene(name="A"), Gene(name="A_mrna")))
    with pytest.raises(ValueError, match=r"'B' is regulated by 'Gata', .* did you mean 'Gata1'"):
        GeneNetwork(genes=(Gene(name="Gata1"), Gene(name="B", regulation=Rule("Gata"))))
    with pytest.raises(ValueError, match="'A' is regulated by 'P', which is not in the network"):
        GeneNetwork(genes=(Gene(name="A", removals=(Removal(enzyme="P", rate=1.0, constant=1.0),)),))
    # a regulator without influence is a regulator all the same: its level is computed
    with pytest.raises(ValueError, match="'A' is regulated by 'X', which is not in the network"):
        GeneNetwork(genes=(Gene(name="A", regulation=Rule("A or X and not X", delay=ErlangDelay(1.0))),))


def test_a_network_is_a_collection_of_its_genes():
    network = circuits.repressilator()
    assert len(network) == 3
    assert [gene.name for gene in network] == ["lacI", "tetR", "cI"]
    assert network["cI"].mrna == "cI_mrna"
    with pytest.raises(KeyError):
        network["cII"]


def test_boolean_kinetics_have_their_threshold_at_half_the_highest_level():
    boolean = BooleanNetwork({"A": "A or not B", "B": "A"})
    network = GeneNetwork.from_boolean(boolean, initial={"A": 2.0})
    assert network.boolean() == boolean
    final = simulate(network, [0.0, 100.0], start={"B": 0.0, "B_mrna": 0.0})["A"][0, -1]
    assert float(final) == pytest.approx(20.0, rel=1e-2)
    assert network.parameters["A.threshold.B"] == 10.0
    assert (network["A"].initial_mrna, network["A"].initial_protein) == (2.0, 20.0)
    with pytest.raises(ValueError, match="initial names 'C', which is no gene of the network"):
        GeneNetwork.from_boolean(boolean, initial={"C": 1.0})
    with pytest.raises(ValueError, match="protein_decay must be positive for levels in equilibrium, got 0"):
        GeneNetwork.from_boolean(boolean, protein_decay=0.0)
    with pytest.raises(ValueError, match=r"gene 'lacI' has no Boolean rule \(HillProduct\)"):
        circuits.toggle().boolean()


def test_a_hundred_genes_of_ten_regulators_lower_to_a_formula_as_long_as_their_rules():
    names = [f"G{k}" for k in range(100)]
    text = {
        name: f"({' or '.join(names[(k + j) % 100] for j in range(1, 6))}) and not "
        f"({' or '.join(names[(k + j) % 100] for j in range(6, 11))})"
        for k, name in enumerate(names)
    }
    system = GeneNetwork.from_boolean(BooleanNetwork(text)).system
    slopes = RateEquations(system)(0.0, torch.ones((200, 2), dtype=torch.float64))
    assert slopes.shape == (200, 2)
    assert bool(torch.isfinite(slopes).all())
    assert isinstance(GeneNetwork.from_boolean(BooleanNetwork(text)).to_networkx(), nx.DiGraph)


def test_names_that_would_hide_one_another_are_refused() -> None:
    genes = (
        Gene(
            name="A", regulation=HillProduct(regulators=(Regulator(source="transcription", threshold=7.0),))
        ),
        Gene(name="transcription"),
        Gene(name="A.threshold", transcription=3.0),
    )
    with pytest.raises(ValueError, match=r"'A\.threshold\.transcription' would name two things"):
        _ = GeneNetwork(genes=genes).parameters


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("lacI.transcription", -3.0, "must be non-negative, got -3"),
        ("lacI.protein_decay", -1.0, "must be non-negative, got -1"),
        ("lacI.threshold.tetR", 0.0, "must be positive, got 0"),
        ("lacI.coefficient.tetR", -2.0, "must be non-negative, got -2"),
    ],
)
def test_rates_out_of_their_range_are_refused_in_simulation(name: str, value: float, message: str) -> None:
    for level in (value, torch.tensor([1.0, value])):
        with pytest.raises(ValueError, match=f"parameter '{name}' {message}"):
            simulate(circuits.toggle(), 1.0, parameters={name: level})


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: GeneNetwork(genes=Gene(name="A")), r"write \(gene,\) for one"),
        (lambda: GeneNetwork(genes=("A",)), "must be of class Gene, got 'A'"),
        (lambda: HillSum(regulators=Regulator(source="A")), r"write \(regulator,\) for one"),
        (lambda: Regulator(source=None), "name of a gene, got None"),
    ],
)
def test_wrong_kinds_are_named(build, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        build()
