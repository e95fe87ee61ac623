"""SADA, sensitivity-guided adversarial amplitude: the amplitudes of a face's frequencies are changed so that the network errs, most where a
plain network is sensitive, and all that is made of a face shall be answered alike."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import v2

from ferbench import AssemblyRefused, Batch, Features, Head, Output, Parts, Progress, Site, ask_teacher
from ferbench_baselines.config import SadaConfig
from ferbench_baselines.shared import Pixels, ce

PART = "head baselines.sada"
Classify = Callable[[Tensor], Tensor]
"""Pictures in [0, 1], [B, 3, H, W] → logits [B, K]."""


def sensitivity_map(classify: Classify, x: Tensor, expression: Tensor, size: int, noise: float) -> Tensor:
    """S, the error rate when noise of one frequency alone is added. x: [B, 3, H, H] in [0, 1]; expression: [B], −1 unknown. noise: its root
    mean square, with a random sign for each face and channel. [size, size] in [0, 1], the frequencies spread evenly, in the order of
    ``torch.fft.fftfreq``; S(u, v) = S(−u, −v), as both are one wave."""
    side = x.shape[-1]
    steps = (torch.fft.fftfreq(size) * side).round().tolist()
    place = torch.arange(side, device=x.device) * (2 * math.pi / side)
    known = expression >= 0
    found = x.new_zeros(size, size)
    for i, j in ((i, j) for i in range(size) for j in range(size) if (i, j) <= (-i % size, -j % size)):
        wave = torch.cos(steps[i] * place[:, None] + steps[j] * place[None])
        sign = torch.randint(2, (len(x), 3, 1, 1), device=x.device) * 2 - 1
        changed = x + sign * wave * (noise / wave.square().mean().sqrt())
        wrong = (classify(changed).argmax(1) != expression) & known
        found[i, j] = found[-i % size, -j % size] = wrong.sum() / known.sum().clamp(min=1)
    return found


def spread(sensitivity: Tensor, side: int) -> Tensor:
    """The map [size, size] for every frequency of a picture, [side, side]: each has the value of the nearest that was looked at."""
    size = len(sensitivity)
    nearest = (torch.fft.fftfreq(side, device=sensitivity.device) * size).round().long() % size
    return sensitivity[nearest][:, nearest]


def of_amplitude(amplitude: Tensor, turn: Tensor) -> Tensor:
    """|IFFT(A e^{iφ})| divided by the largest value of the batch, in [0, 1]. amplitude: A [B, 3, H, W] ≥ 0; turn: e^{iφ}."""
    picture = torch.fft.ifft2(amplitude * turn).abs()
    return (picture / picture.amax().clamp(min=1e-6)).clamp(0, 1)


def attack(classify: Classify, x: Tensor, expression: Tensor, sensitivity: Tensor, steps: int, rate: float) -> Tensor:
    """A ← max(0, A + rate · sign(∂CE/∂A) · A · (S + 1)), at most ``steps`` times; a picture that is misclassified once stays as it is from
    then on. At first each channel's mean is raised by U(1, 5), in the end the brightness of all by U(1, 1.6). x: [B, 3, H, W] in
    [0, 1]; expression: [B], −1 unknown; sensitivity: S [H, W]. [B, 3, H, W] in [0, 1]."""
    waves = torch.fft.fft2(x.float())
    amplitude, turn = waves.abs(), torch.polar(torch.ones_like(waves.real), waves.angle())
    amplitude[..., 0, 0] *= 1 + 4 * torch.rand(x.shape[:2], device=x.device)
    going = expression >= 0
    for _ in range(steps):
        with torch.enable_grad():
            amplitude = amplitude.detach().requires_grad_()
            logits = classify(of_amplitude(amplitude, turn)).float()
            (gradient,) = torch.autograd.grad(F.cross_entropy(logits, expression, ignore_index=-1, reduction="sum"), amplitude)
        amplitude = amplitude.detach()
        going = going & (logits.argmax(1) == expression)
        if x.device.type == "cpu" and not going.any():  # elsewhere to ask would be to wait
            break
        further = (amplitude + rate * gradient.sign() * amplitude * (sensitivity + 1)).clamp(min=0)
        amplitude = torch.where(going[:, None, None, None], further, amplitude)
    return (of_amplitude(amplitude, turn) * (1 + 0.6 * torch.rand((), device=x.device))).clamp(0, 1)


def jensen_shannon(logits: Tensor, faces: int) -> Tensor:
    """Mean over faces of the mean of KL(p ‖ their mean) over the answers p to a face's pictures. logits: [B, K], the faces first, then all
    of a copy after all of another. In float32. Scalar ≥ 0."""
    log_p = logits.float().log_softmax(1).unflatten(0, (-1, faces))  # [1 + copies, faces, K]
    log_mean = log_p.logsumexp(0) - math.log(len(log_p))
    return (log_p.exp() * (log_p - log_mean)).sum(2).mean()


class AmplitudeAttack(Head):
    """expression feature [B, E] → "expression" logits [B, K].

    Paints ``views`` copies of each face by AugMix, and from ``attack_from`` on attacks them. Losses: ce of the faces alone; js between a
    face and its copies until then, js_attacked from then on, each 0 where it is not its turn. S is worked out once, in the first
    step that attacks, on its faces, by the frozen teacher ``erm``; it is in the checkpoint, and not deployed.
    """

    sensitivity: Tensor

    def __init__(self, config: SadaConfig, site: Site) -> None:
        super().__init__()
        self.config = config
        self._teacher = site.teachers.get("erm", ())  # in a tuple: no part of this component's state
        if config.attack_from and config.map and len(self._teacher) != 1:
            raise AssemblyRefused(
                f"{PART} asks one teacher 'erm' which frequencies it is sensitive to, and there are {len(self._teacher)}",
                next='Name an earlier stage: teachers = { erm = "…" }, or set map to 0',
            )
        self.fc = nn.Linear(site.width("expression"), len(site.labels))
        self.pixels, self.augmix = Pixels(site), v2.AugMix(severity=2)
        size = min(config.map, site.image)
        self.register_buffer("sensitivity", torch.zeros(max(size, 1), max(size, 1)), persistent=False)

    def forward(self, parts: Parts, features: Features) -> dict[str, Tensor]:
        return {"expression": self.fc(parts.expression)}

    def attacks(self, progress: Progress) -> bool:
        return 0 < self.config.attack_from <= progress.epoch + 1

    def paint(self, batch: Batch, progress: Progress) -> Batch:
        n, config = batch.faces, self.config
        x, expression = self.pixels.of(batch.inputs.images[:n]), batch.expression[:n]
        views: list[Tensor] = [self.augmix(x) for _ in range(config.views)]
        if self.attacks(progress):
            if config.map and progress.epoch + 1 == config.attack_from and progress.step == 0:
                self._look(batch, x, expression)
            strength = spread(self.sensitivity, x.shape[-1])

            def classify(pictures: Tensor) -> Tensor:
                assert batch.network is not None
                return batch.network(batch.shown(self.pixels.normalised(pictures))).predictions["expression"]

            views = [attack(classify, view, expression, strength, config.steps, config.rate) for view in views]
        return batch.with_copies(*(self.pixels.normalised(view) for view in views))

    def _look(self, batch: Batch, x: Tensor, expression: Tensor) -> None:
        """Work out S; of several processes' faces, the mean of theirs."""

        def classify(pictures: Tensor) -> Tensor:
            return ask_teacher(self._teacher[0], batch.shown(self.pixels.normalised(pictures))).predictions["expression"]

        found = sensitivity_map(classify, x, expression, len(self.sensitivity), self.config.noise)
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(found)
            found /= dist.get_world_size()
        self.sensitivity.copy_(found)

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        n, logits = batch.faces, output.predictions["expression"]
        painted = self.config.views * n
        plain = len(logits) - painted  # the faces, and the copies that the view made
        js = jensen_shannon(torch.cat([logits[:n], logits[plain:]]), n)
        terms = {"ce": ce(logits[:plain], batch.expression[:plain]), "js": js, "js_attacked": js}
        return terms | {"js" if self.attacks(progress) else "js_attacked": torch.zeros_like(js)}
