"""DFD-Net's recipe and tables: the paper's settings, a variant per row of Table 1, and every number as it is printed."""

from __future__ import annotations

import csv
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ferbench_dfdnet
import pytest

from ferbench import RecipeError
from ferbench.plugins import load
from ferbench.recipe import Recipe, resolve

FILE = Path(ferbench_dfdnet.__file__).parent / "recipes" / "dfd-net-tables.toml"
ROWS: list[dict[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))["row"]
PRINTED = Path(__file__).parents[4] / "shared" / "published" / "dfd_net.csv"
TABLE_1 = ("att=0 eifp=0", "att=1 eifp=0", "att=1 eifp=1")


def recipe(*settings: str, preset: str | None = None, variant: str | None = None) -> Recipe:
    file = load().recipe("dfd-net")
    return resolve(file.raw, load(), where=file.path.name, preset=preset, variant=variant, settings=settings)


def test_the_paper_preset_has_the_papers_settings() -> None:
    efe = recipe().deployed
    best = efe.optimiser
    assert (best.name, best.lr, best.betas, best.slots["backbone"].lr) == ("adamw", 5e-4, (0.5, 0.999), 1e-6)
    assert (best.schedule.kind, best.schedule.period, efe.epochs, efe.batch) == ("cosine", 100, 60, 128)
    assert (efe.view.side, efe.view.normalise, efe.losses) == (90, "imagenet", {"ce": 1.0, "invariance": 1.0})
    crop, jitter, flip = (asdict(op) for op in efe.view.augment)
    assert (crop["op"], crop["scale"], flip) == ("random-resized-crop", (0.8, 1.0), {"op": "flip", "p": 0.5})
    assert jitter == {"op": "jitter", "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.4}
    assert efe.backbone.use == "preact_resnet18" and efe.teachers == {"eife": "eife"} and not efe.critics


def test_the_first_stage_trains_one_extractor_per_auxiliary_set_with_one_shared_feature() -> None:
    eife, efe = recipe().stages
    assert (eife.data, eife.each, eife.seed, eife.exclude_target) == ("auxiliary.factors", True, "auxiliary", False)
    assert (eife.backbone.use, eife.backbone.config["pool"]) == ("preact_resnet18", "average-3")
    assert eife.head.use == "attributes" and eife.head.config["factors"] == (), "whatever the data label"
    assert (eife.head.config["shared"], eife.head.config["width"], eife.head.config["activation"]) == (True, 128, "prelu")
    best = eife.optimiser
    assert (best.name, best.lr, best.betas, best.weight_decay, eife.epochs) == ("adam", 1e-4, (0.5, 0.999), 5e-4, 20)
    assert (eife.view.side, eife.view.normalise) == (efe.view.side, efe.view.normalise), "it sees the second stage's faces"


@pytest.mark.parametrize("preset", ["paper", "scratch", "release", "quick"])
def test_every_preset_has_a_note_and_the_defaults_stay_the_papers(preset: str) -> None:
    found = recipe(preset=preset)
    assert found.preset_note and (preset == "release") == (found.deployed.disentangler.config["delta"] == "softmax")


def test_scratch_differs_from_paper_in_the_backbones_rate_alone() -> None:
    paper, scratch = (asdict(recipe(preset=preset).deployed) for preset in ("paper", "scratch"))
    assert scratch["optimiser"]["slots"]["backbone"].pop("lr") == 1e-4
    paper["optimiser"]["slots"]["backbone"].pop("lr")
    assert scratch == paper


def test_release_is_the_form_of_the_groups_code_where_the_paper_is_silent() -> None:
    efe, paper = recipe(preset="release").deployed, recipe().deployed
    form = {"delta": "softmax", "block": "release", "pools": "printed"}
    assert form.items() <= efe.disentangler.config.items() and efe.optimiser.weight_decay == 5e-4
    assert (efe.view, efe.epochs, efe.batch, efe.optimiser.lr) == (paper.view, paper.epochs, paper.batch, paper.optimiser.lr)


def test_the_rows_of_table_1_switch_attention_and_eifp_and_need_no_eife_without_it() -> None:
    for name in TABLE_1:
        found = recipe(variant=name)
        config = found.deployed.disentangler.config
        assert name == f"att={config['attention']:d} eifp={config['eifp']:d}"
        assert [stage.name for stage in found.stages] == (["eife", "efe"] if config["eifp"] else ["efe"])
        assert set(found.deployed.losses) == ({"ce", "invariance"} if config["eifp"] else {"ce"})


def test_quick_starts_every_row_of_table_1_from_the_same_weights() -> None:
    for name in TABLE_1:
        found = recipe(preset="quick", variant=name)
        assert found.deployed.load == {"backbone": "eife/backbone"} and [s.name for s in found.stages] == ["eife", "efe"]


def test_targets_can_be_kept_out_of_the_extractors_data() -> None:
    assert recipe("eife.exclude_target=true").stages[0].exclude_target


@pytest.mark.parametrize("setting", ["disentangler.ramp=0,1.5", "disentangler.ramp=-0.5,1", "disentangler.steepness=-10"])
def test_a_ramp_beyond_0_to_1_is_refused_with_file_and_key(setting: str) -> None:
    with pytest.raises(RecipeError, match=r"^dfd-net\.toml, stage\.efe\.disentangler: .*\[0, 1\]"):
        recipe(setting)


# ------------------------------------------------------------------------------------------------- dfd-net-tables.toml


def test_every_row_names_a_variant_that_says_the_same_table() -> None:
    variants = load().recipe("dfd-net").raw["variant"]
    for row in ROWS:
        assert row["table"] in variants[row["variant"]]["table"], row
    assert {row["variant"] for row in ROWS if row["table"] == "1"} == set(variants) == set(TABLE_1)


@pytest.mark.skipif(not PRINTED.is_file(), reason="the published numbers are not beside this repository (../shared/published)")
def test_the_numbers_are_exactly_those_that_are_published() -> None:
    keys = ("table", "variant", "source", "target", "metric")
    with PRINTED.open(encoding="utf-8", newline="") as file:
        printed = [
            (*(line[key] for key in keys), float(line["value"])) for line in csv.DictReader(file) if line["method"] == "DFD-Net"
        ]
    ours = [(row["table"], row["name"], row["source"], row["target"], row["metric"], row["published"]) for row in ROWS]
    assert sorted(ours) == sorted(printed) and len(ours) == 28


def test_a_printed_mean_is_the_mean_of_its_row() -> None:
    for mean in (row for row in ROWS if row["target"] == "mean"):
        same = {key: mean[key] for key in ("table", "name", "source")}
        cells = [row["published"] for row in ROWS if same.items() <= row.items() and row["target"] != "mean"]
        assert len(cells) == 3 and sum(cells) / 3 == pytest.approx(mean["published"], abs=0.02), same
