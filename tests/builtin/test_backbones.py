"""Backbones: shapes, levels, taps, token selection, parameter counts, weights."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import save, save_file
from torch import Tensor, nn

from ferbench import LABEL_SPACES, AssemblyRefused, Backbone, FerbenchError, Inputs, Site, TokenMask, WeightsError
from ferbench.builtin import ferbench_backbones
from ferbench.builtin.configs import PreActResNetConfig, ResNetConfig, TimmConfig, TimmOptions

SPECS = {spec.name: spec for spec in ferbench_backbones()}
VIT = "test_vit"  # timm's own small one, for its tests and for ours
PYRAMIDS = ("timm.resnet18", "timm.mobilenetv1_100", "timm.efficientnet_b0", "timm.swin_tiny_patch4_window7_224")


def build(name: str, image: int = 64, **options: Any) -> Backbone:
    torch.manual_seed(0)
    spec = SPECS["timm"] if name == VIT else SPECS[name]
    assert spec.config is not None
    options = {"model": name, **options} if name == VIT else options
    built: Backbone = spec.build(spec.config(**{"weights": "random", **options}), Site(LABEL_SPACES["basic7"], image))
    return built


def faces(image: int, rows: int = 2) -> Inputs:
    return Inputs(torch.randn(rows, 3, image, image, generator=torch.Generator().manual_seed(0)))


def hub_server() -> ModuleType:
    spec = spec_from_file_location("hub_server", Path(__file__).parents[1] / "hub_server.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["hub_server"] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("name", "image", "pooled", "levels"),
    [
        ("resnet18", 224, 512, [(64, 56), (64, 56), (128, 28), (256, 14), (512, 7)]),
        ("resnet18", 64, 512, [(64, 16), (64, 16), (128, 8), (256, 4), (512, 2)]),
        ("resnet50", 64, 2048, [(64, 16), (256, 16), (512, 8), (1024, 4), (2048, 2)]),
        ("preact_resnet18", 224, 512, [(64, 224), (64, 112), (128, 56), (256, 28), (512, 14)]),
        ("preact_resnet18", 90, 512, [(64, 90), (64, 45), (128, 23), (256, 12), (512, 6)]),
        ("preact_resnet18", 64, 512, [(64, 64), (64, 32), (128, 16), (256, 8), (512, 4)]),
        ("timm.resnet18", 64, 512, [(64, 32), (64, 16), (128, 8), (256, 4), (512, 2)]),
        ("timm.mobilenetv1_100", 64, 1024, [(64, 32), (128, 16), (256, 8), (512, 4), (1024, 2)]),
        ("timm.swin_tiny_patch4_window7_224", 64, 768, [(96, 16), (192, 8), (384, 4), (768, 2)]),
    ],
)
def test_levels_and_pooled_have_the_shapes_of_the_paper(
    name: str, image: int, pooled: int, levels: list[tuple[int, int]]
) -> None:
    backbone = build(name, image).eval()
    with torch.no_grad():
        features = backbone(faces(image, 1))
    assert features.pooled.shape == (1, pooled)
    assert [tuple(x.shape) for x in features.levels] == [(1, c, side, side) for c, side in levels]
    assert features.tokens is None


@pytest.mark.parametrize(("name", "count"), [("resnet18", 11_176_512), ("preact_resnet18", 11_170_257), ("resnet50", 23_508_032)])
def test_parameter_counts_without_the_classifier(name: str, count: int) -> None:
    assert parameters(build(name)) == count


def test_resnet18_is_torchvisions_network() -> None:
    from torchvision.models import resnet18

    ours, theirs = build("resnet18").eval(), resnet18(weights=None).eval()
    theirs.fc = nn.Identity()
    assert set(ours.state_dict()) == set(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(ours(faces(64)).pooled, theirs(faces(64).images))


def test_preact_block_halves_space_and_adds_its_projected_input() -> None:
    from ferbench.builtin.backbones.preact import PreActBlock

    torch.manual_seed(0)
    block = PreActBlock(4, 8, 2).eval()
    assert block.shortcut is not None
    x = torch.randn(1, 4, 9, 9)
    active = torch.where(x / (1 + 1e-5) ** 0.5 > 0, x, 0.25 * x) / (1 + 1e-5) ** 0.5  # BN at rest, then PReLU at its start
    hidden = nn.functional.conv2d(active, block.conv1.weight, stride=2, padding=1) / (1 + 1e-5) ** 0.5
    hidden = torch.where(hidden > 0, hidden, 0.25 * hidden)
    naive = nn.functional.conv2d(hidden, block.conv2.weight, padding=1) + nn.functional.conv2d(
        active, block.shortcut.weight, stride=2
    )
    torch.testing.assert_close(block(x), naive)
    assert block(x).shape == (1, 8, 5, 5)


def test_average_3_gives_ddls_2048_at_90_pixels_and_is_refused_where_it_does_not_fit() -> None:
    with torch.no_grad():
        assert build("preact_resnet18", 90, pool="average-3").eval()(faces(90)).pooled.shape == (2, 2048)
        with pytest.raises(AssemblyRefused, match=r"at least 3×3; it is 2×2"):
            build("preact_resnet18", 32, pool="average-3").eval()(faces(32))


@pytest.mark.parametrize("name", ["resnet18", "preact_resnet18", VIT])
def test_taps_see_every_level_in_order_and_what_they_return_goes_on(name: str) -> None:
    backbone = build(name).eval()
    seen: list[tuple[int, tuple[int, ...]]] = []

    def watch(level: int, x: Tensor) -> Tensor:
        seen.append((level, tuple(x.shape)))
        return x

    def blank(level: int, x: Tensor) -> Tensor:
        return torch.zeros_like(x) if level == 1 else x

    with torch.no_grad():
        plain, watched, blanked = (backbone(faces(64), None, tap) for tap in (None, watch, blank))
    assert backbone.taps
    assert [level for level, _ in seen] == list(range(6 if name == VIT else 5))
    torch.testing.assert_close(watched.pooled, plain.pooled, rtol=0, atol=0)
    assert not torch.allclose(blanked.pooled[0], plain.pooled[0])
    if plain.levels:
        assert [shape for _, shape in seen] == [tuple(x.shape) for x in plain.levels]
        assert (blanked.levels[1] == 0).all(), "levels hold what the tap returned"
        torch.testing.assert_close(blanked.pooled[0], blanked.pooled[1])
    else:
        assert {shape for _, shape in seen} == {(2, 16, 64)}


def test_vit_tokens_leave_out_the_class_token() -> None:
    backbone = build(VIT, 160).eval()
    with torch.no_grad():
        features = backbone(faces(160, 1))
        whole = backbone.model.forward_features(faces(160, 1).images)  # [1, 1 + 100, E]
    assert features.tokens.shape == (1, 100, 64)
    torch.testing.assert_close(features.tokens, whole[:, 1:])
    torch.testing.assert_close(features.pooled, whole[:, 0])
    assert features.levels == ()


def test_vit_encodes_only_the_tokens_that_are_kept() -> None:
    backbone = build(VIT).eval()
    keep = torch.tensor([[3, 1, 8, 15], [0, 2, 5, 7]])
    drop = torch.tensor([[i for i in range(16) if i not in row] for row in keep.tolist()])
    offered: list[Tensor] = []

    def select(tokens: Tensor, inputs: Inputs) -> TokenMask:
        offered.append(tokens)
        return TokenMask(keep, drop)

    given = faces(64)
    with torch.no_grad():
        features = backbone(given, select)
        changed = given.images.clone()
        changed[0, :, :16, :16] = 5.0  # patch 0: kept in the second face alone
        other = backbone(Inputs(changed), select)
    assert offered[0].shape == (2, 16, 64)
    assert features.tokens.shape == (2, 4, 64) and features.mask is not None
    torch.testing.assert_close(other.pooled, features.pooled)
    changed[1, :, :16, :16] = 5.0
    with torch.no_grad():
        assert not torch.allclose(backbone(Inputs(changed), select).pooled[1], features.pooled[1])


@pytest.mark.parametrize("name", PYRAMIDS)
def test_what_timm_keeps_closed_neither_selects_nor_taps(name: str) -> None:
    backbone = build(name)
    assert not backbone.selects and not backbone.taps


@pytest.mark.parametrize("name", ["resnet18", "preact_resnet18", VIT, *PYRAMIDS])
def test_gradient_reaches_every_parameter_and_one_image_is_enough_in_eval(name: str) -> None:
    backbone = build(name)
    backbone(faces(64)).pooled.square().sum().backward()
    assert [n for n, p in backbone.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()] == []
    backbone.eval()
    with torch.no_grad():
        first, again = backbone(faces(64, 1)).pooled, backbone(faces(64, 1)).pooled
    torch.testing.assert_close(first, again, rtol=0, atol=0)


def test_clip_projection_is_the_models_own_last_layer() -> None:
    backbone = SPECS["timm"].build(TimmConfig(model=VIT, weights="random", projection=True), Site(LABEL_SPACES["basic7"], 160))
    with torch.no_grad():
        assert backbone.eval()(faces(160)).pooled.shape == (2, 1000)


@pytest.mark.parametrize(
    ("config", "image", "says"),
    [
        (TimmConfig(model="resnet81", weights="random"), 64, "no timm model 'resnet81'. Did you mean"),
        (TimmConfig(model="resnet18", weights="a9_in1k"), 64, "no weights 'a9_in1k'. Did you mean"),
        (TimmConfig(model="resnet18", weights="random", pool="median"), 64, "timm cannot build resnet18 at 64 pixels"),
    ],
)
def test_what_timm_does_not_have_is_refused_with_suggestions(config: TimmConfig, image: int, says: str) -> None:
    with pytest.raises(FerbenchError) as refused:
        SPECS["timm"].build(config, Site(LABEL_SPACES["basic7"], image))
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_arguments_reach_the_models_own_constructor() -> None:
    small = {"layers": [1, 1, 1, 1], "embed_dims": [24, 48, 48, 48], "hidden_sizes": [6, 12, 12, 12]}
    site = Site(LABEL_SPACES["basic7"], 56)
    net = SPECS["timm"].build(TimmConfig("random", model="sequencer2d_s", arguments=small), site)
    assert net(Inputs(torch.zeros(1, 3, 56, 56))).pooled.shape == (1, 48)
    with pytest.raises(AssemblyRefused, match=r"cannot build sequencer2d_s at 56 pixels with these options.*'depths'"):
        SPECS["timm"].build(TimmConfig("random", model="sequencer2d_s", arguments={"depths": [1]}), site)


def test_preact_has_no_public_weights_and_says_so() -> None:
    with pytest.raises(WeightsError, match="no public weights 'imagenet' for this backbone"):
        SPECS["preact_resnet18"].build(PreActResNetConfig(weights="imagenet"), Site(LABEL_SPACES["basic7"], 64))


def test_weights_go_into_the_record(tmp_path: Path) -> None:
    assert build("resnet18").weights_info == [{"name": "random", "revision": None, "sha256": None, "licence": "", "saw": ()}]
    path = tmp_path / "resnet18-msceleb.safetensors"
    source = build("resnet18")
    save_file(source.state_dict() | {"fc.weight": torch.zeros(7, 512), "fc.bias": torch.zeros(7)}, path)
    torch.manual_seed(9)
    loaded = SPECS["resnet18"].build(ResNetConfig(weights=str(path)), Site(LABEL_SPACES["basic7"], 64))
    assert torch.equal(loaded.conv1.weight, source.conv1.weight)
    (info,) = loaded.weights_info
    assert info["name"] == path.name and len(info["sha256"]) == 64 and info["saw"] == ("MS-Celeb-1M",)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file(build("preact_resnet18").state_dict(), path)
    with pytest.raises(WeightsError, match=r"does not fit; keys \d+ missing: .* unused: "):
        SPECS["resnet18"].build(ResNetConfig(weights=str(path)), Site(LABEL_SPACES["basic7"], 64))


def test_timm_weights_come_pinned_through_the_hub_without_their_classifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fetched by a process that sees the server; built here, offline, from what was pinned."""
    import timm
    from huggingface_hub import constants

    names = ("resnet18.tv_in1k", "test_vit.r160_in1k")
    torch.manual_seed(0)
    models = [timm.create_model(name, pretrained=False) for name in names]
    homes = {"HF_HOME": str(tmp_path), "FERBENCH_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    with hub_server().HubServer() as hub:
        card = b"---\nlicense: bsd-3-clause\n---\n"
        commits = [
            hub.commit(f"timm/{name}", {"model.safetensors": save(model.state_dict()), "README.md": card})
            for name, model in zip(names, models, strict=True)
        ]
        fetch = "import sys; from ferbench.hub import fetch; [fetch(reference) for reference in sys.argv[1:]]"
        ask = [sys.executable, "-c", fetch, *(f"hf:timm/{name}" for name in names)]
        subprocess.run(ask, env={**clean, **homes, "HF_ENDPOINT": hub.url}, check=True)
    monkeypatch.setenv("FERBENCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    built = [build("resnet18", weights="imagenet"), build(VIT, weights="default")]
    for backbone, name, model, commit in zip(built, names, models, commits, strict=True):
        (info,) = backbone.weights_info
        assert (info["name"], info["revision"], info["licence"]) == (f"timm/{name}", commit, "bsd-3-clause")
        assert info["saw"] == ("ImageNet-1k",)
        theirs, ours = model.state_dict(), {key.removeprefix("model."): x for key, x in backbone.state_dict().items()}
        assert set(theirs) - set(ours) == {key for key in theirs if key.startswith(("fc.", "head."))}
        assert all(torch.equal(ours[key], theirs[key]) for key in ours if key != "pos_embed")
    assert built[1].model.pos_embed.shape == (1, 1 + 16, 64), "the 10×10 table of 160 pixels was fitted to 4×4"


def test_listing_everything_built_in_imports_no_torch() -> None:
    script = (
        "import sys, ferbench.builtin as b\n"
        "hooks = [getattr(b, n) for n in dir(b) if n.startswith('ferbench_')]\n"
        "print(len(hooks), sum(len(list(hook())) for hook in hooks))\n"
        "print([m for m in ('torch', 'timm', 'torchvision', 'huggingface_hub') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert out[0].startswith("6 ")
    assert out[1] == "[]"


def test_a_tag_in_a_timm_name_is_its_default_weights_and_others_still_win(monkeypatch: pytest.MonkeyPatch) -> None:
    from ferbench.builtin.backbones import timm_names

    asked: list[TimmConfig] = []
    monkeypatch.setattr(timm_names, "_build", lambda config, site: asked.append(config))
    for options in (TimmOptions(), TimmOptions(weights="random", drop_path=0.1)):
        SPECS["timm.vit_base_patch16_224.mae"].build(options, Site(LABEL_SPACES["basic7"], 64))
    assert [(config.model, config.weights, config.drop_path) for config in asked] == [
        ("vit_base_patch16_224", "mae", 0.0),
        ("vit_base_patch16_224", "random", 0.1),
    ]


def test_a_model_and_a_tag_name_one_repository_of_the_hub() -> None:
    from ferbench.builtin.backbones.weights import timm_reference

    name = "timm/vit_base_patch32_clip_quickgelu_224.openai"
    assert timm_reference("resnet18", "imagenet") == ("hf:timm/resnet18.tv_in1k", "timm/resnet18.tv_in1k")
    assert timm_reference("vit_base_patch32_clip_quickgelu_224", "openai")[1] == name
    assert timm_reference("convnext_tiny", "imagenet")[1].endswith("in1k")


def test_every_listed_timm_name_is_a_model_of_timm_and_its_tag_is_on_the_hub() -> None:
    import timm

    for name in (name.removeprefix("timm.") for name in SPECS if name.startswith("timm.")):
        assert timm.is_model(name.partition(".")[0]), name
        if "." in name:
            assert timm.get_pretrained_cfg(name).hf_hub_id, name
