"""Rate equations: Jacobians against closed forms and finite differences, batches, refusals."""

import pytest
import torch

from grn.networks import circuits
from grn.networks.equations import RateEquations
from grn.networks.formula import parameter, species
from grn.networks.reactions import Reaction, ReactionSystem

MODELS = {name: build() for name, build in circuits.CIRCUITS.items()}


def differences(function, at: torch.Tensor, step: float = 1e-6) -> torch.Tensor:
    """(outputs, inputs) by central differences, of a function of a vector."""
    columns = []
    for i in range(len(at)):
        move = torch.zeros_like(at)
        move[i] = step * max(1.0, float(at[i].abs()))
        columns.append((function(at + move) - function(at - move)) / (2 * move[i]))
    return torch.stack(columns, 1)


@pytest.mark.parametrize("name", MODELS)
def test_jacobians_agree_with_finite_differences(name: str) -> None:
    system = MODELS[name].system
    equations = RateEquations(system)
    generator = torch.Generator().manual_seed(0)
    y = 0.2 + 3 * torch.rand(len(system.species), 4, generator=generator, dtype=torch.float64)
    jacobian = equations.jacobian(y)
    names = [name for name, value in system.parameters.items() if value > 0]
    by_parameter = equations.parameter_jacobian(y, names)
    values = torch.tensor([system.parameters[name] for name in names], dtype=torch.float64)
    for k in range(4):
        at = y[:, k]
        found = differences(lambda state: equations(0.0, state[:, None])[:, 0], at)
        # Central differences: truncation of 1e-12 relative, rounding of 1e-16/1e-6, times the slope.
        scale = float(found.abs().max())
        torch.testing.assert_close(jacobian[k], found, rtol=1e-6, atol=1e-8 * scale)

        def slope(chosen: torch.Tensor, at: torch.Tensor = at) -> torch.Tensor:
            changed = dict(zip(names, chosen.tolist(), strict=True))
            return RateEquations(system, parameters=changed)(0.0, at[:, None])[:, 0]

        found = differences(slope, values)
        scale = float(found.abs().max())
        torch.testing.assert_close(by_parameter[k], found, rtol=1e-5, atol=1e-7 * scale)


def test_batched_parameters_have_their_own_jacobians() -> None:
    decay = Reaction(name="decay", changes={"A": -1}, rate=parameter("k") * species("A"))
    system = ReactionSystem(initial={"A": 1.0}, reactions=(decay,), parameters={"k": 1.0})
    equations = RateEquations(system, parameters={"k": torch.tensor([1.0, 3.0])})
    y = torch.tensor([[2.0, 5.0]], dtype=torch.float64)
    assert equations.jacobian(y).flatten().tolist() == [-1, -3]
    assert equations.parameter_jacobian(y, ["k"]).flatten().tolist() == [-2, -5]


def test_members_of_a_batch_have_the_jacobians_they_have_alone() -> None:
    alpha = torch.linspace(1, 5, 5, dtype=torch.float64)
    held = torch.zeros(6, 5, dtype=torch.bool)
    held[1, 2] = True
    system = MODELS["repressilator"].system
    together = RateEquations(system, parameters={"lacI.transcription": alpha}, clamped=held)
    y = together.initial(batch=5) + 0.3
    slope, jacobian = together.slope_and_jacobian(y)
    assert torch.equal(slope, together(0.0, y))
    for k in range(5):
        rate = {"lacI.transcription": float(alpha[k])}
        alone = RateEquations(system, parameters=rate, clamped=held[:, k : k + 1])
        assert torch.equal(jacobian[k], alone.jacobian(y[:, k : k + 1])[0])
    assert (jacobian[2, 1] == 0).all()


def test_volume_divides_the_change() -> None:
    rise = Reaction(name="rise", changes={"A": 1}, rate=parameter("k"))
    system = ReactionSystem(initial={"A": 0.0}, reactions=(rise,), parameters={"k": 6.0}, volumes={"A": 3.0})
    assert float(RateEquations(system)(0.0, torch.zeros(1, 1, dtype=torch.float64))) == 2


def test_clamped_species_do_not_move() -> None:
    equations = RateEquations(MODELS["toggle"].system, clamped=["lacI"])
    slope = equations(0.0, torch.ones(2, 1, dtype=torch.float64))
    assert slope[0] == 0
    assert slope[1] != 0
    assert (equations.jacobian(torch.ones(2, 1, dtype=torch.float64))[0, 0] == 0).all()


def test_replaced_keeps_the_rest() -> None:
    base = RateEquations(MODELS["toggle"].system, parameters={"lacI.transcription": 7.0}, clamped=["tetR"])
    changed = base.replaced({"tetR.transcription": 3.0})
    order = list(base.system.parameters)
    assert float(changed.values[order.index("lacI.transcription")]) == 7
    assert float(changed.values[order.index("tetR.transcription")]) == 3
    assert changed.free is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parameters": {"lacI.transkription": 1.0}}, "did you mean 'lacI.transcription'"),
        ({"parameters": {"lacI.transcription": torch.ones(2, 2)}}, "must be a number or have shape"),
        ({"parameters": {"lacI.transcription": float("nan")}}, "must be finite"),
        (
            {"parameters": {"lacI.transcription": torch.ones(2), "tetR.transcription": torch.ones(3)}},
            "batch sizes differ",
        ),
        ({"clamped": ["nobody"]}, "cannot clamp 'nobody': the species are lacI, tetR"),
    ],
)
def test_refusals(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RateEquations(MODELS["toggle"].system, **arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"initial": {}}, "at least one species"),
        ({"initial": {"A": -1.0}}, "non-negative finite number, got -1"),
        ({"parameters": {"k": float("inf")}}, "must be a finite number, got inf"),
        ({"parameters": {}}, "uses 'k', which is neither a species nor a parameter"),
        ({"parameters": {"k": 1.0, "A": 2.0}}, "'A' names both"),
        ({"volumes": {"A": 0.0}}, "volume that holds 'A' must be a positive"),
    ],
)
def test_reaction_systems_are_checked(changes: dict, message: str) -> None:
    decay = Reaction(name="decay", changes={"A": -1}, rate=parameter("k") * species("A"))
    sound = {"initial": {"A": 1.0}, "reactions": (decay,), "parameters": {"k": 1.0}}
    with pytest.raises(ValueError, match=message):
        ReactionSystem(**{**sound, **changes})
