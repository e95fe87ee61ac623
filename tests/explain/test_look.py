"""One look at faces: what is grey is what the mask dropped, the same every time; what is shown is what the parts say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fixtures_tiny import core

from ferbench.explain.faces import Face, choose
from ferbench.explain.look import as_pictures, few, hide, look, scaled
from ferbench.flow import Inputs, TokenMask
from ferbench.method.component import Site
from ferbench.method.compose import Method, assemble
from ferbench.recipe import resolve
from ferbench.schema import LABEL_SPACES

SIDE, PATCH = 16, 4


@pytest.fixture(scope="module")
def painter() -> Method:
    """A small vit that hides half of its 16 tokens at random and paints them."""
    registry = core(tiny=False)
    slots = {
        "backbone": {"use": "vit", "model": "vit_tiny_patch16_224", "patch": PATCH, "depth": 1, "weights": "random"},
        "masking": {"use": "random", "ratio": 0.5},
        "head": {"use": "pixels", "norm_pix": True, "width": 24, "depth": 1, "heads": 2},
    }
    raw = {"schema": 1, "name": "p", "labels": "basic7", "selection": "last",
           "stage": {"p": {"data": "source.train", "losses": {"reconstruction": 1.0}, "epochs": 1, "batch": 2, **slots}}}  # fmt: skip
    stage = resolve(raw, registry, where="test").deployed
    normalise = ((0.5, 0.4, 0.3), (0.2, 0.25, 0.3))
    return assemble(stage, Site(LABEL_SPACES["basic7"], SIDE, normalise=normalise), registry).eval().requires_grad_(False)


@pytest.fixture
def inputs() -> Inputs:
    return Inputs(torch.randn(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)))


def test_the_grey_squares_are_the_dropped_tokens_and_nothing_else_changes(painter: Method, inputs: Inputs) -> None:
    found = look(painter, inputs, cams=False)
    assert found.mask is not None and found.mask.drop.shape == (3, 8)
    for face in range(3):
        dropped = set(found.mask.drop[face].tolist())
        for token in range(16):
            top, left = token // 4 * PATCH, token % 4 * PATCH
            square = np.s_[face, top : top + PATCH, left : left + PATCH]
            if token in dropped:
                assert (found.hidden[square] == 128).all()
            else:
                assert np.array_equal(found.hidden[square], found.pictures[square])


def test_a_painting_keeps_what_was_seen(painter: Method, inputs: Inputs) -> None:
    found = look(painter, inputs, cams=False)
    assert found.mask is not None
    painted = as_pictures(found.shown["head", "pixels"]["reconstruction"].values, painter)
    grey = hide(np.zeros_like(painted), found.mask.drop.numpy(), PATCH) > 0
    assert np.array_equal(painted[~grey], found.pictures[~grey]) and not np.array_equal(painted[grey], found.pictures[grey])


def test_two_looks_hide_the_same_and_leave_the_method_and_the_random_numbers_as_they_were(
    painter: Method, inputs: Inputs
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second = look(painter, inputs, cams=False), look(painter, inputs, cams=False)
    assert torch.equal(torch.rand(1), expected) and not painter.masking.training
    assert first.mask is not None and second.mask is not None and torch.equal(first.mask.drop, second.mask.drop)


def test_another_mask_can_be_laid_over_it(painter: Method, inputs: Inputs) -> None:
    order = torch.arange(16).expand(3, 16)
    found = look(painter, inputs, cams=False, mask=TokenMask(order[:, 4:], order[:, :4]))
    assert (found.hidden[:, :PATCH] == 128).all() and np.array_equal(found.hidden[:, PATCH:], found.pictures[:, PATCH:])


def test_pictures_are_taken_back_through_their_normalisation(painter: Method) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    mean, std = (np.array(values) for values in painter.site.normalise)
    normalised = torch.from_numpy((faces / 255 - mean) / std).permute(0, 3, 1, 2).float()
    assert np.array_equal(as_pictures(normalised, painter), faces)


def test_what_is_watched_is_what_the_backbone_hands_on(painter: Method, inputs: Inputs) -> None:
    plain = painter(inputs)
    output, blocks = painter.watched(inputs)
    assert len(blocks) == 1 and blocks[0].shape == (3, 16, 192)
    torch.testing.assert_close(output.predictions["pixels"], plain.predictions["pixels"])


@pytest.mark.parametrize(
    ("values", "zero", "expected"),
    [([2, 4, 3], False, [0, 1, 0.5]), ([2, 4, 3], True, [0.5, 1, 0.75]), ([3, 3], False, [0, 0]), ([0, 0], True, [0, 0])],
)
def test_a_map_runs_from_its_least_or_from_zero_to_its_greatest(values: list[float], zero: bool, expected: list[float]) -> None:
    assert scaled(np.array([values], np.float32), from_zero=zero).tolist() == [expected]


@pytest.mark.parametrize(("blocks", "expected"), [(0, []), (1, [0]), (5, [0, 1, 2, 3, 4]), (12, [0, 2, 4, 7, 9, 11])])
def test_few_blocks_are_spread_and_hold_the_last(blocks: int, expected: list[int]) -> None:
    assert few(range(blocks)) == expected


def test_right_and_wrong_faces_take_turns_and_one_kind_fills_up() -> None:
    faces = [Face(i, f"{i}", label=i % 2, said=0, chance=0.5) for i in range(20)]  # of class 0 all right, of class 1 all wrong
    faces += [Face(i, f"{i}", label=0, said=1, chance=0.5) for i in range(20, 23)]
    chosen = choose(faces, 4)
    assert [(face.label, face.right) for face in chosen] == [(0, True), (0, False), (0, True), (0, False)] + [(1, False)] * 4
    assert chosen == choose(list(reversed(faces)), 4)
