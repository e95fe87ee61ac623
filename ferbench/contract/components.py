"""The guarantees of a method's parts. Each function says what is wrong with a bench, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from safetensors.torch import load
from torch import Tensor, nn

from ferbench.contract.benches import BATCH, Bench
from ferbench.flow import Batch, Inputs, Output, Progress
from ferbench.method.compose import Method
from ferbench.train.artifacts import fingerprint_of, load_strictly, to_bytes
from ferbench.train.optimiser import check_weights, weigh
from ferbench.train.step import Step

START, END = Progress(0, 0, 0.0), Progress(1, 1, 1.0)


def shapes_are_as_declared(bench: Bench) -> str:
    """Shapes of flow.py, in training and in evaluation; widths are those that the neighbours were built for."""
    method, batch, wrong = bench.method(), bench.batch(), []
    for mode in ("training", "evaluation"):
        method.train(mode == "training")
        wrong += [f"{what} in {mode}" for what in _odd_shapes(method, method(batch.inputs), len(batch))]
        if mode == "evaluation" and method(batch.inputs).parts.disturbance is not None:
            wrong.append("Parts.disturbance is there in evaluation; it must be None")
    return "; ".join(wrong)


def _odd_shapes(method: Method, output: Output, n: int) -> list[str]:
    site, features, parts = method.site, output.features, output.parts
    wrong = []

    def hold(name: str, tensor: Tensor, *shape: int | None) -> None:
        if tensor.ndim != len(shape) or any(b is not None and a != b for a, b in zip(tensor.shape, shape, strict=True)):
            told = ", ".join("·" if side is None else str(side) for side in shape)
            wrong.append(f"{name} is {list(tensor.shape)}, not [{told}]")

    if features.pooled is not None:
        hold("Features.pooled", features.pooled, n, site.widths.get("pooled"))
    if features.tokens is not None:
        hold("Features.tokens", features.tokens, n, None, None)
    for place, level in enumerate(features.levels):
        hold(f"Features.levels[{place}]", level, n, None, None, None)
    sides = [level.shape[2] for level in features.levels if level.ndim == 4]
    if sides != sorted(sides, reverse=True):
        wrong.append(f"Features.levels have sides {sides}; the finest comes first")
    hold("Parts.expression", parts.expression, n, site.widths["expression"])
    if parts.disturbance is not None:
        hold("Parts.disturbance", parts.disturbance, n, None)
    if not output.predictions:
        wrong.append("the head predicts nothing")
    for name, tensor in output.predictions.items():
        if name == "expression":
            hold(name, tensor, n, len(site.labels))
        elif name == "affect":
            hold(name, tensor, n, 2)
        elif name.startswith("factor."):
            hold(name, tensor, n, len(site.factors.get(name.removeprefix("factor."), ())))
        elif name == "pixels":
            hold(name, tensor, n, None, None)
        elif tensor.shape[:1] != (n,):
            wrong.append(f"{name} is {list(tensor.shape)} for {n} faces")
    return wrong


def losses_are_named_scalars(bench: Bench) -> str:
    """Finite scalars under names that the recipe weighs, at the start and at the end of training, with labels and without any."""
    method, labelled = bench.method(), bench.batch()
    wrong: list[str] = []
    for batch, about in ((labelled, ""), (_unlabelled(labelled), " when no label is known")):
        for progress in (START, END):
            main, critics = _terms(method, batch, progress)
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


def gradient_reaches_everything(bench: Bench) -> str:
    """Over a few batches, with a step after each (some layers start at zero), every parameter has a gradient in its phase."""
    method = bench.method()
    main, critics = method.phase_parameters()
    if not main:
        return ""
    step = Step(method, bench.stage, torch.device("cpu"), torch.float32)
    left = {*main, *critics}
    for seed in range(3):
        torch.manual_seed(seed)
        terms, critic_terms = _terms(method, bench.batch(seed), Progress(0, seed, seed / 2))
        for parameters, found, weights in ((main, terms, bench.stage.losses), (critics, critic_terms, bench.stage.critics)):
            if parameters and found:
                left -= set(_gradients(weigh(found, weights, bench.stage.name), parameters, zero=False))
        if not left:
            return ""
        step(bench.batch(seed), START, bench.stage.epochs / 2)
    return f"no gradient for {_some(sorted(left))}"


def phases_stay_apart(bench: Bench) -> str:
    """Critics' losses do not reach the main parameters, and a step of one phase leaves the other's parameters byte-equal."""
    method = bench.method()
    main, critics = method.phase_parameters()
    _, critic_terms = _terms(method, bench.batch(), START)
    if not critics:
        return f"critic_losses gives {_some(list(critic_terms))}, and there is no critic" if critic_terms else ""
    total = weigh(critic_terms, bench.stage.critics, bench.stage.name)
    if leaked := _gradients(total, main, zero=True):
        return f"critic losses reach {_some(leaked)} of the main phase"
    for resting, moving in (("main", critics), ("critics", main)):
        moved = _moved_by_step(bench, resting=resting)
        if strays := sorted(set(moved) - set(moving)):
            return f"with the {resting} phase resting, {_some(strays)} changed"
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
    return f"{_some(changed)} changed in a training step" if changed else ""


def tokens_are_partitioned(bench: Bench) -> str:
    """keep and drop together are 0…N−1 exactly once, as many kept in every batch; an option ``ratio`` is the share dropped."""
    method = bench.method()
    if not method.masking.masks_tokens:
        return ""
    n, kept = method.site.tokens, set()
    for mode in (True, False):
        for seed in range(3):
            torch.manual_seed(seed)
            mask = method.train(mode)(bench.batch(seed).inputs).features.mask
            if mask is None:
                return "Features.mask is None although the masking chooses tokens"
            both = torch.cat([mask.keep, mask.drop], 1).sort(1).values
            if not torch.equal(both, torch.arange(n).expand(BATCH, n)):
                return f"keep and drop are no partition of 0…{n - 1}"
            kept.add((mode, mask.keep.shape[1]))
    if len(kept) > 2:
        return f"{sorted(number for _, number in kept)} tokens are kept in different batches"
    ratio = bench.stage.masking.config.get("ratio")
    dropped = n - next(number for mode, number in kept if mode)
    if isinstance(ratio, int | float) and abs(dropped - n * ratio) > 1:
        return f"{dropped} of {n} tokens are dropped, and ratio is {ratio}"
    return ""


def evaluation_is_deterministic(bench: Bench) -> str:
    """The same pictures give the same bits, whatever the state of the random number generator."""
    method, inputs = bench.method().eval(), bench.batch().inputs
    torch.manual_seed(1)
    first = _predict(method, inputs)
    torch.manual_seed(2)
    return _differs(first, _predict(method, inputs))


def labels_change_no_prediction(bench: Bench) -> str:
    """Two copies that saw different labels in their losses predict the same bits, in training and in evaluation."""
    batch, other = bench.batch(), bench.batch(seed=1)
    lied = replace(batch, expression=other.expression, factors=other.factors, affect=other.affect, domain=other.domain)
    seen: list[list[dict[str, Tensor]]] = []
    for told in (batch, lied):
        method = bench.method()
        torch.manual_seed(0)
        _terms(method, told, START)
        torch.manual_seed(0)
        seen.append([_predict(method, batch.inputs), _predict(method.eval(), batch.inputs)])
    for mode, a, b in zip(("training", "evaluation"), *seen, strict=True):
        if wrong := _differs(a, b):
            return f"{wrong}, in {mode}"
    return ""


def one_face_is_enough(bench: Bench) -> str:
    """In evaluation a batch of one works, and a face's prediction does not depend on who stands beside it."""
    method, inputs = bench.method().eval(), bench.batch().inputs
    together = _predict(method, inputs)
    for row in range(BATCH):
        views = {name: view[row : row + 1] for name, view in inputs.views.items()}
        alone = _predict(method, Inputs(inputs.images[row : row + 1], views))
        for name, tensor in together.items():
            if alone[name].shape != tensor[row : row + 1].shape:
                return f"{name} of one face is {list(alone[name].shape)}"
            if not torch.allclose(alone[name], tensor[row : row + 1], rtol=1e-3, atol=1e-4):
                return f"{name} of a face depends on the others in its batch"
    return ""


def state_round_trips(bench: Bench) -> str:
    """Weights through safetensors into a method of another seed: every key fits, and its predictions are the same bits."""
    method, other = bench.method(), bench.build(seed=1)
    with torch.no_grad():
        method(bench.batch().inputs)  # so that statistics are no longer what every seed starts from
    load_strictly(other, load(to_bytes(method.state_dict())), "state")
    if fingerprint_of(method) != fingerprint_of(other):
        return "the state is not the same after a round trip"
    inputs = bench.batch().inputs
    wrong = _differs(_predict(method.eval(), inputs), _predict(other.eval(), inputs))
    return wrong and f"{wrong}, so something that matters is not in the state"


def builds_from_its_seed(bench: Bench) -> str:
    """A second build from the same seed is byte-equal; one from another seed is not."""
    first = fingerprint_of(bench.build())
    torch.manual_seed(12345)
    if fingerprint_of(bench.build()) != first:
        return "two builds from one seed differ"
    random = any(parameter.ndim > 1 for parameter in bench.method().parameters())
    return "two seeds give the same weights" if random and fingerprint_of(bench.build(seed=1)) == first else ""


def bfloat16_is_finite(bench: Bench) -> str:
    """Under bfloat16 autocast everything that training and evaluation compute is finite."""
    method, batch = bench.method(), bench.batch()
    with torch.autocast("cpu", torch.bfloat16):
        main, critics = _terms(method, batch, START)
        predicted = _predict(method.eval(), batch.inputs)
    bad = [name for name, tensor in {**main, **critics, **predicted}.items() if not bool(torch.isfinite(tensor).all())]
    return f"{_some(bad)} is not finite" if bad else ""


CONTRACT: Mapping[str, Callable[[Bench], str]] = {
    "shapes are as declared": shapes_are_as_declared,
    "losses are finite, scalar, named and weighted": losses_are_named_scalars,
    "gradient reaches every trainable parameter": gradient_reaches_everything,
    "critics and main stay apart": phases_stay_apart,
    "frozen parts and teachers stay as they are": frozen_parts_stay,
    "token masks partition the tokens and keep the ratio": tokens_are_partitioned,
    "evaluation is deterministic": evaluation_is_deterministic,
    "labels change no prediction": labels_change_no_prediction,
    "a batch of one is enough in evaluation": one_face_is_enough,
    "state round-trips through safetensors": state_round_trips,
    "two builds from one seed are byte-equal": builds_from_its_seed,
    "bfloat16 stays finite": bfloat16_is_finite,
}


def _terms(method: Method, batch: Batch, progress: Progress) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    output = method(batch.inputs)
    critics = method.critic_losses(output.detached(), batch, progress)
    return method.losses(output, batch, progress), critics


def _unlabelled(batch: Batch) -> Batch:
    unknown = torch.full_like(batch.expression, -1)
    nothing = torch.full_like(batch.affect, torch.nan)
    return replace(batch, expression=unknown, factors=dict.fromkeys(batch.factors, unknown), affect=nothing)


def _gradients(total: Tensor, parameters: Mapping[str, nn.Parameter], *, zero: bool) -> list[str]:
    """Names of the parameters that ``total`` has a gradient for; with ``zero`` those too whose gradient is all zero."""
    if not total.requires_grad:
        return []
    found = torch.autograd.grad(total, list(parameters.values()), allow_unused=True, retain_graph=True)
    return [name for name, grad in zip(parameters, found, strict=True) if grad is not None and (zero or bool(grad.any()))]


@torch.no_grad()
def _predict(method: Method, inputs: Inputs) -> dict[str, Tensor]:
    return dict(method(inputs).predictions)


def _differs(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> str:
    if set(a) != set(b):
        return f"predictions are {sorted(a)} once and {sorted(b)} then"
    return next((f"{name} differs" for name in a if not torch.equal(a[name], b[name])), "")


def _some(names: list[str]) -> str:
    return f"{', '.join(names[:5])}{f' and {len(names) - 5} more' if len(names) > 5 else ''}"
