"""Procedural expression faces: seven emotions by action units, made from numbers, nothing to download."""

from collections.abc import Sequence

import numpy as np
import torch

from studies.data.action_units import ACTION_UNITS, express
from studies.data.dataset import EMOTIONS, ImageDataset, ImageSplit
from studies.data.face_parameters import OCCLUSIONS, SCENE, STYLES, draw_person, draw_scene
from studies.data.face_render import render_faces

IDENTITIES = 225
TEST_IDENTITIES = 50
IMAGES_PER_EMOTION = 4  # of one person

_FACES_AT_ONCE = 16  # the renderer's temporaries stay in cache


def generate_faces(
    identities: Sequence[int],
    *,
    images_per_emotion: int = IMAGES_PER_EMOTION,
    image_size: int = 48,
    intensity: tuple[float, float] = (0.5, 1.0),
    occlusion_rate: float = 0.12,
    nuisance: float = 1.0,
    seed: int = 0,
) -> ImageSplit:
    """Draw pictures of the given people in all seven emotions.

    A picture is a function of (seed, identity, emotion, repetition): bit-identical however many others are
    drawn with it. Identity k belongs to population style A, B or C, in turn.

    Parameters
    ----------
    identities : sequence of int
        Numbers of the people, 0 or more, without repetition.
    images_per_emotion : int, default 4
        Pictures of each person in each emotion.
    image_size : int, default 48
        Side in pixels, 24 to 128.
    intensity : tuple of float
        Range of the expression's strength, 0 to 1; a style's expressivity multiplies it.
    occlusion_rate : float, default 0.12
        Probability of a scarf, a hand, a strand of hair or sunglasses.
    nuisance : float, default 1.0
        How far light, pose, camera and single action units stray from the ordinary, 0 to 1.
    seed : int, default 0
        Another seed, other people.

    Returns
    -------
    ImageSplit
        Ordered by identity, repetition, emotion. `groups` holds ``identity`` (int), ``style``,
        ``occlusion`` and ``glasses`` (str), ``intensity`` (0 to about 1), every nuisance of the scene,
        ``age``, ``skin``, ``beard``, and every action unit as ``au<number>``.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> split = generate_faces([0, 1], images_per_emotion=1)
    >>> split.images.shape, split.ids[0]
    (torch.Size([14, 1, 48, 48]), 'faces-0/0000/angry/00')
    """
    _check(identities, images_per_emotion, image_size, intensity, occlusion_rate, nuisance, seed)
    style_names = tuple(STYLES)
    people = {k: draw_person(seed, k, STYLES[style_names[k % len(style_names)]]) for k in identities}
    plan = [(k, r, e) for k in identities for r in range(images_per_emotion) for e in range(len(EMOTIONS))]
    images = np.empty((len(plan), image_size, image_size), dtype=np.uint8)
    groups: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(plan), _FACES_AT_ONCE):
        chunk = plan[start : start + _FACES_AT_ONCE]
        images[start : start + len(chunk)], facts = _draw(
            chunk, people, image_size, intensity, occlusion_rate, nuisance, seed
        )
        for name, values in facts.items():
            groups.setdefault(name, []).append(values)
    joined = {name: np.concatenate(values) for name, values in groups.items()}
    joined["identity"] = np.array([k for k, _, _ in plan], dtype=np.int64)
    joined["style"] = np.array([style_names[k % len(style_names)] for k, _, _ in plan])
    joined["glasses"] = np.where(joined["glasses"] > 0, "yes", "no")
    joined["occlusion"] = np.array(OCCLUSIONS)[joined["occlusion"].astype(np.int64)]
    return ImageSplit(
        images=torch.from_numpy(images).unsqueeze(1),
        labels=torch.tensor([e for _, _, e in plan], dtype=torch.int64),
        ids=[f"faces-{seed}/{k:04d}/{EMOTIONS[e]}/{r:02d}" for k, r, e in plan],
        groups=joined,
    )


def load_faces(*, validation_fraction: float = 0.1, image_size: int = 48, seed: int = 0) -> ImageDataset:
    """Draw the `faces` data set: 225 people, 28 pictures each, no person in two parts.

    Parameters
    ----------
    validation_fraction : float, default 0.1
        Part of the 175 people outside the test part who are held out, in (0, 1).
    image_size : int, default 48
        Side in pixels, 24 to 128.
    seed : int, default 0
        Another seed, other people.

    Returns
    -------
    ImageDataset
        With the default, 4,396 train, 504 validation and 1,400 test images.
    """
    pool = IDENTITIES - TEST_IDENTITIES
    held_out = round(validation_fraction * pool)
    if not 0 < held_out < pool:
        raise ValueError(
            f"validation_fraction must hold out 1 to {pool - 1} of the {pool} identities outside the test "
            f"part, got {validation_fraction!r}, which holds out {held_out}"
        )
    bounds = {
        "train": (0, pool - held_out),
        "validation": (pool - held_out, pool),
        "test": (pool, IDENTITIES),
    }
    parts = {
        name: generate_faces(range(first, last), image_size=image_size, seed=seed)
        for name, (first, last) in bounds.items()
    }
    return ImageDataset(
        name="faces",
        classes=EMOTIONS,
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        test_name="held-out identities",
        description=(
            f"procedural faces of {IDENTITIES} invented people in three population styles, seven emotions by "
            f"action units, seed {seed}; split by identity"
        ),
    )


def _draw(
    chunk: list[tuple[int, int, int]],
    people: dict[int, dict[str, float]],
    image_size: int,
    intensity: tuple[float, float],
    occlusion_rate: float,
    nuisance: float,
    seed: int,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Render one chunk; also returns the facts about its pictures."""
    style_names = tuple(STYLES)
    scenes, variants, strengths, felt, variations, noises = [], [], [], [], [], []
    for k, r, e in chunk:
        scene, rng = draw_scene(seed, k, e, r, occlusion_rate=occlusion_rate, nuisance=nuisance)
        style = STYLES[style_names[k % len(style_names)]]
        strength = rng.uniform(*intensity)
        balance = rng.uniform(0.85, 1.15)
        felt.append(strength)
        strengths.append((strength * style.upper * balance, strength * style.lower * (2 - balance)))
        variants.append(rng.integers(2))
        units = 1 + nuisance * rng.uniform(-0.3, 0.3, len(ACTION_UNITS))
        units *= np.where(rng.random(len(ACTION_UNITS)) < nuisance * 0.1, 0.4, 1.0)  # some units stay weak
        variations.append(units)
        noises.append(rng.standard_normal((image_size, image_size), dtype=np.float32))
        scenes.append(scene)
    persons = [people[k] for k, _, _ in chunk]
    au = express(
        [EMOTIONS[e] for _, _, e in chunk],
        np.array(variants),
        np.array(strengths),
        np.array(variations),
        np.array([[person[f"rest_{unit}"] for unit in ACTION_UNITS] for person in persons]),
    )
    traits = {name: np.array([person[name] for person in persons]) for name in persons[0]}
    scene_values = {name: np.array([scene[name] for scene in scenes]) for name in scenes[0]}
    images = render_faces(au, traits, scene_values, np.stack(noises))
    facts = {name: scene_values[name] for name in (*SCENE, "occlusion")}
    facts |= {name: traits[name] for name in ("age", "skin", "glasses", "beard")}
    facts |= {f"au{unit}": values for unit, values in au.items()}
    facts["intensity"] = np.array(felt)
    return images, facts


def _check(
    identities: Sequence[int],
    images_per_emotion: int,
    image_size: int,
    intensity: tuple[float, float],
    occlusion_rate: float,
    nuisance: float,
    seed: int,
) -> None:
    if not len(identities) or min(identities) < 0 or len(set(identities)) != len(identities):
        raise ValueError("identities must be distinct numbers of people, 0 or more, and at least one of them")
    if images_per_emotion < 1:
        raise ValueError(f"images_per_emotion must be at least 1, got {images_per_emotion!r}")
    if not 24 <= image_size <= 128:
        raise ValueError(f"image_size of faces must be 24-128 pixels, got {image_size!r}")
    if not 0 <= intensity[0] <= intensity[1] <= 1:
        raise ValueError(f"intensity must be a range (low, high) within [0, 1], got {intensity!r}")
    for name, value in (("occlusion_rate", occlusion_rate), ("nuisance", nuisance)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be in [0, 1], got {value!r}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed!r}")
