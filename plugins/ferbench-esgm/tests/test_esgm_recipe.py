"""ESGM's recipe: the numbers of its paper, every row of its tables, and what is printed for them."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path
from typing import Any

import ferbench_esgm
import pytest

from ferbench.ablation.rows import tables
from ferbench.plugins import load
from ferbench.recipe import Recipe, resolve

FILE = Path(ferbench_esgm.__file__).parent / "recipes" / "esgm-tables.toml"
ROWS: list[dict[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))["row"]
PRINTED = Path(__file__).parents[4] / "shared" / "published" / "esgm_pded.csv"
READINGS = {"s_exp=no_skin", "encoder=frozen", "wiring=parallel", "kernel=1"}


def recipe(preset: str = "paper", variant: str | None = None, *settings: str) -> Recipe:
    file = load().recipe("esgm")
    return resolve(
        file.raw, load(), where=file.path.name, preset=preset, variant=variant, sources=["rafdb"], settings=list(settings)
    )


def test_the_paper_preset_has_the_settings_of_the_paper() -> None:
    warmup, pretrain, finetune = recipe().stages
    assert (warmup.epochs, pretrain.epochs) == (20, 350)
    assert [stage.data for stage in recipe().stages] == ["auxiliary.parsing", "auxiliary.faces", "source.train"]
    for stage, rate in ((warmup, 1.5e-4), (pretrain, 1.5e-4), (finetune, 1e-4)):
        best = stage.optimiser
        assert (best.name, best.lr, best.betas[0], best.weight_decay, best.schedule.kind) == ("adamw", rate, 0.9, 0.05, "cosine")
        assert stage.view.side == 224
    assert warmup.losses == {"reconstruction": 1.0, "mask": 1.0} and pretrain.losses == {"reconstruction": 1.0}
    assert finetune.losses == {"ce": 1.0, "domain": 1.0}
    assert warmup.backbone.config["model"] == "vit_base_patch16_224" and warmup.backbone.config["weights"] == "mae"
    assert (warmup.masking.config["ratio"], warmup.masking.config["s_exp"]) == (0.2, "paper")


def test_stage_1b_goes_on_from_1a_with_its_attention_frozen_and_untaught() -> None:
    _, pretrain, finetune = recipe().stages
    assert pretrain.load == {"backbone": "warmup/backbone", "masking": "warmup/masking", "head": "warmup/head"}
    assert pretrain.frozen == ("masking.block",) and pretrain.masking.config["learn"] is False
    assert finetune.load == {"backbone.encoder": "pretrain/backbone"} and finetune.masking.use == "none"


def test_a_single_source_gets_a_blurred_copy_and_several_do_not() -> None:
    view = recipe().deployed.view
    (copy,) = view.copies_of(1)
    (blur,) = copy.augment
    assert (blur.op, blur.kernel, blur.sigma) == ("blur", 21, (0.5, 2.0))  # type: ignore[union-attr]
    assert view.copies_of(2) == ()


@pytest.mark.parametrize("preset", ["paper", "quick"])
def test_the_maskings_differ_in_the_masking_alone_and_share_the_ratio(preset: str) -> None:
    found = {}
    for name, use in (("full", "esgm.attention"), ("MARLIN-mask", "esgm.marlin"), ("PDED", "random")):
        stages = {stage.name: stage for stage in recipe(preset, name).stages}
        pretrain = stages["pretrain"]
        assert pretrain.masking.use == use and pretrain.masking.config["ratio"] == 0.2
        assert ("warmup" in stages) is (use == "esgm.attention")
        assert pretrain.backbone.config["weights"] == ("mae" if preset == "paper" else "random")
        found[name] = (pretrain.epochs, pretrain.optimiser, pretrain.head, stages["finetune"])
    assert found["full"] == found["MARLIN-mask"] == found["PDED"]


def test_the_decouplings_differ_in_the_form_alone() -> None:
    forms = {
        "full": "progressive",
        "decoupling=single": "single",
        "decoupling=parallel": "parallel",
        "decoupling=cyclic": "cyclic",
    }
    for name, form in forms.items():
        assert recipe("quick", name).deployed.disentangler.config["form"] == form
        assert recipe("quick", name).stages[:2] == recipe("quick").stages[:2]
    plain = recipe("quick", "ESGM").deployed
    assert (plain.disentangler.use, plain.losses, plain.view.copies) == ("none", {"ce": 1.0}, ())


def test_a_ratio_reaches_both_stages_that_mask() -> None:
    for ratio in (0.1, 0.2, 0.3, 0.4, 0.5, 0.75):
        warmup, pretrain, _ = recipe("paper", f"mask_ratio={ratio}").stages
        assert warmup.masking.config["ratio"] == pretrain.masking.config["ratio"] == ratio


def test_readings_beside_the_tables_change_their_option() -> None:
    assert recipe("paper", "s_exp=no_skin").stages[0].masking.config["s_exp"] == "no_skin"
    assert recipe("paper", "encoder=frozen").deployed.frozen == ("backbone.encoder",)
    assert recipe("paper", "wiring=parallel").deployed.backbone.config["wiring"] == "parallel"
    assert recipe("paper", "kernel=1").deployed.disentangler.config["kernel"] == 1


def test_the_quick_preset_fetches_nothing() -> None:
    for stage in recipe("quick").stages:
        assert {value for key, value in stage.backbone.config.items() if key.endswith("weights")} == {"random"}


def test_weights_of_a_user_start_the_pre_training_and_not_the_blocks_of_the_resnet() -> None:
    file = load().recipe("esgm")
    stages = resolve(file.raw, load(), where="esgm", weights="faces.safetensors").stages
    assert [stage.backbone.config["weights"] for stage in stages] == ["faces.safetensors", "mae", "random"]
    assert stages[2].backbone.config["resnet_weights"] == "imagenet"
    pretrain, _ = resolve(file.raw, load(), where="esgm", variant="PDED", weights="faces.safetensors").stages
    assert pretrain.backbone.config["weights"] == "faces.safetensors"


def test_the_decoupling_table_has_five_rows_and_the_masking_table_three() -> None:
    found = tables(load().recipe("esgm"))
    assert [row.variant for row in found["V"]] == [
        "ESGM",
        "decoupling=single",
        "decoupling=parallel",
        "decoupling=cyclic",
        "full",
    ]
    assert [row.variant for row in found["masking"]] == ["PDED", "MARLIN-mask", "full"]
    assert [row.variant for row in found["IV"]] == ["MAE+ResNet-18", "ESGM", "PDED", "full"] and len(found["Fig8"]) == 6


def test_every_row_names_a_variant_that_says_the_same_table_and_every_variant_has_a_row() -> None:
    variants = load().recipe("esgm").raw["variant"]
    said = {(table, name) for name, variant in variants.items() for table in variant.get("table", ())}
    assert {(row["table"], row["variant"]) for row in ROWS} == said
    assert set(variants) - {name for _, name in said} == READINGS


@pytest.mark.skipif(not PRINTED.is_file(), reason="the published numbers are not beside this repository (../shared/published)")
def test_the_numbers_are_exactly_those_that_are_published() -> None:
    own = {"ESGM+PDED", "MAE+ResNet-18", "MARLIN-mask", "ESGM", "PDED"}
    with PRINTED.open(encoding="utf-8", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["method"] in own]
    printed = sorted(
        (x["table"], x["source"], x["target"], float(x["value"])) for x in lines if x["table"] in ("I", "II", "III", "IV", "V")
    )
    ours = sorted(
        (x["table"], x["source"], x["target"], x["published"]) for x in ROWS if x["table"] in ("I", "II", "III", "IV", "V")
    )
    assert ours == printed and len(ours) == 102
    ratios = {float(x["value"]) for x in lines if x["table"] == "Fig8-text"}
    assert {x["published"] for x in ROWS if x["table"] == "Fig8" and "published" in x} == ratios == {56.54, 60.72}
