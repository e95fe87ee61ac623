"""Tiny data that a network can learn in seconds, and the settings that go with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
TINY = ("--set", "view.resize=32", "--set", "view.crop=0", "--set", "batch=8", "--set", "epochs=2")


def draw_folder(root: Path, *, seed: int = 0, train: int = 6, test: int = 4, size: int = 40) -> Path:
    """A folder per split and class; a class is a bar at its own angle, over noise."""
    random = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size)))
    for split, many in (("train", train), ("test", test)):
        for number, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            angle = np.pi * number / len(CLASSES)
            bar = np.abs(grid[0] * np.cos(angle) + grid[1] * np.sin(angle)) < 0.2
            for i in range(many):
                face = random.integers(0, 120, (size, size, 3)) + 130 * bar[..., None]
                Image.fromarray(face.astype(np.uint8)).save(folder / f"{i}.png")
    return root
