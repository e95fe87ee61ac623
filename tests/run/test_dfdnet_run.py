"""DFD-Net through the command line: extractors by data set, the features they give, and what a row without EIFP does not train."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ferbench.results.verify import verify

Call = Callable[..., tuple[int, str]]
SMALL = tuple(
    word
    for stage in ("eife", "efe")
    for setting in ("view.resize=40", "view.crop=0", "view.augment=flip", "batch=8", "epochs=1")
    for word in ("--set", f"{stage}.{setting}")
)


def records(out: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(out.glob("*/record.json"))]


def test_dfd_net_trains_an_extractor_per_set_and_then_the_expression_network(
    home: Path, folder: Path, tmp_path: Path, call: Call
) -> None:
    auxiliary = "synth-aux?train=16&val=8,synth-aux?train=24&val=8"
    code, printed = call(
        "run", "--method", "dfd-net", "--preset", "scratch", "--source", f"folder:{folder}", "--auxiliary", auxiliary, *SMALL,
        "--out", str(tmp_path / "o"),
    )  # fmt: skip
    assert code == 0, printed
    (record,) = records(tmp_path / "o")
    assert [stage["name"].partition("[")[0] for stage in record["stages"]] == ["eife", "eife", "efe"]
    assert set(record["stages"][-1]["final_losses"]) == {"ce", "invariance"}
    assert not verify(next((tmp_path / "o").glob("*/record.json")).parent)


def test_a_row_without_eifp_trains_no_extractor(home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    code, printed = call(
        "run", "--method", "dfd-net", "--preset", "scratch", "--variant", "att=1 eifp=0", "--source", f"folder:{folder}", *SMALL,
        "--out", str(tmp_path / "o"),
    )  # fmt: skip
    assert code == 0 and "eife" not in printed, printed
    assert [stage["name"] for stage in records(tmp_path / "o")[0]["stages"]] == ["efe"]
