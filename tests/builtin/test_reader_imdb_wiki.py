"""IMDB-WIKI: a MATLAB struct, the rule of ages, and the rows that are dropped."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat
from trees.imdb_wiki import GOOD, Row, cells, imdb_wiki_tree

from ferbench.builtin.readers import imdb_wiki, matfile
from ferbench.builtin.readers.imdb_wiki import ImdbWikiConfig, ImdbWikiReader
from ferbench.data import prepare
from ferbench.data.prepare import SetRefused
from ferbench.errors import DataError, FerbenchError
from ferbench.schema import Finding, Sample

SPEC = imdb_wiki.SPECS[0]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return imdb_wiki_tree(imdb_wiki_tree(tmp_path_factory.mktemp("good")), "wiki")


def read(root: Path, **options: object) -> tuple[list[Sample], list[Finding]]:
    reader = ImdbWikiReader(ImdbWikiConfig(**options))
    return list(reader.samples(root)), reader.findings


@pytest.mark.parametrize("which", ["imdb", "wiki"])
def test_rows_with_one_good_face_get_gender_age_band_and_person(which: str, good: Path) -> None:
    samples, _ = read(good, which=which)
    assert [sample.subject for sample in samples] == [row.name for row in GOOD]
    assert [sample.factors["gender"] for sample in samples] == ["male", "female", "female", "female"]
    assert [sample.factors["age"] for sample in samples] == ["40-69", "4-19", "0-3", "70+"]
    assert {sample.split for sample in samples} == {""} and {sample.expression for sample in samples} == {None}
    assert all(Path(sample.image).is_file() for sample in samples)


def test_what_is_dropped_is_counted_by_its_reason(good: Path) -> None:
    dropped = next(finding for finding in read(good)[1] if "dropped" in finding.what)
    assert dropped.level == "warning" and "dropped 6 of 10 rows" in dropped.what
    for reason in ("no face 1", "a poor face 1", "a second face 1", "no likely age 2", "no gender 1"):
        assert reason in dropped.what


def test_the_filters_are_options(good: Path) -> None:
    assert len(read(good, second=True)[0]) == len(GOOD) + 1
    assert len(read(good, score=0.0)[0]) == len(GOOD) + 1
    assert len(read(good, score=2.0)[0]) == len(GOOD) - 1


@pytest.mark.parametrize(
    ("born", "taken", "band"),
    [(date(2000, 6, 30), 2004, "4-19"), (date(2000, 7, 1), 2004, "0-3"), (date(2000, 7, 1), 2000, None),
     (date(1960, 1, 1), 2000, "40-69"), (date(1960, 12, 1), 2000, "20-39"), (date(1900, 1, 1), 2000, "70+"),
     (date(1900, 1, 1), 2001, None)],
)  # fmt: skip
def test_an_age_counts_years_with_one_less_for_the_second_half(born: date, taken: int, band: str | None, tmp_path: Path) -> None:
    tree = imdb_wiki_tree(tmp_path, "imdb", (Row("One", born, taken), Row("Sure", date(1950, 1, 1), 2000)))
    ages = {sample.subject: sample.factors["age"] for sample in read(tree)[0]}
    assert ages.get("One") == band and ages["Sure"] == "40-69"


def test_other_numbers_of_rows_fail_where_they_are_certain_and_warn_where_not(good: Path) -> None:
    levels = {which: [f.level for f in read(good, which=which)[1] if "published" in f.what] for which in ("imdb", "wiki")}
    assert levels == {"imdb": ["warning"], "wiki": ["error"]}


def test_prepared_people_do_not_cross_the_splits_that_are_made(good: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "imdb_wiki", good)
    assert len(found) == 4 and found.factor_classes == {
        "age": ("0-3", "4-19", "20-39", "40-69", "70+"),
        "gender": ("female", "male"),
    }
    assert {row: found.subjects[row] for row in found.rows("test")}
    with pytest.raises(SetRefused, match="62,328"):
        prepare.prepare(SPEC, "imdb_wiki?which=wiki", good)


def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, home: Path) -> None:
    tree = imdb_wiki_tree(tmp_path / "set", "imdb", GOOD)
    told = loadmat(tree / "imdb_crop/imdb.mat")["imdb"]
    fields = {name: told[name][0, 0] for name in told.dtype.names}
    fields["full_path"][0, 0] = np.array(["../../outside.jpg"])
    fields["full_path"][0, 1] = np.array([], "U1")
    savemat(tree / "imdb_crop/imdb.mat", {"imdb": fields})
    (tmp_path / "outside.jpg").write_bytes(Path(tree / "imdb_crop/00/nm0000000_rm0_1899-05-10_1968.jpg").read_bytes())
    with pytest.raises(SetRefused) as caught:
        prepare.prepare(SPEC, "imdb_wiki", tree)
    found = [f"{finding.where}: {finding.what}" for finding in caught.value.findings if finding.level == "error"]
    assert any("leads out of the dataset's folder" in line for line in found)
    assert any(line == "imdb.mat, row 2: full_path '' is no path" for line in found)


def test_wrong_folders_are_named_and_so_is_the_other_part(tmp_path: Path) -> None:
    tree = imdb_wiki_tree(tmp_path / "faces", "wiki", GOOD)
    with pytest.raises(DataError, match=r"Name the part: imdb_wiki\?which=wiki"):
        read(tree)
    with pytest.raises(DataError, match=r"right folder is .*wiki_crop"):
        read(tree / "wiki_crop/00", which="wiki")
    assert len(read(tree / "wiki_crop", which="wiki")[0]) == len(GOOD)
    (tree / "wiki_crop/wiki.mat").unlink()
    with pytest.raises(DataError, match=r"looked for wiki_crop/wiki\.mat"):
        read(tree, which="wiki")


@pytest.mark.parametrize(
    "fields",
    [
        {"dob": np.zeros((1, 2))},
        {
            **dict.fromkeys(imdb_wiki.NUMBERS, np.zeros((1, 2))),
            "dob": np.zeros((1, 3)),
            **dict.fromkeys(imdb_wiki.TEXTS, cells(["a", "b"])),
        },
    ],
    ids=["a field is missing", "fields of different lengths"],
)
def test_a_struct_of_another_shape_is_one_line(fields: dict[str, np.ndarray], tmp_path: Path) -> None:
    (tmp_path / "imdb_crop").mkdir()
    savemat(tmp_path / "imdb_crop/imdb.mat", {"imdb": fields})
    with pytest.raises(DataError, match=r"there is no field photo_taken|different lengths: dob 3, photo_taken 2"):
        read(tmp_path)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_struct_is_read_as_scipy_writes_it(compressed: bool, tmp_path: Path) -> None:
    file, numbers = tmp_path / "any.mat", np.array([[1, -2, 300]])
    words = ["a", "Zoë Ångström 王", "", "a longer text than fits a tag"]
    fields = {
        "byte": numbers.astype(np.int8), "half": numbers.astype(np.uint16), "whole": numbers.astype(np.int64),
        "double": np.array([[0.5, np.nan, -np.inf]]), "single": np.float32([[1.5]]), "none": np.zeros((0, 0)),
        "skipped": cells([{"inner": "struct"}]), "words": cells([*words, np.zeros((0, 0))]),
    }  # fmt: skip
    savemat(file, {"before": np.arange(50.0), "it": fields, "after": "text"}, do_compression=compressed)
    found = matfile.read(file, "it", ("byte", "half", "whole", "double", "single", "none"), ("words",))
    for name in ("byte", "half", "whole", "double", "single", "none"):
        np.testing.assert_array_equal(found[name], fields[name].ravel(), err_msg=name)
    assert found["words"] == [*words, ""]
    with pytest.raises(matfile.Damaged, match="there is no struct 'after'"):
        matfile.read(file, "after", (), ())


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 2000), noise=st.binary(max_size=80), whole=st.booleans())
def test_any_bytes_give_findings_or_one_error(
    cut: int, noise: bytes, whole: bool, good: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("fuzz")
    real = (good / "imdb_crop/imdb.mat").read_bytes()
    (place / "imdb.mat").write_bytes(real[:cut] + noise + real[cut + len(noise) :] if whole else noise)
    try:
        read(place)
    except FerbenchError as error:
        assert "\n" not in str(error)
