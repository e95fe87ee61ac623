"""IMDB-WIKI: a MATLAB struct of 1xN fields beside folders of crops, with the rows that every user drops."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
from fixtures_trees import OwnerTree, draw
from scipy.io import savemat

NAN, NO_FACE = float("nan"), float("-inf")


class Row(NamedTuple):
    """One picture as the struct has it, with the date of birth as a date."""

    name: str
    born: date
    taken: int
    gender: float = 1.0
    score: float = 4.3
    second: float = NAN


GOOD = (
    Row("Fred Astaire", date(1899, 5, 10), 1968, 1.0),  # born before July: 69
    Row("Lucy Lou", date(1990, 7, 1), 2010, 0.0),  # born in July: 19
    Row("Zoë Ångström", date(2008, 1, 31), 2010, 0.0),  # 2
    Row("Ann Old", date(1930, 12, 31), 2012, 0.0, 1.0),  # 81, with the least good score
)
BAD = (
    Row("No Face", date(1950, 1, 1), 2000, 1.0, NO_FACE),
    Row("Poor Face", date(1950, 1, 1), 2000, 1.0, 0.5),
    Row("Two Faces", date(1950, 1, 1), 2000, 1.0, 4.0, 2.5),
    Row("Not Born", date(1990, 1, 1), 1980, 1.0),
    Row("Too Old", date(1800, 1, 1), 2000, 1.0),
    Row("Neither", date(1950, 1, 1), 2000, NAN),
)


def matlab_day(day: date) -> int:
    """MATLAB's day number: 1 January of year 0 is day 1."""
    return day.toordinal() + 366


def imdb_wiki_tree(root: Path, which: str = "imdb", rows: tuple[Row, ...] = (*GOOD, *BAD)) -> Path:
    """A crop for every row; those without a face are drawn all the same, as the owner ships a whole picture there."""
    folder = root / f"{which}_crop"
    paths = []
    for number, row in enumerate(rows):
        person = f"nm{number:07d}_rm{number}" if which == "imdb" else str(40 + number)
        paths.append(f"{number % 3:02d}/{person}_{row.born:%Y-%m-%d}_{row.taken}.jpg")
        draw(folder / paths[-1], 8000 + number, 48, 48)
    columns = {
        "dob": np.array([[matlab_day(row.born) for row in rows]], np.int32),
        "photo_taken": np.array([[row.taken for row in rows]], np.uint16),
        "full_path": cells(paths),
        "gender": np.array([[row.gender for row in rows]]),
        "name": cells([row.name for row in rows]),
        "face_location": cells([np.array([[1.0, 1.0, 48.0, 48.0]]) for _ in rows]),
        "face_score": np.array([[row.score for row in rows]]),
        "second_face_score": np.array([[row.second for row in rows]]),
    }
    if which == "imdb":
        columns["celeb_names"] = cells([row.name for row in rows])
        columns["celeb_id"] = np.arange(1, len(rows) + 1)[None].astype(np.uint16)
    savemat(folder / f"{which}.mat", {which: columns})
    return root


def cells(values: list[object]) -> np.ndarray:
    """A 1xN cell array."""
    made = np.empty((1, len(values)), object)
    made[0, :] = values
    return made


TREE = OwnerTree(
    "imdb_wiki",
    imdb_wiki_tree,
    picture="imdb_crop/00/nm0000000_rm0_1899-05-10_1968.jpg",
    lists=("imdb_crop/imdb.mat",),
    inner="imdb_crop/00",
)
