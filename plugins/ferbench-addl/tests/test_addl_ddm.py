"""ADDL's disentangler and head on the core's own backbones: shapes, sizes, phases, what reaches what, and what is refused."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from ferbench_addl.config import DisentanglerConfig, ExpressionConfig
from ferbench_addl.ddm import DisturbanceDisentangler
from ferbench_addl.subnetworks import Merge
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ferbench import LABEL_SPACES, AssemblyRefused, Batch, Inputs, Progress, RecipeError, Site
from ferbench.method.compose import Method, describe_backbone, expression_width, probe_inputs
from ferbench.method.masking import NoMasking
from ferbench.plugins import load

START = Progress(0, 0, 0.0)
FACTORS = {name: ("a", "b", "c") for name in ("gender", "age", "race", "identity", "illumination", "pose")}


def backbone(name: str, **options: Any) -> Any:
    spec = load().spec("backbones", name)
    assert spec.config is not None
    return spec.build(spec.config(weights="random", **options), Site(LABEL_SPACES["basic7"], 64))


def dfem(image: int, factors: tuple[str, ...] = tuple(FACTORS), *, net: str = "resnet18", seed: int = 0, **head: Any) -> Method:
    """An untrained disturbance extractor, frozen as the core hands it over."""
    torch.manual_seed(seed)
    body = backbone(net)
    site = describe_backbone(body, Site(LABEL_SPACES["basic7"], image, factors={name: FACTORS[name] for name in factors}))
    site = replace(site, widths={**site.widths, "expression": site.width("pooled")})
    spec = load().spec("heads", "attributes")
    assert spec.config is not None
    nothing = load().spec("disentanglers", "none").build(None, site)
    method = Method(body, NoMasking(), nothing, spec.build(spec.config(**head), site), site)
    return method.eval().requires_grad_(False)


def addm(
    image: int = 64,
    teachers: tuple[Method, ...] = (),
    *,
    net: str = "resnet18",
    head: ExpressionConfig = ExpressionConfig(),  # noqa: B008
    **options: Any,
) -> Method:
    torch.manual_seed(1)
    body = backbone(net)
    site = describe_backbone(body, Site(LABEL_SPACES["basic7"], image, teachers={"dfem": teachers} if teachers else {}))
    specs = load()
    disentangler = specs.spec("disentanglers", "addl.ddm").build(DisentanglerConfig(**options), site)
    inputs = probe_inputs(site)
    with torch.no_grad():
        width = expression_width(disentangler, body.eval()(inputs), inputs)
    site = replace(site, widths={**site.widths, "expression": width})
    return Method(body, NoMasking(), disentangler, specs.spec("heads", "addl.expression").build(head, site), site).train()


def faces(n: int, image: int = 64) -> Batch:
    random = torch.Generator().manual_seed(2)
    labels = torch.randint(7, (n,), generator=random)
    affect = torch.rand(n, 2, generator=random) * 2 - 1
    return Batch(Inputs(torch.randn(n, 3, image, image, generator=random)), labels, {}, torch.zeros(n), affect, torch.arange(n))


def millions(*modules: Any) -> float:
    return round(sum(p.numel() for module in modules for p in module.parameters()) / 1e6, 2)


@pytest.fixture(scope="module")
def teacher() -> Method:
    return dfem(64)


@pytest.fixture(scope="module")
def full() -> Method:
    """At the paper's size and on the meta device: shapes and counts without any arithmetic."""
    with torch.device("meta"):
        return addm(224, (dfem(224),))


# ---------------------------------------------------------------------------------------------- sizes, methods.md §5.2


def test_parameters_are_those_of_the_papers_table_12(full: Method) -> None:
    part: Any = full.disentangler
    deployed = [full.backbone, part.expression, full.head]
    assert millions(*deployed) == 16.24
    assert millions(*deployed, part.disturbance, part.alpha) == 20.61
    assert sum(p.numel() for p in part.critics["mine"].parameters()) == 16_513
    assert sum(p.numel() for p in part.critics["discriminator"].parameters()) == 128 * 256 + 256 * 128 + 128 * 64 + 64


def test_multiply_adds_at_224_are_2_80_g_deployed_and_3_79_g_in_training(full: Method) -> None:
    part: Any = full.disentangler
    full.eval()
    with torch.no_grad(), torch.device("meta"):
        inputs = probe_inputs(full.site, 1)
        features = full.backbone(inputs)
        with FlopCounterMode(display=False) as deployed:
            full(inputs)
        with FlopCounterMode(display=False) as disturbance:
            part.alpha(part.disturbance(features.levels)[0])
    full.train()
    assert round(deployed.get_total_flops() / 2e9, 2) == 2.80
    assert round((deployed.get_total_flops() + disturbance.get_total_flops()) / 2e9, 2) == 3.79


def test_attention_outputs_have_the_printed_shapes_at_224(full: Method) -> None:
    with torch.no_grad(), torch.device("meta"):
        maps = full.disentangler.expression.chain(full.backbone(probe_inputs(full.site, 1)).levels)  # type: ignore[union-attr, operator]
    shapes = [tuple(a.shape[1:]) for a in maps.out]
    assert shapes == [(64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7), (512, 7, 7)]


def test_pools_are_the_printed_ones_at_224_and_at_90(full: Method) -> None:
    with torch.device("meta"):
        small = addm(90, (dfem(90, net="preact_resnet18"),), net="preact_resnet18")
    for part in (full.disentangler, small.disentangler):
        pools = [str(pool) for pool in part.expression.pools]  # type: ignore[union-attr]
        assert [pool.partition("(")[0] for pool in pools] == ["MaxPool2d"] * 3 + ["Identity"] * 2
        for pool, (kernel, stride) in zip(pools, ((10, 7), (8, 3), (2, 2)), strict=False):
            assert f"kernel_size={kernel}, stride={stride}," in pool
        assert part.expression.feature[1].in_features == 5888  # type: ignore[union-attr]


def test_printed_average_pools_leave_out_the_last_row_and_adaptive_ones_do_not(full: Method) -> None:
    with torch.device("meta"):
        adaptive = addm(224, expression="last", pooling="adaptive", factors=()).disentangler
    border = torch.zeros(1, 512, 7, 7)
    border[:, :, 6, :] = 1.0
    for name in ("expression", "disturbance"):
        assert not getattr(full.disentangler, name).average(border).any()
        assert getattr(adaptive, name).average(border).any()


# ----------------------------------------------------------------------------------------- a step of every variant


CASES: dict[str, dict[str, Any]] = {
    "baseline": {"expression": "pooled", "disturbance": False, "factors": (), "mine": False},
    "baseline_at": {"expression": "last", "disturbance": False, "factors": (), "mine": False},
    "baseline_mat": {"disturbance": False, "factors": (), "mine": False},
    "ddl_g": {"factors": ("gender",), "adfl": "each", "mine": False},
    "ddl": {"adfl": "each", "mine": False},
    "mean of the factors": {"adfl": "mean"},
    "adfl": {"mine": False},
    "mi": {"adfl": "each"},
    "mi without dfem": {"factors": ()},
    "addl": {},
    "alpha fixed": {"adfl": "fixed"},
    "release form": {"expression": "last", "adfl": "each", "mine": False, "delta": "softmax", "block": "release"},
    "raw per sample": {"transfer": "raw", "transfer_norm": "sample", "transfer_over": "sum", "pooling": "adaptive"},
}
TERMS = {
    "baseline": ({"ce"}, set()),
    "baseline_mat": ({"ce"}, set()),
    "ddl": ({"ce", "adversarial", "transfer"}, {"discriminator"}),
    "adfl": ({"ce", "adversarial", "weighting", "transfer"}, {"discriminator"}),
    "mi without dfem": ({"ce", "mine"}, {"mine_estimate"}),
    "addl": ({"ce", "adversarial", "weighting", "transfer", "mine"}, {"discriminator", "mine_estimate"}),
    "alpha fixed": ({"ce", "adversarial", "transfer", "mine"}, {"discriminator", "mine_estimate"}),
}


@pytest.mark.parametrize("case", CASES)
def test_each_variant_gives_every_trainable_parameter_a_gradient_in_its_own_phase_and_no_other(
    case: str, teacher: Method
) -> None:
    method, batch = addm(64, (teacher,), **CASES[case]), faces(4)
    main, critics = method.phase_parameters()
    output = method(batch.inputs)
    critic_terms = method.critic_losses(output.detached(), batch, START)
    terms = method.losses(output, batch, START)
    if case in TERMS:
        assert (set(terms), set(critic_terms)) == TERMS[case]
    assert all(term.shape == () and term.isfinite() for term in (*terms.values(), *critic_terms.values()))
    if critics:
        sum(critic_terms.values(), torch.zeros(())).backward()
        assert all(p.grad is None for p in main.values())
        # MINE's bound does not change when all scores rise by a constant, so the last bias has a gradient of about nothing
        silent = [name for name, p in critics.items() if p.grad is None or not p.grad.any()]
        assert set(silent) <= {"disentangler.critics.mine.layers.2.bias"}
    before = {name: p.grad.clone() for name, p in critics.items() if p.grad is not None}
    sum(terms.values()).backward(inputs=list(main.values()))  # type: ignore[union-attr]
    assert [name for name, p in main.items() if p.grad is None or not p.grad.any()] == []
    assert all(torch.equal(p.grad, before[name]) for name, p in critics.items() if p.grad is not None)
    assert all(p.grad is None for p in teacher.parameters())


@pytest.mark.parametrize(("net", "image"), [("resnet18", 48), ("resnet18", 40), ("resnet18", 32), ("preact_resnet18", 40)])
@pytest.mark.parametrize("pooling", ["parity", "adaptive"])
def test_any_image_size_and_both_backbones_work(net: str, image: int, pooling: str) -> None:
    method, batch = addm(image, (dfem(image, net=net),), net=net, pooling=pooling), faces(2, image)
    output = method(batch.inputs)
    assert output.parts.expression.shape == (2, 128) and output.predictions["expression"].shape == (2, 7)
    assert all(term.isfinite() for term in method.losses(output, batch, START).values())


def test_the_weighting_term_moves_alpha_and_leaves_the_dfem_and_the_discriminator_alone(teacher: Method) -> None:
    method, batch = addm(64, (teacher,)), faces(4)
    terms = method.losses(method(batch.inputs), batch, START)
    main, _ = method.phase_parameters()
    alpha = [p for name, p in main.items() if ".alpha." in name]
    assert all(g.any() for g in torch.autograd.grad(terms["weighting"], alpha, retain_graph=True))
    without = torch.autograd.grad(terms["adversarial"], alpha, retain_graph=True, allow_unused=True)
    assert without == (None, None), "only the weighting term may train α"


def test_no_gradient_reaches_a_dfem_even_if_somebody_thawed_it(teacher: Method) -> None:
    thawed, batch = copy.deepcopy(teacher).requires_grad_(True), faces(2)
    method = addm(64, (thawed,))
    output = method(batch.inputs)
    assert not any(x.requires_grad for maps in output.parts.kept["theirs"] for x in maps)
    sum(method.losses(output, batch, START).values(), torch.zeros(())).backward()
    assert all(p.grad is None for p in thawed.parameters())


def test_the_critics_see_neither_the_graph_of_alpha_nor_of_the_features(teacher: Method) -> None:
    method, batch = addm(64, (teacher,)), faces(3)
    cut = method(batch.inputs).detached()
    assert not cut.parts.expression.requires_grad and not any(x.requires_grad for x in cut.parts.kept["real"])


# --------------------------------------------------------------------------------------- what the mixture is made of


def test_the_mixture_is_the_sum_of_factor_features_weighted_by_alpha(teacher: Method) -> None:
    method, batch = addm(64, (teacher,)), faces(3)
    output = method(batch.inputs)
    f_d = output.parts.disturbance
    assert f_d is not None
    alpha = method.disentangler.alpha(f_d)  # type: ignore[operator]
    known = teacher(batch.inputs).predictions
    naive = torch.zeros(3, 128)
    for b in range(3):
        for j, name in enumerate(FACTORS):
            naive[b] += alpha[b, j] * known[f"feature.{name}"][b]
    torch.testing.assert_close(output.parts.kept["real"][0], naive)


def test_a_factor_that_two_dfems_know_counts_as_their_mean_and_unknown_factors_as_nothing() -> None:
    one, two = dfem(64, ("gender", "age")), dfem(64, ("gender", "pose"), seed=5)
    method, batch = addm(64, (one, two)), faces(2)
    output = method(batch.inputs)
    alpha = method.disentangler.alpha(output.parts.disturbance)  # type: ignore[operator]
    first, second = one(batch.inputs).predictions, two(batch.inputs).predictions
    naive = alpha[:, 0:1] * (first["feature.gender"] + second["feature.gender"]) / 2
    naive = naive + alpha[:, 1:2] * first["feature.age"] + alpha[:, 5:6] * second["feature.pose"]
    torch.testing.assert_close(output.parts.kept["real"][0], naive)
    assert method.disentangler.extra()["factors no DFEM knows"] == ["race", "identity", "illumination"]


def test_transfer_is_the_mean_or_the_sum_over_the_dfems(teacher: Method) -> None:
    second, batch = dfem(64, ("pose",), seed=7), faces(2)

    def value(teachers: tuple[Method, ...], over: str) -> Tensor:
        method = addm(64, teachers, transfer_over=over, dropout=0.0)
        return method.losses(method(batch.inputs), batch, START)["transfer"]

    alone = value((teacher,), "mean"), value((second,), "mean")
    torch.testing.assert_close(value((teacher, second), "mean"), (alone[0] + alone[1]) / 2)
    torch.testing.assert_close(value((teacher, second), "sum"), alone[0] + alone[1])


def test_only_dfems_that_know_a_chosen_factor_are_asked(teacher: Method) -> None:
    pose = dfem(64, ("pose",), seed=7)
    assert addm(64, (pose, teacher), factors=("gender",)).disentangler.teachers.methods == [teacher]  # type: ignore[union-attr]


def test_a_dfem_in_the_releases_form_gives_one_shared_feature(teacher: Method) -> None:
    shared, batch = dfem(64, ("gender", "age"), shared=True), faces(2)
    output = addm(64, (shared,), adfl="each", mine=False)(batch.inputs)
    feature = shared(batch.inputs).predictions["feature.shared"]
    torch.testing.assert_close(output.parts.kept["real"][0], feature.repeat_interleave(2, 0))


@pytest.mark.parametrize("transfer", ["merged", "raw"])
def test_transferred_maps_are_those_of_the_paper_or_of_the_release(transfer: str, teacher: Method) -> None:
    method, batch = addm(64, (teacher,), transfer=transfer).eval(), faces(2)
    part: Any = method.disentangler
    with torch.no_grad():
        _, maps = part.disturbance(method.backbone(batch.inputs).levels)
    expected = maps.out if transfer == "raw" else (*maps.merged[1:], maps.out[-1])
    assert all(a is b for a, b in zip(part._transferred(maps), expected, strict=True))
    levels = teacher(batch.inputs).features.levels
    assert [x.shape for x in expected] == [x.shape for x in (*levels[1:], levels[-1])]


def test_delta_in_the_releases_form_starts_at_0_269_of_u_and_0_731_of_a() -> None:
    zero, one = torch.zeros(1), torch.ones(1)
    merge = Merge("softmax")
    assert merge(one, zero).item() == pytest.approx(0.269, abs=1e-3) and merge(zero, one).item() == pytest.approx(0.731, abs=1e-3)
    assert Merge("free")(one, 2 * one).item() == 3


# ------------------------------------------------------------------------------------------------------- test time


def test_at_test_time_only_s_g_and_s_e_run_and_nobody_is_asked(teacher: Method) -> None:
    class Deaf(torch.nn.Module):
        def forward(self, inputs: Inputs) -> None:
            raise AssertionError("a teacher was asked at test time")

    method, batch = addm(64, (teacher,)).eval(), faces(2)
    part: Any = method.disentangler
    part.teachers.methods = [Deaf()]
    part.disturbance.forward = lambda levels: Deaf()(levels)
    with torch.no_grad():
        output = method(batch.inputs)
        by_hand = method.head.logits(part.expression(method.backbone(batch.inputs).levels))  # type: ignore[operator]
    assert output.parts.disturbance is None and not output.parts.kept
    assert torch.equal(output.predictions["expression"], by_hand)


def test_what_was_trained_with_dfems_loads_and_runs_without_any(teacher: Method) -> None:
    trained, alone = addm(64, (teacher,)).eval(), addm(64)
    alone.load_state_dict(trained.state_dict(), strict=True)
    inputs = faces(2).inputs
    with torch.no_grad():
        assert torch.equal(alone.eval()(inputs).predictions["expression"], trained(inputs).predictions["expression"])


def test_teachers_are_no_part_of_what_is_saved_or_trained(teacher: Method) -> None:
    method = addm(64, (teacher,))
    mine = {id(p) for p in method.parameters()}
    assert not mine & {id(p) for p in teacher.parameters()}
    before = copy.deepcopy(teacher.state_dict())
    method.train()
    method(faces(2).inputs)
    assert not teacher.training
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_a_batch_of_one_works_at_test_time_and_equals_its_place_in_a_larger_one() -> None:
    method, batch = addm(64, factors=()).eval(), faces(3)
    with torch.no_grad():
        together = method(batch.inputs).predictions["expression"]
        alone = method(Inputs(batch.inputs.images[:1])).predictions["expression"]
    torch.testing.assert_close(alone, together[:1], rtol=1e-4, atol=1e-5)


# --------------------------------------------------------------------------------------------------------- the head


def test_logits_pass_a_prelu_unless_it_is_switched_off() -> None:
    with_it, without = addm(64, factors=()).eval(), addm(64, factors=(), head=ExpressionConfig(activation="none")).eval()
    without.load_state_dict(with_it.state_dict(), strict=False)
    inputs = faces(8).inputs
    with torch.no_grad():
        bent, straight = (m(inputs).predictions["expression"] for m in (with_it, without))
    torch.testing.assert_close(bent, torch.where(straight < 0, 0.25 * straight, straight))


@pytest.mark.parametrize(("affect", "width"), [("logits", 7), ("feature", 128)])
def test_valence_and_arousal_come_from_one_more_layer_with_their_own_losses(affect: Any, width: int) -> None:
    method, batch = addm(64, factors=(), head=ExpressionConfig(affect=affect)), faces(4)
    output = method(batch.inputs)
    assert method.head.affect.in_features == width  # type: ignore[union-attr]
    assert output.predictions["affect"].shape == (4, 2) and "affect" in method.head.needs
    assert {"ce", "ccc", "rmse"} <= set(method.losses(output, batch, START))


# ---------------------------------------------------------------------------------------------------------- refusals


def test_training_on_factors_without_a_dfem_is_refused_with_the_way_out() -> None:
    method, batch = addm(64), faces(2)
    with pytest.raises(AssemblyRefused, match=r"no teacher named 'dfem'.*disentangler\.factors = \[\]"):
        method.losses(method(batch.inputs), batch, START)


def test_a_dfem_that_knows_none_of_the_chosen_factors_is_refused() -> None:
    with pytest.raises(AssemblyRefused, match=r"learns from race, and the DFEM knows gender"):
        addm(64, (dfem(64, ("gender",)),), factors=("race",))


def test_a_dfem_of_another_shape_is_refused_with_both_shapes() -> None:
    with pytest.raises(AssemblyRefused, match=r"levels are \(\(64, 64, 64\).*this backbone's \(\(64, 16, 16\)"):
        addm(64, (dfem(64, net="preact_resnet18"),))
    with pytest.raises(AssemblyRefused, match=r"32 wide and disentangler\.width is 128"):
        addm(64, (dfem(64, width=32),))


def test_a_backbone_without_levels_is_refused() -> None:
    with pytest.raises(AssemblyRefused, match="two or more levels"):
        DisturbanceDisentangler(DisentanglerConfig(), Site(LABEL_SPACES["basic7"], 64, widths={"pooled": 512}))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"factors": ("gender", "hat")}, "no factor 'hat'"),
        ({"factors": ("gender", "gender")}, "names one twice"),
        ({"disturbance": False}, "disturbance = false, and factors is on"),
        ({"disturbance": False, "factors": ()}, "disturbance = false, and mine is on"),
        ({"factors": (), "mine": False}, "nothing trains it"),
        ({"dropout": 1.0}, "dropout 1.0"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        DisentanglerConfig(**options)


def test_factor_weights_are_shown_for_the_factors_that_a_dfem_knows() -> None:
    method, inputs = addm(teachers=(dfem(64, ("pose", "age")),)).eval(), faces(2).inputs
    with torch.no_grad():
        output = method(inputs)
        shown = method.disentangler.shows(output, inputs)
        f_d, _ = method.disentangler.disturbance(output.features.levels)
        alpha = dict(zip(DisentanglerConfig().factors, method.disentangler.alpha(f_d).T, strict=True))
    assert set(shown["factor weights"].names) == {"pose", "age"}
    for name, column in zip(shown["factor weights"].names, shown["factor weights"].values.T, strict=True):
        torch.testing.assert_close(column, alpha[name])
    assert [name for name in shown if name.startswith("S_")] == [f"S_{part} {j}" for part in "ed" for j in range(1, 6)]
    assert shown["S_d 5"].values.shape == output.features.levels[4][:, 0].shape
    with torch.no_grad():
        assert "factor weights" not in addm().eval().disentangler.shows(output, inputs)  # no DFEM, so α was taught by none
