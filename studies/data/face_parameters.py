"""Who a procedural face is, and how it is seen: traits, scene and population styles, drawn by counter."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from studies.data.action_units import ACTION_UNITS

TRAITS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "face_width": (0.60, 0.74),  # half-width of the head, face units
        "taper": (0.10, 0.34),  # how much the jaw narrows
        "squareness": (0.0, 0.55),  # 0 an ellipse, larger a squarer outline
        "chin": (0.80, 0.90),  # height of the chin's tip
        "eye_spacing": (0.265, 0.325),  # from the midline to an eye's centre
        "eye_height": (-0.16, -0.08),
        "eye_width": (0.125, 0.165),  # half-width of an eye
        "eye_open": (0.36, 0.56),  # upper lid's height over half-width, at rest
        "eye_tilt": (-0.015, 0.035),  # rise of the outer corner
        "iris": (0.10, 0.38),  # grey level
        "lashes": (0.010, 0.022),  # half-thickness of the lid line
        "sockets": (0.08, 0.26),  # darkening around the eyes
        "brow_gap": (0.155, 0.215),  # from an eye's centre up to its brow
        "brow_length": (0.155, 0.205),
        "brow_arch": (0.01, 0.05),
        "brow_thickness": (0.017, 0.040),
        "brow_density": (0.65, 0.97),
        "nose_length": (0.17, 0.27),  # height of its base
        "nose_width": (0.10, 0.155),
        "mouth_gap": (0.205, 0.265),  # from the nose's base down to the mouth
        "mouth_width": (0.205, 0.275),
        "lips": (0.035, 0.075),
        "lip_tone": (0.62, 0.82),
        "age": (0.0, 1.0),  # wrinkles
        "clothes": (0.08, 0.85),
        "strands": (5.0, 11.0),  # hair strands a face unit
        "hair_volume": (0.0, 0.12),
        "hairline": (-0.76, -0.54),
        "hairline_curve": (0.1, 0.9),
        "part": (-0.22, 0.22),  # slant of a fringe
        "jag": (0.0, 0.14),
    }
)
"""Ranges of the uniform traits of a person, lengths in face coordinates, tones as grey levels in [0, 1]."""

SCENE: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "light_angle": (-1.1, 1.1),  # direction the light comes from, rad to the right of the camera
        "light_height": (-0.75, 0.25),  # vertical component, negative from above
        "ambient": (0.40, 0.80),  # share of light without a direction
        "brightness": (-0.1, 0.1),
        "contrast": (0.75, 1.12),
        "roll": (-0.17, 0.17),  # rotation in the picture, rad
        "yaw": (-0.14, 0.14),  # parallax of a turned head, face units
        "pitch": (-0.06, 0.06),  # parallax of a nodding head, face units
        "scale": (1.04, 1.28),
        "shift_x": (-0.06, 0.06),
        "shift_y": (-0.09, 0.04),
        "gaze_x": (-0.045, 0.045),
        "gaze_y": (-0.018, 0.018),
        "asymmetry": (-0.045, 0.045),  # slant of brows, eyes and mouth
        "background": (0.08, 0.92),
        "background_x": (-0.2, 0.2),
        "background_y": (-0.2, 0.2),
        "blob": (-0.3, 0.3),
        "blob_x": (-1.0, 1.0),
        "blob_y": (-1.0, 0.4),
        "blob_radius": (0.3, 0.9),
        "blur": (0.0, 0.35),  # weight of a neighbouring pixel
        "noise": (0.004, 0.03),  # standard deviation, of the full grey scale
        "scarf_height": (0.30, 0.55),
        "hand_x": (-0.25, 0.25),
        "hand_y": (-0.05, 0.65),
        "strand_x": (-0.4, 0.4),
        "strand_lean": (-1.0, 1.0),
    }
)
"""Ranges of the uniform nuisances of a picture."""

ONE_SIDED = frozenset({"blur", "noise"})
"""Nuisances that are absent at the low end of their range; the others at its middle."""

OCCLUSIONS = ("none", "scarf", "hand", "strand", "sunglasses")
"""What may cover a part of the face."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PopulationStyle:
    """How the faces of one population look and how broadly they show emotion.

    Invented: styles stand for no people. They differ in looks and in expressivity, so that what one style
    teaches can be tested on another.

    Parameters
    ----------
    skin, hair : tuple of float
        Ranges of the tones, grey levels in [0, 1].
    upper, lower : float
        Expressivity of the upper and of the lower face: factors on the intensity of action units.
    brow : float
        Factor on the thickness of brows.
    width : float
        Factor on the width of the head.
    long_hair, beard, glasses : float
        Probabilities.
    """

    skin: tuple[float, float]
    hair: tuple[float, float]
    upper: float
    lower: float
    brow: float = 1.0
    width: float = 1.0
    long_hair: float = 0.4
    beard: float = 0.2
    glasses: float = 0.15


STYLES: Mapping[str, PopulationStyle] = MappingProxyType(
    {
        # balanced
        "A": PopulationStyle(skin=(0.55, 0.80), hair=(0.05, 0.28), upper=1.0, lower=1.0),
        # muted, and in the eyes and brows more than in the mouth
        "B": PopulationStyle(
            skin=(0.64, 0.86), hair=(0.12, 0.62), upper=0.95, lower=0.75, brow=0.9, width=0.96, long_hair=0.5
        ),
        # broad, with the mouth more than with the brows
        "C": PopulationStyle(
            skin=(0.42, 0.68), hair=(0.20, 0.60), upper=0.85, lower=1.15, brow=1.15, width=1.03, beard=0.3
        ),
    }
)
"""Population styles by name."""


def draw_person(seed: int, identity: int, style: PopulationStyle) -> dict[str, float]:
    """Draw the traits of one person: those of `TRAITS` and what follows; a function of the arguments alone.

    Keys ``rest_<unit>`` are action units the face shows at rest (a frown, drooping corners); emotion adds to
    them.
    """
    rng = _generator(seed, 1, identity, 0, 0)
    person = {name: float(rng.uniform(low, high)) for name, (low, high) in TRAITS.items()}
    person["skin"] = float(rng.uniform(*style.skin))
    person["hair"] = float(rng.uniform(*style.hair))
    person["brow_thickness"] *= style.brow
    person["face_width"] *= style.width
    person["age"] **= 1.5
    if rng.random() < 0.35 * person["age"]:  # grey with age
        person["hair"] = float(rng.uniform(0.6, 0.85))
    chance = rng.random(6)
    long_hair = chance[0] < style.long_hair
    person["has_hair"] = float(long_hair or chance[1] > 0.3 * person["age"])
    person["hair_length"] = float(rng.uniform(0.3, 1.2)) if long_hair else -0.35
    person["side_length"] = float(rng.uniform(0.2, 0.75)) if long_hair else float(rng.uniform(-0.25, 0.05))
    person["sideburn"] = float(rng.uniform(0.0, 0.12))
    person["ears"] = float(not long_hair)
    bearded = not long_hair and chance[2] < style.beard * 1.6
    person["beard"] = float(rng.uniform(0.35, 0.95)) if bearded else 0.0
    person["moustache"] = float(not long_hair and (bearded or chance[3] < 0.1)) * 0.85
    person["glasses"] = float(chance[4] < style.glasses)
    person["brow_height"] = person["eye_height"] - person["brow_gap"]
    person["mouth_height"] = person["nose_length"] + person["mouth_gap"]
    resting = rng.random(len(ACTION_UNITS))
    for unit, value in zip(ACTION_UNITS, resting, strict=True):
        # One unit in five moves the resting face a little: some look as if they felt what they do not.
        opens_mouth = unit in (10, 16, 20, 25, 26)
        person[f"rest_{unit}"] = 0.0 if opens_mouth else float(max(0.0, value - 0.8))
    return person


def draw_scene(
    seed: int, identity: int, emotion: int, repetition: int, *, occlusion_rate: float, nuisance: float
) -> tuple[dict[str, float], np.random.Generator]:
    """Give the nuisances of one picture, and the generator that goes on to the expression and the noise."""
    rng = _generator(seed, 2, identity, emotion, repetition)
    scene = {}
    for name, (low, high) in SCENE.items():
        centre = low if name in ONE_SIDED else 0.5 * (low + high)
        scene[name] = float(centre + nuisance * (rng.uniform(low, high) - centre))
    horizontal = math.sin(scene["light_angle"])
    norm = math.sqrt(1 + scene["light_height"] ** 2)
    scene["light_x"] = horizontal / norm
    scene["light_y"] = scene["light_height"] / norm
    scene["light_z"] = math.cos(scene["light_angle"]) / norm
    scene["roll_cos"], scene["roll_sin"] = math.cos(scene["roll"]), math.sin(scene["roll"])
    scene["hand_side"] = 1.0 if rng.random() < 0.5 else -1.0
    hidden, which = rng.random(), int(rng.integers(1, len(OCCLUSIONS)))
    scene["occlusion"] = float(which) if hidden < occlusion_rate else 0.0
    for code, name in enumerate(OCCLUSIONS[1:], start=1):
        scene[name] = float(scene["occlusion"] == code)
    return scene, rng


def _generator(seed: int, stream: int, identity: int, emotion: int, repetition: int) -> np.random.Generator:
    """Give every sample a generator of its own: nothing depends on how many are drawn, or in which order."""
    return np.random.Generator(
        np.random.Philox(key=[seed, stream], counter=[0, repetition, emotion, identity])
    )
