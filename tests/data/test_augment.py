"""Every augmentation against a naive writing of it or another library's, and what no augmentation may depend on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as oracle

from ferbench.data import geometry, keyed
from ferbench.data.augment import Augment, Buffers
from ferbench.data.keyed import key, uniform
from ferbench.data.photometric import PHOTOMETRIC, erase, luminance, turn_hue
from ferbench.data.views import MEAN_STD, OPS, Blur, Erase, Flip, Grey, Jitter, Noise, RandomCrop, RandomResizedCrop, Rotate, View
from ferbench.errors import DataError, RecipeError

S, SIDE, B = 40, 32, 12
ROWS = torch.arange(100, 100 + B)
EVERYTHING = (RandomResizedCrop(), Flip(), Rotate(), Jitter(hue=0.1), Grey(), Noise(), Blur(kernel=5), Erase())


def smooth(n: int = B, side: int = S) -> torch.Tensor:
    """uint8 [n, side, side, 3] without noise, so that interpolation can be compared."""
    y, x = torch.meshgrid(torch.linspace(0, 3, side), torch.linspace(0, 3, side), indexing="ij")
    phase = torch.arange(n)[:, None, None]
    planes = [(torch.sin(x * (1 + c / 3) + phase) + torch.cos(y * (1 + c / 4) - phase)) for c in range(3)]
    return ((torch.stack(planes, dim=3) + 2) * 63).to(torch.uint8)


PICTURES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (B, S, S, 3), dtype=np.uint8))


def drawn(view: View, rows: torch.Tensor = ROWS, seed: int = 0, epoch: int = 0) -> list[geometry.Step]:
    return Augment(view, seed, "cpu")._drawn(rows, epoch)


def normalised(images: torch.Tensor, name: str = "imagenet") -> torch.Tensor:
    """uint8 [B, H, W, 3] -> [B, 3, H, W], by torchvision."""
    return oracle.normalize(images.permute(0, 3, 1, 2).float() / 255, *map(list, MEAN_STD[name]))


@pytest.mark.parametrize("name", MEAN_STD)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("batched", [False, True])
def test_test_time_is_the_normalised_centre_crop(name, channels_last, batched):
    shown = Augment(View(S, SIDE, name, EVERYTHING), 0, "cpu", channels_last, batched=batched).test(PICTURES)
    torch.testing.assert_close(shown, normalised(PICTURES[:, 4:36, 4:36], name), atol=1e-5, rtol=1e-5)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert shown.dtype == torch.float32 and shown.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("batched", [False, True])
def test_crop_and_flip_are_slices_of_the_picture(batched):
    view = View(S, SIDE, augment=(RandomCrop(), Flip()))
    images = Augment(view, 0, "cpu", batched=batched).train_uint8(PICTURES, ROWS, 0)
    (box,) = drawn(view)
    for i in range(B):
        top, left = box.top[i], box.left[i]
        expected = PICTURES[i, top : top + SIDE, left : left + SIDE]
        assert torch.equal(images[i], expected.flip(1) if box.mirror[i] else expected)
    assert 0 < box.mirror.sum() < B and len(set(zip(box.top.tolist(), box.left.tolist(), strict=True))) > B // 2


def test_ops_apply_in_the_listed_order():
    """A crop of a mirrored picture has its left edge counted from the right."""
    before, after = (drawn(View(S, SIDE, augment=ops))[0] for ops in [(Flip(1.0), RandomCrop()), (RandomCrop(), Flip(1.0))])
    for view in (View(S, SIDE, augment=(Flip(1.0), RandomCrop())), View(S, SIDE, augment=(RandomCrop(), Flip(1.0)))):
        images = Augment(view, 0, "cpu").train_uint8(PICTURES, ROWS, 0)
        for i in range(B):
            now = PICTURES[i]
            for place, op in enumerate(view.augment):
                u = uniform(key(0, "augment", 0, place, op.op), ROWS[i : i + 1], 2)[0]
                top, left = (u * (S - SIDE + 1)).long().tolist()
                now = now.flip(1) if isinstance(op, Flip) else now[top : top + SIDE, left : left + SIDE]
            assert torch.equal(images[i], now)
    assert not torch.equal(before.left, after.left)


def test_a_resized_crop_of_a_mirrored_picture_is_cut_from_the_mirror():
    view = View(S, SIDE, augment=(Flip(1.0), RandomResizedCrop((0.2, 0.6))))
    unmirrored = View(S, SIDE, augment=(Flip(0.0), RandomResizedCrop((0.2, 0.6))))
    mirrored = Augment(view, 0, "cpu").train_uint8(PICTURES, ROWS, 0).int()
    expected = Augment(unmirrored, 0, "cpu").train_uint8(PICTURES.flip(2), ROWS, 0).int()
    assert (mirrored - expected).abs().max() <= 1


def test_crops_reach_every_place_equally():
    rows = torch.arange(9000)
    (box,) = drawn(View(S, SIDE, augment=(RandomCrop(),)), rows)
    counts = torch.bincount(box.top * 9 + box.left, minlength=81)
    assert counts.shape == (81,) and counts.min() > 70 and counts.max() < 160  # 111 expected


@pytest.mark.parametrize("scale", [(0.08, 0.3), (0.5, 1.0), (1.0, 1.0)])
@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_a_resized_crop_equals_torchvisions_of_the_same_box(scale, flip):
    view = View(S, SIDE, augment=(RandomResizedCrop(scale, (0.75, 4 / 3)), Flip(flip)))
    (box,) = drawn(view)
    each, batch = (Augment(view, 0, "cpu", batched=b).train_uint8(PICTURES, ROWS, 0) for b in (False, True))
    for i in range(B):
        place = [int(v[i]) for v in (box.top, box.left, box.height, box.width)]
        expected = oracle.resized_crop(PICTURES[i].permute(2, 0, 1), *place, [SIDE, SIDE], antialias=True).permute(1, 2, 0)
        expected = expected.flip(1) if flip else expected
        assert (each[i].int() - expected.int()).abs().max() <= 1
        assert (batch[i].int() - expected.int()).abs().max() <= 1


def test_resized_boxes_have_the_wanted_area_and_ratio_and_lie_inside():
    rows, op = torch.arange(5000), RandomResizedCrop((0.2, 0.8), (0.5, 2.0))
    (box,) = drawn(View(200, 64, augment=(op,)), rows)
    area, ratio = box.height * box.width / 200**2, (box.width / box.height).log()
    assert (box.top >= 0).all() and (box.left >= 0).all()
    assert (box.top + box.height <= 200).all() and (box.left + box.width <= 200).all()
    assert 0.19 < area.min() < 0.21 and 0.76 < area.max() < 0.81 and abs(ratio.mean()) < 0.02
    assert abs(ratio.exp().max() - 2) < 0.05 and abs(ratio.exp().min() - 0.5) < 0.02


@pytest.mark.parametrize(("ratio", "height", "width"), [((3.0, 4.0), 13, 40), ((0.25, 0.5), 40, 20), ((0.9, 1.1), 40, 40)])
def test_a_box_that_never_fits_becomes_the_largest_allowed_one_in_the_middle(ratio, height, width):
    (box,) = drawn(View(S, SIDE, augment=(RandomResizedCrop((1.5, 2.0), ratio),)))
    assert set(zip(box.height.tolist(), box.width.tolist(), strict=True)) == {(height, width)}
    assert set(box.top.tolist()) == {(S - height) // 2} and set(box.left.tolist()) == {(S - width) // 2}


def test_a_turn_equals_torchvisions_of_the_picture_with_repeated_borders():
    pictures, angles = smooth(), torch.linspace(-60, 60, B)
    turned = geometry.turn(pictures, angles.deg2rad())
    for i in range(B):
        wide = np.pad(pictures[i].numpy(), [(S, S), (S, S), (0, 0)], mode="edge")
        expected = oracle.rotate(torch.from_numpy(wide).permute(2, 0, 1), float(angles[i]), oracle.InterpolationMode.BILINEAR)
        difference = (turned[i].int() - expected.permute(1, 2, 0)[S : 2 * S, S : 2 * S].int()).abs()
        assert difference.max() <= 2 and difference.float().mean() < 0.5


def test_turns_are_uniform_in_their_range_and_stay_where_they_are_listed():
    steps = drawn(View(S, SIDE, augment=(Rotate(20), RandomCrop())), torch.arange(4000))
    angle = steps[1].angle.rad2deg()
    assert [type(step).__name__ for step in steps] == ["Boxes", "Turn", "Boxes"] and steps[2].side == SIDE
    assert -20 <= angle.min() < -19.5 and 19.5 < angle.max() <= 20 and abs(angle.mean()) < 0.6
    steps = drawn(View(S, SIDE, augment=(RandomCrop(), Rotate(20))))
    assert [step.side for step in steps if isinstance(step, geometry.Boxes)] == [SIDE, SIDE]


def colour(op, x):
    return PHOTOMETRIC[type(op)](x, op, 5, ROWS)


X = smooth(B, SIDE).permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize(
    ("op", "place", "by"),
    [
        (Jitter(0.4, 0, 0), 0, oracle.adjust_brightness),
        (Jitter(0, 0.4, 0), 1, oracle.adjust_contrast),
        (Jitter(0, 0, 0.4), 2, oracle.adjust_saturation),
    ],
)
def test_jitter_equals_torchvisions_adjustments(op, place, by):
    factors = 1 + (uniform(5, ROWS, 4)[:, place] * 2 - 1) * 0.4
    expected = torch.stack([by(x, float(f)) for x, f in zip(X, factors, strict=True)])
    torch.testing.assert_close(colour(op, X), expected, atol=2e-4, rtol=0)


def test_a_turn_of_hue_equals_torchvisions():
    x = torch.rand(B, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    x[0] = 0.5  # grey has no hue
    turns = torch.linspace(-0.5, 0.5, B)
    expected = torch.stack([oracle.adjust_hue(image, float(t)) for image, t in zip(x, turns, strict=True)])
    torch.testing.assert_close(turn_hue(x, turns[:, None, None]), expected, atol=1e-5, rtol=0)
    drawn = (uniform(5, ROWS, 4)[:, 3] * 2 - 1) * 0.1
    expected = torch.stack([oracle.adjust_hue(image, float(t)) for image, t in zip(x, drawn, strict=True)])
    torch.testing.assert_close(colour(Jitter(0, 0, 0, hue=0.1), x), expected, atol=1e-5, rtol=0)


def chosen(p: float, draws: int = 1) -> torch.Tensor:
    return uniform(5, ROWS, draws)[:, 0] < p


def test_grey_pictures_are_their_luminance():
    grey, which = colour(Grey(0.5), X), chosen(0.5)
    assert 0 < which.sum() < B
    torch.testing.assert_close(grey[which], oracle.rgb_to_grayscale(X[which], 3), atol=2e-4, rtol=0)
    assert torch.equal(grey[~which], X[~which])
    torch.testing.assert_close(luminance(torch.ones(1, 3, 2, 2)), torch.ones(1, 1, 2, 2))


def test_noise_has_its_variance_and_stays_in_range():
    x = torch.full((B, 3, 64, 64), 0.5)
    noisy, which = colour(Noise(30.0, 0.5), x), chosen(0.5)
    assert torch.equal(noisy[~which], x[~which])
    assert (((noisy[which] - 0.5) * 255).var(dim=(1, 2, 3)) - 30).abs().max() < 2
    extreme = colour(Noise(3000.0, 1.0), torch.zeros(B, 3, 8, 8))
    assert extreme.min() == 0 and extreme.max() <= 1


def test_blur_equals_torchvisions():
    op = Blur(9, (0.5, 2.0), 0.6)
    u = uniform(5, ROWS, 2)
    which, sigma = u[:, 0] < 0.6, 0.5 + 1.5 * u[:, 1]
    expected = [oracle.gaussian_blur(x, [9, 9], [float(s)] * 2) if c else x for x, s, c in zip(X, sigma, which, strict=True)]
    assert 0 < which.sum() < B
    torch.testing.assert_close(colour(op, X), torch.stack(expected), atol=1e-5, rtol=0)


def test_erasing_sets_one_rectangle_of_the_wanted_area_and_ratio_to_zero():
    op, rows = Erase((0.05, 0.25), (0.3, 3.0), 0.7), torch.arange(400)
    x = torch.ones(400, 3, 64, 64)
    erase(x, op, 5, rows)
    hole = x[:, 0] == 0
    assert torch.equal(x[:, 1] == 0, hole) and torch.equal(x[:, 2] == 0, hole)
    height, width = hole.any(2).sum(1), hole.any(1).sum(1)
    assert torch.equal(height * width, hole.flatten(1).sum(1))  # each a full rectangle
    erased = height > 0
    area, ratio = (height * width)[erased] / 64**2, (height / width)[erased]
    assert abs(erased.float().mean() - 0.7) < 0.07
    assert 0.045 < area.min() < 0.07 and 0.22 < area.max() < 0.26 and ratio.min() > 0.28 and ratio.max() < 3.2
    assert abs(ratio.log().mean()) < 0.1


def test_erasing_never_takes_a_whole_side():
    x = torch.ones(300, 3, 16, 16)
    erase(x, Erase((0.7, 1.0), (1.0, 1.3), 1.0), 5, torch.arange(300))
    hole = x[:, 0] == 0
    assert hole.any() and hole.any(2).sum(1).max() == 15 == hole.any(1).sum(1).max()


def test_erasing_comes_after_normalisation_wherever_it_is_listed():
    images = Augment(View(S, SIDE, augment=(Erase(p=1.0), Jitter())), 0, "cpu").train(PICTURES, ROWS, 0)
    assert (images == 0).all(dim=1).flatten(1).any(dim=1).all()


@pytest.mark.parametrize("channels_last", [False, True])
def test_everything_together_is_its_steps_one_after_the_other(channels_last):
    view = View(S, SIDE, augment=EVERYTHING)
    augment = Augment(view, 1, "cpu", channels_last)
    x = augment.train_uint8(PICTURES, ROWS, 2).permute(0, 3, 1, 2).float() / 255
    for place, op in enumerate(EVERYTHING):
        if type(op) in PHOTOMETRIC:
            x = PHOTOMETRIC[type(op)](x, op, key(1, "augment", 2, place, op.op), ROWS)
    x = oracle.normalize(x, *map(list, MEAN_STD["imagenet"]))
    erase(x, EVERYTHING[-1], key(1, "augment", 2, 7, "erase"), ROWS)
    torch.testing.assert_close(augment.train(PICTURES, ROWS, 2), x, atol=1e-4, rtol=1e-4)
    assert {op.op for op in EVERYTHING} | {"random-crop"} == set(OPS)


@pytest.mark.parametrize("op", (*EVERYTHING, RandomCrop()), ids=lambda op: op.op)
def test_a_sample_does_not_depend_on_its_batch(op):
    augment = Augment(View(S, SIDE, augment=(op,)), 1, "cpu")
    whole = augment.train(PICTURES, ROWS, 2)
    mixed = torch.tensor([7, 2, 11])
    assert torch.equal(augment.train(PICTURES[mixed], ROWS[mixed], 2), whole[mixed])
    for i in range(B):
        assert torch.equal(augment.train(PICTURES[i : i + 1], ROWS[i : i + 1], 2)[0], whole[i])


@pytest.mark.parametrize("op", (*EVERYTHING, RandomCrop()), ids=lambda op: op.op)
def test_seed_and_epoch_change_what_is_drawn_and_a_repeat_does_not(op):
    images = {
        (seed, epoch): Augment(View(S, SIDE, augment=(op,)), seed, "cpu").train(PICTURES, ROWS, epoch)
        for seed, epoch in [(0, 0), (0, 1), (1, 0)]
    }
    assert torch.equal(images[0, 0], Augment(View(S, SIDE, augment=(op,)), 0, "cpu").train(PICTURES, ROWS, 0))
    assert not torch.equal(images[0, 0], images[0, 1]) and not torch.equal(images[0, 0], images[1, 0])


def test_the_same_op_twice_draws_twice():
    (once,), (twice,) = (drawn(View(S, S, augment=(Flip(),) * n), torch.arange(1000)) for n in (1, 2))
    assert not torch.equal(once.mirror, twice.mirror) and 0.4 < twice.mirror.float().mean() < 0.6


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("ops", [(RandomCrop(), Flip()), (RandomResizedCrop((0.3, 1)), Flip()), (Rotate(), Flip(), RandomCrop())])
def test_maps_go_where_their_pictures_go(ops, batched):
    view = View(S, SIDE, augment=ops)
    ramp = torch.arange(S, dtype=torch.uint8)
    pictures = torch.stack((ramp[:, None].expand(S, S), ramp.expand(S, S), ramp.expand(S, S)), dim=2).expand(B, -1, -1, -1)
    augment = Augment(view, 0, "cpu", batched=batched)
    images = augment.train_uint8(pictures.contiguous(), ROWS, 0).long()
    for channel in (0, 1):
        there = augment.train_map(pictures[..., channel].contiguous(), ROWS, 0)
        assert there.dtype == torch.int64 and (there - images[..., channel]).abs().max() <= 1
    assert torch.equal(augment.test_map(pictures[..., 1].contiguous()), pictures[:, 4:36, 4:36, 1].long())


@pytest.mark.parametrize("ops", [(RandomCrop(), Flip()), (Rotate(), RandomCrop()), (RandomResizedCrop(),), (Flip(),)])
def test_samples_may_be_picked_from_a_larger_array(ops):
    pick = torch.tensor([3, 3, 0, 9])
    for batched in (False, True):
        augment = Augment(View(S, SIDE, augment=ops), 0, "cpu", batched=batched)
        assert torch.equal(augment.train(PICTURES, ROWS[:4], 0, pick), augment.train(PICTURES[pick], ROWS[:4], 0))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("ops", [(RandomCrop(), Flip()), (Rotate(), RandomCrop()), (RandomResizedCrop((1, 1), (1, 1)),), ()])
def test_pictures_may_be_slices_of_a_read_only_memory_map_and_are_not_written(ops, tmp_path):
    PICTURES.numpy().tofile(tmp_path / "pixels")
    there = np.asarray(np.memmap(tmp_path / "pixels", np.uint8, "r", shape=tuple(PICTURES.shape)))
    augment = Augment(View(S, S, augment=ops), 0, "cpu")
    assert torch.equal(augment.train(list(there), ROWS, 0), augment.train(PICTURES, ROWS, 0))


def test_a_batch_that_somebody_holds_is_never_written_again():
    augment = Augment(View(S, SIDE), 0, "cpu")
    held = [augment.train(PICTURES, ROWS, epoch) for epoch in range(12)]
    parts = [batch[3, 1] for batch in held[:6]]
    copies = [part.clone() for part in parts]
    del held
    for epoch in range(12, 40):
        augment.train(PICTURES, ROWS, epoch)
    assert all(map(torch.equal, parts, copies))


def test_a_batch_that_nobody_holds_is_used_again():
    buffers = Buffers()
    first = buffers.take((4, 5)).data_ptr()
    assert buffers.take((2, 5)).data_ptr() == first
    held = buffers.take((4, 5))
    assert held.data_ptr() == first != buffers.take((4, 5)).data_ptr()


@pytest.mark.parametrize(
    ("view", "says"),
    [
        (View(32, 40), "view.crop: a crop of 40 from 32 pixels. Allowed: 0 to 32"),
        (
            View(32, 0, augment=(RandomCrop(), RandomResizedCrop())),
            "random-crop and random-resized-crop in one view. Allowed: one",
        ),
        (View(32, 0, "inception"), "Allowed: imagenet, clip, half, none"),
        (View(32, 0, augment=(Blur(kernel=4),)), "blur of 4 pixels. Allowed: odd, at most 63"),
        (View(8, 0, augment=(Blur(kernel=21),)), "blur of 21 pixels. Allowed: odd, at most 15"),
        (View(32, 0, augment=("flip",)), "no augmentation 'flip'"),
    ],
)
def test_a_view_that_cannot_be_is_refused(view, says):
    with pytest.raises(RecipeError, match=says):
        Augment(view, 0, "cpu")


def test_pictures_of_another_size_are_refused():
    with pytest.raises(DataError, match=r"pictures of \(40, 40\) pixels for a view that cuts from 224"):
        Augment(View(), 0, "cpu").test(PICTURES)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: compares its pictures with the CPU's")
@pytest.mark.parametrize("op", (*EVERYTHING, RandomCrop()), ids=lambda op: op.op)
def test_cuda_shows_what_the_cpu_shows(op):
    view = View(S, SIDE, "none", augment=(op,))
    here = Augment(view, 0, "cpu").train(PICTURES, ROWS, 0)
    there = Augment(view, 0, "cuda").train(PICTURES.cuda(), ROWS.cuda(), 0).cpu()
    if op.op in ("random-crop", "flip"):
        assert torch.equal(there, here)
    assert (there - here).abs().max() < 1.5 / 255


def test_uniform_draws_of_the_crop_are_those_of_keyed():
    (box,) = drawn(View(S, SIDE, augment=(RandomCrop(),)), seed=9, epoch=4)
    u = keyed.uniform(key(9, "augment", 4, 0, "random-crop"), ROWS, 2)
    assert torch.equal(box.top, (u[:, 0] * 9).long()) and torch.equal(box.left, (u[:, 1] * 9).long())
