"""A target is not nameable in training, and not one byte of its pictures is opened before the last stage is done."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import pytest
from fixtures_run import TINY, draw_folder

from ferbench.data.prepared import open_set
from ferbench.errors import RecipeError
from ferbench.planning import Job, Plan, Request, plan
from ferbench.plugins import load
from ferbench.recipe import ROLES, Stage, resolve
from ferbench.report import Reporter
from ferbench.train.loop import Loop, train
from ferbench.train.workshop import Order, Workshop

OPENED: list[str] = []
"""Every path this process opens while a stage trains; filled by an audit hook, which nothing can take away."""

WATCHING = [False]


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if WATCHING[0] and event == "open" and isinstance(arguments[0], str):
        OPENED.append(arguments[0])


sys.addaudithook(_hear)


class Watch(Reporter):
    """While a stage trains, the target's pictures are out of reach and every opened file is written down; evaluation gets them back."""

    def __init__(self, *places: Path) -> None:
        super().__init__(quiet=True)
        self.places, self.trained = places, 0

    @contextmanager
    def task(self, label: str, total: int, *, epochs: int = 0) -> Iterator[None]:
        with super().task(label, total, epochs=epochs):
            if not epochs:
                yield
                return
            for place in self.places:
                place.rename(place.with_name(f"{place.name}.hidden"))
            WATCHING[0] = True
            try:
                yield
                self.trained += 1
            finally:
                WATCHING[0] = False
                for place in self.places:
                    place.with_name(f"{place.name}.hidden").rename(place)


def run(tmp_path: Path) -> tuple[Watch, Plan, Path, Path]:
    """An ERM on one folder, scored on another whose pictures and prepared set are hidden while it trains."""
    source, target = draw_folder(tmp_path / "source"), draw_folder(tmp_path / "target", seed=1)
    registry = load()
    prepared = {name: open_set(f"folder:{name}", registry.datasets).folder for name in (source, target)}
    settings = tuple(word for word in TINY if word != "--set")
    request = Request(
        "erm",
        (f"folder:{source}",),
        (f"folder:{target}",),
        preset="quick",
        settings=settings,
        device="cpu",
        out=tmp_path / "runs",
    )
    watch = Watch(target, prepared[target])
    OPENED.clear()
    return watch, plan(request, registry), prepared[source], prepared[target]


def test_training_opens_nothing_of_a_target(home: Path, tmp_path: Path) -> None:
    from ferbench.run import execute

    watch, planned, _, target = run(tmp_path)
    outcome = execute(planned, load(), watch)
    assert watch.trained == 1 and [result.role for result in outcome.record.results] == ["source-test", "target"]
    assert not [path for path in OPENED if path.startswith((str(target), str(tmp_path / "target")))]
    assert OPENED, "the watch heard nothing, so it proves nothing"


def test_the_watch_sees_a_target_that_is_opened_in_training(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ferbench import run as house

    watch, planned, _, target = run(tmp_path)
    honest = house.Workshop.train

    def leaky(self, *given, **more):
        open(target.with_name(f"{target.name}.hidden") / "pixels.u8", "rb").close()
        open(target / "pixels.u8", "rb").close()
        return honest(self, *given, **more)

    monkeypatch.setattr(house.Workshop, "train", leaky)
    with pytest.raises(FileNotFoundError, match=r"pixels\.u8"):
        house.execute(planned, load(), watch)
    assert str(target / "pixels.u8") in OPENED


def test_a_stage_cannot_name_a_target() -> None:
    assert not [role for role in ROLES if "target" in role or "test" in role]
    raw = load().recipe("erm").raw
    for role in ("target", "target.train", "target.test", "targets"):
        with pytest.raises(RecipeError, match="a target cannot be named in training"):
            resolve(raw, load(), where="erm.toml", settings=[f"data={role}"])


@pytest.mark.parametrize("kind", [Stage, Job, Order, Workshop, Loop])
def test_what_training_receives_has_no_place_for_a_target(kind: type) -> None:
    """A yes or no, such as whether auxiliary sets that are targets are left out, holds none."""
    held = [field for field in fields(kind) if str(field.type) != "bool"]
    assert not [
        field.name for field in held if "target" in field.name or "Target" in str(field.type) or "Plan" in str(field.type)
    ]


def test_the_loop_takes_batches_and_no_plan() -> None:
    assert list(inspect.signature(train).parameters) == ["method", "stage", "batches", "loop", "work", "watcher", "score"]
