"""CAFE's recipe: the numbers of its public code, every row of Tables 1 to 5, and what is printed for them."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path
from typing import Any

import ferbench_cafe
import pytest

from ferbench.plugins import load
from ferbench.recipe import Recipe, resolve

FILE = Path(ferbench_cafe.__file__).parent / "recipes" / "cafe-tables.toml"
ROWS: list[dict[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))["row"]
PRINTED = Path(__file__).parents[4] / "shared" / "published" / "cafe.csv"
PLAIN = "mask=0 separation=0 diverse=0"
READINGS = {"split=paper", "mask_logit=prerelu"}


def recipe(preset: str = "paper", variant: str | None = None, *settings: str) -> Recipe:
    file = load().recipe("cafe")
    return resolve(
        file.raw, load(), where=file.path.name, preset=preset, variant=variant, sources=["rafdb"], settings=list(settings)
    )


def test_the_paper_preset_has_the_settings_of_the_public_code() -> None:
    (cafe,) = recipe().stages
    assert cafe.losses == {"ce": 1.0, "separation": 1.5, "diverse": 5.0} and cafe.frozen == ("masking.encoder",)
    best = cafe.optimiser
    assert (best.name, best.lr, best.weight_decay, best.schedule.kind, best.schedule.gamma) == (
        "adam",
        2e-4,
        1e-4,
        "exponential",
        0.9,
    )
    assert (cafe.epochs, cafe.batch, cafe.view.resize, cafe.view.side, cafe.view.normalise) == (60, 32, 224, 224, "imagenet")
    noise, flip, erase = cafe.view.augment
    assert (noise.op, noise.variance, noise.p, flip.op, flip.p) == ("noise", 30.0, 0.5, "flip", 0.5)  # type: ignore[union-attr]
    assert (erase.op, erase.p, erase.scale) == ("erase", 0.5, (0.02, 0.25))  # type: ignore[union-attr]
    assert cafe.head.config == {"drop": 10, "split": "code", "separation": True, "diverse": True}
    assert cafe.masking.config["encoder"] == "timm.vit_base_patch32_clip_quickgelu_224.openai"
    assert (cafe.masking.config["normalise"], cafe.masking.config["sigmoid"], cafe.masking.config["projection"]) == (
        "imagenet",
        True,
        True,
    )
    assert recipe().selection == "last"


def test_the_release_preset_is_the_papers_whose_numbers_the_public_code_made() -> None:
    assert recipe("release").stages == recipe().stages


def test_the_quick_preset_fetches_nothing_and_lets_the_frozen_features_be_remembered() -> None:
    encoder, cafe = recipe("quick").stages
    assert {stage.backbone.config["weights"] for stage in (encoder, cafe)} == {"random"}
    assert cafe.load == {"backbone": "encoder/backbone", "masking.encoder": "encoder/backbone"}
    assert cafe.masking.config["encoder"] == encoder.backbone.use and cafe.masking.config["weights"] == "random"
    assert [op.op for op in cafe.view.augment] == ["flip"] and encoder.seed == "auxiliary"


@pytest.mark.parametrize("preset", ["paper", "release"])
def test_the_stand_in_for_clip_is_trained_by_the_quick_preset_alone(preset: str) -> None:
    assert [stage.name for stage in recipe(preset).stages] == ["cafe"]


def test_table_2_switches_mask_separation_and_diversity() -> None:
    def parts(name: str) -> tuple[str, str, set[str]]:
        stage = recipe("quick", name).deployed
        return stage.masking.use, stage.head.use, set(stage.losses)

    assert parts(PLAIN) == ("none", "linear", {"ce"})
    assert parts("mask=1 separation=0 diverse=0") == ("cafe.sigmoid", "cafe.separated", {"ce"})
    assert parts("mask=1 separation=1 diverse=0") == ("cafe.sigmoid", "cafe.separated", {"ce", "separation"})
    assert parts("full") == ("cafe.sigmoid", "cafe.separated", {"ce", "separation", "diverse"})


def test_a_plain_network_of_the_quick_preset_starts_where_the_full_one_does() -> None:
    assert recipe("quick", PLAIN).deployed.load == {"backbone": "encoder/backbone"}
    assert recipe("quick", PLAIN).deployed.frozen == ()


def test_tables_3_to_5_change_the_backbone_the_join_and_the_sigmoid() -> None:
    for name, use in (("MobileNet", "timm.mobilenetv1_100"), ("ResNet-50", "resnet50")):
        plain, full = recipe("paper", f"{name} plain").deployed, recipe("paper", f"backbone={name}").deployed
        assert (plain.backbone.use, full.backbone.use, plain.masking.use) == (use, use, "none")
        assert full.masking.config["reduce"] == "mean" and full.losses == recipe().deployed.losses
    joined = recipe("quick", "CLIP+Finetune").deployed
    assert (joined.masking.config["join"], joined.head.use, joined.losses) == ("concat", "linear", {"ce": 1.0})
    assert joined.masking.config["encoder"] == "resnet18"  # the preset says in which form
    assert recipe("paper", "no sigmoid").deployed.masking.config["sigmoid"] is False


def test_readings_beside_the_tables_change_their_option() -> None:
    assert recipe("paper", "split=paper").deployed.head.config["split"] == "paper"
    stage = recipe("paper", "mask_logit=prerelu").deployed
    assert stage.masking.config["mask_logit"] == "prerelu" and stage.backbone.config["prerelu"] is True


def test_every_row_names_a_variant_that_says_the_same_table_and_every_variant_has_a_row() -> None:
    variants = load().recipe("cafe").raw["variant"]
    said = {(table, name) for name, variant in variants.items() for table in variant.get("table", ())}
    assert {(row["table"], row["variant"]) for row in ROWS} == said
    assert set(variants) - {name for _, name in said} == READINGS


@pytest.mark.skipif(not PRINTED.is_file(), reason="the published numbers are not beside this repository (../shared/published)")
def test_the_numbers_are_exactly_those_that_are_published() -> None:
    plain = {"MobileNet", "ResNet-18", "ResNet-50"}

    def name(line: dict[str, str]) -> str:
        if line["method"] == "CAFE":
            return line["variant"]
        return f"{line['method']} plain" if line["method"] in plain else line["method"]

    with PRINTED.open(encoding="utf-8", newline="") as file:
        own = [line for line in csv.DictReader(file) if line["method"] in {"CAFE", "CLIP+Finetune", *plain}]
    printed = [(x["table"], name(x), x["source"], x["target"], x["metric"], float(x["value"])) for x in own]
    ours = [(x["table"], x["name"], x["source"], x["target"], x["metric"], x["published"]) for x in ROWS]
    assert sorted(ours) == sorted(printed) and len(ours) == 110
