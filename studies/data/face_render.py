"""Draw faces from numbers: signed distances, smooth edges, a batch at a time.

Face coordinates: `u` to the right, `v` down, the origin between eyes and nose, the chin near v = 0.86. A
pixel is about ``2.1 / image_size`` wide. Only +, -, *, /, floor, square root, minimum and maximum are used on
pixels, so an image does not depend on its place in a batch, to the last bit.
"""

from collections.abc import Mapping

import numpy as np

from studies.data.face_features import beard, brows, eyes, lines, mouth, nose
from studies.data.face_shapes import Array, Values, blend, bump, cover, darken, ellipse, hair_tone

VIEW = 1.04
"""Half the width of the picture in face coordinates."""


def render_faces(units: Mapping[int, Array], traits: Values, scene: Values, noise: Array) -> Array:
    """Draw one grey image a row of the parameters.

    Parameters
    ----------
    units : mapping of int to ndarray
        Action-unit intensities, arrays (N,), as `studies.data.action_units.express` returns them.
    traits : mapping of str to ndarray
        What belongs to the person, arrays (N,); names in `studies.data.faces.TRAITS`.
    scene : mapping of str to ndarray
        Light, pose, occlusion and camera, arrays (N,); names in `studies.data.faces.SCENE`.
    noise : ndarray
        Standard normal, float32, shape (N, image_size, image_size).

    Returns
    -------
    ndarray
        uint8, shape (N, image_size, image_size).
    """
    au = {unit: _column(values) for unit, values in units.items()}
    t = {name: _column(values) for name, values in traits.items()}
    s = {name: _column(values) for name, values in scene.items()}
    size = noise.shape[-1]
    pixel = np.float32(2 * VIEW / size)

    x, y, u, v = _coordinates(s, size, pixel)
    canvas = _background(s, x, y)
    head = _head(t, au, u, v)
    _body_and_hair(canvas, t, u, v, head, pixel)
    skin = _skin(t, s, au, u, v, head)
    nose(skin, t, au, s, u, v, pixel)
    lines(skin, t, au, u, v, pixel)
    beard(skin, t, u, v, head, pixel)
    eyes(skin, t, au, s, u, v, pixel)
    brows(skin, t, au, s, u, v, pixel)
    mouth(skin, t, au, s, u, v, pixel)
    blend(canvas, skin, cover(head, pixel))
    _fringe(canvas, t, u, v, head, pixel)
    _glasses(canvas, t, s, u, v, pixel)
    _occlusion(canvas, t, s, u, v, pixel)
    return _camera(canvas, s, noise)


def _column(values: Array) -> Array:
    return np.asarray(values, dtype=np.float32)[:, None, None]


def _coordinates(s: Values, size: int, pixel: np.float32) -> tuple[Array, Array, Array, Array]:
    """Picture coordinates x, y and face coordinates u, v of every pixel."""
    axis = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * pixel - np.float32(VIEW)
    x, y = axis[None, None, :], axis[None, :, None]
    xs, ys = x - s["shift_x"], y - s["shift_y"]
    u = (s["roll_cos"] * xs + s["roll_sin"] * ys) / s["scale"]
    v = (s["roll_cos"] * ys - s["roll_sin"] * xs) / s["scale"]
    # Turning the head moves what is near the camera most: parallax over a rounded face.
    depth = np.maximum(1 - (u / 0.8) ** 2 - (v / 1.0) ** 2, 0)
    return x, y, u - s["yaw"] * depth, v - s["pitch"] * depth


def _background(s: Values, x: Array, y: Array) -> Array:
    slope = s["background_x"] * x + s["background_y"] * y
    blob = bump(x - s["blob_x"], y - s["blob_y"], s["blob_radius"], s["blob_radius"])
    level: Array = np.clip(s["background"] + slope + s["blob"] * blob, 0.02, 0.98)
    return level


def _head(t: Values, au: Mapping[int, Array], u: Array, v: Array) -> Array:
    """About the signed distance to the outline of the head."""
    chin = t["chin"] + 0.11 * au[26]
    below = np.maximum(v, 0) / chin
    half_width = t["face_width"] * (1 - t["taper"] * below * below)
    across = (u / half_width) ** 2
    down = (np.minimum(v, 0) / 0.93) ** 2 + below * below
    radius = np.sqrt(np.maximum(across + down - t["squareness"] * across * down, 0))
    distance: Array = (radius - 1) * t["face_width"]
    return distance


def _body_and_hair(canvas: Array, t: Values, u: Array, v: Array, head: Array, pixel: np.float32) -> None:
    side = np.abs(u)
    hair = hair_tone(t, u, v)
    back = ellipse(u, v + 0.25, t["face_width"] + 0.14 + t["hair_volume"], 0.84 + 0.6 * t["hair_volume"])
    length = np.maximum(side - t["face_width"] - 0.12, np.maximum(v - t["hair_length"], -0.1 - v))
    blend(canvas, hair * 0.85, t["has_hair"] * cover(np.minimum(back, length), pixel * 2))
    neck = np.maximum(side - t["face_width"] * 0.62, 0.55 - v)
    blend(canvas, t["skin"] * 0.62, cover(neck, pixel * 1.5))
    clothes = 1.0 - v + 0.12 * np.abs(side - 0.35)
    blend(canvas, t["clothes"], cover(clothes, pixel * 1.5))
    ears = ellipse(side - t["face_width"], v - 0.02, 0.1, 0.18)
    blend(canvas, t["skin"] * (0.72 + 0.2 * cover(ears + 0.04, pixel * 3)), t["ears"] * cover(ears, pixel))


def _skin(t: Values, s: Values, au: Mapping[int, Array], u: Array, v: Array, head: Array) -> Array:
    """Give the lit, empty face: a rounded head with cheeks, sockets, forehead and chin."""
    side = np.abs(u)
    nu, nv = u / (t["face_width"] * 1.12), v / 1.08
    nw = np.sqrt(np.maximum(1 - nu * nu - nv * nv, 0.02))
    lit = np.maximum(nu * s["light_x"] + nv * s["light_y"] + nw * s["light_z"], 0)
    skin: Array = t["skin"] * (s["ambient"] + (1 - s["ambient"]) * lit)
    cheek_raise = 0.6 * au[6] + 0.5 * au[12]
    cheek = bump(side - 0.4, v - 0.2 + 0.07 * cheek_raise, 0.26, 0.24)
    skin *= 1 + (0.07 + 0.12 * cheek_raise) * cheek
    skin *= 1 + 0.08 * bump(u, v + 0.6, 0.45, 0.3)
    chin = bump(u, v - t["chin"] + 0.13 - 0.1 * au[26], 0.22, 0.15)
    skin *= 1 + 0.1 * chin
    darken(skin, t["sockets"], bump(side - t["eye_spacing"], v + 0.17, 0.27, 0.2))
    darken(skin, 0.16, np.clip(1 + head / 0.16, 0, 1))
    return skin


def _fringe(canvas: Array, t: Values, u: Array, v: Array, head: Array, pixel: np.float32) -> None:
    tooth = u * 6 + t["strands"]
    jag = np.abs(tooth - np.floor(tooth) - 0.5)
    line = t["hairline"] + t["hairline_curve"] * u * u + t["part"] * u + t["jag"] * jag
    crown = np.maximum(head - 0.05 - t["hair_volume"] * 0.5, v - line)
    sides = np.maximum(np.maximum(head - 0.04, -head - t["sideburn"]), v - t["side_length"])
    blend(canvas, hair_tone(t, u, v), t["has_hair"] * cover(np.minimum(crown, sides), pixel * 1.6))


def _glasses(canvas: Array, t: Values, s: Values, u: Array, v: Array, pixel: np.float32) -> None:
    side = np.abs(u)
    du, dv = np.abs(side - t["eye_spacing"]) - 0.13, np.abs(v - t["eye_height"] - 0.015) - 0.085
    lens = (
        np.sqrt(np.maximum(du, 0) ** 2 + np.maximum(dv, 0) ** 2) + np.minimum(np.maximum(du, dv), 0) - 0.055
    )
    bridge = np.maximum(side - t["eye_spacing"] + 0.18, np.abs(v - t["eye_height"] + 0.02) - 0.012)
    arms = np.maximum(t["eye_spacing"] + 0.18 - side, np.abs(v - t["eye_height"] + 0.03) - 0.014)
    frame = np.minimum(np.minimum(np.abs(lens) - 0.016, bridge), np.maximum(arms, side - t["face_width"]))
    blend(canvas, 0.05, s["sunglasses"] * 0.93 * cover(lens, pixel * 1.2))
    blend(canvas, 0.1, np.maximum(t["glasses"], s["sunglasses"]) * 0.9 * cover(frame, pixel * 1.2))


def _occlusion(canvas: Array, t: Values, s: Values, u: Array, v: Array, pixel: np.float32) -> None:
    """Paint a scarf over the mouth, a hand on the face, or a strand of hair across it."""
    fold = v * 9 + 2 * u * u
    cloth = t["clothes"] * (0.8 + 0.4 * np.abs(fold - np.floor(fold) - 0.5))
    blend(canvas, cloth, s["scarf"] * cover(s["scarf_height"] + 0.12 * u * u - v, pixel * 1.5))
    hu, hv = (u - s["hand_x"]) * s["hand_side"], v - s["hand_y"]
    along = hu * 0.8 + hv * 0.6
    across = hv * 0.8 - hu * 0.6
    finger = across / 0.13
    nearest = finger - np.floor(finger) - 0.5
    hand = np.maximum(
        np.maximum(np.abs(across) - 0.26, -along - 0.05 + 0.8 * across * across),
        np.abs(nearest) * 0.13 - 0.06,
    )
    palm = ellipse(hu - 0.32, hv - 0.3, 0.3, 0.34)
    shade = t["skin"] * (0.95 - 0.5 * nearest * nearest)
    blend(canvas, shade * 0.6, s["hand"] * cover(np.minimum(hand - 0.02, palm - 0.02), pixel * 1.5))
    blend(canvas, shade, s["hand"] * cover(np.minimum(hand, palm), pixel * 1.2))
    lock = np.abs(u - s["strand_x"] - 0.3 * s["strand_lean"] * v - 0.25 * v * v) - 0.05 * np.clip(
        0.75 - v, 0, 1
    )
    blend(canvas, hair_tone(t, u * 2, v) * 0.9, s["strand"] * cover(np.maximum(lock, v - 0.7), pixel * 1.2))


def _camera(canvas: Array, s: Values, noise: Array) -> Array:
    """Gain, blur by a [w, 1, w] kernel in both directions, sensor noise, 8 bits."""
    image = canvas.astype(np.float32, copy=False)
    weight = s["blur"]
    for axis in (1, 2):
        padded = np.pad(image, [(0, 0), *((1, 1) if a == axis else (0, 0) for a in (1, 2))], mode="edge")
        before, after = (
            (padded[:, :-2], padded[:, 2:]) if axis == 1 else (padded[:, :, :-2], padded[:, :, 2:])
        )
        image = (image + weight * (before + after)) / (1 + 2 * weight)
    image = (image - 0.5) * s["contrast"] + 0.5 + s["brightness"] + s["noise"] * noise
    levels: Array = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return levels
