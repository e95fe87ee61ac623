"""The renderer: B faces at once, back to front, from pixel to head: each pixel looks up which place of the head it shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ferbench.builtin.synth import occlusion, paint
from ferbench.builtin.synth.canvas import Knobs, Planes, Window, cover, grid, noise_plane, window
from ferbench.builtin.synth.profiles import Profile
from ferbench.builtin.synth.scene import Scene
from ferbench.builtin.synth.style import finish

VERSION = "1"
"""Rises whenever a pixel changes."""


@dataclass(frozen=True)
class Head:
    """Where each pixel lies, [B, P]: x, y after undoing shift, roll and scale; across, up: the surface normal's x and y;
    depth: its z; Z: depth on the head at rest pose; inside: share of head; px: pixels per unit of length, [B, 1]."""

    x: Tensor
    y: Tensor
    across: Tensor
    up: Tensor
    depth: Tensor
    X: Tensor
    Y: Tensor
    Z: Tensor
    inside: Tensor
    px: Tensor


@torch.no_grad()
def render(scene: Scene, profile: Profile, size: int, device: str | torch.device = "cpu") -> Tensor:
    """Pictures [B, size, size, 3], uint8."""
    planes, k = _drawn(scene, profile, size, torch.device(device), parsing=False)
    return finish(planes.colour, k, size, bool(profile.blur[1]), profile.resolution)


@torch.no_grad()
def parse(scene: Scene, profile: Profile, size: int, device: str | torch.device = "cpu") -> Tensor:
    """Parsing maps [B, size, size] of indices into ``schema.PARSING_CLASSES``, uint8."""
    planes, _ = _drawn(scene, profile, size, torch.device(device), parsing=True)
    assert planes.labels is not None  # noqa: S101  (asked for above)
    return planes.labels.view(-1, size, size)


def _drawn(scene: Scene, profile: Profile, size: int, device: torch.device, parsing: bool) -> tuple[Planes, Knobs]:
    k = Knobs(scene, device)
    head = _head(k, size, device)
    planes = _backdrop(k, head, size, parsing)
    person = _body(planes, k, head)
    _features(planes, k, head, scene, profile, size)
    person = torch.maximum(person, _front_hair(planes, k, head, size))
    _shade(planes, k, head, person)
    occlusion.cover_faces(planes, k, scene, head.x, head.y, head.px)
    return planes, k


def _head(k: Knobs, size: int, device: torch.device) -> Head:
    """Undo camera and pose. The head's cross-sections are circles, so a turn by yaw is exact; pitch bends rows over a dome."""
    gx, gy = grid(size, device)
    dx, dy = (gx - k["shift_x"]) / k["scale"], (gy - k["shift_y"]) / k["scale"]
    x = dx * k["roll_cos"] + dy * k["roll_sin"]
    y = dy * k["roll_cos"] - dx * k["roll_sin"]
    px = k["scale"] * (size * 0.5)
    low = (y > 0).float()
    up = y * (1.0 / k["top"] + low * (1.0 / k["chin_now"] - 1.0 / k["top"]))
    square = up * up
    half = (1.0 - low * k["narrow"] * square).clamp_(min=0.3) * k["width"]
    across = x / half
    rest = 1.0 - square * (1.0 - low * k["jaw"] * (1.0 - square)) - across * across
    depth = torch.sqrt(rest.clamp(min=0.0))
    dome = (1.0 - 0.6 * (x * x + y * y)).clamp_(min=0.0)
    return Head(
        x, y, across.clamp(-1.0, 1.0), up.clamp(-1.0, 1.0), depth,
        X=half * (across * k["yaw_cos"] - depth * k["yaw_sin"]),
        Y=y + dome * (0.5 * k["pitch_sin"]),
        Z=across * k["yaw_sin"] + depth * k["yaw_cos"],
        inside=cover(rest * (0.5 * k["width"]), px),
        px=px,
    )  # fmt: skip


def _backdrop(k: Knobs, head: Head, size: int, parsing: bool) -> Planes:
    """Two colours, mixed by a ramp, clouds and three blobs."""
    gx, gy = grid(size, head.x.device)
    mix = gx * k["ramp_x"] + gy * k["ramp_y"] + 0.5
    mix += noise_plane(32, k["cloud_x"], k["cloud_y"], size) * k["clutter"]
    mix += noise_plane(8, k["cloud_y"], k["cloud_x"], size) * (k["clutter"] * 0.3)
    for i in range(3):
        far = torch.maximum((gx - k[f"blob{i}_x"]).abs() - k[f"blob{i}_w"], (gy - k[f"blob{i}_y"]).abs() - k[f"blob{i}_h"])
        mix += (0.5 - far * 12.0).clamp_(0.0, 1.0) * k[f"blob{i}"]
    near, far_colour = k.colour("near"), k.colour("far")
    colour = mix.clamp_(0.0, 1.0)[:, None] * (far_colour - near) + near
    labels = torch.zeros(mix.shape, dtype=torch.uint8, device=mix.device) if parsing else None
    return Planes(colour, torch.zeros_like(mix), head.X, head.Y, head.inside, labels)


def _body(at: Planes, k: Knobs, head: Head) -> Tensor:
    """Hair behind the head, neck, clothes, the head itself and the ears. Returns the person's coverage [B, P]."""
    px, x, y = head.px, head.x + 0.12 * k["yaw_sin"], head.y
    wide = k["width"] * k["volume"]
    tall = k["top"] * k["volume"]
    crown = 1.0 - (x / wide) * (x / wide) - (y / tall) * (y / tall) * (y < 0)
    tail = torch.minimum(crown, (torch.maximum(k["long"], torch.full_like(k["long"], 0.12)) - y) * 2.0)
    hair = cover(tail * 0.5, px)
    at.paint(hair, k.colour("hair") * 0.72, "hair")
    neck = cover(torch.minimum(0.56 * k["width"] - (head.x - 0.1 * k["yaw_sin"]).abs(), y - 0.5), px)
    at.paint(neck, k.colour("skin") * 0.80, "neck")
    cloth = cover(y - k["chin"] - 0.13 - 0.22 * (1.0 - x * x).clamp(min=0.0), px)
    at.paint(cloth, k.colour("cloth"), "cloth")
    at.paint(head.inside, k.colour("skin"), "skin")
    for side in (0, 1):
        _ear(at, k, head, side)
    return torch.maximum(torch.maximum(hair, neck), torch.maximum(head.inside, cloth))


def _ear(at: Planes, k: Knobs, head: Head, side: int) -> None:
    """An ear stands at 97° to the side: a turned head hides the far one and brings the near one forward."""
    sign = 2.0 * side - 1.0
    place = sign * 0.9925 * k["yaw_cos"] - 0.1219 * k["yaw_sin"]
    depth = -0.1219 * k["yaw_cos"] - sign * 0.9925 * k["yaw_sin"]
    wide = 0.085 + 0.10 * (sign * -1.0 * k["yaw_sin"]).clamp(min=0.0)
    dx, dy = (head.x - place * k["width"] * 1.02) / wide, (head.y - k["eye_y"] - 0.16) / 0.25
    far = 1.0 - dx * dx - dy * dy
    alpha = cover(far * (0.5 * wide), head.px) * ((depth + 0.30) * 6.0).clamp(0.0, 1.0)
    at.paint(alpha, k.colour("skin") * 0.93, "r_ear" if side else "l_ear")
    at.paint((far * 1.6 - 0.7).clamp_(0.0, 0.5) * alpha, k.colour("skin") * 0.62)


def _features(at: Planes, k: Knobs, head: Head, scene: Scene, profile: Profile, size: int) -> None:
    """Brows, eyes, nose and mouth, each in its window."""
    zero = np.zeros_like(scene["eye_x"])
    largest, device = profile.size[1], head.x.device

    def region(x: np.ndarray, y: np.ndarray, half: tuple[float, float]) -> Window:
        return window(scene, x, y, half, largest, size, device)

    _beard(at, k, head, size)
    wrinkled = region(zero, scene["brow_y"] - 0.30, (0.58, 0.24))
    part = wrinkled.cut(at)
    paint.forehead(part, k)
    wrinkled.put(at, part)
    middle = region(zero, scene["eye_y"] + 0.18, (0.38, 0.55))
    part = middle.cut(at)
    paint.nose(part, k, head.px)
    middle.put(at, part)
    for side in (0, 1):
        around = region(scene["eye_x"] * (2.0 * side - 1.0), scene["eye_y"] - 0.10, (0.40, 0.40))
        part = around.cut(at)
        paint.eye(part, k, side, head.px)
        around.put(at, part)
    lower = region(zero, scene["mouth_y"] + 0.06, (0.62, 0.46))
    part = lower.cut(at)
    paint.mouth(part, k, head.px)
    lower.put(at, part)


def _beard(at: Planes, k: Knobs, head: Head, size: int) -> None:
    """Beard and stubble, a veil over jaw and upper lip."""
    rough = noise_plane(1, k["cloud_y"], k["cloud_x"], size) * 0.12
    jaw = ((head.Y - k["nose_y"] - 0.06 - 0.20 * (1.0 - head.X * head.X * 4.0).clamp(min=-2.0).abs() * 0.3) * 5.0).clamp_(0.0, 1.0)
    amount = jaw * head.inside * (k["beard"] + k["stubble"]) * (0.80 + rough)
    at.paint(amount, k.colour("hair") * 0.8)


def _front_hair(at: Planes, k: Knobs, head: Head, size: int) -> Tensor:
    """Hair over the forehead and beside the face; returns its coverage."""
    strands = noise_plane(1, k["cloud_x"], k["grain_y"], size)
    off = head.X - k["hair_part"] * 0.5
    line = k["fringe"] * 1.2 - k["hairline"] + k["hair_curve"] * off * off + strands * 0.02
    cap = line - head.Y
    side = torch.minimum(0.24 - head.Z, 0.16 - head.Y - k["bald"] * 0.1)
    lock = torch.minimum(head.x.abs() - k["width"] * 0.90, k["long"] - head.y) * (k["long"] > 0)
    lock = torch.where(k["long"] > 0, lock, torch.full_like(lock, -1.0))
    x = head.x + 0.12 * k["yaw_sin"]
    wide, tall = k["width"] * k["volume"], k["top"] * k["volume"]
    crown = 1.0 - (x / wide) * (x / wide) - (head.y / tall) * (head.y / tall) * (head.y < 0)
    alpha = cover(torch.maximum(torch.maximum(cap, side), lock), head.px) * torch.maximum(cover(crown * 0.5, head.px), head.inside)
    tone = 1.0 + strands * 0.16
    colour = k.colour("hair") * tone[:, None]
    at.colour += (colour - at.colour).mul_(alpha[:, None])
    at.relief *= 1.0 - alpha
    if at.labels is not None:
        at.labels[alpha > 0.5] = 13
    return alpha


def _shade(at: Planes, k: Knobs, head: Head, person: Tensor) -> None:
    """One directed and one ambient light on everything that is not background; folds darken."""
    toward = head.across * k["light_x"] + head.up * k["light_y"] + (head.depth * 0.85 + 0.15) * k["light_z"]
    light = toward.clamp_(min=0.0) * k["directed"] + k["ambient"]
    light *= 1.0 - at.relief.clamp(-0.35, 0.75) * at.inside
    at.colour *= ((light - 1.0).mul_(person).add_(1.0))[:, None]
