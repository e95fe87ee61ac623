"""The page in a real Chromium, opened from disk: it sorts, filters and searches, asks nobody, and fits a phone."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures_board import write_run

from ferbench.cli import main
from ferbench.evaluation.protocol import read

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SIZES = {"rafdb": 84, "ferplus": 77, "affectnet": 77, "sfew": 77, "mma": 77}
METHODS = {"cafe": 0.9, "plain": 0.7, "<b>odd</b>": 0.5}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three methods beside printed rows, one with oracle results and seen images; and two on drawn faces."""
    folder = tmp_path_factory.mktemp("board")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FERBENCH_HOME", str(folder / "home"))
        for name, share in METHODS.items():
            for seed in (0, 1):
                write_run(
                    folder / "runs" / f"{sum(name.encode())}-{seed}", read("sdg-cafe@1"), "ferplus", SIZES, name, seed, share,
                    oracle=0.04 if name == "plain" else 0.0, seen=("mma",) if name == "plain" else (), cost=name != "<b>odd</b>",
                )  # fmt: skip
        for name in ("plain", "other"):
            drawn = {f"synth-{one}": 70 for one in ("lab", "film", "web", "grey48", "mono")}
            write_run(folder / "runs" / f"{name}-drawn", read("synth@1"), "synth-wild", drawn, name, 0, 0.6, kind="synthetic")
        main(["leaderboard", "build", "--runs", str(folder / "runs"), "--out", str(folder / "out"), "--verify"])
    return folder / "out"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install --no-install-recommends chromium")
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("no playwright: it is in the group dev")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Told:
    """A page with all that it says to the console and asks for."""

    def __init__(self, browser: Any, board: Path, width: int = 1280, table: str = "sdg-cafe@1/ferplus") -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 800})
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(f"{(board / 'index.html').as_uri()}#{table}")

    def names(self) -> list[str]:
        return [text.strip() for text in self.page.locator("#table tr.measured td.name button").all_inner_texts()]

    def column(self, title: str) -> list[str]:
        titles = self.page.locator("#table thead th").all_inner_texts()
        number = next(i for i, one in enumerate(titles) if title in one) + 1
        return [text.split("\n")[0] for text in self.page.locator(f"#table tr.main td:nth-child({number})").all_inner_texts()]


def test_the_page_says_nothing_asks_nobody_and_stands_sorted(browser: Any, board: Path) -> None:
    told = Told(browser, board)
    assert told.names() == list(METHODS) and told.page.locator("#table tr.printed").count() == 5
    assert told.page.locator("#table b").count() == 0, "a name is text, whatever it holds"
    assert told.page.locator('th[aria-sort="descending"]').inner_text() == "Reproduced, accuracy %"
    assert told.page.locator("#oracle tbody tr").count() == 1
    assert "plain" in told.page.locator("#oracle tbody").inner_text()
    assert told.said == [] and [url.split("#")[0] for url in told.asked] == [(board / "index.html").as_uri()]
    assert told.page.locator("#ranks svg").count() == 1 and told.page.locator("#cost circle").count() == 2
    told.page.close()


def test_headers_sort_both_ways_by_mouse_and_by_keyboard(browser: Any, board: Path) -> None:
    told = Told(browser, board)
    told.page.click('#table [data-key="published"]')
    digits = [float(text) for text in told.column("Published") if text != "–"]
    assert digits == sorted(digits, reverse=True) and len(digits) == 6, "CAFE's own row and that of our cafe"
    assert told.column("Published")[-1] == "–", "what is not known stands last"
    told.page.keyboard.press("Enter")  # the header kept the focus
    assert told.page.locator('th[aria-sort="ascending"]').inner_text() == "Published"
    assert [float(text) for text in told.column("Published") if text != "–"] == sorted(digits)
    assert told.column("Published")[-1] == "–" and told.page.evaluate("document.activeElement.dataset.key") == "published"
    told.page.click('#table [data-key="name"]')
    assert told.names() == sorted(METHODS)
    told.page.close()


def test_rows_are_searched_and_filtered(browser: Any, board: Path) -> None:
    told = Told(browser, board)
    told.page.fill("#search", "PLAIN one gpu")
    assert told.names() == ["plain"] and told.page.inner_text("#count") == "1 of 8 rows"
    told.page.fill("#search", "")
    told.page.check("#clean")
    assert told.names() == ["cafe", "<b>odd</b>"]
    told.page.uncheck("#printed")
    assert told.page.inner_text("#count") == "2 of 8 rows"
    told.page.check("#verified")
    assert told.page.inner_text("#count") == "2 of 8 rows", "all were verified when the page was made"
    told.page.close()


def test_targets_classes_and_confusions_are_those_of_the_records(browser: Any, board: Path) -> None:
    told = Told(browser, board)
    told.page.click('[data-view="targets"]')
    seen = told.page.locator("#table tr.measured", has_text="plain").locator("td")
    marked = [place for place, text in enumerate(seen.all_inner_texts()) if text.endswith("†") and text[0].isdigit()]
    assert [told.page.locator("#table thead th").nth(place).inner_text() for place in marked] == ["mma"]
    assert not any(
        "†" in text for text in told.page.locator("#table tr.measured", has_text="cafe").locator("td").all_inner_texts()
    )
    told.page.click('[data-view="classes"]')
    said = [float(one) for one in told.column("surprise") if one != "–"]
    told.page.locator("td.name button", has_text="cafe").click()
    matrices = told.page.locator(".matrix")
    assert matrices.count() == 5
    recalls = []
    for number in range(5):
        first = [int(text) for text in matrices.nth(number).locator("tbody tr").first.locator("td").all_inner_texts()]
        recalls.append(first[0] / sum(first))
    assert said[0] == pytest.approx(100 * sum(recalls) / 5, abs=0.051)
    link = told.page.locator(".sheet a").first.get_attribute("href")
    assert (board / link).resolve().is_file()
    told.page.close()


def test_drawn_faces_are_a_protocol_of_their_own(browser: Any, board: Path) -> None:
    told = Told(browser, board)
    assert told.page.locator('optgroup[label*="Drawn"] option').all_inner_texts() == ["synth@1"]
    told.page.select_option("#protocol", "synth@1")
    assert sorted(told.names()) == ["other", "plain"] and "drawn faces" in told.page.inner_text("#about")
    assert told.page.url.endswith("#synth%401%2Fsynth-wild")
    told.page.close()


@pytest.mark.parametrize("view", ["overview", "targets", "classes", "cost"])
def test_a_phone_scrolls_the_table_and_not_the_page(browser: Any, board: Path, view: str) -> None:
    told = Told(browser, board, width=360)
    told.page.click(f'[data-view="{view}"]')
    told.page.locator("td.name button").first.click()
    assert told.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert told.page.evaluate("(e => e.scrollWidth > e.clientWidth)(document.getElementById('scroll'))")
    assert told.said == []
    told.page.close()


def test_the_same_records_give_the_same_bytes(board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERBENCH_HOME", str(tmp_path / "elsewhere"))
    again = board.parent / "again"
    main(["leaderboard", "build", "--runs", str(board.parent / "runs"), "--out", str(again), "--verify"])
    for name in ("index.html", "board.md", "board.csv", "board.tex"):
        assert (again / name).read_bytes() == (board / name).read_bytes(), name


def test_the_page_names_nothing_outside_itself(board: Path) -> None:
    text = (board / "index.html").read_text()
    assert not re.findall(r"(?:src|href)=[\"'](?!#|data:|board\.)[^$\"']+", text.split('id="data"')[0])
    assert {*re.findall(r"https?://[^\s\"'<\\)]+", text)} <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
