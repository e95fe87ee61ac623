"""ActiveFER's stand-in: a network learns that a face and a changed copy of it are one, without labels (SimCLR), and then expressions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferbench import AssemblyRefused, Batch, Features, Head, Output, Parts, Progress, Site
from ferbench_baselines.config import ContrastConfig
from ferbench_baselines.shared import enough

PART = "head baselines.contrast"


def nt_xent(z: Tensor, faces: int, temperature: float) -> Tensor:
    """Mean over all pictures i, and over the other pictures j of the same face, of −log p_ij (``log_same``). Scalar ≥ 0."""
    return -log_same(z, faces, temperature).mean()


def log_same(z: Tensor, faces: int, temperature: float) -> Tensor:
    """log p_ij of all pairs of pictures i ≠ j of one face, p_ij = exp(s_ij / T) / Σ_{k ≠ i} exp(s_ik / T), s the cosine. z: [B, D], the
    faces first, then all of a copy after all of another; faces: how many there are. In float32. [pairs] ≤ 0."""
    z = F.normalize(z.float(), dim=1)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    log_p = (z @ z.T / temperature).masked_fill(itself, -torch.inf).log_softmax(1)
    face = torch.arange(len(z), device=z.device) % faces
    return log_p[(face[:, None] == face[None]) & ~itself]


class Contrast(Head):
    """expression feature [B, E] → two layers → "activefer.projection" [B, width]. Loss contrast, over faces and their copies."""

    needs = frozenset({"copies"})

    def __init__(self, config: ContrastConfig, site: Site) -> None:
        super().__init__()
        wide = site.width("expression")
        self.temperature = config.temperature
        self.project = nn.Sequential(nn.Linear(wide, wide), nn.ReLU(), nn.Linear(wide, config.width))

    def forward(self, parts: Parts, features: Features) -> dict[str, Tensor]:
        return {"activefer.projection": self.project(parts.expression)}

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        if not batch.copies:
            raise AssemblyRefused(f"{PART} compares a face with a copy of it, and the batch has none")
        faces = len(batch) // (1 + batch.copies)
        enough(faces, 2, PART, "tells a face from another")
        return {"contrast": nt_xent(output.predictions["activefer.projection"], faces, self.temperature)}
