"""Networks of a study: seeded weights, and small-dense networks of a matched size."""

import pytest
import torch

from studies.networks import NetworkShape, match_parameters, shape_for

GENE = NetworkShape(kind="gene", inputs=64, classes=10, hidden=(300, 100))
CNN = NetworkShape(kind="cnn", classes=7, image_size=48, width=16)


@pytest.mark.parametrize("shape", [GENE, CNN])
def test_weights_are_a_function_of_the_seed(shape):
    first, again, other = (shape.build(seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_building_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    GENE.build(5)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("shape", [GENE, CNN])
def test_parameter_count_is_that_of_the_network(shape):
    assert shape.parameters == sum(parameter.numel() for parameter in shape.build(0).parameters())


@pytest.mark.parametrize("share", [0.5, 0.1, 0.05, 0.02])
@pytest.mark.parametrize("shape", [GENE, CNN])
def test_no_narrower_network_is_nearer_to_the_target(shape, share):
    target = round(shape.parameters * share)
    matched = match_parameters(shape, target)
    nearest = min(abs(narrow.parameters - target) for narrow in shape.narrower())
    assert abs(matched.parameters - target) == nearest
    assert matched.name == shape.name


def test_a_matched_mlp_is_within_two_percent():
    """One unit of the widest layer is 0.3 % of this network, so steps between widths are small."""
    for share in (0.5, 0.1, 0.05):
        target = GENE.parameters * share
        assert match_parameters(GENE, round(target)).parameters == pytest.approx(target, rel=0.02)


def test_auto_takes_the_mlp_for_digits(digits):
    assert shape_for("auto", digits, hidden=(8,)).name == "GeneInspiredNet"
    assert shape_for("cnn", digits, width=4, hidden=(8,)).name == "CompactFERNet"


def test_unknown_model_is_refused(digits):
    with pytest.raises(ValueError, match="unknown model 'vit'"):
        shape_for("vit", digits, width=4, hidden=(8,))


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("gene", {"width": 9}, "width is not for model 'gene', whose layers --hidden sets, got 9"),
        (
            "cnn",
            {"patch_size": 4},
            "patch_size and depth are for vision transformers",
        ),
        ("vit-tiny", {"width": 64}, "width of model 'vit-tiny' must be a multiple of 3, got 64"),
        ("speech", {}, "model 'speech' is for speech, and digits holds images: give --data a folder"),
    ],
)
def test_options_of_another_network_are_refused(digits, model, options, message):
    with pytest.raises(ValueError, match=message):
        shape_for(model, digits, **options)
