"""Procedural faces: reproducible, split by identity, and moved by action units where they should be."""

import numpy as np
import pytest
import torch

from studies.data import EMOTIONS, load_dataset
from studies.data.action_units import ACTION_UNITS, PROTOTYPES, express
from studies.data.face_parameters import SCENE, STYLES, draw_person, draw_scene
from studies.data.face_render import render_faces
from studies.data.faces import generate_faces


@pytest.fixture(scope="module")
def faces():
    return load_dataset("faces", image_size=24)


def test_the_parts_share_no_identity_and_hold_every_style_and_emotion(faces):
    identities = [set(split.groups["identity"].tolist()) for split in faces.parts().values()]
    assert sum(map(len, identities)) == len(set.union(*identities)) == 225
    assert [len(split) for split in faces.parts().values()] == [4396, 504, 1400]
    for split in faces.parts().values():
        counts = split.labels.bincount()
        assert (counts == counts[0]).all()
        assert set(split.groups["style"]) == set(STYLES)
    assert faces.classes == EMOTIONS


def test_every_sample_carries_its_nuisances(faces):
    groups = faces.train.groups
    assert {"identity", "style", "occlusion", "intensity", "glasses", "au12", *SCENE} <= set(groups)
    for name, (low, high) in SCENE.items():
        assert (groups[name] >= low).all(), name
        assert (groups[name] <= high).all(), name
        # Uniform: over 4,396 draws the mean strays by well under 3 % of the range.
        assert abs(groups[name].mean() - 0.5 * (low + high)) < 0.03 * (high - low), name


def test_a_picture_does_not_depend_on_the_others():
    few = generate_faces([7], images_per_emotion=1)
    many = generate_faces([2, 7, 5], images_per_emotion=3)
    where = [list(many.ids).index(name) for name in few.ids]
    assert torch.equal(few.images, many.images[where])
    for name, values in few.groups.items():
        assert np.array_equal(values, many.groups[name][where]), name


def test_a_seed_repeats_bit_for_bit_and_another_does_not():
    first, again, other = (generate_faces([0, 1, 2], images_per_emotion=1, seed=s) for s in (3, 3, 4))
    assert torch.equal(first.images, again.images)
    assert (first.images != other.images).float().mean() > 0.5


@pytest.mark.parametrize("size", [24, 36, 120])
def test_every_size_shows_the_same_picture(size):
    options = {"images_per_emotion": 1, "nuisance": 0.0, "occlusion_rate": 0.0}
    small = generate_faces([0], image_size=size, **options).images.float()
    reference = generate_faces([0], image_size=96, **options).images.float()
    assert small.shape == (7, 1, size, size)
    coarse = [torch.nn.functional.interpolate(x, size=(12, 12), mode="area") for x in (small, reference)]
    # Anti-aliased edges: averages over 12×12 whole cells agree within a few grey levels of 255.
    assert (coarse[0] - coarse[1]).abs().mean() < 4


def draw(units, *, size=96, identity=0, style="A"):
    """One undisturbed face with exactly these action units."""
    person = draw_person(0, identity, STYLES[style]) | {
        "glasses": 0.0,
        "has_hair": 0.0,
        "beard": 0.0,
        "moustache": 0.0,
    }
    scene, _ = draw_scene(0, identity, 0, 0, occlusion_rate=0.0, nuisance=0.0)
    au = {unit: np.array([units.get(unit, 0.0)]) for unit in ACTION_UNITS}
    traits = {name: np.array([value]) for name, value in person.items()}
    values = {name: np.array([value]) for name, value in scene.items()}
    noise = np.zeros((1, size, size), np.float32)
    return render_faces(au, traits, values, noise)[0].astype(float)


UPPER, LOWER = slice(0, 48), slice(56, 96)


@pytest.mark.parametrize("unit", sorted(ACTION_UNITS))
def test_each_action_unit_moves_its_own_half_of_the_face(unit):
    rest = {25: 1.0} if unit in (16, 26) else {}  # these two show between parted lips
    change = np.abs(draw(rest | {unit: 1.0}) - draw(rest))
    upper, lower = change[UPPER].mean(), change[LOWER].mean()
    assert upper + lower > 0.3
    if unit in (1, 2, 4, 5, 7, 43):
        assert upper > 5 * lower
    elif unit in (12, 15, 16, 17, 20, 23, 25, 26):
        assert lower > 5 * upper


def test_brows_corners_and_jaw_move_the_right_way():
    def dark_rows(image, rows, columns):
        """Darkness-weighted mean row of a window."""
        window = 255 - image[rows, columns]
        weight = np.maximum(window - np.median(window), 0).sum(1)
        return (weight * np.arange(rows.start, rows.stop)).sum() / weight.sum()

    brows, mouth_corner = (slice(20, 38), slice(56, 72)), (slice(62, 86), slice(58, 66))
    assert dark_rows(draw({1: 1.0, 2: 1.0}), *brows) < dark_rows(draw({}), *brows) - 1
    assert dark_rows(draw({4: 1.0}), *brows) > dark_rows(draw({}), *brows)
    assert dark_rows(draw({12: 1.0}), *mouth_corner) < dark_rows(draw({}), *mouth_corner)
    assert dark_rows(draw({15: 1.0}), *mouth_corner) > dark_rows(draw({}), *mouth_corner)
    mouth = slice(64, 92), slice(40, 56)
    assert (draw({25: 1.0, 26: 1.0})[mouth] < 40).sum() > (draw({25: 0.4})[mouth] < 40).sum() + 20


def test_emotions_differ_from_neutral_and_from_one_another():
    split = generate_faces(
        range(6), images_per_emotion=1, intensity=(1, 1), nuisance=0.0, occlusion_rate=0.0, image_size=48
    )
    faces = split.images.float().reshape(6, 7, -1)
    distance = torch.cdist(faces, faces)
    apart = distance[:, ~torch.eye(7, dtype=torch.bool)]
    # The scene is the same for all of a person's faces; what differs is the expression.
    assert apart.min() > 100


def test_expression_scales_with_intensity_and_prototypes_are_known_units():
    units = len(ACTION_UNITS)
    ones, rest = np.ones((2, units)), np.zeros((2, units))
    au = express(["sad", "neutral"], np.array([0, 1]), np.array([[0.5, 0.25], [1.0, 1.0]]), ones, rest)
    assert au[1].tolist() == [0.5, 0.0]
    assert au[15].tolist() == [0.25, 0.0]
    assert set(PROTOTYPES) == set(EMOTIONS)
    assert all(set(variant) <= set(ACTION_UNITS) for variants in PROTOTYPES.values() for variant in variants)


def test_the_occlusion_rate_is_met():
    split = generate_faces(range(60), images_per_emotion=2, image_size=24, occlusion_rate=0.5)
    hidden = (split.groups["occlusion"] != "none").mean()
    assert abs(hidden - 0.5) < 0.07  # 4 standard errors of 840 draws
    assert set(split.groups["occlusion"]) == {"none", "scarf", "hand", "strand", "sunglasses"}
    assert set(generate_faces([0], occlusion_rate=0.0).groups["occlusion"]) == {"none"}


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"identities": []}, "identities must be distinct"),
        ({"identities": [1, 1]}, "identities must be distinct"),
        ({"identities": [-1]}, "identities must be distinct"),
        ({"images_per_emotion": 0}, "images_per_emotion must be at least 1, got 0"),
        ({"image_size": 16}, "image_size of faces must be 24-128 pixels, got 16"),
        ({"image_size": 129}, "image_size of faces must be 24-128 pixels, got 129"),
        ({"intensity": (0.9, 0.2)}, "intensity must be a range"),
        ({"occlusion_rate": 1.5}, r"occlusion_rate must be in \[0, 1\], got 1\.5"),
        ({"nuisance": -1}, r"nuisance must be in \[0, 1\], got -1"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
    ],
)
def test_bad_arguments_are_refused(argument, message):
    with pytest.raises(ValueError, match=message):
        generate_faces(**({"identities": [0]} | argument))


def test_the_validation_part_needs_an_identity():
    with pytest.raises(ValueError, match="must hold out 1 to 174 of the 175 identities"):
        load_dataset("faces", validation_fraction=0.001)


def test_expressions_can_be_learned_but_not_by_brightness(faces):
    """A linear readout of the true action units does well, the mean grey level knows nothing."""
    from sklearn.linear_model import LogisticRegression

    def units(split):
        return np.stack([split.groups[f"au{unit}"] for unit in ACTION_UNITS], axis=1)

    def grey(split):
        return split.images.float().mean((1, 2, 3))[:, None].numpy() / 255

    scores = {}
    for name, feature in (("units", units), ("grey", grey)):
        readout = LogisticRegression(max_iter=500).fit(feature(faces.train), faces.train.labels)
        scores[name] = readout.score(feature(faces.test), faces.test.labels)
    assert scores["units"] > 0.9
    assert scores["grey"] < 0.25


def test_contact_sheet_is_written(tmp_path, capsys):
    image = pytest.importorskip("PIL.Image")
    from studies.data.contact_sheet import contact_sheet, main

    sheet = contact_sheet(columns=3, image_size=48)
    assert sheet.shape == (22 + 7 * 51, 64 + 3 * 51)
    main([str(tmp_path / "faces.png")])
    with image.open(tmp_path / "faces.png") as picture:
        assert picture.mode == "L"
    assert (tmp_path / "faces.png").stat().st_size < 400_000
    assert "wrote" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="usage"):
        main(["faces.gif"])
