"""``hf:OWNER/NAME`` on files as the Hub lays them out: splits, classes by name, pictures of single rows. Without a Hub."""

from __future__ import annotations

import io
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ferbench.builtin.readers import hf_layout as layout
from ferbench.builtin.readers.hf import SPECS, HfConfig, HfReader
from ferbench.data import names
from ferbench.data.decode import Unreadable
from ferbench.errors import DataError, FerbenchError
from ferbench.schema import Expression, Sample

EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
TRAIN, TEST = "data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"


def png(seed: int, side: int = 20) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def table(labels: list[Any], names: list[str] | None = None, **more: list[Any]) -> pa.Table:
    """Rows as ``datasets`` writes them: the picture's bytes and path, and with ``names`` a ClassLabel in the schema."""
    made = pa.table({"image": [{"bytes": png(i), "path": f"{i}.png"} for i in range(len(labels))], "label": labels, **more})
    if names is None:
        return made
    features = {"label": {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    return made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def write(root: Path, file: str, content: pa.Table, rows: int = 4) -> Path:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(content, root / file, row_group_size=rows)
    return root


def read(root: Path, **options: str) -> tuple[list[Sample], list[str], HfReader]:
    reader = HfReader(HfConfig(**options))
    samples = list(reader.samples(root))
    return samples, [f"{finding.level} {finding.where}: {finding.what}" for finding in reader.findings], reader


def labels(samples: list[Sample]) -> list[str | None]:
    return [None if sample.expression is None else sample.expression.value for sample in samples]


# classes


def test_class_names_lead_to_expressions_whatever_their_codes(tmp_path: Path) -> None:
    write(tmp_path, TRAIN, table([0, 1, 2, -1, None], ["Happy", "anger", "SU"]))
    samples, told, _ = read(tmp_path)
    assert labels(samples) == ["happiness", "anger", "surprise", None, None] and not told


def test_names_in_the_card_serve_where_the_file_has_none(tmp_path: Path) -> None:
    write(tmp_path, TRAIN, table([0, 1, 0]))
    names = "      class_label:\n        names:\n          '0': sad\n          '1': disgusted\n"
    (tmp_path / "README.md").write_text(f"---\ndataset_info:\n  features:\n  - name: label\n    dtype:\n{names}---\n")
    assert labels(read(tmp_path)[0]) == ["sadness", "disgust", "sadness"]


def test_a_column_of_words_needs_no_map(tmp_path: Path) -> None:
    write(tmp_path, TRAIN, table(["angry", "Neutral", None]))
    assert labels(read(tmp_path)[0]) == ["anger", "neutral", None]


def test_numbers_without_names_are_refused_with_what_to_write(tmp_path: Path) -> None:
    write(tmp_path, TRAIN, table([0, 6, 3]))
    with pytest.raises(DataError) as refused:
        read(tmp_path)
    assert "labels=0:EXPRESSION;3:EXPRESSION;6:EXPRESSION" in str(refused.value) and "\n" not in str(refused.value)
    samples, told, _ = read(tmp_path, labels="0:anger;6:neutral;3:happy")
    assert labels(samples) == ["anger", "neutral", "happiness"] and not told


def test_no_code_is_guessed_beside_a_map_and_a_class_can_be_left_out(tmp_path: Path) -> None:
    write(tmp_path, TRAIN, table([0, 1, 2, 2]))
    samples, told, _ = read(tmp_path, labels="0:anger;1:none")
    assert labels(samples) == ["anger"]
    assert told[0].startswith("error label: '2' (2 rows) names no expression") and told[1].endswith("left out, as asked: 1 1")


def test_a_map_speaks_of_names_where_the_column_has_them(tmp_path: Path) -> None:
    """The codes are 0 and 1, their names "1" and "0": what the user writes is what the set calls its classes."""
    write(tmp_path, TRAIN, table([0, 1], ["1", "0"]))
    assert labels(read(tmp_path, labels="1:fear;0:anger")[0]) == ["fear", "anger"]


def test_a_code_beyond_the_names_is_an_error_with_its_row(tmp_path: Path) -> None:
    write(tmp_path, TRAIN, table([0, 7], ["happy", "sad"]))
    assert read(tmp_path)[1] == [f"error {TRAIN}#1: label 7 is none of the codes 0 to 1"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"labels": "0=anger"}, "is not NAME:MEANING"),
        ({"labels": "0:angr"}, "0:angr names no expression; allowed: surprise"),
        ({"splits": "a:trian"}, "a:trian is none of train, val, test"),
        ({"splits": "tset:test"}, "no split 'tset'; there are: train"),
        ({"label": "emotion"}, "no column 'emotion'; there are: image, label. Say which: label=COLUMN"),
        ({"image": "label"}, "holds int64, and no pictures"),
        ({"config_name": "raw"}, "no configuration 'raw'; there are: default"),
    ],
)
def test_a_mistake_is_one_line(options: dict[str, str], says: str, tmp_path: Path) -> None:
    write(tmp_path, TRAIN, table([0, 1], ["happy", "sad"]))
    with pytest.raises(DataError) as refused:
        read(tmp_path, **options)
    assert says in str(refused.value) and "\n" not in str(refused.value)


# splits


def test_splits_are_the_hubs_and_the_only_one_is_none(tmp_path: Path) -> None:
    write(tmp_path, TRAIN, table([0] * 3, ["happy"]))
    assert {sample.split for sample in read(tmp_path)[0]} == {""}
    write(tmp_path, TEST, table([0] * 2, ["happy"]))
    samples, _, _ = read(tmp_path)
    assert Counter(sample.split for sample in samples) == {"train": 3, "test": 2}
    assert len({sample.id for sample in samples}) == 5


def test_splits_with_names_of_their_own_are_told_by_the_user(tmp_path: Path) -> None:
    for name, rows in (("Training", 3), ("PublicTest", 2), ("PrivateTest", 1)):
        write(tmp_path, f"data/{name}-00000-of-00001.parquet", table([0] * rows, ["happy"]))
    with pytest.raises(DataError, match="splits=PrivateTest:test;PublicTest:test;Training:train"):
        read(tmp_path)
    samples, _, _ = read(tmp_path, splits="Training:train;PrivateTest:test")
    assert Counter(sample.split for sample in samples) == {"train": 3, "test": 1}


CARD = {"configs": [{"config_name": "big", "data_files": [{"split": "train", "path": "x/a-*"}]},
                    {"config_name": "small", "default": True, "data_files": {"test": ["x/b-*", "y/*.parquet"]}}]}  # fmt: skip


@pytest.mark.parametrize(
    ("files", "card", "config", "expected"),
    [
        (["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"], {}, "", {"train": 2}),
        (["data/PrivateTest-00000-of-00001.parquet"], {}, "", {"PrivateTest": 1}),
        (["train.parquet", "valid.parquet", "README.md"], {}, "", {"train": 1, "valid": 1}),
        (["test/part-0.parquet", "test/part-1.parquet"], {}, "", {"test": 2}),
        (["default/train/0000.parquet", "default/PublicTest/0000.parquet"], {}, "", {"train": 1, "PublicTest": 1}),
        (["raw/train-00000-of-00001.parquet", "cut/train-00000-of-00001.parquet"], {}, "cut", {"train": 1}),
        (["faces.parquet"], {}, "", {"train": 1}),
        (["x/a-0.parquet", "x/b-0.parquet", "y/c.parquet"], CARD, "", {"test": 2}),
        (["x/a-0.parquet", "x/b-0.parquet", "y/c.parquet"], CARD, "big", {"train": 1}),
        (["x.parquet"], {"configs": [{"data_files": "*.parquet"}]}, "", {"train": 1}),
        (["x.csv", "a.zip"], {}, "", {}),
    ],
)
def test_files_belong_to_splits_by_the_card_or_by_the_hubs_habits(
    files: list[str], card: dict[str, Any], config: str, expected: dict[str, int]
) -> None:
    found = layout.parquet_files(files, card, config, "hf:me/faces")
    assert {split: len(names) for split, names in found.items()} == expected


def test_one_of_several_configurations_must_be_chosen() -> None:
    with pytest.raises(DataError, match=r"several configurations: cut, raw\. Choose one: add config_name=NAME"):
        layout.parquet_files(["raw/train.parquet", "cut/train.parquet"], {}, "", "hf:me/faces")


def test_what_is_neither_parquet_nor_folders_says_so_and_no_script_is_run() -> None:
    told = str(layout.neither(["faces.py", "faces.zip", "README.md"], "hf:me/faces"))
    assert "it holds .py, .zip; its loading script (.py) is never run" in told and "revision=refs/convert/parquet" in told


# pictures


def test_pictures_come_from_their_row_in_any_order_and_from_several_threads(tmp_path: Path) -> None:
    write(tmp_path, TRAIN, table([0] * 50, ["happy"]), rows=7)
    samples, _, reader = read(tmp_path)
    order = np.random.default_rng(0).permutation(50)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: reader.picture(samples[row]), order))
    assert found == [png(int(row)) for row in order]
    assert reader.size(samples[3]) == (20, 20)


def test_a_bare_column_of_bytes_will_do_and_a_path_alone_will_not(tmp_path: Path) -> None:
    rows = {"image": [png(1), b""], "label": ["happy", "sad"]}
    samples, _, reader = read(write(tmp_path / "bare", TRAIN, pa.table(rows)))
    assert reader.picture(samples[0]) == png(1)
    with pytest.raises(Unreadable, match="zero bytes"):
        reader.picture(samples[1])
    paths = [{"bytes": None, "path": "a.png"}]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    samples, _, reader = read(write(tmp_path / "path", TRAIN, pa.table({"image": pa.array(paths, kind), "label": ["happy"]})))
    with pytest.raises(Unreadable, match=r"only the path 'a\.png'"):
        reader.picture(samples[0])


def test_row_groups_in_memory_stay_few(tmp_path: Path) -> None:
    write(tmp_path, TRAIN, table([0] * 40, ["happy"]), rows=1)
    samples, _, reader = read(tmp_path)
    from ferbench.builtin.readers import shards

    kept, shards._ROWS = shards._ROWS, 5
    try:
        for sample in samples:
            reader.picture(sample)
        assert len(reader._shards._groups) == 5
    finally:
        shards._ROWS = kept


def test_a_folder_per_class_is_read_by_the_same_names(tmp_path: Path) -> None:
    for place in ("train/happy", "train/Angry", "test/happy", "test/ahegao"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "a#1.png").write_bytes(png(len(place)))
    samples, told, reader = read(tmp_path, labels="ahegao:none")
    assert [(s.id, s.split, s.expression) for s in samples] == [
        ("test/happy/a#1.png", "test", Expression.HAPPINESS),
        ("train/Angry/a#1.png", "train", Expression.ANGER),
        ("train/happy/a#1.png", "train", Expression.HAPPINESS),
    ]
    assert told == ["warning label: left out, as asked: ahegao 1"] and reader.picture(samples[0]) == png(len("test/happy"))


@pytest.mark.parametrize("keep", [0, 3, 40, -200, -9])
def test_a_damaged_file_is_one_line(keep: int, tmp_path: Path) -> None:
    file = write(tmp_path, TRAIN, table([0] * 9, ["happy"])) / TRAIN
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"^data/train-.*: not a Parquet file"):
        read(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["configs", "config_name", "data_files", "split", "path", "dataset_info", "features", "name", "dtype",
                         "class_label", "names", "license", "data_dir", "0", "1"]), inner, max_size=4), max_leaves=14)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(card=st.dictionaries(st.sampled_from(["configs", "dataset_info", "license"]), JSON), text=st.text(max_size=60))
def test_any_card_is_read_or_told_and_never_crashes(card: dict[str, Any], text: str) -> None:
    try:
        found = layout.parquet_files(["data/train-0.parquet", "b/test.parquet"], card, "", "hf:me/faces")
        assert all(isinstance(split, str) and files for split, files in found.items())
    except FerbenchError as error:
        assert "\n" not in str(error)
    assert layout.class_names(None, card, "", "label") is None or card["dataset_info"]
    assert set(layout.about(card, text)) <= {"licence", "citation"}


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_any_map_is_read_or_told_and_never_crashes(text: str) -> None:
    try:
        HfReader(HfConfig(labels=text, splits=text))
    except FerbenchError as error:
        assert "hf: " in str(error)


# names


def test_the_argument_is_a_name_and_no_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same reference is the same set from every folder; a folder's is another one."""
    datasets = {spec.name: spec for spec in SPECS}
    here = names.parse("hf:me/faces", datasets).slug()
    (tmp_path / "me/faces").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert names.parse("hf:me/faces", datasets).slug() == here
    assert names.parse("hf:me/faces?revision=v2", datasets).slug() != here


@pytest.mark.parametrize("name", ["me", "me/faces/more", "me/fa ces", "../faces@v1"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="no name of a Hub dataset"):
        HfReader(HfConfig()).pinned(name)
