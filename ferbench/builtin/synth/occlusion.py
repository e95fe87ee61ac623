"""What hides a face: glasses, masks, hands. Only the faces that wear them are touched."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ferbench.builtin.synth.canvas import Knobs, Planes, band, cover, restore, rgb, subset
from ferbench.builtin.synth.scene import Scene

Painter = Callable[[Planes, Knobs, Tensor], None]


def cover_faces(at: Planes, k: Knobs, scene: Scene, px: Tensor) -> None:
    """Paint each kind of occluder; px [B, 1]: pixels per unit of length."""
    wears = np.maximum(scene["glasses"], scene["shades"])
    for worn, painter in ((scene["mask"], mask), (wears, glasses), (scene["hand"], hand)):
        rows = torch.from_numpy(np.flatnonzero(worn)).to(px.device)
        if len(rows):
            part = subset(at, rows)
            painter(part, k.of(rows), px[rows])
            restore(at, rows, part)


def glasses(at: Planes, k: Knobs, px: Tensor) -> None:
    dx = (at.X.abs() - k["eye_x"] - 0.02) / k["frame"]
    dy = (at.Y - k["eye_y"] - 0.04) / (k["frame"] * 0.80)
    far = torch.sqrt(torch.sqrt(dx * dx * dx * dx + dy * dy * dy * dy))  # a rounded square
    edge = (1.0 - far) * k["frame"] * 0.85
    tone = k["frame_tone"][:, :, None] * rgb(1.0, 0.92, 0.85, px)
    lens = cover(edge, px) * at.inside
    at.paint(lens * (0.06 + 0.86 * k["shades"]), tone * 0.5)
    rim = band(edge, -k["frame_th"], k["frame_th"], px) * at.inside
    beam = band(at.Y - k["eye_y"] + 0.04, -k["frame_th"], k["frame_th"], px)
    bridge = beam * cover(k["eye_x"] - k["frame"] - at.X.abs() + 0.03, px)
    arm = beam * cover(at.X.abs() - k["eye_x"] - k["frame"], px)
    at.paint(torch.maximum(rim, torch.maximum(bridge, arm) * at.inside), tone, "eye_g")


def mask(at: Planes, k: Knobs, px: Tensor) -> None:
    rim = at.Y - k["mask_y"] + 0.16 * (1.0 - at.X * at.X * 3.0).clamp(min=0.0)
    body = cover(torch.minimum(rim, 0.90 - at.X.abs()), px) * at.inside
    pleat = 1.0 - 0.10 * (1.0 - ((at.Y - k["mask_y"] - 0.35).abs() - 0.12).abs() * 16.0).clamp(min=0.0)
    loop = band(rim - 0.12, torch.full_like(rim, -0.015), torch.full_like(rim, 0.015), px) * at.inside * 0.7
    colour = k.colour("mask_colour") * k["ambient"][:, :, None].clamp(min=0.4).add(0.3).clamp(max=1.0)
    at.paint(loop, colour)
    at.paint(body, colour * pleat[:, None], "cloth")


def hand(at: Planes, k: Knobs, px: Tensor) -> None:
    """A palm below and four fingers up along the cheek."""
    dx, dy = (at.x - k["hand_x"]) * k["hand_side"], at.y - k["hand_y"]
    palm = 0.36 - torch.sqrt(dx * dx + (dy - 0.45) * (dy - 0.45) * 0.8)
    shape, gap = palm, torch.zeros_like(dx)
    for i in range(4):
        axis = dx + 0.27 - 0.18 * i - dy * (0.10 - 0.06 * i)
        length = (dy + 0.36 - 0.07 * (i % 3)).clamp(max=0.0) + (0.5 - dy).clamp(max=0.0)
        finger = 0.088 - torch.sqrt(axis * axis + length * length)
        gap = torch.maximum(gap, (1.0 - (finger * 26.0).abs()).clamp_(min=0.0))
        shape = torch.maximum(shape, finger)
    alpha = cover(shape, px)
    light = (k["ambient"] + 0.55 * k["directed"])[:, :, None]
    at.paint(alpha, k.colour("skin") * 0.96 * light * (1.0 - 0.35 * gap)[:, None], "background")
