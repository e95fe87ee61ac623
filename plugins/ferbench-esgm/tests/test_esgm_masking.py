"""ESGM's and MARLIN's masks against second, naive writings; and that what stage 1a learns is where expression shows."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from ferbench_esgm import marlin
from ferbench_esgm.config import AttentionConfig, MarlinConfig
from ferbench_esgm.losses import expressive_classes, mask_loss, parsing_target
from ferbench_esgm.masking import AttentionBlock, AttentionMasking
from torch import Tensor

from ferbench import (
    LABEL_SPACES,
    PARSING_CLASSES,
    AssemblyRefused,
    Batch,
    Features,
    Inputs,
    Output,
    Parts,
    Progress,
    RecipeError,
    Site,
)
from ferbench.method.compose import Method, assemble
from ferbench.plugins import load
from ferbench.recipe import resolve

CLASS = {name: number for number, name in enumerate(PARSING_CLASSES)}
START = Progress(0, 0, 0.0)


def site_of(tokens: int = 196, patch: int = 16, width: int = 24) -> Site:
    return Site(
        LABEL_SPACES["basic7"], math.isqrt(tokens) * patch, widths={"tokens": width, "pooled": width}, tokens=tokens, patch=patch
    )


def maps(n: int, side: int, seed: int = 0) -> Tensor:
    """Parsing maps in blocks of 4 pixels, so that patches hold several classes."""
    random = torch.Generator().manual_seed(seed)
    small = torch.randint(len(PARSING_CLASSES), (n, side // 4, side // 4), generator=random)
    return small.repeat_interleave(4, 1).repeat_interleave(4, 2)


def inputs_of(n: int, side: int) -> Inputs:
    return Inputs(torch.zeros(n, 3, side, side), {"parsing": maps(n, side)})


# --------------------------------------------------------------------------------------------------- attention and its loss


def naive_omega(block: AttentionBlock, patches: Tensor) -> Tensor:
    """ω of one picture [N, E], in float64 and head by head."""
    state = {key: value.double() for key, value in block.state_dict().items()}
    query, key, value = (patches.double() @ state["qkv.weight"].T + state["qkv.bias"]).chunk(3, 1)
    wide, heads = patches.shape[1] // block.heads, []
    for h in range(block.heads):
        part = slice(h * wide, (h + 1) * wide)
        rows = []
        for i in range(len(patches)):
            scores = torch.tensor([(query[i, part] @ key[j, part]).item() / math.sqrt(wide) for j in range(len(patches))])
            weights = torch.exp(scores.double() - scores.max())
            rows.append(sum((w * value[j, part] for j, w in enumerate(weights / weights.sum())), torch.zeros(wide).double()))
        heads.append(torch.stack(rows))
    mean = torch.cat(heads, 1).mean(0)
    hidden = mean @ state["mlp.0.weight"].T + state["mlp.0.bias"]
    hidden = 0.5 * hidden * (1 + torch.erf(hidden / math.sqrt(2)))
    return 1 / (1 + torch.exp(-(hidden @ state["mlp.2.weight"].T + state["mlp.2.bias"])))


def test_omega_is_the_papers_attention_pooled_and_squashed() -> None:
    torch.manual_seed(0)
    block, patches = AttentionBlock(24, 9, 3), torch.randn(2, 9, 24)
    ours = block(patches)
    for picture in range(2):
        torch.testing.assert_close(ours[picture].double(), naive_omega(block, patches[picture]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("ratio", "hidden"), [(0.2, 39), (0.1, 19), (0.3, 58), (0.5, 98), (0.75, 147)])
def test_exactly_the_highest_are_hidden(ratio: float, hidden: int) -> None:
    torch.manual_seed(0)
    masking = AttentionMasking(AttentionConfig(ratio=ratio), site_of()).train()
    tokens = torch.randn(2, 196, 24)
    mask = masking.select_tokens(tokens, inputs_of(2, 224))
    omega = masking.block(tokens)
    for row in range(2):
        order = sorted(range(196), key=lambda k: (-omega[row, k].item(), k))
        assert sorted(order[:hidden]) == sorted(mask.drop[row].tolist())
        assert sorted(order[hidden:]) == mask.keep[row].tolist()


def test_the_same_picture_gets_the_same_mask_and_at_test_time_none() -> None:
    masking, tokens = AttentionMasking(AttentionConfig(), site_of()).train(), torch.randn(2, 196, 24)
    first, again = (masking.select_tokens(tokens, inputs_of(2, 224)) for _ in range(2))
    assert torch.equal(first.drop, again.drop)
    assert masking.eval().select_tokens(tokens, inputs_of(2, 224)).drop.shape == (2, 0)


@pytest.mark.parametrize("s_exp", ["paper", "no_skin"])
def test_the_target_is_the_share_of_expressive_pixels(s_exp: Any) -> None:
    names = {"nose", "l_eye", "r_eye", "l_brow", "r_brow", "mouth", "u_lip", "l_lip"} | ({"skin"} if s_exp == "paper" else set())
    parsing = maps(2, 32)
    ours = parsing_target(parsing, expressive_classes(s_exp), 16)
    for picture in range(2):
        for k in range(4):
            row, column = divmod(k, 2)
            pixels = [parsing[picture, row * 16 + y, column * 16 + x].item() for y in range(16) for x in range(16)]
            share = sum(PARSING_CLASSES[int(p)] in names for p in pixels) / 256
            assert ours[picture, k].item() == pytest.approx(share)


def test_the_mask_loss_sums_over_patches_and_is_the_mean_over_pictures() -> None:
    omega, target = torch.rand(3, 5), torch.rand(3, 5)
    naive = sum(abs(omega[b, k].item() - target[b, k].item()) for b in range(3) for k in range(5)) / 3
    assert mask_loss(omega, target).item() == pytest.approx(naive, rel=1e-5)


def test_only_the_mask_loss_teaches_omega_and_it_teaches_nothing_else() -> None:
    masking = AttentionMasking(AttentionConfig(), site_of()).train()
    tokens = torch.randn(2, 196, 24, requires_grad=True)
    inputs = inputs_of(2, 224)
    mask = masking.select_tokens(tokens, inputs)
    none = torch.zeros(2, dtype=torch.long)
    batch = Batch(inputs, none, {}, none, torch.zeros(2, 2), none)
    output = Output(Features(tokens=tokens, mask=mask), Parts(tokens.mean(1)), {})
    masking.losses(output, batch, START)["mask"].backward()
    assert tokens.grad is None and all(p.grad is not None and p.grad.any() for p in masking.block.parameters())
    assert output.detached().features.mask.scores.requires_grad is False  # type: ignore[union-attr]


def test_stage_1b_needs_no_parsing_maps_and_has_no_loss() -> None:
    masking = AttentionMasking(AttentionConfig(learn=False), site_of()).train()
    assert masking.needs == frozenset() and "parsing" in AttentionMasking(AttentionConfig(), site_of()).needs
    mask = masking.select_tokens(torch.randn(1, 196, 24), Inputs(torch.zeros(1, 3, 224, 224)))
    assert mask.drop.shape == (1, 39)


# ------------------------------------------------------------------------------------------------------------------ MARLIN


def naive_marlin(parsing: Tensor, patch: int, turn: list[int], keep: int) -> tuple[set[int], set[int]]:
    """(patches that may be seen, patches that are surely hidden) by MARLIN's rule, one group after the other."""
    grid = parsing.shape[0] // patch
    known = {
        "skin": 1,
        "r_eye": 2,
        "r_brow": 2,
        "l_eye": 3,
        "l_brow": 3,
        "nose": 4,
        "mouth": 5,
        "u_lip": 5,
        "l_lip": 5,
        "hair": 6,
    }
    of = [known.get(name, 0) for name in PARSING_CLASSES]
    seen: set[int] = set()
    for step in range(7):
        group = turn.index(step)
        for k in range(grid * grid):
            row, column = divmod(k, grid)
            part = parsing[row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
            if any(of[int(pixel)] == group for pixel in part.flatten()):
                seen.add(k)
        if len(seen) >= keep:
            break
    return seen, set(range(grid * grid)) - seen


def test_marlins_mask_hides_what_its_rule_has_not_reached_and_the_surplus_at_random() -> None:
    torch.manual_seed(1)
    parsing = torch.zeros(6, 64, 64, dtype=torch.long)  # a face: hair, skin, then its parts, over background
    parsing[:, 8:, 8:56] = CLASS["hair"]
    parsing[:, 16:60, 12:52] = CLASS["skin"]
    parsing[:, 24:32, 16:28], parsing[:, 24:32, 36:48] = CLASS["l_eye"], CLASS["r_eye"]
    parsing[:, 32:44, 28:36], parsing[:, 48:56, 20:44] = CLASS["nose"], CLASS["mouth"]
    keep = 49
    turn = marlin.drawn_order(6, parsing.device)
    present = marlin.groups_in_patches(parsing, marlin.group_of_class(), 8)
    hidden = marlin.hidden_scores(present, turn, keep, torch.rand(6, 64)).argsort(1, descending=True)[:, : 64 - keep]
    assert [sorted(row) for row in turn.tolist()] == [list(range(7))] * 6 and turn[:, :2].tolist() == [[0, 1]] * 6
    for picture in range(6):
        seen, surely = naive_marlin(parsing[picture], 8, turn[picture].tolist(), keep)
        drop = set(hidden[picture].tolist())
        assert surely <= drop and len(drop) == 15 and len(seen - drop) == keep


def test_marlins_parts_come_in_another_order_for_each_picture() -> None:
    torch.manual_seed(0)
    assert len({tuple(row) for row in marlin.drawn_order(50, torch.device("cpu")).tolist()}) > 20


def test_marlin_hides_as_many_as_esgm() -> None:
    masking = marlin.MarlinMasking(MarlinConfig(ratio=0.2), site_of()).train()
    assert masking.select_tokens(torch.zeros(2, 196, 24), inputs_of(2, 224)).drop.shape == (2, 39)
    assert masking.eval().select_tokens(torch.zeros(2, 196, 24), inputs_of(2, 224)).drop.shape == (2, 0)


# ----------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("ratio", [0, 1.0, 1.2])
def test_a_ratio_outside_its_range_is_refused(ratio: float) -> None:
    for config in (AttentionConfig, MarlinConfig):
        with pytest.raises(RecipeError, match="ratio is"):
            config(ratio=ratio)


def test_a_ratio_that_hides_no_token_is_refused_with_what_would() -> None:
    for build in (lambda: AttentionMasking(AttentionConfig(ratio=0.004), site_of()),
                  lambda: marlin.MarlinMasking(MarlinConfig(ratio=0.004), site_of())):  # fmt: skip
        with pytest.raises(AssemblyRefused, match=r"ratio 0\.004 of 196 tokens: no token is masked.*0\.005102"):
            build()


@pytest.mark.parametrize("use", ["esgm.attention", "esgm.marlin"])
def test_a_masking_without_patches_to_choose_from_is_refused(use: str) -> None:
    table = {
        "backbone": {"use": "resnet18", "weights": "random"},
        "masking": use,
        "head": "linear",
        "epochs": 1,
        "batch": 2,
        "view": {"resize": 32},
    }
    stage = resolve({"schema": 1, "name": "made", "stage": {"made": table}}, load(), where="made").stages[0]
    with pytest.raises(
        AssemblyRefused, match=f"masking {use} chooses tokens that are patches of the picture; the backbone has none"
    ):
        assemble(stage, Site(LABEL_SPACES["basic7"], 32), load(), provided=frozenset({"parsing"}))


def test_stage_1a_without_parsing_maps_says_which_training_data_lacks_them() -> None:
    with pytest.raises(AssemblyRefused, match=r"esgm\.attention needs 'parsing' from the training data, which has factors"):
        method_of({"use": "esgm.attention", "heads": 3}, provided=frozenset({"factors"}))


# ------------------------------------------------------------------------------------------------------ what stage 1a learns


def method_of(masking: dict[str, Any], *, provided: frozenset[str] = frozenset({"parsing"}), side: int = 32) -> Method:
    table = {
        "backbone": {"use": "vit", "model": "vit_tiny_patch16_224", "patch": 4, "depth": 1, "weights": "random"},
        "masking": masking, "head": {"use": "pixels", "width": 24, "depth": 1, "heads": 3},
        "epochs": 1, "batch": 8, "view": {"resize": side}, "losses": {"reconstruction": 1.0, "mask": 1.0},
    }  # fmt: skip
    stage = resolve({"schema": 1, "name": "made", "stage": {"made": table}}, load(), where="made").stages[0]
    return assemble(stage, Site(LABEL_SPACES["basic7"], side), load(), provided=provided)


def faces_and_maps(n: int, first: int = 0) -> tuple[Tensor, Tensor]:
    """Synthetic faces of 32 pixels, normalised, with their parsing maps."""
    from itertools import islice

    from ferbench.builtin.synth.config import SynthConfig
    from ferbench.builtin.synth.reader import SynthReader

    reader = SynthReader("synth-aux", SynthConfig(train=first + n, val=8))
    samples = list(islice(reader.samples(None), first, first + n))
    pixels, parsing = reader.pixels(samples), reader.parsing(samples)
    faces = torch.stack([torch.as_tensor(picture) for picture in pixels]).permute(0, 3, 1, 2).float() / 255
    step = faces.shape[2] // 32
    small = torch.nn.functional.avg_pool2d(faces, step)[:, :, :32, :32]
    return (small - 0.45) / 0.25, torch.stack([torch.as_tensor(one) for one in parsing]).long()[:, ::step, ::step][:, :32, :32]


def test_after_stage_1a_the_hidden_patches_cover_the_target_better_than_random_ones() -> None:
    """With skin, as in the paper; tools/mask_coverage.py measures both readings on trained runs."""
    torch.manual_seed(0)
    images, parsing = faces_and_maps(56)
    method = method_of({"use": "esgm.attention", "ratio": 0.2, "s_exp": "paper", "heads": 3}).train()
    none = torch.zeros(len(images), dtype=torch.long)
    batch = Batch(Inputs(images, {"parsing": parsing}), none, {}, none, torch.full((len(images), 2), torch.nan), none)
    block = method.masking.get_submodule("block")
    optimiser = torch.optim.AdamW(block.parameters(), lr=5e-3)
    with torch.no_grad():
        net: Any = method.backbone.get_submodule("model")
        tokens = net._pos_embed(net.patch_embed(images))[:, 1:]
    target = parsing_target(parsing, expressive_classes("paper"), 4)
    for _ in range(60):  # ω has no other teacher, and teaches nothing else: so the rest of the step is left out
        optimiser.zero_grad()
        mask_loss(block(tokens[:42]), target[:42]).backward()
        optimiser.step()
    output = method(batch.inputs)
    assert output.features.mask is not None
    held = slice(42, None)  # faces that it has not seen
    chosen = target[held].gather(1, output.features.mask.drop[held]).mean(1)
    random = torch.stack([target[held][:, torch.randperm(64)[:12]].mean(1) for _ in range(200)])
    gain = chosen - random.mean(0)
    assert (gain.mean() / (gain.std() / len(gain) ** 0.5)).item() > 3, "not better than chance by three standard errors"
    assert chosen.mean() > random.mean(1).quantile(0.99), "any hundredth random choice covers as much"
