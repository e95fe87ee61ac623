"""Weights through the real Hub client against a real HTTP server, and strict loading."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save, save_file
from torch import nn

from ferbench import WeightsError
from ferbench.hub import WeightsInfo, load_weights, parse, sha256_of, what_it_saw

_spec = spec_from_file_location("hub_server", Path(__file__).with_name("hub_server.py"))
assert _spec is not None and _spec.loader is not None
hub_server = module_from_spec(_spec)
sys.modules["hub_server"] = hub_server  # dataclasses look their module up by name
_spec.loader.exec_module(hub_server)

NET = save({"weight": torch.arange(6000.0).reshape(60, 100), "bias": torch.zeros(60)})
OTHER = save({"weight": torch.ones(60, 100), "bias": torch.ones(60)})
CARD = b"---\nlicense: mit\n---\n# A net\n"

CLIENT = """
import json, os, sys
from dataclasses import asdict
from ferbench.errors import FerbenchError
from ferbench.hub import fetch
for line in sys.stdin:
    ask = json.loads(line)
    os.environ.pop("HF_TOKEN", None)
    os.environ.update(ask["env"])
    try:
        got = {k: str(v) for k, v in asdict(fetch(ask["reference"], offline=ask["offline"])).items()}
    except FerbenchError as refused:
        got = {"refused": str(refused)}
    print(json.dumps(got | {"torch": "torch" in sys.modules}), flush=True)
"""


class Client:
    """One process that fetches what it is told, with the endpoint and caches set before the client is imported."""

    def __init__(self, url: str, root: Path, **env: str) -> None:
        self.root = root
        given = {
            "HF_ENDPOINT": url,
            "HF_HOME": str(root / "hf"),
            "FERBENCH_HOME": str(root / "ferbench"),
            "HF_HUB_DISABLE_XET": "1",
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT],
            env={**clean, **given, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def fetch(self, reference: str, *, offline: bool | None = None, **env: str) -> dict[str, str]:
        assert self.process.stdin is not None and self.process.stdout is not None and self.process.stderr is not None
        self.process.stdin.write(json.dumps({"reference": reference, "offline": offline, "env": env}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            pytest.fail(f"the client died:\n{self.process.stderr.read()}")
        got: dict[str, str] = json.loads(line)
        return got

    def refusal(self, reference: str, **given: Any) -> str:
        got = self.fetch(reference, **given)
        assert "refused" in got, got
        assert "\n" not in got["refused"]
        return got["refused"]

    def pins(self) -> dict[str, dict[str, str]]:
        path = self.root / "ferbench" / "pins.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def hub() -> Iterator[Any]:
    with hub_server.HubServer() as server:
        yield server


@pytest.fixture(scope="module")
def client(hub: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    made = Client(hub.url, tmp_path_factory.mktemp("client"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_faults(request: pytest.FixtureRequest) -> None:
    if "hub" in request.fixturenames:
        request.getfixturevalue("hub").faults.clear()


def test_a_branch_is_pinned_to_its_revision_with_sha256_and_licence(hub: Any, client: Client) -> None:
    commit = hub.commit("me/pinned", {"model.safetensors": NET, "README.md": CARD})
    got = client.fetch("hf:me/pinned")
    assert (got["revision"], got["sha256"], got["licence"]) == (commit, hub_server.sha256(NET), "mit")
    assert Path(got["path"]).read_bytes() == NET
    assert not got["torch"], "fetching needs no torch"
    pin = {"revision": commit, "file": "model.safetensors", "licence": "mit", "sha256": hub_server.sha256(NET)}
    assert client.pins()["hf:me/pinned@main"] == pin


def test_weights_without_a_licence_are_refused_before_a_byte_of_them_comes_and_who_has_leave_says_so(
    hub: Any, client: Client
) -> None:
    hub.commit("me/nobodys", {"model.safetensors": NET})
    said = client.refusal("hf:me/nobodys")
    assert "its card names no licence" in said and "?licence=WORDS" in said
    assert not hub.asked("GET", "nobodys/resolve")
    got = client.fetch("hf:me/nobodys?licence=by letter of 2026-11-01")
    assert (got["licence"], got["sha256"]) == ("by letter of 2026-11-01", hub_server.sha256(NET))
    assert "its card names no licence" in client.refusal("hf:me/nobodys"), "leave is for who says it"


def test_when_main_moves_the_reference_still_reads_its_pinned_bytes_and_asks_nobody(hub: Any, client: Client) -> None:
    hub.commit("me/moves", {"model.safetensors": NET, "README.md": CARD})
    first = client.fetch("hf:me/moves")
    moved = hub.commit("me/moves", {"model.safetensors": OTHER, "README.md": CARD})
    hub.requests.clear()
    assert client.fetch("hf:me/moves") == first
    assert hub.requests == []
    assert client.fetch(f"hf:me/moves@{moved}")["sha256"] == hub_server.sha256(OTHER)


def test_a_pinned_reference_is_read_with_the_hub_gone_and_after_main_moved(tmp_path: Path) -> None:
    with hub_server.HubServer() as server:
        server.commit("me/net", {"model.safetensors": NET, "README.md": CARD})
        online = Client(server.url, tmp_path)
        first = online.fetch("hf:me/net")
        online.close()
        server.commit("me/net", {"model.safetensors": OTHER, "README.md": CARD})
    for env in ({}, {"HF_HUB_OFFLINE": "1"}):
        later = Client(server.url, tmp_path, **env)
        assert later.fetch("hf:me/net") == first
        told = later.refusal("hf:me/other")
        assert told.startswith("hf:me/other: ") and "--weights random" in told
        later.close()


def test_offline_weights_that_never_came_say_what_to_do(client: Client) -> None:
    told = client.refusal("hf:me/never", offline=True)
    assert told.startswith("hf:me/never: not on this machine")
    assert "--weights random" in told and "connect once" in told


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("hf:me/nowhere", "no such model, or it is private (401). Check the name; for a private one set HF_TOKEN"),
        ("hf:me/private", "no such model, or it is private (401). Check the name; for a private one set HF_TOKEN"),
        ("hf:me/gated", "its owner lets in only who asked (403). Ask on its page, then set HF_TOKEN"),
        ("hf:me/open@nobranch", "no such revision (404)"),
        ("hf:me/open/absent.safetensors", "no file 'absent.safetensors' at"),
        ("hf:me/pickled", "no safetensors file: it holds only pytorch_model.bin, and a pickle can run code"),
        ("hf:me/several", "it holds several files: a.safetensors, b.safetensors. Name one: hf:owner/name/FILE"),
        ("hf:me/a--b", "no name of a Hub model"),
    ],
)
def test_a_refusal_is_one_line_that_says_what_to_do(hub: Any, client: Client, reference: str, says: str) -> None:
    hub.commit("me/open", {"model.safetensors": NET, "README.md": CARD})
    hub.commit("me/private", {"model.safetensors": NET, "README.md": CARD}, private=True)
    hub.commit("me/gated", {"model.safetensors": NET, "README.md": CARD}, gated=True)
    hub.commit("me/pickled", {"pytorch_model.bin": b"\x80\x04", "net.py": b"import os"})
    hub.commit("me/several", {"a.safetensors": NET, "b.safetensors": NET})
    assert client.refusal(reference).startswith(f"{reference}: {says}")


def test_a_token_opens_a_private_model(hub: Any, client: Client) -> None:
    hub.commit("me/mine", {"model.safetensors": NET, "README.md": CARD}, private=True)
    assert client.fetch("hf:me/mine", HF_TOKEN=hub.good_token)["sha256"] == hub_server.sha256(NET)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"path": "/api/models/me/faulty", "status": 500}, "the Hub answered 500. Try again later"),
        ({"path": "/api/models/me/faulty", "status": 401}, "no such model, or it is private (401)"),
        ({"path": "/api/models/me/faulty", "cut": 0}, "the download broke off, or the Hub cannot be reached"),
        ({"path": "/me/faulty/resolve", "status": 404}, "no such file at that revision (404)"),
    ],
)
def test_a_fault_of_the_hub_is_one_line_and_the_next_try_works(
    hub: Any, client: Client, fault: dict[str, Any], says: str
) -> None:
    name = f"me/faulty-{abs(hash(says)) % 10**6}"
    hub.commit(name, {"model.safetensors": NET, "README.md": CARD})
    hub.fail(**{**fault, "path": fault["path"].replace("me/faulty", name)})
    assert client.refusal(f"hf:{name}").startswith(f"hf:{name}: {says}")
    assert f"hf:{name}@main" not in client.pins()
    hub.faults.clear()
    assert client.fetch(f"hf:{name}")["sha256"] == hub_server.sha256(NET)


def test_a_connection_cut_once_is_taken_up_where_it_broke(hub: Any, client: Client) -> None:
    hub.commit("me/cut", {"model.safetensors": NET, "README.md": CARD})
    hub.fail("/me/cut/resolve", cut=1000, methods=("GET",), times=1)
    assert client.fetch("hf:me/cut")["sha256"] == hub_server.sha256(NET)
    assert len(hub.asked("GET", "/me/cut/resolve")) == 2


def test_bytes_with_the_wrong_sha256_are_refused_removed_and_fetched_anew(hub: Any, client: Client) -> None:
    hub.commit("me/swapped", {"model.safetensors": NET, "README.md": CARD})
    hub.fail("/me/swapped/resolve", swap=True, methods=("GET",))
    told = client.refusal("hf:me/swapped")
    assert f"it should be {hub_server.sha256(NET)[:12]}" in told and "Run again" in told
    assert "hf:me/swapped@main" not in client.pins()
    hub.faults.clear()
    assert client.fetch("hf:me/swapped")["sha256"] == hub_server.sha256(NET)


def test_a_cached_file_that_was_changed_by_hand_is_noticed(hub: Any, client: Client) -> None:
    hub.commit("me/tampered", {"model.safetensors": NET, "README.md": CARD})
    path = Path(client.fetch("hf:me/tampered")["path"])
    path.resolve().write_bytes(OTHER)
    assert "it should be" in client.refusal("hf:me/tampered")
    assert Path(client.fetch("hf:me/tampered")["path"]).read_bytes() == NET


def test_references_come_apart_as_written() -> None:
    assert str(parse("hf:me/net")) == "hf:me/net@main"
    got = parse("hf:me/net@v1.0/sub/model.safetensors")
    assert (got.repo, got.revision, got.file, got.licence) == ("me/net", "v1.0", "sub/model.safetensors", "")
    got = parse("hf:me/net@v1.0/a.safetensors?licence=CC BY 4.0, by letter")
    assert (got.revision, got.file, got.licence) == ("v1.0", "a.safetensors", "CC BY 4.0, by letter")
    assert parse("hf:me/net@refs%2Fpr%2F1").revision == "refs/pr/1"


@pytest.mark.parametrize("reference", ["hf:me", "hf:me/net@", "hf:/net", "hf:me/net/", "hf:me/net x"])
def test_a_misspelt_reference_names_the_form(reference: str) -> None:
    with pytest.raises(WeightsError, match=r"not of the form hf:owner/name\[@revision\]"):
        parse(reference)


@pytest.mark.parametrize("file", ["net.pth", "net.bin", "net.pkl", "net.ckpt", "modeling.py", "net"])
def test_pickles_and_code_are_refused_from_hub_and_disk(file: str, tmp_path: Path) -> None:
    path = tmp_path / file
    path.write_bytes(b"\x80\x04.")
    for reference in (f"hf:me/net/{file}", str(path)):
        with pytest.raises(WeightsError, match=r"is refused\. Convert it once"):
            load_weights(nn.Linear(100, 60), reference, offline=True)


# strict loading


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def stored(tmp_path: Path, state: Mapping[str, torch.Tensor]) -> str:
    path = tmp_path / "net.safetensors"
    save_file(dict(state), path)
    return str(path)


def test_weights_from_a_file_arrive_bit_for_bit_and_are_described(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs, ours = net(), net()
    path = stored(tmp_path, theirs.state_dict())
    info = load_weights(ours, path, name="msceleb-resnet")
    assert all(torch.equal(x, y) for x, y in zip(theirs.state_dict().values(), ours.state_dict().values(), strict=True))
    assert info == WeightsInfo("msceleb-resnet", None, sha256_of(Path(path)), "", ("MS-Celeb-1M",))


def test_missing_unused_and_misshapen_keys_are_all_listed_and_nothing_is_loaded(tmp_path: Path) -> None:
    ours = net()
    before = {name: x.clone() for name, x in ours.state_dict().items()}
    state = {"0.weight": torch.zeros(4, 3, 5, 5), "1.weight": torch.full((4,), 9.0), "2.weight": torch.zeros(1)}
    with pytest.raises(WeightsError) as refused:
        load_weights(ours, stored(tmp_path, state))
    told = str(refused.value)
    assert "4 missing: 0.bias, 1.bias, 1.running_mean, 1.running_var" in told
    assert "1 unused: 2.weight" in told
    assert "1 of another shape: 0.weight (4, 3, 5, 5) for (4, 3, 3, 3)" in told
    assert all(torch.equal(x, before[name]) for name, x in ours.state_dict().items())


def test_keys_on_the_allow_list_may_be_missing_or_left_over(tmp_path: Path) -> None:
    state = {name: x for name, x in net().state_dict().items() if name != "0.bias"} | {"extra.weight": torch.zeros(1)}
    load_weights(net(), stored(tmp_path, state), allow=("0.bias", "extra.*"))
    with pytest.raises(WeightsError, match=r"1 missing: 0\.bias$|1 missing: 0\.bias\."):
        load_weights(net(), stored(tmp_path, state), allow=("extra.*",))


def test_a_named_classifier_is_dropped_and_only_that(tmp_path: Path) -> None:
    state = {**net().state_dict(), "fc.weight": torch.zeros(2, 2), "fc2.weight": torch.zeros(1)}
    with pytest.raises(WeightsError, match=r"1 unused: fc2\.weight"):
        load_weights(net(), stored(tmp_path, state), drop=("fc",))


def test_files_from_before_batch_counters_fit(tmp_path: Path) -> None:
    ours = net()
    state = {name: x + 1 for name, x in net().state_dict().items() if not name.endswith("num_batches_tracked")}
    load_weights(ours, stored(tmp_path, state))
    assert all(torch.equal(ours.state_dict()[name], x) for name, x in state.items())


def test_a_whole_published_method_gives_its_backbone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs, ours = net(), net()
    state = {f"backbone.{name}": x for name, x in theirs.state_dict().items()} | {"head.fc.weight": torch.zeros(1)}
    load_weights(ours, stored(tmp_path, state))
    assert torch.equal(ours.state_dict()["0.weight"], theirs.state_dict()["0.weight"])


def test_a_damaged_or_absent_file_is_one_line(tmp_path: Path) -> None:
    path = stored(tmp_path, net().state_dict())
    Path(path).write_bytes(Path(path).read_bytes()[:40])
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        load_weights(net(), path)
    with pytest.raises(WeightsError, match="no such file"):
        load_weights(net(), str(tmp_path / "none.safetensors"))


def test_what_known_weights_saw() -> None:
    assert what_it_saw("timm/resnet18.tv_in1k") == ("ImageNet-1k",)
    assert what_it_saw("timm/vit_base_patch16_224.augreg2_in21k_ft_in1k") == ("ImageNet-1k", "ImageNet-21k")
    assert what_it_saw("timm/vit_base_patch32_clip_quickgelu_224.openai") == ("CLIP WIT-400M",)
    assert what_it_saw("me/net") == ("unknown",)
