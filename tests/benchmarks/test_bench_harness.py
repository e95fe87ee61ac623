"""What the harness costs over the bare loop of the same model, and what bf16 gives. Ratios within one run, printed and kept.

uv run pytest tests/benchmarks/test_bench_harness.py -n 0 --benchmark-enable -s
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures_tiny import core

from ferbench.builtin.heads.losses import cross_entropy
from ferbench.data.loader import Faces, Loader
from ferbench.flow import Batch, Progress
from ferbench.machine import multiplies_bf16
from ferbench.method.component import Site
from ferbench.method.compose import Method, assemble
from ferbench.plugins import load
from ferbench.recipe import Stage, resolve
from ferbench.schema import LABEL_SPACES
from ferbench.train.loop import Loop, train

PAIRS = 15
STEPS = 4
DEVICE = torch.device("cpu")
DTYPE = torch.bfloat16 if multiplies_bf16(DEVICE) else torch.float32
FACTORS = {name: ("a", "b", "c") for name in ("gender", "age", "race", "identity", "illumination", "pose")}


class Quiet:
    """Nobody watches, nobody stops."""

    stop = False

    def step(self, **_: Any) -> None: ...
    def epoch(self, entry: dict[str, Any]) -> None: ...
    def phase(self, what: str, done: int, total: int) -> None: ...


class Clock:
    """A loader whose epochs are timed from the first batch asked for to the end of the last step."""

    def __init__(self, loader: Loader, steps: int) -> None:
        self.loader, self.steps, self.seconds = loader, steps, 0.0

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        began = time.perf_counter()
        for number, batch in enumerate(self.loader.epoch(epoch, start)):
            if number == self.steps:
                break
            yield batch
        self.seconds = time.perf_counter() - began


def faces(n: int, side: int) -> Faces:
    random = np.random.default_rng(0)
    labels = random.integers(0, 7, n)
    return Faces(
        images=(random.integers(0, 255, (n, side, side, 3), dtype=np.uint8),),
        rows=(np.arange(n),),
        expression=labels,
        domain=np.zeros(n, np.int64),
        affect=np.full((n, 2), np.nan, np.float32),
        ids=tuple(map(str, range(n))),
        names=("made",),
        factors={name: random.integers(0, 3, n) for name in FACTORS},
        factor_classes=FACTORS,
    )


def built(name: str, side: int, batch: int, *more: str) -> tuple[Method, Stage]:
    """The last stage of a recipe at a size, with untrained teachers."""
    registry = load()
    settings = [f"view.resize={side}", "view.crop=0", "view.augment=flip", f"batch={batch}", "epochs=1", *more]
    recipe = resolve(registry.recipe(name).raw, registry, where=name, preset="quick", settings=settings)
    labels = LABEL_SPACES["basic7"]
    teachers = {}
    for stage in recipe.stages[:-1]:
        teacher = assemble(stage, Site(labels, side, factors=FACTORS), registry, provided=frozenset({"factors"}))
        teachers[stage.name] = (teacher.eval().requires_grad_(False).to(memory_format=torch.channels_last),)
    stage = recipe.deployed
    site = Site(labels, side, factors=FACTORS, teachers={name: teachers[source] for name, source in stage.teachers.items()})
    return assemble(stage, site, registry, provided=frozenset({"factors"})), stage


def harness(method: Method, stage: Stage, loader: Loader, work: Path, dtype: torch.dtype = DTYPE) -> Callable[[], float]:
    def run() -> float:
        clock = Clock(loader, STEPS)
        train(method, stage, clock, Loop(DEVICE, dtype, seed=0), work, Quiet())
        return clock.seconds

    return run


def bare(
    method: Method, stage: Stage, data: Faces, dtype: torch.dtype = DTYPE, layout: torch.memory_format = torch.channels_last
) -> Callable[[], float]:
    """The shortest loop that does the same work: no names, no weights table, no checks, no resuming. What is frozen is asked in every
    step, as the harness does in a run of one epoch."""
    method.to(memory_format=layout)
    critics = [p for n, p in method.named_parameters() if n.startswith("disentangler.critics")]
    critic_ids = {id(p) for p in critics}
    main = [p for p in method.parameters() if id(p) not in critic_ids and p.requires_grad]
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    weights = {**stage.losses, **stage.critics}
    plain = stage.head.use == "linear" and stage.disentangler.use == "none"
    loader = Loader(data, stage.view, stage.batch, 0)

    def run() -> float:
        one = torch.optim.Adam(
            main, lr=1e-4, fused=True
        )  # anew, as a run of the harness has it: its moments are made in the first step
        two = torch.optim.Adam(critics, lr=1e-4, fused=True) if critics else None
        method.train()
        began = time.perf_counter()
        for step in range(STEPS):
            rows = np.arange(step * stage.batch, (step + 1) * stage.batch) % len(data)
            picture = torch.from_numpy(data.images[0][rows]).permute(0, 3, 1, 2).float().div_(255).sub_(mean).div_(std)
            batch = None if plain else loader._batch(rows, 0)
            progress = Progress(0, step, 0.0)
            with torch.autocast("cpu", dtype=dtype, enabled=dtype is torch.bfloat16):
                from ferbench.flow import Inputs

                shown = batch.inputs if batch is not None and batch.copies else Inputs(picture.contiguous(memory_format=layout))
                output = method(shown)
                if two is not None:
                    cut = output.detached()
                    sum(weights[k] * v for k, v in method.critic_losses(cut, batch, progress).items()).backward()  # type: ignore
            if two is not None:
                two.step()
                two.zero_grad()
            with torch.autocast("cpu", dtype=dtype, enabled=dtype is torch.bfloat16):
                if batch is None:
                    logits = output.predictions["expression"]
                    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(data.expression[rows]))
                else:
                    loss = sum(weights[k] * v for k, v in method.losses(output, batch, progress).items())  # type: ignore
            loss.backward(inputs=main if two is not None else None)
            one.step()
            one.zero_grad()
            if batch is not None:
                method.after_step(output, batch, progress)
        return time.perf_counter() - began

    return run


@pytest.mark.parametrize(
    "name, side, batch",
    [
        ("erm", 112, 32),
        ("addl", 64, 32),
        ("cafe", 64, 32),
        ("dfd-net", 48, 32),
        ("scn", 64, 32),
        ("eac", 64, 32),
        ("dacl", 64, 32),
    ],
)
def test_harness_against_the_bare_loop(benchmark: Any, tmp_path: Path, name: str, side: int, batch: int) -> None:
    data = faces(batch * STEPS, side)
    method, stage = built(name, side, batch)
    other, _ = built(name, side, batch)
    loader = Loader(data, stage.view, batch, 0, DEVICE, channels_last=True)
    ours, theirs = harness(method, stage, loader, tmp_path), bare(other, stage, data)

    def pairs() -> float:
        found = []
        ours(), theirs()
        for number in range(PAIRS):
            first, second = (ours, theirs) if number % 2 else (theirs, ours)
            a, b = first(), second()
            found.append(b / a if number % 2 else a / b)
        return statistics.median(found)

    ratio = benchmark.pedantic(pairs, rounds=1)
    benchmark.extra_info["bare_over_harness"] = ratio
    print(f"\n{name} {side} px batch {batch}: the harness runs at {ratio:.3f} x the bare loop's speed ({DTYPE})")


def test_what_a_step_of_the_harness_costs_over_the_bare_loop(benchmark: Any, tmp_path: Path) -> None:
    """Goal: at most 60 µs, on a model so small that little else is left; batches are made beforehand, so only the loops differ."""
    steps, registry = 256, core()
    settings = ("backbone=timm.vit_tiny_patch16_224", "view.resize=32", "view.crop=0", "view.augment=flip", "batch=4", "epochs=1")
    stage = resolve(registry.recipe("erm").raw, registry, where="erm", preset="quick", settings=settings).deployed
    method, other = (assemble(stage, Site(LABEL_SPACES["basic7"], 32), registry) for _ in range(2))
    made = list(Loader(faces(4 * steps, 32), stage.view, 4, 0, DEVICE, channels_last=True).epoch(0))
    optimiser = torch.optim.Adam(other.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)

    class Made:
        steps = len(made)

        def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
            return iter(made)

    def ours() -> float:
        clock = Clock(Made(), steps)  # type: ignore[arg-type]
        train(method, stage, clock, Loop(DEVICE, torch.float32, seed=0), tmp_path, Quiet())
        return clock.seconds

    def theirs() -> float:
        other.train()
        began = time.perf_counter()
        for batch in made:
            logits = other(batch.inputs).predictions["expression"]
            cross_entropy(logits, batch.expression).backward()
            optimiser.step()
            optimiser.zero_grad()
        return time.perf_counter() - began

    def extra() -> float:
        ours(), theirs()
        return statistics.median(ours() - theirs() for _ in range(2 * PAIRS)) / steps

    seconds = benchmark.pedantic(extra, rounds=1)
    benchmark.extra_info["microseconds_a_step"] = seconds * 1e6
    print(f"\na step of the harness costs {seconds * 1e6:.0f} µs more than one of the bare loop")


def test_the_default_precision_against_fp32_eager(benchmark: Any, tmp_path: Path) -> None:
    """Goal: at least 1.8 x, where the processor multiplies bf16."""
    side, batch = 112, 32
    data = faces(batch * STEPS, side)
    (method, stage), (other, _) = built("erm", side, batch), built("erm", side, batch)
    ours = harness(method, stage, Loader(data, stage.view, batch, 0, DEVICE, channels_last=True), tmp_path)
    theirs = bare(other, stage, data, torch.float32, torch.contiguous_format)

    def ratios() -> float:
        ours(), theirs()
        return statistics.median(theirs() / ours() for _ in range(PAIRS))

    ratio = benchmark.pedantic(ratios, rounds=1)
    benchmark.extra_info["speed_over_fp32"] = ratio
    print(f"\nERM ResNet-18 {side} px: {DTYPE} channels-last trains {ratio:.2f} x as fast as fp32 eager")


@pytest.mark.parametrize("arguments", [("--help",), ("list", "methods"), ("plugins",)])
def test_start_up_above_bare_python(benchmark: Any, arguments: tuple[str, ...]) -> None:
    def timed(*command: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, *command], check=False, capture_output=True)
        return time.perf_counter() - began

    def best() -> float:
        pairs = [(timed("-m", "ferbench", *arguments), timed("-c", "pass")) for _ in range(7)]
        return min(a for a, _ in pairs) - min(b for _, b in pairs)

    above = benchmark.pedantic(best, rounds=1)
    benchmark.extra_info["seconds_above_python"] = above
    print(f"\nferbench {' '.join(arguments)}: {above:.3f} s above bare Python")
