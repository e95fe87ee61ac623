"""The renderer: B faces at once, back to front, from pixel to head: each pixel looks up which place of the head it shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ferbench.builtin.synth import occlusion, paint
from ferbench.builtin.synth.canvas import Knobs, Planes, axis, cover, noise, spread, window
from ferbench.builtin.synth.draws import Floats
from ferbench.builtin.synth.profiles import Profile
from ferbench.builtin.synth.scene import Scene
from ferbench.builtin.synth.style import finish


@dataclass(frozen=True)
class Head:
    """The whole head, [B, P]. across, up, depth: the surface's normal towards the picture's right, bottom and viewer. Z: depth
    on the head at rest pose. crown: above 0 within the hair's volume. px: pixels per unit of length, [B, 1]."""

    across: Tensor
    up: Tensor
    depth: Tensor
    Z: Tensor
    crown: Tensor
    px: Tensor


@torch.no_grad()
def render(scene: Scene, profile: Profile, size: int, device: str | torch.device = "cpu") -> Tensor:
    """Pictures [B, size, size, 3], uint8."""
    planes, k = _drawn(scene, profile, size, torch.device(device), parsing=False)
    return finish(planes.colour, k, profile, size)


@torch.no_grad()
def parse(scene: Scene, profile: Profile, size: int, device: str | torch.device = "cpu") -> Tensor:
    """Parsing maps [B, size, size] of indices into ``schema.PARSING_CLASSES``, uint8."""
    planes, _ = _drawn(scene, profile, size, torch.device(device), parsing=True)
    assert planes.labels is not None  # noqa: S101  (asked for above)
    return planes.labels.view(-1, size, size)


@torch.no_grad()
def render_and_parse(scene: Scene, profile: Profile, size: int, device: str | torch.device = "cpu") -> Tensor:
    """Pictures and parsing maps of one drawing, as [B, size, size, 4] uint8: three colours, then the class."""
    planes, k = _drawn(scene, profile, size, torch.device(device), parsing=True)
    assert planes.labels is not None  # noqa: S101  (asked for above)
    return torch.cat((finish(planes.colour, k, profile, size), planes.labels.view(-1, size, size, 1)), dim=3)


def _drawn(scene: Scene, profile: Profile, size: int, device: torch.device, parsing: bool) -> tuple[Planes, Knobs]:
    k = Knobs(scene, device)
    at, head = _head(k, size, device)
    _backdrop(at, k, size)
    if parsing:
        at.labels = torch.zeros(at.x.shape, dtype=torch.uint8, device=device)
    person = _body(at, k, head, scene, profile, size)
    _features(at, k, head, scene, profile, size)
    person = _front_hair(at, k, head, person, size)
    _shade(at, k, head, person)
    occlusion.cover_faces(at, k, scene, head.px)
    return at, k


def _head(k: Knobs, size: int, device: torch.device) -> tuple[Planes, Head]:
    """Undo camera and pose. The head's cross-sections are circles, so a turn by yaw is exact; pitch bends rows by depth."""
    line = axis(size, device)
    x = spread(line * k["to_cos"] + k["to_x"], line * k["to_sin"])
    y = spread(k["to_y"] - line * k["to_sin"], line * k["to_cos"])
    px = k["scale"] * (size * 0.5)
    below = y.clamp(min=0.0) * (1.0 / k["chin_now"])
    above = y.clamp(max=0.0) * (1.0 / k["top"])
    low, high = below * below, above * above
    half = (low * (-k["narrow"] * k["width"])).add_(k["width"]).clamp_(min=0.3)
    across = x / half
    taken = (low * k["jaw"]).sub_(k["jaw"] - 1.0).mul_(low).add_(high)
    rest = (across * across).add_(taken).neg_().add_(1.0)
    depth = rest.clamp(min=0.0).sqrt_()
    X = (across * k["yaw_cos"]).sub_(depth * k["yaw_sin"]).mul_(half)
    Y = (depth * (0.5 * k["pitch_sin"])).add_(y)
    Z = (across * k["yaw_sin"]).add_(depth * k["yaw_cos"])
    inside = cover(rest, px * k["width"] * 0.5)
    wide = (x + 0.12 * k["yaw_sin"]).mul_(1.0 / (k["width"] * k["volume"]))
    crown = (high * (-1.0 / (k["volume"] * k["volume"]))).sub_(wide.mul_(wide)).add_(1.0)
    colour, relief = torch.empty(len(x), 3, size * size, device=device), torch.zeros_like(x)
    return Planes(colour, relief, x, y, X, Y, inside, None), Head(across, below.add_(above), depth, Z, crown, px)


def _backdrop(at: Planes, k: Knobs, size: int) -> None:
    """Two colours, mixed by a ramp, clouds and three blobs."""
    line = axis(size, at.x.device)
    mix = spread(line * k["ramp_x"] + 0.5, line * k["ramp_y"])
    mix += noise("clouds", k["cloud_x"], k["cloud_y"], size).mul_(k["clutter"])
    for i in range(3):
        across = (0.5 - ((line - k[f"blob{i}_x"]).abs() - k[f"blob{i}_w"]) * 12.0).clamp(0.0, 1.0) * k[f"blob{i}"]
        down = (0.5 - ((line - k[f"blob{i}_y"]).abs() - k[f"blob{i}_h"]) * 12.0).clamp(0.0, 1.0)
        mix += (down[:, :, None] * across[:, None, :]).flatten(1)
    near, far = k.colour("near"), k.colour("far")
    at.colour = (mix.clamp_(0.0, 1.0)[:, None] * (far - near)).add_(near)


def _body(at: Planes, k: Knobs, head: Head, scene: Scene, profile: Profile, size: int) -> Tensor:
    """Hair behind the head, neck, clothes, the head itself and the ears. Returns the person's coverage [B, P]."""
    zero, here = np.zeros_like(scene["eye_x"]), partial(window, largest=profile.size[1], size=size, device=at.x.device)
    fall = (at.y * -2.0).add_(k["tail"] * 2.0)
    hair = cover(torch.minimum(head.crown, fall), head.px * 0.5)
    at.paint(hair, k.colour("hair") * 0.72, "hair")
    person = torch.maximum(hair, at.inside)
    bust = here(scene, zero, scene["chin"] + 0.05, (1.75, 0.75))
    part = bust.cut(at)
    covered = paint.bust(part, k, head.px)
    bust.put(at, part)
    person.scatter_(1, bust.index, torch.maximum(covered, person.gather(1, bust.index)))
    at.paint(at.inside, k.colour("skin"), "skin")
    for side, sign in ((0, -1.0), (1, 1.0)):
        place = here(scene, sign * scene["width"], scene["eye_y"] + 0.16, (0.36, 0.32), flat=True)
        part = place.cut(at)
        paint.ear(part, k, side, head.px)
        place.put(at, part)
    return person


def _features(at: Planes, k: Knobs, head: Head, scene: Scene, profile: Profile, size: int) -> None:
    """Beard, wrinkles, nose, eyes with brows, mouth, each in its window."""
    zero, here = np.zeros_like(scene["eye_x"]), partial(window, largest=profile.size[1], size=size, device=at.x.device)

    def draw(x: Floats, y: Floats, half: tuple[float, float], painter: paint.Painter) -> None:
        place = here(scene, x, y, half)
        part = place.cut(at)
        painter(part, k, head.px)
        place.put(at, part)

    draw(zero, scene["brow_y"] - 0.30, (0.58, 0.24), paint.forehead)
    draw(zero, scene["eye_y"] + 0.18, (0.38, 0.55), paint.nose)
    for side, sign in ((0, -1.0), (1, 1.0)):
        draw(scene["eye_x"] * sign, scene["eye_y"] - 0.10, (0.40, 0.40), partial(paint.eye, side=side))
    draw(zero, scene["mouth_y"] + 0.02, (0.95, 0.52), paint.beard)
    draw(zero, scene["mouth_y"] + 0.06, (0.62, 0.46), paint.mouth)


def _front_hair(at: Planes, k: Knobs, head: Head, person: Tensor, size: int) -> Tensor:
    """Hair over the forehead and beside the face. Returns the person's coverage, hair included."""
    strands = noise("strands", k["cloud_x"], k["grain_y"], size)
    off = at.X - k["hair_part"] * 0.5
    edge = (off * off).mul_(k["hair_curve"]).add_(k["hair_edge"]).add_(strands * k["hair_rough"])
    cap = edge.sub_(at.Y)
    side = torch.minimum(0.24 - head.Z, k["sideburn"] - at.Y)
    lock = torch.minimum(at.x.abs() - k["lock"], k["long"] - at.y)
    volume = torch.maximum(cover(head.crown, head.px * 0.5), at.inside)
    alpha = cover(torch.maximum(torch.maximum(cap, side), lock), head.px).mul_(volume)
    at.paint(alpha, strands.mul_(0.22).add_(1.02)[:, None] * k.colour("hair"), "hair")
    at.relief *= 1.0 - alpha
    return torch.maximum(person, alpha)


def _shade(at: Planes, k: Knobs, head: Head, person: Tensor) -> None:
    """One directed and one ambient light on everything that is not background; folds darken."""
    light = (head.depth * (0.85 * k["light_z"])).add_(0.15 * k["light_z"])
    light.add_(head.across * k["light_x"]).add_(head.up * k["light_y"]).clamp_(0.0, 1.1)
    light.mul_(k["directed"]).add_(k["ambient"])
    light.mul_(at.relief.clamp_(-0.35, 0.75).mul_(at.inside).neg_().add_(1.0))
    at.colour *= light.sub_(1.0).mul_(person).add_(1.0)[:, None]
