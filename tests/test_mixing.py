"""A part taken into another paper's recipe brings what its own recipe gives it, and takes with it what was the old part's alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ferbench.errors import UnknownName
from ferbench.plugins import RecipeFile, Registry
from ferbench.recipe import Recipe, Stage, resolve
from ferbench.schema import Spec


@dataclass(frozen=True)
class Options:
    """depth, weights: of parts that have options."""

    depth: int = 1
    weights: str = "imagenet"


OURS: dict[str, Any] = {
    "schema": 1,
    "name": "ours",
    "stage": {
        "teach": {
            "data": "auxiliary.factors",
            "backbone": "one",
            "head": "plain",
            "epochs": 1,
            "batch": 2,
            "losses": {"ce": 1.0},
        },
        "main": {
            "backbone": "one",
            "disentangler": {"use": "ours.parts", "depth": 4},
            "head": "ours.head",
            "epochs": 3,
            "batch": 4,
            "losses": {"ce": 1.0, "part": 0.3, "sharp": 2.0},
            "critics": {"judge": 1.0},
            "teachers": {"t": "teach"},
            "load": {"backbone": "teach/backbone"},
            "frozen": ["disentangler.fixed"],
            "optimiser": {"slots": {"disentangler.critics": {"lr": 1.0}, "disentangler": {"lr": 0.5}}},
        },
    },
}
THEIRS: dict[str, Any] = {
    "schema": 1,
    "name": "theirs",
    "stage": {
        "eye": {"data": "auxiliary.faces", "backbone": "one", "head": "plain", "epochs": 7, "batch": 2, "losses": {"ce": 1.0}},
        "teach": {
            "data": "auxiliary.factors", "backbone": "two", "head": "plain", "epochs": 1, "batch": 2, "losses": {"ce": 1.0},
            "load": {"backbone": "eye/backbone"},
        },
        "last": {
            "backbone": "two",
            "masking": {"use": "theirs.mask", "depth": 2},
            "head": {"use": "theirs.head", "depth": 3},
            "epochs": 9,
            "batch": 8,
            "losses": {"ce": 0.5, "apart": 1.5, "of-the-mask": 0.1},
            "teachers": {"look": "eye", "other": "teach"},
            "load": {"masking.inner": "teach/backbone"},
            "frozen": ["masking.inner"],
            "optimiser": {"slots": {"masking.inner": {"lr": 0.0}, "head": {"lr": 9.0}}},
        },
    },
    "preset": {"quick": {"stage": {"last": {"head": {"depth": 1}, "losses": {"apart": 0.7}}}}},
}  # fmt: skip


def registry() -> Registry:
    made = Registry()

    def add(kind: str, name: str, owner: str, **said: Any) -> None:
        made.add(kind, name, owner, Spec(name, print, Options, name, **said))

    for kind in ("maskings", "disentanglers"):
        made.add(kind, "none", "builtin", Spec("none", print, None, "none"))
    add("backbones", "one", "builtin")
    add("backbones", "two", "builtin")
    add("heads", "plain", "builtin", losses=("ce",))
    add("heads", "ours.head", "ours", losses=("ce", "sharp"))
    add("heads", "theirs.head", "theirs", losses=("ce", "apart"))
    add("maskings", "theirs.mask", "theirs", losses=("of-the-mask",), teachers=("look",))
    add("disentanglers", "ours.parts", "ours", losses=("part",), critics=("judge",), teachers=("t",))
    for raw, owner in ((OURS, "ours"), (THEIRS, "theirs")):
        made.add("recipes", raw["name"], owner, RecipeFile(raw["name"], Path(f"{raw['name']}.toml"), owner, raw))
    return made


def made(*settings: str, raw: dict[str, Any] = OURS, preset: str | None = None, weights: str | None = None) -> Recipe:
    return resolve(raw, registry(), where="made.toml", settings=settings, preset=preset, weights=weights)


def stages(recipe: Recipe) -> dict[str, Stage]:
    return {stage.name: stage for stage in recipe.stages}


def test_a_head_brings_its_options_and_weights_and_the_old_one_takes_its_own() -> None:
    last = made("head=theirs.head").deployed
    assert last.head.config["depth"] == 3
    assert last.losses == {"ce": 1.0, "part": 0.3, "apart": 1.5}, "ce is weighed by the recipe at hand; sharp was ours.head's"
    assert "head" not in last.optimiser.slots, "how fast a slot learns is the recipe's choice"


def test_the_preset_counts_where_the_other_recipe_has_it() -> None:
    ours = {**OURS, "preset": {"quick": {}}}
    last = made("head=theirs.head", raw=ours, preset="quick").deployed
    assert last.head.config["depth"] == 1 and last.losses["apart"] == 0.7


def test_a_masking_brings_its_weights_teachers_and_the_stages_they_rest_on_under_a_free_name() -> None:
    found = stages(made("masking=theirs.mask"))
    assert list(found)[-1] == "main" and set(found) == {"eye", "theirs-teach", "teach", "main"}
    last = found["main"]
    assert last.load == {"backbone": "teach/backbone", "masking.inner": "theirs-teach/backbone"}
    assert last.teachers == {"t": "teach", "look": "eye"} and last.losses["of-the-mask"] == 0.1
    assert set(last.frozen) == {"disentangler.fixed", "masking.inner"} and last.optimiser.slots["masking.inner"].lr == 0.0
    assert found["theirs-teach"].backbone.use == "two" and found["theirs-teach"].load == {"backbone": "eye/backbone"}
    assert found["teach"].backbone.use == "one", "the recipe's own stage of that name stays"


def test_what_was_the_old_parts_alone_goes() -> None:
    last = made("disentangler=none").deployed
    assert last.losses == {"ce": 1.0, "sharp": 2.0} and last.critics == {} and last.teachers == {} and last.frozen == ()
    assert set(last.optimiser.slots) == {"disentangler"}


def test_another_backbone_is_not_filled_from_a_stage_that_had_the_old_one() -> None:
    assert made("backbone=two").deployed.load == {}
    assert made("backbone=one").deployed.load == {"backbone": "teach/backbone"}


def test_initial_weights_are_those_of_the_backbone_that_is_there_in_the_end() -> None:
    assert made("backbone=two", weights="random").deployed.backbone.config["weights"] == "random"
    assert made("backbone=two", "backbone.weights=FILE", weights="random").deployed.backbone.config["weights"] == "FILE"


def test_naming_the_part_that_is_there_changes_nothing() -> None:
    assert made("head=ours.head", "disentangler=ours.parts", "masking=none") == made()


def test_settings_lie_over_what_a_part_brings_in_any_order() -> None:
    for settings in (
        ("head=theirs.head", "losses.apart=4", "head.depth=8"),
        ("losses.apart=4", "head.depth=8", "head=theirs.head"),
    ):
        last = made(*settings).deployed
        assert last.losses["apart"] == 4 and last.head.config["depth"] == 8


def test_a_part_without_a_recipe_of_its_own_brings_nothing() -> None:
    last = made("head=plain").deployed
    assert last.losses == {"part": 0.3} or last.losses == {"ce": 1.0, "part": 0.3}
    assert last.head.config["depth"] == 1


def test_a_key_with_dots_of_its_own_is_one_key() -> None:
    assert made("load.disentangler.fixed=teach/backbone").deployed.load["disentangler.fixed"] == "teach/backbone"
    assert made("losses.factor.*=0.5").deployed.losses["factor.*"] == 0.5


def test_an_unknown_part_is_told_with_the_setting() -> None:
    with pytest.raises(UnknownName, match=r"no head 'theirs.haed'. Did you mean 'theirs.head'") as caught:
        made("head=theirs.haed")
    assert caught.value.where == "--set head=theirs.haed"
