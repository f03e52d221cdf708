import numpy as np
import pytest
import torch
from torch import nn

from studies.attention import PLASMA, AttentionExamples, attention_examples, colours, overlay
from studies.data import ImageSplit

CLASSES = ("dark", "middle", "bright")


class ByBrightness(nn.Module):
    """Classifies by mean level alone, and attends to bright places."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.dropout = nn.Dropout(0.9)

    def forward(self, images):
        level = images.mean(dim=(1, 2, 3))
        centres = torch.tensor([0.1, 0.5, 0.9])
        return self.dropout(-self.scale * (level[:, None] - centres).abs())

    def attention_map(self, images):
        assert not self.training
        pooled = nn.functional.avg_pool2d(images.mean(dim=1, keepdim=True), 4)[:, 0]
        return pooled / pooled.amax(dim=(1, 2), keepdim=True)


def make_split(per_class=6, channels=1):
    """Images of one level each, labelled by level; the last of each class is labelled as the next."""
    levels = np.repeat([25, 127, 229], per_class)
    images = torch.from_numpy(
        np.broadcast_to(levels[:, None, None, None], (3 * per_class, channels, 8, 8)).astype(np.uint8)
    )
    labels = np.repeat([0, 1, 2], per_class)
    labels[per_class - 1 :: per_class] = [1, 2, 0]
    return ImageSplit(images, torch.from_numpy(labels), [f"i{place}" for place in range(len(labels))])


def lightness(rgb):
    """L* of CIELAB from sRGB levels 0-255, by its definition (IEC 61966-2-1 and CIE 15)."""
    linear = np.where(rgb / 255 <= 0.04045, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(luminance > 216 / 24389, 116 * np.cbrt(luminance) - 16, luminance * 24389 / 27)


def test_a_recognised_and_a_mistaken_image_of_each_class():
    found = attention_examples(ByBrightness(), make_split(), CLASSES, count=6)
    assert found.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert (found.labels == found.predictions).tolist() == [True, False] * 3
    # the one mistaken image of each class is known: labelled 1 it is dark, 2 it is middle, 0 it is bright
    assert found.predictions.tolist() == [0, 2, 1, 0, 2, 1]
    assert found.images.shape == (6, 1, 8, 8)
    assert found.maps.shape == (6, 2, 2)
    assert found.maps.max(axis=(1, 2)).tolist() == [1.0] * 6


def test_confidence_is_the_softmax_share():
    found = attention_examples(ByBrightness(), make_split(), CLASSES, count=1)
    level = found.images[0].mean() / 255
    logits = -10 * np.abs(level - np.array([0.1, 0.5, 0.9]))
    shares = np.exp(logits) / np.exp(logits).sum()
    assert found.confidences[0] == pytest.approx(shares[found.predictions[0]], abs=1e-6)


def test_the_choice_is_a_function_of_the_seed_and_without_repeats():
    split = make_split(per_class=40)
    marked = split.images.clone()
    marked[:, 0, 0, 0] = torch.arange(120, dtype=torch.uint8)  # tells images apart, hardly changes the mean
    split = ImageSplit(marked, split.labels, split.ids)
    chosen = [
        attention_examples(ByBrightness(), split, CLASSES, count=9, seed=seed).images[:, 0, 0, 0].tolist()
        for seed in (0, 0, 1)
    ]
    assert chosen[0] == chosen[1] != chosen[2]
    assert len(set(chosen[0])) == 9


def test_fewer_images_than_asked_are_all_taken():
    assert len(attention_examples(ByBrightness(), make_split(per_class=2), CLASSES, count=50)) == 6


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_of_the_network_is_restored(training):
    model = ByBrightness().train(training)
    attention_examples(model, make_split(), CLASSES)
    assert model.training is training
    model.attention_map = lambda images: torch.full((len(images), 2, 2), -1.0)
    with pytest.raises(ValueError, match="must be finite and at least 0"):
        attention_examples(model, make_split(), CLASSES)
    assert model.training is training


def test_a_network_without_attention_has_no_examples():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    assert attention_examples(model, make_split(), CLASSES) is None


def test_maps_of_a_wrong_shape_are_refused():
    model = ByBrightness()
    model.attention_map = lambda images: torch.ones(len(images), 1, 2, 2)
    with pytest.raises(ValueError, match=r"ByBrightness.attention_map must .* \(6, h, w\), got \(6, 1, 2"):
        attention_examples(model, make_split(), CLASSES, count=6)
    with pytest.raises(ValueError, match="count must be at least 1 image, got 0"):
        attention_examples(ByBrightness(), make_split(), CLASSES, count=0)


def test_a_map_of_zeros_stays_zero():
    model = ByBrightness()
    model.attention_map = lambda images: torch.zeros(len(images), 2, 2)
    assert not attention_examples(model, make_split(), CLASSES).maps.any()


def test_a_spectrogram_is_stretched_to_levels():
    images = torch.linspace(-8.0, 2.0, 64).reshape(1, 1, 8, 8).repeat(3, 1, 1, 1)
    images[2] = -3.0  # silence
    split = ImageSplit(images, torch.tensor([0, 1, 2]), ["a", "b", "c"])
    model = ByBrightness()
    model.attention_map = lambda images: torch.ones(len(images), 1, 1)
    found = attention_examples(model, split, CLASSES, count=3)
    assert found.images[0].min() == 0
    assert found.images[0].max() == 255
    assert not found.images[2].any()


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_saved_is_loaded(tmp_path, channels):
    found = attention_examples(ByBrightness(), make_split(channels=channels), CLASSES)
    path = tmp_path / "deep" / "attention.npz"
    found.save(path)
    back = AttentionExamples.load(path)
    for name in ("images", "maps", "labels", "predictions", "confidences"):
        before, after = getattr(found, name), getattr(back, name)
        assert before.dtype == after.dtype
        assert np.array_equal(before, after)
    assert back.classes == CLASSES
    first = path.read_bytes()
    back.save(path)
    assert path.read_bytes() == first
    assert [entry.name for entry in path.parent.iterdir()] == ["attention.npz"]


def test_damaged_and_foreign_files_are_refused_by_name(tmp_path):
    path = tmp_path / "attention.npz"
    attention_examples(ByBrightness(), make_split(), CLASSES).save(path)
    whole = path.read_bytes()
    foreign = {"empty": b"", "half": whole[: len(whole) // 2], "text": b"no zip at all"}
    foreign |= dict.fromkeys(("flipped", "other", "pickle", "array"))
    for name, content in foreign.items():
        target = tmp_path / f"{name}.npz"
        if content is not None:
            target.write_bytes(content)
        elif name == "flipped":
            middle = len(whole) // 4
            target.write_bytes(whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :])
        elif name == "other":
            np.savez(target, images=np.zeros(3))
        elif name == "array":
            with open(target, "wb") as file:
                np.save(file, np.zeros(3))
        else:
            np.savez(target, images=np.array([{}], dtype=object), maps=0, labels=0, predictions=0,
                     confidences=0, classes=0)  # fmt: skip
        with pytest.raises(
            ValueError, match=rf"{name}.npz must be a file of attention examples, but .+: remove"
        ):
            AttentionExamples.load(target)
    with pytest.raises(FileNotFoundError):
        AttentionExamples.load(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((6, 8, 8), np.uint8)}, r"images must be uint8 of shape \(n, 1 or 3, H, W\)"),
        ({"maps": np.full((6, 2, 2), 2.0, np.float32)}, r"maps must lie in \[0, 1\], got 2.0 to 2.0"),
        ({"maps": np.full((6, 2, 2), np.nan, np.float32)}, r"maps must lie in \[0, 1\]"),
        ({"maps": np.zeros((5, 2, 2), np.float32)}, r"maps must be float32 of shape \(6, h, w\)"),
        ({"labels": np.full(6, 3)}, "labels must be int64 indices of the 3 classes"),
        ({"predictions": np.zeros(5, np.int64)}, r"predictions must have shape \(6,\), got \(5,\)"),
    ],
)
def test_examples_that_do_not_fit_together_are_refused(change, message):
    found = attention_examples(ByBrightness(), make_split(), CLASSES, count=6)
    values = {name: getattr(found, name) for name in found.__slots__}
    with pytest.raises(ValueError, match=message):
        AttentionExamples(**(values | change))


def test_overlay_blends_by_hand():
    face = np.array([[0, 200]], dtype=np.uint8)
    drawn = overlay(face, np.ones((1, 1)), opacity=0.5)
    top = PLASMA[-1]
    assert drawn[0, 0].tolist() == [round(float(v)) for v in 0.5 * top]
    assert drawn[0, 1].tolist() == [round(float(v)) for v in 100 + 0.5 * top]


def test_overlay_leaves_what_is_not_attended_grey_and_reduces_colour():
    colour = np.zeros((3, 4, 4), dtype=np.uint8)
    colour[0] = 255
    drawn = overlay(colour, np.zeros((2, 2)))
    assert np.unique(drawn).tolist() == [76]  # 0.299 x 255


def test_overlay_interpolates_bilinearly():
    # two places 0 and 1 over four columns: pixel centres at 1/8, 3/8, 5/8, 7/8 of the width, places at 1/4
    # and 3/4, so the levels are 0, 1/4, 3/4, 1
    levels = np.array([0.0, 0.25, 0.75, 1.0])
    drawn = overlay(np.zeros((1, 4), np.uint8), np.array([[0.0, 1.0]]), opacity=1.0)
    expected = (levels[:, None] * colours(levels)).round()
    assert np.abs(drawn[0] - expected).max() <= 1


def test_colours_are_those_of_plasma_and_rise_in_lightness_evenly():
    sequential = pytest.importorskip("plotly.colors").sequential.Plasma
    assert [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in PLASMA.astype(int)] == [c.lower() for c in sequential]
    light = lightness(colours(np.linspace(0, 1, 101)))
    steps = np.diff(light)
    assert (steps > 0).all()
    assert light[-1] - light[0] > 75
    assert np.abs(light - np.linspace(light[0], light[-1], 101)).max() < 6  # of 100; the map is even in CAM02


@pytest.mark.parametrize(
    ("image", "attention", "message"),
    [
        (np.zeros((4, 4)), np.zeros((1, 1)), "image must be uint8"),
        (np.zeros((2, 4, 4), np.uint8), np.zeros((1, 1)), "image must be uint8 of shape"),
        (np.zeros((4, 4), np.uint8), np.full((1, 1), 1.5), r"values in \[0, 1\]"),
        (np.zeros((4, 4), np.uint8), np.zeros((1, 1, 1)), r"of shape \(h, w\)"),
    ],
)
def test_overlay_refuses_what_it_cannot_draw(image, attention, message):
    with pytest.raises(ValueError, match=message):
        overlay(image, attention)


def test_opacity_out_of_range_is_refused():
    with pytest.raises(ValueError, match="opacity must be in"):
        overlay(np.zeros((4, 4), np.uint8), np.zeros((1, 1)), opacity=2.0)
