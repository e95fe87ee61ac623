"""A component that holds a backbone of its own: built by name, from the seed, without weights where nothing may be fetched."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from fixtures_tiny import WIDTH, Tiny, core

from ferbench import LABEL_SPACES, AssemblyRefused, Features, FerbenchError, Inputs, Masking, RecipeError, Site, Spec
from ferbench.method.compose import assemble
from ferbench.plugins import Registry
from ferbench.recipe import Stage, resolve
from ferbench.train.workshop import without_weights


@dataclass(frozen=True)
class Choice:
    """inner: a backbone. weights: what it starts from."""

    inner: str = "resnet18"
    weights: str = "imagenet"


class Holder(Masking):
    def __init__(self, config: Choice, site: Site) -> None:
        super().__init__()
        self.inner = site.backbone(config.inner, weights=config.weights)
        self.normalise = site.normalise

    def weigh_features(self, features: Features, inputs: Inputs) -> Features:
        return Features(self.inner(inputs).pooled)


def registry(build: Any = Holder) -> Registry:
    made = core()
    made.add("maskings", "made.holder", "builtin", Spec("made.holder", build, Choice, "holds a backbone"))
    return made


def stage_of(among: Registry, **masking: Any) -> Stage:
    table = {"backbone": "resnet18", "masking": {"use": "made.holder", **masking}, "head": "linear", "epochs": 1, "batch": 2}
    return resolve({"schema": 1, "name": "made", "stage": {"made": table}}, among, where="made").stages[0]


def method_of(build: Any = Holder, seed: int = 0, **masking: Any) -> Any:
    among = registry(build)
    return assemble(stage_of(among, **masking), Site(LABEL_SPACES["basic7"], 32), among, seed=seed)


def test_it_is_a_part_of_the_component_and_comes_from_the_methods_seed() -> None:
    first, second, other = (method_of(weights="random", seed=seed) for seed in (0, 0, 1))
    assert isinstance(first.masking.inner, Tiny) and "masking.inner.mix.weight" in first.state_dict()
    assert torch.equal(first.masking.inner.mix.weight, second.masking.inner.mix.weight)
    assert not torch.equal(first.masking.inner.mix.weight, other.masking.inner.mix.weight)
    assert first.site.width("pooled") == WIDTH


def test_a_backbone_without_options_takes_random_weights_and_refuses_any_other() -> None:
    assert isinstance(method_of(weights="random").masking.inner, Tiny)
    with pytest.raises(RecipeError, match="'resnet18' has no options, and 'weights' was given"):
        method_of(weights="imagenet")


def test_an_unknown_name_and_an_unknown_option_are_told_in_one_line() -> None:
    with pytest.raises(FerbenchError, match=r"no backbone 'resnet81'.*Did you mean 'resnet18'"):
        method_of(inner="resnet81")
    with pytest.raises(FerbenchError, match=r"backbone resnet50: no option 'depth'"):
        method_of(lambda config, site: site.backbone("resnet50", depth=3))


def test_where_no_plugins_are_loaded_it_is_refused() -> None:
    with pytest.raises(AssemblyRefused, match="no plugins are loaded"):
        Site(LABEL_SPACES["basic7"], 32).backbone("resnet18")


def test_a_copy_of_the_method_does_not_copy_all_plugins() -> None:
    method = method_of(weights="random")
    assert copy.deepcopy(method).site.backbones is method.site.backbones


def test_a_stage_without_weights_fetches_none_for_any_slot_or_for_those_named() -> None:
    stage = stage_of(registry())
    assert without_weights(stage).masking.config == {"inner": "resnet18", "weights": "random"}
    assert without_weights(stage, {"backbone": "earlier/backbone"}) == stage
    assert without_weights(stage, ("masking",)).masking.config["weights"] == "random"
