"""``ferbench ablate``: rows become runs and tables; what cannot run says why, and the others run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures_run import TINY

from ferbench.plugins import RecipeFile, load

Call = Callable[..., tuple[int, str]]
TABLES = """
row = [
  { table = "2", name = "few", variant = "few", source = "rafdb", target = "mean", metric = "accuracy", published = 40.5 },
  { table = "2", name = "more", variant = "more", source = "rafdb", target = "mean", metric = "accuracy", published = 50.25 },
  { table = "2", name = "with faces", variant = "taught", auxiliary = ["multipie"], source = "rafdb", target = "mean", metric = "accuracy", published = 60 },
  { table = "2", name = "with weights", variant = "more", weights = "a network that knows faces" },
]
"""  # noqa: E501

TEACHER = {
    "data": "auxiliary.factors", "backbone": {"use": "resnet18", "weights": "random"}, "head": "attributes",
    "losses": {"factor.*": 1.0}, "epochs": 1, "batch": 8, "view": {"resize": 32},
}  # fmt: skip


@pytest.fixture
def method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """ERM with a table of its own, among everything that is installed."""
    registry = load()
    (tmp_path / "made-tables.toml").write_text(TABLES, encoding="utf-8")
    raw = dict(registry.recipe("erm").raw)
    raw |= {
        "name": "made",
        "stage": {"teacher": TEACHER, **raw["stage"]},
        "variant": {
            "few": {"table": ["2"], "stage": {"erm": {"optimiser": {"lr": 1e-5}}}},
            "more": {"table": ["2"], "stage": {"erm": {"optimiser": {"lr": 3e-3}}}},
            "taught": {"table": ["2"], "stage": {"erm": {"load": {"backbone": "teacher/backbone"}}}},
        },
    }
    monkeypatch.setitem(registry.recipes, "made", RecipeFile("made", tmp_path / "made.toml", "builtin", raw))
    monkeypatch.setitem(registry.owner, ("recipes", "made"), "builtin")
    return "made"


def test_rows_run_and_the_table_has_measured_beside_printed(
    home: Path, folder: Path, tmp_path: Path, call: Call, method: str
) -> None:
    words = ("ablate", method, "--table", "2", "--source", f"folder:{folder}", "--preset", "quick", *TINY, "--seeds", "0,1",
             "--out", str(tmp_path / "o"))  # fmt: skip
    code, printed = call(*words)
    assert code == 0, printed
    assert "with faces: skipped: multipie: not prepared on this machine" in printed
    assert "with weights: skipped: needs a network that knows faces: --weights" in printed
    assert "printed rafdb →" in printed and "40.5" in printed and "50.25" in printed
    (table,) = json.loads(next((tmp_path / "o").glob("ablation-*.json")).read_text(encoding="utf-8"))
    few, more = table["rows"][:2]
    assert not few["skipped"] and not more["skipped"]
    assert few["gain"] == 0 and [run["seed"] for run in few["runs"]] == [0, 1]
    for row in (few, more):
        (score,) = row["measured"].values()
        stored = [
            json.loads((Path(run["folder"]) / "record.json").read_text())["results"][0]["metrics"]["accuracy"]["value"]
            for run in row["runs"]
        ]
        assert score["value"] == pytest.approx(sum(stored) / 2, abs=1e-6) and score["low"] <= score["value"] <= score["high"]
    first, second = (next(iter(row["measured"].values()))["value"] for row in (few, more))
    assert more["gain"] == pytest.approx(100 * (second - first))
    assert [row["skipped"] != "" for row in table["rows"]] == [False, False, True, True]
    markdown = next((tmp_path / "o").glob("ablation-*.md")).read_text(encoding="utf-8")
    assert "| few " in markdown and "50.25" in markdown and "over samples and seeds" in markdown
    code, again = call(*words)
    assert code == 0 and "Stage erm" not in again, "what is done is taken as it is"


def test_a_grid_crosses_parts_and_says_what_cannot_be(home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    code, printed = call(
        "ablate", "--grid", "masking=none,head=linear,affect", "--source", f"folder:{folder}", "--preset", "quick", *TINY,
        "--out", str(tmp_path / "o"),
    )  # fmt: skip
    assert code == 0, printed
    assert "masking=none head=affect: skipped:" in printed and "masking=none head=linear" in printed
    assert len(list((tmp_path / "o").glob("erm-*/record.json"))) == 1


def test_where_no_row_can_run_the_reasons_stand_and_the_code_says_so(
    home: Path, folder: Path, tmp_path: Path, call: Call, method: str
) -> None:
    code, printed = call(
        "ablate", method, "--row", "with faces", "--source", f"folder:{folder}", "--preset", "quick", "--out", str(tmp_path / "o")
    )
    assert code == 2 and "multipie" in printed and "no row could run" in printed


def test_a_dry_run_lists_the_rows_and_trains_nothing(home: Path, folder: Path, tmp_path: Path, call: Call, method: str) -> None:
    words = ("ablate", method, "--source", f"folder:{folder}", "--preset", "quick", "--dry-run", "--out", str(tmp_path / "o"))
    code, printed = call(*words)
    assert code == 0 and "Table 2: few: 1 run" in printed and not (tmp_path / "o").exists()
    code, printed = call(*words, "--json")
    assert [row["row"] for row in json.loads(printed)] == ["few", "more", "with faces", "with weights"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--source", "synth-wild"), "no method"),
        (("made", "--source", "nowhere"), "no dataset 'nowhere'"),
        (("made", "--source", "synth-wild", "--row", "fwe"), "no row 'fwe'. Did you mean 'few'"),
        (("made", "--source", "synth-wild", "--table", "2", "--grid", "a=1"), "a table or a grid, not both"),
        (("made", "--source", "synth-wild", "--seeds", "one"), "no list of whole numbers"),
    ],
)
def test_a_wrong_request_is_told_before_anything_runs(
    home: Path, call: Call, method: str, words: tuple[str, ...], told: str
) -> None:
    code, printed = call("ablate", *words)
    assert code == 2 and told in printed, printed
