"""Preparing and verifying, as ratios within one run: the first pass over JPEG against ImageFolder, two workers against one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
import torch
from fixtures_trees import draw
from PIL import Image

from ferbench.builtin.readers import folder
from ferbench.data import decode, fill, prepare
from ferbench.data.align import AS_SHIPPED
from ferbench.data.reader import Reader
from ferbench.data.verify import verify
from ferbench.schema import DatasetSpec, Expression, Sample

SIDE, PICTURES, ROUNDS = 350, 200, 5


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("jpeg")
    for index in range(PICTURES):
        draw(root / ("happy", "sad")[index % 2] / f"{index}.jpg", index, SIDE, SIDE, quality=90)
    return root


def seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    work()
    return clock() - start


def test_first_pass_over_jpeg_against_imagefolder_per_core(benchmark: Any, pictures: Path, tmp_path: Path) -> None:
    """Goal: at least 2 x. ImageFolder decodes, crops and resizes to 224, turns and normalises, as training does; prepare reads,
    hashes, decodes, shrinks to 256, hashes again and writes. Both on one core, in processor time."""
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    steps = [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), transforms.ToTensor(),
             transforms.Normalize([0.5] * 3, [0.5] * 3)]  # fmt: skip
    theirs = ImageFolder(str(pictures), transforms.Compose(steps))
    reader = folder.FolderReader()
    samples = list(reader.samples(pictures))
    quiet: fill.Progress = lambda what, done, total: None  # noqa: E731

    def first_pass() -> None:
        frames, _ = fill.probe(reader, samples, pictures, AS_SHIPPED, 1, quiet)
        fill.from_files(reader, samples, frames, pictures, tmp_path / "pixels.u8", 1, quiet)

    def imagefolder() -> None:
        with fill.single_threaded_torch():
            for index in range(len(theirs)):
                theirs[index]

    first_pass(), imagefolder()
    clock = time.process_time
    ratios = [seconds(imagefolder, clock) / seconds(first_pass, clock) for _ in range(ROUNDS)]
    benchmark.extra_info["x ImageFolder per core (goal 2)"] = round(median(ratios), 2)
    sample = Path(samples[0].image)
    assert np.array_equal(decode.decode(decode.read(sample)), np.asarray(Image.open(sample).convert("RGB")))
    benchmark.pedantic(first_pass, rounds=1)


def test_two_workers_against_one(benchmark: Any, pictures: Path, tmp_path: Path) -> None:
    """Goal: at least 1.7 x where two cores are free."""
    reader = folder.FolderReader()
    samples = list(reader.samples(pictures))
    quiet: fill.Progress = lambda what, done, total: None  # noqa: E731
    frames, _ = fill.probe(reader, samples, pictures, AS_SHIPPED, 1, quiet)

    def with_workers(workers: int) -> Callable[[], object]:
        return lambda: fill.from_files(reader, samples, frames, pictures, tmp_path / "pixels.u8", workers, quiet)

    with_workers(2)()
    ratios = [seconds(with_workers(1), time.perf_counter) / seconds(with_workers(2), time.perf_counter) for _ in range(ROUNDS)]
    benchmark.extra_info["x one worker (goal 1.7)"] = round(median(ratios), 2)
    benchmark.extra_info["cores"] = fill.available_cores()
    benchmark.pedantic(with_workers(2), rounds=1)


class _Many(Reader):
    """20,000 tiny pictures with factors and subjects."""

    rooted = False

    def samples(self, root: Path | None) -> Any:
        for index in range(20_000):
            yield Sample(f"p/{index:06d}", f"p/{index}", list(Expression)[index % 7], "d", ("train", "test")[index % 50 // 40],
                         f"s{index % 50}-{index // 500}", {"gender": "female", "age": "20-39"})  # fmt: skip

    def pixels(self, samples: Any) -> list[Any]:
        return [np.zeros((8, 8, 3), np.uint8) for _ in samples]


def test_verify_of_a_prepared_set(benchmark: Any, home: Path) -> None:
    """Goal: at least 20,000 images/s without reading pixels."""
    made = prepare.prepare(DatasetSpec("many", _Many, kind="synthetic"), "many")
    assert [finding for finding in verify(made) if finding.level == "error"] == []
    spent = min(seconds(lambda: verify(prepare.PreparedSet(made.folder, made.spec)), time.perf_counter) for _ in range(3))
    benchmark.extra_info["images/s (goal 20,000)"] = round(len(made) / spent)
    benchmark.extra_info["torch threads"] = torch.get_num_threads()
    benchmark.pedantic(lambda: verify(made), rounds=1)
