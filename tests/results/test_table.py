"""The table at the end of a run, and the verbs that show and verify it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from ferbench.cli import main
from ferbench.explain.tables import facts_of
from ferbench.results.record import Record, read_record
from ferbench.results.table import notes, print_results, results_markdown, rich_table


@pytest.fixture
def record(good_run: Path) -> Record:
    return read_record(good_run / "record.json")


def printed(record: Record) -> str:
    stream = StringIO()
    print_results(record, stream)
    return stream.getvalue()


@pytest.mark.parametrize("show", [printed, results_markdown])
def test_the_table_says_all_that_a_reader_must_know(record: Record, show: Callable[[Record], str]) -> None:
    text = show(record)
    result = record.results[2]
    uar, ccc = result.metrics["uar"], result.metrics["ccc_valence"]
    for said in (f"{100 * uar.value:.1f}", f"[{100 * uar.low:.1f}, {100 * uar.high:.1f}]", f"[{ccc.low:.3f}, {ccc.high:.3f}]"):
        assert said in text
    for said in ("140", f"{100 * result.covered / result.n:.1f}", "epoch 3", "synth-film †", "dropped 4 contempt"):
        assert said in text
    for said in ("accuracy %", "UAR %", "macro-F1 %", "valence CCC", "dropped", "coverage %", "selection"):
        assert said in text
    assert "not the paper's settings" in text and "synthetic faces" in text and "the same renderer" in text
    assert "95 % bootstrap interval" in text and record.run_id in text and "synth-wild" in text


def test_an_approximate_recipe_and_a_quick_preset_are_told_apart(record: Record) -> None:
    left_open = record.model_copy(update={"preset": "paper", "recipe": {**record.recipe, "approximate": True}})
    for told, approximate in ((record, False), (left_open, True)):
        for text in ("; ".join(notes(told)), str(facts_of(told))):
            assert ("its paper leaves open" in text, "not the paper's settings" in text) == (approximate, not approximate)


def test_a_narrow_terminal_cuts_no_number(record: Record) -> None:
    stream = StringIO()
    console = Console(file=stream, width=80)
    console.print(rich_table(record))
    assert "…" not in stream.getvalue()
    for result in record.results:
        for name in ("accuracy", "uar", "macro_f1"):
            assert f"{100 * result.metrics[name].low:.1f}," in stream.getvalue()


def test_what_is_never_ranked_stands_below(record: Record) -> None:
    rows = [line for line in results_markdown(record).splitlines() if line.startswith("| ") and "selection" not in line]
    assert ["oracle" in row or "(source)" in row for row in rows] == 2 * [False, False, True, True]


def test_without_valence_and_arousal_there_is_one_table(record: Record) -> None:
    plain = tuple(
        result.model_copy(
            update={"metrics": {name: s for name, s in result.metrics.items() if "_" not in name or name == "macro_f1"}}
        )
        for result in record.results
    )
    assert "CCC" not in results_markdown(record.model_copy(update={"results": plain}))


def test_a_record_without_results_still_makes_a_table(record: Record) -> None:
    empty = record.model_copy(update={"results": ()})
    assert "selection" in results_markdown(empty) and printed(empty)


def test_show_prints_table_stages_losses_and_places(good_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["show", str(good_run)])
    text = capsys.readouterr().out
    for said in ("Stages", "addm", "AT: 0.5 * 0.5", "teacher dfem", "record.json", "predictions", "ferbench verify"):
        assert said in text


def test_show_speaks_json_and_markdown(good_run: Path, capsys: pytest.CaptureFixture[str], record: Record) -> None:
    main(["show", str(good_run), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["record"] == json.loads((good_run / "record.json").read_text())
    assert Path(said["where"]["record"]).is_file()
    main(["show", str(good_run), "--markdown"])
    assert capsys.readouterr().out == results_markdown(record)


def test_verify_ends_with_0_when_all_holds(good_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["verify", str(good_run)])
    assert "holds" in capsys.readouterr().out


@pytest.mark.parametrize("as_json", [False, True])
def test_verify_ends_with_4_and_names_the_field(
    good_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    run = Path(shutil.copytree(good_run, tmp_path / "run"))
    path = run / "record.json"
    path.write_text(path.read_text().replace('"preset": "quick"', '"preset": "paper"'))
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(good_run), str(run), *(["--json"] if as_json else [])])
    assert ended.value.code == 4
    out, err = capsys.readouterr()
    assert "1 of 2 results do not hold" in err and "preset" in err
    if as_json:
        said = json.loads(out)
        assert said["holds"] is False
        assert [problem["field"] for problem in said["results"][str(run)]] == ["preset"]
        assert said["results"][str(good_run)] == []
    else:
        assert "preset: says sealed as" in out


def test_verify_of_nothing_is_a_user_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(tmp_path / "nowhere")])
    assert ended.value.code == 2
    assert "no such file" in capsys.readouterr().err
