"""DFD-Net's disentangler on the core's own backbones: shapes, what learns from what, what stays frozen, and what is refused."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from ferbench_dfdnet import losses as terms
from ferbench_dfdnet.attention import AttentionBlock, Fusion
from ferbench_dfdnet.config import AttentionConfig
from torch import Tensor, nn

from ferbench import LABEL_SPACES, AssemblyRefused, Batch, Inputs, Progress, RecipeError, Site
from ferbench.method.compose import Method, assemble, describe_backbone, probe_inputs
from ferbench.plugins import load
from ferbench.recipe import Stage, resolve
from ferbench.train.artifacts import fingerprint_of
from ferbench.train.loop import Loop, train
from ferbench.train.optimiser import Stepper
from ferbench.train.rehearsal import made_up

MIDDLE = Progress(0, 0, 0.5)
FACTORS = {name: ("a", "b", "c") for name in ("gender", "age", "race", "identity", "illumination", "pose")}
SMALL = 48


def stages(*settings: str, preset: str = "paper", image: int = 0, variant: str | None = None) -> tuple[Stage, ...]:
    raw = load().recipe("dfd-net").raw
    sizes = [f"{stage}.view.{what}" for stage in ("eife", "efe") for what in (f"resize={image}", "crop=0")] if image else []
    return resolve(raw, load(), where="dfd-net", preset=preset, variant=variant, settings=[*sizes, *settings]).stages


def eife(stage: Stage, *factors: str, seed: int = 0) -> Method:
    """An untrained extractor, frozen as the core hands it over."""
    site = Site(LABEL_SPACES["basic7"], stage.view.side, factors={name: FACTORS[name] for name in factors or FACTORS})
    made = assemble(stage, site, load(), provided=frozenset({"factors"}), seed=seed)
    return made.eval().requires_grad_(False)


def efe(stage: Stage, *teachers: Method) -> Method:
    site = Site(LABEL_SPACES["basic7"], stage.view.side, teachers={"eife": teachers} if teachers else {})
    return assemble(stage, site, load()).train()


def both(*settings: str, image: int = SMALL, teachers: int = 1, **given: Any) -> tuple[Method, tuple[Method, ...]]:
    """The second stage in training mode, and its frozen teachers."""
    first, second = stages(*settings, image=image, **given)
    made = tuple(eife(first, seed=seed) for seed in range(teachers))
    return efe(second, *made), made


def faces(method: Method, n: int = 4) -> Batch:
    return made_up(method.site, n)


# ------------------------------------------------------------------------------------------- shapes, methods.md §3.2


@pytest.mark.parametrize(
    ("image", "shapes"),
    [
        (90, ((64, 90, 90), (64, 45, 45), (128, 23, 23), (256, 12, 12), (512, 6, 6))),
        (224, ((64, 224, 224), (64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14))),
    ],
)
@pytest.mark.parametrize("pools", ["adaptive", "printed"])
def test_levels_mask_and_fused_levels_have_the_papers_shapes_at_90_and_224(image: int, shapes: Any, pools: Any) -> None:
    with torch.device("meta"), torch.no_grad():
        spec = load().spec("backbones", "preact_resnet18")
        assert spec.config is not None
        backbone = spec.build(spec.config(), Site(LABEL_SPACES["basic7"], image))
        site = describe_backbone(backbone, Site(LABEL_SPACES["basic7"], image))
        block = AttentionBlock(site.levels, AttentionConfig(pools=pools))
        levels = backbone(probe_inputs(site)).levels
        assert site.levels == shapes
        assert block.fusion(levels).shape == block.mask(levels).shape == (2, *shapes[-1])
        assert block(levels).shape == (2, 512)


def test_the_printed_pools_are_those_of_the_last_three_fused_levels_at_90() -> None:
    levels = ((64, 90, 90), (64, 45, 45), (128, 23, 23), (256, 12, 12), (512, 6, 6))
    pools = [str(pool) for pool in Fusion(levels, AttentionConfig(pools="printed")).pools]
    assert pools[0].startswith("AdaptiveMaxPool2d")
    for pool, (kernel, stride) in zip(pools[1:], ((10, 7), (8, 3), (2, 2)), strict=True):
        assert f"kernel_size={kernel}, stride={stride}," in pool


@pytest.mark.parametrize(("image", "width"), [(90, 2048), (224, 8192)])
def test_an_eife_pools_to_one_shared_feature_of_128(image: int, width: int) -> None:
    with torch.device("meta"):
        made = eife(stages("eife.backbone.weights=random", image=image)[0], "gender", "age", "race")
        given = made(probe_inputs(made.site)).predictions
    assert made.site.width("pooled") == width and set(given) - {"feature.shared"} == {
        f"factor.{x}" for x in ("gender", "age", "race")
    }
    assert given["feature.shared"].shape == (2, 128)
    assert isinstance(made.head.features["shared"][-1], nn.PReLU)  # type: ignore[index, union-attr]


# ------------------------------------------------------------------------------------------- what learns from what


@pytest.mark.parametrize("teachers", [1, 2])
def test_invariance_is_gamma_times_the_loss_over_every_eife(teachers: int) -> None:
    method, made = both(teachers=teachers)
    batch = faces(method)
    output = method(batch.inputs)
    attended = output.parts.expression
    known = [teacher(batch.inputs).predictions["feature.shared"] for teacher in made]
    predicted = [mip(attended) for mip in method.disentangler.eifp]  # type: ignore[union-attr]
    naive = sum((nn.functional.smooth_l1_loss(a, b) for a, b in zip(predicted, known, strict=True)), torch.zeros(()))
    for fraction in (0.0, 0.3, 1.0):
        found = method.losses(output, batch, Progress(0, 0, fraction))
        assert set(found) == {"ce", "invariance"}
        torch.testing.assert_close(found["invariance"], terms.gamma(fraction) * naive)


@pytest.mark.parametrize("strength", [1.0, 0.3])
def test_features_go_up_the_loss_by_lambda_gamma_and_predictors_down_by_gamma(strength: float) -> None:
    method, (teacher,) = both(f"disentangler.reversal={strength}")
    batch = faces(method)
    output = method(batch.inputs)
    attended, known = output.parts.expression, teacher(batch.inputs).predictions["feature.shared"]
    predictor: Any = method.disentangler.eifp[0]  # type: ignore[union-attr, index]
    found = method.losses(output, batch, MIDDLE)["invariance"]
    ours, *mine = torch.autograd.grad(found, [attended, *predictor.parameters()], retain_graph=True)
    straight = nn.functional.smooth_l1_loss(predictor(attended), known)
    theirs, *naive = torch.autograd.grad(straight, [attended, *predictor.parameters()])
    gamma = terms.gamma(0.5)
    assert theirs.any()
    torch.testing.assert_close(ours, -strength * gamma * theirs)
    for a, b in zip(mine, naive, strict=True):
        torch.testing.assert_close(a, gamma * b)


def test_every_parameter_has_a_gradient_and_the_eifes_have_none() -> None:
    method, made = both(teachers=2)
    thawed = made[0].requires_grad_(True)
    nn.init.constant_(method.disentangler.attention.h[1].bias, -2.0)  # so that some maxima are negative, and PReLU's slope counts
    batch = faces(method)
    main, critics = method.phase_parameters()
    assert not critics
    output = method(batch.inputs)
    assert not any(d.requires_grad for d in output.parts.kept["known"])
    sum(method.losses(output, batch, MIDDLE).values(), torch.zeros(())).backward()
    assert [name for name, p in main.items() if p.grad is None or not p.grad.any()] == []
    assert all(p.grad is None for p in thawed.parameters())


def test_rates_are_those_of_each_slot_and_fall_to_0_345_of_their_start() -> None:
    method, _ = both()
    stage = stages()[1]
    main, _ = method.phase_parameters()
    stepper = Stepper(stage.optimiser, main, stage.epochs)
    rate_of = {id(p): group["lr"] for group in stepper.optimiser.param_groups for p in group["params"]}
    for name, parameter in main.items():
        assert rate_of[id(parameter)] == (1e-6 if name.startswith("backbone.") else 5e-4), name
    assert {name.split(".")[0] for name in main} == {"backbone", "disentangler", "head"}
    stepper.set_epoch(60)
    assert sorted({group["lr"] for group in stepper.optimiser.param_groups}) == pytest.approx([0.3454915e-6, 0.3454915 * 5e-4])


# --------------------------------------------------------------------------------------------------------- frozen


class Made:
    """Three batches an epoch of made-up faces; and nobody who watches or stops."""

    steps, stop = 3, False

    def __init__(self, site: Site) -> None:
        self.site = site

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        yield from (made_up(self.site, 4, seed=10 * epoch + step) for step in range(start, self.steps))


class Quiet:
    stop = False

    def step(self, **_: Any) -> None: ...
    def epoch(self, entry: dict[str, Any]) -> None: ...
    def phase(self, what: str, done: int, total: int) -> None: ...


def statistics(method: Method) -> dict[str, bytes]:
    return {name: buffer.numpy().tobytes() for name, buffer in method.named_buffers()}


def test_weights_and_batchnorm_statistics_of_every_eife_are_byte_equal_after_training(tmp_path: Path) -> None:
    method, made = both(teachers=2, preset="scratch")
    stage = replace(stages(preset="scratch", image=SMALL)[1], epochs=2)
    before = [(fingerprint_of(teacher), statistics(teacher)) for teacher in made]
    mine = fingerprint_of(method)
    assert len(before[0][1]) >= 3 * 17, "running mean, variance and count of every BatchNorm"
    train(method, stage, Made(method.site), Loop(torch.device("cpu"), torch.float32, seed=0), tmp_path, Quiet())
    assert fingerprint_of(method) != mine
    assert [(fingerprint_of(teacher), statistics(teacher)) for teacher in made] == before
    assert not any(module.training for teacher in made for module in teacher.modules())


def test_eifes_are_no_part_of_what_is_saved_or_trained() -> None:
    method, made = both()
    theirs = {id(p) for teacher in made for p in teacher.parameters()}
    assert not theirs & {id(p) for p in method.parameters()}
    assert not any(key.startswith("disentangler.eifes") for key in method.state_dict())


def test_at_test_time_only_the_backbone_the_attention_block_and_the_classifier_run() -> None:
    class Deaf(nn.Module):
        def forward(self, *_: Any) -> None:
            raise AssertionError("asked at test time")

    method, _ = both()
    method.eval()
    batch, part = faces(method, 2), method.disentangler
    part.eifes.methods = (Deaf(),)  # type: ignore[union-attr]
    part.eifp = nn.ModuleList([Deaf()])
    with torch.no_grad():
        output = method(batch.inputs)
        by_hand = method.head.fc(part.attention(method.backbone(batch.inputs).levels))  # type: ignore[operator, union-attr]
    assert not output.parts.kept and output.parts.disturbance is None
    assert torch.equal(output.predictions["expression"], by_hand)


# ---------------------------------------------------------------------------------------------------- Table 1's rows


def test_the_rows_of_table_1_are_the_backbone_the_attention_block_and_the_eifp_in_turn() -> None:
    plain, attended, full = (
        efe(found[-1], *(eife(stage) for stage in found[:-1]))
        for found in (stages(variant=f"att={a} eifp={e}", image=SMALL) for a, e in ((0, 0), (1, 0), (1, 1)))
    )
    sizes = [sum(p.numel() for p in m.disentangler.parameters()) for m in (plain, attended, full)]
    block = 2 + 2 * (512 + 512) + 2 + 512 * 512 + 512 + 9 * 512 * 512 + 512 + 2 * 512
    assert sizes == [0, block, block + 512 * 256 + 256 + 256 * 128 + 128]
    batch = faces(plain)
    output = plain(batch.inputs)
    assert output.parts.expression is output.features.pooled
    assert set(plain.losses(output, batch, MIDDLE)) == set(attended.losses(attended(batch.inputs), batch, MIDDLE)) == {"ce"}


def test_an_eifp_works_without_the_attention_block() -> None:
    method, _ = both("disentangler.attention=false")
    batch = faces(method)
    assert method.losses(method(batch.inputs), batch, MIDDLE)["invariance"] > 0


# ---------------------------------------------------------------------------------------------------------- refusals


def test_training_without_an_eife_is_refused_with_the_way_out() -> None:
    method = efe(stages(image=SMALL)[1])
    batch = faces(method, 2)
    with pytest.raises(AssemblyRefused, match=r"no teacher named 'eife'.*disentangler\.eifp = false"):
        method.losses(method(batch.inputs), batch, MIDDLE)


def test_levels_whose_channels_do_not_match_are_refused_with_both_numbers_and_the_option() -> None:
    _, second = stages("backbone=timm.mobilenetv3_large_100", "backbone.weights=random", "disentangler.eifp=false", image=64)
    with pytest.raises(
        AssemblyRefused, match=r"levels of 192 channels .* last one of 960\. Set disentangler\.fusion = \"project\""
    ):
        efe(second)
    _, second = stages(
        "backbone=timm.mobilenetv3_large_100", "backbone.weights=random", "disentangler.eifp=false", "disentangler.fusion=project",
        image=64,
    )  # fmt: skip
    assert efe(second).site.width("expression") == 960


def test_a_resnet18_has_the_papers_512_channels_too() -> None:
    method, _ = both("backbone=resnet18", "backbone.weights=random", image=64)
    assert method.site.width("expression") == 512


def test_a_backbone_without_levels_is_refused() -> None:
    _, second = stages("backbone=timm.vit_tiny_patch16_224", "backbone.weights=random", "disentangler.eifp=false", image=64)
    with pytest.raises(AssemblyRefused, match="two or more levels; the backbone provides 0"):
        efe(second)


def test_an_eife_with_a_feature_per_factor_is_refused_with_the_way_out() -> None:
    first, second = stages("eife.head.shared=false", image=SMALL)
    with pytest.raises(AssemblyRefused, match=r"this one has feature\.age, feature\.gender.*--set eife\.head\.shared=true"):
        efe(second, eife(first, "gender", "age"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"ramp": (0.0, 1.5)}, r"ramp is \[0.0, 1.5\]"),
        ({"ramp": (-0.1, 1.0)}, r"lies in \[0, 1\]"),
        ({"ramp": (0.6, 0.4)}, "begins before it ends"),
        ({"ramp": (0.5, 0.5)}, "begins before it ends"),
        ({"steepness": 0.0}, "steepness is 0.0"),
        ({"steepness": float("nan")}, "steepness is nan"),
        ({"reversal": -1.0}, "reversal is -1.0"),
        ({"hidden": 0}, "hidden is 0"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        AttentionConfig(**options)


def test_what_is_told_of_it_names_the_eifes_factors() -> None:
    first, second = stages(image=SMALL)
    method = efe(second, eife(first, "gender", "age", "race"), eife(first, "identity", "pose", "illumination"))
    told = method.disentangler.extra()
    assert told == {"eifes": 2, "factors": [["gender", "age", "race"], ["identity", "pose", "illumination"]]}
    assert isinstance(copy.deepcopy(method)(Inputs(torch.zeros(2, 3, SMALL, SMALL))).parts.expression, Tensor)
