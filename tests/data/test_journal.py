"""A preparation that was killed goes on where it was, and takes nothing that was stored of other pictures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures_trees import draw, folder_tree

from ferbench.builtin.readers import folder
from ferbench.data import fill, journal, prepare
from ferbench.data.journal import Journal
from ferbench.data.prepared import PreparedSet
from ferbench.data.verify import verify

FOLDER = folder.SPECS[0]


def made(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[PreparedSet, list[str]]:
    """The set, and the ids that were decoded for it."""
    decoded: list[str] = []
    store_one = fill._store_one

    def counted(reader, sample, *rest):  # type: ignore[no-untyped-def]
        decoded.append(sample.id)
        return store_one(reader, sample, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(fill, "_store_one", counted)
        return prepare.prepare(FOLDER, f"folder:{root}"), decoded


def killed(root: Path, home: Path, after: int) -> Path:
    """The folder that a preparation leaves which was killed after so many steps of 32 pictures, 0.3 s each."""
    code = (
        "import time; from ferbench.builtin.readers import folder; from ferbench.data import prepare\n"
        "def slow(what, done, total): print(what, flush=True); time.sleep(0.3 if what == 'decoding' else 0)\n"
        f"prepare.prepare(folder.SPECS[0], 'folder:{root}', progress=slow, workers=1)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(after):
        while "decoding" not in process.stdout.readline():
            assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    (remains,) = (path for path in (home / "data").glob(".*") if not path.name.endswith(".lock"))
    assert remains.name.endswith(".building")
    return remains


def test_killed_it_leaves_no_set_and_goes_on_where_it_was(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder_tree(tmp_path / "faces", per_class=100)
    building = killed(root, home, after=7)
    assert not any((home / "data").glob("*/set.json"))
    found, decoded = made(root, monkeypatch)
    assert len(found) == 300 and 0 < len(decoded) < 300
    assert verify(found, deep=True) == [] and not building.exists() and not (found.folder / journal.NAME).exists()
    again, decoded = made(root, monkeypatch)
    assert len(decoded) == 300 and again.fingerprint == found.fingerprint


def test_after_a_change_of_the_folder_nothing_stored_is_taken(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder_tree(tmp_path / "faces", per_class=100)
    killed(root, home, after=7)
    draw(root / "angry" / "000.png", 7777)
    found, decoded = made(root, monkeypatch)
    assert len(decoded) == 300 and verify(found, deep=True) == []


def test_a_line_cut_off_ends_the_journal(tmp_path: Path) -> None:
    told = [{"key": "k"}, [0, "a", "b"], [1, "c", "d"]]
    (tmp_path / journal.NAME).write_text("\n".join(json.dumps(line) for line in told)[:-4])
    assert Journal(tmp_path, "k").done == {0: ("a", "b")}
    assert Journal(tmp_path, "of other files").done == {}


def test_pixels_are_safe_before_the_journal_speaks_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[bool] = []
    monkeypatch.setattr(journal, "_EVERY", 0.0)
    with open(tmp_path / "pixels", "wb") as pixels:
        monkeypatch.setattr(os, "fsync", lambda handle: order.append(handle == pixels.fileno()))
        Journal(tmp_path, "k").note(0, ("a", "b"), (pixels.fileno(), -1))
    assert order == [True, False]
