"""ADDL's disentangler: f^e from S_e, and, in training, f^d from S_d, held against what the frozen DFEMs know of the same face."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ferbench import AssemblyRefused, Batch, Disentangler, Features, Inputs, Output, Parts, Progress, Shown, Site
from ferbench_addl import losses as terms
from ferbench_addl.config import DisentanglerConfig
from ferbench_addl.critics import StatisticsNetwork, build_discriminator
from ferbench_addl.dfem import Knowledge, Teachers
from ferbench_addl.subnetworks import DisturbanceSubnetwork, ExpressionSubnetwork, Maps, PooledExpression


class DisturbanceDisentangler(Disentangler):
    """``forward`` gives f^e [B, width], and f^d [B, width] in training. Losses: adversarial, weighting, transfer, mine; critics'
    losses: discriminator, mine_estimate. What the parameters are depends on the configuration alone, never on which DFEMs are
    there, so that a trained state loads without any."""

    def __init__(self, config: DisentanglerConfig, site: Site) -> None:
        super().__init__()
        self.config = config
        pooled = config.expression == "pooled"
        needs = {"pooled": pooled, "levels": config.disturbance or not pooled}
        self.needs = frozenset(part for part, needed in needs.items() if needed)
        if "levels" in self.needs and len(site.levels) < 2:
            raise AssemblyRefused(f"disentangler addl.ddm needs two or more levels; the backbone provides {len(site.levels)}")
        self.expression: nn.Module
        if pooled:
            self.expression = PooledExpression(site.width("pooled"), config)
        else:
            self.expression = ExpressionSubnetwork(site.levels, config)
        self._build_disturbance(config, site)

    def _build_disturbance(self, config: DisentanglerConfig, site: Site) -> None:
        self.teachers = Teachers(site.teachers.get("dfem", ()), config, site)
        if not config.disturbance:
            return
        self.disturbance = DisturbanceSubnetwork(site.levels, config)
        if config.factors:
            self.critics["discriminator"] = build_discriminator(config.width)
        if config.mine:
            self.critics["mine"] = StatisticsNetwork(config.width)
        if config.weighted:
            self.alpha = nn.Sequential(nn.Linear(config.width, len(config.factors)), nn.Sigmoid())
            self.alpha.requires_grad_(config.adfl == "alternate")
            names = self.teachers.names
            columns = torch.tensor([config.factors.index(name) for name in names], dtype=torch.long)
            shares = torch.tensor([1 / names.count(name) for name in names])
            self.register_buffer("columns", columns, persistent=False)
            self.register_buffer("shares", shares, persistent=False)

    def forward(self, features: Features, inputs: Inputs) -> Parts:
        f_e = self.expression(features.pooled if self.config.expression == "pooled" else features.levels)
        untaught = bool(self.config.factors) and not self.teachers
        if not (self.training and self.config.disturbance) or untaught:
            return Parts(f_e)
        f_d, maps = self.disturbance(features.levels)
        if not self.config.factors:
            return Parts(f_e, f_d)
        known = self.teachers(inputs)
        kept = {"real": self._real(f_d, known), "ours": self._transferred(maps), "theirs": known.maps}
        return Parts(f_e, f_d, kept)

    def _real(self, f_d: Tensor, known: Knowledge) -> tuple[Tensor, ...]:
        """What D takes for real, as features [·, width]: f^m alone, or the DFEMs' features as they are."""
        if self.config.adfl == "each":
            return tuple(features.flatten(0, 1) for features in known.features)
        features = torch.cat(known.features, dim=1)  # [B, ΣJ, width]
        if self.config.adfl == "mean":
            return (features.mean(1),)
        weights = self.alpha(f_d)[:, self.columns] * self.shares  # [B, ΣJ]; a factor known to two DFEMs counts once in all
        return (torch.einsum("bj,bjd->bd", weights, features),)

    def _transferred(self, maps: Maps) -> tuple[Tensor, ...]:
        return (*maps.merged[1:], maps.out[-1]) if self.config.transfer == "merged" else maps.out

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        self._refuse_untaught()
        f_e, f_d, kept = output.parts.expression, output.parts.disturbance, output.parts.kept
        if f_d is None:
            return {}
        found: dict[str, Tensor] = {}
        if self.config.factors:
            judge = self.critics["discriminator"]
            found["adversarial"] = terms.adversarial(judge(f_d))
            if self.config.adfl == "alternate":
                found["weighting"] = terms.weighting(judge(kept["real"][0]))
            found["transfer"] = self._transfer(kept["ours"], kept["theirs"])
        if self.config.mine:
            found["mine"] = terms.mine(*self._scores(f_d, f_e))
        return found

    def critic_losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        f_e, f_d, kept = output.parts.expression, output.parts.disturbance, output.parts.kept
        if f_d is None:
            return {}
        found: dict[str, Tensor] = {}
        if self.config.factors:
            judge = self.critics["discriminator"]
            found["discriminator"] = terms.discriminator([judge(real) for real in kept["real"]], judge(f_d))
        if self.config.mine:
            found["mine_estimate"] = terms.mine_estimate(*self._scores(f_d, f_e))
        return found

    def _transfer(self, ours: tuple[Tensor, ...], theirs: tuple[tuple[Tensor, ...], ...]) -> Tensor:
        each = torch.stack([terms.transfer(ours, maps, self.config.transfer_norm) for maps in theirs])
        return each.mean() if self.config.transfer_over == "mean" else each.sum()

    def _scores(self, f_d: Tensor, f_e: Tensor) -> tuple[Tensor, Tensor]:
        """T on pairs of one face, and on pairs of two: f^e rolled by one place, which no face shares with itself."""
        statistics = self.critics["mine"]
        return statistics(f_d, f_e), statistics(f_d, f_e.roll(1, dims=0))

    def _refuse_untaught(self) -> None:
        if self.training and self.config.factors and not self.teachers:
            raise AssemblyRefused(
                "disentangler addl.ddm learns disturbance factors from a DFEM, and this stage has no teacher named 'dfem'",
                next='Give the stage teachers = {dfem = "STAGE"}, or set disentangler.factors = [] (S_d unsupervised)',
            )

    def shows(self, output: Output, inputs: Inputs) -> dict[str, Shown]:
        """Masks of S_e and S_d at every level, the mean over channels of m_j; f^d; α of the factors that a DFEM knows."""
        levels, found = output.features.levels, dict[str, Shown]()
        if self.config.expression != "pooled":
            masks = self.expression.chain.masks(levels)
            about = "mask of the expression subnetwork, mean over channels"
            found |= {f"S_e {j}": Shown("map", mask, about) for j, mask in enumerate(masks, 1)}
        if not self.config.disturbance:
            return found
        masks, about = self.disturbance.chain.masks(levels), "mask of the disturbance subnetwork, mean over channels"
        found |= {f"S_d {j}": Shown("map", mask, about) for j, mask in enumerate(masks, 1)}
        f_d, _ = self.disturbance(levels)
        found["disturbance"] = Shown("feature", f_d, "disturbance feature f_d")
        known = [j for j, name in enumerate(self.config.factors) if name in self.teachers.names]
        if self.config.weighted and known:
            names = tuple(self.config.factors[j] for j in known)
            found["factor weights"] = Shown("numbers", self.alpha(f_d)[:, known], "weight α of each disturbance factor", names)
        return found

    def extra(self) -> dict[str, Any]:
        names = self.teachers.names
        return {
            "dfems": len(self.teachers.methods),
            "factors": [name for name in self.config.factors if name in names],
            "factors no DFEM knows": [name for name in self.config.factors if self.teachers and name not in names],
        }
