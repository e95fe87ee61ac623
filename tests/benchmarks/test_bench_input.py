"""Input with an infinitely fast model, against the suites people use: what a GPU would wait for.

``pytest tests/benchmarks/test_bench_input.py -n 0 --benchmark-enable -s``. Each test times ferbench by pytest-benchmark and runs
the others between its rounds, in one process, so that the ratios hold on a busy machine; they are printed and kept in
``extra_info``. Rates "per core" use process time. Nothing is asserted on time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ferbench.data.augment import Augment
from ferbench.data.loader import Faces, Loader
from ferbench.data.views import Flip, RandomCrop, RandomResizedCrop, View

FILES, CACHED, BATCH, ROUNDS = 256, 4096, 128, 5
CROP_FLIP, RESIZED = (RandomCrop(), Flip()), (RandomResizedCrop((0.08, 1.0)), Flip())  # the scale timm and ImageFolder use
MEAN_STD = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


@pytest.fixture(scope="module", autouse=True)
def asked_for(request: pytest.FixtureRequest) -> None:
    """Before any file is written: the suite passes here without measuring."""
    option = request.config.getoption
    if option("benchmark_disable") and not option("benchmark_enable"):
        pytest.skip("a benchmark of minutes: measured with -n 0 --benchmark-enable")


def portrait(random: np.random.Generator, side: int) -> np.ndarray:
    """Soft shapes and a little grain: about 40 kB as a JPEG of 350 pixels, as real faces have."""
    coarse = Image.fromarray(random.integers(0, 256, (12, 12, 3), dtype=np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(coarse, np.int16) + random.integers(-12, 13, (side, side, 3)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """JPEG files of 350 pixels, a folder per class."""
    root, random = tmp_path_factory.mktemp("jpeg"), np.random.default_rng(0)
    for i in range(FILES):
        where = root / f"class{i % 4}"
        where.mkdir(exist_ok=True)
        Image.fromarray(portrait(random, 350)).save(where / f"{i:04}.jpg", quality=90)
    return root


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Faces:
    """The same in a decoded cache of 256 pixels, as ``prepare`` leaves it (800 MB: more than any processor's cache)."""
    path, random = tmp_path_factory.mktemp("cache") / "pixels", np.random.default_rng(0)
    pixels = np.memmap(path, np.uint8, "w+", shape=(CACHED, 256, 256, 3))
    few = np.stack([portrait(random, 256) for _ in range(64)])
    for first in range(0, CACHED, 64):
        pixels[first : first + 64] = few
    none = np.full((CACHED, 2), np.nan, np.float32)
    everything, zero = np.arange(CACHED), np.zeros(CACHED, np.int64)
    return Faces((np.asarray(pixels),), (everything,), everything % 7, zero, none, tuple(map(str, everything)), ("cache",))


def loader(faces: Faces, ops: tuple, channels_last: bool = True) -> Loader:
    return Loader(faces, View(256, 224, augment=ops), BATCH, seed=0, channels_last=channels_last)


def timm_images(folder: Path, workers: int) -> int:
    """As timm's ``train.py`` makes it: random resized crop, flip, uint8 collation, normalised per batch."""
    from timm.data import create_dataset, create_loader

    data = create_dataset("", root=str(folder))
    batches = create_loader(
        data, (3, 224, 224), BATCH, is_training=True, no_aug=False, num_workers=workers, use_prefetcher=True, hflip=0.5,
        color_jitter=0.0, auto_augment=None, persistent_workers=False, device=torch.device("cpu"),
    )  # fmt: skip
    return sum(len(labels) for _, labels in batches)


def image_folder_images(folder: Path, crop: str) -> int:
    from torchvision import datasets, transforms

    cut = [transforms.RandomResizedCrop(224)] if crop == "resized" else [transforms.Resize(256), transforms.RandomCrop(224)]
    steps = [*cut, transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize(*MEAN_STD)]
    data = datasets.ImageFolder(str(folder), transforms.Compose(steps))
    return sum(len(labels) for _, labels in torch.utils.data.DataLoader(data, BATCH, shuffle=True, drop_last=True))


def drain(batches: Iterator, limit: int = 16) -> int:
    """Take up to ``limit`` batches and let go of them; how many images came."""
    return sum(len(batch) for _, batch in zip(range(limit), batches, strict=False))


def uint8_batches(faces: Faces) -> Iterator[np.ndarray]:
    """What is handed to a GPU that crops and normalises itself: the batch's pixels, gathered into one buffer."""
    buffer = np.empty((BATCH, 256, 256, 3), np.uint8)
    for rows in loader(faces, CROP_FLIP).sampler.epoch(0):
        yield faces.gather(rows, buffer)


def cut_batches(faces: Faces, ops: tuple) -> Iterator[torch.Tensor]:
    """uint8 after cropping and flipping on the CPU."""
    augment = Augment(View(256, 224, augment=ops), 0, "cpu")
    for rows in loader(faces, ops).sampler.epoch(0):
        yield augment.train_uint8(faces.pictures(rows), torch.from_numpy(rows), 0)


def rate(work: Callable[[], int], clock: Callable[[], float]) -> float:
    start = clock()
    images = work()
    return images / (clock() - start)


def compare(benchmark, ours: dict[str, Callable[[], int]], theirs: dict[str, Callable[[], int]], clock=time.perf_counter) -> None:
    """Interleave all, ROUNDS times, on one thread each; medians of images/s and of their ratios into ``extra_info``."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seen: dict[str, list[float]] = {name: [] for name in (*ours, *theirs)}
    everything = {**ours, **theirs}

    def others() -> None:
        for name, work in everything.items():
            seen[name].append(rate(work, clock))

    try:
        for work in everything.values():
            work()  # files and imports into memory
        first = next(iter(ours.values()))
        benchmark.pedantic(first, setup=others, rounds=ROUNDS, warmup_rounds=0)
    finally:
        torch.set_num_threads(threads)
    middle = {name: statistics.median(values) for name, values in seen.items()}
    benchmark.extra_info["images per second"] = {name: round(value) for name, value in middle.items()}
    for mine in ours:
        for other in theirs:
            ratios = [a / b for a, b in zip(seen[mine], seen[other], strict=True)]
            benchmark.extra_info[f"{mine} : {other}"] = round(statistics.median(ratios), 1)
    print()
    for name, value in benchmark.extra_info.items():
        print(f"  {name}: {value}")


def test_input_with_an_infinitely_fast_model_against_timm(benchmark, folder, faces):
    """Goal: uint8 handed over at 12 times timm's rate and 10,000 images/s; normalised on the CPU at 5 times."""
    cropped, resized = loader(faces, CROP_FLIP), loader(faces, RESIZED)
    compare(
        benchmark,
        {
            "uint8 gathered": lambda: drain(uint8_batches(faces)),
            "uint8 cropped and flipped": lambda: drain(cut_batches(faces, CROP_FLIP)),
            "normalised, crop and flip": lambda: drain(cropped.epoch(0)),
            "normalised, resized crop and flip": lambda: drain(resized.epoch(0)),
        },
        {
            "timm, 0 workers": lambda: timm_images(folder, 0),
            "timm, 2 workers": lambda: timm_images(folder, 2),
            "ImageFolder, 0 workers": lambda: image_folder_images(folder, "resized"),
        },
    )


def test_cropping_and_flipping_from_the_cache_against_image_folder_per_core(benchmark, folder, faces):
    """Goal: crop and flip at 30 times, resized crop at 10 times ImageFolder's rate, per second of processor time."""
    cropped, resized = loader(faces, CROP_FLIP), loader(faces, RESIZED)
    compare(
        benchmark,
        {
            "crop and flip, uint8": lambda: drain(cut_batches(faces, CROP_FLIP)),
            "crop and flip, normalised": lambda: drain(cropped.epoch(0)),
            "resized crop, uint8": lambda: drain(cut_batches(faces, RESIZED)),
            "resized crop, normalised": lambda: drain(resized.epoch(0)),
            "resized crop 0.8 to 1, uint8": lambda: drain(cut_batches(faces, (RandomResizedCrop(), Flip()))),
        },
        {
            "ImageFolder, crop": lambda: image_folder_images(folder, "crop"),
            "ImageFolder, resized crop": lambda: image_folder_images(folder, "resized"),
        },
        clock=time.process_time,
    )
