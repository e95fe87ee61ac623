"""One pass, no gradients, no waiting in the loop, joined by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ferbench.errors import DataError, TrainingStopped
from ferbench.evaluation.predict import Forecast, predict
from ferbench.flow import Inputs

CLASSES = ("a", "b", "c")


def batches(rows: list[int], size: int = 4, device: str = "cpu") -> Iterator[tuple[Inputs, NDArray[np.int64]]]:
    for start in range(0, len(rows), size):
        row = np.array(rows[start : start + size], dtype=np.int64)
        images = torch.tensor(row, device=device).float().view(-1, 1, 1, 1).expand(len(row), 3, 2, 2)
        yield Inputs(images), row


def forward(inputs: Inputs) -> dict[str, Tensor]:
    row = inputs.images[:, 0, 0, 0]
    return {"expression": torch.stack([row, -row, 0 * row], dim=1), "affect": torch.stack([row / 10, -row / 10], dim=1)}


def test_probabilities_come_back_by_row_whatever_the_order_of_the_batches() -> None:
    forecast = predict(forward, batches([5, 3, 0, 1, 2, 4]))
    assert forecast.rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert forecast.probabilities is not None and forecast.affect is not None
    assert forecast.probabilities.dtype == np.float32
    wanted = torch.softmax(torch.tensor([[r, -r, 0.0] for r in range(6)]), dim=1).numpy()
    assert np.allclose(forecast.probabilities, wanted)
    assert np.allclose(forecast.affect[:, 0], np.arange(6) / 10)


def test_a_row_without_a_prediction_is_not_covered() -> None:
    forecast = predict(forward, batches([0, 2]))
    labels, felt = np.array([0, 1, 2]), np.full((3, 2), 0.5)
    joined = forecast.predictions(CLASSES, ["x", "y", "z"], labels, felt)
    assert joined.covered.tolist() == [True, False, True]
    assert np.isnan(joined.probabilities[1]).all() and np.isfinite(joined.probabilities[[0, 2]]).all()
    assert joined.affect_predicted is not None and np.isnan(joined.affect_predicted[1]).all()
    assert joined.predicted.tolist() == [0, 3, 0]


def test_no_gradient_is_kept() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    seen: list[bool] = []

    def learnt(inputs: Inputs) -> dict[str, Tensor]:
        logits = forward(inputs)["expression"] * weight
        seen.append(logits.requires_grad)
        return {"expression": logits}

    assert predict(learnt, batches([0, 1])).affect is None
    assert seen == [False]


class _Fetches(TorchFunctionMode):
    """Counts what would make the loop wait for a device."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in {"cpu", "item", "numpy", "tolist", "to", "__bool__", "__float__", "__int__"}:
            self.calls[func.__name__] += 1
        return func(*args, **(kwargs or {}))


def test_the_number_of_copies_from_the_device_does_not_grow_with_the_batches() -> None:
    found = []
    for many in (2, 20):
        with _Fetches() as fetches:
            predict(forward, batches(list(range(4 * many))))
        found.append(dict(fetches.calls))
    assert found[0] == found[1] == {"cpu": 2, "numpy": 2}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: only there a wait can be forbidden")
def test_the_loop_never_waits_for_a_real_device() -> None:
    torch.cuda.set_sync_debug_mode("error")
    try:
        forecast = predict(_without_waiting, _watched(list(batches(list(range(16)), device="cuda"))))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(forecast.rows) == 16


def _watched(ready: list[tuple[Inputs, NDArray[np.int64]]]) -> Iterator[tuple[Inputs, NDArray[np.int64]]]:
    yield from ready
    torch.cuda.set_sync_debug_mode("default")  # the loop is over; the copy at the end may wait


def _without_waiting(inputs: Inputs) -> dict[str, Tensor]:
    return forward(inputs)


@pytest.mark.parametrize(
    "broken, error, match",
    [
        (lambda: predict(forward, batches([0, 1, 0])), DataError, "row 0 was predicted twice"),
        (lambda: predict(forward, batches([])), DataError, "no batch"),
        (
            lambda: predict(lambda i: {"expression": forward(i)["expression"] * torch.nan}, batches([0])),
            TrainingStopped,
            "1 of 1",
        ),
        (lambda: predict(forward, batches([3])).predictions(CLASSES, ["x"], np.array([0])), DataError, "row 3"),
        (lambda: predict(forward, batches([0])).predictions(CLASSES[:2], ["x"], np.array([0])), DataError, "2 classes"),
    ],
)
def test_what_cannot_be_right_is_refused(broken: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        broken()


def test_a_head_without_expression_gives_no_probabilities() -> None:
    forecast = predict(lambda inputs: {"affect": forward(inputs)["affect"]}, batches([0, 1]))
    assert isinstance(forecast, Forecast) and forecast.probabilities is None
