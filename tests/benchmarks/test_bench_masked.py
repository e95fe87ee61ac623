"""What masked pre-training saves and costs: MAE's step against the same encoder on all tokens, ESGM's mask against a random one, decoupling
against MAE + ResNet-18, interleaved in one process; and the quick preset from nothing.

uv run pytest tests/benchmarks/test_bench_masked.py -n 0 --benchmark-enable -s
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from fixtures_steps import DEVICE, DTYPE, Run, ratio, timed

from ferbench.flow import Progress
from ferbench.method.component import Site
from ferbench.method.compose import assemble
from ferbench.plugins import load
from ferbench.recipe import Stage, resolve
from ferbench.schema import LABEL_SPACES
from ferbench.train.loop import freeze
from ferbench.train.rehearsal import made_up
from ferbench.train.step import Step
from ferbench.train.workshop import without_weights

BATCH, ROUNDS = (128, 15) if DEVICE.type == "cuda" else (32, 3)


def stage_of(method: str, stage: str, *settings: str, variant: str | None = None) -> Stage:
    """A stage at the paper's size, with random weights."""
    registry = load()
    recipe = resolve(registry.recipe(method).raw, registry, where=method, variant=variant, settings=settings)
    return without_weights(next(one for one in recipe.stages if one.name == stage))


def runner(stage: Stage) -> Run:
    """Seconds of one training step on made-up faces with parsing maps and two domains."""
    site = Site(LABEL_SPACES["basic7"], stage.view.side, domains=2, normalise=stage.view.mean_std)
    built = assemble(stage, site, load(), provided=frozenset({"parsing"}))
    method = built.to(DEVICE, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    for module in freeze(method, stage.frozen).values():
        module.eval()
    step, batch = Step(method, stage, DEVICE, DTYPE), made_up(method.site, BATCH, ("parsing",), device=DEVICE)
    return timed(step, batch, Progress(0, 0, 0.5))


def measured(benchmark: Any, name: str, one: Stage, other: Stage, goal: float) -> None:
    found = benchmark.pedantic(ratio, args=(runner(one), runner(other), ROUNDS), rounds=1)
    benchmark.extra_info.update(ratio=found, goal=goal)
    print(f"\n{name}: {found:.3f} (goal: at most {goal}; batch {BATCH}, {DTYPE}, {DEVICE.type})")


def test_maes_step_against_the_same_encoder_on_all_tokens(benchmark: Any) -> None:
    """Goal: at most 0.5 at ratio 0.75. Without a mask the same encoder and decoder see every token."""
    masked, whole = stage_of("mae", "pretrain"), stage_of("mae", "pretrain", "pretrain.masking=none")
    measured(benchmark, "MAE's step at ratio 0.75 : all tokens", masked, whole, 0.5)


def test_esgms_masking_against_a_random_mask_of_the_same_ratio(benchmark: Any) -> None:
    """Goal: at most 1.15, in stage 1a, where the attention block learns."""
    learnt = stage_of("esgm", "warmup")
    random = stage_of("esgm", "warmup", "warmup.masking=random", "warmup.masking.ratio=0.2")
    measured(benchmark, "step with ESGM's mask : random mask", learnt, random, 1.15)


def test_progressive_decoupling_against_mae_and_resnet18(benchmark: Any) -> None:
    """Goal: at most 1.35, with as many pictures in the batch."""
    measured(
        benchmark,
        "PDED's step : MAE + ResNet-18",
        stage_of("esgm", "finetune"),
        stage_of("esgm", "finetune", variant="ESGM"),
        1.35,
    )


def test_the_quick_preset_from_nothing(benchmark: Any, tmp_path: Path) -> None:
    """Goal: at most six minutes on two cores, synthetic faces drawn anew."""
    command = [sys.executable, "-m", "ferbench", "run", "--method", "esgm", "--source", "synth-wild", "--preset", "quick",
               "--target", "synth-lab", "--device", "cpu", "--out", str(tmp_path / "runs")]  # fmt: skip
    home = {**os.environ, "FERBENCH_HOME": str(tmp_path / "home")}

    def run() -> float:
        began = time.perf_counter()
        subprocess.run(command, env=home, check=True, capture_output=True)
        return time.perf_counter() - began

    seconds = benchmark.pedantic(run, rounds=1)
    benchmark.extra_info.update(seconds=seconds, goal=360)
    print(f"\nesgm --preset quick from nothing: {seconds:.0f} s (goal: at most 360), {os.cpu_count()} cores")
