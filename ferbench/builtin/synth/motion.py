"""Short clips: what moves from frame to frame. An expression rises from neutral to its apex, stays, and fades; the head sways a
little. All else of a clip is drawn once: person, light, place, camera. The grain alone is each frame's own, and what the hand that
holds the camera does to it, where it shakes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ferbench.builtin.synth.draws import Draws, Floats

LABELLED = 0.4
"""From this intensity on (1 is full) a frame is labelled with its clip's expression; below it, neutral."""

SWAY = {"yaw": 2.5, "pitch": 1.5, "roll": 1.2}
"""Standard deviation of the widest swing of the head, in degrees; never beyond three of them."""

SHAKE = {"shift_x": 0.06, "shift_y": 0.06, "zoom": 0.05, "roll": 4.0, "exposure": 0.10}
"""Standard deviation of what ``shake=1`` does to each frame by itself: shift in half pictures, zoom and exposure as parts of 1, roll
in degrees; never beyond three of them. A third of the frames are blurred, too, by up to all there is."""


@dataclass(frozen=True)
class Motion:
    """What B frames add to their clips. share: [B] in [0, 1], of the intensity at the apex. yaw, pitch, roll: [B] degrees."""

    share: Floats
    yaw: Floats
    pitch: Floats
    roll: Floats


def motion(of: Draws, frame: Floats, frames: int) -> Motion:
    """Frames ``frame`` [B] of clips of ``frames``; ``of`` draws per clip. Single pictures (frames 0) are at their apex, still."""
    still = np.zeros(len(of))
    if not frames:
        return Motion(still + 1.0, still, still, still)
    time = frame / (frames - 1)
    swing = {angle: of.bell(f"sway.{angle}", spread) * _wave(of, angle, time) for angle, spread in SWAY.items()}
    return Motion(share(of, time), **swing)


def share(of: Draws, time: Floats) -> Floats:
    """Onset, apex and offset at ``time`` in [0, 1] of each clip: every clip begins and ends at 0 and reaches 1."""
    begins, rises = of.between("onset", 0.04, 0.12), of.between("rise", 0.20, 0.30)
    stays, falls = of.between("apex", 0.10, 0.20), of.between("offset", 0.25, 0.35)
    up = _smooth((time - begins) / rises)
    down = _smooth((time - begins - rises - stays) / falls)
    return up * (1.0 - down)


def _smooth(x: Floats) -> Floats:
    """0 up to 0, 1 from 1 on, with no corner between."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def _wave(of: Draws, angle: str, time: Floats) -> Floats:
    """A slow swing in [-1, 1], half a cycle to one and a half: like a sine, of products and sums alone."""
    cycles = of.unit(f"sway.{angle}.phase") + time * of.between(f"sway.{angle}.pace", 0.5, 1.5)
    zigzag: Floats = 1.0 - 4.0 * np.abs(cycles - np.floor(cycles) - 0.5)
    return zigzag * (1.5 - 0.5 * zigzag * zigzag)


def shaken(each: Draws, shake: float) -> dict[str, Floats]:
    """What an unsteady hand does to each of B frames by itself, [B] each: as ``SHAKE``, and blur in [0, 1]."""
    if not shake:
        return dict.fromkeys((*SHAKE, "blur"), np.zeros(len(each)))
    found = {name: each.bell(f"shake.{name}", spread * shake) for name, spread in SHAKE.items()}
    smeared = each.chance("shake.smear", min(shake / 3.0, 1.0)) * each.unit("shake.blur")
    return {**found, "blur": smeared}
