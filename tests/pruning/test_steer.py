"""Rates and targets that change in mid-training: nothing is lost, and the rest of the run is theirs."""

import copy

import pytest
import torch

from grn import Kinetics
from pruning import (
    ConstantSchedule,
    CubicSchedule,
    ExpressionGating,
    HeuristicGating,
    MagnitudeGating,
    PruningController,
    RigLGating,
)
from pruning.checkpoint import load_tree, same_tree, save_tree

SLOW = ExpressionGating(window=2.0, margin=0.0, backend="torch")
FAST = ExpressionGating(
    kinetics=Kinetics(mrna_decay=4.0, protein_decay=3.0, hill_coefficient=2.0),
    threshold=1.7, autoactivation=0.0, cooperation=0.5, window=1.0, margin=0.0, backend="torch",
)  # fmt: skip
LESS = CubicSchedule(final_sparsity=0.4, end=0.9)


def state_of(run):
    state = run.controller.state_dict()
    state.pop("seconds")
    return {"model": dict(run.model.state_dict()), "controller": state}


def save(run, path):
    save_tree(
        path,
        {
            "model": dict(run.model.state_dict()),
            "optimizer": run.optimizer.state_dict(),
            "controller": run.controller.state_dict(),
        },
    )


def load(run, path):
    tree = load_tree(path)
    run.model.load_state_dict(tree["model"])
    run.optimizer.load_state_dict(tree["optimizer"])
    run.controller.load_state_dict(tree["controller"])


@pytest.mark.parametrize("policy", [None, FAST])
@pytest.mark.parametrize("schedule", [None, LESS])
def test_a_steered_run_goes_on_as_one_that_had_the_new_values(start, policy, schedule):
    steered = start(SLOW, "adam")
    steered.step(20)  # between two updates
    before = copy.deepcopy(steered.controller.state_dict())
    steered.controller.steer(policy, schedule)
    if policy is None and schedule is None:
        assert same_tree(before, steered.controller.state_dict())

    other = start(policy or SLOW, "adam", schedule=schedule)
    taken = {**before, "policy": repr(policy or SLOW), "schedule": repr(other.controller.schedule)}
    other.model.load_state_dict(steered.model.state_dict())
    other.optimizer.load_state_dict(copy.deepcopy(steered.optimizer.state_dict()))
    other.controller.load_state_dict(taken)
    steered.step(40)
    other.step(40)
    assert same_tree(state_of(steered), state_of(other))
    assert steered.controller.sparsity == pytest.approx(0.7 if schedule is None else 0.4, abs=0.01)


def test_state_and_masks_are_carried_over_and_the_rest_changes(start):
    steered, plain = start(SLOW), start(SLOW)
    steered.step(20), plain.step(20)
    mask, protein = steered.controller.mask, steered.controller.expression
    steered.controller.steer(FAST)
    assert torch.equal(steered.controller.mask, mask)
    assert torch.equal(steered.controller.expression, protein)
    steered.step(10), plain.step(10)
    assert not torch.equal(steered.controller.expression, plain.controller.expression)


def test_a_steered_run_resumes_bit_for_bit(start, tmp_path):
    whole = start(SLOW, "adamw")
    whole.step(14)
    whole.controller.steer(FAST, LESS)
    whole.step(12)
    save(whole, tmp_path / "c.safetensors")
    whole.step(34)

    resumed = start(FAST, "adamw", schedule=LESS)
    load(resumed, tmp_path / "c.safetensors")
    resumed.step(34)
    assert same_tree(state_of(whole), state_of(resumed))

    with pytest.raises(ValueError, match=r"its policy is .*mrna_decay=4.0.* is .*mrna_decay=1.0"):
        load(start(SLOW, "adamw"), tmp_path / "c.safetensors")
    late = start(SLOW, "adamw")
    late.controller.steer(FAST, LESS)  # steered first, loaded then
    load(late, tmp_path / "c.safetensors")
    late.step(34)
    assert same_tree(state_of(whole), state_of(late))


def test_density_may_fall_and_rise(start):
    run = start(SLOW, schedule=ConstantSchedule(final_sparsity=0.5, end=1.0))
    live = {}
    for sparsity in (0.5, 0.9, 0.2):
        run.controller.steer(schedule=ConstantSchedule(final_sparsity=sparsity, end=1.0))
        run.step(6)
        live[sparsity] = run.controller.live_connections
        assert int(run.silent_weights().count_nonzero()) == 0
    assert live == {0.5: 150, 0.9: 30, 0.2: 240}


def test_a_later_end_widens_the_ages(start):
    many = {"total_steps": 90_000, "update_every": 1}
    run = start(SLOW, schedule=ConstantSchedule(final_sparsity=0.5, end=0.0005), **many)
    run.step(3)
    assert run.controller.state_dict()["born_in"].dtype == torch.int16
    run.controller.steer(schedule=ConstantSchedule(final_sparsity=0.5, end=1.0))
    run.step(3)
    other = start(SLOW, schedule=ConstantSchedule(final_sparsity=0.5, end=1.0), **many)
    other.controller.load_state_dict(run.controller.state_dict())
    assert other.controller.state_dict()["born_in"].dtype == torch.int32


def test_what_does_not_fit_is_refused_and_changes_nothing(start):
    run = start(SLOW)
    run.step(20)
    before = copy.deepcopy(state_of(run))
    cases = [
        (TypeError, "policy must be a GatingPolicy", {"policy": "fast"}),
        (TypeError, "policy must be a GatingPolicy", {"policy": ExpressionGating}),
        (TypeError, "schedule must be a Schedule", {"policy": FAST, "schedule": 0.5}),
        (
            TypeError,
            r"must be a ExpressionGating like the one in force, whose state \(log_threshold_offset, mrna, "
            r"protein\) it takes over, got HeuristicGating",
            {"policy": HeuristicGating(), "schedule": LESS},
        ),
        (
            ValueError,
            "schedule must leave an update to come: its last is at step 6, and 20 of 60 are done",
            {"policy": FAST, "schedule": CubicSchedule(final_sparsity=0.5, end=0.1)},
        ),
        (ValueError, "sparsity", {"policy": FAST, "schedule": CubicSchedule(final_sparsity=0.9999)}),
    ]
    for error, message, options in cases:
        with pytest.raises(error, match=message):
            run.controller.steer(**options)
    assert same_tree(before, state_of(run))
    assert run.controller.policy is SLOW


def test_a_policy_without_memory_gives_way_to_any(start):
    run = start("magnitude", total_steps=60)
    run.step(20)
    run.controller.steer(RigLGating())
    run.step(10)
    assert isinstance(run.controller.policy, RigLGating)
    assert run.controller.sparsity > 0.0
    run.controller.steer(MagnitudeGating())


def test_threshold_is_a_multiple_of_the_importance_at_the_edge_of_the_budget(start):
    """At t times the edge every induction is S/(t·K): the first update is that of a K moved by hand."""
    seen = {}
    for factor in (1.0, 1.7):
        run = start(
            ExpressionGating(threshold=factor, window=2.0, backend="torch"), total_steps=6, update_every=3
        )
        run.controller.observers.append(lambda update, factor=factor: seen.setdefault(factor, update))
        run.step(3)
    edge, moved = seen[1.0], seen[1.7]
    assert torch.equal(edge.importance, moved.importance)
    assert moved.snapshot.threshold == pytest.approx(1.7 * edge.snapshot.threshold, rel=1e-6)
    live = round(300 * (1.0 - moved.snapshot.target_sparsity))
    kth = edge.importance.sort(descending=True).values[live - 1]
    assert edge.snapshot.threshold == pytest.approx(float(kth), rel=1e-6)


def test_expression_follows_the_threshold_exactly():
    """Against the closed form: without feedback a gene is a two-stage filter of the Hill of S/(t·K)."""
    from grn import ExpressionState
    from grn.analytic import affine_response

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(12, 12, bias=False))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    policy = ExpressionGating(threshold=2.5, autoactivation=0.0, window=1.5, backend="torch")
    controller = PruningController(
        model, optimizer, policy=policy, schedule=ConstantSchedule(final_sparsity=0.5, end=1.0),
        total_steps=2, update_every=1,
    )  # fmt: skip
    begun = controller.mask.float()
    updates = []
    controller.observers.append(updates.append)
    model(torch.randn(8, 12)).square().mean().backward()
    optimizer.step()
    importance = updates[0].importance
    edge = importance.sort(descending=True).values[71]
    induction = (importance / (2.5 * edge)).double() ** policy.kinetics.hill_coefficient
    drive = policy.kinetics.basal + (1 - policy.kinetics.basal) * induction / (1 + induction)
    filtered = affine_response(
        ExpressionState(mrna=begun.double(), protein=begun.double()), drive, 1.5, policy.kinetics
    )
    torch.testing.assert_close(updates[0].protein.double(), filtered.protein, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan"), float("inf")])
def test_a_threshold_that_is_no_multiple_is_refused(threshold):
    with pytest.raises(ValueError, match=r"threshold must be a positive finite multiple .* got"):
        ExpressionGating(threshold=threshold)
