"""ADDL through the command line: two stages, shared factor models, an owner's layout as source."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from fixtures_run import TINY
from fixtures_trees import affectnet_npy_tree

from ferbench.results.verify import verify

Call = Callable[..., tuple[int, str]]
DFEM = (
    "--auxiliary",
    "synth-aux?train=48&val=8",
    "--set",
    "dfem.epochs=1",
    "--set",
    "dfem.view.resize=32",
    "--set",
    "dfem.batch=16",
)


def records(out: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(out.glob("*/record.json"))]


def test_addl_trains_both_stages_and_another_seed_reuses_the_first(home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    sentence = (
        "run",
        "--method",
        "addl",
        "--source",
        f"folder:{folder}",
        "--preset",
        "quick",
        *TINY,
        *DFEM,
        "--out",
        str(tmp_path / "o"),
    )
    code, printed = call(*sentence)
    assert code == 0 and "Stage dfem" in printed and "Stage addm" in printed
    code, printed = call(*sentence, "--seed", "1")
    assert code == 0 and "trained before, reused" in printed
    one, two = records(tmp_path / "o")
    by = [{stage["name"]: stage["artifact"] for stage in record["stages"]} for record in (one, two)]
    dfem, addm = list(by[0])
    assert by[0][dfem] == by[1][dfem] and by[0][addm] != by[1][addm]
    assert {use["role"]: use["name"] for use in one["data"]}["auxiliary.factors"].startswith("synth-aux")
    assert all(not verify(path.parent) for path in (tmp_path / "o").glob("*/record.json"))


def test_a_baseline_variant_trains_no_factor_model(home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    code, printed = call(
        "run", "--method", "addl", "--source", f"folder:{folder}", "--weights", "random", "--variant", "Baseline_mat", *TINY,
        "--out", str(tmp_path / "o"),
    )  # fmt: skip
    assert code == 0 and "dfem" not in printed
    assert [stage["name"] for stage in records(tmp_path / "o")[0]["stages"]] == ["addm"]


def test_a_tiny_folder_in_affectnets_layout_runs(home: Path, tmp_path: Path, call: Call) -> None:
    tree = affectnet_npy_tree(tmp_path / "affectnet")
    code, printed = call("data", "prepare", "affectnet", "--from", str(tree), "--allow-partial")
    assert code == 0, printed
    code, printed = call(
        "run", "--method", "addl", "--source", "affectnet", "--preset", "quick", *TINY, *DFEM, "--out", str(tmp_path / "o")
    )
    assert code == 0, printed
    (record,) = records(tmp_path / "o")
    uses = {use["role"]: use for use in record["data"]}
    assert uses["source.train"]["partial"] and uses["source-test"]["split"] == "val"
