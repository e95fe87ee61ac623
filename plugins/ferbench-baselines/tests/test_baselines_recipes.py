"""The baselines' recipes have the settings of their papers, and the names of the papers' tables lead to them."""

from __future__ import annotations

import csv
import json
import tomllib
from pathlib import Path
from typing import Any

import ferbench_baselines
import pytest

from ferbench.cli import main
from ferbench.plugins import load
from ferbench.recipe import Recipe, Stage, resolve

ALIASES: list[dict[str, Any]] = tomllib.loads(
    (Path(ferbench_baselines.__file__).parent / "recipes" / "aliases.toml").read_text(encoding="utf-8")
)["alias"]
PRINTED = Path(__file__).parents[3] / "leaderboard" / "published"
OWN = tuple(name for name, file in load().recipes.items() if file.plugin == "baselines")
APPROXIMATE = {"activefer", "icid", "mla", "apvit", "sada", "pden"}


def recipe(name: str, preset: str = "paper", variant: str | None = None) -> Recipe:
    file = load().recipe(name)
    return resolve(file.raw, load(), where=file.path.name, preset=preset, variant=variant)


def paper(name: str, variant: str | None = None) -> Stage:
    return recipe(name, variant=variant).deployed


SETTINGS = {
    # optimiser, rate, decay, schedule, epochs, batch, losses
    "scn": ("adam", 1e-3, 1e-4, "exponential", 70, 64, {"ce": 1.0, "rank": 1.0}),
    "rul": ("adam", 2e-4, 1e-4, "exponential", 60, 64, {"ce": 0.5, "mixed": 0.5}),
    "eac": ("adam", 1e-4, 1e-4, "exponential", 60, 32, {"ce": 1.0, "consistency": 5.0}),
    "lpl": ("adam", 2e-4, 1e-4, "exponential", 60, 64, {"ce": 1.0, "locality": 0.003}),
    "dacl": ("sgd", 0.01, 5e-4, "multi-step", 60, 64, {"ce": 1.0, "centre": 0.01}),
    "mixstyle": ("sgd", 1e-3, 5e-4, "cosine", 50, 64, {"ce": 1.0}),
    "snr": ("sgd", 1e-3, 1e-4, "cosine", 50, 32, {"ce": 1.0, "restitution": 0.01, "auxiliary": 0.01}),
    "sequencer": ("adamw", 1e-4, 0.05, "cosine", 60, 64, {"ce": 1.0}),
    "icid": ("sgd", 1e-4, 0.0, "multi-step", 60, 32, {"ce": 1.0, "own": 1.0, "pair": 1.0}),
    "mla": ("adam", 2e-4, 1e-4, "exponential", 60, 64, {"ce": 1.0}),
    "apvit": ("sgd", 1e-3, 5e-4, "cosine", 40, 128, {"ce": 1.0}),
    "activefer": ("adam", 2e-4, 1e-4, "exponential", 60, 64, {"ce": 1.0}),
    "sada": ("sgd", 0.01, 5e-4, "multi-step", 50, 64, {"ce": 1.0, "js": 10.0, "js_attacked": 0.025}),
    "pden": ("adam", 1e-4, 0.0, "constant", 25, 64, {"ce": 1.0, "new": 1.0, "old": 1.0, "interpolated": 1.0, "contrast": 1.0}),
}


@pytest.mark.parametrize("name", OWN)
def test_preset_paper_has_the_settings_of_the_paper_or_its_code(name: str) -> None:
    stage = paper(name)
    best = stage.optimiser
    found = (best.name, best.lr, best.weight_decay, best.schedule.kind, stage.epochs, stage.batch, stage.losses)
    assert found == SETTINGS[name] and stage.view.side == 224


def test_single_settings_that_a_method_rests_on() -> None:
    assert paper("rul").optimiser.slots["head"].lr == 2e-3
    assert paper("dacl").optimiser.schedule.milestones == (20.0, 40.0) and paper("dacl").optimiser.schedule.gamma == 0.1
    assert (paper("dacl").view.resize, paper("dacl").view.crop) == (256, 224)
    assert paper("apvit").optimiser.clip == 10.0
    first = recipe("activefer").stages[0]
    assert (first.optimiser.name, first.optimiser.lr, first.optimiser.schedule.kind, first.batch) == ("sgd", 0.5, "cosine", 1024)
    assert first.head.config["temperature"] == 0.1 and len(first.view.copies_of(3)) == 1
    (copy,) = paper("eac").view.copies_of(3)
    assert copy.mirrored and any(op.op == "erase" for op in paper("eac").view.augment)
    assert paper("eac", "backbone=ResNet-18").optimiser.lr == 2e-4
    assert paper("scn").head.config["relabel_from"] == 10 and paper("scn", "relabel=0").head.config["relabel_from"] == 0
    assert paper("sada").optimiser.schedule.milestones == (20.0, 40.0) and paper("sada").optimiser.momentum == 0.9
    attack = {"views": 3, "attack_from": 7, "steps": 5, "rate": 0.08, "map": 64, "noise": 8 / 32}
    assert paper("sada").head.config == attack and paper("sada").teachers == {"erm": "erm"}
    assert not paper("sada", "attack=0").teachers and not paper("sada", "map=0").teachers
    assert paper("pden").critics == {"class": 1.0, "diversity": 2.0, "cycle": 20.0, "apart": 0.1}
    generators = {"domains": 5, "learning": 0.5, "channels": 16, "noise": 10, "cap": 0.5, "width": 128, "temperature": 0.07}
    assert paper("pden").head.config == generators and paper("pden").load["backbone"] == "base/backbone"
    assert paper("mixstyle", "cross-domain").disentangler.config["pairing"] == "cross-domain"


@pytest.mark.parametrize("name", OWN)
def test_preset_quick_fetches_nothing(name: str) -> None:
    assert recipe(name, "quick").deployed.backbone.config.get("weights") == "random"


@pytest.mark.parametrize("alias", ALIASES, ids=lambda alias: alias["name"])
def test_every_name_of_the_papers_tables_leads_to_a_method(alias: dict[str, Any]) -> None:
    assert set(alias) <= {"name", "method", "variant", "exact", "rows"} and alias["rows"]
    made = recipe(alias["method"], variant=alias.get("variant"))
    assert made.approximate is not alias["exact"]


def test_every_published_row_of_an_alias_is_printed() -> None:
    keys = ("paper", "table", "method", "variant")
    there = set()
    for file in PRINTED.glob("*.csv"):
        with file.open(encoding="utf-8", newline="") as lines:
            there |= {tuple(row[key] for key in keys) for row in csv.DictReader(lines)}
    said = [tuple(row[key] for key in keys) for alias in ALIASES for row in alias["rows"]]
    assert set(said) <= there and len(said) == len(set(said))


def test_the_names_of_the_tables_are_listed_with_the_rows_that_they_answer_to(capsys: pytest.CaptureFixture[str]) -> None:
    main(["list", "names", "--json"])
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == {alias["name"] for alias in ALIASES} and rows["ICID"]["exact"] is False
    main(["list", "names"])
    text = capsys.readouterr().out
    assert "MARLIN-mask" in text and "--method esgm --variant MARLIN-mask" in text and "esgm_pded I" in text
    assert "--method addl --variant 'DDL_gar&id&il&p'" in text and "--method icid (approximate)" in text


def test_the_listing_tells_paper_year_plugin_needs_and_whether_it_is_exact(capsys: pytest.CaptureFixture[str]) -> None:
    main(["list", "methods", "--json"])
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert {name for name in OWN if not rows[name]["exact"]} == APPROXIMATE
    assert all(rows[name]["plugin"] == "baselines" and rows[name]["paper"] for name in OWN)
    assert rows["eac"]["needs"] == {"labels": ["expression"], "weights": ["resnet50"], "views": ["copies"]}
    clip = "vit_base_patch32_clip_quickgelu_224.openai"
    assert rows["cafe"]["needs"] == {"labels": ["expression"], "weights": ["resnet18", clip], "views": []}
    assert rows["addl"]["needs"]["labels"] == ["factors", "expression"]
    assert rows["esgm"]["needs"] == {
        "labels": ["parsing", "expression"], "weights": ["vit_base_patch16_224", "resnet18"], "views": ["copies"],
    }  # fmt: skip
    main(["list", "methods"])
    text = capsys.readouterr().out
    assert "arXiv:2207.10299 · 2022 · plugin baselines · exact" in text
    assert "needs expression labels, weights of resnet50, copies of each face" in text
    assert "arXiv:2212.05463 · 2022 · plugin baselines · approximate" in text
