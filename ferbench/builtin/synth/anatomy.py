"""How action units move a face: from units and a face at rest to the displaced brows, lids, nose, cheeks, lips and jaw.

Each knob is [B], or [B, 2] for the left and right side of the picture. Lengths as in ``identity``; a line's depth is in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ferbench.builtin.synth.draws import Draws, Floats

SIDES = np.array([-1.0, 1.0])


def moved(rest: Mapping[str, Floats], units: Mapping[int, Floats], of: Draws) -> dict[str, Floats]:
    """Everything about a face that its muscles change."""
    return {**_brows(rest, units), **_eyes(rest, units, of), **_nose(rest, units), **_mouth(rest, units), **_lines(rest, units)}


def _brows(rest: Mapping[str, Floats], au: Mapping[int, Floats]) -> dict[str, Floats]:
    base = (rest["brow_y"] + rest["brow_rest"])[:, None]
    slant = rest["slant_rest"][:, None]
    inner = base + slant - 0.19 * au[1] + 0.16 * au[4] * (1 - 0.55 * au[1].clip(0, 1)) + 0.05 * au[9]
    outer = base + 0.03 - slant - 0.18 * au[2] + 0.04 * au[4] + 0.02 * au[6]
    return {
        "brow_in_x": rest["eye_x"][:, None] - 0.245 - 0.075 * au[4],
        "brow_out_x": rest["eye_x"][:, None] + 0.27 - 0.015 * au[4] + 0.0 * au[2],
        "brow_in_y": inner,
        "brow_out_y": outer,
        "brow_rise": (rest["brow_arch"][:, None] + 0.035 * au[2] - 0.03 * au[4] - 0.02 * au[1]).clip(-0.02, 0.12),
    }


def _eyes(rest: Mapping[str, Floats], au: Mapping[int, Floats], of: Draws) -> dict[str, Floats]:
    height = rest["eye_h"][:, None]
    droop = 0.012 * rest["wrinkles"][:, None]
    shut = (1.0 - au[43] * 0.95).clip(0.03, 1.0)
    upper = (height + 0.08 * au[5] - 0.036 * au[7] - 0.016 * au[9] - 0.012 * au[4] - 0.016 * au[6] - droop).clip(0.022, 0.2)
    lower = (height * 0.72 - 0.026 * au[6] - 0.030 * au[7] - 0.022 * au[9] + 0.012 * au[5]).clip(0.008, 0.12)
    return {
        "lid_up": upper * shut,
        "lid_low": lower * (0.5 + 0.5 * shut),
        "eye_drop": 0.05 * (1.0 - shut),
        "sad_lid": (0.030 * au[1] * au[4].clip(0.3, 1) - 0.018 * au[4] * (1 - au[1].clip(0, 1))).clip(-0.03, 0.04),
        "gaze_x": of.bell("gaze_x", 0.018),
        "gaze_y": of.bell("gaze_y", 0.010),
    }


def _nose(rest: Mapping[str, Floats], au: Mapping[int, Floats]) -> dict[str, Floats]:
    wrinkle, lip = au[9].mean(axis=1), au[10].mean(axis=1)
    flare = 1.0 + 0.10 * wrinkle + 0.08 * lip + 0.10 * au[12].mean(axis=1)
    return {"nose_lift": 0.045 * wrinkle + 0.02 * lip, "nostril_w": rest["nose_w"] * flare}


def _mouth(rest: Mapping[str, Floats], au: Mapping[int, Floats]) -> dict[str, Floats]:
    middle = {unit: value.mean(axis=1) for unit, value in au.items()}
    tight = (1.0 - 0.48 * middle[23] - 0.5 * middle[24]).clip(0.25, 1.0)
    part = (0.065 * middle[25] + 0.28 * middle[26]) * (1.0 - 0.8 * middle[24].clip(0, 1))
    corner = rest["corner_rest"][:, None] - 0.17 * au[12] + 0.16 * au[15] - 0.035 * au[14] + 0.045 * au[20] - 0.01 * au[6]
    wide = rest["mouth_w"][:, None] + 0.14 * au[12] + 0.14 * au[20] + 0.02 * au[15]
    wide = wide - 0.035 * au[24] - 0.03 * au[14] - 0.05 * au[26]
    lift = 0.05 * middle[26] - 0.02 * middle[12] - 0.045 * middle[10] - 0.03 * (middle[9] + middle[17]) - 0.015 * middle[15]
    return {
        "mouth_wide": wide.clip(0.14, 0.6),
        "corner_y": corner,
        "mouth_lift": lift,
        "open_up": (part * 0.32 + 0.055 * middle[10] * middle[25].clip(0.25, 1) + 0.025 * middle[12] * middle[25]).clip(0, 0.2),
        "open_low": (part * 0.75 + 0.060 * middle[16] - 0.02 * middle[17]).clip(0, 0.32),
        "lip_up_now": rest["lip_up"] * tight * (1.0 - 0.22 * middle[12]) * (1.0 + 0.05 * middle[10]),
        "lip_low_now": rest["lip_low"] * tight * (1.0 - 0.15 * middle[12]) * (1.0 + 0.15 * middle[17]),
        "teeth": (0.8 * middle[12] + 0.7 * middle[10] + 0.6 * middle[20] + 0.35 * middle[25] - 0.35 * middle[26]).clip(0, 1),
        "square": (0.9 * middle[20] + 0.4 * middle[10] + 0.2 * middle[26] - 0.5 * middle[12]).clip(0, 1),
        "press": (0.6 * middle[24] + 0.5 * middle[23]).clip(0, 1),
        "chin_now": rest["chin"] + 0.13 * middle[26] - 0.03 * middle[17],
    }


def _lines(rest: Mapping[str, Floats], au: Mapping[int, Floats]) -> dict[str, Floats]:
    """Depths of folds and wrinkles: age draws them, units deepen them."""
    old = rest["wrinkles"]
    aged = old[:, None]
    rise = np.minimum(au[1], 1.0).mean(axis=1) * 0.5 + np.minimum(au[2], 1.0).mean(axis=1) * 0.5
    fold = 0.10 + 0.35 * aged - 0.2 * rest["baby"][:, None]
    fold = fold + 0.55 * au[12] + 0.60 * au[10] + 0.45 * au[9] + 0.25 * au[20] + 0.15 * au[15]
    return {
        "fold": fold.clip(0, 1),
        "forehead": (0.45 * old + (0.25 + 0.55 * old.clip(0.2, 1)) * rise).clip(0, 1),
        "frown": (0.15 * old + 0.85 * au[4].mean(axis=1) + 0.15 * au[9].mean(axis=1)).clip(0, 1),
        "snarl": (0.95 * au[9]).clip(0, 1).mean(axis=1),
        "crow": (0.40 * aged + 0.75 * au[6] + 0.15 * au[7]).clip(0, 1),
        "bag": (0.12 + 0.35 * aged + 0.60 * au[6] + 0.25 * au[7] + 0.25 * au[9]).clip(0, 1),
        "dimple": (0.9 * au[14] + 0.25 * au[12]).clip(0, 1),
        "boss": (0.85 * au[17]).clip(0, 1).mean(axis=1),
        "marionette": (0.35 * aged + 0.55 * au[15] + 0.2 * au[20]).clip(0, 1),
    }
