"""``hf:OWNER/NAME`` as a user types it: the real command line and the real Hub client against a real HTTP server."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fixtures_hub import Client
from hub_server import HubServer
from PIL import Image

CLASSES = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
TRAIN, TEST = "data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"
CARD = "---\nlicense: cc-by-4.0\n---\n# Faces\n```bibtex\n@misc{faces,\n  title = {Faces}\n}\n```\n"


def parquet(seed: int, per_class: int = 2) -> bytes:
    """A shard as ``datasets`` writes it: a ClassLabel column with names, small row groups."""
    rng = np.random.default_rng(seed)
    rows, labels = [], []
    for code in range(len(CLASSES)):
        for _ in range(per_class):
            file = io.BytesIO()
            Image.fromarray(rng.integers(0, 255, (24, 24, 3), np.uint8)).save(file, "PNG")
            rows.append({"bytes": file.getvalue(), "path": None})
            labels.append(code)
    features = {"label": {"names": CLASSES, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    image = pa.array(rows, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    table = pa.table({"image": image, "label": labels})
    out = io.BytesIO()
    info = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(info), out, row_group_size=5)
    return out.getvalue()


FACES = {TRAIN: parquet(1), TEST: parquet(2), "README.md": CARD.encode()}


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture(scope="module")
def client(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    made = Client(hub.url, tmp_path_factory.mktemp("client"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_faults(request: pytest.FixtureRequest) -> None:
    if "hub" in request.fixturenames:
        request.getfixturevalue("hub").faults.clear()


def stored(client: Client, part: str) -> dict[str, Any]:
    (folder,) = (client.root / "ferbench/data").glob(f"hf-{part}-*")
    found: dict[str, Any] = json.loads((folder / "set.json").read_text())
    return found


def test_the_first_use_downloads_prepares_and_names_revision_licence_and_citation(hub: HubServer, client: Client) -> None:
    commit = hub.commit("datasets/me/faces", FACES)
    code, out, err = client("data", "show", "hf:me/faces")
    assert code == 0, err
    assert commit[:12] in out and "cc-by-4.0" in out and "@misc{faces" in out
    told = stored(client, "me-faces")
    assert told["source"] == f"hf:me/faces@{commit}" and told["images"] == 28
    assert told["counts"]["train"] == dict.fromkeys(
        ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"), 2
    )
    pin = json.loads((client.root / "ferbench/pins.json").read_text())["datasets/me/faces@main"]
    assert pin["revision"] == commit
    code, out, err = client("data", "verify", "hf:me/faces", "--deep")
    assert code == 0 and out.startswith("hf: whole, 28 images")


def test_from_then_on_nobody_is_asked_even_when_main_moves(hub: HubServer, client: Client) -> None:
    hub.commit("datasets/me/moves", FACES)
    client("data", "prepare", "hf:me/moves")
    first = stored(client, "me-moves")["fingerprint"]
    moved = hub.commit("datasets/me/moves", {TRAIN: parquet(9)})
    hub.requests.clear()
    code, out, _ = client("data", "show", "hf:me/moves")
    assert code == 0 and first[:12] in out and hub.requests == []
    code, out, _ = client("data", "prepare", f"hf:me/moves?revision={moved}")
    assert code == 0 and moved[:12] in out and first[:12] not in out


def test_what_is_downloaded_is_prepared_again_with_the_hub_gone(hub: HubServer, client: Client) -> None:
    hub.commit("datasets/me/kept", FACES)
    first = client("data", "prepare", "hf:me/kept")
    later = Client("http://127.0.0.1:9", client.root, HF_HUB_OFFLINE="1")
    again = later("data", "prepare", "hf:me/kept")
    assert first[0] == again[0] == 0 and first[1] == again[1]
    assert "not on this machine, and the Hub is switched off" in later.refusal("data", "prepare", "hf:me/other")
    assert "takes no folder. Leave --from out" in later.refusal("data", "prepare", "hf:me/kept", "--from", str(client.root))
    later.close()


def test_only_the_files_of_the_chosen_splits_are_downloaded(hub: HubServer, client: Client) -> None:
    hub.commit("datasets/me/big", {**FACES, "data/extra-00000-of-00001.parquet": b"x" * 999, "faces.py": b"import os"})
    code, out, err = client("data", "prepare", "hf:me/big?splits=train:train;test:test")
    assert code == 0 and "28 images" in out, err
    assert hub.asked("GET", "me/big/resolve") and not hub.asked("GET", "extra") and not hub.asked("", "faces.py")


def test_a_folder_per_class_is_a_dataset_too(hub: HubServer, client: Client) -> None:
    pictures = {}
    for number, row in enumerate(pq.read_table(io.BytesIO(FACES[TRAIN])).to_pylist()):
        pictures[f"{'train' if number % 2 else 'test'}/{CLASSES[row['label']]}/{number}.png"] = row["image"]["bytes"]
    hub.commit("datasets/me/folders", pictures)
    code, out, err = client("data", "prepare", "hf:me/folders")
    assert code == 0 and "14 images" in out, err


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("hf:me/nowhere", "no such dataset, or it is private (401). Check the name; for a private one set HF_TOKEN"),
        ("hf:me/gated", "its owner lets in only who asked (403). Ask on its page, then set HF_TOKEN"),
        ("hf:me/plain?revision=v7", "no such revision (404)"),
        ("hf:me/plain", "holds numbers without names, and a number says nothing without its dataset"),
        ("hf:me/tables", "no Parquet file and no folder per class: it holds .csv, .py; its loading script (.py) is never run"),
        ("hf:me/a--b", "no name of a Hub dataset"),
    ],
)
def test_a_refusal_is_one_line_that_says_what_to_do(hub: HubServer, client: Client, reference: str, says: str) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"image": [b"x"], "label": [3]}), file)
    hub.commit("datasets/me/gated", FACES, gated=True)
    hub.commit("datasets/me/plain", {TRAIN: file.getvalue()})
    hub.commit("datasets/me/tables", {"faces.csv": b"a,b", "faces.py": b"import os"})
    assert says in client.refusal("data", "prepare", reference)
    assert not list((client.root / "ferbench/data").glob(f"hf-{reference[3:].partition('?')[0].replace('/', '-')}-*"))


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"path": "/api/datasets/me/NAME", "status": 500}, "the Hub answered 500. Try again later"),
        ({"path": "/me/NAME/resolve", "cut": 100, "methods": ("GET",)}, "the download broke off"),
        ({"path": "/me/NAME/resolve", "swap": True, "methods": ("GET",)}, "it should be"),
    ],
)
def test_a_fault_of_the_hub_is_one_line_and_the_next_try_works(
    hub: HubServer, client: Client, fault: dict[str, Any], says: str
) -> None:
    name = f"faulty{len(says)}"
    hub.commit(f"datasets/me/{name}", {TRAIN: FACES[TRAIN]})
    hub.fail(**{**fault, "path": fault["path"].replace("NAME", name)})
    assert says in client.refusal("data", "prepare", f"hf:me/{name}")
    hub.faults.clear()
    assert client("data", "prepare", f"hf:me/{name}")[0] == 0
