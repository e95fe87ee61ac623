"""ADDL's recipe: the paper's numbers, and every row of its tables as a variant that parses and takes its rehearsal."""

from __future__ import annotations

import pytest

from ferbench import FACTORS
from ferbench.plugins import load
from ferbench.recipe import Recipe, resolve

ROWS = {
    "Baseline", "Baseline_at", "Baseline_mat", "DDL_g", "DDL_ga", "DDL_gar", "DDL_gar&id", "DDL_gar&id&il", "DDL_gar&id&il&p",
    "ADDL_ADFL", "ADDL_MI", "ADDL_MI-DFEM", "ADDL",
    "dfem_data=multipie", "dfem_data=rafdb", "dfem_data=multipie+rafdb",
    "pretrain=none", "pretrain=imagenet", "pretrain=affectnet", "pretrain=ms_celeb_1m",
    *(f"lambda1={value}" for value in ("0.0", "0.5", "1.0", "1.5", "2.0")),
    *(f"lambda2={value}" for value in ("0.00", "0.05", "0.10", "0.15", "0.20")),
    *(f"lambda3={value}" for value in ("0.0000", "0.0001", "0.0010", "0.0100", "0.1000")),
    "affect",
}  # fmt: skip


def recipe(preset: str = "paper", variant: str | None = None, source: str = "synth-wild", *settings: str) -> Recipe:
    file = load().recipe("addl")
    return resolve(
        file.raw, load(), where=file.path.name, preset=preset, variant=variant, sources=[source], settings=list(settings)
    )


def test_the_paper_preset_has_the_papers_settings() -> None:
    dfem, addm = recipe().stages
    assert addm.losses == {"ce": 1.0, "adversarial": 1.0, "weighting": 1.0, "transfer": 0.10, "mine": 0.0010}
    best = addm.optimiser
    assert (best.name, best.lr, best.betas, best.weight_decay) == ("adam", 1e-4, (0.5, 0.999), 0.0)
    assert (best.schedule.kind, best.schedule.milestones, best.schedule.gamma) == ("multi-step", (10, 18, 25, 32), 0.1)
    assert (
        best.slots["disentangler.critics"].schedule is not None and best.slots["disentangler.critics"].schedule.kind == "constant"
    )
    assert (addm.epochs, addm.view.resize, addm.view.side) == (40, 256, 224)
    assert [op.op for op in addm.view.augment] == ["random-crop", "flip"]
    assert dfem.each and dfem.seed == "auxiliary" and dfem.data == "auxiliary.factors" and addm.teachers == {"dfem": "dfem"}


@pytest.mark.parametrize(
    ("source", "batch", "oversample"),
    [("rafdb", 16, False), ("affectnet", 16, True), ("affwild2", 64, True), ("sfew", 8, False), ("ckplus", 8, False)],
)
def test_batch_and_oversampling_follow_the_source(source: str, batch: int, oversample: bool) -> None:
    addm = recipe(source=source).deployed
    assert (addm.batch, addm.oversample) == (batch, oversample)
    assert recipe("quick", None, source).deployed.batch == 32


def test_the_release_preset_is_the_form_of_the_public_code() -> None:
    dfem, addm = recipe("release").stages
    form = {"expression": "last", "adfl": "each", "mine": False, "delta": "softmax", "block": "release", "transfer_over": "sum"}
    assert form.items() <= addm.disentangler.config.items()
    assert addm.losses == {"ce": 1.0, "adversarial": 1.0, "transfer": 0.05} and addm.critics == {"discriminator": 1.0}
    assert (addm.view.resize, addm.view.side, addm.view.normalise) == (110, 90, "half")
    assert addm.optimiser.weight_decay == dfem.optimiser.weight_decay == 5e-4
    assert dfem.head.config["shared"] and dfem.backbone.config["pool"] == "average-3"


def test_every_row_of_tables_2_to_7_and_14_is_a_variant_with_its_table() -> None:
    variants = load().recipe("addl").raw["variant"]
    assert set(variants) - {"sfew"} == ROWS
    for name in ROWS:
        assert variants[name]["table"], name


def test_variants_switch_the_parts_of_table_2() -> None:
    def parts(name: str) -> tuple[object, ...]:
        addm = recipe("paper", name).deployed
        config = addm.disentangler.config
        return config["expression"], config["disturbance"], len(config["factors"]), config["adfl"], config["mine"]

    assert parts("Baseline")[:3] == ("pooled", False, 0) and parts("Baseline_at")[:3] == ("last", False, 0)
    assert parts("DDL_ga") == ("levels", True, 2, "each", False)
    assert parts("DDL_gar&id&il&p") == ("levels", True, 6, "each", False)
    assert parts("ADDL_ADFL") == ("levels", True, 6, "alternate", False) and parts("ADDL_MI") == ("levels", True, 6, "each", True)
    assert parts("ADDL_MI-DFEM")[:3] == ("levels", True, 0) and parts("ADDL") == ("levels", True, 6, "alternate", True)
    assert recipe("paper", "DDL_gar").deployed.disentangler.config["factors"] == FACTORS[:3]


@pytest.mark.parametrize("variant", ["Baseline", "Baseline_at", "Baseline_mat", "ADDL_MI-DFEM"])
def test_a_variant_without_factors_has_no_teacher(variant: str) -> None:
    assert recipe("quick", variant).deployed.teachers == {}


def test_a_sweep_changes_its_own_weight_and_no_other() -> None:
    full = recipe("paper", "ADDL").deployed.losses
    assert recipe("paper", "lambda1=0.5").deployed.losses == {**full, "adversarial": 0.5, "weighting": 0.5}
    assert recipe("paper", "lambda2=0.20").deployed.losses == {**full, "transfer": 0.2}
    assert recipe("paper", "lambda3=0.0100").deployed.losses == {**full, "mine": 0.01}
