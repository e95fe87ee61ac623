"""Bring your own: folders and manifests; and muxspace, which is a manifest of two domains."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from fixtures_trees import draw, folder_tree, manifest_tree
from hypothesis import given, settings
from hypothesis import strategies as st

from ferbench.builtin.readers import SPECS
from ferbench.builtin.readers.common import WORDS
from ferbench.builtin.readers.folder import FolderReader
from ferbench.builtin.readers.manifest import OPTIONAL, REQUIRED, ManifestReader
from ferbench.builtin.readers.muxspace import COUNTS, MuxspaceReader
from ferbench.data import prepare
from ferbench.data.prepare import SetRefused
from ferbench.data.prepared import open_set
from ferbench.errors import DataError, FerbenchError
from ferbench.schema import LABEL_SPACES, Expression, Sample

REPOSITORY = Path(__file__).parents[2]
DATASETS = {spec.name: spec for spec in SPECS}


def shared(name: str) -> Path:
    place = REPOSITORY.parent / "shared" / "data" / name
    if not place.is_dir():
        pytest.skip(f"{name} is not beside this repository (../shared/data/{name})")
    return place


def read(reader: ManifestReader | FolderReader, root: Path) -> tuple[list[Sample], list[str]]:
    samples = list(reader.samples(root))
    return samples, [f"{finding.level} {finding.where}: {finding.what}" for finding in reader.findings]


# folder


def test_class_folders_are_matched_by_name_and_common_words(tmp_path: Path) -> None:
    samples, told = read(FolderReader(), folder_tree(tmp_path / "faces", 1, ("ANGRY", "happiness", "Sad", "Surprised", "others")))
    assert {s.expression for s in samples} == {Expression(n) for n in ("anger", "happiness", "sadness", "surprise", "other")}
    assert not told and {s.split for s in samples} == {""}


def test_split_folders_are_matched_by_name(tmp_path: Path) -> None:
    samples, _ = read(FolderReader(), folder_tree(tmp_path / "faces", 2, splits=("Training", "valid", "test")))
    assert Counter(s.split for s in samples) == {"train": 6, "val": 6, "test": 6}


def test_a_folder_that_names_no_expression_is_an_error_that_lists_what_is_allowed(tmp_path: Path) -> None:
    _, told = read(FolderReader(), folder_tree(tmp_path / "faces", 1, ("happy", "3", "bored")))
    assert [line.split(":")[0] for line in told] == ["error 3/", "error bored/"]
    assert "surprise, fear" in told[0]


def test_stray_files_are_left_out_and_named(tmp_path: Path) -> None:
    root = folder_tree(tmp_path / "faces", 1)
    (root / "Happy" / "Thumbs.db").write_bytes(b"x")
    samples, told = read(FolderReader(), root)
    assert len(samples) == 3 and "Thumbs.db" in told[0]


def test_the_wrong_level_is_pointed_out(tmp_path: Path) -> None:
    root = folder_tree(tmp_path / "a" / "faces", 1, ("happy", "neutral"))
    for wrong in (tmp_path / "a", root / "happy"):
        with pytest.raises(DataError, match=f"right folder is {root}"):
            read(FolderReader(), wrong)
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "faces.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"Unpack faces\.zip"):
        read(FolderReader(), tmp_path / "packed")


# manifest

HEADER = "path,expression,split,identity,gender,pose,valence,arousal,box,landmarks,domain"
GOOD = [
    "images/0.png,Happy,train,ann,female,left,0.5,-0.25,1;2;30;32,5;6;7;8,web",
    "images/1.png,neutral,test,ben,male,,,,,,web",
    "images/2.png,,val,,,,,,,,film",
]


def test_every_column_arrives_in_the_sample(tmp_path: Path) -> None:
    samples, told = read(ManifestReader(), manifest_tree(tmp_path, GOOD, HEADER, 3))
    first = samples[0]
    assert first.expression == Expression.HAPPINESS and first.split == "train" and first.subject == "ann"
    assert first.factors == {"gender": "female", "identity": "ann", "pose": "left"} and (first.valence, first.arousal) == (
        0.5,
        -0.25,
    )
    assert first.box == (1, 2, 30, 32) and first.landmarks == ((5, 6), (7, 8)) and first.domain == "web"
    assert samples[2].expression is None and not told


def test_windows_line_ends_a_byte_order_mark_and_names_in_any_script_are_read(tmp_path: Path) -> None:
    draw(tmp_path / "images" / "Gesicht-ß-表情.png", 1)
    file = manifest_tree(tmp_path, ["images/Gesicht-ß-表情.png,anger"], "path,expression", 0)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    samples, told = read(ManifestReader(), file)
    assert samples[0].expression == Expression.ANGER and Path(samples[0].image).exists() and not told


def test_a_parquet_file_says_the_same_as_a_csv(tmp_path: Path) -> None:
    import pandas

    file = manifest_tree(tmp_path, GOOD, HEADER, 3)
    frame = pandas.read_csv(file)
    frame["landmarks"] = [[5.0, 6.0, 7.0, 8.0], None, None]
    frame.to_parquet(tmp_path / "faces.parquet")
    assert list(ManifestReader().samples(tmp_path / "faces.parquet")) == list(ManifestReader().samples(file))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("images/0.png,hapy,train,,,,,,,,", "expression 'hapy' is none of surprise, fear"),
        ("images/0.png,3,train,,,,,,,,", "expression '3'"),
        ("images/0.png,fear,trian,,,,,,,,", "split 'trian'"),
        ("images/0.png,fear,train,,,,-2,,,,", "valence -2 lies outside"),
        ("images/0.png,fear,train,,,,much,,,,", "valence 'much' is no number"),
        ("images/0.png,fear,train,,,,nan,,,,", "not finite"),
        ("images/0.png,fear,train,,,,,,1;2;3,,", "box '1;2;3' is not"),
        ("images/0.png,fear,train,,,,,,9;2;3;8,,", "x0 < x1"),
        ("images/0.png,fear,train,,,,,,,1;2;3,", "there are 3 numbers"),
        (",fear,train,,,,,,,,", "path is empty"),
    ],
)
def test_a_damaged_row_is_an_error_with_file_and_line(row: str, words: str, tmp_path: Path) -> None:
    samples, told = read(ManifestReader(), manifest_tree(tmp_path, [GOOD[1], row], HEADER, 2))
    assert len(samples) == 1 and len(told) == 1
    assert told[0].startswith("error manifest.csv:3: ") and words in told[0]


def test_a_missing_column_a_ragged_row_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    for text, words in ((b"file,expression\na,b\n", "no column 'path'"), (b"path,expression\na,b,c\n", r"manifest\.csv:2: 3 cells"),
                        (b"path,expression\na,\xff\n", r"manifest\.csv:2: not UTF-8"), (b"", "there is: nothing")):  # fmt: skip
        (tmp_path / "manifest.csv").write_bytes(text)
        with pytest.raises(DataError, match=words):
            read(ManifestReader(), tmp_path / "manifest.csv")
    (tmp_path / "x.parquet").write_bytes(b"no")
    with pytest.raises(DataError, match="not a Parquet file"):
        read(ManifestReader(), tmp_path / "x.parquet")


def test_columns_that_say_nothing_are_left_out_with_a_warning(tmp_path: Path) -> None:
    _, told = read(ManifestReader(), manifest_tree(tmp_path, ["images/0.png,fear,red"], "path,expression,shirt", 1))
    assert told == ["warning manifest.csv:1: columns that say nothing to ferbench were left out: shirt"]


def test_a_picture_that_is_not_the_one_hashed_is_refused_by_name(home: Path, tmp_path: Path) -> None:
    manifest_tree(tmp_path / "set", [], "path,expression,sha256", 2)
    right, wrong = (hashlib.sha256((tmp_path / "set/images" / f"{i}.png").read_bytes()).hexdigest() for i in (0, 0))
    rows = [f"images/0.png,fear,{right}", f"images/1.png,fear,{wrong}"]
    file = manifest_tree(tmp_path / "set", rows, "path,expression,sha256", 2)
    with pytest.raises(SetRefused, match=r"images/1\.png: its sha256 is"):
        open_set(f"manifest:{file}", DATASETS)


def test_a_manifest_is_prepared_on_first_use_and_again_when_it_changes(home: Path, tmp_path: Path) -> None:
    file = manifest_tree(tmp_path / "set", GOOD, HEADER, 4)
    first = open_set(f"manifest:{file}", DATASETS)
    assert first.factor_classes == {"gender": ("female", "male"), "identity": ("ann", "ben"), "pose": ("left",)}
    assert first.factor("pose").tolist() == [0, -1, -1]
    with open(file, "a") as more:
        more.write("images/3.png,fear,train,,,,,,,,\n")
    assert len(open_set(f"manifest:{file}", DATASETS)) == 4


def test_the_documentation_names_every_column() -> None:
    text = (REPOSITORY / "docs" / "manifest.md").read_text()
    assert [name for name in (*REQUIRED, *OPTIONAL) if f"`{name}`" not in text] == []


@settings(max_examples=80, deadline=None)
@given(rows=st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=60), max_size=6))
def test_any_text_is_read_or_told_and_never_crashes(rows: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("fuzz") / "manifest.csv"
    file.write_text("\n".join(["path,expression,box,landmarks,valence,frame", *rows]), encoding="utf-8")
    try:
        read(ManifestReader(), file)
    except FerbenchError as error:
        assert str(error)


# muxspace


def test_the_tiny_copy_gives_both_domains_with_identities_kept_apart(home: Path) -> None:
    root = shared("muxspace-tiny")
    for domain, images in (("lfw", 33), ("imfdb", 28)):
        found = prepare.prepare(DATASETS[f"muxspace-{domain}"], f"muxspace-{domain}", root, partial=True)
        assert len(found) == images and found.readable.all() and found.info["partial"]
        people = {split: {found.subjects[row] for row in found.rows(split)} for split in ("train", "val", "test")}
        assert not people["train"] & people["val"] and not people["train"] & people["test"]
        assert found.rows("holdout").tolist() == found.rows("val").tolist()
        assert (found.expressions(LABEL_SPACES["contempt8"]) >= 0).all()


def test_the_whole_set_has_the_published_counts() -> None:
    root = shared("muxspace")
    for domain in ("lfw", "imfdb"):
        samples, told = read(MuxspaceReader(domain), root)
        tally = Counter((s.split, str(s.expression)) for s in samples)
        assert tally == {(split, name): n for split, row in COUNTS[domain].items() for name, n in row.items()}
        assert not told


def test_an_unknown_domain_and_a_folder_without_manifest_are_errors(tmp_path: Path) -> None:
    manifest_tree(tmp_path / "mux", ["images/0.png,fear,web"], "path,expression,domain", 1)
    assert "domain 'web' is none of lfw, imfdb" in read(MuxspaceReader("lfw"), tmp_path / "mux")[1][0]
    with pytest.raises(DataError, match=f"right folder is {tmp_path / 'mux'}"):
        read(MuxspaceReader("lfw"), tmp_path)


# all of them


def test_every_spec_says_how_to_get_it_what_it_looks_like_and_what_it_counts() -> None:
    for spec in SPECS:
        assert spec.access and spec.layout and spec.summary and "\n" not in spec.layout + spec.access + spec.licence
        counted = spec.counts or spec.name == "mmi"  # its owner publishes no number of labelled sequences
        assert spec.argument or (spec.licence and spec.citation and counted and spec.family), spec.name


def test_words_for_expressions_are_never_numbers() -> None:
    assert not [word for word in WORDS if any(letter.isdigit() for letter in word)]
    assert {expression for expression in Expression} == set(WORDS.values())
