"""Emotic MAE through the command line: drawn videos smoothed, stills not, Aff-Wild2's layout with eight classes; what verify finds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trees.affwild2 import affwild2_tree

from ferbench.results.predictions import read_predictions

Call = Callable[..., tuple[int, str]]
SMALL = tuple(
    word
    for setting in (
        *(f"{stage}.{what}" for stage in ("face", "parts", "fusion") for what in ("view.resize=32", "batch=8", "epochs=1")),
        "face.backbone.depth=1",
        "parts.backbone.depth=1",
        "fusion.epochs=3",
    )
    for word in ("--set", setting)
)
VIDEO, STILL = "synth-video?video=6&size=32&train=84&val=42&test=42", "synth-lab?size=32&train=14&val=14&test=14"


def run(call: Call, out: Path, *more: str) -> tuple[Path, dict[str, Any], str]:
    code, printed = call("run", "--method", "emotic", "--preset", "quick", *SMALL, *more, "--out", str(out))
    assert code == 0, printed
    path = next(out.glob("*/record.json"))
    return path, json.loads(path.read_text()), printed


def test_frames_of_videos_are_smoothed_and_stills_are_not_and_verify_finds_a_changed_number(
    home: Path, tmp_path: Path, call: Call
) -> None:
    path, record, printed = run(call, tmp_path / "o", "--source", VIDEO, "--target", STILL, "--set", "smooth.window=3")
    assert [stage["name"] for stage in record["stages"]] == ["face", "parts", "fusion"]
    moving, still = record["results"] if record["results"][0]["target"].startswith("synth-video") else record["results"][::-1]
    assert (moving["smoothing"]["window"], moving["smoothing"]["applied"], moving["smoothing"]["videos"]) == (3, True, 7)
    assert still["smoothing"] == {"window": 3, "applied": False, "videos": 0, "unsmoothed": {}}
    assert set(moving["smoothing"]["unsmoothed"]) == set(moving["metrics"])
    stored = read_predictions(path.parent / moving["predictions"]["file"])
    assert stored.frame is not None and sorted(set(stored.frame.tolist())) == list(range(6))
    assert read_predictions(path.parent / still["predictions"]["file"]).video is None
    for said in ("smoothing", "3 frames", "without", "off: stills", "macro-F1 %", "averaged over a centred window"):
        assert said in printed, printed
    assert call("verify", str(path.parent))[0] == 0
    place = record["results"].index(moving)
    for field, value, said in (
        ("window", 5, "smoothing.window"),
        ("applied", False, "smoothing.applied"),
        ("videos", 8, "smoothing.videos"),
        ("unsmoothed", {**moving["smoothing"]["unsmoothed"], "uar": {"value": 0.9, "low": 0.8, "high": 1.0}}, "unsmoothed.uar"),
    ):
        changed = json.loads(json.dumps(record))
        changed["results"][place]["smoothing"][field] = value
        path.write_text(json.dumps(changed))
        code, told = call("verify", str(path.parent))
        assert code == 4 and said in told, told


def test_affwild2_is_read_smoothed_and_scored_on_eight_classes(home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    tree = affwild2_tree(tmp_path / "owner")
    code, printed = call("data", "prepare", "affwild2", "--from", str(tree), "--allow-partial")
    assert code == 0, printed
    path, record, printed = run(
        call, tmp_path / "o", "--source", "affwild2", "--target", f"folder:{folder}", "--set", "labels=other8",
        "--set", "smooth.window=50",
    )  # fmt: skip
    (own,) = [result for result in record["results"] if result["target"] == "affwild2"]
    assert len(record["labels"]["classes"]) == 8 and own["n"] == 3
    assert own["smoothing"]["applied"] and own["smoothing"]["videos"] == 1
    stored = read_predictions(path.parent / own["predictions"]["file"])
    assert stored.video == ("video5_left",) * 3 and stored.frame is not None and stored.frame.tolist() == [1, 2, 3]
    assert "has no image of other: scored on the other 7 of 8 classes" in printed
    assert call("verify", str(path.parent))[0] == 0


def test_seven_classes_are_refused_as_the_source_of_an_eight_class_method(
    home: Path, folder: Path, tmp_path: Path, call: Call
) -> None:
    code, printed = call("run", "--method", "emotic", "--source", f"folder:{folder}", "--out", str(tmp_path / "o"))
    assert code == 2 and "no training image of other, and other8 has that class" in printed, printed
    assert "--set labels=basic7 fits" in printed and len(printed.strip().splitlines()) == 1


@pytest.mark.parametrize("table", ["1", "2", "3"])
def test_the_tables_run_from_the_command_line(table: str, home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    code, printed = call("ablate", "emotic", "--table", table, "--preset", "quick", "--source", f"folder:{folder}", "--dry-run",
                         "--out", str(tmp_path / "o"))  # fmt: skip
    rows = {"1": 6, "2": 4, "3": 4}[table]
    assert code == 0 and printed.count(": 1 run") == rows, printed
