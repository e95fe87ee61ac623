"""A trained method goes to a Hub and comes back: the real command line and clients against a real HTTP server, faults included."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures_hub import Client
from fixtures_run import TINY, draw_folder
from hub_server import HubServer, sha256

GOOD, READ = "hf_good", "hf_read"
SMALL = ("--set", "backbone=timm", "--set", "backbone.model=test_resnet", "--set", "epochs=1")
COMMIT = """
from ferbench.errors import HubError
from ferbench.hub.commit import Place, commit
os.environ["HF_TOKEN"] = "hf_good"
try:
    print(commit(Place("{repo}", "model", "manifest.json"), {{"manifest.json": b"1", "model.safetensors": b"net"}}, "a").revision)
except HubError as problem:
    print(problem)
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture(scope="module")
def client(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    made = Client(hub.url, tmp_path_factory.mktemp("client"), HF_TOKEN=GOOD)
    yield made
    made.close()


@pytest.fixture(scope="module")
def run(client: Client) -> Path:
    """A tiny trained run on a folder, scored on another one."""
    source, target = draw_folder(client.root / "source"), draw_folder(client.root / "target", seed=1)
    words = ("run", "--method", "erm", "--source", f"folder:{source}", "--target", f"folder:{target}", "--preset", "quick", *TINY)
    code, _, err = client(*words, *SMALL, "--weights", "random", "--out", str(client.root / "runs"))
    assert code == 0, err
    (found,) = (client.root / "runs").iterdir()
    return found


@pytest.fixture(autouse=True)
def calm(hub: HubServer) -> None:
    hub.faults.clear()
    hub.spoils = False


def publish(client: Client, run: Path, repo: str, *more: str, **env: str) -> tuple[int, str, str]:
    return client("publish", str(run), "--repo", repo, *more, **{"HF_TOKEN": GOOD, **env})


def head(hub: HubServer, repo: str) -> dict[str, bytes]:
    return hub.repos[repo].commits[hub.repos[repo].refs["main"]]


def test_one_commit_holds_weights_config_card_record_and_predictions(hub: HubServer, client: Client, run: Path) -> None:
    code, out, err = publish(client, run, "me/one")
    assert code == 0, err
    assert len(hub.repos["me/one"].commits) == 2, "the empty repository's, and one"
    files = head(hub, "me/one")
    record = json.loads((run / "record.json").read_text())
    assert files["record.json"] == (run / "record.json").read_bytes()
    assert {one["predictions"]["file"] for one in record["results"]} <= set(files)
    config = json.loads(files["config.json"])["ferbench"]
    assert config["run_id"] == record["run_id"] and config["saw"] == [record["data"][0]["name"]]
    assert sha256(files["model.safetensors"]) == config["stages"][-1]["artifact"]["weights_sha256"]
    manifest = json.loads(files["manifest.json"])["parts"]
    assert {name: sha256(data) for name, data in files.items() if name in manifest} == manifest
    assert hub.repos["me/one"].refs["main"] in out


def test_the_card_is_read_by_the_hubs_own_reader(hub: HubServer, client: Client, run: Path) -> None:
    from huggingface_hub import ModelCard, parse_eval_result_entries
    from yaml import safe_load

    publish(client, run, "me/card")
    files, record = head(hub, "me/card"), json.loads((run / "record.json").read_text())
    told = ModelCard(files["README.md"].decode()).data
    wanted = {one["target"]: one["metrics"]["uar"]["value"] for one in record["results"]}
    assert {one.dataset_name: one.metric_value for one in told.eval_results if one.metric_type == "recall"} == wanted
    for heading in ("## Intended use", "## Data seen", "## Limits"):
        assert heading in files["README.md"].decode()
    assert record["data"][0]["fingerprint"][:16] in files["README.md"].decode()
    entries = parse_eval_result_entries(safe_load(files[".eval_results/ferbench.yaml"]))
    assert {one.dataset_id for one in entries} == {"me/ferbench"} and set(wanted.values()) <= {one.value for one in entries}


def test_published_wiped_pulled_and_evaluated_gives_the_same_bytes(hub: HubServer, client: Client, run: Path) -> None:
    publish(client, run, "me/back")
    revision = hub.repos["me/back"].refs["main"]
    record = json.loads((run / "record.json").read_text())
    (target,) = (one for one in record["results"] if one["role"] == "target")
    shutil.rmtree(client.root / "hf", ignore_errors=True)
    shutil.move(client.root / "ferbench", client.root / "kept")  # later tests publish from it
    assert not (client.root / "hf").exists() and not (client.root / "ferbench").exists()
    try:
        _pulled_and_evaluated(hub, client, run, revision, record, target)
    finally:
        shutil.rmtree(client.root / "ferbench")
        shutil.move(client.root / "kept", client.root / "ferbench")


def _pulled_and_evaluated(
    hub: HubServer, client: Client, run: Path, revision: str, record: dict[str, Any], target: dict[str, Any]
) -> None:
    shutil.move(client.root / "source", client.root / "elsewhere")  # what it was trained on is not asked for
    out = client.root / "again"
    try:
        code, _, err = client("evaluate", f"hf:me/back@{revision}", "--target", target["target"], "--out", str(out))
    finally:
        shutil.move(client.root / "elsewhere", client.root / "source")
    assert code == 0, err
    (folder,) = out.iterdir()
    again = json.loads((folder / "record.json").read_text())
    assert again["recipe"]["run"]["evaluates"] == record["run_id"] and again["run_id"] != record["run_id"]
    assert [one["predictions"]["sha256"] for one in again["results"]] == [target["predictions"]["sha256"]]
    file = target["predictions"]["file"]
    assert (folder / file).read_bytes() == (run / file).read_bytes()
    code, printed, _ = client("verify", str(folder))
    assert code == 0 and "holds; 1 of 1 targets" in printed
    hub.requests.clear()
    code, printed, _ = client("evaluate", f"hf:me/back@{revision}", "--target", target["target"], "--out", str(out))
    assert code == 0 and "already done" in printed and f"evaluation of run {record['run_id']}" in printed
    assert hub.requests == [], "what is pinned and here is not asked for"


def test_a_published_backbone_starts_another_run_and_marks_what_it_had_seen(hub: HubServer, client: Client, run: Path) -> None:
    assert "grants no licence" in publish(client, run, "me/none")[2]
    code, _, err = client("run", "--method", "erm", "--source", "synth-lab", "--preset", "quick", "--weights", "hf:me/none")
    assert code == 2 and "its card names no licence" in err and "Preparing" not in err, "refused before a face is drawn"
    assert "grants no licence" not in publish(client, run, "me/start", "--licence", "cc-by-nc-4.0")[2]
    record = json.loads((run / "record.json").read_text())
    source = draw_folder(client.root / "third", seed=3)
    words = ("run", "--method", "erm", "--source", f"folder:{source}", "--target", record["data"][0]["name"], "--preset", "quick")
    words = (*words, *TINY, *SMALL, "--weights", "hf:me/start")
    code, out, err = client(*words, "--out", str(client.root / "started"), "--json")
    assert code == 0, err
    made = json.loads(out)
    (weights,) = made["weights"]
    assert weights["revision"] == hub.repos["me/start"].refs["main"] and weights["saw"] == [record["data"][0]["name"]]
    assert weights["licence"] == "cc-by-nc-4.0"
    assert [one["target"] for one in made["contamination"]] == [record["data"][0]["name"]]


def test_what_is_there_already_is_not_sent_again(hub: HubServer, client: Client, run: Path) -> None:
    publish(client, run, "me/twice")
    before = dict(hub.repos["me/twice"].commits)
    hub.requests.clear()
    code, out, _ = publish(client, run, "me/twice")
    assert code == 0 and "there already" in out and hub.repos["me/twice"].commits == before
    assert not hub.asked("PUT") and not hub.asked("POST", "/commit/")


def test_a_dry_run_lists_every_file_and_asks_nobody(hub: HubServer, client: Client, run: Path) -> None:
    hub.requests.clear()
    code, out, _ = publish(client, run, "me/dry", "--dry-run", HF_TOKEN="")
    assert code == 0 and "model.safetensors" in out and "nothing was sent" in out and hub.requests == []


def test_a_pull_request_leaves_main_alone_and_private_is_private(hub: HubServer, client: Client, run: Path) -> None:
    code, out, err = publish(client, run, "me/pr", "--pr", "--private")
    assert code == 0 and "/me/pr/discussions/1" in out, err
    assert set(head(hub, "me/pr")) == {".gitattributes"} and hub.repos["me/pr"].private
    assert "model.safetensors" in hub.repos["me/pr"].commits[hub.repos["me/pr"].refs["refs/pr/1"]]


@pytest.mark.parametrize(
    ("name", "fault", "says"),
    [
        ("create401", {"path": "/api/repos/create", "status": 401}, "hf auth login"),
        ("pre403", {"path": "/preupload/", "status": 403}, "the token may not write there (403)"),
        ("pre404", {"path": "/preupload/", "status": 404}, "no such repository or owner (404)"),
        ("commit412", {"path": "/commit/", "status": 412}, "somebody else committed meanwhile (412), so nothing was published"),
        ("commit500", {"path": "/commit/", "status": 500}, "the Hub answered 500. Nothing is there in part"),
        ("pre500", {"path": "/preupload/", "status": 500}, "the Hub answered 500. Nothing is there in part"),
        ("put403", {"path": "/lfs/", "status": 403, "methods": ("PUT",)}, "the token may not write there (403)"),
        ("put500", {"path": "/lfs/", "status": 500, "methods": ("PUT",)}, "the Hub answered 500. Nothing is there in part"),
        ("verify400", {"path": "/lfs-verify", "status": 400}, "the Hub answered 400. Nothing is there in part"),
        ("cutcommit", {"path": "/commit/", "cut": 0}, "the upload broke off, or the Hub cannot be reached"),
        ("cutput", {"path": "/lfs/", "cut": 0, "methods": ("PUT",)}, "the upload broke off, or the Hub cannot be reached"),
    ],
)
def test_a_fault_is_one_line_nothing_is_there_in_part_and_the_same_call_mends_it(
    hub: HubServer, client: Client, name: str, fault: dict[str, Any], says: str
) -> None:
    repo = f"me/{name}"
    hub.objects.clear()
    hub.fail(**{"methods": ("POST",), **fault})
    told = client.python(COMMIT.format(repo=repo)).strip()
    assert told.startswith(f"hf:{repo}: ") and says in told and "\n" not in told
    assert repo not in hub.repos or set(head(hub, repo)) == {".gitattributes"}
    hub.faults.clear()
    told = client.python(COMMIT.format(repo=repo)).strip()
    assert told == hub.repos[repo].refs["main"] and head(hub, repo)["model.safetensors"] == b"net"


@pytest.mark.parametrize(
    ("token", "says"), [("", "there is no token"), ("hf_old", "not valid"), (READ, "the token may not write there (403)")]
)
def test_without_a_token_or_its_right_nothing_is_made(hub: HubServer, client: Client, run: Path, token: str, says: str) -> None:
    assert says in client.refusal("publish", str(run), "--repo", "me/rights", HF_TOKEN=token)
    assert "me/rights" not in hub.repos


def test_a_line_that_breaks_once_is_taken_up(hub: HubServer, client: Client, run: Path) -> None:
    hub.objects.clear()
    hub.fail("/lfs/", cut=0, methods=("PUT",), times=1)
    assert publish(client, run, "me/once")[0] == 0 and "model.safetensors" in head(hub, "me/once")


def test_an_answer_that_is_lost_leaves_one_commit_and_the_next_try_finds_it(hub: HubServer, client: Client, run: Path) -> None:
    hub.fail("/commit/", cut=5, methods=("POST",), times=1)
    assert "Nothing is there in part" in client.refusal("publish", str(run), "--repo", "me/lost", HF_TOKEN=GOOD)
    code, out, _ = publish(client, run, "me/lost")
    assert code == 0 and "there already" in out and len(hub.repos["me/lost"].commits) == 2


def test_another_commit_in_between_is_not_overwritten(hub: HubServer, client: Client, run: Path) -> None:
    hub.fail("/commit/", methods=("POST",), times=1, meanwhile=lambda: hub.commit("me/race", {"README.md": b"theirs"}))
    assert "somebody else committed meanwhile" in client.refusal("publish", str(run), "--repo", "me/race", HF_TOKEN=GOOD)
    assert head(hub, "me/race")["README.md"] == b"theirs" and "record.json" not in head(hub, "me/race")


def test_other_bytes_than_were_sent_are_noticed_and_sent_anew(hub: HubServer, client: Client, run: Path) -> None:
    hub.objects.clear()
    hub.spoils = True
    told = client.refusal("publish", str(run), "--repo", "me/spoilt", HF_TOKEN=GOOD)
    assert "other bytes were sent" in told and "Do not use that revision" in told
    hub.objects.clear()
    hub.spoils = False
    assert publish(client, run, "me/spoilt")[0] == 0
    assert sha256(head(hub, "me/spoilt")["record.json"]) == sha256((run / "record.json").read_bytes())


def test_a_repository_of_something_else_is_left_alone(hub: HubServer, client: Client, run: Path) -> None:
    hub.commit("me/other", {"model.safetensors": b"theirs"})
    assert "it holds something else (model.safetensors)" in client.refusal(
        "publish", str(run), "--repo", "me/other", HF_TOKEN=GOOD
    )
    assert head(hub, "me/other") == {"model.safetensors": b"theirs"}


def test_weights_or_numbers_that_were_changed_are_not_published(client: Client, run: Path, tmp_path: Path) -> None:
    bad = Path(shutil.copytree(run, tmp_path / "bad"))
    record = json.loads((bad / "record.json").read_text())
    record["results"][0]["metrics"]["uar"]["value"] = 0.99
    (bad / "record.json").write_text(json.dumps(record))
    code, _, err = publish(client, bad, "me/bad", "--dry-run")
    assert code == 4 and "metrics.uar.value" in err and len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "spoil", "says"),
    [
        ("swapped", {"record.json": b"{}"}, "sha256 of record.json is"),
        ("plain", {"manifest.json": None}, "ferbench publish did not make it"),
        ("climbing", {"manifest.json": b'{"schema": 1, "run_id": "", "parts": {"../../x": ""}}'}, "a part outside the folder"),
        ("newer", {"manifest.json": b'{"schema": 9, "run_id": "", "parts": {}}'}, "schema 9, and this ferbench reads 1"),
    ],
)
def test_a_method_that_does_not_hold_together_is_not_used(
    hub: HubServer, client: Client, run: Path, name: str, spoil: dict[str, bytes | None], says: str
) -> None:
    publish(client, run, "me/whole")
    files = {path: data for path, data in {**head(hub, "me/whole"), **spoil}.items() if data is not None}
    hub.commit(f"me/{name}", files)
    told = client.refusal("evaluate", f"hf:me/{name}", "--target", "synth-wild", "--out", str(client.root / "none"))
    assert says in told and not (client.root / "none").exists()


def test_page_and_records_go_to_a_space_and_a_dataset_that_datasets_reads(hub: HubServer, client: Client, run: Path) -> None:
    page = client.root / "index.html"
    page.write_text("<!doctype html><title>board</title>")
    words = (
        "leaderboard",
        "publish",
        "--page",
        str(page),
        "--runs",
        str(run.parent),
        "--space",
        "me/board",
        "--dataset",
        "me/rows",
    )
    code, _, err = client(*words)
    assert code == 0, err
    assert hub.sdks["spaces/me/board"] == "static" and head(hub, "spaces/me/board")["index.html"] == page.read_bytes()
    assert b"sdk: static" in head(hub, "spaces/me/board")["README.md"]
    before = len(hub.repos["datasets/me/rows"].commits)
    code, out, _ = client(*words)
    assert code == 0 and out.count("there already") == 2 and len(hub.repos["datasets/me/rows"].commits) == before
    got = client.python(
        "from datasets import load_dataset; "
        "a = load_dataset('me/rows', split='train'); b = load_dataset('me/rows', 'records', split='train'); "
        "print(json.dumps([a['uar'], a['run_id'], b['record']], default=list))"
    )
    record = json.loads((run / "record.json").read_text())
    uar, ids, records = json.loads(got)
    assert list(uar) == [one["metrics"]["uar"]["value"] for one in record["results"]] and set(ids) == {record["run_id"]}
    assert json.loads(records[0]) == record
