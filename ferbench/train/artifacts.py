"""What a stage leaves behind: weights as safetensors and a description, under a key made of everything it came from.

Looking at artifacts needs no torch; reading and writing their tensors does.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.errors import WeightsError
from ferbench.files import write_atomic

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Artifact:
    """A finished stage. ``losses``: mean of each term in the last epoch. ``history``: one entry per epoch."""

    key: str
    stage: str
    epochs: int
    steps: int
    selected_epoch: int
    parameters: int
    trainable: int
    losses: dict[str, float]
    history: list[dict[str, Any]]
    weights_sha256: str
    initial_weights: list[dict[str, Any]] = field(default_factory=list)
    frozen: list[str] = field(default_factory=list)
    seconds: float = 0.0


class ArtifactStore:
    """A folder of artifacts. A key is there whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: str) -> Path:
        return self.root / key

    def file(self, key: str) -> Path:
        """Where the stage's weights are."""
        return self.folder(key) / "weights.safetensors"

    def work_folder(self, key: str) -> Path:
        """Where a stage keeps its checkpoint until it is done."""
        return self.root / f"{key}.work"

    def find(self, key: str) -> Artifact | None:
        path = self.folder(key) / "artifact.json"
        return Artifact(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None

    def weights(self, key: str) -> dict[str, Tensor]:
        """The stage's weights. Raises WeightsError when the file is not the one that the stage wrote."""
        from safetensors.torch import load_file

        artifact, path = self.find(key), self.file(key)
        if artifact is None or not path.is_file():
            raise WeightsError("no such artifact", where=str(self.folder(key)))
        if hashlib.sha256(path.read_bytes()).hexdigest() != artifact.weights_sha256:
            raise WeightsError("the file was changed after training", where=str(path), next="Remove its folder to train it again")
        return load_file(path)

    def add(self, artifact: Artifact, weights: bytes, snapshots: Mapping[int, bytes]) -> Path:
        """Write all parts into the work folder, then rename it."""
        work, final = self.work_folder(artifact.key), self.folder(artifact.key)
        write_atomic(work / "weights.safetensors", weights)
        for epoch, data in snapshots.items():
            write_atomic(work / f"epoch-{epoch:03}.safetensors", data)
        text = json.dumps(asdict(artifact), indent=1, sort_keys=True)
        write_atomic(work / "artifact.json", text.encode())
        for left in (*work.glob("*.pt"), *work.glob(".*.tmp")):  # only now: killed before the rename, the stage resumes from them
            left.unlink()
        if final.exists():
            shutil.rmtree(final)
        os.replace(work, final)
        return final


def to_bytes(state: Mapping[str, Tensor]) -> bytes:
    """safetensors bytes of a state dict: contiguous, on the CPU, shared tensors written once per name."""
    from safetensors.torch import save

    data: bytes = save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()})
    return data


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Every key fits or the run stops with the lists of what is missing and what is left over."""
    own = module.state_dict()
    missing, unused = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    shapes = [
        f"{k} {tuple(state[k].shape)} → {tuple(own[k].shape)}"
        for k in sorted(set(own) & set(state))
        if own[k].shape != state[k].shape
    ]
    if missing or unused or shapes:
        told = [f"{what}: {', '.join(names[:6])}{' …' if len(names) > 6 else ''}" for what, names in
                (("missing", missing), ("unused", unused), ("other shape", shapes)) if names]  # fmt: skip
        raise WeightsError("weights do not fit; " + "; ".join(told), where=where)
    module.load_state_dict(dict(state), strict=True)


def part_of(state: Mapping[str, Tensor], path: str) -> dict[str, Tensor]:
    """The entries under ``path``, with that prefix taken off; all of them for an empty path."""
    if not path:
        return dict(state)
    return {name.removeprefix(f"{path}."): tensor for name, tensor in state.items() if name.startswith(f"{path}.")}


def fingerprint_of(module: nn.Module) -> str:
    """SHA-256 over names and bytes of all parameters and buffers: equal exactly when nothing changed."""
    import torch

    whole = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        whole.update(name.encode())
        whole.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()
