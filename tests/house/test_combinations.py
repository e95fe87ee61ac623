"""Any parts of any plugins take a step together, or are refused with a reason: every backbone kind × disentangler × head, and every masking
beside each of them."""

from __future__ import annotations

import copy
from dataclasses import fields, replace
from functools import partial
from itertools import product
from typing import Any

import pytest
import torch

from ferbench.builtin.configs import TimmConfig, TimmOptions
from ferbench.contract.benches import FACTOR_CLASSES, OFFERS
from ferbench.errors import FerbenchError
from ferbench.flow import Progress
from ferbench.method.component import Site
from ferbench.method.compose import Method, assemble
from ferbench.plugins import Registry, load
from ferbench.recipe import Stage, resolve
from ferbench.schema import LABEL_SPACES, Spec
from ferbench.train.rehearsal import made_up
from ferbench.train.step import Step

BACKBONES = {
    "levels and taps": "resnet18",
    "levels at a fine stride": "preact_resnet18",
    "tokens, masks and taps": "vit",
    "levels of timm, no taps": "timm.test_resnet",
}
TINY = {"vit": {"model": "vit_tiny_patch16_224", "depth": 1}}
"""Options that make a backbone small."""

SIDE = {"preact_resnet18": 32, "resnet18": 32}
"""Pixels of a made-up face, 64 where nothing stands here."""
OPTIONS: dict[str, dict[str, Any]] = {
    "addl.ddm": {"factors": []},
    "dfdnet.attention": {"eifp": False, "fusion": "project"},
    "baselines.attentive_centre": {"hidden": [32]},
    "baselines.uncertainty": {"width": 80},  # as wide as a head that splits channels by class asks for
    "baselines.mla": {"hidden": 32},
    "baselines.sada": {"map": 0, "views": 1},
    "baselines.pden": {"channels": 4},
}
"""Options under which a part can stand without an earlier stage; its defaults are tried as well."""

SMALL: dict[str, dict[str, Any]] = {
    "cafe.sigmoid": {"encoder": "timm.test_vit3", "weights": "random", "projection": False, "reduce": "mean"},
    "esgm.attention": {"heads": 2},
}
"""A masking's own network, small and unfetched, that fits every backbone here."""

CHOOSES = ("made.half", "random", "esgm.attention", "esgm.marlin")
"""Maskings that choose tokens."""

BY_LEVELS = ("addl.ddm", "dfdnet.attention", "esgm.decoupler", "baselines.uncertainty", "baselines.attentive_centre",
             "baselines.mixstyle", "baselines.restitution", "baselines.mla")  # fmt: skip
"""Disentanglers that work on levels."""

BETWEEN = ("esgm.decoupler", "baselines.mixstyle", "baselines.restitution")
"""Disentanglers that act between blocks."""

WITHOUT_EXPRESSION = ("attributes", "affect", "pixels")
"""Heads that say nothing of expressions."""

OF_COPIES = ("baselines.consistent", "baselines.contrast")
"""Heads that compare a face with a copy of it, which no view makes here."""

EARLIER = ("addl.ddm", "dfdnet.attention")
"""Disentanglers whose defaults rest on an earlier stage."""

TIED: dict[str, tuple[str, dict[str, Any]]] = {"emotic.fusion": ("emotic.two_views", {"tokens": 1, "heads": 1})}
"""Disentanglers that stand behind one backbone alone, which the message of any other names; options that fit any width."""


def built_once(spec: Spec) -> Spec:
    """The same part, whose random weights are drawn once and copied after that: drawing them takes longer than a step."""
    built: dict[tuple[Any, int], Any] = {}

    def build(config: Any, site: Site) -> Any:
        if (config, site.image) not in built:
            built[config, site.image] = spec.build(config, site)
        return copy.deepcopy(built[config, site.image])

    return replace(spec, build=build)


def of_timm(model: str, options: TimmOptions, site: Site) -> Any:
    from ferbench.builtin.backbones.timm import Timm

    return Timm(TimmConfig(model=model, **{field.name: getattr(options, field.name) for field in fields(options)}), site)


def registry() -> Registry:
    """Everything installed, and one masking that chooses tokens."""
    from ferbench import Masking, TokenMask

    class Half(Masking):
        def select_tokens(self, tokens: Any, inputs: Any) -> TokenMask:
            n = tokens.shape[1]
            order = torch.arange(n, device=tokens.device).expand(len(tokens), n)
            return TokenMask(order[:, : n // 2], order[:, n // 2 :])

    class Dim(Masking):
        def weigh_features(self, features: Any, inputs: Any) -> Any:
            return replace(features, pooled=None if features.pooled is None else features.pooled * 0.5)

    made = Registry(
        dict(load().plugins),
        {kind: dict(specs) for kind, specs in load().specs.items()},
        dict(load().recipes),
        dict(load().owner),
    )
    for model in ("test_vit3", "test_resnet"):
        made.add("backbones", f"timm.{model}", "builtin", Spec(f"timm.{model}", partial(of_timm, model), TimmOptions, model))
    for name in BACKBONES.values():
        made.specs["backbones"][name] = built_once(made.specs["backbones"][name])
    for name, kind in (("half", Half), ("dim", Dim)):
        made.add("maskings", f"made.{name}", "builtin", Spec(f"made.{name}", lambda config, site, kind=kind: kind(), None, name))
    return made


REGISTRY = registry()
PAINT = tuple(head for head in ("baselines.sada", "baselines.pden") if head in REGISTRY.specs["heads"])
"""Heads that make the pictures of a step, which takes longer: each meets every disentangler, and the rest in turn."""

MASKINGS, HEADS = tuple(REGISTRY.specs["maskings"]), tuple(head for head in REGISTRY.specs["heads"] if head not in PAINT)
DISENTANGLERS = tuple(name for name in REGISTRY.specs["disentanglers"] if name not in TIED)


def grid() -> list[tuple[str, str, str, str]]:
    """(backbone, masking, disentangler, head): all of three slots, the masking in turn, and the pairs that the turns miss."""
    turns = [
        (backbone, MASKINGS[(b + d + h) % len(MASKINGS)], disentangler, head)
        for (b, backbone), (d, disentangler), (h, head) in product(
            enumerate(BACKBONES), enumerate(DISENTANGLERS), enumerate(HEADS)
        )
    ]
    for masking, backbone in product(MASKINGS, BACKBONES):
        beside = [mix for mix in turns if mix[:2] == (backbone, masking)]
        turns += [(backbone, masking, d, "linear") for d in DISENTANGLERS if d not in {mix[2] for mix in beside}]
        turns += [(backbone, masking, "none", h) for h in HEADS if h not in {mix[3] for mix in beside}]
    kinds = tuple(BACKBONES)
    for (d, disentangler), (h, head) in product(enumerate(DISENTANGLERS), enumerate(PAINT)):
        turns.append((kinds[(d + h) % len(kinds)], MASKINGS[(d + h) % len(MASKINGS)], disentangler, head))
    return list(dict.fromkeys(turns))


GRID = grid()


def stage_of(backbone: str, masking: str, disentangler: str, head: str, options: dict[str, Any]) -> Stage:
    config = REGISTRY.specs["backbones"][backbone].config
    weights = {"weights": "random"} if config is not None and hasattr(config(), "weights") else {}
    table = {
        "backbone": {"use": backbone, **weights, **TINY.get(backbone, {})}, "masking": {"use": masking, **SMALL.get(masking, {})},
        "disentangler": {"use": disentangler, **options}, "head": {"use": head, **OPTIONS.get(head, {})},
        "epochs": 2, "batch": 2, "view": {"resize": SIDE.get(backbone, 64), "augment": []},
        "optimiser": {"name": "sgd", "lr": 1e-3},
    }  # fmt: skip
    raw = {"schema": 1, "name": "mix", "stage": {"mix": table}}
    return resolve(raw, REGISTRY, where="mix").stages[0]


def method_of(stage: Stage) -> Method:
    site = Site(LABEL_SPACES["basic7"], stage.view.side, factors=FACTOR_CLASSES, domains=2)
    return assemble(stage, site, REGISTRY, provided=OFFERS)


def takes_a_step(stage: Stage) -> str:
    """Nothing when a step is taken and changes something, else the reason of the refusal. What is neither raises."""
    try:
        method = method_of(stage).train()
        batch, progress = made_up(method.site, 2, ("parsing",)), Progress(0, 0, 0.0)
        with torch.no_grad():  # only for the names of the losses
            painted = method.painted(batch, progress)
            output = method(painted.inputs)
            losses = dict.fromkeys(method.losses(output, painted, progress), 1.0)
            critics = dict.fromkeys(method.critic_losses(output.detached(), painted, progress), 1.0)
    except FerbenchError as refused:
        return refused.line()
    before = {name: parameter.detach().clone() for name, parameter in method.head.named_parameters()}
    step = Step(method, replace(stage, losses=losses, critics=critics), torch.device("cpu"), torch.float32)
    values = step(batch, progress, 1.0)
    assert torch.isfinite(values).all(), dict(zip(step.names, values.tolist(), strict=True))
    assert any(not torch.equal(before[name], parameter) for name, parameter in method.head.named_parameters()), (
        "nothing was learnt"
    )
    return ""


@pytest.mark.parametrize("mix", GRID, ids=lambda mix: " × ".join(mix) if isinstance(mix, tuple) else str(mix))
def test_a_combination_takes_a_step_or_is_refused_with_a_reason(mix: tuple[str, str, str, str]) -> None:
    kind, masking, disentangler, head = mix
    reason = takes_a_step(stage_of(BACKBONES[kind], masking, disentangler, head, OPTIONS.get(disentangler, {})))
    expected = ""
    if masking in CHOOSES and not kind.startswith("tokens"):
        expected = "tokens"
    elif disentangler in BY_LEVELS and "levels" not in kind:
        expected = "levels"
    elif disentangler in BETWEEN and "no taps" in kind:
        expected = "no taps"
    elif head in OF_COPIES:
        expected = head
    elif disentangler == "baselines.uncertainty" and head in WITHOUT_EXPRESSION:
        expected = "predicts no expression" if head != "pixels" else "pixels needs tokens"
    elif head == "pixels" and not kind.startswith("tokens"):
        expected = "head pixels needs tokens"
    assert (expected in reason and reason) if expected else not reason, reason
    assert not reason or masking in reason or disentangler in reason or head in reason


@pytest.mark.parametrize("kind", BACKBONES)
@pytest.mark.parametrize("disentangler", TIED)
def test_a_part_that_is_tied_to_a_backbone_names_it(disentangler: str, kind: str) -> None:
    if disentangler not in REGISTRY.specs["disentanglers"]:
        pytest.skip(f"the plugin of {disentangler} is not installed")
    backbone, options = TIED[disentangler]
    assert f"backbone={backbone}" in takes_a_step(stage_of(BACKBONES[kind], "none", disentangler, "linear", options))


@pytest.mark.parametrize("disentangler", EARLIER)
def test_a_part_that_needs_an_earlier_stage_says_so(disentangler: str) -> None:
    if disentangler not in REGISTRY.specs["disentanglers"]:
        pytest.skip(f"the plugin of {disentangler} is not installed")
    assert disentangler in takes_a_step(stage_of("resnet18", "none", disentangler, "linear", {}))


def test_a_head_that_needs_labels_nobody_has_is_refused_with_what_there_is() -> None:
    stage = stage_of("resnet18", "none", "none", "affect", {})
    site = Site(LABEL_SPACES["basic7"], 64)
    with pytest.raises(FerbenchError, match="head affect needs 'affect' from the training data, which has expressions only"):
        assemble(stage, site, REGISTRY)
