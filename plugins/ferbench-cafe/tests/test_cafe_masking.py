"""CAFE's masking and head on small networks: the mask a second time by hand, what never changes, and what is refused."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ferbench import LABEL_SPACES, AssemblyRefused, Features, FerbenchError, Inputs, Progress, RecipeError, Site, WeightsError
from ferbench.builtin.backbones.timm import Timm
from ferbench.builtin.configs import TimmConfig
from ferbench.data.views import MEAN_STD
from ferbench.train.artifacts import fingerprint_of
from ferbench.train.step import Step

sys.path.insert(0, str(Path(__file__).parent))
from ferbench_cafe import losses
from ferbench_cafe import masking as parts
from ferbench_cafe.config import SeparatedConfig
from ferbench_cafe.separated import SeparatedHead
from helpers_cafe import IMAGENET, batch_of, made, method_of, stage_of

START = Progress(0, 0, 0.0)


def by_hand(feature: Tensor, logit: Tensor, sigmoid: bool) -> Tensor:
    """F ⊙ σ(M), face by face and channel by channel."""
    out = torch.zeros_like(feature)
    for b in range(len(feature)):
        for k in range(feature.shape[1]):
            m = logit[b, k].item()
            out[b, k] = feature[b, k].item() * (1 / (1 + math.exp(-m)) if sigmoid else m)
    return out


# ---------------------------------------------------------------------------------------------------------- the mask


@pytest.mark.parametrize("sigmoid", [True, False])
def test_the_head_gets_the_frozen_feature_times_the_mask(sigmoid: bool) -> None:
    method, inputs = made(sigmoid=sigmoid).eval(), batch_of().inputs
    with torch.no_grad():
        output = method(inputs)
        frozen, logit = method.masking.encoder(inputs).pooled, method.backbone(inputs).pooled  # type: ignore[operator]
        logits = method.head.fc(output.parts.expression)  # type: ignore[operator]
    torch.testing.assert_close(output.parts.expression, by_hand(frozen, logit, sigmoid), rtol=1e-4, atol=1e-6)
    assert torch.equal(output.predictions["expression"], logits)


def test_after_a_relu_no_channel_is_suppressed_below_one_half_and_before_it_any_can_be() -> None:
    inputs = batch_of(8).inputs
    after = made().eval()
    before = made(backbone={"use": "resnet18", "weights": "random", "prerelu": True}, mask_logit="prerelu").eval()
    with torch.no_grad():
        high = after.masking.mask(after.backbone(inputs))  # type: ignore[operator]
        whole = before.masking.mask(before.backbone(inputs))  # type: ignore[operator]
    assert high.min() >= 0.5 and high.max() < 1
    assert 0 < whole.min() < 0.5 < whole.max() < 1


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_backbone_that_keeps_what_is_before_its_last_relu_is_otherwise_the_same(name: str) -> None:
    bare, keeping = (
        made(backbone={"use": name, "weights": "random", "prerelu": kept}, reduce="mean").backbone.eval()
        for kept in (False, True)
    )
    inputs = batch_of(2).inputs
    with torch.no_grad():
        a, b = bare(inputs), keeping(inputs)
    assert torch.equal(a.pooled, b.pooled) and all(map(torch.equal, a.levels, b.levels)) and not a.kept
    assert (b.kept["prerelu"] < 0).any() and (b.kept["prerelu"] <= b.pooled + 1e-6).all()


def windows(row: list[float], width: int) -> list[float]:
    """Adaptive average pooling: window i runs from ⌊i·E/C⌋ up to ⌈(i+1)·E/C⌉."""
    spans = [(i * len(row) // width, -(-(i + 1) * len(row) // width)) for i in range(width)]
    return [sum(row[first:end]) / (end - first) for first, end in spans]


@pytest.mark.parametrize(("wide", "narrow", "group"), [(2048, 512, 4), (1024, 512, 2), (1280, 512, None), (10, 4, None)])
def test_wider_features_become_means_of_neighbouring_channels(wide: int, narrow: int, group: int | None) -> None:
    x = torch.randn(2, wide, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours = parts.narrowed(x, narrow)
    torch.testing.assert_close(ours, torch.tensor([windows(row, narrow) for row in x.tolist()], dtype=torch.float64))
    if group:
        assert ours[0, 3].item() == pytest.approx(sum(x[0, 3 * group : 4 * group].tolist()) / group)


@pytest.mark.parametrize(("backbone", "wide"), [("timm.mobilenetv1_100", 1024), ("resnet50", 2048), ("resnet18", 512)])
def test_the_papers_backbones_have_the_widths_that_are_reduced_to_512(backbone: str, wide: int) -> None:
    method = made(backbone=backbone, reduce="mean", side=64).eval()
    with torch.no_grad():
        given = method.backbone(batch_of(2, 64).inputs)
        output = method(batch_of(2, 64).inputs)
    assert given.pooled is not None and given.pooled.shape == (2, wide) and output.parts.expression.shape == (2, 512)


def test_clip_and_finetune_puts_both_features_side_by_side_unmasked() -> None:
    method, inputs = made(join="concat", head="linear").eval(), batch_of().inputs
    with torch.no_grad():
        output = method(inputs)
        both = torch.cat([method.masking.encoder(inputs).pooled, method.backbone(inputs).pooled], 1)  # type: ignore[operator]
    assert torch.equal(output.parts.expression, both) and method.head.fc.in_features == 1024  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["imagenet", "clip"])
def test_the_encoder_sees_the_picture_as_it_wants_it_normalised(kind: str) -> None:
    picture = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def normalised(name: str) -> Tensor:
        mean, std = (torch.tensor(values)[:, None, None] for values in MEAN_STD[name])
        return (picture - mean) / std

    method = made(normalise=kind).eval()
    seen: list[Tensor] = []
    method.masking.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0].images))  # type: ignore[union-attr]
    shown = normalised("imagenet")
    with torch.no_grad():
        method(Inputs(shown))
    torch.testing.assert_close(seen[0], normalised(kind))
    assert (seen[0] is shown) is (kind == "imagenet")


def test_statistics_of_normalisation_are_those_of_the_core() -> None:
    assert parts.MEAN_STD["imagenet"] == MEAN_STD["imagenet"] == IMAGENET and parts.MEAN_STD["clip"] == MEAN_STD["clip"]


def test_the_clip_tower_at_224_is_a_vit_b_32_that_gives_512_unnormalised_numbers() -> None:
    site = Site(LABEL_SPACES["basic7"], 224)
    with torch.device("meta"):
        tower = Timm(TimmConfig(model="vit_base_patch32_clip_quickgelu_224", weights="random", projection=True), site).eval()
        features = tower(Inputs(torch.zeros(1, 3, 224, 224)))
    assert features.pooled is not None and features.pooled.shape == (1, 512)
    assert features.tokens is not None and features.tokens.shape == (1, 49, 768)
    assert len(tower.model.blocks) == 12 and "QuickGELU" in repr(tower.model.blocks[0].mlp)


# ------------------------------------------------------------------------------------------------- what never changes


@pytest.mark.parametrize("encoder", ["resnet18", "timm.test_vit"])
def test_the_encoder_is_byte_equal_after_training_steps_with_its_batchnorm_statistics(encoder: str) -> None:
    # no frozen path, as in a mix from the command line: the component itself must see to it
    stage = stage_of(encoder=encoder, reduce="mean", head={"use": "cafe.separated", "drop": 2}, frozen=())
    method = method_of(stage).train()
    before, trained = fingerprint_of(method.masking.encoder), fingerprint_of(method.backbone)  # type: ignore[arg-type]
    step = Step(method, stage, torch.device("cpu"), torch.float32)
    for number in range(2):
        method.train()
        step(batch_of(seed=number), START, 1.0)
    assert fingerprint_of(method.masking.encoder) == before and fingerprint_of(method.backbone) != trained  # type: ignore[arg-type]
    assert not any(name.startswith("masking.") for name in method.phase_parameters()[0])


def test_no_gradient_passes_the_encoder_and_the_mask_learns() -> None:
    method, batch = made(), batch_of()
    output = method(batch.inputs)
    sum(method.losses(output, batch, START).values()).backward()  # type: ignore[union-attr]
    assert all(p.grad is None for p in method.masking.parameters())
    assert method.backbone.conv1.weight.grad.abs().sum() > 0  # type: ignore[union-attr, operator]


def test_the_encoder_is_part_of_what_is_saved_and_nothing_else_of_the_masking_is() -> None:
    names = {name.partition(".")[0] for name in made().masking.state_dict()}
    assert names == {"encoder"}


def test_at_test_time_nothing_is_drawn_and_the_regularisers_are_gone() -> None:
    method, inputs = made().eval(), batch_of().inputs
    before = torch.get_rng_state()
    with torch.no_grad():
        first, second = method(inputs).predictions, method(inputs).predictions
    assert torch.equal(before, torch.get_rng_state()) and set(first) == {"expression"}
    assert torch.equal(first["expression"], second["expression"])


@pytest.mark.parametrize(
    ("options", "terms"),
    [
        ({}, {"ce", "separation", "diverse"}),
        ({"diverse": False}, {"ce", "separation"}),
        ({"separation": False, "diverse": False}, {"ce"}),
    ],
)
def test_rows_of_table_2_have_their_terms_and_no_other(options: dict[str, Any], terms: set[str]) -> None:
    method, batch = made(head={"use": "cafe.separated", **options}), batch_of()
    assert set(method.losses(method(batch.inputs), batch, START)) == terms


def test_one_drop_mask_serves_a_batch_and_every_step_draws_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Tensor] = []
    real = losses.drop_mask
    monkeypatch.setattr(losses, "drop_mask", lambda *given: drawn.append(real(*given)) or drawn[-1])
    method, batch = made(), batch_of()
    for _ in range(2):
        method.losses(method(batch.inputs), batch, START)
    assert [mask.shape for mask in drawn] == [(512,), (512,)] and not torch.equal(*drawn)


# ---------------------------------------------------------------------------------------------------------- refusals


def test_widths_that_do_not_match_are_refused_with_both_numbers_and_the_option_that_reduces() -> None:
    with pytest.raises(AssemblyRefused, match=r"512 channels.* 2048 wide\. Set masking\.reduce=mean"):
        made(backbone="resnet50")
    with pytest.raises(AssemblyRefused, match=r"2048 channels.* 512 wide, which masking\.reduce=mean cannot widen\. Choose"):
        made(encoder="resnet50", reduce="mean")


def test_a_mask_before_the_relu_is_refused_where_the_backbone_keeps_none() -> None:
    with pytest.raises(AssemblyRefused, match=r"before the last ReLU.*backbone\.prerelu=true"):
        made(mask_logit="prerelu")


def test_fewer_channels_than_classes_are_refused_with_both_numbers() -> None:
    site = Site(LABEL_SPACES["basic7"], 32, widths={"expression": 6})
    with pytest.raises(AssemblyRefused, match="6 channels among 7 classes"):
        SeparatedHead(SeparatedConfig(), site)
    assert SeparatedHead(SeparatedConfig(separation=False, diverse=False), site).fc.in_features == 6


def test_a_drop_that_leaves_a_group_empty_is_refused_with_the_greatest_that_does_not() -> None:
    with pytest.raises(AssemblyRefused, match=r"drops 73 of the 73 channels.*head\.drop to 72 or less"):
        made(head={"use": "cafe.separated", "drop": 73})
    with pytest.raises(RecipeError, match="drop is -1"):
        SeparatedConfig(drop=-1)


def test_weights_that_cannot_be_had_offline_are_told_with_the_options_that_lead_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("FERBENCH_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match=r"encoder timm\.test_vit\.r160_in1k: .*masking\.weights") as told:
        made(encoder="timm.test_vit.r160_in1k", weights="default", reduce="mean", head="linear")
    assert "\n" not in told.value.line() and "test_vit.r160_in1k" in told.value.where


def test_an_unknown_encoder_is_told_with_the_nearest_names() -> None:
    with pytest.raises(FerbenchError, match=r"no backbone 'resnet81'.*Did you mean 'resnet18'"):
        made(encoder="resnet81")


def test_tokens_and_levels_stay_the_backbones_own() -> None:
    method, inputs = made().eval(), batch_of().inputs
    with torch.no_grad():
        given: Features = method.backbone(inputs)
        left = method.masking.weigh_features(given, inputs)
    assert left.levels is given.levels and left.tokens is given.tokens
