"""LPL, locality preserving loss (DLP-CNN): a face's feature shall be near those of its nearest neighbours of the same expression."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ferbench import Batch, Features, Head, Output, Parts, Progress, Site
from ferbench_baselines.config import LocalityConfig
from ferbench_baselines.shared import ce


def locality(x: Tensor, expression: Tensor, neighbours: int) -> Tensor:
    """L_lp = ½ Σ_i ‖x_i − mean of N_k(x_i)‖², N_k: the k nearest others of its class in the batch, or as many as there are. x: [B, D];
    expression: [B], −1 unknown. A face that is alone in its class, or of unknown expression, counts 0. The gradient reaches both
    sides. In float32. Scalar ≥ 0."""
    x = x.float()
    near, there = nearest(x.detach(), expression, neighbours)
    mean = (x[near] * there[..., None]).sum(1) / there.sum(1, keepdim=True).clamp(min=1)  # [B, D]
    return 0.5 * ((x - mean).square().sum(1) * there.any(1)).sum()


def nearest(x: Tensor, expression: Tensor, neighbours: int) -> tuple[Tensor, Tensor]:
    """Places of the nearest others of the same class [B, k], k = min(neighbours, B − 1), and which of them there are [B, k]."""
    same = (expression[:, None] == expression[None]) & (expression >= 0)[:, None]
    same = same & ~torch.eye(len(x), dtype=torch.bool, device=x.device)
    distance = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").masked_fill(~same, torch.inf)
    found = distance.topk(min(neighbours, len(x) - 1), dim=1, largest=False)
    return found.indices, torch.isfinite(found.values)


class Locality(Head):
    """expression feature [B, E] → x = ReLU(linear) [B, width] → "expression" logits [B, K]. Losses: ce, locality (of x)."""

    def __init__(self, config: LocalityConfig, site: Site) -> None:
        super().__init__()
        self.neighbours = config.neighbours
        wide = site.width("expression")
        self.embed = nn.Sequential(nn.Linear(wide, config.width), nn.ReLU()) if config.width else nn.Identity()
        self.fc = nn.Linear(config.width or wide, len(site.labels))

    def forward(self, parts: Parts, features: Features) -> dict[str, Tensor]:
        x = self.embed(parts.expression)
        return {"expression": self.fc(x), "feature.locality": x}

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        said = output.predictions
        return {
            "ce": ce(said["expression"], batch.expression),
            "locality": locality(said["feature.locality"], batch.expression, self.neighbours),
        }
