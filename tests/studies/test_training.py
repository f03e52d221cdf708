"""The loop: learns, repeats, resumes to the bit, and keeps test data out of training."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

import studies.evaluation as evaluation
import studies.training as training
from pruning import CubicSchedule, ExpressionGating, MagnitudeGating, PruningController
from pruning.checkpoint import load_tree
from studies.networks import NetworkShape
from studies.recipe import Recipe
from studies.training import train

SHAPE = NetworkShape(kind="gene", inputs=64, classes=10, hidden=(32,))


def pruned(policy=None, sparsity=0.8, update_every=3, end=0.75, granularity="weight"):
    def attach(model, optimizer, total_steps):
        return PruningController(
            model,
            optimizer,
            policy=policy or ExpressionGating(),
            schedule=CubicSchedule(final_sparsity=sparsity, end=end),
            total_steps=total_steps,
            update_every=update_every,
            granularity=granularity,
        )

    return attach


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


class StoppedError(Exception):
    """Ends a run early."""


class WithDropout(nn.Module):
    """An MLP whose training draws from the global generator."""

    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(SHAPE.build(0), nn.Dropout(0.3))

    def forward(self, images):
        return self.network(images)


def test_learns_digits(digits):
    model = NetworkShape(kind="gene", inputs=64, classes=10, hidden=(128, 64)).build(0)
    result = train(model, digits, Recipe(epochs=15, batch_size=32, learning_rate=0.003), seed=0)
    assert result.test.accuracy > 0.9
    assert result.curve[-1].train_loss < result.curve[0].train_loss / 5
    assert [point.epoch for point in result.curve] == list(range(1, 16))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_resumes_bit_for_bit(digits, tmp_path, optimizer):
    """Stopped after an epoch and in the middle of one, a run ends in the same bits."""
    recipe = Recipe(epochs=3, batch_size=64, optimizer=optimizer, augmentation="gene")

    def stop_in_epoch_2(result):
        if result.epoch == 2:
            raise StoppedError

    def run(checkpoint=None, on_epoch=None):
        model = WithDropout()
        return model, train(
            model, digits, recipe, seed=7, attach=pruned(), checkpoint=checkpoint, on_epoch=on_epoch
        )

    whole_model, whole = run()
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(StoppedError):
        run(path, stop_in_epoch_2)
    assert load_tree(path)["position"]["epoch"] == 2
    model, resumed = run(path)
    assert torch.equal(weights(model), weights(whole_model))
    assert torch.equal(resumed.controller.mask, whole.controller.mask)
    assert resumed.curve == whole.curve
    assert resumed.test == whole.test
    assert [s.to_record() for s in resumed.controller.history] == [
        s.to_record() for s in whole.controller.history
    ]


def test_resumes_inside_an_epoch(digits, tmp_path, monkeypatch):
    recipe = Recipe(epochs=2, batch_size=64)
    whole = SHAPE.build(1)
    expected = train(whole, digits, recipe, seed=1, attach=pruned())

    path = tmp_path / "checkpoint.safetensors"
    save, saved = training.save_position, []

    def save_and_stop(*arguments, **options):
        save(*arguments, **options)
        saved.append(arguments[1].batch)
        if len(saved) == 5:
            raise StoppedError

    monkeypatch.setattr(training, "save_position", save_and_stop)
    with pytest.raises(StoppedError):
        train(SHAPE.build(1), digits, recipe, seed=1, attach=pruned(), checkpoint=path, checkpoint_seconds=0)
    monkeypatch.undo()
    assert saved == [1, 2, 3, 4, 5]
    model = SHAPE.build(1)
    resumed = train(model, digits, recipe, seed=1, attach=pruned(), checkpoint=path)
    assert torch.equal(weights(model), weights(whole))
    assert resumed.curve == expected.curve


def test_seconds_add_up_over_a_resumption(digits, tmp_path):
    recipe = Recipe(epochs=2)
    path = tmp_path / "checkpoint.safetensors"
    first = train(SHAPE.build(0), digits, recipe, seed=0, checkpoint=path)
    again = train(SHAPE.build(0), digits, recipe, seed=0, checkpoint=path)
    assert again.train_seconds == first.train_seconds > 0


def batches_seen(dataset, attach, augmentation="none"):
    """Every training batch that a run's network sees, and its weights at the start."""
    model = SHAPE.build(3)
    start = weights(model).clone()
    seen = []
    model.register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0].clone()) if module.training else None
    )
    train(model, dataset, Recipe(epochs=2, augmentation=augmentation), seed=3, attach=attach)
    return start, torch.stack(seen)


@pytest.mark.parametrize("augmentation", ["none", "gene"])
def test_policies_are_paired(digits, augmentation):
    start, seen = batches_seen(digits, None, augmentation)
    for attach in (pruned(MagnitudeGating()), pruned()):
        other_start, other = batches_seen(digits, attach, augmentation)
        assert torch.equal(start, other_start)
        assert torch.equal(seen, other)


def test_an_epoch_sees_every_image_at_most_once_in_a_new_order(digits):
    _, seen = batches_seen(digits, None)
    per_epoch = len(seen) // 2
    first, second = (part.flatten(0, 1).flatten(1) for part in (seen[:per_epoch], seen[per_epoch:]))
    known = {image.numpy().tobytes() for image in (digits.train.images.float() / 255).flatten(1)}
    for part in (first, second):
        images = [image.numpy().tobytes() for image in part]
        assert set(images) <= known
        assert len(set(images)) == len(images)
    assert not torch.equal(first, second)


def test_augmentation_is_for_training_alone(digits, monkeypatch):
    sizes = []

    class Counted:
        draws_per_sample = 1

        def __call__(self, images, draws):
            assert len(images) == len(draws)
            sizes.append(len(images))
            return images

    monkeypatch.setitem(training.PROFILES, "gene", Counted())
    train(SHAPE.build(0), digits, Recipe(epochs=2, augmentation="gene"), seed=0)
    per_epoch = len(digits.train.labels) // 64
    assert sizes == [64] * 2 * per_epoch


def test_evaluation_sees_images_as_they_are(digits):
    model = SHAPE.build(0)
    seen = []
    model.register_forward_pre_hook(
        lambda module, inputs: None if module.training else seen.append(inputs[0].clone())
    )
    train(model, digits, Recipe(epochs=1, augmentation="gene"), seed=0)
    expected = torch.cat([digits.validation.images, digits.test.images]).float() / 255
    assert torch.equal(torch.cat(seen), expected)


def test_the_test_split_is_scored_once_and_last(digits, monkeypatch):
    calls = []
    predict = evaluation.predict

    def counted(model, split, **options):
        calls.append(len(split.labels))
        return predict(model, split, **options)

    monkeypatch.setattr(evaluation, "predict", counted)
    monkeypatch.setattr(training, "predict", counted)
    train(SHAPE.build(0), digits, Recipe(epochs=4), seed=0)
    assert calls == [len(digits.validation.labels)] * 4 + [len(digits.test.labels)]


def test_scores_are_of_the_final_epoch(digits):
    """A learning rate that ruins the network shows in the result: no better epoch is picked."""
    model = SHAPE.build(0)
    result = train(model, digits, Recipe(epochs=3, optimizer="sgd", learning_rate=0.1), seed=0)
    final = training.evaluate(model, digits.test, classes=10)
    assert result.test == final


def validation_accuracies(monkeypatch, values):
    """Let validation epochs score what is told, in turn."""
    told, evaluate = iter(values), training.evaluate

    def scripted(*arguments, **options):
        return replace(evaluate(*arguments, **options), accuracy=next(told))

    monkeypatch.setattr(training, "evaluate", scripted)


def test_patience_stops_and_keeps_the_best_epoch(digits, monkeypatch):
    validation_accuracies(monkeypatch, [0.1, 0.5, 0.4, 0.3, 0.9])
    states = {}
    model = SHAPE.build(0)
    result = train(
        model,
        digits,
        Recipe(epochs=5, patience=2),
        seed=0,
        on_epoch=lambda point: states.update({point.epoch: weights(model).clone()}),
    )
    assert [point.epoch for point in result.curve] == [1, 2, 3, 4]
    assert result.epoch == 2
    assert result.validation_accuracy == 0.5
    assert torch.equal(weights(model), states[2])


def test_patience_waits_for_the_masks(digits, monkeypatch):
    """A denser network's epoch is neither kept nor waited on."""
    validation_accuracies(monkeypatch, [0.9, 0.8, 0.7, 0.2, 0.3, 0.1])
    model = SHAPE.build(0)
    result = train(model, digits, Recipe(epochs=6, patience=1), seed=0, attach=pruned())  # masks move to 0.75
    assert [point.epoch for point in result.curve] == [1, 2, 3, 4, 5, 6]
    assert result.epoch == 5
    zeros = torch.cat([(p == 0).flatten() for p in model.parameters() if p.dim() > 1])
    assert zeros.double().mean() >= 0.8 - 1e-3
    assert result.controller.sparsity == pytest.approx(0.8, abs=1e-3)


def test_patience_waits_for_the_last_update_where_it_comes_after_the_schedule(digits, monkeypatch):
    """20 steps an epoch, updates every 32: the last one comes at step 128, in epoch 7, not at 120."""
    validation_accuracies(monkeypatch, [0.1, 0.1, 0.1, 0.1, 0.1, 0.9, 0.2, 0.3])
    model = SHAPE.build(0)
    attach = pruned(sparsity=0.98, update_every=32)
    result = train(model, digits, Recipe(epochs=8, patience=3), seed=0, attach=attach)
    assert result.controller.last_update == 128
    assert result.epoch == 8
    for name, mask in result.controller.masks().items():
        assert (model.get_parameter(f"{name}.weight")[~mask] == 0).all()


def test_steps_that_the_scaler_leaves_out_are_counted(digits, monkeypatch):
    """Two overflows would otherwise take the last update away."""
    model = SHAPE.build(0)
    step, left = torch.amp.GradScaler.step, [2]

    def overflowing(self, optimizer, *arguments, **options):
        if left[0]:
            left[0] -= 1
            next(model.parameters()).grad.fill_(math.inf)
        return step(self, optimizer, *arguments, **options)

    monkeypatch.setattr(torch.amp.GradScaler, "step", overflowing)
    recipe = Recipe(epochs=1, precision="float16")
    result = train(model, digits, recipe, seed=0, attach=pruned(sparsity=0.9, end=1.0))
    assert result.controller.steps == 20
    assert result.controller.sparsity == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize("settings", [{"patience": 2}, {"ema": 0.9}, {"precision": "float16"}])
def test_every_part_of_the_state_is_resumed(digits, tmp_path, settings):
    recipe = Recipe(epochs=4, **settings)
    whole_model = SHAPE.build(2)
    whole = train(whole_model, digits, recipe, seed=2, attach=pruned())

    def stop(result):
        if result.epoch == 3:
            raise StoppedError

    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(StoppedError):
        train(SHAPE.build(2), digits, recipe, seed=2, attach=pruned(), checkpoint=path, on_epoch=stop)
    model = SHAPE.build(2)
    resumed = train(model, digits, recipe, seed=2, attach=pruned(), checkpoint=path)
    assert torch.equal(weights(model), weights(whole_model))
    assert resumed.curve == whole.curve
    assert resumed.test == whole.test


def test_the_average_of_the_weights_is_what_is_scored(digits):
    """With an average that never moves from the first step, the scored network is that of the first step."""
    model = SHAPE.build(0)
    seen = []
    original = torch.optim.Adam.step

    def step(self, *arguments, **options):
        result = original(self, *arguments, **options)
        seen.append(weights(model).clone())
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", step)
        train(model, digits, Recipe(epochs=2, ema=1 - 1e-9), seed=0)
    assert torch.allclose(weights(model), seen[0], atol=1e-5)
    assert not torch.allclose(seen[-1], seen[0], atol=1e-3)


@pytest.mark.parametrize("granularity", ["weight", "unit"])
def test_what_is_silent_has_no_average(digits, granularity):
    model = replace(SHAPE, hidden=(32, 16)).build(0)
    attach = pruned(granularity=granularity)
    result = train(model, digits, Recipe(epochs=3, ema=0.99), seed=0, attach=attach)
    for name, mask in result.controller.masks().items():
        weight = model.get_parameter(f"{name}.weight")
        assert (weight[~mask] == 0).all()
        assert (weight[mask] != 0).any()
        if granularity == "unit":
            bias, live = model.get_submodule(name).bias, mask[:, 0]
            assert (bias[~live] == 0).all()
            assert not live.all()


def test_accuracy_is_also_told_without_copies(digits):
    clean = torch.ones(len(digits.test.labels), dtype=torch.bool)
    clean[::3] = False
    model = SHAPE.build(0)
    result = train(model, digits, Recipe(epochs=2), seed=0, clean_test=clean.numpy())
    images, labels = digits.test.images[clean].float() / 255, digits.test.labels[clean]
    right = model.eval()(images).argmax(1) == labels
    assert result.test_without_copies.accuracy == pytest.approx(right.double().mean().item())
    all_clean = train(SHAPE.build(0), digits, Recipe(epochs=1), seed=0, clean_test=(clean | True).numpy())
    assert all_clean.test_without_copies is None


def test_the_curve_tells_rate_loss_and_f1(digits):
    recipe = Recipe(epochs=2)
    result = train(SHAPE.build(0), digits, recipe, seed=0)
    steps = len(digits.train.labels) // 64
    assert [point.learning_rate for point in result.curve] == [
        recipe.rate_at(steps - 1, 2 * steps),
        recipe.rate_at(2 * steps - 1, 2 * steps),
    ]
    assert all(0 < point.validation_loss < 3 and 0 < point.validation_macro_f1 < 1 for point in result.curve)


def test_caller_draws_what_it_would_have_drawn(digits):
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    train(SHAPE.build(0), digits, Recipe(epochs=1), seed=0)
    assert torch.equal(torch.rand(2), expected)


def test_a_loss_that_is_not_finite_is_an_error(digits):
    with pytest.raises(FloatingPointError, match=r"epoch 1 of 2.*learning rate"):
        train(SHAPE.build(0), digits, Recipe(epochs=2, optimizer="sgd", learning_rate=1e30), seed=0)


def test_batch_larger_than_the_data_is_refused(digits):
    with pytest.raises(ValueError, match=r"batch_size must be at most .* 1295, got 2000"):
        train(SHAPE.build(0), digits, Recipe(batch_size=2000), seed=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "another run"),
        ({"recipe": Recipe(epochs=1, learning_rate=0.5)}, "another run"),
        ({"attach": pruned()}, "only one of the two is pruned"),
        ({"model": replace(SHAPE, hidden=(31,)).build(0)}, r"another model: layers\.1\.bias"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(digits, tmp_path, change, message):
    path = tmp_path / "checkpoint.safetensors"
    arguments = {"model": SHAPE.build(0), "recipe": Recipe(epochs=1), "seed": 0}
    train(dataset=digits, checkpoint=path, **arguments)
    content = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        train(dataset=digits, checkpoint=path, **{**arguments, "model": SHAPE.build(0), **change})
    assert path.read_bytes() == content


def test_a_truncated_checkpoint_is_refused(digits, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    train(SHAPE.build(0), digits, Recipe(epochs=1), seed=0, checkpoint=path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="truncated or damaged"):
        train(SHAPE.build(0), digits, Recipe(epochs=1), seed=0, checkpoint=path)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"epochs": 0}, "epochs must be an integer of at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"optimizer": "lbfgs"}, "optimizer must be one of adam, adamw, sgd, got 'lbfgs'"),
        ({"learning_rate": -0.1}, "learning_rate must be a positive finite number, got -0.1"),
        ({"learning_rate": math.nan}, "learning_rate must be"),
        ({"weight_decay": -1.0}, "weight_decay must be"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\)"),
    ],
)
def test_a_bad_recipe_is_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**bad)
