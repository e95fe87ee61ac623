"""Assembly: what each slot is told, what is refused and why, and what the two phases own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from fixtures_tiny import WIDTH, Tiny, core
from torch import nn

from ferbench import AssemblyRefused, Backbone, Disentangler, Features, Head, Masking, Parts, Site, Spec, TokenMask
from ferbench.flow import Progress
from ferbench.method.compose import Method, assemble
from ferbench.recipe import resolve
from ferbench.schema import LABEL_SPACES
from ferbench.train.rehearsal import made_up, rehearse


class Half(Masking):
    def select_tokens(self, tokens, inputs):
        order = torch.arange(tokens.shape[1]).expand(tokens.shape[:2])
        return TokenMask(order[:, ::2], order[:, 1::2])


class Wide(Masking):
    """Twice the pooled feature."""

    needs = frozenset({"pooled"})

    def weigh_features(self, features, inputs):
        return replace(features, pooled=features.pooled.repeat(1, 2))


class Between(Disentangler):
    needs = frozenset({"pooled"})

    def __init__(self):
        super().__init__()
        self.seen: list[int] = []

    def between(self, level, x, inputs):
        self.seen.append(level)
        return x * 0.5

    def forward(self, features, inputs):
        return Parts(features.pooled)


class Levels(Disentangler):
    needs = frozenset({"levels"})

    def forward(self, features, inputs):
        return Parts(features.levels[-1].flatten(1))


class Critical(Head):
    """A head with a critic, whose loss has a name of its own."""

    def __init__(self, site):
        super().__init__()
        self.fc = nn.Linear(site.width("expression"), len(site.labels))
        self.critics["judge"] = nn.Linear(1, 1)

    def forward(self, parts, features):
        return {"expression": self.fc(parts.expression)}

    def losses(self, output, batch, progress):
        return {"ce": output.predictions["expression"].mean()}

    def critic_losses(self, output, batch, progress):
        return {"judge": self.critics["judge"](output.predictions["expression"][:, :1]).mean()}


class Echo(Levels):
    """Emits a loss under the head's name."""

    def losses(self, output, batch, progress):
        return {"ce": output.parts.expression.mean()}


class Plain(Backbone):
    """Only a pooled feature; neither selects nor taps."""

    def forward(self, inputs, select=None, between=None):
        return Features(pooled=inputs.images.mean((2, 3)))


class Picky(Head):
    needs = frozenset({"view:eye"})

    def forward(self, parts, features):
        return {}


PARTS = {
    "backbones": {"tiny": lambda site: Tiny(), "plain": lambda site: Plain()},
    "maskings": {"half": lambda site: Half(), "wide": lambda site: Wide()},
    "disentanglers": {"between": lambda site: Between(), "levels": lambda site: Levels(), "echo": lambda site: Echo()},
    "heads": {"critical": Critical, "picky": lambda site: Picky()},
}


def built(provided: frozenset[str] = frozenset(), seed: int = 0, **slots: str) -> Method:
    registry = core(tiny=False)
    for kind, parts in PARTS.items():
        for name, make in parts.items():
            registry.add(kind, f"t.{name}", "builtin", Spec(f"t.{name}", lambda config, site, make=make: make(site), None, name))
    table: dict[str, Any] = {"backbone": "t.tiny", "head": "linear", "epochs": 1, "batch": 2, "view": {"resize": 32}, **slots}
    stage = resolve({"schema": 1, "name": "made", "stage": {"made": table}}, registry, where="made").stages[0]
    return assemble(stage, Site(LABEL_SPACES["basic7"], 32), registry, provided=provided, seed=seed)


def test_each_slot_is_told_the_shapes_before_it() -> None:
    site = built().site
    assert site.widths == {"pooled": WIDTH, "tokens": WIDTH, "expression": WIDTH}
    assert (site.levels, site.tokens) == (((WIDTH, 4, 4), (WIDTH, 2, 2)), 16)


def test_a_masking_that_changes_the_width_is_seen_by_all_after_it() -> None:
    method = built(masking="t.wide")
    assert method.site.width("expression") == 2 * WIDTH
    assert method.head.fc.in_features == 2 * WIDTH


def test_a_disentangler_decides_the_width_that_the_head_gets() -> None:
    assert built(disentangler="t.levels").head.fc.in_features == WIDTH * 4


REFUSED = {
    "tokens chosen for a backbone that sees everything": (
        {"backbone": "t.plain", "masking": "t.half"},
        "masking t.half chooses tokens; backbone t.plain always sees the whole image",
    ),
    "a part between blocks of a closed backbone": (
        {"backbone": "t.plain", "disentangler": "t.between"},
        "disentangler t.between acts between blocks; backbone t.plain has no taps",
    ),
    "levels that nobody provides": (
        {"backbone": "t.plain", "disentangler": "t.levels"},
        "disentangler t.levels needs levels; what reaches it provides pooled",
    ),
    "labels that the data do not have": (
        {"head": "attributes"},
        "head attributes",
    ),
    "a view that the data do not have": (
        {"head": "t.picky"},
        "head t.picky needs 'view:eye' from the training data, which has expressions only",
    ),
}


@pytest.mark.parametrize(("slots", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_work_is_refused_with_the_reason(slots: dict[str, str], reason: str) -> None:
    with pytest.raises(AssemblyRefused) as refused:
        built(**slots)
    assert reason in refused.value.line()


def test_a_part_between_blocks_acts_after_every_level() -> None:
    method = built(disentangler="t.between")
    method.disentangler.seen.clear()
    method(made_up(method.site, 2).inputs)
    assert method.disentangler.seen == [0]


def test_a_disentangler_without_between_costs_the_backbone_nothing() -> None:
    assert built()._between is None and built()._select is None


def test_two_slots_with_one_loss_name_are_refused_by_name() -> None:
    method = built(disentangler="t.echo")
    batch = made_up(method.site, 2)
    with pytest.raises(AssemblyRefused, match="two slots emit a loss named 'ce'; one of them is the head"):
        method.losses(method(batch.inputs), batch, Progress(0, 0, 0.0))


def test_the_phases_share_no_parameter_and_leave_out_none() -> None:
    method = built(head="t.critical")
    main, critics = method.phase_parameters()
    assert set(critics) == {"head.critics.judge.weight", "head.critics.judge.bias"}
    assert {**main, **critics}.keys() == dict(method.named_parameters()).keys() and not main.keys() & critics.keys()


def test_a_frozen_parameter_is_in_neither_phase() -> None:
    method = built(head="t.critical")
    method.backbone.requires_grad_(False)
    main, _ = method.phase_parameters()
    assert set(main) == {"head.fc.weight", "head.fc.bias"}


def test_a_detached_output_keeps_values_and_loses_the_graph() -> None:
    method = built()
    output = method(made_up(method.site, 2).inputs)
    cut = output.detached()
    assert torch.equal(cut.predictions["expression"], output.predictions["expression"])
    tensors = [cut.features.pooled, cut.features.tokens, *cut.features.levels, cut.parts.expression, *cut.predictions.values()]
    assert output.predictions["expression"].requires_grad and not any(tensor.requires_grad for tensor in tensors)


def test_a_slot_starts_from_the_same_numbers_whatever_its_neighbours_are() -> None:
    one, other = built(), built(disentangler="t.between")
    assert all(torch.equal(a, b) for a, b in zip(one.head.parameters(), other.head.parameters(), strict=True))
    assert not torch.equal(one.head.fc.weight, built(seed=1).head.fc.weight)


def test_assembly_leaves_everything_in_training_mode_and_its_statistics_untouched() -> None:
    method = built(masking="t.wide", disentangler="t.between")
    assert all(module.training for module in method.modules())
    assert torch.equal(method.backbone.norm.running_mean, torch.zeros(WIDTH))
    assert method.backbone.norm.num_batches_tracked == 0


def test_a_rehearsal_names_the_losses_and_leaves_the_method_as_it_was() -> None:
    method = built(head="t.critical")
    stage = resolve(
        {"schema": 1, "name": "m", "stage": {"m": {
            "backbone": "resnet18", "head": "linear", "epochs": 1, "batch": 2, "losses": {"ce": 1.0}, "critics": {"judge": 1.0},
        }}}, core(), where="m",
    ).stages[0]  # fmt: skip
    before = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    shown = rehearse(method, stage)
    assert (shown.losses, shown.critics) == (("ce",), ("judge",))
    assert shown.parameters == shown.trainable == sum(p.numel() for p in method.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in method.state_dict().items())
