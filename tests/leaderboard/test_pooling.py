"""Ten folds of a seed are one result: every sample answered once, N the whole set; nothing ranked with a fold missing or twice."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_board import write_run
from fixtures_run import TINY
from PIL import Image

from ferbench.cli import main
from ferbench.evaluation.protocol import parse, read, text
from ferbench.evaluation.repeats import repeated
from ferbench.evaluation.statistics import seed_of
from ferbench.leaderboard.answers import remembering
from ferbench.leaderboard.board import RESAMPLES, Table, collect, tables
from ferbench.leaderboard.formats import as_csv
from ferbench.leaderboard.page import markdown
from ferbench.leaderboard.published import read as read_published
from ferbench.leaderboard.site import page
from ferbench.results.predictions import read_predictions

PROTOCOL = read("tenfold@1")
SIZES = (12, 30, 7, 18, 25, 6, 40, 9, 14, 22)
"""Test images of each fold: people have different numbers of them."""
N = sum(SIZES)


def fold(folder: Path, k: int, seed: int, share: float = 0.6, method: str = "erm", **told: Any) -> None:
    name = f"mmi@fold{k}"
    given = {"first_id": sum(SIZES[:k]), "learnt": N - SIZES[k], "role": "source-test", **told}
    write_run(folder / f"{method}-{k}-{seed}", PROTOCOL, name, {name: SIZES[k]}, method, seed, share, **given)


def board(runs: Path) -> tuple[list[Table], list[str]]:
    entries, refused = collect(runs)
    with remembering(runs.parent / "answers.sqlite") as answers:
        made, apart = tables(entries, [PROTOCOL], read_published(), answers)
    return made, [*refused, *apart]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for method, share in (("erm", 0.5), ("addl", 0.8)):
        for seed in PROTOCOL.seeds:
            for k in range(10):
                fold(tmp_path / "runs", k, seed, share, method)
    return tmp_path / "runs"


def test_the_answers_of_all_folds_are_one_result(runs: Path) -> None:
    (table,), refused = board(runs)
    assert [row.name for row in table.rows] == ["addl", "erm"] and not refused and not table.incomplete
    row = table.rows[1]
    shares, said = [], []
    for seed in PROTOCOL.seeds:
        of_seed = [read_predictions(next((runs / f"erm-{k}-{seed}").glob("predictions/*"))) for k in range(10)]
        right = [(one.predicted == one.labels).sum() for one in of_seed]
        shares.append(sum(right) / N)
        said.append(of_seed)
        assert abs(shares[-1] - np.mean([r / n for r, n in zip(right, SIZES, strict=True)])) > 1e-3, "no mean over folds"
    assert row.ranked.score.value == pytest.approx(np.mean(shares)) == row.targets["mmi"]
    whole = [joined(of_seed) for of_seed in said]
    expected = repeated([whole], "accuracy", seed_of(PROTOCOL.name, "mmi"), resamples=RESAMPLES)
    assert (row.ranked.score.low, row.ranked.score.high) == pytest.approx((expected.low, expected.high))
    assert [run.results[0].n for run in row.runs] == [N] * 3 and sum(map(sum, row.confusion["mmi"])) == 3 * N and not row.marks


def joined(folds: list[Any]) -> Any:
    """Predictions of all folds in one: their ids ascend from fold to fold."""
    first = folds[0]
    whole = {name: np.concatenate([getattr(one, name) for one in folds]) for name in ("labels", "covered", "probabilities")}
    return type(first)(first.classes, tuple(one for said in folds for one in said.ids), **whole)


def test_a_missing_fold_is_named_and_its_row_is_not_ranked(runs: Path) -> None:
    shutil.rmtree(runs / "erm-3-1")
    shutil.rmtree(runs / "erm-7-1")
    made, refused = board(runs)
    (table,) = made
    assert [row.name for row in table.rows] == ["addl"] and not refused
    line = f"erm: seed 1 without fold3, fold7 ({3 * N - SIZES[3] - SIZES[7]} of {3 * N} answers)"
    assert [one.line for one in table.incomplete] == [line]
    assert line in markdown(made, refused) and line in page(made, runs)
    rows = list(csv.DictReader(io.StringIO(as_csv(made))))
    assert [(row["row"], row["method"], row["rank"]) for row in rows] == [("measured", "addl", "1"), ("incomplete", "erm", "")]


def test_a_fold_that_stands_twice_is_refused(runs: Path) -> None:
    first, _ = board(runs)
    write_run(
        runs / "erm-3-1-again", PROTOCOL, "mmi@fold3", {"mmi@fold3": SIZES[3], "jaffe": 9}, "erm", 1, 0.99, role="source-test",
        first_id=sum(SIZES[:3]), learnt=N - SIZES[3],
    )  # fmt: skip
    second, refused = board(runs)
    assert len(refused) == 1 and "erm with seed 1, fold3 stands here already, as" in refused[0]
    assert second[0].rows[1].ranked == first[0].rows[1].ranked


FOREIGN: dict[str, tuple[Callable[[Path], None], str]] = {
    "samples of another fold": (
        lambda runs: fold(runs, 0, 1, first_id=sum(SIZES[:1])), "fold0 and fold1 both test '00012'",
    ),
    "a copy of another size": (
        lambda runs: fold(runs, 0, 1, learnt=N), f"its folds part sets of mmi of different sizes: {N}, {N + SIZES[0]}",
    ),
    "a set of which some are tested nowhere": (
        lambda runs: [fold(runs, k, 1, learnt=N + 9 - SIZES[k]) for k in range(10)] and None,
        f"fold0 to fold9 test {N} images of mmi, and it has {N + 9}",
    ),
    "who did not learn from the rest": (
        lambda runs: fold(runs, 0, 1, role="target"), f"its folds part sets of mmi of different sizes: {N}, unknown",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "told"), FOREIGN.values(), ids=FOREIGN)
def test_folds_that_do_not_part_one_set_are_refused(runs: Path, spoil: Callable[[Path], None], told: str) -> None:
    spoil(runs)
    (table,), refused = board(runs)
    assert [row.name for row in table.rows] == ["addl"] and not table.incomplete
    assert len(refused) == 1 and told in refused[0] and refused[0].startswith("tenfold@1, mmi, erm: ")


def test_folds_are_ranked_by_what_counts_alone_can_tell() -> None:
    with pytest.raises(Exception, match="folds are pooled by what they say, and 'nll' needs more"):
        parse(text("tenfold@1").replace(b'["accuracy",', b'["nll", "accuracy",'), "tenfold@1.toml")


@pytest.fixture
def people(tmp_path: Path, home: Path) -> Path:
    """Oulu-CASIA of ten people, a frame of each expression, in noise; prepared."""
    for who in range(1, 11):
        for number, name in enumerate(("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")):
            for frame in range(2):
                noise = np.random.default_rng([who, number, frame]).integers(0, 255, (24, 24, 3), np.uint8)
                path = tmp_path / f"PreProcess_Img/VL_Acropped/Strong/P{who:03d}/{name}/{frame:03d}.jpeg"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(noise).save(path)
    main(["data", "prepare", "oulu_casia", "--from", str(tmp_path), "--allow-partial"])
    return tmp_path


def test_a_real_fold_says_of_what_it_is_a_part(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = people / "runs"
    words = (
        "--preset",
        "quick",
        *TINY,
        "--dtype",
        "fp32",
        "--set",
        "epochs=1",
        "--source",
        "oulu_casia@fold1",
        "--out",
        str(out),
    )
    main(["run", "--protocol", "tenfold@1", "--method", "erm", *words])
    (found,), _ = collect(out)
    assert (found.partition, found.results[0].n, found.results[0].whole) == ("fold1", 6, 60)
    main(["leaderboard", "build", "--runs", str(out), "--out", str(out / "board.md"), "--protocol", "tenfold@1", "--verify"])
    told = capsys.readouterr()
    assert "incomplete: tenfold@1, oulu_casia, erm quick" in told.err and "(6 of 60 answers)" in told.err
    assert "seed 0 without fold0, fold2, fold3, fold4, fold5, fold6, fold7, fold8, fold9" in (out / "board.md").read_text()
    assert "1 runs, 0 of no protocol or not comparable, 1 tables with 0 rows, 0 refused" in told.out
