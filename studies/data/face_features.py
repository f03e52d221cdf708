"""The moving parts of a drawn face, each shaped by its action units. Coordinates as in `face_render`.

The constants are lengths in face coordinates and shares of grey level, chosen by eye on contact sheets.
"""

from collections.abc import Mapping

import numpy as np

from studies.data.face_shapes import Array, Values, blend, bump, cover, darken, ellipse, hair_tone, segment


def nose(
    skin: Array, t: Values, au: Mapping[int, Array], s: Values, u: Array, v: Array, pixel: np.float32
) -> None:
    """Shade the nose; wrinkling (9) lifts and widens it."""
    tip = t["nose_length"] - 0.03 * au[9] - 0.012 * au[10]
    u = u - 0.35 * s["yaw"] * np.clip(1 - np.abs(v - tip) / 0.35, 0, 1)  # the nose stands out: more parallax
    side = np.abs(u)
    width = t["nose_width"] * (1 + 0.22 * au[9] + 0.08 * au[10] + 0.08 * au[12])
    ridge = bump(u - 0.02 * s["light_x"], v - 0.5 * tip + 0.06, 0.07, 0.34)
    skin *= 1 + 0.13 * ridge
    darken(skin, 0.2 - 0.12 * s["light_x"] * np.sign(u), bump(side - 0.1, v - 0.5 * tip, 0.08, 0.3))
    skin *= 1 + 0.14 * bump(u, v - tip + 0.03, width * 0.7, 0.1)
    wing = np.abs(ellipse(side - width * 0.62, v - tip + 0.005, width * 0.52, 0.07))
    lower = np.clip((v - tip + 0.05) / 0.05, 0, 1) * np.clip((side - width * 0.4) / 0.04, 0, 1)
    darken(skin, 0.42 + 0.2 * au[9], lower * cover(wing - 0.008, pixel * 1.6))
    nostril = ellipse(side - width * 0.46, v - tip - 0.045 - 0.1 * (side - width * 0.46), width * 0.33, 0.026)
    blend(skin, t["skin"] * 0.2, 0.85 * cover(nostril, pixel * 1.3))
    darken(skin, 0.14, bump(u, v - tip - 0.1, width * 1.1, 0.07))


def lines(skin: Array, t: Values, au: Mapping[int, Array], u: Array, v: Array, pixel: np.float32) -> None:
    """Draw wrinkles and folds: age marks them lightly, action units deeply."""
    side = np.abs(u)
    age, soft = t["age"], pixel * 1.6
    brow = t["brow_height"]
    # Between the brows: two vertical furrows (4); across the bridge: oblique wrinkles (9).
    furrow = segment(side, v, (0.05, brow - 0.02), (0.045, brow + 0.13))
    darken(skin, 0.6 * au[4] + 0.1 * age, cover(furrow - 0.01, soft))
    for height, length in ((-0.1, 0.09), (-0.03, 0.1)):
        bridge = segment(side, v, (0.0, height - 0.01), (length, height + 0.045))
        darken(skin, 0.55 * au[9], cover(bridge - 0.01, soft))
    bunny = segment(side, v, (0.1, 0.0), (0.15, -0.07))
    darken(skin, 0.5 * au[9], cover(bunny - 0.01, soft))
    # Forehead: across all of it when the whole brow rises, in the middle when only its inner end does.
    reach = 0.12 + 0.28 * np.minimum(au[2] + 0.5 * age, 1)
    depth = np.clip(0.45 * np.maximum(au[1], au[2]) * (0.4 + 0.8 * age) + 0.16 * age, 0, 0.6)
    for height in (-0.57, -0.66):
        fold = np.abs(v - height - 0.1 * u * u + 0.05 * au[2]) - 0.006
        darken(skin, depth, cover(fold, soft) * np.clip((reach - side) / 0.12, 0, 1))
    # Crow's feet (6), and the pouch under the eye (6, 7).
    corner = t["eye_spacing"] + t["eye_width"] + 0.03
    feet = 0.6 * au[6] * (0.6 + 0.4 * age) + 0.12 * age
    for rise in (-0.07, 0.0, 0.07):
        foot = segment(
            side, v, (corner, t["eye_height"] + 0.2 * rise), (corner + 0.12, t["eye_height"] + rise)
        )
        darken(skin, feet, cover(foot - 0.006, soft))
    across = (side - t["eye_spacing"]) / (t["eye_width"] * 1.1)
    pouch = t["eye_height"] + 0.105 - 0.03 * au[6] - 0.05 * across * across
    strength = 0.14 + 0.2 * age + 0.4 * au[6] + 0.25 * au[7]
    darken(skin, strength, cover(np.abs(v - pouch) - 0.008, soft) * np.clip((1 - np.abs(across)) / 0.3, 0, 1))
    # From the nose to the corners of the mouth (9, 10, 12), and down from them (15).
    width = t["mouth_width"] * (1 + 0.22 * au[12] + 0.2 * au[20])
    top, bottom = t["nose_length"] - 0.05 * au[9] - 0.03, t["mouth_height"] - 0.04 - 0.05 * au[12]
    k = np.clip((v - top) / (bottom - top), 0, 1)
    start = t["nose_width"] * 1.05 + 0.02
    fold = np.abs(side - start - (width + 0.07 - start) * k - (0.05 * au[12] + 0.02) * 4 * k * (1 - k))
    inside = np.clip((v - top) / 0.04, 0, 1) * np.clip((bottom + 0.03 - v) / 0.05, 0, 1)
    strength = 0.1 + 0.26 * age + 0.45 * au[12] + 0.5 * au[10] + 0.35 * au[9]
    darken(skin, np.minimum(strength, 0.65), inside * cover(fold * 0.85 - 0.01, soft * 1.3))
    marionette = segment(
        side,
        v,
        (width * 0.98 + 0.02, t["mouth_height"] + 0.06),
        (width * 0.98 + 0.03, t["mouth_height"] + 0.17),
    )
    darken(skin, 0.45 * au[15] + 0.16 * age, cover(marionette - 0.01, soft))
    # The chin's dimple (17).
    boss = np.abs(ellipse(u, v - t["mouth_height"] - 0.24 + 0.03 * au[17], 0.11, 0.05)) - 0.006
    darken(skin, 0.5 * au[17], cover(boss, soft) * np.clip((t["mouth_height"] + 0.24 - v) / 0.03, 0, 1))


def beard(skin: Array, t: Values, u: Array, v: Array, head: Array, pixel: np.float32) -> None:
    """Paint beard and moustache."""
    side = np.abs(u)
    cheek_line = 0.3 + 0.3 * np.clip(0.55 - side, 0, 0.4)
    around = ellipse(u, v - t["mouth_height"], t["mouth_width"] * 1.06, 0.13)
    beard = np.clip((v - cheek_line) / 0.1, 0, 1) * np.clip(around / 0.06, 0, 1)
    moustache = ellipse(u, v - t["mouth_height"] + 0.13 - 0.35 * side * side, t["mouth_width"] * 0.95, 0.055)
    tone = hair_tone(t, u * 2, v)
    blend(skin, tone, t["beard"] * beard)
    blend(skin, tone, t["moustache"] * cover(moustache, pixel * 2))


def eyes(
    skin: Array, t: Values, au: Mapping[int, Array], s: Values, u: Array, v: Array, pixel: np.float32
) -> None:
    """Paint lids, eyes and lashes (5, 6, 7, 43)."""
    side = np.abs(u)
    width = t["eye_width"]
    across = (side - t["eye_spacing"]) / width
    level = t["eye_height"] - t["eye_tilt"] * across + 0.5 * s["asymmetry"] * u
    open_top = t["eye_open"] * (1 + 0.75 * au[5]) * (1 - 0.3 * au[7]) * (1 - 0.12 * au[6]) * (1 - 0.1 * au[9])
    top = width * open_top * (1 - 0.9 * np.minimum(au[43], 1))
    bottom = width * 0.6 * t["eye_open"] * (1 - 0.45 * au[6]) * (1 - 0.45 * au[7]) * (1 - 0.3 * au[9])
    arch = 1 - across * across
    upper, lower = level - top * arch, level + bottom * arch
    slit = np.maximum(upper - v, v - lower)
    beside = np.abs(across) - 1
    # Lid above the eye, its crease, the opening, then what is seen in it.
    skin *= 1 + 0.06 * cover(np.maximum(upper - 0.05 - v, v - upper), pixel * 2) * (beside < 0)
    crease = np.abs(v - upper + 0.035 + 0.03 * au[5]) - 0.004
    darken(skin, 0.3, cover(crease, pixel * 1.5) * np.clip(-beside / 0.15, 0, 1))
    opening = cover(slit, pixel) * (beside < 0)
    sclera = np.minimum(0.35 + 0.65 * t["skin"] + 0.12, 0.93) * (0.75 + 0.25 * s["ambient"])
    eye = np.broadcast_to(sclera, v.shape).copy()
    darken(eye, 0.3, np.clip(1 - (v - upper) / 0.05, 0, 1))
    du = side - t["eye_spacing"] - s["gaze_x"] * np.sign(u)
    dv = v - level + 0.25 * (top - bottom) - s["gaze_y"]
    iris = np.sqrt(du * du + dv * dv)
    blend(eye, t["iris"], cover(iris - 0.46 * width, pixel))
    blend(eye, 0.04, cover(iris - 0.2 * width, pixel))
    glint = np.sqrt((du + 0.02 - 0.03 * s["light_x"]) ** 2 + (dv + 0.025) ** 2)
    blend(eye, 0.95, 0.8 * cover(glint - 0.018, pixel * 1.2))
    blend(skin, eye, opening)
    lash = np.abs(v - upper) - t["lashes"]
    blend(skin, 0.08, 0.85 * cover(lash, pixel * 1.2) * np.clip((0.12 - beside) / 0.1, 0, 1))
    darken(skin, 0.3, cover(np.abs(v - lower) - 0.006, pixel * 1.2) * (beside < 0))


def brows(
    skin: Array, t: Values, au: Mapping[int, Array], s: Values, u: Array, v: Array, pixel: np.float32
) -> None:
    """Paint the brows (1, 2, 4) and the shadow under them."""
    side = np.abs(u)
    length = t["brow_length"]
    along = (side - t["eye_spacing"] + 0.035 * au[4] + 0.01 * au[9]) / length  # -1 inner end, 1 outer end
    inner = 0.02 - 0.12 * au[1] + 0.11 * au[4] + 0.06 * au[9]
    middle = -t["brow_arch"] - 0.05 * au[1] - 0.09 * au[2] + 0.07 * au[4] + 0.03 * au[9]
    outer = 0.03 + 0.02 * au[1] - 0.1 * au[2] + 0.01 * au[4] + 0.015 * au[6]
    height = t["brow_height"] - 0.02 * au[5] - s["asymmetry"] * u
    slope, bend = 0.5 * (outer - inner), 0.5 * (outer + inner) - middle
    curve = height + middle + slope * along + bend * along * along
    steep = (slope + 2 * bend * along) / length
    thickness = t["brow_thickness"] * np.clip(
        1.15 - 0.45 * (along + 1) * 0.5 - 0.25 * np.maximum(along, 0), 0.3, 1.2
    )
    distance = np.abs(v - curve) / np.sqrt(1 + steep * steep) - thickness
    ends = np.clip((1 - np.abs(along)) / 0.12, 0, 1)
    # The ridge under a lowered brow shades the eye.
    darken(skin, 0.12 + 0.22 * au[4], bump(side - t["eye_spacing"] + 0.05, v - curve - 0.05, 0.2, 0.08))
    blend(
        skin,
        np.minimum(t["hair"] * 0.8, t["skin"] * 0.62),
        t["brow_density"] * ends * cover(distance, pixel * 1.2),
    )


def mouth(
    skin: Array, t: Values, au: Mapping[int, Array], s: Values, u: Array, v: Array, pixel: np.float32
) -> None:
    """Paint lips, teeth and the opening of the mouth (10 to 26)."""
    v = v - 0.6 * s["asymmetry"] * u
    level = t["mouth_height"]
    width = t["mouth_width"] * (
        1
        + 0.25 * au[12]
        + 0.28 * au[20]
        - 0.14 * au[23]
        - 0.2 * au[26] * (1 - np.minimum(au[20] + au[12], 1))
    )
    across = np.minimum(np.abs(u) / width, 1)
    square = np.clip(0.7 * au[20] + 0.6 * au[16] + 0.5 * au[10], 0, 1)
    parabola = 1 - across * across
    arch = parabola + square * across * across * parabola  # from 1 - x^2 towards 1 - x^4
    corner = level - 0.1 * au[12] + 0.095 * au[15] + 0.03 * au[20] + 0.11 * au[26]
    middle = level + 0.035 * au[12] - 0.05 * au[17] - 0.025 * au[15]
    parted = au[25] * 0.5 + 0.5 * np.minimum(au[25] * 4, 1)
    upper_middle = (
        middle
        - parted * (0.025 + 0.02 * au[12] + 0.03 * au[20])
        - 0.065 * au[10]
        - 0.03 * au[9] * (1 - 0.5 * au[10])
    )
    lower_middle = (
        middle + parted * (0.03 + 0.05 * au[12] + 0.05 * au[20] + 0.07 * au[16]) + parted * 0.25 * au[26]
    )
    closed = 1 - np.minimum(au[25] * 4, 1)
    lower_middle = lower_middle * (1 - closed) + upper_middle * closed
    upper = corner + (upper_middle - corner) * arch
    rounded = np.minimum(au[26], 1)  # a dropped jaw opens an oval
    lower = corner + (lower_middle - corner) * (arch + rounded * (np.sqrt(parabola) - arch))
    thin = (1 - 0.62 * np.minimum(au[23], 1)) * (1 - 0.25 * au[12]) * (1 - 0.3 * au[20])
    lip = t["lips"] * thin
    bow = 1 - 0.3 * np.maximum(1 - across * 5, 0)
    lip_top = upper - lip * 0.75 * arch * bow * (1 + 0.3 * au[10])
    lip_bottom = lower + lip * arch * (1 + 0.5 * au[17])
    beside = np.abs(u) - width
    inside = cover(beside, pixel)
    lips = cover(np.maximum(lip_top - v, v - lip_bottom), pixel * 1.2) * inside
    darken(skin, 0.26 + 0.2 * au[17], bump(u, v - lip_bottom - 0.045, width * 0.75, 0.06))
    tone = skin * t["lip_tone"]
    tone *= 1 + 0.16 * bump(u, v - lower - 0.5 * lip, width * 0.6, lip * 0.8 + 0.01)
    blend(skin, tone, lips)
    # The opening: dark, with tongue and teeth as far as the lips uncover them.
    hole = np.broadcast_to(np.float32(0.07), v.shape).copy()
    blend(hole, 0.3 * (0.5 + t["skin"]), cover(ellipse(u, v - lower - 0.02, width * 0.6, 0.09), pixel * 2))
    smile = np.clip(au[12] + au[10] + 0.9 * au[20] + 0.8 * au[16] + 0.25 * au[26], 0, 1)
    teeth = np.maximum(v - 0.7 * upper_middle - 0.3 * upper - 0.075 * smile, np.abs(u) - 0.86 * width)
    gap = np.abs(u / 0.065 - np.floor(u / 0.065) - 0.5)
    blend(hole, 0.88 - 0.15 * (gap < 0.06), smile * cover(teeth, pixel * 1.3))
    low_teeth = np.maximum(lower - 0.045 - v, np.abs(u) - 0.7 * width)
    blend(hole, 0.75, np.clip(au[16] * 0.9 + 0.3 * au[20], 0, 1) * cover(low_teeth, pixel * 1.3))
    opening = cover(np.maximum(upper - v, v - lower), pixel) * inside * (1 - closed)
    blend(skin, hole, opening)
    line = np.abs(v - 0.5 * (upper + lower)) - 0.009 - 0.006 * au[23]
    blend(
        skin,
        t["skin"] * 0.22,
        (0.35 + 0.5 * closed) * cover(np.maximum(line, beside), pixel * 1.3) * (1 - opening),
    )
    dimple = np.sqrt((np.abs(u) - width - 0.01) ** 2 + (v - corner) ** 2) - 0.018
    darken(skin, 0.4 + 0.2 * au[12], cover(dimple, pixel * 2))
