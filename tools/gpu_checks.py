"""Everything that needs a GPU, in under ten minutes, into one folder: tests marked gpu, throughput of every method, the board's runs.

    python tools/gpu_checks.py OUT
    python tools/gpu_checks.py OUT --device cpu --preset quick --batch 8 --steps 2     # tries the script itself

Prints one table (images per second, with and without torch.compile, and peak memory) and leaves it in OUT beside the records. What its
time does not allow is a row that says so: steps without torch.compile come first. Without a CUDA device it says so and ends with 2.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ferbench.flow import Progress
from ferbench.method.component import Site
from ferbench.method.compose import Method, assemble
from ferbench.plugins import Registry, load
from ferbench.recipe import Stage, resolve
from ferbench.schema import LABEL_SPACES
from ferbench.train.loop import freeze
from ferbench.train.rehearsal import copies_of, made_up
from ferbench.train.step import Step
from ferbench.train.workshop import without_weights

FACTORS = {name: tuple("abcde") for name in ("gender", "age", "race", "identity", "illumination", "pose")}
LABELLED = frozenset({"factors", "parsing", "affect"})
MINUTES = {"throughput": 4.5, "tests": 2, "runs": 3}


@dataclass(frozen=True)
class Case:
    """A stage's training step: on a batch of this many pictures, copies counted, compiled or not."""

    method: str
    stage: Stage
    built: Method
    batch: int
    compiled: bool


def stages(registry: Registry, preset: str, names: list[str]) -> Iterator[tuple[str, Stage, Method]]:
    """Every stage of every method with untrained weights; teachers are the stages before it."""
    for name in names:
        recipe = resolve(registry.recipe(name).raw, registry, where=name, preset=preset)
        built: dict[str, Method] = {}
        for stage in recipe.stages:
            teachers = {key: (built[source],) for key, source in stage.teachers.items()}
            site = Site(
                LABEL_SPACES["basic7"],
                stage.view.side,
                factors=FACTORS,
                domains=2,
                teachers=teachers,
                normalise=stage.view.mean_std,
            )
            method = assemble(without_weights(stage), site, registry, provided=LABELLED)
            built[stage.name] = copy.deepcopy(method).eval().requires_grad_(False)
            yield name, stage, method


def throughput(case: Case, device: torch.device, steps: int) -> dict[str, float]:
    """Images per second and peak GiB of the step on data that is already on the device, in bf16."""
    copies = copies_of(case.stage)
    faces = max(2, case.batch // (1 + copies))
    method = case.built.train().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    for frozen in freeze(method, case.stage.frozen).values():
        frozen.eval()
    try:
        step = Step(method, case.stage, device, torch.bfloat16, compile=case.compiled)
        data, progress = made_up(method.site, faces, ("parsing",), copies=copies, device=device), Progress(0, 0, 0.0)
        method.start(data.expression[:faces])
        for _ in range(min(5, steps)):
            step(data, progress, 0.0)
        _wait(device)
        began = time.perf_counter()
        for _ in range(steps):
            step(data, progress, 0.0)
        _wait(device)
        found = {"images_per_second": faces * (1 + copies) * steps / (time.perf_counter() - began)}
        return found | ({"peak_gib": torch.cuda.max_memory_allocated() / 2**30} if device.type == "cuda" else {})
    finally:
        method.to("cpu")


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def rows(cases: list[Case], device: torch.device, steps: int, seconds: float) -> Iterator[dict[str, Any]]:
    """A row per case; one that fails, or that the time does not allow, says so."""
    until = time.monotonic() + seconds
    for case in sorted(cases, key=lambda case: case.compiled):
        row = {"method": case.method, "stage": case.stage.name, "batch": case.batch, "compile": case.compiled}
        if time.monotonic() > until:
            yield {**row, "error": "not run: out of time"}
            continue
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        try:
            found: dict[str, Any] = throughput(case, device, steps)
        except Exception as problem:  # a mode that fails is a row that says so
            found = {"error": f"{type(problem).__name__}: {str(problem).splitlines()[0][:80]}"}
        print(json.dumps({**row, **found}), flush=True)
        yield {**row, **found}


def run_for(minutes: float, *command: str) -> int:
    try:
        return subprocess.run(command, timeout=60 * minutes, check=False).returncode
    except subprocess.TimeoutExpired:
        return 124


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("out", type=Path)
    asked.add_argument("--device", default="cuda")
    asked.add_argument("--preset", default="paper")
    asked.add_argument("--batch", type=int, default=128)
    asked.add_argument("--steps", type=int, default=20)
    asked.add_argument("--methods", help="with commas; default: all")
    given = asked.parse_args()
    device, registry = torch.device(given.device), load()
    if device.type == "cuda" and not torch.cuda.is_available():
        print("no CUDA device: nothing was checked")
        return 2
    from tabulate import tabulate

    given.out.mkdir(parents=True, exist_ok=True)
    names = given.methods.split(",") if given.methods else list(registry.recipes)
    modes = (False, True) if device.type == "cuda" else (False,)
    cases = [Case(*one, given.batch, compiled) for one in stages(registry, given.preset, names) for compiled in modes]
    table = list(rows(cases, device, given.steps, 60 * MINUTES["throughput"]))
    told: dict[str, Any] = {"device": str(device), "torch": torch.__version__, "throughput": table}
    if device.type == "cuda":
        told["device"] = torch.cuda.get_device_name()
        told["gpu_tests"] = run_for(MINUTES["tests"], sys.executable, "-m", "pytest", "-m", "gpu", "-q")
        told["sweep"] = run_for(
            MINUTES["runs"], sys.executable, "-m", "ferbench", "sweep", "--protocol", "synth@1", "--methods", ",".join(names),
            "--sources", "synth-wild", "--seeds", "1", "--preset", "quick", "--out", str(given.out / "runs"),
        )  # fmt: skip
    (given.out / "gpu.json").write_text(json.dumps(told, indent=1))
    shown = f"{told['device']}, torch {told['torch']}\n\n{tabulate(table, headers='keys', floatfmt='.1f', tablefmt='github')}\n"
    (given.out / "gpu.md").write_text(shown)
    print(shown, "gpu tests:", told.get("gpu_tests", "none"), " sweep:", told.get("sweep", "none"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
