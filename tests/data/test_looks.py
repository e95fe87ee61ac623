"""Where a view makes few pictures of a row, they can be had one by one, to the bit, and training says which one it shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ferbench.data.augment import Augment
from ferbench.data.views import Blur, Erase, Flip, Grey, Jitter, Noise, RandomCrop, RandomResizedCrop, Rotate, View

PICTURES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (9, 16, 16, 3), dtype=np.uint8))
ROWS = torch.arange(9)


@pytest.mark.parametrize("op", [RandomCrop, RandomResizedCrop, Rotate, Jitter, Grey, Noise, Blur, Erase])
def test_any_other_augmentation_than_mirrors_makes_pictures_without_end(op: Any) -> None:
    assert Augment(View(16, augment=(Flip(), op(kernel=3) if op is Blur else op())), 0, "cpu").looks is None


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    ("crop", "augment", "looks"), [(0, (Flip(),), 2), (10, (Flip(0.3), Flip(0.4)), 2), (10, (), 1), (0, (), 1)]
)
def test_a_look_shown_by_itself_has_the_bits_of_training(
    crop: int, augment: Any, looks: int, channels_last: bool, batched: bool
) -> None:
    view = View(16, crop, augment=augment)
    shown = Augment(view, 7, "cpu", channels_last, batched=batched)
    assert shown.looks == looks
    alone = [shown.test(PICTURES, mirror=look == 1).clone() for look in range(looks)]
    seen = set()
    for epoch in range(5):
        which = shown.look(ROWS, epoch)
        trained = shown.train(PICTURES, ROWS, epoch)
        for row, look in enumerate(which.tolist()):
            assert torch.equal(trained[row], alone[look][row])
            seen.add(look)
    assert seen == set(range(looks))


def test_the_mirrored_look_is_the_mirrored_picture_and_maps_follow() -> None:
    shown, maps = Augment(View(16), 0, "cpu"), PICTURES[..., 0].contiguous()
    assert torch.equal(shown.test(PICTURES, mirror=True), shown.test(PICTURES).flip(3))
    assert torch.equal(shown.test_map(maps, mirror=True), shown.test_map(maps).flip(2))
