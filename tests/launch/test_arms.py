"""A protocol's arms become requests, and what contradicts the protocol is refused by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fixtures_board import write_run

from ferbench.arms import chosen_arms, chosen_seeds, decide, requests
from ferbench.cli import main
from ferbench.cli.run import command
from ferbench.errors import FerbenchError
from ferbench.evaluation.protocol import find
from ferbench.launch.cells import Cell, Ended, plan_all, sentence
from ferbench.launch.cost import estimate
from ferbench.launch.tables import tell
from ferbench.leaderboard.aliases import Alias
from ferbench.planning import Request
from ferbench.plugins import load

REQUEST = Request("erm", ("synth-lab",), preset="quick", protocol="synth")


def test_a_protocol_fills_in_targets_label_space_and_selection(home: Path) -> None:
    planned = decide(replace(REQUEST, settings=("epochs=2",)), load())
    assert [(target.facts.name, target.split) for target in planned.targets if target.role == "target"] == [
        (name, "test") for name in ("synth-wild", "synth-film", "synth-web", "synth-grey48", "synth-mono")
    ]
    assert (planned.labels.name, planned.recipe.selection, planned.request.settings) == ("basic7", "last", ("epochs=2",))
    plain = decide(Request("erm", ("synth-lab",), preset="quick", settings=("epochs=2",)), load())
    assert planned.recipe == plain.recipe, "a cell is the very run that a user would ask for without the protocol"


CONTRADICTIONS = {
    "a target": (Request("erm", ("synth-lab",), ("synth-web",), protocol="synth@1"), "--target: synth@1 names the targets"),
    "a label space": (replace(REQUEST, settings=("labels=basic6",)), "--set labels=basic6: synth@1 has labels basic7"),
    "a selection": (
        replace(REQUEST, settings=("selection=source-val",)),
        "--set selection=source-val: synth@1 has selection last",
    ),
    "a seed": (replace(REQUEST, seed=7), "--seed 7: synth@1 has the seeds 0, 1, 2"),
    "no arm": (replace(REQUEST, sources=()), "has more than one arm, and none was named"),
    "two arms at once": (replace(REQUEST, sources=("synth-lab", "synth-web")), "no arm that learns from synth-lab, synth-web"),
    "a partition": (replace(REQUEST, protocol="sdg-cafe@1", sources=("sfew@val436",)), "sdg-cafe@1 takes sfew@aligned891"),
    "no fold": (replace(REQUEST, protocol="tenfold@1", sources=("ckplus",)), "names none of fold0, fold1"),
    "another protocol": (replace(REQUEST, protocol="sinth"), "no protocol 'sinth'. Did you mean 'synth@1'"),
    "a family that is refused": (
        Request("addl", ("synth-wild",), auxiliary=("synth-aux",), preset="quick", protocol="refusing@1"),
        "refusing@1 lets nothing learn from family",
    ),
}


@pytest.mark.parametrize(("request_", "told"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_what_contradicts_a_protocol_is_refused_by_name(
    request_: Request, told: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if request_.protocol == "refusing@1":
        family = load().datasets["synth-aux"].family
        refusing = find("synth@1").model_copy(update={"name": "refusing@1", "refused_families": (family,)})
        monkeypatch.setattr("ferbench.arms.find", lambda name: refusing)
    with pytest.raises(FerbenchError) as caught:
        decide(request_, load())
    assert told in caught.value.line() and "\n" not in caught.value.line()


def test_a_matrix_is_methods_by_arms_by_folds_by_seeds() -> None:
    tenfold, mdg = find("tenfold@1"), find("mdg-esgm")
    cells = list(requests(REQUEST, tenfold, ("erm", "addl"), chosen_arms(tenfold, ("mmi",)), chosen_seeds(tenfold, 2)))
    assert len(cells) == 2 * 10 * 2 and len(set(cells)) == 40
    assert {cell.sources for cell in cells} == {(f"mmi@fold{number}",) for number in range(10)}
    (only,) = requests(REQUEST, mdg, ("erm",), chosen_arms(mdg, ("sfew+rafdb",)), (1,))
    assert only.sources == ("rafdb", "sfew") and only.seed == 1
    with pytest.raises(FerbenchError, match=r"no arm 'rafdb'. Did you mean 'rafdb\+sfew'"):
        chosen_arms(mdg, ("rafdb",))
    with pytest.raises(FerbenchError, match="--seeds: 4, and mdg-esgm@1 has 3: 0, 1, 2"):
        chosen_seeds(mdg, 4)


def test_the_sentence_of_a_cell_asks_for_the_very_same_run() -> None:
    asked = Request(
        "addl", ("a", "b@fold1"), ("c@all",), auxiliary=("d",), preset="quick", variant="v", settings=("losses.ce=0.5", "masking=none"),
        seed=2, weights="random", device="cpu", dtype="fp32", out=Path("x y"), oracle=True, compile=True, checkpoint_every=0.5,
        auxiliary_seed=3, allow_overlap=True, protocol="synth@1",
    )  # fmt: skip
    for one in (asked, REQUEST, Request("erm", ("synth-lab",))):
        given = dict(command.make_context("run", sentence(one)).params)
        apart = {key: given.pop(key) for key in ("dry_run", "as_json", "compile_")}
        assert Request(compile=apart["compile_"], **given) == one


def test_the_cost_comes_from_earlier_records_and_a_shared_stage_counts_once(home: Path, tmp_path: Path) -> None:
    registry = load()
    cells = plan_all(requests(replace(REQUEST, out=tmp_path), find("synth"), ("erm",), chosen_arms(find("synth"), ("synth-lab",)), (0, 1)),
                     registry)  # fmt: skip
    recipe = cells[0].plan.recipe  # type: ignore[union-attr]
    earlier = {
        "method": "erm", "preset": "quick", "variant": "", "settings": [], "results": [{"n": 300}],
        "recipe": {"stages": [{"name": recipe.deployed.name, "batch": 8}]}, "stages": [{"name": recipe.deployed.name, "steps": 100}],
        "times": {"stages": {recipe.deployed.name: 4.0}, "evaluation_seconds": 0.5},
    }  # fmt: skip
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "record.json").write_text(json.dumps(earlier))
    found = estimate([*cells, cells[0], Cell(REQUEST, reason="no")], tmp_path, registry)
    planned = cells[0].plan
    assert planned is not None and found[-1] is None
    trained = recipe.deployed.epochs * planned.sources[0].images("train", planned.labels) / 200
    scored = sum(target.facts.images("test", planned.labels) for target in planned.targets) / 600
    assert [one.seconds for one in found[:3] if one] == pytest.approx([trained + scored, trained + scored, scored])
    assert all(one.measured for one in found[:3] if one)


def test_what_cannot_run_here_is_listed_and_the_rest_is_planned(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "sweep",
        "--protocol",
        "sdg-cafe",
        "--methods",
        "erm",
        "--preset",
        "quick",
        "--seeds",
        "1",
        "--out",
        str(place / "runs"),
    )
    main([*words, "--partial"])
    printed = capsys.readouterr().out
    assert "0 of 5 runs of sdg-cafe@1 are done" in printed and "- erm, rafdb, seed 0: not done yet" in printed
    assert "- erm, mma, seed 0: mma: not prepared on this machine" in printed
    assert "learnt from rafdb: without affectnet, ferplus, mma, sfew" in printed


def test_a_matrix_is_told_by_the_names_of_papers_tables(home: Path, tmp_path: Path) -> None:
    folder, names = tmp_path / "run", [Alias("ResNet-18", "erm", "", True, ())]
    record = write_run(folder, find("muxspace@1"), "muxspace-lfw", {"muxspace-imfdb": 60}, "erm", 0, 0.5)
    cell = Cell(Request("erm", ("muxspace-lfw",)))
    told = tell(find("muxspace@1"), [cell], [Ended(cell, folder, record)], names)
    assert "ResNet-18 (erm)" in told and "1 of 1 runs of muxspace@1 are done" in told
