"""A good run on disk, as the run module writes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ferbench.evaluation.metrics import Predictions
from ferbench.evaluation.statistics import seed_of, summarise
from ferbench.results import record as r
from ferbench.results.predictions import write_predictions
from ferbench.results.store import predictions_name

CLASSES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
RESAMPLES = 60
RECIPE = {"stages": [{"name": "dfem", "losses": {"CE": 1.0}}, {"name": "addm", "losses": {"CE": 1.0, "AT": 0.5}}], "batch": 32}


def made_up(n: int, seed: int) -> Predictions:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 7, n)
    p = (0.5 * rng.dirichlet(np.ones(7), n) + 0.5 * np.eye(7)[(labels + (rng.random(n) > 0.6)) % 7]).astype(np.float32)
    covered = rng.random(n) > 0.05
    p[~covered] = np.nan
    felt = rng.uniform(-1, 1, (n, 2)).astype(np.float32)
    said = np.where(covered[:, None], 0.7 * felt, np.nan).astype(np.float32)
    return Predictions(CLASSES, tuple(f"{i:05d}" for i in range(n)), labels, covered, p, felt, said)


def written(folder: Path, seed: int = 0, times: float = 1.0, results: slice = slice(None)) -> r.Record:
    """A finished run at ``folder``: two targets and the source's own test split, one of them also under the oracle."""
    data = [
        r.DataUse(role="source.train", name="synth-wild", kind="synthetic", fingerprint="f" * 16, split="train", n=900),
        r.DataUse(
            role="target",
            name="hf:a/b",
            kind="synthetic",
            fingerprint="e" * 16,
            split="all",
            n=140,
            dropped={"contempt": 4},
            coverage=float(made_up(140, 2).covered.mean()),
        ),
    ]
    versions = {"ferbench": "0.1.0", "ferbench-addl": "0.1.0"}
    run = r.run_id(RECIPE, r.fingerprints_of(data), versions, seed)
    made = []
    for i, (target, split, role, rule) in enumerate(
        (
            ("synth-wild", "test", "source-test", "last"),
            ("synth-film", "test", "target", "last"),
            ("hf:a/b", "all", "target", "last"),
            ("hf:a/b", "all", "target", "oracle"),
        )
    ):
        said = made_up((100, 120, 140, 140)[i], seed=min(i, 2))
        name = predictions_name(target, split, rule)
        file = r.PredictionsFile(file=name, sha256=write_predictions(folder / name, said))
        summary = summarise(said, seed_of(run, target, split, rule), resamples=RESAMPLES)
        made.append(r.Result.of(summary, file, target=target, split=split, role=role, selection=rule, epoch=3))  # type: ignore[arg-type]
    stage = r.StageRecord(
        name="addm", artifact="a" * 16, epochs=2, steps=58, parameters=1000, trainable=900, final_losses={"CE": 1.25, "AT": 0.5},
        loss_weights={"CE": 1.0, "AT": 0.5}, frozen=("backbone",), teachers=("dfem",),
    )  # fmt: skip
    environment = r.Environment(
        python="3.11.9", platform="linux", device="cpu", dtype="float32", threads=1, distributions=versions, commit="c" * 40
    )
    return r.write_record(
        folder / "record.json",
        r.Record(
            run_id=run,
            method="addl",
            recipe=RECIPE,  # type: ignore[arg-type]
            preset="quick",
            variant="full",
            settings=("batch=32",),
            seed=seed,
            labels=r.Labels(name="basic7", classes=CLASSES),
            selection="last",
            bootstrap=r.Bootstrap(resamples=RESAMPLES),
            data=tuple(data),
            stages=(stage,),
            results=tuple(made[results]),
            weights=(
                r.Weights(name="timm/resnet18", revision="b" * 40, sha256="d" * 64, licence="apache-2.0", saw=("imagenet",)),
            ),
            contamination=(r.Contamination(target="synth-film", by="synth-wild", note="the same renderer"),),
            environment=environment,
            provenance=(r.Provenance(component="addl.ddm", distribution="ferbench-addl", version="0.1.0", entry_point="addl"),),
            synthetic=True,
            approximate=True,
            times={"train": times, "finished": "2026-11-22T00:00:00Z"},
        ),
    )
