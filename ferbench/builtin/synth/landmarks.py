"""The 68 points of the usual mark-up (jaw 17, brows 10, nose 9, eyes 12, mouth 20), from the same knobs that paint the face."""

from __future__ import annotations

import numpy as np

from ferbench.builtin.synth.draws import Floats
from ferbench.builtin.synth.scene import Scene, outline, project

Points = list[tuple[Floats, Floats]]


def landmarks(scene: Scene, size: int) -> Floats:
    """[B, 68, 2]: x and y in pixels, the picture's left first, in the order of the 68-point mark-up. Points on the far side
    of a turned head lie on its edge."""
    points = [*_jaw(scene), *_brows(scene), *_nose(scene), *_eyes(scene), *_mouth(scene)]
    x = np.stack([point[0] for point in points], axis=1)
    y = np.stack([point[1] for point in points], axis=1)
    across, down = project(scene, x, y)
    whole: Floats = np.round((np.stack([across, down], axis=2) + 1.0) * 0.5 * size - 0.5, 3)
    return whole


def _jaw(at: Scene) -> Points:
    chin = at["chin_now"]
    points: Points = []
    for i in range(17):
        side = (i - 8) / 8.0
        y = chin * (0.05 + 0.95 * (1.0 - side * side)) * (1.0 - 0.02 * abs(side))
        half, taken = outline(at, y)
        points.append((np.sign(side) * half * np.sqrt(np.maximum(1.0 - taken, 0.0)), y))
    return points


def _brows(at: Scene) -> Points:
    points: Points = []
    for side, order in ((0, (1.0, 0.75, 0.5, 0.25, 0.0)), (1, (0.0, 0.25, 0.5, 0.75, 1.0))):
        inner_x, outer_x = at["brow_in_x"][:, side], at["brow_out_x"][:, side]
        inner_y, outer_y = at["brow_in_y"][:, side], at["brow_out_y"][:, side]
        for t in order:
            y = inner_y + (outer_y - inner_y) * t - at["brow_rise"][:, side] * 4.0 * t * (1.0 - t)
            points.append(((inner_x + (outer_x - inner_x) * t) * (2.0 * side - 1.0), y))
    return points


def _nose(at: Scene) -> Points:
    tip = at["nose_y"] - at["nose_lift"]
    lead = at["yaw_sin"] * at["nose_z"]
    bridge: Points = [(lead * t, at["eye_y"] + (tip - 0.08 - at["eye_y"]) * t) for t in (0.0, 0.33, 0.66, 1.0)]
    base: Points = [(at["nostril_w"] * t + lead * 0.8, tip + 0.02 * (1.0 - abs(t))) for t in (-0.75, -0.4, 0.0, 0.4, 0.75)]
    return bridge + base


def _eyes(at: Scene) -> Points:
    def point(side: int, u: float, lid: float) -> tuple[Floats, Floats]:
        """lid: 1 upper, -1 lower, 0 corner; u grows outwards."""
        up = 1.5 * at["sad_lid"][:, side] * u - at["lid_up"][:, side]
        edge = (up if lid > 0 else at["lid_low"][:, side]) * (1.0 - u * u) * abs(lid)
        y = at["eye_y"] + at["eye_tilt"] * u + at["eye_drop"][:, side] + edge
        return (at["eye_x"] + at["eye_w"] * u) * (2.0 * side - 1.0), y

    order = ((1.0, 0.0), (0.35, 1.0), (-0.35, 1.0), (-1.0, 0.0), (-0.35, -1.0), (0.35, -1.0))
    left = [point(0, u, lid) for u, lid in order]
    right = [point(1, -u, lid) for u, lid in order]
    return left + right


def _mouth(at: Scene) -> Points:
    base = at["mouth_y"] + at["mouth_lift"]

    def point(u: float, edge: str) -> tuple[Floats, Floats]:
        side = int(u > 0)
        hump = 1.0 - u * u
        full = hump * (1.0 + at["square"] * 1.1 * (1.0 - hump))
        y = base + at["corner_y"][:, side] * u * u
        if edge in ("above", "upper"):
            bow = 1.0 - 0.30 * max(0.0, 1.0 - 14.0 * u * u)
            y = y - at["open_up"] * full - (at["lip_up_now"] * hump * bow * 1.1 if edge == "above" else 0.0)
        if edge in ("below", "lower"):
            y = y + at["open_low"] * full + (at["lip_low_now"] * (1.0 - u**4) if edge == "below" else 0.0)
        return at["mouth_wide"][:, side] * u, y

    outer = [(-1.0, "line"), *((u, "above") for u in (-0.6, -0.25, 0.0, 0.25, 0.6)), (1.0, "line")]
    outer += [(u, "below") for u in (0.6, 0.3, 0.0, -0.3, -0.6)]
    inner = [*((u, "upper") for u in (-0.85, -0.35, 0.0, 0.35, 0.85)), *((u, "lower") for u in (0.35, 0.0, -0.35))]
    return [point(u, edge) for u, edge in (*outer, *inner)]
