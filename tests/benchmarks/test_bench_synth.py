"""How fast synthetic faces are drawn: images per second at 112 pixels, on one thread and on two."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ferbench.builtin.synth.config import SynthConfig
from ferbench.builtin.synth.reader import SynthReader


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("profile", ["synth-wild", "synth-film"])
def test_rate_of_drawing(benchmark: Any, profile: str, threads: int) -> None:
    count = 128 if benchmark.enabled else 4
    reader = SynthReader(profile, SynthConfig(train=count, val=0, test=0))
    samples = list(reader.samples(None))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        pictures = benchmark.pedantic(reader.pixels, args=(samples,), rounds=5 if benchmark.enabled else 1, warmup_rounds=1)
    finally:
        torch.set_num_threads(before)
    assert len(pictures) == count
    if benchmark.enabled:
        benchmark.extra_info["images_per_second"] = round(count / benchmark.stats.stats.min, 1)


def test_rate_of_records(benchmark: Any) -> None:
    reader = SynthReader("synth-wild", SynthConfig(train=512 if benchmark.enabled else 8, val=0, test=0))
    records = benchmark.pedantic(lambda: list(reader.samples(None)), rounds=3 if benchmark.enabled else 1)
    assert len(records) == reader.config.train
    if benchmark.enabled:
        benchmark.extra_info["records_per_second"] = round(len(records) / benchmark.stats.stats.min, 1)
