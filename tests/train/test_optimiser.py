"""Learning rates as pure functions of the epoch, parameter groups by path, and losses under their weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ferbench.errors import RecipeError
from ferbench.recipe import Group, Optimiser, Schedule
from ferbench.train.optimiser import Stepper, check_paths, check_weights, factor, weigh

EPOCHS = 12


def by_torch(make) -> list[float]:
    """The rates that one of torch's own schedulers gives, epoch by epoch, from a base rate of 1."""
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimiser)
    rates = []
    for _ in range(EPOCHS):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return rates


TORCH = torch.optim.lr_scheduler
TWINS = {
    "constant": (Schedule("constant"), lambda o: TORCH.LambdaLR(o, lambda _: 1.0)),
    "cosine": (Schedule("cosine"), lambda o: TORCH.CosineAnnealingLR(o, EPOCHS)),
    "cosine with a floor": (Schedule("cosine", floor=0.1), lambda o: TORCH.CosineAnnealingLR(o, EPOCHS, eta_min=0.1)),
    "cosine of a longer period": (Schedule("cosine", period=20), lambda o: TORCH.CosineAnnealingLR(o, 20)),
    "multi-step": (Schedule("multi-step", milestones=(3, 7), gamma=0.1), lambda o: TORCH.MultiStepLR(o, [3, 7], 0.1)),
    "exponential": (Schedule("exponential", gamma=0.9), lambda o: TORCH.ExponentialLR(o, 0.9)),
    "warm-up": (
        Schedule("constant", warmup=4),
        lambda o: TORCH.LambdaLR(o, lambda epoch: min(epoch / 4, 1.0)),
    ),
    "cosine after warm-up": (
        Schedule("cosine", warmup=2),
        lambda o: TORCH.SequentialLR(
            o, [TORCH.LambdaLR(o, lambda epoch: epoch / 2), TORCH.CosineAnnealingLR(o, EPOCHS - 2)], milestones=[2]
        ),
    ),
}


@pytest.mark.parametrize(("schedule", "make"), TWINS.values(), ids=TWINS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_schedule_is_the_one_torch_has_under_that_name(schedule, make) -> None:
    ours = [factor(schedule, float(epoch), EPOCHS) for epoch in range(EPOCHS)]
    assert ours == pytest.approx(by_torch(make), abs=1e-9)


def test_steps_happen_at_whole_epochs_and_curves_between_them() -> None:
    assert factor(Schedule("multi-step", milestones=(3,), gamma=0.1), 2.99, EPOCHS) == 1.0
    assert factor(Schedule("exponential", gamma=0.5), 1.5, EPOCHS) == 0.5
    cosine = [factor(Schedule("cosine"), epoch / 10, EPOCHS) for epoch in range(10 * EPOCHS)]
    assert cosine == sorted(cosine, reverse=True) and len(set(cosine)) == len(cosine)


def test_a_period_shorter_than_the_stage_stays_at_the_floor() -> None:
    assert factor(Schedule("cosine", period=6, floor=0.2), 9.0, EPOCHS) == pytest.approx(0.2)


def test_a_warm_up_as_long_as_the_stage_never_divides_by_zero() -> None:
    assert factor(Schedule("cosine", warmup=EPOCHS), float(EPOCHS), EPOCHS) == 0.0


def parameters() -> dict[str, nn.Parameter]:
    names = (
        "backbone.conv.weight",
        "disentangler.fc.weight",
        "disentangler.critics.d.weight",
        "disentanglers.x",
        "head.fc.weight",
    )
    return {name: nn.Parameter(torch.ones(1)) for name in names}


def rates(slots: dict[str, Group], epoch: float = 0.0) -> dict[str, tuple[float, float]]:
    """Rate and decay of each parameter."""
    named = parameters()
    stepper = Stepper(
        Optimiser(lr=1.0, weight_decay=0.1, schedule=Schedule("exponential", gamma=0.5), slots=slots), named, EPOCHS
    )
    stepper.set_epoch(epoch)
    found = {id(p): (group["lr"], group["weight_decay"]) for group in stepper.optimiser.param_groups for p in group["params"]}
    assert len(found) == len(named)
    return {name: found[id(parameter)] for name, parameter in named.items()}


def test_the_longest_fitting_path_decides_and_a_path_ends_at_a_dot() -> None:
    found = rates({"disentangler": Group(lr=2.0), "disentangler.critics": Group(lr=3.0, weight_decay=0.0)})
    assert found == {
        "backbone.conv.weight": (1.0, 0.1),
        "disentangler.fc.weight": (2.0, 0.1),
        "disentangler.critics.d.weight": (3.0, 0.0),
        "disentanglers.x": (1.0, 0.1),
        "head.fc.weight": (1.0, 0.1),
    }


def test_a_group_may_have_a_schedule_of_its_own() -> None:
    found = rates({"disentangler.critics": Group(schedule=Schedule("constant"))}, epoch=2.0)
    assert found["disentangler.critics.d.weight"][0] == 1.0
    assert found["head.fc.weight"][0] == 0.25


def test_a_rate_of_zero_is_a_rate_and_not_a_default() -> None:
    assert rates({"backbone": Group(lr=0.0)})["backbone.conv.weight"][0] == 0.0


def test_a_path_that_fits_no_trained_parameter_is_refused() -> None:
    with pytest.raises(
        RecipeError, match=r"no trained parameter under 'bakbone'.*There are: backbone\.conv, disentangler\.critics"
    ):
        check_paths(Optimiser(slots={"bakbone": Group()}), parameters(), "stage.x")
    check_paths(Optimiser(slots={"disentangler.critics.d": Group()}), parameters(), "stage.x")


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_a_step_is_torchs_own(name) -> None:
    options = {"lr": 0.1, "weight_decay": 0.01} | ({"momentum": 0.9} if name == "sgd" else {"betas": (0.5, 0.999)})
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[name]
    ours, theirs = nn.Parameter(torch.tensor([1.0, -2.0])), nn.Parameter(torch.tensor([1.0, -2.0]))
    stepper = Stepper(Optimiser(name, lr=0.1, betas=(0.5, 0.999), weight_decay=0.01), {"p": ours}, 1)
    other = kind([theirs], **options)
    for step in range(3):
        for parameter in (ours, theirs):
            parameter.grad = torch.tensor([0.3, 0.1]) * (step + 1)
        stepper.set_epoch(0.0)
        stepper.step()
        other.step()
    assert torch.allclose(ours, theirs, atol=1e-7)


def test_gradients_are_clipped_to_one_norm_over_all_parameters() -> None:
    named = {"a": nn.Parameter(torch.zeros(1)), "b": nn.Parameter(torch.zeros(1))}
    stepper = Stepper(Optimiser("sgd", lr=1.0, momentum=0.0, clip=1.0), named, 1)
    named["a"].grad, named["b"].grad = torch.tensor([3.0]), torch.tensor([4.0])
    stepper.step()
    assert torch.allclose(torch.cat(list(named.values())), torch.tensor([-0.6, -0.8]), atol=1e-5)


def test_losses_are_summed_under_their_weights() -> None:
    terms = {"ce": torch.tensor(2.0), "factor.age": torch.tensor(3.0), "factor.pose": torch.tensor(5.0)}
    assert weigh(terms, {"ce": 0.5, "factor.*": 0.1, "factor.pose": 2.0}, "here").item() == pytest.approx(1.0 + 0.3 + 10.0)


def test_a_loss_without_a_weight_stops_by_name_and_says_what_to_add() -> None:
    with pytest.raises(RecipeError, match=r"stage\.x\.losses: loss 'mine' has no weight \(weights given: ce\)\. Add mine = 1\.0"):
        weigh({"ce": torch.tensor(1.0), "mine": torch.tensor(1.0)}, {"ce": 1.0}, "stage.x.losses")


def test_no_loss_at_all_is_refused() -> None:
    with pytest.raises(RecipeError, match="no component emits a loss"):
        weigh({}, {}, "stage.x.losses")


def test_a_weight_without_a_loss_is_refused_unless_it_is_zero() -> None:
    with pytest.raises(RecipeError, match=r"'mien' weighs no loss\. Losses here: ce, mine"):
        check_weights(["ce", "mine"], {"ce": 1.0, "mine": 0.1, "mien": 0.1}, "here")
    check_weights(["ce", "factor.age"], {"ce": 1.0, "factor.*": 1.0, "mine": 0.0}, "here")
