"""Sets of one family share pictures: said before training, in the record, and in the row; and the very same pictures are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from fixtures_run import TINY, draw_folder
from PIL import Image

from ferbench.builtin.readers.folder import FolderReader
from ferbench.data import prepare
from ferbench.errors import DataError
from ferbench.planning import Plan, Request, plan
from ferbench.plugins import Registry, load
from ferbench.recording import contamination
from ferbench.report import Reporter
from ferbench.results.record import Weights
from ferbench.results.table import results_markdown
from ferbench.results.verify import verify
from ferbench.run import execute
from ferbench.schema import DatasetSpec, Sample

Call = Callable[..., tuple[int, str]]
FAMILIES = {"twin-a": "twins", "twin-b": "twins", "stranger": "strangers", "loner": "", "loner-too": ""}


class Labelled(FolderReader):
    """A folder per class whose pictures also have a factor, so that it can teach one; in an order that is not the ids'."""

    def samples(self, root: Path | None) -> Iterator[Sample]:
        for number, sample in enumerate(reversed(list(super().samples(root)))):
            yield Sample(
                sample.id, sample.image, sample.expression, sample.domain, sample.split, factors={"gender": "ab"[number % 2]}
            )


SPECS = {
    name: DatasetSpec(name, Labelled, family=family, access="drawn here", factors=("gender",))
    for name, family in FAMILIES.items()
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A FERBENCH_HOME with a prepared set of every family of ``FAMILIES``."""
    place = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FERBENCH_HOME", str(place))
        for seed, (name, spec) in enumerate(SPECS.items()):
            prepare.prepare(spec, name, draw_folder(place / "owners" / name, seed=seed, train=2, test=1))
        yield place


@pytest.fixture
def registry(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Everything installed, and those sets."""
    monkeypatch.setenv("FERBENCH_HOME", str(drawn))
    known = load()
    made = Registry(known.plugins, {kind: dict(specs) for kind, specs in known.specs.items()}, known.recipes, dict(known.owner))
    made.specs["datasets"] |= SPECS
    made.owner |= {("datasets", name): "builtin" for name in SPECS}
    return made


def planned(registry: Registry, method: str, source: str, *targets: str, auxiliary: tuple[str, ...] = (), out: Path) -> Plan:
    settings = tuple(word for word in TINY if word != "--set") if method == "erm" else ()
    request = Request(method, (source,), targets, auxiliary, preset="quick", settings=settings, device="cpu", out=out)
    return plan(request, registry)


def marks(decided: Plan) -> list[str]:
    return [note for note in decided.notes if "no unseen domain" in note]


def test_a_target_of_the_sources_family_is_told_before_training_with_the_reason(registry: Registry, tmp_path: Path) -> None:
    decided = planned(registry, "erm", "twin-a", "twin-b", "stranger", out=tmp_path)
    (told,) = marks(decided)
    assert told.startswith("twin-b is no unseen domain: shares pictures with twin-a (family twins)") and "†" in told
    assert [(one.target, one.by) for one in contamination(decided, {}, registry)] == [("twin-b", "twin-a")]


def test_sets_of_other_families_or_of_none_are_not_marked(registry: Registry, tmp_path: Path) -> None:
    assert not marks(planned(registry, "erm", "twin-a", "stranger", "loner", out=tmp_path))
    assert not marks(planned(registry, "erm", "loner", "loner-too", out=tmp_path))


def test_what_a_teacher_or_auxiliary_stage_learns_from_counts_too(registry: Registry, tmp_path: Path) -> None:
    decided = planned(registry, "addl", "stranger", "twin-b", "loner", auxiliary=("twin-a",), out=tmp_path)
    (told,) = marks(decided)
    assert told.startswith("twin-b ") and "twin-a (family twins), which trains stage dfem" in told
    (told,) = marks(planned(registry, "addl", "stranger", "twin-a", auxiliary=("twin-a",), out=tmp_path))
    assert "its images train stage dfem" in told


def apart(registry: Registry, target: str, *auxiliary: str) -> Plan:
    """A run whose factor models learn from no target."""
    request = Request(
        "addl", ("stranger",), (target,), auxiliary, preset="quick", settings=("dfem.exclude_target=true", "dfem.each=true")
    )
    return plan(request, registry)


def learnt_from(decided: Plan) -> list[str]:
    return [facts.name for job in decided.jobs_of("dfem") for facts in job.data]


def test_a_stage_that_excludes_targets_learns_from_neither_a_target_nor_its_family(registry: Registry) -> None:
    decided = apart(registry, "twin-b", "twin-a", "loner", "twin-b")
    assert learnt_from(decided) == ["loner"] and marks(decided) == []
    assert "stage dfem does without twin-a, twin-b, which is a target or shares pictures with one" in decided.notes
    assert learnt_from(apart(registry, "loner", "twin-a", "twin-b")) == ["twin-a", "twin-b"]


def test_a_stage_that_excludes_targets_may_learn_from_the_source(registry: Registry) -> None:
    assert learnt_from(apart(registry, "twin-b", "stranger", "twin-a")) == ["stranger"]


def test_where_only_targets_could_teach_synthetic_faces_do_unless_others_were_named(registry: Registry) -> None:
    for name in ("stranger", "loner", "loner-too", "twin-b"):
        del registry.specs["datasets"][name]
    registry.specs["datasets"] |= {"stranger": replace(SPECS["stranger"], factors=())}
    decided = apart(registry, "twin-a")
    assert learnt_from(decided) == ["synth-aux"] and "stage dfem learns from synthetic faces (synth-aux) instead" in decided.notes
    with pytest.raises(DataError, match=r"twin-a is a target .* nothing else is left.*--set dfem\.exclude_target=false"):
        apart(registry, "twin-a", "twin-a")


@pytest.mark.parametrize("source", ["ferplus", "fer2013", "expw"])
def test_mma_is_no_unseen_domain_for_the_sets_it_is_made_of(source: str, home: Path, tmp_path: Path) -> None:
    for name in (source, "mma"):
        tree = import_module(f"trees.{name}").TREE
        prepare.prepare(load().datasets[name], name, tree.make(tmp_path / name), partial=True)
    (told,) = marks(plan(Request("erm", (source,), ("mma",)), load()))
    assert told.startswith(f"mma is no unseen domain: shares pictures with {source} (family fer2013-expw)")


def test_weights_that_saw_a_targets_family_mark_its_row(registry: Registry, tmp_path: Path) -> None:
    spec = registry.specs["datasets"]["stranger"]
    registry.specs["datasets"]["stranger"] = replace(spec, family="affectnet")
    decided = planned(registry, "erm", "loner", "stranger", "loner-too", out=tmp_path)
    weights = {"w": Weights(name="me/affectnet-resnet", saw=("AffectNet",)), "v": Weights(name="tv", saw=("ImageNet-1k",))}
    (found,) = contamination(decided, weights, registry)
    assert (found.target, found.by) == ("stranger", "me/affectnet-resnet") and "trained on AffectNet" in found.note


def test_the_record_and_the_row_say_so(registry: Registry, tmp_path: Path) -> None:
    decided = planned(registry, "erm", "twin-a", "twin-b", "stranger", out=tmp_path / "runs")
    outcome = execute(decided, registry, Reporter(quiet=True))
    record = outcome.record
    assert verify(outcome.folder) == []
    assert [(seen.target, seen.by) for seen in record.contamination] == [("twin-b", "twin-a")]
    text = results_markdown(record)
    rows = {row.split("|")[1].split()[0]: row for row in text.splitlines() if row.startswith("|") and "%" not in row}
    assert "†" in rows["twin-b"] and "†" not in rows["stranger"] and "†" not in rows["twin-a"]
    assert "† twin-b: shares pictures with twin-a (family twins)" in text


def test_the_same_pixels_in_another_file_format_are_refused(home: Path, folder: Path, tmp_path: Path, call: Call) -> None:
    for file in sorted((folder / "train").rglob("*.png")):
        copy = tmp_path / "copy/test" / file.parent.name / f"{file.stem}.bmp"
        copy.parent.mkdir(parents=True, exist_ok=True)
        Image.open(file).save(copy)
    words = ("run", "--method", "erm", "--source", f"folder:{folder}", "--target", f"folder:{tmp_path / 'copy'}", *TINY)
    code, printed = call(*words, "--preset", "quick", "--out", str(tmp_path / "runs"))
    assert code == 2 and "42 of 42 images" in printed and "--allow-overlap" in printed
