"""The audit finds by itself what is known to be wrong in print; the list of it stands here, and nowhere in the code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ferbench.cli import main
from ferbench.leaderboard.audit import Audit, audit
from ferbench.leaderboard.published import Cell, Paper, Published, default_folder
from ferbench.leaderboard.sizes import Column, columns, possible
from ferbench.leaderboard.sums import sums


@pytest.fixture(scope="module")
def found() -> Audit:
    return audit()


def cell(
    value: str, target: str = "t", *, source: str = "s", metric: str = "accuracy", method: str = "M", paper: str = "p"
) -> Cell:
    return Cell(paper, "1", "x", source, target, method, "", metric, value, "%", "", 2)


# -- sums


def test_the_eight_wrong_means_are_found(found: Audit) -> None:
    wrong = {
        (one.cell.paper, one.cell.source, one.cell.method, one.cell.value, round(float(one.computed), 3))
        for one in found.sums
        if one.level == "wrong" and "mean" in one.kind and not one.cell.variant.startswith("view=")
    }
    assert wrong == {
        ("cafe", "affectnet", "EAC", "53.09", 53.288),
        ("cafe", "affectnet", "CAFE", "60.27", 61.666),
        ("esgm_pded", "affectnet", "MARLIN-mask", "66.42", 66.296),
        ("esgm_pded", "rafdb+sfew", "ResNet-18", "52.97", 52.62),
        ("esgm_pded", "rafdb+sfew", "Sequencer", "48.88", 50.883),
    }
    views = {one.cell.variant: one.cell.value for one in found.sums if one.kind == "class mean" and one.level == "wrong"}
    assert views == {"view=eye": "0.157", "view=eye+mouth": "0.304", "view=eye+mouth+nose": "0.302"}


def test_one_mean_is_beyond_rounding_and_two_weighted_scores_are_wrong(found: Audit) -> None:
    assert [one.cell.method for one in found.sums if one.level == "off"] == ["ActiveFER"]
    weighted = {one.cell.method: one.level for one in found.sums if one.kind == "weighted"}
    assert {name for name, level in weighted.items() if level == "wrong"} == {"LLAM", "DMACS"}
    assert len(weighted) == 7


def test_every_printed_difference_holds(found: Audit) -> None:
    assert [one.level for one in found.sums if one.kind == "difference"] == ["holds"] * 12


def test_a_mean_is_that_of_its_cells_written_with_decimals(found: Audit) -> None:
    for one in (one for one in found.sums if one.kind == "mean"):
        values = [Decimal(part.value) for part in one.parts]
        assert abs(Decimal(one.computed.numerator) / one.computed.denominator - sum(values) / len(values)) < Decimal("1e-20")
        assert {part.source for part in one.parts} == {one.cell.source}


@pytest.mark.parametrize(
    ("mean", "level"),
    [("20.00", "holds"), ("20.01", "holds"), ("20.02", "off"), ("20.03", "wrong"), ("19.97", "wrong"), ("20.0", "holds")],
)
def test_rounding_explains_one_unit_of_the_last_digit(mean: str, level: str) -> None:
    row = [cell("10.00", "a"), cell("30.00", "b"), cell(mean, "mean")]
    assert [one.level for one in sums(row)] == [level]


def test_no_rounded_row_of_true_numbers_is_ever_called_off() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        true = rng.uniform(0, 100, 5)
        row = [cell(f"{value:.2f}", f"t{i}") for i, value in enumerate(true)] + [cell(f"{true.mean():.2f}", "mean")]
        assert sums(row)[0].level == "holds"


# -- sizes

KNOWN = {  # paper, set, own test set: size, possible of values, expected by chance
    ("cafe", "sfew", False): (891, 22, 27, 2.4),
    ("cafe", "ferplus", False): (3137, 26, 29, 9.1),
    ("cafe", "ferplus", True): (3137, 5, 5, 1.6),
    ("cafe", "affectnet", False): (3489, 27, 29, 10.1),
    ("dfd_net", "sfew", False): (436, 4, 4, 0.2),
    ("dfd_net", "ferplus", False): (3137, 4, 4, 1.3),
    ("esgm_pded", "sfew", False): (436, 21, 30, 1.3),
    ("esgm_pded", "affectnet", False): (3500, 20, 26, 9.1),
    ("esgm_pded", "jaffe", False): (213, 13, 32, 0.7),
}


def of(found: Sequence[Column], key: tuple[str, str, bool]) -> Column:
    (column,) = [one for one in found if (one.paper, one.dataset, one.own) == key]
    return column


@pytest.mark.parametrize(("key", "said"), KNOWN.items(), ids=[f"{p} {d} {'own' if o else 'target'}" for p, d, o in KNOWN])
def test_the_digits_give_the_test_sizes_away(found: Audit, key: tuple[str, str, bool], said: tuple[int, int, int, float]) -> None:
    column = of(found.columns, key)
    fits = [fit for fit in (column.found, *column.candidates, *column.stated) if fit is not None and fit.verdict == "fits"]
    assert {(fit.size, fit.possible, column.values, round(fit.by_chance, 1)) for fit in fits} == {said}


def test_the_stated_sizes_that_cannot_be_are_named(found: Audit) -> None:
    for key in [("cafe", "sfew", False), ("cafe", "ferplus", False), ("cafe", "affectnet", False), ("dfd_net", "ferplus", False)]:
        assert of(found.columns, key).verdict == "does not fit"
    assert of(found.columns, ("cafe", "sfew", True)).verdict == "does not fit"
    assert of(found.columns, ("cafe", "rafdb", False)).verdict == of(found.columns, ("addl", "rafdb", True)).verdict == "fits"
    assert of(found.columns, ("cafe", "mma", False)).verdict == "cannot tell"


def test_rows_taken_over_are_seen_with_the_one_cell_that_differs(found: Audit) -> None:
    assert len(found.shared) == 13 and all(
        one.row.startswith("dfd_net") and one.earlier.startswith("cafe") for one in found.shared
    )
    differ = [(ours.target, ours.value, theirs.value) for one in found.shared for ours, theirs in one.other]
    assert differ == [("mma", "59.87", "59.89")]


@pytest.mark.parametrize("size", [7, 213, 891])
@pytest.mark.parametrize("decimals", [1, 2])
def test_a_possible_accuracy_is_one_that_some_count_rounds_to(size: int, decimals: int) -> None:
    step = Fraction(1, 10**decimals)
    near = {k: Fraction(100 * k, size) for k in range(size + 1)}
    for units in range(0, 100 * 10**decimals + 1, 97 if decimals > 1 else 13):
        naive = any(abs(exact - units * step) <= step / 2 for exact in near.values())
        assert possible(cell(f"{float(units * step):.{decimals}f}"), size) is naive


def printed(values: Sequence[str], stated: tuple[int, ...]) -> Published:
    cells = tuple(cell(value, method=f"M{i}") for i, value in enumerate(values))
    return Published((Paper("p", "", "", len(cells), {"t": stated}),), cells)


def test_the_size_of_made_up_columns_is_found_and_random_digits_have_none() -> None:
    rng, right, false, unfit = np.random.default_rng(3), 0, 0, 0
    for _ in range(20):
        size = int(rng.integers(150, 3500))
        counts = [f"{100 * k / size:.2f}" for k in rng.integers(size // 3, size, 24)]
        noise = [f"{value:.2f}" for value in rng.uniform(30, 95, 30)]
        (column,), _ = columns(printed(counts + noise[:6], (size,)))
        right += column.found is not None and column.found.size == size
        assert column.verdict == "fits"
        (column,), _ = columns(printed(noise, (size,)))
        false += column.found is not None
        unfit += column.verdict == "does not fit"
    assert (right, false) == (20, 0) and unfit > 17


# -- the verb


def test_audit_tells_a_person_and_a_machine(capsys: pytest.CaptureFixture[str]) -> None:
    main(["leaderboard", "audit"])
    text = capsys.readouterr().out
    for said in (
        "914 printed numbers",
        "(8 of them means)",
        "60.27, its 5 parts give 61.666 (-1.396)",
        "fits 891: 22 possible (2.4)",
    ):
        assert said in text
    main(["leaderboard", "audit", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["cells"] == 914 and len(said["sums"]["unsound"]) == 11 and len(said["shared"]) == 13
    assert {"paper", "line", "printed"} <= set(said["impossible"][0])


def test_a_changed_file_ends_the_audit_with_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(shutil.copytree(default_folder(), tmp_path / "published"))
    path = folder / "addl.csv"
    path.write_text(path.read_text().replace("86.93", "87.93"))
    with pytest.raises(SystemExit) as ended:
        main(["leaderboard", "audit", "--published", str(folder)])
    assert ended.value.code == 4
    error = capsys.readouterr().err
    assert "addl.csv: changed" in error and error.count("\n") == 1
