"""Bad input is refused before any work, with the thing, the requirement and the value."""

import pytest
import torch
from torch import nn

from pruning import (
    ConstantSchedule,
    CubicSchedule,
    ExpressionGating,
    Gates,
    HeuristicGating,
    Importance,
    MedianRuleSchedule,
    PruningController,
    SmoothedImportanceGating,
    make_budget,
)


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, 1.5, float("nan")])
@pytest.mark.parametrize("schedule", [CubicSchedule, ConstantSchedule, MedianRuleSchedule])
def test_sparsity_outside_the_half_open_interval(schedule, sparsity):
    with pytest.raises(ValueError, match=r"final_sparsity must lie in \[0, 1\).*got"):
        schedule(final_sparsity=sparsity)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: CubicSchedule(final_sparsity=0.5, begin=0.8, end=0.2),
            "0 <= begin <= end <= 1, got 0.8 and 0.2",
        ),
        (lambda: Importance(saliency=-1.0), "saliency must be a finite weight of at least 0, got -1.0"),
        (lambda: Importance(gradient_steps=0), "gradient_steps must be at least 1"),
        (lambda: HeuristicGating(rewire_fraction=1.0), r"rewire_fraction must lie in \[0, 1\)"),
        (
            lambda: ExpressionGating(window=0.0),
            "window must be a positive finite time in simulated hours, got 0.0",
        ),
        (lambda: ExpressionGating(autoactivation=-1.0), "autoactivation must be a finite strength"),
        (lambda: ExpressionGating(gate="soft"), "gate must be one of budget, schmitt, got 'soft'"),
        (lambda: ExpressionGating(on_level=0.2, off_level=0.6), "off_level=0.6 and on_level=0.2"),
        (lambda: SmoothedImportanceGating(margin=-0.1), "margin must be a finite head start"),
    ],
)
def test_settings_out_of_range(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def model():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def controller(network, optimizer=None, **options):
    optimizer = optimizer or torch.optim.SGD(network.parameters(), lr=0.1)
    options = {
        "policy": ExpressionGating(),
        "schedule": CubicSchedule(final_sparsity=0.5),
        "total_steps": 20,
        "update_every": 2,
        **options,
    }
    return PruningController(network, optimizer, **options)


def test_unknown_layer_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="layers names no gateable layer 'conv1'; the model has 0, 2"):
        controller(model(), layers=["conv1"])
    with pytest.raises(ValueError, match="exclude names no gateable layer 'head'"):
        controller(model(), exclude=["head"])


def test_unknown_policy_schedule_granularity_allocation():
    with pytest.raises(
        TypeError, match=r"policy must be a GatingPolicy such as ExpressionGating\(\).*got 'expression'"
    ):
        controller(model(), policy="expression")
    with pytest.raises(TypeError, match=r"schedule must be a Schedule.*got 0\.5"):
        controller(model(), schedule=0.5)
    with pytest.raises(ValueError, match="granularity must be one of weight, connection, unit, got 'block'"):
        controller(model(), granularity="block")
    with pytest.raises(ValueError, match="allocation must be one of global, uniform, erk, got 'local'"):
        controller(model(), allocation="local")
    with pytest.raises(ValueError, match="erk shares weights or connections"):
        controller(model(), allocation="erk", granularity="unit")


def test_a_second_controller_of_the_same_weights_is_refused():
    network = model()
    first = controller(network, layers=["0"])
    controller(network, layers=["2"]).close()
    with pytest.raises(ValueError, match=r"gated by another controller already.*call close\(\)"):
        controller(network)
    first.close()
    controller(network)


def test_nothing_to_gate():
    empty = nn.Sequential(nn.LayerNorm(3))
    with pytest.raises(ValueError, match="nothing to gate"):
        controller(empty)
    frozen = model().requires_grad_(False)
    with pytest.raises(ValueError, match="nothing to gate"):
        controller(frozen, torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1))


def test_a_gated_weight_outside_the_optimizer_is_named():
    network = model()
    with pytest.raises(ValueError, match="layer '2' is gated but the optimizer does not update it"):
        controller(network, torch.optim.SGD(network[0].parameters(), lr=0.1))


def test_parametrized_and_lazy_layers_are_named():
    network = model()
    nn.utils.parametrizations.weight_norm(network[0])
    with pytest.raises(ValueError, match="layer '0' is computed by a parametrization"):
        Gates(network)
    assert [layer.name for layer in Gates(network, exclude=["0"]).layers] == ["2"]
    lazy = nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 2))
    with pytest.raises(ValueError, match="layer '0' has no shape yet"):
        Gates(lazy)
    assert [layer.name for layer in Gates(lazy, layers=["1"]).layers] == ["1"]


def test_updates_that_would_never_come():
    with pytest.raises(ValueError, match=r"update_every must be at most total_steps=20, .* got 21"):
        controller(model(), update_every=21)


def test_classes_in_place_of_objects():
    with pytest.raises(TypeError, match="policy must be a GatingPolicy"):
        controller(model(), policy=ExpressionGating)
    with pytest.raises(TypeError, match="schedule must be a Schedule"):
        controller(model(), schedule=CubicSchedule)


def test_budget_below_the_floors():
    with pytest.raises(ValueError, match="leaves 0 live gates, fewer than the 2"):
        controller(model(), schedule=CubicSchedule(final_sparsity=0.995))
    with pytest.raises(ValueError, match=r"sparsity must lie in \[0, 1\)"):
        make_budget(Gates(model()), 1.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("total_steps", 0), ("update_every", 2.5), ("protection", -1), ("update_every", True), ("seed", -1)],
)
def test_counts_must_be_integers(name, value):
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least"):
        controller(model(), **{name: value})


def test_non_finite_initial_weights_name_the_layer():
    network = model()
    with torch.no_grad():
        network[2].weight[0, 0] = float("nan")
    with pytest.raises(FloatingPointError, match="weights of layer '2' are not finite in 1 of 16 gates"):
        controller(network)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_non_finite_gradients_refuse_the_update_and_keep_the_masks(start, optimizer, bad):
    run = start("expression", optimizer)
    run.step(8)
    mask, updates = run.controller.mask, len(run.controller.history)
    run.optimizer.zero_grad()
    run.loss().backward()
    run.model[3].weight.grad[1, 0, 2, 2] = bad
    with pytest.raises(
        FloatingPointError,
        match=r"refused at step 9 and masks are unchanged: (weights|gradients) of layer '3'",
    ):
        run.optimizer.step()
    assert torch.equal(run.controller.mask, mask)
    assert len(run.controller.history) == updates


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_one_bad_gradient_does_not_refuse_later_updates(start, optimizer):
    """A bad gradient of a silent connection leaves the weights intact: training can go on."""
    run = start("expression", optimizer, sparsity=0.9)
    run.step(32)
    run.optimizer.zero_grad()
    run.loss().backward()
    silent = ~run.controller.masks()["6"]
    run.model[6].weight.grad[silent] = float("nan")
    with pytest.raises(FloatingPointError, match="step 33 and masks are unchanged: gradients of layer '6'"):
        run.optimizer.step()
    updates = len(run.controller.history)
    run.step(6)
    assert len(run.controller.history) == updates + 2


def test_accuracy_must_be_a_fraction(start):
    with pytest.raises(ValueError, match=r"validation_accuracy must be a fraction in \[0, 1\], got 93.0"):
        start("magnitude").controller.end_epoch(93.0)


def test_policy_that_returns_nonsense_is_named(start):
    class Nonsense:
        needs_gradient = False

        def decide(self, context, state):
            from pruning import GatingDecision

            return GatingDecision(mask=context.magnitude)

    with pytest.raises(ValueError, match="policy Nonsense must return a boolean mask"):
        start(Nonsense()).step(3)


def test_sparse_graphs_without_masks_say_so(start):
    run = start("magnitude", keep_masks=False)
    run.step(6)
    with pytest.raises(ValueError, match="keep_masks=True"):
        run.controller.history[-1].to_digraph()
