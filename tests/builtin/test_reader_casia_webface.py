"""CASIA-WebFace: the owner's folders, and the RecordIO pack read by our own parser."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from fixtures_trees import jpeg_bytes
from hypothesis import given, settings
from hypothesis import strategies as st
from trees.casia_pack import MAGIC, casia_pack_tree, record
from trees.casia_webface import casia_webface_tree

from ferbench.builtin.readers import casia_webface, recordio
from ferbench.builtin.readers.casia_webface import CasiaWebfaceConfig, CasiaWebfaceReader
from ferbench.data import prepare
from ferbench.data.decode import Unreadable
from ferbench.data.prepare import SetRefused
from ferbench.errors import DataError, FerbenchError
from ferbench.schema import Sample

SPEC = casia_webface.SPECS[0]
FOLDER = "faces_webface_112x112"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return casia_webface_tree(tmp_path / "data")


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return casia_pack_tree(tmp_path / "data")


def read(root: Path, form: str = "auto") -> tuple[list[Sample], CasiaWebfaceReader]:
    reader = CasiaWebfaceReader(CasiaWebfaceConfig(form=form))
    return list(reader.samples(root)), reader


def told(reader: CasiaWebfaceReader) -> list[str]:
    return [f"{finding.level} {finding.where} {finding.what}" for finding in reader.findings]


def test_a_folder_is_a_person_and_all_of_it_is_for_training(tree: Path) -> None:
    samples, reader = read(tree)
    assert [sample.id for sample in samples][:4] == ["0000045/001.jpg", "0000045/002.jpg", "0000045/003.jpg", "0000099/001.jpg"]
    assert {sample.split for sample in samples} == {"train"} and {sample.expression for sample in samples} == {None}
    assert [sample.factors["identity"] for sample in samples] == [sample.subject for sample in samples]
    assert "Thumbs.db" in told(reader)[0]
    assert [sample.id for sample in read(tree / "CASIA-WebFace")[0]] == [sample.id for sample in samples]


def test_the_pack_gives_the_pictures_of_each_person_and_no_record_of_a_person(pack: Path) -> None:
    samples, reader = read(pack)
    assert [sample.subject for sample in samples] == ["pack-00000"] * 3 + ["pack-00001"] * 2 + ["pack-00002"] * 2
    assert reader.counts == {"train": {"unlabelled": 7}} and not reader.findings
    assert [reader.picture(sample) for sample in samples][:3] == [jpeg_bytes(7500 + number, 112, 112) for number in range(3)]
    assert reader.size(samples[0]) == (112, 112)


def test_both_forms_are_prepared_and_the_pack_against_its_own_numbers(tree: Path, home: Path) -> None:
    casia_pack_tree(tree)
    packed = prepare.prepare(SPEC, "casia_webface", tree)
    assert packed.picture(6).shape == (112, 112, 3) and len(packed.factor_classes["identity"]) == 3
    assert not [f for f in packed.info["findings"] if "published" in f["what"]]
    folders = prepare.prepare(SPEC, "casia_webface?form=folders", tree)
    assert len(folders) == 7 and any("494,414" in finding["what"] for finding in folders.info["findings"])
    held = {folders.subjects[row] for row in folders.rows("holdout")}
    assert len(held) == 1 and held.isdisjoint(folders.subjects[row] for row in folders.rows("train-holdout"))


def test_a_pack_with_fewer_lines_than_it_promises_is_refused(pack: Path, home: Path) -> None:
    file = pack / FOLDER / "train.idx"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:6]))
    with pytest.raises(SetRefused, match=r"unlabelled 5 \(published 7\)"):
        prepare.prepare(SPEC, "casia_webface", pack)


@pytest.mark.parametrize("line", ["2", "2 x", "2\t10\t3", "two\t10", "-2\t10", "1\t10"])
def test_a_damaged_line_of_the_index_is_an_error_with_its_line(line: str, pack: Path) -> None:
    file = pack / FOLDER / "train.idx"
    rows = file.read_text().splitlines()
    rows[2] = line
    file.write_text("\r\n".join(rows))
    samples, reader = read(pack)
    assert len(samples) == 6 and told(reader)[0].startswith("error train.idx:3 ")


def test_a_place_without_a_record_and_a_truncated_pack_are_findings(pack: Path, home: Path) -> None:
    file = pack / FOLDER / "train.idx"
    rows = file.read_text().splitlines()
    places = [int(row.split()[1]) for row in rows]
    rows[3] = f"3\t{places[3] + 4}"
    file.write_text("\n".join(rows))
    whole = (pack / FOLDER / "train.rec").read_bytes()
    (pack / FOLDER / "train.rec").write_bytes(whole[: places[7] + 200])
    with pytest.raises(SetRefused) as caught:
        prepare.prepare(SPEC, "casia_webface", pack)
    found = [f"{finding.where}: {finding.what}" for finding in caught.value.findings]
    assert any("train.idx:4: record 3 of train.rec" in line and "no record begins there" in line for line in found)
    assert any(line.startswith("train.rec#7: ") and "ends within a record" in line for line in found)


def test_a_pack_without_index_or_header_is_one_line(pack: Path) -> None:
    file = pack / FOLDER / "train.idx"
    rows = file.read_text()
    file.unlink()
    with pytest.raises(DataError, match=r"looked for train\.idx beside train\.rec"):
        read(pack)
    file.write_text(rows.replace("0\t0\n", "", 1))
    with pytest.raises(DataError, match="no record 0"):
        read(pack)
    file.write_text(rows)
    (pack / FOLDER / "train.rec").write_bytes(b"")
    with pytest.raises(DataError, match="record 0: byte 0: the file ends before it"):
        read(pack)


def test_wrong_folders_are_named(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"right folder is .*CASIA-WebFace"):
        read(tree / "CASIA-WebFace/0000099")
    with pytest.raises(DataError, match=r"looked for train\.rec and train\.idx"):
        read(tree, form="recordio")


@pytest.mark.parametrize("labels", [3.0, (5.0,), (7.0, 0.0), ()])
def test_a_record_gives_its_labels_and_its_bytes(labels: float | tuple[float, ...]) -> None:
    file = io.BytesIO(b"\0" * 12 + record(labels, b"picture"))
    wanted = labels if labels and isinstance(labels, tuple) else (labels or 0.0,)
    assert recordio.read(file, 12) == (wanted, b"picture") and recordio.labels(file, 12) == wanted


@pytest.mark.parametrize("times", [1, 2, 3])
def test_the_magic_number_within_a_picture_does_not_end_it(times: int) -> None:
    inside = (b"four" + MAGIC) * times + b"end"
    made = record(1.0, inside)
    assert made.count(MAGIC) == times + 1, "each one was replaced by the head of a further part"
    assert recordio.read(io.BytesIO(made), 0) == ((1.0,), inside)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (b"", "ends before it"),
        (b"\0" * 40, "no record begins there"),
        (record(1.0, b"picture")[:-5], "ends within a record"),
        (MAGIC + struct.pack("<I", 2 << 29 | 4) + b"middle__", "a part of a record where another was expected"),
        (MAGIC + struct.pack("<I", 8) + b"tooshort", "too short for a label"),
        (MAGIC + struct.pack("<I", 24) + struct.pack("<IfQQ", 2**31, 0, 0, 0), "too short for 2,147,483,648 labels"),
    ],
)
def test_damaged_records_say_what_is_wrong(made: bytes, words: str) -> None:
    with pytest.raises(recordio.Damaged, match=words):
        recordio.read(io.BytesIO(made), 0)


def test_a_picture_that_is_gone_is_unreadable(pack: Path) -> None:
    samples, reader = read(pack)
    (pack / FOLDER / "train.rec").unlink()
    with pytest.raises(Unreadable):
        reader.picture(samples[0])


@settings(max_examples=100, deadline=None)
@given(noise=st.binary(max_size=120), index=st.binary(max_size=60) | st.just(b"0\t0\n1\t0\n"), headed=st.booleans())
def test_any_bytes_give_findings_or_one_error(
    noise: bytes, index: bytes, headed: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("fuzz")
    (place / "train.rec").write_bytes((record((np.float32(3.0), 4.0)) if headed else MAGIC) + noise)
    (place / "train.idx").write_bytes(index)
    try:
        samples, reader = read(place)
        for sample in samples:
            reader.picture(sample)
    except (FerbenchError, Unreadable) as error:
        assert "\n" not in str(error)
