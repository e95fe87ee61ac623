"""What frozen networks say is asked once per picture: when, how often, and never where the bits would be others."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ferbench import LABEL_SPACES, Features, Inputs, Masking, Site
from ferbench.data.loader import Faces, Loader
from ferbench.data.views import Flip, Noise, RandomCrop, View
from ferbench.errors import Interrupted
from ferbench.method import compose
from ferbench.method.disentangler import NoDisentangler
from ferbench.method.head import Head
from ferbench.train import remember as memory
from ferbench.train.remember import remember

SIDE, N, BATCH = 8, 10, 4
FLIP = View(SIDE, augment=(Flip(),))
Answer = Callable[[Tensor], Tensor]


class Asked(Masking):
    """Its frozen network is a function of the pictures [B, 3, S, S] that counts how often it was asked."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer, self.times = answer, 0

    def frozen_features(self, inputs: Inputs) -> dict[str, Tensor]:
        self.times += 1
        return {"made": self.answer(inputs.images)}

    def weigh_features(self, features: Features, inputs: Inputs) -> Features:
        return Features(pooled=self.known(inputs)["made"])


def alone(images: Tensor) -> Tensor:
    return images.flatten(1).cumsum(1)[:, -5:]


def method_with(answer: Answer) -> Any:
    site = Site(LABEL_SPACES["basic7"], SIDE)
    nothing: Any = nn.Identity()
    return compose.Method(nothing, Asked(answer), NoDisentangler(), Head(), site)


@pytest.fixture(autouse=True)
def _only_components(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose, "SLOTS", ("masking", "disentangler", "head"))


def loader_of(view: View = FLIP, n: int = N, batch: int = BATCH) -> Loader:
    random = np.random.default_rng(0)
    faces = Faces(
        images=(random.integers(0, 255, (n, view.resize, view.resize, 3), dtype=np.uint8),), rows=(np.arange(n),),
        expression=np.zeros(n, np.int64), domain=np.zeros(n, np.int64), affect=np.full((n, 2), np.nan, np.float32),
        ids=tuple(map(str, range(n))), names=("made",),
    )  # fmt: skip
    return Loader(faces, view, batch, seed=5, channels_last=True)


def quiet(what: str, done: int, total: int) -> None: ...


def remembered(method: Any, loader: Any, epochs: int = 9, say: Any = quiet) -> Any:
    return remember(method, loader, epochs, nullcontext, say)


@pytest.mark.parametrize(("n", "batch"), [(10, 4), (8, 4), (3, 4), (5, 1)])
def test_every_batch_of_every_epoch_brings_what_asking_anew_would_say(n: int, batch: int) -> None:
    method = method_with(alone)
    batches = remembered(method, loader_of(n=n, batch=batch))
    asked = method.masking.times
    mirrored = set()
    for epoch in range(6):
        for mine, plain in zip(batches.epoch(epoch), loader_of(n=n, batch=batch).epoch(epoch), strict=True):
            assert torch.equal(mine.inputs.images, plain.inputs.images) and torch.equal(mine.row, plain.row)
            assert torch.equal(method.masking.known(mine.inputs)["made"], alone(plain.inputs.images))
            mirrored |= set(batches.batches.look(mine.row, epoch).tolist())
    assert method.masking.times == asked and mirrored == {0, 1}
    assert batches.steps == loader_of(n=n, batch=batch).steps


def test_a_resumed_epoch_starts_at_its_step_with_the_same_answers() -> None:
    method = method_with(alone)
    batches = remembered(method, loader_of())
    whole, rest = list(batches.epoch(2)), list(batches.epoch(2, 1))
    assert len(rest) == len(whole) - 1
    for a, b in zip(whole[1:], rest, strict=True):
        assert torch.equal(a.inputs.known[method.masking]["made"], b.inputs.known[method.masking]["made"])


def test_each_picture_is_asked_about_once_in_batches_of_trainings_size() -> None:
    sizes: list[int] = []

    def answer(images: Tensor) -> Tensor:
        sizes.append(len(images))
        return alone(images)

    remembered(method_with(answer), loader_of())
    assert sizes == [BATCH] * (2 * 3 + 1)  # ten faces and their mirrors in threes of batches, and the trial of the first


@pytest.mark.parametrize(("augment", "looks"), [((), 1), ((Flip(),), 2), ((Flip(), Flip(0.2)), 2)])
def test_a_view_without_random_parts_has_one_look_and_mirrors_make_it_two(augment: Any, looks: int) -> None:
    batches = remembered(method_with(alone), loader_of(View(SIDE, augment=augment)))
    assert next(iter(batches.tables.values()))["made"].shape == (looks * N, 5)


@pytest.mark.parametrize("view", [View(SIDE, augment=(Noise(), Flip())), View(SIDE, SIDE - 2, augment=(RandomCrop(), Flip()))])
def test_a_view_without_end_of_pictures_is_left_as_it_is(view: View) -> None:
    loader = loader_of(view)
    assert remembered(method_with(alone), loader) is loader


def test_it_is_left_where_so_few_epochs_are_to_go_that_asking_live_is_less_work() -> None:
    loader = loader_of()
    assert (
        remembered(method_with(alone), loader, epochs=2) is loader
        and remembered(method_with(alone), loader, epochs=3) is not loader
    )


def test_it_is_left_where_no_component_has_frozen_features() -> None:
    loader, method = loader_of(), method_with(alone)
    method.masking.frozen_features = lambda inputs: {}
    assert remembered(method, loader) is loader


def test_it_is_left_where_there_is_too_much_to_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = loader_of()
    monkeypatch.setattr(memory, "MOST", 2 * N * 5 * 4)
    assert remembered(method_with(alone), loader) is not loader
    monkeypatch.setattr(memory, "MOST", 2 * N * 5 * 4 - 1)
    assert remembered(method_with(alone), loader) is loader


@pytest.mark.parametrize(
    "depends",
    [lambda x: alone(x - x.mean(0)), lambda x: alone(x) + torch.arange(len(x))[:, None], lambda x: alone(x).roll(1, 0)],
    ids=["on the neighbours", "on the place", "on another face"],
)
def test_it_is_left_where_an_answer_depends_on_more_than_its_picture(depends: Answer) -> None:
    loader = loader_of()
    assert remembered(method_with(depends), loader) is loader


def test_another_component_does_not_read_what_is_known_to_this_one() -> None:
    method, other = method_with(alone), Asked(lambda images: -alone(images))
    batch = next(remembered(method, loader_of()).epoch(0))
    assert torch.equal(other.known(batch.inputs)["made"], -alone(batch.inputs.images)) and other.times == 1


def test_answers_are_kept_in_the_precision_they_were_given_in_and_have_no_gradient() -> None:
    weight = nn.Parameter(torch.ones(5))
    method = method_with(lambda images: (alone(images) * weight).bfloat16())
    known = method.masking.known(next(remembered(method, loader_of()).epoch(0)).inputs)["made"]
    assert known.dtype == torch.bfloat16 and not known.requires_grad
    assert not method.masking.known(next(loader_of().epoch(0)).inputs)["made"].requires_grad


def test_it_tells_how_far_it_is_and_a_wish_to_stop_ends_it() -> None:
    told: list[tuple[int, int]] = []
    remembered(method_with(alone), loader_of(), say=lambda what, done, total: told.append((done, total)))
    assert told[0] == (BATCH, 2 * N) and told[-1] == (2 * N, 2 * N) and told == sorted(told)

    def stop(what: str, done: int, total: int) -> None:
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        remembered(method_with(alone), loader_of(), say=stop)
