"""Parts of two papers in one run, from the command line alone: what comes along is trained, loaded, frozen and recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ferbench.results.verify import verify

SMALL = tuple(
    word
    for stage in ("dfem", "addm")
    for setting in ("view.resize=32", "batch=8", "epochs=1")
    for word in ("--set", f"{stage}.{setting}")
)


def test_addls_disentangler_with_cafes_masking_and_head(
    home: Path, folder: Path, tmp_path: Path, call: Callable[..., tuple[int, str]]
) -> None:
    code, printed = call(
        "run", "--method", "addl", "--preset", "quick", "--source", f"folder:{folder}", "--auxiliary", "synth-aux?train=16&val=8",
        "--set", "masking=cafe.sigmoid", "--set", "head=cafe.separated", *SMALL, "--out", str(tmp_path / "o"),
    )  # fmt: skip
    assert code == 0, printed
    (path,) = (tmp_path / "o").glob("*/record.json")
    record = json.loads(path.read_text())
    dfem, encoder, last = record["stages"]
    assert encoder["name"] == "encoder" and dfem["name"] == "dfem", "CAFE's encoder stage came along"
    assert set(last["final_losses"]) >= {"ce", "separation", "diverse", "adversarial", "transfer", "mine"}
    assert last["loss_weights"]["separation"] == 1.5 and last["loss_weights"]["diverse"] == 5.0
    assert "masking.encoder" in last["frozen"]
    assert {"ferbench-addl", "ferbench-cafe"} <= set(record["environment"]["distributions"])
    assert not verify(path.parent)
