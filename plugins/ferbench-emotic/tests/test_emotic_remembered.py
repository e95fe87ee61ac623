"""Fusion learns from what both encoders say of each picture once: the same bits as asking anew, and no encoder asked again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ferbench_emotic.crops import collage

from ferbench import LABEL_SPACES, AssemblyRefused, Inputs, Site
from ferbench.data.loader import Faces, Loader
from ferbench.explain.columns import cam_columns
from ferbench.explain.look import as_pictures, look
from ferbench.method.compose import Method, assemble
from ferbench.plugins import load
from ferbench.recipe import Recipe, resolve
from ferbench.train.loop import Loop, train

CPU = torch.device("cpu")
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
N, BATCH, EPOCHS, SIDE = 20, 8, 4, 16


class Quiet:
    stop = False

    def step(self, **_: Any) -> None: ...
    def epoch(self, entry: dict[str, Any]) -> None: ...
    def phase(self, what: str, done: int, total: int) -> None: ...


def recipe(variant: str | None = None) -> Recipe:
    file = load().recipe("emotic")
    small = {f"{stage}.view.resize": SIDE for stage in ("face", "parts", "fusion")}
    small |= {f"{stage}.backbone.{what}": value for stage in ("face", "parts") for what, value in (("depth", 1), ("patch", 4))}
    small |= {"fusion.epochs": EPOCHS, "fusion.batch": BATCH}
    settings = [f"{key}={json.dumps(value)}" for key, value in small.items()]
    return resolve(file.raw, load(), where="emotic", preset="quick", variant=variant, settings=settings)


def methods(variant: str | None = None) -> tuple[Recipe, dict[str, Method], Method]:
    """The recipe, its two encoders frozen as teachers, and the fusion over them."""
    found = recipe(variant)
    site = Site(LABEL_SPACES["basic7"], SIDE, normalise=IMAGENET)
    face, parts, fusion = found.stages
    teachers = {stage.name: assemble(stage, site, load(), seed=1).eval().requires_grad_(False) for stage in (face, parts)}
    given = Site(LABEL_SPACES["basic7"], SIDE, normalise=IMAGENET, teachers={name: (one,) for name, one in teachers.items()})
    return found, teachers, assemble(fusion, given, load(), seed=2)


def faces() -> Faces:
    random = np.random.default_rng(0)
    return Faces(
        images=(random.integers(0, 255, (N, SIDE, SIDE, 3), dtype=np.uint8),), rows=(np.arange(N),),
        expression=random.integers(0, 7, N), domain=np.zeros(N, np.int64), affect=np.full((N, 2), np.nan, np.float32),
        ids=tuple(map(str, range(N))), names=("made",),
    )  # fmt: skip


def trained(
    work: Path, dtype: torch.dtype, variant: str | None = None, *, remember: bool, epochs: int = EPOCHS
) -> tuple[bytes, dict[str, int]]:
    """The weights after training, and how many batches each encoder has seen."""
    found, teachers, fusion = methods(variant)
    asked = dict.fromkeys(teachers, 0)
    for name, teacher in teachers.items():

        def count(_: Any, __: Any, name: str = name) -> None:
            asked[name] += 1

        teacher.backbone.register_forward_pre_hook(count)
    stage = replace(found.deployed, epochs=epochs)
    loader = Loader(faces(), stage.view, stage.batch, 0, CPU, channels_last=True)
    done = train(fusion, stage, loader, Loop(CPU, dtype, seed=3, remember=remember), work, Quiet())
    return done.weights, asked


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("variant", [None, "tokens=patch"])
def test_no_encoder_is_asked_after_the_first_pass_and_the_weights_are_the_same_bits(
    variant: str | None, dtype: torch.dtype, tmp_path: Path
) -> None:
    live, often = trained(tmp_path / "live", dtype, variant, remember=False)
    remembered, seldom = trained(tmp_path / "remembered", dtype, variant, remember=True)
    assert remembered == live
    assert set(often.values()) == {EPOCHS * (N // BATCH)}
    assert set(seldom.values()) == {2 * -(-N // BATCH) + 1}  # each face as it is and mirrored, and one trial of the bits


def test_more_epochs_ask_no_encoder_more_often(tmp_path: Path) -> None:
    few, many = (trained(tmp_path / str(n), torch.float32, remember=True, epochs=n)[1] for n in (3, 9))
    assert few == many


def test_the_encoders_are_no_part_of_what_fusion_saves() -> None:
    _, teachers, fusion = methods()
    assert not [name for name in fusion.state_dict() if name.startswith("backbone")]
    assert {name: one.backbone.view for name, one in teachers.items()} == {"face": "full", "parts": "eye+mouth"}


def test_fusion_without_both_encoders_is_refused() -> None:
    found, teachers, _ = methods()
    site = Site(LABEL_SPACES["basic7"], SIDE, teachers={"face": (teachers["face"],)})
    with pytest.raises(AssemblyRefused, match="asks one teacher 'parts', and there are 0"):
        assemble(found.deployed, site, load())


def test_a_look_at_the_second_view_shows_its_collage_and_where_that_speaks_for_a_class() -> None:
    _, teachers, fusion = methods()
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    face, parts = (look(teachers[name], Inputs(images), cams=True) for name in ("face", "parts"))
    assert face.seen is face.pictures and not np.array_equal(parts.seen, parts.pictures)
    assert np.array_equal(parts.seen, as_pictures(collage(images, "eye+mouth"), teachers["parts"]))
    titles = [title for title, _ in cam_columns([parts])[0]]
    assert titles == ["seen", "block 1"] and [title for title, _ in cam_columns([face])[0]] == ["block 1"]
    assert not fusion.backbone.taps  # so that a page traces the classes of the stages that it asks
