"""What a large board costs. Goals: 10,000 records within 20 s and 1 GiB; a page of 2,000 rows of at most 3 MiB that opens and sorts in
Chromium within a second."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from typing import Any

import pytest
from fixtures_board import write_run

from ferbench.evaluation.protocol import read

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
METHODS, SEEDS = 1000, 5
ARMS = {"muxspace-lfw": ("muxspace-imfdb", 720), "muxspace-imfdb": ("muxspace-lfw", 1270)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """10,000 runs: 2,000 rows of five seeds; in memory where there is such a place, because each of their files is synced."""
    memory = Path("/dev/shm")
    folder = Path(mkdtemp(dir=memory)) if os.access(memory, os.W_OK) else tmp_path_factory.mktemp("runs")
    protocol = read("muxspace@1")
    for source, (target, n) in ARMS.items():
        for number in range(METHODS):
            for seed in range(SEEDS):
                place, share = folder / f"{source}-{number:04d}-{seed}", 0.4 + 0.3 * number / METHODS
                write_run(place, protocol, source, {target: n}, f"method-{number:04d}", seed, share, cost=True, resamples=5)
    yield folder
    shutil.rmtree(folder)


def build(runs: Path, out: Path, home: Path) -> tuple[float, float]:
    """Seconds, and the most memory that the process held, in GiB."""
    command = [sys.executable, "-m", "ferbench", "leaderboard", "build", "--runs", str(runs), "--out", str(out)]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, time.monotonic()
    told = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"FERBENCH_HOME": str(home)}, check=True)
    took, most = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert "10000 runs" in told.stdout and "with 2000 rows, 0 refused" in told.stdout, told.stdout + told.stderr
    return took, max(before, most) / 2**20


def test_a_board_of_ten_thousand_records(benchmark: Any, runs: Path, tmp_path: Path) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    first, _ = build(runs, out, home)
    page = (out / "index.html").read_bytes()
    found: list[tuple[float, float]] = []
    benchmark.pedantic(lambda: found.append(build(runs, out, home)), rounds=1)
    assert (out / "index.html").read_bytes() == page
    benchmark.extra_info |= {
        "seconds, nothing remembered": f"{first:.1f}",
        "seconds (goal: 20)": f"{found[0][0]:.1f}",
        "GiB (goal: 1)": f"{found[0][1]:.2f}",
        "MiB of the page (goal: 3)": f"{len(page) / 2**20:.2f}",
    }
    print(benchmark.extra_info)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_page_of_two_thousand_rows_opens_and_sorts(benchmark: Any, runs: Path, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    build(runs, tmp_path / "out", tmp_path / "home")
    sort = """() => { const began = performance.now(); document.querySelector('[data-key="name"]').click();
        document.body.getBoundingClientRect(); return performance.now() - began }"""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened, sorted_ = [], []

        def look() -> None:
            page = browser.new_page()
            began = time.monotonic()
            page.goto((tmp_path / "out" / "index.html").as_uri())
            page.locator("#table tbody tr").nth(99).wait_for()
            opened.append(time.monotonic() - began)
            sorted_.append(page.evaluate(sort) / 1000)
            page.close()

        benchmark.pedantic(look, rounds=7)
        browser.close()
    told = {"opens, s (goal: 1)": f"{median(opened):.2f}", "sorts, s (goal: 1)": f"{median(sorted_):.3f}"}
    benchmark.extra_info |= told
    print(told)
