"""A part that makes the pictures of a step: what it is given, what both phases learn from, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from fixtures_tiny import core
from torch import Tensor, nn

from ferbench import AssemblyRefused, Head, Inputs, Masking, Spec
from ferbench.contract.benches import Bench, hosts
from ferbench.contract.components import CONTRACT
from ferbench.data.faces import Faces
from ferbench.data.loader import Loader
from ferbench.flow import Batch, Progress
from ferbench.method.compose import Method
from ferbench.train.remember import remember
from ferbench.train.step import Step, average_gradients

START = Progress(0, 0, 0.0)


class Shade(Head):
    """Paints one copy of each face, shaded by a critic, and by its label. There is one critic for each of two epochs; it learns through the
    network, and rests from the sixth step on."""

    def __init__(self, site: Any) -> None:
        super().__init__()
        self.fc, self.drop = nn.Linear(site.width("expression"), len(site.labels)), nn.Dropout(0.5)
        self.critics["shades"] = nn.ModuleList(nn.Conv2d(3, 3, 1) for _ in range(2))
        self.seen: list[Batch] = []

    def forward(self, parts, features):
        return {"expression": self.fc(self.drop(parts.expression))}

    def shaded(self, batch, progress):
        n = batch.faces
        return self.critics["shades"][progress.epoch](batch.inputs.images[:n]) + batch.expression[:n, None, None, None]

    def paint(self, batch, progress):
        self.seen = [batch]
        return batch.with_copies(self.shaded(batch, progress))

    def losses(self, output, batch, progress):
        self.seen.append(batch)
        logits = output.predictions["expression"].float()
        known = (batch.expression >= 0).sum().clamp(min=1)
        return {"ce": nn.functional.cross_entropy(logits, batch.expression, ignore_index=-1, reduction="sum") / known}

    def critic_losses(self, output, batch, progress):
        self.seen.append(batch)
        if progress.step >= 5:
            return {"judge": batch.inputs.images.new_zeros(())}
        shown = batch.shown(self.shaded(batch, progress))
        return {"judge": -batch.network(shown).predictions["expression"].float().square().mean()}


class Other(Masking):
    def paint(self, batch, progress):
        return batch


class Frozen(Masking):
    """Would be asked once for each picture."""

    def frozen_features(self, inputs):
        return {"mean": inputs.images.mean((1, 2, 3))}


def bench(masking: type[Masking] | None = None) -> Bench:
    made = core()
    made.add(
        "heads",
        "made.it",
        "builtin",
        Spec("made.it", lambda config, site: Shade(site), None, "shade", losses=("ce",), critics=("judge",)),
    )
    if masking is not None:
        made.specs["maskings"]["none"] = Spec("none", lambda config, site: masking(), None, "in the place of none")
    return hosts("heads", "made.it", made)


@pytest.fixture(scope="module")
def shading() -> Bench:
    return bench()


def stepped(shading: Bench, *steps: tuple[int, Progress], method: Method | None = None, **options: Any) -> tuple[Method, Step]:
    method = shading.method() if method is None else method
    step = Step(method, shading.stage, torch.device("cpu"), options.pop("dtype", torch.float32), **options)
    for seed, progress in steps:
        step(shading.batch(seed), progress, 1.0)
    return method, step


def test_both_phases_learn_from_what_is_painted_and_labels_follow_the_faces(shading: Bench) -> None:
    method, _ = stepped(shading, (0, START))
    given, critics, main = method.head.seen  # type: ignore[misc]
    batch = shading.batch(0)
    assert torch.equal(given.inputs.images, batch.inputs.images) and critics is main
    assert (main.copies, main.faces, len(main), len(main.inputs)) == (1, len(batch), 2 * len(batch), 2 * len(batch))
    for name in ("expression", "domain", "row", "affect"):
        assert torch.equal(getattr(main, name), torch.cat([getattr(batch, name)] * 2)), name
    assert torch.equal(main.factors["gender"], torch.cat([batch.factors["gender"]] * 2))
    assert torch.equal(main.inputs.domain, main.domain)
    assert torch.equal(main.inputs.views["parsing"], torch.cat([batch.inputs.views["parsing"]] * 2))
    assert torch.equal(main.inputs.images[: len(batch)], batch.inputs.images) and not main.inputs.images.requires_grad


def test_further_copies_come_behind_those_of_the_view() -> None:
    x = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 2, 2)
    label = torch.tensor([5, 6, 5, 6])
    batch = Batch(Inputs(x), label, {}, torch.tensor([0, 0, 1, 1]), torch.zeros(4, 2), torch.tensor([8, 9, 8, 9]), copies=1)
    more = batch.with_copies(x[:2] + 10, x[:2] + 20)
    assert more.inputs.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 10, 11, 20, 21]
    assert more.row.tolist() == [8, 9] * 4 and more.domain.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert (more.copies, more.faces) == (3, 2)


def test_the_network_is_asked_as_it_stands_and_left_as_it_was(shading: Bench) -> None:
    method = shading.method()
    method.backbone.norm.eval()  # as a frozen part is
    batch = method.painted(shading.batch(), START)
    assert batch.network is not None
    before = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    modes = [module.training for module in method.modules()]
    pictures = batch.inputs.images[: batch.faces].clone().requires_grad_()
    once, twice = (batch.network(batch.shown(pictures)).predictions["expression"] for _ in range(2))
    assert torch.equal(once, twice), "nothing drops out"
    assert [module.training for module in method.modules()] == modes and not all(modes) and any(modes)
    assert all(torch.equal(tensor, before[name]) for name, tensor in method.state_dict().items())
    (gradient,) = torch.autograd.grad(once.sum(), pictures)
    assert gradient.any()
    torch.testing.assert_close(once, method.eval()(batch.shown(pictures)).predictions["expression"])


def test_critics_learn_through_the_network_and_only_they(shading: Bench) -> None:
    method, step = stepped(shading)
    for name, check in CONTRACT.items():
        assert not check(shading), name
    step.main.step = lambda: None  # type: ignore[method-assign]
    step.main.zero = lambda: None  # type: ignore[method-assign]
    shade = method.head.critics["shades"][0].weight.detach().clone()
    alone, parallel = shading.method(), step
    torch.manual_seed(1)
    parallel(shading.batch(), START, 1.0)
    assert not torch.equal(method.head.critics["shades"][0].weight, shade)
    torch.manual_seed(1)  # the main gradients are those of a step without the critics' phase
    without = replace(alone.painted(shading.batch(), START), network=None)
    alone.losses(alone(without.inputs), without, START)["ce"].backward()
    for (name, a), (_, b) in zip(method.phase_parameters()[0].items(), alone.phase_parameters()[0].items(), strict=True):
        assert a.grad is not None and b.grad is not None and torch.equal(a.grad, b.grad), name


def test_critics_without_a_graph_rest_whatever_momentum_they_have(shading: Bench) -> None:
    method, step = stepped(shading, (0, START), (1, START))
    before = {name: p.detach().clone() for name, p in method.phase_parameters()[1].items()}
    fc = method.head.fc.weight.detach().clone()  # type: ignore[union-attr]
    values = step(shading.batch(2), Progress(0, 5, 0.5), 1.5)
    assert step.names == ("critic.judge", "ce") and values[0] == 0
    assert all(torch.equal(p, before[name]) for name, p in method.phase_parameters()[1].items())
    assert torch.equal(method.head.critics["shades"][1].weight, shading.method().head.critics["shades"][1].weight)  # type: ignore[index]
    assert not torch.equal(method.head.fc.weight, fc)  # type: ignore[union-attr,arg-type]


def test_in_bfloat16_weights_that_were_asked_without_gradient_learn_in_the_same_step(shading: Bench) -> None:
    asked = shading.method()
    paint = asked.head.paint

    def looks(batch: Batch, progress: Progress) -> Batch:
        assert batch.network is not None
        batch.network(batch.inputs)
        return paint(batch, progress)

    asked.head.paint = looks  # type: ignore[method-assign]
    before = {name: p.detach().clone() for name, p in asked.named_parameters()}
    stepped(shading, (0, START), method=asked, dtype=torch.bfloat16)
    assert [name for name, p in asked.named_parameters() if torch.equal(p, before[name])] == [
        "head.critics.shades.1.weight", "head.critics.shades.1.bias"
    ]  # fmt: skip


def test_two_parts_that_paint_are_refused_by_name() -> None:
    with pytest.raises(AssemblyRefused, match=r"masking none and head made.it both make the pictures that a step learns from"):
        bench(Other)


@pytest.mark.parametrize("head", ["made.it", "linear"])
def test_nothing_is_remembered_of_pictures_that_a_step_repaints(head: str) -> None:
    of = bench(Frozen)
    registry = of.shop.registry
    method, rows = hosts("heads", head, registry).method(), np.arange(4)
    images = (of.batch().inputs.images.permute(0, 2, 3, 1) * 40 + 128).clamp(0, 255).byte().numpy()
    faces = Faces((images,), (rows,), rows % 7, rows * 0, np.zeros((4, 2), np.float32), tuple("abcd"), ("made",))
    loader = Loader(faces, of.stage.view, 4, 0)
    assert (remember(method, loader, 3, torch.no_grad, lambda *_: None) is loader) is method.paints is (head == "made.it")


@pytest.fixture
def group() -> Iterator[None]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_what_has_no_gradient_on_any_process_goes_on_without(group: None, monkeypatch: pytest.MonkeyPatch) -> None:
    taught, resting, elsewhere = (nn.Parameter(torch.ones(2)) for _ in range(3))
    taught.grad = torch.tensor([1.0, 2.0])
    average_gradients([taught, resting], 1)
    assert resting.grad is None and taught.grad.tolist() == [1.0, 2.0]

    def of_two(flat: Tensor) -> None:  # the other process has a gradient for the last alone
        flat += torch.tensor([0.0, 0.0, 0.0, 0.0, 4.0, 4.0, 0.0, 0.0, 1.0])

    monkeypatch.setattr(dist, "all_reduce", of_two)
    average_gradients([taught, resting, elsewhere], 2)
    assert taught.grad.tolist() == [0.5, 1.0] and resting.grad is None
    assert elsewhere.grad is not None and elsewhere.grad.tolist() == [2.0, 2.0]
