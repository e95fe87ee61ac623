"""Runs on disk with made-up answers, written by the product's own writers: what a board is built from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ferbench.evaluation.metrics import Predictions
from ferbench.evaluation.protocol import Protocol
from ferbench.evaluation.statistics import seed_of, summarise
from ferbench.results import record as r
from ferbench.results.predictions import write_predictions
from ferbench.results.store import predictions_name

RESAMPLES = 40


def answers(
    classes: tuple[str, ...], n: int, share: float, seed: list[int], *, first_id: int = 0, covered: float = 1.0
) -> Predictions:
    """Right for ``share`` of the images: of two methods with the same seed, the better is right wherever the worse is."""
    rng = np.random.default_rng(seed)
    k, labels = len(classes), np.arange(n) % len(classes)
    right, other = rng.random(n) < share, rng.integers(1, k, n)
    p = np.full((n, k), 0.3 / (k - 1), np.float32)
    p[np.arange(n), np.where(right, labels, (labels + other) % k)] = 0.7
    seen = rng.random(n) < covered
    p[~seen] = np.nan
    return Predictions(classes, tuple(f"{i + first_id:05d}" for i in range(n)), labels, seen, p)


def write_run(
    folder: Path, protocol: Protocol, source: str, targets: dict[str, int], method: str, seed: int, share: float, *,
    first_id: int = 0, covered: float = 1.0, selection: str = "last", oracle: float = 0.0, kind: str = "real", preset: str = "paper",
    cost: bool = False, seen: tuple[str, ...] = (), resamples: int = RESAMPLES, learnt: int = 900, role: r.Role = "target",
) -> r.Record:  # fmt: skip
    """One finished run. targets: name → images. oracle: how much better the epoch is that was chosen on the target; 0: none was."""
    number = sum(method.encode())
    data = [r.DataUse(role="source.train", name=source, kind=kind, fingerprint="f" * 16, split="train", n=learnt)]  # type: ignore[arg-type]
    data += [
        r.DataUse(role=role, name=name, kind=kind, fingerprint="e" * 16, split="all", n=n, coverage=covered)  # type: ignore[arg-type]
        for name, n in targets.items()
    ]
    versions = {"ferbench": "0.1.0"}
    name = r.run_id({"method": method}, r.fingerprints_of(data), versions, seed)
    results = []
    for place, (target, n) in enumerate(targets.items()):
        for rule, better in ((selection, 0.0), *((("oracle", oracle),) if oracle else ())):
            said = answers(
                protocol.space, n, share + better - 0.03 * place, [seed, place, number], first_id=first_id, covered=covered
            )
            file = predictions_name(target, "all", rule)
            kept = r.PredictionsFile(file=file, sha256=write_predictions(folder / file, said))
            summary = summarise(said, seed_of(name, target, "all", rule), resamples)
            results.append(r.Result.of(summary, kept, target=target, split="all", role=role, selection=rule))
    stage = r.StageRecord(name="only", artifact="a" * 16, epochs=4, steps=60, parameters=(5 + number % 90) * 1_000_000)
    weights = r.Weights(name="timm/resnet18.a1_in1k", revision="b" * 40, saw=("ImageNet-1k",))
    return r.write_record(
        folder / "record.json",
        r.Record(
            run_id=name, method=method, recipe={"method": method}, preset=preset, seed=seed,
            labels=r.Labels(name=protocol.labels, classes=protocol.space), selection=selection, data=tuple(data), stages=(stage,),
            results=tuple(results), bootstrap=r.Bootstrap(resamples=resamples), weights=(weights,),
            contamination=tuple(r.Contamination(target=one, by="elsewhere", note="shared") for one in seen),
            environment=r.Environment(python="3", platform="x", device="One GPU", dtype="bfloat16", threads=1, distributions=versions),
            cost=r.Cost(flops=(1 + number % 40) * 10**9, image=(3, 224, 224)) if cost else None, synthetic=kind == "synthetic",
            approximate=preset != "paper", times={"stages": {"only": 60.0 + number}, "latency_ms": 3.0 + number % 20} if cost else {},
        ),
    )  # fmt: skip
