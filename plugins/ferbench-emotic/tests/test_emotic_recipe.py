"""Emotic MAE's recipe: the settings of its paper, every row of Tables 1 to 3, and what is printed for them."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path
from typing import Any

import ferbench_emotic
import pytest

from ferbench.ablation.rows import tables
from ferbench.errors import RecipeError
from ferbench.plugins import load
from ferbench.recipe import Recipe, resolve

FILE = Path(ferbench_emotic.__file__).parent / "recipes" / "emotic-tables.toml"
ROWS: list[dict[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))["row"]
PRINTED = Path(__file__).parents[4] / "shared" / "published" / "emotic_mae.csv"
READINGS = {"tokens=patch", "local=0", "skip=0"}


def recipe(preset: str = "paper", variant: str | None = None, *settings: str) -> Recipe:
    file = load().recipe("emotic")
    return resolve(file.raw, load(), where="emotic.toml", preset=preset, variant=variant, settings=list(settings))


def test_the_paper_preset_has_the_settings_of_the_paper() -> None:
    found = recipe()
    face, parts, fusion = found.stages
    assert (found.labels, found.smooth and found.smooth.window) == ("other8", 50)
    for stage, view in ((face, "full"), (parts, "eye+mouth")):
        config = stage.backbone.config
        assert (stage.backbone.use, config["view"], config["encoder"]) == ("emotic.view", view, "vit")
        assert (config["model"], config["pool"], config["drop_path"]) == ("vit_base_patch16_224", "mean", 0.1)
    for stage in found.stages:
        assert (stage.optimiser.name, stage.optimiser.lr, stage.batch, stage.view.side) == ("adam", 1e-4, 512, 224)
        assert stage.losses == {"ce": 1.0} and stage.data == "source.train"
    assert (face.epochs, parts.epochs, fusion.epochs) == (10, 10, 100)
    assert fusion.teachers == {"face": "face", "parts": "parts"} and fusion.disentangler.config["generator"] == "concat"


def test_rates_fall_by_0_65_from_block_to_block() -> None:
    for stage in recipe().stages[:2]:
        slots = stage.optimiser.slots
        assert len(slots) == 14
        for block in range(12):
            assert slots[f"backbone.encoder.model.blocks.{block}"].lr == pytest.approx(1e-4 * 0.65 ** (12 - block), rel=5e-3)
        for first in ("patch_embed", "cls_token"):
            assert slots[f"backbone.encoder.model.{first}"].lr == pytest.approx(1e-4 * 0.65**13, rel=5e-3)
    assert all(stage.optimiser.slots == {} for stage in recipe("quick").stages)


def test_fusion_sees_the_pictures_of_its_teachers_and_few_of_each() -> None:
    for preset in ("paper", "quick"):
        face, parts, fusion = recipe(preset).stages
        assert face.view == parts.view == fusion.view and [op.op for op in fusion.view.augment] == ["flip"]


def test_the_quick_preset_fetches_nothing_and_has_the_classes_of_drawn_faces() -> None:
    found = recipe("quick")
    assert {stage.backbone.config["weights"] for stage in found.stages[:2]} == {"random"} and found.labels == "basic7"


@pytest.mark.parametrize("view", ["eye", "mouth", "nose", "eye+mouth", "eye+mouth+nose"])
def test_table_1_trains_one_encoder_on_one_view(view: str) -> None:
    found = recipe("quick", f"view={view}")
    (stage,) = found.stages
    assert (stage.backbone.config["view"], found.smooth) == (view, None)


def test_the_whole_face_of_table_1_is_the_stage_that_fusion_rests_on() -> None:
    assert recipe("paper", "view=full_face").stages == recipe().stages[:1]
    assert recipe("paper", "view=eye+mouth").stages == recipe().stages[1:2]


def test_table_2_changes_the_key_generator_alone() -> None:
    for name in ("mean", "concat", "updown_mean", "updown_concat"):
        found = recipe("quick", f"fusion={name}")
        assert found.deployed.disentangler.config["generator"] == name and found.smooth is None
        assert found.stages[:2] == recipe("quick").stages[:2]


def test_table_3_adds_one_step_after_the_other() -> None:
    plain, tuned, fused, full = (recipe("paper", row.variant) for row in tables(load().recipe("emotic"))["3"])
    assert plain.stages[0].frozen == ("backbone.encoder",) and len(plain.stages) == len(tuned.stages) == 1
    assert not tuned.stages[0].frozen and len(fused.stages) == len(full.stages) == 3
    assert [found.smooth is None for found in (plain, tuned, fused, full)] == [True, True, True, False]


def test_readings_beside_the_tables_change_their_option() -> None:
    assert recipe("paper", "tokens=patch").deployed.backbone.config["tokens"] == "patch"
    assert recipe("paper", "local=0").deployed.disentangler.config["local"] is False
    assert recipe("paper", "skip=0").deployed.disentangler.config["skip"] is False


def test_the_window_is_a_setting() -> None:
    assert recipe("paper", None, "smooth.window=25").smooth.window == 25  # type: ignore[union-attr]
    assert recipe("paper", None, "smooth=false").smooth is None
    assert recipe("paper", "fusion=mean", "smooth.window=9").smooth.window == 9  # type: ignore[union-attr]
    with pytest.raises(RecipeError, match="window is 0; it counts frames"):
        recipe("paper", None, "smooth.window=0")
    with pytest.raises(RecipeError, match="5; allowed: false, or a table"):
        recipe("paper", None, "smooth=5")


def test_weights_of_a_user_start_both_encoders() -> None:
    stages = resolve(load().recipe("emotic").raw, load(), where="emotic", weights="mae_face.safetensors").stages
    assert [stage.backbone.config.get("weights") for stage in stages] == ["mae_face.safetensors", "mae_face.safetensors", None]


def test_every_row_names_a_variant_that_says_the_same_table_and_every_variant_has_a_row() -> None:
    variants = load().recipe("emotic").raw["variant"]
    said = {(table, name) for name, variant in variants.items() for table in variant.get("table", ())}
    assert {(row["table"], row["variant"]) for row in ROWS} == said
    assert set(variants) - {name for _, name in said} == READINGS


def test_the_tables_are_told_in_macro_f1() -> None:
    from ferbench.cli.ablate import _of_paper

    found = tables(load().recipe("emotic"))
    assert {table: len(rows) for table, rows in found.items()} == {"1": 6, "2": 4, "3": 4}
    assert all(_of_paper(rows) == "macro_f1" for rows in found.values())


@pytest.mark.skipif(not PRINTED.is_file(), reason="the published numbers are not beside this repository (../shared/published)")
def test_the_numbers_are_exactly_those_that_are_published() -> None:
    with PRINTED.open(encoding="utf-8", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["table"] in ("1", "2", "3")]
    printed = sorted((x["table"], x["variant"], x["metric"], round(100 * float(x["value"]), 1)) for x in lines)
    assert sorted((x["table"], x["name"], x["metric"], x["published"]) for x in ROWS) == printed and len(printed) == 104
