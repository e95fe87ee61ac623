"""``ferbench data factors`` on a trained run: the weights come back as they were, and the study is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fixtures_run import TINY

from ferbench.cli import main
from ferbench.data.names import parse, reader_of, spec_of
from ferbench.plugins import load
from ferbench.results.predictions import read_predictions
from ferbench.study.trained import open_run

Call = Callable[..., tuple[int, str]]
SOURCE = "synth-lab?size=32&train=42&val=7&test=21"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One finished run for the whole module, and the FERBENCH_HOME that holds its weights."""
    place = tmp_path_factory.mktemp("factors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FERBENCH_HOME", str(place / "home"))
        main(["run", "--method", "erm", "--source", SOURCE, "--target", SOURCE, "--preset", "quick", *TINY, "--out", str(place)])
    (found,) = (path.parent for path in place.glob("*/record.json"))
    return found, place / "home"


@pytest.fixture
def run(trained: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FERBENCH_HOME", str(trained[1]))
    return trained[0]


def test_a_run_brought_back_says_what_it_said(run: Path) -> None:
    registry = load()
    back = open_run(run, registry)
    reference = parse(SOURCE, registry.datasets)
    reader = reader_of(reference, spec_of(reference, registry.datasets))
    samples = [sample for sample in reader.samples(None) if sample.split == "test"]
    again = back.predictions(samples, reader.pixels(samples))
    stored = read_predictions(next((run / "predictions").glob("*.parquet")))
    order = [again.ids.index(name) for name in stored.ids]
    assert len(order) == 21
    assert np.array_equal(again.labels[order], stored.labels)
    assert np.allclose(again.probabilities[order], stored.probabilities, atol=1e-4)


def test_the_study_writes_numbers_and_figures_and_says_that_the_faces_are_synthetic(
    run: Path, tmp_path: Path, call: Call
) -> None:
    words = ("data", "factors", str(run), "--factor", "light,gender", "--images", "7")
    code, printed = call(*words, "--out", str(tmp_path / "one"))
    assert code == 0, printed
    assert "synthetic" in printed and "light" in printed and "not the number of synth-factors@1" in printed
    told = json.loads((tmp_path / "one" / "factors.json").read_text())
    assert (
        told["protocol"] == "synth-factors@1"
        and told["target_kind"] == "synthetic"
        and list(told["factors"]) == ["light", "gender"]
    )
    lights = {point["label"]: point["runs"][0] for point in told["factors"]["light"]["settings"]}
    assert len(lights) == 8 and all(point["n"] == 7 for point in lights.values())
    assert lights["front"]["lost"] == {"value": 0.0, "low": 0.0, "high": 0.0}  # the base itself
    for point in lights.values():
        assert 0 <= point["metrics"]["uar"]["low"] <= point["metrics"]["uar"]["value"] <= point["metrics"]["uar"]["high"] <= 1
        assert point["lost"]["value"] == pytest.approx(
            lights["front"]["metrics"]["uar"]["value"] - point["metrics"]["uar"]["value"]
        )
    call(*words, "--out", str(tmp_path / "two"))
    for name in ("factors.json", "factors.svg", "factors.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_run_without_its_weights_says_where_they_should_be(run: Path, monkeypatch: pytest.MonkeyPatch, call: Call) -> None:
    monkeypatch.setenv("FERBENCH_HOME", str(run / "elsewhere"))
    code, printed = call("data", "factors", str(run), "--factor", "light")
    assert code == 2 and "its weights are not here" in printed and len(printed.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [((".",), "record.json"), (("/nowhere",), "no such file or folder"), ((".", "--factor", "yawn"), "Did you mean 'yaw'"),
     ((".", "--protocol", "synth-factors@9"), "synth-factors@1")],
)  # fmt: skip
def test_a_mistake_is_one_line(words: tuple[str, ...], says: str, home: Path, call: Call) -> None:
    code, printed = call("data", "factors", *words)
    assert code == 2 and says in printed and len(printed.strip().splitlines()) == 1
