"""Every reader's label map against the facts: the table of the shared dataset notes (§0.1) where it is at hand, and a copy of it here."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ferbench.plugins import load
from ferbench.schema import DatasetSpec, Expression

NOTES = Path(__file__).parents[3] / "shared" / "datasets.md"
Codes = dict[int | str, str]

_FER2013: Codes = {0: "anger", 1: "disgust", 2: "fear", 3: "happiness", 4: "sadness", 5: "surprise", 6: "neutral"}
_AFFWILD2: Codes = {0: "neutral", 1: "anger", 2: "disgust", 3: "fear", 4: "happiness", 5: "sadness", 6: "surprise"}
_WORDS: Codes = {
    "angry": "anger", "disgust": "disgust", "fear": "fear", "happy": "happiness", "neutral": "neutral", "sad": "sadness",
    "surprise": "surprise",
}  # fmt: skip
_COMPOUND = (
    "happily-surprised", "happily-disgusted", "sadly-fearful", "sadly-angry", "sadly-surprised", "sadly-disgusted",
    "fearfully-angry", "fearfully-surprised", "angrily-surprised", "angrily-disgusted", "disgustedly-surprised",
)  # fmt: skip

FACTS: dict[str, Codes] = {
    "RAF-DB basic": {
        1: "surprise", 2: "fear", 3: "disgust", 4: "happiness", 5: "sadness", 6: "anger", 7: "neutral",
    },
    "RAF-DB compound": dict(enumerate(_COMPOUND, 1)),
    "AffectNet (CSV and npy)": {
        0: "neutral", 1: "happiness", 2: "sadness", 3: "surprise", 4: "fear", 5: "disgust", 6: "anger", 7: "contempt",
    },
    "FER2013": _FER2013,
    "ExpW": _FER2013,
    "FERPlus columns": {
        name: name for name in ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
    },
    "SFEW 2.0 folders": _WORDS,
    "MMA folders": _WORDS,
    "JAFFE": {
        "an": "anger", "di": "disgust", "fe": "fear", "ha": "happiness", "ne": "neutral", "sa": "sadness", "su": "surprise",
    },
    "CK+": {
        0: "neutral", 1: "anger", 2: "contempt", 3: "disgust", 4: "fear", 5: "happiness", 6: "sadness", 7: "surprise",
    },
    "MMI": {1: "anger", 2: "disgust", 3: "fear", 4: "happiness", 5: "sadness", 6: "surprise"},
    "Oulu-CASIA folders": {
        name: name for name in ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
    },
    "Aff-Wild2 2020 (7)": _AFFWILD2,
    "Aff-Wild2 2022+ (8)": {**_AFFWILD2, 7: "other"},
}  # fmt: skip
"""Owner's code, column or folder -> expression, row by row as the notes have it. What stands for no expression is left out."""

READERS: dict[str, str] = {
    "rafdb": "RAF-DB basic",
    "rafdb-compound": "RAF-DB compound",
    "affectnet": "AffectNet (CSV and npy)",
    "ferplus": "FERPlus columns",
    "fer2013": "FER2013",
    "sfew": "SFEW 2.0 folders",
    "mma": "MMA folders",
    "expw": "ExpW",
    "jaffe": "JAFFE",
    "ckplus": "CK+",
    "mmi": "MMI",
    "oulu_casia": "Oulu-CASIA folders",
    "affwild2": "Aff-Wild2 2022+ (8)",
}
WITHOUT_CODES = {"muxspace-lfw", "muxspace-imfdb", "multipie"}
"""Labelled by words of the suite, or by session and recording; their own tests hold them."""

DATASETS: dict[str, DatasetSpec] = load().datasets
LABELLED = [
    name for name, spec in DATASETS.items()
    if spec.kind == "real" and not spec.argument and not spec.auxiliary and load().owner["datasets", name] == "builtin"
]  # fmt: skip


def maps_of(spec: DatasetSpec) -> Iterator[Codes]:
    """Every module-level table of code → expression in the reader's module, and in those it is named after (ferplus_votes)."""
    own, taken = spec.build.__module__, {other.build.__module__ for other in DATASETS.values()}
    for name in [own, *(other for other in sorted(sys.modules) if other.startswith(f"{own}_") and other not in taken)]:
        for value in list(vars(sys.modules[name]).values()):
            if isinstance(value, Mapping) and value and all(v is None or isinstance(v, Expression) for v in value.values()):
                yield {code_of(key): str(v) for key, v in value.items() if v is not None}


def code_of(key: object) -> int | str:
    return int(str(key)) if str(key).isdigit() else str(key).lower()


@pytest.mark.parametrize("name", LABELLED)
def test_a_reader_maps_its_owners_codes_as_the_facts_say(name: str) -> None:
    if name in WITHOUT_CODES:
        return
    assert name in READERS, f"{name}: say in READERS which row of the facts it is"
    found = list(maps_of(DATASETS[name]))
    assert FACTS[READERS[name]] in found, f"{name}: {found} is not {FACTS[READERS[name]]}"


@pytest.mark.parametrize("name", LABELLED)
def test_no_other_table_of_a_reader_contradicts_the_facts(name: str) -> None:
    """A second table may hold fewer classes or other keys, never the same key with another meaning."""
    facts = FACTS[READERS[name]] if name in READERS else {}
    for table in maps_of(DATASETS[name]):
        assert {key: facts[key] for key in table if key in facts} == {key: table[key] for key in table if key in facts}


@pytest.mark.parametrize("name", LABELLED)
def test_a_reader_declares_the_classes_that_its_codes_lead_to(name: str) -> None:
    if name in READERS:
        assert set(FACTS[READERS[name]].values()) <= {str(expression) for expression in DATASETS[name].classes}


def test_every_expression_of_the_facts_is_one_of_the_suite() -> None:
    assert {name for codes in FACTS.values() for name in codes.values()} <= {str(expression) for expression in Expression}


# the notes themselves


@pytest.fixture(scope="module")
def notes() -> dict[str, str]:
    """Row → cell of the table in §0.1."""
    if not NOTES.is_file():
        pytest.skip("the dataset notes are not beside this repository (../shared/datasets.md); the copy here was checked")
    section = NOTES.read_text(encoding="utf-8").split("### 0.1", 1)[1].split("### 0.2", 1)[0]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in section.splitlines() if line.startswith("|")]
    return {row[0]: row[1] for row in rows if len(row) == 3 and row[0] not in ("dataset", "---")}


def test_the_copy_of_the_facts_is_the_table_of_the_notes(notes: dict[str, str]) -> None:
    read: dict[str, Codes] = {}
    for row, cell in notes.items():
        if row == "Multi-PIE":
            continue
        if cell.startswith("same as"):
            read[row] = read[re.findall(r"same as (\S+)", cell)[0]]
        elif cell.startswith("as above plus"):
            read[row] = {**list(read.values())[-1], **codes_in(cell.removeprefix("as above plus"))}
        else:
            read[row] = codes_in(cell)
    assert read == FACTS


FULL = {"angry": "anger", "happy": "happiness", "sad": "sadness", "an": "anger", "di": "disgust", "fe": "fear", "ha": "happiness",
        "ne": "neutral", "sa": "sadness", "su": "surprise"}  # fmt: skip


def codes_in(cell: str) -> Codes:
    """``1 surprise, 2 fear`` or ``Angry, Disgust`` as code → expression; what names no expression of the suite is left out."""
    found: Codes = {}
    for item in re.sub(r"\(.*?\)", "", cell).split(","):
        code, _, word = item.strip().partition(" ") if re.match(r"\s*-?\d", item) else (item.strip().lower(), "", item.strip())
        name = FULL.get(word.strip().lower(), word.strip().lower().replace(" ", "-"))
        if name in {str(expression) for expression in Expression}:
            found[code_of(code)] = name
    return found
