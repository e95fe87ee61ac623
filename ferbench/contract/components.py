"""The guarantees of a method's parts. Each function says what is wrong with a bench, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from safetensors.torch import load
from torch import Tensor

from ferbench.contract.benches import BATCH, Bench
from ferbench.contract.training import (
    START,
    frozen_parts_stay,
    gradient_reaches_everything,
    losses_are_named_scalars,
    losses_stand_in_their_spec,
    phases_stay_apart,
    some,
    terms_of,
    terms_on,
)
from ferbench.flow import Inputs, Output
from ferbench.method.compose import Method
from ferbench.train.artifacts import fingerprint_of, load_strictly, to_bytes


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
            if not torch.equal(both, torch.arange(n).expand(len(both), n)):
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
    """Two copies that saw different labels in their losses predict the same bits, in training and in evaluation. They learn from the
    same pictures, whatever they would have painted by those labels."""
    batch, other = bench.batch(), bench.batch(seed=1)
    lied = replace(batch, expression=other.expression, factors=other.factors, affect=other.affect, domain=other.domain)
    elsewhere = replace(batch.inputs, domain=other.inputs.domain)  # in training a part may mix across sources; never later
    seen: list[list[dict[str, Tensor]]] = []
    pictures: Inputs | None = None
    for told, later in ((batch, batch.inputs), (lied, elsewhere)):
        method = bench.method()
        torch.manual_seed(0)
        painted = method.painted(told, START)
        pictures = painted.inputs if pictures is None else pictures
        terms_on(method, replace(painted, inputs=pictures), START)
        torch.manual_seed(0)
        seen.append([_predict(method, batch.inputs), _predict(method.eval(), later)])
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
        main, critics = terms_of(method, batch, START)
        predicted = _predict(method.eval(), batch.inputs)
    bad = [name for name, tensor in {**main, **critics, **predicted}.items() if not bool(torch.isfinite(tensor).all())]
    return f"{some(bad)} is not finite" if bad else ""


_AXES = {"picture": 4, "map": 3, "numbers": 2, "feature": 2}


@torch.no_grad()
def what_is_shown_fits(bench: Bench) -> str:
    """Whatever a part shows is finite, has its kind's shape and a row per face, and as many names as columns, or none."""
    method, batch, wrong = bench.method().eval(), bench.batch(), list[str]()
    for choosing in {False, method.masking.masks_tokens}:
        method.masking.train(choosing)
        output, _ = method.watched(batch.inputs)
        for _, part in method.components():
            for name, shown in part.shows(output, batch.inputs).items():
                values = shown.values
                if values.ndim != _AXES.get(shown.kind) or len(values) != len(batch):
                    wrong.append(f"{name}, a {shown.kind}, is {list(values.shape)} for {len(batch)} faces")
                elif not bool(torch.isfinite(values).all()):
                    wrong.append(f"{name} is not finite")
                elif shown.names and len(shown.names) != values.shape[1]:
                    wrong.append(f"{name} has {len(shown.names)} names for {values.shape[1]} columns")
    return "; ".join(wrong)


CONTRACT: Mapping[str, Callable[[Bench], str]] = {
    "shapes are as declared": shapes_are_as_declared,
    "losses are finite, scalar, named and weighted": losses_are_named_scalars,
    "what it emits stands in its Spec": losses_stand_in_their_spec,
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
    "what it shows has the shape of its kind": what_is_shown_fits,
}


@torch.no_grad()
def _predict(method: Method, inputs: Inputs) -> dict[str, Tensor]:
    return dict(method(inputs).predictions)


def _differs(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> str:
    if set(a) != set(b):
        return f"predictions are {sorted(a)} once and {sorted(b)} then"
    return next((f"{name} differs" for name in a if not torch.equal(a[name], b[name])), "")
