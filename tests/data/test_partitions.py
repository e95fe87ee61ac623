"""Partitions: the same on every machine, whole subjects, stored with a hash, used by name, never mixed up with another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fixtures_trees import draw

from ferbench.data import names, partitions, prepare, splits
from ferbench.data.prepared import PreparedSet, open_set
from ferbench.data.reader import Reader
from ferbench.data.verify import verify
from ferbench.errors import DataError, UnknownName
from ferbench.schema import DatasetSpec, Expression, Sample

PEOPLE = [f"S{number:03}" for number in range(23)]


class People(Reader):
    """Five pictures of each of 23 people, no splits of their owner's."""

    def samples(self, root: Path | None):  # type: ignore[no-untyped-def]
        assert root is not None
        for who in PEOPLE:
            for take in range(5):
                image = root / f"{who}-{take}.png"
                yield Sample(image.name, image, list(Expression)[take], "people", "", subject=who)

    def partitions(self, samples):  # type: ignore[no-untyped-def]
        return splits.folds([s.id for s in samples], [s.subject for s in samples])


SPEC = DatasetSpec("people", People, partitions=splits.FOLDS)


@pytest.fixture
def made(tmp_path: Path, home: Path) -> PreparedSet:
    root = tmp_path / "people"
    for number, name in enumerate(f"{who}-{take}.png" for who in PEOPLE for take in range(5)):
        draw(root / name, number, 16, 16)
    return prepare.prepare(SPEC, "people", root)


def fold(made: PreparedSet, name: str) -> PreparedSet:
    return open_set(f"people@{name}", {"people": SPEC})


def test_ten_folds_test_every_sample_once_and_no_subject_twice(made: PreparedSet) -> None:
    seen: list[str] = []
    for k in range(10):
        one = fold(made, f"fold{k}")
        train, test = ({one.subjects[row] for row in one.rows(part)} for part in ("train", "test"))
        assert not train & test and len(train | test) == 23
        assert sorted(test) == PEOPLE[k::10]  # ascending ids, step ten
        held = {one.subjects[row] for row in one.rows("holdout")}
        assert held and held < train and held.isdisjoint({one.subjects[row] for row in one.rows("train-holdout")})
        seen += [one.ids[row] for row in one.rows("test")]
    assert sorted(seen) == sorted(made.ids)


def test_another_partition_is_other_data(made: PreparedSet) -> None:
    prints = {made.fingerprint, *(fold(made, f"fold{k}").fingerprint for k in range(10))}
    assert len(prints) == 11
    assert fold(made, "fold3").counts()["test"] == {name.value: 2 for name in list(Expression)[:5]}
    assert fold(made, "fold3").evaluated == "test"


def test_the_same_ids_give_the_same_file_in_any_order(made: PreparedSet) -> None:
    ids, subjects = made.ids, made.subjects
    turned = splits.folds(ids[::-1], subjects[::-1])
    assert turned == splits.folds(ids, subjects)
    assert partitions.names(made.folder)[:3] == ["default", "fold0", "fold1"]
    found = partitions.read(made.folder, "fold0")
    assert partitions.make("people", "fold0", "told otherwise", "test", found.parts).sha256 == found.sha256


def test_a_partition_changed_by_hand_is_refused(made: PreparedSet) -> None:
    path = made.folder / "splits" / "fold1.json"
    told = json.loads(path.read_text())
    told["parts"]["train"].append(told["parts"]["test"].pop())
    path.write_text(json.dumps(told))
    with pytest.raises(DataError, match="changed by hand"):
        fold(made, "fold1")
    assert [(f.level, f.where) for f in verify(made)] == [("error", "partition fold1")]


def test_the_default_is_what_the_set_uses(made: PreparedSet) -> None:
    found = partitions.read(made.folder, "default")
    for part in ("train", "test", "holdout"):
        assert list(found.parts[part]) == [made.ids[row] for row in made.rows(part)]
    assert "made by ferbench" in found.rule


def test_a_reference_names_partition_and_split(made: PreparedSet) -> None:
    known = {"people": SPEC}
    assert verify(made) == []
    reference = names.parse("people@fold3@train", known)
    assert (reference.partition, reference.split, str(reference)) == ("fold3", "train", "people@fold3@train")
    assert names.parse("people@fold3").slug() == "people"  # the same pictures, prepared once
    with pytest.raises(UnknownName, match="fold3"):
        names.parse("people@fold33", known)
    assert names.parse("folder:/data/me@home").argument == "/data/me@home"


def test_what_a_reader_may_not_offer() -> None:
    samples = [Sample(str(n), "x", Expression.FEAR, "d", "") for n in range(4)]
    for offered, words in (({"mine": {"0": "train"}}, "does not declare"), ({"fold0": {"9": "train"}}, "'9'"),
                           ({"fold0": {"1": "tset"}}, "'tset'")):  # fmt: skip
        with pytest.raises(DataError, match=words):
            partitions.offered(SPEC, samples, offered)
    with pytest.raises(ValueError, match="without a subject"):
        splits.folds(["a"], [None])
    assert splits.folds(["a", "b"], ["1", "2"]) == {"fold0": {"a": "test", "b": "train"}, "fold1": {"a": "train", "b": "test"}}
