"""The board from runs on disk: who shares a rank, what is marked, and what is refused in one line."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fixtures_board import answers, write_run

from ferbench.cli import main
from ferbench.errors import DataError
from ferbench.evaluation.protocol import names, read
from ferbench.leaderboard.aliases import Alias, called
from ferbench.leaderboard.answers import remembering
from ferbench.leaderboard.board import Table, collect, tables
from ferbench.leaderboard.formats import as_csv, as_latex
from ferbench.leaderboard.published import read as read_published
from ferbench.results.predictions import to_parquet

PROTOCOL = read("muxspace@1")
SOURCE, TARGET, N = "muxspace-lfw", "muxspace-imfdb", 140


def run(folder: Path, method: str, seed: int, share: float, **options: Any) -> None:
    write_run(folder, PROTOCOL, SOURCE, {TARGET: N}, method, seed, share, seen=(TARGET,), **options)


def board(runs: Path, *, check: bool = False) -> tuple[list[Table], list[str]]:
    entries, refused = collect(runs, check=check)
    with remembering(runs.parent / "memory" / "answers.sqlite") as memory:
        made, apart = tables(entries, [PROTOCOL], read_published(), memory)
    return made, [*refused, *apart]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    for method, share in (("good", 0.8), ("even", 0.78), ("poor", 0.3)):
        for seed in (0, 1, 2):
            run(folder / f"{method}-{seed}", method, seed, share)
    return folder


def test_rows_that_cannot_be_told_apart_share_a_rank(runs: Path) -> None:
    (table,), refused = board(runs)
    assert sum(len(row.runs) for row in table.rows) == 9 and not refused
    assert {row.name: row.ranked.rank for row in table.rows} == {"good": 1, "even": 1, "poor": 3}
    assert table.arm.sources == (SOURCE,) and table.rows[-1].name == "poor"
    assert all(row.ranked.score.low < row.ranked.score.value < row.ranked.score.high for row in table.rows)
    assert table.rows[0].marks == ("140 images of muxspace-imfdb, not 720", "† muxspace-imfdb: shares images with elsewhere")


def test_a_second_run_of_one_name_and_seed_is_refused_and_told(runs: Path) -> None:
    write_run(runs / "good-0-again", PROTOCOL, SOURCE, {TARGET: N, "jaffe": 70}, "good", 0, 0.9)
    (table,), refused = board(runs)
    assert sum(len(row.runs) for row in table.rows) == 9
    assert len(refused) == 1 and "good-0-again: good with seed 0 stands here already" in refused[0]


def test_another_selection_is_another_protocol_and_a_missing_seed_is_marked(runs: Path) -> None:
    run(runs / "chosen", "chosen", 0, 0.9, selection="source-val")
    shutil.rmtree(runs / "poor-2")
    (table,), _ = board(runs)
    assert {row.name for row in table.rows} == {"good", "even", "poor"}
    assert next(row for row in table.rows if row.name == "poor").marks[0] == "without seed 2"


@pytest.mark.usefixtures("home")
def test_what_cannot_stand_is_refused_in_one_line_and_the_rest_stands(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(runs / "good-0", runs / "good-0-again")
    newer = runs / "poor-0" / "record.json"
    newer.write_text(newer.read_text().replace('"schema_version": 2', '"schema_version": 7'))
    run(runs / "other", "other", 0, 0.5, first_id=3)
    (runs / "even-1" / "predictions" / "muxspace-imfdb.all.last.parquet").write_bytes(b"x")
    out = runs / "board.md"
    main(["leaderboard", "build", "--runs", str(runs), "--out", str(out), "--protocol", "muxspace@1"])
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 4 and all(line.startswith("refused: ") for line in errors)
    told = "\n".join(errors)
    for said in (
        "the same run as",
        "schema_version 7, and this ferbench reads 1 and 2",
        "not the predictions file that the record names",
        "3 ids are missing",
    ):
        assert said in told
    text = out.read_text()
    assert "## muxspace@1, learnt from muxspace-lfw" in text and "not checked" in text and "## Refused" in text
    assert re.search(r"\| 1 +\| good +\|", text) and "†" in text


def test_verify_recomputes_and_refuses_what_does_not_hold(runs: Path) -> None:
    path = runs / "poor-1" / "record.json"
    path.write_text(path.read_text().replace('"preset": "paper"', '"preset": "quick"'))
    entries, refused = collect(runs, check=True)
    assert len(entries) == 8 and all(entry.verified for entry in entries)
    assert len(refused) == 1 and "does not hold, preset: says sealed" in refused[0]


def test_a_record_that_somebody_verified_says_so_until_it_changes(runs: Path) -> None:
    record = runs / "good-0" / "record.json"
    told = {"schema": 1, "record_sha256": sha256(record.read_bytes()).hexdigest()}
    (record.parent / "verified.json").write_text(json.dumps(told))
    assert [run.folder.name for run in collect(runs)[0] if run.verified] == ["good-0"]
    assert not board(runs)[0][0].rows[0].verified, "the row's other seeds were not"
    record.write_text(record.read_text() + "\n")
    assert not any(run.verified for run in collect(runs)[0])


def test_nothing_to_build_from_is_a_user_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r"no record\.json"):
        collect(tmp_path)
    with pytest.raises(SystemExit):
        main(["leaderboard", "build", "--runs", str(tmp_path), "--out", "board.txt"])
    assert "Name a folder, or a .html, .md, .csv or .tex file" in capsys.readouterr().err


def test_what_was_remembered_gives_the_same_board_and_a_changed_file_is_found_all_the_same(runs: Path) -> None:
    first, _ = board(runs)
    memory = runs.parent / "memory" / "answers.sqlite"
    assert memory.stat().st_size > 0 and board(runs) == (first, [])
    path = runs / "even-1" / "predictions" / "muxspace-imfdb.all.last.parquet"
    shutil.copy(runs / "even-2" / "predictions" / path.name, path)  # sound, and another run's
    (table,), refused = board(runs)
    assert [row.name for row in table.rows] == ["good", "poor"] and "not the predictions file" in refused[0]


def test_a_memory_that_cannot_be_used_is_done_without(runs: Path) -> None:
    known, _ = board(runs)
    (runs.parent / "memory" / "answers.sqlite").write_bytes(b"no database, and longer than its header" * 9)
    assert board(runs) == (known, [])


def test_ids_are_checked_once_and_a_file_with_others_all_the_same(tmp_path: Path) -> None:
    good, better, turned = (answers(PROTOCOL.space, 30, share, [0]) for share in (0.5, 0.9, 0.9))
    turned = replace(turned, ids=(*turned.ids[1::-1], *turned.ids[2:]))
    files = {}
    for name, said in (("good", good), ("better", better), ("turned", turned)):
        path = tmp_path / f"{name}.parquet"
        path.write_bytes(to_parquet(said))
        files[path] = sha256(path.read_bytes()).hexdigest()
    with remembering(tmp_path / "answers.sqlite") as memory:
        first, second, third = files
        ours, theirs = memory.said(first, files[first]), memory.said(second, files[second])
        assert ours.samples is theirs.samples and ours.ids == good.ids and (theirs.predicted == better.predicted).all()
        with pytest.raises(DataError, match=r"turned\.parquet: id: not in ascending order at '00000'"):
            memory.said(third, files[third])


def test_rows_chosen_on_the_target_stand_apart_with_what_looking_is_worth(runs: Path) -> None:
    for seed in (0, 1, 2):
        run(runs / f"looks-{seed}", "looks", seed, 0.5, oracle=0.3)
    (table,), _ = board(runs)
    (chosen,) = table.chosen
    ranked = next(row for row in table.rows if row.name == "looks")
    assert chosen.name == "looks" and chosen.score.value > ranked.ranked.score.value + 0.2
    assert sum(map(sum, chosen.confusion[TARGET])) == 3 * N


def test_csv_and_latex_say_what_the_table_says(runs: Path) -> None:
    made, _ = board(runs)
    rows = list(csv.DictReader(io.StringIO(as_csv(made))))
    assert [(row["rank"], row["method"]) for row in rows] == [(str(row.ranked.rank), row.name) for row in made[0].rows]
    assert [float(row["reproduced"]) for row in rows] == pytest.approx(
        [100 * r.ranked.score.value for r in made[0].rows], abs=1e-3
    )
    assert rows[0]["contaminated"] == TARGET and rows[0][f"target:{TARGET}"] == rows[0]["reproduced"]
    text = as_latex(made)
    assert text.count("\\textbf{") == 1 and f"\\textbf{{{100 * made[0].rows[0].ranked.score.value:.2f}}}" in text
    assert "\\toprule\nSource & Method & muxspace-imfdb & Mean \\\\" in text and "muxspace@1: uar (\\%)" in text


def test_rows_have_the_names_of_papers_tables_and_stand_beside_what_they_print(tmp_path: Path) -> None:
    (protocol,) = [one for one in map(read, names()) if one.printed == "cafe 1"]
    arm = protocol.arms[0]
    for seed, (method, preset) in enumerate((("some", "paper"), ("erm", "paper"), ("erm", "quick"))):
        write_run(
            tmp_path / f"{method}-{preset}", protocol, arm.sources[0], dict.fromkeys(arm.targets, 14), method, seed, 0.7, preset=preset,
            selection=protocol.selection,
        )  # fmt: skip
    rows = (("cafe", "1", "SCN", ""), ("cafe", "1", "gone", ""))
    aliases = [Alias("SCN", "some", "", True, rows), Alias("other", "erm", "MobileNet", True, ())]
    runs = called(collect(tmp_path)[0], [*aliases, Alias("ResNet-18", "erm", "", True, ()), Alias("plain", "erm", "", True, ())])
    with remembering() as answers:
        made, refused = tables(list(runs), [protocol], read_published(), answers)
    named = {row.name: row for table in made for row in table.rows}
    assert not refused and set(named) == {"SCN (some)", "ResNet-18, plain (erm)", "ResNet-18, plain (erm quick)"}
    printed = named["SCN (some)"].printed
    assert printed is not None and (printed.method, printed.mean) == ("SCN", "53.99")
    assert all(row.printed is None for name, row in named.items() if "erm" in name)
    (set_otherwise,) = called([replace(collect(tmp_path / "some-paper")[0][0], plain=False)], aliases)
    assert (set_otherwise.name, set_otherwise.answers) == ("some", ())


def test_a_row_whose_paper_leaves_things_open_is_marked_at_any_preset(tmp_path: Path) -> None:
    for seed, preset in enumerate(("paper", "quick")):
        write_run(tmp_path / preset, PROTOCOL, SOURCE, {TARGET: N}, "some", seed, 0.7, preset=preset)
    runs = [replace(one, left_open=one.preset == "quick") for one in collect(tmp_path)[0]]
    with remembering() as answers:
        (table,), _ = tables(runs, [PROTOCOL], read_published(), answers)
    marks = {row.name: "; ".join(row.marks) for row in table.rows}
    assert "its paper leaves open" in marks["some quick"] and "preset quick" in marks["some quick"]
    assert "its paper leaves open" not in marks["some"] and "preset" not in marks["some"]
