"""The guarantees of what a part does in training: losses, gradients, phases, what is frozen. As in components.py, each function says
what is wrong with a bench, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from ferbench.contract.benches import Bench
from ferbench.flow import Batch, Progress
from ferbench.layers import SLOT_KINDS
from ferbench.method.compose import Method
from ferbench.train.artifacts import fingerprint_of
from ferbench.train.optimiser import check_weights, weigh
from ferbench.train.step import Step

START, END = Progress(0, 0, 0.0), Progress(1, 1, 1.0)


def losses_are_named_scalars(bench: Bench) -> str:
    """Finite scalars under names that the recipe weighs, at the start and at the end of training, with labels and without any."""
    method, labelled = bench.method(), bench.batch()
    wrong: list[str] = []
    for batch, about in ((labelled, ""), (unlabelled(labelled), " when no label is known")):
        for progress in (START, END):
            main, critics = terms_of(method, batch, progress)
            for name, term in {**main, **critics}.items():
                if not isinstance(name, str) or not isinstance(term, Tensor) or term.ndim != 0 or not term.is_floating_point():
                    shape = list(term.shape) if isinstance(term, Tensor) else type(term).__name__
                    wrong.append(f"{name!r} is {shape}, not a scalar of floating point{about}")
                elif not torch.isfinite(term):
                    wrong.append(f"{name!r} is {term.item()}{about}")
            if not about:
                check_weights(main, bench.stage.losses, f"stage.{bench.stage.name}.losses")
                check_weights(critics, bench.stage.critics, f"stage.{bench.stage.name}.critics")
                if not main and bench.stage.epochs:
                    wrong.append("no loss for the main phase")
    return "; ".join(dict.fromkeys(wrong))


def losses_stand_in_their_spec(bench: Bench) -> str:
    """Every term that a part emits is named in its Spec, so that its weight comes along when another recipe takes the part."""
    method = bench.method()
    batch = method.painted(bench.batch(), START)
    output = method(batch.inputs)
    wrong = []
    for slot, part in method.components():
        use = bench.stage.slots()[slot].use
        spec = bench.shop.registry.spec(SLOT_KINDS[slot], use)
        for key, terms in (
            ("losses", part.losses(output, batch, START)),
            ("critics", part.critic_losses(output.detached(), batch, START)),
        ):
            said = getattr(spec, key)
            missing = [n for n in terms if n not in said and not any(k.endswith(".*") and n.startswith(k[:-1]) for k in said)]
            wrong += [f"{use} emits {some(missing)}: add Spec({key} = …)"] if missing else []
    return "; ".join(wrong)


def gradient_reaches_everything(bench: Bench) -> str:
    """Over a few batches, with a step after each (some layers start at zero), every parameter has a gradient in its phase, or at the
    latest in one of the later epochs. Before the third biases and scales are pushed about: a PReLU before a maximum sees
    negative numbers only then."""
    method = bench.method()
    main, critics = method.phase_parameters()
    if not main:
        return ""
    step = Step(method, bench.stage, torch.device("cpu"), torch.float32)
    left, epochs = {*main, *critics}, bench.stage.epochs
    later = [Progress(epoch, 0, epoch / epochs) for epoch in range(1, epochs)]
    for seed, progress in enumerate([*(Progress(0, seed, seed / 2) for seed in range(3)), *later]):
        torch.manual_seed(seed)
        if seed == 2:
            _push(method)
        terms, critic_terms = terms_of(method, bench.batch(seed), progress)
        for parameters, found, weights in ((main, terms, bench.stage.losses), (critics, critic_terms, bench.stage.critics)):
            if parameters and found:
                left -= set(_gradients(weigh(found, weights, bench.stage.name), parameters, zero=False))
        if not left:
            return ""
        step(bench.batch(seed), START, bench.stage.epochs / 2)
    return f"no gradient for {some(sorted(left))}"


@torch.no_grad()
def _push(method: Method) -> None:
    for parameter in method.parameters():
        if parameter.ndim == 1 and parameter.requires_grad:
            parameter.add_(torch.randn_like(parameter))


def phases_stay_apart(bench: Bench) -> str:
    """A step of one phase leaves the other's parameters byte-equal; and critics' losses do not reach the main parameters, but where a part
    paints: there critics may learn through the network, and the step keeps what is theirs."""
    method = bench.method()
    main, critics = method.phase_parameters()
    _, critic_terms = terms_of(method, bench.batch(), START)
    if not critics:
        return f"critic_losses gives {some(list(critic_terms))}, and there is no critic" if critic_terms else ""
    total = weigh(critic_terms, bench.stage.critics, bench.stage.name)
    if not method.paints and (leaked := _gradients(total, main, zero=True)):
        return f"critic losses reach {some(leaked)} of the main phase"
    for resting, moving in (("main", critics), ("critics", main)):
        moved = _moved_by_step(bench, resting=resting)
        if strays := sorted(set(moved) - set(moving)):
            return f"with the {resting} phase resting, {some(strays)} changed"
        if not moved and bench.stage.epochs:
            return f"with the {resting} phase resting, nothing was learnt"
    return ""


def _moved_by_step(bench: Bench, *, resting: str) -> list[str]:
    method = bench.method()
    step = Step(method, bench.stage, torch.device("cpu"), torch.float32)
    stepper = step.main if resting == "main" else step.critics
    stepper.step = lambda: None  # type: ignore[method-assign, union-attr]
    before = {name: parameter.detach().clone() for name, parameter in method.named_parameters()}
    for seed in range(bench.stage.optimiser.accumulate):
        step(bench.batch(seed), START, bench.stage.epochs / 2)
    return [name for name, parameter in method.named_parameters() if not torch.equal(before[name], parameter)]


def frozen_parts_stay(bench: Bench) -> str:
    """A real step leaves every frozen path, and every teacher, byte-equal with its statistics."""
    method = bench.method()
    watched = {path: method.get_submodule(path) for path in bench.stage.frozen}
    watched |= {f"teacher {name}": teacher for name, teachers in method.site.teachers.items() for teacher in teachers}
    before = {name: fingerprint_of(module) for name, module in watched.items()}
    if bench.stage.epochs and method.phase_parameters()[0]:
        Step(method, bench.stage, torch.device("cpu"), torch.float32)(bench.batch(), START, bench.stage.epochs / 2)
    changed = [name for name, module in watched.items() if fingerprint_of(module) != before[name]]
    return f"{some(changed)} changed in a training step" if changed else ""


def terms_of(method: Method, batch: Batch, progress: Progress) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    return terms_on(method, method.painted(batch, progress), progress)


def terms_on(method: Method, batch: Batch, progress: Progress) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The terms of a batch that is painted already."""
    output = method(batch.inputs)
    critics = method.critic_losses(output.detached(), batch, progress)
    return method.losses(output, batch, progress), critics


def unlabelled(batch: Batch) -> Batch:
    unknown = torch.full_like(batch.expression, -1)
    nothing = torch.full_like(batch.affect, torch.nan)
    return replace(batch, expression=unknown, factors=dict.fromkeys(batch.factors, unknown), affect=nothing)


def _gradients(total: Tensor, parameters: Mapping[str, nn.Parameter], *, zero: bool) -> list[str]:
    """Names of the parameters that ``total`` has a gradient for; with ``zero`` those too whose gradient is all zero."""
    if not total.requires_grad:
        return []
    found = torch.autograd.grad(total, list(parameters.values()), allow_unused=True, retain_graph=True)
    return [name for name, grad in zip(parameters, found, strict=True) if grad is not None and (zero or bool(grad.any()))]


def some(names: list[str]) -> str:
    return f"{', '.join(names[:5])}{f' and {len(names) - 5} more' if len(names) > 5 else ''}"
