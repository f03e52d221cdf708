"""Rotation, flip and brightness against what they mean for single pixels."""

import math

import pytest
import torch

from studies.augmentation import BRIGHTNESS, ROTATION_DEGREES, augment

NEUTRAL = 0.5


def draws(rotation=NEUTRAL, flip=NEUTRAL, light=NEUTRAL, count=1):
    return torch.tensor([[rotation, flip, light]]).repeat(count, 1)


@pytest.fixture
def images():
    return torch.rand(6, 1, 12, 12, generator=torch.Generator().manual_seed(0))


def test_neutral_draws_change_nothing(images):
    # grid_sample interpolates at the pixel centres, exact to float32 rounding of the grid
    assert torch.allclose(augment(images, draws(count=6)), images, atol=1e-5)


def test_flip_mirrors_left_and_right(images):
    assert torch.allclose(augment(images, draws(flip=0.2, count=6)), images.flip(-1), atol=1e-5)


@pytest.mark.parametrize(("draw", "factor"), [(0.0, 1 - BRIGHTNESS), (0.75, 1 + BRIGHTNESS / 2)])
def test_brightness_scales(draw, factor):
    images = torch.full((1, 1, 8, 8), 0.5)
    assert torch.allclose(augment(images, draws(light=draw)), images * factor, atol=1e-6)


def test_brightness_saturates(images):
    result = augment(torch.ones_like(images), draws(light=0.99, count=6))
    assert float(result.max()) == 1.0


@pytest.mark.parametrize("shape", [(81, 81), (81, 121)])
@pytest.mark.parametrize("draw", [0.0, 0.25, 0.9])
def test_rotation_turns_by_the_stated_angle(shape, draw):
    """The centre of mass of a blob moves along a circle around the image's centre, in pixels."""
    height, width = shape
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    centre_row, centre_column = (height - 1) / 2, (width - 1) / 2
    radius = 24.0
    blob = torch.exp(-((rows - centre_row) ** 2 + (columns - centre_column - radius) ** 2) / 18.0)[None, None]
    turned = augment(blob, draws(rotation=draw))[0, 0]
    mass = turned.sum()
    offset_column = float((turned * (columns - centre_column)).sum() / mass)
    offset_row = float((turned * (rows - centre_row)).sum() / mass)
    angle = math.radians((2 * draw - 1) * ROTATION_DEGREES)
    # bilinear interpolation keeps the centre of mass to a hundredth of a pixel
    assert offset_column == pytest.approx(radius * math.cos(angle), abs=0.05)
    assert abs(offset_row) == pytest.approx(radius * abs(math.sin(angle)), abs=0.05)


def test_each_image_has_its_own_draws(images):
    mixed = torch.cat([draws(flip=0.2), draws(), draws(light=0.0), draws(), draws(), draws()])
    result = augment(images, mixed)
    assert torch.allclose(result[0], images[0].flip(-1), atol=1e-5)
    assert torch.allclose(result[1], images[1], atol=1e-5)
    assert torch.allclose(result[2], images[2] * (1 - BRIGHTNESS), atol=1e-5)


def test_result_stays_in_range(images):
    random = torch.rand(6, 3, generator=torch.Generator().manual_seed(1))
    result = augment(images, random)
    assert float(result.min()) >= 0.0
    assert float(result.max()) <= 1.0


def test_wrong_shapes_are_refused(images):
    with pytest.raises(ValueError, match=r"draws \(B, 3\)"):
        augment(images, torch.rand(5, 3))
