"""Recipes: layers, settings, and every error a recipe's author or a user can meet."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from ferbench.errors import FerbenchError, RecipeError, UnknownName
from ferbench.layers import coerce, literal
from ferbench.plugins import Registry
from ferbench.recipe import Recipe, Smooth, resolve
from ferbench.schema import Spec


@dataclass(frozen=True)
class Options:
    """Options of the components of this file."""

    weights: str = "imagenet"
    depth: int = 2
    rate: float = 0.5
    names: tuple[str, ...] = ()
    betas: tuple[float, float] = (0.9, 0.99)
    kind: Literal["a", "b"] = "a"
    cap: int | None = None

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise RecipeError(f"depth is {self.depth}; at least 1")


@dataclass(frozen=True)
class Other:
    """One option, which nobody else has."""

    width: int = 8


def registry() -> Registry:
    made = Registry()
    for kind in ("backbones", "maskings", "disentanglers", "heads"):
        for name, config in (("none", None), ("one", Options), ("two", Other), ("bare", None)):
            made.add(kind, name, "builtin", Spec(name, print, config, name))
    return made


RAW: dict[str, Any] = {
    "schema": 1,
    "name": "made",
    "stage": {
        "first": {"data": "auxiliary.factors", "backbone": "one", "head": "one", "epochs": 2, "batch": 4, "losses": {"a": 1.0}},
        "last": {
            "backbone": {"use": "one", "depth": 3},
            "disentangler": "one",
            "head": {"use": "one"},
            "teachers": {"t": "first"},
            "epochs": 5,
            "batch": 8,
            "losses": {"ce": 1.0},
            "optimiser": {"lr": 0.1, "schedule": {"kind": "cosine", "warmup": 1.0}},
        },
    },
    "preset": {"quick": {"note": "small", "stage": {"last": {"epochs": 1, "batch": 2}}}, "sparse": {"for_source": False}},
    "variant": {"wide": {"table": ["2"], "note": "n", "stage": {"last": {"epochs": 9, "backbone": {"depth": 7}}}}},
    "for_source": {"rafdb": {"stage": {"last": {"batch": 16}}}, "default": {"stage": {"last": {"batch": 32}}}},
}


def made(*settings: str, raw: dict[str, Any] | None = None, **given: Any) -> Recipe:
    return resolve(raw or RAW, registry(), where="made.toml", settings=settings, **given)


def changed(path: str, value: Any) -> dict[str, Any]:
    """RAW with one value put at a dotted path; None takes the key away."""
    raw = copy.deepcopy(RAW)
    *parents, last = path.split(".")
    at = raw
    for parent in parents:
        at = at.setdefault(parent, {})
    at[last] = value
    if value is None:
        del at[last]
    return raw


def test_the_recipe_itself_is_the_paper_preset() -> None:
    recipe = made()
    assert (recipe.preset, recipe.preset_note, recipe.deployed.epochs, recipe.deployed.batch) == ("paper", "", 5, 8)


def test_nothing_is_left_to_a_default_elsewhere() -> None:
    slot = made().deployed.backbone
    assert slot.config == {
        "weights": "imagenet", "depth": 3, "rate": 0.5, "names": (), "betas": (0.9, 0.99), "kind": "a", "cap": None,
    }  # fmt: skip
    assert made().deployed.masking.use == "none"


def test_each_layer_lies_over_the_last() -> None:
    table = [
        (made(), (5, 8, 3)),
        (made(preset="quick"), (1, 2, 3)),
        (made(variant="wide"), (9, 8, 7)),
        (made(preset="quick", variant="wide"), (9, 2, 7)),
        (made(sources=["rafdb"]), (5, 16, 3)),
        (made(preset="quick", variant="wide", sources=["rafdb"]), (9, 16, 7)),
        (made("batch=64", "backbone.depth=5", preset="quick", variant="wide", sources=["rafdb"]), (9, 64, 5)),
    ]
    for recipe, expected in table:
        stage = recipe.deployed
        assert (stage.epochs, stage.batch, stage.backbone.config["depth"]) == expected


def test_a_source_without_settings_of_its_own_gets_the_default_ones() -> None:
    assert made(sources=["affectnet"]).deployed.batch == 32


def test_a_preset_may_leave_the_sources_settings_out() -> None:
    assert made(preset="sparse", sources=["rafdb"]).deployed.batch == 8


def test_the_raw_recipe_is_never_changed() -> None:
    before = copy.deepcopy(RAW)
    made("backbone.depth=9", "first.epochs=7", preset="quick", variant="wide", sources=["rafdb"], weights="random")
    assert before == RAW


def test_naming_another_component_drops_the_old_ones_options() -> None:
    recipe = made("backbone=two")
    assert (recipe.deployed.backbone.use, recipe.deployed.backbone.config) == ("two", {"width": 8})


def test_naming_the_same_component_keeps_its_options() -> None:
    assert made("backbone=one").deployed.backbone.config["depth"] == 3


def test_false_takes_an_entry_of_an_earlier_layer_out() -> None:
    raw = copy.deepcopy(RAW)
    raw["stage"]["last"]["optimiser"]["slots"] = {"head": {"lr": 1.0}, "backbone": {"lr": 2.0}}
    raw["stage"]["last"]["critics"] = {"d": 1.0}
    out = made("losses.ce=false", "teachers.t=false", "critics.d=false", "optimiser.slots.head=false", raw=raw).deployed
    assert (out.losses, out.teachers, out.critics, set(out.optimiser.slots)) == ({}, {}, {}, {"backbone"})
    back = made("losses.ce=false", "losses.ce=2", raw=raw).deployed
    assert back.losses == {"ce": 2.0} and set(back.optimiser.slots) == {"head", "backbone"}


def test_false_takes_a_stage_out_and_a_whole_table() -> None:
    raw = copy.deepcopy(RAW)
    raw["variant"]["early"] = {"stage": {"last": False}}
    raw["stage"]["last"]["optimiser"]["slots"] = {"head": {"lr": 1.0}}
    raw["preset"]["quick"]["stage"]["last"]["optimiser"] = {"slots": False}
    assert [stage.name for stage in made(raw=raw, variant="early").stages] == ["first"]
    assert [stage.name for stage in made(raw=raw, variant="early", preset="quick", sources=["rafdb"]).stages] == ["first"]
    assert made(raw=raw, preset="quick").deployed.optimiser.slots == {}
    with pytest.raises(UnknownName, match="no setting 'last'"):
        made("last.epochs=3", raw=raw, variant="early")


def test_smoothing_is_off_until_a_recipe_or_a_setting_asks_for_it() -> None:
    raw = {**RAW, "smooth": {"window": 50}}
    assert made().smooth is None and made("smooth.window=9").smooth == Smooth(9)
    assert made(raw=raw).smooth == Smooth(50) and made("smooth=false", raw=raw).smooth is None
    assert made("smooth=false", "smooth.window=9", raw=raw).smooth == Smooth(9)


def test_a_stage_that_nothing_rests_on_any_more_is_not_trained() -> None:
    assert [stage.name for stage in made().stages] == ["first", "last"]
    assert [stage.name for stage in made("teachers.t=false").stages] == ["last"]
    assert [stage.name for stage in made("teachers.t=false", "load.backbone=first/backbone").stages] == ["first", "last"]


def test_an_option_can_follow_a_new_component() -> None:
    assert made("backbone=two", "backbone.width=3").deployed.backbone.config == {"width": 3}


def test_weights_reach_every_backbone_that_starts_from_any() -> None:
    recipe = made(weights="random")
    assert [stage.backbone.config["weights"] for stage in recipe.stages] == ["random", "random"]


def test_weights_leave_a_backbone_alone_that_is_loaded_from_a_stage() -> None:
    recipe = made(raw=changed("stage.last.load", {"backbone": "first/backbone"}), weights="random")
    assert [stage.backbone.config["weights"] for stage in recipe.stages] == ["random", "imagenet"]


SETTINGS: dict[str, tuple[str, Any]] = {
    "epochs=3": ("epochs", 3),
    "last.epochs=3": ("epochs", 3),
    "optimiser.lr=1e-3": ("optimiser.lr", 1e-3),
    "optimiser.schedule.kind=constant": ("optimiser.schedule.kind", "constant"),
    "optimiser.schedule={kind='multi-step', milestones=[1,2]}": ("optimiser.schedule.milestones", (1.0, 2.0)),
    "losses.ce=0.5": ("losses", {"ce": 0.5}),
    "losses.extra=2": ("losses", {"ce": 1.0, "extra": 2.0}),
    "head.rate=0.25": ("head.config.rate", 0.25),
    "head.names=a,b": ("head.config.names", ("a", "b")),
    "head.names=a": ("head.config.names", ("a",)),
    "head.names=[]": ("head.config.names", ()),
    "head.betas=0.5,0.999": ("head.config.betas", (0.5, 0.999)),
    "head.cap=4": ("head.config.cap", 4),
    "view.resize=64": ("view.resize", 64),
    "oversample=true": ("oversample", True),
    " epochs = 3 ": ("epochs", 3),
    "masking=two": ("masking.use", "two"),
    "frozen=backbone": ("frozen", ("backbone",)),
}


@pytest.mark.parametrize(("setting", "found"), SETTINGS.items(), ids=SETTINGS)
def test_a_setting_changes_what_it_names(setting: str, found: tuple[str, Any]) -> None:
    path, value = found
    at: Any = made(setting).deployed
    for part in path.split("."):
        at = at[part] if isinstance(at, dict) else getattr(at, part)
    assert at == value


def test_a_setting_that_begins_with_a_stage_changes_that_stage_alone() -> None:
    recipe = made("first.epochs=7")
    assert [stage.epochs for stage in recipe.stages] == [7, 5]


def test_augmentations_are_set_by_name_or_as_tables() -> None:
    named = made("view.augment=flip,blur").deployed.view.augment
    assert [op.op for op in named] == ["flip", "blur"]
    table = made("view.augment=[{op='rotate', degrees=10}, 'grey']").deployed.view.augment
    assert [(op.op, getattr(op, "degrees", None)) for op in table] == [("rotate", 10.0), ("grey", None)]
    assert made("view.augment=[]").deployed.view.augment == ()


def test_labels_and_selection_are_set_for_the_whole_recipe() -> None:
    recipe = made("labels=basic6", "selection=source-val")
    assert (recipe.labels, recipe.selection) == ("basic6", "source-val")


BAD_SETTINGS = {
    "epoch=3": ("--set epoch=3", "no setting 'epoch'. Did you mean 'epochs'"),
    "last.epoch=3": ("--set last.epoch=3", "Did you mean 'epochs'"),
    "frist.epochs=3": ("--set frist.epochs=3", "'first'"),
    "epochs": ("--set", "'epochs' is not key=value"),
    "=3": ("--set", "is not key=value"),
    "epochs=many": ("made.toml, stage.last.epochs", "got 'many'"),
    "backbone.deph=3": ("made.toml, stage.last.backbone", "no option 'deph'. Did you mean 'depth'"),
    "backbone.depth=0": ("made.toml, stage.last.backbone", "depth is 0; at least 1"),
    "backbone.kind=c": ("made.toml, stage.last.backbone.kind", "'a' or 'b'"),
    "backbone=tow": ("--set backbone=tow", "no backbone 'tow'. Did you mean 'two'"),
    "backbone=none": ("made.toml, stage.last", "no backbone"),
    "head=none": ("made.toml, stage.last", "no head"),
    "smooth.window=0": ("made.toml, smooth", "window is 0; it counts frames, so at least 1"),
    "smooth.windo=5": ("made.toml, smooth", "no option 'windo'. Did you mean 'window'"),
    "smooth=5": ("made.toml, smooth", "5; allowed: false, or a table. smooth = {window = 50}"),
    "head=bare": ("", ""),
    "head.betas=0.5": ("made.toml, stage.last.head.betas", ""),
    "masking.width=3": ("made.toml, stage.last.masking", "'none' has no options, and 'width' was given"),
    "view.augment=flop": ("made.toml, stage.last.view.augment", "no augmentation 'flop'. Did you mean 'flip'"),
    "view.augment=[{op='flip', q=1}]": ("made.toml, stage.last.view.augment", "no option 'q'"),
    "view.resise=64": ("made.toml, stage.last.view", "Did you mean 'resize'"),
    "optimiser.name=adan": ("made.toml, stage.last.optimiser.name", "'adam'"),
    "optimiser.rate=1": ("made.toml, stage.last.optimiser", "no option 'rate'"),
    "optimiser.schedule.kind=step": ("made.toml, stage.last.optimiser.schedule.kind", "'multi-step'"),
    "optimiser.schedule.gama=1": ("made.toml, stage.last.optimiser.schedule", "Did you mean 'gamma'"),
    "losses.ce=much": ("made.toml, stage.last.losses.ce", "got 'much'"),
    "labels=basic9": ("made.toml, labels", "no label space 'basic9'. Did you mean 'basic"),
    "selection=oracle": ("made.toml, selection", "allowed: last, source-val"),
    "selection=best": ("made.toml, selection", "allowed: last, source-val"),
    "data=target": ("made.toml, stage.last.data", "a target cannot be named in training"),
    "data=target.test": ("made.toml, stage.last.data", "a target cannot be named in training"),
    "data=targets": ("made.toml, stage.last.data", "a target cannot be named in training"),
    "data=source.test": ("made.toml, stage.last.data", "no role 'source.test'; roles: source.train, auxiliary.factors"),
    "teachers.t=frist": ("made.toml, stage.last", "no earlier stage 'frist'. Did you mean 'first'"),
    "teachers.t=last": ("made.toml, stage.last", "no earlier stage 'last'"),
    "load.backbone=second/backbone": ("made.toml, stage.last", "no earlier stage 'second'"),
    "each=true": ("made.toml, stage.last.each", "the last stage is what gets evaluated"),
    "exclude_target=true": ("made.toml, stage.last.exclude_target", "the sources stay; auxiliary data can be left out"),
}


@pytest.mark.parametrize(("setting", "told"), BAD_SETTINGS.items(), ids=BAD_SETTINGS)
def test_a_wrong_setting_is_refused_with_the_place_and_what_is_allowed(setting: str, told: tuple[str, str]) -> None:
    if told == ("", ""):
        assert made(setting).deployed.head.use == "bare"
        return
    with pytest.raises(FerbenchError) as caught:
        made(setting)
    place, what = told
    assert caught.value.line().startswith(place) and what in caught.value.line()
    assert "\n" not in caught.value.line()


BAD_FILES = {
    "an unknown key": (changed("stages", {}), "made.toml: no key 'stages'. Did you mean 'stage'"),
    "no schema": (changed("schema", None), "schema is None; this ferbench reads schema 1"),
    "another schema": (changed("schema", 2), "schema is 2; this ferbench reads schema 1"),
    "no stage": (changed("stage", {}), "made.toml: no [stage.NAME] table"),
    "an unknown key of a stage": (
        changed("stage.last.epoch", 3),
        "made.toml, stage.last: no option 'epoch'. Did you mean 'epochs'",
    ),
    "no epochs": (changed("stage.last.epochs", None), "made.toml, stage.last.epochs: field required"),
    "no backbone": (changed("stage.last.backbone", None), 'made.toml, stage.last: no backbone. Add backbone = {use = "…"}'),
    "a slot without a name": (changed("stage.last.head", {"rate": 1}), 'made.toml, stage.last: no head. Add head = {use = "…"}'),
    "a target's role": (
        changed("stage.first.data", "target.train"),
        "made.toml, stage.first.data: a target cannot be named in training",
    ),
    "a stage that looks ahead": (
        changed("stage.first.teachers", {"t": "last"}),
        "made.toml, stage.first: no earlier stage 'last'",
    ),
}


@pytest.mark.parametrize(("raw", "told"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_wrong_recipe_is_refused_with_file_and_key(raw: dict[str, Any], told: str) -> None:
    with pytest.raises(FerbenchError) as caught:
        made(raw=raw)
    assert told in caught.value.line()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"preset": "quik"}, "no preset 'quik'. Did you mean 'quick'"),
        ({"variant": "wid"}, "no variant 'wid'. Did you mean 'wide'"),
    ],
)
def test_an_unknown_preset_or_variant_suggests_the_nearest(given: dict[str, str], told: str) -> None:
    with pytest.raises(UnknownName) as caught:
        made(**given)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("0.5", 0.5), ("1e-3", 1e-3), ("true", True), ("[1, 2]", [1, 2]), ("{a = 1}", {"a": 1}), ("name", "name"),
     ("a b", "a b"), ("'3'", "3"), ("hf:owner/name@abc", "hf:owner/name@abc"), ("", "")],
)  # fmt: skip
def test_a_settings_text_is_read_as_toml_where_it_is_toml(text: str, value: Any) -> None:
    assert literal(text) == value


def test_coerce_turns_text_into_what_the_fields_ask_for() -> None:
    @dataclass(frozen=True)
    class Kind:
        many: tuple[int, ...] = ()
        pair: tuple[float, float] | None = None
        text: str = ""
        table: dict[str, float] = field(default_factory=dict)

    globals()["Kind"] = Kind
    assert coerce(Kind, {"many": "1, 2", "pair": "0.5,1"}, "here") == Kind((1, 2), (0.5, 1.0))
    assert coerce(Kind, {"many": 3, "text": "1,2", "pair": None}, "here") == Kind((3,), None, "1,2")
    with pytest.raises(RecipeError, match=r"here\.table\.a"):
        coerce(Kind, {"table": {"a": "x"}}, "here")
