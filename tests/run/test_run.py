"""The main sentence, end to end, on tiny data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures_run import TINY, draw_folder

from ferbench.results.store import locate
from ferbench.results.verify import verify

Call = Callable[..., tuple[int, str]]


def run_erm(call: Call, folder: Path, out: Path, *more: str) -> tuple[int, str]:
    return call("run", "--method", "erm", "--source", f"folder:{folder}", "--preset", "quick", *TINY, "--out", str(out), *more)


def only_run(out: Path) -> Path:
    (found,) = [path for path in out.iterdir() if path.is_dir()]
    return found


def test_a_run_ends_with_a_table_a_record_and_what_to_type_next(home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    code, printed = run_erm(call, folder, tmp_path / "runs")
    run = only_run(tmp_path / "runs")
    assert code == 0
    assert "UAR" in printed and f"ferbench verify {run}" in printed
    record = json.loads((run / "record.json").read_text())
    assert [result["role"] for result in record["results"]] == ["source-test"]
    assert record["data"][0]["fingerprint"] and record["seed"] == 0 and record["selection"] == "last"
    assert record["schema_version"] == 2 and record["cost"]["image"] == [3, 32, 32] and record["times"]["latency_ms"] > 0
    assert 50e6 < record["cost"]["flops"] < 100e6  # ResNet-18: 3.6 GFLOP at 224 pixels, a 49th of it at 32
    assert verify(run) == []


def test_the_second_run_of_one_sentence_is_already_done(home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    run_erm(call, folder, tmp_path / "runs")
    before = (only_run(tmp_path / "runs") / "record.json").read_bytes()
    code, printed = run_erm(call, folder, tmp_path / "runs")
    assert code == 0 and "already done" in printed
    assert (only_run(tmp_path / "runs") / "record.json").read_bytes() == before


def test_another_seed_is_another_run(home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    run_erm(call, folder, tmp_path / "runs")
    run_erm(call, folder, tmp_path / "runs", "--seed", "1")
    assert len([path for path in (tmp_path / "runs").iterdir() if path.is_dir()]) == 2


def test_targets_are_scored_beside_the_source(home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    other = draw_folder(tmp_path / "other", seed=1)
    code, _ = run_erm(call, folder, tmp_path / "runs", "--target", f"folder:{other}")
    record = json.loads((only_run(tmp_path / "runs") / "record.json").read_text())
    assert code == 0
    assert [(r["role"], r["ranked"]) for r in record["results"]] == [("source-test", False), ("target", True)]


def test_a_target_with_the_sources_training_images_is_refused(home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    flat = tmp_path / "flat"
    shutil.copytree(folder / "train", flat / "test")
    code, printed = run_erm(call, folder, tmp_path / "runs", "--target", f"folder:{flat}")
    assert code == 2 and "are in the training split of" in printed and "--allow-overlap" in printed
    code, _ = run_erm(call, folder, tmp_path / "runs", "--target", f"folder:{flat}", "--allow-overlap")
    assert code == 0


def test_selection_by_source_val_keeps_the_best_epoch_and_holds_its_images_out(home: Path, tmp_path: Path, call: Call) -> None:
    folder = draw_folder(tmp_path / "faces", train=12)
    code, _ = run_erm(call, folder, tmp_path / "runs", "--set", "selection=source-val", "--set", "epochs=3")
    record = json.loads((only_run(tmp_path / "runs") / "record.json").read_text())
    roles = {use["role"]: use for use in record["data"]}
    assert code == 0 and record["selection"] == "source-val"
    assert roles["source.train"]["split"] == "train-holdout" and roles["source.val"]["n"] > 0
    assert roles["source.train"]["n"] + roles["source.val"]["n"] == 12 * 7


def test_the_oracle_stands_apart_and_is_never_ranked(home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    other = draw_folder(tmp_path / "other", seed=1)
    code, _ = run_erm(call, folder, tmp_path / "runs", "--target", f"folder:{other}", "--oracle")
    results = json.loads((only_run(tmp_path / "runs") / "record.json").read_text())["results"]
    by = {(r["role"], r["selection"]): r for r in results}
    assert code == 0 and not by["target", "oracle"]["ranked"] and by["target", "last"]["ranked"]
    assert by["target", "oracle"]["metrics"]["uar"]["value"] >= by["target", "last"]["metrics"]["uar"]["value"]


@pytest.mark.parametrize(
    "arguments, says",
    [
        (("--method", "addel", "--source", "synth-wild"), "Did you mean 'addl'"),
        (("--method", "erm", "--source", "synth-wlid"), "Did you mean 'synth-wild'"),
        (("--method", "erm", "--source", "synth-wild", "--set", "epoch=3"), "Did you mean 'epochs'"),
        (("--method", "erm", "--source", "synth-wild", "--set", "epochs=many"), "epochs"),
        (("--method", "erm", "--source", "synth-wild", "--preset", "quik"), "Did you mean 'quick'"),
        (("--method", "erm", "--source", "synth-wild", "--set", "data=target.test"), "a target cannot be named in training"),
        (("--method", "erm", "--source", "synth-wild", "--auxiliary", "synth-aux"), "no stage that learns from auxiliary data"),
        (("--method", "erm", "--source", "synth-wild@test"), "leave the @split out"),
        (("--method", "erm", "--source", "synth-wild", "--set", "losses.ce2=1"), "weighs no loss"),
        (("--method", "erm", "--source", "synth-wild", "--weights", "random", "--set", "view.crop=999"), "a crop of 999"),
        (("--method", "erm", "--source", "affectnet"), "ferbench data prepare affectnet --from DIR"),
    ],
)
def test_a_mistake_gets_one_line_that_says_what_to_do(home: Path, call: Call, arguments: tuple[str, ...], says: str) -> None:
    code, printed = call("run", *arguments)
    assert code == 2 and says in printed and "Traceback" not in printed
    assert len(printed.strip().splitlines()) == 1


def test_an_option_that_is_said_twice_counts_twice(home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    code, printed = run_erm(call, folder, tmp_path, "--target", "rafbd", "--target", "synth-lab", "--dry-run")
    assert code == 2 and "rafbd" in printed and "Did you mean" in printed, "the first of them is not forgotten"


def test_a_loss_that_is_not_finite_stops_the_run_and_is_named(home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    code, printed = run_erm(call, folder, tmp_path / "runs", "--set", "optimiser.lr=1e30", "--set", "epochs=4")
    assert code == 3 and "loss 'ce' is not finite" in printed and "Traceback" not in printed


def test_a_class_without_training_images_is_named_with_a_label_space_that_fits(
    home: Path, folder: Path, tmp_path: Path, call: Call
) -> None:
    for picture in (folder / "train" / "neutral").iterdir():
        picture.unlink()
    code, printed = run_erm(call, folder, tmp_path / "runs")
    assert code == 2 and "no training image of neutral" in printed and "labels=basic6 fits" in printed


def test_locate_names_the_run_folder(home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    run_erm(call, folder, tmp_path / "runs")
    assert locate(only_run(tmp_path / "runs")).record.is_file()
