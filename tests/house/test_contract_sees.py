"""The contract checks, each tried by breaking what it guards: a component with one fault fails that check by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from fixtures_tiny import Tiny, core
from torch import nn

from ferbench import DatasetSpec, Disentangler, Expression, Head, Masking, Parts, Reader, Sample, Shown, Spec, TokenMask
from ferbench.contract.benches import Bench, hosts
from ferbench.contract.components import frozen_parts_stay, labels_change_no_prediction
from ferbench.contract.imports import forbidden_imports, imports_of_listing
from ferbench.plugins import RecipeFile, Registry
from ferbench.testing import Check, _component, _dataset, _listed, check_plugin, contract_cases


class Good(Head):
    """A head with a critic, as a healthy specimen; each fault below overrides one thing."""

    def __init__(self, site: Any) -> None:
        super().__init__()
        self.fc = nn.Linear(site.width("expression"), len(site.labels))
        self.critics["judge"] = nn.Linear(len(site.labels), 1)

    def forward(self, parts, features):
        return {"expression": self.fc(parts.expression)}

    def losses(self, output, batch, progress):
        logits = output.predictions["expression"].float()
        total = nn.functional.cross_entropy(logits, batch.expression, ignore_index=-1, reduction="sum")
        fool = nn.functional.softplus(-self.critics["judge"](logits).float()).mean()
        return {"ce": total / (batch.expression >= 0).sum().clamp(min=1), "fool": fool}

    def critic_losses(self, output, batch, progress):
        return {"judge": nn.functional.softplus(self.critics["judge"](output.predictions["expression"].float())).mean()}


class WrongWidth(Good):
    def forward(self, parts, features):
        logits = self.fc(parts.expression)
        return {"expression": logits, "affect": logits[:, :3]}


class Vector(Good):
    def losses(self, output, batch, progress):
        terms = super().losses(output, batch, progress)
        return {**terms, "fool": terms["fool"].unsqueeze(0)}


class Untold(Good):
    def losses(self, output, batch, progress):
        return {**super().losses(output, batch, progress), "more": output.predictions["expression"].float().square().mean()}


class NotFinite(Good):
    def losses(self, output, batch, progress):
        terms = super().losses(output, batch, progress)
        return {**terms, "ce": nn.functional.cross_entropy(output.predictions["expression"], batch.expression, ignore_index=-1)}


class Dead(Good):
    def __init__(self, site):
        super().__init__(site)
        self.unused = nn.Linear(2, 2)


class DeadCritic(Good):
    def __init__(self, site):
        super().__init__(site)
        self.critics["idle"] = nn.Linear(2, 2)


class Leak(Good):
    def critic_losses(self, output, batch, progress):
        terms = super().critic_losses(output, batch, progress)
        return {"judge": terms["judge"] + self.fc.weight.square().mean()}


class Meddles(Good):
    def after_step(self, output, batch, progress):
        with torch.no_grad():
            self.critics["judge"].weight.mul_(0.9)


class Noise(Good):
    def forward(self, parts, features):
        logits = self.fc(parts.expression)
        return {"expression": logits + 0.01 * torch.rand_like(logits)}


class ShowsTooFew(Good):
    def shows(self, output, inputs):
        return {"logits": Shown("numbers", output.predictions["expression"][:1], "of the first face alone")}


class Misnames(Good):
    def shows(self, output, inputs):
        return {"logits": Shown("numbers", output.predictions["expression"], "logits", ("one", "two"))}


class Peeks(Good):
    seen: Any = None

    def forward(self, parts, features):
        logits = self.fc(parts.expression)
        return {"expression": logits if self.seen is None else logits + nn.functional.one_hot(self.seen, logits.shape[1])}

    def losses(self, output, batch, progress):
        type(self).seen = None
        self.seen = batch.expression.clamp(min=0)
        return super().losses(output, batch, progress)


class Neighbours(Good):
    def forward(self, parts, features):
        return {"expression": self.fc(parts.expression - parts.expression.mean(0))}


class Hidden(Good):
    def __init__(self, site):
        super().__init__(site)
        self.scale = torch.rand(1).item()

    def forward(self, parts, features):
        return {"expression": self.scale * self.fc(parts.expression)}


class Unseeded(Good):
    drawn = 0

    def __init__(self, site):
        super().__init__(site)
        type(self).drawn += 1
        nn.init.constant_(self.fc.bias, float(type(self).drawn))


class Overflows(Good):
    def forward(self, parts, features):
        logits = self.fc(parts.expression)
        return {"expression": logits if logits.dtype is torch.float32 else logits * torch.inf}


HEADS = {
    "shapes are as declared": [WrongWidth],
    "losses are finite, scalar, named and weighted": [Vector, NotFinite],
    "what it emits stands in its Spec": [Untold],
    "gradient reaches every trainable parameter": [Dead, DeadCritic],
    "critics and main stay apart": [Leak, Meddles],
    "evaluation is deterministic": [Noise],
    "labels change no prediction": [Peeks],
    "a batch of one is enough in evaluation": [Neighbours],
    "state round-trips through safetensors": [Hidden],
    "two builds from one seed are byte-equal": [Unseeded],
    "bfloat16 stays finite": [Overflows],
    "what it shows has the shape of its kind": [ShowsTooFew, Misnames],
}
"""Check → heads that must fail it."""


@dataclass(frozen=True)
class Ratio:
    """ratio: the share of the tokens that is dropped."""

    ratio: float = 0.5


class Tokens(Masking):
    """Keeps the first half; each fault overrides one thing."""

    def select_tokens(self, tokens, inputs):
        n = tokens.shape[1]
        order = torch.arange(n).expand(len(tokens), n)
        return TokenMask(order[:, : n // 2], order[:, n // 2 :])


class Twice(Tokens):
    def select_tokens(self, tokens, inputs):
        good = super().select_tokens(tokens, inputs)
        return TokenMask(good.keep, good.keep)


class Forgets(Tokens):
    def select_tokens(self, tokens, inputs):
        good = super().select_tokens(tokens, inputs)
        return TokenMask(good.keep, good.drop[:, 1:])


class OtherRatio(Tokens):
    def select_tokens(self, tokens, inputs):
        n = tokens.shape[1]
        order = torch.arange(n).expand(len(tokens), n)
        return TokenMask(order[:, : n // 4], order[:, n // 4 :])


class Drifts(Tokens):
    def select_tokens(self, tokens, inputs):
        n = tokens.shape[1]
        kept = int(torch.randint(1, n, ()))
        order = torch.arange(n).expand(len(tokens), n)
        return TokenMask(order[:, :kept], order[:, kept:])


class Chatty(Disentangler):
    """Its disturbance is there in evaluation as well."""

    needs = frozenset({"pooled"})

    def forward(self, features, inputs):
        return Parts(features.pooled, features.pooled)


def registry(**parts: type) -> Registry:
    """The core and parts made here, each under "made.NAME"."""
    made = core()
    for name, kind in parts.items():
        plural, config = (
            ("heads", None)
            if issubclass(kind, Head)
            else ("maskings", Ratio)
            if issubclass(kind, Masking)
            else ("disentanglers", None)
        )
        build = (lambda config, site, kind=kind: kind(site)) if plural == "heads" else (lambda config, site, kind=kind: kind())
        made.add(
            plural,
            f"made.{name}",
            "builtin",
            Spec(f"made.{name}", build, config, name, losses=("ce", "fool"), critics=("judge",)),
        )
    return made


def failed(kind: str, part: type) -> dict[str, str]:
    """The checks that a component fails, with the reasons."""
    checks = _component(part.__name__, partial(hosts, kind, "made.it", registry(it=part)))
    return {check.name: check.reason for check in checks if not check.passed}


def test_a_healthy_head_and_a_healthy_masking_pass_everything() -> None:
    assert failed("heads", Good) == {}
    assert failed("maskings", Tokens) == {}


@pytest.mark.parametrize(
    ("check", "part"),
    [(check, part) for check, parts in HEADS.items() for part in parts],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_a_head_with_a_fault_fails_the_check_that_guards_against_it(check: str, part: type[Head]) -> None:
    assert check in failed("heads", part)


@pytest.mark.parametrize("part", [Twice, Forgets, OtherRatio, Drifts], ids=lambda part: part.__name__)
def test_a_masking_whose_tokens_are_no_partition_or_miss_the_ratio_fails(part: type[Masking]) -> None:
    assert "token masks partition the tokens and keep the ratio" in failed("maskings", part)


def test_a_disturbance_in_evaluation_is_a_wrong_shape() -> None:
    assert "Parts.disturbance is there in evaluation" in failed("disentanglers", Chatty)["shapes are as declared"]


def test_a_component_that_raises_is_one_failed_check_with_its_error() -> None:
    class Raises(Good):
        def __init__(self, site):
            raise KeyError("no such thing")

    assert failed("heads", Raises) == {"can be assembled": "KeyError: 'no such thing'"}


def test_options_need_defaults_and_words_in_a_docstring() -> None:
    @dataclass(frozen=True)
    class Silent:
        """Says nothing of them."""

        depth: int
        width: int = 3

    checks = _listed("head made.it", Spec("made.it", print, Silent, ""))
    assert [check.reason for check in checks if not check.passed] == [
        "Spec(summary=…) is empty",
        "no default: depth; not in the docstring of Silent: depth, width",
    ]


def test_an_unknown_plugin_is_one_failed_check() -> None:
    checks = check_plugin("nobody", registry())
    assert checks == [Check("is installed", False, "there are builtin", "plugin nobody")]


class BySource(Tiny):
    """Adds the number of the source to its feature: in training alone, or at test time too."""

    def __init__(self, ever: bool):
        super().__init__()
        self.ever = ever

    def forward(self, inputs, select=None, between=None):
        found = super().forward(inputs, select, between)
        if inputs.domain is None or not (self.training or self.ever):
            return found
        return replace(found, pooled=found.pooled + inputs.domain[:, None])


@pytest.mark.parametrize(("ever", "told"), [(False, ""), (True, "differs, in evaluation")])
def test_a_part_that_needs_the_source_at_test_time_is_seen(ever: bool, told: str) -> None:
    made = registry(it=Good)
    made.specs["backbones"]["resnet18"] = Spec("resnet18", lambda config, site: BySource(ever), None, "knows the source")
    wrong = labels_change_no_prediction(hosts("heads", "made.it", made))
    assert told in wrong and bool(told) is bool(wrong)


class Drifting(Tiny):
    """Counts its passes, frozen or not."""

    def __init__(self):
        super().__init__()
        self.register_buffer("passes", torch.zeros(1))

    def forward(self, inputs, select=None, between=None):
        self.passes += 1
        return super().forward(inputs, select, between)


@pytest.mark.parametrize(("backbone", "told"), [(Tiny, ""), (Drifting, "backbone changed in a training step")])
def test_a_frozen_part_that_drifts_is_seen(backbone: type, told: str) -> None:
    made = registry(it=Good)
    made.specs["backbones"]["resnet18"] = Spec("resnet18", lambda config, site: backbone(), None, "frozen below")
    bench = hosts("heads", "made.it", made)
    frozen = replace(bench.stage, frozen=("backbone",))
    assert frozen_parts_stay(Bench(frozen, bench.order, bench.shop)) == told


def recipe(**variants: Any) -> list[Check]:
    """The failed checks of a plugin that brings one recipe with these variants."""
    made = registry()
    made.plugins["made"] = replace(made.plugins["builtin"], name="made", brings=("recipes:made",))
    table = {"backbone": "resnet18", "head": "linear", "epochs": 1, "batch": 2, "losses": {"ce": 1.0}, "view": {"resize": 32}}
    raw = {"schema": 1, "name": "made", "stage": {"only": table}, "variant": variants}
    made.add("recipes", "made", "made", RecipeFile("made", Path("made.toml"), "made", raw))
    cases = [case for case in contract_cases("made", made) if case.about == "recipe made, preset paper"]
    return [check for case in cases for check in case.run() if not check.passed]


BAD_VARIANTS = {
    "an option nobody knows": ({"stage": {"only": {"epoch": 3}}}, "no option 'epoch'"),
    "a loss without a weight": ({"stage": {"only": {"losses": {"ce": False}}}}, "loss 'ce' has no weight"),
    "a weight without a loss": ({"stage": {"only": {"losses": {"mine": 1.0}}}}, "'mine' weighs no loss"),
    "parts that do not fit": ({"stage": {"only": {"head": "affect", "losses": {"ce": False}}}}, "has no weight"),
    "a rate for nothing": (
        {"stage": {"only": {"optimiser": {"slots": {"masking": {"lr": 1.0}}}}}},
        "no trained parameter under 'masking'",
    ),
    "a frozen path that is not there": ({"stage": {"only": {"frozen": ["backbon"]}}}, "backbon"),
}


@pytest.mark.parametrize(("variant", "told"), BAD_VARIANTS.values(), ids=BAD_VARIANTS)
def test_a_variant_that_cannot_run_fails_under_its_name_and_no_other(variant: dict[str, Any], told: str) -> None:
    failed = recipe(good={"stage": {"only": {"epochs": 2}}}, bad=variant)
    assert [check.name for check in failed] == ["variant bad parses and rehearses"]
    assert told in failed[0].reason


class Faces(Reader):
    """Pictures that are made; each fault below overrides one thing."""

    rooted = False
    ids = ("a", "b")
    factors: Any = {}

    def samples(self, root):
        for name in self.ids:
            yield Sample(name, name, Expression.FEAR, "made", "train", factors=self.factors)


class Twins(Faces):
    ids = ("a", "a")


class Shuffled(Faces):
    @property
    def ids(self):
        type(self).turn = not getattr(type(self), "turn", False)
        return ("a", "b") if self.turn else ("b", "a")


class OddFactor(Faces):
    factors: Any = {"gender": "robot"}


class Gullible(Faces):
    """Says that it reads files, and finds nothing wrong with an empty folder."""

    rooted = True
    ids = ()


@pytest.mark.parametrize(
    ("reader", "told"),
    [(Faces, ""), (Twins, "one id stands for two samples"), (Shuffled, "ids differ between two walks"),
     (OddFactor, "factor class gender=robot is not in factor_classes()"), (Gullible, "an empty folder gave 0 samples and no DataError")],
)  # fmt: skip
def test_a_reader_with_a_fault_fails_with_the_reason(reader: type[Reader], told: str) -> None:
    checks = _dataset(DatasetSpec("made.set", reader, None, "made", kind="synthetic"))
    assert told in next((check.reason for check in checks if not check.passed), "")
    assert bool(told) is any(not check.passed for check in checks)


def test_a_plugin_that_imports_what_is_not_public_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_nosy.py").write_text(
        "import torch\nfrom ferbench.train.step import Step\nfrom ferbench import Spec\nimport ferbench_addl\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    made = registry()
    made.plugins["addl"] = replace(made.plugins["builtin"], name="addl", entry_point="ferbench_addl")
    told = forbidden_imports("made_nosy", made)
    assert (
        told
        == "made_nosy.py:2 imports Step of ferbench.train.step, which is not public; made_nosy.py:4 imports ferbench_addl, another plugin"
    )
    assert imports_of_listing("made_nosy").startswith("imports torch")
