"""What remembering a frozen network's features is worth: CAFE's and DFD-Net's step with them, live, and ERM's, interleaved in one process.

uv run pytest tests/benchmarks/test_bench_remember.py -n 0 --benchmark-enable -s
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from ferbench.data.loader import Faces, Loader
from ferbench.flow import Batch, Progress
from ferbench.machine import multiplies_bf16
from ferbench.method.component import Site
from ferbench.method.compose import assemble
from ferbench.plugins import load
from ferbench.recipe import resolve
from ferbench.schema import LABEL_SPACES
from ferbench.train.remember import remember
from ferbench.train.step import Step
from ferbench.train.workshop import without_weights

DEVICE = torch.device("cpu")
DTYPE = torch.bfloat16 if multiplies_bf16(DEVICE) else torch.float32
BATCH, STEPS, ROUNDS = 16, 2, 15
FACTORS = {name: ("a", "b", "c") for name in ("gender", "age", "race", "identity", "illumination", "pose")}
Run = Callable[[], float]


def faces(n: int, side: int) -> Faces:
    random = np.random.default_rng(0)
    return Faces(
        images=(random.integers(0, 255, (n, side, side, 3), dtype=np.uint8),), rows=(np.arange(n),),
        expression=random.integers(0, 7, n), domain=np.zeros(n, np.int64), affect=np.full((n, 2), np.nan, np.float32),
        ids=tuple(map(str, range(n))), names=("made",),
    )  # fmt: skip


def runner(name: str, side: int, *, remembered: bool, teachers: int = 1, more: tuple[str, ...] = ()) -> Run:
    """Seconds of STEPS steps of a recipe at the paper's size, with flips alone, random weights and untrained teachers."""
    registry = load()
    settings = [f"batch={BATCH}", "view.augment=flip", f"view.resize={side}", "view.crop=0", *more]
    recipe = resolve(registry.recipe(name).raw, registry, where=name, settings=settings)
    labels, stage = LABEL_SPACES["basic7"], without_weights(recipe.deployed)
    taught = {}
    for here, source in stage.teachers.items():
        earlier = without_weights(next(one for one in recipe.stages if one.name == source))
        site = Site(labels, side, factors=FACTORS)
        taught[here] = tuple(
            assemble(earlier, site, registry, provided=frozenset({"factors"}), seed=number).eval().requires_grad_(False)
            for number in range(teachers)
        )
    site = Site(labels, side, normalise=stage.view.mean_std, teachers=taught)
    method = assemble(stage, site, registry).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    method.train()
    step = Step(method, stage, DEVICE, DTYPE)
    batches: Any = Loader(faces(BATCH * STEPS, side), stage.view, BATCH, 0, DEVICE, channels_last=True)
    if remembered:
        live, batches = batches, remember(method, batches, stage.epochs, step.autocast, lambda *_: None)
        assert batches is not live
    epochs: Iterator[int] = iter(range(10_000))

    def run() -> float:
        epoch = next(epochs)
        began = time.perf_counter()
        for number, batch in enumerate(batches.epoch(epoch)):
            assert isinstance(batch, Batch)
            step(batch, Progress(epoch, number, 0.5), 0.0)
        return time.perf_counter() - began

    return run


def ratios(runs: dict[str, Run]) -> tuple[float, float]:
    """Medians over rounds: the remembered step over ERM's, and the live one over the remembered."""
    for run in runs.values():
        run()
    found = [{name: run() for name, run in runs.items()} for _ in range(ROUNDS)]
    return (
        statistics.median(one["kept"] / one["erm"] for one in found),
        statistics.median(one["live"] / one["kept"] for one in found),
    )


def test_cafes_step_with_remembered_features_against_a_live_one_and_erms(benchmark: Any) -> None:
    """Goals: at most 1.05 × ERM's step, and at least 1.7 × as fast as live (features of ViT-B/32 beside ResNet-18, 224 pixels)."""
    runs = {"erm": runner("erm", 224, remembered=False), "live": runner("cafe", 224, remembered=False),
            "kept": runner("cafe", 224, remembered=True)}  # fmt: skip
    to_erm, faster = benchmark.pedantic(ratios, args=(runs,), rounds=1)
    benchmark.extra_info.update(step_over_erm=to_erm, speed_over_live=faster)
    print(f"\nCAFE with remembered features: {to_erm:.3f} × ERM's step, {faster:.2f} × as fast as live ({DTYPE})")


def test_dfd_nets_second_stage_against_erm_on_the_same_backbone(benchmark: Any) -> None:
    """Goal: at most 1.6 × ERM's step (PreAct ResNet-18, 90 pixels, two extractors), with features remembered."""
    backbone = ("backbone=preact_resnet18", "backbone.weights=random")
    runs = {"erm": runner("erm", 90, remembered=False, more=backbone), "live": runner("dfd-net", 90, remembered=False, teachers=2),
            "kept": runner("dfd-net", 90, remembered=True, teachers=2)}  # fmt: skip
    to_erm, faster = benchmark.pedantic(ratios, args=(runs,), rounds=1)
    benchmark.extra_info.update(step_over_erm=to_erm, speed_over_live=faster)
    print(
        f"\nDFD-Net's second stage with remembered features: {to_erm:.3f} × ERM's step, {faster:.2f} × as fast as live ({DTYPE})"
    )
