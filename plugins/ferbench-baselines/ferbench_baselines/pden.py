"""PDEN, progressive domain expansion: generators, one after another, paint the faces as a new domain would show them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferbench import Batch, Features, Head, Inputs, Output, Parts, Progress, Shown, Site
from ferbench_baselines.activefer import log_same, nt_xent
from ferbench_baselines.config import PdenConfig
from ferbench_baselines.shared import Pixels, ce, enough

PART = "head baselines.pden"


class Generator(nn.Module):
    """Pictures in [0, 1] [B, 3, H, W] → pictures in [0, 1]: four convolutions, to c, 2c, 4c and 3 channels; with ``noise``, z [B, noise]
    says mean and deviation of the 2c channels (AdaIN)."""

    def __init__(self, channels: int, noise: int = 0) -> None:
        super().__init__()
        c = channels
        self.first = nn.Sequential(nn.Conv2d(3, c, 3, padding=1), nn.ReLU(), nn.Conv2d(c, 2 * c, 3, padding=1), nn.ReLU())
        self.style = nn.Linear(noise, 4 * c) if noise else None
        self.last = nn.Sequential(nn.Conv2d(2 * c, 4 * c, 3, padding=1), nn.ReLU(), nn.Conv2d(4 * c, 3, 3, padding=1))

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        x = self.first(x)
        if self.style is not None and z is not None:
            scale, shift = self.style(z)[..., None, None].chunk(2, 1)
            x = (1 + scale) * F.instance_norm(x) + shift
        made: Tensor = self.last(x).float().sigmoid()
        return made


def diversity(one: Tensor, other: Tensor, cap: float) -> Tensor:
    """−mean over faces of min(mean |G(x, z1) − G(x, z2)|, cap). Both [B, 3, H, W] in [0, 1]. Scalar in [−cap, 0]."""
    return -(one - other).abs().mean((1, 2, 3)).clamp(max=cap).mean()


def adversarial_contrast(z: Tensor, faces: int, temperature: float) -> Tensor:
    """Mean of −log(1 − p_ij) over pairs of pictures of one face (``log_same``): a new domain shall not be taken for the old. Scalar ≥ 0."""
    return -torch.log1p(-log_same(z, faces, temperature).exp().clamp(max=1 - 1e-6)).mean()


class Progressive(Head):
    """expression feature [B, E] → "expression" logits [B, K] and "pden.projection" [B, width].

    Training is cut into ``domains`` equal parts, each with a generator of its own, which learns in the first ``learning`` of its part.
    Paints of each face a copy by the generator at hand; from the second part on also one by an earlier generator, and a random mixture
    of that and the face. Losses: ce, new, old, interpolated; contrast, over all pictures of a face. Critics, for the generator:
    class, diversity, cycle, apart.
    """

    def __init__(self, config: PdenConfig, site: Site) -> None:
        super().__init__()
        self.config = config
        wide = site.width("expression")
        self.fc, self.project = nn.Linear(wide, len(site.labels)), nn.Linear(wide, config.width)
        self.pixels = Pixels(site)
        self.critics["there"] = nn.ModuleList(Generator(config.channels, config.noise) for _ in range(config.domains))
        self.critics["back"] = nn.ModuleList(Generator(config.channels) for _ in range(config.domains))

    def forward(self, parts: Parts, features: Features) -> dict[str, Tensor]:
        return {"expression": self.fc(parts.expression), "pden.projection": self.project(parts.expression)}

    def domain(self, progress: Progress) -> tuple[int, bool]:
        """The part of training that it is, from 0, and whether its generator learns."""
        place = progress.fraction * self.config.domains + 1e-9
        now = min(int(place), self.config.domains - 1)
        return now, place - now < self.config.learning

    def made(self, domain: int, x: Tensor) -> Tensor:
        """x in [0, 1] as a domain would show it, each by a draw of its own."""
        z = torch.randn(len(x), self.config.noise, device=x.device)
        painted: Tensor = self.critics["there"][domain](x, z)  # type: ignore[index]
        return painted

    def paint(self, batch: Batch, progress: Progress) -> Batch:
        enough(batch.faces, 2, PART, "tells a face from another")
        now, _ = self.domain(progress)
        x = self.pixels.of(batch.inputs.images[: batch.faces])
        painted = [self.made(now, x)]
        if now:
            old, share = self.made(int(torch.randint(now, ())), x), torch.rand(len(x), 1, 1, 1, device=x.device)
            painted += [old, share * x + (1 - share) * old]
        return batch.with_copies(*(self.pixels.normalised(one) for one in painted))

    def _apart(self, rows: Tensor, batch: Batch, progress: Progress) -> tuple[Tensor, ...]:
        """Rows of the batch: of the faces, with the copies that the view made; new; from the second part on old and interpolated."""
        painted = (3 if self.domain(progress)[0] else 1) * batch.faces
        return rows[:-painted], *rows[-painted:].split(batch.faces)

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        logits, known = (self._apart(x, batch, progress) for x in (output.predictions["expression"], batch.expression))
        terms = dict.fromkeys(("ce", "new", "old", "interpolated"), logits[0].new_zeros((), dtype=torch.float32))
        terms |= {name: ce(a, b) for name, a, b in zip(terms, logits, known, strict=False)}
        z = output.predictions["pden.projection"]
        return {**terms, "contrast": nt_xent(z, batch.faces, self.config.temperature)}

    def critic_losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        now, learns = self.domain(progress)
        n, images = batch.faces, batch.inputs.images
        if not learns or batch.network is None:
            return dict.fromkeys(("class", "diversity", "cycle", "apart"), images.new_zeros(()))
        x = self.pixels.of(images[:n])
        one, other = self.made(now, x), self.made(now, x)
        back: Tensor = self.critics["back"][now](one)  # type: ignore[index]
        seen = batch.network(batch.shown(self.pixels.normalised(one))).predictions
        faces, _, *others = self._apart(output.predictions["pden.projection"], batch, progress)
        known = [faces[:n], *others]
        pair = torch.cat([known[int(torch.randint(len(known), ()))], seen["pden.projection"]])
        return {
            "class": ce(seen["expression"], batch.expression[:n]),
            "diversity": diversity(one, other, self.config.cap),
            "cycle": F.mse_loss(back, x),
            "apart": adversarial_contrast(pair, n, self.config.temperature),
        }

    def shows(self, output: Output, inputs: Inputs) -> dict[str, Shown]:
        last = self.config.domains - 1
        z = inputs.images.new_zeros(len(inputs), self.config.noise)
        painted = self.critics["there"][last](self.pixels.of(inputs.images), z)  # type: ignore[index]
        return {
            "new domain": Shown("picture", self.pixels.normalised(painted), "the face as the last generator paints it, by z = 0")
        }
