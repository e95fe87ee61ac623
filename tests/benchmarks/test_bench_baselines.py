"""What the baselines cost over plain cross-entropy: a step of each against ERM's on the same network, pictures and batch,
interleaved in one process.

uv run pytest tests/benchmarks/test_bench_baselines.py -n 0 --benchmark-enable -s
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fixtures_steps import DEVICE, DTYPE, Run, ratio, timed

from ferbench.flow import Progress
from ferbench.method.component import Site
from ferbench.method.compose import assemble
from ferbench.plugins import load
from ferbench.recipe import Stage, resolve
from ferbench.schema import LABEL_SPACES
from ferbench.train.rehearsal import copies_of, made_up
from ferbench.train.step import Step
from ferbench.train.workshop import without_weights

SIDE, BATCH, ROUNDS = (224, 64, 25) if DEVICE.type == "cuda" else (112, 16, 15)
GOALS = {"eac": 2.1, "mixstyle": 1.05, "scn": 1.1, "rul": 1.1}


def stage_of(name: str, *settings: str) -> Stage:
    """The last stage with a ResNet-18 and random weights, and the same optimiser for all."""
    common = ("backbone=resnet18", f"view.resize={SIDE}", "view.crop=0", f"batch={BATCH}", "optimiser.name=adam", *settings)
    return without_weights(resolve(load().recipe(name).raw, load(), where=name, settings=common).deployed)


def runner(stage: Stage) -> Run:
    """Seconds of one training step on made-up faces, labels changed after it where the method does that."""
    site = Site(LABEL_SPACES["basic7"], SIDE, domains=2, normalise=stage.view.mean_std)
    method = assemble(stage, site, load()).to(DEVICE, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    step = Step(method, stage, DEVICE, DTYPE)
    batch = made_up(method.site, BATCH, copies=copies_of(stage), device=DEVICE)
    method.start(batch.expression[:BATCH])
    return timed(step, batch, Progress(50, 0, 0.5))


@pytest.mark.parametrize("name", GOALS)
def test_a_step_against_erms(benchmark: Any, name: str) -> None:
    """Goals: EAC at most 2.1 (two pictures of a face), MixStyle 1.05 (it mixes in every step here, twice its share), SCN and RUL 1.1."""
    one, other = runner(stage_of(name, *(("disentangler.p=1.0",) if name == "mixstyle" else ()))), runner(stage_of("erm"))
    found = benchmark.pedantic(ratio, args=(one, other, ROUNDS, 2), rounds=1)
    benchmark.extra_info.update(ratio=found, goal=GOALS[name])
    about = f"ResNet-18 {SIDE} px batch {BATCH}, {DTYPE}, {DEVICE.type}"
    print(f"\n{name}'s step : ERM's: {found:.3f} (goal: at most {GOALS[name]}; {about})")
