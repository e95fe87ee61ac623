"""Small faces, and the methods of this plugin on a backbone that takes milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ferbench import LABEL_SPACES, Backbone, Features, Inputs, Site, Spec
from ferbench.data.loader import Faces, Loader
from ferbench.method.compose import Method, assemble
from ferbench.plugins import Registry, load
from ferbench.recipe import Stage, resolve
from ferbench.train.loop import Loop, Trained, train

SIDE = 32
METHODS = tuple(name for name, file in load().recipes.items() if file.plugin == "baselines")


class Small(Backbone):
    """images [B, 3, 32, 32] → five levels, 16 channels to 24, of 16, 16, 8, 4 and 4 pixels a side; pooled [B, 24]. It has taps."""

    taps = True

    def __init__(self, channels: tuple[int, ...] = (16, 16, 16, 24, 24), strides: tuple[int, ...] = (2, 1, 2, 2, 1)) -> None:
        super().__init__()
        widths = (3, *channels)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
            for a, b, stride in zip(widths, channels, strides, strict=False)
        )

    def forward(self, inputs: Inputs, select: Any = None, between: Any = None) -> Features:
        x, levels = inputs.images, []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            x = x if between is None else between(number, x)
            levels.append(x)
        return Features(pooled=x.mean((2, 3)), levels=tuple(levels))


class Flat(Backbone):
    """A pooled feature alone [B, 8], or with one level."""

    taps = True

    def forward(self, inputs: Inputs, select: Any = None, between: Any = None) -> Features:
        return Features(pooled=inputs.images.mean((2, 3)).repeat(1, 3)[:, :8])


def registry() -> Registry:
    """Everything installed, and the small backbones as ``t.small`` and ``t.flat``."""
    known = load()
    made = Registry(dict(known.plugins), {k: dict(v) for k, v in known.specs.items()}, dict(known.recipes), dict(known.owner))
    made.specs["backbones"]["t.small"] = Spec("t.small", lambda config, site: Small(), None, "five levels")
    made.specs["backbones"]["t.flat"] = Spec("t.flat", lambda config, site: Flat(), None, "no levels")
    return made


SLIM = {
    "dacl": ("disentangler.hidden=[64, 32]",),
    "lpl": ("head.width=64",),
    "mla": ("disentangler.hidden=64", "disentangler.width=32"),
    "sada": ("head.map=4",),
    "pden": ("head.channels=4",),
}


def small_stage(name: str, *settings: str, backbone: str = "t.small", size: int = SIDE) -> Stage:
    """A method's last stage in its quick preset on a small backbone. APViT's own stays, at its smallest; Sequencer's, the core's, is
    left out, so that plain cross-entropy remains."""
    own = {"apvit": ("backbone.width=48", "backbone.depth=2", "backbone.heads=2", "backbone.pooled_blocks=1")}
    chosen = own.get(name, (f'backbone={{use="{backbone}"}}',))
    file, made = load().recipe(name), registry()
    common = (f"view.resize={size}", "view.augment=[]", "optimiser.name=adam", "optimiser.lr=3e-3", "optimiser.schedule.warmup=0")
    given = [*chosen, *SLIM.get(name, ()), *common, *settings]
    return resolve(file.raw, made, where=name, preset="quick", settings=given).deployed


def small_method(stage: Stage, domains: int = 1, seed: int = 0) -> Method:
    """Each teacher is plain cross-entropy, untrained."""
    site = Site(LABEL_SPACES["basic7"], stage.view.side, domains=domains, normalise=stage.view.mean_std)
    plain = [assemble(small_stage("erm", size=stage.view.side), site, registry(), seed=9) for _ in stage.teachers]
    taught = {name: (teacher.eval().requires_grad_(False),) for name, teacher in zip(stage.teachers, plain, strict=True)}
    return assemble(stage, replace(site, teachers=taught), registry(), seed=seed)


def faces(n: int = 64, side: int = SIDE, seed: int = 0, names: tuple[str, ...] = ("made",)) -> Faces:
    """n faces whose expression can be learnt: a bright bar at a height of its own, in noise."""
    random = np.random.default_rng(seed)
    labels: NDArray[np.int64] = np.arange(n) % 7
    images = random.integers(0, 90, (n, side, side, 3), dtype=np.uint8)
    for row, label in enumerate(labels):
        images[row, 4 * label + 1 : 4 * label + 4] += 120
    parts = np.array_split(np.arange(n), len(names))
    return Faces(
        images=tuple(images[part] for part in parts), rows=tuple(np.arange(len(part)) for part in parts), expression=labels,
        domain=np.concatenate([np.full(len(part), d) for d, part in enumerate(parts)]),
        affect=np.full((n, 2), np.nan, np.float32), ids=tuple(f"{names[0]}-{i}" for i in range(n)), names=names,
    )  # fmt: skip


class Watch:
    """Asks to stop after so many steps; 0: never."""

    def __init__(self, after: int = 0) -> None:
        self.after, self.seen = after, 0

    def step(self, **_: Any) -> None:
        self.seen += 1

    def epoch(self, entry: dict[str, Any]) -> None: ...
    def phase(self, what: str, done: int, total: int) -> None: ...

    @property
    def stop(self) -> bool:
        return bool(self.after) and self.seen >= self.after


def run(method: Method, stage: Stage, data: Any, work: Path, after: int = 0, seed: int = 3) -> Trained:
    """The loop itself, looking at every step."""
    loader = Loader(data, stage.view, stage.batch, seed, channels_last=True) if isinstance(data, Faces) else data
    loop = Loop(torch.device("cpu"), torch.float32, seed=seed, look_every=0.0, checkpoint_every=1e9)
    return train(method, stage, loader, loop, work, Watch(after))


def batches(data: Faces, stage: Stage) -> Iterator[Any]:
    return Loader(data, stage.view, stage.batch, 3, channels_last=True).epoch(0)
