"""Everything that needs a GPU, in under ten minutes, into one folder: tests marked gpu, throughput of every method, the board's runs.

    python tools/gpu_checks.py OUT

Prints one table (images per second in bf16, with and without torch.compile, and peak memory) and leaves it in OUT beside the records.
Without a CUDA device it says so and ends with exit code 2.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from ferbench.flow import Progress
from ferbench.method.component import Site
from ferbench.method.compose import assemble
from ferbench.plugins import Registry, load
from ferbench.recipe import Stage, resolve
from ferbench.schema import LABEL_SPACES
from ferbench.train.rehearsal import made_up
from ferbench.train.step import Step
from ferbench.train.workshop import without_weights

FACTORS = {name: tuple("abcde") for name in ("gender", "age", "race", "identity", "illumination", "pose")}
BATCHES = (32, 256)
MINUTES = {"tests": 2, "runs": 4}


def throughput(stage: Stage, teachers: dict[str, Any], registry: Registry, batch: int, compiled: bool) -> dict[str, float]:
    """Images per second and peak GiB of one stage's training step on data that is already on the device."""
    device = torch.device("cuda")
    site = Site(LABEL_SPACES["basic7"], stage.view.side, factors=FACTORS, teachers=teachers)
    method = assemble(without_weights(stage), site, registry, provided=frozenset({"factors"}))
    method.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    step = Step(method.train(), stage, device, torch.bfloat16, compile=compiled)
    data, progress = made_up(method.site, batch, device=device), Progress(0, 0, 0.0)
    for _ in range(5):
        step(data, progress, 0.0)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    steps, began = 30, time.perf_counter()
    for _ in range(steps):
        step(data, progress, 0.0)
    torch.cuda.synchronize()
    return {
        "images_per_second": batch * steps / (time.perf_counter() - began),
        "peak_gib": torch.cuda.max_memory_allocated() / 2**30,
    }


def methods(registry: Registry) -> list[dict[str, Any]]:
    """One row per method, stage, batch and mode, at the paper's settings."""
    rows = []
    for name, file in registry.recipes.items():
        recipe = resolve(file.raw, registry, where=name)
        built: dict[str, Any] = {}
        for stage in recipe.stages:
            teachers = {key: (built[source],) for key, source in stage.teachers.items()}
            site = Site(LABEL_SPACES["basic7"], stage.view.side, factors=FACTORS, teachers=teachers)
            teacher = assemble(without_weights(stage), site, registry, provided=frozenset({"factors"}))
            built[stage.name] = teacher.cuda().eval().requires_grad_(False)
            for batch in BATCHES:
                for compiled in (False, True):
                    try:
                        found = throughput(stage, teachers, registry, batch, compiled)
                    except Exception as problem:  # a mode that fails is a row that says so
                        found = {"error": f"{type(problem).__name__}: {str(problem).splitlines()[0][:80]}"}
                    row = {"method": name, "stage": stage.name, "batch": batch, "compile": compiled, **found}
                    rows.append(row)
                    print(json.dumps(row), flush=True)
    return rows


def run_for(minutes: int, *command: str) -> int:
    try:
        return subprocess.run(command, timeout=60 * minutes, check=False).returncode
    except subprocess.TimeoutExpired:
        return 124


def main(out: Path) -> int:
    if not torch.cuda.is_available():
        print("no CUDA device: nothing was checked")
        return 2
    out.mkdir(parents=True, exist_ok=True)
    from tabulate import tabulate

    rows = methods(load())
    told: dict[str, Any] = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "throughput": rows}
    told["gpu_tests"] = run_for(MINUTES["tests"], sys.executable, "-m", "pytest", "-m", "gpu", "-q")
    command = (sys.executable, "-m", "ferbench", "run", "--source", "synth-wild", "--preset", "quick", "--out", str(out / "runs"))
    told["runs"] = {name: run_for(MINUTES["runs"], *command, "--method", name) for name in load().recipes}
    (out / "gpu.json").write_text(json.dumps(told, indent=1))
    table = tabulate(rows, headers="keys", floatfmt=".1f", tablefmt="github")
    (out / "gpu.md").write_text(f"{told['device']}, torch {told['torch']}\n\n{table}\n")
    print(table)
    print("gpu tests:", told["gpu_tests"], " runs:", told["runs"])
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "gpu-checks")))
