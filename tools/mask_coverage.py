"""How much of what a parsing map counts as expression ESGM's mask hides, on faces that stage 1a has not seen, against random masks.

    python tools/mask_coverage.py RUN [RUN …] [--on synth-aux] [--split val]

RUN: folder of a run of ``esgm``, for each of which a row of Markdown is printed. Hidden: Σ t_k over the hidden patches, of Σ t_k over all
(t_k as in L_mask, with the run's S_exp); a random mask of the same size hides count / N of it in expectation, and none hides more than
the patches of the highest t_k. The interval is a paired bootstrap over faces of hidden less random.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ferbench_esgm.losses import parsing_target
from torch import Tensor

from ferbench.data.faces import Faces
from ferbench.data.loader import Loader
from ferbench.data.names import parse
from ferbench.data.prepared import open_set
from ferbench.evaluation.statistics import interval, resampled_sums
from ferbench.plugins import Registry, load
from ferbench.study.trained import Trained, open_run

HEAD = "| run | stage | S_exp | faces | hidden patches | of the target hidden % | random % | at most % | hidden − random |"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    asked.add_argument("--on", default="synth-aux", help="a set that labels parsing")
    asked.add_argument("--split", default="val")
    given = asked.parse_args()
    registry = load()
    print(HEAD, "|---" * (HEAD.count("|") - 1) + "|", sep="\n")
    for path in given.runs:
        print(row(open_run(path, registry, "cpu"), given.on, given.split, registry), flush=True)


def row(run: Trained, on: str, split: str, registry: Registry) -> str:
    order = next(order for order in run.shop.orders if order.stage.masking.use == "esgm.attention")
    masking: Any = run.shop.trained(order).masking
    faces = Faces.from_sets(
        [open_set(parse(on, registry.datasets), registry.datasets)],
        split,
        run.labels,
        order.stage.view,
        unlabelled=True,
        maps=("parsing",),
    )
    loader = Loader(faces, order.stage.view, order.stage.batch, 0)
    seen = [shares(run.shop.trained(order), masking, inputs) for inputs, _ in loader.test_batches()]
    count, patches = seen[0][1], masking.block.mlp[-1].out_features
    of_mask, of_best = (np.concatenate([part[0][which].numpy() for part in seen]) for which in (0, 1))
    gain = 100 * (of_mask - count / patches)
    low, high = interval(resampled_sums(gain[:, None], 0)[:, 0] / len(gain))
    return (
        f"| {run.record.run_id[:8]} | {order.label} | {order.stage.masking.config['s_exp']} | {len(gain)} | {count} of {patches} | "
        f"{100 * of_mask.mean():.1f} | {100 * count / patches:.1f} | {100 * of_best.mean():.1f} | "
        f"{gain.mean():+.1f} [{low:+.1f}, {high:+.1f}] |"
    )


@torch.no_grad()
def shares(method: Any, masking: Any, inputs: Any) -> tuple[tuple[Tensor, Tensor], int]:
    """Of each face: Σ t_k over the hidden patches, and over as many of the highest t_k, both of Σ t_k; and how many are hidden.
    Faces without any target are left out."""
    masking.train()  # at test time nothing is hidden
    drop = method(inputs).features.mask.drop
    masking.eval()
    target = parsing_target(inputs.views["parsing"], masking.expressive, masking.patch).double()
    target = target / target.sum(1, keepdim=True)
    there = target.isfinite().all(1)
    best = target.topk(drop.shape[1]).values.sum(1)
    return (target.gather(1, drop).sum(1)[there], best[there]), drop.shape[1]


if __name__ == "__main__":
    main()
