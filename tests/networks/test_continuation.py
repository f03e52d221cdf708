"""Bifurcation diagrams against closed forms."""

import math

import pytest
import torch

from grn.networks.formula import hill, parameter, species
from grn.networks.reactions import Reaction, ReactionSystem
from grn.networks.states.continuation import continue_states
from tests.networks import systems


@pytest.mark.parametrize(("n", "published"), [(2, 2.0), (3, 1.190551), (4, 1.013114)])
def test_symmetric_toggle_has_a_pitchfork(n: int, published: float) -> None:
    diagram = continue_states(systems.symmetric_toggle(1.0, n), "a", 0.5, 4.0)
    (point,) = diagram.branch_points
    # α = u(1 + uⁿ) where n·uⁿ/(1 + uⁿ) = 1
    u = (1 / (n - 1)) ** (1 / n)
    assert point.parameter == pytest.approx(u * (1 + u**n), rel=1e-8)
    assert point.parameter == pytest.approx(published, abs=6e-7)
    assert point.values.tolist() == pytest.approx([u, u], abs=1e-6)
    assert diagram.saddle_nodes == ()
    assert diagram.hopf_points == ()
    before, stable_before = diagram.at(0.9)
    after, stable_after = diagram.at(3.0)
    assert (len(before), stable_before.tolist()) == (1, [True])
    assert (len(after), sorted(stable_after.tolist())) == (3, [False, True, True])


@pytest.mark.parametrize("start", [1.5, 3.0])
def test_pitchfork_is_complete_wherever_it_is_entered(start: float) -> None:
    """From below only the symmetric branch is known at first; from above the others may be."""
    diagram = continue_states(systems.symmetric_toggle(1.0, 3), "a", 0.5, 4.0, start_values=[start], starts=2)
    assert len(diagram.at(3.0)[0]) == 3
    assert len(diagram.branch_points) == 1


@pytest.mark.parametrize(("n", "published"), [(2, 2.0), (3, 1.88988), (4, 1.75477)])
def test_positive_autoregulation_folds(n: int, published: float) -> None:
    diagram = continue_states(systems.autoregulation(1.0, n), "a", 0.5, 4.0)
    (fold,) = diagram.saddle_nodes
    x = (n - 1) ** (1 / n)
    assert fold.parameter == pytest.approx((1 + x**n) / x ** (n - 1), rel=1e-8)
    assert fold.parameter == pytest.approx(published, abs=6e-6)
    assert float(fold.values[0]) == pytest.approx(x, rel=1e-5)
    assert diagram.branch_points == ()
    assert len(diagram.branches) == 2


def test_without_cooperation_branches_cross_and_nothing_folds() -> None:
    diagram = continue_states(systems.autoregulation(1.0, 1), "a", 0.5, 4.0)
    assert diagram.saddle_nodes == ()
    (point,) = diagram.branch_points
    assert point.parameter == pytest.approx(1, abs=1e-8)
    values, stable = diagram.at(3.0)
    order = values[:, 0].argsort()
    assert values[order, 0].tolist() == pytest.approx([0, 2], abs=1e-6)
    assert stable[order].tolist() == [False, True]


def test_hysteresis_has_two_folds() -> None:
    """b + a·x²/(1+x²) − x with a = 3: the folds over b solve 2ax = (1+x²)²."""
    diagram = continue_states(systems.autoregulation(3.0, 2), "b", 0.0, 0.5)
    (fold,) = diagram.saddle_nodes
    x = float(fold.values[0])
    assert 2 * 3 * x == pytest.approx((1 + x**2) ** 2, rel=1e-7)
    assert fold.parameter == pytest.approx(0.05 + 0.0359, abs=6e-5)
    toggle = continue_states(systems.gardner_toggle(), "a", 1.0, 200.0)
    assert len(toggle.saddle_nodes) == 2
    assert len(toggle.branches) == 1
    low, high = (point.parameter for point in toggle.saddle_nodes)
    assert low < 156.25 < high
    assert len(toggle.at(0.5 * (low + high))[0]) == 3


@pytest.mark.parametrize(
    ("beta", "alpha", "frequency", "digits"),
    [(1.0, 3 * math.sqrt(2), 1 / math.sqrt(3), 1e-9), (0.2, 7.39377, 0.219275, 1e-6)],
)
def test_repressilator_begins_to_oscillate(
    beta: float, alpha: float, frequency: float, digits: float
) -> None:
    diagram = continue_states(systems.repressilator(2.0, beta), "alpha", 1.0, 10.0)
    (hopf,) = diagram.hopf_points
    assert hopf.parameter == pytest.approx(alpha, rel=digits)
    assert hopf.frequency == pytest.approx(frequency, rel=5 * digits)
    assert diagram.branch_points == ()


@pytest.mark.parametrize(("n", "published"), [(9, 11.33929), (10, 5.743492)])
def test_goodwin_begins_to_oscillate(n: int, published: float) -> None:
    diagram = continue_states(systems.goodwin(2.0, n), "a", 1.0, 20.0)
    (hopf,) = diagram.hopf_points
    z = (8 / (n - 8)) ** (1 / n)  # n·zⁿ/(1 + zⁿ) = 8
    assert hopf.parameter == pytest.approx(z * (1 + z**n), rel=1e-9)
    assert hopf.parameter == pytest.approx(published, rel=1e-6)
    assert hopf.period == pytest.approx(2 * math.pi / math.sqrt(3), rel=1e-9)


def test_goodwin_of_eight_never_oscillates() -> None:
    diagram = continue_states(systems.goodwin(2.0, 8), "a", 1.0, 1000.0)
    assert diagram.hopf_points == ()
    assert bool(diagram.branches[0].stable.all())


def test_conserved_total_is_kept_along_a_branch() -> None:
    diagram = continue_states(systems.exchange(), "back", 0.5, 4.0)
    (branch,) = diagram.branches
    assert torch.allclose(branch.values.sum(1), torch.full((len(branch),), 9.0, dtype=torch.float64))
    # A = total·back/(forth + back)
    assert torch.allclose(branch.values[:, 0], 9 * branch.parameter / (2 + branch.parameter), rtol=1e-9)
    assert branch.eigenvalues.shape[1] == 1


def test_branch_spans_the_range_and_its_eigenvalues_fit() -> None:
    diagram = continue_states(systems.autoregulation(1.0, 2, basal=0.3), "a", 0.5, 1.5)
    (branch,) = diagram.branches
    assert sorted([float(branch.parameter[0]), float(branch.parameter[-1])]) == pytest.approx([0.5, 1.5])
    x, a = branch.values[:, 0], branch.parameter
    assert torch.allclose(0.3 + a * x**2 / (1 + x**2), x, rtol=1e-9)
    assert torch.allclose(branch.eigenvalues[:, 0].real, 2 * a * x / (1 + x**2) ** 2 - 1, rtol=1e-9)


def test_clamped_species_are_parameters_of_the_branch() -> None:
    toggle = systems.gardner_toggle()
    diagram = continue_states(toggle, "b", 1.0, 20.0, clamped=["u"])
    (branch,) = diagram.branches
    assert torch.allclose(branch.values[:, 1], branch.parameter, rtol=1e-9)  # u = 0: v = b
    assert branch.values[:, 0].abs().max() == 0


def test_ten_genes_with_rna_in_a_ring() -> None:
    """A ring of ten repressors: two stable states and the symmetric one, from a pitchfork at a = 2 on.

    Each gene amplifies by n·uⁿ/(1+uⁿ); around the even ring the loop closes at an amplification of 1, at the
    α of the toggle.
    """
    initial, reactions = {}, []
    for k in range(10):
        m, p = species(f"m{k}"), species(f"p{k}")
        rate = parameter("a") * (1 - hill(species(f"p{(k - 1) % 10}"), 1.0, 2))
        initial |= {f"m{k}": 0.0, f"p{k}": 0.0}
        reactions += [
            Reaction(name=f"make m{k}", changes={f"m{k}": 1}, rate=rate),
            Reaction(name=f"lose m{k}", changes={f"m{k}": -1}, rate=m),
            Reaction(name=f"make p{k}", changes={f"p{k}": 1}, rate=m),
            Reaction(name=f"lose p{k}", changes={f"p{k}": -1}, rate=p),
        ]
    ring = ReactionSystem(initial=initial, parameters={"a": 1.0}, reactions=tuple(reactions))
    diagram = continue_states(ring, "a", 1.0, 3.0, starts=8)
    assert diagram.branch_points[0].parameter == pytest.approx(2, rel=1e-7)
    _, stable = diagram.at(2.9)
    assert int(stable.sum()) == 2


def test_model_without_steady_states_has_no_branches() -> None:
    diagram = continue_states(systems.constant_rise(), "k", 0.5, 2.0)
    assert diagram.branches == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("alpha", 0.0, 1.0), "'alpha' is no parameter"),
        (("a", 2.0, 1.0), "low to a higher finite high, got 2 to 1"),
        (("a", 0.0, math.inf), "finite high"),
    ],
)
def test_errors_name_the_thing_and_the_value(arguments: tuple[str, float, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        continue_states(systems.goodwin(2.0, 8), *arguments)


def test_further_errors() -> None:
    model = systems.goodwin(2.0, 8)
    with pytest.raises(ValueError, match="start_values must lie within"):
        continue_states(model, "a", 1.0, 2.0, start_values=[3.0])
    with pytest.raises(ValueError, match="start_values must hold at least one"):
        continue_states(model, "a", 1.0, 2.0, start_values=[])
    with pytest.raises(ValueError, match="resolution"):
        continue_states(model, "a", 1.0, 2.0, resolution=0.0)
    with pytest.raises(ValueError, match="max_points"):
        continue_states(model, "a", 1.0, 2.0, max_points=1)
    late = Reaction(name="late", changes={"A": -1}, rate=parameter("k") * species("A", delay=1.0))
    with pytest.raises(ValueError, match="delays"):
        continue_states(
            ReactionSystem(initial={"A": 1.0}, reactions=(late,), parameters={"k": 1.0}), "k", 1.0, 2.0
        )
    diagram = continue_states(systems.exchange(), "back", 0.5, 4.0, starts=2)
    with pytest.raises(ValueError, match="within the diagram's range"):
        diagram.at(5.0)
