"""Learning rates of every step, and the recipes by name."""

import math

import pytest

from studies.compare import Compare
from studies.recipe import Recipe
from studies.recipes import RECIPES, with_recipe
from studies.train import Train


def test_cosine_is_half_a_cosine():
    recipe = Recipe(learning_rate=2.0)
    for step in (0, 10, 37, 99):
        assert recipe.rate_at(step, 100) == pytest.approx(1 + math.cos(math.pi * step / 100))


def test_steps_fall_to_a_tenth_at_a_half_and_three_quarters():
    recipe = Recipe(learning_rate=1.0, schedule="step")
    rates = [recipe.rate_at(step, 8) for step in range(8)]
    assert rates == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_inverse_is_that_of_keras():
    recipe = Recipe(learning_rate=1e-4, schedule="inverse", rate_decay=1e-6)
    assert recipe.rate_at(0, 10) == 1e-4
    assert recipe.rate_at(1_000_000, 2_000_000) == pytest.approx(0.5e-4)


def test_constant_stays():
    assert {Recipe(schedule="constant").rate_at(step, 9) for step in range(9)} == {2e-3}


def test_warm_up_rises_in_proportion_and_ends_at_the_full_rate():
    recipe = Recipe(learning_rate=1.0, schedule="constant", warmup=0.5)
    assert [recipe.rate_at(step, 8) for step in range(8)] == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 1])


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("study", [Train, Compare])
def test_every_recipe_is_accepted_by_its_own_checks(study, name):
    options = with_recipe(study, ["--recipe", name])
    options.check()
    for field, value in RECIPES[name].items():
        if study is Compare and field == "policy":
            continue  # a comparison has its own
        if study is Compare and field == "sparsity":
            assert options.sparsities == str(value)
        else:
            assert getattr(options, field) == value
    assert options.recipe == name


def test_the_papers_numbers():
    amacnn, hybrid, gene = (with_recipe(Train, ["--recipe", name]) for name in ("amacnn", "hybrid", "gene"))
    assert (amacnn.learning_rate, amacnn.batch_size, amacnn.epochs) == (5e-4, 32, 45)
    assert (amacnn.weight_decay, amacnn.loss, amacnn.image_size, amacnn.channels) == (1e-4, "hybrid", 128, 3)
    assert (hybrid.learning_rate, hybrid.batch_size, hybrid.epochs) == (1e-4, 32, 80)
    assert (hybrid.schedule, hybrid.rate_decay, hybrid.image_size) == ("inverse", 1e-6, 128)
    assert (gene.learning_rate, gene.batch_size, gene.epochs) == (1e-3, 64, 50)
    assert gene.prune_begin * gene.epochs == 5  # from epoch 6 on


@pytest.mark.parametrize(
    ("arguments", "recipe"),
    [(["--recipe=speech"], "speech"), (["--epochs", "3", "--recipe", "speech"], "speech"), ([], "")],
)
def test_a_recipe_is_found_among_the_arguments(arguments, recipe):
    assert with_recipe(Train, arguments).recipe == recipe


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recipe", "vgg"], "unknown recipe 'vgg': the known ones are amacnn, hybrid, gene"),
        (["--recipe"], "unknown recipe ''"),
        (["--recipe", "gene", "--recipe=hybrid"], "recipe may be given once, got gene and hybrid"),
    ],
)
def test_an_unknown_recipe_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        with_recipe(Train, arguments)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"schedule": "linear"}, "schedule must be one of cosine, step, inverse, constant, got 'linear'"),
        ({"loss": "hinge"}, "loss must be one of"),
        ({"precision": "int8"}, "precision must be one of"),
        ({"class_weights": "inverse"}, "class_weights must be one of"),
        ({"patience": 0}, "patience must be an integer of at least 1, got 0"),
        ({"micro_batches": 3}, "batch_size must be a multiple of micro_batches=3, got 64"),
        ({"warmup": 1.0}, r"warmup must be in \[0, 1\), got 1.0"),
        ({"ema": -0.1}, r"ema must be in \[0, 1\), got -0.1"),
        ({"label_smoothing": math.nan}, "label_smoothing must be in"),
        ({"rate_decay": -1.0}, "rate_decay must be a finite number of at least 0"),
    ],
)
def test_a_bad_number_is_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**bad)
