"""Heads: what they predict, and their losses against a second, naive writing."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ferbench import LABEL_SPACES, AssemblyRefused, Batch, Features, Head, Inputs, Output, Parts, Progress, RecipeError, Site
from ferbench.builtin import ferbench_heads
from ferbench.builtin.configs import AffectConfig, AttributesConfig, LinearConfig
from ferbench.builtin.heads.losses import ccc_loss, cross_entropy, rmse_loss

SPECS = {spec.name: spec for spec in ferbench_heads()}
SITE = Site(
    LABEL_SPACES["basic7"],
    image=64,
    widths={"pooled": 32, "expression": 32},
    factors={"gender": ("male", "female", "unsure"), "age": ("0-3", "4-19", "20-39", "40-69", "70+")},
)
START = Progress(epoch=0, step=0, fraction=0.0)


def a_batch(rows: int = 6, **known: Tensor) -> Batch:
    generator = torch.Generator().manual_seed(1)
    given = {
        "expression": torch.randint(0, 7, (rows,), generator=generator),
        "affect": torch.rand(rows, 2, generator=generator) * 2 - 1,
        "gender": torch.randint(0, 3, (rows,), generator=generator),
        "age": torch.randint(0, 5, (rows,), generator=generator),
    } | known
    factors = {"gender": given["gender"], "age": given["age"]}
    zeros = torch.zeros(rows, dtype=torch.long)
    return Batch(Inputs(torch.zeros(rows, 3, 64, 64)), given["expression"], factors, zeros, given["affect"], torch.arange(rows))


def run(head: Head, batch: Batch) -> tuple[Tensor, Output, dict[str, Tensor]]:
    feature = torch.randn(len(batch), 32, generator=torch.Generator().manual_seed(2)).requires_grad_()
    parts, features = Parts(feature), Features(pooled=feature)
    output = Output(features, parts, head(parts, features))
    return feature, output, head.losses(output, batch, START)


def naive_cross_entropy(logits: Tensor, target: Tensor, smoothing: float = 0.0) -> float:
    terms = []
    for row, label in zip(logits.tolist(), target.tolist(), strict=True):
        if label == -1:
            continue
        total = math.log(sum(math.exp(value) for value in row))
        each = [total - value for value in row]
        terms.append((1 - smoothing) * each[label] + smoothing * sum(each) / len(each))
    return sum(terms) / len(terms) if terms else 0.0


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_the_mean_over_labelled_rows(smoothing: float) -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(8, 7, dtype=torch.float64), torch.tensor([0, -1, 3, 6, -1, 2, 2, 5])
    assert cross_entropy(logits, target, smoothing).item() == pytest.approx(
        naive_cross_entropy(logits, target, smoothing), rel=1e-5
    )


def test_cross_entropy_gradient_is_softmax_minus_label_over_labelled_rows_and_zero_elsewhere() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(4, 3, requires_grad=True), torch.tensor([2, -1, 0, -1])
    cross_entropy(logits, target).backward()
    expected = torch.softmax(logits.detach(), 1) - F.one_hot(target.clamp(min=0), 3)
    expected[target == -1] = 0
    torch.testing.assert_close(logits.grad, expected / 2)


def naive_ccc(x: list[float], y: list[float]) -> float:
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / len(x)
    variance_x = sum((a - mean_x) ** 2 for a in x) / len(x)
    variance_y = sum((b - mean_y) ** 2 for b in y) / len(y)
    return 2 * covariance / (variance_x + variance_y + (mean_x - mean_y) ** 2)


def some_affect() -> tuple[Tensor, Tensor]:
    torch.manual_seed(3)
    predicted, truth = torch.tanh(torch.randn(9, 2)), torch.rand(9, 2) * 2 - 1
    truth[2] = math.nan
    truth[5, 1] = math.nan  # arousal alone unknown
    return predicted, truth


def labelled_columns(predicted: Tensor, truth: Tensor) -> list[tuple[list[float], list[float]]]:
    rows = zip(predicted.tolist(), truth.tolist(), strict=True)
    pairs = [[(p[d], t[d]) for p, t in rows if not math.isnan(t[d])] for rows in [list(rows)] for d in (0, 1)]
    return [([p for p, _ in column], [t for _, t in column]) for column in pairs]


def test_ccc_loss_is_one_minus_the_mean_concordance_of_labelled_values() -> None:
    predicted, truth = some_affect()
    naive = [1 - naive_ccc(x, y) for x, y in labelled_columns(predicted, truth)]
    assert ccc_loss(predicted, truth).item() == pytest.approx(sum(naive) / 2, rel=1e-5)


def test_ccc_loss_is_0_for_the_truth_and_2_for_its_opposite() -> None:
    truth = torch.tensor([[-0.5, 0.5], [0.5, -0.5], [0.1, -0.1], [-0.1, 0.1]])
    assert ccc_loss(truth, truth).item() == pytest.approx(0, abs=1e-5)
    assert ccc_loss(-truth, truth).item() == pytest.approx(2, abs=1e-5)


def test_rmse_loss_is_the_mean_over_valence_and_arousal_of_labelled_values() -> None:
    predicted, truth = some_affect()
    naive = [
        math.sqrt(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / len(x)) for x, y in labelled_columns(predicted, truth)
    ]
    assert rmse_loss(predicted, truth).item() == pytest.approx(sum(naive) / 2, rel=1e-5)


@pytest.mark.parametrize("loss", [ccc_loss, rmse_loss])
def test_affect_losses_leave_unknown_values_without_gradient_and_stay_finite(loss) -> None:
    predicted, truth = some_affect()
    predicted.requires_grad_()
    loss(predicted, truth).backward()
    unknown = torch.isnan(truth)
    assert torch.isfinite(predicted.grad).all()
    assert (predicted.grad[unknown] == 0).all()
    assert (predicted.grad[~unknown] != 0).all()


@pytest.mark.parametrize("loss", [ccc_loss, rmse_loss])
def test_affect_gradients_agree_with_finite_differences(loss) -> None:
    predicted, truth = (x.double() for x in some_affect())
    assert torch.autograd.gradcheck(
        lambda x: loss(x, truth), (predicted.requires_grad_(),), eps=1e-3, atol=1e-2, nondet_tol=0.0
    )  # both compute in float32


@pytest.mark.parametrize("loss", [ccc_loss, rmse_loss])
def test_a_perfect_prediction_has_a_finite_gradient(loss) -> None:
    truth = torch.tensor([[0.25, -0.5], [0.75, 0.5]])
    predicted = truth.clone().requires_grad_()
    loss(predicted, truth).backward()
    assert torch.isfinite(predicted.grad).all()


UNLABELLED = {
    "linear": {"expression": torch.full((6,), -1)},
    "attributes": {"gender": torch.full((6,), -1), "age": torch.full((6,), -1)},
    "affect": {"affect": torch.full((6, 2), math.nan)},
}


@pytest.mark.parametrize("name", UNLABELLED)
def test_a_batch_that_labels_nothing_costs_nothing_and_gives_zero_gradients(name: str) -> None:
    head = SPECS[name].build(SPECS[name].config(), SITE)
    _, _, terms = run(head, a_batch(**UNLABELLED[name]))
    assert [term.item() for term in terms.values()] == [0.0] * len(terms)
    sum(terms.values()).backward()
    for parameter in head.parameters():
        assert parameter.grad is None or (parameter.grad == 0).all()


@pytest.mark.parametrize("name", UNLABELLED)
def test_gradient_reaches_every_parameter_also_from_a_batch_of_one(name: str) -> None:
    torch.manual_seed(0)
    head = SPECS[name].build(SPECS[name].config(), SITE)
    for rows in (6, 1):
        head.zero_grad()
        _, _, terms = run(head, a_batch(rows))
        sum(terms.values()).backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() and p.grad.any() for p in head.parameters())


def test_linear_head_predicts_one_logit_per_class_and_emits_ce() -> None:
    head = SPECS["linear"].build(LinearConfig(label_smoothing=0.1), SITE)
    batch = a_batch()
    _, output, terms = run(head, batch)
    assert output.predictions["expression"].shape == (6, 7)
    assert terms["ce"].item() == pytest.approx(
        naive_cross_entropy(output.predictions["expression"], batch.expression, 0.1), rel=1e-5
    )


def test_linear_head_has_one_weight_per_feature_and_class_plus_biases() -> None:
    assert sum(p.numel() for p in SPECS["linear"].build(LinearConfig(), SITE).parameters()) == 32 * 7 + 7


def test_attributes_gives_a_feature_and_logits_per_factor() -> None:
    _, output, terms = run(SPECS["attributes"].build(AttributesConfig(width=16), SITE), a_batch())
    shapes = {name: tuple(x.shape) for name, x in output.predictions.items()}
    assert shapes == {"feature.gender": (6, 16), "feature.age": (6, 16), "factor.gender": (6, 3), "factor.age": (6, 5)}
    assert set(terms) == {"factor.gender", "factor.age"}


def test_attributes_shared_has_one_feature_for_all_factors() -> None:
    head = SPECS["attributes"].build(AttributesConfig(width=16, shared=True), SITE)
    _, output, _ = run(head, a_batch())
    assert set(output.predictions) == {"feature.shared", "factor.gender", "factor.age"}
    again = head.classifiers["age"](output.predictions["feature.shared"])
    torch.testing.assert_close(output.predictions["factor.age"], again)


def test_each_factor_counts_its_own_labelled_rows_only() -> None:
    head = SPECS["attributes"].build(AttributesConfig(), SITE)
    batch = a_batch(gender=torch.tensor([-1, -1, 2, 0, -1, 1]))
    _, output, terms = run(head, batch)
    for name in ("gender", "age"):
        naive = naive_cross_entropy(output.predictions[f"factor.{name}"], batch.factors[name])
        assert terms[f"factor.{name}"].item() == pytest.approx(naive, rel=1e-5)


def test_attributes_on_a_512_wide_feature_meets_the_counts_that_addl_states_for_rafdb() -> None:
    site = Site(SITE.labels, 224, {"expression": 512}, factors={"gender": ("a",) * 3, "race": ("b",) * 3, "age": ("c",) * 5})
    head = SPECS["attributes"].build(AttributesConfig(), site)
    assert sum(p.numel() for p in head.parameters()) == 3 * (512 * 128 + 128 + 1) + 11 * (128 + 1)


def test_attributes_refuses_a_factor_that_nobody_labels() -> None:
    with pytest.raises(AssemblyRefused, match="learn pose; the training data labels gender, age"):
        SPECS["attributes"].build(AttributesConfig(factors=("pose", "age")), SITE)


def test_affect_stays_between_minus_one_and_one_and_emits_ccc_and_rmse() -> None:
    _, output, terms = run(SPECS["affect"].build(AffectConfig(), SITE), a_batch())
    assert output.predictions["affect"].shape == (6, 2)
    assert output.predictions["affect"].abs().max() < 1
    assert set(terms) == {"ccc", "rmse"}


@pytest.mark.parametrize(
    "make", [lambda: LinearConfig(dropout=1.0), lambda: LinearConfig(label_smoothing=-0.1), lambda: AttributesConfig(width=0)]
)
def test_options_out_of_range_are_refused(make) -> None:
    with pytest.raises(RecipeError):
        make()
