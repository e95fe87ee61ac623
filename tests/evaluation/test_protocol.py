"""Protocols: every file holds together with the suite, has its page, and a wrong key is one line with file, key and what is allowed."""

from __future__ import annotations

import json

import pytest

from ferbench.cli import main
from ferbench.errors import RecipeError, UnknownName
from ferbench.evaluation.protocol import names, parse, read, text
from ferbench.plugins import load
from ferbench.schema import LABEL_SPACES

WANTED = {
    "sdg-cafe@1", "sdg-esgm@1", "mdg-esgm@1", "sdg-dfdnet@1", "in-domain@1", "tenfold@1", "abaw6-expr@1", "va-affectnet@1",
    "lodo@1", "synth@1", "muxspace@1",
}  # fmt: skip


def test_the_protocols_of_the_field_are_there_and_a_factor_study_is_none() -> None:
    assert set(names()) == WANTED


@pytest.mark.parametrize("name", sorted(WANTED))
def test_a_protocol_names_sets_and_partitions_that_there_are_with_their_owners_counts(name: str) -> None:
    datasets = load().datasets
    protocol = read(name)
    families = {spec.family for spec in datasets.values()}
    assert set(protocol.refused_families) <= families
    for dataset, one in protocol.sets.items():
        spec = datasets[dataset]
        first, _, last = one.split.partition("-")
        assert one.split == "default" or {first, last or first} <= set(spec.partitions), (dataset, one.split)
        counts = spec.counts.get(one.part, spec.counts.get("") if one.part == "all" else None)
        classes = [str(c) for c in LABEL_SPACES[protocol.labels].classes]
        if one.split == "default" and one.images and counts and set(classes) <= set(counts):
            assert one.images == sum(counts[c] for c in classes), dataset
    for arm in protocol.arms:
        assert not {datasets[source].family for source in arm.sources} & set(protocol.refused_families)


def test_a_protocol_says_who_is_in_the_mean() -> None:
    assert read("sdg-cafe@1").source_in_mean and not read("sdg-dfdnet@1").source_in_mean
    arm = read("mdg-esgm@1").arm_of(["sfew", "rafdb"])
    assert arm is not None and arm.targets == ("ferplus", "expw", "affectnet", "jaffe")
    assert read("mdg-esgm@1").arm_of(["rafdb"]) is None


SPOILT = {
    "a newer format": ("schema = 1", "schema = 2", "schema: is 2, and this ferbench reads 1. Upgrade ferbench"),
    "an unknown key": ("kind =", "kinds = 1\nkind =", "kinds: Extra inputs are not permitted"),
    "an unknown metric": ('"uar"', '"auc"', "metrics: 'auc' is none of accuracy, uar"),
    "the oracle": ('selection = "last"', 'selection = "oracle"', "selection: 'oracle' is none of last, source-val"),
    "a label space": ('"basic7"', '"basic9"', "labels: 'basic9' is none of basic6"),
    "a set without images": ('sources = ["mma"]', 'sources = ["mmi"]', "arm: 'mmi' is none of rafdb, ferplus, sfew, mma"),
    "the source in the mean": ("source_in_mean = false", "source_in_mean = true", "source_in_mean says otherwise"),
    "a name that is not the file's": ('"sdg-dfdnet@1"', '"sdg-dfdnet@2"', "name: says 'sdg-dfdnet@2', and its file another"),
    "no version": ('"sdg-dfdnet@1"', '"sdg-dfdnet"', "name: String should match pattern"),
    "no TOML": ("schema = 1", "schema = ", "no TOML"),
}


@pytest.mark.parametrize(("old", "new", "told"), SPOILT.values(), ids=SPOILT)
def test_a_wrong_key_is_one_line(old: str, new: str, told: str) -> None:
    content = text("sdg-dfdnet@1").decode()
    assert old in content
    with pytest.raises(RecipeError) as caught:
        parse(content.replace(old, new, 1).encode(), "sdg-dfdnet@1.toml")
    assert caught.value.line().startswith("sdg-dfdnet@1.toml") and told in caught.value.line()
    assert "\n" not in caught.value.line()


def test_an_unknown_protocol_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'sdg-cafe@1'"):
        read("sdg-caf@1")


def test_list_protocols_tells_a_person_and_a_machine(capsys: pytest.CaptureFixture[str]) -> None:
    main(["list", "protocols"])
    assert "sdg-cafe@1" in capsys.readouterr().out
    main(["list", "protocols", "--json"])
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert (
        set(rows) == WANTED and rows["tenfold@1"]["set"]["mmi"]["split"] == "fold0-fold9" and len(rows["lodo@1"]["sha256"]) == 64
    )
