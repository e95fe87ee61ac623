"""Everything the renderer needs to know about B pictures, as numbers: people, muscles, camera, light, style."""

from __future__ import annotations

import numpy as np

from ferbench.builtin.synth.anatomy import moved
from ferbench.builtin.synth.draws import Draws, Floats, cosine, quantised, sine
from ferbench.builtin.synth.expressions import UNITS, activations
from ferbench.builtin.synth.factors import Cast
from ferbench.builtin.synth.identity import at_rest
from ferbench.builtin.synth.profiles import LIGHTS, Profile

Scene = dict[str, Floats]


def scene(cast: Cast) -> Scene:
    """All knobs of ``cast``: [B], [B, 2] by side of the picture or [B, 3] by colour channel; quantised."""
    display = cast.profile
    units = activations(cast.of, cast.expression, cast.intensity, display.blend, display.mixed, display.lean)
    accent = dict(display.accent)
    units = {unit: units[unit] * accent.get(unit, 1.0) for unit in UNITS}
    rest = at_rest(cast)
    face = {**rest, **moved(rest, units, cast.of)}
    return quantised({**face, **_camera(cast), **_light(cast), **_backdrop(cast), **_style(cast), **_occluders(cast)})


def _camera(cast: Cast) -> Scene:
    of, profile, shake = cast.of, cast.profile, cast.shake
    scale = of.between("scale", *profile.size) * (1.0 + shake["zoom"])
    shift_x = of.bell("shift_x", profile.shift / 2.0) + shake["shift_x"]
    shift_y = of.bell("shift_y", profile.shift / 2.0) - 0.24 * scale + shake["shift_y"]
    roll_sin, roll_cos = sine(cast.roll), cosine(cast.roll)
    return {
        "yaw_sin": sine(cast.yaw),
        "yaw_cos": cosine(cast.yaw),
        "pitch_sin": sine(cast.pitch),
        "roll_sin": roll_sin,
        "roll_cos": roll_cos,
        "scale": scale,
        "shift_x": shift_x,
        "shift_y": shift_y,
        "to_cos": roll_cos / scale,
        "to_sin": roll_sin / scale,
        "to_x": -(shift_x * roll_cos + shift_y * roll_sin) / scale,
        "to_y": (shift_x * roll_sin - shift_y * roll_cos) / scale,
    }


def _light(cast: Cast) -> Scene:
    of = cast.of
    x, y, z, ambient, directed = (np.array([light[i] for light in LIGHTS.values()])[cast.light] for i in range(5))
    jitter = 0.0 if cast.profile.lights[1:] == (0,) * 7 else 0.08
    return {
        "light_x": x + of.bell("light_x", jitter),
        "light_y": y + of.bell("light_y", jitter),
        "light_z": z,
        "ambient": ambient + of.bell("ambient", jitter * 0.3),
        "directed": directed,
    }


def _backdrop(cast: Cast) -> Scene:
    of, busy = cast.of, cast.profile.backdrop
    plain = np.array((0.66, 0.65, 0.63))
    near, far = (_muted(of, name, cast.profile.gaudy) for name in ("near", "far"))
    scene: Scene = {
        "near": plain + (near - plain) * busy,
        "far": plain + 0.08 + (far - plain - 0.08) * busy,
        "ramp_x": of.bell("ramp_x", 0.3),
        "ramp_y": of.bell("ramp_y", 0.3),
        "clutter": of.between("clutter", 0.0, 0.9) * busy,
        "cloud_x": np.floor(of.unit("cloud_x") * 256),
        "cloud_y": np.floor(of.unit("cloud_y") * 256),
    }
    for i in range(3):
        scene |= {
            f"blob{i}_x": of.between(f"blob{i}_x", -1.1, 1.1),
            f"blob{i}_y": of.between(f"blob{i}_y", -1.1, 1.1),
            f"blob{i}_w": of.between(f"blob{i}_w", 0.1, 0.7),
            f"blob{i}_h": of.between(f"blob{i}_h", 0.1, 0.9),
            f"blob{i}": of.between(f"blob{i}", -0.8, 0.8) * busy,
        }
    return scene


def _muted(of: Draws, name: str, gaudy: float) -> Floats:
    """A colour [B, 3], most of it grey."""
    grey = of.between(f"{name}.grey", 0.12, 0.85)[:, None]
    hue = np.stack([of.between(f"{name}.{c}", 0.05, 0.95) for c in "rgb"], axis=1)
    return grey + (hue - grey) * gaudy


def _style(cast: Cast) -> Scene:
    of, profile, shake = cast.of, cast.profile, cast.shake
    tint = np.stack([of.bell(f"tint.{c}", profile.cast / 2.0) for c in "rgb"], axis=1)
    exposure = (of.between("exposure", *profile.exposure) * (1.0 + shake["exposure"]))[:, None]
    contrast = of.between("contrast", *profile.contrast)[:, None]
    gain = np.array(profile.gain) * (1.0 + tint) * exposure
    return {
        "gain": gain * contrast,
        "lift": np.broadcast_to((1.0 - contrast) * 0.42 * np.array(profile.gain) * exposure, gain.shape),
        "saturation": of.between("saturation", *profile.saturation),
        "blur": np.maximum(of.between("blur", *profile.blur), shake["blur"]),
        "grain": of.between("grain", *profile.grain),
        "grain_x": np.floor(cast.each.unit("grain_x") * 256),
        "grain_y": np.floor(cast.each.unit("grain_y") * 256),
        "vignette": np.full(len(of), profile.vignette),
        **_overlay(of, profile),
    }


def _overlay(of: Draws, profile: Profile) -> Scene:
    """A caption bar, as pictures on the web carry."""
    return {
        "caption": of.chance("caption", profile.overlay),
        "caption_y": np.where(of.unit("caption.side") < 0.7, 0.80, -0.86) + of.bell("caption_y", 0.03),
        "caption_h": of.between("caption_h", 0.05, 0.10),
        "caption_light": of.chance("caption.light", 0.5),
    }


def _occluders(cast: Cast) -> Scene:
    of = cast.of
    side = np.where(of.unit("hand.side") < 0.5, -1.0, 1.0)
    return {
        "glasses": cast.glasses,
        "shades": cast.shades,
        "mask": cast.mask,
        "hand": cast.hand,
        "frame": cast.who.between("frame", 0.25, 0.32),
        "frame_th": cast.who.between("frame_th", 0.02, 0.05),
        "frame_tone": cast.who.between("frame_tone", 0.02, 0.35),
        "mask_y": of.between("mask_y", 0.36, 0.48),
        "mask_colour": np.stack([of.between(f"mask.{c}", 0.55, 0.95) for c in "rgb"], axis=1),
        "hand_x": side * of.between("hand_x", 0.45, 0.85),
        "hand_y": of.between("hand_y", 0.55, 1.05),
        "hand_side": side,
    }


def outline(values: Scene, y: Floats) -> tuple[Floats, Floats]:
    """Half width of the head at height y, and the squared part of the head's depth that height takes; y: [B] or [B, N]."""
    wide = {name: values[name].reshape(-1, *[1] * (y.ndim - 1)) for name in ("chin_now", "top", "jaw", "narrow", "width")}
    low = (y > 0).astype(np.float64)
    t = y / np.where(y > 0, wide["chin_now"], wide["top"])
    square = t * t
    half = wide["width"] * np.maximum(1.0 - low * wide["narrow"] * square, 0.3)
    return half, square * (1.0 - low * wide["jaw"] * (1.0 - square))


def project(values: Scene, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Points of the face at rest pose [B, N] to the picture, in [-1, 1] from its left/top to its right/bottom edge.

    The renderer goes the other way, pixel by pixel; the pitch is undone by fixed-point iteration.
    """
    at = {name: value[:, None] for name, value in values.items() if value.ndim == 1}
    across_seen, height = x, y
    for _ in range(5):
        half, taken = outline(values, height)
        across = x / half
        depth = np.sqrt(np.maximum(1.0 - taken - across * across, 0.0))
        across_seen = half * (across * at["yaw_cos"] + depth * at["yaw_sin"])
        depth = np.sqrt(np.maximum(1.0 - taken - np.square(across_seen / half), 0.0))
        height = y - 0.5 * at["pitch_sin"] * depth
    return seen(values, across_seen, height)


def seen(values: Scene, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Roll, scale and shift of points [B, N] that are already turned."""
    at = {name: values[name][:, None] for name in ("roll_sin", "roll_cos", "scale", "shift_x", "shift_y")}
    return (
        (x * at["roll_cos"] - y * at["roll_sin"]) * at["scale"] + at["shift_x"],
        (x * at["roll_sin"] + y * at["roll_cos"]) * at["scale"] + at["shift_y"],
    )
