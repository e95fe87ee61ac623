"""The painters of a face's parts: each draws one part of B faces, in the face's own coordinates, over a window."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ferbench.builtin.synth.canvas import Knobs, Planes, band, bump, cover, line, rgb
from ferbench.schema import PARSING_CLASSES

SKIN, NOSE = PARSING_CLASSES.index("skin"), PARSING_CLASSES.index("nose")


Painter = Callable[[Planes, Knobs, Tensor], None]


def bust(at: Planes, k: Knobs, px: Tensor) -> Tensor:
    """Neck and clothes; returns their coverage."""
    aside = at.x - 0.1 * k["yaw_sin"]
    neck = cover(torch.minimum(0.56 * k["width"] - aside.abs(), at.y - 0.5), px)
    at.paint(neck, k.colour("skin") * 0.80, "neck")
    cloth = cover(at.y - (k["chin"] + 0.13) - (1.0 - at.x * at.x).clamp_(min=0.0).mul_(0.22), px)
    at.paint(cloth, k.colour("cloth"), "cloth")
    return torch.maximum(neck, cloth)


def ear(at: Planes, k: Knobs, side: int, px: Tensor) -> None:
    """An ear stands at 97° to the side: a turned head hides the far one and brings the near one forward."""
    sign = 2.0 * side - 1.0
    place = sign * 0.9925 * k["yaw_cos"] - 0.1219 * k["yaw_sin"]
    depth = -0.1219 * k["yaw_cos"] - sign * 0.9925 * k["yaw_sin"]
    wide = 0.085 + 0.10 * (sign * -1.0 * k["yaw_sin"]).clamp(min=0.0)
    dx, dy = (at.x - place * k["width"] * 1.02) / wide, (at.y - k["eye_y"] - 0.16) * 4.0
    far = 1.0 - dx * dx - dy * dy
    alpha = cover(far, px * 0.5 * wide) * ((depth + 0.30) * 6.0).clamp(0.0, 1.0)
    at.paint(alpha, k.colour("skin") * 0.93, "r_ear" if side else "l_ear")
    at.paint((far * 1.6 - 0.7).clamp_(0.0, 0.5) * alpha, k.colour("skin") * 0.62)


def beard(at: Planes, k: Knobs, px: Tensor) -> None:
    """Beard and stubble, a veil over jaw and upper lip."""
    aside = at.X.abs()
    edge = bump((aside - 0.46) * 2.4) * 0.20 - (aside - 0.62).clamp_(min=0.0) * 1.1  # a moustache, bare cheeks, whiskers
    jaw = ((at.Y - k["nose_y"] - 0.06 - edge) * 7.0).clamp_(0.0, 1.0)
    at.paint(jaw * at.inside * (k["beard"] * 0.82), k.colour("hair") * 0.8)


def eye(at: Planes, k: Knobs, px: Tensor, side: int) -> None:
    """Brow, lids, sclera, iris, and the lines around the eye, on one side of the picture (0 left, 1 right)."""
    sign = 2.0 * side - 1.0
    outward = at.X * sign
    u = (outward - k["eye_x"]) / k["eye_w"]
    hump = (1.0 - u * u).clamp_(min=0.0)
    v = at.Y - k["eye_y"] - k["eye_tilt"] * u - k.side("eye_drop", side)
    top = hump * (k.side("sad_lid", side) * 1.5 * u - k.side("lid_up", side))
    bottom = hump * k.side("lid_low", side)
    near = cover((1.12 - u.abs()) * k["eye_w"], px).mul_(at.inside)
    _around_the_eye(at, k, side, u, v, top, bottom, near)
    open_part = band(v, top, bottom, px).mul_(near)
    at.paint(open_part, rgb(0.93, 0.91, 0.90, v), "r_eye" if side else "l_eye")
    _iris(at, k, px, open_part, sign)
    lash = band(v, top - 0.030, top + 0.008, px).mul_(near)
    at.paint(lash.mul_(0.85), k.colour("brow") * 0.55)
    rim = band(v, bottom - 0.004, bottom + 0.016, px).mul_(near)
    at.paint(rim.mul_(0.35), k.colour("skin") * 0.45)
    brow(at, k, side, outward, px)


def _iris(at: Planes, k: Knobs, px: Tensor, open_part: Tensor, sign: float) -> None:
    dx = at.X - sign * k["eye_x"] - k["gaze_x"]
    dy = at.Y - k["eye_y"] - k["gaze_y"]
    far = torch.sqrt(dx * dx + dy * dy)
    radius = k["eye_w"] * 0.44
    at.paint(cover(radius - far, px).mul_(open_part), k.colour("iris"))
    at.paint(cover(radius * 0.48 - far, px).mul_(open_part), rgb(0.03, 0.03, 0.03, far))
    glint = (dx + 0.028) * (dx + 0.028) + (dy + 0.030) * (dy + 0.030)
    at.paint((1.0 - glint * 1100.0).clamp_(min=0.0).mul_(open_part), rgb(0.97, 0.97, 0.97, far))


def _around_the_eye(at: Planes, k: Knobs, side: int, u: Tensor, v: Tensor, top: Tensor, bottom: Tensor, near: Tensor) -> None:
    socket = bump(u * 0.72) * bump((v + 0.10) * 4.0)
    crease = line(v - top * 1.15 + 0.055, 0.035) * near
    bag = line(v - bottom - 0.075 * (1.15 - u * u * 0.5), 0.05) * bump(u * 0.85)
    at.relief += socket * 0.10 + crease * 0.22 + bag * (k.side("bag", side) * 0.38)
    beyond = (u - 1.1) * k["eye_w"]
    rays = line(v + 0.05 + beyond * 0.5, 0.025) + line(v - 0.01, 0.025) + line(v - 0.06 - beyond * 0.6, 0.025)
    at.relief += rays * bump((beyond - 0.11) * 8.0) * (k.side("crow", side) * 0.42)


def brow(at: Planes, k: Knobs, side: int, outward: Tensor, px: Tensor) -> None:
    length = k.side("brow_out_x", side) - k.side("brow_in_x", side)
    t = (outward - k.side("brow_in_x", side)) / length
    inner, outer = k.side("brow_in_y", side), k.side("brow_out_y", side)
    middle = inner + (outer - inner) * t - k.side("brow_rise", side) * 4.0 * t * (1.0 - t)
    thick = k["brow_th"] * (1.05 - 0.6 * t) * 0.5
    alpha = band(at.Y, middle - thick, middle + thick, px)
    alpha = alpha * cover(t * length, px) * cover((1.0 - t) * length, px) * at.inside
    at.paint(alpha * 0.88, k.colour("brow"), "r_brow" if side else "l_brow")


def nose(at: Planes, k: Knobs, px: Tensor) -> None:
    """Bridge, wings and nostrils; furrows of the glabella (AU4) and wrinkles of the root (AU9). A turned head's tip leads."""
    tip = k["nose_y"] - k["nose_lift"]
    down = at.Y / tip  # 0 between the eyes, 1 at the base
    ridge = bump((down - 0.80) * 1.25)
    X = at.X - k["yaw_sin"] * k["nose_z"] * ridge
    wide = k["nostril_w"]
    half = 0.062 + (wide - 0.062) * 0.75 * ridge
    slope = line(X.abs() - half, 0.06) * bump((down - 0.55) * 1.45)
    turned = X * (k["light_x"] * 4.0)
    at.relief += slope * (0.13 - turned.clamp(-0.35, 0.35))
    at.relief -= line(X, 0.05) * bump((down - 0.55) * 1.5) * 0.10
    out, down_by = X.abs() - wide * 0.62, at.Y - tip + 0.04
    wing = line(torch.sqrt(out * out * 0.9 + down_by * down_by) - 0.07, 0.03)
    at.relief += wing * cover(X.abs() - wide * 0.6, px) * 0.32
    under = line(at.Y - tip - 0.035, 0.05) * bump(X / (wide * 1.15))
    at.relief += under * 0.30
    hole_x, hole_y = (X.abs() - wide * 0.48) * 16.0, (at.Y - tip - 0.005 + X.abs() * 0.08) * 30.0
    hole = (1.6 - hole_x * hole_x - hole_y * hole_y).clamp_(0.0, 1.0) * at.inside
    at.paint(hole * 0.75, k.colour("skin") * 0.22)
    if at.labels is not None:
        shape = (X.abs() < wide * (0.35 + 0.75 * ridge)) & (down > 0.12) & (tip + 0.05 > at.Y) & (at.labels == SKIN)
        at.labels[shape] = NOSE
    _root(at, k, px)


def _root(at: Planes, k: Knobs, px: Tensor) -> None:
    brows = k["brow_y"]
    furrow = line(at.X.abs() - 0.065 + (at.Y - brows) * 0.08, 0.038) * bump((at.Y - brows - 0.03) * 6.0)
    at.relief += furrow * (k["frown"] * 0.52)
    Y = at.Y - at.X.abs() * 0.45
    wrinkles = line(Y - k["eye_y"] - 0.01, 0.032) + line(Y - k["eye_y"] - 0.10, 0.032) + line(Y - k["eye_y"] + 0.08, 0.032)
    at.relief += wrinkles * bump(at.X * 4.2) * (k["snarl"] * 0.62)
    flank = line(at.Y - k["eye_y"] - 0.17 + (at.X.abs() - 0.2) * 0.6, 0.05) * bump((at.X.abs() - 0.20) * 7.0)
    at.relief += flank * (k["snarl"] * 0.45)


def forehead(at: Planes, k: Knobs, px: Tensor) -> None:
    rows = k["brow_y"] - 0.24
    bend = at.X * at.X * 0.16
    strokes = line(at.Y - rows + bend * 0.5, 0.03) + line(at.Y - rows + 0.11 - bend, 0.03) * 0.9
    strokes += line(at.Y - rows + 0.22 - bend * 1.2, 0.03) * 0.6
    at.relief += strokes * bump(at.X * 1.7) * (k["forehead"] * 0.36)


def mouth(at: Planes, k: Knobs, px: Tensor) -> None:
    """Lips by their four edges, teeth and the dark between them; folds, dimples, the chin's boss."""
    right = at.X > 0
    wide = torch.where(right, k.side("mouth_wide", 1), k.side("mouth_wide", 0))
    lift = torch.where(right, k.side("corner_y", 1), k.side("corner_y", 0))
    u = at.X / wide
    square = u * u
    hump = (1.0 - square).clamp_(min=0.0)
    full = hump * (1.0 + k["square"] * 1.1 * (1.0 - hump))
    middle = k["mouth_y"] + k["mouth_lift"] + lift * torch.minimum(square, torch.full_like(square, 1.7))
    upper = middle - k["open_up"] * full
    lower = middle + k["open_low"] * full
    bow = 1.0 - 0.30 * (1.0 - square * 14.0).clamp_(min=0.0)
    above = upper - k["lip_up_now"] * hump * bow * 1.1
    below = lower + k["lip_low_now"] * (1.0 - square * square).clamp_(min=0.0)
    _folds(at, k, px, right, wide, lift, u, below)
    at.paint(band(at.Y, above, upper, px) * at.inside, k.colour("lip") * 0.93, "u_lip")
    at.paint(band(at.Y, lower, below, px) * at.inside, k.colour("lip"), "l_lip")
    gap = band(at.Y, upper, lower, px).mul_(at.inside)
    at.paint(gap, rgb(0.22, 0.06, 0.06, u), "mouth")
    shown = k["teeth"] * 0.105
    teeth = band(at.Y, upper + 0.004, torch.minimum(upper + shown, lower), px).mul_(gap)
    at.paint(teeth * (0.93 * cover(k["teeth"] - 0.12, px * 0.2)), rgb(0.95, 0.93, 0.88, u))
    seam = line(at.Y - middle, 0.034) * cover((1.03 - u.abs()) * wide, px) * at.inside
    closed = (1.0 - (k["open_up"] + k["open_low"]) * 14.0).clamp_(min=0.25)
    at.paint(seam * closed * (0.66 + 0.25 * k["press"]), k.colour("lip") * 0.32)


def _folds(at: Planes, k: Knobs, px: Tensor, right: Tensor, wide: Tensor, lift: Tensor, u: Tensor, below: Tensor) -> None:
    def sided(name: str) -> Tensor:
        return torch.where(right, k.side(name, 1), k.side(name, 0))

    start, end = k["nose_y"] - 0.06, k["mouth_y"] + lift + 0.02
    along = (at.Y - start) / (end - start)
    foot = wide + 0.075
    edge = k["nostril_w"] + 0.05 + (foot - k["nostril_w"] - 0.05) * along * (1.35 - 0.35 * along)
    off = at.X.abs() - edge
    stretch = bump((along - 0.5) * 1.65)
    fold = sided("fold")
    at.relief += line(off, 0.045) * stretch * (fold * 0.50)
    at.relief -= line(off - 0.10, 0.09) * stretch * (fold * 0.13)
    corner = at.X.abs() - wide
    drop = at.Y - k["mouth_y"] - k["mouth_lift"] - lift
    pit = bump(corner * 11.0 - 0.3) * bump(drop * 9.0)
    at.relief += pit * (0.22 + 0.50 * sided("dimple"))
    at.relief += line(corner - 0.03 - drop * 0.25, 0.04) * bump((drop - 0.10) * 8.0) * (sided("marionette") * 0.45)
    under = bump((at.Y - below - 0.055) * 13.0) * bump(u * 1.1)
    at.relief += under * (0.20 + 0.25 * k["boss"])
    chin = k["chin_now"] - 0.22
    pebbles = line(at.Y - chin + at.X * at.X * 0.9, 0.045) + line(at.X.abs() - 0.09, 0.04) * bump((at.Y - chin) * 9.0)
    at.relief += pebbles * bump(at.X * 3.2) * (k["boss"] * 0.40)
