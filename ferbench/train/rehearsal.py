"""One step on made-up numbers before any data loads: which losses there are, that each has a weight, and what a step costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

import torch
from torch.utils.flop_counter import FlopCounterMode

from ferbench.errors import RecipeError
from ferbench.flow import Batch, Inputs, Progress
from ferbench.method.component import Site
from ferbench.method.compose import Method
from ferbench.recipe import Stage
from ferbench.schema import PARSING_CLASSES
from ferbench.train.loop import freeze
from ferbench.train.optimiser import check_paths, check_weights
from ferbench.train.step import Step


@dataclass(frozen=True)
class Rehearsal:
    """What one step showed. losses, critics: names emitted, with their weights in the recipe beside them."""

    losses: tuple[str, ...]
    critics: tuple[str, ...]
    parameters: int
    trainable: int


def made_up(
    site: Site, n: int, views: tuple[str, ...] = (), *, copies: int = 0, seed: int = 0, device: torch.device | str = "cpu"
) -> Batch:
    """A batch of n random images with random labels of every kind that the site knows, and ``copies`` mirrored ones of each. Seeded."""
    random = torch.Generator().manual_seed(seed)

    def classes(k: int) -> torch.Tensor:
        return torch.randint(k, (n,), generator=random).to(device)

    def picture() -> torch.Tensor:
        image = torch.randn(n, 3, site.image, site.image, generator=random)
        return image.to(device).contiguous(memory_format=torch.channels_last)

    def parsing() -> torch.Tensor:
        return torch.randint(len(PARSING_CLASSES), (n, site.image, site.image), generator=random).to(device)

    extra = {name: parsing() if name == "parsing" else picture() for name in views}
    batch = Batch(
        inputs=Inputs(picture(), extra),
        expression=classes(len(site.labels)),
        factors={name: classes(len(names)) for name, names in site.factors.items()},
        domain=classes(site.domains),
        affect=(torch.rand(n, 2, generator=random) * 2 - 1).to(device),
        row=torch.arange(n, device=device),
    )
    batch = replace(batch, inputs=replace(batch.inputs, domain=batch.domain))
    return _with_copies(batch, copies) if copies else batch


def _with_copies(batch: Batch, copies: int) -> Batch:
    def again(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x] * (1 + copies))

    def mirrored(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, *[x.flip(-1)] * copies])

    inputs, domain = batch.inputs, again(batch.domain)
    return Batch(
        inputs=Inputs(mirrored(inputs.images), {name: mirrored(view) for name, view in inputs.views.items()}, domain=domain),
        expression=again(batch.expression),
        factors={name: again(known) for name, known in batch.factors.items()},
        domain=domain,
        affect=again(batch.affect),
        row=again(batch.row),
        copies=copies,
    )


def copies_of(stage: Stage) -> int:
    """How many copies the stage's view makes of each face, however many data sets there are."""
    return len(stage.view.copies_of(2))


def rehearse(method: Method, stage: Stage, views: tuple[str, ...] = ()) -> Rehearsal:
    """Forward and all losses once on two made-up faces, or on more where a part asks for more and the stage's batch has them, on the
    CPU; the method is left as it was, in training mode.

    Raises RecipeError for a loss without weight, a weight without loss, a learning rate for parameters that are not there, or a
    batch that is too small for a part.
    """
    buffers = {name: buffer.clone() for name, buffer in method.named_buffers()}
    freeze(method, stage.frozen)
    method.train()
    losses, critics = _terms(method, stage, views)
    where = f"stage.{stage.name}"
    check_weights(losses, stage.losses, f"{where}.losses")
    check_weights(critics, stage.critics, f"{where}.critics")
    main, critic_parameters = method.phase_parameters()
    check_paths(stage.optimiser, [*main, *critic_parameters], where)
    with torch.no_grad():
        for name, buffer in method.named_buffers():
            buffer.copy_(buffers[name])
    everything = sum(p.numel() for p in method.parameters())
    trainable = sum(p.numel() for p in [*main.values(), *critic_parameters.values()])
    return Rehearsal(losses, critics, everything, trainable)


@torch.no_grad()
def _terms(method: Method, stage: Stage, views: tuple[str, ...], faces: int = 2) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the losses and of the critics' losses."""
    progress = Progress(0, 0, 0.0)
    torch.manual_seed(0)
    try:
        batch = method.painted(made_up(method.site, faces, views, copies=copies_of(stage)), progress)
        output = method(batch.inputs)
        return tuple(method.losses(output, batch, progress)), tuple(method.critic_losses(output.detached(), batch, progress))
    except RecipeError as problem:
        if problem.where != "batch" or faces >= stage.batch:
            raise
        return _terms(method, stage, views, min(2 * faces, stage.batch))


@torch.no_grad()
def multiply_adds(method: Method, views: tuple[str, ...] = ()) -> int:
    """Multiply-adds of one image through the deployed path (convolutions, linear layers, attention); FLOPs are twice as many."""
    was = method.training
    method.eval()
    device = next((parameter.device for parameter in method.parameters()), torch.device("cpu"))
    with FlopCounterMode(display=False) as counter:
        method(made_up(method.site, 1, views, device=device).inputs)
    method.train(was)
    return int(counter.get_total_flops()) // 2


@torch.no_grad()
def latency(forward: Callable[[Inputs], object], site: Site, device: torch.device, passes: int = 10) -> float:
    """Milliseconds of one image through ``forward`` on this machine: the median of ``passes``, after two that are not counted."""
    inputs = made_up(site, 1, device=device).inputs
    found = []
    for _ in range(passes + 2):
        began = time.perf_counter()
        forward(inputs)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(1e3 * (time.perf_counter() - began))
    return median(found[2:])


def seconds_per_step(
    method: Method, stage: Stage, views: tuple[str, ...], device: torch.device, dtype: torch.dtype, steps: int = 2
) -> float:
    """Measured on this machine with made-up data of the recipe's batch size, in the middle of training: what a part does from some
    epoch on counts. A first step of more than ten seconds is measure enough. Changes the method's weights."""
    method.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    step = Step(method, stage, device, dtype)
    batch = made_up(method.site, stage.batch, views, copies=copies_of(stage), device=device)
    progress = Progress(stage.epochs // 2, 1, 0.5)

    def timed(steps: int) -> float:
        began = time.monotonic()
        for _ in range(steps):
            step(batch, progress, 0.0)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return (time.monotonic() - began) / steps

    first = timed(1)
    return first if first > 10 else timed(steps)
