"""Grad-CAM, written a second time naively: the slope of a class at every place, one at a time, by finite differences in float64."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ferbench.explain.gradcam import grad_cam, laid_out


def net() -> tuple[nn.Module, nn.Module, Tensor]:
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh())
    rest = nn.Sequential(nn.Conv2d(4, 5, 3, 2, 1), nn.Tanh(), nn.Flatten(), nn.Linear(20, 3))
    return stem.double(), rest.double(), torch.randn(2, 3, 4, 4, dtype=torch.float64)


def naive(rest: nn.Module, maps: Tensor, face: int, label: int) -> Tensor:
    """[4, 4]: α_k is the mean over places of the slope of y, by central differences; then ReLU(Σ_k α_k A^k), place by place."""
    alpha = []
    for k in range(maps.shape[1]):
        slopes = []
        for i in range(4):
            for j in range(4):
                ends = []
                for step in (1e-5, -1e-5):
                    moved = maps.clone()
                    moved[face, k, i, j] += step
                    ends.append(float(rest(moved)[face, label].detach()))
                slopes.append((ends[0] - ends[1]) / 2e-5)
        alpha.append(sum(slopes) / 16)
    return torch.tensor(
        [[max(0.0, sum(a * float(maps[face, k, i, j]) for k, a in enumerate(alpha))) for j in range(4)] for i in range(4)]
    )


def test_the_map_of_every_face_is_the_one_worked_out_place_by_place() -> None:
    stem, rest, images = net()
    maps = stem(images.requires_grad_(True))
    logits = rest(maps)
    labels = logits.argmax(1)
    (found,) = grad_cam(logits.amax(1), [maps])
    assert found is not None and bool(found.any())
    for face in range(2):
        torch.testing.assert_close(found[face], naive(rest, maps.detach(), face, int(labels[face])), rtol=1e-3, atol=1e-6)


def test_tokens_are_laid_out_as_the_picture_they_came_from() -> None:
    """Tokens of a map flattened in reading order give the map's own Grad-CAM."""
    stem, rest, images = net()
    maps = stem(images.requires_grad_(True))
    tokens = maps.flatten(2).transpose(1, 2)  # [B, 16, C]
    again = tokens.transpose(1, 2).unflatten(2, (4, 4))
    of_maps, of_tokens = grad_cam(rest(again).amax(1), [maps, tokens])
    assert of_maps is not None and of_tokens is not None
    torch.testing.assert_close(of_maps, of_tokens)
    assert laid_out(torch.zeros(2, 15, 3)) is None


def test_a_block_that_the_class_does_not_come_from_has_no_map() -> None:
    stem, rest, images = net()
    maps = stem(images.requires_grad_(True))
    idle, cut = stem(images) * 2, maps.detach()
    found = grad_cam(rest(maps).amax(1), [maps, idle, cut])
    assert [cam is None for cam in found] == [False, True, True]
