"""Each augmentation against what it means for single pixels, and what all profiles promise."""

import math
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from studies.augmentation import (
    BRIGHTNESS,
    PROFILES,
    ROTATION_DEGREES,
    Camera,
    Chain,
    CropFlip,
    Geometry,
    Light,
    Occlusion,
    Speech,
    augment,
    find_profile,
)
from studies.augmentation.camera import gaussian_blur, noise_pattern
from studies.augmentation.light import mean_level

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


# --- what every profile promises ---------------------------------------------------------------------------


def batch(count, channels, height, width, profile, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(count, channels, height, width, generator=generator)
    return images, torch.rand(count, profile.draws_per_sample, generator=generator)


def needs_kornia(name):
    if name in ("amacnn", "hybrid"):
        pytest.importorskip("kornia")


@pytest.mark.parametrize("name", PROFILES)
@settings(max_examples=10, deadline=None)
@given(
    channels=st.sampled_from([1, 3]),
    height=st.integers(4, 40),
    width=st.integers(4, 40),
    count=st.integers(1, 9),
    seed=st.integers(0, 2**31),
)
def test_a_sample_depends_on_its_own_draws_alone(name, channels, height, width, count, seed):
    """Range, shape and dtype hold, and a sample has the same bits alone, in company and in another order."""
    needs_kornia(name)
    profile = PROFILES[name]
    channels = 1 if name == "speech" else channels
    images, draws = batch(count, channels, height, width, profile, seed)
    before = images.clone()
    result = profile(images, draws)
    assert torch.equal(images, before)  # the batch handed in is not written to
    assert (result.shape, result.dtype) == (images.shape, images.dtype)
    assert bool(torch.isfinite(result).all())
    if name != "speech":
        assert float(result.min()) >= 0
        assert float(result.max()) <= 1
    alone = torch.cat([profile(images[i : i + 1], draws[i : i + 1]) for i in range(count)])
    assert torch.equal(alone, result)
    assert torch.equal(profile(images.flip(0), draws.flip(0)), result.flip(0))


@pytest.mark.parametrize("name", PROFILES)
def test_neutral_draws_leave_every_sample(name):
    needs_kornia(name)
    profile = PROFILES[name]
    images, draws = batch(5, 1, 24, 32, profile)
    # interpolation at the pixel centres is exact to the rounding of the grid
    assert torch.allclose(profile(images, torch.full_like(draws, 0.5)), images, atol=2e-5)


@pytest.mark.parametrize("name", [name for name in PROFILES if name != "none"])
def test_random_draws_change_samples_and_no_gradient_flows(name):
    needs_kornia(name)
    profile = PROFILES[name]
    images, draws = batch(8, 1, 24, 32, profile)
    result = profile(images.requires_grad_(), draws)
    assert not result.requires_grad
    changed = (result != images).flatten(1).any(1)
    if name == "flip":  # mirrors every other one, and does nothing else
        assert changed.tolist() == (draws[:, 2] < 0.5).tolist()
        assert 0 < int(changed.sum()) < 8
    else:
        assert int(changed.sum()) >= 7
    if name == "speech":
        return
    doubled = profile(images.detach().double(), draws)
    assert doubled.dtype == torch.float64
    assert torch.allclose(doubled.float(), result, atol=1e-4)


@pytest.mark.parametrize("name", PROFILES)
def test_extreme_draws_are_valid(name):
    """0 and the float32 just below 1, where rounding could reach past the last pixel."""
    needs_kornia(name)
    profile = PROFILES[name]
    images, draws = batch(4, 1, 48, 48, profile)
    for value in (0.0, 1 - 2**-24):
        result = profile(images, torch.full_like(draws, value))
        assert bool(torch.isfinite(result).all())


@pytest.mark.parametrize("name", PROFILES)
def test_batches_that_do_not_fit_are_refused(name):
    profile = PROFILES[name]
    count = profile.draws_per_sample
    with pytest.raises(ValueError, match=rf"draws \(B, {count}\), got \(2, 1, 8, 8\) and \(2, {count + 1}\)"):
        profile(torch.zeros(2, 1, 8, 8), torch.zeros(2, count + 1))
    with pytest.raises(ValueError, match=r"images \(B, C, H, W\)"):
        profile(torch.zeros(2, 8, 8), torch.zeros(2, count))
    with pytest.raises(ValueError, match="floating-point images"):
        profile(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.zeros(2, count))


def test_gene_profile_is_the_function():
    images, draws = batch(6, 3, 20, 12, PROFILES["gene"])
    assert torch.equal(PROFILES["gene"](images, draws), augment(images, draws))


def test_profiles_are_found_by_name_and_kind():
    assert find_profile("speech", kind="spectrograms") is PROFILES["speech"]
    assert find_profile("none", kind="spectrograms").draws_per_sample == 0
    assert find_profile("amacnn", kind="images").draws_per_sample == 18
    with pytest.raises(
        ValueError, match="one of gene, amacnn, hybrid, crop-flip, flip, speech, none, got 'mixup'"
    ):
        find_profile("mixup")
    with pytest.raises(
        ValueError, match="is for images, and the data are spectrograms: choose speech or none"
    ):
        find_profile("crop-flip", kind="spectrograms")
    with pytest.raises(ValueError, match="is for spectrograms, and the data are images: choose gene, amacnn"):
        find_profile("speech", kind="images")


def test_kornia_is_asked_for_only_where_it_is_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "kornia", None)
    for name in ("gene", "crop-flip", "speech", "none"):
        images, draws = batch(2, 1, 16, 16, PROFILES[name])
        PROFILES[name](images, draws)
    images, draws = batch(2, 1, 16, 16, PROFILES["hybrid"])
    with pytest.raises(ImportError, match=r'needs kornia: pip install "grn-pruning\[fer\]"'):
        PROFILES["hybrid"](images, draws)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Geometry(rotation_degrees=200),
            "rotation_degrees must be a number from 0 to 180 degrees, got 200",
        ),
        (lambda: Geometry(shift=-0.1), "shift must be .* got -0.1"),
        (lambda: Geometry(scale=1.0), "scale must be .* from 0 to 0.9, got 1.0"),
        (lambda: Light(brightness=1.5), "brightness must be"),
        (lambda: Light(contrast=math.nan), "contrast must be .* got nan"),
        (lambda: Light(gamma=3), "gamma must be .* octaves"),
        (lambda: Camera(blur=0.5), "blur must be"),
        (lambda: Camera(noise=-1), "noise must be"),
        (lambda: Occlusion(rate=2), "rate must be"),
        (lambda: Occlusion(largest_area=0.6), "largest_area must be"),
        (lambda: Occlusion(least_area=0.3), "least_area must be at most largest_area, got 0.3 and 0.2"),
        (lambda: CropFlip(padding=math.inf), "padding must be"),
        (lambda: CropFlip(fill="white"), "fill must be one of black, edge, got 'white'"),
        (lambda: Speech(time_masks=9), "time_masks must be an integer from 0 to 8, got 9"),
        (lambda: Speech(broadest=0.9), "broadest must be"),
        (lambda: Chain((CropFlip(), Speech())), "one kind of data, got images and spectrograms"),
    ],
)
def test_strengths_are_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- geometry ----------------------------------------------------------------------------------------------


def geometry_draws(rotation=0.5, down=0.5, right=0.5, scale=0.5, flip=0.5, count=1):
    return torch.tensor([[rotation, down, right, scale, flip]]).repeat(count, 1)


@pytest.fixture
def colour():
    pytest.importorskip("kornia")
    return torch.rand(2, 3, 12, 20, generator=torch.Generator().manual_seed(0))


def test_geometry_flips_exactly(colour):
    assert torch.allclose(Geometry()(colour, geometry_draws(flip=0.1, count=2)), colour.flip(-1), atol=1e-5)
    assert torch.allclose(Geometry(flip=False)(colour, geometry_draws(flip=0.1, count=2)), colour, atol=1e-5)


def test_geometry_quarter_turn():
    pytest.importorskip("kornia")
    images = torch.rand(1, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    turned = Geometry(rotation_degrees=90)(images, geometry_draws(rotation=1.0))
    assert torch.allclose(turned, images.rot90(-1, (2, 3)), atol=1e-5)  # clockwise


def test_geometry_shifts_whole_pixels_down_and_right(colour):
    moved = Geometry(shift=0.25)(colour, geometry_draws(down=1.0, right=0.0, count=2))  # 3 down, 5 left
    assert torch.allclose(moved[:, :, 3:, :-5], colour[:, :, :-3, 5:], atol=1e-5)
    assert torch.allclose(moved[:, :, 0, :-5], colour[:, :, 0, 5:], atol=1e-5)  # the border repeats
    assert torch.allclose(moved[:, :, 3:, -1], colour[:, :, :-3, -1], atol=1e-5)


def test_geometry_warps_as_scipy(colour):
    """All four changes at once against scipy's affine interpolation, written from the definition."""
    draws = torch.tensor([[0.9, 0.3, 0.8, 0.75, 0.2]])
    result = Geometry()(colour[:1], draws)[0].numpy()
    angle = math.radians(15 * 0.8)
    down, right, size = 12 * 0.1 * -0.4, 20 * 0.1 * 0.6, 1 + 0.1 * 0.5
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])  # row, column
    forward = turn @ np.diag([size, -size])  # mirrored and scaled, then turned, about the centre
    backward = np.linalg.inv(forward)
    centre = np.array([5.5, 9.5])
    offset = centre - backward @ (centre + np.array([down, right]))
    for layer in range(3):
        expected = ndimage.affine_transform(
            colour[0, layer].numpy().astype(float), backward, offset, order=1, mode="nearest"
        )
        assert np.abs(result[layer] - expected).max() < 1e-4


def test_geometry_scale_enlarges():
    pytest.importorskip("kornia")
    image = torch.zeros(1, 1, 40, 40)
    image[:, :, 10:30, 10:30] = 1
    larger = Geometry(scale=0.5)(image, geometry_draws(scale=1.0))
    assert float(larger.sum()) == pytest.approx(30 * 30, rel=0.02)  # the edges are interpolated


# --- light and camera --------------------------------------------------------------------------------------


def test_brightness_and_contrast_in_closed_form():
    images = torch.tensor([[[[0.2, 0.6]]]])
    brighter = Light(brightness=0.5)(images, torch.tensor([[1.0, 0.5, 0.5]]))
    assert brighter.flatten().tolist() == pytest.approx([0.3, 0.9], abs=1e-5)
    harder = Light(contrast=0.5)(images, torch.tensor([[0.5, 1.0, 0.5]]))  # about the mean, 0.4
    assert harder.flatten().tolist() == pytest.approx([0.1, 0.7], abs=1e-4)  # the mean is held in 1/65536
    darker = Light(gamma=1.0)(images, torch.tensor([[0.5, 0.5, 1.0]]))
    assert darker.flatten().tolist() == pytest.approx([0.04, 0.36], abs=1e-5)


def test_light_agrees_with_kornia():
    enhance = pytest.importorskip("kornia.enhance")
    images, draws = batch(6, 1, 15, 20, Light(), seed=3)
    spread = draws * 2 - 1
    expected = (images * (1 + 0.2 * spread[:, 0]).view(-1, 1, 1, 1)).clamp(0, 1)
    expected = enhance.adjust_contrast_with_mean_subtraction(expected, 1 + 0.2 * spread[:, 1])
    expected = enhance.adjust_gamma(expected, 2 ** (0.4 * spread[:, 2]))
    # near black a gamma below 1 is steep: the mean's rounding, 1/131072, grows to its power 2**-0.4
    assert torch.allclose(Light()(images, draws), expected, atol=1e-4)


def test_mean_level_is_the_mean():
    images = torch.rand(4, 3, 31, 17, generator=torch.Generator().manual_seed(0))
    expected = images.double().numpy().mean(axis=(1, 2, 3))
    assert np.abs(mean_level(images).numpy() - expected).max() < 0.5 / 65536


def test_blur_is_scipys_gaussian():
    images = torch.rand(3, 3, 20, 33, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    deviations = torch.tensor([0.0, 0.7, 1.5])
    blurred = gaussian_blur(images, deviations, widest=1.5).numpy()
    assert np.array_equal(blurred[0], images[0].numpy())
    for sample in (1, 2):
        sigma = float(deviations[sample])
        expected = ndimage.gaussian_filter(
            images[sample].numpy(), sigma, mode="nearest", axes=(1, 2), truncate=5 / sigma
        )
        assert np.abs(blurred[sample] - expected).max() < 1e-12


def test_noise_pattern_is_the_published_hash():
    """Against numpy's unsigned arithmetic, bit for bit."""

    def hashed(values):
        values = values.astype(np.uint32)
        values ^= values >> np.uint32(16)
        values *= np.uint32(0x21F0AAAD)
        values ^= values >> np.uint32(15)
        values *= np.uint32(0x735A2D97)
        return values ^ (values >> np.uint32(15))

    draws = torch.rand(5, generator=torch.Generator().manual_seed(0))
    keys = hashed((draws.double().numpy() * 2**32).astype(np.uint32))
    bits = hashed(keys[:, None] ^ np.arange(3 * 7 * 11, dtype=np.uint32))
    total = sum((bits >> np.uint32(shift)) & np.uint32(255) for shift in (0, 8, 16, 24))
    expected = (total.astype(np.float32) - 510) / np.float32(math.sqrt(21845.0))
    assert np.array_equal(noise_pattern(draws, (3, 7, 11)).reshape(5, -1).numpy(), expected)


def test_noise_is_white_and_patterns_are_independent():
    noise = noise_pattern(torch.tensor([0.1, 0.1 + 2**-24, 0.8]), (64, 64)).double()
    assert noise.mean((1, 2)).abs().max() < 4 / 64  # four standard errors
    assert (noise.std((1, 2)) - 1).abs().max() < 0.05
    flat = torch.cat([noise.flatten(1), noise.roll(1, 2).flatten(1), noise.roll(1, 1).flatten(1)])
    off_diagonal = torch.corrcoef(flat) - torch.eye(9)
    assert off_diagonal.abs().max() < 5 / 64


def test_camera_acts_on_the_upper_half_of_the_draws():
    images = torch.full((4, 1, 64, 64), 0.5)
    draws = torch.tensor([[0.2, 0.3, 0.1], [0.9, 0.5, 0.1], [0.2, 1.0, 0.1], [0.2, 0.75, 0.1]])
    result = Camera(noise=0.04)(images, draws)
    assert torch.equal(result[0], images[0])
    assert torch.allclose(result[1], images[1], atol=1e-6)  # a blurred flat image is flat
    assert float(result[2].std()) == pytest.approx(0.04, rel=0.1)
    assert float(result[3].std()) == pytest.approx(0.02, rel=0.1)


# --- occlusion ---------------------------------------------------------------------------------------------


@given(
    area=st.floats(0, 0.999),
    aspect=st.floats(0, 0.999),
    down=st.floats(0, 0.999),
    right=st.floats(0, 0.999),
)
@settings(max_examples=50, deadline=None)
def test_rectangle_has_its_area_inside_the_image(area, aspect, down, right):
    image = torch.ones(1, 3, 100, 150)
    draws = torch.tensor([[0.0, 0.9, area, aspect, down, right, 0.25]])
    covered = Occlusion()(image, draws)[0] == 0.25
    assert torch.equal(covered[0], covered[1])
    assert torch.equal(covered[0], covered[2])
    rows, columns = covered[0].any(1), covered[0].any(0)
    assert int(covered[0].sum()) == int(rows.sum()) * int(columns.sum())  # a rectangle
    share, ratio = 0.04 + 0.16 * area, 2 ** (2 * aspect - 1)
    assert abs(int(rows.sum()) - 100 * math.sqrt(share * ratio)) <= 1
    assert abs(int(columns.sum()) - 150 * math.sqrt(share / ratio)) <= 1


def test_rate_and_kinds_have_their_shares():
    occlusion = Occlusion()
    grid = (torch.arange(20) + 0.5) / 20
    whether, kind = torch.meshgrid(grid, grid, indexing="ij")
    draws = torch.full((400, 7), 0.5)
    draws[:, 0], draws[:, 1] = whether.flatten(), kind.flatten()
    covered = occlusion(torch.full((400, 1, 40, 40), 0.99), draws)[:, 0] < 0.9
    assert int(covered.flatten(1).any(1).sum()) == 0.3 * 400
    shapes = Counter(tuple(sample.flatten().tolist()) for sample in covered if sample.any())
    assert sorted(shapes.values()) == [30, 30, 60]  # mask, sunglasses, rectangle


def test_mask_covers_the_mouth_and_sunglasses_the_eyes():
    image = torch.full((2, 1, 48, 48), 0.99)
    draws = torch.full((2, 7), 0.5)
    draws[:, 0], draws[:, 1] = 0.0, torch.tensor([0.1, 0.4])
    mask, glasses = Occlusion()(image, draws)[:, 0] < 0.9
    assert bool(mask[33:38, 15:33].all())
    assert not bool(mask[:24].any())
    assert bool(glasses[19, 8:20].all())
    assert bool(glasses[19, 28:40].all())
    assert not bool(glasses[26:].any())
    for shape in (mask, glasses):
        assert torch.equal(shape, shape.flip(1))
        assert 0.05 < float(shape.float().mean()) < 0.3


# --- crop and flip -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fill", "mode"), [("black", "constant"), ("edge", "edge")])
def test_crop_is_numpys_window_of_the_padded_image(fill, mode):
    profile = CropFlip(fill=fill)
    images, draws = batch(60, 3, 16, 24, profile)  # padding 2 and 3
    result = profile(images, draws)
    for image, (down, right, flip), cropped in zip(
        images.numpy(), draws.tolist(), result.numpy(), strict=True
    ):
        padded = np.pad(image, ((0, 0), (2, 2), (3, 3)), mode=mode)
        top, left = int(down * 5), int(right * 7)
        window = padded[:, top : top + 16, left : left + 24]
        assert np.array_equal(cropped, window[:, :, ::-1] if flip < 0.5 else window)


def test_every_offset_is_as_likely():
    image = torch.zeros(900, 1, 32, 32)
    image[:, :, 16, 16] = 1
    draws = torch.full((900, 3), 0.5)
    draws[:, 0] = (torch.arange(900) + 0.5) / 900
    moved = CropFlip()(image, draws)[:, 0].flatten(1).argmax(1)
    rows = Counter(torch.div(moved, 32, rounding_mode="floor").tolist())
    assert rows == dict.fromkeys(range(12, 21), 100)  # 4 pixels each way


# --- speech ------------------------------------------------------------------------------------------------


def speech_draws(profile, shift=0.5, gain=0.5, tempo=0.5, voice=0.5, masks=()):
    draws = torch.full((1, profile.draws_per_sample), 0.5)
    draws[0, :4] = torch.tensor([shift, gain, tempo, voice])
    for mask, (width, place) in enumerate(masks):
        draws[0, 4 + 2 * mask], draws[0, 5 + 2 * mask] = width, place
    return draws


@pytest.fixture
def spectrogram():
    return 10 * torch.randn(1, 1, 40, 100, generator=torch.Generator().manual_seed(0)) - 30


def test_speech_shifts_frames_and_repeats_the_end(spectrogram):
    profile = Speech(shift=0.05)
    later = profile(spectrogram, speech_draws(profile, shift=1.0))
    assert torch.equal(later[..., 5:], spectrogram[..., :-5])
    assert torch.equal(later[..., :5], spectrogram[..., :1].expand(-1, -1, -1, 5))
    sooner = profile(spectrogram, speech_draws(profile, shift=0.0))
    assert torch.equal(sooner[..., :-5], spectrogram[..., 5:])


def test_speech_tempo_stretches_time_around_its_middle():
    """A ramp over time becomes a flatter or steeper one through the same middle, in every band."""
    ramp = torch.arange(100.0).expand(1, 1, 8, 100)
    profile = Speech(tempo=0.2)
    slower = profile(ramp, speech_draws(profile, tempo=1.0))
    torch.testing.assert_close(slower, (ramp - 49.5) / 1.2 + 49.5)
    faster = profile(ramp, speech_draws(profile, tempo=0.0))
    torch.testing.assert_close(faster, ((ramp - 49.5) / 0.8 + 49.5).clamp(0, 99))


def test_speech_voice_moves_bands_in_proportion_to_their_frequency():
    """Energy in mel band 20 moves to 22 in a voice 10 % higher, whatever the frame."""
    bands = (-(torch.arange(40.0) - 20).square())[:, None].expand(1, 1, 40, 30)
    profile = Speech(voice=0.1)
    higher = profile(bands, speech_draws(profile, voice=1.0))
    assert higher.argmax(2).unique().tolist() == [22]
    lower = profile(bands, speech_draws(profile, voice=0.0))
    assert lower.argmax(2).unique().tolist() == [18]
    assert torch.equal(higher[:, :, 0], bands[:, :, 0])  # 0 Hz stays where it is


def test_speech_gain_is_in_standard_deviations(spectrogram):
    profile = Speech(gain=0.5)
    louder = profile(spectrogram, speech_draws(profile, gain=1.0))
    expected = spectrogram + 0.5 * np.std(spectrogram.numpy())
    assert torch.allclose(louder, expected, atol=1e-4)


def test_speech_masks_fill_with_the_mean(spectrogram):
    profile = Speech(time_masks=2, frequency_masks=2)
    masks = [(1.0, 0.0), (0.5, 0.3), (0.0, 0.999), (0.5, 0.9)]
    masked = profile(spectrogram, speech_draws(profile, masks=masks))
    expected = spectrogram.clone()
    expected[..., :10] = expected[:, :, -6:] = float(spectrogram.double().mean())  # a tenth; 15 % of 40
    assert torch.equal(masked, expected)


def test_speech_mask_widths_are_uniform(spectrogram):
    profile = Speech(time_masks=1, frequency_masks=0)
    draws = torch.full((2200, 6), 0.5)
    draws[:, 4] = (torch.arange(2200) + 0.5) / 2200
    masked = profile(spectrogram.expand(2200, -1, -1, -1), draws)[:, 0, 0]
    widths = Counter((masked != spectrogram[0, 0, 0]).sum(1).tolist())
    assert widths == dict.fromkeys(range(11), 200)


def test_speech_refuses_colour():
    with pytest.raises(ValueError, match=r"spectrograms \(B, 1, bands, frames\), got \(2, 3, 8, 8\)"):
        PROFILES["speech"](torch.zeros(2, 3, 8, 8), torch.zeros(2, PROFILES["speech"].draws_per_sample))


# --- chain -------------------------------------------------------------------------------------------------


def test_chain_applies_its_parts_in_turn():
    occlusion, crop = Occlusion(rate=1.0), CropFlip()
    chain = Chain((occlusion, crop))
    images, draws = batch(5, 1, 16, 16, chain)
    assert chain.kind == "images"
    assert torch.equal(chain(images, draws), crop(occlusion(images, draws[:, :7]), draws[:, 7:]))
