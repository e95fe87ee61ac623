"""What a person looks like at rest: geometry and colours from gender, age, race and the person's own draws.

Lengths are in half face widths; the head's centre lies between the eyes, x grows to the right of the picture, y downwards.
"""

from __future__ import annotations

import numpy as np

from ferbench.builtin.synth.draws import Draws, Floats
from ferbench.builtin.synth.factors import Cast

_BY_AGE: dict[str, tuple[float, float, float, float, float]] = {
    #             0-3    4-19   20-39  40-69  70+
    "chin":      (1.06,  1.18,  1.26,  1.27,  1.27),
    "drop":      (0.12,  0.04,  0.00,  0.00,  0.01),  # how far the features sit below the head's middle
    "eye_w":     (0.240, 0.222, 0.205, 0.200, 0.190),
    "eye_h":     (0.112, 0.100, 0.088, 0.080, 0.068),
    "nose_y":    (0.42,  0.49,  0.53,  0.54,  0.56),
    "nose_w":    (0.125, 0.140, 0.155, 0.165, 0.175),
    "mouth_y":   (0.68,  0.77,  0.82,  0.83,  0.84),
    "mouth_w":   (0.26,  0.31,  0.345, 0.35,  0.34),
    "lip":       (0.95,  1.00,  1.00,  0.90,  0.70),
    "wrinkles":  (0.00,  0.00,  0.08,  0.45,  1.00),
    "hairline":  (0.84,  0.78,  0.76,  0.80,  0.88),
    "brow_th":   (0.65,  0.90,  1.00,  1.00,  0.90),
    "beard":     (0.00,  0.05,  1.00,  1.00,  0.80),
    "grey":      (0.00,  0.00,  0.00,  0.35,  1.00),
    "round":     (0.30,  0.08,  0.00,  0.00,  -0.06),
}  # fmt: skip

_SKIN = np.array(
    [[(0.97, 0.80, 0.71), (0.80, 0.60, 0.48)], [(0.62, 0.43, 0.32), (0.38, 0.25, 0.18)], [(0.95, 0.80, 0.64), (0.77, 0.58, 0.42)]]
)  # fmt: skip
_HAIR = np.array([(0.10, 0.08, 0.07), (0.24, 0.15, 0.09), (0.42, 0.27, 0.15), (0.74, 0.58, 0.33), (0.50, 0.22, 0.10)])
_HAIR_WEIGHTS = ((2.0, 3.0, 3.0, 2.0, 0.7), (6.0, 1.0, 0.0, 0.0, 0.0), (6.0, 1.5, 0.0, 0.0, 0.0))
_IRIS = np.array([(0.20, 0.12, 0.07), (0.33, 0.22, 0.12), (0.28, 0.40, 0.30), (0.32, 0.46, 0.60)])
_IRIS_WEIGHTS = ((2.0, 2.0, 1.0, 2.0), (4.0, 1.0, 0.0, 0.0), (4.0, 1.0, 0.0, 0.0))


def at_rest(cast: Cast) -> dict[str, Floats]:
    """Geometry [B] and colours [B, 3] in [0, 1] of the people in ``cast``."""
    who = cast.who
    by_age = {name: np.array(values)[cast.age] for name, values in _BY_AGE.items()}
    male = (cast.gender == 0).astype(np.float64)
    adult = (cast.age >= 1).astype(np.float64) * np.where(cast.age == 1, 0.5, 1.0)
    african, asian = ((cast.race == i).astype(np.float64) for i in (1, 2))
    return {**_face(who, by_age, male * adult, african, asian), **_hair(who, by_age, male, cast), **_colours(who, by_age, cast)}


def _face(who: Draws, age: dict[str, Floats], male: Floats, african: Floats, asian: Floats) -> dict[str, Floats]:
    drop = age["drop"]
    return {
        "width": 0.97 + 0.04 * male + age["round"] * 0.12 + who.bell("width", 0.025),
        "chin": age["chin"] + 0.05 * male + who.bell("chin", 0.03),
        "top": 1.22 + who.bell("top", 0.03),
        "jaw": np.clip(0.22 + 0.33 * male + age["round"] * 0.4 + who.bell("jaw", 0.10), 0.0, 0.9),
        "narrow": np.clip(0.16 - 0.06 * male - 0.15 * age["round"] + who.bell("narrow", 0.03), 0.02, 0.28),
        "eye_x": 0.43 + who.bell("eye_x", 0.016),
        "eye_y": drop + who.bell("eye_y", 0.015),
        "eye_w": age["eye_w"] + who.bell("eye_w", 0.009),
        "eye_h": age["eye_h"] * (1.0 - 0.20 * asian + 0.05 * african) + who.bell("eye_h", 0.006),
        "eye_tilt": -0.012 - 0.022 * asian + who.bell("eye_tilt", 0.012),
        "brow_y": drop - 0.25 + 0.03 * male - 0.02 * asian + who.bell("brow_y", 0.018),
        "brow_th": (0.042 + 0.024 * male) * age["brow_th"] * who.between("brow_th", 0.8, 1.25),
        "brow_arch": np.clip(0.055 - 0.025 * male + who.bell("brow_arch", 0.014), 0.005, 0.1),
        "nose_y": drop + age["nose_y"] + who.bell("nose_y", 0.018),
        "nose_w": age["nose_w"] * (1.0 + 0.30 * african + 0.10 * asian) + who.bell("nose_w", 0.009),
        "nose_z": 0.14 - 0.03 * (african + asian) + who.bell("nose_z", 0.015),
        "mouth_y": drop + age["mouth_y"] + who.bell("mouth_y", 0.016),
        "mouth_w": age["mouth_w"] + 0.015 * male + 0.03 * african + who.bell("mouth_w", 0.016),
        "lip_up": 0.056 * age["lip"] * (1.0 - 0.12 * male + 0.50 * african) * who.between("lip_up", 0.8, 1.2),
        "lip_low": 0.078 * age["lip"] * (1.0 - 0.10 * male + 0.35 * african) * who.between("lip_low", 0.85, 1.2),
        "corner_rest": who.bell("corner_rest", 0.013),
        "brow_rest": who.bell("brow_rest", 0.014),
        "slant_rest": who.bell("slant_rest", 0.012),
        "wrinkles": np.clip(age["wrinkles"] * who.between("wrinkles", 0.7, 1.2), 0.0, 1.1),
        "baby": age["round"],
    }


def _hair(who: Draws, age: dict[str, Floats], male: Floats, cast: Cast) -> dict[str, Floats]:
    grown = (cast.age >= 1).astype(np.float64)
    bald = male * who.chance("bald", np.array((0.0, 0.0, 0.06, 0.25, 0.4))[cast.age])
    long = np.where(male > 0.5, who.chance("long", 0.07), who.chance("long", 0.75)) * grown * (1.0 - bald)
    beard = male * age["beard"] * who.chance("beard", 0.35) * who.between("beard.size", 0.45, 1.0)
    line = age["hairline"] + 0.03 * male + who.bell("hairline", 0.03) + 0.30 * bald
    fringe = (1.0 - male) * who.chance("fringe", 0.35) * who.between("fringe.size", 0.12, 0.34) * (1.0 - bald)
    reach = long * who.between("long.size", 0.8, 1.6)
    return {
        "hair_edge": fringe - line,
        "hair_rough": 0.015 + 0.10 * fringe,
        "hair_curve": who.between("hair_curve", -0.05, 0.45) + 0.15 * bald,
        "hair_part": who.between("hair_part", -0.5, 0.5),
        "sideburn": 0.16 - 0.10 * bald - 0.12 * (1.0 - male) + 0.06 * who.unit("sideburn"),
        "volume": 1.06 + 0.10 * who.unit("volume") + 0.05 * long - 0.05 * bald - 0.04 * (1.0 - grown),
        "long": reach,
        "tail": np.maximum(reach, 0.12),
        "lock": np.where(reach > 0, who.between("lock", 0.80, 0.97), 9.0),
        "beard": beard + male * age["beard"] * (1.0 - (beard > 0)) * who.between("stubble", 0.0, 0.25),
    }


def _colours(who: Draws, age: dict[str, Floats], cast: Cast) -> dict[str, Floats]:
    light, dark = _SKIN[cast.race, 0], _SKIN[cast.race, 1]
    tone = who.unit("tone")[:, None]
    skin = light + (dark - light) * tone * np.where(cast.race == 1, 1.0, 0.75)[:, None]
    hair = _chosen(who, "hair", _HAIR, _HAIR_WEIGHTS, cast.race) * who.between("hair.tone", 0.75, 1.25)[:, None]
    grey = np.clip(age["grey"] * who.between("grey", 0.3, 1.4), 0.0, 1.0)[:, None]
    silver = who.between("silver", 0.55, 0.88)[:, None] * np.array((1.0, 1.0, 1.02))
    painted = (cast.gender == 1)[:, None] * (cast.age >= 2)[:, None] * who.chance("painted", 0.35)[:, None]
    lip = skin * np.array((0.90, 0.64, 0.64)) * (1 - painted) + painted * np.array((0.70, 0.18, 0.22))
    hair = hair + (silver - hair) * grey
    return {
        "skin": np.clip(skin, 0.05, 1.0),
        "lip": np.clip(lip, 0.05, 1.0),
        "hair": np.clip(hair, 0.03, 0.95),
        "brow": np.clip(hair * 0.75 + np.array((0.02, 0.01, 0.0)), 0.03, 0.6) * 0.8 + skin * 0.1,
        "iris": _chosen(who, "iris", _IRIS, _IRIS_WEIGHTS, cast.race),
        "cloth": np.stack([who.between(f"cloth.{c}", 0.1, 0.85) for c in "rgb"], axis=1),
        "blush": who.between("blush", 0.0, 0.06),
    }


def _chosen(who: Draws, name: str, table: Floats, weights: tuple[tuple[float, ...], ...], race: np.ndarray) -> Floats:
    """A row of ``table`` per person, by the weights of the person's race."""
    rows = np.stack([who.choice(name, row) for row in weights], axis=1)
    picked: Floats = table[np.take_along_axis(rows, race[:, None], axis=1)[:, 0]]
    return picked
