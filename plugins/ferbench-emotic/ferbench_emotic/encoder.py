"""The encoder of one view, and both views as earlier stages have left their encoders."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from ferbench import AssemblyRefused, Backbone, Features, Inputs, Site, ask_teacher
from ferbench_emotic.config import TwoViewsConfig, ViewConfig
from ferbench_emotic.crops import box, collage, strips_of

TEACHERS = ("face", "parts")
"""The stronger view first: it is the query, the value and the skip of the fusion."""


class ViewEncoder(Backbone):
    """images [B, 3, S, S] → the Features that an encoder has of one view of them. Tokens of a collage stand for no square of the face,
    so only with the whole face may a masking choose among them. Raises AssemblyRefused for a face too small to be cut."""

    def __init__(self, config: ViewConfig, site: Site) -> None:
        super().__init__()
        for region in strips_of(config.view):
            box(region, site.image)
        names = ("model", "patch", "depth", "pool", "drop_path")
        options = {name: getattr(config, name) for name in names if getattr(config, name)}
        self.encoder = site.backbone(config.encoder, weights=config.weights, **options)
        self.view, whole = config.view, config.view == "full"
        self.selects, self.taps = self.encoder.selects and whole, self.encoder.taps
        self.patch = self.encoder.patch if whole else 0
        self.weights_info = getattr(self.encoder, "weights_info", [])

    def forward(self, inputs: Inputs, select: Any = None, between: Any = None) -> Features:
        features: Features = self.encoder(replace(inputs, images=self.seen(inputs.images)), select, between)
        return features

    def seen(self, images: Tensor) -> Tensor:
        return collage(images, self.view)

    def extra(self) -> dict[str, Any]:
        return {"weights": self.weights_info}


class TwoViews(Backbone):
    """images [B, 3, S, S] → f_m of the teacher ``face`` as pooled [B, E], f_a of the teacher ``parts`` as kept["parts"] [B, E]; or with
    tokens = "patch" their patch tokens [B, N, E], f_m's as tokens. Nothing here learns: a picture is asked about once. Raises
    AssemblyRefused without just one teacher of each name, and for views whose features differ in shape."""

    def __init__(self, config: TwoViewsConfig, site: Site) -> None:
        super().__init__()
        for name in TEACHERS:
            if len(site.teachers.get(name, ())) != 1:
                raise AssemblyRefused(
                    f"backbone emotic.two_views asks one teacher {name!r}, and there are {len(site.teachers.get(name, ()))}",
                    next='Name earlier stages: teachers = { face = "…", parts = "…" }',
                )
        self._teachers = {name: site.teachers[name][0] for name in TEACHERS}  # in a dict: no part of this component's state
        self.part = "tokens" if config.tokens == "patch" else "pooled"

    def frozen_features(self, inputs: Inputs) -> dict[str, Tensor]:
        return {name: self._asked(name, inputs) for name in TEACHERS}

    def _asked(self, name: str, inputs: Inputs) -> Tensor:
        teacher = self._teachers[name]
        there = next(teacher.parameters()).device  # at assembly the pictures are not yet where a finished method is
        said = getattr(ask_teacher(teacher, Inputs(inputs.images.to(there))).features, self.part)
        if said is None:
            raise AssemblyRefused(f"backbone emotic.two_views takes {self.part} of its teachers, and {name!r} has none")
        found: Tensor = said.to(inputs.images.device)
        return found

    def forward(self, inputs: Inputs, select: Any = None, between: Any = None) -> Features:
        known = self.known(inputs)
        face, parts = known["face"], known["parts"]
        if face.shape != parts.shape:
            raise AssemblyRefused(
                f"the views are fused number by number, and face is {list(face.shape[1:])}, parts {list(parts.shape[1:])}",
                next="Give both stages encoders of one width",
            )
        if self.part == "tokens":
            return Features(pooled=face.mean(1), tokens=face, kept={"parts": parts})
        return Features(pooled=face, kept={"parts": parts})
