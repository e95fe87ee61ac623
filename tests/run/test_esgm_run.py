"""ESGM through the command line: warm-up, pre-training, fine-tuning with a blurred copy; rows of its tables; what has no parsing maps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load_file

from ferbench.data.prepared import open_set
from ferbench.machine import Machine
from ferbench.planning import Request, plan
from ferbench.plugins import load
from ferbench.run import make_orders

Call = Callable[..., tuple[int, str]]
SMALL = tuple(
    word
    for stage in ("warmup", "pretrain", "finetune")
    for setting in ("view.resize=32", "view.augment=flip", "batch=8", "epochs=1", "backbone.depth=1")
    for word in ("--set", f"{stage}.{setting}")
)
FACES = ("--auxiliary", "synth-aux?train=16&val=8")


def test_esgm_trains_its_three_stages_and_is_scored(home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    code, printed = call("run", "--method", "esgm", "--preset", "quick", "--source", f"folder:{folder}", *FACES, *SMALL,
                         "--out", str(tmp_path / "o"))  # fmt: skip
    assert code == 0, printed
    record = json.loads(next((tmp_path / "o").glob("*/record.json")).read_text())
    losses = {stage["name"]: set(stage["final_losses"]) for stage in record["stages"]}
    assert losses == {"warmup": {"reconstruction", "mask"}, "pretrain": {"reconstruction"}, "finetune": {"ce", "domain"}}
    code, printed = call("export", str(next((tmp_path / "o").glob("*/record.json")).parent), str(tmp_path / "mae.safetensors"))
    assert code == 0 and "tensors of stage pretrain" in printed, printed
    assert {"cls_token", "mask_token", "decoder_pos_embed", "decoder_pred.weight"} <= set(load_file(tmp_path / "mae.safetensors"))
    code, printed = call("export", str(next((tmp_path / "o").glob("*/record.json")).parent), str(tmp_path / "x.safetensors"),
                         "--stage", "finetune")  # fmt: skip
    assert code == 2 and "not of backbone vit" in printed, printed


def test_a_dry_run_times_stages_that_need_parsing_maps(home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    code, printed = call("run", "--method", "esgm", "--preset", "quick", "--source", f"folder:{folder}", *FACES, *SMALL, "--dry-run",
                         "--out", str(tmp_path / "o"))  # fmt: skip
    assert code == 0 and "no image was read" in printed, printed


def test_first_weights_of_the_last_stage_are_missed_before_the_first_one_trains(
    home: Path, folder: Path, tmp_path: Path, call: Call
) -> None:
    code, printed = call("run", "--method", "esgm", "--preset", "quick", "--source", f"folder:{folder}", *FACES, *SMALL,
                         "--set", "finetune.backbone.resnet_weights=none.safetensors", "--out", str(tmp_path / "o"))  # fmt: skip
    assert code == 2 and "none.safetensors: no such file" in printed and "Stage" not in printed, printed


def test_the_masking_table_runs_three_rows_from_the_command_line(home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    code, printed = call("ablate", "esgm", "--table", "masking", "--preset", "quick", "--source", f"folder:{folder}", *FACES,
                         *SMALL, "--dry-run", "--out", str(tmp_path / "o"))  # fmt: skip
    assert code == 0, printed
    assert all(f"masking={name}: 1 run" in printed for name in ("random", "marlin", "esgm")), printed


def test_what_comes_before_fine_tuning_is_trained_once_for_all_rows_and_seeds(home: Path, folder: Path) -> None:
    registry = load()

    def keys(variant: str, seed: int) -> dict[str, str]:
        asked = Request(
            "esgm", (f"folder:{folder}",), auxiliary=FACES[1:], preset="quick", variant=variant, seed=seed, device="cpu"
        )
        planned = plan(asked, registry)
        sets = {name: open_set(facts.reference, registry.datasets) for name, facts in planned.datasets().items()}
        return {order.label: order.key for order in make_orders(planned, registry, sets, Machine.of("cpu", "fp32"))}

    for rows, shared in ((("ESGM", "decoupling=single", "full"), ("warmup", "pretrain")), (("PDED",), ("pretrain",)),
                         (("MARLIN-mask",), ("pretrain",))):  # fmt: skip
        found = [keys(row, seed) for row in rows for seed in (0, 1)]
        assert all(len({one[stage] for one in found}) == 1 for stage in shared)
        assert len({one["finetune"] for one in found}) == len(found)


def test_auxiliary_faces_without_parsing_maps_are_refused_with_the_sets_that_have_them(
    home: Path, folder: Path, tmp_path: Path, call: Call
) -> None:
    code, printed = call("run", "--method", "esgm", "--preset", "quick", "--source", f"folder:{folder}", "--auxiliary", f"folder:{folder}",
                         "--out", str(tmp_path / "o"))  # fmt: skip
    assert code == 2 and "labels parsing" in printed and "Sets that do: celebamask_hq" in printed, printed
