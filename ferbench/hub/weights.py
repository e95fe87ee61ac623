"""Weights from the Hugging Face Hub: pinned to a revision, checked by sha256, safetensors only, loaded strictly. Light.

The first use of ``hf:owner/name`` resolves its branch to a 40-hex revision and writes it to ``pins.json`` in FERBENCH_HOME with
the sha256 of the file. From then on the same reference reads the same bytes, online or offline; name a revision to move on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.errors import WeightsError
from ferbench.hub import client
from ferbench.hub.client import ELSEWHERE, HEX40, MODEL, sha256_of, told

if TYPE_CHECKING:
    from torch import Tensor, nn

_REFERENCE = re.compile(
    r"hf:(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w.%-]+))?(?:/(?P<file>[^@?]+))?(?:\?licence=(?P<licence>.*))?"
)
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".npz", ".tar")


@dataclass(frozen=True)
class Reference:
    """``hf:owner/name[@revision][/file][?licence=WORDS]``, taken apart. revision: as written, "main" when nothing was. licence: under
    which its user may use what its card grants nobody."""

    repo: str
    revision: str = "main"
    file: str | None = None
    licence: str = ""

    def __str__(self) -> str:
        return f"hf:{self.repo}@{self.revision}" + (f"/{self.file}" if self.file else "")


@dataclass(frozen=True)
class Fetched:
    """A file from the Hub on this disk, and exactly which one it is. revision: 40 hex digits. saw: the sets that taught it, where
    ferbench published it."""

    path: Path
    repo: str
    revision: str
    sha256: str
    licence: str
    saw: tuple[str, ...] = ()


@dataclass(frozen=True)
class WeightsInfo:
    """What a network started from, for the record. revision: 40 hex digits, None for a local file or random weights. saw: the
    data sets that these weights were trained on; ("unknown",) when nobody says."""

    name: str
    revision: str | None
    sha256: str | None
    licence: str
    saw: tuple[str, ...]


_SAW: tuple[tuple[str, str], ...] = (
    ("in1k", "ImageNet-1k"), ("in12k", "ImageNet-12k"), ("in21k", "ImageNet-21k"),
    ("in22k", "ImageNet-22k"),
    (".mae", "ImageNet-1k"), ("openai", "CLIP WIT-400M"), ("laion2b", "LAION-2B"), ("laion400m", "LAION-400M"),
    ("datacompxl", "DataComp-1B"), ("metaclip", "MetaCLIP"), ("webli", "WebLI"), ("lvd142m", "LVD-142M"),
    ("swsl", "Instagram-1B"),
    ("ms1m", "MS-Celeb-1M"), ("msceleb", "MS-Celeb-1M"), ("ms-celeb", "MS-Celeb-1M"), ("vggface2", "VGGFace2"),
    ("casia-webface", "CASIA-WebFace"), ("celeba", "CelebA"), ("affectnet", "AffectNet"),
    ("rafdb", "RAF-DB"), ("raf-db", "RAF-DB"),
    ("ferplus", "FERPlus"), ("fer2013", "FER2013"),
)  # fmt: skip


def what_it_saw(name: str) -> tuple[str, ...]:
    """Data sets behind weights of this name, by the marks that public names carry; ("unknown",) when there is none."""
    low = name.lower()
    return tuple(dict.fromkeys(data for mark, data in _SAW if mark in low)) or ("unknown",)


def parse(reference: str) -> Reference:
    """Take a reference apart (:class:`Reference`). Raises WeightsError for another form, and for anything but safetensors."""
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise WeightsError("not of the form hf:owner/name[@revision][/file.safetensors]", where=reference)
    refuse_unsafe(found["file"] or "model.safetensors", where=reference)
    revision = (found["revision"] or "main").replace("%2F", "/").replace("%2f", "/")
    return Reference(found["repo"], revision, found["file"], (found["licence"] or "").strip())


def refuse_unsafe(file: str, *, where: str) -> None:
    """Only .safetensors passes: a pickle, or a script, runs whatever its author wrote into it."""
    if file.endswith(".safetensors"):
        return
    kind = "a pickle can run code" if file.endswith(PICKLES) else "only .safetensors files are read"
    raise WeightsError(
        f"{kind}: {Path(file).name} is refused", where=where, next="Convert it once with safetensors.torch.save_file"
    )


def fetch(reference: str, *, offline: bool | None = None) -> Fetched:
    """The file behind a reference, downloaded once, pinned and checked. offline: None asks HF_HUB_OFFLINE.

    Raises WeightsError, one line that says what to do, when it is not there, not allowed, not safe, not reachable, or not the
    bytes it should be, and when nobody says under which licence it may be used.
    """
    wanted, pin = pinned(reference, offline=offline)
    licence = wanted.licence or pin.get("licence", "")
    if not licence:
        raise WeightsError(
            "its card names no licence, so that nobody has said that it may be used",
            where=reference,
            next="Ask its owner; who has leave writes it behind: ?licence=WORDS, which the record keeps",
        )
    offline = client.switched_off() if offline is None else offline
    with told(reference, MODEL):
        path = _download(wanted.repo, pin["file"], pin["revision"], offline)
    found = client.check(path, pin.get("sha256", ""), name=pin["file"], where=reference, kind=MODEL)
    client.pin(str(wanted), {**pin, "sha256": found})
    saw = tuple(json.loads(pin.get("saw", "[]")))
    return Fetched(path, wanted.repo, pin["revision"], found, licence, saw)


def pinned(reference: str, *, offline: bool | None = None) -> tuple[Reference, dict[str, str]]:
    """The reference taken apart, and its pin; one that was never used is resolved now, and not yet kept. Raises WeightsError."""
    wanted = parse(reference)
    pin = client.pins().get(str(wanted))
    if pin is None:
        if client.switched_off() if offline is None else offline:
            raise WeightsError("not on this machine, and the Hub is switched off", where=reference, next=ELSEWHERE)
        with told(reference, MODEL):
            pin = _resolve(wanted, reference)
    return wanted, pin


def _resolve(wanted: Reference, reference: str) -> dict[str, str]:
    """Ask the Hub once which revision, file and sha256 a reference means now."""
    from huggingface_hub import HfApi

    info = HfApi().model_info(wanted.repo, revision=wanted.revision, files_metadata=True)
    revision = str(info.sha)
    if not HEX40.fullmatch(revision):
        raise WeightsError(f"the Hub names revision {revision!r}, which is no 40-hex commit", where=reference)
    files = {item.rfilename: item for item in info.siblings or []}
    safe = sorted(name for name in files if name.endswith(".safetensors"))
    file = wanted.file or ("model.safetensors" if "model.safetensors" in files else safe[0] if len(safe) == 1 else None)
    if file is None and safe:
        raise WeightsError(f"it holds several files: {', '.join(safe[:6])}", where=reference, next="Name one: hf:owner/name/FILE")
    if file is None:
        unsafe = sorted(name for name in files if name.endswith(PICKLES))
        there = f"only {', '.join(unsafe[:3])}, and a pickle can run code" if unsafe else "no weights"
        raise WeightsError(f"no safetensors file: it holds {there}", where=reference, next=ELSEWHERE)
    if file not in files:
        raise WeightsError(
            f"no file {file!r} at {revision[:12]}; there is {', '.join(safe) or 'no safetensors'}", where=reference
        )
    card: Any = info.card_data
    licence = str((card.get("license") if card is not None else None) or "")
    lfs: Any = files[file].lfs
    pin = {"revision": revision, "file": file, "licence": licence, "sha256": str(lfs.sha256) if lfs is not None else ""}
    return pin | _published(wanted.repo, revision) if {"config.json", "manifest.json"} <= set(files) else pin


def _published(repo: str, revision: str) -> dict[str, str]:
    """What a method that ferbench published says of the sets that taught it; nothing of another's."""
    try:
        told = json.loads(_download(repo, "config.json", revision, False).read_bytes())["ferbench"]
        return {"saw": json.dumps([str(name) for name in told["saw"]])}
    except (ValueError, KeyError, TypeError):
        return {}


def _download(repo: str, file: str, revision: str, offline: bool) -> Path:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repo, file, revision=revision, local_files_only=offline))


def load_weights(
    module: nn.Module,
    reference: str,
    *,
    name: str = "",
    drop: Iterable[str] = (),
    allow: Iterable[str] = (),
    convert: Callable[[dict[str, Tensor]], Mapping[str, Tensor]] | None = None,
    offline: bool | None = None,
) -> WeightsInfo:
    """Load ``hf:…`` or a local .safetensors file into ``module``, strictly.

    drop: module paths in the file that are known to have no place here ("fc" of a classifier). allow: patterns of keys that may
    be missing or left over. convert: state dict → state dict of this module's names. A file of a whole ferbench method gives its
    ``backbone``. Raises WeightsError listing every missing, unused or misshapen key.
    """
    if reference.startswith("hf:"):
        got = fetch(reference, offline=offline)
        path, name = got.path, name or reference
        info = WeightsInfo(name, got.revision, got.sha256, got.licence, got.saw or what_it_saw(name))
    else:
        path = Path(reference).expanduser()
        refuse_unsafe(path.name, where=reference)
        if not path.is_file():
            raise WeightsError("no such file", where=reference, next="Give --weights an existing .safetensors file, or random")
        info = WeightsInfo(name or path.name, None, sha256_of(path), "", what_it_saw(name or path.name))
    state = _backbone_of(read_safetensors(path, where=reference), module)
    state = dict(convert(state)) if convert is not None else state
    tops = tuple(drop)
    state = {key: value for key, value in state.items() if not any(key == top or key.startswith(f"{top}.") for top in tops)}
    _load_strictly(module, state, tuple(allow), where=reference)
    return info


def read_safetensors(path: Path, *, where: str) -> dict[str, Tensor]:
    """Every tensor of the file by key. Raises WeightsError when it is damaged or not safetensors at all."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as problem:
        raise WeightsError(f"not a readable safetensors file ({problem})", where=where) from problem


def _backbone_of(state: dict[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """The backbone's part of a published method, as ``module`` names it where that is the one network inside; anything else as it is."""
    slots = {key.partition(".")[0] for key in state}
    if "backbone" not in slots or not slots <= {"backbone", "masking", "disentangler", "head"}:
        return state
    inside = {key.removeprefix("backbone."): value for key, value in state.items() if key.startswith("backbone.")}
    tops = {key.partition(".")[0] for key in inside}
    if len(tops) == 1 and not tops & {name for name, _ in module.named_children()}:
        return {key.partition(".")[2]: value for key, value in inside.items()}
    return inside


def _load_strictly(module: nn.Module, state: Mapping[str, Tensor], allow: tuple[str, ...], *, where: str) -> None:
    own = module.state_dict()
    counters = {key for key in own if key.endswith(".num_batches_tracked")}  # old files do not have them, and nothing reads them
    missing = _unless(allow, set(own) - set(state) - counters)
    unused = _unless(allow, set(state) - set(own))
    both = set(own) & set(state)
    misshapen = sorted(key for key in both if own[key].shape != state[key].shape)
    if not (missing or unused or misshapen):
        module.load_state_dict({key: state[key] for key in both}, strict=False)
        return
    shapes = [f"{key} {tuple(state[key].shape)} for {tuple(own[key].shape)}" for key in misshapen]
    told = [
        f"{len(keys)} {what}: {', '.join(keys[:8])}{', …' if len(keys) > 8 else ''}"
        for what, keys in (("missing", missing), ("unused", unused), ("of another shape", shapes))
        if keys
    ]
    raise WeightsError(f"does not fit; keys {'; '.join(told)}", where=where, next="Another backbone, or another file")


def _unless(allow: tuple[str, ...], keys: set[str]) -> list[str]:
    return sorted(key for key in keys if not any(fnmatchcase(key, pattern) for pattern in allow))
